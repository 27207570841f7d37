"""The operator that checks many numbers, each with several checks.

Each check is billed, and the vendor can't recognize a duplicate. So the chunk of numbers that is checked next
is written to the journal before the first request, and each answer to a file as soon as it is there. A later
try requests only what has no answer. See docs/sending.md, "Billed checks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Required, Unpack, get_args

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator, OnLostAnswer
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import SubscriberCheck, check_distinct
from airflow_provider_telecom.operators.recipients import (
    ReadingArguments,
    RecipientsOperator,
    check_budget,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.operators.kyivstar_open_telecom.checking import Checking
    from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import Rule, Ruling

_MAX_CHECKS = 10**12
_MAX_CHUNK_SIZE = 1_000
_MAX_CONCURRENCY = 32


class CheckSubscribersArguments(ReadingArguments, total=False):
    """The parameters of the bases of `KyivstarCheckSubscribersOperator`."""

    recipients: Required[Any]


class KyivstarCheckSubscribersOperator(KyivstarOperator, RecipientsOperator):
    """Check many numbers, by several checks or by rules; the answers go into a file. Each check is billed.

        KyivstarCheckSubscribersOperator(
            task_id="check", recipients="payees.csv", results_path="checked.jsonl",
            checks=[SimChanged(activation_hours=72), MoreSims(days=30), OtherDevice(imei_column="imei")],
            max_checks=3_000,
        )

    The file of results has a JSON line for each number, without duplicates: `msisdn`, and for each check an
    object under its name: `{"state", "answer", "reason", "code"}` and the facts of the check. `answer` is
    `yes` (the risky one), `no` or `unknown`; `reason` says why it is unknown. `state` is

    - `answered`: the vendor has answered;
    - `refused`: the vendor has refused the request, with `code`;
    - `unknown`: the answer was lost. The check may have been billed.

    An answered check is not repeated: neither by a retry, nor after a killed task, nor by "Clear". A killed
    task loses at most the answers of its last chunk that were not written yet; on a local disk, only those
    that were just coming in. `on_lost_answer` decides about them and about other lost answers: a check is
    requested at most twice, in all tries together. Once anything may have been asked, the numbers and the
    checks must begin with the same ones; further numbers may follow, also after success. Returns

        {"recipients", "duplicates", "bad_rows", "checks", "answered", "answers": {check: {answer: count}},
         "reasons": {check: {reason: count}}, "refused": {code: count}, "unknown", "repeated",
         "reserved_units", "results", "rejects"}

    With `rules` instead of `checks`, each line also has `decision`: `pay`, `review` or `refuse`, as
    `KyivstarFraudGateOperator` decides. The cheapest check of a number is asked first, and none that can't
    change its decision: its `state` and `answer` are `not_asked`. Then `decisions` ({decision: count}) and
    `not_asked` are returned too.

    Here `checks` is the number of all checks, `unknown` of those in this state, and `repeated` of those that
    were requested twice, so that they may have been billed twice. `reserved_units` is what the answered ones
    except scores cost in the vendor's units, or None if the vendor does not say it.

    :param checks: a list of checks: `SimChanged`, `MoreSims`, `OtherDevice`, `MoreDevices`, `YoungerSim` and
        `LowerScore` of the module `operators.kyivstar_open_telecom.checks`. `OtherDevice` needs a column with
        the IMEI of each number. Either this or `rules`.
    :param rules: a rule of the module `operators.kyivstar_open_telecom.rules`: `AllOf`, `AnyOf` and `Weights`
        of checks.
    :param prices: what a check costs, by its name: `{"sim_changed": "0.50"}`. With `rules` the cheapest is
        asked first; checks without a price follow in the order in which the rules have them.
    :param budget: a `Budget` in the currency of the `prices`, which all checks must have then. All checks of
        all numbers are reserved before the first request; what was not asked is released at the end.
    :param results_path: the file of results. It must be the same path in each try, and no other run may write
        there at the same time. While the task runs, parts are in the folders `<name>.parts` and
        `<name>.answers` beside it.
    :param max_checks: refuse more checks (numbers times `checks`) before anything is requested.
    :param max_rejected: stop as soon as the vendor has refused more checks than this: the rest would
        probably be refused as well. A cleared task goes on after them.
    :param on_lost_answer: what to do about a check whose answer was lost: `repeat_once` (default), or
        `report` its state as unknown.
    :param concurrency: how many checks are requested at the same time, 1 to 32. All wait for the connection's
        `rate_limit` and for the vendor's quota.
    :param chunk_size: after so many numbers the journal is written, 1 to 1000.

    Raises TelecomInputError before anything is requested, TelecomRejectedError (`max_rejected`),
    TelecomAuthError, TelecomThrottledError and TelecomNotSentError (the next try goes on).
    Source: "/subscribers/{phoneNumber}" and the calls below it.
    """

    template_fields: Sequence[str] = (*RecipientsOperator.template_fields, "results_path")
    private_fields: ClassVar[Sequence[str]] = RecipientsOperator.private_fields

    def __init__(
        self,
        *,
        checks: Sequence[SubscriberCheck] | None = None,
        rules: Rule | None = None,
        prices: Mapping[str, Decimal | str | int] | None = None,
        budget: Budget | None = None,
        results_path: str,
        max_checks: int | None = None,
        max_rejected: int = 100,
        on_lost_answer: OnLostAnswer = "repeat_once",
        concurrency: int = 4,
        chunk_size: int = 20,
        **kwargs: Unpack[CheckSubscribersArguments],
    ) -> None:
        super().__init__(**kwargs)
        if (checks is None) == (rules is None):
            raise TelecomInputError("checks", "give either checks or rules, and not both")
        self.rules, self.prices, self.budget = rules, prices, check_budget(budget)
        self.checks = check_distinct(checks) if self.ruling is None else self.ruling.checks
        self.results_path = results_path
        labels = [check.label for check in self.checks]
        if rules is not None and "decision" in labels:
            raise TelecomInputError(
                "rules", "decision is a column of the results; name the check differently"
            )
        missing = [label for label in labels if label not in self._prices]
        if budget is not None and missing:
            raise TelecomInputError("prices", f"a budget needs the price of {', '.join(missing)} too")
        if any(check.values for check in self.checks):
            raise TelecomInputError("checks", "imei is one device; many numbers have an imei_column")
        if str(results_path).lower().endswith(".parquet"):
            raise TelecomInputError("results_path", "must not end in .parquet: the results are JSON lines")
        if max_checks is not None:
            in_range("max_checks", max_checks, 1, _MAX_CHECKS)
        self.max_checks = max_checks
        self.max_rejected = in_range("max_rejected", max_rejected, 0, _MAX_CHECKS)
        self.on_lost_answer = one_of("on_lost_answer", on_lost_answer, get_args(OnLostAnswer))
        self.concurrency = in_range("concurrency", concurrency, 1, _MAX_CONCURRENCY)
        self.chunk_size = in_range("chunk_size", chunk_size, 1, _MAX_CHUNK_SIZE)

    @property
    def value_columns(self) -> Mapping[str, Callable[[str], object]]:
        """The columns besides the number's, and what checks their values."""
        return {name: check for each in self.checks for name, check in each.columns.items()}

    @cached_property
    def ruling(self) -> Ruling | None:
        """The rules in use; None if all checks are asked."""
        if self.rules is None:
            return None
        from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import Ruling

        return Ruling(self.rules, self.prices)

    @cached_property
    def _prices(self) -> Mapping[str, Decimal]:
        from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import checked_prices

        return checked_prices(self.prices, [check.label for check in self.checks])

    @property
    def _price_of_all(self) -> Decimal:
        """What all checks of one number cost."""
        return sum(self._prices.values(), Decimal(0))

    def execute(self, context: Context) -> dict[str, Any]:
        """Read all numbers, then check them."""
        from airflow.sdk import ObjectStoragePath

        path = ObjectStoragePath(non_blank("results_path", self.results_path))
        columns, region = self.value_columns, self.hook.options.default_region
        with self._read_recipients(list(columns), region, checks=columns) as audience:
            total = audience.count * len(self.checks)
            if self.max_checks is not None and total > self.max_checks:
                raise TelecomInputError(
                    "max_checks",
                    f"is less than the {total} checks of {audience.count} numbers; nothing was asked",
                )
            planned = {**self._recipient_counts(audience), "checks": total}
            self._check_prefixes(audience)
            if self.is_dry_run:
                return {**planned, **self._price_facts(audience), "dry_run": True}
            from airflow_provider_telecom.bulk.results_file import ResultsFile
            from airflow_provider_telecom.journal.checkpoint import Checkpoint
            from airflow_provider_telecom.operators.kyivstar_open_telecom.checking import Checking

            journal, identity = self._journal(context), self._audience_identity(context, audience)
            checkpoint = Checkpoint(journal, self._entry_name("checks"), self.conn_id, audience=identity)
            checking = Checking(self, audience, checkpoint, ResultsFile(path))
            self._reserve(context, audience, checking)
            counts = checking.run()
            self._settle(context, checking)
        return {**planned, **counts.facts(), "results": self.results_path}

    def _price_facts(self, audience: Audience) -> dict[str, str]:
        """Return what all checks cost, if there is a budget."""
        if self.budget is None:
            return {}
        from airflow_provider_telecom.bulk.budget import shown

        return {"price": shown(self._price_of_all * audience.count), "currency": self.budget.currency}

    def _spent(self, checking: Checking) -> Decimal:
        """Return the price of the requests that may be billed, of the numbers that are done."""
        requests = checking.counts.may_be_billed.items()
        return sum((self._prices[label] * count for label, count in requests), Decimal(0))

    def _reserve(self, context: Context, audience: Audience, checking: Checking) -> None:
        """Reserve what the other numbers cost, if there is a budget; twice where it may be repeated.

        After an error all stays reserved.
        """
        if self.budget is None or checking.is_complete:
            return
        again = checking.in_doubt if self.on_lost_answer == "repeat_once" else 0
        left = audience.count - checking.counts.rows + again
        self._reservation(context, self.budget).reserve(self._spent(checking), self._price_of_all * left)

    def _settle(self, context: Context, checking: Checking) -> None:
        """Replace what was reserved by what may be billed."""
        if self.budget is None or not (reservation := self._reservation(context, self.budget)).is_open:
            return
        from airflow_provider_telecom.bulk.budget_store import settle_and_log

        settle_and_log(reservation, self._spent(checking))
