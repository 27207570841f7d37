"""The sensor of NovaConnect's queues, which reads the list of SIMs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run, again

PACKAGE = {"package_kb": 20480, "auto_package": True}
both_ways = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture
def hook(hook_for: Callable[..., Any], telecom_simulator: Any) -> Any:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    return hook_for("novaconnect")


def wait(operation: str = "block", **arguments: Any) -> NovaConnectQueueDoneSensor:
    settings = {"task_id": "wait", "operation": operation, "sim_ids": [1001, 1002], "poke_interval": 0.01}
    return NovaConnectQueueDoneSensor(**{**settings, **arguments})


@both_ways
def test_it_ends_when_all_sims_are_so(hook: Any, telecom_simulator: Any, deferrable: bool) -> None:
    queue_id = hook.block_sims([1001, 1002]).queue_id
    found = Run().execute(wait(queue_id=queue_id, deferrable=deferrable))
    assert found == {"operation": "block", "queue_id": queue_id, "reached": 2}
    assert sum(seen.path.endswith("sim/list") for seen in telecom_simulator.state.requests) == 2


@both_ways
@pytest.mark.parametrize(
    ("start", "sensor"),
    [
        (lambda hook: hook.unblock_sims([1004]), {"operation": "unblock", "sim_ids": [1004]}),
        (
            lambda hook: hook.set_limit([1041], 5),
            {"operation": "limit", "sim_ids": [1041], "desired_state": {"limit_mb": 5}},
        ),
        (
            lambda hook: hook.set_tariff([1001], **PACKAGE),
            {"operation": "tariff", "sim_ids": [1001], "desired_state": PACKAGE},
        ),
        (
            lambda hook: hook.set_groups([1001], new_group_names=["New"]),
            {"operation": "group", "sim_ids": "[1001]", "desired_state": {"new_group_names": ["New"]}},
        ),
    ],
    ids=["unblock", "limit", "tariff", "group"],
)
def test_each_operation_that_shows(hook: Any, start: Any, sensor: dict[str, Any], deferrable: bool) -> None:
    start(hook)
    assert Run().execute(wait(**sensor, deferrable=deferrable))["reached"] == 1


@both_ways
def test_a_sim_that_will_never_be_so_is_named(hook: Any, telecom_simulator: Any, deferrable: bool) -> None:
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    del vendor_state.sims[1002]
    vendor_state.sims[1001].block = "u"
    with pytest.raises(TelecomFailedError, match=r"reached: 1, missed: \{'1002': 'it is not in the list"):
        Run().execute(wait(deferrable=deferrable))


def test_a_sim_that_was_so_once_counts(hook: Any, telecom_simulator: Any) -> None:
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    vendor_state.sims[1001].block = "u"
    sensor = wait()
    assert not sensor.poke({})
    vendor_state.sims[1001].block, vendor_state.sims[1002].block = "n", "u"
    found = sensor.poke({})
    assert found.is_done
    assert found.xcom_value["reached"] == 2


@pytest.mark.parametrize("operation", ["disconnect", "reconnect", "ping", "sms", "repackage"])
def test_an_unobservable_operation_is_refused_when_the_dag_is_parsed(operation: str) -> None:
    with pytest.raises(TelecomInputError, match=f"the end of {operation} does not show in the list of SIMs"):
        wait(operation)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"sim_ids": []}, "sim_ids"),
        ({"operation": "dance"}, "operation"),
        ({"operation": "limit"}, "limit_mb"),
        ({"operation": "tariff"}, "desired_state"),
        ({"operation": "tariff", "desired_state": {**PACKAGE, "package_kb": 1}}, "package_kb"),
        ({"operation": "block", "desired_state": {"limit_mb": 5}}, "desired_state"),
        ({"operation": "group", "desired_state": {}}, "group_ids"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        wait(**arguments)
    assert caught.value.field == field


def test_a_bad_target_from_a_template_ends_it(hook: Any) -> None:
    sensor = wait("tariff", desired_state={**PACKAGE, "package_kb": "{{ params.size }}"})
    with pytest.raises(TelecomInputError, match="package_kb"):
        Run().execute(sensor, params={"size": 7})


def test_it_may_start_from_the_trigger_with_an_operators_xcom() -> None:
    with DAG("dag", schedule=None) as dag:
        before = BaseOperator(task_id="block", multiple_outputs=True)
        sensor = wait(
            sim_ids=before.output["changed"],
            queue_id="{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['queue_id'] }}",
            start_from_trigger=True,
        )
    assert sensor.start_from_trigger
    kwargs = sensor.start_trigger_args.trigger_kwargs
    assert kwargs["operation"] == "block"
    assert "map_indexes=-1" in kwargs["sim_ids"]
    assert "queue_id" in kwargs["queue_id"]
    read = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).get_task("wait")
    assert read.start_from_trigger
    assert BaseSerialization.deserialize(read.start_trigger_args.trigger_kwargs) == kwargs


@both_ways
def test_after_an_operator_that_changed_nothing_there_is_nothing_to_wait_for(
    hook: Any, deferrable: bool
) -> None:
    template = "{{ ti.xcom_pull(task_ids='block', map_indexes=-1)['changed'] }}"
    run = Run(block={"changed": []})
    assert run.execute(wait(sim_ids=template, deferrable=deferrable))["reached"] == 0
    hook.block_sims([1001])
    run = Run(block={"changed": [1001]})
    assert run.execute(wait(sim_ids=template, deferrable=deferrable))["reached"] == 1


def test_its_arguments_survive_the_database() -> None:
    sensor = wait("tariff", desired_state=PACKAGE, queue_id="q-1", start_from_trigger=True)
    trigger = again(TelecomPollTrigger(**sensor.start_trigger_args.trigger_kwargs))
    assert (trigger.operation, trigger.sim_ids, trigger.queue_id) == ("tariff", [1001, 1002], "q-1")
    assert trigger.desired_state == PACKAGE
