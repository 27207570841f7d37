"""Bills of NovaConnect and their transcripts to object storage, and a comparison with the usage reports."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import non_blank, non_empty, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.calls.intervals import check_day, day_interval
from airflow_provider_telecom.operators.novaconnect import NovaConnectOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import TransferArguments, TransferOperator, check_extra
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.times import days_of_period

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.vendors.novaconnect.models import Bill

FILES = {"pdf": "bill-{}.pdf", "transcript": "bill-{}-transcript.xlsx"}
_SELECTIONS = ("bill_ids", "period", "start", "newest")
_MAX_NAMED = 12
_DAY = timedelta(days=1)


class BillDifferenceError(TelecomError, AirflowFailException):
    """A bill, its transcript and the usage reports differ. A retry would find the same."""


class NovaConnectBillToObjectStorageOperator(TransferOperator, NovaConnectOperator):
    """Load bills into `period=YYYY-MM/`: `bill-<id>.pdf`, `bill-<id>-transcript.xlsx` and `bill-<id>.json`.

    The first two are the vendor's files, not opened. The third is written after them: the bill as in the
    vendor's list, and the size and SHA-256 of each file. If the bill's `period` cannot be read, the folder is
    `period=added-YYYY-MM`, by the month in which the bill was added. Files appear completely or not at all; a
    rerun replaces them.

    The bills are selected in one way: `bill_ids`, `period`, `start` and `end`, or `newest`.

    With `reconcile` the costs in a bill's transcript are compared with those of the usage reports (sessions,
    and calls and SMS) for the days of the bill, for each SIM and in total. The result for each SIM is written
    to `bill-<id>-reconciliation.jsonl`. The reports have costs of sessions for SIMs of profile TC only, and
    no packages: a SIM of profile TD differs by its whole cost in the transcript. The document does not show a
    transcript: its headings are an assumption, and anything unexpected is an error.

    :param bill_ids: the vendor's ids, a list or (from a template) its JSON text.
    :param period: the bills of a period, as the vendor writes it (05-2024) or in another format for the same
        days.
    :param start: bills added on this day (UTC) or later: a date, its text (YYYY-MM-DD or DD-MM-YYYY, such as
        `{{ ds }}`), or a datetime that is midnight in UTC. No bill is no error.
    :param end: the last day on which they were added, included; a datetime is not included.
    :param newest: True: the bill that was added last.
    :param files: which files: `pdf`, `transcript`, or both (default).
    :param reconcile: compare; needs the extra `xlsx`, and the transcript in `files`.
    :param tolerance: the difference in EUR that is tolerated, for each SIM and in total: a Decimal or its
        text.
    :param on_difference: `fail` (default; the task fails when all files are written, and is not retried) or
        `report` (a warning in the log, and in the XCom).
    :param transcript_columns: the headings of the columns with a SIM's ICCID or number, and its cost in EUR;
        by default `{"sim": "ICCID", "cost": "Cost, EUR"}`. Also `sheet`, if several sheets have them.
    :param usage_start: the first day of the bill's usage, required if the bill's period cannot be read; as
        `start`.
    :param usage_end: the last day, as `end`.

    The XCom has `path`, `bytes` and `bills`, for each of which `bill_id`, `period`, `cost` (EUR),
    `valute_cost`, `currency`, `files` (path and bytes of each) and `reconciliation`: `path`, `sims`,
    `sims_differing`, `transcript_total`, `usage_total`, `difference`, `bill_difference` (between the bill's
    cost and its transcript), `other_rows` and `other_cost` (rows without a SIM, such as totals), `agrees`.

    Raises TelecomInputError (target, unknown bill or period, headings), TelecomAuthError,
    TelecomNotFoundError, TelecomAnswerError (a wrong file, or one that cannot be read), BillDifferenceError.
    Reads only: nothing is paid for. Source: "Счета" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *TransferOperator.template_fields,
        *("bill_ids", "period", "start", "end", "usage_start", "usage_end"),
    )

    def __init__(
        self,
        *,
        bill_ids: Any = None,
        period: str | None = None,
        start: date | datetime | str | None = None,
        end: date | datetime | str | None = None,
        newest: bool = False,
        files: Sequence[str] = ("pdf", "transcript"),
        reconcile: bool = False,
        tolerance: Decimal | str | int = Decimal("0.01"),
        on_difference: str = "fail",
        transcript_columns: Mapping[str, str] | None = None,
        usage_start: date | datetime | str | None = None,
        usage_end: date | datetime | str | None = None,
        **kwargs: Unpack[TransferArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.bill_ids, self.period, self.start, self.end = bill_ids, period, start, end
        self.usage_start, self.usage_end = usage_start, usage_end
        self.newest = one_of("newest", newest, (True, False))
        self.files = [one_of("files", name, tuple(FILES)) for name in non_empty("files", files)]
        self.reconcile = one_of("reconcile", reconcile, (True, False))
        self.tolerance = _amount("tolerance", tolerance)
        self.on_difference = one_of("on_difference", on_difference, ("fail", "report"))
        self.transcript_columns = transcript_columns
        if reconcile:
            check_extra("reconcile", "xlsx", "openpyxl")
        self._check()

    def _check(self) -> None:
        """Check the parameters that are known when the Dag is parsed."""
        given = [name for name in _SELECTIONS if getattr(self, name) not in (None, False)]
        if len(given) != 1:
            raise TelecomInputError(
                "bill_ids", "one of bill_ids, period, start and end, newest must be given"
            )
        for first, last in (("start", "end"), ("usage_start", "usage_end")):
            if (getattr(self, first) is None) != (getattr(self, last) is None):
                raise TelecomInputError(last, f"must be given with {first}, and not without")
        for field in ("start", "end", "usage_start", "usage_end"):
            check_if_literal(getattr(self, field), partial(check_day, field))
        check_if_literal(self.bill_ids, partial(arguments.rendered_nonempty_ids, "bill_ids"))
        check_if_literal(self.period, partial(non_blank, "period"))
        if self.reconcile and "transcript" not in self.files:
            raise TelecomInputError("files", "must contain transcript to reconcile it")
        if not self.reconcile and (self.transcript_columns or self.usage_start):
            raise TelecomInputError("reconcile", "must be True for transcript_columns and usage_start")
        if self.transcript_columns is not None:
            self._columns()

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the bills."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        root = self._open_folder()
        bills = self._selected_bills()
        usage_days = {bill.id: self._usage_days(bill, len(bills)) for bill in bills if self.reconcile}
        progress, loaded = ProgressLogger(self.log, bills=len(bills)), []
        for bill in bills:
            with tempfile.TemporaryDirectory(prefix="telecom-") as spool:
                facts = self._download_files(root, bill, Path(spool), progress)
                if self.reconcile:
                    facts["reconciliation"] = self._reconcile(root, bill, usage_days[bill.id], Path(spool))
            loaded.append(facts)
            progress.add(bills=1)
        self._report_differences(loaded)
        written = sum(file["bytes"] for facts in loaded for file in facts["files"])
        return self._emit_asset_event(context, {"path": str(root), "bytes": written, "bills": loaded})

    def _selected_bills(self) -> list[Bill]:
        """Return the selected bills. Raises TelecomInputError if one does not exist."""
        from airflow_provider_telecom.vendors.novaconnect.bills import bills_of_period, day_added

        start, end = self.start, self.end
        bounds = None if start is None or end is None else day_interval(start, end)
        ids = None if self.bill_ids is None else arguments.rendered_nonempty_ids("bill_ids", self.bill_ids)
        period = None if self.period is None else non_blank("period", self.period)
        bills = {bill.id: bill for bill in self.hook.all_bills()}
        if ids is not None:
            arguments.refuse_unknown("bill_ids", ids, set(bills))
            return [bills[one] for one in ids]
        if bounds is not None:
            return [bill for bill in bills.values() if bounds[0] <= day_added(bill) <= bounds[1]]
        if period is not None:
            return bills_of_period(list(bills.values()), period)
        if not bills:
            raise TelecomInputError("newest", "there are no bills")
        return [max(bills.values(), key=lambda bill: (day_added(bill), bill.added, bill.id))]

    def _usage_days(self, bill: Bill, bills: int) -> tuple[date, date]:
        """Return the first and last day of a bill's usage. Raises TelecomInputError."""
        if self.usage_start is not None and self.usage_end is not None:
            if bills > 1:
                raise TelecomInputError("usage_start", f"is about one bill, and there are {bills}")
            return arguments.finished_days(self.usage_start, self.usage_end, ("usage_start", "usage_end"))
        days = days_of_period(bill.period)
        if days is None:
            raise TelecomInputError(
                "usage_start", f"must be given: the period of bill {bill.id} cannot be read"
            )
        return arguments.finished_days(*days, ("usage_start", "usage_end"))

    def _download_files(
        self, root: ObjectStoragePath, bill: Bill, spool: Path, progress: ProgressLogger
    ) -> dict[str, Any]:
        """Download a bill's files, then put all of them in place."""
        from airflow_provider_telecom.tasks import storage
        from airflow_provider_telecom.vendors.columns import json_text

        download = {"pdf": self.hook.download_bill, "transcript": self.hook.download_bill_transcript}
        for name in self.files:
            download[name](bill.id, progress.counting(spool / name))
        folder = root / _folder_of(bill)
        files = [_place(spool / name, folder / FILES[name].format(bill.id)) for name in self.files]
        hashes = [storage.sha256_of(spool / name) for name in self.files]
        index = {
            **bill.model_dump(mode="json"),
            "files": [
                {"name": one["path"].rpartition("/")[2], "bytes": one["bytes"], "sha256": digest}
                for one, digest in zip(files, hashes, strict=True)
            ],
        }
        (spool / "index").write_text(f"{json_text(index)}\n", encoding="utf-8")
        _place(spool / "index", folder / f"bill-{bill.id}.json")
        facts = bill.model_dump(mode="json", include={"period", "cost", "valute_cost", "currency"})
        return {"bill_id": bill.id, **facts, "files": files}

    def _reconcile(
        self, root: ObjectStoragePath, bill: Bill, days: tuple[date, date], spool: Path
    ) -> dict[str, Any]:
        """Compare a bill's transcript with the usage of its days, store the result, and return its totals."""
        from airflow_provider_telecom.transfers.novaconnect_reconciliation import Reconciliation, usage_of
        from airflow_provider_telecom.vendors.novaconnect.transcripts import read_transcript

        with (spool / "transcript").open("rb") as file:
            transcript = read_transcript(file, self._columns())
        found = Reconciliation(bill.cost, transcript, usage_of(self.hook, days), self.tolerance)
        facts = found.write(spool / "reconciliation")
        target = root / _folder_of(bill) / f"bill-{bill.id}-reconciliation.jsonl"
        return {**_place(spool / "reconciliation", target), **facts}

    def _columns(self) -> Mapping[str, str]:
        from airflow_provider_telecom.vendors.novaconnect.transcripts import check_columns

        return check_columns({} if self.transcript_columns is None else self.transcript_columns)

    def _report_differences(self, loaded: Sequence[Mapping[str, Any]]) -> None:
        """Fail, or warn, if a bill differs."""
        differing = [facts for facts in loaded if not facts.get("reconciliation", {}).get("agrees", True)]
        if not differing:
            return
        text = "; ".join(
            _describe_difference(facts["bill_id"], facts["reconciliation"])
            for facts in differing[:_MAX_NAMED]
        )
        if self.on_difference == "fail":
            raise BillDifferenceError(text)
        self.log.warning("%s", text)


def _place(file: Path, target: ObjectStoragePath) -> dict[str, Any]:
    from airflow_provider_telecom.tasks import storage

    storage.place(file, target)
    return {"path": str(target), "bytes": file.stat().st_size}


def _describe_difference(bill_id: int, found: Mapping[str, Any]) -> str:
    return (
        f"bill {bill_id} differs: {found['sims_differing']} of {found['sims']} SIMs; the transcript has "
        f"{found['transcript_total']} EUR, the usage reports {found['usage_total']}, and the bill itself "
        f"{found['bill_cost']}; see {found['path']}"
    )


def _folder_of(bill: Bill) -> str:
    """Return the folder of a bill, which never contains the vendor's text."""
    if days := days_of_period(bill.period):
        first, last = days
        whole = (
            first.day == 1 and (last + _DAY).day == 1 and (first.year, first.month) == (last.year, last.month)
        )
        return f"period={first:%Y-%m}" if whole else f"period={first:%Y%m%d}-{last:%Y%m%d}"
    return f"period=added-{bill.added_at:%Y-%m}" if bill.added_at else "period=unknown"


def _amount(field: str, value: Decimal | str | float) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or found < 0:
        raise TelecomInputError(field, "must be an amount in EUR, 0 or more")
    return found
