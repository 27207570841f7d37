"""The calls of the toy vendor."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import ErrorDetails, raise_for_status, read_json
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.options import Options, PathPrefix


class ToyOptions(Options):
    """What the extra of a connection may contain."""

    default_host: ClassVar[str] = "https://toy.example.com"
    toy_path: PathPrefix = "/toy"


class ToyApi(Api[ToyOptions]):
    """Every documented call."""

    @endpoint
    def get_toy_balance(self) -> Call[int]:
        """Return the account's balance. A read. Source: "Balance"."""
        request = Request("GET", f"{self.options.toy_path}/balance", Idempotency.READ)
        return (yield from self._call(request, _balance))


def _balance(response: Response) -> int:
    raise_for_status(response, ErrorDetails)
    balance: int = read_json(response.body)["balance"]
    return balance
