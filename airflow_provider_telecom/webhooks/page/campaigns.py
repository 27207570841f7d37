"""Collects the campaigns for the page: Dag runs with tasks that write to many people. Writes nothing.

Everything is in Airflow's own tables: task instances, what tasks returned (XComs), the send journal in the
task state store, and the Variables of budgets. None of these holds a number, a text or a token.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.variable import Variable
from airflow.models.xcom import XCOM_RETURN_KEY, XComModel
from airflow.utils.session import create_session
from sqlalchemy import Text, and_, case, cast, func, select
from sqlalchemy.orm import Session

from airflow_provider_telecom.vendors.registry import vendors
from airflow_provider_telecom.webhooks.page.budgets import BudgetUse, day_totals, read_budget
from airflow_provider_telecom.webhooks.page.steps import Step, Task, histograms, reports, steps_of, totals_of

SHOWN = 1_000
"""How many campaigns there are on the page, the newest of all."""
_DAYS = 90
"""A Dag whose newest run is older has no campaigns here."""
_DAGS_SECONDS = 30.0
"""How long it may take until a Dag's first campaign is there."""
_MAX_CHARACTERS = 1 << 20
"""A longer XCom or state is not read: it holds lists of ids, not counts alone."""
_OF_NO_VENDOR = {
    "PrepareAudienceOperator": "audience",
    "SelectFallbackOperator": "audience",
    "LadderReportOperator": "report",
}
_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Campaign:
    """A run of a Dag, and what its tasks have done."""

    id: int
    dag_id: str
    run_id: str
    state: str
    started: datetime | None
    ended: datetime | None
    tasks: Sequence[Task]
    budgets: Sequence[BudgetUse]

    def row(self, steps: Sequence[Step]) -> dict[str, Any]:
        """Return the line of the table."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "state": self.state,
            "started": _text(self.started),
            "ended": _text(self.ended),
            **totals_of(steps),
            "budgets": [budget.facts for budget in self.budgets],
        }


@dataclass(frozen=True)
class Snapshot:
    """The newest campaigns at one moment: for each the Dag's id and its line as JSON, the newest first."""

    rows: Sequence[tuple[str, str]] = ()
    teams: Mapping[str | None, Collection[str]] = field(default_factory=dict)
    """The ids of their Dags by team; there is one team, None, unless Airflow has several."""


class Campaigns:
    """Reads the newest campaigns. One that has ended is read once, as long as nobody clears its tasks."""

    def __init__(self) -> None:
        self._dags: set[str] = set()
        self._dags_until = 0.0
        self._ended: dict[int, tuple[tuple[object, ...], str]] = {}

    def read(self) -> Snapshot:
        """Return the newest campaigns."""
        with create_session(scoped=False) as session:
            if time.monotonic() >= self._dags_until:
                self._dags |= _dags_with_campaigns(session)
                self._dags_until = time.monotonic() + _DAGS_SECONDS
            if not self._dags:
                return Snapshot()
            runs = _runs(session, DagRun.dag_id.in_(self._dags))
            stamps = {run.id: (run.state, run.updated_at, run.clear_number) for run in runs}
            kept = {
                id_: self._ended[id_]
                for id_, stamp in stamps.items()
                if id_ in self._ended and self._ended[id_][0] == stamp
            }
            texts = {id_: text for id_, (_, text) in kept.items()}
            for campaign in _campaigns(session, [run for run in runs if run.id not in kept]):
                # ASCII, since a name may contain lone surrogates, which UTF-8 does not have.
                texts[campaign.id] = json.dumps(campaign.row(steps_of(campaign.tasks)))
                if campaign.state in _ENDED:
                    kept[campaign.id] = (stamps[campaign.id], texts[campaign.id])
            self._ended = kept
            teams = _teams(session, {run.dag_id for run in runs if run.id in texts})
        return Snapshot([(run.dag_id, texts[run.id]) for run in runs if run.id in texts], teams)


def details(dag_id: str, run_id: str) -> dict[str, Any] | None:
    """Return all of one campaign: its line, its steps, plots, budgets and errors. None if there is none."""
    with create_session(scoped=False) as session:
        runs = _runs(session, and_(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        found = list(_campaigns(session, runs))
        if not found:
            return None
        (campaign,) = found
        days = day_totals(_keys(session), campaign.budgets)
    steps = steps_of(campaign.tasks)
    return {
        "now": datetime.now(UTC).isoformat(),
        "campaign": campaign.row(steps),
        "steps": [step.facts for step in steps],
        **histograms(campaign.tasks),
        "reports": reports(campaign.tasks),
        "budgets": days,
        "errors": [fault for task in campaign.tasks for fault in task.faults],
    }


def campaign_operators() -> dict[str, str]:
    """Return what the operators of campaigns do, by the names of their classes."""
    found = dict(_OF_NO_VENDOR)
    for vendor in vendors():
        found.update(vendor.campaign_tasks)
    return found


def _dags_with_campaigns(session: Session) -> set[str]:
    """Return the ids of Dags whose newest run has a task of a campaign."""
    since = datetime.now(UTC) - timedelta(days=_DAYS)
    newest = select(func.max(DagRun.id)).where(DagRun.run_after > since).group_by(DagRun.dag_id)
    query = (
        select(DagRun.dag_id)
        .distinct()
        .join(TaskInstance, _IS_TASK_OF_RUN)
        .where(DagRun.id.in_(newest), TaskInstance.operator.in_(campaign_operators()))
    )
    return set(session.scalars(query))


_IS_TASK_OF_RUN = and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id)


def _runs(session: Session, condition: Any) -> Sequence[Any]:
    query = (
        select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.state,
            DagRun.start_date,
            DagRun.end_date,
            DagRun.updated_at,
            DagRun.clear_number,
        )
        .where(condition)
        .order_by(DagRun.id.desc())
        .limit(SHOWN)
    )
    return session.execute(query).all()


def _campaigns(session: Session, runs: Sequence[Any]) -> Iterable[Campaign]:
    """Yield those of the runs that have a task of a campaign."""
    ids = [run.id for run in runs]
    entries = _entries(session, ids)
    tasks = defaultdict[int, list[Task]](list)
    for run_id, task in _tasks(session, ids, entries):
        tasks[run_id].append(task)
    for run in runs:
        if run.id in tasks:
            budgets = [
                found
                for task in tasks[run.id]
                for key, stored in task.entries.items()
                if (found := read_budget(key, stored))
            ]
            yield Campaign(
                run.id,
                run.dag_id,
                run.run_id,
                str(run.state),
                run.start_date,
                run.end_date,
                tasks[run.id],
                BudgetUse.joined(budgets),
            )


_Place = tuple[int, str, int]
"""A run, a task and its place in a mapped list."""


def _tasks(
    session: Session, ids: Sequence[int], entries: Mapping[_Place, Mapping[str, Any]]
) -> Iterable[tuple[int, Task]]:
    kinds = campaign_operators()
    value = cast(XComModel.value, Text)
    query = (
        select(
            DagRun.id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.operator,
            TaskInstance.state,
            TaskInstance.start_date,
            TaskInstance.end_date,
            TaskInstance.try_number,
            TaskInstance.priority_weight,
            TaskInstance.retry_reason,
            case((func.length(value) <= _MAX_CHARACTERS, value)),
        )
        .join(TaskInstance, _IS_TASK_OF_RUN)
        .outerjoin(
            XComModel,
            and_(
                XComModel.dag_run_id == DagRun.id,
                XComModel.task_id == TaskInstance.task_id,
                XComModel.map_index == TaskInstance.map_index,
                XComModel.key == XCOM_RETURN_KEY,
            ),
        )
        .where(DagRun.id.in_(ids), TaskInstance.operator.in_(kinds))
    )
    for (
        run_id,
        task_id,
        map_index,
        operator,
        state,
        start,
        end,
        number,
        weight,
        reason,
        text,
    ) in session.execute(query):
        yield (
            run_id,
            Task(
                task_id=task_id,
                map_index=map_index,
                operator=str(operator),
                kind=kinds[str(operator)],
                state=None if state is None else str(state),
                started=_text(start),
                ended=_text(end),
                try_number=number or 0,
                weight=weight or 0,
                reason=reason,
                returned=_mapping(text),
                entries=entries.get((run_id, task_id, map_index), {}),
            ),
        )


def _entries(session: Session, ids: Sequence[int]) -> Mapping[_Place, Mapping[str, Any]]:
    """Return what the journals of the campaigns' tasks hold, by key."""
    model = TaskStateStoreModel
    is_task = and_(
        TaskInstance.dag_id == model.dag_id,
        TaskInstance.run_id == model.run_id,
        TaskInstance.task_id == model.task_id,
        TaskInstance.map_index == model.map_index,
    )
    query = (
        select(model.dag_run_id, model.task_id, model.map_index, model.key, model.value)
        .join(TaskInstance, is_task)
        .where(
            model.dag_run_id.in_(ids),
            TaskInstance.operator.in_(campaign_operators()),
            model.key.startswith("telecom."),
            func.length(model.value) <= _MAX_CHARACTERS,
        )
    )
    found = defaultdict[_Place, dict[str, Any]](dict)
    for run_id, task_id, map_index, key, value in session.execute(query):
        found[run_id, task_id, map_index][key.removeprefix("telecom.")] = _mapping(value)
    return found


def _keys(session: Session) -> Any:
    """Return a function that lists the Variables whose keys begin with a text."""

    def keys(head: str) -> Iterable[str]:
        query = select(Variable.key).where(Variable.key.startswith(head, autoescape=True))
        return (key for key in session.scalars(query) if key.startswith(head))

    return keys


def _teams(session: Session, dag_ids: Collection[str]) -> Mapping[str | None, Collection[str]]:
    names = DagModel.get_dag_id_to_team_name_mapping(sorted(dag_ids), session=session)
    teams = defaultdict[str | None, set[str]](set)
    for dag_id in dag_ids:
        teams[names.get(dag_id)].add(dag_id)
    return teams


def _mapping(text: str | None) -> Mapping[str, Any]:
    """Return the JSON object of a text; an empty one if it is something else."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
