"""KetchUp's bulk sends within a budget: what is reserved, what is settled, and kills in between."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.budget_store import Reservation, valid_claims
from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.campaigns import Budget, Failover
from airflow_provider_telecom.journal.journal import Journal
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_budget import settle
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts
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
from tests.running import Run, Store

BUDGET = Budget("marketing", "EUR", per_day="0.06", per_task="0.06")
"""Three SMS to Ukraine."""
OPERATORS = {
    "sms": (KetchUpSendBulkSmsOperator, {"text": "Hi", "originator": "Shop"}),
    "viber": (KetchUpSendViberOperator, {"text": "Hi"}),
    "hlr": (KetchUpHlrLookupOperator, {}),
}


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, hook_for: Callable[..., Any]) -> Variables:
    found = Variables(lambda: test_kills.process.pass_point())
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    monkeypatch.setattr("airflow_provider_telecom.bulk.budget_store._PAUSE", 0.0)
    test_kills.process = test_kills.Process()
    hook_for("ketchup_loyalty", viber_sender="Shop")
    return found


def made(kind: str = "sms", budget: Budget | None = BUDGET, **more: Any) -> Any:
    operator, arguments = OPERATORS[kind]
    return operator(**{
        "task_id": "send",
        "recipients": [A, B, C],
        "budget": budget,
        "chunk_size": 1,
        **arguments,
        **more,
    })


def claimed(variables: Variables) -> Decimal:
    return sum((claim.amount for claim in valid_claims(variables.values)), Decimal(0))


def charged(simulator: Any) -> Decimal:
    """Return what the simulator has charged, by its balance."""
    from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

    return Decimal(100_000) - simulator.state.vendor_state("ketchup_loyalty", VendorState).balance


def sent(simulator: Any, kind: str = "sms") -> int:
    return len(simulator.state.ledger.of("ketchup_loyalty", kind))


@pytest.mark.parametrize("kind", OPERATORS)
def test_what_was_charged_is_what_counts(
    telecom_simulator: Any, variables: Variables, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    start = charged(telecom_simulator)
    with caplog.at_level(logging.INFO):
        facts = Run().execute(made(kind, Budget("marketing", "EUR", per_day="10")))
    assert facts["accepted"] == 3
    assert claimed(variables) == charged(telecom_simulator) - start == Decimal(facts["price"]) > 0
    assert {claim.state for claim in valid_claims(variables.values)} == {"s"}
    assert "budget marketing" in caplog.text
    assert "left" in caplog.text
    assert "3806700002" not in "".join([caplog.text, *variables.values, *variables.values.values()])


@pytest.mark.parametrize("kind", OPERATORS)
def test_too_much_is_refused_before_the_first_message(
    telecom_simulator: Any, variables: Variables, kind: str
) -> None:
    for budget in (Budget("m", "EUR", per_day="0.001"), Budget("m", "EUR", per_task="0.001")):
        with pytest.raises(TelecomInputError, match=r"has 0.001 EUR left of per_(day|task) 0.001 EUR"):
            Run().execute(made(kind, budget))
    assert sent(telecom_simulator, kind) == 0
    assert claimed(variables) == 0


def test_a_budget_makes_a_viber_message_to_one_number_a_send_to_many(
    telecom_simulator: Any, variables: Variables
) -> None:
    """The other form, one call, has no budget: it would not count."""
    options = {"chunk_size": None, "recipients": A}
    with pytest.raises(TelecomInputError, match=r"has 0.001 EUR left of per_day 0.001 EUR"):
        Run().execute(made("viber", Budget("m", "EUR", per_day="0.001"), **options))
    with pytest.raises(TelecomInputError, match="allow"):
        Run().execute(made("viber", Budget("m", "EUR", per_day="1", allow_prefixes=("48",)), **options))
    assert sent(telecom_simulator, "viber") == 0
    facts = Run().execute(made("viber", Budget("m", "EUR", per_day="1"), **options))
    assert claimed(variables) == Decimal(facts["price"]) > 0


def test_another_currency_and_other_prefixes_are_refused(
    telecom_simulator: Any, variables: Variables
) -> None:
    with pytest.raises(TelecomInputError, match="m is in UAH, but the vendor's price is in EUR"):
        Run().execute(made(budget=Budget("m", "UAH", per_day="100")))
    abroad = Budget("m", "EUR", per_day="100", allow_prefixes=["+48"])
    for more in ({}, {"dry_run": True}):
        with pytest.raises(TelecomInputError, match=r"3 of 3 numbers .* \(\+48\)"):
            Run().execute(made(budget=abroad, **more))
    with pytest.raises(TelecomInputError, match="budget: must be a Budget"):
        made(budget="marketing")  # type: ignore[arg-type]
    with pytest.raises(TelecomInputError, match="goes with recipients"):
        KetchUpHlrLookupOperator(task_id="look", msisdns=[A], budget=BUDGET)
    assert sent(telecom_simulator) == 0
    assert not variables.values


def test_tasks_and_places_of_a_mapped_list_share_the_day(
    telecom_simulator: Any, variables: Variables
) -> None:
    run = Run()
    run.execute(made(recipients=[A]), map_index=0)
    run.execute(made(recipients=[B]), map_index=1)
    run.execute(made(recipients=[C], task_id="other"))
    with pytest.raises(TelecomInputError, match=r"has 0 EUR left of per_day 0\.06 EUR"):
        Run("next").execute(made(recipients=[A]))
    assert sent(telecom_simulator) == 3
    assert claimed(variables) == Decimal("0.06")


def test_a_cleared_task_reserves_only_what_is_new(telecom_simulator: Any, variables: Variables) -> None:
    run = Run()
    run.execute(made(recipients=[A, B]))
    run.execute(made(recipients=[A, B]))
    assert claimed(variables) == Decimal("0.04")
    run.execute(made(recipients=[A, B, C]))
    assert claimed(variables) == Decimal("0.06")
    with pytest.raises(TelecomInputError, match="per_task"):
        run.execute(made(recipients=[A], dedupe_key="again"))
    assert sent(telecom_simulator) == 3


@pytest.mark.parametrize(
    ("kind", "every"),
    [("sms", 3), *(pytest.param(kind, 1, marks=pytest.mark.long) for kind in ("sms", "hlr"))],
)
def test_killed_at_each_step(telecom_simulator: Any, variables: Variables, kind: str, every: int) -> None:
    """Whatever a killed try has charged is claimed; after the retry, table and ledger are equal."""
    budget = Budget("marketing", "EUR", per_day="0.06", per_task="0.06")
    sending = Sending(type(made(kind)), "ketchup_loyalty", kind, "msisdn", (A, B, C))
    arguments = {**OPERATORS[kind][1], "recipients": [A, B, C], "budget": budget, "chunk_size": 1}
    points = 0
    for run in killed_with_new_variables(telecom_simulator, variables, sending, arguments, every):
        points += 1
        before = charged(telecom_simulator)
        assert claimed(variables) >= before
        other = attempt(Run("other"), sending.made(**arguments))
        assert charged(telecom_simulator) <= Decimal("0.06")
        assert claimed(variables) <= Decimal("0.06")
        _, error, _ = attempt(run, sending.made(**arguments))
        if error is not None:
            assert isinstance(error, TelecomInputError), error  # the other task was first
            assert other[1] is None
        assert charged(telecom_simulator) == claimed(variables) <= Decimal("0.06")
        assert attempt(run, sending.made(**arguments))[1] is None or error is not None
        assert charged(telecom_simulator) == claimed(variables)
    assert points * every > 20


def killed_with_new_variables(
    simulator: Any, variables: Variables, sending: Sending, arguments: dict[str, Any], every: int
) -> Iterator[Run]:
    for run in killed_at_each_step(simulator, sending, every, **arguments):
        yield run
        variables.values.clear()


def test_after_the_last_try_what_was_not_sent_is_released(
    telecom_simulator: Any, variables: Variables
) -> None:
    """Two of three are sent, then the account is empty: an error that no retry mends."""
    from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

    state = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    before, state.balance = state.balance, Decimal("0.04")
    run = Run()
    with pytest.raises(TelecomError, match="Not enough money"):
        run.execute(made())
    assert claimed(variables) == Decimal("0.04")
    state.balance = before
    run.execute(made())
    assert claimed(variables) == Decimal("0.06")


def test_a_price_that_the_vendor_leaves_out_stays_reserved(
    telecom_simulator: Any, variables: Variables
) -> None:
    """The messages are known to the vendor from before: it says no price again."""
    run = Run()
    run.execute(made(budget=None, recipients=[A]))
    run.stores.clear()
    facts = run.execute(made())
    assert facts["known_before"] == 1
    assert facts["price"] == "0.04"
    assert claimed(variables) == Decimal("0.06")


def test_charges_in_another_currency_do_not_replace_what_was_reserved(variables: Variables) -> None:
    """0.01 of another currency says nothing about how many EUR were spent."""
    for currency, expected in (("USD", "0.06"), ("EUR,USD", "0.06"), ("eur", "0.01"), (None, "0.01")):
        reservation = Reservation(BUDGET, Journal(Store()), "dag/run/send")
        reservation.reserve(Decimal(0), Decimal("0.06"))
        settle(reservation, SendCounts(rows=3, accepted=3, price="0.01", currency=currency))
        assert claimed(variables) == Decimal(expected)
        variables.values.clear()


def test_a_dry_run_reserves_nothing_and_says_what_is_left(
    telecom_simulator: Any, variables: Variables, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Run().execute(made(dry_run=True))
    assert not variables.values
    assert found["budget"] == {
        "name": "marketing",
        "currency": "EUR",
        "timezone": "UTC",
        "day": found["budget"]["day"],
        "left": "0.06",
        "per_day": "0.06",
        "per_task": "0.06",
    }
    assert "would be refused" not in capsys.readouterr().out
    Run().execute(made())
    assert Run("manual__2").execute(made(dry_run=True))["budget"]["left"] == "0"
    log = capsys.readouterr().out
    assert "budget marketing: 0 EUR left of 0.06 EUR on " in log
    assert "budget marketing: a send now would be refused, it costs more than 0 EUR" in log


@pytest.mark.parametrize("retries", [0, 3])
def test_a_second_connection_may_spend_what_the_first_has_not(
    telecom_simulator: Any,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    retries: int,
) -> None:
    """Only the messages of unknown outcome count as spent; those that are handed over do not."""
    connection = telecom_simulator.connection("ketchup_loyalty")
    connection["extra"]["timeout_read"] = 29
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
    numbers = [f"3806700003{place:02}" for place in range(12)]
    budget = Budget("marketing", "EUR", per_day="0.28")  # of 14 SMS
    given: dict[str, Any] = {"text": "Hi", "originator": "Shop", "chunk_size": 4, "budget": budget}
    telecom_simulator.fault("status_after", "ketchup_loyalty", status=500, path="sms/create", times=1000)
    path = tmp_path / "sms.jsonl"
    failover = Failover(failures=2, within=timedelta(milliseconds=20))
    first = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=numbers, results_path=str(path), failover=failover, **given
    )

    class WithRetries(Run):
        def context(self, *args: Any, **more: Any) -> dict[str, Any]:
            found = super().context(*args, **more)
            found["ti"].max_tries = retries
            return found

    run = WithRetries()
    assert run.execute(first)["handed_over"] == 8
    assert claimed(variables) == Decimal("0.08")
    run.execute(first)
    assert claimed(variables) == Decimal("0.08")
    telecom_simulator.state.faults.clear()
    rows = read_outcomes(ObjectStoragePath(str(path)))
    left = [row["msisdn"] for row in rows if row["state"] == "refused"]
    second = KetchUpSendBulkSmsOperator(task_id="send_2", conn_id="other", recipients=left, **given)
    assert run.execute(second)["accepted"] == 8
    assert claimed(variables) == Decimal("0.24")
