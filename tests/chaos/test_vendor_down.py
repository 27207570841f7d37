"""A vendor that is down gets few requests, and is used again when it is up; and the check finds faults."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.chaos.vendor_down import CALL_OF, CASES, FORMS, one_after_the_other, violations

SAMPLE = CASES[::7]


@pytest.mark.parametrize(
    ("vendor", "how", "form"),
    [case if case in SAMPLE else pytest.param(*case, marks=pytest.mark.long) for case in CASES],
)
def test_few_requests_reach_a_vendor_that_is_down(
    vendor: str, how: str, form: str, hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    hook, (idempotency, call) = hook_for(vendor), CALL_OF[vendor]
    outage = FORMS[form](hook, telecom_simulator, how, partial(call, hook))
    assert violations(outage, idempotency) == []


def without_limits(hook: Any, number: int) -> object:
    """Make a call as if there were neither a breaker nor a budget of retries."""
    limits = hook.account.limits
    limits._failures, limits._budget = 0, 10**6
    return hook.get_user()


def without_probes(hook: Any, number: int) -> object:
    """Make a call as if the breaker never let a probe through."""
    limits = hook.account.limits
    limits._opened_at = limits._opened_at and limits.clock()
    return hook.get_user()


def calm(hook: Any, number: int) -> object:
    """Make a call whose error is caught: it seems to be done."""
    try:
        return hook.get_user()
    except Exception:
        return None


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (without_limits, "requests for 50 calls"),
        (calm, "50 calls were reported as done"),
        (lambda hook, number: None, "nothing was tried"),
        (without_probes, "the first call afterwards ended with TelecomNotSentError"),
    ],
)
def test_a_fault_is_found(
    call: Callable[[Any, int], object], problem: str, hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    hook = hook_for("novaconnect")
    outage = one_after_the_other(hook, telecom_simulator, "answers 503", partial(call, hook), 50)
    assert problem in "\n".join(violations(outage, CALL_OF["novaconnect"][0]))


def test_an_effect_that_nobody_speaks_of_is_found(
    hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    hook, (idempotency, call) = hook_for("kyivstar_fmc"), CALL_OF["kyivstar_fmc"]
    how = "acts and answers nothing"
    outage = one_after_the_other(hook, telecom_simulator, how, partial(call, hook), 20)
    assert outage.effects
    outage.outcomes.clear()
    object.__setattr__(outage, "loud", 0)
    assert "unknown outcomes" in "\n".join(violations(outage, idempotency))
