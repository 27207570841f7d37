"""Runs tries of a receipts task in processes that are killed with SIGKILL at a chosen step.

Reads a JSON object from each line of its input: the operator's `arguments`, the path of the `store` of
earlier tries, the `environment`, the address of the simulator's `control` API, and `kill_at`. Each try is a
child process. Writes a line with its XCom, or null if it was killed. A step is a write to the task state
store, a request to the vendor, a wait, or something done to a file; the process dies before or after it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom import operators
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpCollectReceiptsOperator
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.running import Run, Store


class FileStore(Store):
    """A task state store that outlives the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.texts = json.loads(path.read_text()) if path.exists() else {}

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        super().set(key, value, retention=retention)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self.texts))
        beside.replace(self._path)


class Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self._kill_at, self._passed = kill_at, 0

    def around(self, owner: Any, name: str) -> None:
        do: Callable[..., Any] = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            self._pass()
            found = do(*args, **kwargs)
            self._pass()
            return found

        setattr(owner, name, step)

    def _pass(self) -> None:
        self._passed += 1
        if self._passed == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def one_try(order: dict[str, Any], answer: int) -> None:
    """Run a try, and write its XCom."""
    os.environ.update(order["environment"])

    def clock(advance: float) -> datetime:
        body = json.dumps({"advance": advance}).encode()
        request = Request(order["control"], body, {"content-type": "application/json"})
        with urlopen(request) as response:
            return datetime.fromisoformat(json.load(response)["now"])

    operators.receipts._MAX_SLEEP = 10_000.0
    CollectReceiptsOperator.now = staticmethod(lambda: clock(0))
    CollectReceiptsOperator._sleep = staticmethod(lambda seconds: clock(seconds) and None)  # type: ignore[method-assign]
    KetchUpCollectReceiptsOperator.group_size = 7  # so that a round can be resumed in its middle
    steps = Steps(order["kill_at"])
    steps.around(Transport, "send")
    steps.around(FileStore, "set")
    for name in ("rename", "unlink", "rmdir", "open"):
        steps.around(ObjectStoragePath, name)
    operator, run = KetchUpCollectReceiptsOperator(**order["arguments"]), Run()
    run.stores[operator.task_id] = FileStore(Path(order["store"]))
    os.write(answer, json.dumps(run.execute(operator)).encode())


def in_a_child(order: dict[str, Any]) -> Any:
    """Return the XCom of a try; None if it was killed."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        try:
            one_try(order, writing)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    return json.loads(text) if text else {"error": os.waitstatus_to_exitcode(status)}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the tasks log
    ObjectStoragePath(__file__).exists()  # imports what each child would import
    for line in sys.stdin:
        print(json.dumps(in_a_child(json.loads(line))), file=answers, flush=True)
