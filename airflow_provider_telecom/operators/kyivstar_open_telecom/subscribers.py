"""Operators that ask Kyivstar about one subscriber, before a payout for example.

Each asks one question that is put so that **yes is the risky answer**:

    operator                        question       yes means
    KyivstarVerifySimOperator       sim_changed    the SIM was changed within `activation_hours`
    KyivstarCheckSimCountOperator   more_sims      more than `max_count` SIMs within `days`
    KyivstarCheckDeviceOperator     other_device   the device is not the one with `imei`
                                    more_devices   more than `max_count` devices within `days_period`
    KyivstarCheckLifetimeOperator   younger_sim    the SIM is younger than `min_months`
    KyivstarScoreOperator           lower_score    the score is below `min_score`

The third answer is unknown: the number is not a Kyivstar subscriber's, or what the vendor says does not
settle the question. It is never counted as no.
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
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    MAX_INT32,
    check_imei_or_period,
    days_back,
    hours_back,
    imei_digits,
    score_model,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Lifetime

log = logging.getLogger(__name__)

Answer = Literal["yes", "no", "unknown"]
_SHOWN = ("question", "answer", "reason")


class SubscriberCheckError(AirflowFailException):
    """A check of a subscriber gave an answer that is in `fail_on`. Airflow does not retry the task."""


class SubscriberCheckArguments(OperatorArguments, total=False):
    """The parameters of `SubscriberCheckOperator`."""

    msisdn: Required[str | int]
    fail_on: Collection[Answer]


class SubscriberCheckOperator(KyivstarOperator):
    """Ask one question about one subscriber; return `{"question", "answer", ...}` and the facts behind it.

    `answer` is `yes` (the risky one), `no` or `unknown`; with `unknown`, `reason` is `not_a_subscriber`,
    `not_settled` or `no_score`. The number is not in what is returned.

    **Each check is billed on the live server**, and so is each retry of the task; a check whose answer is
    lost goes out twice at most. There is no journal: a copy harms nobody.

    :param msisdn: whom to check, in any common form.
    :param fail_on: answers that make the task fail, `{"yes", "unknown"}` for example; none by default.

    Raises SubscriberCheckError (an answer in `fail_on`), TelecomInputError, TelecomRejectedError.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "msisdn")
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
        """Ask."""
        try:
            found = self._asked()
        except TelecomNotFoundError:
            found = {"question": self._question, "answer": "unknown", "reason": "not_a_subscriber"}
        told = ", ".join(f"{name}: {found[name]}" for name in _SHOWN if name in found)
        log.info("%s", told)
        if found["answer"] in self.fail_on:
            raise SubscriberCheckError(f"{told}. The task fails on this answer, as fail_on says")
        return found

    @property
    def _question(self) -> str:
        raise NotImplementedError

    def _asked(self) -> dict[str, Any]:
        raise NotImplementedError

    def _told(self, answer: bool | None, **facts: Any) -> dict[str, Any]:
        """Return an answer and its facts; None is one that the facts do not settle."""
        found = {"question": self._question, "answer": _ANSWERS[answer], **facts}
        return found if answer is not None else {"reason": "not_settled", **found}


_ANSWERS: dict[bool | None, Answer] = {True: "yes", False: "no", None: "unknown"}


class KyivstarVerifySimOperator(SubscriberCheckOperator):
    """Was the SIM changed within the last `activation_hours`? `yes` is the risky answer.

    Returns `{"question": "sim_changed", "answer", "sim_changed", "is_active"}`. Whether the SIM is active now
    is a fact of its own and does not change the answer. Further parameters and what is raised: see
    `SubscriberCheckOperator`. Billed.

    :param activation_hours: how far back to look, 1 or more.

    Source: "/subscribers/{phoneNumber}/verify-sim".
    """

    _question = "sim_changed"

    def __init__(self, *, activation_hours: int, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.activation_hours = hours_back(activation_hours)

    def _asked(self) -> dict[str, Any]:
        found = self.hook.verify_sim(self.reveal("msisdn"), self.activation_hours)
        return self._told(found.sim_changed, sim_changed=found.sim_changed, is_active=found.is_active)


class KyivstarCheckSimCountOperator(SubscriberCheckOperator):
    """Had the number more than `max_count` SIMs within the last `days`? `yes` is the risky answer.

    Returns `{"question": "more_sims", "answer", "sim_count"}`. The vendor counts to 10, which means 10 or
    more: with a `max_count` of 10 or above that is `unknown`. Further parameters and what is raised: see
    `SubscriberCheckOperator`. Billed.

    :param days: how far back to look, 1 to 120.
    :param max_count: how many SIMs are all right, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/check-sim-count".
    """

    _question = "more_sims"

    def __init__(self, *, days: int, max_count: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.days = days_back("days", days)
        self.max_count = in_range("max_count", max_count, 1, MAX_INT32)

    def _asked(self) -> dict[str, Any]:
        found = self.hook.check_sim_count(self.reveal("msisdn"), self.days)
        more: bool | None = found.sim_count > self.max_count
        if found.sim_count < 1 or (not more and found.is_at_least):
            more = None
        return self._told(more, sim_count=found.sim_count)


class KyivstarCheckDeviceOperator(SubscriberCheckOperator):
    """Is the device another one than `imei`, or were there too many? `yes` is the risky answer.

    With `imei`: returns `{"question": "other_device", "answer", "imei_result"}`, where `imei_result` is the
    vendor's word. COMPLETELY_MATCHED is `no`, NOT_MATCHED is `yes`; the document names no words, so every
    other is `unknown`.

    With `days_period` and `max_count`: returns `{"question": "more_devices", "answer", "device_count"}`;
    `yes` is more than `max_count` devices within the last `days_period`.

    Further parameters and what is raised: see `SubscriberCheckOperator`. Billed.

    :param imei: 14 to 16 digits; of 15 the last must be the right check digit.
    :param days_period: how far back to look, 1 to 120. Either this or `imei`.
    :param max_count: how many devices are all right, 1 or more. Only with `days_period`.

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
        check_imei_or_period(imei, days_period)
        if (days_period is None) != (max_count is None):
            raise TelecomInputError("max_count", "goes with days_period, and only with it")
        if days_period is not None and max_count is not None:
            days_back("days_period", days_period)
            in_range("max_count", max_count, 1, MAX_INT32)
        if imei is not None and is_literal(imei):
            imei_digits(imei)

    @property
    def _question(self) -> str:
        return "other_device" if self.days_period is None else "more_devices"

    def _asked(self) -> dict[str, Any]:
        found = self.hook.check_device(
            self.reveal("msisdn"), imei=self.reveal("imei"), days_period=self.days_period
        )
        if self.max_count is None:
            word = (found.imei_result or "").casefold()
            other = {"completely_matched": False, "not_matched": True}.get(word)
            return self._told(other, imei_result=found.imei_result)
        count = found.imei_count
        return self._told(None if count is None else count > self.max_count, device_count=count)


class KyivstarCheckLifetimeOperator(SubscriberCheckOperator):
    """Was the SIM activated or changed less than `min_months` ago? `yes` is the risky answer.

    Returns `{"question": "younger_sim", "answer", "at_least", "at_most", "time_unit"}`. The vendor gives
    bounds: `yes` if `at_most` is below `min_months`, `no` if `at_least` is not, and `unknown` if the limit
    lies between them or the unit is neither MONTHS nor DAYS (a month has 28 to 31 of them). Further
    parameters and what is raised: see `SubscriberCheckOperator`. Billed.

    :param min_months: how old is all right, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/lifetime-check".
    """

    _question = "younger_sim"

    def __init__(self, *, min_months: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.min_months = in_range("min_months", min_months, 1, MAX_INT32)

    def _asked(self) -> dict[str, Any]:
        found = self.hook.check_lifetime(self.reveal("msisdn")).lifetime_duration
        bounds = {"at_least": found.at_least, "at_most": found.at_most, "time_unit": found.time_unit}
        return self._told(_younger(found, self.min_months), **bounds)


def _younger(lifetime: Lifetime, min_months: int) -> bool | None:
    """Return whether a SIM is younger than so many months; None if the bounds do not settle it."""
    days_of_a_month = {"months": (1, 1), "days": (28, 31)}.get(lifetime.time_unit.casefold())
    at_most = math.inf if lifetime.at_most is None else lifetime.at_most
    if days_of_a_month is None or lifetime.at_least > at_most:
        return None
    fewest, most = (min_months * days for days in days_of_a_month)
    if at_most < fewest:
        return True
    return False if lifetime.at_least >= most else None


class KyivstarScoreOperator(SubscriberCheckOperator):
    """Is the subscriber's financial score below `min_score`? `yes` is the risky answer.

    Returns `{"question": "lower_score", "answer"}`, and `score` only with `return_score`: it is personal, and
    XComs can be read by all who may see the Dag. No score, or no subscriber, is `unknown` (`no_score`): the
    vendor does not tell these two apart. Further parameters and what is raised: see
    `SubscriberCheckOperator`. Billed.

    :param min_score: which score is all right.
    :param model_id: the predictive model; 7 is the vendor's general one, others are made to order.
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
        if (
            isinstance(min_score, bool)
            or not isinstance(min_score, (int, float))
            or not math.isfinite(min_score)
        ):
            raise TelecomInputError("min_score", "must be a number")
        self.min_score, self.return_score = min_score, return_score
        self.model_id = model_id
        if is_literal(model_id):
            score_model(model_id)

    def _asked(self) -> dict[str, Any]:
        score = self.hook.get_score(self.reveal("msisdn"), model_id=self.model_id)
        if score is None:
            return {"question": self._question, "answer": "unknown", "reason": "no_score"}
        lower = score < self.min_score if math.isfinite(score) else None
        return self._told(lower, **({"score": score} if self.return_score else {}))
