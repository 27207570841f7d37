"""What a Dag of a campaign imports: budgets, failover, and ladders of channels."""

from airflow_provider_telecom.bulk.budget import Budget
from airflow_provider_telecom.bulk.failover import Failover
from airflow_provider_telecom.campaigns.ladder import message_ladder
from airflow_provider_telecom.campaigns.rungs import (
    CallRung,
    KyivstarSmsRung,
    MultichannelRung,
    SmsRung,
    ViberRung,
)

__all__ = [
    "Budget",
    "CallRung",
    "Failover",
    "KyivstarSmsRung",
    "MultichannelRung",
    "SmsRung",
    "ViberRung",
    "message_ladder",
]
