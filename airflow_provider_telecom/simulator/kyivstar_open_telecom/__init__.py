"""A pretend Kyivstar Open Telecom: tokens, subscriber checks, SMS, Viber and mailings, on three servers."""

from airflow_provider_telecom.simulator.kyivstar_open_telecom.books import Books, Promo, RateLimit, Subscriber
from airflow_provider_telecom.simulator.kyivstar_open_telecom.routes import routes

__all__ = ["Books", "Promo", "RateLimit", "Subscriber", "routes"]
