"""Preparing an audience: sources, reasons of exclusion, the folder, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet

from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from tests.running import Run

COLUMNS = {"msisdn": "phone", "name": "first_name", "timezone": "tz"}
CSV = (
    "phone,first_name,tz\n"
    "380670000001,Olena,\n"
    "+380 67 000 00 02,Petro,Europe/Warsaw\n"
    "0670000001,Olena again,\n"
    "12,short,\n"
    "48600000001,Jan,\n"
    "380670000003,,\n"
    "77010000001,Aigul,\n"
)


def prepare(folder: Path, context: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """Run the task, and return its XCom."""
    operator = PrepareAudienceOperator(task_id="audience", output=str(folder / "out"), **arguments)
    run = SimpleNamespace(run_after=datetime(2026, 11, 28, 9, tzinfo=UTC), run_id="manual__1")
    found: dict[str, Any] = Run().execute(operator, **{"dag_run": run, **(context or {})})
    assert json.loads(json.dumps(found)) == found
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return found


def written(folder: Path, text: str = CSV, name: str = "people.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_every_row_is_in_one_of_two_files(tmp_path: Path) -> None:
    xcom = prepare(
        tmp_path,
        recipients=written(tmp_path),
        columns=COLUMNS,
        allow_prefixes=["+380", "7"],
        on_bad_rows="skip",
    )
    assert rows(tmp_path / "out/audience.parquet") == [
        {"msisdn": "77010000001", "name": "Aigul", "timezone": "Asia/Almaty"} | _zone(xcom, "77010000001"),
        {"msisdn": "380670000001", "name": "Olena", "timezone": "Europe/Kyiv"},
        {"msisdn": "380670000002", "name": "Petro", "timezone": "Europe/Warsaw"},
    ]
    found = rows(tmp_path / "out/excluded.parquet")
    assert [(row["source"], row["row"], row["msisdn"], row["reason"]) for row in found] == [
        ("people.csv", 4, "38067*****01", "duplicate"),
        ("people.csv", 5, "**", "bad_number"),
        ("people.csv", 6, "48600****01", "not_allowed_prefix"),
        ("people.csv", 7, "38067*****03", "missing_value"),
    ]
    assert [row["detail"] for row in found] == [
        None,
        "msisdn: **: is too short for a number",
        None,
        "name: is missing",
    ]
    assert xcom["rows"] == 7
    assert xcom["recipients"] == 3
    assert {reason: count for reason, count in xcom["excluded"].items() if count} == {
        "bad_number": 1,
        "duplicate": 1,
        "not_allowed_prefix": 1,
        "missing_value": 1,
    }
    assert (xcom["variants"], xcom["shards"], xcom["columns"]) == ({}, 1, ["name"])
    info = json.loads((tmp_path / "out/audience.json").read_text())
    assert info["sha256"] == hashlib.sha256((tmp_path / "out/audience.parquet").read_bytes()).hexdigest()
    assert info["as_of"] == "2026-11-28T09:00:00Z"
    assert info["policy"]["allow_prefixes"] == ["380", "7"]
    assert {name: info[name] for name in xcom if name != "path"} == {
        name: value for name, value in xcom.items() if name != "path"
    }


def _zone(xcom: Mapping[str, Any], msisdn: str) -> dict[str, str]:
    """Kazakhstan's zones are those of the machine's data."""
    (name,) = (zone for zone in xcom["timezones"] if zone.startswith("Asia/"))
    return {"timezone": name}
