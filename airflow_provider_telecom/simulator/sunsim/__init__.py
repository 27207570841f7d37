"""A pretend SunSim: rotating tokens, callbacks, call lists with recordings, and virtual PBX settings."""

from airflow_provider_telecom.simulator.sunsim.books import Books
from airflow_provider_telecom.simulator.sunsim.routes import routes

__all__ = ["Books", "routes"]
