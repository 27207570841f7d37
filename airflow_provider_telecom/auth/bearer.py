"""A fixed bearer token, for NovaConnect and for the token calls of SunSim."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request


class Bearer:
    """`Authorization: Bearer ...`. A refusal is final: there is nothing to renew."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the authenticated request and return its outcome."""
        outcome: Outcome = yield with_bearer_token(request, self._token)
        return outcome


def with_bearer_token(request: Request, token: Secret) -> Request:
    """Return the request with the bearer token in its header."""
    return request.with_auth_header("Authorization", Secret(f"Bearer {token.reveal()}"), token)
