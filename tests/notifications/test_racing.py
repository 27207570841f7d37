"""Processes of one host that tell the same at the same time, with Variables in a file."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.notifications.ground import NUMBER, in_worker, sent

PROCESSES = 4
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
            case comms.PutVariable():
                beside = self._folder / f".{os.getpid()}"
                beside.write_text(message.value or "")
                beside.replace(self._folder / message.key)
        return None


def _tell(folder: str, environment: dict[str, str], runs: list[str], most: int, barrier: Any) -> None:
    os.environ.update(environment)
    tempfile.tempdir = folder
    from airflow.sdk.execution_time import task_runner

    from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier

    variables = Path(folder) / "variables"
    task_runner.SUPERVISOR_COMMS = FileSupervisor(variables)  # type: ignore[attr-defined]
    barrier.wait(60)
    for run_id in runs:
        KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=most)(in_worker(run_id=run_id))


@pytest.mark.parametrize(
    ("shared_runs", "most", "expected"), [(True, 100, 5), (False, 3, 3)], ids=["the same", "a flood"]
)
def test_processes_racing(
    telecom_simulator: Any, tmp_path: Path, shared_runs: bool, most: int, expected: int
) -> None:
    (tmp_path / "variables").mkdir()
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(PROCESSES)
    others = [
        spawn.Process(
            target=_tell,
            args=(
                str(tmp_path),
                telecom_simulator.environment(),
                [f"run{number}" if shared_runs else f"run{place}-{number}" for number in range(5)],
                most,
                barrier,
            ),
        )
        for place in range(PROCESSES)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join(120)
    assert [other.exitcode for other in others] == [0] * PROCESSES
    assert len(sent(telecom_simulator, "kyivstar")) == expected
    (variable,) = (tmp_path / "variables").glob("__telecom*")
    page = json.loads(variable.read_text())
    assert len(page["told"]) == expected
    assert len(page["withheld"]) == (0 if shared_runs else 5 * PROCESSES - expected)
