"""A pretend NovaConnect: a fleet of SIMs, its queues and call-backs, bills, reports and people."""

from airflow_provider_telecom.simulator.novaconnect.books import Books
from airflow_provider_telecom.simulator.novaconnect.routes import routes

__all__ = ["Books", "routes"]
