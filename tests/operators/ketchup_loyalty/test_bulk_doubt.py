"""Viber to many while keys are not known to work: what may have been sent stays in doubt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.journal.journal import Entry, Journal, OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator, bulk_sender
from tests.operators.ketchup_loyalty.test_bulk_viber import (
    CREATE,
    NUMBERS,
    PEOPLE,
    _quick,
    hook,
    in_a_new_process,
    no_keys,
    refused_at,
    sent,
    viber,
)
from tests.running import Run

__all__ = ["_quick", "hook", "no_keys"]
THREE = PEOPLE[:3]


def test_one_that_is_accepted_in_the_last_round_is_not_sent_again(
    telecom_simulator: Any, no_keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are refused for now until the task gives up; the third one was accepted just before that."""
    monkeypatch.setattr(bulk_sender, "_MAX_ROUNDS", 2)
    refused_at(telecom_simulator, "11", "11", "11")
    refused_at(telecom_simulator, "11", "11", "11")
    refused_at(telecom_simulator, "11", "11", None)
    run = Run()
    with pytest.raises(TelecomThrottledError):
        run.execute(viber(recipients=THREE))
    in_a_new_process()
    with pytest.raises(OutcomeUnknownError):
        run.execute(viber(recipients=THREE))
    assert not sent(telecom_simulator)


def test_all_that_are_accepted_in_the_last_round_are_counted(
    telecom_simulator: Any, no_keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_sender, "_MAX_ROUNDS", 1)
    refused_at(telecom_simulator, "11", "11", "11")
    assert Run().execute(viber(recipients=THREE))["accepted"] == 3
    assert sent(telecom_simulator) == Counter(NUMBERS[:3])


def test_an_unknown_error_before_a_refusal_stays_in_doubt(telecom_simulator: Any, no_keys: Any) -> None:
    """With "resend" the same message may be sent again, but not another one in its place."""
    refused_at(telecom_simulator, "5", "5", "5")
    telecom_simulator.fault("status", "ketchup_loyalty", path=CREATE, status=401, body="{}")
    run = Run()
    with pytest.raises(TelecomError):
        run.execute(viber(recipients=THREE, on_unknown="resend"))
    in_a_new_process()
    with pytest.raises(TelecomInputError, match="recipients"):
        run.execute(viber(recipients=THREE, text="Hello {name}", on_unknown="resend"))
    assert not sent(telecom_simulator)


@pytest.mark.parametrize("many", [True, False], ids=["many", "one call"])
def test_a_message_that_was_found_by_its_key_was_sent(telecom_simulator: Any, many: bool) -> None:
    """The answer is lost, one message is found, and the vendor then refuses the repeated call."""
    given: dict[str, Any] = {"task_id": "send", "recipients": NUMBERS[:3]}
    operator: Callable[..., Any] = viber if many else KetchUpSendViberOperator
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path=CREATE)
    telecom_simulator.fault("body", "ketchup_loyalty", path=CREATE, body='{"error": "8"}')
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(operator(**given, text="Hi"))
    assert sent(telecom_simulator) == Counter(NUMBERS[:3])
    with pytest.raises(TelecomInputError):
        run.execute(operator(**given, text="Hello"))
    in_a_new_process()
    assert run.execute(operator(**given, text="Hi"))["known_before"] == 3
    assert sent(telecom_simulator) == Counter(NUMBERS[:3])


def test_the_journal_fails_while_the_first_part_of_a_chunk_is_counted(
    telecom_simulator: Any, no_keys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The messages behind one that is refused for now were accepted by the same call."""
    write, failures = Journal.write, [True]

    def failing(self: Journal, name: str, entry: Entry) -> None:
        if name == "bulk" and entry.facts.get("rows") == 1 and failures:
            failures.clear()
            raise RuntimeError("the API server is away")
        write(self, name, entry)

    monkeypatch.setattr(Journal, "write", failing)
    monkeypatch.setattr("airflow_provider_telecom.journal.checkpoint.EVERY_SECONDS", 0.0)
    refused_at(telecom_simulator, None, "11", None)
    run = Run()
    with pytest.raises(RuntimeError):
        run.execute(viber(recipients=THREE, results_path=str(tmp_path / "results.jsonl")))
    in_a_new_process()
    with pytest.raises(OutcomeUnknownError):
        run.execute(viber(recipients=THREE, results_path=str(tmp_path / "results.jsonl")))
    assert not sent(telecom_simulator)


def one_call(text: str = "Hi") -> KetchUpSendViberOperator:
    return KetchUpSendViberOperator(task_id="send", recipients=NUMBERS[:3], text=text)


def test_an_unknown_error_of_all_messages_of_one_call_is_no_refusal(telecom_simulator: Any) -> None:
    """Keys work, so the same messages may be sent again, but no others."""
    Run("1").execute(one_call())
    body = json.dumps({"error": 0, "messages": [{"error": "5"}] * 3})
    telecom_simulator.fault("body", "ketchup_loyalty", path=CREATE, body=body)
    run = Run("2")
    with pytest.raises(TelecomThrottledError):
        run.execute(one_call())
    with pytest.raises(TelecomInputError):
        run.execute(one_call("Hello"))
    assert run.execute(one_call())["accepted"] == 3
    assert set(sent(telecom_simulator).values()) == {2}


@pytest.mark.parametrize("many", [True, False], ids=["many", "one call"])
def test_a_refusal_of_all_beside_an_accepted_message_proves_nothing(
    telecom_simulator: Any, no_keys: Any, many: bool
) -> None:
    body = json.dumps({"error": 8, "messages": [{"id": "901", "error": 0}, {"error": 8}, {"error": 8}]})
    telecom_simulator.fault("body", "ketchup_loyalty", path=CREATE, body=body)
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber(recipients=NUMBERS[:3], text="Hi") if many else one_call())
        in_a_new_process()
    assert not sent(telecom_simulator)


@pytest.mark.parametrize("accepted", [False, True], ids=["not sent", "refused"])
def test_recipients_who_have_moved_to_another_place_of_a_mapped_list(
    telecom_simulator: Any, no_keys: Any, accepted: bool
) -> None:
    """The place sent nothing, and now has the recipients to whom another place has sent."""
    first, second, run = PEOPLE[:3], PEOPLE[3:6], Run()
    if accepted:
        refused_at(telecom_simulator, "41", "41", "41")
    else:
        telecom_simulator.fault("status", "ketchup_loyalty", path=CREATE, status=401, body="{}")
    with pytest.raises(TelecomError):
        run.execute(viber(recipients=first), map_index=0)
    run.execute(viber(recipients=second), map_index=1)
    in_a_new_process()
    with pytest.raises(TelecomInputError, match="this place of the mapped list"):
        run.execute(viber(recipients=second), map_index=0)
    run.execute(viber(recipients=first), map_index=0)
    assert sent(telecom_simulator) == Counter(NUMBERS[:6])


@pytest.mark.parametrize("many", [True, False], ids=["many", "one call"])
def test_prices_in_two_currencies_are_not_added_up(
    telecom_simulator: Any, many: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [
        {"id": str(901 + place), "error": 0, "price": "0.5", "currency": name}
        for place, name in enumerate(("EUR", "UAH", "EUR"))
    ]
    body = json.dumps({"error": 0, "messages": items})
    telecom_simulator.fault("body", "ketchup_loyalty", path=CREATE, body=body)
    run, given = Run(), {"recipients": NUMBERS[:3], "text": "Hi"}
    found = run.execute(viber(**given) if many else one_call())
    assert (found["accepted"], found["price"], found["currency"]) == (3, None, "EUR,UAH")
    assert "price of the accepted ones, as KetchUp reports it: in EUR,UAH" in capsys.readouterr().out
    if many:
        with pytest.raises(TelecomInputError, match="prices come in EUR, UAH"):
            run.execute(viber(**{**given, "recipients": NUMBERS[:4]}, max_cost="100"))
