"""What KetchUp is asked with, and what it answers."""

from __future__ import annotations

from airflow_provider_telecom.vendors.ketchup_loyalty.models.hlr import (
    HlrDetails,
    HlrState,
    HlrStatus,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models.messages import (
    MessageState,
    MessageStatus,
    SmsTask,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models.orders import (
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models.results import (
    BatchResult,
    CountryPrice,
    Price,
    SendResult,
    StatisticsExport,
)

__all__ = [
    "BatchResult",
    "CountryPrice",
    "HlrDetails",
    "HlrQuery",
    "HlrState",
    "HlrStatus",
    "IndividualSms",
    "MessageState",
    "MessageStatus",
    "Price",
    "Recipient",
    "SendResult",
    "SmsTask",
    "StatisticsExport",
    "ViberRecipient",
]
