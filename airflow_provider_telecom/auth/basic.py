"""User name and password, for the token call of Kyivstar Open Telecom."""

from __future__ import annotations

import base64

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request


class Basic:
    """`Authorization: Basic ...`. A refusal is final."""

    def __init__(self, user: str, password: Secret) -> None:
        self._user, self._password = user, password

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the authenticated request and return its outcome."""
        pair = Secret(f"{self._user}:{self._password.reveal()}")
        header = Secret(f"Basic {base64.b64encode(pair.reveal().encode()).decode()}")
        secrets = (pair, Secret(self._user), self._password)
        outcome: Outcome = yield request.with_auth_header("Authorization", header, *secrets)
        return outcome
