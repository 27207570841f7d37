"""A simulated Kyivstar Open Telecom: tokens, subscriber checks, SMS, Viber and promos, on three servers."""

from airflow_provider_telecom.simulator.kyivstar_open_telecom.routes import routes
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import (
    Promo,
    RateLimit,
    Subscriber,
    VendorState,
)

__all__ = ["Promo", "RateLimit", "Subscriber", "VendorState", "routes"]
