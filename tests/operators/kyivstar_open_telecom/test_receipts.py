"""Receipts of Kyivstar's messages, collected from the simulator by status calls; promos by counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import Origin, read_outcomes
from airflow_provider_telecom.bulk.receipts import write_lines
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCollectReceiptsOperator,
    KyivstarCreatePromoOperator,
    KyivstarSendBulkSmsOperator,
)
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
CONN = "kyivstar_open_telecom_default"
NUMBERS = [str(380670000200 + place) for place in range(12)]
SENT_AT = "2026-03-01T09:00:00Z"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only waits move on."""
    found: list[float] = []
    start = datetime.now(UTC)
    now = staticmethod(lambda: start + timedelta(seconds=sum(found)))
    monkeypatch.setattr(CollectReceiptsOperator, "now", now)
    monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(found.append))
    return found


def receipts(outcomes: Any, **more: Any) -> KyivstarCollectReceiptsOperator:
    arguments = {"deferrable": False, "wait_timeout": timedelta(hours=1), **more}
    return KyivstarCollectReceiptsOperator(task_id="receipts", outcomes=outcomes, **arguments)


def state_of(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state(VENDOR, VendorState)
    return found


def rows(path: Any) -> list[dict[str, Any]]:
    return list(read_outcomes(ObjectStoragePath(str(path))))


def states(path: Any) -> list[str]:
    return [row["state"] for row in rows(path)]


def written(path: Path, channel: str, ids: list[str | None], conn_id: str = CONN, **more: Any) -> str:
    origin = Origin(channel, conn_id, "dag/run/send")
    lines = [
        {**origin.line(number, "accepted", message_id=id_, reference="r", sent_at=SENT_AT), **more}
        for number, id_ in zip(NUMBERS, ids, strict=False)
    ]
    write_lines(ObjectStoragePath(str(path)), lines)
    return str(path)


def asked(simulator: Any, part: str) -> int:
    return sum(part in request.path for request in simulator.state.requests if request.vendor == VENDOR)


@pytest.mark.parametrize("preset", ["default", "opposite"])
def test_a_bulk_send_and_its_receipts_in_batches(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, preset: Any
) -> None:
    telecom_simulator.state.reset(preset=preset)
    hook_for(VENDOR, api_version="v1")
    state_of(telecom_simulator).unreachable.update(NUMBERS[:3])
    telecom_simulator.state.set_switch(f"{VENDOR}.expired", "on")
    telecom_simulator.state.set_transition(f"{VENDOR}.sms", "after_polls", 2)
    path = str(tmp_path / "outcomes.parquet")
    sent = Run().execute(
        KyivstarSendBulkSmsOperator(task_id="send", recipients=NUMBERS, text="Hi", results_path=path)
    )
    found = Run().execute(receipts(sent))
    assert states(path) == ["expired"] * 3 + ["delivered"] * 9
    assert (found["delivered"], found["expired"], found["silent"], found["rounds"]) == (9, 3, 0, 2)
    assert found["final_percent"] == 100
    assert all(row["final_at"] >= row["sent_at"] for row in rows(path))
    assert asked(telecom_simulator, "/sms/status/batch") == 2
    assert asked(telecom_simulator, "/sms/") == 3


@pytest.mark.parametrize("channel", ["sms", "viber"])
def test_single_messages_are_asked_for_together_and_only_while_open(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, channel: str
) -> None:
    hook = hook_for(VENDOR)
    telecom_simulator.state.set_transition(f"{VENDOR}.{channel}", "after_polls", 1)
    send = hook.send_sms if channel == "sms" else hook.send_viber_transaction
    ids = [send(number, "Your code is 1").message_id for number in NUMBERS[:6]]
    path = written(tmp_path / "out.jsonl", channel, [*ids[:5], "00000000-0000-4000-8000-000000000000"])
    found = Run().execute(receipts(path, wait_timeout=150))
    assert states(path) == ["delivered"] * 5 + ["silent"]
    assert (found["delivered"], found["silent"]) == (5, 1)
    paths = Counter(request.path for request in telecom_simulator.state.requests if request.method == "GET")
    assert [count for part, count in paths.items() if part.endswith(ids[0])] == [1]
    assert [count for part, count in paths.items() if part.endswith("8000-000000000000")] == [found["rounds"]]
    assert found["rounds"] >= 2  # the unknown id is asked for until the time is over


def test_a_state_that_nobody_knows_is_not_final_and_a_late_one_completes_the_file(
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hook = hook_for(VENDOR)
    state_of(telecom_simulator).unreachable.add(NUMBERS[0])
    telecom_simulator.state.set_switch(f"{VENDOR}.expired", "unknown")
    path = written(tmp_path / "out.jsonl", "sms", [hook.send_sms(NUMBERS[0], "Hi").message_id])
    found = Run().execute(receipts(path))
    assert (found["silent"], found["final"]) == (1, 0)
    assert rows(path)[0]["status"] == "blocked"
    assert "1 messages have the status 'blocked', which is not known: not final" in capsys.readouterr().out
    telecom_simulator.fault(
        "status",
        VENDOR,
        path="/sms/",
        status=200,
        body='{"msgId": "m", "status": "DELIVERED", "date": "2026-03-02T09:00:00Z"}',
    )
    found = Run("manual__2").execute(receipts(path))
    assert (found["silent"], found["delivered"], found["delay_p50"]) == (0, 1, 86_400.0)


def test_an_expired_message_that_is_delivered_after_all(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook = hook_for(VENDOR)
    state_of(telecom_simulator).unreachable.add(NUMBERS[0])
    telecom_simulator.state.set_switch(f"{VENDOR}.expired", "late")
    telecom_simulator.state.set_transition(f"{VENDOR}.sms", "after_polls", 1)
    path = written(tmp_path / "out.jsonl", "sms", [hook.send_sms(NUMBERS[0], "Hi").message_id])
    assert Run().execute(receipts(path))["expired"] == 1
    assert Run("manual__2").execute(receipts(path))["expired"] == 1
    assert Run("manual__3").execute(receipts(path, recheck_final=True))["delivered"] == 1


@pytest.mark.parametrize("shown", ["both", "channel", "reports"])
def test_the_channel_that_delivered_a_multichannel_message(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, shown: str
) -> None:
    hook = hook_for(VENDOR, api_version="v1")
    state = state_of(telecom_simulator)
    telecom_simulator.state.set_switch(f"{VENDOR}.channel_reports", shown)
    telecom_simulator.state.set_switch(f"{VENDOR}.status_case", "swapped" if shown == "both" else "found")
    telecom_simulator.state.set_switch(f"{VENDOR}.expired", "on")
    state.without_viber.add(NUMBERS[1])
    state.unreachable.add(NUMBERS[2])
    contents = [ViberContent("viber"), SmsContent("sms")]
    ids = [hook.send_multichannel(number, contents).message_id for number in NUMBERS[:3]]
    path = written(tmp_path / "out.jsonl", "multichannel", ids, last_channel="sms")
    assert Run().execute(receipts(path))["delivered"] == 2
    found = [(row["state"], row.get("bearer_type")) for row in rows(path)]
    assert found == [("delivered", "viber"), ("delivered", "sms"), ("expired", None)]


@pytest.mark.parametrize(
    ("more", "last_channel", "state"),
    [
        ({"bearerType": "VIBER"}, "sms", "silent"),
        ({"bearerType": "viber", "reports": [("viber", "expired")]}, "sms", "silent"),
        ({"bearerType": "viber", "reports": [("viber", "expired"), ("sms", "accepted")]}, "sms", "silent"),
        ({"reports": [("viber", "expired"), ("sms", "sending")]}, "sms", "silent"),
        ({"bearerType": "sms"}, "viber", "silent"),
        ({"bearerType": "sms"}, None, "silent"),
        ({"bearerType": "SMS"}, "sms", "expired"),
        ({"reports": [("SMS", "EXPIRED"), ("Viber", "expired")]}, None, "expired"),
        ({}, "sms", "expired"),
    ],
)
def test_a_first_channel_that_has_expired_is_not_the_end_of_a_multichannel_message(
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    tmp_path: Path,
    more: Any,
    last_channel: str | None,
    state: str,
) -> None:
    """The vendor sends by the next channel then: a ladder that moves on would send once more."""
    hook_for(VENDOR, api_version="v1")
    reports = [
        {"bearerType": bearer, "date": SENT_AT, "mid": "m", "state": word}
        for bearer, word in more.get("reports", ())
    ]
    body = {"multiMsgId": "a", "status": "expired", "date": SENT_AT, **more, "reports": reports}
    telecom_simulator.fault(
        "status", VENDOR, path="/messaging/multichannel", status=200, body=json.dumps(body), times=99
    )
    path = written(tmp_path / "out.jsonl", "multichannel", ["a"], last_channel=last_channel)
    Run().execute(receipts(path, wait_timeout=1))
    assert states(path) == [state]


def test_a_promo_has_counts_only(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, slept: list[float]
) -> None:
    """Its rows stay accepted; the task waits until the promo is completed, and reports the counts."""
    hook_for(VENDOR)
    state_of(telecom_simulator).unreachable.update(NUMBERS[:2])
    telecom_simulator.state.set_transition(f"{VENDOR}.promo", "after_polls", 2)
    path = str(tmp_path / "outcomes.jsonl")
    promo = KyivstarCreatePromoOperator(
        task_id="promo", recipients=NUMBERS, text="Hi", start=True, results_path=path
    )
    Run().execute(promo)
    found = Run().execute(receipts(path))
    assert states(path) == ["accepted"] * 12
    assert [found[name] for name in ("messages", "delivered", "undelivered", "accepted", "silent")] == [
        12,
        10,
        2,
        0,
        0,
    ]
    assert (found["final"], found["final_percent"]) == (12, 100)
    assert (found["promos"]["promos"], found["promos"]["completed"]) == (1, 1)
    assert (found["promos"]["sent_count"], found["promos"]["undelivered_count"]) == (12, 2)
    assert slept


def test_a_promo_that_is_not_completed_in_time(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for(VENDOR)
    telecom_simulator.state.set_transition(f"{VENDOR}.promo", "after_polls", 1_000)
    path = str(tmp_path / "outcomes.jsonl")
    Run().execute(
        KyivstarCreatePromoOperator(
            task_id="promo", recipients=NUMBERS, text="Hi", start=True, results_path=path
        )
    )
    found = Run().execute(receipts(path, wait_timeout=60))
    assert states(path) == ["accepted"] * 12
    assert (found["accepted"], found["silent"], found["promos"]["completed"]) == (12, 0, 0)


def test_a_promo_that_the_vendor_does_not_know(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for(VENDOR)
    path, origin = tmp_path / "out.jsonl", Origin("sms", CONN, "dag/run/send")
    unknown = "20000000-0000-4000-8000-000000000001"
    lines = [origin.line(NUMBERS[0], "accepted", reference=unknown, sent_at=SENT_AT)]
    write_lines(ObjectStoragePath(str(path)), lines)
    found = Run().execute(receipts(str(path), wait_timeout=60))
    assert (found["accepted"], found["promos"]) == (1, {"promos": 1, "completed": 0})


def test_ids_that_cannot_be_asked_for_never_fail_the_task(
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hook = hook_for(VENDOR)
    refused = hook.send_sms(NUMBERS[0], "Hi").message_id
    good = hook.send_sms(NUMBERS[1], "Hi").message_id
    path = written(tmp_path / "out.jsonl", "sms", [refused, good, None, "../../promo"])
    telecom_simulator.fault("status", VENDOR, path=f"/sms/{refused}", status=422, times=9)
    found = Run().execute(receipts(path, wait_timeout=60))
    assert states(path) == ["silent", "delivered", "silent", "silent"]
    assert found["delivered"] == 1
    log = capsys.readouterr().out
    assert "2 messages have no id: they can't be asked for" in log
    assert "the vendor refuses to say what became of 1 messages" in log
    assert asked(telecom_simulator, "promo") == 0


def test_an_address_that_the_server_does_not_know_fails_the_task(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for(VENDOR, rest_path="/elsewhere")
    telecom_simulator.state.set_switch(f"{VENDOR}.unknown_address", "gateway")
    with pytest.raises(TelecomRejectedError, match="address"):
        Run().execute(receipts(written(tmp_path / "out.jsonl", "sms", ["a", "b"])))


def test_a_server_without_the_batch_call_is_asked_one_by_one(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook = hook_for(VENDOR, api_version="v1")
    ids = [hook.send_sms(number, "Hi").message_id for number in NUMBERS[:3]]
    telecom_simulator.fault("status", VENDOR, path="/sms/status/batch", status=404, body="{}", times=99)
    path = written(tmp_path / "out.jsonl", "sms", ids)
    assert Run().execute(receipts(path))["delivered"] == 3


def test_temporary_errors_are_tolerated_and_what_was_found_is_kept(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_for(VENDOR)
    monkeypatch.setattr(KyivstarCollectReceiptsOperator, "group_size", 2)
    ids = [hook.send_sms(number, "Hi").message_id for number in NUMBERS[:6]]
    path = written(tmp_path / "out.jsonl", "sms", ids)
    telecom_simulator.fault("status", VENDOR, path=f"/sms/{ids[4]}", status=503, times=4)
    found = Run().execute(receipts(path, concurrency=1))
    assert found["delivered"] == 6
    assert asked(telecom_simulator, ids[0]) == 1
    telecom_simulator.fault("status", VENDOR, path="/sms/", status=503, times=999)
    again = written(tmp_path / "again.jsonl", "sms", ids)
    with pytest.raises(TelecomError) as caught:
        Run().execute(receipts(again, tolerated_errors=1))
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("channel", "more", "match"),
    [
        ("call", {}, "row 1: channel must be one of sms, viber, multichannel, rcs"),
        (
            "sms",
            {"conn_id": "ketchup_loyalty_default"},
            f"row 1: conn_id must be {CONN}",
        ),
        ("multichannel", {}, "api_version"),
        ("rcs", {}, "api_version"),
    ],
)
def test_what_is_not_this_connection_s_is_refused_before_any_call(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, channel: str, more: Any, match: str
) -> None:
    hook_for(VENDOR)
    path = written(tmp_path / "out.jsonl", channel, ["a"], **more)
    with pytest.raises(TelecomInputError, match=match):
        Run().execute(receipts(path))
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize("concurrency", [0, 65, True])
def test_a_wrong_concurrency_is_refused_when_the_dag_is_parsed(concurrency: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        receipts("a.jsonl", concurrency=concurrency)
    assert caught.value.field == "concurrency"
