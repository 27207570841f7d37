"""Operators of Kyivstar Open Telecom."""

from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_multichannel import (
    KyivstarSendBulkMultichannelOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sms import KyivstarSendBulkSmsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.check_subscribers import (
    KyivstarCheckSubscribersOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.create_promo import KyivstarCreatePromoOperator
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
from airflow_provider_telecom.operators.kyivstar_open_telecom.receipts import KyivstarCollectReceiptsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.subscribers import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarScoreOperator,
    KyivstarVerifySimOperator,
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
