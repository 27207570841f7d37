"""Originating telephone calls."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import with_plus
from airflow_provider_telecom.calls.request import Idempotency, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions
from airflow_provider_telecom.vendors.kyivstar_fmc.responses import reader, require_empty


class OriginateCalls(Api[KyivstarFmcOptions]):
    """Originating calls between a subscriber of the PBX and any number."""

    @endpoint
    def originate_call(self, called_number: str, calling_number: str | None = None) -> Call[None]:
        """Call `calling_number` (a subscriber of the PBX) and, once it answers, connect `called_number`.

        Without `calling_number` the connection's is used. The response holds nothing that identifies the
        call: a success is status 200 without a body, as the document shows it. Any other response with a 2xx
        status leaves the outcome unknown, even if it mentions an error: refusals have statuses of their own.
        A duplicate request calls two people again, so a request with an unknown outcome is never repeated.

        Raises TelecomInputError (numbers), TelecomAuthError (403: bad token, or the service is not
        activated for the number), TelecomUnknownError. Source: "Phone call initiation".
        """
        caller = calling_number or self.options.calling_number
        if not caller:
            raise TelecomInputError("calling_number", "must be given here or in the connection's extra")
        query = {
            "calling_number": with_plus(self._msisdn(caller, "calling_number")),
            "called_number": with_plus(self._msisdn(called_number, "called_number")),
        }
        request = Request("GET", "/api/onebox/v1/originate", Idempotency.NONE, query=query)
        return (yield from self._call(request, reader(require_empty)))
