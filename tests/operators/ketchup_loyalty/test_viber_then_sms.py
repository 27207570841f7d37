"""Viber, then an SMS to those whom it certainly did not reach: nobody gets anything twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
    bulk_waiting,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.operators.ketchup_loyalty.evidence import paid, shown
from tests.running import Run, first_event

AT_VIBER = [str(380670000201 + place) for place in range(5)]
NOT_AT_VIBER = ["380670000209", "380670000219"]
ABROAD = "4915123456789"  # KetchUp refuses it


@pytest.fixture(autouse=True)
def _hook(hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    hook_for("ketchup_loyalty", viber_sender="Shop")
    monkeypatch.setattr(bulk_waiting, "_GROUP", 3)


def viber(folder: Path, numbers: list[str], **more: Any) -> KetchUpSendViberOperator:
    given: dict[str, Any] = {
        "task_id": "viber",
        "recipients": [{"msisdn": number, "name": f"N{number[-2:]}"} for number in numbers],
        "text": "Hi",
        "results_path": str(folder / "viber.jsonl"),
        "undelivered_path": str(folder / "undelivered.jsonl"),
        "result_columns": ["name"],
        "wait_for_completion": True,
        "on_wait_timeout": "succeed",
        "poll_interval": 0.01,
        "wait_timeout": 60,
        **more,
    }
    return KetchUpSendViberOperator(**given)


def sms(folder: Path) -> KetchUpSendBulkSmsOperator:
    return KetchUpSendBulkSmsOperator(
        task_id="sms",
        recipients=str(folder / "undelivered.jsonl"),
        text="{name}, hi",
        on_no_recipients="skip",
    )


def sent(simulator: Any, kind: str) -> Counter[str]:
    return Counter(one["msisdn"] for one in paid(simulator, kind))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("numbers", [AT_VIBER, NOT_AT_VIBER, [*AT_VIBER, *NOT_AT_VIBER, ABROAD]])
def test_all_none_or_some_are_delivered(
    telecom_simulator: Any, tmp_path: Path, numbers: list[str], deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.viber", "after_polls", 2)
    run, others = Run(), [number for number in numbers if number not in AT_VIBER]
    first = viber(tmp_path, numbers, deferrable=deferrable)
    found = run.execute(first)
    assert (found["delivered"], found["undelivered"], found["unknown"]) == (
        len(numbers) - len(others),
        len(others),
        0,
    )
    for _ in range(2):  # both tasks are cleared, and run again
        if others:
            run.execute(sms(tmp_path))
        else:
            with pytest.raises(AirflowSkipException):
                run.execute(sms(tmp_path))
        assert run.execute(viber(tmp_path, numbers)) == found
    assert sent(telecom_simulator, "viber") == Counter(number for number in numbers if number != ABROAD)
    assert sent(telecom_simulator, "sms") == Counter(number for number in others if number != ABROAD)
    assert {path.name for path in tmp_path.iterdir()} == {"viber.jsonl", "undelivered.jsonl"}
    assert lines(tmp_path / "undelivered.jsonl") == [
        {"msisdn": number, "name": f"N{number[-2:]}"} for number in others
    ]
    assert not any(number in shown(first, run, found) for number in numbers)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_recipients_who_were_added_later_have_an_outcome_as_well(
    telecom_simulator: Any, tmp_path: Path, suffix: str
) -> None:
    """Parquet has the columns of the earlier ones in the new lines as well, without a value."""
    path, run = tmp_path / f"viber.{suffix}", Run()
    run.execute(viber(tmp_path, AT_VIBER[:2], results_path=str(path)))
    numbers = [*AT_VIBER[:2], ABROAD, AT_VIBER[2], NOT_AT_VIBER[0]]
    run.execute(
        viber(tmp_path, numbers, results_path=str(path), wait_for_completion=False, undelivered_path=None)
    )
    stuck(telecom_simulator, AT_VIBER[2])
    for found in [
        run.execute(viber(tmp_path, numbers, results_path=str(path), wait_timeout=0.05)) for _ in "12"
    ]:
        assert (found["delivered"], found["undelivered"], found["unknown"]) == (2, 2, 1)
    written = {line["msisdn"]: line for line in read_outcomes(ObjectStoragePath(str(path)))}
    assert {line["outcome"] for line in written.values()} == {"delivered", "undelivered", "unknown"}
    assert written[AT_VIBER[2]]["send_state"] == "accepted"
    assert written[AT_VIBER[2]]["state"] == "silent"


def stuck(simulator: Any, number: str) -> None:
    """Let a message stay "sent" for ever."""
    state: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    message = next(one for one in state.messages.values() if one.draft.msisdn == number)
    message.delivery._stages = ("sent",)


@pytest.mark.parametrize("deferrable", [False, True])
def test_unknown_ones_get_no_sms(telecom_simulator: Any, tmp_path: Path, deferrable: bool) -> None:
    """Two have no final state after the time, one of them at Viber; a later try may still find it."""
    numbers, run = [*AT_VIBER, *NOT_AT_VIBER], Run()
    run.execute(viber(tmp_path, numbers, wait_for_completion=False, undelivered_path=None))
    for number in (AT_VIBER[1], NOT_AT_VIBER[0]):
        stuck(telecom_simulator, number)
    with pytest.raises(AirflowSensorTimeout):
        run.execute(viber(tmp_path, numbers, wait_timeout=0.05, on_wait_timeout="fail"))
    found = run.execute(viber(tmp_path, numbers, wait_timeout=0.05, deferrable=deferrable))
    assert (found["delivered"], found["undelivered"], found["unknown"]) == (4, 1, 2)
    assert found["statuses"] == {"read": 4, "sent": 2, "not-viber-user": 1}
    outcomes = {line["msisdn"]: line["outcome"] for line in lines(tmp_path / "viber.jsonl")}
    assert outcomes[AT_VIBER[1]] == outcomes[NOT_AT_VIBER[0]] == "unknown"
    run.execute(sms(tmp_path))
    assert sent(telecom_simulator, "sms") == Counter(NOT_AT_VIBER[1:])
    assert sent(telecom_simulator, "viber") == Counter(numbers)


def test_messages_of_unknown_outcome_get_no_sms(telecom_simulator: Any, tmp_path: Path) -> None:
    """Nobody knows whether the first chunk was sent. It does not count as undelivered."""
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create")
    options = {"use_keys": False, "on_unknown": "assume_sent", "chunk_size": 2}
    found = Run().execute(viber(tmp_path, [*NOT_AT_VIBER, *AT_VIBER], **options))
    assert (found["delivered"], found["undelivered"], found["unknown"]) == (5, 0, 2)
    with pytest.raises(AirflowSkipException):
        Run().execute(sms(tmp_path))


@pytest.mark.parametrize(("code", "outcome"), [("45", "undelivered"), ("50", "unknown"), ("odd", "unknown")])
def test_only_a_documented_refusal_is_followed_by_an_sms(
    telecom_simulator: Any, tmp_path: Path, code: str, outcome: str
) -> None:
    body = json.dumps({"error": 0, "messages": [{"error": code}, {"error": code}]})
    telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
    found = Run().execute(viber(tmp_path, AT_VIBER[:2], max_rejected=2))
    assert found[outcome] == 2


def refused_poll(simulator: Any) -> None:
    """Let the poll of the fifth message fail."""
    simulator.fault("status", "ketchup_loyalty", path="/viber/22129", status=400, body='{"error": "7"}')


def test_a_wait_that_is_killed_goes_on(telecom_simulator: Any, tmp_path: Path) -> None:
    """The vendor is away while the second group is polled: what was found before is not polled again."""
    numbers, run = [*AT_VIBER, *NOT_AT_VIBER], Run()
    refused_poll(telecom_simulator)
    with pytest.raises(Exception, match="vendor code 7"):
        run.execute(viber(tmp_path, numbers))
    telecom_simulator.state.requests.clear()
    found = run.execute(viber(tmp_path, numbers))
    assert (found["delivered"], found["undelivered"]) == (5, 2)
    polled = [seen.path.rpartition("/")[2] for seen in telecom_simulator.state.requests]
    assert len(polled) == len(set(polled)) == 4
    assert sent(telecom_simulator, "viber") == Counter(numbers)


def test_too_few_fail_the_task_after_the_files_are_written(telecom_simulator: Any, tmp_path: Path) -> None:
    with pytest.raises(TelecomFailedError, match="delivered: 5"):
        Run().execute(viber(tmp_path, [*AT_VIBER, *NOT_AT_VIBER], min_delivered_percent=80))
    assert len(lines(tmp_path / "undelivered.jsonl")) == 2
    found = Run("2").execute(viber(tmp_path, [*AT_VIBER, *NOT_AT_VIBER], min_delivered_percent=70))
    assert found["delivered"] == 5


def test_states_of_another_run_with_the_same_path_do_not_count(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    numbers = [*AT_VIBER, *NOT_AT_VIBER]
    refused_poll(telecom_simulator)
    with pytest.raises(Exception, match="vendor code 7"):
        Run("1").execute(viber(tmp_path, numbers))
    found = Run("2").execute(viber(tmp_path, numbers[::-1]))
    assert (found["delivered"], found["undelivered"]) == (5, 2)
    assert [line["msisdn"] for line in lines(tmp_path / "viber.jsonl")] == numbers[::-1]


def test_rows_that_are_all_bad_are_no_reason_to_skip(telecom_simulator: Any) -> None:
    operator = KetchUpSendBulkSmsOperator(
        task_id="sms", recipients=["1"], text="Hi", on_bad_rows="skip", on_no_recipients="skip"
    )
    with pytest.raises(TelecomInputError, match="recipients: are none"):
        Run().execute(operator)


def test_results_without_keys_in_another_order_get_no_sms(telecom_simulator: Any, tmp_path: Path) -> None:
    """The first number is at Viber, and would get an SMS for the state of the other one's message."""
    numbers = [AT_VIBER[0], NOT_AT_VIBER[0]]
    Run("1").execute(viber(tmp_path, numbers))
    ids = [line["id"] for line in lines(tmp_path / "viber.jsonl")]
    body = json.dumps({"error": 0, "messages": [{"id": name, "error": 0} for name in ids[::-1]]})
    telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
    found = Run("2").execute(viber(tmp_path, numbers, wait_timeout=0.05))
    assert (found["delivered"], found["undelivered"], found["unknown"]) == (0, 0, 2)
    assert lines(tmp_path / "undelivered.jsonl") == []


def test_results_of_another_run_are_not_taken_for_those_of_this_one(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    """A path without the run in it: the other run's recipients would get this run's SMS."""
    run = Run("1")
    run.execute(viber(tmp_path, AT_VIBER))
    Run("2").execute(viber(tmp_path, NOT_AT_VIBER))
    with pytest.raises(TelecomInputError, match=r"results_path: .* another run"):
        run.execute(viber(tmp_path, AT_VIBER))


def test_another_run_writes_the_results_while_a_task_waits(telecom_simulator: Any, tmp_path: Path) -> None:
    """The states of the first run's messages would be those of the second run's recipients."""
    first, run = viber(tmp_path, NOT_AT_VIBER, deferrable=True), Run("1")
    telecom_simulator.state.set_transition("ketchup_loyalty.viber", "after_polls", 2)
    with DAG("dag", schedule=None) as dag:
        dag.add_task(first)
    context = run.context(first)
    first.render_template_fields(context)
    with pytest.raises(TaskDeferred) as deferred:
        first.execute(context)
    event = asyncio.run(first_event(deferred.value.trigger))
    Run("2").execute(viber(tmp_path, AT_VIBER[:2]))
    with pytest.raises(TelecomInputError, match=r"results_path: .* another run"):
        first.resume_execution("execute_complete", {"event": event}, context)
    assert lines(tmp_path / "undelivered.jsonl") == []
