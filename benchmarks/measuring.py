"""Shared by the benchmarks: contenders that take turns, figures as JSON lines, and servers as processes.

A benchmark is a script with cases, functions that return figures, and ends with `run(CASES, __doc__)`:

    def personal_sms(quick: bool) -> list[Figure]:
        count = 5_000 if quick else 300_000
        with simulator():
            rounds = in_turn({"ours": lambda: measured(ours, count), "loop": lambda: measured(loop, count)})
        each = {"unit": "µs of CPU", "scale": 1e6 / count}
        return [figure("sends.personal_sms", "A personal SMS", rounds=rounds, peer="loop", limit=2, **each)]

`python benchmarks/sends.py` prints a line for each figure. It ends with 1 if a limit is exceeded, and with 2,
without a figure, if a case cannot be measured: a peer is missing, a server died, a contender did less than it
was asked for. `run.py` runs the scripts and keeps the lines in docs/figures.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import pickle
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ROUNDS = 3
LIMIT_EXCEEDED, NOT_MEASURED = 1, 2
"""Exit codes of a benchmark."""

Sample = dict[str, float]
"""What was measured of a contender in one round: seconds as `cpu` and `wall`, and other quantities."""
Rounds = dict[str, list[Sample]]
Figure = dict[str, Any]
Case = Callable[[bool], list[Figure]]


class BenchmarkError(Exception):
    """A case cannot be measured, so there is no figure."""


# Contenders


def in_turn(contenders: Mapping[str, Callable[[], Sample]], rounds: int = ROUNDS) -> Rounds:
    """Let the contenders take turns, in the opposite order in each other round; return their samples.

    So a slower machine, or a busier one, changes both sides of a ratio.
    """
    samples: Rounds = {name: [] for name in contenders}
    for turn in range(rounds):
        names = list(contenders) if turn % 2 == 0 else list(reversed(contenders))
        for name in names:
            samples[name].append(contenders[name]())
    return samples


def measured(act: Callable[[], object], expected: object) -> Sample:
    """Return the CPU and wall seconds of an action, its child processes included.

    The action's result must be `expected`: the time of half the work is not a figure.
    """
    gc.collect()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    result = act()
    sample = {"cpu": _cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
    require(result == expected, f"a contender returned {result!r} instead of {expected!r}")
    return sample


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def in_fork(act: Callable[[], Any]) -> Any:
    """Run an action in a fork of this process, which it leaves unchanged, and return its result."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        code = NOT_MEASURED
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(act(), pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    require(status == 0, f"a contender's process ended with status {status}")
    return pickle.loads(content)


def require(condition: object, problem: str) -> None:
    """Raise `BenchmarkError` if a condition does not hold."""
    if not condition:
        raise BenchmarkError(problem)


# Figures


def figure(
    name: str,
    title: str,
    unit: str,
    rounds: Rounds,
    *,
    of: str = "cpu",
    ours: str = "ours",
    peer: str | None = None,
    limit: float | None = None,
    limit_of: str = "ratio",
    more_is_better: bool = False,
    scale: float = 1.0,
    **facts: object,
) -> Figure:
    """Return a figure: the medians of both sides, and the median of the ratios of the rounds.

    :param name: identifies the figure: the benchmark, a dot, and what was measured.
    :param title: what the tables in the docs call it.
    :param unit: the unit of `ours` and `peer`.
    :param rounds: what `in_turn` returned.
    :param of: the quantity of the samples that the figure is about.
    :param ours: the contender that is ours.
    :param peer: the contender to compare with, whose name the tables show.
    :param limit: what must not be exceeded (or be reached, with `more_is_better`) by what `limit_of` names.
    :param limit_of: `ratio`, or `ours`.
    :param scale: turns the quantity of a sample into the unit.
    :param facts: more to know about the figure.
    """
    mine = [sample[of] * scale for sample in rounds[ours]]
    others = None if peer is None else [sample[of] * scale for sample in rounds[peer]]
    require(len(mine) >= ROUNDS, f"{name} has {len(mine)} rounds: at least {ROUNDS} are needed")
    found: Figure = {
        "name": name,
        "title": title,
        "unit": unit,
        "ours": _rounded(statistics.median(mine)),
        "peer": None if others is None else _rounded(statistics.median(others)),
        "peer_name": peer,
        "ratio": None if others is None else _rounded(_median_ratio(mine, others)),
        "limit": limit,
        "limit_of": None if limit is None else limit_of,
        "more_is_better": more_is_better,
        "passed": True,
        "rounds": {"ours": [_rounded(one) for one in mine]},
        **facts,
    }
    if others is not None:
        found["rounds"]["peer"] = [_rounded(one) for one in others]
    if of == "cpu" and "wall" in rounds[ours][0]:
        found["wall"] = {"ours": _rounded(statistics.median(one["wall"] * scale for one in rounds[ours]))}
        if peer is not None and "wall" in rounds[peer][0]:
            walls = [[one["wall"] * scale for one in rounds[name]] for name in (ours, peer)]
            found["wall"]["peer"] = _rounded(statistics.median(walls[1]))
            found["wall"]["ratio"] = _rounded(_median_ratio(*walls))
    if limit is not None:
        value = found[limit_of]
        require(value is not None, f"{name} has a limit of a ratio, and no peer")
        found["passed"] = value >= limit if more_is_better else value <= limit
    return found


def _median_ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    require(all(other > 0 for other in others), "a peer took no time that can be measured")
    return statistics.median(one / other for one, other in zip(mine, others, strict=True))


def _rounded(value: float) -> float:
    """Return a number with four significant digits."""
    return float(f"{value:.4g}")


@cache
def machine() -> dict[str, object]:
    """Return where and when this process measures; `load` is how busy the machine was at the start."""
    cpu_info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "airflow": importlib.metadata.version("apache-airflow-core"),
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


# Peers and servers


def peer_package(package: str, module: str) -> str:
    """Return the name and version of a peer, which must be installed."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    require(found is not None, f"the peer {package} is not installed; `make bench` installs it")
    return f"{package} {importlib.metadata.version(package)}"


def peer_program(name: str) -> str:
    """Return the path of a program, which must be installed."""
    path = shutil.which(name)
    require(path is not None, f"the peer {name} is not installed")
    return str(path)


@contextmanager
def server(command: Sequence[str | Path], **options: Any) -> Iterator[tuple[Any, subprocess.Popen[str]]]:
    """Run a server as a process; yield the line of JSON that it prints when it is ready, and the process.

    It ends when its standard input is closed. If it ends before, there is no figure.
    """
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, **options
        )

        def said() -> str:
            errors.seek(0)
            return f"the server {Path(command[0]).name} ended with {process.wait()}: {errors.read()[-2000:]}"

        try:
            line = process.stdout.readline()  # type: ignore[union-attr]
            require(line, said() if not line else "")
            try:
                yield json.loads(line), process
            except BaseException as error:
                if process.poll() is not None:
                    raise BenchmarkError(said()) from error
                raise
            require(process.poll() is None, said() if process.poll() is not None else "")
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


_SIMULATOR = (
    "import json, sys; from airflow_provider_telecom.simulator.server import Simulator;"
    "running = Simulator(); running.start(); {prepare};"
    "print(json.dumps(running.environment()), flush=True); sys.stdin.read()"
)


@contextmanager
def simulator(prepare: str = "pass") -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """Run the simulator as a process; add its connections to the environment, and yield them and the process.

    `prepare` is a Python statement about `running`, the running simulator.
    """
    command = [sys.executable, "-c", _SIMULATOR.format(prepare=prepare), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with server(command, env=environment) as (connections, process):
        os.environ.update(connections)
        yield connections, process


# Memory


def megabytes(what: str) -> float:
    """Return the memory of this process: VmRSS now, VmHWM at its peak (getrusage's is the parent's too)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def idle_megabytes() -> float:
    """Reset the peak, and return the present memory of this process."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return megabytes("VmRSS")


# The command line of a benchmark


def run(cases: Mapping[str, Case], description: str | None) -> None:
    """Run all cases, or those that the command line names, each in its own process; print the figures."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("cases", nargs="*", metavar="case", help=f"one of: {', '.join(cases)}")
    arguments.add_argument("--quick", action="store_true", help="small sizes; limits are not enforced")
    chosen = arguments.parse_args()
    if unknown := set(chosen.cases) - set(cases):
        arguments.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(cases)}")
    if len(chosen.cases) == 1:
        sys.exit(run_case(chosen.cases[0], cases[chosen.cases[0]], quick=chosen.quick))
    codes = []
    for name in chosen.cases or cases:
        words = [name, *(["--quick"] if chosen.quick else [])]
        codes.append(subprocess.run([sys.executable, sys.argv[0], *words], check=False).returncode)
    sys.exit(max(codes))


def run_case(name: str, case: Case, *, quick: bool) -> int:
    """Run a case in this process; print its figures as JSON lines, and return the exit code."""
    where, script = machine(), Path(sys.argv[0]).name
    figures = list[Figure]()
    problem = None
    with quiet() as output:
        try:
            figures = case(quick)
            require(figures, "it returned no figure")
        except BenchmarkError as error:
            problem = str(error)
        except Exception as error:
            traceback.print_exc()
            problem = repr(error)
    if problem is not None:
        print(f"{output()}\n{script} {name}: not measured: {problem}", file=sys.stderr)
        return NOT_MEASURED
    for one in figures:
        line = {"case": name, **one, "machine": where, **({"quick": True} if quick else {})}
        print(json.dumps(line, ensure_ascii=False), flush=True)
    exceeded = [one for one in figures if not one["passed"]]
    for one in exceeded:
        kind = "not reached" if one["more_is_better"] else "exceeded"
        what = f"{one['limit_of']} {one[one['limit_of']]}, limit {one['limit']}"
        print(f"{script} {name}: {one['name']}: limit {kind}: {what}", file=sys.stderr)
    return LIMIT_EXCEEDED if exceeded and not quick else 0


@contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Keep what this process and its children print out of the figures; yield what returns the end of it."""
    ended = list[str]()
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: ended[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for former, number in zip(saved, (1, 2), strict=True):
                os.dup2(former, number)
                os.close(former)
            file.seek(0)
            ended.append(file.read()[-3000:])
