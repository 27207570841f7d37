"""Operators that send one SMS or one Viber message by Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.tasks.arguments import NonIdempotentDeferrableArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    check_promotion_parts,
    http_url,
    segments_allowed,
    sms_text,
    sms_ttl,
    viber_ttl,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.viber_template import (
    check_matches,
    check_template,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted


class KyivstarSendSmsOperator(KyivstarOperator, NonIdempotentOperator, DeferrableOperator):
    """Send one SMS and return `{"message_id", "reserved_segments"}`, and its status if it waits for it.

    Nothing tells a copy from a second SMS: `on_unknown` says what to do when no answer came. With
    `wait_for_completion` the task succeeds once the SMS is delivered.

    :param msisdn: whom to, in any common form.
    :param text: what to say, in at most `max_segments` SMS.
    :param sender: the alpha name; the connection's without it.
    :param max_segments: how many SMS the text may take, 1 to 6 (6 without it). A longer one is refused.
    :param ttl_seconds: how long the vendor tries, 0 to 86400.

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
        segments_allowed(max_segments)
        if ttl_seconds is not None:
            sms_ttl(ttl_seconds)
        _check(text, lambda literal: sms_text(literal, max_segments))
        _check(sender, lambda literal: non_blank("sender", literal))

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it, once."""
        message = {
            "msisdn": self.reveal("msisdn"),
            "text": self.reveal("text"),
            "sender": self.sender,
            "max_segments": self.max_segments,
            "ttl_seconds": self.ttl_seconds,
        }
        started = self._send_once(context, message, lambda: self._send(message))
        if (message_id := started.get("message_id")) is None:
            return dict(started)
        return self._wait_if_requested(started, f"{STATUS_MODULE}.sms", {"message_id": message_id})

    def _send(self, message: Mapping[str, Any]) -> dict[str, Any]:
        accepted = self.hook.send_sms(**message)
        return {"message_id": accepted.message_id, "reserved_segments": accepted.reserved_segments}


class KyivstarSendViberOperator(KyivstarOperator, NonIdempotentOperator, DeferrableOperator):
    """Send one Viber message and return `{"message_id"}`, and its status if it waits for it.

    Nothing tells a copy from a second message: `on_unknown` says what to do when no answer came. With
    `wait_for_completion` the task succeeds once the message is delivered.

    **A transaction whose text misses the template that was agreed with the vendor is charged as
    advertising**, and the answer does not tell. With `template` such a text is refused here instead.

    :param msisdn: whom to, in any common form.
    :param kind: `transaction` (a text that matches an agreed template) or `promotion` (an advertisement).
    :param text: what to say. A promotion may have a picture instead.
    :param template: the agreed template of a transaction: its text with `{digits}` (one or more of 0-9),
        `{word}` (one or more characters, no blank) or `{text}` (one or more characters, no line break)
        for what varies, and no other braces. The whole text must match it, blanks and case too.
    :param image_url: the picture of a promotion.
    :param caption: what stands on the button of a promotion; it takes a text and `action_url` as well.
    :param action_url: what the button opens.
    :param sender: the Viber alpha name; the connection's without it.
    :param ttl_seconds: how long the vendor tries, 30 to 1209600.

    Raises TelecomInputError before anything is sent, TelecomRejectedError (422), OutcomeUnknownError.
    Source: "/viber/transaction" and "/viber/promotion" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *NonIdempotentOperator.template_fields,
        "msisdn",
        "text",
        "image_url",
        "caption",
        "action_url",
        "sender",
    )
    private_fields: ClassVar[Sequence[str]] = ("msisdn", "text", "image_url", "caption", "action_url")

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
        if ttl_seconds is not None:
            viber_ttl(ttl_seconds)
        self._check_parts()
        _check(text, self._check_text)
        _check(sender, lambda literal: non_blank("sender", literal))

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it, once."""
        message = {
            "msisdn": self.reveal("msisdn"),
            "text": self.reveal("text"),
            "sender": self.sender,
            "ttl_seconds": self.ttl_seconds,
        }
        if self.kind == "promotion":
            message |= {part: self.reveal(part) for part in ("image_url", "caption", "action_url")}
        content = {"kind": self.kind, **message}
        started = self._send_once(context, content, lambda: self._send(message))
        if (message_id := started.get("message_id")) is None:
            return dict(started)
        return self._wait_if_requested(started, f"{STATUS_MODULE}.viber", {"message_id": message_id})

    def _send(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if self.text is not None:
            self._check_text(message["text"])
        hook = self.hook
        send: Callable[..., Accepted] = (
            hook.send_viber_transaction if self.kind == "transaction" else hook.send_viber_promotion
        )
        return {"message_id": send(**message).message_id}

    def _check_parts(self) -> None:
        """Check what goes together; what is a template yet is there all the same."""
        pictured = {"image_url": self.image_url, "caption": self.caption, "action_url": self.action_url}
        if self.kind == "promotion":
            if self.template is not None:
                raise TelecomInputError("template", "is for transactions")
            check_promotion_parts(self.text, **pictured)
            _check(self.image_url, lambda literal: http_url("image_url", literal))
            _check(self.caption, lambda literal: non_blank("caption", literal))
            _check(self.action_url, lambda literal: http_url("action_url", literal))
            return
        for field, value in pictured.items():
            if value is not None:
                raise TelecomInputError(field, "is for promotions")
        if self.text is None:
            raise TelecomInputError("text", "must be given for a transaction")
        if self.template is not None:
            check_template(self.template)

    def _check_text(self, text: str) -> None:
        non_blank("text", text)
        if self.template is not None:
            check_matches(text, self.template)


def _check(value: Any, check: Callable[[Any], object]) -> None:
    """Check an argument that is known when the Dag is parsed; the call checks the others."""
    if value is not None and is_literal(value):
        check(value)
