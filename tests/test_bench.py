"""A small form of `make bench`: memory stays constant for long inputs, and sending does not slow down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.request import urlopen

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def figures_of(program: str, *words: str) -> dict[str, Any]:
    return lines_of(program, *words)[-1]


def lines_of(program: str, *words: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(BENCHMARKS / program), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-3000:]  # 1: a limit, which depends on the machine
    return [json.loads(line) for line in done.stdout.splitlines()]


# The frame: there is a right figure, or a message and a non-zero exit


TOY = """
import os, sys
sys.path.insert(0, "FOLDER")
from measuring import *

SERVER = "import sys; print(1, flush=True); sys.stdin.read(1); sys.exit('no memory')"

def act():
    return sum(range(200_000))

def figures(limit=1e9, ours=act, **words):
    rounds = in_turn({"ours": lambda: measured(ours, act()), "loop": lambda: measured(act, act())})
    return [figure("toy.sum", "A sum", "s", rounds, peer="loop", limit=limit, **words)]

def good(quick):
    print("what a contender prints")
    return figures()

def slow(quick):
    return figures(limit=1e-9)

def lazy(quick):
    return figures(ours=lambda: 1)

def missing(quick):
    return figures(of=peer_package("apache-airflow-providers-toy", "airflow.providers.toy.hooks"))

def dying(quick):
    with server([sys.executable, "-c", SERVER]) as (_, process):
        process.communicate("end")
        return figures()

def dead(quick):
    with server([sys.executable, "-c", "import no_such_module"]):
        return figures()

def killed(quick):
    in_fork(lambda: os.abort())
    return figures()

def broken(quick):
    raise ZeroDivisionError

CASES = {name: globals()[name] for name in
         ("good", "slow", "lazy", "missing", "dying", "dead", "killed", "broken")}
if __name__ == "__main__":
    run(CASES, None)
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small benchmark."""
    path = tmp_path_factory.mktemp("bench") / "toy.py"
    path.write_text(TOY.replace("FOLDER", str(BENCHMARKS)))
    return path


@pytest.fixture(scope="module")
def collect() -> Callable[..., int]:
    """Return the function of the runner that runs one benchmark and keeps its figures."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from run import collect as found
    finally:
        sys.path.remove(str(BENCHMARKS))
    return found


def kept(folder: Path) -> list[dict[str, Any]]:
    file = folder / "toy.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_figure_has_both_sides_and_the_machine(
    toy: Path, collect: Callable[..., int], tmp_path: Path
) -> None:
    assert collect(toy, ["good"], tmp_path) == 0
    (figure,) = kept(tmp_path)
    assert (figure["name"], figure["peer_name"], figure["passed"]) == ("toy.sum", "loop", True)
    assert [len(figure["rounds"][side]) for side in ("ours", "peer")] == [3, 3]
    assert figure["ours"] > 0 < figure["peer"]
    assert set(figure["wall"]) == {"ours", "peer", "ratio"}
    assert set(figure["machine"]) >= {"cpu", "cores", "python", "airflow", "date", "load"}


@pytest.mark.parametrize(
    ("case", "code", "message"),
    [
        ("slow", 1, "toy.sum: limit exceeded: ratio "),
        ("lazy", 2, "a contender returned 1 instead of 19999900000"),
        ("missing", 2, "the peer apache-airflow-providers-toy is not installed"),
        ("dying", 2, "ended with 1: no memory"),
        ("dead", 2, "No module named 'no_such_module'"),
        ("killed", 2, "a contender's process ended with status"),
        ("broken", 2, "ZeroDivisionError"),
    ],
)
def test_no_wrong_figure(
    toy: Path, collect: Callable[..., int], tmp_path: Path, capfd: Any, case: str, code: int, message: str
) -> None:
    assert collect(toy, [case], tmp_path) == code
    assert message in capfd.readouterr().err
    assert [one["passed"] for one in kept(tmp_path)] == ([False] if code == 1 else [])


def test_a_figure_that_cannot_be_measured_again_stays(
    toy: Path, collect: Callable[..., int], tmp_path: Path
) -> None:
    assert collect(toy, ["good"], tmp_path) == 0
    before = kept(tmp_path)
    assert collect(toy, ["broken"], tmp_path) == 2
    assert kept(tmp_path) == before
    assert collect(toy, ["slow"], tmp_path) == 1
    assert [one["case"] for one in kept(tmp_path)] == ["good", "slow"]


def test_figures_that_cannot_be_kept(
    toy: Path, collect: Callable[..., int], tmp_path: Path, capfd: Any
) -> None:
    (tmp_path / "file").touch()
    assert collect(toy, ["good"], tmp_path / "file") == 2
    assert "toy.py: its figures cannot be kept: " in capfd.readouterr().err


def test_an_unknown_benchmark_or_case() -> None:
    for program, word, known in (("run.py", "send", "sends"), ("sends.py", "sms", "personal_sms")):
        command = [sys.executable, str(BENCHMARKS / program), word]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f" {word}; there are " in done.stderr
        assert known in done.stderr


# The benchmark of triggers in a triggerer


HIDDEN = """
import runpy, sys
sys.modules[sys.argv[1]] = None
sys.argv = sys.argv[2:]
sys.path.insert(0, "FOLDER")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_without_the_http_provider_no_airflow_is_started() -> None:
    script = HIDDEN.replace("FOLDER", str(BENCHMARKS))
    words = ["airflow.providers.http", str(BENCHMARKS / "triggerer.py"), "https", "--quick"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the peer apache-airflow-providers-http is not installed" in done.stderr


class DeadTriggerer:
    """A deployment whose triggerer does nothing: this process."""

    processes: ClassVar[dict[str, Any]] = {"triggerer": SimpleNamespace(pid=os.getpid())}

    def wait_until(self, condition: Callable[[], bool], seconds: float, every: float) -> bool:
        return condition()

    def value(self, query: str, **values: object) -> int:
        return 90

    def log(self, component: str) -> str:
        return ""

    def logs(self) -> str:
        return "triggerer: nothing"


def test_triggers_that_do_not_poll_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from measuring import BenchmarkError
    from polls import server
    from triggerer import Triggerer

    with server() as (urls, _):
        triggerer = Triggerer(DeadTriggerer(), urls["http"])
        for number in (1, 2, 2):
            with urlopen(f"{urls['http']}/rest/sms/reference/a{number}", timeout=60) as answer:
                answer.read()
        with pytest.raises(
            BenchmarkError, match=r"ours: 2 of 100 .* 3 times in all; 90 exist; triggerer: nothing"
        ):
            triggerer.wait_until_all_poll("ours", 100)
        with pytest.raises(BenchmarkError, match=r"peer: 1000000 triggers polled 0 times in 0 s, instead of"):
            triggerer.measured("peer", 1_000_000, 0.1)


# The benchmarks, in a small form


@pytest.mark.long
@pytest.mark.parametrize("name", ["personal_sms", "promo"])
def test_a_send_is_not_much_dearer_than_a_plain_loop(name: str) -> None:
    """Nor does it become slower, and only the set of numbers grows."""
    cost, _, memory, slowdown = lines_of("sends.py", "--quick", name)
    assert cost["ratio"] < 3 * cost["limit"]
    assert memory["ours"] < 40
    assert slowdown["ours"] < 3


@pytest.mark.long
@pytest.mark.parametrize("name", ["csv", "json", "xml"])
def test_a_long_call_list_goes_to_disk(name: str) -> None:
    memory = figures_of("records.py", name, "--quick")
    assert memory["records"] > 10_000
    assert memory["ours"] < memory["limit"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["fmc", "ketchup", "novaconnect"])
def test_records_to_parquet_take_not_much_more_time_than_plain_pyarrow(name: str) -> None:
    cost, *_, memory = lines_of("records.py", name, "--quick")
    assert cost["ratio"] < 6
    assert memory["ours"] < memory["limit"]


@pytest.mark.long
@pytest.mark.parametrize("words", [["--quick"], []])
def test_an_audience_has_the_counts_of_plain_sql(words: list[str]) -> None:
    wall, _, memory = lines_of("audience.py", "million", *words)
    assert 0 < wall["recipients"] < wall["rows"]
    assert memory["ours"] < 300


@pytest.mark.parametrize("words", [["--quick"], pytest.param([], marks=pytest.mark.long)])
def test_waiters_of_a_task_share_a_call(words: list[str]) -> None:
    """A hundred wait for each task: one call for each task in an interval."""
    calls, *_ = lines_of("polls.py", "shared", *words)
    assert calls["waiters"] == 100 * calls["tasks"]
    assert 0 < calls["ours"] <= calls["tasks"] * 4 / 3  # one more in three intervals


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_all_contenders_poll(scheme: str) -> None:
    pytest.importorskip("airflow.providers.http")
    figures = {one["name"]: one for one in lines_of("polls.py", f"{scheme}_200", "--quick")}
    assert set(figures) == {
        f"polls.{scheme}.200.{what}" for what in ("cpu", "cpu_of_http", "late", "late_worst", "memory")
    }
    assert figures[f"polls.{scheme}.200.cpu"]["ratio"] < 10
