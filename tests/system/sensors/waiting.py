"""Sensors that go to the triggerer at once, for SMS whose ids are in the run's conf."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarSmsDeliveredSensor

SENSORS = 10
POLL_SECONDS = 30

with DAG("waiting", schedule=None, max_active_runs=1000, max_active_tasks=1):
    for number in range(SENSORS):
        KyivstarSmsDeliveredSensor(
            task_id=f"wait_{number}",
            message_id=f"{{{{ dag_run.conf['ids'][{number}] }}}}",
            poke_interval=POLL_SECONDS,
            deferrable=True,
            start_from_trigger=True,
        )
