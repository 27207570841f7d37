"""Operators of NovaConnect."""

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.on_demand import on_demand

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.novaconnect.account import (
        NovaConnectGetCompanyOperator,
        NovaConnectListBillsOperator,
    )
    from airflow_provider_telecom.operators.novaconnect.effects import (
        NovaConnectDisconnectSimsOperator,
        NovaConnectPingSimsOperator,
        NovaConnectReconnectSimsOperator,
        NovaConnectRepackageOperator,
        NovaConnectSendSmsOperator,
        NovaConnectSetTariffOperator,
    )
    from airflow_provider_telecom.operators.novaconnect.fleet import NovaConnectFleetOperator
    from airflow_provider_telecom.operators.novaconnect.groups import (
        NovaConnectCreateGroupOperator,
        NovaConnectListGroupsOperator,
        NovaConnectRemoveGroupOperator,
        NovaConnectRenameGroupOperator,
    )
    from airflow_provider_telecom.operators.novaconnect.list_sims import NovaConnectListSimsOperator
    from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
    from airflow_provider_telecom.operators.novaconnect.report_totals import NovaConnectReportTotalsOperator
    from airflow_provider_telecom.operators.novaconnect.set_state import (
        NovaConnectBlockSimsOperator,
        NovaConnectRenameSimOperator,
        NovaConnectSetGroupsOperator,
        NovaConnectSetLimitOperator,
        NovaConnectUnblockSimsOperator,
    )
    from airflow_provider_telecom.operators.novaconnect.users import (
        NovaConnectCreateUserOperator,
        NovaConnectDeactivateUserOperator,
        NovaConnectListUsersOperator,
        NovaConnectRemoveUserOperator,
    )
else:
    __getattr__, __dir__ = on_demand(
        __name__,
        {
            "account": ["NovaConnectGetCompanyOperator", "NovaConnectListBillsOperator"],
            "operator": ["NovaConnectOperator"],
            "effects": [
                "NovaConnectDisconnectSimsOperator",
                "NovaConnectPingSimsOperator",
                "NovaConnectReconnectSimsOperator",
                "NovaConnectRepackageOperator",
                "NovaConnectSendSmsOperator",
                "NovaConnectSetTariffOperator",
            ],
            "fleet": ["NovaConnectFleetOperator"],
            "groups": [
                "NovaConnectCreateGroupOperator",
                "NovaConnectListGroupsOperator",
                "NovaConnectRemoveGroupOperator",
                "NovaConnectRenameGroupOperator",
            ],
            "list_sims": ["NovaConnectListSimsOperator"],
            "report_totals": ["NovaConnectReportTotalsOperator"],
            "set_state": [
                "NovaConnectBlockSimsOperator",
                "NovaConnectRenameSimOperator",
                "NovaConnectSetGroupsOperator",
                "NovaConnectSetLimitOperator",
                "NovaConnectUnblockSimsOperator",
            ],
            "users": [
                "NovaConnectCreateUserOperator",
                "NovaConnectDeactivateUserOperator",
                "NovaConnectListUsersOperator",
                "NovaConnectRemoveUserOperator",
            ],
        },
    )

__all__ = [
    "NovaConnectBlockSimsOperator",
    "NovaConnectCreateGroupOperator",
    "NovaConnectCreateUserOperator",
    "NovaConnectDeactivateUserOperator",
    "NovaConnectDisconnectSimsOperator",
    "NovaConnectFleetOperator",
    "NovaConnectGetCompanyOperator",
    "NovaConnectListBillsOperator",
    "NovaConnectListGroupsOperator",
    "NovaConnectListSimsOperator",
    "NovaConnectListUsersOperator",
    "NovaConnectOperator",
    "NovaConnectPingSimsOperator",
    "NovaConnectReconnectSimsOperator",
    "NovaConnectRemoveGroupOperator",
    "NovaConnectRemoveUserOperator",
    "NovaConnectRenameGroupOperator",
    "NovaConnectRenameSimOperator",
    "NovaConnectRepackageOperator",
    "NovaConnectReportTotalsOperator",
    "NovaConnectSendSmsOperator",
    "NovaConnectSetGroupsOperator",
    "NovaConnectSetLimitOperator",
    "NovaConnectSetTariffOperator",
    "NovaConnectUnblockSimsOperator",
]
