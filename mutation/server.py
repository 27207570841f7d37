"""Judges mutants by running tests in forks of processes that have everything loaded.

Importing Airflow and collecting tests take seconds, a test of this kind milliseconds. So pytest collects
once, and a fork of that process changes one function and runs the tests, those that call it first. A mutant
that is not in the body of a function, or in one that an import calls, needs a new import: it is judged in a
fork of a process that has loaded only what is not ours.

Before that, a run without a mutant says which tests call which functions of the file, and how long they take.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import spec_from_loader
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from mutation.mutants import Mutant

_PLUGINS = (
    "pytest_mock",
    "time_machine",
    "_hypothesis_pytestplugin",
    "airflow_provider_telecom.simulator.pytest_plugin",
    "airflow_provider_telecom.hooks.pytest_plugin",
)
_OPTIONS = (
    *("-x", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--hypothesis-seed=0"),
    *(word for plugin in _PLUGINS for word in ("-p", plugin)),
)
_MEMORY = 8 << 30
_CPU_FACTOR, _WALL_FACTOR = 5, 20
_OPTIMIZED = 1  # the flag of a function's code, not of a class's or module's
Place = tuple[int, str]
"""A function: its first line and its name."""


class Verdict(StrEnum):
    """What the tests say about a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    LIMIT = "limit"
    """The tests used many times the time of the unmutated ones: the mutant is killed."""


class MutationError(Exception):
    """There can be no figure: the tests fail without a mutant, or are too slow to tell."""


@dataclass(frozen=True)
class Judgement:
    """A mutant, what the tests say about it, and the test or the limit that killed it."""

    mutant: Mutant
    verdict: Verdict
    by: str


@dataclass(frozen=True)
class Baseline:
    """What the tests do without a mutant."""

    cpu: float
    wall: float
    callers: dict[Place, set[str | None]]
    """The tests that call a function; None stands for an import."""

    def tests_of(self, places: Iterable[Place]) -> set[str | None]:
        """Return the tests that call one of some functions."""
        return set().union(*(self.callers.get(place, set()) for place in places))


@dataclass(frozen=True)
class _Run:
    """The end of a forked run: pytest's exit code, or None if it was killed at a limit."""

    code: int | None
    failed: str
    cpu: float
    wall: float
    output: str


def judge(
    root: Path,
    path: str,
    tests: Sequence[str],
    mutants: Sequence[Mutant],
    report: Callable[[Judgement], None],
) -> None:
    """Report a judgement of each mutant of a file. Raises MutationError.

    Once in a process: it changes its environment, and loads what the tests need.
    """
    folder = Path(tempfile.mkdtemp(prefix="mutation-"))
    try:
        _Judge(root, path, tests, folder).run(mutants, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Judge:
    def __init__(self, root: Path, path: str, tests: Sequence[str], folder: Path) -> None:
        self._root, self._path, self._tests, self._folder = root, path, tests, folder
        self._module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._source = (root / path).read_text()
        self._code = compile(self._source, path, "exec")
        self._baseline = Baseline(0, 0, {})
        self._kills = Counter[str]()
        """How many mutants each test has killed."""
        self._files = folder / "files"
        self._kept: set[Path] = set()
        """The files that each run finds."""

    def run(self, mutants: Sequence[Mutant], report: Callable[[Judgement], None]) -> None:
        """Judge the mutants that change one function, then the others."""
        os.chdir(self._root)
        sys.path.insert(0, str(self._root))
        self._set_environment()
        _import("airflow.sdk", "pytest", "requests", "aiohttp", "hypothesis")
        results = self._folder / "results"
        warm = os.fork()
        if warm == 0:
            _end_with(lambda: self._collect_and_judge(mutants, results))
        done = _Follower(results, warm)
        ours = {each.partition("/")[0].removesuffix(".py") for each in (self._path, *self._tests)}
        rest = []
        for line in done.lines():
            match line:
                case {"error": error}:
                    raise MutationError(error)
                case {"baseline": [cpu, wall]}:
                    self._baseline = Baseline(cpu, wall, {})
                case {"imported": names}:
                    _import(*(name for name in names if name.partition(".")[0] not in ours))
                case {"rest": number}:
                    rest.append(mutants[number])
                case {"mutant": number, "verdict": verdict, "by": by}:
                    report(Judgement(mutants[number], Verdict(verdict), by))
        gc.collect()
        gc.freeze()
        for mutant in rest:
            verdict, by = self._verdict(lambda mutant=mutant: self._import_and_test(mutant))
            report(Judgement(mutant, verdict, by))

    def _set_environment(self) -> None:
        """Keep Airflow, hypothesis and the tests away from the developer's files."""
        temporary = self._files / "tmp"
        temporary.mkdir(parents=True)
        os.environ.update({
            "TMPDIR": str(temporary),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._files / "hypothesis"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
        })
        tempfile.tempdir = None
        _import("tests.airflow_home")
        self._kept = set(self._files.rglob("*"))

    # In the process that has collected the tests

    def _collect_and_judge(self, mutants: Sequence[Mutant], results: Path) -> int:
        with results.open("w") as file:

            def tell(**facts: object) -> None:
                print(json.dumps(facts), file=file, flush=True)

            output = self._folder / "collection"
            with output.open("w") as text:
                os.dup2(text.fileno(), 1)
                os.dup2(text.fileno(), 2)
            calls = _Calls(str(self._root / self._path))

            def work(session: Any) -> None:
                try:
                    self._judge_functions(session, calls, mutants, tell)
                except MutationError as error:
                    tell(error=str(error))
                except BaseException:  # pytest would only print it
                    tell(error=f"{self._path}: {traceback.format_exc()}")

            plugin = _Plugin(work)
            calls.start()
            code = _pytest([*_OPTIONS, *self._tests], plugin)
            if not plugin.ran:
                shown = output.read_text(errors="replace")[-3000:]
                tell(error=f"{self._path}: its tests can't be collected (pytest ended with {code}):\n{shown}")
        return 0

    def _judge_functions(
        self, session: Any, calls: _Calls, mutants: Sequence[Mutant], tell: Callable[..., None]
    ) -> None:
        """Measure the tests, then judge the mutants that can be put into a loaded function."""
        calls.stop()
        self._kept = set(self._files.rglob("*"))
        measured = self._folder / "calls"

        def measure() -> int:
            calls.start()
            code = _run_tests(session, session.items, calls)
            calls.stop()
            measured.write_text(json.dumps([self._module in sys.modules, sorted(calls.found, key=str)]))
            return code

        run = _fork(measure, self._folder, self._kept, None, None)
        if run.code != 0:
            shown = f"{run.failed}\n{run.output[-3000:]}"
            raise MutationError(f"{self._path}: its tests fail without a mutant: {shown}")
        is_imported, found = json.loads(measured.read_text())
        if not is_imported:
            raise MutationError(f"{self._path}: none of its tests imports it: {', '.join(self._tests)}")
        calls.start()
        importlib.import_module(self._module)  # some modules are imported by the functions that need them
        calls.stop()
        callers: dict[Place, set[str | None]] = {}
        for line, name, test in [*found, *calls.found]:
            callers.setdefault((line, name), set()).add(test)
        self._baseline = Baseline(run.cpu, run.wall, callers)
        tell(baseline=[run.cpu, run.wall])
        tell(imported=list(sys.modules))
        functions = _functions_of(str(self._root / self._path))
        gc.collect()
        gc.freeze()
        for number, mutant in enumerate(mutants):
            change = _changed_function(self._code, compile(mutant.source, self._path, "exec"))
            found = functions.get((change[0].co_firstlineno, change[0].co_name), []) if change else []
            places = list(_functions_around(self._code, mutant.line))
            tests = self._baseline.tests_of(places)
            if not change or not found or None in tests:
                tell(rest=number)
                continue
            verdict, by = self._verdict_of_function(session, found, change[1], tests)
            tell(mutant=number, verdict=verdict, by=by)

    def _verdict_of_function(
        self, session: Any, functions: list[FunctionType], code: CodeType, tests: set[str | None]
    ) -> tuple[Verdict, str]:
        """Run the tests that call a function, then the others: they may call it in another process.

        Those that killed most of the mutants before come first: they are likely to kill this one.
        """
        first = [item for item in session.items if item.nodeid in tests]
        first.sort(key=lambda item: -self._kills[item.nodeid])
        others = [item for item in session.items if item.nodeid not in tests]

        def run() -> int:
            for function in functions:
                function.__code__ = code
            return _run_tests(session, [*first, *others])

        return self._verdict(run)

    # In the process that has loaded what is not ours

    def _import_and_test(self, mutant: Mutant) -> int:
        sys.meta_path.insert(0, _MutantFinder(self._module, self._root / self._path, mutant.source))
        plugin = _Plugin(lambda session: _run_tests(session, session.items))
        code = _pytest([*_OPTIONS, *self._tests], plugin)
        return 1 if not plugin.ran else code  # a mutant that can't be imported or collected

    # In both

    def _verdict(self, run: Callable[[], int]) -> tuple[Verdict, str]:
        """Return the verdict of a run with a mutant, and the test that killed it. Raises MutationError.

        A mutant that never ends is killed. Wall time says so only if the tests without it are far from it.
        """
        cpu, wall = 5 + _CPU_FACTOR * self._baseline.cpu, 60 + _WALL_FACTOR * self._baseline.wall
        ended = _fork(run, self._folder, self._kept, cpu, wall)
        if ended.code is None:
            if ended.cpu >= cpu:
                return Verdict.LIMIT, "CPU time"
            if ended.wall >= wall:
                return Verdict.LIMIT, "time"
            return Verdict.KILLED, "a signal"
        if ended.code == _BROKEN:
            raise MutationError(f"{self._path}: a run of its tests broke off:\n{ended.output[-3000:]}")
        self._kills[ended.failed] += 1
        return (Verdict.SURVIVED, "") if ended.code == 0 else (Verdict.KILLED, ended.failed)


class _Follower:
    """Reads the lines that a process writes into a file, until the process has ended."""

    def __init__(self, path: Path, process: int) -> None:
        self._path, self._process = path, process

    def lines(self) -> Iterator[dict[str, Any]]:
        while not self._path.exists():
            if os.waitpid(self._process, os.WNOHANG)[0]:
                raise MutationError("the process that collects the tests has ended")
            time.sleep(0.05)
        with self._path.open() as file:
            ended, started = None, ""
            while True:
                started += (text := file.readline())
                if started.endswith("\n"):
                    yield json.loads(started)
                    started = ""
                elif not text and ended is not None:
                    if ended:
                        raise MutationError(f"the process that runs the tests ended with {ended}")
                    return
                elif not text:
                    done, status = os.waitpid(self._process, os.WNOHANG)
                    ended = status if done else None
                    time.sleep(0.05)


class _Calls:
    """Records which functions of a file are called, and during which test."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.test: str | None = None
        self.found = set[tuple[int, str, str | None]]()

    def start(self) -> None:
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def stop(self) -> None:
        threading.settrace(None)  # type: ignore[arg-type]
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename == self._path:
            self.found.add((code.co_firstlineno, code.co_name, self.test))


class _Plugin:
    """A plugin of pytest that does something else than running the collected tests."""

    def __init__(self, work: Callable[[Any], object]) -> None:
        self._work = work
        self.ran = False

    def pytest_configure(self, config: Any) -> None:
        """Declare the marker of pytest-xdist, which is not loaded: here all tests run in one process."""
        config.addinivalue_line("markers", "xdist_group")

    def pytest_runtestloop(self, session: Any) -> bool:
        """Do the work, unless the collection failed."""
        if session.testsfailed:
            raise session.Interrupted("errors during collection")
        if not session.items:
            raise session.Interrupted("no tests")
        self.ran = True
        self._work(session)
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write down the first failure, for `_Run.failed`."""
        if report.failed:
            Path(os.environ["MUTATION_FAILED"]).write_text(report.nodeid)
            text = f"\n{report.nodeid}\n{report.longreprtext}\n"
            os.write(1, text.encode(errors="backslashreplace"))


class _MutantFinder(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module from a mutant's source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        super().__init__(module, str(path))
        self._source = source

    def find_spec(self, fullname: str, path: object, target: object = None) -> Any:
        if fullname != self.name:
            return None
        is_package = Path(self.path).stem == "__init__"
        return spec_from_loader(fullname, self, origin=self.path, is_package=is_package)

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self._source, self.path, "exec", dont_inherit=True)
        return code


def _pytest(words: Sequence[str], plugin: _Plugin) -> int:
    import pytest

    return int(pytest.main(list(words), plugins=[plugin]))


def _run_tests(session: Any, items: Sequence[Any], calls: _Calls | None = None) -> int:
    """Run collected tests in this order until one fails, and return 0 if none does."""
    for number, item in enumerate(items):
        if calls:
            calls.test = item.nodeid
        following = items[number + 1] if number + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


_PR_SET_PDEATHSIG = 1
_BROKEN = 70
"""The exit code of a fork whose run raised an error of our own."""


def _fork(
    work: Callable[[], int], folder: Path, kept: Collection[Path], cpu: float | None, wall: float | None
) -> _Run:
    """Run something in a fork with limits, and return how it ended. It finds no files of the fork before."""
    _remove_files(folder / "files", kept)
    failed, output = folder / "failed", folder / "output"
    failed.unlink(missing_ok=True)
    os.environ["MUTATION_FAILED"] = str(failed)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        with output.open("w") as text:
            os.dup2(text.fileno(), 1)
            os.dup2(text.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        if cpu is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu) + 1, int(cpu) + 1))
        _end_with(work)
    status, used = _wait(child, began, wall)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what the tests have started
    return _Run(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        failed=failed.read_text() if failed.exists() else "an import",
        cpu=used.ru_utime + used.ru_stime,
        wall=time.monotonic() - began,
        output=output.read_text(errors="replace"),
    )


def _remove_files(folder: Path, kept: Collection[Path]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path in kept:
            continue
        with suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _end_with(work: Callable[[], int]) -> None:
    """Run something, and end this process with what it returns, or together with its parent."""
    code = _BROKEN
    with suppress(AttributeError, OSError):  # not Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, began: float, wall: float | None) -> tuple[int, resource.struct_rusage]:
    """Wait for a fork, and kill it at the limit."""
    pause = 0.002
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return status, used
        if wall is not None and time.monotonic() - began > wall:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 1.2, 0.1)


def _import(*names: str) -> None:
    for name in names:
        with suppress(Exception):  # what a test may skip, and names that are no modules
            importlib.import_module(name)


def _functions_of(path: str) -> dict[Place, list[FunctionType]]:
    """Return the loaded functions of a file."""
    gc.unfreeze()
    found: dict[Place, list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename == path:
            found.setdefault((each.__code__.co_firstlineno, each.__code__.co_name), []).append(each)
    return found


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & _OPTIMIZED)


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _functions_around(code: CodeType, line: int) -> Iterator[Place]:
    """Yield the functions whose lines include a line."""
    for inner in _inner(code):
        yield from _functions_around(inner, line)
    if _is_function(code) and code.co_firstlineno <= line <= _last_line(code):
        yield code.co_firstlineno, code.co_name


def _last_line(code: CodeType) -> int:
    own = [line for _, _, line in code.co_lines() if line]
    return max([*own, *map(_last_line, _inner(code))], default=code.co_firstlineno)


def _changed_function(old: CodeType, new: CodeType) -> tuple[CodeType, CodeType] | None:
    """Return the outermost function that differs, if all else is the same and it fits into the old one."""
    changes = list(_changes(old, new))
    if len(changes) != 1 or changes[0] is None:
        return None
    before, after = changes[0]
    return (before, after) if len(before.co_freevars) == len(after.co_freevars) else None


def _changes(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType] | None]:
    """Yield the functions that differ, and None for all else that does."""
    if _is_function(old) and _is_function(new) and old.co_name == new.co_name:
        if _contents(old) != _contents(new):
            yield old, new
        return
    if _contents(old, deep=False) != _contents(new, deep=False):
        yield None
        return
    for before, after in zip_longest(_inner(old), _inner(new)):
        if before is None or after is None:
            yield None
        else:
            yield from _changes(before, after)


def _contents(code: CodeType, deep: bool = True) -> tuple[object, ...]:
    """Return what a code does, without its lines: a mutant may have fewer."""
    consts = [
        (_contents(each) if deep else each.co_name) if isinstance(each, CodeType) else (type(each), each)
        for each in code.co_consts
    ]
    return (
        *(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags),
        *(code.co_name, code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, consts),
        code.co_exceptiontable,
    )
