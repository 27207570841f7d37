"""SMS and Viber messages. Nothing tells a copy from a second message: both arrive, both are paid for."""

from __future__ import annotations

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    check_promotion_parts,
    http_url,
    path_id,
    sms_text,
    sms_ttl,
    viber_ttl,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MessageStatus
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import reader


class MessageCalls(KyivstarRequests):
    """Sending single messages and asking what became of them.

    After an unknown outcome a sending call raises TelecomUnknownError and does not repeat.
    """

    @endpoint
    def send_sms(
        self,
        msisdn: str | int,
        text: str,
        *,
        sender: str | None = None,
        max_segments: int | None = None,
        ttl_seconds: int | None = None,
    ) -> Call[Accepted]:
        """Send an SMS and return its message id.

        Without `sender` (alpha name) the connection's is taken. The text may take `max_segments` SMS
        (1 to 6, without it 6); a longer one is refused here. `ttl_seconds` (0 to 86400) is how long the
        vendor tries.

        Raises TelecomInputError, TelecomRejectedError (422), TelecomUnknownError. A copy is a second
        paid SMS. Source: "/sms", POST.
        """
        body: dict[str, object] = {
            "from": self._sender(sender),
            "to": self._msisdn(msisdn),
            "text": sms_text(text, max_segments),
        }
        if max_segments is not None:
            body["maxSegments"] = max_segments
        if ttl_seconds is not None:
            body["messageTtlSec"] = sms_ttl(ttl_seconds)
        request = self._request("POST", "/sms", Idempotency.NONE, body=body)
        return (yield from self._call(request, reader(Accepted)))

    @endpoint
    def get_sms(self, message_id: str) -> Call[MessageStatus]:
        """Return an SMS's delivery status.

        Raises TelecomInputError, TelecomNotFoundError (code 1040: the vendor does not know the message,
        or it is on its way still). A read. Source: "/sms/{msgId}".
        """
        return (yield from self._status("/sms/{message_id}", message_id))

    @endpoint
    def send_viber_transaction(
        self, msisdn: str | int, text: str, *, sender: str | None = None, ttl_seconds: int | None = None
    ) -> Call[Accepted]:
        """Send a transactional Viber message and return its message id.

        A text that misses the agreed template is charged as advertising. Without `sender` (Viber alpha
        name) the connection's is taken. `ttl_seconds` (30 to 1209600) is how long the vendor tries.

        Raises TelecomInputError, TelecomRejectedError (422), TelecomUnknownError. A copy is a second
        paid message. Source: "/viber/transaction".
        """
        body = self._viber(msisdn, non_blank("text", text), sender, ttl_seconds)
        request = self._request("POST", "/viber/transaction", Idempotency.NONE, body=body)
        return (yield from self._call(request, reader(Accepted)))

    @endpoint
    def send_viber_promotion(
        self,
        msisdn: str | int,
        text: str | None = None,
        *,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        sender: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Call[Accepted]:
        """Send a Viber advertisement and return its message id.

        It holds a text, a picture, or both; beside a text there can be a button with `caption` that opens
        `action_url`. Otherwise as `send_viber_transaction`. Source: "/viber/promotion".
        """
        extended = _extended(text, image_url, caption, action_url)
        body = self._viber(msisdn, text, sender, ttl_seconds)
        if extended:
            body["contentExtended"] = extended
        request = self._request("POST", "/viber/promotion", Idempotency.NONE, body=body)
        return (yield from self._call(request, reader(Accepted)))

    @endpoint
    def get_viber(self, message_id: str) -> Call[MessageStatus]:
        """Return a Viber message's delivery status.

        Raises TelecomInputError, TelecomNotFoundError (code 1040: the vendor does not know the message,
        or it is on its way still). A read. Source: "/viber/status/{mid}".
        """
        return (yield from self._status("/viber/status/{message_id}", message_id))

    def _viber(
        self, msisdn: str | int, text: str | None, sender: str | None, ttl_seconds: int | None
    ) -> dict[str, object]:
        body: dict[str, object] = {"from": self._sender(sender), "to": self._msisdn(msisdn)}
        if text is not None:
            body["text"] = text
        if ttl_seconds is not None:
            body["messageTtlSec"] = viber_ttl(ttl_seconds)
        return body

    def _status(self, path: str, message_id: str) -> Call[MessageStatus]:
        ids = {"message_id": path_id("message_id", message_id)}
        return self._call(self._request("GET", path, Idempotency.READ, ids=ids), reader(MessageStatus))


def _extended(
    text: str | None, image_url: str | None, caption: str | None, action_url: str | None
) -> dict[str, str]:
    """Return what a promotion holds beside its text."""
    check_promotion_parts(text, image_url, caption, action_url)
    if text is not None:
        non_blank("text", text)
    extended = {}
    if image_url is not None:
        extended["img"] = http_url("image_url", image_url)
    if caption is not None and action_url is not None:
        extended |= {"caption": non_blank("caption", caption), "action": http_url("action_url", action_url)}
    return extended
