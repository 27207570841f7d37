"""The preview of a campaign without a Dag: from a file of recipients or an audience, and its texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience_folder import (
    MSISDN,
    VARIANT,
    audience_reference,
    check_entries,
    open_audience,
    read_info,
)
from airflow_provider_telecom.bulk.preview import (
    CampaignText,
    excluded,
    texts_facts,
    windows,
)
from airflow_provider_telecom.bulk.quiet_hours import QuietHours
from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
from airflow_provider_telecom.bulk.recipients import lines_of, read_recipients
from airflow_provider_telecom.bulk.text_template import Text, TextTemplate, check_texts
from airflow_provider_telecom.bulk.timezones import check_zone, zone_text, zones_of
from airflow_provider_telecom.calls.checks import in_range, non_blank

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Entry

    Price = Callable[[Audience, CampaignText, Text, Sequence[str]], Mapping[str, Any]]
    """Returns the facts of the texts with their prices; the last argument is the columns of an entry."""


@dataclass(frozen=True)
class PreviewRequest:
    """What to preview. `text` is one, or one per variant of an audience."""

    recipients: str
    text: str | Mapping[str, str]
    msisdn_column: str = MSISDN
    region: str = "UA"
    max_segments: int | None = None
    quiet_hours: str | None = None
    timezone: str | None = None


def preview(
    request: PreviewRequest, price: Price | None = None, now: datetime | None = None
) -> dict[str, Any]:
    """Return the table of a dry run. Raises TelecomInputError for what a sending task refuses."""
    max_segments = request.max_segments
    if max_segments is not None:
        in_range("max_segments", max_segments, 1, 255)
    quiet_hours = None if request.quiet_hours is None else QuietHours.parse(request.quiet_hours)
    if request.timezone is not None:
        check_zone(request.timezone)
    reference = audience_reference(request.recipients)
    variants = {} if reference is None else read_info(reference.path).variants
    text: Text
    if isinstance(request.text, str):
        text = TextTemplate(non_blank("text", request.text))
    else:
        text = check_texts(request.text, variants, None)
    columns = tuple(dict.fromkeys([*text.columns, *([VARIANT] if variants else [])]))
    wanted = RecipientColumns(request.msisdn_column, columns, request.region, text.text_values)
    audience: Audience
    if reference is None:
        audience = read_recipients(request.recipients, wanted)
    else:
        audience = folder = open_audience(reference.path, columns=columns)
        check_entries(folder, wanted)
    with audience:
        place = 1 + columns.index(VARIANT) if variants else None
        campaign = CampaignText(request.text, text.fill, place)
        if max_segments is not None:
            campaign.check_segments(
                audience,
                max_segments,
                lambda numbers: {} if reference else lines_of(request.recipients, wanted, numbers),
            )
        if price is None:
            found: Mapping[str, Any] = texts_facts(campaign.previews(audience))
        else:
            found = price(audience, campaign, text, columns)
        summary = {"recipients": audience.count, "excluded": excluded(audience), **found}
        if quiet_hours is not None:
            at = now or datetime.now(UTC)
            groups = audience.groups(_zone_of(request.timezone))
            opens = {group: quiet_hours.opens_at(group.zones, at) for group in groups}
            summary["windows"] = windows(opens, at)
    return summary


def _zone_of(default: str | None) -> Callable[[Entry], str]:
    return lambda entry: zone_text(zones_of(entry[0], default))
