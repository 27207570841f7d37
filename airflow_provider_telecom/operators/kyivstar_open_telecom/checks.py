"""Checks of one subscriber, as values: what the vendor is asked, and how its response is judged.

Each asks one question, and **yes is the risky answer**:

    check          question       yes means
    SimChanged     sim_changed    the SIM was changed within `activation_hours`
    MoreSims       more_sims      more than `max_count` SIMs within `days`
    OtherDevice    other_device   the device is not the one with the number's IMEI
    MoreDevices    more_devices   more than `max_count` devices within `days_period`
    YoungerSim     younger_sim    the SIM is younger than `min_months`
    LowerScore     lower_score    the score is below `min_score`

The third answer is unknown: the number is not a Kyivstar subscriber's, or the vendor's response does not
answer the question. Unknown never counts as no.

The limits have short names too, which the module `rules` uses: `hours` for `activation_hours`, `most` for
`max_count`, `days` for `days_period`, `months` for `min_months`, `least` for `min_score`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_telecom.calls.checks import in_range, matching, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Lifetime, PaidModel

Answer = Literal["yes", "no", "unknown"]
Evaluation = tuple[bool | None, dict[str, Any]]
"""Whether the risky answer is right, None if that is unknown; and the facts."""

_ANSWERS: dict[bool | None, Answer] = {True: "yes", False: "no", None: "unknown"}
_FACTS_OF_V1 = ("sim_type_changed", "geo_changed", "imei_changed", "call_forwarding")
_NAME = r"(?!(?:msisdn)$)[a-z][a-z0-9_]{0,63}"
_NOT_GIVEN = -1
_NO_SCORE = -math.inf
"""The values of limits that are not given, neither by their names nor by their short names."""


@dataclass(frozen=True)
class Finding:
    """The answer to a question. `reason` says why it is unknown; `facts` are what the vendor has sent."""

    answer: Answer
    reason: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SubscriberCheck(ABC):
    """Base class of the checks. Each request is billed on the live server.

    `name` is the name of its columns in a file of results; by default it is the question. Give names to two
    checks that ask the same question.
    """

    question: ClassVar[str]
    fact_names: ClassVar[Sequence[str]]
    """The facts that a finding may have."""

    name: str = ""

    def __post_init__(self) -> None:
        rule = "must be a lower-case letter, then at most 63 of a-z, 0-9 and _; and not msisdn"
        matching("name", self.label, _NAME, rule)

    @property
    def label(self) -> str:
        """The name of its columns."""
        return self.name or self.question

    @property
    def columns(self) -> Mapping[str, Callable[[str], object]]:
        """The columns of a file of numbers whose values the check needs, and what checks a value."""
        return {}

    @property
    def values(self) -> Sequence[Any]:
        """The values for `ask` that the check has itself, instead of `columns`."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON, to be compared with that of an earlier try."""
        return {"question": self.question, **asdict(self)}

    def ask(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Finding:
        """Ask the vendor about a number, and return the answer. `values` are those of `columns`.

        Raises what the hook's method raises, but not TelecomNotFoundError.
        """
        try:
            is_risky, facts = self._evaluate(hook, msisdn, *values)
        except TelecomNotFoundError:
            return Finding("unknown", "not_a_subscriber")
        reason = facts.pop("reason", "not_settled") if is_risky is None else None
        return Finding(_ANSWERS[is_risky], reason, facts)

    def _set_limit(
        self, name: str, short_name: str, short: float | None, *, is_required: bool = True
    ) -> None:
        """Set a limit that was given by its short name. Raises TelecomInputError for none or two."""
        is_given = getattr(self, name) != getattr(type(self), name)
        if short is None:
            if is_required and not is_given:
                raise TelecomInputError(name, f"must be given, or {short_name}: {self.question} has a limit")
        elif is_given:
            raise TelecomInputError(short_name, f"is another name of {name}: give one of them")
        else:
            object.__setattr__(self, name, short)

    @abstractmethod
    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        """Ask, and judge the response."""


@dataclass(frozen=True, kw_only=True)
class SimChanged(SubscriberCheck):
    """Was the SIM changed within the last `activation_hours`?

    Whether the SIM is active now does not change the answer. Source:
    "/subscribers/{phoneNumber}/verify-sim".
    """

    question = "sim_changed"
    fact_names = ("sim_changed", "is_active")

    activation_hours: int = _NOT_GIVEN
    hours: InitVar[int | None] = None

    def __post_init__(self, hours: int | None) -> None:
        super().__post_init__()
        self._set_limit("activation_hours", "hours", hours)
        arguments.hours_back(self.activation_hours)

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        found = hook.verify_sim(msisdn, self.activation_hours)
        facts = {"sim_changed": found.sim_changed, "is_active": found.is_active}
        return found.sim_changed, facts | _given(found, *_FACTS_OF_V1, "reserved_units")


@dataclass(frozen=True, kw_only=True)
class MoreSims(SubscriberCheck):
    """Had the number more than `max_count` SIMs within the last `days` (1 to 120)?

    The vendor counts to 10, which means 10 or more: with a `max_count` of 10 or above the answer is unknown.
    Source: "/subscribers/{phoneNumber}/check-sim-count".
    """

    question = "more_sims"
    fact_names = ("sim_count",)

    days: int
    max_count: int = 1
    most: InitVar[int | None] = None

    def __post_init__(self, most: int | None) -> None:
        super().__post_init__()
        self._set_limit("max_count", "most", most, is_required=False)
        arguments.days_back("days", self.days)
        in_range("max_count", self.max_count, 1, arguments.MAX_INT32)

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        found = hook.check_sim_count(msisdn, self.days)
        more: bool | None = found.sim_count > self.max_count
        if found.sim_count < 1 or (not more and found.is_at_least):
            more = None
        return more, {"sim_count": found.sim_count, **_given(found, "reserved_units")}


@dataclass(frozen=True, kw_only=True)
class OtherDevice(SubscriberCheck):
    """Is the subscriber's device another one than the one with `imei`, or with the IMEI in `imei_column`?

    A file of numbers has a column, a gate for one number has `imei` itself, which is never shown.
    COMPLETELY_MATCHED is no, NOT_MATCHED is yes; the document names no results, so any other one is unknown.
    Source: "/subscribers/{phoneNumber}/device-check".
    """

    question = "other_device"
    fact_names = ("imei_result",)

    imei_column: str = "imei"
    imei: str | int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        non_blank("imei_column", self.imei_column)
        check_if_literal(self.imei, arguments.imei_digits)

    @property
    def columns(self) -> Mapping[str, Callable[[str], object]]:
        """The column of the IMEI."""
        return {self.imei_column: arguments.imei_digits}

    @property
    def values(self) -> Sequence[Any]:
        """The IMEI, if it is given."""
        return () if self.imei is None else (self.imei,)

    def to_dict(self) -> dict[str, Any]:
        """Return the check without the IMEI."""
        return {"question": self.question, "name": self.name, "imei_column": self.imei_column}

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        (imei,) = values
        found = hook.check_device(msisdn, imei=imei)
        result = (found.imei_result or "").casefold()
        is_other = {"completely_matched": False, "not_matched": True}.get(result)
        return is_other, {"imei_result": found.imei_result, **_given(found, "reserved_units")}


@dataclass(frozen=True, kw_only=True)
class MoreDevices(SubscriberCheck):
    """Were more than `max_count` devices used within the last `days_period` days (1 to 120)?

    Source: "/subscribers/{phoneNumber}/device-check".
    """

    question = "more_devices"
    fact_names = ("device_count",)

    days_period: int = _NOT_GIVEN
    max_count: int = _NOT_GIVEN
    days: InitVar[int | None] = None
    most: InitVar[int | None] = None

    def __post_init__(self, days: int | None, most: int | None) -> None:
        super().__post_init__()
        self._set_limit("days_period", "days", days)
        self._set_limit("max_count", "most", most)
        arguments.days_back("days_period", self.days_period)
        in_range("max_count", self.max_count, 1, arguments.MAX_INT32)

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        found = hook.check_device(msisdn, days_period=self.days_period)
        count = found.imei_count
        more = None if count is None else count > self.max_count
        return more, {"device_count": count, **_given(found, "reserved_units")}


@dataclass(frozen=True, kw_only=True)
class YoungerSim(SubscriberCheck):
    """Was the SIM activated or changed less than `min_months` ago?

    The vendor gives bounds: yes if the upper one is below `min_months`, no if the lower one is not, and
    unknown if the limit is between them or the unit is neither MONTHS nor DAYS (a month has 28 to 31 days).
    The document speaks of the last 30 days only: see `KyivstarOpenTelecomHook.check_lifetime`. Source:
    "/subscribers/{phoneNumber}/lifetime-check".
    """

    question = "younger_sim"
    fact_names = ("at_least", "at_most", "time_unit")

    min_months: int = 1
    months: InitVar[int | None] = None

    def __post_init__(self, months: int | None) -> None:
        super().__post_init__()
        self._set_limit("min_months", "months", months, is_required=False)
        in_range("min_months", self.min_months, 1, arguments.MAX_INT32)

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        found = hook.check_lifetime(msisdn)
        lifetime = found.lifetime_duration
        bounds = {
            "at_least": lifetime.at_least,
            "at_most": lifetime.at_most,
            "time_unit": lifetime.time_unit,
        }
        return _is_younger(lifetime, self.min_months), {**bounds, **_given(found, "reserved_units")}


@dataclass(frozen=True, kw_only=True)
class LowerScore(SubscriberCheck):
    """Is the subscriber's financial score below `min_score`?

    Model 7 is the vendor's general model; None leaves the choice to the vendor. With `return_score` the score
    is one of the facts: it is personal data. No score, or no subscriber, is unknown (`no_score`): the vendor
    does not distinguish them. Source: "/subscribers/{phoneNumber}/score".
    """

    question = "lower_score"
    fact_names = ("score",)

    min_score: float = _NO_SCORE
    model_id: str | None = "7"
    return_score: bool = False
    least: InitVar[float | None] = None

    def __post_init__(self, least: float | None) -> None:
        super().__post_init__()
        self._set_limit("min_score", "least", least)
        is_number = isinstance(self.min_score, (int, float)) and not isinstance(self.min_score, bool)
        if not is_number or not math.isfinite(self.min_score):
            raise TelecomInputError("min_score", "must be a number")
        if self.model_id is not None:
            arguments.score_model(self.model_id)

    def _evaluate(self, hook: KyivstarOpenTelecomHook, msisdn: str | int, *values: Any) -> Evaluation:
        score = hook.get_score(msisdn, model_id=self.model_id)
        if score is None:
            return None, {"reason": "no_score"}
        is_lower = score < self.min_score if math.isfinite(score) else None
        return is_lower, {"score": score} if self.return_score else {}


def check_distinct(checks: object, field: str = "checks") -> Sequence[SubscriberCheck]:
    """Return a list of checks. Raises TelecomInputError for anything else, and if two have one name."""
    if not isinstance(checks, (list, tuple)) or not checks:
        raise TelecomInputError(field, "must be a list of checks, such as [SimChanged(activation_hours=72)]")
    for check in checks:
        if not isinstance(check, SubscriberCheck):
            raise TelecomInputError(
                field, f"must be checks such as SimChanged(...), not {type(check).__name__}"
            )
    labels = [check.label for check in checks]
    for label in labels:
        if labels.count(label) > 1:
            raise TelecomInputError(field, f"{label} occurs twice: give each a name of its own")
    return checks


def _given(found: PaidModel, *names: str) -> dict[str, Any]:
    """Return those facts of a response that the vendor has sent. `reserved_units` is what the check costs."""
    facts = {name: getattr(found, name) for name in names}
    return {name: fact for name, fact in facts.items() if fact is not None}


def _is_younger(lifetime: Lifetime, min_months: int) -> bool | None:
    """Return whether a SIM is younger than so many months; None if the bounds do not answer it."""
    days_per_month = {"months": (1, 1), "days": (28, 31)}.get(lifetime.time_unit.casefold())
    at_most = math.inf if lifetime.at_most is None else lifetime.at_most
    if days_per_month is None or lifetime.at_least > at_most:
        return None
    shortest, longest = (min_months * days for days in days_per_month)
    if at_most < shortest:
        return True
    return False if lifetime.at_least >= longest else None
