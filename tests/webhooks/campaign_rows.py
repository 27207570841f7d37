"""Writes campaigns into Airflow's database, as their tasks would leave them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
AUDIENCE, SMS = "PrepareAudienceOperator", "KetchUpSendBulkSmsOperator"
FALLBACK = "SelectFallbackOperator"
VIBER, RECEIPTS = "KetchUpSendViberOperator", "KetchUpCollectReceiptsOperator"


@dataclass
class Row:
    """A task instance, what it has returned, and its journal."""

    task_id: str
    operator: str
    state: str | None = "success"
    returned: Any = None
    entries: Mapping[str, Any] = field(default_factory=dict)
    map_index: int = -1
    weight: int = 1
    minutes: float = 0
    """When it was started, after the run."""
    reason: str | None = None


def checkpoint(**facts: Any) -> dict[str, Any]:
    """Return a journal's entry of a long send."""
    return {
        "telecom.bulk": {"state": "intent", "body": "0" * 64, "facts": {"ahead": 0, **facts}, "order": {}}
    }


def budget_entry(name: str, amount: str, *, is_settled: bool = False, **facts: Any) -> dict[str, Any]:
    """Return a journal's entry of a reservation."""
    at = int(START.timestamp())
    record = {"id": "aabbccddeeff", "at": at, "amount": amount, "purpose": "p", "is_confirmed": True}
    terms = {"currency": "EUR", "timezone": "UTC", "per_task": None, "per_day": "100", **facts}
    stored = {"try": 1, "records": [record], "doubt": {"p": "0"} if is_settled else {}, **terms}
    return {"telecom.budget.0123": {"state": "intent", "body": name, "facts": stored, "order": {}}}


def ladder(group: str = "spring", recipients: int = 100) -> list[Row]:
    """Return the tasks of a ladder that has reached its second rung, which is sending."""
    delivered_at = {"start": f"{START:%Y-%m-%dT%H:%M:00Z}", "seconds": 60, "counts": [5, 30, 20, 5]}
    delays = {"bounds": [1, 5, 60], "counts": [10, 40, 10, 0]}
    states = {"delivered": 50, "read": 10, "undelivered": 25, "expired": 5, "silent": 8, "unknown": 2}
    viber = {"recipients": recipients, "accepted": 98, "refused": {}, "unknown": 2, "price": "9.80"}
    receipts = {**states, "refused": 0, "accepted": 0, "price": "9.8", "currency": "EUR", "delay_p50": 3.2}
    return [
        Row("audience", AUDIENCE, returned={"recipients": recipients, "rows": 130}, weight=9),
        Row(f"{group}.viber.send", VIBER, returned={**viber, "currency": "EUR"}, weight=8, minutes=1),
        Row(
            f"{group}.viber.receipts",
            RECEIPTS,
            returned={**receipts, "delay_p95": 44.0, "delivered_at": delivered_at, "delays": delays},
            weight=7,
            minutes=2,
        ),
        Row(
            f"{group}.sms.audience",
            "SelectFallbackOperator",
            returned={"recipients": 30},
            weight=6,
            minutes=20,
        ),
        Row(
            f"{group}.sms.send",
            SMS,
            "running",
            entries={
                **checkpoint(rows=12, accepted=12, price="0.84", currency="EUR"),
                **budget_entry("m", "2.1"),
            },
            weight=5,
            minutes=21,
        ),
        Row(f"{group}.sms.receipts", RECEIPTS, None, weight=4),
        Row(f"{group}.report", "LadderReportOperator", None, weight=3),
        Row("other", "PythonOperator", returned={"accepted": 1_000_000}),
    ]


def write_campaigns(runs: Iterable[tuple[str, str, str, Sequence[Row]]]) -> None:
    """Write runs: the Dag's id, the run's id, its state and its tasks."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import insert, select

    found = list(runs)
    tasks, returned, entries = [], [], []
    with create_session(scoped=False) as session:
        if session.get(DagBundleModel, "tests") is None:
            session.execute(insert(DagBundleModel).values(name="tests", active=True))
        known = set(session.scalars(select(DagModel.dag_id)))
        session.add_all(
            DagModel(dag_id=dag_id, bundle_name="tests", is_stale=False, is_paused=False)
            for dag_id in dict.fromkeys(run[0] for run in found)
            if dag_id not in known
        )
        session.flush()
        session.execute(
            insert(DagRun),
            [
                {
                    "dag_id": dag_id,
                    "run_id": run_id,
                    "_state": state,
                    "run_type": "manual",
                    "run_after": START,
                    "start_date": START,
                    "end_date": START + timedelta(hours=1) if state in ("success", "failed") else None,
                    "clear_number": 0,
                }
                for dag_id, run_id, state, _ in found
            ],
        )
        pairs = session.execute(select(DagRun.dag_id, DagRun.run_id, DagRun.id))
        ids = {(dag_id, run_id): id_ for dag_id, run_id, id_ in pairs}
        for dag_id, run_id, _, rows in found:
            for row in rows:
                place = {
                    "dag_id": dag_id,
                    "run_id": run_id,
                    "task_id": row.task_id,
                    "map_index": row.map_index,
                }
                started = None if row.state is None else START + timedelta(minutes=row.minutes)
                is_over = row.state in ("success", "failed", "up_for_retry")
                tasks.append({
                    "id": uuid.uuid4(),
                    **place,
                    "operator": row.operator,
                    "state": row.state,
                    "start_date": started,
                    "end_date": started + timedelta(minutes=1) if started and is_over else None,
                    "pool": "default_pool",
                    "pool_slots": 1,
                    "priority_weight": row.weight,
                    "try_number": 1,
                    "max_tries": 0,
                    "retry_reason": row.reason,
                    "span_status": "not_started",
                })
                run = {**place, "dag_run_id": ids[dag_id, run_id]}
                if row.returned is not None:
                    xcom = {"key": "return_value", "value": row.returned, "timestamp": START}
                    returned.append({**run, **xcom})
                entries += [
                    {**run, "key": key, "value": json.dumps(value), "updated_at": START}
                    for key, value in row.entries.items()
                ]
        for model, values in ((TaskInstance, tasks), (XComModel, returned), (TaskStateStoreModel, entries)):
            if values:
                session.execute(insert(model), values)


def forget_campaigns() -> None:
    """Remove all runs, Dags and Variables."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.variable import Variable
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session(scoped=False) as session:
        for model in (XComModel, TaskStateStoreModel, TaskInstance, DagRun, DagModel, Variable):
            session.execute(delete(model))
