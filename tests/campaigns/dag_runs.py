"""A Dag run in one process: its tasks in order, with XComs, skipped tasks, trigger rules and clearing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from tests.running import Run

SUCCESS, SKIPPED, FAILED = "success", "skipped", "failed"


class DagRun(Run):
    """The state of each task of a run. `run_all` runs what is not done, as the scheduler would."""

    def __init__(self, dag: DAG, run_id: str = "manual__1") -> None:
        super().__init__(run_id)
        self.dag = dag
        self.states: dict[str, str] = {}
        self.errors: dict[str, BaseException] = {}

    def context(self, operator: Any, map_index: int = -1, **more: Any) -> dict[str, Any]:
        found = super().context(operator, map_index, **more)

        def xcom_pull(task_ids: str, default: Any = None, **_: Any) -> Any:
            return self.xcoms.get(task_ids, default)

        ti: SimpleNamespace = found["ti"]
        ti.xcom_pull = xcom_pull
        return found

    def run_all(self) -> None:
        """Run each task that is not done, after its upstream tasks."""
        for task in self.dag.topological_sort():
            if task.task_id not in self.states:
                self.run(task.task_id)

    def run(self, task_id: str) -> Any:
        """Run one task, or skip it as its trigger rule says. Its error is kept, and raised by nobody."""
        task: Any = self.dag.get_task(task_id)
        before = [self.states.get(name) for name in task.upstream_task_ids]
        if FAILED in before or "upstream_failed" in before:
            self.states[task_id] = "upstream_failed"
            return None
        is_skipped = SKIPPED in before and task.trigger_rule == "all_success"
        needs_one = task.trigger_rule == "none_failed_min_one_success"
        if is_skipped or (needs_one and SUCCESS not in before):
            self.states[task_id] = SKIPPED
            self.xcoms.pop(task_id, None)
            return None
        fresh = task.prepare_for_execution()
        self.xcoms.pop(task_id, None)  # as Airflow does when a task begins
        try:
            found = self.execute(fresh)
        except AirflowSkipException:
            self.states[task_id] = SKIPPED
            return None
        except Exception as error:
            self.states[task_id], self.errors[task_id] = FAILED, error
            return None
        json.dumps(found)
        self.states[task_id], self.xcoms[task_id] = SUCCESS, found
        return found

    def clear(self, task_ids: Iterable[str], *, downstream: bool = True) -> None:
        """Forget that tasks are done, as "Clear" does; their task state store stays."""
        for task_id in task_ids:
            self.states.pop(task_id, None)
            if downstream:
                for name in self.dag.get_task(task_id).get_flat_relative_ids(upstream=False):
                    self.states.pop(name, None)
