"""The calls of Kyivstar FMC. Source: "API for integrating user systems" (docs/vendors/kyivstar_fmc.md)."""

from __future__ import annotations

from airflow_provider_telecom.auth.query_token import QueryToken
from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_fmc.call_records import CallRecordCalls
from airflow_provider_telecom.vendors.kyivstar_fmc.originate import OriginateCalls


class KyivstarFmcApi(CallRecordCalls, OriginateCalls):
    """Every documented call of the virtual PBX."""


def auth_for(credentials: Credentials) -> QueryToken:
    """Return the auth scheme. Raises TelecomInputError for a token that is not 64 characters long."""
    matching("password", credentials.secret.reveal(), r"[A-Za-z0-9_]{64}", "the FMC token has 64 characters")
    return QueryToken(credentials.secret)
