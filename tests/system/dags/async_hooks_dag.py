"""A task that calls all five vendors from the triggerer."""

from __future__ import annotations

from airflow.sdk import dag

from tests.system.async_hooks import AllHooksOperator


@dag(schedule=None)
def async_hooks() -> None:
    """Call five vendors from the triggerer."""
    AllHooksOperator(task_id="wait")


async_hooks()
