"""The event that an alert is about: of a task, a run or a deadline.

Airflow calls notifiers with three kinds of contexts: in a worker with everything; in the dag-processor with
less (for a run there is a `reason`, and the task, if any, is only the last one that ran); in the triggerer,
for a missed deadline, with a `dag_run` as JSON and the `deadline`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_WORDS = {"success": "succeeded", "skipped": "was skipped", "running": "started"}
_WITHOUT_ESCAPES = ":+"  # valid in a path; an escape would take three characters


@dataclass(frozen=True)
class Event:
    """An event. `kind` is a task's state, `run_<state>`, or `deadline` with the deadline's id."""

    kind: str
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    reason: str = ""

    @property
    def summary(self) -> str:
        """The default text of an alert."""
        if not self.dag_id:
            return "Airflow: a callback was called without a run"
        what = f"{self.dag_id}.{self.task_id}" if self.task_id else self.dag_id
        place = f"[{self.map_index}]" if self.map_index >= 0 else ""
        if self.kind.startswith("deadline"):
            return f"Airflow: {what} missed its deadline in run {self.run_id}"
        happened = _WORDS.get(self.kind.removeprefix("run_"), "failed")
        attempt = f" (try {self.try_number})" if self.try_number else ""
        because = f" ({self.reason})" if self.reason and happened == "failed" else ""
        return f"Airflow: {what}{place} {happened}{attempt or because} in run {self.run_id}"

    def links(self, base_url: str | None) -> list[str]:
        """Return the addresses of the task's page and of the run's page, or none if they are unknown."""
        if not (base_url and self.dag_id and self.run_id):
            return []
        run = f"{base_url.rstrip('/')}/dags/{_escaped(self.dag_id)}/runs/{_escaped(self.run_id)}"
        if not self.task_id:
            return [run]
        place = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        return [f"{run}/tasks/{_escaped(self.task_id)}{place}", run]

    def identity(self, each_try: bool) -> tuple[str, ...]:
        """Return what distinguishes the event from others of its run and task. Without a run it is unique."""
        attempt = str(self.try_number) if each_try else ""
        return (self.kind, str(self.map_index), attempt, "" if self.run_id else uuid.uuid4().hex)


def event_from_context(context: Mapping[str, Any]) -> Event:
    """Return the event of a callback's context."""
    ti = context.get("ti") or context.get("task_instance")
    run = context.get("dag_run")
    dag_id = _of(ti, "dag_id") or _of(context.get("dag"), "dag_id") or _of(run, "dag_id") or ""
    run_id = context.get("run_id") or _of(ti, "run_id") or _of(run, "run_id") or _of(run, "dag_run_id") or ""
    if "deadline" in context:
        return Event(f"deadline {_of(context['deadline'], 'id')}", dag_id, run_id)
    if ti is None or "reason" in context:
        reason = str(context.get("reason") or "")
        return Event("run_success" if reason == "success" else "run_failed", dag_id, run_id, reason=reason)
    map_index = _of(ti, "map_index")
    return Event(
        _state(ti),
        dag_id,
        run_id,
        _of(ti, "task_id") or "",
        -1 if map_index is None else int(map_index),
        int(_of(ti, "try_number") or 0),
    )


def _state(ti: object) -> str:
    """Return a task's state. The dag-processor's contexts, of failures only, have none: tries decide."""
    state = _of(ti, "state")
    if state is not None:
        return str(getattr(state, "value", state))
    tries, most = _of(ti, "try_number"), _of(ti, "max_tries")
    return "up_for_retry" if tries is not None and most is not None and tries <= most else "failed"


def _of(thing: object, name: str) -> Any:
    """Return an item of a JSON object or an attribute of a model, or None."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _escaped(name: str) -> str:
    return quote(name, safe=_WITHOUT_ESCAPES)
