"""Viber to many: the engine of bulk SMS, and what is different while keys are not known to work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.operators.ketchup_loyalty.evidence import killed, paid, shown
from tests.running import Run

PEOPLE = [{"msisdn": str(380670000200 + place), "name": f"N{place}"} for place in range(8)]
NUMBERS = [person["msisdn"] for person in PEOPLE]
CREATE = "/viber/create"


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)
    monkeypatch.setattr("airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender._FIRST_PAUSE", 0.01)


def viber(**arguments: Any) -> KetchUpSendViberOperator:
    given = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "chunk_size": 3, **arguments}
    return KetchUpSendViberOperator(**given)


def in_a_new_process() -> None:
    for client in base._clients.values():
        client.account.learned.clear()


def vendor_state(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def sent(simulator: Any) -> Counter[str]:
    return Counter(message["msisdn"] for message in paid(simulator, "viber"))


def creations(simulator: Any) -> int:
    return sum(seen.path.endswith(CREATE) for seen in simulator.state.requests)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_personal_texts_in_chunks(telecom_simulator: Any, tmp_path: Path) -> None:
    results = tmp_path / "out" / "results.jsonl"
    operator, run = viber(results_path=str(results), result_columns=["name"]), Run()
    facts = run.execute(operator)
    assert {one["msisdn"]: one["text"] for one in paid(telecom_simulator, "viber")} == {
        person["msisdn"]: f"Hi {person['name']}" for person in PEOPLE
    }
    assert facts == {
        "recipients": 8,
        "duplicates": 0,
        "bad_rows": 0,
        "rejects": None,
        "accepted": 8,
        "known_before": 0,
        "unknown": 0,
        "refused": {},
        "price": "0.08",
        "currency": "EUR",
        "keyed": True,
        "results": str(results),
    }
    found = lines(results)
    assert [(one["msisdn"], one["name"]) for one in found] == [(p["msisdn"], p["name"]) for p in PEOPLE]
    assert {one["state"] for one in found} == {"accepted"}
    assert [one["id"] for one in found] == [one["id"] for one in paid(telecom_simulator, "viber")]
    assert creations(telecom_simulator) == 3
    assert run.execute(viber(results_path=str(results))) == facts
    assert not any(number in shown(operator, run, facts) for number in NUMBERS)


def test_one_text_to_a_file(telecom_simulator: Any, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("msisdn\n" + "\n".join(NUMBERS), encoding="utf-8")
    found = Run().execute(viber(recipients=str(path), text="Hi", image_url="https://example.com/cat.png"))
    assert found["accepted"] == 8
    assert {one["text"] for one in paid(telecom_simulator, "viber")} == {"Hi"}
    assert creations(telecom_simulator) == 3


@pytest.mark.parametrize("recipients", ["{{ params.numbers }}", NUMBERS, NUMBERS[0]])
def test_numbers_with_a_parameter_for_many(telecom_simulator: Any, recipients: Any) -> None:
    found = Run().execute(viber(recipients=recipients, text="Hi"), params={"numbers": NUMBERS})
    assert (
        found["accepted"] == sum(sent(telecom_simulator).values()) == (8 if recipients != NUMBERS[0] else 1)
    )
    assert "messages" not in found


def test_both_forms_have_the_same_keys(telecom_simulator: Any) -> None:
    one, many = Run(), Run()
    one.execute(KetchUpSendViberOperator(task_id="send", recipients=NUMBERS, text="Hi"))
    assert many.execute(viber(recipients=NUMBERS, text="Hi"))["known_before"] == 8
    for run, other in ((one, viber(recipients=NUMBERS, text="Hi")), (many, None)):
        with pytest.raises(TelecomInputError, match="other form"):
            run.execute(other or KetchUpSendViberOperator(task_id="send", recipients=NUMBERS, text="Hi"))
    assert set(sent(telecom_simulator).values()) == {1}


def test_prices_and_limits(telecom_simulator: Any) -> None:
    assert Run().execute(viber(dry_run=True))["price"] == "0.08"
    with pytest.raises(TelecomInputError, match=r"max_cost: 0\.07: is less"):
        Run().execute(viber(max_cost="0.07"))
    with pytest.raises(TelecomInputError, match="max_recipients=7"):
        Run().execute(viber(max_recipients=7))
    assert not sent(telecom_simulator)
    assert Run().execute(viber(max_cost="0.08"))["price"] == "0.08"


def test_a_chunk_that_is_too_large_is_halved(telecom_simulator: Any) -> None:
    vendor_state(telecom_simulator).max_package = 2
    assert Run().execute(viber(chunk_size=8))["accepted"] == 8
    assert set(sent(telecom_simulator).values()) == {1}


def test_refused_ones_are_counted(telecom_simulator: Any, tmp_path: Path) -> None:
    results, abroad = tmp_path / "results.jsonl", "4915123456789"
    people = [*PEOPLE[:2], {"msisdn": abroad, "name": "X"}]
    found = Run().execute(viber(recipients=people, results_path=str(results)))
    assert (found["accepted"], found["refused"]) == (2, {"41": 1})
    assert [one["state"] for one in lines(results)] == ["accepted", "accepted", "refused"]
    with pytest.raises(TelecomRejectedError, match="1 of 3 messages were refused"):
        Run("2").execute(viber(recipients=people, max_rejected=0))


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
def test_a_lost_answer_is_no_second_message(telecom_simulator: Any, duplicates: str) -> None:
    """The first one, when nothing is known of keys, and one after keys have come back."""
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path=CREATE)
    facts = Run().execute(viber())
    assert (facts["accepted"], facts["known_before"], facts["keyed"]) == (5, 3, True)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path=CREATE, times=2)
    assert Run("2").execute(viber())["known_before"] == 3
    assert set(sent(telecom_simulator).values()) == {2}


def test_the_next_try_goes_on(telecom_simulator: Any, tmp_path: Path) -> None:
    """Four lost answers although keys are known to work: the next process finds that out again."""
    run, results = Run(), tmp_path / "results.jsonl"
    run.execute(viber(dedupe_key="1"))
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path=CREATE, times=4)
    with pytest.raises(TelecomUnknownError) as caught:
        run.execute(viber(results_path=str(results)))
    assert not isinstance(caught.value, OutcomeUnknownError)
    in_a_new_process()
    found = run.execute(viber(results_path=str(results)))
    assert (found["accepted"], found["known_before"]) == (5, 3)
    assert [one["msisdn"] for one in lines(results)] == NUMBERS
    assert set(sent(telecom_simulator).values()) == {2}


@pytest.fixture
def no_keys(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A vendor that returns no key and knows none. The value loses the answer of a call from now on."""
    from airflow_provider_telecom.calls.request import Unknown
    from airflow_provider_telecom.transport.sync_transport import Transport

    telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", "never")
    send = Transport.send
    left = [0]

    def forgetting(self: Any, request: Any) -> Any:
        found = send(self, request)
        if request.path.endswith(CREATE):
            vendor_state(telecom_simulator).references["viber"].clear()
            left[0] -= 1
            return Unknown("reset") if left[0] == 0 else found
        return found

    monkeypatch.setattr(Transport, "send", forgetting)

    def lose(call: int) -> None:
        left[0] = call

    return lose


def test_a_vendor_without_keys(
    telecom_simulator: Any, no_keys: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Run().execute(viber())
    assert (found["accepted"], found["keyed"]) == (8, False)
    assert "did not return the keys" in capsys.readouterr().out
    assert set(sent(telecom_simulator).values()) == {1}


@pytest.mark.parametrize("call", [0, 1, 2])
def test_without_keys_a_lost_answer_stops_the_task(
    telecom_simulator: Any, no_keys: Any, tmp_path: Path, call: int
) -> None:
    """Nothing is sent twice; the person who asks the vendor says what happened, and the task goes on."""
    results, run = tmp_path / "results.jsonl", Run()
    no_keys(call + 1)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError, match="nobody can know"):
            run.execute(viber(results_path=str(results)))
        in_a_new_process()
    known = 3 * call
    assert sum(sent(telecom_simulator).values()) == min(8, known + 3)
    with pytest.raises(TelecomInputError, match="recipients"):
        run.execute(viber(results_path=str(results), text="Hello {name}", on_unknown="assume_sent"))
    found = run.execute(viber(results_path=str(results), on_unknown="assume_sent"))
    unknown = min(3, 8 - known)
    assert (found["accepted"], found["unknown"], found["keyed"]) == (8 - unknown, unknown, False)
    assert sent(telecom_simulator) == Counter(NUMBERS)
    states = [one["state"] for one in lines(results)]
    assert states[known : known + unknown] == ["unknown"] * unknown
    assert Counter(states) == {"accepted": 8 - unknown, "unknown": unknown}
    assert run.execute(viber(results_path=str(results))) == found


def test_without_keys_assume_sent_goes_on_at_once(telecom_simulator: Any, no_keys: Any) -> None:
    no_keys(2)
    found = Run().execute(viber(on_unknown="assume_sent"))
    assert (found["accepted"], found["unknown"]) == (5, 3)
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_without_keys_resend_sends_the_lost_chunk_again(telecom_simulator: Any, no_keys: Any) -> None:
    no_keys(2)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(viber(on_unknown="resend"))
    in_a_new_process()
    assert run.execute(viber(on_unknown="resend"))["accepted"] == 8
    assert sent(telecom_simulator) == Counter(NUMBERS + NUMBERS[3:6])


def test_keys_that_are_not_to_be_relied_on_are_not(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path=CREATE)
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(viber(use_keys=False))
    assert run.execute(viber(use_keys=False, on_unknown="assume_sent"))["unknown"] == 3
    assert sent(telecom_simulator) == Counter(NUMBERS)


def refused_at(simulator: Any, *codes: str | None) -> None:
    """Let the next call accept, or refuse with a code, each of its messages, without returning keys."""
    items = [{"id": str(900 + n)} if code is None else {"error": code} for n, code in enumerate(codes)]
    body = json.dumps([{"error": 0, "messages": [item]} for item in items])
    simulator.fault("body", "ketchup_loyalty", path=CREATE, body=body)


def test_refused_for_now_is_sent_again_alone(telecom_simulator: Any, no_keys: Any) -> None:
    """Without keys the accepted ones of the chunk must not be sent again."""
    refused_at(telecom_simulator, None, "11", None)
    found = Run().execute(viber(recipients=PEOPLE[:3]))
    assert found["accepted"] == 3
    assert sent(telecom_simulator) == Counter(NUMBERS[1:2])


def test_money_that_ends_within_a_chunk(telecom_simulator: Any, no_keys: Any) -> None:
    """Without keys: the accepted ones are counted, and the next try begins after them."""
    refused_at(telecom_simulator, None, "8", "8")
    run = Run()
    with pytest.raises(TelecomFundsError):
        run.execute(viber(recipients=PEOPLE[:3]))
    in_a_new_process()
    found = run.execute(viber(recipients=PEOPLE[:3]))
    assert (found["accepted"], found["refused"]) == (3, {})
    assert sent(telecom_simulator) == Counter(NUMBERS[1:3])


def test_an_unknown_error_of_one_message(telecom_simulator: Any, no_keys: Any) -> None:
    """Without keys, code 5 does not show that a message was not sent: each policy decides."""
    one = PEOPLE[:2]
    refused_at(telecom_simulator, None, "5")
    run = Run("1")
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber(recipients=one))
    assert run.execute(viber(recipients=one, on_unknown="assume_sent"))["unknown"] == 1
    refused_at(telecom_simulator, None, "5")
    found = Run("2").execute(viber(recipients=one, on_unknown="assume_sent"))
    assert (found["accepted"], found["unknown"]) == (1, 1)
    assert not sent(telecom_simulator)
    refused_at(telecom_simulator, None, "5")
    assert Run("3").execute(viber(recipients=one, on_unknown="resend"))["accepted"] == 2
    assert sent(telecom_simulator) == Counter(NUMBERS[1:2])


def test_money_and_haste_with_keys(telecom_simulator: Any) -> None:
    vendor_state(telecom_simulator).balance, run = Decimal("0.05"), Run()
    with pytest.raises(TelecomFundsError):
        run.execute(viber())
    assert sum(sent(telecom_simulator).values()) == 3
    vendor_state(telecom_simulator).balance = Decimal(1)
    assert run.execute(viber())["accepted"] == 8
    vendor_state(telecom_simulator).throttle = 100
    with pytest.raises(TelecomThrottledError):
        Run("2").execute(viber())
    assert set(sent(telecom_simulator).values()) == {1}


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("chunk_size", {"chunk_size": 0}),
        ("results_path", {"wait_for_completion": True}),
        ("undelivered_path", {"undelivered_path": "a.jsonl"}),
        ("reference", {"reference": "crm_1"}),
        ("reference_column", {"reference_column": ""}),
        ("result_columns", {"result_columns": "name"}),
        ("on_wait_timeout", {"on_wait_timeout": "hope"}),
        ("on_no_recipients", {"on_no_recipients": "hope"}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        viber(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        ("recipients: 8 bad rows", {"text": "Hi {surname}"}),
        ("recipients: are none", {"recipients": []}),
        ("result_columns: state", {"result_columns": ["state"]}),
        (
            "reference_column: is for|reference: must be",
            {"reference_column": "name", "recipients": [{"msisdn": NUMBERS[0], "name": "a b"}]},
        ),
        (
            "line 2: name: occurs in an earlier row",
            {
                "reference_column": "name",
                "recipients": [{"msisdn": number, "name": "a"} for number in NUMBERS[:2]],
            },
        ),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    telecom_simulator: Any, rule: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(viber(**arguments))
    assert rule.split("|", maxsplit=1)[0] in str(caught.value) or "name: must be" in str(caught.value)
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize("strict", ["off", "on"])
@pytest.mark.parametrize("many", [True, False], ids=["many", "one call"])
def test_a_later_process_uses_the_name_of_the_keys_that_an_earlier_one_used(
    telecom_simulator: Any, strict: str, many: bool
) -> None:
    """KetchUp knows keys by the other name, which the first process had learned."""
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_reference", "on")
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_strict", strict)
    operator = viber if many else KetchUpSendViberOperator
    given: dict[str, Any] = {"task_id": "send", "recipients": NUMBERS, "text": "Hi"}
    run = Run("2")
    Run("1").execute(operator(**given))
    run.execute(operator(**given))
    killed(run, "send", "bulk" if many else "sent")
    if many:
        texts = run.stores["send"].texts
        entry = json.loads(texts["telecom.bulk"])
        texts["telecom.bulk"] = json.dumps({**entry, "facts": {**entry["facts"], "rows": 0}})
    in_a_new_process()
    assert run.execute(operator(**given))["known_before"] == 8
    assert set(sent(telecom_simulator).values()) == {2}
