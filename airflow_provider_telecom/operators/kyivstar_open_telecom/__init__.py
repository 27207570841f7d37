"""Operators of Kyivstar Open Telecom."""

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.on_demand import on_demand

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
    from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_multichannel import (
        KyivstarSendBulkMultichannelOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sms import KyivstarSendBulkSmsOperator
    from airflow_provider_telecom.operators.kyivstar_open_telecom.check_subscribers import (
        KyivstarCheckSubscribersOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.create_promo import (
        KyivstarCreatePromoOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.fraud_gate import KyivstarFraudGateOperator
    from airflow_provider_telecom.operators.kyivstar_open_telecom.messages import (
        KyivstarSendSmsOperator,
        KyivstarSendViberOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.multichannel import (
        KyivstarSendMultichannelOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.promos import (
        KyivstarGetPromoOperator,
        KyivstarListPromosOperator,
        KyivstarPromoStatisticsOperator,
        KyivstarStartPromoOperator,
        KyivstarSuspendPromoOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.rcs import KyivstarSendRcsOperator
    from airflow_provider_telecom.operators.kyivstar_open_telecom.receipts import (
        KyivstarCollectReceiptsOperator,
    )
    from airflow_provider_telecom.operators.kyivstar_open_telecom.subscribers import (
        KyivstarCheckDeviceOperator,
        KyivstarCheckLifetimeOperator,
        KyivstarCheckSimCountOperator,
        KyivstarScoreOperator,
        KyivstarVerifySimOperator,
    )
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "base": ["KyivstarOperator"],
            "bulk_multichannel": ["KyivstarSendBulkMultichannelOperator"],
            "bulk_sms": ["KyivstarSendBulkSmsOperator"],
            "check_subscribers": ["KyivstarCheckSubscribersOperator"],
            "create_promo": ["KyivstarCreatePromoOperator"],
            "fraud_gate": ["KyivstarFraudGateOperator"],
            "messages": ["KyivstarSendSmsOperator", "KyivstarSendViberOperator"],
            "multichannel": ["KyivstarSendMultichannelOperator"],
            "promos": [
                "KyivstarGetPromoOperator",
                "KyivstarListPromosOperator",
                "KyivstarPromoStatisticsOperator",
                "KyivstarStartPromoOperator",
                "KyivstarSuspendPromoOperator",
            ],
            "rcs": ["KyivstarSendRcsOperator"],
            "receipts": ["KyivstarCollectReceiptsOperator"],
            "subscribers": [
                "KyivstarCheckDeviceOperator",
                "KyivstarCheckLifetimeOperator",
                "KyivstarCheckSimCountOperator",
                "KyivstarScoreOperator",
                "KyivstarVerifySimOperator",
            ],
        },
    )

__all__ = [
    "KyivstarCheckDeviceOperator",
    "KyivstarCheckLifetimeOperator",
    "KyivstarCheckSimCountOperator",
    "KyivstarCheckSubscribersOperator",
    "KyivstarCollectReceiptsOperator",
    "KyivstarCreatePromoOperator",
    "KyivstarFraudGateOperator",
    "KyivstarGetPromoOperator",
    "KyivstarListPromosOperator",
    "KyivstarOperator",
    "KyivstarPromoStatisticsOperator",
    "KyivstarScoreOperator",
    "KyivstarSendBulkMultichannelOperator",
    "KyivstarSendBulkSmsOperator",
    "KyivstarSendMultichannelOperator",
    "KyivstarSendRcsOperator",
    "KyivstarSendSmsOperator",
    "KyivstarSendViberOperator",
    "KyivstarStartPromoOperator",
    "KyivstarSuspendPromoOperator",
    "KyivstarVerifySimOperator",
]
