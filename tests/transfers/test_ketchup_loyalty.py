"""Detailed statistics: every message in one file, and never more than one export left behind."""

from __future__ import annotations

import csv
import json
import logging
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Message, VendorState
from airflow_provider_telecom.transfers.ketchup_loyalty_to_object_storage import (
    KetchUpStatsToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageStatus, ViberRecipient
from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS, to_row
from tests.operators.ketchup_loyalty.evidence import killed, paid, shown
from tests.running import Run

UTC = UTC
A, B, AWAY = "380670000201", "380670000202", "380670000209"
TEXT = " =1+1; „Вітаємо“,\n\"you\" 'and' 0,5\t"
WEEK = {"time_in_from": "2026-03-01T00:00:00", "time_in_to": "2026-03-07T23:59:59"}
DAY = {"time_in_from": "2026-03-02T00:00:00", "time_in_to": "2026-03-02T23:59:59"}
SOURCES = ("csv", "json", "xml")
OUTPUTS = ("csv", "jsonl", "parquet")
Load = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop", originator="Shop")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


@pytest.fixture
def sent(telecom_simulator: Any, vendor_state: VendorState, hook: Any) -> VendorState:
    """Messages of all types in the first week of March."""
    clock = telecom_simulator.state.clock
    vendor_state.switches.turn_on("alternative_sms")
    for day in range(1, 8):
        clock.set(datetime(2026, 3, day, 23, 59, 58, tzinfo=UTC))
        hook.send_sms(A, TEXT, reference=f"s{day}")
        hook.create_hlr(B, reference=f"h{day}")
        to = [ViberRecipient(A, f"v{day}"), ViberRecipient(AWAY, f"w{day}")]
        options = {"image_url": "http://a.example/logo.png", "caption": " Join, us! "}
        hook.send_viber(to, "Viber", action_url="http://a.example", **options)
    clock.set(datetime(2026, 3, 9, tzinfo=UTC))
    return vendor_state


@pytest.fixture
def operator(tmp_path: Path) -> Callable[..., Any]:
    def make(**arguments: Any) -> KetchUpStatsToObjectStorageOperator:
        given = {"task_id": "load", "path": str(tmp_path / "lake"), "poll_interval": 0.01, **arguments}
        return KetchUpStatsToObjectStorageOperator(**given)

    return make


@pytest.fixture
def load(operator: Callable[..., Any]) -> Load:
    def run(run: Run | None = None, **arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = (run or Run()).execute(operator(**arguments))
        return found

    return run


def exports(hook: Any) -> list[str]:
    return [kept.key for kept in hook.list_statistics_exports()]


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("_")
    }


def written(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file as any reader sees them, in the types of the columns."""
    if file.suffix == ".parquet":
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    elif file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
    else:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
    return [{column.name: _typed(column.kind.value, row[column.name]) for column in COLUMNS} for row in rows]


def _typed(kind: str, value: Any) -> Any:
    if value in (None, ""):
        return None
    if kind == "moment" and isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    if kind == "JSON" and isinstance(value, str):
        return json.loads(value)
    return Decimal(value) if kind == "decimal" else value


def all_rows(folder: Path, ending: str = "jsonl") -> list[dict[str, Any]]:
    return [row for file in sorted(folder.rglob(f"date=*/messages*.{ending}")) for row in written(file)]


def expected(message: Message, zone: Any = None) -> dict[str, Any]:
    """Return what the simulator has of a message, by the names and types of the schema."""
    draft = message.draft
    country, is_viber = draft.country, draft.module == "viber"
    at = f"{message.created.astimezone(zone or UTC):%Y-%m-%d %H:%M:%S}"
    moment = message.created.replace(microsecond=0) if zone else None
    final = "Delivered"
    if is_viber:
        final = "not-viber-user" if draft.msisdn == AWAY else "Read"
    row: dict[str, Any] = {
        "message_id": message.id,
        "message_type": draft.module,
        "msisdn": draft.msisdn,
        "country_name": "Ukraine",
        "brand_name": "Kyivstar - Kyivstar GSM JSC",
        "mcc": "255",
        "mnc": "03",
        "originator": "HLR" if draft.module == "hlr" else "Shop",
        "price": draft.price,
        "currency": "EUR",
        **{f"{name}_date": at for name in ("incoming", "sending", "dlr")},
        **{f"{name}_utc": moment for name in ("incoming", "sending", "dlr")},
        "status": final,
        "status_folded": final.casefold(),
        "body": None if draft.module == "hlr" else draft.text,
        "img": draft.options.get("img"),
        "caption": draft.options.get("caption"),
        "action": draft.options.get("action"),
    }
    sms = {"id": f"9{message.id}", "price": country.sms, "currency": "EUR", "status": "Delivered"}
    replaced = final == "not-viber-user"
    return row | {f"alternative_sms_{name}": value if replaced else None for name, value in sms.items()}


NESTED = ("hlr", "alternative_sms", "raw")


def flat(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what is nested, which is written as it came in each format."""
    kept = [{name: value for name, value in row.items() if name not in NESTED} for row in rows]
    return sorted(kept, key=lambda row: int(row["message_id"]))


# Values


@pytest.mark.parametrize("output_format", OUTPUTS)
@pytest.mark.parametrize("source_format", SOURCES)
def test_the_files_hold_what_the_books_hold(
    sent: VendorState, hook: Any, load: Load, tmp_path: Path, source_format: str, output_format: str
) -> None:
    types = ("sms", "hlr", "viber") if source_format == "csv" else (None,)
    for kind in types:
        load(**WEEK, message_type=kind, source_format=source_format, output_format=output_format)
    rows = all_rows(tmp_path / "lake", output_format)
    assert flat(rows) == [expected(message) for message in sent.messages.values()]
    for row in rows:
        assert (row["hlr"] is None) is (row["message_type"] != "hlr")
        assert (row["alternative_sms"] is None) is (row["status"] != "not-viber-user")
        if row["hlr"]:
            assert (str(row["hlr"]["MCC"]), row["hlr"]["MNC"]) == ("255", "03")
            assert str(row["hlr"]["IMSI"]) == f"25503{B[-9:]}"
        if row["alternative_sms"]:
            assert row["alternative_sms"]["body"] == "SMS: Viber"
        assert str(row["raw"]["message_ID"]) == row["message_id"]
    assert exports(hook) == []


@pytest.mark.parametrize("source_format", ["json", "xml"])
def test_moments_are_read_in_the_zone_of_the_vendors_clocks(
    sent: VendorState, hook_for: Callable[..., Any], load: Load, tmp_path: Path, source_format: str
) -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    sent.zone = kyiv
    hook_for("ketchup_loyalty", vendor_timezone="Europe/Kyiv")
    bounds = {"time_in_from": "2026-03-01T22:00:00Z", "time_in_to": "2026-03-03T21:59:59+00:00"}
    summary = load(**bounds, source_format=source_format)
    names = [str(Path(file["path"]).relative_to(tmp_path / "lake")) for file in summary["files"]]
    assert names == ["date=2026-03-02/messages.jsonl", "date=2026-03-03/messages.jsonl"]
    wanted = [
        expected(one, kyiv)
        for one in sent.messages.values()
        if one.created.astimezone(kyiv).date().isoformat() in ("2026-03-02", "2026-03-03")
    ]
    assert flat(all_rows(tmp_path / "lake")) == wanted != []


RAW = {
    "message_ID": 1529112192,
    "message_type": "sms",
    "msisdn": 380505142320,
    "price": "0.0200000 EUR",
    "Incoming date": "2026-03-02 17:28:45",
    "Status": "Delivered",
    "body": "Hi",
}


def row_of(zone: Any = None, **changes: Any) -> dict[str, Any]:
    return to_row({**RAW, **changes}, zone)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({" MESSAGE id ": "7", "message_ID": ""}, None),
        ({"Status": " Not-Viber-User "}, {"status": "Not-Viber-User", "status_folded": "not-viber-user"}),
        ({"mnc": "01", "mcc": " 255"}, {"mnc": "01", "mcc": "255"}),
        ({"mnc": 1}, {"mnc": "1"}),
        ({"body": "  Hi \n"}, {"body": "  Hi \n"}),
        ({"body": '{"MCC": 255}'}, {"body": '{"MCC": 255}', "hlr": None}),
        ({"body": '{"MCC": 1.50}', "message_type": "HLR"}, {"body": None, "hlr": '{"MCC":"1.50"}'}),
        ({"body": "{oops", "message_type": "hlr"}, {"body": "{oops", "hlr": None}),
        ({"body": {"MNC": "03"}}, {"body": None, "hlr": '{"MNC":"03"}'}),
        ({"body": None}, {"body": None}),
        ({"price": "-0.5"}, {"price": Decimal("-0.5"), "currency": None}),
        ({"price": Decimal("0.004")}, {"price": Decimal("0.004"), "currency": None}),
        ({"price": ""}, {"price": None, "currency": None}),
        ({"msisdn": "+48 501 234 567"}, {"msisdn": "48501234567"}),
        ({"msisdn": 999000111222}, {"msisdn": "999000111222"}),
        ({"msisdn": "0505142320"}, {"msisdn": "380505142320"}),
        ({"Sending_date": "2026-03-02 17:28:46 "}, {"sending_date": "2026-03-02 17:28:46"}),
        ({"DLR Date": ""}, {"dlr_date": None, "dlr_utc": None}),
        ({"alternativeSMS": '{"message_ID": 8}'}, {"alternative_sms_id": "8"}),
        ({"Caption": " КУПИ! "}, {"caption": " КУПИ! "}),
    ],
)
def test_records_are_read_however_they_are_spelt(
    changes: dict[str, Any], wanted: dict[str, Any] | None
) -> None:
    if wanted is None:
        with pytest.raises(TelecomInputError, match=r"^message_id: occurs twice"):
            row_of(**changes)
        return
    row = row_of(**changes)
    assert {name: row[name] for name in wanted} == wanted
    assert set(row) == {column.name for column in COLUMNS}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"message_ID": " "}, "message_id: is missing"),
        ({"price": "free"}, "price: must be an amount"),
        ({"price": "0,02 EUR"}, "price: must be an amount"),
        ({"price": "NaN EUR"}, "price: must be an amount"),
        ({"Incoming date": "yesterday"}, "incoming_date: must be a time"),
        ({"Incoming date": "2026-02-30 00:00:00"}, "incoming_date: must be a time"),
        ({"DLR Date": "0000-00-00 00:00:00"}, "dlr_date: must be a time"),
        ({"Sending date": 20260302}, "sending_date: must be a time"),
        ({"Status": ["Delivered"]}, "status: must be a text"),
        ({"message_type": True}, "message_type: must be a text"),
        ({"alternativeSMS": "8"}, "alternative_sms: must be an object"),
        ({"alternativeSMS": {"message_ID": 8, "price": "?"}}, "price: must be an amount"),
        ({"incoming_date": "2026-03-02 17:28:45"}, "incoming_date: occurs twice"),
    ],
)
def test_what_is_wrong_in_a_record_is_named_without_it(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}") as caught:
        row_of(**changes)
    assert "yesterday" not in str(caught.value)


def test_the_hours_in_which_the_clocks_change() -> None:
    kyiv = ZoneInfo("Europe/Kyiv")
    twice = row_of(kyiv, **{"Incoming date": "2026-10-25 03:30:00"})
    assert twice["incoming_utc"] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    with pytest.raises(TelecomInputError, match="does not exist"):
        row_of(kyiv, **{"Incoming date": "2026-03-29 03:30:00"})


@pytest.mark.parametrize(
    "text",
    [
        *("2026-10-25 02:59:59", "2026-10-25 03:30:00", "2026-10-25 04:00:00"),
        *("2026-03-29 02:59:59", "2026-03-29 03:30:00", "2026-03-29 04:00:00"),
    ],
)
def test_a_time_is_read_alike_in_the_table_and_in_the_hooks_model(text: str) -> None:
    status = MessageStatus.model_validate({"status": "delivered", "msisdn": "380670000200", "time_dr": text})
    try:
        expected_at = row_of(ZoneInfo("Europe/Kyiv"), **{"DLR Date": text})["dlr_utc"]
    except TelecomInputError:
        expected_at = None
    assert status.delivered_at("Europe/Kyiv") == expected_at
    assert (expected_at is None) == (text == "2026-03-29 03:30:00")


# Names and parts


def test_a_rerun_replaces_its_days_and_no_others(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, tmp_path: Path
) -> None:
    load(**WEEK)
    before = files_in(tmp_path / "lake")
    assert list(before) == [f"date=2026-03-0{day}/messages.jsonl" for day in range(1, 8)]
    telecom_simulator.state.clock.set(datetime(2026, 3, 2, 12, tzinfo=UTC))
    hook.send_sms(A, "late", reference="late")
    telecom_simulator.state.clock.set(datetime(2026, 3, 9, tzinfo=UTC))
    assert load(**DAY)["rows"] == 5
    after = files_in(tmp_path / "lake")
    assert {name for name in before if before[name] != after[name]} == {"date=2026-03-02/messages.jsonl"}
    assert load(**WEEK)["rows"] == 29


def test_parts_of_a_day(sent: VendorState, load: Load, tmp_path: Path) -> None:
    morning = {"time_in_from": "2026-03-02T00:00:00", "time_in_to": "2026-03-02T11:59:59"}
    evening = {"time_in_from": datetime(2026, 3, 2, 12), "time_in_to": "2026-03-02T23:59:59.999"}
    assert [load(**morning)["rows"], load(**evening)["rows"]] == [0, 4]
    assert list(files_in(tmp_path / "lake")) == [
        "date=2026-03-02/messages_20260302T000000-20260302T120000.jsonl",
        "date=2026-03-02/messages_20260302T120000-20260303T000000.jsonl",
    ]
    load(**DAY)
    assert list(files_in(tmp_path / "lake")) == ["date=2026-03-02/messages.jsonl"]
    with pytest.raises(TelecomInputError, match="is loaded already"):
        load(**morning)


def test_both_ends_are_included_to_the_second(sent: VendorState, load: Load) -> None:
    at = "2026-03-02T23:59:58"
    assert load(time_in_from=at, time_in_to=at)["rows"] == 4
    assert load(time_in_from="2026-03-02T23:59:59", time_in_to="2026-03-03T23:59:57")["rows"] == 0


FILTERS: list[dict[str, Any]] = [
    {"status": "Delivered"},
    {"status": "Read"},
    {"msisdns": [A]},
    {"msisdns": [B]},
    {"originator": "Shop"},
    {"source_type": "api"},
    {"country_name": "Ukraine"},
    {"country_name": "Ukraine", "operator_id": 25503},
    {"time_sent_from": "2026-03-02T00:00:00"},
    {"time_sent_to": "2026-03-02T00:00:00"},
    {"clicks": ("=", 0)},
    {"message_type": "sms"},
    {"message_type": "sms", "status": "Delivered"},
    {"message_type": "viber"},
]


def test_a_filter_makes_another_data_set(sent: VendorState, load: Load, tmp_path: Path) -> None:
    whole = load(**DAY)
    names = {Path(load(**DAY, **filters)["files"][0]["path"]).name for filters in FILTERS}
    assert len(names) == len(FILTERS)
    assert {"messages_sms.jsonl", "messages_viber.jsonl"} < names
    assert written(Path(whole["files"][0]["path"])) == all_rows(tmp_path / "lake")[: whole["rows"]]
    assert len(list((tmp_path / "lake").rglob("messages*.jsonl"))) == len(FILTERS) + 1


def test_filters_alike_have_one_name(sent: VendorState, load: Load) -> None:
    alike = [["+380 67 000 02 01", B], f"['{B}', '0670000201']", [A, B, A]]
    assert len({load(**DAY, msisdns=numbers)["path"] for numbers in alike}) == 1
    assert len({load(**DAY, msisdns=numbers)["files"][0]["path"] for numbers in alike}) == 1
    (first, second) = (load(**DAY, callback_url=url) for url in (None, "https://example.com/rows"))
    assert first["files"] == second["files"]


def test_messages_by_their_ids_are_one_file(sent: VendorState, hook: Any, load: Load, tmp_path: Path) -> None:
    ids = list(sent.messages)
    summary = load(message_ids=[*ids[:5], int(ids[9])])
    (file,) = files_in(tmp_path / "lake")
    assert file.startswith("messages_")
    assert [row["message_id"] for row in written(tmp_path / "lake" / file)] == [*ids[:5], ids[9]]
    assert load(message_ids=f"{[ids[9], *ids[4::-1]]}")["files"] == summary["files"]
    assert load(message_ids=ids[:4])["files"] != summary["files"]
    assert exports(hook) == []


def test_one_file_in_any_store(sent: VendorState, load: Load, store: Any) -> None:
    ids = list(sent.messages)
    for count in (4, 3, 4):
        summary = load(message_ids=ids[:count], path=store.url, storage_conn_id=store.conn_id)
    names = [Path(name).name for name in store.files()]
    assert len(names) == 4, "two data sets and their manifests"
    name = Path(summary["files"][0]["path"]).name
    assert summary["files"][0]["path"] == f"{summary['path']}/{name}"
    assert store.files()[name].count(b"\n") == 4
    assert json.loads(store.files()[f"_{name}.json"])["start"] is None


def test_the_hour_that_happens_twice_is_one_file(
    telecom_simulator: Any,
    vendor_state: VendorState,
    hook_for: Callable[..., Any],
    load: Load,
    tmp_path: Path,
) -> None:
    hook = hook_for("ketchup_loyalty", vendor_timezone="Europe/Kyiv", originator="Shop")
    vendor_state.zone = ZoneInfo("Europe/Kyiv")
    for hour in (0, 1):
        telecom_simulator.state.clock.set(datetime(2026, 10, 25, hour, 30, tzinfo=UTC))
        hook.send_sms(A, "Hi", reference=f"r{hour}")
    for hour in (0, 1):
        load(time_in_from=f"2026-10-25T0{hour}:00:00Z", time_in_to=f"2026-10-25T0{hour}:59:59Z")
    assert list(files_in(tmp_path / "lake")) == [
        "date=2026-10-25/messages_20261025T030000-20261025T040000.jsonl"
    ]
    assert sorted(row["message_id"] for row in all_rows(tmp_path / "lake")) == list(vendor_state.messages)


# Waiting


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_file_that_is_not_ready_is_waited_for(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 3)
    run = Run()
    summary = load(run, **WEEK, deferrable=deferrable)
    assert (summary["rows"], summary["empty"]) == (28, False)
    assert len(run.events) == deferrable
    assert exports(hook) == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_export_that_never_comes(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, deferrable: bool
) -> None:
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/file", times=99, body='{"error": 90}')
    run = Run()
    with pytest.raises(TelecomNotFoundError, match="exports live a month"):
        load(run, **WEEK, deferrable=deferrable, tolerated_errors=2)
    telecom_simulator.state.faults.clear()
    assert load(run, **WEEK)["rows"] == 28
    assert exports(hook) == []


def test_what_takes_too_long_keeps_its_place_for_the_next_try(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load
) -> None:
    from airflow.sdk.exceptions import AirflowSensorTimeout

    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 50)
    run = Run()
    with pytest.raises(AirflowSensorTimeout):
        load(run, **WEEK, wait_timeout=0.05)
    assert len(exports(hook)) == 1
    assert load(run, **WEEK)["rows"] == 28
    assert len(paid(telecom_simulator, "stat_export")) == 1
    assert exports(hook) == []


@pytest.mark.parametrize("source_format", SOURCES)
def test_an_empty_export_empties_its_days(
    sent: VendorState, hook: Any, load: Load, tmp_path: Path, source_format: str
) -> None:
    asked = {**WEEK, "message_type": "viber", "source_format": source_format}
    assert load(**asked)["rows"] == 14
    sent.messages.clear()
    summary = load(**asked)
    assert (summary["rows"], summary["empty"], len(summary["files"])) == (0, True, 7)
    assert set(files_in(tmp_path / "lake").values()) == {b""}
    assert exports(hook) == []


NO_ROWS = {
    "csv": "message_ID,message_type,Incoming date\n",
    "json": '{"error": 0, "message_data": []}',
    "xml": "<response><error>0</error><message_data/></response>",
}


@pytest.mark.parametrize("source_format", SOURCES)
def test_a_file_without_rows_is_empty_too(
    sent: VendorState, telecom_simulator: Any, load: Load, source_format: str
) -> None:
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/file", body=NO_ROWS[source_format])
    assert load(**DAY, message_type="sms", source_format=source_format)["empty"] is True


@pytest.mark.parametrize("deferrable", [False, True])
def test_ids_that_are_none_leave_no_export_behind(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, deferrable: bool
) -> None:
    for polls in (0, 2):
        telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", polls)
        with pytest.raises(TelecomNotFoundError, match="vendor code 60"):
            load(message_ids=[1], deferrable=deferrable, tolerated_errors=1)
        assert exports(hook) == []


# An export of somebody else


def test_an_export_that_is_not_ours_is_kept(sent: VendorState, hook: Any, load: Load, tmp_path: Path) -> None:
    key = hook.create_statistics_export(time_in_from=datetime(2026, 3, 1), time_in_to=datetime(2026, 3, 9))
    summary = load(file_key=key)
    assert (summary["rows"], summary["file_key"]) == (28, key)
    (name,) = files_in(tmp_path / "lake")
    assert name.startswith("messages_")
    assert exports(hook) == [key]
    assert len(load(file_key="{{ params.key }}", **WEEK, run=WithKey(key))["files"]) == 7
    assert exports(hook) == [key]


class WithKey(Run):
    """A run whose Dag has the parameter `key`."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def context(self, operator: Any, **more: Any) -> dict[str, Any]:
        return super().context(operator, **{**more, "params": {"key": self.key}})


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_export_that_is_not_ours_is_waited_for_and_deleted_if_asked_for(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 2)
    period = {"time_in_from": datetime(2026, 3, 1), "time_in_to": datetime(2026, 3, 9)}
    key = hook.create_statistics_export(**period, message_type="sms")
    run = Run()
    asked = {"file_key": key, "source_format": "csv", "delete_export": True, "deferrable": deferrable}
    summary = load(run, **asked)
    assert summary["rows"] == 7
    assert exports(hook) == []
    assert load(run, **asked, tolerated_errors=0) == summary, "a try that is killed after it had deleted it"
    with pytest.raises(TelecomNotFoundError, match="exports live a month"):
        load(run, **{**asked, "output_format": "csv"}, tolerated_errors=0)
    with pytest.raises(TelecomNotFoundError, match="exports live a month"):
        load(**asked, tolerated_errors=0)
    assert len(paid(telecom_simulator, "stat_export")) == 1


def test_rows_that_were_not_asked_for_are_bad(sent: VendorState, hook: Any, load: Load) -> None:
    key = hook.create_statistics_export(time_in_from=datetime(2026, 3, 1), time_in_to=datetime(2026, 3, 9))
    with pytest.raises(TelecomAnswerError, match=r"24 records .* incoming_date: is not in the requested"):
        load(file_key=key, **DAY)
    summary = load(file_key=key, **DAY, on_bad_rows="quarantine")
    assert (summary["rows"], summary["bad_rows"]) == (4, 24)


# One export, whatever happens


class Killed(BaseException):
    """The end of a process."""


STEPS = {
    "while ordering": ("POST", "/stat/create"),
    "while downloading": ("GET", "/stat/file"),
    "while deleting": ("DELETE", ""),
}


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "half_body"])
@pytest.mark.parametrize("step", STEPS)
def test_a_lost_answer_leaves_nothing_behind(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, tmp_path: Path, step: str, kind: Any
) -> None:
    run, (method, path) = Run(), STEPS[step]
    telecom_simulator.fault(kind, "ketchup_loyalty", method=method, path=path, times=4)
    with suppress(TelecomUnknownError, TelecomNoAnswerError):  # some of it is got over
        load(run, **WEEK)
    telecom_simulator.state.faults.clear()
    assert load(run, **WEEK)["rows"] == 28
    assert flat(all_rows(tmp_path / "lake")) == [expected(message) for message in sent.messages.values()]
    assert exports(hook) == []


class Dying(Run):
    """A run whose first try dies at the n-th write to its store, before or after it is written."""

    def __init__(self, at: int, written: bool) -> None:
        super().__init__()
        self.at, self.written = at, written

    def context(self, operator: Any, **more: Any) -> dict[str, Any]:
        context = super().context(operator, **more)
        store = context["task_state_store"]
        whole = type(store).set

        def write(key: str, value: Any, **options: Any) -> None:
            self.at -= 1
            if self.at == 0 and not self.written:
                raise Killed
            whole(store, key, value, **options)
            if self.at == 0:
                raise Killed

        store.set = write
        return context


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_between_any_two_steps(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, tmp_path: Path, at: int, written: bool
) -> None:
    other = hook.create_statistics_export(time_in_from=datetime(2026, 1, 1), time_in_to=datetime(2026, 1, 2))
    run = Dying(at, written)
    with pytest.raises(Killed):
        load(run, **WEEK)
    assert len(exports(hook)) <= 2
    assert load(run, **WEEK)["rows"] == 28
    assert flat(all_rows(tmp_path / "lake")) == [expected(message) for message in sent.messages.values()]
    assert exports(hook) == [other]
    assert len(paid(telecom_simulator, "stat_export")) <= 3


def test_four_writes_are_all_there_are(sent: VendorState, load: Load) -> None:
    run = Run()
    load(run, **WEEK)
    assert run.stores["load"].writes == 4, "there are more moments to be killed in"


def test_killed_before_the_files_are_in_place(
    sent: VendorState, hook: Any, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, so to say: the next try reads the same export again."""
    run = Run()
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "date=2026-03-04").write_text("in the way")
    with pytest.raises(FileExistsError):
        load(run, **WEEK)
    (key,) = exports(hook)
    (tmp_path / "lake" / "date=2026-03-04").unlink()
    assert load(run, **WEEK)["file_key"] == key
    assert len(all_rows(tmp_path / "lake")) == 28
    assert exports(hook) == []


def test_a_cleared_task_orders_a_new_export(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load
) -> None:
    run = Run()
    first = load(run, **WEEK)
    telecom_simulator.state.clock.set(datetime(2026, 3, 7, 12, tzinfo=UTC))
    hook.send_sms(A, "late", reference="late")
    second = load(run, **WEEK)
    assert (first["rows"], second["rows"]) == (28, 29)
    assert first["file_key"] != second["file_key"]
    assert exports(hook) == []


def test_a_kept_export_is_read_again_until_it_is_gone(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load
) -> None:
    run = Run()
    first = load(run, **WEEK, delete_export=False)
    assert load(run, **WEEK, delete_export=False) == first
    assert exports(hook) == [first["file_key"]]
    telecom_simulator.state.clock.advance(31 * 86_400)
    again = load(run, **WEEK, delete_export=False)
    assert again["rows"] == 28
    assert exports(hook) == [again["file_key"]] != [first["file_key"]]
    assert len(paid(telecom_simulator, "stat_export")) == 2


def test_a_key_whose_deletion_was_not_written_down(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load
) -> None:
    run = Run()
    key = load(run, **WEEK)["file_key"]
    store = run.stores["load"]
    entry = store.get("telecom.export")
    store.set("telecom.export", {**entry, "state": "done", "facts": {"file_key": key, "adopted": False}})
    assert load(run, **WEEK)["file_key"] != key
    assert exports(hook) == []
    assert len(paid(telecom_simulator, "stat_export")) == 2


def test_an_order_in_doubt_is_adopted(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load
) -> None:
    run = Run()
    summary = load(run, **WEEK, delete_export=False)
    entry = run.stores["load"].get("telecom.export")
    run.stores["load"].set("telecom.export", {**entry, "facts": {"before": []}})
    killed(run, "load", "export")
    assert load(run, **WEEK) == summary
    assert len(paid(telecom_simulator, "stat_export")) == 1
    assert exports(hook) == []


def test_a_full_account(sent: VendorState, hook: Any, load: Load, tmp_path: Path) -> None:
    period = {"time_in_from": datetime(2026, 3, 1), "time_in_to": datetime(2026, 3, 9)}
    others = [hook.create_statistics_export(**period) for _ in range(5)]
    with pytest.raises(TelecomRejectedError, match="Maximum count of exports reached: an account has five"):
        load(**WEEK)
    assert files_in(tmp_path / "lake") == {}
    assert load(**WEEK, on_full="delete_own", own_file_keys=[others[2]])["rows"] == 28
    assert exports(hook) == [*others[:2], *others[3:]]


def test_a_download_that_fails_leaves_the_old_files(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, tmp_path: Path
) -> None:
    load(**WEEK)
    before = files_in(tmp_path / "lake")
    sent.messages.clear()
    hook.send_sms(A, "new", reference="new")
    for kind in ("half_body", "html", "garbage"):
        telecom_simulator.fault(kind, "ketchup_loyalty", path="/stat/file", times=20)
        with pytest.raises((TelecomNoAnswerError, TelecomAnswerError)):
            load(**{**WEEK, "time_in_to": "2026-03-09T23:59:59"}, on_full="delete_own")
        telecom_simulator.state.faults.clear()
        assert files_in(tmp_path / "lake") == before


# What comes in a file's place, and beside its rows


def in_place(simulator: Any, body: Any, times: int = 1) -> None:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    simulator.fault("body", "ketchup_loyalty", path="/stat/file", body=text, times=times)


GOOD = RAW | {"Sending date": None}
BROKEN: dict[str, Any] = {
    "json": {
        "error": 0,
        "message_data": [GOOD, {**GOOD, "price": "free"}, GOOD, 7, {**GOOD, "message_ID": None}],
    },
    "csv": (
        "message_ID;price;Incoming date;body\n1;;2026-03-02 00:00:00;Hi\n2;free;2026-03-02 00:00:00;secret\n"
        "3;;2026-03-02 00:00:00;Hi\n4;secret\n;;2026-03-02 00:00:00;Hi\n"
    ),
}
NAMED = {"json": ("record 2", "record 4", "record 5"), "csv": ("line 3", "line 5", "line 6")}


@pytest.mark.parametrize("source_format", BROKEN)
def test_a_broken_record_stops_the_load_and_is_named(
    sent: VendorState, telecom_simulator: Any, hook: Any, load: Load, tmp_path: Path, source_format: str
) -> None:
    run, asked = Run(), {**DAY, "message_type": "sms", "source_format": source_format}
    in_place(telecom_simulator, BROKEN[source_format])
    with pytest.raises(TelecomAnswerError, match="3 records cannot be read") as caught:
        load(run, **asked)
    for place in NAMED[source_format]:
        assert f"{place}: " in str(caught.value)
    for secret in ("free", "secret", "38050"):
        assert secret not in str(caught.value)
    assert files_in(tmp_path / "lake") == {}
    (kept,) = exports(hook)
    in_place(telecom_simulator, '{"error": 91}')  # the check whether it still exists
    in_place(telecom_simulator, BROKEN[source_format])
    summary = load(run, **asked, on_bad_rows="quarantine")
    assert (summary["rows"], summary["bad_rows"], summary["file_key"]) == (2, 3, kept)
    lines = [json.loads(line) for line in Path(summary["quarantine"]).read_text().splitlines()]
    assert [line["place"] for line in lines] == list(NAMED[source_format])
    assert "free" in lines[0]["raw"]
    assert exports(hook) == []


ROW = json.dumps(RAW)
XML = "<message><message_ID>1</message_ID><body>Hi</body></message>"


@pytest.mark.parametrize(
    ("source_format", "body"),
    [
        ("json", f'{{"message_data": [{ROW}], "error": 86}}'),
        ("json", f'{{"message_data": [{ROW}]'),
        ("json", f'{{"error": 0, "message_data": {ROW}}}'),
        ("json", '{"error": 0}'),
        ("json", f"[{ROW}] [{ROW}]"),
        ("xml", f"<response><message_data>{XML}</message_data><error>86</error></response>"),
        ("xml", "<response><error>0</error><message_data><sms><id>1</id></sms></message_data></response>"),
        ("xml", f"<response><message_data>{XML}"),
        ("xml", f"<!DOCTYPE a [<!ENTITY b 'c'>]><response>{XML}</response>"),
        ("xml", "<html><body>Sorry</body></html>"),
        ("csv", "error,errorDescription\n"),
        ("csv", "Sorry\n"),
        ("csv", "<html><body>Sorry</body></html>"),
    ],
)
def test_what_is_no_file_is_not_taken_for_an_empty_one(
    telecom_simulator: Any, load: Load, tmp_path: Path, source_format: str, body: str
) -> None:
    in_place(telecom_simulator, body, times=99)
    with pytest.raises((TelecomAnswerError, TelecomRejectedError)) as caught:
        load(**DAY, message_type="sms", source_format=source_format, on_bad_rows="quarantine")
    assert "380505142320" not in str(caught.value)
    assert files_in(tmp_path / "lake") == {}


@pytest.mark.parametrize("source_format", ["json", "xml"])
def test_an_error_after_the_rows_is_an_error(telecom_simulator: Any, load: Load, source_format: str) -> None:
    many = 3000
    bodies = {
        "json": f'{{"message_data": [{", ".join([ROW] * many)}], " error ": " 086"}}',
        "xml": f"<response><message_data>{XML * many}</message_data><error> 086 </error></response>",
    }
    in_place(telecom_simulator, bodies[source_format])
    with pytest.raises(TelecomRejectedError, match=r"invalid time frame .*vendor code 86"):
        load(**DAY, source_format=source_format)


def test_the_documents_own_json_is_none_and_another_format_is_recommended(
    sent: VendorState, hook: Any, load: Load, tmp_path: Path
) -> None:
    sent.switches.turn_on("typographic_quotes")
    run = Run()
    with pytest.raises(TelecomAnswerError, match="use xml, or csv with a message_type") as caught:
        load(run, **WEEK)
    assert "380670000" not in str(caught.value)
    assert files_in(tmp_path / "lake") == {}
    assert load(run, **WEEK, source_format="xml")["rows"] == 28, "the same export in another format"
    assert exports(hook) == []


CODES = {
    "80": "invalid message_id: not a number",
    "81": "invalid message_type",
    "82": "invalid source_type",
    "83": "invalid status",
    "84": "invalid country_name",
    "85": "invalid sl_clicks_comp",
    "86": "invalid time frame",
    "87": "reserved for future use",
    "88": "reserved for future use",
    "89": "reserved for future use",
    "90": "file not found: exports live a month",
    "91": "file not ready",
    "92": "Maximum count of exports reached: an account has five",
    "93": "File is empty",
}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", CODES)
def test_each_error_code_is_told_with_its_meaning(
    telecom_simulator: Any, load: Load, code: str, status: int
) -> None:
    for text in ("", "vendor's words"):
        body = json.dumps({"error": int(code), "errorDescription": text})
        telecom_simulator.fault("status", "ketchup_loyalty", path="/stat/create", status=status, body=body)
        with pytest.raises(TelecomRejectedError) as caught:
            load(**DAY)
        assert caught.value.code == code
        assert CODES[code] in str(caught.value)
        assert text in str(caught.value)


# Arguments


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, "time_in_from: must be given, or message_ids, or file_key"),
        ({"time_in_from": "2026-03-01T00:00:00"}, "time_in_to: must be given"),
        ({"file_key": "abc", "time_in_to": "2026-03-01T00:00:00"}, "time_in_from: must be given"),
        ({**DAY, "message_ids": [1]}, "message_ids: overrides other filters"),
        ({**DAY, "time_in_to": "tomorrow"}, "time_in_to: must be a date like"),
        ({**DAY, "source_format": "xlsx"}, "source_format: must be one of csv, json, xml"),
        ({**DAY, "source_format": "csv"}, "source_format: csv needs a message_type"),
        ({"message_ids": [1], "source_format": "csv"}, "source_format: csv needs a message_type"),
        ({**DAY, "delete_export": "no"}, "delete_export: must be one of"),
        ({**DAY, "wait_for_completion": True}, "wait_for_completion: is not a parameter of"),
        ({**DAY, "status": "delivered"}, "status: must be one of"),
        ({**DAY, "on_full": "delete"}, "on_full: must be one of"),
        ({**DAY, "output_format": "avro"}, "output_format: must be one of"),
        ({"file_key": "a/b"}, "file_key: must be a key that the vendor gave"),
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_is_parsed(
    operator: Callable[..., Any], arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        operator(**arguments)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({**DAY, "time_in_to": "2026-03-01T00:00:00"}, "time_in_to: must not be earlier than time_in_from"),
        ({**DAY, "time_in_to": "{{ 'tomorrow' }}"}, "time_in_to: must be a date like"),
        (
            {**DAY, "time_in_from": "2026-03-02T00:00:00Z"},
            "time_in_from: must be a datetime without a time zone",
        ),
        ({**DAY, "msisdns": ["12"]}, r"msisdns: \*\*: is too short"),
        ({**DAY, "status": "{{ 'delivered' }}"}, "status: must be one of"),
        ({**DAY, "operator_id": 1}, "operator_id: is ignored"),
        ({**DAY, "message_type": "{{ '../x' }}"}, "message_type: must be one of"),
        ({"file_key": "abc", "message_type": "{{ '../x' }}"}, "message_type: must be one of"),
        ({"message_ids": ["a"]}, "message_ids: "),
        ({"message_ids": list(range(1, 302))}, "message_ids: has 301 entries; at most 300"),
        ({"file_key": "{{ 'a/b' }}"}, "file_key: must be a key"),
        ({**DAY, "path": "/proc/self/lake"}, "path: cannot be written to"),
    ],
)
def test_what_is_refused_before_anything_is_ordered(
    telecom_simulator: Any, load: Load, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        load(**arguments)
    assert [seen for seen in telecom_simulator.state.requests if seen.method == "POST"] == []


# Privacy, progress, memory


@pytest.mark.parametrize("deferrable", [False, True])
def test_numbers_and_texts_stand_in_the_files_alone(
    sent: VendorState,
    telecom_simulator: Any,
    operator: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    from airflow_provider_telecom.transfers import progress_logger

    monkeypatch.setattr(progress_logger, "EVERY_SECONDS", 0.0)
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 2)
    run = Run()
    task = operator(**WEEK, msisdns=[A], callback_url="https://example.com/rows", deferrable=deferrable)
    with caplog.at_level(logging.DEBUG):
        summary = run.execute(task)
    assert summary["rows"] == 14
    log = "".join(capfd.readouterr()) + caplog.text
    assert "Progress: " in log
    assert "14 rows" in log
    for text in (shown(task, run, summary), log):
        for private in ("670000201", "000 02 01", "Вітаємо", "Viber", "example.com"):
            assert private not in text


def test_the_work_folder_is_gone_after_it(sent: VendorState, load: Load, tmp_path: Path, spool: Path) -> None:
    load(**WEEK)
    with pytest.raises(TelecomInputError):
        load(**WEEK, msisdns=["12"])
    assert list(spool.iterdir()) == []


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_memory_does_not_grow_with_the_rows(
    telecom_simulator: Any, hook: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.transfers import dataset

    monkeypatch.setattr(dataset, "_MAX_ROWS_IN_MEMORY", 500)
    key = hook.create_statistics_export(time_in_from=datetime(2026, 3, 1), time_in_to=datetime(2026, 3, 9))
    peaks = []
    for count in (1000, 1000, 11_000):  # the first one imports as well
        rows = "".join(
            f"{number},sms,380670000201,0.02 EUR,2026-03-0{number % 7 + 1} 00:00:00,Hi\n"
            for number in range(1, count + 1)
        )
        in_place(telecom_simulator, f"message_ID,message_type,msisdn,price,Incoming date,body\n{rows}")
        tracemalloc.start()
        try:
            assert load(file_key=key, **WEEK, message_type="sms")["rows"] == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] - peaks[1] < 2_500_000, "held whole, 10,000 rows take twice that"


def test_the_folder_is_told_of(sent: VendorState, operator: Callable[..., Any], tmp_path: Path) -> None:
    from airflow.sdk import Asset

    run = Run()
    summary = run.execute(operator(**WEEK))
    asset = Asset((tmp_path / "lake").as_uri())
    assert run.outlet_events[asset].extra == {"rows": 28, "bytes": summary["bytes"]}
