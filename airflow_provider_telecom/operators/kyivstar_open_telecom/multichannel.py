"""The operator that sends one message by several channels of Kyivstar Open Telecom, API v1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.messages import MessageOperator, accepted_xcom
from airflow_provider_telecom.tasks.arguments import NonIdempotentDeferrableArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.kyivstar_open_telecom.messages import MessageXCom
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

Channel = Literal["viber", "sms"]


class KyivstarSendMultichannelOperator(MessageOperator):
    """Send one message by Viber, and by SMS if it does not arrive (or the other way round).

    Returns `{"message_id"}` and, if the vendor says what it costs, `reserved_units`. With
    `wait_for_completion` the task succeeds once the message is delivered, and also returns `status`, `date`,
    `bearer_type` (the channel that has delivered it) and `reports` (the state on each channel). It fails if
    the message has expired on all channels.

    **The connection's `api_version` must be v1.** The vendor's document does not have these messages; all is
    found in a public client. The vendor itself goes on to the next channel, after the first one's time. The
    vendor cannot detect a duplicate: `on_unknown` says what to do after a lost response.

    :param msisdn: the recipient, in any common form.
    :param sms_text: the text of the SMS, in at most 6 SMS. Without it no SMS is sent.
    :param viber_text: the text of the Viber message. Without it no Viber message is sent.
    :param first: the channel that is tried first, `viber` (default) or `sms`, if both have a text.
    :param sms_sender: the alpha name of the SMS; by default the connection's.
    :param viber_sender: the Viber alpha name; by default the connection's `viber_sender`, or else its
        `sender`.
    :param sms_ttl_seconds: how long the SMS is tried, 0 to 86400 (default).
    :param viber_ttl_seconds: how long the Viber message is tried, 30 to 1209600; an hour by default.
    :param viber_promo_type: the vendor's `promoType`, passed on as it is: its values are not known in public.
    :param image_url: the picture of the Viber message.
    :param caption: the text on the button of the Viber message; it needs a picture and `action_url` too.
    :param action_url: the page that the button opens.
    :param callback_number: the vendor's `callbackNumber` of the SMS, passed on as it is.

    Raises TelecomInputError before anything is sent, also for a connection without API v1,
    TelecomRejectedError, OutcomeUnknownError. Source: v1, "/messaging/multichannel"; found in a public
    client.
    """

    private_fields: ClassVar[Sequence[str]] = (
        *("msisdn", "sms_text", "viber_text", "image_url", "caption", "action_url", "callback_number"),
    )
    template_fields: Sequence[str] = (
        *NonIdempotentOperator.template_fields,
        *private_fields,
        "sms_sender",
        "viber_sender",
    )

    def __init__(
        self,
        *,
        msisdn: str | int,
        sms_text: str | None = None,
        viber_text: str | None = None,
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
        **kwargs: Unpack[NonIdempotentDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn, self.sms_text, self.viber_text = msisdn, sms_text, viber_text
        self.first = one_of("first", first, ("viber", "sms"))
        self.sms_sender, self.viber_sender = sms_sender, viber_sender
        self.sms_ttl_seconds, self.viber_ttl_seconds = sms_ttl_seconds, viber_ttl_seconds
        self.viber_promo_type, self.callback_number = viber_promo_type, callback_number
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        self._check_parts()

    def execute(self, context: Context) -> MessageXCom:
        """Send it once."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import given

        contents = self._contents()
        message = {
            "msisdn": self.reveal("msisdn"),
            "channels": [type(content).__name__ for content in contents],
            "contents": [given(asdict(content)) for content in contents],
        }
        send = partial(self._send, contents)
        return self._send_and_wait(context, message, send, "multichannel", last_channel=self._last_channel)

    def _send(self, contents: Sequence[SmsContent | ViberContent]) -> MessageXCom:
        return accepted_xcom(self.hook.send_multichannel(self.reveal("msisdn"), contents))

    @property
    def _last_channel(self) -> str:
        """The channel that the vendor tries last."""
        texts = {"viber": self.viber_text, "sms": self.sms_text}
        given = [channel for channel, text in texts.items() if text is not None]
        return next((channel for channel in given if channel != self.first), given[0])

    def _contents(self) -> list[SmsContent | ViberContent]:
        """Return the contents in the order in which the vendor tries them."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

        contents: dict[str, SmsContent | ViberContent] = {}
        if self.sms_text is not None:
            contents["sms"] = SmsContent(
                self.reveal("sms_text"),
                self.sms_sender,
                self.sms_ttl_seconds,
                self.reveal("callback_number"),
            )
        if self.viber_text is not None:
            contents["viber"] = ViberContent(
                self.reveal("viber_text"),
                self.viber_sender,
                self.viber_ttl_seconds,
                self.viber_promo_type,
                *(self.reveal(part) for part in ("image_url", "caption", "action_url")),
            )
        return [contents[channel] for channel in sorted(contents, key=lambda channel: channel != self.first)]

    def _check_parts(self) -> None:
        """Check which parts are given together. A template of Airflow counts as given."""
        if self.sms_text is None and self.viber_text is None:
            raise TelecomInputError("sms_text", "give sms_text, viber_text, or both")
        of_sms: dict[str, Any] = {"sms_sender": self.sms_sender, "callback_number": self.callback_number}
        of_viber: dict[str, Any] = {
            "viber_sender": self.viber_sender,
            "viber_promo_type": self.viber_promo_type,
            "image_url": self.image_url,
            "caption": self.caption,
            "action_url": self.action_url,
        }
        for text, parts, channel in ((self.sms_text, of_sms, "sms"), (self.viber_text, of_viber, "viber")):
            for field, value in parts.items():
                if text is None and value is not None:
                    raise TelecomInputError(field, f"needs {channel}_text")
        arguments.sms_ttl(self.sms_ttl_seconds, "sms_ttl_seconds")
        arguments.viber_ttl(self.viber_ttl_seconds, "viber_ttl_seconds")
        check_if_literal(self.sms_text, partial(arguments.sms_text, max_segments=None, field="sms_text"))
        check_if_literal(self.viber_text, partial(non_blank, "viber_text"))
        for field in ("sms_sender", "viber_sender", "viber_promo_type", "caption", "callback_number"):
            check_if_literal(getattr(self, field), partial(non_blank, field))
        for field in ("image_url", "action_url"):
            check_if_literal(of_viber[field], partial(arguments.http_url, field))
        if self.viber_text is not None:
            arguments.check_promotion_parts(self.viber_text, self.image_url, self.caption, self.action_url)
