"""Rules of the fraud gate, compared with a model of Kleene's logic over all answers.

The model knows nothing of the code: a rule is a nested tuple, and its state follows from sets of two-valued
worlds. An unknown answer may be yes or no in truth: what is the same in all worlds is known.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import (
    STATE_OF_ANSWER,
    AllOf,
    AnyOf,
    Device,
    DeviceCount,
    Lifetime,
    Ruling,
    Score,
    SimChanged,
    SimCount,
    State,
    Weights,
)

ANSWERS = ("safe", "suspicious", "unknown")
LEAVES = {
    "a": SimChanged(hours=72, name="a"),
    "b": SimCount(days=30, most=2, name="b"),
    "c": Lifetime(months=1, name="c"),
    "d": Score(least=300, name="d"),
}
Tree = Any
"""A letter, or (kind, trees), or ("weights", (tree, weight) pairs, refuse_at, review_at)."""


def rule(tree: Tree) -> Any:
    if isinstance(tree, str):
        return LEAVES[tree]
    kind, parts, *limits = tree
    if kind == "weights":
        refuse_at, review_at = limits
        weights = {rule(part): weight for part, weight in parts}
        return Weights(weights, refuse_at=refuse_at, review_at=review_at)
    return (AllOf if kind == "all" else AnyOf)(*map(rule, parts))


def is_safe(tree: Tree, world: dict[str, bool]) -> bool:
    """Return the truth of a rule without weights in a world where each check is safe or not."""
    if isinstance(tree, str):
        return world[tree]
    kind, parts = tree
    return (all if kind == "all" else any)([is_safe(part, world) for part in parts])


def kleene(tree: Tree, answers: dict[str, str]) -> str:
    """Return the state of a rule by Kleene's tables, written out."""
    if isinstance(tree, str):
        return answers[tree]
    kind, parts, *limits = tree
    if kind == "weights":
        states = [(kleene(part, answers), weight) for part, weight in parts]
        suspicious = sum(weight for state, weight in states if state == "suspicious")
        unknown = sum(weight for state, weight in states if state == "unknown")
        if suspicious >= limits[0]:
            return "suspicious"
        return "safe" if suspicious + unknown < limits[1] else "unknown"
    found = [kleene(part, answers) for part in parts]
    strong, weak = ("suspicious", "safe") if kind == "all" else ("safe", "suspicious")
    if strong in found:
        return strong
    return "unknown" if "unknown" in found else weak


def trees_without_repetition() -> Iterator[Tree]:
    """Yield all rules of up to four checks, each used once, of two kinds and two levels."""
    for kind, inner in itertools.product(("all", "any"), repeat=2):
        yield "a"
        yield (kind, ("a", "b"))
        yield (kind, ("a", "b", "c", "d"))
        yield (kind, ("a", (inner, ("b", "c"))))
        yield (kind, ("a", (inner, ("b", "c", "d"))))
        yield (kind, ((inner, ("a", "b")), (inner, ("c", "d"))))
        yield (kind, ((inner, ("a", "b")), "c", "d"))
        yield (kind, ("a", (inner, ("b", (kind, ("c", "d"))))))


def with_weights() -> Iterator[Tree]:
    for weights, refuse_at, review_at in (
        ((1, 1, 1, 1), 2, 1),
        ((5, 3, 2, 1), 5, 3),
        ((5, 1, 1, 1), 5, 5),
        ((0.1, 0.2, 0.3, 0.4), 0.3, 0.3),
        ((4, 3, 2, 1), 10, 1),
    ):
        tree = ("weights", tuple(zip("abcd", (int(10 * w) for w in weights), strict=True)))
        yield (*tree, int(10 * refuse_at), int(10 * review_at))
    inner = ("weights", (("b", 2), ("c", 1), ("d", 1)), 3, 2)
    yield ("all", ("a", inner))
    yield ("any", ("a", inner))
    yield ("weights", ((("all", ("a", "b")), 2), (("any", ("c", "d")), 1)), 2, 1)


def with_repetition() -> Iterator[Tree]:
    yield ("any", (("all", ("a", "b")), ("all", ("a", "c"))))
    yield ("all", (("any", ("a", "b")), ("any", ("a", "c")), "d"))
    yield ("weights", (("a", 1), (("all", ("a", "b")), 1), (("any", ("b", "c")), 1)), 2, 1)


TREES = [*dict.fromkeys(trees_without_repetition()), *with_weights(), *with_repetition()]


def letters(tree: Tree) -> list[str]:
    return [check.label for check in Ruling(rule(tree)).checks]


def all_answers(names: list[str]) -> Iterator[dict[str, str]]:
    for answers in itertools.product(ANSWERS, repeat=len(names)):
        yield dict(zip(names, answers, strict=True))


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_all_answers_in_all_orders(tree: Tree) -> None:
    """Stopping early never changes the state, in no order; and no check is asked that nothing needs."""
    names = letters(tree)
    for order in itertools.permutations(names):
        ruling = Ruling(rule(tree), {name: place + 1 for place, name in enumerate(order)})
        for answers in all_answers(names):
            asked: dict[str, State] = {}
            while left := ruling.open_checks(asked):
                assert left[0] not in asked
                asked[left[0]] = State[answers[left[0]].upper()]
                assert list(left) == sorted(left, key=order.index)
            assert ruling.state(asked).text == kleene(tree, answers)
            if not asked.keys() >= set(names):  # whatever the others had been
                for others in all_answers([name for name in names if name not in asked]):
                    assert kleene(tree, {**answers, **others}) == kleene(tree, answers)


@pytest.mark.parametrize("tree", [tree for tree in TREES if "weights" not in str(tree)], ids=str)
def test_known_is_what_is_so_in_all_worlds(tree: Tree) -> None:
    """Safe means safe, whatever the unknown answers are in truth; suspicious likewise."""
    names = letters(tree)
    ruling = Ruling(rule(tree))
    for answers in all_answers(names):
        unknown = [name for name in names if answers[name] == "unknown"]
        known = {name: answers[name] == "safe" for name in names if name not in unknown}
        truths = {
            is_safe(tree, {**known, **dict(zip(unknown, world, strict=True))})
            for world in itertools.product((True, False), repeat=len(unknown))
        }
        state = ruling.state({name: State[answer.upper()] for name, answer in answers.items()})
        if state is not State.UNKNOWN:
            assert truths == {state is State.SAFE}
        if tree not in with_repetition():  # with repetitions Kleene's logic is more careful than necessary
            assert (state is State.UNKNOWN) == (len(truths) == 2)


@pytest.mark.parametrize("tree", list(dict.fromkeys(trees_without_repetition())), ids=str)
def test_no_check_is_asked_that_makes_no_difference(tree: Tree) -> None:
    names = letters(tree)
    ruling = Ruling(rule(tree))
    for size in range(len(names)):
        for asked in itertools.combinations(names, size):
            for answers in all_answers(list(asked)):
                open_ones = ruling.open_checks({n: State[a.upper()] for n, a in answers.items()})
                rest = [name for name in names if name not in asked]
                for name in rest:
                    others = [other for other in rest if other != name]
                    matters = any(
                        len({kleene(tree, {**answers, **more, name: own}) for own in ANSWERS}) > 1
                        for more in all_answers(others)
                    )
                    assert (name in open_ones) == matters


def test_random_rules_of_any_depth() -> None:
    chance = random.Random(16)

    def grown(depth: int) -> Tree:
        kind = chance.choice(("leaf", "all", "any", "weights") if depth else ("leaf",))
        if kind == "leaf":
            return chance.choice("abcd")
        parts = tuple(grown(depth - 1) for _ in range(chance.randint(1, 3)))
        if kind != "weights":
            return (kind, parts)
        weights = {part: chance.randint(1, 4) for part in parts}  # a rule has one weight
        refuse_at = chance.randint(1, sum(weights.values()))
        return ("weights", tuple(weights.items()), refuse_at, chance.randint(1, refuse_at))

    for _ in range(400):
        tree = grown(3)
        ruling = Ruling(rule(tree))
        answers = {name: chance.choice(ANSWERS) for name in LEAVES}
        asked: dict[str, State] = {}
        while left := ruling.open_checks(asked):
            asked[left[0]] = State[answers[left[0]].upper()]
        assert ruling.state(asked).text == kleene(tree, answers)


def test_what_was_not_asked_is_unknown() -> None:
    ruling = Ruling(AllOf(LEAVES["a"], LEAVES["b"]))
    assert ruling.state({}) is ruling.state({"a": State.SAFE}) is State.UNKNOWN


def test_what_follows_from_each_answer() -> None:
    """Money is paid only if every check that matters was answered, and well."""
    assert STATE_OF_ANSWER == {"no": State.SAFE, "unknown": State.UNKNOWN, "yes": State.SUSPICIOUS}
    ruling = Ruling(LEAVES["a"])
    decisions = {answer: ruling.decision({"a": state}) for answer, state in STATE_OF_ANSWER.items()}
    assert decisions == {"no": "pay", "unknown": "review", "yes": "refuse"}
    assert ruling.decision({}) == "review"


def test_weights_are_added_as_decimals() -> None:
    weights = {LEAVES["a"]: 0.1, LEAVES["b"]: 0.2, LEAVES["c"]: 0.3}
    ruling = Ruling(Weights(weights, refuse_at=0.3))
    assert ruling.state({"a": State.SUSPICIOUS, "b": State.SUSPICIOUS, "c": State.SAFE}) is State.SUSPICIOUS


def test_prices_order_the_checks_and_the_rest_follows_as_it_is_written() -> None:
    everything = AllOf(*LEAVES.values())
    assert Ruling(everything).open_checks({}) == ["a", "b", "c", "d"]
    assert Ruling(everything, {"d": "0.1", "b": 0.5}).open_checks({}) == ["d", "b", "a", "c"]
    assert Ruling(everything, {"d": 1, "c": "1.0"}).open_checks({}) == ["c", "d", "a", "b"]


def test_one_check_in_two_rules_is_asked_once() -> None:
    same = SimChanged(hours=72)
    ruling = Ruling(AnyOf(AllOf(same, LEAVES["b"]), AllOf(SimChanged(activation_hours=72), LEAVES["c"])))
    assert [check.label for check in ruling.checks] == ["sim_changed", "b", "c"]


def test_an_imei_is_not_shown() -> None:
    everything = AllOf(Device(imei="35000000000000"))
    assert "35000000000000" not in repr(everything) + str(Ruling(everything).to_dict())


def test_a_rule_is_shown_as_it_is_written() -> None:
    a, b = LEAVES["a"], LEAVES["b"]
    assert repr(AllOf(a, AnyOf(b))) == f"AllOf({a!r}, AnyOf({b!r}))"
    shown = repr(Weights({a: 0.5, b: 2}, refuse_at=2, review_at=1))
    assert shown == f"Weights({{{a!r}: 0.5, {b!r}: 2}}, refuse_at=2, review_at=1)"


def test_a_rule_as_json_has_all_of_its_parts_and_limits() -> None:
    """A later try is refused if it differs, and the file of evidence shows it."""
    a, b, c = (LEAVES[name] for name in "abc")
    rules = AllOf(a, Weights({AnyOf(b, c): 2, c: 0.5}, refuse_at=2, review_at=1))
    weighted = [{"any_of": [b.to_dict(), c.to_dict()]}, c.to_dict()]
    limits = {"weights": ["2", "0.5"], "refuse_at": "2", "review_at": "1"}
    assert Ruling(rules).to_dict() == {"all_of": [a.to_dict(), {"weighted": weighted, **limits}]}


def test_review_at_is_refuse_at_by_default() -> None:
    ruling = Ruling(Weights({LEAVES["a"]: 2, LEAVES["b"]: 1}, refuse_at=2))
    assert ruling.decision({"a": State.SAFE}) == "pay"  # whatever the other one is
    assert ruling.decision({"b": State.SUSPICIOUS}) == "review"
    assert Ruling(Weights({LEAVES["a"]: 2}, refuse_at=2)).to_dict()["review_at"] == "2"


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: AllOf(), "^rules: must not be empty in AllOf"),
        (lambda: AnyOf("sim_changed"), "^AnyOf: must be rules .*, not str$"),
        (lambda: Ruling([LEAVES["a"]]), "^rules: must be rules .*, not list$"),
        (
            lambda: Ruling(AllOf(SimChanged(hours=1), SimChanged(hours=2))),
            "^rules: .*sim_changed occurs twice",
        ),
        (lambda: Ruling(LEAVES["a"], [1]), "^prices: must be prices by the names of checks"),
        (
            lambda: Ruling(AllOf(*LEAVES.values()), {"e": 1}),
            "^prices: e is not one of the checks a, b, c, d$",
        ),
        (lambda: Ruling(LEAVES["a"], {"a": -1}), "^prices: must be a number above 0"),
        (lambda: Weights([LEAVES["a"]], refuse_at=1), "^weights: must be rules with their weights"),
        (lambda: Weights({}, refuse_at=1), "^weights: must be rules with their weights"),
        (lambda: Weights({"a": 1}, refuse_at=1), "^Weights: must be rules .*, not str$"),
        (lambda: Weights({LEAVES["a"]: 0}, refuse_at=1), "^weights: must be a number above 0"),
        (lambda: Weights({LEAVES["a"]: True}, refuse_at=1), "^weights: must be a number above 0"),
        (lambda: Weights({LEAVES["a"]: "much"}, refuse_at=1), "^weights: must be a number above 0"),
        (lambda: Weights({LEAVES["a"]: 1}, refuse_at=2), "^refuse_at: is more than the sum"),
        (lambda: Weights({LEAVES["a"]: 1}, refuse_at=float("nan")), "^refuse_at: must be a number above 0"),
        (lambda: Weights({LEAVES["a"]: 1}, refuse_at=float("inf")), "^refuse_at: must be a number above 0"),
        (
            lambda: Weights({LEAVES["a"]: 2}, refuse_at=1, review_at=2),
            "^review_at: must not be more than ref",
        ),
        (lambda: Weights({LEAVES["a"]: 2}, refuse_at=1, review_at=0), "^review_at: must be a number above 0"),
        (lambda: SimChanged(), "activation_hours: must be given, or hours"),
        (lambda: SimChanged(hours=0), "activation_hours: 0: must be 1"),
        (lambda: SimChanged(hours=1, activation_hours=1), "hours: is another name"),
        (lambda: SimCount(days=30, most=0), "max_count"),
        (lambda: DeviceCount(days=30), "max_count: must be given, or most"),
        (lambda: Lifetime(months=0), "min_months"),
        (lambda: Score(), "min_score: must be given, or least"),
        (lambda: Device(imei="12"), "imei: must have 14 to 16 digits"),
    ],
)
def test_a_wrong_rule_is_refused_when_it_is_written(make: Callable[[], object], field: str) -> None:
    with pytest.raises(TelecomInputError, match=field):
        make()
