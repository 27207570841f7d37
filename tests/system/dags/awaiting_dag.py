"""One task that waits in the triggerer for calls of all five vendors."""

from __future__ import annotations

from airflow.sdk import dag

from tests.system.awaiting import AwaitOperator


@dag(schedule=None)
def awaiting() -> None:
    """Await five vendors."""
    AwaitOperator(task_id="wait")


awaiting()
