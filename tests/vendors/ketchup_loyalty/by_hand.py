"""KetchUp's calls on paper: driven by hand, answered by values."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_telecom.auth.api_key import ApiKey
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.json_columns import json_body
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Json, Request, Response
from airflow_provider_telecom.vendors.api import Account
from airflow_provider_telecom.vendors.ketchup_loyalty.api import KetchUpApi
from airflow_provider_telecom.vendors.ketchup_loyalty.options import KetchUpOptions
from tests.by_hand import drive

KEY = "test_key"
A, B = "380670000201", "380670000202"
FINE = {"error": "0", "id": "22125", "reference": "r1", "price": "0.02", "currency": "EUR"}


class ScriptedApi(KetchUpApi):
    """The calls with an account that nobody sends anything for: `run` gives the call itself back."""

    def __init__(self, **options: Any) -> None:
        self._options = KetchUpOptions(**{"originator": "test", "viber_sender": "Shop", **options})

    @property
    def options(self) -> KetchUpOptions:
        return self._options

    @property
    def account(self) -> Account:
        return Account(ApiKey(Secret(KEY)), AccountLimits(), 60)

    def run(self, call: Call[Any], /) -> Any:
        return call


def answer(body: Any, status: int = 200) -> Response:
    """Return a response with a JSON body, or with text or bytes as they are."""
    raw = body.encode() if isinstance(body, str) else body
    return Response(status, {}, raw if isinstance(raw, bytes) else json.dumps(raw).encode())


def asked(call: Any, *answers: Any) -> tuple[list[Request], Any]:
    """Return the requests that a call makes and its result; None among the answers is for a pause."""
    given = [one if one is None or not isinstance(one, (dict, list, str)) else answer(one) for one in answers]
    steps, result = drive(call, given)
    return [step for step in steps if isinstance(step, Request)], result


def result_of(call: Any, *answers: Any) -> Any:
    """Return the result of a call that the vendor answers like this."""
    return asked(call, *answers)[1]


def first_request(call: Any) -> Request:
    """Return a call's first request."""
    request: Request = next(call)
    return request


def sent(call: Any) -> Any:
    """Return the JSON of a call's first request."""
    body = first_request(call).body
    assert isinstance(body, Json)
    return json.loads(json_body(body.value))
