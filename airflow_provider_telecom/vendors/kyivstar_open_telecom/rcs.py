"""RCS messages of API v1.

The vendor's document does not have them: they are found in a public client. The vendor cannot detect a
duplicate: both messages arrive, and both are paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import (
    Suggestion,
    given,
    optional_text,
    optional_url,
    suggestion_bodies,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MessageStatus
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests

Suggestions = Sequence[Suggestion | Mapping[str, str]]
_WHAT = "RCS messages"


class RcsCalls(KyivstarRequests):
    """Sending RCS messages, and their delivery status. For connections with `api_version` v1."""

    @endpoint
    def send_rcs_text(
        self,
        msisdn: str | int,
        text: str,
        *,
        sender: str | None = None,
        ttl_seconds: int | None = None,
        callback_number: str | None = None,
    ) -> Call[Accepted]:
        """Send an RCS message with a text and return its message id.

        Without `sender` the connection's is used. `ttl_seconds` is how long the vendor tries to deliver it.

        Raises TelecomInputError (also for a connection without API v1), TelecomRejectedError, and
        TelecomUnknownError after an unknown outcome, which is never repeated. A duplicate is a second paid
        message. Source: v1, "/rcs/text"; found in a public client.
        """
        content = {"text": non_blank("text", text)}
        return (yield from self._send_rcs("text", msisdn, content, sender, ttl_seconds, callback_number))

    @endpoint
    def send_rcs_suggestion(
        self,
        msisdn: str | int,
        text: str,
        suggestions: Suggestions,
        *,
        sender: str | None = None,
        ttl_seconds: int | None = None,
        callback_number: str | None = None,
    ) -> Call[Accepted]:
        """Send an RCS message with a text and buttons that open pages; return its message id.

        For the rest see `send_rcs_text`. Source: v1, "/rcs/suggestion"; found in a public client.
        """
        if not (buttons := suggestion_bodies(suggestions)):
            raise TelecomInputError("suggestions", "must have at least one entry")
        content = {"text": non_blank("text", text), "suggestions": buttons}
        return (
            yield from self._send_rcs("suggestion", msisdn, content, sender, ttl_seconds, callback_number)
        )

    @endpoint
    def send_rcs_rich_card(
        self,
        msisdn: str | int,
        *,
        title: str | None = None,
        description: str | None = None,
        image_url: str | None = None,
        thumbnail_url: str | None = None,
        image_height: str | None = None,
        image_alignment: str | None = None,
        orientation: Literal["horizontal", "vertical"] | None = None,
        suggestions: Suggestions = (),
        sender: str | None = None,
        ttl_seconds: int | None = None,
        callback_number: str | None = None,
    ) -> Call[Accepted]:
        """Send a card with a title, a description, a picture and buttons; return its message id.

        It has at least a title, a description or a picture. `image_height` and `image_alignment` (such as
        left) are passed on as they are: their values are not known in public. For the rest see
        `send_rcs_text`. Source: v1, "/rcs/richcard"; found in a public client.
        """
        if title is None and description is None and image_url is None:
            raise TelecomInputError("title", "give a title, a description or an image_url")
        if image_url is None and (thumbnail_url or image_height or image_alignment):
            raise TelecomInputError("image_url", "must be given with thumbnail_url and image_height")
        media = {
            "height": optional_text("image_height", image_height),
            "thumbnailUrl": optional_url("thumbnail_url", thumbnail_url),
            "fileUrl": optional_url("image_url", image_url),
        }
        card = {
            "title": optional_text("title", title),
            "description": optional_text("description", description),
            "media": given(media) or None,
            "suggestions": suggestion_bodies(suggestions) or None,
        }
        if orientation is not None:
            one_of("orientation", orientation, ("horizontal", "vertical"))
        standalone = {
            "thumbnailImageAlignment": optional_text("image_alignment", image_alignment),
            "cardOrientation": orientation,
            "cardContent": given(card),
        }
        content = {"standaloneCard": given(standalone)}
        return (yield from self._send_rcs("richcard", msisdn, content, sender, ttl_seconds, callback_number))

    @endpoint
    def get_rcs(self, message_id: str) -> Call[MessageStatus]:
        """Return an RCS message's delivery status.

        Raises TelecomInputError, TelecomNotFoundError (unknown, or still on its way). A read.
        Source: v1, "/rcs/{msgId}"; found in a public client.
        """
        self.require_v1(_WHAT)
        return (yield from self._message_status("/rcs/{message_id}", message_id))

    def _send_rcs(
        self,
        kind: str,
        msisdn: str | int,
        content: Mapping[str, object],
        sender: str | None,
        ttl_seconds: int | None,
        callback_number: str | None,
    ) -> Call[Accepted]:
        self.require_v1(_WHAT)
        if ttl_seconds is not None:
            in_range("ttl_seconds", ttl_seconds, 1, arguments.MAX_INT32)
        body = {
            "messageTtlSec": ttl_seconds,
            "callbackNumber": optional_text("callback_number", callback_number),
            "contentExtendedRcs": content,
        }
        return self._send_message(f"/rcs/{kind}", msisdn, self._sender(sender), body)
