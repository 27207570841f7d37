"""Base classes of operators for many recipients: where these come from, and how many are allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, get_args

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.campaigns.audience import Audience
    from airflow_provider_telecom.campaigns.preview import CampaignText

OnBadRows = Literal["fail", "skip"]
OnNoRecipients = Literal["fail", "skip"]
_MAX_RECIPIENTS = 10**12


class ReadingArguments(JournaledArguments, total=False):
    """The parameters of `RecipientsOperator`, except for `recipients`."""

    msisdn_column: str
    on_bad_rows: OnBadRows
    rejects_path: str | None
    max_recipients: int | None
    on_no_recipients: OnNoRecipients
    dry_run: bool


class CampaignArguments(ReadingArguments, total=False):
    """The parameters of `CampaignOperator`."""

    recipients: Required[Any]
    text: Required[str]


class DeferrableCampaignArguments(CampaignArguments, DeferrableArguments):
    """The parameters of an operator that sends to many and can wait for it."""


class RecipientsOperator(JournaledOperator):
    """A task with an effect for each of many recipients.

    :param recipients: a list (numbers, or mappings with the columns of the number and of the text's values),
        `task.output` of a task that returned a list, or the path or URL of a file that Airflow's object
        storage can open: CSV with a header (`,`, `;` or tab; UTF-8), or JSON lines. A file is streamed; a
        million recipients take about 70 MB of memory, for finding duplicates.
    :param msisdn_column: the column of the number.
    :param on_bad_rows: `fail` (default): if a row is bad, nothing is sent; the error names the first ones.
        `skip`: the message is sent to the others.
    :param rejects_path: where bad rows and duplicates are written, as CSV.
    :param max_recipients: refuse more than that before anything is sent.
    :param on_no_recipients: `fail` (default), or `skip`: the task is skipped if the list or the file has no
        rows.
    :param dry_run: check everything, send nothing.
    """

    template_fields: Sequence[str] = (*JournaledOperator.template_fields, "recipients", "rejects_path")

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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients = recipients
        self.msisdn_column = non_blank("msisdn_column", msisdn_column)
        self.on_bad_rows = one_of("on_bad_rows", on_bad_rows, get_args(OnBadRows))
        self.rejects_path = rejects_path
        if max_recipients is not None:
            in_range("max_recipients", max_recipients, 1, _MAX_RECIPIENTS)
        self.max_recipients = max_recipients
        self.on_no_recipients = one_of("on_no_recipients", on_no_recipients, get_args(OnNoRecipients))
        self.is_dry_run = dry_run  # Airflow's operators have a method called dry_run

    def _hide(self) -> None:
        """Hide the recipients. The path of a file of recipients stays visible."""
        super()._hide()
        from airflow_provider_telecom.campaigns.recipients import SUFFIXES

        self.recipients = hide_unless_path(self.recipients, SUFFIXES)

    def _read_recipients(
        self,
        columns: Sequence[str],
        region: str,
        text_values: int = 0,
        checks: Mapping[str, Callable[[str], object]] | None = None,
        unique: str | None = None,
    ) -> Audience:
        """Read and check all recipients; for the arguments see `RecipientColumns`.

        Raises TelecomInputError before anything is sent, and AirflowSkipException if there are none and the
        task is then skipped.
        """
        from airflow_provider_telecom.campaigns.recipients import RecipientColumns, read_recipients

        audience = read_recipients(
            self.reveal("recipients"),
            RecipientColumns(self.msisdn_column, columns, region, text_values, checks or {}, unique),
            on_bad_rows=self.on_bad_rows,
            max_recipients=self.max_recipients,
            rejects=object_path(self.rejects_path),
            may_be_none=self.on_no_recipients == "skip",
        )
        if not audience.count:
            from airflow.sdk.exceptions import AirflowSkipException

            audience.spool.close()
            raise AirflowSkipException("there are no recipients, so nothing was sent")
        return audience

    def _recipient_counts(self, audience: Audience) -> dict[str, int | str | None]:
        return {
            "recipients": audience.count,
            "duplicates": audience.duplicates,
            "bad_rows": audience.bad,
            "rejects": self.rejects_path if audience.bad or audience.duplicates else None,
        }

    def _check_segments(
        self, text: CampaignText, audience: Audience, max_segments: int, columns: Sequence[str], region: str
    ) -> None:
        """Raise TelecomInputError if a text takes more SMS than allowed; it names the lines of the first."""
        from airflow_provider_telecom.campaigns.audience_folder import FolderAudience
        from airflow_provider_telecom.campaigns.recipients import RecipientColumns, lines_of

        def lines(numbers: Sequence[str]) -> Mapping[str, int]:
            if isinstance(audience, FolderAudience):
                return {}
            wanted = RecipientColumns(self.msisdn_column, columns, region)
            return lines_of(self.reveal("recipients"), wanted, numbers)

        text.check_segments(audience, max_segments, lines)

    def _report_dry_run(self, found: dict[str, Any], audience: Audience) -> dict[str, Any]:
        """Return the XCom of a dry run, and log its table."""
        from airflow_provider_telecom.campaigns.preview import excluded, preview_lines

        counts = self._recipient_counts(audience)
        summary = {**counts, "dry_run": True, "excluded": excluded(audience), **found}
        for line in preview_lines(summary):
            self.log.info("dry run: %s", line)
        return summary


class CampaignOperator(RecipientsOperator):
    """A task that sends a message to many recipients.

    :param text: the message.
    """

    template_fields: Sequence[str] = (*RecipientsOperator.template_fields, "text")
    private_fields: ClassVar[Sequence[str]] = ("text",)

    def __init__(self, *, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text


def object_path(path: str | None) -> ObjectStoragePath | None:
    """Return a path in object storage, or None for none."""
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path) if path else None
