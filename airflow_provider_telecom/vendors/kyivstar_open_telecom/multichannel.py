"""Multichannel messages of API v1: the vendor tries one channel after the other.

The vendor's document does not have them: they are found in a public client. The vendor cannot detect a
duplicate: both messages arrive, and both are paid for.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import path_id
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent, given
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    MultichannelAccepted,
    MultichannelStatus,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import reader

_FIELDS = {SmsContent: "smsContent", ViberContent: "viberContent"}


class MultichannelCalls(KyivstarRequests):
    """Sending multichannel messages, and their delivery status. For connections with `api_version` v1."""

    @endpoint
    def send_multichannel(
        self, msisdn: str | int, contents: Sequence[SmsContent | ViberContent]
    ) -> Call[MultichannelAccepted]:
        """Send a message by the first channel, and if it does not arrive in time, by the next one.

        `contents` has an `SmsContent`, a `ViberContent`, or one of each, in the order in which they are
        tried; the place is sent as `priority`, from 0. Their `ttl_seconds` say how long each is tried.

        Raises TelecomInputError (also for a connection without API v1), TelecomRejectedError, and
        TelecomUnknownError after an unknown outcome, which is never repeated. A duplicate is a second paid
        message. Source: v1, "/messaging/multichannel", POST; found in a public client.
        """
        self.require_v1("multichannel messages")
        non_empty("contents", contents)
        if not all(type(content) in _FIELDS for content in contents):
            raise TelecomInputError("contents", "must be SmsContent or ViberContent")
        if len({type(content) for content in contents}) < len(contents):
            raise TelecomInputError("contents", "may have one SmsContent and one ViberContent")
        channels = {
            _FIELDS[type(content)]: {
                "priority": place,
                "from": self._sender_of(content),
                **given(content.body()),
            }
            for place, content in enumerate(contents)
        }
        body = {"to": self._msisdn(msisdn), **channels}
        request = self._request("POST", "/messaging/multichannel", Idempotency.NONE, body=body)
        return (yield from self._call(request, reader(MultichannelAccepted)))

    def _sender_of(self, content: SmsContent | ViberContent) -> str:
        is_viber = isinstance(content, ViberContent)
        return self._viber_sender(content.sender) if is_viber else self._sender(content.sender)

    @endpoint
    def get_multichannel(self, message_id: str) -> Call[MultichannelStatus]:
        """Return a multichannel message's delivery status, and what became of it on each channel.

        Raises TelecomInputError, TelecomNotFoundError (unknown, or still on its way). A read.
        Source: v1, "/messaging/multichannel/{multiMsgId}"; found in a public client.
        """
        self.require_v1("multichannel messages")
        ids = {"message_id": path_id("message_id", message_id)}
        path = "/messaging/multichannel/{message_id}"
        request = self._request("GET", path, Idempotency.READ, ids=ids)
        return (yield from self._call(request, reader(MultichannelStatus)))
