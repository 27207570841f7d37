"""Base classes of operators for many recipients: where these come from, and how many are allowed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, get_args

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Audience, Entry
    from airflow_provider_telecom.bulk.audience_folder import AudienceInfo
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.bulk.budget_store import Reservation
    from airflow_provider_telecom.bulk.preview import CampaignText
    from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.journal.checkpoint import AudienceIdentity

OnBadRows = Literal["fail", "skip"]
OnNoRecipients = Literal["fail", "skip"]
_MAX_RECIPIENTS = 10**12
_MAX_SEGMENTS = 255
"""The number of the parts of an SMS is one byte."""


class ReadingArguments(JournaledArguments, total=False):
    """The parameters of `RecipientsOperator`, except for `recipients`."""

    msisdn_column: str
    on_bad_rows: OnBadRows
    rejects_path: str | None
    max_recipients: int | None
    on_no_recipients: OnNoRecipients
    dry_run: bool
    variants: str | Sequence[str] | None
    shard: int | str | None


class CampaignArguments(ReadingArguments, total=False):
    """The parameters of `CampaignOperator`."""

    recipients: Required[Any]
    text: Required[str | Mapping[str, str]]


class DeferrableCampaignArguments(CampaignArguments, DeferrableArguments):
    """The parameters of an operator that sends to many and can wait for it."""


class RecipientsOperator(JournaledOperator):
    """A task with an effect for each of many recipients.

    :param recipients: a list (numbers, or mappings with the columns of the number and of the text's values),
        `task.output` of a task that returned a list, or the path or URL of a file that Airflow's object
        storage can open: CSV with a header (`,`, `;` or tab; UTF-8), JSON lines, or Parquet. A file is
        streamed; a million recipients take about 70 MB of memory, for finding duplicates. Or an audience:
        the output of `PrepareAudienceOperator`, whose hash is then checked, or the path of its folder.
    :param msisdn_column: the column of the number.
    :param on_bad_rows: `fail` (default): if a row is bad, nothing is sent; the error names the first ones.
        `skip`: the message is sent to the others.
    :param rejects_path: where bad rows and duplicates are written, as CSV.
    :param max_recipients: refuse more than that before anything is sent.
    :param on_no_recipients: `fail` (default), or `skip`: the task is skipped if the list or the file has no
        rows.
    :param dry_run: check everything, send nothing; return and log a table of what would be sent: recipients,
        exclusions, texts with made-up values, SMS segments and, where the vendor quotes it, the price.
    :param variants: the variant of the audience, or several, to send to; by default all.
    :param shard: the shard of the audience to send to, from 0; by default all. For one task per shard:
        `.partial(...).expand(shard=[0, 1, 2, 3])`.
    """

    template_fields: Sequence[str] = (
        *JournaledOperator.template_fields,
        *("recipients", "rejects_path", "variants", "shard"),
    )
    budget: Budget | None = None

    def __init__(
        self,
        *,
        recipients: Any,
        msisdn_column: str = "msisdn",
        on_bad_rows: OnBadRows = "fail",
        rejects_path: str | None = None,
        max_recipients: int | None = None,
        on_no_recipients: OnNoRecipients = "fail",
        dry_run: bool = False,
        variants: str | Sequence[str] | None = None,
        shard: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients = recipients
        self.variants, self.shard = variants, shard
        if variants is not None and is_literal(variants):
            _check_names("variants", variants)
        if shard is not None:
            check_if_literal(shard, check_shard)
        if variants is not None or shard is not None:
            check_can_be_audience(recipients, "variants" if shard is None else "shard")
        self.msisdn_column = non_blank("msisdn_column", msisdn_column)
        self.on_bad_rows = one_of("on_bad_rows", on_bad_rows, get_args(OnBadRows))
        self.rejects_path = rejects_path
        if max_recipients is not None:
            in_range("max_recipients", max_recipients, 1, _MAX_RECIPIENTS)
        self.max_recipients = max_recipients
        self.on_no_recipients = one_of("on_no_recipients", on_no_recipients, get_args(OnNoRecipients))
        self.is_dry_run = dry_run  # Airflow's operators have a method called dry_run

    def _hide(self) -> None:
        """Hide the recipients. The path of a file of recipients, or of an audience, stays visible."""
        super()._hide()
        from airflow_provider_telecom.bulk.audience_folder import is_folder_path
        from airflow_provider_telecom.bulk.recipient_rows import SUFFIXES

        is_folder = is_folder_path(str(self.recipients))
        self.recipients = hide_unless_path(self.recipients, ("",) if is_folder else SUFFIXES)

    def _read_recipients(
        self,
        columns: Sequence[str],
        region: str,
        text_values: int = 0,
        checks: Mapping[str, Callable[[str], object]] | None = None,
        unique: str | None = None,
        is_blank: Callable[[Entry], bool] | None = None,
    ) -> Audience:
        """Read and check all recipients; for the arguments see `RecipientColumns`.

        `is_blank` says whether the text for a recipient of an audience would be empty; by default it is if
        the first `text_values` are.

        Raises TelecomInputError before anything is sent, and AirflowSkipException if there are none and the
        task is then skipped.
        """
        from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
        from airflow_provider_telecom.bulk.recipients import read_recipients

        wanted = RecipientColumns(self.msisdn_column, columns, region, text_values, checks or {}, unique)
        audience: Audience | None = self._open_audience(wanted, is_blank)
        if audience is None:
            audience = read_recipients(
                self.reveal("recipients"),
                wanted,
                on_bad_rows=self.on_bad_rows,
                max_recipients=self.max_recipients,
                rejects=object_path(self.rejects_path),
                may_be_none=self.on_no_recipients == "skip",
            )
        if not audience.count:
            from airflow.sdk.exceptions import AirflowSkipException

            audience.close()
            raise AirflowSkipException("there are no recipients, so nothing was sent")
        return audience

    def _open_audience(
        self, wanted: RecipientColumns, is_blank: Callable[[Entry], bool] | None
    ) -> Audience | None:
        """Return the recipients of an audience folder; None if they are a list or a file."""
        from airflow_provider_telecom.bulk.audience_folder import (
            MSISDN,
            audience_reference,
            check_entries,
            open_audience,
        )

        reference = audience_reference(self.reveal("recipients"))
        if reference is None:
            for name in ("variants", "shard"):
                if getattr(self, name) is not None:
                    raise TelecomInputError(name, "is for an audience: the recipients are a list or a file")
            return None
        if self.msisdn_column != MSISDN:
            raise TelecomInputError("msisdn_column", f"is for lists and files: an audience has {MSISDN}")
        audience = open_audience(
            reference.path,
            columns=wanted.values,
            variants=self.variants,
            shard=check_shard(self.shard),
            sha256=reference.sha256,
        )
        try:
            check_entries(audience, wanted, self.max_recipients, is_blank)
            if not audience.count and self.on_no_recipients != "skip":
                raise TelecomInputError("recipients", f"{audience.path}: there are none of this selection")
        except BaseException:
            audience.close()
            raise
        return audience

    def _audience_info(self) -> AudienceInfo | None:
        """Return what the audience's folder says; None if the recipients are a list or a file."""
        from airflow_provider_telecom.bulk.audience_folder import audience_reference, read_info

        reference = audience_reference(self.reveal("recipients"))
        return None if reference is None else read_info(reference.path)

    def _variant_column(self) -> str | None:
        """Return the column of the variants, if the recipients are an audience that has them."""
        from airflow_provider_telecom.bulk.audience_folder import VARIANT

        info = self._audience_info()
        return VARIANT if info is not None and info.variants else None

    def _audience_identity(
        self, context: Context, audience: Audience, text: object = None
    ) -> AudienceIdentity | None:
        """Return what must stay the same in each try; None if the recipients are a list or a file."""
        from airflow_provider_telecom.bulk.audience_folder import FolderAudience
        from airflow_provider_telecom.journal.checkpoint import AudienceIdentity
        from airflow_provider_telecom.journal.idempotency_keys import fingerprint

        if not isinstance(audience, FolderAudience):
            return None
        path, info, ti = audience.path, audience.info, context["ti"]

        def begin() -> None:
            from airflow_provider_telecom.bulk.fallback import begin_sending
            from airflow_provider_telecom.bulk.outcomes import run_text

            begin_sending(path, info, run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))

        about_text = "" if text is None else fingerprint(text)
        return AudienceIdentity(path, info.sha256, audience.selection, about_text, begin)

    def _check_prefixes(self, audience: Audience) -> None:
        """Raise TelecomInputError if the budget does not allow the beginning of a number."""
        if self.budget is not None and self.budget.allow_prefixes:
            self.budget.check_numbers(entry[0] for entry in audience.entries())

    def _reservation(self, context: Context, budget: Budget) -> Reservation:
        """Return what this task in this run has reserved of its budget."""
        from airflow_provider_telecom.bulk.budget_store import Reservation
        from airflow_provider_telecom.bulk.outcomes import run_text

        ti = context["ti"]
        run = run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
        return Reservation(budget, self._journal(context), run, self._dedupe_key)

    def _recipient_counts(self, audience: Audience) -> dict[str, int | str | None]:
        return {
            "recipients": audience.count,
            "duplicates": audience.duplicates,
            "bad_rows": audience.bad,
            "rejects": self.rejects_path if audience.bad or audience.duplicates else None,
        }

    def _check_segments(
        self,
        text: CampaignText,
        audience: Audience,
        max_segments: int | None,
        columns: Sequence[str],
        region: str,
    ) -> None:
        """Check how many SMS the texts take, and log it. Without a limit only if it is one text for all.

        Raises TelecomInputError if a text takes more than `max_segments`; it names the lines of the first.
        """
        from airflow_provider_telecom.bulk.audience_folder import FolderAudience
        from airflow_provider_telecom.bulk.preview import segment_lines
        from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
        from airflow_provider_telecom.bulk.recipients import lines_of

        def lines(numbers: Sequence[str]) -> Mapping[str, int]:
            if isinstance(audience, FolderAudience):
                return {}
            wanted = RecipientColumns(self.msisdn_column, columns, region)
            return lines_of(self.reveal("recipients"), wanted, numbers)

        if not text.is_sms or (max_segments is None and not text.is_one):
            return
        if max_segments is None:
            previews = text.previews(audience)
        else:
            previews = text.check_segments(audience, max_segments, lines)
        for line in () if self.is_dry_run else segment_lines(previews):
            self.log.info(line)

    def _report_dry_run(
        self, found: dict[str, Any], audience: Audience, budget: Budget | None
    ) -> dict[str, Any]:
        """Return the XCom of a dry run, and log its table. With a budget it says what is left of it."""
        from airflow_provider_telecom.bulk.preview import excluded, preview_lines

        counts = self._recipient_counts(audience)
        summary = {**counts, "dry_run": True, "excluded": excluded(audience), **found}
        if budget is not None:
            from airflow_provider_telecom.bulk.budget_store import budget_facts

            summary["budget"] = budget_facts(budget, time.time())
        for line in preview_lines(summary):
            self.log.info("dry run: %s", line)
        return summary


class CampaignOperator(RecipientsOperator):
    """A task that sends a message to many recipients.

    :param text: the message, or one per variant of the audience: `{"A": "...", "B": "..."}`.
    """

    template_fields: Sequence[str] = (*RecipientsOperator.template_fields, "text")
    private_fields: ClassVar[Sequence[str]] = ("text",)

    def __init__(self, *, text: str | Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        if isinstance(text, Mapping):
            from airflow_provider_telecom.bulk.text_template import check_text

            check_text(text, has_columns=False)
            check_can_be_audience(self.recipients, "text")
            if self.variants is not None and is_literal(self.variants):
                for name in _check_names("variants", self.variants):
                    if name not in text:
                        raise TelecomInputError("text", f"has no text for the variant {name}")

    def _text(self) -> Text:
        """Return the text with its columns. Raises TelecomInputError."""
        from airflow_provider_telecom.bulk.text_template import TextTemplate, check_texts

        text = self.reveal("text")
        if not isinstance(text, Mapping):
            return TextTemplate(non_blank("text", text))
        info = self._audience_info()
        if info is None:
            raise TelecomInputError("text", "is one per variant: the recipients must be an audience")
        return check_texts(text, info.variants, self.variants)


def check_results_path(path: str | None) -> None:
    """Raise TelecomInputError for a file of outcomes that is Parquet, if pyarrow is not installed."""
    if path is not None and str(path).lower().endswith(".parquet"):
        from airflow_provider_telecom.bulk.extra import check_library

        check_library("results_path", "pyarrow")


def check_shard(shard: int | str | None) -> int | None:
    """Return a shard, which a template may have rendered as a text. Raises TelecomInputError."""
    if isinstance(shard, str) and shard.strip().isdecimal():
        shard = int(shard)
    if shard is None or (isinstance(shard, int) and not isinstance(shard, bool) and shard >= 0):
        return shard
    raise TelecomInputError("shard", "must be a whole number from 0")


def _check_names(field: str, names: str | Sequence[str]) -> Sequence[str]:
    """Return the names of variants as a list."""
    found = [names] if isinstance(names, str) else list(names)
    if not found or not all(isinstance(name, str) and name.strip() for name in found):
        raise TelecomInputError(field, "must be the name of a variant, or a list of names")
    return found


def check_can_be_audience(recipients: object, field: str) -> None:
    """Raise TelecomInputError if it is known, when the Dag is parsed, that recipients are no audience."""
    from airflow_provider_telecom.bulk.audience_folder import audience_reference

    if recipients is not None and is_literal(recipients) and audience_reference(recipients) is None:
        rule = "is for an audience"
        if field.endswith("text"):
            rule = "is one per variant, which only an audience has"
        raise TelecomInputError(field, f"{rule}: the recipients are a list or a file")


def check_budget(budget: Budget | None) -> Budget | None:
    """Return a budget. Raises TelecomInputError for something else, such as a text."""
    from airflow_provider_telecom.bulk.budget import Budget

    if budget is not None and not isinstance(budget, Budget):
        raise TelecomInputError("budget", "must be a Budget of airflow_provider_telecom.campaigns")
    return budget


def check_max_segments(max_segments: int | None, *, text: object = None) -> int | None:
    """Return how many SMS a text may take; None for any. Raises TelecomInputError.

    Also for a text that is known when the Dag is parsed, has no values, and takes more.
    """
    if max_segments is not None:
        from airflow_provider_telecom.bulk.preview import check_literal_segments

        check_literal_segments(text, in_range("max_segments", max_segments, 1, _MAX_SEGMENTS))
    return max_segments


def check_price(budget: Budget | None, price: object) -> Decimal:
    """Return the price of one message, of a vendor without a price call; 0 without a budget."""
    from airflow_provider_telecom.bulk.budget import amount

    if (budget is None) != (price is None):
        raise TelecomInputError(
            "price_per_message", "goes with budget: the vendor has no call that returns a price"
        )
    return Decimal(0) if price is None else amount("price_per_message", price)


def price_facts(budget: Budget | None, price: object, messages: int) -> dict[str, str]:
    """Return the price that a dry run shows, of a vendor without a price call; nothing without a budget."""
    if budget is None:
        return {}
    from airflow_provider_telecom.bulk.budget import shown

    return {"price": shown(check_price(budget, price) * messages), "currency": budget.currency}


def object_path(path: str | None) -> ObjectStoragePath | None:
    """Return a path in object storage, or None for none."""
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path) if path else None
