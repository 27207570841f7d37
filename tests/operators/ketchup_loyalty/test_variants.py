"""KetchUp's tasks under other readings of its document: the opposite of each default, and mixed at random."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomFundsError, TelecomNotFoundError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
    KetchUpHlrLookupOperator,
    KetchUpPriceOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import (
    KetchUpHlrFinishedSensor,
    KetchUpSmsDeliveredSensor,
    KetchUpSmsTaskFinishedSensor,
    KetchUpStatFileReadySensor,
    KetchUpViberDeliveredSensor,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.transfers.ketchup_loyalty_to_object_storage import (
    KetchUpStatsToObjectStorageOperator,
)
from tests.running import Run

A, B, AWAY = "380670000201", "380670000202", "380670000209"
PEOPLE = [{"msisdn": str(380670000200 + place), "name": f"N{place}"} for place in range(25)]
NUMBERS = Counter(person["msisdn"] for person in PEOPLE)
READINGS = [("opposite", 0), *(("random", seed) for seed in range(1, 6))]
WAIT: dict[str, Any] = {"wait_for_completion": True, "poll_interval": 0.01}


@pytest.fixture(autouse=True, params=READINGS, ids=lambda reading: f"{reading[0]}-{reading[1]}")
def hook(
    request: pytest.FixtureRequest,
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    prepare(telecom_simulator, monkeypatch, *request.param)
    return hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop")


def prepare(simulator: Any, monkeypatch: pytest.MonkeyPatch, preset: str, seed: int) -> None:
    """Let the simulator read the document so, and the client wait little."""
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01,))
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)
    simulator.reset(seed, preset)
    simulator.state.set_transition("ketchup_loyalty", "after_polls", 1)


def got(simulator: Any, kind: str) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty", kind))


def in_a_new_process(hook: Any) -> None:
    hook.account.learned.clear()


def bulk(**arguments: Any) -> KetchUpSendBulkSmsOperator:
    given = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "chunk_size": 7}
    return KetchUpSendBulkSmsOperator(**{**given, **arguments})


@pytest.mark.parametrize("text", ["Hi {name}", "Hi"])
def test_sms_to_many(telecom_simulator: Any, tmp_path: Path, text: str) -> None:
    results = tmp_path / "results.jsonl"
    run = Run()
    found = run.execute(bulk(**WAIT, text=text, max_cost="0.50", results_path=str(results)))
    assert (found["accepted"], found["known_before"], found["refused"], found["price"]) == (25, 0, {}, "0.50")
    assert (found["delivered"], found["undelivered"], len(found["task_ids"])) == (21, 4, 4)
    assert got(telecom_simulator, "sms") == NUMBERS
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(line["msisdn"], line["state"]) for line in lines] == [(number, "accepted") for number in NUMBERS]
    assert {line["task_id"] for line in lines} == set(found["task_ids"])
    waited = KetchUpSmsTaskFinishedSensor(
        task_id="wait", sms_task_ids=found["task_ids"], poke_interval=0.01, tolerated_errors=0
    )
    assert run.execute(waited)["delivered"] == 21


class KilledError(BaseException):
    """The process is gone."""


def test_sms_to_many_whose_task_is_killed_after_each_request(
    telecom_simulator: Any, hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.transport.sync_transport import Transport

    send = Transport.send

    def killed(self: Any, request: Any) -> Any:
        send(self, request)
        raise KilledError

    run, tries = Run(), 0
    while True:
        tries += 1
        left = tries % 4

        def once(self: Any, request: Any) -> Any:
            nonlocal left
            left -= 1
            return killed(self, request) if not left else send(self, request)

        monkeypatch.setattr(Transport, "send", once)
        try:
            found = run.execute(bulk())
            break
        except KilledError:
            in_a_new_process(hook)
    assert tries > 3
    assert found["accepted"] + found["known_before"] == 25
    assert got(telecom_simulator, "sms") == NUMBERS


def test_sms_to_many_for_which_the_money_runs_out(telecom_simulator: Any, hook: Any) -> None:
    vendor_state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor_state.balance, run = Decimal("0.30"), Run()
    with pytest.raises(TelecomFundsError):
        run.execute(bulk())
    assert sum(got(telecom_simulator, "sms").values()) == 14
    vendor_state.balance = Decimal(10)
    in_a_new_process(hook)
    assert run.execute(bulk())["accepted"] == 25
    assert got(telecom_simulator, "sms") == NUMBERS


def test_one_sms(telecom_simulator: Any, hook: Any) -> None:
    def sms(**arguments: Any) -> KetchUpSendSmsOperator:
        return KetchUpSendSmsOperator(**{"task_id": "send", "msisdn": A, "text": "Hi", **arguments})

    run = Run()
    found = run.execute(sms(**WAIT))
    assert found["status"].lower() == "delivered"
    waited = KetchUpSmsDeliveredSensor(task_id="wait", reference=found["reference"], poke_interval=0.01)
    assert run.execute(waited)["status"].lower() == "delivered"
    run.stores["send"].texts.clear()
    in_a_new_process(hook)
    assert run.execute(sms())["known_before"] is True
    assert got(telecom_simulator, "sms") == Counter([A])


def test_viber(telecom_simulator: Any, hook: Any) -> None:
    run, people = Run(), {"recipients": [A, B, AWAY], "text": "Hi"}
    found = run.execute(KetchUpSendViberOperator(task_id="first", **people, **WAIT))
    assert (found["accepted"], found["delivered"], found["refused"]) == (3, 2, {})
    ids = [message["message_id"] for message in found["messages"]]
    for message_id in ids[:2]:
        waited = KetchUpViberDeliveredSensor(task_id="wait", message_id=message_id, poke_interval=0.01)
        assert run.execute(waited)["status"].lower() in ("delivered", "read")
    second = KetchUpSendViberOperator(task_id="second", **people)
    assert run.execute(second)["accepted"] == 3
    assert got(telecom_simulator, "viber") == Counter({A: 2, B: 2, AWAY: 2})


def test_viber_whose_answer_is_lost_goes_out_once(telecom_simulator: Any, hook: Any) -> None:
    """As a second message: the first one has shown how KetchUp names things."""
    run = Run()
    for number in range(2):
        before = {"recipients": AWAY, "text": f"before {number}"}
        run.execute(KetchUpSendViberOperator(task_id=f"before{number}", **before))
    telecom_simulator.fault("close_after", "ketchup_loyalty", path="/viber/create")
    found = run.execute(KetchUpSendViberOperator(task_id="send", recipients=[A, B], text="Hi"))
    assert found["accepted"] + found["known_before"] == 2
    assert got(telecom_simulator, "viber") == Counter({AWAY: 2, A: 1, B: 1})


def test_look_ups(telecom_simulator: Any) -> None:
    run = Run()
    numbers = {"msisdns": [A, B, AWAY, "61491570006"]}
    found = run.execute(KetchUpHlrLookupOperator(task_id="look_up", **numbers, **WAIT, chunk_size=3))
    assert (found["accepted"], found["statuses"], found["refused_at"]) == (3, {"active": 2, "absent": 1}, [3])
    assert [result["ported"] for result in found["results"]] == [True, False, False]
    waited = KetchUpHlrFinishedSensor(task_id="wait", hlr_ids=found["hlr_ids"], poke_interval=0.01)
    assert run.execute(waited)["statuses"] == found["statuses"]
    run.stores["look_up"].texts.clear()
    again = run.execute(KetchUpHlrLookupOperator(task_id="look_up", **numbers, chunk_size=3))
    assert (again["known_before"], again["hlr_ids"]) == (3, found["hlr_ids"])
    assert got(telecom_simulator, "hlr") == Counter([A, B, AWAY])


def test_prices() -> None:
    run = Run()
    for kind, price in (("sms", "0.04"), ("viber", "0.02")):
        asked = KetchUpPriceOperator(task_id=kind, kind=kind, msisdns=[A, B], text="Hi")
        assert run.execute(asked)["price"] == price
    for kind, price in (("sms", "0.02"), ("viber", "0.01"), ("hlr", "0.002")):
        listed = run.execute(KetchUpPriceOperator(task_id=f"list_{kind}", kind=kind, country="UA"))
        assert [row["price"] for row in listed["prices"]] == [price]


@pytest.mark.parametrize("format", ["csv", "json", "xml"])
def test_statistics(hook: Any, telecom_simulator: Any, tmp_path: Path, format: str) -> None:
    run, now = Run(), datetime.now(UTC).replace(tzinfo=None)
    days = {
        name: (now + timedelta(days=day)).isoformat(timespec="seconds")
        for name, day in (("time_in_from", -1), ("time_in_to", 1))
    }
    run.execute(bulk())
    key = run.execute(KetchUpCreateStatExportOperator(task_id="order", **days))["file_key"]
    ready = KetchUpStatFileReadySensor(task_id="wait", file_key=key, poke_interval=0.01)
    assert run.execute(ready) == {"file_key": key, "empty": False}
    assert [kept.key for kept in hook.list_statistics_exports()] == [key]
    run.execute(KetchUpDeleteStatExportOperator(task_id="clear", file_key=key))
    with pytest.raises(TelecomNotFoundError):
        hook.get_statistics(key)
    lake = {"path": str(tmp_path / "lake"), "poll_interval": 0.01, "source_format": format}
    types = {"message_type": "sms"} if format == "csv" else {}
    loaded = run.execute(KetchUpStatsToObjectStorageOperator(task_id="load", **lake, **days, **types))
    assert loaded["rows"] == 25
    assert hook.list_statistics_exports() == []
