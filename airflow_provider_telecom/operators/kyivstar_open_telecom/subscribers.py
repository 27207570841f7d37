"""Operators that check one subscriber, before a payout for example.

Each asks one question, and **yes is the risky answer**:

    operator                        question       yes means
    KyivstarVerifySimOperator       sim_changed    the SIM was changed within `activation_hours`
    KyivstarCheckSimCountOperator   more_sims      more than `max_count` SIMs within `days`
    KyivstarCheckDeviceOperator     other_device   the device is not the one with `imei`
                                    more_devices   more than `max_count` devices within `days_period`
    KyivstarCheckLifetimeOperator   younger_sim    the SIM is younger than `min_months`
    KyivstarScoreOperator           lower_score    the score is below `min_score`

The third answer is unknown: the number is not a Kyivstar subscriber's, or the vendor's response does not
answer the question. Unknown never counts as no.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, Unpack, get_args

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Lifetime

log = logging.getLogger(__name__)

Answer = Literal["yes", "no", "unknown"]
Evaluation = tuple[bool | None, dict[str, Any]]
"""Whether the risky answer is right, None if that is unknown; and the facts."""

_ANSWERS: dict[bool | None, Answer] = {True: "yes", False: "no", None: "unknown"}


class SubscriberCheckError(AirflowFailException):
    """The answer of a check is one of `fail_on`. Airflow does not retry the task."""


class SubscriberCheckArguments(OperatorArguments, total=False):
    """The parameters of `SubscriberCheckOperator`."""

    msisdn: Required[str | int]
    fail_on: Collection[Answer]


class SubscriberCheckOperator(KyivstarOperator):
    """Ask one question about one subscriber; return `{"question", "answer", ...}` and the facts.

    `answer` is `yes` (the risky one), `no` or `unknown`. If it is unknown, `reason` is `not_a_subscriber`,
    `not_settled` or `no_score`. The number is not returned.

    **Each check is billed on the live server**, and so is each retry of the task. After a lost response the
    request is repeated once. There is no journal: a duplicate does no harm.

    :param msisdn: the number to check, in any common form.
    :param fail_on: answers that make the task fail, `{"yes", "unknown"}` for example; none by default.

    Raises SubscriberCheckError (an answer in `fail_on`), TelecomInputError, TelecomRejectedError.
    """

    template_fields: Sequence[str] = (*KyivstarOperator.template_fields, "msisdn")
    private_fields: ClassVar[Sequence[str]] = ("msisdn",)

    def __init__(
        self, *, msisdn: str | int, fail_on: Collection[Answer] = (), **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn = msisdn
        if isinstance(fail_on, str) or not isinstance(fail_on, Collection):
            raise TelecomInputError("fail_on", "must be a list of answers")
        self.fail_on = [one_of("fail_on", answer, get_args(Answer)) for answer in fail_on]

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the subscriber, and evaluate the response."""
        try:
            is_risky, facts = self._check()
        except TelecomNotFoundError:
            is_risky, facts = None, {"reason": "not_a_subscriber"}
        answer, reason = _ANSWERS[is_risky], {"reason": "not_settled"} if is_risky is None else {}
        found = {"question": self._question, "answer": answer, **reason, **facts}
        summary = ", ".join(
            f"{name}: {found[name]}" for name in ("question", "answer", "reason") if name in found
        )
        log.info("%s", summary)
        if answer in self.fail_on:
            raise SubscriberCheckError(f"{summary}. The task fails because fail_on contains this answer")
        return found

    @property
    def _question(self) -> str:
        raise NotImplementedError

    def _check(self) -> Evaluation:
        raise NotImplementedError


class KyivstarVerifySimOperator(SubscriberCheckOperator):
    """Was the SIM changed within the last `activation_hours`? `yes` is the risky answer. Billed.

    Returns `{"question": "sim_changed", "answer", "sim_changed", "is_active"}`. Whether the SIM is active now
    does not change the answer.

    :param activation_hours: how many hours to look back, 1 or more.

    Source: "/subscribers/{phoneNumber}/verify-sim".
    """

    _question = "sim_changed"

    def __init__(self, *, activation_hours: int, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.activation_hours = arguments.hours_back(activation_hours)

    def _check(self) -> Evaluation:
        found = self.hook.verify_sim(self.reveal("msisdn"), self.activation_hours)
        return found.sim_changed, {"sim_changed": found.sim_changed, "is_active": found.is_active}


class KyivstarCheckSimCountOperator(SubscriberCheckOperator):
    """Had the number more than `max_count` SIMs within the last `days`? `yes` is the risky answer. Billed.

    Returns `{"question": "more_sims", "answer", "sim_count"}`. The vendor counts to 10, which means 10 or
    more: with a `max_count` of 10 or above the answer is `unknown`.

    :param days: how many days to look back, 1 to 120.
    :param max_count: how many SIMs are acceptable, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/check-sim-count".
    """

    _question = "more_sims"

    def __init__(self, *, days: int, max_count: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.days = arguments.days_back("days", days)
        self.max_count = in_range("max_count", max_count, 1, arguments.MAX_INT32)

    def _check(self) -> Evaluation:
        found = self.hook.check_sim_count(self.reveal("msisdn"), self.days)
        more: bool | None = found.sim_count > self.max_count
        if found.sim_count < 1 or (not more and found.is_at_least):
            more = None
        return more, {"sim_count": found.sim_count}


class KyivstarCheckDeviceOperator(SubscriberCheckOperator):
    """Is the device another one than `imei`, or were there too many? `yes` is the risky answer. Billed.

    With `imei`: returns `{"question": "other_device", "answer", "imei_result"}`, where `imei_result` is the
    vendor's text. COMPLETELY_MATCHED is `no`, NOT_MATCHED is `yes`; the document names no results, so any
    other one is `unknown`.

    With `days_period` and `max_count`: returns `{"question": "more_devices", "answer", "device_count"}`;
    `yes` is more than `max_count` devices within the last `days_period`.

    :param imei: 14 to 16 digits; of 15 the last must be the correct check digit.
    :param days_period: how many days to look back, 1 to 120. Either this or `imei`.
    :param max_count: how many devices are acceptable, 1 or more. Only with `days_period`.

    Source: "/subscribers/{phoneNumber}/device-check".
    """

    template_fields: Sequence[str] = (*SubscriberCheckOperator.template_fields, "imei")
    private_fields: ClassVar[Sequence[str]] = (*SubscriberCheckOperator.private_fields, "imei")

    def __init__(
        self,
        *,
        imei: str | int | None = None,
        days_period: int | None = None,
        max_count: int | None = None,
        **kwargs: Unpack[SubscriberCheckArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.imei, self.days_period, self.max_count = imei, days_period, max_count
        arguments.check_imei_or_period(imei, days_period)
        if (days_period is None) != (max_count is None):
            raise TelecomInputError("max_count", "goes with days_period, and only with it")
        if days_period is not None and max_count is not None:
            arguments.days_back("days_period", days_period)
            in_range("max_count", max_count, 1, arguments.MAX_INT32)
        check_if_literal(imei, arguments.imei_digits)

    @property
    def _question(self) -> str:
        return "other_device" if self.days_period is None else "more_devices"

    def _check(self) -> Evaluation:
        found = self.hook.check_device(
            self.reveal("msisdn"), imei=self.reveal("imei"), days_period=self.days_period
        )
        if self.max_count is None:
            result = (found.imei_result or "").casefold()
            is_other = {"completely_matched": False, "not_matched": True}.get(result)
            return is_other, {"imei_result": found.imei_result}
        count = found.imei_count
        return None if count is None else count > self.max_count, {"device_count": count}


class KyivstarCheckLifetimeOperator(SubscriberCheckOperator):
    """Was the SIM activated or changed less than `min_months` ago? `yes` is the risky answer. Billed.

    Returns `{"question": "younger_sim", "answer", "at_least", "at_most", "time_unit"}`. The vendor gives
    bounds: `yes` if `at_most` is below `min_months`, `no` if `at_least` is not, and `unknown` if the limit is
    between them or the unit is neither MONTHS nor DAYS (a month has 28 to 31 days).

    :param min_months: which age is acceptable, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/lifetime-check".
    """

    _question = "younger_sim"

    def __init__(self, *, min_months: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.min_months = in_range("min_months", min_months, 1, arguments.MAX_INT32)

    def _check(self) -> Evaluation:
        found = self.hook.check_lifetime(self.reveal("msisdn")).lifetime_duration
        bounds = {"at_least": found.at_least, "at_most": found.at_most, "time_unit": found.time_unit}
        return _is_younger(found, self.min_months), bounds


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


class KyivstarScoreOperator(SubscriberCheckOperator):
    """Is the subscriber's financial score below `min_score`? `yes` is the risky answer. Billed.

    Returns `{"question": "lower_score", "answer"}`, and `score` only with `return_score`: it is personal
    data, and everybody who can see the Dag can read XComs. No score, or no subscriber, is `unknown`
    (`no_score`): the vendor does not distinguish them.

    :param min_score: which score is acceptable.
    :param model_id: the predictive model; 7 is the vendor's general model, others are made to order.
    :param return_score: whether to return the score.

    Source: "/subscribers/{phoneNumber}/score".
    """

    template_fields: Sequence[str] = (*SubscriberCheckOperator.template_fields, "model_id")
    _question = "lower_score"

    def __init__(
        self,
        *,
        min_score: float,
        model_id: str = "7",
        return_score: bool = False,
        **kwargs: Unpack[SubscriberCheckArguments],
    ) -> None:
        super().__init__(**kwargs)
        is_number = isinstance(min_score, (int, float)) and not isinstance(min_score, bool)
        if not is_number or not math.isfinite(min_score):
            raise TelecomInputError("min_score", "must be a number")
        self.min_score, self.model_id, self.return_score = min_score, model_id, return_score
        check_if_literal(model_id, arguments.score_model)

    def _check(self) -> Evaluation:
        score = self.hook.get_score(self.reveal("msisdn"), model_id=self.model_id)
        if score is None:
            return None, {"reason": "no_score"}
        is_lower = score < self.min_score if math.isfinite(score) else None
        return is_lower, {"score": score} if self.return_score else {}
