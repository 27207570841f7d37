"""Operators of SunSim."""

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.on_demand import on_demand

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.sunsim.bulk_calls import SunSimBulkCallbackOperator
    from airflow_provider_telecom.operators.sunsim.call import SunSimCreateCallbackOperator
    from airflow_provider_telecom.operators.sunsim.operator import SunSimOperator
    from airflow_provider_telecom.operators.sunsim.receipts import SunSimCollectReceiptsOperator
    from airflow_provider_telecom.operators.sunsim.vats import (
        SunSimGetVatsSettingsOperator,
        SunSimSetVatsSettingsOperator,
    )
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "bulk_calls": ["SunSimBulkCallbackOperator"],
            "call": ["SunSimCreateCallbackOperator"],
            "operator": ["SunSimOperator"],
            "receipts": ["SunSimCollectReceiptsOperator"],
            "vats": ["SunSimGetVatsSettingsOperator", "SunSimSetVatsSettingsOperator"],
        },
    )

__all__ = [
    "SunSimBulkCallbackOperator",
    "SunSimCollectReceiptsOperator",
    "SunSimCreateCallbackOperator",
    "SunSimGetVatsSettingsOperator",
    "SunSimOperator",
    "SunSimSetVatsSettingsOperator",
]
