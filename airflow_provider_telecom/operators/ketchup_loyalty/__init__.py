"""Operators of KetchUp Loyalty."""

from airflow_provider_telecom.operators.ketchup_loyalty.bulk import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.ketchup_loyalty.exports import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
    KetchUpListStatExportsOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.hlr import KetchUpHlrLookupOperator
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.price import KetchUpPriceOperator
from airflow_provider_telecom.operators.ketchup_loyalty.receipts import KetchUpCollectReceiptsOperator
from airflow_provider_telecom.operators.ketchup_loyalty.sms import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.ketchup_loyalty.viber import KetchUpSendViberOperator

__all__ = [
    "KetchUpCollectReceiptsOperator",
    "KetchUpCreateStatExportOperator",
    "KetchUpDeleteStatExportOperator",
    "KetchUpHlrLookupOperator",
    "KetchUpListStatExportsOperator",
    "KetchUpOperator",
    "KetchUpPriceOperator",
    "KetchUpSendBulkSmsOperator",
    "KetchUpSendSmsOperator",
    "KetchUpSendViberOperator",
]
