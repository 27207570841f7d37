"""The hook of Kyivstar FMC over real HTTP, through both transports, against the simulator's state."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomNoAnswerError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.kyivstar_fmc import KYIV, VendorState
from airflow_provider_telecom.simulator.kyivstar_fmc import Call as Booked
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import FaultKind
from tests.conftest import open_at_the_first_wait

A, B = "380670000201", "380670000202"
_OLDEST = timedelta(days=30) - timedelta(minutes=30)  # the state holds nothing older, and time passes
Make = Callable[..., Any]


def state_of(simulator: Simulator) -> VendorState:
    vendor_state: VendorState = simulator.state.vendor_state("kyivstar_fmc", VendorState)
    return vendor_state


def shown(call: Booked) -> tuple[str, str, str, str, int]:
    """Return a call of the state as the vendor shows it."""
    end = call.start + timedelta(seconds=math.floor(call.seconds))
    start, end = (moment.astimezone(KYIV).replace(tzinfo=None) for moment in (call.start, end))
    return str(start), str(end), call.calling, call.called, math.floor(call.seconds) + 1


def read(record: Any) -> tuple[str, str, str, str, int]:
    return (
        record.start_timestamp,
        record.end_timestamp,
        record.calling_number,
        record.called_number,
        record.duration,
    )


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("format", ["json", "csv", "xml"])
def test_records_are_those_of_the_state(
    telecom_simulator: Simulator, hook_for: Make, call: Make, format: str
) -> None:
    start, end = now() - timedelta(days=8), now() - timedelta(days=2)
    expected = [
        shown(one)
        for one in state_of(telecom_simulator).calls
        if start.astimezone(KYIV).replace(tzinfo=None)
        <= one.start.astimezone(KYIV).replace(tzinfo=None)
        <= end.astimezone(KYIV).replace(tzinfo=None)
    ]
    hook = hook_for("kyivstar_fmc")
    found = call(hook.get_call_records, start, end, format=format)
    assert [read(record) for record in found] == expected
    assert len(expected) > 20


def test_a_month_in_slices_is_the_whole_book(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    """Slices of six days, one after the other, hold every call once, whatever the clocks did meanwhile."""
    hook, end = hook_for("kyivstar_fmc"), now()
    found: list[Any] = []
    for days in (24, 18, 12, 6, 0):
        last = end - timedelta(days=days)
        first = max(last - timedelta(days=6) + timedelta(seconds=1), end - _OLDEST)
        found += call(hook.get_call_records, first, last)
    vendor_state = sorted(shown(one) for one in state_of(telecom_simulator).calls)
    assert sorted({*map(read, found)}) == sorted(set(vendor_state))


def test_names_and_departments(telecom_simulator: Simulator, hook_for: Make, call: Make) -> None:
    vendor_state = state_of(telecom_simulator)
    vendor_state.calls.clear()
    facts = {"calling_name": "Олена", "called_name": 'Бо, "B"', "department": "A & B"}
    vendor_state.add_call(now() - timedelta(hours=1), 12.5, "0670000201", "0670000202", **facts)
    hook = hook_for("kyivstar_fmc")
    asked = {"names": True, "departments": True}
    for format in ("json", "csv", "xml"):
        (record,) = call(hook.get_call_records, now() - timedelta(hours=2), format=format, **asked)
        assert record.model_extra == facts
        assert record.duration == 13
    (plain,) = call(hook.get_call_records, now() - timedelta(hours=2))
    assert plain.model_extra == {}
    (owned,) = call(hook.get_call_records, now() - timedelta(hours=2), ownership=True)
    assert owned.model_extra == {"own": True}


def test_row_27_a_trailing_comma_is_put_up_with(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    hook = hook_for("kyivstar_fmc")
    strict = call(hook.get_call_records, now() - timedelta(days=3))
    state_of(telecom_simulator).switches.turn_on("trailing_comma")
    assert call(hook.get_call_records, now() - timedelta(days=3)) == strict
    assert strict


@pytest.mark.parametrize("format", ["csv", "json", "xml"])
def test_row_29_a_download_is_the_vendors_file_under_our_name(
    telecom_simulator: Simulator, hook_for: Make, call: Make, tmp_path: Path, format: str
) -> None:
    hook, start, end = hook_for("kyivstar_fmc"), now() - timedelta(days=6), now()
    target = tmp_path / "mine"
    size = call(hook.download_call_records, target, start, end, format=format)
    assert target.stat().st_size == size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    if format == "csv":
        with target.open(newline="") as file:
            rows = [row["start_timestamp"] for row in csv.DictReader(file)]
        records = call(hook.get_call_records, start, end)
        assert rows == [record.start_timestamp for record in records]


def test_a_download_that_is_refused_leaves_no_file(
    telecom_simulator: Simulator, hook_for: Make, call: Make, tmp_path: Path
) -> None:
    state_of(telecom_simulator).token = "1" * 64
    with pytest.raises(TelecomAuthError):
        call(hook_for("kyivstar_fmc").download_call_records, tmp_path / "mine", now() - timedelta(days=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["csv", "json", "xml"])
def test_a_page_in_place_of_a_list_is_not_saved_as_one(
    telecom_simulator: Simulator, hook_for: Make, call: Make, tmp_path: Path, format: str
) -> None:
    hook, start = hook_for("kyivstar_fmc"), now() - timedelta(days=1)
    telecom_simulator.fault("html", "kyivstar_fmc", path="callstat", times=4)
    with pytest.raises(TelecomAnswerError, match="no list of calls"):
        call(hook.download_call_records, tmp_path / "mine", start, format=format)
    assert list(tmp_path.iterdir()) == []
    assert call(hook.download_call_records, tmp_path / "mine", start, format=format)
    assert "start_timestamp" in (tmp_path / "mine").read_text()


@pytest.mark.parametrize("body", ['{"error": "service not activated"}', "{}", "OK", "<html>"])
def test_a_body_in_place_of_none_is_no_call_that_rings(
    telecom_simulator: Simulator, hook_for: Make, call: Make, body: str
) -> None:
    telecom_simulator.fault("body", "kyivstar_fmc", path="originate", body=body)
    with pytest.raises(TelecomUnknownError):
        call(hook_for("kyivstar_fmc").originate_call, B, A)
    assert len(telecom_simulator.state.requests) == 1


def test_originating_rings_once(telecom_simulator: Simulator, hook_for: Make, call: Make) -> None:
    hook = hook_for("kyivstar_fmc", calling_number="067 000 02 01")
    assert call(hook.originate_call, "+38 067 000-02-02") is None
    (effect,) = telecom_simulator.state.ledger.effects
    assert effect.facts == {"calling": "0670000201", "called": "0670000202"}
    assert len(telecom_simulator.state.requests) == 1


@pytest.mark.parametrize(
    ("kind", "rang"),
    [
        ("reset_after", 1),
        ("reset_before", 0),
        ("close_after", 1),
        ("close_before", 0),
        ("half_body", 1),
        ("status_after", 1),
        ("status", 0),
        ("garbage", 1),
        ("html", 0),
        ("bad_status_line", 1),
    ],
)
def test_an_unclear_outcome_is_unknown_and_was_asked_once(
    telecom_simulator: Simulator, hook_for: Make, call: Make, kind: FaultKind, rang: int
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook_for("kyivstar_fmc").originate_call, B, A)
    assert len(telecom_simulator.state.requests) == 1
    assert len(telecom_simulator.state.ledger.of("kyivstar_fmc", "call")) == rang


@pytest.mark.parametrize("kind", ["reset_after", "close_before", "half_body", "garbage", "status", "html"])
def test_a_read_is_repeated_until_it_is_whole(
    telecom_simulator: Simulator, hook_for: Make, call: Make, kind: FaultKind
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc")
    assert call(hook_for("kyivstar_fmc").get_call_records, now() - timedelta(days=3))
    assert len(telecom_simulator.state.requests) == 2


def test_a_call_while_the_server_refuses_connections_is_made_when_it_accepts(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    hook = hook_for("kyivstar_fmc")
    open_at_the_first_wait(hook, telecom_simulator)
    telecom_simulator.refuse()
    call(hook.originate_call, B, A)
    assert len(telecom_simulator.state.ledger.of("kyivstar_fmc", "call")) == 1


def test_a_bad_token_is_an_auth_error_at_once(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    state_of(telecom_simulator).token = "1" * 64
    hook = hook_for("kyivstar_fmc")
    with pytest.raises(TelecomAuthError):
        call(hook.get_call_records, now() - timedelta(days=1))
    with pytest.raises(TelecomAuthError):
        call(hook.originate_call, B, A)
    assert len(telecom_simulator.state.requests) == 2


def test_a_service_that_is_not_activated_is_an_auth_error(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    state_of(telecom_simulator).activated = False
    with pytest.raises(TelecomAuthError, match="HTTP 403"):
        call(hook_for("kyivstar_fmc").originate_call, B, A)


def test_what_the_pbx_does_not_dial_is_rejected(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    with pytest.raises(TelecomRejectedError):
        call(hook_for("kyivstar_fmc").originate_call, "+79000000000", A)
    assert telecom_simulator.state.ledger.effects == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("gzip_bomb", TelecomNoAnswerError),
        ("redirect", TelecomRedirectError),
        ("html", TelecomAnswerError),
    ],
)
def test_a_vendor_gone_wrong_is_an_error(
    telecom_simulator: Simulator, hook_for: Make, call: Make, kind: FaultKind, error: type[Exception]
) -> None:
    location = {"location": telecom_simulator.url + "/novaconnect/steal"}
    telecom_simulator.fault(kind, "kyivstar_fmc", times=9, headers=location, size=20_000_000)
    with pytest.raises(error):
        call(hook_for("kyivstar_fmc").get_call_records, now() - timedelta(days=1))
    assert {seen.vendor for seen in telecom_simulator.state.requests} == {"kyivstar_fmc"}


def test_a_connection_is_tested_by_a_read(telecom_simulator: Simulator, hook_for: Make) -> None:
    vendor_state = state_of(telecom_simulator)
    vendor_state.add_call(now() - timedelta(minutes=1), 30, "0670000201", "0670000202")
    hook = hook_for("kyivstar_fmc")
    assert hook.test_connection() == (True, "Connected: 1 calls in the last five minutes.")
    assert telecom_simulator.state.ledger.effects == []
    vendor_state.token = "1" * 64
    good, text = hook.test_connection()
    assert not good
    assert text.startswith("The credentials are refused.")
