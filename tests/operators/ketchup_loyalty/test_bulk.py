"""SMS to many: chunks, halves, slowness, money, results, and tries that go on where the last one stopped."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run

PEOPLE = [{"msisdn": str(380670000000 + place), "name": f"N{place}"} for place in range(25)]
NUMBERS = [person["msisdn"] for person in PEOPLE]


@pytest.fixture
def bulk(hook_for: Callable[..., Any]) -> Callable[..., KetchUpSendBulkSmsOperator]:
    hook_for("ketchup_loyalty")

    def make(**arguments: Any) -> KetchUpSendBulkSmsOperator:
        defaults = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "chunk_size": 10}
        return KetchUpSendBulkSmsOperator(**{**defaults, **arguments})

    return make


def sent(simulator: Any) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty", "sms"))


def requests(simulator: Any, path: str) -> int:
    return sum(path in seen.path for seen in simulator.state.requests)


def test_personal_texts_in_chunks(telecom_simulator: Any, bulk: Any, tmp_path: Path) -> None:
    results = tmp_path / "out" / "results.jsonl"
    facts = Run().execute(bulk(results_path=str(results)))
    ledger = telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    assert {effect.facts["msisdn"]: effect.facts["text"] for effect in ledger} == {
        person["msisdn"]: f"Hi {person['name']}" for person in PEOPLE
    }
    assert (facts["recipients"], facts["accepted"], facts["refused"]) == (25, 25, {})
    assert len(facts["task_ids"]) == 3
    assert Decimal(facts["price"]) > 0
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["msisdn"] for line in lines] == NUMBERS
    assert {line["state"] for line in lines} == {"accepted"}
    assert {line["task_id"] for line in lines} == set(facts["task_ids"])
    assert sorted(path.name for path in results.parent.iterdir()) == ["results.jsonl"]
    assert not any(number in json.dumps(facts) for number in NUMBERS)


def test_one_text(telecom_simulator: Any, bulk: Any) -> None:
    assert Run().execute(bulk(recipients=NUMBERS, text="Hi"))["accepted"] == 25
    assert set(sent(telecom_simulator).values()) == {1}


def test_a_package_that_is_too_large_is_halved_and_stays_so(telecom_simulator: Any, bulk: Any) -> None:
    telecom_simulator.fault(
        "status",
        "ketchup_loyalty",
        path="/sms/create",
        status=200,
        body='{"error": "12", "errorDescription": "Too large"}',
        times=2,
    )
    assert Run().execute(bulk(chunk_size=20))["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)
    # 20 and 10 refused, then 5, 5, 10 and what is left of the chunk in ... fives
    assert requests(telecom_simulator, "/sms/create") >= 6


def test_too_many_at_once_is_waited_out(telecom_simulator: Any, bulk: Any) -> None:
    throttled = {"result": [{"reference": None, "error": "11", "errorDescription": "Too many simultaneous"}]}
    operator = bulk(recipients=NUMBERS[:1], text="Hi")
    telecom_simulator.fault(
        "status", "ketchup_loyalty", path="/sms/create", status=200, body=json.dumps(throttled)
    )
    assert Run().execute(operator)["accepted"] == 1


def test_a_message_that_the_vendor_failed_at_goes_out_again(telecom_simulator: Any, bulk: Any) -> None:
    """Code 5 of one message is the vendor's failure, not a refusal."""
    failed = {"result": [{"reference": None, "error": "5", "errorDescription": "Internal error"}]}
    telecom_simulator.fault(
        "status", "ketchup_loyalty", path="/sms/create", status=200, body=json.dumps(failed)
    )
    facts = Run().execute(bulk(recipients=NUMBERS[:1], text="Hi"))
    assert (facts["accepted"], facts["refused"]) == (1, {})
    assert sent(telecom_simulator) == Counter(NUMBERS[:1])


def test_a_message_that_is_refused_for_lack_of_money_goes_out_later(
    telecom_simulator: Any, bulk: Any
) -> None:
    """The money runs out within a batch: the task stops, and does not count the other message as refused."""
    accepted = {"reference": None, "id": "1", "error": "0"}
    no_money = {"reference": None, "error": "8", "errorDescription": "Not enough money"}
    body = json.dumps({"result": [accepted, no_money]})
    telecom_simulator.fault("status", "ketchup_loyalty", path="/sms/create", status=200, body=body)
    run = Run()
    with pytest.raises(TelecomFundsError):
        run.execute(bulk(recipients=NUMBERS[:2], text="Hi"))
    found = run.execute(bulk(recipients=NUMBERS[:2], text="Hi"))
    assert (found["accepted"], found["known_before"], found["refused"]) == (2, 0, {})
    assert sent(telecom_simulator) == Counter(NUMBERS[1:2])  # the other one was counted


def test_a_send_that_finds_all_sent_before_is_finished(telecom_simulator: Any, bulk: Any) -> None:
    """All answers were lost and the journal is gone: the vendor knows each key. Then the task is done."""
    run = Run()
    run.execute(bulk())
    run.stores["send"].texts.clear()
    facts = run.execute(bulk())
    assert (facts["accepted"], facts["known_before"]) == (0, 25)
    before = requests(telecom_simulator, "/sms/create")
    assert run.execute(bulk()) == facts
    assert requests(telecom_simulator, "/sms/create") == before
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(bulk(text="Hello {name}"))
    assert sent(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
def test_a_lost_answer_is_no_second_sms(telecom_simulator: Any, bulk: Any, duplicates: str) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=2)
    facts = Run().execute(bulk())
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert (facts["accepted"], facts["known_before"]) == (15, 10)


def test_the_next_try_goes_on(telecom_simulator: Any, bulk: Any, tmp_path: Path) -> None:
    run, results = Run(), tmp_path / "results.jsonl"
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(results_path=str(results)))
    facts = run.execute(bulk(results_path=str(results)))
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert facts["accepted"] + facts["known_before"] == 25
    assert [json.loads(line)["msisdn"] for line in results.read_text().splitlines()] == NUMBERS
    again = run.execute(bulk(results_path=str(results)))
    assert again == facts
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_progress_before_a_failure_is_kept(telecom_simulator: Any, bulk: Any, tmp_path: Path) -> None:
    run, results = Run(), tmp_path / "results.jsonl"
    operator = bulk(results_path=str(results))
    telecom_simulator.fault(
        "status", "ketchup_loyalty", path="/sms/create", status=200, body='{"error": "8"}', times=1
    )
    with pytest.raises(TelecomFundsError):
        run.execute(operator)
    before = requests(telecom_simulator, "/sms/create")
    assert run.execute(bulk(results_path=str(results)))["accepted"] == 25
    assert requests(telecom_simulator, "/sms/create") - before == 3


def test_out_of_money_stops_and_goes_on_once_there_is_some(telecom_simulator: Any, bulk: Any) -> None:
    from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState

    vendor_state, run = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState), Run()
    vendor_state.balance = Decimal(run.execute(bulk(dry_run=True))["price"]) / 2
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    assert sum(sent(telecom_simulator).values()) == 10
    vendor_state.balance = Decimal(1000)
    assert run.execute(bulk())["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)


def out_of_money_after(simulator: Any, messages: int) -> None:
    from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState

    simulator.state.vendor_state("ketchup_loyalty", VendorState).balance = Decimal("0.02") * messages


def with_money(simulator: Any) -> None:
    out_of_money_after(simulator, 1_000_000)


CHANGED_AUDIENCES: dict[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]] = {
    "a value": lambda people: [{**people[0], "name": "Other"}, *people[1:]],
    "a number": lambda people: [{**people[0], "msisdn": "380670000999"}, *people[1:]],
    "the order": lambda people: people[::-1],
    "one more before": lambda people: [{"msisdn": "380670000999", "name": "New"}, *people],
    "one less": lambda people: people[1:],
    "the end": lambda people: people[:5],
}


@pytest.mark.parametrize("change", CHANGED_AUDIENCES.values(), ids=CHANGED_AUDIENCES)
@pytest.mark.parametrize("is_done", [True, False], ids=["done", "begun"])
def test_another_audience_is_refused_once_it_was_sent_to(
    telecom_simulator: Any, bulk: Any, change: Any, is_done: bool
) -> None:
    run = Run()
    if is_done:
        run.execute(bulk())
    else:
        out_of_money_after(telecom_simulator, 20)
        with pytest.raises(TelecomFundsError):
            run.execute(bulk())
        with_money(telecom_simulator)
    before = sent(telecom_simulator)
    assert sum(before.values()) == (25 if is_done else 20)
    with pytest.raises(TelecomInputError, match=r"^recipients: .* the first 2[05] recipients"):
        run.execute(bulk(recipients=change(PEOPLE)))
    assert sent(telecom_simulator) == before
    assert run.execute(bulk())["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize("changed", [{"text": "Hello {name}"}, {"originator": "another"}])
def test_another_text_or_sender_is_refused_once_it_was_sent(
    telecom_simulator: Any, bulk: Any, changed: dict[str, str]
) -> None:
    run = Run()
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk())
    with pytest.raises(TelecomInputError, match=r"^recipients: .* the first 10 recipients"):
        run.execute(bulk(**changed))
    run.execute(bulk())
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_another_connection_is_refused_once_it_was_sent(
    telecom_simulator: Any, bulk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    run = Run()
    run.execute(bulk())
    with pytest.raises(TelecomInputError, match=r"^recipients: "):
        run.execute(bulk(conn_id="other"))


def test_what_is_not_sent_yet_may_be_corrected(telecom_simulator: Any, bulk: Any) -> None:
    out_of_money_after(telecom_simulator, 20)
    run, people = Run(), [*PEOPLE[:20], {"msisdn": NUMBERS[24], "name": "Corrected"}, PEOPLE[20]]
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    with_money(telecom_simulator)
    assert run.execute(bulk(recipients=people))["accepted"] == 22
    texts = [effect.facts["text"] for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")]
    assert texts == [f"Hi {person['name']}" for person in people]


def test_more_recipients_may_follow_after_success(telecom_simulator: Any, bulk: Any, tmp_path: Path) -> None:
    run, results = Run(), tmp_path / "results.jsonl"
    run.execute(bulk(recipients=PEOPLE[:20], results_path=str(results)))
    with pytest.raises(TelecomInputError, match=r"max_cost: 0\.41: is less than what it would cost"):
        run.execute(bulk(results_path=str(results), max_cost="0.41"))
    facts = run.execute(bulk(results_path=str(results), max_cost="0.50"))
    assert (facts["recipients"], facts["accepted"], facts["known_before"]) == (25, 25, 0)
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert [json.loads(line)["msisdn"] for line in results.read_text().splitlines()] == NUMBERS
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_the_content_counts_and_not_its_form(telecom_simulator: Any, bulk: Any) -> None:
    run = Run()
    first = run.execute(bulk())
    people = [{"msisdn": f"+{person['msisdn']}", "all": f"Hi {person['name']}"} for person in PEOPLE]
    assert run.execute(bulk(recipients=people, text="{all}", tariff=3)) == first
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_an_audience_that_was_refused_as_a_whole_may_be_changed(telecom_simulator: Any, bulk: Any) -> None:
    run = Run()
    out_of_money_after(telecom_simulator, 5)
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    with_money(telecom_simulator)
    assert run.execute(bulk(recipients=PEOPLE[::-1], text="Hello {name}"))["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_a_refusal_settles_nothing_that_an_earlier_try_may_have_sent(
    telecom_simulator: Any, bulk: Any
) -> None:
    run = Run()
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk())
    telecom_simulator.fault(
        "status", "ketchup_loyalty", path="/sms/create", status=200, body='{"error": "8"}'
    )
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    with pytest.raises(TelecomInputError, match="the first 10 recipients"):
        run.execute(bulk(text="Hello {name}"))
    assert run.execute(bulk())["known_before"] == 10
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_money_that_runs_out_within_a_chunk_leaves_it_in_doubt(telecom_simulator: Any, bulk: Any) -> None:
    """A key of the chunk is known, since the store was wiped: the vendor wants the chunk in halves."""
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", "whole")
    run = Run()
    run.execute(bulk(recipients=PEOPLE[9:10]))
    run.stores["send"].texts.clear()
    out_of_money_after(telecom_simulator, 6)
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    with_money(telecom_simulator)
    assert 1 < sum(sent(telecom_simulator).values()) < 10
    corrected = [{**PEOPLE[0], "name": "Corrected"}, *PEOPLE[1:]]
    with pytest.raises(TelecomInputError, match="the first 10 recipients"):
        run.execute(bulk(recipients=corrected))
    run.execute(bulk())
    assert sent(telecom_simulator) == Counter(NUMBERS)


class KilledError(BaseException):
    """The process is gone."""


def test_what_a_killed_try_may_have_sent_counts_as_sent(
    telecom_simulator: Any, bulk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after a request was answered and before that was written down, at each of the requests."""
    from airflow_provider_telecom.transport.sync_transport import Transport

    send = Transport.send
    for last in range(1, 6):
        left = [last]

        def killed(self: Any, request: Any, left: list[int] = left) -> Any:
            found = send(self, request)
            left[0] -= 1
            if not left[0]:
                raise KilledError
            return found

        run = Run(f"run {last}")
        monkeypatch.setattr(Transport, "send", killed)
        with pytest.raises(KilledError):
            run.execute(bulk(chunk_size=5))
        monkeypatch.setattr(Transport, "send", send)
        corrected = [*PEOPLE[: 5 * last - 1], {**PEOPLE[5 * last - 1], "name": "Other"}, *PEOPLE[5 * last :]]
        with pytest.raises(TelecomInputError, match=r"^recipients: "):
            run.execute(bulk(chunk_size=5, recipients=corrected))
        found = run.execute(bulk(chunk_size=5))
        assert found["accepted"] + found["known_before"] == 25
        assert sent(telecom_simulator) == Counter(dict.fromkeys(NUMBERS, last))


def test_a_text_that_nobody_got_may_be_changed(telecom_simulator: Any, bulk: Any) -> None:
    bad = {"result": [{"reference": None, "error": "21", "errorDescription": "Bad"}]}
    telecom_simulator.fault("status", "ketchup_loyalty", path="/sms/create", status=200, body=json.dumps(bad))
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(bulk(recipients=NUMBERS[:1], text="Hi"))
    assert run.execute(bulk(recipients=NUMBERS[:1], text="Hello"))["accepted"] == 1


def test_another_dedupe_key_sends_again(telecom_simulator: Any, bulk: Any) -> None:
    run = Run()
    run.execute(bulk())
    run.execute(bulk(dedupe_key="again"))
    assert set(sent(telecom_simulator).values()) == {2}


@pytest.mark.parametrize("max_cost", ["", "{{ params.get('absent', '') }}", "much", "nan", "-1", 0.5])
def test_a_wrong_max_cost_is_not_the_same_as_none(telecom_simulator: Any, bulk: Any, max_cost: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"max_cost: .*must be an amount"):
        Run().execute(bulk(max_cost=max_cost))
    assert not sent(telecom_simulator)


def test_max_cost_is_asked_for_before_the_first_sms(telecom_simulator: Any, bulk: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"max_cost: 0.01: is less than what it would cost"):
        Run().execute(bulk(max_cost="0.01"))
    assert not sent(telecom_simulator)
    assert Run().execute(bulk(max_cost="1000"))["accepted"] == 25


def test_a_later_try_asks_for_the_price_of_messages_that_were_sent(telecom_simulator: Any, bulk: Any) -> None:
    """Under other keys: a vendor may refuse to price what it knows."""
    telecom_simulator.state.set_switch("ketchup_loyalty.price_refuses_known", "on")
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(max_cost="0.50"))
    with pytest.raises(TelecomInputError, match="max_cost"):
        run.execute(bulk(max_cost="0.49"))
    assert run.execute(bulk(max_cost="0.50"))["known_before"] == 10


def test_a_dry_run_prices_and_sends_nothing(telecom_simulator: Any, bulk: Any) -> None:
    run = Run()
    facts = run.execute(bulk(dry_run=True))
    assert (facts["dry_run"], facts["recipients"], facts["currency"]) == (True, 25, "EUR")
    assert not sent(telecom_simulator)
    assert Decimal(run.execute(bulk())["price"]) == Decimal(facts["price"])


def test_refused_ones_are_counted_and_may_fail_the_task(telecom_simulator: Any, bulk: Any) -> None:
    bad = {"result": [{"reference": None, "error": "21", "errorDescription": "Bad"}]}
    for count in range(2):
        telecom_simulator.fault(
            "status", "ketchup_loyalty", path="/sms/create", status=200, body=json.dumps(bad)
        )
        run = Run(f"run {count}")
        with pytest.raises(TelecomRejectedError, match="1 of 1 messages were refused \\(code 21: 1\\)"):
            run.execute(bulk(recipients=NUMBERS[:1], text="Hi"))
        assert run.execute(bulk(recipients=NUMBERS[:1], text="Hi"))["accepted"] == 1


def test_bad_rows_send_nothing(telecom_simulator: Any, bulk: Any, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    people = [*PEOPLE, {"msisdn": "123", "name": "x"}]
    with pytest.raises(TelecomInputError, match="1 bad rows, so nothing was sent: line 26: msisdn"):
        Run().execute(bulk(recipients=people, rejects_path=str(rejects)))
    assert not telecom_simulator.state.requests
    facts = Run().execute(bulk(recipients=people, rejects_path=str(rejects), on_bad_rows="skip"))
    assert (facts["accepted"], facts["bad_rows"], facts["rejects"]) == (25, 1, str(rejects))
    assert "123" in ObjectStoragePath(str(rejects)).read_text()


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_the_receipts(telecom_simulator: Any, bulk: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 2)
    facts = Run().execute(
        bulk(wait_for_completion=True, deferrable=deferrable, poll_interval=0.01, min_delivered_percent=80)
    )
    assert facts["accepted"] == 25
    assert facts["delivered"] + facts["undelivered"] == 25


def test_fewer_delivered_than_wanted_fail_the_task(telecom_simulator: Any, bulk: Any) -> None:
    with pytest.raises(TelecomFailedError, match="delivered: 21"):
        Run().execute(bulk(wait_for_completion=True, poll_interval=0.01, min_delivered_percent=95))


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"chunk_size": 0}, "chunk_size"),
        ({"on_bad_rows": "guess"}, "on_bad_rows"),
        ({"max_recipients": 0}, "max_recipients"),
        ({"msisdn_column": ""}, "msisdn_column"),
        ({"validity_hours": 73}, "validity_hours"),
        ({"tariff": 10}, "tariff"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(
    bulk: Any, wrong: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}: "):
        bulk(**wrong)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"max_cost": 0.1}, "max_cost: must be an amount"),
        ({"max_cost": "much"}, "max_cost: must be an amount"),
        ({"text": "Hi {surname}"}, "recipients: 25 bad rows"),
        ({"text": " "}, "text: must not be empty"),
        (
            {"text": "{name}", "recipients": [{"msisdn": NUMBERS[0], "name": " "}]},
            "line 1: text: would be empty",
        ),
        ({"originator": "a name that is too long"}, "originator: has"),
        ({"max_recipients": 3}, "recipients: are more than"),
    ],
)
def test_wrong_arguments_are_refused_before_the_first_request(
    telecom_simulator: Any, bulk: Any, wrong: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(bulk(**wrong))
    assert rule in str(caught.value)
    assert not telecom_simulator.state.requests


def test_throttling_without_end_is_an_error(telecom_simulator: Any, bulk: Any) -> None:
    from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
    from airflow_provider_telecom.bulk.recipients import read_recipients
    from airflow_provider_telecom.bulk.text_template import TextTemplate
    from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import RowColumns, SmsKind
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
    from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts

    throttled = {"result": [{"reference": None, "error": "11", "errorDescription": "Too many simultaneous"}]}
    telecom_simulator.fault(
        "status", "ketchup_loyalty", path="/sms/create", status=200, body=json.dumps(throttled), times=50
    )
    waits: list[float] = []
    keys, text = IdempotencyKeys("d", "r", "t"), TextTemplate("Hi")
    kind = SmsKind(bulk().hook, keys, RowColumns(), text, "test", {})
    campaign = BulkSender(kind, 10, pause=waits.append)
    with read_recipients(NUMBERS[:1], RecipientColumns()) as audience, pytest.raises(TelecomThrottledError):
        list(campaign.send(next(campaign.messages(audience)), SendCounts()))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
