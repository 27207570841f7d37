"""The operator that sends multichannel messages to any number of recipients, API v1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Required, Unpack

from airflow_provider_telecom.bulk.text_template import TextTemplate, VariantTexts, check_text, check_texts
from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sms import MAX_CONCURRENCY, NAMED_AT_ONCE
from airflow_provider_telecom.operators.one_by_one import Kind, OneByOneArguments, OneByOneOperator
from airflow_provider_telecom.operators.recipients import check_can_be_audience, check_max_segments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.preview import CampaignText
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.operators.kyivstar_open_telecom.multichannel_messages import (
        MultichannelMessages,
    )
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

Channel = Literal["viber", "sms"]
MAX_NAMED = 20


class BulkMultichannelArguments(OneByOneArguments, total=False):
    """The parameters of the bases of `KyivstarSendBulkMultichannelOperator`."""

    recipients: Required[Any]


class KyivstarSendBulkMultichannelOperator(KyivstarOperator, OneByOneOperator):
    """Send to each of any number of recipients by Viber, and by SMS if that does not arrive (or vice versa).

    The vendor itself goes on to the second channel, after the time of the first one. There is one request for
    each recipient. A killed or retried task continues where it was. **The vendor cannot detect a duplicate:**
    a message whose response was lost is `unknown` in the results and never sent again by itself; the others
    are sent, and the task fails at its end. After `max_unknown` of them in a row it stops.

    With `quiet_hours` the last messages leave so early that the second channel begins before the quiet hours
    do: with a `viber_ttl_seconds` of an hour, an hour before.

    Once anything may have been sent, the recipients and their texts must begin with the same ones; further
    ones may follow, also after success. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown",
         "reserved_units", "results", "rejects"}

    `KyivstarCollectReceiptsOperator` completes the file of outcomes; its column `bearer_type` is then the
    channel that has delivered a message.

    **The connection's `api_version` must be v1.** The vendor's document does not have these messages; all is
    found in a public client.

    :param viber_text: the text of the Viber messages, in which `{column}` is replaced by each recipient's
        value; or one per variant of the audience, as `{"A": "...", "B": "..."}`.
    :param sms_text: the text of the SMS, in the same form.
    :param first: the channel that is tried first, `viber` (default) or `sms`.
    :param sms_sender: the alpha name of the SMS; by default the connection's.
    :param viber_sender: the Viber alpha name; by default the connection's `viber_sender`, or else its
        `sender`.
    :param sms_ttl_seconds: how long the SMS is tried, 0 to 86400 (default).
    :param viber_ttl_seconds: how long the Viber message is tried, 30 to 1209600; an hour by default.
    :param viber_promo_type: the vendor's `promoType`, passed on as it is: its values are not known in public.
    :param image_url: the picture of the Viber messages.
    :param caption: the text on the button of the Viber messages; it needs a picture and `action_url` too.
    :param action_url: the page that the button opens.
    :param callback_number: the vendor's `callbackNumber` of the SMS, passed on as it is.
    :param max_segments: how many SMS (segments) the SMS text may take, 1 to 6 (6 by default). If a text takes
        more, nothing is sent.
    :param chunk_size: messages that the journal names before they are sent, 1 to 1000, by default 10: so many
        are unknown if the process is killed, and the fewer, the more time the journal takes.
    :param concurrency: how many requests are made at the same time, 1 (default) to 32.
    :param price_per_message: what one message costs at most, whichever channel delivers it, in the currency
        of the budget: the vendor has no call that returns a price.

    Raises TelecomInputError before anything is sent, also for a connection without API v1,
    OutcomeUnknownError, TelecomRejectedError, TelecomThrottledError. Source: v1, "/messaging/multichannel";
    found in a public client.
    """

    private_fields: ClassVar[Sequence[str]] = (
        *("viber_text", "sms_text", "image_url", "caption", "action_url", "callback_number"),
    )
    template_fields: Sequence[str] = (
        *OneByOneOperator.template_fields,
        *private_fields,
        *("sms_sender", "viber_sender"),
    )
    noun, channel, call = "messages", "multichannel", "POST /messaging/multichannel"

    def __init__(
        self,
        *,
        viber_text: str | Mapping[str, str],
        sms_text: str | Mapping[str, str],
        first: Channel = "viber",
        sms_sender: str | None = None,
        viber_sender: str | None = None,
        sms_ttl_seconds: int = 86_400,
        viber_ttl_seconds: int = 3_600,
        viber_promo_type: str | None = None,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        callback_number: str | None = None,
        max_segments: int | None = None,
        chunk_size: int | None = None,
        concurrency: int = 1,
        **kwargs: Unpack[BulkMultichannelArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.viber_text, self.sms_text = viber_text, sms_text
        self.first = one_of("first", first, ("viber", "sms"))
        self.sms_sender, self.viber_sender = sms_sender, viber_sender
        self.sms_ttl_seconds, self.viber_ttl_seconds = sms_ttl_seconds, viber_ttl_seconds
        self.viber_promo_type, self.callback_number = viber_promo_type, callback_number
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        self.max_segments = max_segments
        if chunk_size is not None:
            in_range("chunk_size", chunk_size, 1, arguments.MAX_BATCH_SIZE)
        self.chunk_size = chunk_size
        self.concurrency = in_range("concurrency", concurrency, 1, MAX_CONCURRENCY)
        self._check_parts()

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients and texts, then send to them."""
        from airflow_provider_telecom.bulk.preview import CampaignText
        from airflow_provider_telecom.operators.kyivstar_open_telecom.multichannel_messages import (
            MultichannelCounts,
            MultichannelMessages,
            filler,
            send_one,
        )

        self.hook.require_v1("multichannel messages")
        viber, sms = self._text("viber_text"), self._text("sms_text")
        region = self.hook.options.default_region
        columns = self._columns([*viber.columns, *sms.columns])
        fill_viber, fill_sms = filler(viber, columns), filler(sms, columns)
        contents = self._contents()
        with self._read_recipients(columns, region, checks=self._zone_checks) as audience:
            ti, origin = context["ti"], self._origin(context)
            names = IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)
            place = self._variant_place(columns)

            def messages(recipients: Audience | Group) -> MultichannelMessages:
                return MultichannelMessages(recipients, contents, fill_viber, fill_sms, names, origin, place)

            texts = [
                CampaignText(self.reveal("viber_text"), fill_viber, place, is_sms=False),
                CampaignText(self.reveal("sms_text"), fill_sms, place),
            ]
            for field, text, campaign in zip(("viber_text", "sms_text"), (viber, sms), texts, strict=True):
                _check_not_blank(field, text, campaign, audience)
            allowed = arguments.segments_allowed(self.max_segments)
            self._check_segments(texts[1], audience, allowed, columns, region)
            content = {
                "text": {"viber": viber.source, "sms": sms.source},
                "parts": [[type(one).__name__, vars(one)] for one in contents],
            }
            kind = Kind(messages, partial(send_one, self.hook), content, MultichannelCounts)
            return self._contact_all(context, audience, columns, kind, lambda: _previews(texts, audience))

    @property
    def _margin(self) -> timedelta:
        """The second channel, which the vendor tries after the time of the first one, must be in time too."""
        seconds = self.viber_ttl_seconds if self.first == "viber" else self.sms_ttl_seconds
        return super()._margin + timedelta(seconds=seconds)

    @property
    def _block_size(self) -> int:
        return self.chunk_size or max(NAMED_AT_ONCE, self.concurrency)

    def _text(self, field: str) -> Text:
        """Return a text with its columns. Raises TelecomInputError."""
        text, info = self.reveal(field), self._audience_info()
        with _named(field):
            if not isinstance(text, Mapping):
                return TextTemplate(non_blank(field, text))
            if info is None:
                raise TelecomInputError(field, "is one per variant: the recipients must be an audience")
            return check_texts(text, info.variants, self.variants)

    def _contents(self) -> Sequence[SmsContent | ViberContent]:
        """Return what all messages have in common, in the order of the channels, with their senders."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

        options = self.hook.options
        sms_sender = self.sms_sender or options.sender
        viber_sender = self.viber_sender or options.viber_sender or options.sender
        for field, sender in (("sms_sender", sms_sender), ("viber_sender", viber_sender)):
            if sender is None:
                raise TelecomInputError(field, "must be given here or in the connection's extra")
        sms = SmsContent("", sms_sender, self.sms_ttl_seconds, self.reveal("callback_number"))
        viber = ViberContent(
            "",
            viber_sender,
            self.viber_ttl_seconds,
            self.viber_promo_type,
            *(self.reveal(part) for part in ("image_url", "caption", "action_url")),
        )
        return [viber, sms] if self.first == "viber" else [sms, viber]

    def _check_parts(self) -> None:
        """Check what is known when the Dag is parsed. A template of Airflow counts as given."""
        for field in ("viber_text", "sms_text"):
            text = getattr(self, field)
            with _named(field):
                check_text(text)
            if isinstance(text, Mapping):
                check_can_be_audience(self.recipients, field)
            else:
                check_if_literal(text, partial(non_blank, field))
        with _named("sms_text"):
            check_max_segments(arguments.segments_allowed(self.max_segments), text=self.sms_text)
        arguments.sms_ttl(self.sms_ttl_seconds, "sms_ttl_seconds")
        arguments.viber_ttl(self.viber_ttl_seconds, "viber_ttl_seconds")
        for field in ("sms_sender", "viber_sender", "viber_promo_type", "caption", "callback_number"):
            check_if_literal(getattr(self, field), partial(non_blank, field))
        for field in ("image_url", "action_url"):
            check_if_literal(getattr(self, field), partial(arguments.http_url, field))
        arguments.check_promotion_parts(self.viber_text, self.image_url, self.caption, self.action_url)


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Name the parameter in errors about a text."""
    try:
        yield
    except TelecomInputError as error:
        if error.field != "text":
            raise
        raise TelecomInputError(field, error.rule) from None


def _check_not_blank(field: str, text: Text, campaign: CampaignText, audience: Audience) -> None:
    """Raise TelecomInputError if a text that has nothing but values is empty for somebody."""
    if not (text.can_be_blank if isinstance(text, VariantTexts) else text.text_values):
        return
    entries = enumerate(audience.entries(), 1)
    blank = [place for place, (_, *values) in entries if not campaign.fill(values).strip()]
    if blank:
        places = ", ".join(map(str, blank[:MAX_NAMED]))
        rule = f"would be empty for {len(blank)} recipients, so nothing was sent: number {places}"
        raise TelecomInputError(field, f"{rule}{', ...' if len(blank) > MAX_NAMED else ''} of the list")


def _previews(texts: Sequence[CampaignText], audience: Audience) -> dict[str, Any]:
    """Return what a dry run shows of the texts: each with its channel."""
    from airflow_provider_telecom.bulk.preview import texts_facts

    found: dict[str, Any] = {"segments": None, "texts": []}
    for campaign in texts:
        facts = texts_facts(campaign.previews(audience))
        channel = "SMS" if campaign.is_sms else "Viber"
        for text in facts["texts"]:
            text["variant"] = f"{text['variant']}, {channel}" if text["variant"] else channel
        found["texts"] += facts["texts"]
        found["segments"] = facts["segments"]
    return found
