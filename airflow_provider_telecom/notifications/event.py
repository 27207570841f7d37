"""The event that an alert is about: of a task, a run or a deadline.

Airflow calls notifiers with three kinds of contexts: in a worker with everything; in the dag-processor with
less (for a run there is a `reason`, and the task, if any, is only the last one that ran); in the triggerer,
for a missed deadline, with a `dag_run` as JSON and the `deadline`. A human-in-the-loop operator calls its
`notifiers` in a worker, just before it waits for an answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

APPROVAL = "approval"
_WORDS = {"success": "succeeded", "skipped": "was skipped", "running": "started"}
EVENT_KEY = "telecom_event"
"""Under this name a context may carry an event of our own."""
_WITHOUT_ESCAPES = ":+"  # valid in a path; an escape would take three characters


@dataclass(frozen=True)
class Event:
    """An event.

    `kind` is a task's state, `run_<state>`, `deadline` with the deadline's id, or `approval`: a
    human-in-the-loop operator asks, and `subject` is what it asks.
    """

    kind: str
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    reason: str = ""
    subject: str = ""
    tags: tuple[str, ...] = ()
    """The Dag's. The context of a deadline has none, and no owners."""
    owners: tuple[str, ...] = ()
    """The task's owner, or those of all tasks of the Dag."""

    @property
    def is_approval(self) -> bool:
        """Whether a human-in-the-loop operator asks."""
        return self.kind == APPROVAL

    @property
    def summary(self) -> str:
        """The default text of an alert: the subject of an approval, or what happened."""
        if self.is_approval and self.subject:
            return self.subject
        if not self.dag_id:
            return "Airflow: a callback was called without a run"
        what = f"{self.dag_id}.{self.task_id}" if self.task_id else self.dag_id
        place = f"[{self.map_index}]" if self.map_index >= 0 else ""
        if self.kind.startswith("deadline"):
            return f"Airflow: {what} missed its deadline in run {self.run_id}"
        if self.is_approval:
            return f"Airflow: {what}{place} waits for an answer in run {self.run_id}"
        happened = _WORDS.get(self.kind.removeprefix("run_"), "failed")
        attempt = f" (try {self.try_number})" if self.try_number else ""
        because = f" ({self.reason})" if self.reason and happened == "failed" else ""
        return f"Airflow: {what}{place} {happened}{attempt or because} in run {self.run_id}"

    @property
    def scope(self) -> str:
        """What the alert is sent once in: the run."""
        return self.run_id

    def links(self, base_url: str | None) -> list[str]:
        """Return the addresses of the task's page and of the run's page, or none if they are unknown.

        For an approval these are the pages where one answers: of the task, of the run, and of all Dags.
        `HITLOperator.generate_link_to_ui` leaves out the path of `base_url`, escapes nothing, and gives for a
        mapped task a page without a task instance.
        """
        if not (base_url and self.dag_id and self.run_id):
            return []
        airflow = base_url.rstrip("/")
        run = f"{airflow}/dags/{_escaped(self.dag_id)}/runs/{_escaped(self.run_id)}"
        if not self.task_id:
            return [run]
        place = f"/mapped/{self.map_index}" if self.map_index >= 0 else ""
        pages = [f"{run}/tasks/{_escaped(self.task_id)}{place}", run]
        return [f"{page}/required_actions" for page in (*pages, airflow)] if self.is_approval else pages

    def identity(self, each_try: bool) -> tuple[str, ...]:
        """Return what distinguishes the event from others of its run and task. Without a run it is unique.

        Each try of an approval is another one: an answer to an earlier try no longer counts.
        """
        attempt = str(self.try_number) if each_try or self.is_approval else ""
        return (self.kind, str(self.map_index), attempt, "" if self.run_id else uuid.uuid4().hex)


def event_from_context(context: Mapping[str, Any]) -> Event:
    """Return the event of a callback's context, or the one that was put into it."""
    if isinstance(given := context.get(EVENT_KEY), Event):
        return given
    ti = context.get("ti") or context.get("task_instance")
    run, dag = context.get("dag_run"), context.get("dag")
    dag_id = _of(ti, "dag_id") or _of(dag, "dag_id") or _of(run, "dag_id") or ""
    run_id = context.get("run_id") or _of(ti, "run_id") or _of(run, "run_id") or _of(run, "dag_run_id") or ""
    tags = tuple(sorted(_of(dag, "tags") or ()))
    if "deadline" in context:
        return Event(f"deadline {_of(context['deadline'], 'id')}", dag_id, run_id, tags=tags)
    if ti is None or "reason" in context:
        reason = str(context.get("reason") or "")
        kind = "run_success" if reason == "success" else "run_failed"
        return Event(kind, dag_id, run_id, reason=reason, tags=tags, owners=_owners(dag))
    map_index, task = _of(ti, "map_index"), context.get("task") or _of(ti, "task")
    asks = _asks(task, ti)
    return Event(
        APPROVAL if asks else _state(ti),
        dag_id,
        run_id,
        _of(ti, "task_id") or "",
        -1 if map_index is None else int(map_index),
        int(_of(ti, "try_number") or 0),
        subject=" ".join(str(_of(task, "subject") or "").split()) if asks else "",
        tags=tags,
        owners=_owners(task or dag),
    )


def _owners(thing: object) -> tuple[str, ...]:
    """Return the owners of a task or of a Dag, whose `owner` has commas."""
    names = (name.strip() for name in str(_of(thing, "owner") or "").split(","))
    return tuple(sorted({name for name in names if name}))


def _asks(task: object, ti: object) -> bool:
    """Return whether a human-in-the-loop operator calls its `notifiers`, and not a callback.

    `HITLOperator.execute` notes just before when the wait ends.
    """
    is_running = _of(ti, "state") is None or _state(ti) == "running"
    return is_running and "timeout_datetime" in (_of(task, "hitl_summary_extra") or ())


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
