"""Tries of tasks with quiet hours under a fake clock, which may be killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from tests.running import Run, Store


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class World:
    """The time, which passes by itself, and chance: what may kill a try."""

    at: datetime
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    seconds_per_look: float = 0.0
    """Each look at the clock takes up to so long, the simulator's included."""
    hours_per_write: float = 0.0
    """Each write to the journal takes up to so long: this is between two calls."""
    kills: float = 0.0
    """How likely a step kills the try."""
    kill_at: int | None = None
    """The step that certainly kills the try."""
    steps: int = 0
    killed: int = 0
    waits: int = 0

    def now(self) -> datetime:
        self.at += timedelta(seconds=self.chance.uniform(0, self.seconds_per_look))
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at or self.chance.random() < self.kills:
            self.killed += 1
            raise KilledError


class SlowStore(Store):
    """A journal whose writes take a while, and whose callers may die before and after them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.world.step()
        super().set(key, value, retention=retention)
        self.world.advance(self.world.chance.uniform(0, 3600 * self.world.hours_per_write))
        self.world.step()


def one_try(run: Run, operator: Any, world: World, late: Callable[[], float] = lambda: 0.0) -> Any:
    """Run one try; where it defers, the time passes until the trigger fires, a little late or early."""
    if not operator.has_dag():
        with DAG("dag", schedule=None) as dag:
            dag.add_task(operator)
    run.stores.setdefault("send", SlowStore(world))
    context = run.context(operator)
    operator.render_template_fields(context)
    method, kwargs = "execute", {}
    while True:
        try:
            if method == "execute":
                return operator.execute(context)
            return operator.resume_execution(method, kwargs, context)
        except TaskDeferred as error:
            deferred = error
        assert (deferred.method_name, deferred.timeout) == ("continue_sending", None)
        assert not deferred.kwargs
        world.waits += 1
        world.at = max(world.at, deferred.trigger.moment + timedelta(seconds=late()))
        method, kwargs = deferred.method_name, {"event": deferred.trigger.moment}
