"""Several Viber messages in one call, under each reading of the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomRejectedError, TelecomUnknownError
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberMessage, ViberRecipient

Make = Callable[..., Any]
A, B, C, D = (f"38067000020{place}" for place in range(1, 5))
MESSAGES = [
    ViberMessage([ViberRecipient(A, "crm_1")], "Dear A", image_url="https://a.example/logo.png"),
    ViberMessage([ViberRecipient(B, "crm-2"), ViberRecipient(C, "crm.3")], "Dear all", "Other", True),
]
READINGS = list(product(("list", "one"), ("all", "never", "first"), ("off", "on")))


@pytest.fixture
def hook(hook_for: Make) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


def sent(simulator: Simulator) -> list[Any]:
    return [effect.facts for effect in simulator.state.ledger.of("ketchup_loyalty", "viber")]


def choose(simulator: Simulator, many: str, echo: str, viber_object: str) -> None:
    for name, value in (("viber_many", many), ("viber_echo", echo), ("viber_object", viber_object)):
        simulator.state.set_switch(f"ketchup_loyalty.{name}", value)


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: "-".join(reading))
def test_each_recipient_has_a_result(
    telecom_simulator: Simulator, hook: Any, call: Make, reading: tuple[str, str, str]
) -> None:
    choose(telecom_simulator, *reading)
    price = call(hook.price_viber_messages, MESSAGES, tariff=3)
    batch = call(hook.send_viber_messages, MESSAGES, tariff=3)
    assert [one.reference for one in batch.results] == ["crm_1", "crm-2", "crm.3"]
    ledger = sent(telecom_simulator)
    assert [one.id for one in batch.results] == [facts["id"] for facts in ledger]
    assert batch.total_price == price.total_price
    assert [(facts["msisdn"], facts["text"], facts["originator"]) for facts in ledger] == [
        (A, "Dear A", "Shop"),
        (B, "Dear all", "Other"),
        (C, "Dear all", "Other"),
    ]
    assert [facts["promotional"] for facts in ledger] == [False, True, True]
    assert {facts["tariff"] for facts in ledger} == {3}
    assert call(hook.get_viber_by_reference, "crm.3").msisdn == C


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: "-".join(reading))
def test_a_wrong_message_does_not_refuse_the_others(
    telecom_simulator: Simulator, hook: Any, call: Make, reading: tuple[str, str, str]
) -> None:
    choose(telecom_simulator, *reading)
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_message_error", "on")
    wrong = ViberMessage([ViberRecipient(D, "crm-4")], "Hi", "forbidden")
    batch = call(hook.send_viber_messages, [wrong, *MESSAGES])
    assert [one.code for one in batch.results] == ["45", None, None, None]
    assert [facts["msisdn"] for facts in sent(telecom_simulator)] == [A, B, C]
    assert call(hook.price_viber_messages, [wrong, *MESSAGES]).total_price == batch.total_price


def test_a_wrong_message_may_refuse_them_all(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    wrong = ViberMessage([ViberRecipient(D, "crm-4")], "я" * 1001)
    with pytest.raises(TelecomRejectedError, match="vendor code 46"):
        call(hook.send_viber_messages, [*MESSAGES, wrong])
    assert sent(telecom_simulator) == []


@pytest.mark.parametrize("many", ["list", "one"])
def test_fields_that_are_not_understood_may_be_refused_message_by_message(
    telecom_simulator: Simulator, hook: Any, call: Make, many: str
) -> None:
    """Nothing was sent then, and the number is sent under its other name."""
    switches = {"viber_many": many, "viber_message_error": "on", "viber_number": "phone"}
    for name, value in switches.items():
        telecom_simulator.state.set_switch(f"ketchup_loyalty.{name}", value)
    assert all(one.id for one in call(hook.send_viber_messages, MESSAGES).results)
    assert [facts["msisdn"] for facts in sent(telecom_simulator)] == [A, B, C]


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
@pytest.mark.parametrize("many", ["list", "one"])
def test_none_is_sent_twice(
    telecom_simulator: Simulator, hook: Any, call: Make, many: str, duplicates: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_many", many)
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    telecom_simulator.fault("close_after", "ketchup_loyalty", path="/create")
    results = call(hook.send_viber_messages, MESSAGES).results
    assert [(one.reference, one.duplicate) for one in results] == [
        ("crm_1", True),
        ("crm-2", True),
        ("crm.3", True),
    ]
    more = [*MESSAGES, ViberMessage([ViberRecipient(D, "crm-4")], "New")]
    assert [one.duplicate for one in call(hook.send_viber_messages, more).results] == [True] * 3 + [False]
    assert Counter(facts["msisdn"] for facts in sent(telecom_simulator)) == Counter([A, B, C, D])


def test_without_keys_a_lost_answer_is_not_repeated(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.fault("close_after", "ketchup_loyalty", path="/create")
    people = [ViberMessage([ViberRecipient(A)], "Dear A"), ViberMessage([ViberRecipient(B)], "Dear B")]
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber_messages, people, without_keys=True)
    assert [facts["msisdn"] for facts in sent(telecom_simulator)] == [A, B]


def test_row_48_keys_with_other_characters_may_be_refused(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.keys", "text")
    assert [one.code for one in call(hook.send_viber_messages, MESSAGES).results] == [None, "47", "47"]
    with pytest.raises(TelecomRejectedError, match="vendor code 27"):
        call(hook.send_sms, A, "Hi", reference="ext_id_19", originator="Shop")
    with pytest.raises(TelecomRejectedError, match="vendor code 65"):
        call(hook.create_hlr, A, reference="crm-1")
    telecom_simulator.state.set_switch("ketchup_loyalty.keys", "samples")
    assert call(hook.send_sms, A, "Hi", reference="ext_id_19", originator="Shop").reference == "ext_id_19"
    assert call(hook.create_hlr, A, reference="crm-1:2").reference == "crm-1:2"
    assert call(hook.get_sms_by_reference, "ext_id_19").msisdn == A
    assert call(hook.get_hlr_by_reference, "crm-1:2").msisdn == A
