"""Whether a callback is found in the list of calls, also when the clocks are put back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from airflow_provider_telecom.simulator.sunsim.models import PhoneCall
from airflow_provider_telecom.simulator.sunsim.state import VendorState
from airflow_provider_telecom.vendors.poll_result import Stage
from airflow_provider_telecom.vendors.sunsim import status

TO, FROM = "+79000001234", "79000000000"
PUT_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When Kyiv's clocks go from 04:00 back to 03:00."""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("sunsim", vendor_timezone="Europe/Kyiv")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
    found.zone = ZoneInfo("Europe/Kyiv")
    for calls in found.calls.values():
        calls.clear()
    return found


def call(vendor_state: VendorState, at: datetime) -> None:
    vendor_state.calls["9000000000"].append(
        PhoneCall(vendor_state.new_id(), at, "9000000000", "89000001234", 2, 60)
    )


def stage(hook: Any, since: datetime, now: datetime) -> Stage:
    with time_machine.travel(now, tick=False):
        found: Stage = hook.run(status.callback(hook, TO, FROM, since.isoformat())).stage
    return found


@pytest.mark.parametrize("since", [-90, -59, -30, -1, 0, 1, 20, 59, 60, 61])
@pytest.mark.parametrize("after", [0, 2, 45])
def test_a_call_is_found_in_both_passes_of_the_hour_that_happens_twice(
    hook: Any, vendor_state: VendorState, since: int, after: int
) -> None:
    asked = PUT_BACK + since * MINUTE
    assert stage(hook, asked, asked + MINUTE) is Stage.WAITING
    call(vendor_state, asked + after * MINUTE)
    assert stage(hook, asked, asked + (after + 1) * MINUTE) is Stage.SUCCEEDED
    assert stage(hook, asked, asked + (after + 31) * MINUTE) is Stage.SUCCEEDED


@pytest.mark.parametrize(("since", "before"), [(-30, 5), (0, 1), (30, 31), (30, 70), (61, 2)])
@pytest.mark.parametrize("switch", [None, "other_columns"])
def test_an_earlier_call_is_not_taken_for_it(
    hook: Any, vendor_state: VendorState, since: int, before: int, switch: str | None
) -> None:
    vendor_state.switches.turn_on(*filter(None, [switch]))
    asked = PUT_BACK + since * MINUTE
    call(vendor_state, asked - before * MINUTE)
    assert stage(hook, asked, asked + MINUTE) is Stage.WAITING


def test_a_row_that_has_no_time_counts_where_nothing_earlier_was_requested(
    hook: Any, vendor_state: VendorState
) -> None:
    vendor_state.stray_rows.append({"when": "today", "a": "9000000000", "b": "89000001234"})
    for start, expected in ((-30, Stage.WAITING), (30, Stage.WAITING), (120, Stage.SUCCEEDED)):
        asked = PUT_BACK + start * MINUTE
        assert stage(hook, asked, asked + MINUTE) is expected


@pytest.mark.parametrize("time", ["never", "2026-10-25 13:00:00", "2027-03-28 03:30:00"])
def test_a_row_of_another_time_or_none_is_no_proof(hook: Any, vendor_state: VendorState, time: str) -> None:
    vendor_state.stray_rows.append({"callDate": time, "a": "9000000000", "b": "89000001234"})
    asked = datetime(2026, 10, 25, 12, tzinfo=UTC)
    assert stage(hook, asked, asked + MINUTE) is Stage.WAITING
