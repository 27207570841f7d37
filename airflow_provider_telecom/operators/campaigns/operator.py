"""Base class of operators that send to many: where recipients come from, and how many are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, get_args

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, JournaledArguments
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.operators.campaigns.recipients import Audience

OnBadRows = Literal["fail", "skip"]
_MAX_RECIPIENTS = 10**12


class CampaignArguments(JournaledArguments, total=False):
    """The parameters of `CampaignOperator`."""

    recipients: Required[Any]
    text: Required[str]
    msisdn_column: str
    on_bad_rows: OnBadRows
    rejects_path: str | None
    max_recipients: int | None
    dry_run: bool


class DeferrableCampaignArguments(CampaignArguments, DeferrableArguments):
    """The parameters of an operator that sends to many and can wait for it."""


class CampaignOperator(JournaledOperator):
    """A task that sends to many recipients.

    :param recipients: a list (numbers, or mappings with the columns of the number and of the text's values),
        `task.output` of a task that returned a list, or the path or URL of a file that Airflow's object
        storage can open: CSV with a header (`,`, `;` or tab; UTF-8), or JSON lines. A file is streamed; a
        million recipients take about 70 MB of memory, for finding duplicates.
    :param text: the message.
    :param msisdn_column: the column of the number.
    :param on_bad_rows: `fail` (default): if a row is bad, nothing is sent; the error names the first ones.
        `skip`: the message is sent to the others.
    :param rejects_path: where bad rows and duplicates are written, as CSV.
    :param max_recipients: refuse more than that before anything is sent.
    :param dry_run: check everything, send nothing.
    """

    template_fields: Sequence[str] = (
        *JournaledOperator.template_fields,
        "recipients",
        "text",
        "rejects_path",
    )
    private_fields: ClassVar[Sequence[str]] = ("text",)

    def __init__(
        self,
        *,
        recipients: Any,
        text: str,
        msisdn_column: str = "msisdn",
        on_bad_rows: OnBadRows = "fail",
        rejects_path: str | None = None,
        max_recipients: int | None = None,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.recipients, self.text = recipients, text
        self.msisdn_column = non_blank("msisdn_column", msisdn_column)
        self.on_bad_rows = one_of("on_bad_rows", on_bad_rows, get_args(OnBadRows))
        self.rejects_path = rejects_path
        if max_recipients is not None:
            in_range("max_recipients", max_recipients, 1, _MAX_RECIPIENTS)
        self.max_recipients = max_recipients
        self.is_dry_run = dry_run  # Airflow's operators have a method called dry_run

    def _hide(self) -> None:
        """Hide the recipients. The path of a file of recipients stays visible."""
        super()._hide()
        from airflow_provider_telecom.operators.campaigns.recipients import SUFFIXES

        self.recipients = hide_unless_path(self.recipients, SUFFIXES)

    def _read_recipients(self, columns: Sequence[str], region: str, value_required: bool = False) -> Audience:
        """Read and check all recipients. Raises TelecomInputError before anything is sent."""
        from airflow_provider_telecom.operators.campaigns.recipients import RecipientColumns, read_recipients

        return read_recipients(
            self.reveal("recipients"),
            RecipientColumns(self.msisdn_column, columns, region, value_required),
            on_bad_rows=self.on_bad_rows,
            max_recipients=self.max_recipients,
            rejects=object_path(self.rejects_path),
        )

    def _recipient_counts(self, audience: Audience) -> dict[str, int | str | None]:
        return {
            "recipients": audience.count,
            "duplicates": audience.duplicates,
            "bad_rows": audience.bad,
            "rejects": self.rejects_path if audience.bad or audience.duplicates else None,
        }


def object_path(path: str | None) -> ObjectStoragePath | None:
    """Return a path in object storage, or None for none."""
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path) if path else None
