"""Simulated vendors as applications without a server: made once, and reset for each test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fastapi import APIRouter, FastAPI

from airflow_provider_telecom.simulator.state import SimulatorState

Routes = Callable[[SimulatorState], APIRouter]


def application(routes: Routes, prefix: str = "") -> tuple[SimulatorState, FastAPI]:
    """Return the application of a vendor, and its state as new."""
    state, app = _made(routes, prefix)
    state.reset()
    return state, app


@cache
def _made(routes: Routes, prefix: str) -> tuple[SimulatorState, FastAPI]:
    state, app = SimulatorState(), FastAPI()
    app.include_router(routes(state), prefix=prefix)
    return state, app
