"""What all groups of calls share: the chosen server, and the checks of arguments that they have in common."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.calls.checks import filled, matching
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Json, Repeat, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import KyivstarOptions

ANY_INTEGER = 2**31 - 1
"""The upper bound where the document gives none: what fits into its `integer`."""


class KyivstarServer(Api[KyivstarOptions]):
    """Requests to the server that the connection's `environment` names."""

    def _request(
        self,
        method: str,
        path: str,
        repeat: Repeat,
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        content = None if body is None else Json(body)
        return Request(method, self.options.prefix + path, repeat, ids or {}, query or {}, body=content)

    def _sender(self, sender: str | None) -> str:
        chosen = sender if sender is not None else self.options.sender
        if chosen is None:
            raise TelecomInputError("sender", "must be given here or in the connection's extra")
        return filled("sender", chosen)


def opaque_id(field: str, value: str) -> str:
    """Return an id of the vendor's that can stand in a path."""
    rule = "must be 1 to 128 of the characters A-Z a-z 0-9 _ . : + -"
    return matching(field, value, r"(?!\.+$)[A-Za-z0-9_.:+-]{1,128}", rule)
