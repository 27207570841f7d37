"""The simulator as one web application: the vendors, the control API, the page."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from fastapi import FastAPI

from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.simulator.state import SimulatorState


def build(state: SimulatorState, refuse: Callable[[float], None] | None = None) -> FastAPI:
    """Return the application. `refuse(seconds)` refuses connections; only a server can do that."""
    from airflow_provider_telecom.simulator import control, page

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for vendor, account in ACCOUNTS.items():
        package = import_module(account.package or f"airflow_provider_telecom.simulator.{vendor}")
        app.include_router(package.routes(state), prefix=f"/{vendor}")
    app.include_router(control.routes(state, refuse), prefix="/_control")
    app.include_router(page.routes(state))
    return app
