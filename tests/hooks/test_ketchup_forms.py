"""Requests for which the document allows several forms: the client finds out which one is understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomRejectedError, TelecomUnknownError
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery

Make = Callable[..., Any]
A, B, C = "380670000201", "380670000202", "380670000203"


def creations(simulator: Simulator) -> int:
    return sum(seen.path.endswith("/create") for seen in simulator.town.requests)


def received(simulator: Simulator) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.town.ledger.of("ketchup"))


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
    telecom_simulator.town.set_switch("ketchup.hlr_body", switch)
    hook = hook_for("ketchup_loyalty", hlr_body=option)
    assert call(hook.create_hlr, A, reference="r1", tariff=9).id
    assert creations(telecom_simulator) == one
    assert all(each.id for each in call(hook.create_hlrs, [HlrQuery(B, "r2", 9)]).results)
    assert creations(telecom_simulator) == one + many
    call(hook.create_hlr, C, reference="r3")
    call(hook.create_hlrs, [HlrQuery("380670000204", "r4")])
    assert creations(telecom_simulator) == one + many + 2
    ledger = [
        (effect.facts["msisdn"], effect.facts["tariff"]) for effect in telecom_simulator.town.ledger.of()
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
    telecom_simulator.fault("status", "ketchup", status=status, body=body)
    assert call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1").id
    assert creations(telecom_simulator) == 2


def test_what_no_form_makes_right_is_refused_with_the_first_answer(
    telecom_simulator: Simulator, hook_for: Make, call: Make
) -> None:
    for text in ("first", "second", "third"):
        telecom_simulator.fault("body", "ketchup", body=f'{{"error":"64","errorDescription":"{text}"}}')
    hook = hook_for("ketchup_loyalty")
    with pytest.raises(TelecomRejectedError, match="first"):
        call(hook.create_hlrs, [HlrQuery(A, "r1")])
    assert creations(telecom_simulator) == 3


@pytest.mark.parametrize("body", ['{"error":"61","errorDescription":"Incorrect msisdn"}', '{"error":"8"}'])
def test_a_refusal_for_the_content_shows_that_it_was_understood(
    telecom_simulator: Simulator, hook_for: Make, call: Make, body: str
) -> None:
    telecom_simulator.fault("body", "ketchup", body=body)
    with pytest.raises(TelecomRejectedError):
        call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1")
    assert creations(telecom_simulator) == 1


def test_a_lost_answer_makes_it_try_no_other_form(
    telecom_simulator: Simulator, hook_for: Make, call: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)
    telecom_simulator.fault("reset_after", "ketchup", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook_for("ketchup_loyalty").create_hlr, A, reference="r1")
    assert creations(telecom_simulator) == 4
    assert received(telecom_simulator) == Counter([A])
