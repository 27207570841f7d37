"""Running operators and sensors as Airflow does, without Airflow's processes: rendered, deferred, resumed.

The task state store is a dictionary that outlives tries, as Airflow's does; what it holds is JSON.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from airflow.serialization.serialized_objects import BaseSerialization


class Store:
    """Airflow's task state store for one task of one run."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.writes = 0

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.texts[key]) if key in self.texts else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        assert value is not None
        self.writes += 1
        self.texts[key] = json.dumps(value)


class Run:
    """A Dag run: each task, and each place of a mapped task, has a store that its tries share."""

    def __init__(self, run_id: str = "manual__1", **xcoms: Any) -> None:
        self.run_id, self.xcoms = run_id, xcoms
        self.stores: dict[str, Store] = {}
        self.pushed: dict[str, Any] = {}
        self.events: list[Any] = []
        self.outlet_events = OutletEventAccessors()

    def context(self, operator: Any, map_index: int | None = -1, **more: Any) -> dict[str, Any]:
        """Return what a try of the task is given."""
        place = operator.task_id if map_index in (None, -1) else f"{operator.task_id}[{map_index}]"
        store = self.stores.setdefault(place, Store())
        ti = SimpleNamespace(
            dag_id="dag",
            run_id=self.run_id,
            task_id=operator.task_id,
            map_index=map_index,
            try_number=1,
            task=operator,
            xcom_pull=lambda task_ids, **_: self.xcoms[task_ids],
            xcom_push=lambda key, value: self.pushed.__setitem__(key, value),
        )
        return {
            "ti": ti,
            "task_instance": ti,
            "run_id": self.run_id,
            "params": {},
            "task_state_store": store,
            "outlet_events": self.outlet_events,
            **more,
        }

    def execute(self, operator: Any, **more: Any) -> Any:
        """Run one try: render, execute, and while it defers, wait as the triggerer would and resume."""
        if not operator.has_dag():
            with DAG("dag", schedule=None) as dag:
                dag.add_task(operator)
        context = self.context(operator, **more)
        operator.render_template_fields(context)
        try:
            return operator.execute(context)
        except TaskDeferred as deferred:
            return self._resumed(operator, context, deferred)

    def _resumed(self, operator: Any, context: dict[str, Any], deferred: TaskDeferred) -> Any:
        event = asyncio.run(first_event(deferred.trigger))
        self.events.append(event)
        assert not deferred.kwargs, "Airflow drops them under dag.test()"
        kwargs = {"event": event}
        try:
            return operator.resume_execution(deferred.method_name, kwargs, context)
        except TaskDeferred as once_more:
            return self._resumed(operator, context, once_more)


def crossed(value: Any) -> Any:
    """Return a value as it comes out of Airflow's database."""
    return BaseSerialization.deserialize(json.loads(json.dumps(BaseSerialization.serialize(value))))


def again(trigger: Any) -> Any:
    """Return a trigger as the triggerer makes it, from what crossed the database."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)(**crossed(kwargs))


async def first_event(trigger: Any) -> Mapping[str, Any]:
    """Run a trigger, made anew, to its event."""
    async for event in again(trigger).run():
        found: Mapping[str, Any] = crossed(event.payload)
        return found
    raise AssertionError("the trigger ended without an event")
