"""Reports and bills of NovaConnect to object storage."""

from airflow_provider_telecom.transfers.novaconnect_bills import NovaConnectBillToObjectStorageOperator
from airflow_provider_telecom.transfers.novaconnect_reports import NovaConnectReportToObjectStorageOperator

__all__ = ["NovaConnectBillToObjectStorageOperator", "NovaConnectReportToObjectStorageOperator"]
