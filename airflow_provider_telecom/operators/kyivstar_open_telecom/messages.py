"""Operators that send one SMS or one Viber message by Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.tasks.arguments import NonIdempotentDeferrableArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments, viber_template

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MultichannelAccepted


class MessageXCom(TypedDict, total=False):
    """What the operators of this module return."""

    message_id: str
    reserved_segments: int | None
    """Of an SMS."""
    reserved_units: float
    """What it costs in the vendor's units, if the vendor says it."""
    bearer_type: str | None
    """Of a multichannel message, with `wait_for_completion`: the channel that has delivered it."""
    reports: list[dict[str, str | None]]
    """Of a multichannel message, with `wait_for_completion`: what became of it on each channel."""
    status: str
    """With `wait_for_completion`."""
    date: str | None
    """With `wait_for_completion`."""
    assumed_sent: bool
    """With `on_unknown="assume_sent"`, after a try with an unknown outcome: there is no id then."""


def accepted_xcom(accepted: Accepted | MultichannelAccepted) -> MessageXCom:
    """Return the facts of an accepted message."""
    found: MessageXCom = {"message_id": accepted.message_id}
    if accepted.reserved_units is not None:
        found["reserved_units"] = accepted.reserved_units
    return found


class MessageOperator(KyivstarOperator, NonIdempotentOperator, DeferrableOperator):
    """Base class of the operators that send one message."""

    def _send_and_wait(
        self,
        context: Context,
        content: Mapping[str, Any],
        send: Callable[[], MessageXCom],
        status_check: str,
        **arguments: object,
    ) -> MessageXCom:
        """Send a message once in this run, wait if requested, and return its facts.

        `arguments` are those of the status check besides the message's id.
        """
        started = self._send_once(context, content, send)
        if (message_id := started.get("message_id")) is None:
            return started  # on_unknown="assume_sent": there is nothing to wait for
        check = f"{STATUS_MODULE}.{status_check}"
        return self._wait_if_requested(started, check, {"message_id": message_id, **arguments})


class KyivstarSendSmsOperator(MessageOperator):
    """Send one SMS and return `{"message_id", "reserved_segments"}`, and its status if it waits.

    If the vendor says what it costs in its units, `reserved_units` is returned too.

    The vendor cannot detect a duplicate: `on_unknown` says what to do after a lost response. With
    `wait_for_completion` the task succeeds once the SMS is delivered.

    :param msisdn: the recipient, in any common form.
    :param text: the text, in at most `max_segments` SMS.
    :param sender: the alpha name; by default the connection's.
    :param max_segments: how many SMS the text may need, 1 to 6 (6 by default). A longer text is refused.
    :param ttl_seconds: how long the vendor tries to deliver it, 0 to 86400.

    Raises TelecomInputError before anything is sent, TelecomRejectedError (422), OutcomeUnknownError.
    Source: "/sms" of the vendor's document.
    """

    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, "msisdn", "text", "sender")
    private_fields: ClassVar[Sequence[str]] = ("msisdn", "text")

    def __init__(
        self,
        *,
        msisdn: str | int,
        text: str,
        sender: str | None = None,
        max_segments: int | None = None,
        ttl_seconds: int | None = None,
        **kwargs: Unpack[NonIdempotentDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn, self.text, self.sender = msisdn, text, sender
        self.max_segments, self.ttl_seconds = max_segments, ttl_seconds
        arguments.segments_allowed(max_segments)
        arguments.sms_ttl(ttl_seconds)
        check_if_literal(text, lambda literal: arguments.sms_text(literal, max_segments))
        check_if_literal(sender, partial(non_blank, "sender"))

    def execute(self, context: Context) -> MessageXCom:
        """Send it once."""
        message = {
            "msisdn": self.reveal("msisdn"),
            "text": self.reveal("text"),
            "sender": self.sender,
            "max_segments": self.max_segments,
            "ttl_seconds": self.ttl_seconds,
        }
        return self._send_and_wait(context, message, partial(self._send, message), "sms")

    def _send(self, message: Mapping[str, Any]) -> MessageXCom:
        accepted = self.hook.send_sms(**message)
        return {**accepted_xcom(accepted), "reserved_segments": accepted.reserved_segments}


class KyivstarSendViberOperator(MessageOperator):
    """Send one Viber message and return `{"message_id"}`, and its status if it waits.

    If the vendor says what it costs in its units, `reserved_units` is returned too.

    The vendor cannot detect a duplicate: `on_unknown` says what to do after a lost response. With
    `wait_for_completion` the task succeeds once the message is delivered.

    **A transaction whose text does not match the template agreed with the vendor is charged as advertising**,
    and the response does not say so. With `template` such a text is refused before it is sent.

    :param msisdn: the recipient, in any common form.
    :param kind: `transaction` (a text that matches an agreed template) or `promotion` (an advertisement).
    :param text: the text. A promotion may have a picture instead.
    :param template: the agreed template of a transaction: its text with `{digits}` (one or more of 0-9),
        `{word}` (one or more characters, no blank) or `{text}` (one or more characters, no line break)
        for its variable parts, and no other braces. The whole text must match, with blanks and letter case.
    :param image_url: the picture of a promotion.
    :param caption: the text on the button of a promotion; it needs a text, a picture and `action_url` too.
    :param action_url: the page that the button opens.
    :param sender: the Viber alpha name; by default the connection's `viber_sender`, or else its `sender`.
    :param ttl_seconds: how long the vendor tries to deliver it, 30 to 1209600.

    Raises TelecomInputError before anything is sent, TelecomRejectedError (422), OutcomeUnknownError.
    Source: "/viber/transaction" and "/viber/promotion" of the vendor's document.
    """

    private_fields: ClassVar[Sequence[str]] = ("msisdn", "text", "image_url", "caption", "action_url")
    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, *private_fields, "sender")

    def __init__(
        self,
        *,
        msisdn: str | int,
        kind: Literal["transaction", "promotion"],
        text: str | None = None,
        template: str | None = None,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        sender: str | None = None,
        ttl_seconds: int | None = None,
        **kwargs: Unpack[NonIdempotentDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.kind, self.template = one_of("kind", kind, ("transaction", "promotion")), template
        self.msisdn, self.text, self.sender, self.ttl_seconds = msisdn, text, sender, ttl_seconds
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        arguments.viber_ttl(ttl_seconds)
        self._check_parts()
        check_if_literal(text, self._check_text)
        check_if_literal(sender, partial(non_blank, "sender"))

    def execute(self, context: Context) -> MessageXCom:
        """Send it once."""
        message = {
            "msisdn": self.reveal("msisdn"),
            "text": self.reveal("text"),
            "sender": self.sender,
            "ttl_seconds": self.ttl_seconds,
        }
        if self.kind == "promotion":
            message |= {part: self.reveal(part) for part in ("image_url", "caption", "action_url")}
        content = {"kind": self.kind, **message}
        return self._send_and_wait(context, content, partial(self._send, message), "viber")

    def _send(self, message: Mapping[str, Any]) -> MessageXCom:
        if self.text is not None:
            self._check_text(message["text"])
        if self.kind == "transaction":
            return accepted_xcom(self.hook.send_viber_transaction(**message))
        return accepted_xcom(self.hook.send_viber_promotion(**message))

    def _check_parts(self) -> None:
        """Check which parts are given together. A template of Airflow counts as given."""
        parts = {"image_url": self.image_url, "caption": self.caption, "action_url": self.action_url}
        if self.kind == "promotion":
            if self.template is not None:
                raise TelecomInputError("template", "is for transactions")
            arguments.check_promotion_parts(self.text, **parts)
            check_if_literal(self.caption, partial(non_blank, "caption"))
            for field in ("image_url", "action_url"):
                check_if_literal(parts[field], partial(arguments.http_url, field))
            return
        for field, value in parts.items():
            if value is not None:
                raise TelecomInputError(field, "is for promotions")
        if self.text is None:
            raise TelecomInputError("text", "must be given for a transaction")
        if self.template is not None:
            viber_template.check_template(self.template)

    def _check_text(self, text: str) -> None:
        non_blank("text", text)
        if self.template is not None:
            viber_template.check_matches(text, self.template)
