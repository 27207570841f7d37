"""A simulated SunSim: rotating tokens, callbacks, call lists with recordings, and virtual PBX settings."""

from airflow_provider_telecom.simulator.sunsim.routes import routes
from airflow_provider_telecom.simulator.sunsim.state import VendorState

__all__ = ["VendorState", "routes"]
