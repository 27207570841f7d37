"""A thousand failures at once in four processes, each on a host of its own: few messages, one summary.

The processes share Variables and nothing else: each has its own folder for locks, as hosts do.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time import comms, task_runner

from airflow_provider_telecom.hooks.store import InMemoryStore, VariableStore
from airflow_provider_telecom.journal.open_alerts import OpenAlerts
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from tests.eventually import HANG_SECONDS
from tests.notifications.contexts import NUMBER, in_worker, sent
from tests.notifications.deployment import MINUTES, Deployment, EscalationRun, on_call

PROCESSES, EACH, CAP = 4, 250, 5
SAME = 5
"""Failures that each host reports at the same moment, to a vendor without idempotency keys."""
pytestmark = pytest.mark.usefixtures("every_hook")


class SharedVariables(Deployment):
    """Variables in a folder, each one a file that is written whole."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def send(self, message: Any = None, *, msg: Any = None) -> Any:
        message = message if message is not None else msg
        match message:
            case comms.PutVariable():
                beside = self._folder / f".{os.getpid()}"
                beside.write_text(message.value or "")
                beside.replace(self._folder / message.key)
                return comms.OKResponse(ok=True)
            case comms.GetVariable():
                path = self._folder / message.key
                if path.exists():
                    return comms.VariableResult(key=message.key, value=path.read_text())
                return comms.ErrorResponse(error=comms.ErrorType.VARIABLE_NOT_FOUND, detail={})
            case comms.DeleteVariable():
                (self._folder / message.key).unlink(missing_ok=True)
                return comms.OKResponse(ok=True)
            case comms.GetVariableKeys():
                found = sorted(
                    path.name for path in self._folder.iterdir() if path.name.startswith(message.prefix or "")
                )
                keys = found[message.offset : message.offset + message.limit]
                return comms.VariableKeysResult(keys=keys, total_entries=len(found))
        return super().send(message)


def flood_notifier() -> Any:
    return on_call(first=KetchUpSmsNotifier(msisdn=NUMBER, max_per_hour=CAP))


def _fail(place: int, folder: Path, environment: dict[str, str], barrier: Any) -> None:
    """Report failures as one host does."""
    os.environ.update(environment)
    from airflow_provider_telecom.notifications import deduplication

    tempfile.tempdir = str(folder / f"host{place}")
    task_runner.SUPERVISOR_COMMS = SharedVariables(folder / "variables")  # type: ignore[attr-defined]
    deduplication._variables, deduplication._memory = VariableStore(), InMemoryStore()
    same = on_call(first=KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=100), dag_id="same")
    for number in range(SAME):
        barrier.wait(HANG_SECONDS)
        same(in_worker(f"run{number}"))
    notifier = flood_notifier()
    barrier.wait(HANG_SECONDS)
    for number in range(EACH):
        dag_id, task_id = f"dag{number % 3}", f"task{number % 4}"
        notifier(in_worker(f"run{place}-{number // 12}", dag_id=dag_id, task_id=task_id))


def test_a_flood(telecom_simulator: Any, tmp_path: Path, mocker: Any, time_machine: Any) -> None:
    for name in ("variables", *(f"host{place}" for place in range(PROCESSES))):
        (tmp_path / name).mkdir()
    fork = multiprocessing.get_context("fork")  # Airflow is imported already
    barrier = fork.Barrier(PROCESSES)
    environment = telecom_simulator.environment()
    others = [
        fork.Process(target=_fail, args=(place, tmp_path, environment, barrier)) for place in range(PROCESSES)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(HANG_SECONDS)
    assert [other.exitcode for other in others] == [0] * PROCESSES
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == SAME
    before = [one["text"] for one in sent(telecom_simulator, "ketchup_loyalty")]
    assert len(before) == CAP - 1
    mocker.patch.object(task_runner, "SUPERVISOR_COMMS", SharedVariables(tmp_path / "variables"), create=True)
    first_at = datetime.fromtimestamp(OpenAlerts("alerts").list()[0].at, UTC)
    time_machine.move_to(first_at + 9 * MINUTES, tick=False)
    run = EscalationRun(flood_notifier())
    run.go()
    assert run.go_on() is None, "the summary is sent after ten minutes"
    time_machine.move_to(first_at + 10 * MINUTES, tick=False)
    run.go_on()
    run.retried()
    run.go()
    texts = [one["text"] for one in sent(telecom_simulator, "ketchup_loyalty")]
    assert len(texts) == CAP
    assert re.match(r"Airflow: 1000 tasks of 3 Dags failed in \d+ minutes? ", texts[-1])
    assert len(sent(telecom_simulator, "kyivstar_fmc", "call")) == 1
