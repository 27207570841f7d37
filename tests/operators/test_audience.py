"""Preparing an audience: sources, reasons of exclusion, the folder, and what is refused."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk import DAG, BaseHook
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_telecom.bulk.audience_folder import (
    EXCLUDED_COLUMNS,
    REASONS,
    RESERVED,
    open_audience,
)
from airflow_provider_telecom.calls.errors import TelecomInputError
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


def test_the_same_inputs_give_the_same_bytes_and_reuse_the_folder(tmp_path: Path) -> None:
    arguments = {
        "recipients": written(tmp_path),
        "columns": COLUMNS,
        "variants": {"A": 50, "B": 50},
        "salt": "spring",
        "shards": 3,
        "on_bad_rows": "skip",
    }
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = prepare(tmp_path / "one", **arguments), prepare(tmp_path / "two", **arguments)
    names = ("audience.parquet", "excluded.parquet", "audience.json")
    for name in names:
        assert (tmp_path / "one/out" / name).read_bytes() == (tmp_path / "two/out" / name).read_bytes()
    assert first | {"path": ""} == second | {"path": ""}
    before = {name: (tmp_path / "one/out" / name).stat().st_mtime_ns for name in names}
    later = {"dag_run": SimpleNamespace(run_after=datetime(2026, 12, 1, tzinfo=UTC), run_id="manual__2")}
    assert prepare(tmp_path / "one", later, **arguments) == first
    assert {name: (tmp_path / "one/out" / name).stat().st_mtime_ns for name in names} == before
    (tmp_path / "one/out/audience.parquet").unlink()
    assert prepare(tmp_path / "one", later, **arguments) == first
    found = rows(tmp_path / "one/out/audience.parquet")
    assert [row["shard"] for row in found] == sorted(row["shard"] for row in found)
    assert {row["variant"] for row in found} <= {"A", "B"}
    assert sum(first["variants"].values()) == first["recipients"] == len(found) == 4


def test_an_audience_is_never_changed(tmp_path: Path) -> None:
    people = [{"msisdn": "380670000001"}, {"msisdn": "380670000002"}]
    prepare(tmp_path, recipients=people)
    before = (tmp_path / "out/audience.parquet").read_bytes()
    with pytest.raises(
        TelecomInputError, match=r"out/audience\.json: .*another policy .*: allow_prefixes is"
    ):
        prepare(tmp_path, recipients=people, allow_prefixes=["380"])
    with pytest.raises(TelecomInputError, match=r"out/audience\.json: .*the rows of the sources"):
        prepare(tmp_path, recipients=people[:1])
    assert (tmp_path / "out/audience.parquet").read_bytes() == before


def test_a_folder_of_a_killed_try_is_completed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/audience.parquet").write_text("half")
    prepare(tmp_path, recipients=["380670000001"])
    with open_audience(str(tmp_path / "out")) as audience:
        assert list(audience.entries()) == [("380670000001",)]


def test_variants_with_a_holdout(tmp_path: Path) -> None:
    people = [380670000000 + place for place in range(2000)]
    xcom = prepare(
        tmp_path, recipients=people, variants={"A": 60, "B": 30, "holdout": 10, "C": 0}, salt="spring"
    )
    found = rows(tmp_path / "out/audience.parquet")
    held = rows(tmp_path / "out/excluded.parquet")
    assert {row["reason"] for row in held} == {"holdout"}
    assert 100 < len(held) < 300
    assert len(found) + len(held) == 2000
    assert set(xcom["variants"]) == {"A", "B"}
    with open_audience(str(tmp_path / "out"), columns=["variant"], variants="B") as audience:
        assert {variant for _, variant in audience.entries()} == {"B"}
        assert audience.count == xcom["variants"]["B"]


def test_stop_lists(tmp_path: Path) -> None:
    stop = written(tmp_path, "msisdn,reason\n+380 67 000 00 02,asked by phone\n380670000009,\n", "stop.csv")
    people = ["380670000001", "380670000002", "380670000002"]
    xcom = prepare(tmp_path, recipients=people, suppress=[stop], excluded_numbers="full")
    assert xcom["recipients"] == 1
    found = [(row["row"], row["msisdn"], row["reason"]) for row in rows(tmp_path / "out/excluded.parquet")]
    assert found == [(2, "380670000002", "suppressed"), (3, "380670000002", "duplicate")]
    assert "asked by phone" in rows(tmp_path / "out/excluded.parquet")[0]["detail"]


def outcome(msisdn: str, **more: Any) -> dict[str, Any]:
    """Return an outcome of a message that was sent the day before."""
    line = {"msisdn": msisdn, "channel": "sms", "conn_id": "vendor", "state": "delivered", "run": "dag/r/t"}
    line |= dict.fromkeys(("message_id", "variant", "code", "price", "currency", "segments", "final_at"))
    return line | {"sent_at": "2026-11-27T09:00:00Z", "reference": f"r{next(REFERENCES)}"} | more


REFERENCES = count()


def write_outcomes(folder: Path, *lines: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(folder)


def test_the_frequency_cap_counts_what_was_sent_or_may_have_been(tmp_path: Path) -> None:
    states = ("accepted", "known_before", "delivered", "read", "undelivered", "expired", "unknown", "silent")
    numbers = [f"38067000000{place}" for place in range(len(states))]
    history = write_outcomes(
        tmp_path / "history",
        *(outcome(number, state=state) for number, state in zip(numbers, states, strict=True)),
        outcome("380670000010", state="refused"),
        outcome("380670000011", sent_at="2026-11-01T09:00:00Z"),
        outcome("380670000012", run="dag/manual__1/send"),
        outcome("380670000013", channel="hlr"),
    )
    sent = [f"3806700000{place}" for place in (10, 11, 12, 13)]
    xcom = prepare(tmp_path, recipients=[*numbers, *sent], history=history, frequency_cap="1/7d")
    assert xcom["excluded"]["frequency_cap"] == len(states)
    assert [row["msisdn"] for row in rows(tmp_path / "out/audience.parquet")] == sent
    assert rows(tmp_path / "out/excluded.parquet")[0]["detail"] == "1 in 7d"


@pytest.mark.parametrize(
    ("unknown", "kept"),
    [("keep", ["380670000001", "380670000003", "380670000004", "380670000005"]), ("drop", ["380670000001"])],
)
def test_numbers_known_to_be_inactive(tmp_path: Path, unknown: Any, kept: list[str]) -> None:
    statuses = {"380670000001": "active", "380670000002": "absent", "380670000003": "unknown"}
    lookups = write_outcomes(
        tmp_path / "hlr",
        *(outcome(number, channel="hlr", status=status) for number, status in statuses.items()),
        outcome("380670000004", channel="hlr", status="absent", sent_at="2026-01-01T00:00:00Z"),
    )
    xcom = prepare(
        tmp_path,
        recipients=[f"38067000000{place}" for place in range(1, 6)],
        hlr=lookups,
        hlr_max_age=timedelta(days=30),
        hlr_unknown=unknown,
    )
    assert [row["msisdn"] for row in rows(tmp_path / "out/audience.parquet")] == kept
    assert xcom["excluded"]["hlr_inactive"] == 5 - len(kept)


def test_a_history_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    written(tmp_path / "history", '{"name": "Olena"}\n', "a.jsonl")
    with pytest.raises(TelecomInputError, match=r"^history: .*a\.jsonl"):
        prepare(
            tmp_path, recipients=["380670000001"], history=str(tmp_path / "history"), frequency_cap="2/7d"
        )


def test_the_first_reason_counts(tmp_path: Path) -> None:
    number = "380670000001"
    stop = written(tmp_path, f"msisdn\n{number}\n", "stop.csv")
    history = write_outcomes(
        tmp_path / "history", outcome(number), outcome(number, channel="hlr", status="absent")
    )
    rules: dict[str, Any] = {
        "suppressed": {"suppress": stop},
        "frequency_cap": {"history": history, "frequency_cap": "1/1d"},
        "hlr_inactive": {"hlr": history},
        "not_allowed_prefix": {"allow_prefixes": ["48"]},
        "missing_value": {"columns": {"msisdn": "msisdn", "name": "name"}},
    }
    people = [{"msisdn": number}, {"msisdn": "48600000001", "name": "A"}]
    for reason in list(rules):
        arguments = {name: value for rule in rules.values() for name, value in rule.items()}
        folder = tmp_path / reason
        folder.mkdir()
        if "allow_prefixes" not in arguments and "columns" not in arguments:
            arguments["columns"] = {"msisdn": "msisdn"}
        assert prepare(folder, recipients=people, **arguments)["excluded"][reason] == 1
        del rules[reason]


def test_bad_rows_stop_the_task(tmp_path: Path) -> None:
    with pytest.raises(TelecomInputError) as caught:
        prepare(tmp_path, recipients=written(tmp_path), columns=COLUMNS)
    assert str(caught.value) == (
        "recipients: 1 bad rows, so no audience was written: line 5: msisdn: **: is too short for a number "
        "(on_bad_rows='skip' excludes them and writes them to excluded.parquet)"
    )
    assert not (tmp_path / "out/audience.json").exists()
    written(tmp_path, "phone,first_name,tz\n")
    (tmp_path / "b.csv").write_text("phone,first_name,tz\n380670000001,a,Europe/Kiyv\n380670000002\n")
    with pytest.raises(
        TelecomInputError, match=r"2 bad rows.*b\.csv line 2: timezone.*; b\.csv line 3: row: has"
    ):
        prepare(tmp_path, recipients=f"{tmp_path}/*.csv", columns=COLUMNS)


@pytest.mark.parametrize(("policy", "error"), [("fail", TelecomInputError), ("skip", AirflowSkipException)])
def test_nobody_is_left_and_the_folder_says_why(tmp_path: Path, policy: str, error: type[Exception]) -> None:
    (tmp_path / "stop.csv").write_text("msisdn\n380670000001\n")
    arguments = {"recipients": ["380670000001"], "suppress": [f"{tmp_path}/stop.csv"]}
    with pytest.raises(
        error, match=r"are none: all 1 rows are excluded \(suppressed 1\); .*excluded\.parquet"
    ):
        prepare(tmp_path, on_no_recipients=policy, **arguments)
    (row,) = pyarrow.parquet.read_table(tmp_path / "out" / "excluded.parquet").to_pylist()
    assert (row["reason"], row["msisdn"]) == ("suppressed", "38067*****01")
    (tmp_path / "stop.csv").write_text("msisdn\n380670000002\n")
    assert prepare(tmp_path, on_no_recipients=policy, **arguments)["recipients"] == 1, "a later try"


NOBODY = "recipients: are none"


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, "recipients: or sql must be given, and not both"),
        ({"recipients": ["1"], "sql": "SELECT 1", "sql_conn_id": "a"}, "recipients: or sql must be given"),
        ({"sql": "SELECT 1"}, "sql_conn_id: is the connection of sql"),
        ({"recipients": [], "history": "a"}, "frequency_cap: counts the messages of history"),
        ({"recipients": [], "hlr_unknown": "drop"}, "hlr: is needed"),
        (
            {"recipients": [], "variants": {"A": 50, "B": 49}, "salt": "a"},
            "variants: the shares add up to 99",
        ),
        ({"recipients": [], "history": "a", "frequency_cap": "2"}, "frequency_cap: must be messages per"),
        ({"recipients": [], "variants": {"A": 100}}, "salt: must not be empty"),
        ({"recipients": [], "salt": "a"}, "variants: are needed for salt"),
        ({"recipients": [], "timezone": "Kyiv"}, "timezone: Kyiv: is not an IANA time zone"),
        ({"recipients": [], "shards": 0}, "shards: 0: must be 1 to"),
        ({"recipients": [], "allow_prefixes": ["0380"]}, "allow_prefixes: a prefix has"),
        ({"recipients": [], "allow_prefixes": "380"}, "allow_prefixes: must be a list"),
        ({"recipients": [], "columns": {"shard": "x"}}, "columns: shard is a column that the audience has"),
        ({"recipients": [], "on_bad_rows": "hope"}, "on_bad_rows: must be one of fail, skip"),
        ({"recipients": [], "excluded_numbers": "no"}, "excluded_numbers: must be one of masked, full"),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        PrepareAudienceOperator(task_id="audience", output="out", **arguments)
    assert str(caught.value).startswith(rule)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"recipients": []}, NOBODY),
        ({"recipients": ["1"], "on_bad_rows": "skip"}, f"{NOBODY}: all 1 rows are excluded (bad_number 1)"),
        ({"recipients": ["380670000001"], "allow_prefixes": ["48"]}, f"{NOBODY}: all 1 rows"),
        ({"recipients": 5}, "recipients: must be a list or a path, not int"),
        ({"recipients": "380670000001"}, "recipients: there is no file ***"),
        ({"recipients": "/nowhere/a.csv"}, "recipients: there is no file /nowhere/a.csv"),
        (
            {"recipients": ["380670000001", "380670000002"], "max_recipients": 1},
            "recipients: are 2, more than",
        ),
        ({"recipients": ["380670000001"], "memory_limit": "a lot"}, "memory_limit: "),
        ({"recipients": ["870772001234"]}, "timezone: the numbering plan has no time zone"),
    ],
)
def test_what_is_refused_when_the_task_runs(tmp_path: Path, arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        prepare(tmp_path, **arguments)
    assert str(caught.value).startswith(rule)
    assert "380670000001" not in str(caught.value)
    assert not list((tmp_path / "out").glob("audience*"))


def test_a_stop_list_without_numbers_is_refused(tmp_path: Path) -> None:
    stop = written(tmp_path, "phone\n380670000002\n", "stop.csv")
    with pytest.raises(TelecomInputError, match=r"^suppress: .*stop\.csv.*msisdn"):
        prepare(tmp_path, recipients=["380670000001"], suppress=stop)
    assert prepare(tmp_path, recipients=["380670000001"], suppress=stop, suppress_column="phone")


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(TelecomInputError, match=r"^output: .*out is a file; it must be a folder"):
        prepare(tmp_path, recipients=["380670000001"])


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.bulk.extra.find_spec", lambda name: None)
    with pytest.raises(TelecomInputError, match=r"airflow-provider-telecom\[campaigns\]"):
        PrepareAudienceOperator(task_id="audience", output="out", recipients=[])


def test_numbers_stay_in_the_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    people = ["380670000001", "380670000001", "38067000000x"]
    operator = PrepareAudienceOperator(
        task_id="audience", output=str(tmp_path / "out"), recipients=people, on_bad_rows="skip"
    )
    xcom = Run().execute(operator)
    fields = {name: getattr(operator, name) for name in operator.template_fields}
    shown = {
        name: value.serialize() if hasattr(value, "serialize") else value for name, value in fields.items()
    }
    assert shown["recipients"] == "*** (list of 3)"
    for text in (caplog.text, json.dumps(xcom), str(shown)):
        assert "38067000000" not in text
    assert "duplicate" in caplog.text
    masked = {row["msisdn"] for row in rows(tmp_path / "out/excluded.parquet")}
    assert masked == {"38067*****01", "38067*****0x"}


@pytest.mark.parametrize(
    ("recipients", "is_shown"),
    [
        ("s3://crm/people/*.csv", True),
        ("people.csv", True),
        ("['380670000001']", False),
        ("380670000001", False),
    ],
)
def test_paths_are_shown(recipients: str, is_shown: bool) -> None:
    with DAG("dag", schedule=None):
        operator = PrepareAudienceOperator(task_id="audience", output="out", recipients=recipients)
    operator.render_template_fields({})
    assert (operator.recipients == recipients) is is_shown


def test_the_temporary_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    prepare(tmp_path, recipients=["380670000001"])
    with pytest.raises(TelecomInputError):
        prepare(tmp_path, recipients=["380670000002"])
    assert not list(temporary.iterdir())


class Warehouse(DbApiHook):
    """A database in memory."""

    conn_name_attr = "conn_id"

    def get_conn(self) -> Any:
        connection = sqlite3.connect(":memory:")
        connection.executescript(
            "CREATE TABLE people (phone TEXT, name TEXT); "
            "INSERT INTO people VALUES ('380670000001', 'A'), ('380670000002', NULL), ('+380670000001', 'O')"
        )
        return connection


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection one of the warehouse."""
    monkeypatch.setattr(BaseHook, "get_hook", lambda conn_id, **_: Warehouse(conn_id=conn_id))


@pytest.mark.usefixtures("warehouse")
def test_a_query(tmp_path: Path) -> None:
    query = {"sql": "SELECT phone, name FROM people", "sql_conn_id": "warehouse"}
    columns = {"msisdn": "phone", "name": "name"}
    xcom = prepare(tmp_path, columns=columns, **query)
    assert (xcom["rows"], xcom["recipients"]) == (3, 1)
    found = [(row["source"], row["row"], row["reason"]) for row in rows(tmp_path / "out/excluded.parquet")]
    assert found == [("sql", 2, "missing_value"), ("sql", 3, "duplicate")]


@pytest.mark.usefixtures("warehouse")
def test_errors_of_a_query_show_no_number(tmp_path: Path) -> None:
    query = {
        "sql": "SELECT absent('x') FROM people WHERE phone = '380670000001'",
        "sql_conn_id": "warehouse",
    }
    with pytest.raises(RuntimeError, match=r"the query of warehouse failed: OperationalError: "):
        prepare(tmp_path, **query)
    with pytest.raises(RuntimeError) as caught:
        prepare(tmp_path, sql="SELECT 380670000001 FROM [380670000001]", sql_conn_id="warehouse")
    assert "38067000" not in str(caught.value)
    with pytest.raises(TelecomInputError, match="two columns named phone"):
        prepare(tmp_path, sql="SELECT phone, phone FROM people", sql_conn_id="warehouse")
    operator = PrepareAudienceOperator(task_id="audience", output="out", **query)
    with DAG("dag", schedule=None) as dag:
        dag.add_task(operator)
    operator.render_template_fields({})
    assert "38067000" not in str(operator.sql)


def test_a_connection_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseHook, "get_hook", lambda conn_id, **_: object())
    with pytest.raises(TelecomInputError, match=r"^sql_conn_id: s3 is no connection of a database"):
        prepare(tmp_path, sql="SELECT 1", sql_conn_id="s3")


def test_the_docs_explain_each_reason_and_column() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "audience.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| (?!columns)", page, re.MULTILINE) == list(REASONS)
    for name in (*EXCLUDED_COLUMNS, *RESERVED):
        assert f"`{name}`" in page
