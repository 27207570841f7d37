"""Operators of Kyivstar FMC, the virtual mobile PBX."""

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.on_demand import on_demand

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.kyivstar_fmc.bulk_calls import KyivstarFmcBulkCallOperator
    from airflow_provider_telecom.operators.kyivstar_fmc.call import KyivstarFmcOriginateCallOperator
    from airflow_provider_telecom.operators.kyivstar_fmc.receipts import KyivstarFmcCollectReceiptsOperator
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "bulk_calls": ["KyivstarFmcBulkCallOperator"],
            "call": ["KyivstarFmcOriginateCallOperator"],
            "receipts": ["KyivstarFmcCollectReceiptsOperator"],
        },
    )

__all__ = [
    "KyivstarFmcBulkCallOperator",
    "KyivstarFmcCollectReceiptsOperator",
    "KyivstarFmcOriginateCallOperator",
]
