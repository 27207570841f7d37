"""KetchUp's sensors: what is refused at once, what they return, both ways of waiting and of starting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.sensors.ketchup_loyalty import (
    KetchUpHlrFinishedSensor,
    KetchUpSmsDeliveredSensor,
    KetchUpSmsTaskFinishedSensor,
    KetchUpStatFileReadySensor,
    KetchUpViberDeliveredSensor,
)
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery, Recipient, ViberRecipient
from tests.running import Run, first_event

A, LOST = "380670000201", "380670000209"
WAYS = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture
def hook(telecom_simulator: Any, hook_for: Callable[..., Any]) -> Any:
    telecom_simulator.state.set_transition("ketchup_loyalty", "after_polls", 1)
    return hook_for("ketchup_loyalty", originator="test", viber_sender="Shop")


def waited(sensor: type[Any], run: Run | None = None, /, **arguments: Any) -> Any:
    made = sensor(task_id="wait", **{"poke_interval": 0.01, "tolerated_errors": 0, **arguments})
    return (run or Run()).execute(made)


@WAYS
@pytest.mark.parametrize(
    ("sensor", "send"),
    [
        (KetchUpSmsDeliveredSensor, lambda hook, to: hook.send_sms(to, "Hi", reference="t1").id),
        (
            KetchUpViberDeliveredSensor,
            lambda hook, to: hook.send_viber([ViberRecipient(to, "t1")], "Hi").results[0].id,
        ),
    ],
)
def test_a_message(hook: Any, sensor: Any, send: Callable[..., str], deferrable: bool) -> None:
    message_id = send(hook, A)
    found = waited(sensor, message_id=message_id, deferrable=deferrable)
    assert found == {
        "message_id": message_id,
        "status": "delivered",
        "price": found["price"],
        "currency": "EUR",
    }
    assert waited(sensor, reference="t1", deferrable=deferrable)["message_id"] in (message_id, None)


@WAYS
def test_a_message_that_will_never_arrive(hook: Any, deferrable: bool) -> None:
    hook.send_sms(LOST, "Hi", reference="t1")
    hook.send_viber([ViberRecipient(LOST, "t1")], "Hi")
    for sensor, status in (
        (KetchUpSmsDeliveredSensor, "undeliverable"),
        (KetchUpViberDeliveredSensor, "not-viber-user"),
    ):
        with pytest.raises(TelecomFailedError, match=f"status: {status}") as caught:
            waited(sensor, reference="t1", deferrable=deferrable)
        assert LOST not in str(caught.value)


@WAYS
def test_viber_until_it_is_read(hook: Any, deferrable: bool) -> None:
    hook.send_viber([ViberRecipient(A, "t1")], "Hi")
    assert (
        waited(KetchUpViberDeliveredSensor, reference="t1", until="read", deferrable=deferrable)["status"]
        == "read"
    )


@WAYS
@pytest.mark.parametrize("form", [list, str, repr])
def test_tasks_with_a_threshold(hook: Any, form: Any, deferrable: bool) -> None:
    people = [
        [Recipient(f"3806700{start + place:05}", f"t{start + place}") for place in range(10)]
        for start in (200, 300)
    ]
    tasks = [hook.send_sms_to_many(chunk, "Hi").task_id for chunk in people]
    given = {"sms_task_ids": "{{ ti.xcom_pull(task_ids='send') }}", "deferrable": deferrable}
    run = Run(send=form(tasks))
    found = waited(KetchUpSmsTaskFinishedSensor, run, **given, min_delivered_percent=80, expected="20")
    assert (found["tasks"], found["sent"], found["delivered"]) == (2, 20, 16)
    assert waited(KetchUpSmsTaskFinishedSensor, run, **given)["undelivered"] == 4
    with pytest.raises(TelecomFailedError, match="delivered: 16"):
        waited(KetchUpSmsTaskFinishedSensor, run, **given, min_delivered_percent="80.1")


@WAYS
def test_look_ups(hook: Any, deferrable: bool) -> None:
    results = hook.create_hlrs([HlrQuery(A, "t1"), HlrQuery(LOST, "t2")]).results
    ids = [result.id for result in results]
    found = waited(KetchUpHlrFinishedSensor, hlr_ids=ids, deferrable=deferrable)
    assert [result["id"] for result in found["results"]] == ids
    assert found["statuses"] == {"active": 1, "absent": 1}
    by_key = waited(KetchUpHlrFinishedSensor, references=["t1", "t2"], deferrable=deferrable)
    assert by_key == found


@WAYS
def test_an_unknown_look_up_is_a_result_only_on_request(hook: Any, deferrable: bool) -> None:
    look_up = hook.create_hlr("380670000208", reference="t1")
    given = {"hlr_ids": look_up.id, "deferrable": deferrable}
    hook.get_hlr(look_up.id)
    assert waited(KetchUpHlrFinishedSensor, **given, unknown_is_final=True)["statuses"] == {"unknown": 1}
    with pytest.raises(AirflowSensorTimeout):
        waited(KetchUpHlrFinishedSensor, hlr_ids=look_up.id, deferrable=False, timeout=0.05)


@WAYS
def test_an_export(telecom_simulator: Any, hook: Any, deferrable: bool) -> None:
    message_id = hook.send_sms(A, "Hi", reference="t1").id
    key = hook.create_statistics_export(message_ids=[message_id])
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/file", body='{"error": 91}')
    found = waited(KetchUpStatFileReadySensor, file_key=key, deferrable=deferrable)
    assert found == {"file_key": key, "empty": False}
    hook.delete_statistics_export(key)
    with pytest.raises(TelecomNotFoundError):
        waited(KetchUpStatFileReadySensor, file_key=key, deferrable=deferrable)


@WAYS
@pytest.mark.parametrize(
    ("sensor", "arguments"),
    [
        (KetchUpSmsDeliveredSensor, {"message_id": "17"}),
        (KetchUpSmsTaskFinishedSensor, {"sms_task_ids": "17"}),
        (KetchUpViberDeliveredSensor, {"reference": "t1"}),
        (KetchUpHlrFinishedSensor, {"hlr_ids": 17}),
        (KetchUpStatFileReadySensor, {"file_key": "abc"}),
    ],
)
def test_what_is_not_known_yet_is_borne_for_a_while(
    telecom_simulator: Any, hook: Any, sensor: Any, arguments: Any, deferrable: bool
) -> None:
    with pytest.raises(TelecomNotFoundError):
        waited(sensor, **arguments, deferrable=deferrable, tolerated_errors=2)
    assert len(telecom_simulator.state.requests) == 3


@pytest.mark.parametrize(
    ("sensor", "field", "arguments"),
    [
        (KetchUpSmsDeliveredSensor, "message_id", {}),
        (KetchUpSmsDeliveredSensor, "message_id", {"message_id": "1", "reference": "{{ params.a }}"}),
        (KetchUpViberDeliveredSensor, "message_id", {}),
        (KetchUpViberDeliveredSensor, "until", {"message_id": "1", "until": "seen"}),
        (KetchUpHlrFinishedSensor, "hlr_ids", {"hlr_ids": ["1"], "references": ["a"]}),
        (KetchUpHlrFinishedSensor, "hlr_ids", {}),
        (KetchUpHlrFinishedSensor, "unknown_is_final", {"hlr_ids": "1", "unknown_is_final": "yes"}),
        (KetchUpSmsTaskFinishedSensor, "sms_task_ids", {"sms_task_ids": "['1'"}),
        (KetchUpSmsTaskFinishedSensor, "expected", {"sms_task_ids": "1", "expected": "many"}),
        (
            KetchUpSmsTaskFinishedSensor,
            "min_delivered_percent",
            {"sms_task_ids": "1", "min_delivered_percent": 101},
        ),
        (
            KetchUpSmsTaskFinishedSensor,
            "min_final_percent",
            {"sms_task_ids": "1", "min_final_percent": "all"},
        ),
        (KetchUpStatFileReadySensor, "file_key", {"file_key": "a/b"}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(sensor: Any, field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        sensor(task_id="wait", **arguments)
    assert caught.value.field == field


@WAYS
@pytest.mark.parametrize(
    ("sensor", "field", "arguments"),
    [
        (KetchUpSmsDeliveredSensor, "message_id", {"message_id": "{{ 'None' }}"}),
        (KetchUpSmsTaskFinishedSensor, "sms_task_ids", {"sms_task_ids": "{{ '' }}"}),
        (KetchUpSmsTaskFinishedSensor, "task_id", {"sms_task_ids": "{{ 'None' }}"}),
        (KetchUpStatFileReadySensor, "file_key", {"file_key": "{{ '' }}"}),
    ],
)
def test_what_is_refused_before_anything_is_asked(
    telecom_simulator: Any, hook: Any, sensor: Any, field: str, arguments: Any, deferrable: bool
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        waited(sensor, **arguments, deferrable=deferrable, tolerated_errors=5)
    assert caught.value.field == field
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize(
    ("sensor", "field"),
    [
        (KetchUpSmsDeliveredSensor, "message_id"),
        (KetchUpSmsTaskFinishedSensor, "sms_task_ids"),
        (KetchUpViberDeliveredSensor, "reference"),
        (KetchUpHlrFinishedSensor, "hlr_ids"),
        (KetchUpStatFileReadySensor, "file_key"),
    ],
)
def test_all_may_start_in_the_triggerer(sensor: Any, field: str) -> None:
    with DAG("dag", schedule=None):
        made = BaseOperator(task_id="send")
        given = sensor(task_id="wait", **{field: made.output}, start_from_trigger=True)
    assert given.start_from_trigger
    assert field in given.template_fields
    assert "map_indexes=-1" in given.start_trigger_args.trigger_kwargs[field]
    assert given.upstream_task_ids == {"send"}


def test_starting_in_the_triggerer(hook: Any) -> None:
    from airflow_provider_telecom.triggers.poll import TelecomPollTrigger

    task_id = hook.send_sms_to_many([Recipient(A, "t1")], "Hi").task_id
    sensor = KetchUpSmsTaskFinishedSensor(
        task_id="wait", sms_task_ids=f"['{task_id}']", expected=1, start_from_trigger=True, poke_interval=0.01
    )
    event = asyncio.run(first_event(TelecomPollTrigger(**sensor.start_trigger_args.trigger_kwargs)))
    assert sensor.execute_complete({}, event)["delivered"] == 1
