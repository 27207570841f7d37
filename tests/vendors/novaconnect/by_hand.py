"""NovaConnect's calls on paper: driven by hand, answered by values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Request, Response
from airflow_provider_telecom.vendors.api import Account
from airflow_provider_telecom.vendors.novaconnect.api import NovaConnectApi
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions
from tests.by_hand import drive

BASE = "https://api.novaconnect.kz"
QUEUED = {"result": {"item": {"queue_id": "q-1"}}}
SIM = {
    "id": 1001,
    "iccid": "8999700000000000001",
    "number": "77000000001",
    "external_number": "77000010001",
    "name": None,
    "balance": 12.34,
    "currency": "EUR",
    "msu_value": None,
    "profile": "TC",
    "block": "n",
    "comment": None,
    "groups": [{"id": 5, "name": "Trucks"}],
    "limit": {"type": "month1", "value": 500, "used": 12, "updated": 1719300000, "created": 1719000000},
    "tariff": {"id": 3, "name": "TC", "change_lock": None, "package_auto": False},
}
BILL = {
    "period": "05-2024",
    "added": 1719300000,
    "id": 501,
    "paided": 0,
    "cost": 100.1,
    "valute_course": 515.5,
    "country": "KZ",
    "valute_cost": 51601.55,
    "bid": "NC-501",
    "currency": "KZT",
}
USER = {
    "id": 101,
    "first_name": "Aigul",
    "last_name": "Admin",
    "phone": "77000009000",
    "email": "aigul@example.kz",
    "active": True,
    "role": "admin",
}
COMPANY = {
    "id": 77,
    "name": "Steppe Telemetry LLP",
    "unique_id": "000000000077",
    "contract": "NC-77/2024",
    "country": "KZ",
    "billing_type": 0,
    "assigned": 0,
    "balance": "152300.50 ₸",
    "preliminary_balance": "-4210.75 ₸",
}
GROUP = {"id": 5, "name": "Trucks", "added": 1719300000}
OF_SIM = {"id": 1001, "original_number": "77000000001", "iccid": "8999700000000000001", "name": None}
SESSION = {
    "sid": 1,
    "start": 1719300000,
    "end": 1719303600,
    "country_name": "Kazakhstan",
    "operator_name": "Kcell",
    "operator_code": 40102,
    "session_cost": 0.25,
    "value": "9007199254740993",
    **OF_SIM,
}
DAY = {"sid": 1, "day": 1719273600, "session_cost": 0.25, "value": 12, **OF_SIM}
ACTION = {
    "sid": 1,
    "date": 1719300000,
    "type": "in_sms",
    "to_number": "77000000001",
    "session_cost": 0.1,
    **OF_SIM,
}


class ScriptedApi(NovaConnectApi):
    """An account without a way to the vendor."""

    def __init__(self, **extra: Any) -> None:
        self._options = NovaConnectOptions(**extra)
        self._account = Account(Bearer(Secret("sim_token")), AccountLimits(clock=lambda: 0.0), 60.0)

    @property
    def account(self) -> Account:
        return self._account

    @property
    def options(self) -> NovaConnectOptions:
        return self._options


def described(method: Callable[..., Any]) -> Callable[..., Call[Any]]:
    """Return what makes a method's call without running it."""
    describe: Callable[..., Call[Any]] = method.__wrapped__.__get__(method.__self__)  # type: ignore[attr-defined]
    return describe


def ok(**fields: Any) -> Response:
    """Return a success."""
    return answer({"code": 200, "message": "Success", **fields})


def answer(body: Any, status: int = 200) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, {}, json.dumps(body).encode())


def ask(
    method: Callable[..., Any], *args: Any, answers: Iterable[Any], **kwargs: Any
) -> tuple[list[Request], Any]:
    """Drive a call with `answers`; return its requests and its result."""
    steps, result = drive(described(method)(*args, **kwargs), answers)
    return [step for step in steps if isinstance(step, Request)], result


def sent(request: Request) -> Any:
    """Return the JSON that a request carries."""
    return request.body.value  # type: ignore[union-attr]
