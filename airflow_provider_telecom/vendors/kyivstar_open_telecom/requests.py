"""Building of Kyivstar's requests."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency, Json, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import path_id
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Accepted, MessageStatus
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import KyivstarOptions
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import reader


class KyivstarRequests(Api[KyivstarOptions]):
    """Base of Kyivstar's resources: builds requests to the server of the connection's `environment`."""

    def _request(
        self,
        method: str,
        path: str,
        idempotency: Idempotency,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        content = None if body is None else Json(body)
        return Request(method, self.options.prefix + path, idempotency, ids or {}, query or {}, body=content)

    def _send_message(
        self, path: str, msisdn: str | int, sender: str, content: Mapping[str, object]
    ) -> Call[Accepted]:
        """Send one message. Parts of `content` that are None are left out."""
        given = {name: part for name, part in content.items() if part is not None}
        body = {"from": sender, "to": self._msisdn(msisdn), **given}
        request = self._request("POST", path, Idempotency.NONE, body=body)
        return self._call(request, reader(Accepted))

    def _message_status(self, path: str, message_id: str) -> Call[MessageStatus]:
        ids = {"message_id": path_id("message_id", message_id)}
        request = self._request("GET", path, Idempotency.READ, ids=ids)
        return self._call(request, reader(MessageStatus))

    @property
    def _is_v1(self) -> bool:
        return self.options.api_version == "v1"

    def require_v1(self, what: str) -> None:
        """Raise TelecomInputError unless the connection uses API v1, the only one that has `what`."""
        if not self._is_v1:
            raise TelecomInputError(
                "extra.api_version",
                f"is {self.options.api_version}, and {what} exist in API v1 only: set it to v1 in the "
                "connection",
            )

    def _sender(self, sender: str | None) -> str:
        return self._first_sender(sender, self.options.sender)

    def _viber_sender(self, sender: str | None) -> str:
        return self._first_sender(sender, self.options.viber_sender, self.options.sender)

    def _first_sender(self, *senders: str | None) -> str:
        chosen = next((sender for sender in senders if sender is not None), None)
        if chosen is None:
            raise TelecomInputError("sender", "must be given here or in the connection's extra")
        return non_blank("sender", chosen)
