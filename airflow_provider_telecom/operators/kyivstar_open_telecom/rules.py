"""Rules of a fraud gate: which answers make a subscriber safe.

    AllOf(SimChanged(hours=72), SimCount(days=30, most=2), AnyOf(Lifetime(months=6), Score(least=300)))

A check is a rule, and rules are joined by `AllOf`, `AnyOf` and `Weights`. Each has one of three states
(Kleene's three-valued logic): a check is `safe` if its answer is no, `suspicious` if it is yes, and `unknown`
otherwise. Unknown never counts as safe.

    rule      safe if                                             suspicious if
    AllOf     all of its rules are safe                           one of them is suspicious
    AnyOf     one of its rules is safe                            all of them are suspicious
    Weights   less than `review_at` could be suspicious at most   at least `refuse_at` is suspicious
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import (
    LowerScore,
    MoreDevices,
    MoreSims,
    OtherDevice,
    SubscriberCheck,
    YoungerSim,
    check_distinct,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import SimChanged as SimChanged

SimCount, Device, DeviceCount, Lifetime, Score = MoreSims, OtherDevice, MoreDevices, YoungerSim, LowerScore
"""The checks under names that fit rules: `SimCount(days=30, most=2)` is `MoreSims(days=30, max_count=2)`."""


class State(IntEnum):
    """The state of a rule. The order matters: of several, the lowest is that of `AllOf`."""

    SUSPICIOUS = 0
    UNKNOWN = 1
    SAFE = 2

    @property
    def text(self) -> str:
        """The state as XComs and files have it."""
        return self.name.lower()


Decision: TypeAlias = Literal["pay", "review", "refuse"]
DECISIONS: Mapping[State, Decision] = {
    State.SAFE: "pay",
    State.UNKNOWN: "review",
    State.SUSPICIOUS: "refuse",
}
_MAX_REMEMBERED = 10_000
STATE_OF_ANSWER = {"yes": State.SUSPICIOUS, "no": State.SAFE, "unknown": State.UNKNOWN}


class CombinedRule(ABC):
    """Base class of the rules that join others. `kind` is its name in JSON."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def parts(self) -> Sequence[Rule]:
        """The joined rules."""

    @abstractmethod
    def combine(self, states: Sequence[State]) -> State:
        """Return the state of the rule from those of its parts.

        It must be monotone: a part that gets safer must not make the rule less safe.
        """

    @property
    def limits(self) -> Mapping[str, Any]:
        """What the rule has besides its parts, as JSON."""
        return {}


Rule: TypeAlias = SubscriberCheck | CombinedRule


@dataclass(frozen=True, init=False, repr=False)
class _Joined(CombinedRule):
    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        if not rules:
            raise TelecomInputError("rules", f"must not be empty in {type(self).__name__}")
        for rule in rules:
            _check_rule(rule, type(self).__name__)
        object.__setattr__(self, "rules", rules)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.rules))})"

    @property
    def parts(self) -> Sequence[Rule]:
        """The joined rules."""
        return self.rules


class AllOf(_Joined):
    """Safe if all rules are safe; suspicious as soon as one is."""

    kind = "all_of"

    def combine(self, states: Sequence[State]) -> State:
        """Return the lowest state."""
        return min(states)


class AnyOf(_Joined):
    """Safe as soon as one rule is safe; suspicious if all are."""

    kind = "any_of"

    def combine(self, states: Sequence[State]) -> State:
        """Return the highest state."""
        return max(states)


@dataclass(frozen=True, init=False, repr=False)
class Weights(CombinedRule):
    """Adds the weights of suspicious rules: `Weights({SimChanged(hours=72): 5, ...}, refuse_at=5)`.

    Suspicious if the sum is at least `refuse_at`. Safe if it would stay below `review_at` even if all unknown
    rules were suspicious. Anything between is unknown, so a person decides. `review_at` is `refuse_at` by
    default.
    """

    kind = "weighted"

    weights: tuple[tuple[Rule, Decimal], ...]
    refuse_at: Decimal
    review_at: Decimal

    def __init__(
        self,
        weights: Mapping[Rule, float | Decimal],
        *,
        refuse_at: float | Decimal,
        review_at: float | Decimal | None = None,
    ) -> None:
        if not isinstance(weights, Mapping) or not weights:
            raise TelecomInputError("weights", "must be rules with their weights: {SimChanged(hours=72): 5}")
        pairs = tuple((_check_rule(rule, "Weights"), _positive("weights", w)) for rule, w in weights.items())
        refuse = _positive("refuse_at", refuse_at)
        review = refuse if review_at is None else _positive("review_at", review_at)
        if refuse > sum(weight for _, weight in pairs):
            raise TelecomInputError("refuse_at", "is more than the sum of all weights, so nothing is refused")
        if review > refuse:
            raise TelecomInputError("review_at", "must not be more than refuse_at")
        for name, value in (("weights", pairs), ("refuse_at", refuse), ("review_at", review)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        weights = ", ".join(f"{rule!r}: {weight}" for rule, weight in self.weights)
        return f"Weights({{{weights}}}, refuse_at={self.refuse_at}, review_at={self.review_at})"

    @property
    def parts(self) -> Sequence[Rule]:
        """The rules that have weights."""
        return [rule for rule, _ in self.weights]

    @property
    def limits(self) -> Mapping[str, Any]:
        """The weights and the limits of their sum."""
        weights = [str(weight) for _, weight in self.weights]
        return {"weights": weights, "refuse_at": str(self.refuse_at), "review_at": str(self.review_at)}

    def combine(self, states: Sequence[State]) -> State:
        """Compare the sum of the weights with the limits."""
        surely, possibly = Decimal(0), Decimal(0)
        for (_, weight), state in zip(self.weights, states, strict=True):
            surely += weight * (state is State.SUSPICIOUS)
            possibly += weight * (state is not State.SAFE)
        if surely >= self.refuse_at:
            return State.SUSPICIOUS
        return State.SAFE if possibly < self.review_at else State.UNKNOWN


States: TypeAlias = Mapping[str, State]
"""The states of the checks that are answered, by their labels."""


class Ruling:
    """A rule in use: which checks it has, what is asked next, and when it is decided.

    `prices` are by the labels of checks. The cheapest check is asked first; checks without a price, and those
    of equal prices, are asked in the order in which the rule has them.
    """

    def __init__(self, rule: object, prices: Mapping[str, float | Decimal | str] | None = None) -> None:
        self.rule = _check_rule(rule, "rules")
        self.checks = check_distinct(list(dict.fromkeys(_leaves(self.rule))), "rules")
        labels = [check.label for check in self.checks]
        self.prices = checked_prices(prices, labels)
        priced = sorted((label for label in labels if label in self.prices), key=self.prices.__getitem__)
        order = [*priced, *(label for label in labels if label not in self.prices)]
        self._order = {label: place for place, label in enumerate(order)}
        self._open = lru_cache(_MAX_REMEMBERED)(self._open_checks)  # many numbers have the same answers

    def state(self, states: States) -> State:
        """Return the state of the rule. A check that was not asked is unknown."""
        return _state(self.rule, lambda label: states.get(label, State.UNKNOWN))

    def decision(self, states: States) -> Decision:
        """Return what follows from the states of the checks that were asked."""
        return DECISIONS[self.state(states)]

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as JSON, without IMEIs: to be shown, or compared with that of an earlier try."""
        return _as_dict(self.rule)

    def open_checks(self, states: States) -> Sequence[str]:
        """Return the labels of the checks that may still change the state, the next one first."""
        return self._open(frozenset(states.items()))

    def _open_checks(self, states: frozenset[tuple[str, State]]) -> Sequence[str]:
        return sorted(set(_open_labels(self.rule, dict(states))), key=self._order.__getitem__)


def _state(rule: Rule, state_of: Callable[[str], State]) -> State:
    if isinstance(rule, SubscriberCheck):
        return state_of(rule.label)
    return rule.combine([_state(part, state_of) for part in rule.parts])


def _as_dict(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, SubscriberCheck):
        return rule.to_dict()
    return {rule.kind: [_as_dict(part) for part in rule.parts], **rule.limits}


def _open_labels(
    rule: Rule, states: States, least: State = State.SUSPICIOUS, most: State = State.SAFE
) -> Iterator[str]:
    """Yield the labels of the checks that a rule still needs; none if the rest can't change its state.

    States below `least` and above `most` make no difference to the rule that this one is a part of. A rule is
    monotone, so the rest can't change it if it is the same whether all the rest is suspicious or safe.
    """
    lowest, highest = _bounds(rule, states)
    if max(lowest, least) >= min(highest, most):
        return
    if isinstance(rule, SubscriberCheck):
        yield rule.label
        return
    for part in rule.parts:
        others = [_bounds(other, states) for other in rule.parts if other is not part]
        if isinstance(rule, AllOf):  # no safer than the others
            yield from _open_labels(part, states, least, min([most, *(high for _, high in others)]))
        elif isinstance(rule, AnyOf):  # no less safe than the others
            yield from _open_labels(part, states, max([least, *(low for low, _ in others)]), most)
        else:
            yield from _open_labels(part, states)


def _bounds(rule: Rule, states: States) -> tuple[State, State]:
    """Return the states of a rule if all checks that are not answered were suspicious, or safe."""
    return (
        _state(rule, lambda label: states.get(label, State.SUSPICIOUS)),
        _state(rule, lambda label: states.get(label, State.SAFE)),
    )


def _leaves(rule: Rule) -> Iterator[SubscriberCheck]:
    if isinstance(rule, SubscriberCheck):
        yield rule
        return
    for part in rule.parts:
        yield from _leaves(part)


def _check_rule(rule: object, field: str) -> Rule:
    if not isinstance(rule, (SubscriberCheck, CombinedRule)):
        raise TelecomInputError(
            field, f"must be rules such as AllOf(SimChanged(hours=72), ...), not {type(rule).__name__}"
        )
    return rule


def _positive(field: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number <= 0:
        raise TelecomInputError(field, "must be a number above 0")
    return number


def checked_prices(prices: object, labels: Sequence[str]) -> Mapping[str, Decimal]:
    """Return prices by the labels of checks. Raises TelecomInputError."""
    if prices is None:
        return {}
    if not isinstance(prices, Mapping):
        raise TelecomInputError("prices", "must be prices by the names of checks: {'sim_changed': '0.50'}")
    for label in prices:
        if label not in labels:
            raise TelecomInputError("prices", f"{label} is not one of the checks {', '.join(labels)}")
    return {label: _positive("prices", price) for label, price in prices.items()}
