"""A deployment as callbacks, the escalation's task and its triggers see it: Variables, states and answers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType, TaskDeferred
from airflow.sdk.execution_time import comms
from airflow.triggers.base import BaseTrigger

from airflow_provider_telecom.journal.open_alerts import OpenAlerts
from airflow_provider_telecom.notifications.escalation import EscalatingNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from airflow_provider_telecom.triggers.incident import Recovery
from airflow_provider_telecom.vendors.description import import_from
from tests.hooks.test_store import Supervisor
from tests.notifications.contexts import NUMBER, OTHER

STARTED = datetime(2026, 11, 21, 8, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


class Deployment(Supervisor):
    """Answers what Airflow's supervisors answer. `tasks` and `runs` hold states, `answered` who answered."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[tuple[str, str, str, int], str | None] = {}
        self.runs: dict[tuple[str, str], str] = {}
        self.asked: dict[uuid.UUID, Any] = {}
        self.answered: dict[uuid.UUID, datetime] = {}
        self.active_runs = 0
        self.requests: list[Any] = []

    def send(self, message: Any = None, *, msg: Any = None) -> Any:
        message = message if message is not None else msg
        self.requests.append(message)
        match message:
            case comms.DeleteVariable():
                self.variables.pop(message.key, None)
                return comms.OKResponse(ok=True)
            case comms.GetTaskStates():
                return comms.TaskStatesResult(task_states=self._task_states(message))
            case comms.GetDagRunState():
                state = self.runs.get((message.dag_id, message.run_id))
                return comms.DagRunStateResult(state=state) if state else _error()  # type: ignore[arg-type]
            case comms.GetDRCount():
                return comms.DRCount(count=self.active_runs)
            case comms.CreateHITLDetailPayload():
                self.asked[message.ti_id] = message
                return None
            case comms.GetHITLDetailResponse():
                if message.ti_id not in self.asked:
                    return _error()
                at = self.answered.get(message.ti_id)
                user = SimpleNamespace(id="7", name="olena")
                return SimpleNamespace(
                    response_received=at is not None, responded_at=at, responded_by_user=user
                )
        return super().send(message)

    def _task_states(self, message: comms.GetTaskStates) -> dict[str, dict[str, str | None]]:
        found: dict[str, dict[str, str | None]] = {}
        for (dag_id, run_id, task_id, place), state in self.tasks.items():
            if (
                dag_id == message.dag_id
                and run_id in (message.run_ids or ())
                and task_id in (message.task_ids or ())
            ):
                name = task_id if place < 0 else f"{task_id}_{place}"
                found.setdefault(run_id, {})[name] = state
        return found


def _error() -> Any:
    raise AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR))


class StateStore:
    """The task state store of one task of one run."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: None = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.values[key] = value


class EscalationRun:
    """One run of the escalation's Dag. Each `go` is what a worker does until the task waits or ends."""

    def __init__(self, notifier: EscalatingNotifier, run_id: str = "asset_triggered__1") -> None:
        self.operator: Any = notifier.dag().get_task("escalate")
        self.store = StateStore()
        self.run_id, self.ti_id = run_id, uuid.uuid4()
        self.trigger: BaseTrigger | None = None
        self.result: Any = None

    @property
    def context(self) -> Any:
        ti = SimpleNamespace(
            id=self.ti_id, dag_id=self.operator.dag_id, run_id=self.run_id, task_id="escalate", map_index=-1
        )
        return {
            "ti": ti,
            "task_state_store": self.store,
            "dag": self.operator.dag,
            "run_id": self.run_id,
            "params": {},
        }

    def go(self, event: Any = None) -> Any:
        """Start, or resume with an event. Return the event that ends the wait, or None at the end."""
        self.trigger = None
        try:
            if event is None:
                self.result = self.operator.execute(self.context)
            else:
                self.result = self.operator.execute_complete(self.context, event)
        except TaskDeferred as wait:
            self.trigger = wait.trigger
        return self.trigger

    def retried(self) -> None:
        """Go on as another try of the task."""
        self.ti_id = uuid.uuid4()

    def looked(self) -> str | None:
        """Return the reason for which the trigger ends now, or None if it goes on waiting."""
        assert self.trigger is not None
        path, kwargs = self.trigger.serialize()
        again = import_from(path)(**kwargs)  # as after a restart of the triggerer
        found: str | None = again.look(Recovery(OpenAlerts(again.dag_id)))
        return found

    def go_on(self) -> str | None:
        """Resume as the trigger says, until it goes on waiting. Return the last reason."""
        reason = None
        while self.trigger is not None and (found := self.looked()) is not None:
            reason = found
            self.go({"reason": reason})
        return reason


def on_call(**changed: Any) -> EscalatingNotifier:
    """Return an SMS that is followed by a call after 10 minutes."""
    first = changed.pop("first", None) or KyivstarSmsNotifier(msisdn=NUMBER)
    then = changed.pop("then", None) or [(10 * MINUTES, KyivstarFmcCallNotifier(msisdn=OTHER))]
    return EscalatingNotifier(first, then=then, **{"dag_id": "alerts", **changed})
