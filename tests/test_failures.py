"""All endpoints and five failures: what the vendor receives, and what the caller gets.

Each case runs on one transport, and one endpoint of each idempotency class on both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError, TelecomUnknownError
from airflow_provider_telecom.calls.request import Idempotency
from tests.conftest import open_at_the_first_wait
from tests.endpoints import FAILURES, Row, rows
from tests.transports import spread

# What "unknown" can look like; each row meets one of them, after its effect has happened.
UNKNOWNS = ("reset_after", "close_after", "bad_status_line", "two_lengths")
FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    "5xx": {"kind": "status", "status": 503},
    "401": {"kind": "status", "status": 401},
}


FIRST_OF_CLASS = {row.cls: row for row in reversed(rows())}


@pytest.mark.parametrize(
    ("row", "failure", "call"),
    spread(rows(), FAILURES, lambda row: FIRST_OF_CLASS[row.cls] is row),
    indirect=["call"],
)
def test_what_the_vendor_sees(
    row: Row,
    failure: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    tmp_path: Path,
) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 3600)
    hook = hook_for(row.vendor, **row.extra)
    _have_a_token(hook, row)
    args, kwargs = row.prepare(hook, tmp_path)
    telecom_simulator.state.requests.clear()
    effects_before = len(telecom_simulator.state.ledger.effects)
    with _failing(failure, row, hook, telecom_simulator):
        outcome = _outcome(call, getattr(hook, row.method), args, kwargs)
    assert _seen(telecom_simulator, row) == row.seen[failure]
    assert type(outcome) is _expected(row, failure), outcome
    if Idempotency(row.cls) in (Idempotency.NONE, Idempotency.WITH_KEY):
        assert len(_effects(telecom_simulator, effects_before)) <= _recipients(row, args)


@contextmanager
def _failing(failure: str, row: Row, hook: Any, simulator: Any) -> Iterator[None]:
    """Arm one failure of an endpoint: a fault in the simulator, or no connection until the first wait."""
    if failure == "not_sent":
        open_at_the_first_wait(hook, simulator)
        with simulator.refusing():
            yield
        return
    how = FAULTS.get(failure) or {"kind": UNKNOWNS[len(row.path) % len(UNKNOWNS)]}
    simulator.fault(**how, vendor=row.vendor, path=row.pattern, method=row.http.split("/")[-1])
    yield


def _have_a_token(hook: Any, row: Row) -> None:
    """Fetch a token first, so that the failure meets the endpoint and not the token call."""
    if row.vendor == "kyivstar_open_telecom":
        hook.list_promos()
    elif row.vendor == "sunsim":
        hook.get_vats_settings(["9000000000"])


def _outcome(call: Callable[..., Any], method: Any, args: Any, kwargs: Any) -> object:
    try:
        call(method, *args, **kwargs)
    except TelecomError as error:
        return error
    return None


def _seen(simulator: Any, row: Row) -> int:
    methods, pattern = row.http.split("/"), re.compile(row.pattern)
    requests = simulator.state.requests
    return sum(seen.method in methods and pattern.search(seen.path) is not None for seen in requests)


def _expected(row: Row, failure: str) -> type:
    if failure == "401" and not row.renews:
        return TelecomAuthError
    lost = failure in ("unknown", "5xx") and row.seen[failure] == 1
    return TelecomUnknownError if lost else type(None)


def _effects(simulator: Any, before: int) -> list[Any]:
    return [effect for effect in simulator.state.ledger.effects[before:] if effect.kind != "token"]


def _recipients(row: Row, args: Any) -> int:
    """How many effects one call stands for: one for each SIM or recipient."""
    return max([1, *(len(arg) for arg in args if isinstance(arg, list))])
