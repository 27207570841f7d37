"""All calls of KetchUp Loyalty. Source: "Описание REST API" (docs/vendors/ketchup_loyalty.md)."""

from __future__ import annotations

from airflow_provider_telecom.auth.api_key import ApiKey
from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import HlrCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.sms import SmsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.statistics import StatisticsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.viber import ViberCalls


def auth_for(credentials: Credentials) -> ApiKey:
    """Return how requests are signed. Raises TelecomInputError for a key that can't be in a header."""
    matching("password", credentials.secret.reveal(), r"[!-~]{1,256}", "the API key has no blanks")
    return ApiKey(credentials.secret)


class KetchUpApi(SmsCalls, HlrCalls, ViberCalls, StatisticsCalls):
    """All documented calls of KetchUp Loyalty."""
