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
answer the question. Unknown never counts as no. The module `checks` has the same checks as values.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Required, Unpack, get_args

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.operators.kyivstar_open_telecom import checks
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import Answer
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class SubscriberCheckError(AirflowFailException):
    """The answer of a check is one of `fail_on`. Airflow does not retry the task."""


class SubscriberCheckArguments(OperatorArguments, total=False):
    """The parameters of `SubscriberCheckOperator`."""

    msisdn: Required[str | int]
    fail_on: Collection[Answer]


class SubscriberCheckOperator(KyivstarOperator):
    """Ask one question about one subscriber; return `{"question", "answer", ...}` and the facts.

    `answer` is `yes` (the risky one), `no` or `unknown`. If it is unknown, `reason` is `not_a_subscriber`,
    `not_settled` or `no_score`. `reserved_units` is what the check costs in the vendor's units, if the vendor
    says it (not for a score). The number is not returned.

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
        """Check the subscriber, and judge the response."""
        check = self._check()
        with HideTraceback():
            finding = check.ask(self.hook, self.reveal("msisdn"), *self._values())
        answer, reason = finding.answer, {"reason": finding.reason} if finding.reason else {}
        found = {"question": check.question, "answer": answer, **reason, **finding.facts}
        summary = ", ".join(
            f"{name}: {found[name]}" for name in ("question", "answer", "reason") if name in found
        )
        log.info("%s", summary)
        if answer in self.fail_on:
            raise SubscriberCheckError(f"{summary}. The task fails because fail_on contains this answer")
        return found

    def _check(self) -> checks.SubscriberCheck:
        raise NotImplementedError

    def _values(self) -> Sequence[Any]:
        """Return the values of the check's columns."""
        return ()


class KyivstarVerifySimOperator(SubscriberCheckOperator):
    """Was the SIM changed within the last `activation_hours`? `yes` is the risky answer. Billed.

    Returns `{"question": "sim_changed", "answer", "sim_changed", "is_active"}`. Whether the SIM is active now
    does not change the answer. With a connection to API v1 `is_active` is None, and `sim_type_changed`,
    `geo_changed`, `imei_changed` and `call_forwarding` are returned too; they do not change the answer
    either.

    :param activation_hours: how many hours to look back, 1 or more.

    Source: "/subscribers/{phoneNumber}/verify-sim".
    """

    def __init__(self, *, activation_hours: int, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.activation_hours = arguments.hours_back(activation_hours)

    def _check(self) -> checks.SubscriberCheck:
        return checks.SimChanged(activation_hours=self.activation_hours)


class KyivstarCheckSimCountOperator(SubscriberCheckOperator):
    """Had the number more than `max_count` SIMs within the last `days`? `yes` is the risky answer. Billed.

    Returns `{"question": "more_sims", "answer", "sim_count"}`. The vendor counts to 10, which means 10 or
    more: with a `max_count` of 10 or above the answer is `unknown`.

    :param days: how many days to look back, 1 to 120.
    :param max_count: how many SIMs are acceptable, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/check-sim-count".
    """

    def __init__(self, *, days: int, max_count: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.days = arguments.days_back("days", days)
        self.max_count = in_range("max_count", max_count, 1, arguments.MAX_INT32)

    def _check(self) -> checks.SubscriberCheck:
        return checks.MoreSims(days=self.days, max_count=self.max_count)


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

    def _check(self) -> checks.SubscriberCheck:
        if self.days_period is None or self.max_count is None:
            return checks.OtherDevice()
        return checks.MoreDevices(days_period=self.days_period, max_count=self.max_count)

    def _values(self) -> Sequence[Any]:
        return (self.reveal("imei"),) if self.days_period is None else ()


class KyivstarCheckLifetimeOperator(SubscriberCheckOperator):
    """Was the SIM activated or changed less than `min_months` ago? `yes` is the risky answer. Billed.

    Returns `{"question": "younger_sim", "answer", "at_least", "at_most", "time_unit"}`. The vendor gives
    bounds: `yes` if `at_most` is below `min_months`, `no` if `at_least` is not, and `unknown` if the limit is
    between them or the unit is neither MONTHS nor DAYS (a month has 28 to 31 days).

    The document promises only activations and changes "за останні 30 днів" (of the last 30 days), and does
    not say what the response is for older ones. With a `min_months` above 1 the answer relies on bounds that
    public clients show, and the document does not promise.

    :param min_months: which age is acceptable, 1 (default) or more.

    Source: "/subscribers/{phoneNumber}/lifetime-check".
    """

    def __init__(self, *, min_months: int = 1, **kwargs: Unpack[SubscriberCheckArguments]) -> None:
        super().__init__(**kwargs)
        self.min_months = in_range("min_months", min_months, 1, arguments.MAX_INT32)

    def _check(self) -> checks.SubscriberCheck:
        return checks.YoungerSim(min_months=self.min_months)


class KyivstarScoreOperator(SubscriberCheckOperator):
    """Is the subscriber's financial score below `min_score`? `yes` is the risky answer. Billed.

    Returns `{"question": "lower_score", "answer"}`, and `score` only with `return_score`: it is personal
    data, and everybody who can see the Dag can read XComs. No score, or no subscriber, is `unknown`
    (`no_score`): the vendor does not distinguish them.

    :param min_score: which score is acceptable.
    :param model_id: the predictive model; 7 is the vendor's general model, others are made to order. With
        None no model is sent, and the vendor chooses.
    :param return_score: whether to return the score.

    Source: "/subscribers/{phoneNumber}/score".
    """

    template_fields: Sequence[str] = (*SubscriberCheckOperator.template_fields, "model_id")

    def __init__(
        self,
        *,
        min_score: float,
        model_id: str | None = "7",
        return_score: bool = False,
        **kwargs: Unpack[SubscriberCheckArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.min_score, self.model_id, self.return_score = min_score, model_id, return_score
        checks.LowerScore(min_score=min_score)
        check_if_literal(model_id, arguments.score_model)

    def _check(self) -> checks.SubscriberCheck:
        return checks.LowerScore(
            min_score=self.min_score, model_id=self.model_id, return_score=self.return_score
        )
