"""The simulated toy vendor. It does not import the client."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.credentials import Account
from airflow_provider_telecom.simulator.state import SimulatorState

TOKEN = "sim_toy_token"


def routes(state: SimulatorState) -> APIRouter:
    """Return the vendor's routes."""
    router = APIRouter()

    @router.get("/toy/balance")
    async def balance(authorization: str = Header("")) -> Any:
        if authorization != f"Bearer {TOKEN}":
            return JSONResponse({"error": "unknown token"}, 401)
        return {"balance": 7}

    return router


def account() -> Account:
    """Return how to connect to it."""
    return Account("Toy Telecom", TOKEN, package=__name__)
