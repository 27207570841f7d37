"""The town as one web application: five vendors, the control desk, the page."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from airflow_provider_telecom.simulator.state import SimulatorState


def build(state: SimulatorState, refuse: Callable[[float], None] | None = None) -> FastAPI:
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
    app.include_router(kyivstar_open_telecom.routes(state), prefix="/kyivstar_open_telecom")
    app.include_router(ketchup_loyalty.routes(state), prefix="/ketchup_loyalty")
    app.include_router(kyivstar_fmc.routes(state), prefix="/kyivstar_fmc")
    app.include_router(sunsim.routes(state), prefix="/sunsim")
    app.include_router(novaconnect.routes(state), prefix="/novaconnect")
    app.include_router(control.routes(state, refuse), prefix="/_control")
    app.include_router(page.routes(state))
    return app
