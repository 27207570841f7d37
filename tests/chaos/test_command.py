"""`python -m tests.chaos`: its arguments, its exit status, and that a wrong run has no figures."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from airflow_provider_telecom.simulator.server import Simulator
from tests.chaos.__main__ import main
from tests.chaos.processes import DiskFullError, KillingProcess
from tests.chaos.scenario import Round, Scenario, Seed, SeedError, SimulatorError, World, play
from tests.eventually import eventually


@pytest.mark.parametrize("text", ["", "x", "-1", "7.", ".7", "7.1.2", "1e5", "9" * 30, "٣", "7 ", "0x10"])
def test_a_malformed_seed_is_refused(text: str) -> None:
    with pytest.raises(SeedError, match="is not a seed: a number up to"):
        Seed.parse(text)


@pytest.mark.parametrize("text", ["0", "7", "7.17", str(2**63 - 1)])
def test_a_seed_is_read_as_it_was_printed(text: str) -> None:
    assert str(Seed.parse(text)) == text


def _plays(round_: Round) -> dict[str, float]:
    return {}


def test_a_round_that_a_scenario_does_not_have_is_refused() -> None:
    scenario = Scenario("one", _plays, "rounds", 1, rounds_at_most=3)
    assert list(map(str, scenario.rounds(Seed(5)))) == ["5.0", "5.1", "5.2"]
    assert list(map(str, scenario.rounds(Seed(5), part=1, parts=2))) == ["5.1"]
    assert list(map(str, scenario.rounds(Seed(5, 2)))) == ["5.2"]
    with pytest.raises(SeedError, match="one has no round 3"):
        next(scenario.rounds(Seed(5, 3)))


def test_the_same_seed_draws_the_same() -> None:
    scenario = Scenario("one", _plays, "rounds", 1)
    world = type("World", (), {"folder": Path("x")})()
    first, again, other = (
        Round(scenario, Seed.parse(seed), world).dice.random()  # type: ignore[arg-type]
        for seed in ("7.3", "7.3", "7.4")
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "kills.promo", "--seed", "x"], "'x' is not a seed"),
        (["--only", "nothing"], "there is no scenario nothing; there are kills.bulk_sms,"),
        (["--seed", "7.1"], "name it by --only"),
        (["--scale", "0"], "--scale: must be more than 0"),
        (["--scale", "nan"], "--scale: must be more than 0"),
        (["--jobs", "0"], "--jobs: must be at least 1"),
        (["--output", "/nowhere/figures.jsonl"], "--output: /nowhere is not a folder in which"),
        (["--output", "/"], "--output: / is a folder"),
        (["--folder", "/nowhere"], "--folder: /nowhere is not a folder in which"),
    ],
)
def test_wrong_arguments_play_nothing(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert said in printed.err


@pytest.mark.parametrize("does_fail", [True, False])
def test_a_simulator_that_dies_gives_no_figures(does_fail: bool, tmp_path: Path) -> None:
    """Neither is it the provider's fault, nor is a call that reached nobody a success."""
    simulator = Simulator()
    simulator.start()

    def dies(round_: Round) -> dict[str, float]:
        simulator.stop()
        round_.expect(not does_fail, "everything is lost")
        return {"rounds": 1}

    with KillingProcess(tmp_path / "log") as processes:
        world = World(simulator, tmp_path, processes)
        with pytest.raises(SimulatorError, match=r"the simulator at http.* has died"):
            play(Scenario("one", dies, "rounds", 1), Seed(1), world, 1)


@pytest.mark.parametrize("does_fail", [True, False])
def test_a_full_disk_gives_no_figures(
    does_fail: bool, telecom_simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is it the provider's fault, nor has a task that could write nothing kept a secret."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def plays(round_: Round) -> dict[str, float]:
        monkeypatch.setattr(Path, "write_bytes", full)
        round_.expect(not does_fail, "everything is lost")
        return {"rounds": 1}

    with KillingProcess(tmp_path / "log") as processes:
        world = World(telecom_simulator, tmp_path, processes)
        with pytest.raises(DiskFullError, match="No space left on device"):
            play(Scenario("one", plays, "rounds", 1), Seed(1), world, 1)


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_figures_that_cannot_be_written_are_no_success(jobs: str) -> None:
    arguments = ("--only", "kills.promo", "--seed", "1", "--scale", "0.002", "--jobs", jobs)
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 3
    assert "the disk is full. No figures" in ended.stderr


@pytest.mark.long
def test_a_round_is_replayed_alone() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--only", "kills.promo", "--seed", "1.3"]
    ended = subprocess.run(command, capture_output=True, text=True)
    figures = json.loads(ended.stdout)
    assert (ended.returncode, figures["rounds"], figures["seed"]) == (0, 1, "1.3")


def _parts_of(pid: int) -> Iterator[psutil.Process]:
    """Yield the processes that play; others run for a moment while libraries are imported."""
    for child in psutil.Process(pid).children():
        with suppress(psutil.Error):
            if "--part" in child.cmdline():
                yield child


@pytest.mark.long
def test_a_process_that_is_killed_gives_no_figures(tmp_path: Path) -> None:
    output = tmp_path / "figures.jsonl"
    arguments = ("--only", "kills.promo", "--seed", "1", "--jobs", "1", "--output", str(output))
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as whole:
        assert eventually(lambda: list(_parts_of(whole.pid)))
        next(_parts_of(whole.pid)).kill()
        printed, said = whole.communicate()
    assert (whole.returncode, printed, output.exists()) == (3, "", False)
    assert "A process ended with -9. No figures" in said
