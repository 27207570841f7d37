"""A simulated NovaConnect: a fleet of SIMs, its queues and webhooks, bills, reports and users."""

from airflow_provider_telecom.simulator.novaconnect.routes import routes
from airflow_provider_telecom.simulator.novaconnect.state import VendorState

__all__ = ["VendorState", "routes"]
