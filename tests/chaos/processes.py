"""Runs tries of tasks in processes that are killed with SIGKILL.

`KillingProcess` starts one process that has everything loaded. Each try is a child of it, forked in some
milliseconds, which runs a *body*: a function, named `module:function`, that takes an order (JSON) and returns
JSON. What must outlive a try is outside: Airflow's task state store in `FileStore`, the vendor in the
simulator of the test's process, files on the disk.

A child is killed at a step, at a line of the provider's code, or at a time:

- a step is a request to a vendor, a read or write of the task state store, or a change of a file. The process
  dies before or after it;
- lines are those that the main thread of the child executes in functions of this package. The place
  is the same again when a seed is replayed;
- a time is measured from the fork. It may be anywhere, also in a library or in the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import inspect
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from pkgutil import walk_packages
from types import FrameType
from typing import Any, NoReturn, Self

import psutil
from airflow.sdk._shared.secrets_masker import reset_secrets_masker

from tests.running import Run, Store

HANG_SECONDS = 300.0
"""Only against hanging: a try that takes longer is killed, and the test fails."""


@dataclass(frozen=True)
class Kill:
    """When a child dies; never, if all are None."""

    step: int | None = None
    line: int | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        given = {"step": self.step, "line": self.line, "second": self.seconds}
        return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None) or "never"

    @classmethod
    def drawn(cls, dice: random.Random, steps: int, lines: int, seconds: float = 0.0) -> Kill:
        """Return a kill at any step or line up to so many, or (rarely, and if given) at any time."""
        match dice.choices(("step", "line", "seconds"), (5, 5, 1 if seconds else 0))[0]:
            case "step":
                return cls(step=dice.randint(1, steps))
            case "line":
                return cls(line=dice.randint(1, lines))
            case _:
                return cls(seconds=dice.uniform(0, seconds))


@dataclass(frozen=True)
class Ended:
    """How a try ended: killed, with a result, or with an error."""

    killed: bool = False
    result: Any = None
    error: dict[str, Any] | None = None
    """`kinds` (the names of its class and base classes), `text`, `retries` (whether Airflow tries again)."""
    steps: int = 0
    lines: int = 0

    def is_a(self, kind: str) -> bool:
        """Whether it ended with an error of this class."""
        return self.error is not None and kind in self.error["kinds"]


class DiskFullError(Exception):
    """The disk of this machine is full: nothing that was measured counts."""


class HungError(Exception):
    """A try did not end."""


class KillingProcess:
    """The process whose children are the tries. `log` gets what they print."""

    def __init__(self, log: Path) -> None:
        self._log = log

        self._started: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._started is not None:
            assert self._started.stdin is not None
            assert self._started.stdout is not None
            self._started.stdin.close()
            self._started.wait(HANG_SECONDS)
            self._started.stdout.close()

    @property
    def _process(self) -> subprocess.Popen[str]:
        """The process. It starts when it is first needed."""
        if self._started is None:
            pipe = subprocess.PIPE
            command = [sys.executable, "-m", "tests.chaos.processes"]
            with self._log.open("a") as log:
                self._started = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        return self._started

    def run(self, body: str, order: dict[str, Any], kill: Kill | None = None) -> Ended:
        """Run one try, and return how it ended.

        Raises DiskFullError if a write failed for that reason, and HungError.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        whole = {"body": body, "order": order, "kill": vars(kill or Kill())}
        process.stdin.write(json.dumps(whole) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the killing process has ended; see {self._log}:\n{self.log_tail()}")
        answer = json.loads(line)
        if answer.get("hung"):
            raise HungError(f"{body} did not end within {HANG_SECONDS:.0f} s, killed at {kill}")
        if (answer.get("error") or {}).get("errno") == errno.ENOSPC:
            raise DiskFullError(answer["error"]["text"])
        return Ended(**answer)

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process and of its children that have ended."""
        if self._started is None:
            return 0.0
        times = psutil.Process(self._started.pid).cpu_times()
        return times.user + times.system + times.children_user + times.children_system

    def log_tail(self) -> str:
        """Return the end of the log."""
        return self._log.read_text(errors="replace")[-3000:]


# What bodies use.


class FileStore(Store):
    """A task state store in a file, which outlives the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.texts = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key: str, default: Any = None) -> Any:
        step()
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        step()
        super().set(key, value, retention=retention)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self.texts))
        _REPLACE(beside, self._path)
        step()


class FileStores(Run):
    """A Dag run whose task state stores are files in a folder."""

    folder: Path

    def context(self, operator: Any, map_index: int = -1, **more: Any) -> dict[str, Any]:
        place = operator.task_id if map_index < 0 else f"{operator.task_id}[{map_index}]"
        if place not in self.stores:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.stores[place] = FileStore(self.folder / f"{place}.json")
        return super().context(operator, map_index, **more)


class StoredRun(FileStores):
    """A run of single tasks, whose task state stores are files in a folder."""

    def __init__(self, folder: Path, run_id: str = "manual__1", **xcoms: Any) -> None:
        super().__init__(run_id, **xcoms)
        self.folder = folder


# The rest runs in the killing process and its children.


class _Countdown:
    """Counts the steps and lines of a child, and kills it at one of them."""

    def __init__(self) -> None:
        self.steps = self.lines = 0
        self.kill = Kill()

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill.step:
            _die()

    def trace(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        code = frame.f_code
        is_ours = code.co_filename.startswith(_PACKAGE) and code.co_flags & inspect.CO_NEWLOCALS
        return self._trace_lines if is_ours else None

    def _trace_lines(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "line":
            self.lines += 1
            if self.lines == self.kill.line:
                _die()
        return self._trace_lines


_REPLACE = os.replace
_LOADED = (
    "auth",
    "bulk",
    "calls",
    "campaigns",
    "hooks",
    "journal",
    "operators",
    "tasks",
    "transport",
    "vendors",
)
_PACKAGE = str(Path(__file__).parents[2] / "airflow_provider_telecom") + os.sep
_countdown = _Countdown()
_loaded = set[tuple[str, str | None]]()


def step() -> None:
    """Pass a point at which this process may be killed."""
    _countdown.step()


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process runs on")


def around(owner: Any, name: str, applies: Callable[..., bool] = lambda *_: True) -> None:
    """Make a function a step: the process may die before it and after it."""
    do = getattr(owner, name)

    def stepping(*args: Any, **options: Any) -> Any:
        if not applies(*args):
            return do(*args, **options)
        step()
        found = do(*args, **options)
        step()
        return found

    setattr(owner, name, stepping)


def _prepare() -> None:
    """Import what each child needs, and make steps of requests and of changes of files."""
    from airflow.sdk import ObjectStoragePath

    import airflow_provider_telecom
    from airflow_provider_telecom.transport.sync_transport import Transport

    ObjectStoragePath(__file__).exists()  # loads the file system
    for module in walk_packages(airflow_provider_telecom.__path__, "airflow_provider_telecom."):
        if module.name.split(".")[1] in _LOADED:  # all: an import within a try would be lines of the provider
            import_module(module.name)
    _shorten_waits()
    _fill_caches()
    around(Transport, "send")
    for name in ("rename", "unlink", "rmdir", "mkdir"):
        around(ObjectStoragePath, name)
    around(ObjectStoragePath, "open", lambda *args: "w" in "".join(map(str, args[1:2])))
    for name in ("replace", "rename"):
        around(os, name)


def _shorten_waits() -> None:
    """Let nobody wait for other processes, nor for a vendor that is busy: nobody else uses the account."""
    from airflow_provider_telecom.auth import client_credentials
    from airflow_provider_telecom.calls import retry
    from airflow_provider_telecom.hooks.sunsim import SunSimHook
    from airflow_provider_telecom.vendors.ketchup_loyalty import viber

    short = (0.01, 0.02)
    retry._FIRST_BACK_OFF = 0.01
    client_credentials._PAUSES = (short, short)
    viber._PAUSES = short
    SunSimHook.timing = replace(
        SunSimHook.timing, settle=short, wait_for_leader=short, after_repeated_401=short, between_mints=0.1
    )


def _fill_caches() -> None:
    """Let each hook fail to connect: what it compiles and imports is then there in each child."""
    from airflow_provider_telecom.vendors.description import import_from
    from airflow_provider_telecom.vendors.registry import vendors

    for vendor in vendors():
        place = {"host": "http://127.0.0.1:1", "login": "test_login", "password": "test_" + "x" * 64}
        text = json.dumps({"conn_type": vendor.id, **place, "extra": {"allow_private_hosts": True}})
        os.environ[f"AIRFLOW_CONN_{vendor.default_conn_id.upper()}"] = text
        import_from(vendor.hook_path)().test_connection()
        del os.environ[f"AIRFLOW_CONN_{vendor.default_conn_id.upper()}"]
    reset_secrets_masker()


def _load(request: dict[str, Any]) -> None:
    """Let the module of a body do what has no effect and stays in caches: here, so that no child has to.

    The module's function `load` is given the first order of each operator.
    """
    body, order = request["body"], request["order"]
    module = import_module(body.partition(":")[0])
    if (name := (body, order.get("operator"))) not in _loaded:
        _loaded.add(name)
        getattr(module, "load", lambda order: None)(order)


def _child(request: dict[str, Any], answer: int) -> None:
    """Run a body, and write how it ended."""
    module, _, function = request["body"].partition(":")
    body: Callable[[dict[str, Any]], Any] = getattr(import_module(module), function)
    gc.disable()  # it lives for tenths of a second
    _countdown.kill = Kill(**request["kill"])
    told: dict[str, Any] = {}
    loaded = len(sys.modules)  # to look at each would copy its page
    if request["kill"]["line"] is not None:
        sys.settrace(_countdown.trace)
    try:
        told["result"] = body(request["order"])
    except BaseException as error:
        sys.settrace(None)
        traceback.print_exc()
        told["error"] = _told(error)
    sys.settrace(None)
    counts = {"steps": _countdown.steps, "lines": _countdown.lines}
    imported = list(islice(reversed(sys.modules), max(0, len(sys.modules) - loaded)))
    whole = json.dumps({**told, **counts, "imported": imported}).encode()
    while whole:
        whole = whole[os.write(answer, whole) :]


def _told(error: BaseException) -> dict[str, Any]:
    from airflow.sdk.exceptions import AirflowFailException

    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    number = next((each.errno for each in causes if isinstance(each, OSError) and each.errno), None)
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "text": str(error),
        "errno": number,
        "retries": getattr(error, "temporary", True) and not isinstance(error, AirflowFailException),
        "outcome_unknown": getattr(error, "outcome_unknown", True) or getattr(error, "partial", False),
    }


@contextmanager
def _forked(request: dict[str, Any]) -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        try:
            _child(request, writing)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    try:
        yield child, reading
    finally:
        os.close(reading)


def _played(request: dict[str, Any]) -> dict[str, Any]:
    """Run a child, and return how it ended."""
    _load(request)
    with _forked(request) as (child, reading):
        seconds = request["kill"]["seconds"]
        text, ends = b"", time.monotonic() + (HANG_SECONDS if seconds is None else seconds)
        while True:
            ready, _, _ = select.select([reading], [], [], max(0.0, ends - time.monotonic()))
            if not ready:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return {"hung": True} if seconds is None else {"killed": True}
            if not (piece := os.read(reading, 65536)):
                break
            text += piece
        _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"killed": True}
    if not text:
        raise RuntimeError(f"a child ended with {os.waitstatus_to_exitcode(status)}, and said nothing")
    found: dict[str, Any] = json.loads(text)
    for name in found.pop("imported"):  # so that the next child need not
        with suppress(ImportError):
            import_module(name)
    return found


_MADV_COLLAPSE, _HUGE_PAGE = 25, 1 << 21


def _use_huge_pages() -> None:
    """Move the heap to huge pages, where the system has them: a fork copies a table of all pages."""
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, access, *_, inode_or_path = line.split()
        if access == "rw-p" and inode_or_path in ("0", "[heap]"):  # not a file
            begin, end = (int(address, 16) for address in addresses.split("-"))
            begin = -(-begin // _HUGE_PAGE) * _HUGE_PAGE
            size = end // _HUGE_PAGE * _HUGE_PAGE - begin
            if size > 0:  # if it is refused, forks take longer
                libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(size), _MADV_COLLAPSE)


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the tasks log
    _prepare()
    first = True
    for line in sys.stdin:
        request = json.loads(line)
        _load(request)
        if first:
            gc.collect()
            gc.freeze()
            _use_huge_pages()
            first = False
        print(json.dumps(_played(request)), file=answers, flush=True)


if __name__ == "__main__":
    from tests.chaos import processes  # bodies import this name: there must be one countdown

    processes._serve()
