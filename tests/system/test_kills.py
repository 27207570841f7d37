"""Kills task processes under a real scheduler: at each step of four operators, and at random times.

The simulator's ledger records what the vendor received. KetchUp SMS and promos: nothing is lost or sent
twice. A Kyivstar SMS, which has no idempotency key, is never sent twice; if it may be lost, the task fails.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.killing import BEGIN, FOLDER
from tests.system.kills.killed import KINDS, PEOPLE
from tests.system.running import RunningAirflow, Shape, running_airflow
from tests.system.services import Postgres

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
KILLS = 50
AT_RANDOM_EACH = 3
DOUBT = "OutcomeUnknownError"


@dataclass(frozen=True)
class Killed:
    """A Dag run that was to be killed, and how it ended."""

    dag_id: str
    run_id: str
    point: int | None
    state: str


class KillableAirflow:
    """A deployment whose tasks can be killed."""

    def __init__(self, airflow: RunningAirflow, folder: Path) -> None:
        self.airflow, self._folder = airflow, folder

    def run(self, orders: Sequence[tuple[str, str, dict[str, Any]]]) -> list[Killed]:
        """Make Dag runs, `(dag_id, run_id, conf)`, at once, and return how they ended."""
        for dag_id, run_id, conf in orders:
            self.airflow.start_run(dag_id, run_id, **conf)
        names = {run_id for _, run_id, _ in orders}

        def states() -> dict[str, str]:
            return dict(self.airflow.rows("select run_id, state from dag_run"))

        def ended() -> bool:
            now = states()
            return all(now.get(name) in ("success", "failed") for name in names)

        assert self.airflow.wait_until(ended, 1800), f"{Counter(states().values())}; {self.airflow.logs()}"
        now = states()
        return [Killed(dag_id, run_id, conf.get("point"), now[run_id]) for dag_id, run_id, conf in orders]

    def was_killed(self, run_id: str) -> bool:
        return (self._folder / f"{run_id}.killed").exists()

    def steps(self, run_id: str) -> list[tuple[float, str]]:
        """Return the steps that a run's tries have made, and when, in seconds after the first began."""
        lines = [line.split(" ", 2) for line in (self._folder / f"{run_id}.steps").read_text().splitlines()]
        return [(float(when) - float(lines[0][0]), what) for when, _, what in lines]

    def gap(self, run_id: str) -> float | None:
        """Return the seconds between a run's kill and its next try."""
        begun = [when for when, what in self.steps(run_id) if what == BEGIN]
        killed = (self._folder / f"{run_id}.killed").stat().st_mtime - self._began(run_id)
        return next((when - killed for when in begun if when > killed), None)

    def _began(self, run_id: str) -> float:
        return float((self._folder / f"{run_id}.steps").read_text().split(" ", 1)[0])


@pytest.fixture(scope="module")
def killable(
    telecom_simulator_server: Any, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KillableAirflow]:
    home, dags, folder = (tmp_path_factory.mktemp(name) for name in ("airflow", "dags", "crashes"))
    shutil.copy(Path(__file__).parent / "kills" / "killed.py", dags)
    settings = {
        FOLDER: str(folder),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        **telecom_simulator_server.environment(),
    }
    shape = Shape(database=postgres.new_database("kills"), parallelism=8)
    with running_airflow(home, dags, shape, **settings) as airflow:
        yield KillableAirflow(airflow, folder)


def test_fifty_kills(killable: KillableAirflow, telecom_simulator: Any, tell: Callable[[str], None]) -> None:
    started = time.monotonic()
    points, durations = _probed(killable)
    at_points = [
        (dag_id, f"{dag_id}-{point}", {"point": point})
        for dag_id, last in points.items()
        for point in range(1, last + 1)
    ]
    killed = killable.run(at_points)
    assert not [kill for kill in killed if not killable.was_killed(kill.run_id)]
    killed += _at_random(killable, durations, KILLS - len(killed))
    assert len(killed) >= KILLS
    tell(f"{len(killed)} kills in {time.monotonic() - started:.0f} s; points: {points}")
    for (dag_id, state), count in sorted(Counter((kill.dag_id, kill.state) for kill in killed).items()):
        tell(f"{dag_id}: {count} {state}")
    gaps = sorted(gap for kill in killed if (gap := killable.gap(kill.run_id)) is not None)
    tell(f"from kill to the next try: {gaps[len(gaps) // 2]:.1f} s, at most {gaps[-1]:.1f} s")
    problems = [_problem(kill, killable, telecom_simulator, points[kill.dag_id]) for kill in killed]
    assert not any(problems), "\n".join(filter(None, problems))


def _probed(killable: KillableAirflow) -> tuple[dict[str, int], dict[str, float]]:
    """Run once without a kill; return the number of kill points and the duration in seconds."""
    for probe in killable.run([(dag_id, f"{dag_id}-whole", {}) for dag_id in KINDS]):
        assert probe.state == "success", f"{probe}; {killable.airflow.task_logs(probe.dag_id)[-5000:]}"
    steps = {dag_id: killable.steps(f"{dag_id}-whole") for dag_id in KINDS}
    points = {dag_id: 2 * sum(what != BEGIN for _, what in made) for dag_id, made in steps.items()}
    return points, {dag_id: made[-1][0] for dag_id, made in steps.items()}


def _at_random(killable: KillableAirflow, durations: dict[str, float], wanted: int) -> list[Killed]:
    """Kill tasks of each kind at random times, until enough of them were killed while they ran."""
    random_ = random.Random(20)
    wanted = max(wanted, AT_RANDOM_EACH * len(KINDS))
    met: list[Killed] = []
    for round_ in range(20):
        orders = []
        for number in range(wanted - len(met)):
            dag_id = list(KINDS)[number % len(KINDS)]
            seconds = random_.uniform(0, durations[dag_id] * 1.1)
            orders.append((dag_id, f"{dag_id}-random-{round_}-{number}", {"after_seconds": seconds}))
        met += [kill for kill in killable.run(orders) if killable.was_killed(kill.run_id)]
        if len(met) >= wanted:
            return met
    raise AssertionError(f"of {wanted} kills at random times only {len(met)} came before the task's end")


def _problem(kill: Killed, killable: KillableAirflow, simulator: Any, last: int) -> str | None:
    """Compare the end of a run with what the vendor received, and return what is wrong."""
    got = _GOT[kill.dag_id](simulator, kill.run_id)
    story = f"{kill}: {sum(got.values())} sent; {killable.steps(kill.run_id)}"
    if any(count > 1 for count in got.values()):
        return f"twice: {story}"
    if kill.dag_id == "kyivstar_sms":
        return _problem_without_key(kill, killable, got, last, story)
    wanted = {PEOPLE[0]} if kill.dag_id == "ketchup_sms" else set(PEOPLE)
    return None if set(got) == wanted and kill.state == "success" else f"lost: {story}"


def _problem_without_key(
    kill: Killed, killable: KillableAirflow, got: Counter[str], last: int, story: str
) -> str | None:
    """A run without a key succeeds with one SMS, or fails because the outcome is unknown.

    A kill before the first or after the last step leaves no doubt.
    """
    if kill.state == "success":
        return None if got else f"lost silently: {story}"
    if DOUBT not in killable.airflow.task_logs(kill.dag_id, kill.run_id):
        return f"failed for another reason: {story}"
    return f"the outcome was known: {story}" if kill.point in (1, last) else None


def _messages(vendor: str) -> Callable[[Any, str], Counter[str]]:
    def count(simulator: Any, text: str) -> Counter[str]:
        return Counter(
            effect.facts["msisdn"] for effect in simulator.state.ledger.of(vendor, "sms", text=text)
        )

    return count


def _started_promos(simulator: Any, text: str) -> Counter[str]:
    """Return how often each recipient is in a started campaign with this text."""
    from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState

    state = simulator.state
    promos = state.vendor_state("kyivstar_open_telecom", VendorState).promos
    started = [
        promos[effect.facts["id"]] for effect in state.ledger.of("kyivstar_open_telecom", "promo_started")
    ]
    return Counter(msisdn for promo in started if promo.text == text for msisdn, _ in promo.audience)


_GOT: dict[str, Callable[[Any, str], Counter[str]]] = {
    "kyivstar_sms": _messages("kyivstar_open_telecom"),
    "ketchup_sms": _messages("ketchup_loyalty"),
    "ketchup_bulk": _messages("ketchup_loyalty"),
    "kyivstar_promo": _started_promos,
}
"""How often each recipient received the text of a run, according to the vendor's ledger."""
