"""A token in the query, as Kyivstar FMC wants it.

It enters the request here, at the last moment, so that no call, log or error ever holds an address
with the token in it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from airflow_provider_telecom.calls.endpoint import Step
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request


class QueryToken:
    """`?token=...`. A refusal is final."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        """Yield the signed request and return its outcome."""
        outcome: Outcome = yield request.with_auth_query("token", self._token)
        return outcome
