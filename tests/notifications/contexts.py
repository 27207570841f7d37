"""Contexts as Airflow gives them to callbacks, in each of the three places, and what was sent."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, BaseOperator

BASE_URL = "https://airflow.example"
RUN_ID = "manual__2026-11-21T08:00:00+00:00"
NUMBER, OTHER = "+380 67 000 02 00", "+380670000201"


def a_dag(**arguments: Any) -> DAG:
    with DAG("nightly", schedule=None, **arguments) as dag:
        BaseOperator(task_id="load")
    return dag


def in_worker(run_id: str = RUN_ID, state: str = "failed", **facts: Any) -> dict[str, Any]:
    """Return what a callback of a task gets in a worker."""
    dag = facts.pop("dag", None) or a_dag()
    about = {"dag_id": "nightly", "task_id": "load", "map_index": -1, "try_number": 1, "max_tries": 0}
    ti = SimpleNamespace(**{**about, "run_id": run_id, "state": state, **facts})
    return {"ti": ti, "task_instance": ti, "dag": dag, "run_id": run_id, "exception": ValueError("boom")}


def approval(subject: str = "Send the campaign?", **facts: Any) -> dict[str, Any]:
    """Return what a human-in-the-loop operator gives to its notifiers in a worker, just before it waits."""
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    with DAG("nightly", schedule=None) as dag:
        load = ApprovalOperator(task_id="load", subject=subject)
    load.hitl_summary_extra["timeout_datetime"] = None
    return {**in_worker(**{"state": "running", "dag": dag, **facts}), "task": load}


def of_deadline(run_id: str = RUN_ID, deadline_id: str = "d1") -> dict[str, Any]:
    """Return what a callback of a deadline gets: JSON."""
    return {
        "dag_run": {"dag_run_id": run_id, "dag_id": "nightly", "conf": {}},
        "deadline": {"id": deadline_id, "deadline_time": "2026-11-21T09:00:00Z"},
    }


def datamodel_ti(**facts: Any) -> Any:
    """Return the task instance that a request to the dag-processor carries."""
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import TaskInstance

    about = {
        "id": uuid.uuid4(),
        "task_id": "load",
        "dag_id": "nightly",
        "run_id": RUN_ID,
        "try_number": 1,
        "map_index": -1,
        "dag_version_id": uuid.uuid4(),
        "queue": "default",
    }
    return TaskInstance(**{**about, **facts})


def datamodel_run() -> Any:
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun

    now = datetime(2026, 11, 21, 8, tzinfo=UTC)
    return DagRun(
        dag_id="nightly",
        run_id=RUN_ID,
        logical_date=now,
        data_interval_start=now,
        data_interval_end=now,
        run_after=now,
        start_date=now,
        end_date=None,
        clear_number=0,
        run_type="manual",
        state="failed",
        conf={},
        consumed_asset_events=[],
        partition_key=None,
    )


def sent(simulator: Any, vendor: str, kind: str = "sms") -> list[dict[str, Any]]:
    return [effect.facts for effect in simulator.state.ledger.of(vendor, kind)]
