"""A scenario is played in rounds, each with its own seed, history and figures.

A round's seed is `<seed>.<number>`, such as `7.17`, and decides everything that is left to chance in it:
`python -m tests.chaos --only kills.promo --seed 7.17` plays that round alone.
"""

from __future__ import annotations

import json
import random
import re
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from airflow_provider_telecom.simulator.server import Simulator
from tests.chaos.checker import check, figures
from tests.chaos.history import History
from tests.chaos.processes import HANG_SECONDS, DiskFullError, Ended, HungError, Kill, KillingProcess

MAX_SEED = 2**63 - 1
Figures = Mapping[str, float]


class ChaosError(AssertionError):
    """Something is wrong with the provider (or with the scenario): a rule is broken."""


class SeedError(ValueError):
    """A seed that is none, or that this run does not have."""


@dataclass(frozen=True)
class Seed:
    """The seed of a run, and the number of the one round that is played; None plays all."""

    run: int
    round: int | None = None

    def __str__(self) -> str:
        return str(self.run) if self.round is None else f"{self.run}.{self.round}"

    @classmethod
    def parse(cls, text: str) -> Seed:
        """Return the seed that a person typed. Raises SeedError."""
        found = re.fullmatch(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?", text, re.ASCII)
        if found is None or int(found[1]) > MAX_SEED:
            raise SeedError(
                f"--seed: {text!r} is not a seed: a number up to {MAX_SEED}, or the seed of one round as a "
                "failing run prints it, such as 7.17"
            )
        return cls(int(found[1]), None if found[2] is None else int(found[2]))


class SimulatorError(Exception):
    """The simulator does not answer any more: what was counted since then is nothing."""


class World:
    """What the rounds share: the simulator, the killing process, and a folder."""

    def __init__(self, simulator: Simulator, folder: Path, processes: KillingProcess) -> None:
        self.simulator, self.folder, self.processes = simulator, folder, processes

    def check_machine(self) -> None:
        """Raise SimulatorError if the simulator has died, and DiskFullError if the disk is full."""
        beside = self.folder / "free"
        try:
            beside.write_bytes(bytes(1 << 16))
        except OSError as error:
            raise DiskFullError(f"{self.folder}: {error}") from None
        finally:
            beside.unlink(missing_ok=True)
        try:
            with urlopen(f"{self.simulator.url}/_control/health", timeout=HANG_SECONDS):
                pass
        except OSError as error:
            raise SimulatorError(f"the simulator at {self.simulator.url} has died: {error}") from None

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process and of those that it started."""
        both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
        own = sum(each.ru_utime + each.ru_stime for each in both)
        return own + self.processes.cpu_seconds()


class Round:
    """One round: its chance, its history, and the world."""

    def __init__(self, scenario: Scenario, seed: Seed, world: World, mutant: str | None = None) -> None:
        assert seed.round is not None
        self.scenario, self.seed, self.number, self.world = scenario, seed, seed.round, world
        self.mutant = mutant
        """The name of a fault that is planted in the provider; the checker must find it."""
        self.dice = random.Random(f"{scenario.name} {seed}")
        self.history = History()
        self.folder = world.folder / scenario.name / str(seed)
        self.kills = 0

    @property
    def simulator(self) -> Simulator:
        """The simulated vendors. `fresh` resets them."""
        return self.world.simulator

    def fresh(self, preset: Any = "default") -> Simulator:
        """Reset the simulator, with the round's own data, and return it."""
        self.simulator.reset(seed=self.dice.randrange(1 << 30), preset=preset)
        self.history.ledger_was_reset()
        return self.simulator

    def environment(self, **extra: Mapping[str, Any]) -> dict[str, str]:
        """Return the connections as variables; `extra` has further extra fields by connection type."""
        made = {}
        for name, text in self.simulator.environment().items():
            connection = json.loads(text)
            connection["extra"] |= extra.get(connection["conn_type"], {})
            made[name] = json.dumps(connection)
        return made

    def run(self, body: str, order: dict[str, Any], kill: Kill | None = None) -> Ended:
        """Run a try in a child of the killing process; count it if it was killed."""
        ended = self.world.processes.run(body, {**order, "mutant": self.mutant}, kill)
        self.kills += ended.killed
        return ended

    def expect(self, holds: object, text: str) -> None:
        """Raise ChaosError unless something holds that the checker cannot know."""
        if not holds:
            raise ChaosError(text)

    def check(self) -> Counter[str]:
        """Return the history's figures. Raises ChaosError with all violations."""
        if violations := check(self.history.events):
            raise ChaosError("\n".join(map(str, violations)))
        return figures(self.history.events)


@dataclass(frozen=True)
class Scenario:
    """Something that is played until there were enough of what it counts.

    `play` plays one round and returns its own figures; those of the history are added. `counts` names the
    figure that is counted, of which the long form has `long`.
    """

    name: str
    play: Callable[[Round], Figures]
    counts: str
    long: int
    mutants: tuple[str, ...] = ()
    """Faults that can be planted in the provider, each of which this scenario must find."""
    rounds_at_most: int = field(default=1_000_000_000, kw_only=True)
    waits: bool = field(default=False, kw_only=True)
    """Whether it waits most of the time, so that others may be played beside it."""
    conclude: Callable[[Counter[str]], str] = field(default=lambda total: "", kw_only=True)
    """Judges the sums of all rounds, may change them, and returns a remark. Raises ChaosError."""

    def rounds(self, seed: Seed, part: int = 0, parts: int = 1) -> Iterator[Seed]:
        """Yield the seeds of this part's rounds, or the one that was asked for. Raises SeedError."""
        if seed.round is not None:
            if seed.round >= self.rounds_at_most:
                raise SeedError(f"--seed: {self.name} has no round {seed.round}")
            yield seed
            return
        for number in range(part, self.rounds_at_most, parts):
            yield Seed(seed.run, number)


def play(
    scenario: Scenario,
    seed: Seed,
    world: World,
    wanted: int,
    part: int = 0,
    parts: int = 1,
    mutant: str | None = None,
) -> Counter[str]:
    """Play rounds until there are `wanted` of what the scenario counts, and return all figures.

    Raises ChaosError, which names the round's seed, SimulatorError and DiskFullError.
    """
    total: Counter[str] = Counter()
    with _measured(total, world):
        for one in scenario.rounds(seed, part, parts):
            round_ = Round(scenario, one, world, mutant)
            try:
                own = scenario.play(round_)
                total.update(round_.check())
            except (DiskFullError, HungError):
                raise
            except Exception as error:
                world.check_machine()
                if isinstance(error, OSError):
                    raise
                raise ChaosError(_failure(round_, error)) from error
            total.update({**own, "rounds": 1, "kills": round_.kills + own.get("kills", 0)})
            if total[scenario.counts] >= wanted:
                break
        world.check_machine()
    return total


@contextmanager
def _measured(total: Counter[str], world: World) -> Iterator[None]:
    """Add the seconds and the CPU seconds of a block."""
    began, cpu = time.monotonic(), world.cpu_seconds()
    yield
    total["seconds"] += time.monotonic() - began  # type: ignore[assignment]
    total["cpu_seconds"] += world.cpu_seconds() - cpu  # type: ignore[assignment]


def _failure(round_: Round, error: Exception) -> str:
    path = round_.world.folder / f"{round_.scenario.name}-{round_.seed}.history.jsonl"
    round_.history.write(path)
    text = str(error) if isinstance(error, ChaosError) else "".join(traceback.format_exception(error))
    return (
        f"{round_.scenario.name}, seed {round_.seed}:\n{text}\n"
        f"history: {path}\n"
        f"replay: python -m tests.chaos --only {round_.scenario.name} --seed {round_.seed}"
    )
