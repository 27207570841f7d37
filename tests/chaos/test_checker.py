"""The checker finds each kind of fault in histories that are otherwise right, and none in right ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import RULES, check, figures, stories
from tests.chaos.history import Event, Guarantee, History, Outcome

SEEDS = range(60)
GUARANTEES: tuple[Guarantee, ...] = ("key", "fail", "assume_sent", "resend")


def right(seed: int) -> list[Event]:
    """Return a history in which a correct client had many intents, kills and lost responses."""
    dice, history = random.Random(seed), History()
    for place in range(12):
        guarantee = GUARANTEES[place % 4]
        name, done, killed = f"sms {place}", 0, False
        for _ in range(dice.randint(0, 3)):
            operation, killed = history.invoke([name], guarantee), True
            has_effect = dice.random() < 0.5 and (guarantee == "resend" or not done)
            done += has_effect
            if has_effect:
                history.effect(name)
            if dice.random() < 0.5:
                history.killed(operation)
            else:
                history.disturbed("a lost response")
                history.complete(operation, "again")
        operation = history.invoke([name], guarantee)
        outcome: Outcome = "ok"
        if killed and guarantee in ("fail", "assume_sent"):
            outcome = "unknown"
        elif dice.random() < 0.2 and not done:
            outcome = "fail"
        elif not done or (guarantee == "resend" and dice.random() < 0.5):
            history.effect(name)
        history.complete(operation, outcome)
    return history.events


@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_history_has_no_violation(seed: int) -> None:
    assert check(right(seed)) == []


@pytest.mark.parametrize(("before", "doubled"), [("fail", True), ("resend", False)])
def test_a_task_that_is_cleared_with_resend_may_repeat_what_was_in_doubt_since(
    before: Guarantee, doubled: bool
) -> None:
    history = History()
    for guarantee in (before, "resend"):
        operation = history.invoke(["sms"], guarantee)
        history.effect("sms")
        history.killed(operation)
    history.complete(history.invoke(["sms"], "resend"), "ok")
    assert [one.rule for one in check(history.events)] == (["double"] if doubled else [])


def _ended(events: list[Event], *lasts: str, effects: int | None = None, without: str = "") -> list[str]:
    return [
        name
        for name, story in stories(events).items()
        if story.last in lasts
        and effects in (None, story.effects)
        and (not without or without not in story.guarantees)
    ]


def _last(events: list[Event], name: str) -> int:
    """Return the place of the last completion of an intent."""
    kinds = ("ok", "fail", "unknown")
    return max(place for place, one in enumerate(events) if one.intent == name and one.kind in kinds)


def _double(events: list[Event], dice: random.Random) -> str | None:
    name = _pick(_ended(events, "ok", "unknown", effects=1, without="resend"), dice)
    if name:
        place = next(n for n, one in enumerate(events) if (one.kind, one.intent) == ("effect", name))
        events.insert(place, events[place])
    return name


def _lost(events: list[Event], dice: random.Random) -> str | None:
    name = _pick(_ended(events, "ok"), dice)
    events[:] = [one for one in events if (one.kind, one.intent) != ("effect", name)]
    return name


def _false_calm(events: list[Event], dice: random.Random) -> str | None:
    names = [name for name in _ended(events, "ok", "unknown") if stories(events)[name].effects]
    if name := _pick(names, dice):
        place = _last(events, name)
        events[place] = replace(events[place], kind="fail")
    return name


def _silent(events: list[Event], dice: random.Random) -> str | None:
    if name := _pick(_ended(events, "ok", "fail", "unknown"), dice):
        place = _last(events, name)
        kind: Any = dice.choice(["again", "killed", None])
        events[place : place + 1] = [] if kind is None else [replace(events[place], kind=kind)]
    return name


def _needless(events: list[Event], dice: random.Random) -> str | None:
    history = History()
    history.complete(history.invoke(["calm"], "fail"), "unknown")
    events[:0] = history.events
    return "calm"


def _late(events: list[Event], dice: random.Random) -> str | None:
    found = stories(events)
    if name := _pick([name for name in _ended(events, "ok") if not found[name].in_doubt], dice):
        place = _last(events, name)
        events.insert(place + 1, Event("effect", name, 0, 0))
    return name


def _unasked(events: list[Event], dice: random.Random) -> str | None:
    events.insert(dice.randrange(len(events)), Event("effect", "stranger", 0, 0))
    return "stranger"


def _pick(names: list[str], dice: random.Random) -> str | None:
    return dice.choice(names) if names else None


PLANTED: dict[str, Callable[[list[Event], random.Random], str | None]] = {
    "double": _double,
    "lost": _lost,
    "false_calm": _false_calm,
    "silent": _silent,
    "needless": _needless,
    "late": _late,
    "unasked": _unasked,
}


def test_there_is_a_planted_fault_of_each_kind() -> None:
    assert set(PLANTED) == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_a_planted_fault_is_found(rule: str) -> None:
    planted = 0
    for seed in SEEDS:
        events = right(seed)
        if name := PLANTED[rule](events, random.Random(seed)):
            planted += 1
            found = check(events)
            assert rule in {one.rule for one in found if one.intent == name}, (seed, found)
            assert {one.intent for one in found} == {name}
    assert planted > 20


def test_the_figures_count_intents_and_effects() -> None:
    history = History()
    first, second = history.invoke(["a", "b"], "resend"), history.invoke(["c"], "fail")
    for name in ("a", "a", "c"):
        history.effect(name)
    history.complete(first, {"a": "ok", "b": "fail"})
    history.killed(second)
    history.complete(history.invoke(["c"], "fail"), "unknown")
    assert check(history.events) == []
    wanted = {"intents": 3, "effects": 3, "done": 1, "not_done": 1, "unknown": 1, "done_twice": 1}
    assert figures(history.events) == wanted


def test_outcomes_must_be_given_for_all_intents() -> None:
    history = History()
    operation = history.invoke(["a", "b"], "fail")
    with pytest.raises(ValueError, match="outcomes for"):
        history.complete(operation, {"a": "ok"})


def test_an_operation_that_is_not_completed_counts_as_killed() -> None:
    history = History()
    with history.operation(["a"], "fail"):
        pass
    assert [violation.rule for violation in check(history.events)] == ["silent"]
