"""Results of look-ups against a naive model: the latest one decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.hlr_history import create_hlr_inactive
from airflow_provider_telecom.bulk.outcomes import Origin
from airflow_provider_telecom.calls.errors import TelecomInputError
from tests.bulk.histories import AS_OF, Line, outcomes, write_history

LINE = {
    **Origin("hlr", "ketchup_loyalty_default", "check/manual__6/look_up").line(
        "380670000209",
        "accepted",
        reference="r1",
        sent_at="2026-03-09T12:00:00Z",
        final_at="2026-03-09T12:00:05Z",
    ),
    "status": "absent",
}


def inactive(folder: Path, max_age: Any = None, unknown: str = "keep") -> dict[int, str]:
    """Return the inactive numbers with their last result."""
    copies = folder.parent / f"{folder.name}-copies"
    copies.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        table = create_hlr_inactive(connection, str(folder), copies, AS_OF, max_age, unknown)
        return dict(connection.execute(f"SELECT msisdn, detail FROM {table}").fetchall())


def modelled(lines: Sequence[Line], max_age: timedelta | None, unknown: str) -> dict[int, str]:
    """Return the same by the words of the documentation."""
    latest: dict[str, tuple[datetime, bool, str]] = {}
    for line in lines:
        status, at = (line.get("status") or "").lower(), line["final_at"] or line["sent_at"]
        if line["channel"] != "hlr" or status not in ("active", "absent", "failed", "unknown") or at is None:
            continue
        moment = datetime.fromisoformat(at)
        if max_age is not None and moment < AS_OF - max_age:
            continue
        found = (moment, status == "active", status)
        latest[line["msisdn"]] = max(found, latest.get(line["msisdn"], found))
    excluded = {"absent", "failed", *(["unknown"] if unknown == "drop" else [])}
    return {int(msisdn): status for msisdn, (_, _, status) in latest.items() if status in excluded}


ARGUMENTS = (
    st.lists(st.lists(outcomes(["hlr", "hlr", "hlr", "sms"]), min_size=2, max_size=8), max_size=6),
    st.sampled_from([None, timedelta(days=7), timedelta(hours=1)]),
    st.sampled_from(["keep", "drop"]),
)


def check_against_the_model(
    folder: Path, files: list[list[Line]], max_age: timedelta | None, unknown: str
) -> None:
    write_history(folder, files, ["status"])
    lines = [line for one in files for line in one]
    assert inactive(folder, max_age, unknown) == modelled(lines, max_age, unknown)


@settings(max_examples=15)
@given(*ARGUMENTS)
def test_the_latest_result_decides_as_in_a_naive_model(
    tmp_path_factory: pytest.TempPathFactory, files: Any, max_age: timedelta | None, unknown: str
) -> None:
    check_against_the_model(tmp_path_factory.mktemp("hlr"), files, max_age, unknown)


@pytest.mark.long
@settings(max_examples=2_000)
@given(*ARGUMENTS)
def test_the_latest_result_decides_in_2_000_examples(
    tmp_path_factory: pytest.TempPathFactory, files: Any, max_age: timedelta | None, unknown: str
) -> None:
    check_against_the_model(tmp_path_factory.mktemp("hlr"), files, max_age, unknown)


def test_an_older_or_missing_result_keeps_the_number(tmp_path: Path) -> None:
    folder = tmp_path / "hlr"
    folder.mkdir()
    path = folder / "a.jsonl"
    path.write_text(json.dumps(LINE) + "\n")
    assert inactive(folder) == {380670000209: "absent"}
    assert inactive(folder, timedelta(days=1)) == {380670000209: "absent"}
    assert inactive(folder, timedelta(hours=23)) == {}
    path.write_text(
        path.read_text() + json.dumps({**LINE, "status": "active", "final_at": "2026-03-10T00:00:00Z"})
    )
    assert inactive(folder) == {}
    path.write_text(json.dumps({**LINE, "status": None}))
    assert inactive(folder) == {}
    path.write_text(json.dumps({**LINE, "status": "unknown"}))
    assert inactive(folder) == {}
    assert inactive(folder, unknown="drop") == {380670000209: "unknown"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"unknown": "ignore"}, "hlr_unknown: must be one of keep, drop"),
        ({"max_age": timedelta()}, "hlr_max_age: must be a timedelta of more than 0"),
        ({"max_age": 30}, "hlr_max_age: must be a timedelta of more than 0"),
        ({}, "hlr: there is no file"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{error}"):
        inactive(tmp_path / "hlr", **arguments)
