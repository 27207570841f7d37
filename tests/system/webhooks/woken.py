"""An operation whose end only a webhook reports, and Dags that start on such webhooks."""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from airflow_provider_telecom.assets import event_payloads
from airflow_provider_telecom.assets.novaconnect import NOVACONNECT_PACKAGE_EMPTY, NOVACONNECT_QUEUE
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpHlrLookupOperator
from airflow_provider_telecom.operators.novaconnect import NovaConnectPingSimsOperator
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpHlrFinishedSensor
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor

NEVER = 3_600.0
"""Seconds between polls: a sensor that ends sooner was woken by a webhook."""


@dag(schedule=None)
def woken() -> None:
    ping = NovaConnectPingSimsOperator(task_id="ping", sim_ids=[1001, 1002])
    pulled = "{{ ti.xcom_pull(task_ids='ping', map_indexes=-1)['%s'] }}"
    ping >> NovaConnectQueueDoneSensor(
        task_id="pinged",
        operation="ping",
        sim_ids=[1001, 1002],
        queue_id=pulled % "queue_id",
        callback_key=pulled % "callback_key",
        deferrable=True,
        poke_interval=NEVER,
    )
    look_up = KetchUpHlrLookupOperator(task_id="look_up", msisdns=["380670000200"])
    look_up >> KetchUpHlrFinishedSensor(
        task_id="looked_up",
        hlr_ids="{{ ti.xcom_pull(task_ids='look_up', map_indexes=-1)['hlr_ids'] }}",
        deferrable=True,
        poke_interval=NEVER,
    )


@dag(schedule=[NOVACONNECT_QUEUE])
def on_queue_done() -> None:
    @task
    def show() -> list[dict[str, object]]:
        events = get_current_context()["triggering_asset_events"]
        return [one for some in events.values() for event in some for one in event_payloads(event)]

    show()


@dag(schedule=[NOVACONNECT_PACKAGE_EMPTY])
def on_package_empty() -> None:
    @task
    def show() -> list[dict[str, object]]:
        events = get_current_context()["triggering_asset_events"]
        return [one for some in events.values() for event in some for one in event_payloads(event)]

    show()


woken()
on_queue_done()
on_package_empty()
