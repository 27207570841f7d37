"""KetchUp's HLR operator: each number is paid for once, and no number is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpHlrLookupOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.operators.ketchup_loyalty.evidence import killed, paid, shown
from tests.running import Run

NUMBERS = [f"38067000020{place}" for place in range(1, 8)]
ABROAD = "4915123456789"  # no country of the simulator


def hlr(**arguments: Any) -> KetchUpHlrLookupOperator:
    return KetchUpHlrLookupOperator(**{"task_id": "look_up", "msisdns": NUMBERS, **arguments})


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty")


def vendor_state(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def creations(simulator: Any) -> int:
    return sum(seen.path.endswith("/hlr/create") for seen in simulator.state.requests)


def test_many_numbers_in_chunks(telecom_simulator: Any) -> None:
    found = Run().execute(hlr(msisdns=[*NUMBERS, "+380 67 000 02 01"], chunk_size=3, tariff=4))
    ledger = paid(telecom_simulator, "hlr")
    assert [facts["msisdn"] for facts in ledger] == NUMBERS
    assert {facts["tariff"] for facts in ledger} == {4}
    assert found == {
        "numbers": 7,
        "duplicates": 1,
        "accepted": 7,
        "known_before": 0,
        "refused": {},
        "price": "0.014",
        "currency": "EUR",
        "hlr_ids": [facts["id"] for facts in ledger],
        "refused_at": [],
    }
    assert creations(telecom_simulator) == 3


@pytest.mark.parametrize("numbers", [NUMBERS[0], [NUMBERS[0]], "{{ params.one }}", int(NUMBERS[0])])
def test_one_number(telecom_simulator: Any, numbers: Any) -> None:
    found = Run().execute(hlr(msisdns=numbers), params={"one": [NUMBERS[0]]})
    assert found["hlr_ids"] == [facts["id"] for facts in paid(telecom_simulator, "hlr")]
    assert found["price"] == "0.002"


def test_nothing_is_paid_for_twice(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(hlr())
    assert run.execute(hlr()) == first
    assert creations(telecom_simulator) == 1
    killed(run, "look_up")
    again = run.execute(hlr())
    assert again["hlr_ids"] == first["hlr_ids"]
    assert (again["accepted"], again["known_before"]) == (0, 7)
    assert run.execute(hlr(dedupe_key="2"))["accepted"] == 7
    assert len(paid(telecom_simulator, "hlr")) == 14


@pytest.mark.parametrize("numbers", [NUMBERS, NUMBERS[:1]])
def test_lost_answers_are_made_good_by_a_later_try(telecom_simulator: Any, numbers: list[str]) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/hlr/create", times=4)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(hlr(msisdns=numbers))
    found = run.execute(hlr(msisdns=numbers))
    assert found["hlr_ids"] == [facts["id"] for facts in paid(telecom_simulator, "hlr")]
    assert found["known_before"] == len(numbers) == len(paid(telecom_simulator, "hlr"))


def test_an_id_that_the_vendor_does_not_give_is_looked_up(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(hlr(msisdns=NUMBERS[:2]))
    killed(run, "look_up")
    known = '{"error": 63, "errorDescription": "HLR already exists"}'
    body = f'{{"error": 0, "result": [{known}, {known}]}}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/hlr/create", body=body)
    again = run.execute(hlr(msisdns=NUMBERS[:2]))
    assert again["hlr_ids"] == first["hlr_ids"]


def test_a_package_that_is_too_large_is_halved(telecom_simulator: Any) -> None:
    vendor_state(telecom_simulator).max_package = 2
    assert Run().execute(hlr())["accepted"] == 7
    assert [facts["msisdn"] for facts in paid(telecom_simulator, "hlr")] == NUMBERS


def test_some_may_be_refused(telecom_simulator: Any) -> None:
    run, numbers = Run(), [NUMBERS[0], ABROAD, NUMBERS[1]]
    found = run.execute(hlr(msisdns=numbers))
    assert (found["accepted"], found["refused"], found["refused_at"]) == (2, {"61": 1}, [1])
    assert len(found["hlr_ids"]) == 2
    with pytest.raises(TelecomRejectedError, match=r"1 of 3 look-ups were refused \(code 61: 1\)"):
        run.execute(hlr(msisdns=numbers, max_rejected=0))
    with pytest.raises(TelecomRejectedError):
        run.execute(hlr(msisdns=ABROAD))
    with pytest.raises(TelecomRejectedError, match="2 of 2"):
        run.execute(hlr(msisdns=[ABROAD, "4915123456788"]))
    assert len(paid(telecom_simulator, "hlr")) == 2


@pytest.mark.parametrize("place", range(4))
def test_one_that_is_refused_in_a_chunk_of_its_own(telecom_simulator: Any, place: int) -> None:
    numbers = [*NUMBERS[:place], ABROAD, *NUMBERS[place:3]]
    found = Run().execute(hlr(msisdns=numbers, chunk_size=1))
    assert (found["accepted"], found["refused"], found["refused_at"]) == (3, {"61": 1}, [place])
    assert len(paid(telecom_simulator, "hlr")) == 3


def test_haste_is_made_good_by_a_later_try(telecom_simulator: Any) -> None:
    vendor_state(telecom_simulator).throttle = 5
    run = Run()
    with pytest.raises(TelecomThrottledError):
        run.execute(hlr())
    assert run.execute(hlr())["accepted"] == 7


def test_one_that_the_vendor_failed_at_is_made_good_by_a_later_try(telecom_simulator: Any) -> None:
    """Code 5 of one look-up is the vendor's failure, not a refusal."""
    body = '{"error": 0, "result": [{"error": 0, "id": "1"}, {"error": 5, "errorDescription": "Internal"}]}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/hlr/create", body=body)
    run = Run()
    with pytest.raises(TelecomThrottledError, match="1 of 2"):
        run.execute(hlr(msisdns=NUMBERS[:2]))
    assert run.execute(hlr(msisdns=NUMBERS[:2]))["accepted"] == 2


@pytest.mark.parametrize("package", [3, 500])
def test_look_ups_done_in_part_do_not_go_through_another_account(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, package: int
) -> None:
    """The first package is paid for, the second one is not: another account would pay for both."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    vendor_state(telecom_simulator).max_package = 3
    vendor_state(telecom_simulator).balance = 5 * Decimal("0.002")
    run = Run()
    with pytest.raises(TelecomFundsError):
        run.execute(hlr(chunk_size=package))
    done = len(paid(telecom_simulator, "hlr"))
    assert 0 < done < len(NUMBERS)
    with pytest.raises(TelecomInputError, match="connection"):
        run.execute(hlr(chunk_size=package, conn_id="other"))
    vendor_state(telecom_simulator).balance = Decimal(1)
    assert run.execute(hlr(chunk_size=package))["known_before"] == done
    assert len(paid(telecom_simulator, "hlr")) == len(NUMBERS)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("tariff", {"tariff": 11}),
        ("chunk_size", {"chunk_size": 0}),
        ("max_rejected", {"max_rejected": "1"}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        hlr(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("msisdns", {"msisdns": []}),
        ("msisdns", {"msisdns": [*NUMBERS, "911"]}),
        ("callback_url", {"callback_url": "example.com"}),
    ],
)
def test_what_is_refused_before_anything_is_asked(
    telecom_simulator: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(hlr(**arguments))
    assert caught.value.field == field
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_the_results(telecom_simulator: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "after_polls", 2)
    numbers = [NUMBERS[0], "380670000209"]
    operator = hlr(msisdns=numbers, wait_for_completion=True, deferrable=deferrable, poll_interval=0.01)
    run = Run()
    found = run.execute(operator)
    assert found["statuses"] == {"active": 1, "absent": 1}
    assert [result["id"] for result in found["results"]] == found["hlr_ids"]
    for number in numbers:
        assert number[-7:] not in shown(operator, run, found)
