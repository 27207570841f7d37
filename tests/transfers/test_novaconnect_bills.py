"""Bills of NovaConnect: files whole or not at all, and reconciled with the usage reports to the cent."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import time_machine
from airflow.sdk import Asset

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError, TelecomNoAnswerError
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.simulator.novaconnect.files import xlsx
from airflow_provider_telecom.simulator.novaconnect.models import Action, Session
from airflow_provider_telecom.transfers.novaconnect_bills import BillDifferenceError
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.novaconnect import transcripts
from airflow_provider_telecom.vendors.novaconnect.times import days_of_period
from airflow_provider_telecom.vendors.novaconnect.transcripts import COLUMNS, Transcript, read_transcript
from tests.eventually import eventually
from tests.running import Run

UTC = UTC
NOW = datetime(2026, 10, 27, 6, tzinfo=UTC)
MONTH = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
HOUR, DAY = 3600, 86400
ICCID = "8999700000000000000"
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> Any:
    with time_machine.travel(NOW):
        found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
        yield found


@pytest.fixture
def load(vendor_state: VendorState, hook_for: Callable[..., Any], tmp_path: Path) -> Load:
    hook_for("novaconnect")

    def run(**arguments: Any) -> dict[str, Any]:
        given = {"task_id": "load", "path": str(tmp_path / "lake"), **arguments}
        found: dict[str, Any] = Run().execute(NovaConnectBillToObjectStorageOperator(**given))
        return found

    return run


def standing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def downloads(telecom_simulator: Any) -> list[str]:
    return [seen.path for seen in telecom_simulator.state.requests if "download" in seen.path]


# --- which bills, and where they go


def test_a_bill_is_three_files(vendor_state: VendorState, load: Load, tmp_path: Path) -> None:
    summary = load(bill_ids=[503])
    bill = vendor_state.bills[503]
    folder = f"period={bill.period[3:]}-{bill.period[:2]}"
    files = standing(tmp_path / "lake")
    names = [f"{folder}/bill-503{end}" for end in (".json", "-transcript.xlsx", ".pdf")]
    assert sorted(files) == sorted(names)
    assert files[names[2]].startswith(b"%PDF-")
    index = json.loads(files[names[0]])
    assert (index["id"], index["period"], index["bid"]) == (503, bill.period, "NC-503")
    assert Decimal(index["cost"]) == Decimal(str(bill.cost))
    assert index["files"] == [
        {"name": f"bill-503{end}", "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for end, body in ((".pdf", files[names[2]]), ("-transcript.xlsx", files[names[1]]))
    ]
    [loaded] = summary["bills"]
    assert loaded == {
        "bill_id": 503,
        "period": bill.period,
        "cost": str(bill.cost),
        "valute_cost": str(bill.shown()["valute_cost"]),
        "currency": "KZT",
        "files": [
            {"path": str(tmp_path / "lake" / name), "bytes": len(files[name])}
            for name in (names[2], names[1])
        ],
    }
    assert summary["bytes"] == len(files[names[1]]) + len(files[names[2]])
    assert json.loads(json.dumps(summary)) == summary


def test_a_bill_can_be_chosen_in_four_ways(vendor_state: VendorState, load: Load) -> None:
    def found(**way: Any) -> list[int]:
        return sorted(bill["bill_id"] for bill in load(files=["pdf"], **way)["bills"])

    assert found(bill_ids="[502, 501]") == [501, 502]
    assert found(newest=True) == [506]
    newest, before = vendor_state.bills[506], vendor_state.bills[505]
    assert found(period=newest.period) == [506]
    assert found(period=f"{newest.period[3:]}-{newest.period[:2]}") == [506]
    days = [datetime.fromtimestamp(bill.added, UTC).date() for bill in (before, newest)]
    assert found(start=days[0], end=str(days[1])) == [505, 506]
    assert found(start=days[0] + timedelta(days=1), end=days[1] - timedelta(days=1)) == []
    assert found(start=f"{days[0]:%d-%m-%Y}", end=f"{days[0]:%d-%m-%Y}") == [505]


@pytest.mark.parametrize("files", [["pdf"], ["transcript"]])
def test_only_what_is_asked_for_is_fetched(
    telecom_simulator: Any, load: Load, tmp_path: Path, files: list[str]
) -> None:
    load(newest=True, files=files)
    assert len(downloads(telecom_simulator)) == 1
    assert len(standing(tmp_path / "lake")) == 2


@pytest.mark.parametrize(
    ("period", "folder"),
    [
        ("05-2026", "period=2026-05"),
        ("2026.05", "period=2026-05"),
        ("01.05.2026 - 31.05.2026", "period=2026-05"),
        ("2026-05-01 – 2026-05-15", "period=20260501-20260515"),
        ("../../etc", "period=added-2026-10"),
        ("май 2026", "period=added-2026-10"),
        ("13-2026", "period=added-2026-10"),
        ("", "period=added-2026-10"),
    ],
)
def test_the_vendors_words_never_make_a_path(
    vendor_state: VendorState, load: Load, tmp_path: Path, period: str, folder: str
) -> None:
    vendor_state.bills[506].period = period
    load(bill_ids=[506])
    assert {path.split("/")[0] for path in standing(tmp_path / "lake")} == {folder}


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("02-2024", (date(2024, 2, 1), date(2024, 2, 29))),
        ("12/2024", (date(2024, 12, 1), date(2024, 12, 31))),
        (" 2024-12 ", (date(2024, 12, 1), date(2024, 12, 31))),
        ("01.02.2024-15.02.2024", (date(2024, 2, 1), date(2024, 2, 15))),
        ("2024-02-01 to 2024-02-15", (date(2024, 2, 1), date(2024, 2, 15))),
        ("15.02.2024 - 01.02.2024", None),
        ("30.02.2024 - 01.03.2024", None),
        ("00-2024", None),
        ("02-0000", None),
        ("2024", None),
        (None, None),
    ],
)
def test_periods_are_read_or_not_at_all(period: str | None, days: Any) -> None:
    assert days_of_period(period) == days


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({}, "bill_ids: one of bill_ids, period, start and end, newest must be given"),
        ({"bill_ids": [501], "newest": True}, "bill_ids: one of"),
        ({"start": "2026-10-01"}, "end: must be given with start"),
        ({"bill_ids": []}, "bill_ids: must be a list with at least one id"),
        ({"bill_ids": ["x"]}, "bill_ids: must be a whole number"),
        ({"start": "soon", "end": "2026-10-01"}, "start: must be a date"),
        ({"newest": "yes"}, "newest: must be one of True, False"),
        ({"newest": True, "files": ["xlsx"]}, "files: must be one of pdf, transcript"),
        ({"newest": True, "files": []}, "files: must be a list with at least one entry"),
        ({"newest": True, "files": ["pdf"], "reconcile": True}, "files: must contain transcript"),
        ({"newest": True, "usage_start": "2026-09-01", "usage_end": "2026-09-02"}, "reconcile: must be True"),
        ({"newest": True, "reconcile": True, "usage_start": "2026-09-01"}, "usage_end: must be given"),
        ({"newest": True, "reconcile": True, "tolerance": "-1"}, "tolerance: must be an amount"),
        ({"newest": True, "reconcile": True, "tolerance": "NaN"}, "tolerance: must be an amount"),
        ({"newest": True, "reconcile": True, "on_difference": "skip"}, "on_difference: must be one of"),
        (
            {"newest": True, "reconcile": True, "transcript_columns": {"iccid": "A"}},
            "transcript_columns: must",
        ),
        ({"newest": True, "reconcile": True, "transcript_columns": {"sim": " "}}, "transcript_columns.sim: "),
        ({"period": " "}, "period: must not be empty"),
    ],
)
def test_invalid_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        NovaConnectBillToObjectStorageOperator(task_id="load", path="lake", **arguments)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"bill_ids": [506, 999]}, "bill_ids: must be ids that the vendor knows; it does not know 999"),
        ({"period": "01-2020"}, "period: there is no bill of it, but of '"),
        ({"start": "2026-10-02", "end": "{{ '2026-10-01' }}"}, "end: must not be before start"),
        ({"bill_ids": "{{ [] }}"}, "bill_ids: must be a list with at least one id"),
        ({"newest": True, "path": "/proc/self/lake"}, "path: cannot be written to"),
        (
            {
                "bill_ids": [505, 506],
                "usage_start": "2026-09-01",
                "usage_end": "2026-09-30",
                "reconcile": True,
            },
            "usage_start: is about one bill, and there are 2",
        ),
        (
            {"newest": True, "usage_start": "2026-10-01", "usage_end": "2026-10-27", "reconcile": True},
            "usage_end: must be before today",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_download(
    telecom_simulator: Any, load: Load, arguments: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        load(**arguments)
    assert not downloads(telecom_simulator)


def test_a_bill_whose_days_nobody_knows_is_refused_before_its_download(
    telecom_simulator: Any, vendor_state: VendorState, load: Load
) -> None:
    vendor_state.bills[506].period = "сентябрь"
    with pytest.raises(TelecomInputError, match=r"^usage_start: must be given: the period of bill 506"):
        load(newest=True, reconcile=True)
    assert not downloads(telecom_simulator)


def test_a_missing_library_is_an_error_when_the_dag_is_parsed(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    command = r"pip install 'airflow-provider-telecom\[xlsx\]'"
    with pytest.raises(TelecomInputError, match=f"^reconcile: needs the library openpyxl: {command}"):
        NovaConnectBillToObjectStorageOperator(task_id="load", path="a", newest=True, reconcile=True)
    assert load(newest=True)["bytes"] > 0


# --- whole or not at all


@pytest.mark.parametrize("good", [0, 1])
def test_a_pdf_or_transcript_that_is_none_leaves_nothing(
    telecom_simulator: Any, load: Load, tmp_path: Path, good: int
) -> None:
    telecom_simulator.fault("silence", "novaconnect", path="download", seconds=0, times=good)
    telecom_simulator.fault("html", "novaconnect", path="download", times=20)
    with pytest.raises(TelecomAnswerError):
        load(newest=True)
    assert standing(tmp_path / "lake") == {}


def test_what_breaks_off_leaves_the_old_files(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    load(newest=True)
    before = standing(tmp_path / "lake")
    vendor_state.bills[506].bid = "NC-506A"
    telecom_simulator.fault("half_body", "novaconnect", path="download", times=40)
    with pytest.raises(TelecomNoAnswerError):
        load(newest=True)
    assert standing(tmp_path / "lake") == before
    telecom_simulator.state.faults.clear()
    load(newest=True)
    assert sorted(standing(tmp_path / "lake")) == sorted(before)
    assert standing(tmp_path / "lake") != before


PROGRAM = """
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator as Load,
)
from tests.running import Run
import sys
Run().execute(Load(task_id="load", path=sys.argv[1], bill_ids=[505]))
"""


def test_killed_between_downloads_nothing_stands_and_the_next_try_has_all(
    telecom_simulator: Any, load: Load, tmp_path: Path
) -> None:
    """The first file has come, the second is on its way, none is in place."""
    lake = tmp_path / "lake"
    telecom_simulator.fault("silence", "novaconnect", path="download", seconds=0, times=1)
    telecom_simulator.fault("silence", "novaconnect", path="download", seconds=600, times=1)
    task = subprocess.Popen([sys.executable, "-c", PROGRAM, str(lake)], env=dict(os.environ))
    assert eventually(lambda: len(downloads(telecom_simulator)) == 2 or task.poll() is not None)
    task.send_signal(signal.SIGKILL)
    assert task.wait() == -signal.SIGKILL
    assert standing(lake) == {}
    telecom_simulator.state.faults.clear()
    load(bill_ids=[505])
    assert len(standing(lake)) == 3


# --- reconciliation


@pytest.fixture
def usage(vendor_state: VendorState) -> VendorState:
    """September: three SIMs, with sessions at the month's very edges, and calls."""
    vendor_state.sessions.clear()
    vendor_state.actions.clear()
    vendor_state.bills.clear()
    ends = (MONTH, MONTH + 30 * DAY - 1)
    for sim, at, cost in (
        *((1041, ends[0], 0.1), (1041, ends[1], 0.2), (1042, MONTH + 5 * DAY, 1.2345)),
        *((1043, MONTH + 9 * DAY, 0.0), (1041, ends[0] - 1, 5.0), (1041, ends[1] + 1, 7.0)),
    ):
        place = ("Kazakhstan", "Kcell", 40102)
        vendor_state.sessions.append(Session(next(vendor_state.ids), sim, at, at + 60, *place, 1000, cost))
    vendor_state.actions.append(
        Action(next(vendor_state.ids), 1042, MONTH + DAY, "out_sms", "77000009999", 0.0655)
    )
    vendor_state.actions.append(
        Action(next(vendor_state.ids), 1044, ends[0] - 1, "out_sms", "77000009999", 3.0)
    )
    vendor_state.make_bill("09-2026")
    return vendor_state


def lines_of(summary: dict[str, Any]) -> dict[Any, dict[str, Any]]:
    [bill] = summary["bills"]
    text = Path(bill["reconciliation"]["path"]).read_text()
    return {line["sim_id"] or line["sim"]: line for line in map(json.loads, text.splitlines())}


def test_a_bill_that_is_made_of_its_usage_agrees(usage: VendorState, load: Load, tmp_path: Path) -> None:
    summary = load(newest=True, reconcile=True)
    line = lines_of(summary)[1042]
    [bill] = summary["bills"]
    found = bill["reconciliation"]
    assert found.pop("path") == str(tmp_path / "lake" / "period=2026-09" / "bill-501-reconciliation.jsonl")
    assert found.pop("bytes") > 0
    assert found == {
        "sims": 60,
        "sims_differing": 0,
        "transcript_total": "1.6",
        "usage_total": "1.6000",
        "difference": "0.0000",
        "bill_cost": "1.6",
        "bill_difference": "0.0",
        "other_rows": 0,
        "other_cost": "0",
        "agrees": True,
    }
    assert line == {
        "sim_id": 1042,
        "sim": "8999700000000000041",
        "transcript_cost": "1.3",
        "usage_cost": "1.3000",
        "difference": "0.0000",
        "differs": False,
    }
    assert "89997" not in json.dumps(summary)


@pytest.mark.parametrize("hours", [0, 5, -8])
def test_the_newest_bill_of_the_town_agrees(vendor_state: VendorState, load: Load, hours: int) -> None:
    """A month is the vendor's own, as its reports have it, wherever its midnights are."""
    vendor_state.utc_offset = hours * HOUR
    if hours:
        vendor_state.make_bill("09-2026")
    [bill] = load(newest=True, reconcile=True, tolerance="0.005")["bills"]
    assert bill["period"] == "09-2026"
    assert bill["reconciliation"]["agrees"]
    assert Decimal(bill["reconciliation"]["usage_total"]) > 100


@pytest.mark.parametrize(
    ("off", "tolerance", "agrees"),
    [
        (99, "0.01", True),
        (100, "0.01", True),
        (101, "0.01", False),
        (-101, "0.01", False),
        (101, "0.02", True),
        (1, "0", False),
        (0, "0", True),
    ],
)
def test_the_tolerance_is_held_to_the_last_digit(
    usage: VendorState, load: Load, caplog: pytest.LogCaptureFixture, off: int, tolerance: str, agrees: bool
) -> None:
    usage.bills[501].charges[1041] += off  # ten thousandths of a EUR
    summary = load(newest=True, reconcile=True, tolerance=tolerance, on_difference="report")
    [bill] = summary["bills"]
    found = bill["reconciliation"]
    assert found["agrees"] is agrees
    assert Decimal(found["difference"]) == Decimal(off) / 10_000
    assert lines_of(summary)[1041]["differs"] is not agrees
    assert found["sims_differing"] == (not agrees)


def test_small_differences_of_many_sims_are_one_in_all(usage: VendorState, load: Load) -> None:
    for sim in (1041, 1042, 1043):
        usage.bills[501].charges[sim] = usage.bills[501].charges.get(sim, 0) + 90
    [bill] = load(newest=True, reconcile=True, on_difference="report")["bills"]
    assert (bill["reconciliation"]["sims_differing"], bill["reconciliation"]["agrees"]) == (0, False)


def test_a_bill_that_differs_from_its_own_transcript_does_not_agree(usage: VendorState, load: Load) -> None:
    usage.bills[501].cost += 0.02
    [bill] = load(newest=True, reconcile=True, on_difference="report")["bills"]
    assert bill["reconciliation"]["bill_difference"] == "0.02"
    assert not bill["reconciliation"]["agrees"]


def test_a_difference_fails_loudly_once_all_is_written(
    usage: VendorState, load: Load, tmp_path: Path
) -> None:
    usage.bills[501].charges[1041] += 5000
    with pytest.raises(
        BillDifferenceError, match=r"^bill 501 differs: 1 of 60 SIMs; the transcript has"
    ) as caught:
        load(newest=True, reconcile=True)
    assert "2.1 EUR, the usage reports 1.6000, and the bill itself 1.6" in str(caught.value)
    assert ICCID[:8] not in str(caught.value)
    assert len(standing(tmp_path / "lake")) == 4


def test_rows_that_move_are_counted_once(usage: VendorState, load: Load) -> None:
    begun = MONTH + 20 * DAY
    late = replace(usage.sessions[0], sid=1, start=begun, end=begun + 9, session_cost=0.5)
    usage.bills[501].charges[1041] += 5000
    usage.bills[501].cost = 2.1
    usage.max_rows = 2
    usage.after_pages = [lambda: usage.sessions.append(late)]
    [bill] = load(newest=True, reconcile=True)["bills"]
    assert bill["reconciliation"]["usage_total"] == "2.1000"


def served(telecom_simulator: Any, body: bytes) -> None:
    """Let the vendor answer with this transcript, once."""
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    found.transcripts[501] = body


def test_a_sim_may_miss_on_either_side(telecom_simulator: Any, usage: VendorState, load: Load) -> None:
    rows: list[list[str | float]] = [["ICCID", "Number", "Cost, EUR"], ["8999700000000000041", "", 1.3]]
    served(telecom_simulator, xlsx([*rows, ["8999700000000999999", "", 4], ["8999700000000000055", "", 0]]))
    summary = load(newest=True, reconcile=True, on_difference="report")
    lines = lines_of(summary)
    assert set(lines) == {1041, 1042, 1043, 1056, "8999700000000999999"}
    assert (lines[1041]["transcript_cost"], lines[1041]["usage_cost"], lines[1041]["differs"]) == (
        *(None, "0.3"),
        True,
    )
    unknown = lines["8999700000000999999"]
    assert (unknown["transcript_cost"], unknown["usage_cost"], unknown["differs"]) == ("4", None, True)
    assert [lines[sim]["differs"] for sim in (1042, 1043, 1056)] == [False] * 3
    assert summary["bills"][0]["reconciliation"]["sims_differing"] == 2


def test_other_headings_and_a_total(telecom_simulator: Any, usage: VendorState, load: Load) -> None:
    usage.sims[1041].number = "77000000040"
    table: list[list[str | float]] = [
        *(["Расшифровка"], [], ["№", " Номер\nSIM ", "ICCID", "Сумма"]),
        *([1, "+7 700 000 00 40", "", "0,10"], [2, "77000000040", "", 0.2]),
        *([3, 77000000041, "", "1.3 €"], ["", "Итого", "", 1.6], ["", "Номер SIM", "", "Сумма"]),
    ]
    served(telecom_simulator, xlsx(table))
    columns = {"sim": "номер sim", "cost": "Сумма"}
    [bill] = load(newest=True, reconcile=True, transcript_columns=columns)["bills"]
    found = bill["reconciliation"]
    assert (found["transcript_total"], found["other_rows"], found["other_cost"]) == ("1.60", 2, "1.6")


def test_usage_days_can_be_said(usage: VendorState, load: Load) -> None:
    usage.bills[501].period = "Q3"
    [bill] = load(newest=True, reconcile=True, usage_start="01-09-2026", usage_end=date(2026, 9, 30))["bills"]
    assert bill["reconciliation"]["agrees"]


def test_a_heading_that_is_not_there_is_told_with_what_is(
    telecom_simulator: Any, usage: VendorState, load: Load, tmp_path: Path
) -> None:
    served(telecom_simulator, xlsx([["SIM", "Number"], ["8999700000000000041", 1.3]]))
    with pytest.raises(
        TelecomInputError, match=r"transcript_columns: 'ICCID' and .*; found: 'SIM', 'Number'$"
    ):
        load(newest=True, reconcile=True)
    assert len(standing(tmp_path / "lake")) == 3  # the vendor's files are kept


def test_a_usage_row_without_sense_stops_it(telecom_simulator: Any, usage: VendorState, load: Load) -> None:
    body = json.dumps({"code": 200, "message": "ok", "result": {"items": [{"sid": 1, "start": MONTH}]}})
    telecom_simulator.fault("status", "novaconnect", path="sessions", status=200, body=body)
    with pytest.raises(TelecomAnswerError, match=r"sessions, row 1: record: .*see id"):
        load(newest=True, reconcile=True)


# --- untrusted transcripts


def read(body: bytes, **columns: str) -> Transcript:
    return read_transcript(io.BytesIO(body), {**COLUMNS, **columns})


def workbook(*sheets: list[list[Any]]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(out)
    return out.getvalue()


HEAD = ["ICCID", "Cost, EUR"]


def packed(**members: bytes | str) -> bytes:
    """Return the simulator's workbook with members replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx([HEAD, [ICCID, 1]]))) as old, zipfile.ZipFile(out, "w", 8) as pack:
        for name in old.namelist():
            pack.writestr(name, members.pop(name, old.read(name)))
        for name, body in members.items():
            pack.writestr(name, body)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("cell", "cost"),
    [
        (0.1 + 0.2, "0.3"),
        (3, "3"),
        ("0,10", "0.10"),
        ("1 234.50 EUR", "1234.50"),
        (-5.25, "-5.25"),
    ],
)
def test_costs_are_read_to_the_last_digit(cell: Any, cost: str) -> None:
    found = read(workbook([HEAD, [ICCID, cell], [ICCID, cell]]))
    assert found.costs == {ICCID: 2 * Decimal(cost)}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ([ICCID, None], "row 2: cost: must be a number"),
        ([ICCID, "1,234"], "row 2: cost: must be a number"),
        ([ICCID, "dear"], "row 2: cost: must be a number"),
        ([ICCID, True], "row 2: cost: must be a number"),
        ([ICCID, NOW.replace(tzinfo=None)], "row 2: cost: must be a number"),
        ([ICCID, "=1/0"], "row 2: cost: must be a number"),
        ([float(ICCID), 1], "row 2: sim: is a number with more digits"),
        ([int(ICCID), 1], "row 2: sim: is a number with more digits"),
    ],
)
def test_what_cannot_be_read_for_sure_is_an_error(row: list[Any], rule: str) -> None:
    with pytest.raises(TelecomAnswerError, match=f"^transcript, {rule}") as caught:
        read(workbook([HEAD, row]))
    assert "89997" not in str(caught.value)


def test_an_iccids_filler_and_blanks_are_no_part_of_it() -> None:
    found = read(workbook([HEAD, ["8999 7000 0000 0000 000F", 1], [f" {ICCID} ", 2]]))
    assert found.costs == {ICCID: Decimal(3)}


def test_one_sheet_only_or_the_one_that_is_named() -> None:
    body = workbook([["Hi"]], [HEAD, [ICCID, 1]], [HEAD, [ICCID, 2]])
    with pytest.raises(TelecomInputError, match="are in several sheets"):
        read(body)
    assert read(body, sheet="Sheet2").total == 2
    assert read(workbook([["Hi"]], [HEAD, [ICCID, 1]])).total == 1


def test_headings_are_looked_for_in_twenty_rows() -> None:
    rows: list[list[Any]] = [["Hello"]] * 19
    assert read(workbook([*rows, HEAD, [ICCID, 1]])).total == 1
    with pytest.raises(TelecomInputError, match="found: 'Hello'"):
        read(workbook([*rows, ["Hello"], HEAD, [ICCID, 1]]))
    with pytest.raises(TelecomInputError, match="once each"):
        read(workbook([[*HEAD, "ICCID"], [ICCID, 1, ICCID]]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"%PDF-1.4",
        b"PK\x03\x04 and then nothing",
        xlsx([HEAD, [ICCID, 1]])[:-40],
        packed(**{"xl/workbook.xml": "<workbook"}),
        packed(**{"xl/workbook.xml": "<html/>"}),
    ],
    ids=["empty", "pdf", "broken", "cut off", "not closed", "html"],  # archives contain the time
)
def test_what_is_no_workbook_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises((TelecomAnswerError, TelecomInputError)):
        read(body)


def test_a_sheet_that_breaks_off_is_no_short_sheet() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx([HEAD, [ICCID, 1], [ICCID, 2]]))) as pack:
        sheet = pack.read(SHEET)
    with pytest.raises(TelecomAnswerError, match=r"no workbook|cannot be read"):
        read(packed(**{SHEET: sheet[: sheet.rindex(b"<row>")]}))


def test_a_zip_bomb_is_refused_unopened(
    usage: VendorState, telecom_simulator: Any, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(transcripts.MAX_UNPACKED_BYTES)
    served(telecom_simulator, packed(**{SHEET: zeros + b"0"}))
    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("a part was unpacked"))
        with pytest.raises(TelecomAnswerError, match="unpacks to more than"):
            load(newest=True, reconcile=True)
    with pytest.raises(TelecomAnswerError, match="unpacks to more than"):
        read(packed(**{"xl/styles.xml": zeros[: transcripts.MAX_MEMBER_BYTES + 1]}))
    with pytest.raises(TelecomAnswerError, match="unpacks to more than"):
        read(packed(**{f"a{n}": b"" for n in range(1001)}))


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MAX_FILE_BYTES", 100)
    with pytest.raises(TelecomAnswerError, match="larger than 100 bytes"):
        read(xlsx([HEAD, [ICCID, 1]]))


def test_too_many_rows_are_refused_even_if_they_are_only_pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcripts, "MAX_ROWS", 1000)
    assert read(workbook([HEAD, *[[ICCID, 1]] * 999])).total == 999
    with pytest.raises(TelecomAnswerError, match="more than 1000 rows"):
        read(workbook([HEAD, *[[ICCID, 1]] * 1000]))
    with zipfile.ZipFile(io.BytesIO(xlsx([HEAD, [ICCID, 1]]))) as pack:
        sheet = pack.read(SHEET).decode()
    far = sheet.replace("</sheetData>", '<row r="999999999999"><c><v>1</v></c></row></sheetData>')
    with pytest.raises(TelecomAnswerError, match="more than 1000 rows"):
        read(packed(**{SHEET: far}))


def test_what_a_sheet_says_of_its_size_is_not_believed() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx([HEAD, [ICCID, 1]]))) as pack:
        sheet = pack.read(SHEET).decode()
    for size in ("A1:A1", "A1:XFD1048576"):
        lying = sheet.replace("<sheetData>", f'<dimension ref="{size}"/><sheetData>')
        assert read(packed(**{SHEET: lying})).total == 1


@pytest.mark.parametrize("member", [SHEET, "xl/workbook.xml"])
def test_entities_are_never_resolved(member: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("77000000001")
    with zipfile.ZipFile(io.BytesIO(xlsx([HEAD, [ICCID, 1]]))) as pack:
        inner = pack.read(member).decode().partition("?>")[2]
    entity = f'<!DOCTYPE a [<!ENTITY secret SYSTEM "file://{tmp_path}/secret">]>'
    body = packed(**{member: entity + inner.replace(ICCID, "&secret;").replace("Transcript", "&secret;")})
    with pytest.raises(TelecomAnswerError):
        read(body)


def test_external_links_and_macros_are_left_alone() -> None:
    found = read(packed(**{"xl/vbaProject.bin": b"\x00" * 99, "xl/externalLinks/externalLink1.xml": "<a/>"}))
    assert found.total == 1


# --- manners


def test_logs_and_xcom_tell_no_numbers(
    usage: VendorState, load: Load, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    usage.bills[501].charges[1041] += 5000
    with caplog.at_level(logging.DEBUG):
        summary = load(newest=True, reconcile=True, on_difference="report")
    log = "".join(capfd.readouterr()) + caplog.text
    assert "bill 501 differs: 1 of 60 SIMs" in log
    for text in (log, json.dumps(summary)):
        assert "7700000" not in text
        assert "89997" not in text


def test_the_folders_asset_is_updated(
    vendor_state: VendorState, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for("novaconnect")
    path = str(tmp_path / "lake")
    operator = NovaConnectBillToObjectStorageOperator(task_id="load", period="{{ params.of }}", path=path)
    run = Run()
    summary = run.execute(operator, params={"of": vendor_state.bills[506].period})
    event = run.outlet_events[Asset((tmp_path / "lake").as_uri())]
    assert event.extra == {"rows": None, "bytes": summary["bytes"]}


def test_bills_stand_in_any_store(store: Any, usage: VendorState, load: Load) -> None:
    summary = load(newest=True, reconcile=True, path=store.url, storage_conn_id=store.conn_id)
    names = ("bill-501-reconciliation.jsonl", "bill-501-transcript.xlsx", "bill-501.json", "bill-501.pdf")
    files = store.files()
    assert sorted(files) == [f"period=2026-09/{name}" for name in names]
    assert len(files["period=2026-09/bill-501-reconciliation.jsonl"].splitlines()) == 60
    stored = [*summary["bills"][0]["files"], summary["bills"][0]["reconciliation"]]
    assert {Path(one["path"]).name: one["bytes"] for one in stored} == {
        name: len(files[f"period=2026-09/{name}"]) for name in names if name != "bill-501.json"
    }
