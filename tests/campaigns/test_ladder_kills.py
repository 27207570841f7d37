"""A ladder whose tries are killed at any point, and whose tasks are cleared in any order.

A try dies before or after a request, a read or write of the task state store, or a change of a file. Tasks
are cleared in between, alone or with those after them, and late receipts come at any time. Whatever happens,
nobody is charged twice by a rung, and nobody gets an SMS whose Viber message was not known to have failed
when the SMS were begun.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk import fallback, ladder_report
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.campaigns.dag_runs import FAILED as TASK_FAILED
from tests.campaigns.dag_runs import DagRun
from tests.campaigns.world import FAILED, World, ladder_dag, numbers, outcomes
from tests.running import Store

SMS_AUDIENCE, SMS_SEND = "spring.sms.audience", "spring.sms.send"
PEOPLE = 60
MOST_STEPS = 400


class KilledError(BaseException):
    """The process is gone."""


class Killer:
    """Kills a try at a step, with some probability, until there were enough kills."""

    def __init__(self, chance: random.Random, probability: float, most: int) -> None:
        self._chance, self._probability, self.left, self.kills = chance, probability, most, 0

    def step(self) -> None:
        if self.left and self._chance.random() < self._probability:
            self.left -= 1
            self.kills += 1
            raise KilledError


class KillingStore(Store):
    """A task state store whose callers may die."""

    def __init__(self, killer: Callable[[], Killer]) -> None:
        super().__init__()
        self._killer = killer

    def get(self, key: str, default: Any = None) -> Any:
        self._killer().step()
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self._killer().step()
        super().set(key, value, retention=retention)
        self._killer().step()


class KillingRun(DagRun):
    """A Dag run whose tries may be killed."""

    def __init__(self, dag: Any, run_id: str, killer: Callable[[], Killer]) -> None:
        super().__init__(dag, run_id)
        self._killer = killer

    def context(self, operator: Any, map_index: int = -1, **more: Any) -> dict[str, Any]:
        self.stores.setdefault(operator.task_id, KillingStore(self._killer))
        return super().context(operator, map_index, **more)


@pytest.fixture
def world(telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> World:
    hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop", vendor_timezone="UTC")
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    return World(telecom_simulator, monkeypatch)


@pytest.fixture
def killers(monkeypatch: pytest.MonkeyPatch) -> list[Killer]:
    """The killer of the present run is the last one. Its steps are requests and changes of files."""
    found: list[Killer] = [Killer(random.Random(0), 0, 0)]

    def around(owner: Any, name: str, applies: Callable[..., bool] = lambda *_: True) -> None:
        do = getattr(owner, name)

        def step(*args: Any, **options: Any) -> Any:
            if not applies(*args):
                return do(*args, **options)
            found[-1].step()
            result = do(*args, **options)
            found[-1].step()
            return result

        monkeypatch.setattr(owner, name, step)

    around(Transport, "send")
    for name in ("rename", "unlink", "rmdir"):
        around(ObjectStoragePath, name)
    around(ObjectStoragePath, "open", lambda *args: "w" in "".join(map(str, args[1:2])))
    for module in (fallback, ladder_report):
        around(module, "place")
    around(fallback, "write_info")
    return found


def play(run: KillingRun, world: World, folder: Path, chance: random.Random) -> dict[str, str] | None:
    """Run, clear and kill tasks until all are done; return the states of Viber when the SMS were begun."""
    clears, begun = 4, None
    own = folder / "audience" / "fallback" / "dag" / run.run_id
    marks = own / "spring-sms" / fallback.STARTED_FILE
    order = [task.task_id for task in run.dag.topological_sort()]
    late = chance.randrange(12)
    for step in range(MOST_STEPS):
        if step == late:
            world.late_receipts()
        done = [name for name in order if name in run.states]
        if done and clears and chance.random() < 0.2:
            clears -= 1
            run.clear([chance.choice(done)], downstream=chance.random() < 0.5)
        task_id = next((name for name in order if name not in run.states), None)
        if task_id is None:
            return begun
        try:
            run.run(task_id)
        except KilledError:
            gc.collect()
            world.forget_what_was_learned()
        if begun is None and marks.exists():
            begun = {row["msisdn"]: row["state"] for row in outcomes(folder, "viber")}
        if run.states.get(task_id) == TASK_FAILED:
            error = run.errors.pop(task_id)
            assert isinstance(error, TelecomInputError), repr(error)
            assert task_id == SMS_SEND, repr(error)
            assert "selects the recipients" in str(error), repr(error)
            run.clear([SMS_AUDIENCE])
    raise AssertionError("it does not come to an end")


def play_and_check(world: World, killers: list[Killer], folder: Path, seed: int, kills: int) -> None:
    world.simulator.reset()
    world.forget_what_was_learned()
    chance, dag = random.Random(seed), ladder_dag(folder, PEOPLE)
    killers.append(Killer(chance, 0.02, kills))
    run = KillingRun(dag, f"manual__{seed}", lambda: killers[-1])
    begun = play(run, world, folder, chance)
    killers[-1].left = 0
    run.run("spring.report")  # tasks may have been cleared alone, without the report
    assert max(world.sent("viber").values(), default=0) <= 1, seed
    viber = outcomes(folder, "viber")
    assert [row["msisdn"] for row in viber] == numbers(PEOPLE), seed
    unknown = {row["msisdn"] for row in viber if row["state"] == "unknown"}
    assert set(world.sent("viber")) | unknown == set(numbers(PEOPLE)), seed
    failed = set() if begun is None else {number for number, state in begun.items() if state in FAILED}
    selected = [row["msisdn"] for row in outcomes(folder, "sms")]
    assert world.sent("sms") == Counter(selected), seed  # each once
    assert set(selected) <= failed, seed
    found = run.xcoms["spring.report"]
    paid = world.paid(lambda channel, number: channel == "viber" and number in unknown)
    assert Decimal(found["prices"].get("EUR", 0)) == paid, seed
    assert found["unpriced"] == 0, seed
    assert found["may_be_paid"] == len(unknown), seed


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("most", [6, pytest.param(300, marks=pytest.mark.long)])
def test_kills_and_clears_at_any_point(
    world: World, killers: list[Killer], tmp_path: Path, most: int
) -> None:
    seed = kills = 0
    while kills < most:
        play_and_check(world, killers, tmp_path / str(seed), seed, min(6, most - kills))
        kills += killers[-1].kills
        seed += 1
    gc.collect()
