"""What is done about an effect of unknown outcome. Dags are parsed with it, and without the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomUnknownError

OnUnknown = Literal["fail", "resend", "assume_sent"]
Facts = Mapping[str, Any]
"""The result of an effect, as JSON."""


class OutcomeUnknownError(TelecomUnknownError, AirflowFailException):
    """Nobody can know whether an effect happened. Airflow does not retry the task, whatever its policy."""


def check_on_unknown(value: str) -> OnUnknown:
    """Return a policy. Raises TelecomInputError."""
    chosen: OnUnknown = one_of("on_unknown", value, get_args(OnUnknown))  # type: ignore[arg-type]
    return chosen
