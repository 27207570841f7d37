"""The dry run of a bulk send: its texts, their segments and their price. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience import Group
from airflow_provider_telecom.bulk.preview import CampaignText, TextPreview, texts_facts
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import RowColumns, SmsKind
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Entry
    from airflow_provider_telecom.bulk.preview_source import Price
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import MessageKind

_CHUNK_SIZE = 500


def campaign_text(kind: MessageKind, text: str | Mapping[str, str]) -> CampaignText:
    """Return the text of a bulk send, or its texts."""
    return CampaignText(text, kind.text, kind.variant_place, kind.is_sms)


def preview_send(
    sender: BulkSender, text: CampaignText, audience: Audience, max_cost: Decimal | None
) -> dict[str, Any]:
    """Return `{"price", "currency", "segments", "texts"}` of a send to an audience.

    The vendor is asked for the price of each variant. Raises TelecomInputError if it is more than `max_cost`.
    """
    previews, place = text.previews(audience), text.variant_place
    so_far = SendCounts()
    for preview in previews:
        recipients = audience if place is None else _of_variant(audience, place, preview)
        total, currency = sender.cost(recipients, max_cost, so_far)
        preview.price = total - Decimal(so_far.price)
        so_far = SendCounts(price=str(total), currency=currency)
    return {"price": so_far.price, "currency": so_far.currency, **texts_facts(previews)}


def _of_variant(audience: Audience, place: int, preview: TextPreview) -> Group:
    """Return the recipients of a variant, which is at `place` of an entry."""

    def read(skip: int) -> Iterator[Entry]:
        return islice((one for one in audience.entries() if one[place] == preview.variant), skip, None)

    return Group(str(preview.variant), preview.counts.total(), audience.sha256, read)


def price_by(conn_id: str, originator: str | None) -> Price:
    """Return the function that asks the vendor for the prices of a preview without a Dag."""

    def price(
        audience: Audience, campaign: CampaignText, text: Text, columns: Sequence[str]
    ) -> Mapping[str, Any]:
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

        hook = KetchUpHook(conn_id=conn_id)
        sender = arguments.choose_originator(originator, hook.options.originator)
        keys, rows = IdempotencyKeys("preview", "preview", "preview"), RowColumns(columns)
        kind = SmsKind(hook, keys, rows, text, sender, {"validity_hours": arguments.MAX_VALIDITY_HOURS})
        return preview_send(BulkSender(kind, _CHUNK_SIZE), campaign, audience, None)

    return price
