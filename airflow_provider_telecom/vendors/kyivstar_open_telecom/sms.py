"""SMS. The vendor cannot detect a duplicate: both messages arrive, and both are paid for."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MessageStatus
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests


class SmsCalls(KyivstarRequests):
    """Sending SMS, and their delivery status."""

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

        Without `sender` (alpha name) the connection's is used. The text may have `max_segments` segments
        (1 to 6; 6 by default); a longer one is refused before it is sent. `ttl_seconds` (0 to 86400) is how
        long the vendor tries to deliver it.

        Raises TelecomInputError, TelecomRejectedError (422), and TelecomUnknownError after an unknown
        outcome, which is never repeated. A duplicate is a second paid SMS. Source: "/sms", POST.
        """
        content = {
            "text": arguments.sms_text(text, max_segments),
            "maxSegments": max_segments,
            "messageTtlSec": arguments.sms_ttl(ttl_seconds),
        }
        return (yield from self._send_message("/sms", msisdn, self._sender(sender), content))

    @endpoint
    def get_sms(self, message_id: str) -> Call[MessageStatus]:
        """Return an SMS's delivery status.

        Raises TelecomInputError, TelecomNotFoundError (code 1040: the message is unknown, or still on its
        way). A read. Source: "/sms/{msgId}".
        """
        return (yield from self._message_status("/sms/{message_id}", message_id))
