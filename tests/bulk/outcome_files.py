"""Files of outcomes for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_telecom.bulk.outcomes import Origin, write_parquet

AT = "2026-03-01T09:30:00Z"
"""When messages were sent, and became final."""


def outcome(msisdn: str, state: str, **more: Any) -> dict[str, Any]:
    """Return the row of a Viber message of KetchUp's default connection."""
    origin = Origin(
        more.pop("channel", "viber"),
        more.pop("conn_id", "ketchup_loyalty_default"),
        more.pop("run", "dag/manual__1/send"),
    )
    given = {"sent_at": AT, "final_at": None if state in ("accepted", "unknown", "silent") else AT, **more}
    return origin.line(msisdn, state, **given)


def write_outcomes(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as JSON lines, or as Parquet if the name says so; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        with path.open("wb") as file:
            write_parquet(file, rows)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return str(path)
