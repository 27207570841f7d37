"""SMS. The vendor cannot detect a duplicate: both messages arrive, and both are paid for."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    Accepted,
    BatchResult,
    MessageStatus,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import read_batch, read_batch_status


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

    @endpoint
    def send_sms_batch(self, messages: Sequence[BatchSms]) -> Call[BatchResult]:
        """Send up to 1,000 SMS in one request, and return what became of each, in their order.

        The vendor may accept some and refuse others. An item with the state `unknown` is one that the
        response leaves open: it may have been sent.

        Raises TelecomInputError (also for a connection without API v1), TelecomRejectedError (the whole batch
        is refused), and TelecomUnknownError after an unknown outcome of the whole batch, which is never
        repeated. The names of the messages are not known to be idempotency keys: a duplicate is a second paid
        SMS to each. Source: v1, "/sms/batch"; found in a public client.
        """
        self.require_v1("batches of SMS")
        non_empty("messages", messages, arguments.MAX_BATCH_SIZE)
        bodies = [self._batch_sms(place, sms) for place, sms in enumerate(messages)]
        data = dict(zip(arguments.batch_names([sms.name for sms in messages]), bodies, strict=True))
        request = self._request("POST", "/sms/batch", Idempotency.NONE, body={"data": data})
        return (yield from self._call(request, lambda response: read_batch(response, list(data))))

    @endpoint
    def get_sms_batch(self, message_ids: Sequence[str]) -> Call[dict[str, MessageStatus | None]]:
        """Return the delivery statuses of up to 1,000 SMS, by their ids.

        None is for an id that the vendor gives no status for: unknown, or still on its way.

        Raises TelecomInputError (also for a connection without API v1). A read, although it is a POST.
        Source: v1, "/sms/status/batch"; found in a public client.
        """
        self.require_v1("batches of SMS")
        ids = [
            arguments.path_id("message_ids", id_)
            for id_ in non_empty("message_ids", message_ids, arguments.MAX_BATCH_SIZE)
        ]
        request = self._request("POST", "/sms/status/batch", Idempotency.READ, body={"data": ids})
        return (yield from self._call(request, lambda response: read_batch_status(response, ids)))

    def _batch_sms(self, place: int, sms: BatchSms) -> dict[str, object]:
        if not isinstance(sms, BatchSms):
            raise TelecomInputError(f"messages[{place}]", "must be a BatchSms")
        return {
            "from": self._sender(sms.sender),
            "to": self._msisdn(sms.msisdn, f"messages[{place}].msisdn"),
            "text": arguments.sms_text(sms.text, None),
        }
