"""Sensors that only a webhook can end. They start from the triggerer, which copies the Dag for each."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor

SENSORS = 25


@dag(schedule=None, max_active_runs=100)
def many_woken() -> None:
    for number in range(SENSORS):
        NovaConnectQueueDoneSensor(
            task_id=f"wait_{number}",
            operation="sms",
            sim_ids=[1001],
            callback_key=f"{{{{ run_id }}}}-{number}",
            start_from_trigger=True,
            poke_interval=3_600.0,
        )


many_woken()
