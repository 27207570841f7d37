"""What a Dag of a campaign imports: budgets, and ladders of channels."""

from airflow_provider_telecom.bulk.budget import Budget
from airflow_provider_telecom.campaigns.ladder import message_ladder
from airflow_provider_telecom.campaigns.rungs import SmsRung, ViberRung

__all__ = ["Budget", "SmsRung", "ViberRung", "message_ladder"]
