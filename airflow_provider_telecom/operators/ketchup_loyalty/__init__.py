"""Operators of KetchUp Loyalty."""

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.on_demand import on_demand

if TYPE_CHECKING:
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
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "bulk": ["KetchUpSendBulkSmsOperator"],
            "exports": [
                "KetchUpCreateStatExportOperator",
                "KetchUpDeleteStatExportOperator",
                "KetchUpListStatExportsOperator",
            ],
            "hlr": ["KetchUpHlrLookupOperator"],
            "operator": ["KetchUpOperator"],
            "price": ["KetchUpPriceOperator"],
            "receipts": ["KetchUpCollectReceiptsOperator"],
            "sms": ["KetchUpSendSmsOperator"],
            "viber": ["KetchUpSendViberOperator"],
        },
    )

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
