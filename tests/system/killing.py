"""Kills a task's own process with SIGKILL at a chosen step, once per Dag run. Only for the Dags of tests.

A step is a write to Airflow's task state store or a request to a vendor. With `point` 2n - 1 in the run's
conf the process dies right before step n, with 2n right after it; with `after_seconds` it dies at any time.
What is left behind in the folder `CRASHES`: `<run>.steps`, a line for each step of each try, and
`<run>.killed`, which stops the next try from dying too.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "TELECOM_CRASHES"
BEGIN = "begin"


def arm(context: Any) -> None:
    """Prepare the process to be killed; pass it to an operator as `pre_execute`."""
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

    from airflow_provider_telecom.transport.sync_transport import Transport

    run_id, conf = context["run_id"], context["dag_run"].conf or {}
    steps = _Steps(Path(os.environ[FOLDER]), run_id, conf.get("point"))
    steps.note(BEGIN)
    TaskStateStoreAccessor.set = steps.counted(TaskStateStoreAccessor.set, lambda args: f"set {args[1]}")  # type: ignore[method-assign]
    Transport.send = steps.counted(Transport.send, lambda args: args[1].label)  # type: ignore[method-assign]
    if (seconds := conf.get("after_seconds")) is not None:
        timer = threading.Timer(seconds, steps.die)
        timer.daemon = True
        timer.start()


class _Steps:
    def __init__(self, folder: Path, run_id: str, point: int | None) -> None:
        self._steps, self._killed = folder / f"{run_id}.steps", folder / f"{run_id}.killed"
        self._point, self._reached = point, 0

    def counted(self, method: Callable[..., Any], named: Callable[[Any], str]) -> Callable[..., Any]:
        """Return a method that calls `method`, with a kill point before and one after it."""

        def step(*args: Any, **kwargs: Any) -> Any:
            self._pass()
            result = method(*args, **kwargs)
            self.note(named(args))
            self._pass()
            return result

        return step

    def note(self, line: str) -> None:
        """Record a completed step."""
        with self._steps.open("a", encoding="utf-8") as file:
            file.write(f"{time.time():.3f} {os.getpid()} {line}\n")

    def die(self) -> None:
        """Kill this process, unless the run was already killed once."""
        try:
            self._killed.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def _pass(self) -> None:
        self._reached += 1
        if self._reached == self._point:
            self.die()
