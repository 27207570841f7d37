"""Viber messages. The vendor cannot detect a duplicate: both messages arrive, and both are paid for."""

from __future__ import annotations

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MessageStatus
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests


class ViberCalls(KyivstarRequests):
    """Sending Viber messages, and their delivery status."""

    @endpoint
    def send_viber_transaction(
        self, msisdn: str | int, text: str, *, sender: str | None = None, ttl_seconds: int | None = None
    ) -> Call[Accepted]:
        """Send a transactional Viber message and return its message id.

        A text that does not match the agreed template is charged as advertising. Without `sender` (Viber
        alpha name) the connection's `viber_sender` is used, and without that its `sender`. `ttl_seconds` (30
        to 1209600) is how long the vendor tries to deliver it.

        Raises TelecomInputError, TelecomRejectedError (422), and TelecomUnknownError after an unknown
        outcome, which is never repeated. A duplicate is a second paid message. Source: "/viber/transaction".
        """
        content = {"text": non_blank("text", text), "messageTtlSec": arguments.viber_ttl(ttl_seconds)}
        return (
            yield from self._send_message("/viber/transaction", msisdn, self._viber_sender(sender), content)
        )

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

        It has a text, a picture, or both. With a text it can have a button with `caption` that opens
        `action_url`. For the rest see `send_viber_transaction`. Source: "/viber/promotion".
        """
        arguments.check_promotion_parts(text, image_url, caption, action_url)
        content = {
            "text": None if text is None else non_blank("text", text),
            "contentExtended": _extended(image_url, caption, action_url) or None,
            "messageTtlSec": arguments.viber_ttl(ttl_seconds),
        }
        return (
            yield from self._send_message("/viber/promotion", msisdn, self._viber_sender(sender), content)
        )

    @endpoint
    def get_viber(self, message_id: str) -> Call[MessageStatus]:
        """Return a Viber message's delivery status.

        Raises TelecomInputError, TelecomNotFoundError (code 1040: the message is unknown, or still on its
        way). A read. Source: "/viber/status/{mid}".
        """
        return (yield from self._message_status("/viber/status/{message_id}", message_id))


def _extended(image_url: str | None, caption: str | None, action_url: str | None) -> dict[str, str]:
    """Return the parts of an advertisement other than its text."""
    extended = {}
    if image_url is not None:
        extended["img"] = arguments.http_url("image_url", image_url)
    if caption is not None and action_url is not None:
        extended["caption"] = non_blank("caption", caption)
        extended["action"] = arguments.http_url("action_url", action_url)
    return extended
