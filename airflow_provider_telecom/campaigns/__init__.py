"""What a Dag of a campaign imports: budgets."""

from airflow_provider_telecom.bulk.budget import Budget

__all__ = ["Budget"]
