"""The operator that checks many numbers, each with several checks.

Each check is billed, and the vendor can't recognize a duplicate. So the chunk of numbers that is checked next
is written to the journal before the first request, and each answer to a file as soon as it is there. A later
try requests only what has no answer. See docs/sending.md, "Billed checks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, Unpack, get_args

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import SubscriberCheck, check_distinct
from airflow_provider_telecom.operators.recipients import (
    ReadingArguments,
    RecipientsOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

OnLostAnswer = Literal["repeat_once", "report"]
_MAX_CHECKS = 10**12
_MAX_CHUNK_SIZE = 1_000
_MAX_CONCURRENCY = 32


class CheckSubscribersArguments(ReadingArguments, total=False):
    """The parameters of the bases of `KyivstarCheckSubscribersOperator`."""

    recipients: Required[Any]


class KyivstarCheckSubscribersOperator(KyivstarOperator, RecipientsOperator):
    """Check many numbers, each with several checks; the answers go into a file. Each check is billed.

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

    where `checks` is the number of all checks, `unknown` of those in this state, and `repeated` of those that
    were requested twice, so that they may have been billed twice. `reserved_units` is what the answered ones
    except scores cost in the vendor's units, or None if the vendor does not say it.

    :param checks: a list of checks: `SimChanged`, `MoreSims`, `OtherDevice`, `MoreDevices`, `YoungerSim` and
        `LowerScore` of the module `operators.kyivstar_open_telecom.checks`. `OtherDevice` needs a column with
        the IMEI of each number.
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
        checks: Sequence[SubscriberCheck],
        results_path: str,
        max_checks: int | None = None,
        max_rejected: int = 100,
        on_lost_answer: OnLostAnswer = "repeat_once",
        concurrency: int = 4,
        chunk_size: int = 20,
        **kwargs: Unpack[CheckSubscribersArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.checks, self.results_path = check_distinct(checks), results_path
        if any(check.values for check in checks):
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
            if self.is_dry_run:
                return {**planned, "dry_run": True}
            from airflow_provider_telecom.bulk.results_file import ResultsFile
            from airflow_provider_telecom.operators.kyivstar_open_telecom.checking import Checking

            journal, identity = self._journal(context), self._audience_identity(context, audience)
            checkpoint = Checkpoint(journal, self._entry_name("checks"), self.conn_id, audience=identity)
            counts = Checking(self, audience, checkpoint, ResultsFile(path)).run()
        return {**planned, **counts.facts(), "results": self.results_path}
