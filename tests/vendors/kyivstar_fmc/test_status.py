"""Whether a call is found in the records, also when the clocks are put back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState
from airflow_provider_telecom.vendors.kyivstar_fmc import status
from airflow_provider_telecom.vendors.poll_result import Stage

A, B = "0670000201", "0670000202"
PUT_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When Kyiv's clocks go from 04:00 back to 03:00."""
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("kyivstar_fmc")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState)
    found.calls.clear()
    return found


def stage(hook: Any, since: datetime, now: datetime) -> Stage:
    with time_machine.travel(now, tick=False):
        found: Stage = hook.run(status.call_record(hook, A, B, since.isoformat())).stage
    return found


@pytest.mark.parametrize("since", [-90, -59, -30, -10, -1, 0, 1, 20, 59, 60, 61])
@pytest.mark.parametrize("after", [0, 2, 45])
@pytest.mark.parametrize("seconds", [13, 1500])
def test_a_call_is_found_in_both_passes_of_the_hour_that_happens_twice(
    hook: Any, vendor_state: VendorState, since: int, after: int, seconds: int
) -> None:
    asked = PUT_BACK + since * MINUTE
    vendor_state.add_call(asked + after * MINUTE, seconds, A, B)
    ended = asked + after * MINUTE + timedelta(seconds=seconds)
    assert stage(hook, asked, ended - timedelta(seconds=1)) is Stage.WAITING
    assert stage(hook, asked, ended + timedelta(seconds=1)) is Stage.SUCCEEDED
    assert stage(hook, asked, ended + 30 * MINUTE) is Stage.SUCCEEDED


@pytest.mark.parametrize(("since", "before"), [(-30, 5), (0, 1), (30, 31), (30, 70), (61, 2)])
def test_an_earlier_call_is_not_taken_for_it(
    hook: Any, vendor_state: VendorState, since: int, before: int
) -> None:
    asked = PUT_BACK + since * MINUTE
    vendor_state.add_call(asked - before * MINUTE, 13, A, B)
    assert stage(hook, asked, asked + MINUTE) is Stage.WAITING


def test_of_two_passes_the_records_may_not_tell_which(hook: Any, vendor_state: VendorState) -> None:
    """What remains: a call of the first pass, 10 minutes before, shows 03:50 like one of the second."""
    asked = PUT_BACK
    vendor_state.add_call(asked - 10 * MINUTE, 13, A, B)
    assert stage(hook, asked, asked + 49 * MINUTE) is Stage.WAITING
    assert stage(hook, asked, asked + 51 * MINUTE) is Stage.SUCCEEDED


def test_a_record_without_a_readable_time_hides_no_other(
    telecom_simulator: Any, hook: Any, vendor_state: VendorState
) -> None:
    body = """{"calls": [
        {"start_timestamp": "soon", "end_timestamp": "soon", "calling_number": "0670000201",
         "called_number": "0670000202", "duration": 5},
        {"start_timestamp": "2026-10-25 12:00:00", "end_timestamp": "2026-10-25 12:00:04",
         "calling_number": "+380670000201", "called_number": "380670000202", "duration": 5}]}"""
    telecom_simulator.fault("body", "kyivstar_fmc", path="callstat", body=body, times=2)
    noon = datetime(2026, 10, 25, 10, tzinfo=UTC)
    assert stage(hook, noon + MINUTE, noon + 2 * MINUTE) is Stage.WAITING
    assert stage(hook, noon, noon + 2 * MINUTE) is Stage.SUCCEEDED
