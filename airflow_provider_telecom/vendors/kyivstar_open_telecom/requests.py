"""Building of Kyivstar's requests."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency, Json, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import KyivstarOptions


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

    def _sender(self, sender: str | None) -> str:
        chosen = sender if sender is not None else self.options.sender
        if chosen is None:
            raise TelecomInputError("sender", "must be given here or in the connection's extra")
        return non_blank("sender", chosen)
