"""The calls of Kyivstar Open Telecom. docs/vendors/kyivstar_open_telecom.md describes them."""

from __future__ import annotations

from airflow_provider_telecom.vendors.kyivstar_open_telecom.multichannel import MultichannelCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.promos import PromoCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.rcs import RcsCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.sms import SmsCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.subscribers import SubscriberCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.tokens import TokenCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.versions import VersionCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.viber import ViberCalls


class KyivstarApi(
    TokenCalls,
    SubscriberCalls,
    SmsCalls,
    ViberCalls,
    PromoCalls,
    MultichannelCalls,
    RcsCalls,
    VersionCalls,
):
    """Every documented call, and those of API v1."""
