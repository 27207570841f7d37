"""The town as one web application: five vendors, the control desk, the page."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from airflow_provider_telecom.simulator.town import Town


def build(town: Town, refuse: Callable[[float], None] | None = None) -> FastAPI:
    """Return the application. `refuse(seconds)` closes the door for a while; only a server can."""
    from airflow_provider_telecom.simulator import (
        control,
        ketchup_loyalty,
        kyivstar_fmc,
        kyivstar_open_telecom,
        novaconnect,
        page,
        sunsim,
    )

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(kyivstar_open_telecom.routes(town), prefix="/kyivstar")
    app.include_router(ketchup_loyalty.routes(town), prefix="/ketchup")
    app.include_router(kyivstar_fmc.routes(town), prefix="/fmc")
    app.include_router(sunsim.routes(town), prefix="/sunsim")
    app.include_router(novaconnect.routes(town), prefix="/novaconnect")
    app.include_router(control.routes(town, refuse), prefix="/_town")
    app.include_router(page.routes(town))
    return app
