"""A pretend NovaConnect: a fleet of SIMs, its queues and call-backs, bills, reports and people."""

from airflow_provider_telecom.simulator.novaconnect.routes import routes
from airflow_provider_telecom.simulator.novaconnect.state import VendorState

__all__ = ["VendorState", "routes"]
