"""A token in the query, for Kyivstar FMC.

It is added right before the request is sent, so that no call, log or error holds a URL with the token.
"""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request


class QueryToken:
    """`?token=...`. A refusal is final."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the authenticated request and return its outcome."""
        outcome: Outcome = yield request.with_auth_query("token", self._token)
        return outcome
