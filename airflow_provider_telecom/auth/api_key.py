"""The `X-API-KEY` header of KetchUp Loyalty."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request


class ApiKey:
    """`X-API-KEY: ...`. A refusal is final."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the authenticated request and return its outcome."""
        outcome: Outcome = yield request.with_auth_header("X-API-KEY", self._key, self._key)
        return outcome
