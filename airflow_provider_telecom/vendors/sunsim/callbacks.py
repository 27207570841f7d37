"""Callbacks: telephone calls that connect two numbers. They are not webhooks."""

from __future__ import annotations

from functools import partial

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.phone import as_dialled_in_russia
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.sunsim.models import Result
from airflow_provider_telecom.vendors.sunsim.requests import SunSimRequests
from airflow_provider_telecom.vendors.sunsim.responses import read_effect


class CallbackCalls(SunSimRequests):
    """Ordering callbacks."""

    @endpoint
    def create_callback(self, phone_to: str, phone_from: str) -> Call[Result]:
        """Call `phone_from` (a number of the contract) and connect it with `phone_to`, any number.

        Charged as an incoming call on `phone_from`. The document does not show the response. Three forms are
        taken for a success: an empty one, the envelope of a success, and an object that holds only ids. Any
        other response that is not a refusal raises TelecomUnknownError. A duplicate request calls two people
        again, so a request with an unknown outcome is never repeated. `list_calls` may then prove that the
        call happened, never that it did not.

        Raises TelecomInputError (numbers), TelecomAuthError, TelecomRejectedError, TelecomUnknownError.
        Source: "GET /api/v1/callback/create".
        """
        query = {
            "PhoneTo": as_dialled_in_russia(self._msisdn(phone_to, "phone_to")),
            "PhoneFrom": self._contract_number(phone_from, "phone_from"),
        }
        request = self._request("GET", "/callback/create", Idempotency.NONE, query=query)
        return (yield from self._call(request, partial(read_effect, documented=False)))
