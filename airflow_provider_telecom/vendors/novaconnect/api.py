"""The calls of NovaConnect. Source: "Руководство разработчика" (docs/vendors/novaconnect.md)."""

from __future__ import annotations

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.novaconnect.bills import BillCalls
from airflow_provider_telecom.vendors.novaconnect.groups import GroupCalls
from airflow_provider_telecom.vendors.novaconnect.reports import ReportCalls
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.novaconnect.users import UserCalls


def auth_for(credentials: Credentials) -> Bearer:
    """Return the authentication. Raises TelecomInputError for a token that is invalid in a header."""
    matching("password", credentials.secret.reveal(), r"[!-~]+", "must be the token alone, without blanks")
    return Bearer(credentials.secret)


class NovaConnectApi(SimCalls, BillCalls, ReportCalls, UserCalls, GroupCalls):
    """Every documented call."""
