"""Histories for tests: random outcomes in files of all kinds, some of them in two files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from airflow_provider_telecom.bulk.outcomes import CHANNELS, STATES, Origin, time_text, write_parquet

AS_OF = datetime(2026, 3, 10, 12, tzinfo=UTC)
OWN_RUN = "spring/manual__7/"

Line = dict[str, Any]


@st.composite
def outcomes(draw: st.DrawFn, channels: Sequence[str] = CHANNELS) -> Line:
    """One message or look-up of a few numbers, around the beginning of a week before AS_OF."""
    channel = draw(st.sampled_from(channels))
    run = draw(st.sampled_from([f"{OWN_RUN}send", "spring/manual__70/send", "autumn/x/send/3"]))
    seconds = draw(st.sampled_from([-1, 0, 1]) | st.integers(-100_000, 700_000))
    sent_at = AS_OF - timedelta(days=7) + timedelta(seconds=seconds)
    state = draw(st.sampled_from(STATES))
    line = Origin(channel, draw(st.sampled_from(["a", "b"])), run).line(
        draw(st.sampled_from(["380670000200", "380670000201", "77010000000"])),
        state,
        reference=draw(st.sampled_from([None, "r1", "r2", "r3"])),
        message_id=draw(st.sampled_from([None, "1", "2"])),
        price="0.5",
        sent_at=None if state == "refused" and draw(st.booleans()) else time_text(sent_at),
        final_at=draw(st.sampled_from([None, time_text(sent_at + timedelta(minutes=5))])),
    )
    if channel == "hlr":
        line["status"] = draw(st.sampled_from([None, "sent", "active", "Absent", "failed", "unknown", "new"]))
    return line


def write_history(folder: Path, files: Sequence[Sequence[Line]], others: Sequence[str] = ()) -> None:
    """Write each list of lines to a file: JSON lines, Parquet, nested, or a part of a running send.

    `others` are further columns of Parquet files.
    """
    for place, lines in enumerate(files):
        kind = place % 4
        if kind == 1:
            path = folder / "2026" / f"{place}.parquet"
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as file:
                write_parquet(file, lines, others)
            continue
        path = (
            folder / f"{place}.jsonl" if kind != 2 else folder / f"{place}.jsonl.parts" / "000000000000.jsonl"
        )
        path.parent.mkdir(exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in lines)
        path.write_text(text + ('{"msisdn": "3806700' if kind == 2 else ""))
