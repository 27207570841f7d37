"""Operators of KetchUp Loyalty."""

from airflow_provider_telecom.operators.ketchup_bulk import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.ketchup_exports import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
)
from airflow_provider_telecom.operators.ketchup_hlr import KetchUpHlrLookupOperator
from airflow_provider_telecom.operators.ketchup_operator import KetchUpOperator
from airflow_provider_telecom.operators.ketchup_price import KetchUpPriceOperator
from airflow_provider_telecom.operators.ketchup_sms import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.ketchup_viber import KetchUpSendViberOperator

__all__ = [
    "KetchUpCreateStatExportOperator",
    "KetchUpDeleteStatExportOperator",
    "KetchUpHlrLookupOperator",
    "KetchUpOperator",
    "KetchUpPriceOperator",
    "KetchUpSendBulkSmsOperator",
    "KetchUpSendSmsOperator",
    "KetchUpSendViberOperator",
]
