"""Processes of one host that tell the same at the same time, with Variables in a file."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_provider_telecom.hooks.store import VariableStore
from tests.eventually import HANG_SECONDS
from tests.notifications.contexts import NUMBER, in_worker, sent

PROCESSES, EACH = 4, 5


class Race(NamedTuple):
    """What all processes send at the same time, and how much of it is to be sent."""

    name: str
    shared_runs: bool
    most: int
    expected: int


RACES = (Race("the same", True, 100, EACH), Race("too many", False, 3, 3))
pytestmark = pytest.mark.usefixtures("every_hook")


class FileSupervisor:
    """Variables in a folder, each written whole, with a pause in which another process could come between."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: Any) -> Any:
        from airflow.sdk.execution_time import comms

        match message:
            case comms.GetVariable():
                path = self._folder / message.key
                text = path.read_text() if path.exists() else None
                time.sleep(0.02)
                if text is not None:
                    return comms.VariableResult(key=message.key, value=text)
                return comms.ErrorResponse(error=comms.ErrorType.VARIABLE_NOT_FOUND, detail={})
            case comms.GetVariableKeys():
                keys = [path.name for path in self._folder.iterdir() if path.name.startswith(message.prefix)]
                return comms.VariableKeysResult(keys=keys, total_entries=len(keys))
            case comms.PutVariable():
                beside = self._folder / f".{os.getpid()}"
                beside.write_text(message.value or "")
                beside.replace(self._folder / message.key)
        return None


def _notify(place: int, folder: str, environment: dict[str, str], barrier: Any) -> None:
    os.environ.update(environment)
    from airflow.sdk.execution_time import task_runner

    from airflow_provider_telecom.notifications import deduplication
    from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier

    for race in RACES:
        tempfile.tempdir = f"{folder}/{race.name}"
        task_runner.SUPERVISOR_COMMS = FileSupervisor(Path(tempfile.tempdir, "variables"))  # type: ignore[attr-defined]
        deduplication._variables = VariableStore()
        barrier.wait(HANG_SECONDS)
        for number in range(EACH):
            run_id = f"run{number}" if race.shared_runs else f"run{place}-{number}"
            KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=race.most)(in_worker(run_id=run_id))


def test_processes_racing(telecom_simulator: Any, tmp_path: Path) -> None:
    for race in RACES:
        (tmp_path / race.name / "variables").mkdir(parents=True)
    fork = multiprocessing.get_context("fork")  # Airflow is imported already
    barrier = fork.Barrier(PROCESSES)
    environment = telecom_simulator.environment()
    others = [
        fork.Process(target=_notify, args=(place, str(tmp_path), environment, barrier))
        for place in range(PROCESSES)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(HANG_SECONDS)
    assert [other.exitcode for other in others] == [0] * PROCESSES
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == sum(race.expected for race in RACES)
    for race in RACES:
        (variable,) = (tmp_path / race.name / "variables").glob("__telecom*")
        page = json.loads(variable.read_text())
        assert len(page["told"]) == race.expected
        assert len(page["withheld"]) == (0 if race.shared_runs else EACH * PROCESSES - race.expected)
