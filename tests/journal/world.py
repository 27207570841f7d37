"""A model of what is around the journal: a store, a vendor, and Airflow's tries, with all their failures.

Failures are chosen step by step, and `walk` goes through all combinations: no chance, no time, no network. A
`Schedule` is one sequence of choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.tasks.retry import POLICY

T = TypeVar("T")

GET = ("right", "killed")
SET = ("right", "killed before", "killed after", "refused", "answer lost")
SEND = (
    "right",
    "killed before",
    "killed after",
    "not sent",
    "request lost",
    "answer lost",
    "failed after acting",
    "unreadable after acting",
    "throttled",
    "rejected",
)
RETURN = ("right", "killed")

_ANSWERS: dict[str, type[TelecomError]] = {
    "not sent": TelecomNotSentError,
    "request lost": TelecomUnknownError,
    "answer lost": TelecomUnknownError,
    "failed after acting": TelecomServerError,
    "unreadable after acting": TelecomAnswerError,
    "throttled": TelecomThrottledError,
    "rejected": TelecomRejectedError,
}
_WITHOUT_EFFECT = ("not sent", "request lost", "throttled", "rejected")
_CLEAR = ("right", "not sent", "throttled", "rejected")


class KilledError(BaseException):
    """The process was killed: nothing of it runs any more, and nothing catches this."""


class StoreError(Exception):
    """The store does not answer, or refuses."""


class Schedule:
    """A list of choices; where none is given, the first option."""

    def __init__(self, given: Sequence[int] = ()) -> None:
        self._given, self._left = given, []  # type: tuple[Sequence[int], list[tuple[int, int]]]

    def pick(self, options: Sequence[T]) -> T:
        """Return the chosen option."""
        place = len(self._left)
        chosen = self._given[place] if place < len(self._given) else 0
        self._left.append((chosen, len(options) - 1 - chosen))
        return options[chosen]

    def following(self) -> list[int] | None:
        """Return the choices of the next schedule, depth first; None after the last."""
        taken = list(self._left)
        while taken and not taken[-1][1]:
            taken.pop()
        return [chosen for chosen, _ in taken[:-1]] + [taken[-1][0] + 1] if taken else None


def walk(play: Callable[[Schedule], T]) -> Iterator[T]:
    """Play every schedule."""
    given: list[int] | None = []
    while given is not None:
        schedule = Schedule(given)
        yield play(schedule)
        given = schedule.following()


class World:
    """What outlives a try: the store, what the vendor did (one vendor may have many), and Airflow's try."""

    def __init__(self, remembers_keys: bool, effects: list[str] | None = None) -> None:
        self.remembers_keys = remembers_keys
        self.entries: dict[str, Any] = {}
        self.effects: list[str] = [] if effects is None else effects
        self.newest = 0
        self.in_doubt = False
        """Whether something was left open that a journal cannot know."""

    def act(self, key: str) -> str:
        """Do it at the vendor, and return its id; with keys, the id of the one that is there already."""
        if not self.remembers_keys or key not in self.effects:
            self.effects.append(key)
        return f"id of {key}"


class Process:
    """One try: it uses the store (as `StateStore`) and the vendor, until it is killed."""

    def __init__(self, world: World, schedule: Schedule, faults: dict[str, Sequence[str]]) -> None:
        world.newest += 1
        self.number = world.newest
        self._world, self._schedule, self._faults = world, schedule, faults
        self._is_killed = False
        self.has_written = self.has_sent = False

    def turn(self) -> None:
        """Wait for the others. Without others it continues."""

    def is_written(self) -> None:
        """Wait for the others in the middle of a write, after Airflow has checked whose write it is."""

    def get(self, key: str, default: Any = None) -> Any:
        """Read the store. Airflow tells a try that is no more the same as one that has written nothing."""
        self._happens("get")
        if self.number < self._world.newest:
            return default
        return self._world.entries.get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Write the store."""
        how = self._happens("set")
        if self.number < self._world.newest:  # each try has an id of its own, and this one is no more
            raise StoreError("no such task instance")
        self.is_written()
        if how != "right":
            self._world.in_doubt |= self.has_sent or how in ("killed after", "answer lost")
        if how not in ("killed before", "refused"):
            self._world.entries[key] = value
            self.has_written = True
        if how in ("killed before", "killed after"):
            self._die()
        if how != "right":
            raise StoreError(how)

    def send(self, key: str) -> dict[str, Any]:
        """Ask the vendor to do it."""
        how = self._happens("send")
        self.has_sent = True
        self._world.in_doubt |= how not in _CLEAR
        if how == "killed before":
            self._die()
        given = None if how in _WITHOUT_EFFECT else self._world.act(key)
        if how == "killed after":
            self._die()
        if (error := _ANSWERS.get(how)) is not None:
            raise error(how)
        return {"message_id": given}

    def report(self) -> None:
        """Tell Airflow that the task has returned."""
        self._happens("return")

    def _happens(self, what: str) -> str:
        if self._is_killed:
            raise KilledError
        self.turn()
        how = self._schedule.pick(self._faults.get(what, ("right",)))
        if how == "killed":
            self._world.in_doubt |= self.has_written and not self.has_sent
            self._die()
        return how

    def _die(self) -> None:
        self._is_killed = True
        raise KilledError


class Ended:
    """How a task ended: with facts, or with an error that Airflow shows."""

    def __init__(self, facts: Any = None, error: BaseException | None = None) -> None:
        self.facts, self.error = facts, error


Task = Callable[[Process], Any]


def one_try(process: Process, task: Task) -> Ended:
    """Run one try, killed or not."""
    try:
        facts = task(process)
        process.report()
    except (Exception, KilledError) as error:
        return Ended(error=error)
    return Ended(facts)


def is_final(ended: Ended, number: int, tries: int) -> bool:
    """Whether Airflow tries it no more."""
    error = ended.error
    if error is None or isinstance(error, AirflowFailException):
        return True
    return (
        isinstance(error, TelecomError) and POLICY.evaluate(error, number, tries).action is RetryAction.FAIL
    )


def airflow(world: World, schedule: Schedule, task: Task, tries: int, faults: Any) -> Ended:
    """Run a task as Airflow does: again and again until it succeeds, fails for good or has no tries left."""
    for number in range(1, tries + 1):
        ended = one_try(Process(world, schedule, faults), task)
        if is_final(ended, number, tries):
            break
    return ended
