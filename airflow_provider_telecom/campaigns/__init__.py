"""What a Dag of a campaign imports: budgets, and when to change to another connection."""

from airflow_provider_telecom.bulk.budget import Budget
from airflow_provider_telecom.bulk.failover import Failover

__all__ = ["Budget", "Failover"]
