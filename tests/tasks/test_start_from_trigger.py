"""Starting from the trigger: what the triggerer can render goes there, all else goes by a worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, TaskGroup, task, task_group
from airflow.sdk.definitions.param import DagParam
from airflow.sdk.definitions.xcom_arg import XComArg
from airflow.sdk.exceptions import TaskDeferred
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.sensors.ketchup_loyalty import (
    KetchUpSmsDeliveredSensor,
    KetchUpSmsTaskFinishedSensor,
)
from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarSmsDeliveredSensor
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.tasks.start_from_trigger import triggerer_value
from airflow_provider_telecom.triggers.poll import PATH, TelecomPollTrigger
from airflow_provider_telecom.triggers.polling import facts_from_event
from tests.running import Run
from tests.triggers.scripted import events, from_row


@pytest.fixture
def dag() -> Any:
    with DAG("dag", schedule=None) as dag:
        yield dag


def send(task_id: str = "send", **arguments: Any) -> BaseOperator:
    return BaseOperator(task_id=task_id, **arguments)


def wait(message_id: Any, **arguments: Any) -> KetchUpSmsDeliveredSensor:
    settings = {"task_id": "wait", "start_from_trigger": True, "poke_interval": 0.01}
    return KetchUpSmsDeliveredSensor(message_id=message_id, **{**settings, **arguments})


def in_the_triggerer(
    dag: DAG, task_id: str = "wait", xcoms: Any = None, **context: Any
) -> TelecomPollTrigger:
    """Return the trigger as the triggerer has it: from the stored Dag, and rendered."""
    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    task = stored.get_task(task_id)
    assert task.start_from_trigger
    trigger = from_row(task.start_trigger_args)
    trigger.task_instance = SimpleNamespace(task_id=task_id, task=task)  # type: ignore[assignment]
    ti = SimpleNamespace(xcom_pull=lambda **asked: pulled(xcoms or {}, **asked), task_id=task_id)
    trigger.render_template_fields({"ti": ti, "params": {}, "run_id": "run", **context})
    return trigger


def pulled(
    xcoms: Any, *, task_ids: str, map_indexes: int, key: str = "return_value", default: Any = None
) -> Any:
    """Answer as the triggerer does, which has nothing for more than one `map_indexes`."""
    found = xcoms.get((task_ids, key))
    return default if found is None or map_indexes != -1 else found


# What is startable.

ID = "22125"
TABLE: dict[str, Callable[[BaseOperator], Any]] = {
    "nothing": lambda send: None,
    "a text": lambda send: ID,
    "a number": lambda send: 22125,
    "a list": lambda send: [ID, 7],
    "a template in a list": lambda send: ["{{ params.id }}", ID],
    "params": lambda send: "{{ params.id }}",
    "two templates": lambda send: "{{ params.id }}-{{ run_id }}",
    "the run's own": lambda send: "{{ dag_run.conf['id'] }}",
    "a variable": lambda send: "{{ var.value.get('id', 'none') }}",
    "a connection": lambda send: "{{ conn.my_id.host }}",
    "a date": lambda send: "{{ logical_date.strftime('%Y-%m-%d') }}",
    "one XCom": lambda send: "{{ ti.xcom_pull(task_ids='send', map_indexes=-1) }}",
    "one XCom of a key": lambda send: "{{ ti.xcom_pull('send', key='id', map_indexes=-1) }}",
    "one XCom's part": lambda send: "{{ ti.xcom_pull(task_ids='send', map_indexes=3)['message_id'] }}",
}
BY_A_WORKER: dict[str, Callable[[BaseOperator], Any]] = {
    "an XCom as a text": lambda send: str(send.output),
    "an XCom without map_indexes": lambda send: "{{ ti.xcom_pull(task_ids='send') }}",
    "an XCom of no one index": lambda send: "{{ ti.xcom_pull(task_ids='send', map_indexes=None) }}",
    "an XCom of many": lambda send: "{{ ti.xcom_pull(task_ids=['a', 'b'], map_indexes=-1) }}",
    "a good one and a bad one": lambda send: "{{ params.id }}{{ task_instance.xcom_pull('send') }}",
    "a bad one in a list": lambda send: ["{{ ti.xcom_pull('send') }}"],
    "a bad one in a mapping": lambda send: {"id": "{{ ti.xcom_pull('send') }}"},
    "a mapped XCom": lambda send: send.output.map(str),
    "a zipped XCom": lambda send: send.output.zip(send.output),
    "joined XComs": lambda send: send.output.concat(send.output),
    "an XCom in a list": lambda send: [send.output],
    "a statement": lambda send: "{% set x = ti.xcom_pull('send') %}{{ x }}",
    "a comment": lambda send: "{# no #}{{ params.id }}",
    "other runs": lambda send: "{{ prev_start_date_success }}",
    "a macro that asks": lambda send: "{{ macros.mine(ti) }}",
    "events": lambda send: "{{ triggering_asset_events }}",
    "a function": lambda send: lambda context, env: ID,
    "a parameter of the Dag": lambda send: DagParam(send.dag, "id", ID),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_the_triggerer_can_render_stays_as_it_is(dag: DAG, name: str) -> None:
    value = TABLE[name](send())
    assert triggerer_value(value) is value


@pytest.mark.parametrize("name", BY_A_WORKER)
def test_what_it_cannot_render_goes_by_a_worker(dag: DAG, name: str) -> None:
    value = BY_A_WORKER[name](send())
    assert triggerer_value(value) is None
    sensor = wait(value)
    assert not sensor.start_from_trigger
    assert sensor.start_trigger_args is None
    assert sensor.deferrable


KEYS = ["return_value", "id", 'it\'s "one"']


@pytest.mark.parametrize("key", KEYS)
def test_a_raw_xcom_becomes_a_template(dag: DAG, key: str) -> None:
    output = XComArg(send())
    wait(output if key == "return_value" else output[key])
    assert in_the_triggerer(dag, xcoms={("send", key): ID}).message_id == ID  # type: ignore[attr-defined]


def test_an_xcom_that_is_not_there_is_no_id(dag: DAG, hook_for: Callable[..., Any]) -> None:
    """Rendered as "None" it would be waited for until the time-out."""
    hook_for("kyivstar_open_telecom")
    KyivstarSmsDeliveredSensor(
        task_id="wait", message_id=send().output, start_from_trigger=True, poke_interval=0.01
    )
    (event,) = asyncio.run(asyncio.wait_for(events(in_the_triggerer(dag)), 5))
    with pytest.raises(TelecomInputError, match="message_id"):
        facts_from_event(event)


def test_xcoms_of_mapped_tasks_go_by_a_worker(dag: DAG) -> None:
    mapped = BaseOperator.partial(task_id="many").expand(doc=["a", "b"])
    assert triggerer_value(mapped.output) is None

    @task_group
    def group(message_id: Any) -> None:
        inner = send("inner")
        assert triggerer_value(inner.output) is None
        assert triggerer_value(message_id) is None
        sensor = wait(message_id)
        assert not sensor.start_from_trigger

    group.expand(message_id=["1", "2"])


def test_a_group_that_is_not_mapped_does_no_harm(dag: DAG) -> None:
    with TaskGroup("group"):
        wait(send().output)
    trigger = in_the_triggerer(dag, "group.wait", {("group.send", "return_value"): ID})
    assert trigger.message_id == ID  # type: ignore[attr-defined]


def test_the_result_of_a_decorated_task(dag: DAG) -> None:
    @task
    def send() -> str:
        return ID

    wait(send())
    assert in_the_triggerer(dag, xcoms={("send", "return_value"): ID}).message_id == ID  # type: ignore[attr-defined]


# What is built.


def test_what_starts_it_says_all(dag: DAG) -> None:
    sensor = wait(send().output, timeout=77, poke_interval=5, tolerated_errors=2, conn_id="{{ params.conn }}")
    args = sensor.start_trigger_args
    assert args
    assert args.trigger_cls == PATH
    assert args.next_method == "execute_complete"
    assert args.timeout == timedelta(seconds=77)
    trigger = in_the_triggerer(dag, xcoms={("send", "return_value"): ID}, params={"conn": "other"})
    waiting = trigger._config()
    assert (waiting.poll_interval, waiting.tolerated_errors, waiting.conn_id) == (5.0, 2, "other")
    assert waiting.arguments == {"message_id": ID, "reference": None}


def test_the_timeout_crosses_the_database(dag: DAG) -> None:
    wait(ID, timeout=77)
    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    assert stored.get_task("wait").start_trigger_args.timeout == timedelta(seconds=77)


def test_a_list_crosses_the_database_and_is_rendered(dag: DAG) -> None:
    KetchUpSmsTaskFinishedSensor(
        task_id="wait",
        sms_task_ids=["{{ params.ї }}", "2"],
        expected="{{ params.n }}",
        start_from_trigger=True,
    )
    arguments = in_the_triggerer(dag, params={"ї": "1", "n": 3})._config().arguments
    assert arguments["sms_task_ids"] == ["1", "2"]
    assert arguments["expected"] == "3"
    assert arguments["min_final_percent"] == "100"


def test_what_is_upstream_stays_so(dag: DAG) -> None:
    first = send()
    assert wait(first.output).upstream_task_ids == {"send"}
    assert first.downstream_task_ids == {"wait"}


def test_nothing_stays_with_the_class(dag: DAG) -> None:
    assert wait(ID).start_from_trigger
    for kind in (TelecomSensor, KetchUpSmsDeliveredSensor):
        assert kind.start_from_trigger is False
        assert kind.start_trigger_args is None
    assert not wait(ID, task_id="other", start_from_trigger=False).start_from_trigger


def test_a_start_that_is_not_wanted_changes_nothing(dag: DAG) -> None:
    sensor = wait(ID, start_from_trigger=False, deferrable=False)
    assert not sensor.deferrable
    assert sensor.start_trigger_args is None


def test_a_mapped_sensor_goes_by_a_worker(dag: DAG) -> None:
    """Airflow would make the trigger of what the class says: that must be nothing."""
    settings = {"start_from_trigger": True, "poke_interval": 0.01}
    KetchUpSmsDeliveredSensor.partial(task_id="wait", **settings).expand(message_id=["1", "2"])
    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    assert stored.get_task("wait").start_trigger_args is None
    mapped = dag.get_task("wait")
    sensor = mapped.unmap({"message_id": "1", **settings, "task_id": "wait"})  # type: ignore[union-attr]
    with pytest.raises(TaskDeferred):
        sensor.execute({})


# The whole way.


@pytest.mark.parametrize("is_started_there", [True, False])
def test_both_ways_return_the_same(
    dag: DAG, hook_for: Callable[..., Any], telecom_simulator: Any, is_started_there: bool
) -> None:
    sent = hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    sensor = wait(send().output if is_started_there else sent.id)
    if is_started_there:
        trigger = in_the_triggerer(dag, xcoms={("send", "return_value"): sent.id})
        (event,) = asyncio.run(events(trigger))
        found = sensor.resume_execution("execute_complete", {"event": event}, {})
    else:
        found = Run().execute(sensor)
    assert found["status"] == "delivered"
    assert found["message_id"] == str(sent.id)
