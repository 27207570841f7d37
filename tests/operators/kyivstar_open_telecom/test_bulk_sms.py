"""Kyivstar's SMS to many, without idempotency keys: never twice by itself, and nobody forgotten silently."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendBulkSmsOperator
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
PEOPLE = [{"msisdn": str(380670000200 + place), "name": f"N{place}"} for place in range(25)]
NUMBERS = [person["msisdn"] for person in PEOPLE]
Make = Callable[..., KyivstarSendBulkSmsOperator]


@pytest.fixture
def bulk(hook_for: Callable[..., Any]) -> Make:
    hook_for(VENDOR, api_version="v1")

    def make(**arguments: Any) -> KyivstarSendBulkSmsOperator:
        defaults = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "chunk_size": 10}
        return KyivstarSendBulkSmsOperator(**{**defaults, **arguments})

    return make


def sent(simulator: Any) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of(VENDOR, "sms"))


def batches(simulator: Any) -> int:
    return sum(seen.path.endswith("/sms/batch") for seen in simulator.state.requests)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_personal_texts_in_batches(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    results = tmp_path / "out" / "results.jsonl"
    run = Run()
    facts = run.execute(bulk(results_path=str(results)))
    ledger = telecom_simulator.state.ledger.of(VENDOR, "sms")
    assert {effect.facts["msisdn"]: effect.facts["text"] for effect in ledger} == {
        person["msisdn"]: f"Hi {person['name']}" for person in PEOPLE
    }
    assert facts == {
        "recipients": 25,
        "duplicates": 0,
        "bad_rows": 0,
        "rejects": None,
        "accepted": 25,
        "refused": {},
        "unknown": 0,
        "reserved_segments": 25,
        "reserved_units": 25,
        "results": str(results),
    }
    assert batches(telecom_simulator) == 3
    found = lines(results)
    assert [line["msisdn"] for line in found] == NUMBERS
    assert {line["state"] for line in found} == {"accepted"}
    assert {line["message_id"] for line in found} == {effect.facts["id"] for effect in ledger}
    assert sorted(path.name for path in results.parent.iterdir()) == ["results.jsonl"]
    assert run.execute(bulk(results_path=str(results))) == facts
    assert batches(telecom_simulator) == 3


def test_more_recipients_may_follow(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    run, results = Run(), str(tmp_path / "results.jsonl")
    run.execute(bulk(recipients=PEOPLE[:12], results_path=results))
    assert run.execute(bulk(results_path=results))["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert [line["msisdn"] for line in lines(tmp_path / "results.jsonl")] == NUMBERS


@pytest.mark.parametrize(
    "change",
    [{"recipients": PEOPLE[1:]}, {"text": "Hello {name}"}, {"sender": "other"}, {"recipients": PEOPLE[::-1]}],
)
def test_other_content_is_refused_once_anything_was_sent(
    telecom_simulator: Any, bulk: Make, change: dict[str, Any]
) -> None:
    run = Run()
    run.execute(bulk())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(bulk(**change))
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert run.execute(bulk(**change, dedupe_key="again"))["accepted"] == len(
        change.get("recipients", PEOPLE)
    )


@pytest.mark.parametrize("fault", ["reset_after", "reset_before", "garbage"])
def test_a_lost_response_stops_the_task_and_is_never_sent_again(
    telecom_simulator: Any, bulk: Make, tmp_path: Path, fault: str
) -> None:
    run, results = Run(), tmp_path / "results.jsonl"
    telecom_simulator.fault(fault, VENDOR, path="/sms/batch$")
    with pytest.raises(OutcomeUnknownError, match="10 SMS after the first 0"):
        run.execute(bulk(results_path=str(results)))
    before = batches(telecom_simulator)
    with pytest.raises(OutcomeUnknownError, match="10 SMS after the first 0"):
        run.execute(bulk(results_path=str(results)))
    assert batches(telecom_simulator) == before
    is_sent = bool(sent(telecom_simulator))
    policy = "assume_sent" if is_sent else "resend"
    facts = run.execute(bulk(results_path=str(results), on_unknown=policy))
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert (facts["accepted"], facts["unknown"]) == ((15, 10) if is_sent else (25, 0))
    states = [line["state"] for line in lines(results)]
    assert states == (["unknown"] * 10 + ["accepted"] * 15 if is_sent else ["accepted"] * 25)


def test_a_later_batch_of_unknown_outcome(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    """What was answered before stays; a smaller chunk_size still covers all that is in doubt."""
    run, results = Run(), str(tmp_path / "results.jsonl")
    run.execute(bulk(recipients=PEOPLE[:5], results_path=results))
    telecom_simulator.fault("reset_before", VENDOR, path="/sms/batch$")
    with pytest.raises(OutcomeUnknownError, match="10 SMS after the first 5"):
        run.execute(bulk(results_path=results))
    telecom_simulator.fault("reset_before", VENDOR, path="/sms/batch$")
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(results_path=results, on_unknown="resend", chunk_size=3))
    with pytest.raises(OutcomeUnknownError, match="10 SMS after the first 5"):
        run.execute(bulk(results_path=results))
    facts = run.execute(bulk(results_path=results, on_unknown="resend", chunk_size=3))
    assert facts["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_assume_sent_goes_on_by_itself(telecom_simulator: Any, bulk: Make) -> None:
    telecom_simulator.fault("reset_after", VENDOR, path="/sms/batch$", times=2)
    facts = Run().execute(bulk(on_unknown="assume_sent"))
    assert (facts["accepted"], facts["unknown"]) == (5, 20)
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_a_refused_request_leaves_nothing_in_doubt(telecom_simulator: Any, bulk: Make) -> None:
    run = Run()
    telecom_simulator.fault(
        "status", VENDOR, path="/sms/batch$", status=429, headers={"Retry-After": "9999"}, times=9
    )
    with pytest.raises(TelecomThrottledError):
        run.execute(bulk())
    telecom_simulator.state.faults.clear()
    base._clients.clear()  # the process keeps the pause that the vendor asked for
    assert run.execute(bulk(text="Hello {name}"))["accepted"] == 25


def test_a_batch_that_is_too_large_is_halved(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    telecom_simulator.state.vendor_state(VENDOR, VendorState).batch_limit = 6
    results = tmp_path / "results.jsonl"
    facts = Run().execute(bulk(results_path=str(results)))
    assert facts["accepted"] == 25
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert [line["msisdn"] for line in lines(results)] == NUMBERS
    assert batches(telecom_simulator) == 1 + 5  # 10 refused, then fives


def answer(recipients: int, *items: dict[str, Any]) -> dict[str, Any]:
    """Return a fault that answers a batch of so many recipients with results for the first of them."""
    names = IdempotencyKeys("dag", "manual__1", "send")
    first = [names(who["msisdn"], "messagedesk", f"Hi {who['name']}") for who in PEOPLE[:recipients]]
    body = json.dumps({"reqId": "r", "data": dict(zip(first, items, strict=False))})
    return {"kind": "status", "status": 200, "body": body}


@pytest.mark.parametrize("names", ["batch", "account"])
def test_nobody_is_left_out_whatever_the_vendor_makes_of_names(
    telecom_simulator: Any, bulk: Make, names: str
) -> None:
    """If the vendor takes a known name for a duplicate, a repeated batch is no second SMS either."""
    telecom_simulator.state.set_switch(f"{VENDOR}.batch_names", names)
    run = Run()
    telecom_simulator.fault("reset_after", VENDOR, path="/sms/batch$")
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(on_unknown="resend"))
    run.execute(bulk(on_unknown="resend"))
    twice = 1 if names == "account" else 2
    assert sent(telecom_simulator) == Counter(NUMBERS[:10] * twice + NUMBERS[10:])
    run.execute(bulk(dedupe_key="again"))
    assert sum(sent(telecom_simulator).values()) == 10 * twice + 15 + 25


def test_refused_ones_are_counted_and_named(telecom_simulator: Any, bulk: Make, tmp_path: Path) -> None:
    refused = {"errorCode": "1001003", "errorMsg": "no such name"}
    telecom_simulator.fault(**answer(2, {"msgId": "a"}, refused), vendor=VENDOR, path="/sms/batch$")
    results, run = tmp_path / "results.jsonl", Run()
    facts = run.execute(bulk(recipients=PEOPLE[:2], results_path=str(results)))
    assert (facts["accepted"], facts["refused"]) == (1, {"1001003": 1})
    assert [line["state"] for line in lines(results)] == ["accepted", "refused"]
    assert (lines(results)[1]["code"], lines(results)[1]["reason"]) == ("1001003", "no such name")
    with pytest.raises(TelecomRejectedError, match="1 of 2 SMS were refused"):
        run.execute(bulk(recipients=PEOPLE[:2], results_path=str(results), max_rejected=0))
    assert batches(telecom_simulator) == 1


def test_all_refused_fails_and_something_else_may_be_sent(telecom_simulator: Any, bulk: Make) -> None:
    run = Run()
    with pytest.raises(TelecomRejectedError, match="code 1010: 25"):
        run.execute(bulk(sender="forbidden"))
    assert run.execute(bulk())["accepted"] == 25


def test_recipients_that_the_response_leaves_out_fail_the_task_at_its_end(
    telecom_simulator: Any, bulk: Make, tmp_path: Path
) -> None:
    telecom_simulator.fault(**answer(1, {"msgId": "a"}), vendor=VENDOR, path="/sms/batch$")
    results, run = str(tmp_path / "results.jsonl"), Run()
    for policy in ("fail", "resend"):
        with pytest.raises(OutcomeUnknownError, match="whether 9 of 25 SMS were accepted"):
            run.execute(bulk(results_path=results, on_unknown=policy))
    facts = run.execute(bulk(results_path=results, on_unknown="assume_sent"))
    assert (facts["accepted"], facts["unknown"]) == (16, 9)
    assert batches(telecom_simulator) == 3
    assert sent(telecom_simulator) == Counter(NUMBERS[10:])


def test_a_vendor_that_does_not_say_what_it_costs(telecom_simulator: Any, bulk: Make) -> None:
    telecom_simulator.state.set_switch(f"{VENDOR}.tarification_units", "off")
    assert Run().execute(bulk())["reserved_units"] is None


def test_a_dry_run_counts_segments(telecom_simulator: Any, bulk: Make) -> None:
    facts = Run().execute(bulk(dry_run=True))
    assert (facts["recipients"], facts["segments"], facts["dry_run"]) == (25, 25, True)
    assert sent(telecom_simulator) == Counter()


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("chunk_size", {"chunk_size": 1001}),
        ("max_segments", {"max_segments": 7}),
        ("sender", {"sender": " "}),
        ("on_unknown", {"on_unknown": "hope"}),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(
    bulk: Make, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        bulk(**arguments)
    assert caught.value.field == field


def test_one_text_that_is_too_long_and_nothing_is_sent(telecom_simulator: Any, bulk: Make) -> None:
    people = [*PEOPLE, {"msisdn": "380670000300", "name": "x" * 160}]
    with pytest.raises(TelecomInputError, match=r"allows 1 SMS.* line 26 \(38067\*+00\): 2 SMS"):
        Run().execute(bulk(recipients=people, max_segments=1))
    assert batches(telecom_simulator) == 0


def test_a_place_of_a_mapped_list_keeps_its_recipients(telecom_simulator: Any, bulk: Make) -> None:
    """If the list changes its order between two tries, nobody gets the message of another place."""
    run, first, second = Run(), PEOPLE[:5], PEOPLE[5:10]
    run.execute(bulk(recipients=second), map_index=1)
    telecom_simulator.fault("status", VENDOR, path="/sms/batch$", status=400)
    with pytest.raises(TelecomRejectedError):
        run.execute(bulk(recipients=first), map_index=0)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(bulk(recipients=second), map_index=0)
    assert sent(telecom_simulator) == Counter(NUMBERS[5:10])


def test_a_refusal_of_a_repeated_batch_does_not_settle_the_first_one(
    telecom_simulator: Any, bulk: Make
) -> None:
    """Its first request may have been accepted: the vendor may refuse the second one as a duplicate."""
    run, ten = Run(), {"recipients": PEOPLE[:10], "on_unknown": "resend"}
    telecom_simulator.fault("reset_after", VENDOR, path="/sms/batch$")
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(**ten))
    refused = {"errorCode": "1001003", "errorMsg": "duplicate"}
    telecom_simulator.fault(**answer(10, *[refused] * 10), vendor=VENDOR, path="/sms/batch$")
    with pytest.raises(TelecomRejectedError, match="10 of 10 SMS were refused"):
        run.execute(bulk(**ten))
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(bulk(**ten, text="Hello {name}"))
    with pytest.raises(TelecomRejectedError, match="10 of 10 SMS were refused"):
        run.execute(bulk(**ten))
    assert sent(telecom_simulator) == Counter(NUMBERS[:10])


def test_units_are_added_exactly(telecom_simulator: Any, bulk: Make) -> None:
    names = IdempotencyKeys("dag", "manual__1", "send")
    for place, units in enumerate(("0.1", "0.2")):
        who = PEOPLE[place]
        name = names(who["msisdn"], "messagedesk", f"Hi {who['name']}")
        body = json.dumps({"reqId": "r", "data": {name: {"msgId": f"m{place}"}}})
        headers = {"X-Reserved-Tarification-Units": units}
        telecom_simulator.fault("status", VENDOR, path="/sms/batch$", status=200, headers=headers, body=body)
    assert Run().execute(bulk(recipients=PEOPLE[:2], chunk_size=1))["reserved_units"] == 0.3
