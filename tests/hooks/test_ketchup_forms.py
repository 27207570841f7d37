"""Requests for which the document allows several formats: the client finds out which one KetchUp accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberRecipient,
)

Make = Callable[..., Any]
A, B, C = "380670000201", "380670000202", "380670000203"


def creations(simulator: Simulator) -> int:
    return sum(seen.path.endswith("/create") for seen in simulator.state.requests)


def received(simulator: Simulator) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty"))


# --- look-ups


@pytest.mark.parametrize(
    ("option", "switch", "one", "many"),
    [
        ("multipart", "multipart", 1, 1),
        ("multipart", "form", 1, 2),
        ("multipart", "raw", 2, 1),
        ("multipart", "json", 3, 3),
        ("json", "multipart", 2, 2),
        ("json", "form", 2, 3),
        ("json", "raw", 3, 2),
        ("json", "json", 1, 1),
    ],
)
def test_row_03_a_look_up_is_posted_in_the_form_that_is_understood(
    telecom_simulator: Simulator, hook_for: Make, call: Make, option: str, switch: str, one: int, many: int
) -> None:
    """`one` and `many`: the requests until it is found out. From then on it is known."""
    telecom_simulator.state.set_switch("ketchup_loyalty.hlr_body", switch)
    hook = hook_for("ketchup_loyalty", hlr_body=option)
    assert call(hook.create_hlr, A, reference="r1", tariff=9).id
    assert creations(telecom_simulator) == one
    assert all(each.id for each in call(hook.create_hlrs, [HlrQuery(B, "r2", 9)]).results)
    assert creations(telecom_simulator) == one + many
    call(hook.create_hlr, C, reference="r3")
    call(hook.create_hlrs, [HlrQuery("380670000204", "r4")])
    assert creations(telecom_simulator) == one + many + 2
    ledger = [
        (effect.facts["msisdn"], effect.facts["tariff"]) for effect in telecom_simulator.state.ledger.of()
    ]
    assert ledger[:2] == [(A, 9), (B, 9)]
    assert len(ledger) == 4


@pytest.mark.parametrize(
    "answer", [(200, '{"error":"14"}'), (200, '{"error":2}'), (415, ""), (400, "<html>")]
)
def test_any_word_for_not_understood_makes_it_try_another_form(
    telecom_simulator: Simulator, hook_for: Make, call: Make, answer: tuple[int, str]
) -> None:
    status, body = answer
    telecom_simulator.fault("status", "ketchup_loyalty", status=status, body=body)
    assert call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1").id
    assert creations(telecom_simulator) == 2


def test_what_no_form_makes_right_is_refused_with_the_first_answer(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    for text in ("first", "second", "third"):
        telecom_simulator.fault(
            "body", "ketchup_loyalty", body=f'{{"error":"64","errorDescription":"{text}"}}'
        )
    hook = hook_for("ketchup_loyalty")
    with pytest.raises(TelecomRejectedError, match="first"):
        call(hook.create_hlrs, [HlrQuery(A, "r1")])
    assert creations(telecom_simulator) == 3


@pytest.mark.parametrize("body", ['{"error":"61","errorDescription":"Incorrect msisdn"}', '{"error":"8"}'])
def test_a_refusal_for_the_content_shows_that_it_was_understood(
    telecom_simulator: Simulator, hook_for: Make, call: Make, body: str
) -> None:
    telecom_simulator.fault("body", "ketchup_loyalty", body=body)
    with pytest.raises(TelecomRejectedError):
        call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1")
    assert creations(telecom_simulator) == 1


def test_a_lost_answer_makes_it_try_no_other_form(
    telecom_simulator: Simulator, hook_for: Make, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1")
    assert creations(telecom_simulator) == 4
    assert received(telecom_simulator) == Counter([A])


# --- addresses


@pytest.mark.parametrize(("option", "wrong"), [("/rest", {"bare", "mixed"}), ("/", {"rest", "mixed"})])
@pytest.mark.parametrize("switch", ["rest", "bare", "mixed"])
def test_row_02_calls_are_made_where_they_are_there(
    telecom_simulator: Simulator, hook_for: Make, call: Make, option: str, wrong: set[str], switch: str
) -> None:
    """The first call of each kind may have to find its address; the others know it."""
    telecom_simulator.state.set_switch("ketchup_loyalty.base_path", switch)
    hook = hook_for("ketchup_loyalty", base_path=option, viber_sender="Shop")
    for number, extra in ((1, True), (2, False)):
        telecom_simulator.state.requests.clear()
        assert call(hook.create_hlr, f"38067000020{number}", reference=f"h{number}").id
        assert call(hook.send_sms, f"38067000020{number}", "Hi", reference=f"s{number}").id
        assert call(hook.send_viber, [ViberRecipient(f"38067000020{number}", f"v{number}")], "Hi").results
        found = len(telecom_simulator.state.requests) - 3
        assert (found > 0) == (extra and switch in wrong)
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty")) == 6


def test_row_18_what_is_found_at_one_address_for_all(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.reference_path", "shared")
    hook = hook_for("ketchup_loyalty")
    sms = call(hook.send_sms_to_many, [Recipient(A, "r1")], "Hi")
    look_up = call(hook.create_hlr, A, reference="r1")
    assert call(hook.get_sms_by_reference, "r1").msisdn == A
    assert call(hook.get_sms_task, sms.task_id).sent == 1
    assert call(hook.get_hlr_by_reference, "r1").id == look_up.id
    for method in (hook.get_sms_by_reference, hook.get_hlr_by_reference):
        with pytest.raises(TelecomNotFoundError):
            call(method, "none")


@pytest.mark.parametrize("status", ["200", "by_code", "400"])
@pytest.mark.parametrize("examples", ["off", "on"])
def test_what_is_not_there_is_not_found_whatever_the_status(
    telecom_simulator: Simulator, hook_for: Make, call: Make, status: str, examples: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.error_status", status)
    telecom_simulator.state.set_switch("ketchup_loyalty.hlr_example_codes", examples)
    hook = hook_for("ketchup_loyalty")
    for method, argument, code in (
        (hook.get_sms, "1", "20"),
        (hook.get_sms_by_reference, "r9", "20"),
        (hook.get_sms_task, "1", "30"),
        (hook.get_hlr, "1", "10" if examples == "on" else "60"),
        (hook.get_hlr_by_reference, "r9", "10" if examples == "on" else "60"),
        (hook.get_viber, "1", "40"),
        (hook.get_statistics, "abc", "90"),
        (hook.delete_statistics_export, "abc", "90"),
    ):
        with pytest.raises(TelecomNotFoundError) as caught:
            call(method, argument)
        assert caught.value.code == code
    assert len(telecom_simulator.state.requests) == 8


# --- sending times, individual texts, names of Viber's fields


@pytest.mark.parametrize("destination", ["individual", "phones"])
@pytest.mark.parametrize("switch", ["by_destination", "send_time", "scheduledDatetime"])
def test_row_07_and_08_a_later_sms_goes_out_when_it_is_due(
    telecom_simulator: Simulator, hook_for: Make, call: Make, switch: str, destination: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.sending_time", switch)
    telecom_simulator.state.set_switch("ketchup_loyalty.individual_destination", destination)
    hook, due = hook_for("ketchup_loyalty"), datetime(2126, 7, 1, 12, tzinfo=UTC)
    for number in (1, 2):
        msisdn = f"38067000020{number}"
        people = [Recipient(msisdn, f"b{number}")]
        texts = [IndividualSms(msisdn, "Hi", f"c{number}")]
        telecom_simulator.state.requests.clear()
        assert call(hook.price_sms, msisdn, "Hi", schedule_at=due).total_price
        assert call(hook.price_individual_sms, texts, schedule_at=due).total_price
        call(hook.send_sms, msisdn, "Hi", reference=f"a{number}", schedule_at=due)
        call(hook.send_sms_to_many, people, "Hi", schedule_at=due)
        call(hook.send_individual_sms, texts, schedule_at=due)
    assert len(telecom_simulator.state.requests) == 5
    ledger = [effect.facts for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")]
    assert [facts["send_at"] for facts in ledger] == [due] * 6
    assert [facts["reference"] for facts in ledger] == ["a1", "b1", "c1", "a2", "b2", "c2"]


@pytest.mark.parametrize("option", ["external_id", "reference", "both"])
@pytest.mark.parametrize("number", ["msisdn", "phone"])
@pytest.mark.parametrize("strict", ["off", "on"])
@pytest.mark.parametrize("counts", ["external_id", "reference"])
def test_row_14_viber_fields_under_the_names_that_are_understood(
    telecom_simulator: Simulator, hook_for: Make, counts: str, strict: str, number: str, option: str
) -> None:
    """A key under a name that is overlooked does not come back; the next message has both names."""
    state = telecom_simulator.state
    state.set_switch("ketchup_loyalty.viber_reference", "on" if counts == "reference" else "off")
    state.set_switch("ketchup_loyalty.viber_strict", strict)
    state.set_switch("ketchup_loyalty.viber_number", number)
    hook = hook_for("ketchup_loyalty", viber_sender="Shop", viber_key=option)
    is_overlooked = strict == "off" and counts == "reference" and option == "external_id"
    for place in (1, 2, 3):
        state.requests.clear()
        people = [ViberRecipient(f"38067000020{place}", f"v{place}")]
        assert hook.price_viber(people, "Hi").total_price
        assert hook.send_viber(people, "Hi").results[0].key_returned == (place > 1 or not is_overlooked)
    assert len(state.requests) == 2
    ledger = [effect.facts for effect in state.ledger.of("ketchup_loyalty", "viber")]
    assert [facts["reference"] for facts in ledger] == [None if is_overlooked else "v1", "v2", "v3"]


def test_a_viber_message_that_no_form_makes_right_is_refused(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    telecom_simulator.fault("body", "ketchup_loyalty", body='{"error":"44","errorDescription":"x"}', times=99)
    with pytest.raises(TelecomRejectedError, match="vendor code 44"):
        call(hook_for("ketchup_loyalty", viber_sender="Shop").send_viber, [ViberRecipient(A, "v1")], "Hi")
    assert creations(telecom_simulator) == 6
