"""Kyivstar's bulk SMS and promos within a budget, at a price that the user gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.budget_store import valid_claims
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError, TelecomRejectedError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCreatePromoOperator,
    KyivstarSendBulkSmsOperator,
)
from tests.bulk.audiences import prepare_audience
from tests.bulk.variables import Variables
from tests.operators import test_kills
from tests.operators.test_kills import (  # noqa: F401 - two of them are fixtures
    A,
    B,
    C,
    Sending,
    _killing,
    _no_other_system,
    attempt,
    killed_at_each_step,
)
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
BUDGET = Budget("marketing", "UAH", per_day="3")
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, _killing: None, hook_for: Callable[..., Any]) -> Variables:  # noqa: F811 - the fixture
    found = Variables(lambda: test_kills.process.pass_point())
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    test_kills.process = test_kills.Process()
    hook_for(VENDOR, api_version="v1")
    return found


def arguments(**more: Any) -> dict[str, Any]:
    defaults = {"recipients": [A, B, C], "text": "Hi", "budget": BUDGET, "price_per_message": 1}
    return {**defaults, "chunk_size": 2, **more}


def bulk(**more: Any) -> KyivstarSendBulkSmsOperator:
    return KyivstarSendBulkSmsOperator(task_id="send", **arguments(**more))


def promo(**more: Any) -> KyivstarCreatePromoOperator:
    return KyivstarCreatePromoOperator(task_id="send", **arguments(**{"start": True, **more}))


def claimed(variables: Variables) -> Decimal:
    return sum((claim.amount for claim in valid_claims(variables.values)), Decimal(0))


def execute_with_tries_left(run: Run, operator: Any) -> Any:
    ti = run.context(operator)["ti"]
    ti.max_tries = 9
    return run.execute(operator, ti=ti)


@contextmanager
def starts_fail_after(allowed: int) -> Iterator[None]:
    """Only so many promos can be started in this context; the other requests certainly do not leave."""
    original, calls = KyivstarOpenTelecomHook.start_promo, count()

    def start(hook: KyivstarOpenTelecomHook, promo_id: str) -> Any:
        if next(calls) >= allowed:
            raise TelecomNotSentError("not sent: no connection")
        return original(hook, promo_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KyivstarOpenTelecomHook, "start_promo", start)
        yield


def happened(simulator: Any, kind: str = "sms") -> int:
    return len(simulator.state.ledger.of(VENDOR, kind))


@pytest.mark.parametrize("make", [bulk, promo])
def test_all_is_reserved_and_counts(telecom_simulator: Any, variables: Variables, make: Make) -> None:
    run = Run()
    facts = run.execute(make())
    assert claimed(variables) == 3
    assert {claim.state for claim in valid_claims(variables.values)} == {"s"}
    assert run.execute(make()) == facts
    assert claimed(variables) == 3
    before = happened(telecom_simulator, "promo_draft"), happened(telecom_simulator)
    with pytest.raises(TelecomInputError, match="has 0 UAH left of per_day 3 UAH"):
        Run("next").execute(make(recipients=[A]))
    assert (happened(telecom_simulator, "promo_draft"), happened(telecom_simulator)) == before


@pytest.mark.parametrize("make", [bulk, promo])
@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"price_per_message": None}, "goes with budget"),
        ({"budget": None}, "goes with budget"),
        ({"price_per_message": 0.5}, "no float"),
        ({"price_per_message": "-1"}, "from 0"),
        ({"budget": "marketing"}, "must be a Budget"),
    ],
)
def test_wrong_prices_are_refused_at_once(make: Make, more: dict[str, Any], error: str) -> None:
    with pytest.raises(TelecomInputError, match=error):
        make(**more)


def test_a_draft_costs_nothing() -> None:
    with pytest.raises(TelecomInputError, match="is for a promo that is started"):
        promo(start=False)


@pytest.mark.parametrize("make", [bulk, promo])
def test_other_prefixes_are_refused(telecom_simulator: Any, variables: Variables, make: Make) -> None:
    with pytest.raises(TelecomInputError, match=r"3 of 3 numbers"):
        Run().execute(make(budget=Budget("m", "UAH", per_day=10, allow_prefixes=["38050"])))
    assert not variables.values
    assert not telecom_simulator.state.ledger.of(VENDOR, "sms")


def test_refused_messages_cost_nothing(telecom_simulator: Any, variables: Variables) -> None:
    """The simulator refuses numbers that are not Ukrainian."""
    facts = Run().execute(bulk(recipients=[A, "48600000001", B]))
    assert facts["accepted"] + sum(facts["refused"].values()) == 3
    assert claimed(variables) == facts["accepted"]


def test_a_promo_that_was_not_started_is_released(telecom_simulator: Any, variables: Variables) -> None:
    telecom_simulator.fault("status", VENDOR, path="/promo$", status=400)
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(promo())
    assert claimed(variables) == 0
    run.execute(promo())
    assert claimed(variables) == 3


def test_a_promo_of_other_recipients_counts_with_its_own_price(
    telecom_simulator: Any, variables: Variables
) -> None:
    """An earlier try has reserved for more people, and certainly started nothing."""
    run = Run()
    with starts_fail_after(0), pytest.raises(TelecomNotSentError):
        execute_with_tries_left(run, promo())
    assert claimed(variables) == 3
    run.execute(promo(recipients=[A]))
    assert claimed(variables) == 1 == happened(telecom_simulator, "promo_started")


@pytest.mark.parametrize("has_tries", [False, True])
def test_a_lower_price_releases_nothing_that_was_spent(
    telecom_simulator: Any, variables: Variables, tmp_path: Path, has_tries: bool
) -> None:
    """Of two promos one was started at the old price; the other still has to be paid."""
    rows = [{"msisdn": A, "variant": "A"}, {"msisdn": B, "variant": "B"}]
    more = {"recipients": prepare_audience(tmp_path, rows), "text": {"A": "Hi", "B": "Hello"}}
    run = Run()
    with starts_fail_after(1), pytest.raises(TelecomNotSentError):
        (execute_with_tries_left if has_tries else Run.execute)(run, promo(**more, price_per_message="1.5"))
    assert happened(telecom_simulator, "promo_started") == 1
    assert claimed(variables) == Decimal(3 if has_tries else "1.5")
    run.execute(promo(**more, price_per_message="0.5"))
    assert happened(telecom_simulator, "promo_started") == 2
    assert claimed(variables) == Decimal(3 if has_tries else 2)


def test_a_failure_after_a_lower_price_releases_nothing_that_was_spent(
    telecom_simulator: Any, variables: Variables, tmp_path: Path
) -> None:
    rows = [{"msisdn": A, "variant": "A"}, {"msisdn": B, "variant": "B"}]
    more = {"recipients": prepare_audience(tmp_path, rows), "text": {"A": "Hi", "B": "Hello"}}
    run = Run()
    for price, allowed in (("1.5", 1), ("0.5", 0)):
        with starts_fail_after(allowed), pytest.raises(TelecomNotSentError):
            run.execute(promo(**more, price_per_message=price))
        assert claimed(variables) == Decimal("1.5")


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.long)])
def test_a_promo_killed_at_each_step(telecom_simulator: Any, variables: Variables, every: int) -> None:
    sending = Sending(KyivstarCreatePromoOperator, VENDOR, "promo_started", "nothing", (None,))
    for run in killed_at_each_step(telecom_simulator, sending, every, **arguments(start=True)):
        assert claimed(variables) >= 3 * happened(telecom_simulator, "promo_started")
        other = attempt(Run("other"), promo())[1]
        error = attempt(run, promo())[1]
        assert (other is None) != (error is None)
        assert isinstance(other or error, TelecomInputError)
        assert claimed(variables) == 3 == 3 * happened(telecom_simulator, "promo_started")
        variables.values.clear()


def test_bulk_sms_killed_at_each_step(telecom_simulator: Any, variables: Variables) -> None:
    """What may have been sent counts: also if nobody asks again."""
    sending = Sending(KyivstarSendBulkSmsOperator, VENDOR, "sms", "msisdn", (A, B, C))
    unknown = 0
    for run in killed_at_each_step(telecom_simulator, sending, **arguments()):
        assert claimed(variables) >= happened(telecom_simulator)
        error = attempt(run, bulk())[1]
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            unknown += 1
            assert claimed(variables) == 3
            assert attempt(run, bulk(on_unknown="assume_sent"))[1] is None
        assert claimed(variables) == 3 >= happened(telecom_simulator)
        variables.values.clear()
    assert unknown


@pytest.mark.parametrize("operator", [KyivstarSendBulkSmsOperator, KyivstarCreatePromoOperator])
def test_a_dry_run_says_the_price_and_what_is_left(
    telecom_simulator: Any, operator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {} if operator is KyivstarSendBulkSmsOperator else {"start": True}
    made = {"recipients": [A, B, C], "text": "Hi", "budget": BUDGET, "price_per_message": "1.50", **more}
    found = Run().execute(operator(task_id="send", dry_run=True, **made))
    assert (found["price"], found["currency"], found["budget"]["left"]) == ("4.5", "UAH", "3")
    assert "a send now would be refused, it costs more than 3 UAH" in capsys.readouterr().out
