"""Kyivstar's calls without a hook: an account that signs with a fixed token, driven by hand."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Request, Response
from airflow_provider_telecom.vendors.api import Account, Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom.api import KyivstarApi
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import KyivstarOptions
from tests.by_hand import drive

NUMBER = "380670000200"
PROMO_ID = "1c6f0d4e-5b0c-4b44-9a3e-0d9c2f4b7a11"
PROMO = {"id": PROMO_ID, "status": "DRAFT"}


class ScriptedApi(KyivstarApi):
    """The calls for an account that needs no token call."""

    def __init__(self, **extra: Any) -> None:
        self._extra = {"sender": "messagedesk", **extra}

    @property
    def account(self) -> Account:
        return Account(Bearer(Secret("token")), AccountLimits(), 60)

    @property
    def options(self) -> KyivstarOptions:
        return KyivstarOptions(**self._extra)

    @property
    def credentials(self) -> Credentials:
        return Credentials("client", Secret("secret"), "key")


def describe(method: str, *args: Any, extra: dict[str, Any] | None = None, **kwargs: Any) -> Call[Any]:
    """Return the generator behind an endpoint."""
    describe_call: Any = getattr(KyivstarApi, method).__wrapped__
    call: Call[Any] = describe_call(ScriptedApi(**(extra or {})), *args, **kwargs)
    return call


def answer(body: object, status: int = 200, **headers: str) -> Response:
    """Return an answer with a JSON body, or with raw bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def asked(method: str, *args: Any, replies: Any, **kwargs: Any) -> tuple[Request, Any]:
    """Return the first request of a call, and its result when the vendor answers `replies`."""
    bodies = replies if isinstance(replies, list) else [replies]
    answers = [body if isinstance(body, Response) else answer(body) for body in bodies]
    steps, result = drive(describe(method, *args, **kwargs), answers)
    first = steps[0]
    assert isinstance(first, Request)
    return first, result
