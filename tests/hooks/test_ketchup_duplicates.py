"""Keys that KetchUp knows already: refused one by one or with the whole request, for one order or many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomFundsError
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberRecipient,
)

PEOPLE = [(f"38067000020{place}", f"r{place}") for place in range(8)]
UNSERVED = ("61491570006", "r9")
Send = Callable[[list[tuple[str, str]]], BatchResult]


@pytest.fixture(params=["sms", "individual", "hlr", "viber"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def send(kind: str, hook_for: Callable[..., Any], call: Callable[..., Any]) -> Send:
    hook = hook_for("ketchup_loyalty", viber_sender="Shop")
    calls: dict[str, Send] = {
        "sms": lambda people: call(hook.send_sms_to_many, [Recipient(*each) for each in people], "Hi"),
        "individual": lambda people: call(
            hook.send_individual_sms, [IndividualSms(number, "Hi", key) for number, key in people]
        ),
        "hlr": lambda people: call(hook.create_hlrs, [HlrQuery(*each) for each in people]),
        "viber": lambda people: call(hook.send_viber, [ViberRecipient(*each) for each in people], "Hi"),
    }
    return calls[kind]


def received(simulator: Simulator) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty"))


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
@pytest.mark.parametrize("known", [[], [0], [3], [7], [0, 1, 2, 3], [1, 6], list(range(8))], ids=str)
def test_each_order_is_made_once_and_told_of(
    telecom_simulator: Simulator, send: Send, known: list[int], duplicates: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    for place in known:
        send([PEOPLE[place]])
    batch = send(PEOPLE)
    assert [result.duplicate for result in batch.results] == [place in known for place in range(8)]
    assert [result.reference for result in batch.results] == [key for _, key in PEOPLE]
    assert all(result.accepted for result in batch.results)
    assert all(result.id for result in batch.results if not result.duplicate)
    assert received(telecom_simulator) == Counter(number for number, _ in PEOPLE)


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
def test_one_order_is_made_once(telecom_simulator: Simulator, send: Send, duplicates: str) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    for is_duplicate in (False, True, True):
        (result,) = send(PEOPLE[:1]).results
        assert (result.accepted, result.duplicate, result.reference) == (True, is_duplicate, "r0")
    assert received(telecom_simulator) == Counter([PEOPLE[0][0]])


def test_the_tasks_of_all_parts_are_named(telecom_simulator: Simulator, kind: str, send: Send) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", "whole")
    send(PEOPLE[3:4])
    batch = send(PEOPLE)
    effects = telecom_simulator.state.ledger.of("ketchup_loyalty")
    tasks = {effect.facts["msisdn"]: effect.facts.get("task_id") for effect in effects}
    for (number, _), result in zip(PEOPLE, batch.results, strict=True):
        assert result.task_id == (None if result.duplicate else tasks[number])
    assert (len(batch.task_ids) > 1) == (kind in ("sms", "individual"))


def test_a_refused_order_beside_a_known_one(telecom_simulator: Simulator, send: Send) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", "whole")
    send(PEOPLE[:1])
    first, second, third = send([PEOPLE[0], UNSERVED, PEOPLE[1]]).results
    assert (first.duplicate, second.accepted, third.duplicate, third.accepted) == (True, False, False, True)
    assert received(telecom_simulator) == Counter([PEOPLE[0][0], PEOPLE[1][0]])


def test_money_that_runs_out_between_the_halves_is_told_as_an_error_in_part(
    telecom_simulator: Simulator, send: Send
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", "whole")
    send(PEOPLE[:1])
    vendor_state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor_state.balance = Decimal(0)
    with pytest.raises(TelecomFundsError) as caught:
        send(PEOPLE)
    assert caught.value.partial
