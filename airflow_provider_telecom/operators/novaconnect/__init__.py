"""Operators of NovaConnect."""

from airflow_provider_telecom.operators.novaconnect.base import NovaConnectOperator
from airflow_provider_telecom.operators.novaconnect.effects import (
    NovaConnectDisconnectSimsOperator,
    NovaConnectPingSimsOperator,
    NovaConnectReconnectSimsOperator,
    NovaConnectRepackageOperator,
    NovaConnectSendSmsOperator,
    NovaConnectSetTariffOperator,
)
from airflow_provider_telecom.operators.novaconnect.list_sims import NovaConnectListSimsOperator
from airflow_provider_telecom.operators.novaconnect.set_state import (
    NovaConnectBlockSimsOperator,
    NovaConnectRenameSimOperator,
    NovaConnectSetGroupsOperator,
    NovaConnectSetLimitOperator,
    NovaConnectUnblockSimsOperator,
)

__all__ = [
    "NovaConnectBlockSimsOperator",
    "NovaConnectDisconnectSimsOperator",
    "NovaConnectListSimsOperator",
    "NovaConnectOperator",
    "NovaConnectPingSimsOperator",
    "NovaConnectReconnectSimsOperator",
    "NovaConnectRenameSimOperator",
    "NovaConnectRepackageOperator",
    "NovaConnectSendSmsOperator",
    "NovaConnectSetGroupsOperator",
    "NovaConnectSetLimitOperator",
    "NovaConnectSetTariffOperator",
    "NovaConnectUnblockSimsOperator",
]
