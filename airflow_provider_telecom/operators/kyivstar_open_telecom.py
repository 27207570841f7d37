"""Operators of Kyivstar Open Telecom."""

from airflow_provider_telecom.operators.kyivstar_create_promo import KyivstarCreatePromoOperator
from airflow_provider_telecom.operators.kyivstar_messages import (
    KyivstarSendSmsOperator,
    KyivstarSendViberOperator,
)
from airflow_provider_telecom.operators.kyivstar_operator import KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_promos import (
    KyivstarPromoStatisticsOperator,
    KyivstarStartPromoOperator,
    KyivstarSuspendPromoOperator,
)
from airflow_provider_telecom.operators.kyivstar_subscribers import (
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
    "KyivstarCreatePromoOperator",
    "KyivstarOperator",
    "KyivstarPromoStatisticsOperator",
    "KyivstarScoreOperator",
    "KyivstarSendSmsOperator",
    "KyivstarSendViberOperator",
    "KyivstarStartPromoOperator",
    "KyivstarSuspendPromoOperator",
    "KyivstarVerifySimOperator",
]
