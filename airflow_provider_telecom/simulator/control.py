"""The control API at /_control: what tests and people read and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from airflow_provider_telecom.simulator.state import VENDORS, Fault, SimulatorState, TransitionMode
from airflow_provider_telecom.simulator.switches import SWITCHES, Preset
from airflow_provider_telecom.simulator.webhooks import WebhookSender


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TransitionBody(_Body):
    """How states of a kind progress: `novaconnect.queue`, or `novaconnect` for all kinds of a vendor."""

    kind: str = Field(pattern=rf"^({'|'.join(VENDORS)})(\.\w+)?$")
    mode: TransitionMode
    count: float = Field(0, ge=0)


class ClockBody(_Body):
    """Move the clock ahead by seconds, or set it to a time with a time zone."""

    advance: float | None = Field(None, ge=0, le=1e9)
    set: AwareDatetime | None = None


class ResetBody(_Body):
    """Discard all state; begin with a seed and the switches of a preset."""

    seed: int = 0
    preset: Preset = "default"


class SwitchBody(_Body):
    """Follow another reading of a vendor's document, such as `ketchup_loyalty.bare_read`; see `switches`."""

    name: str
    value: str


class RefuseBody(_Body):
    """Refuse connections for a while."""

    seconds: float = Field(1.0, gt=0, le=600)


def routes(state: SimulatorState, refuse: Callable[[float], None] | None) -> APIRouter:
    """Return the routes of the control API."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"ok": True, "now": state.clock.now(), "effects": len(state.ledger.effects)}

    @router.get("/ledger")
    async def ledger(vendor: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        return [asdict(effect) for effect in state.ledger.of(vendor, kind)]

    @router.get("/requests")
    async def requests() -> list[dict[str, Any]]:
        return [_without_empty(asdict(request)) for request in state.requests]

    @router.get("/webhooks")
    async def webhooks() -> list[dict[str, Any]]:
        return [asdict(attempt) for attempt in state.vendor_state("webhook_sender", WebhookSender).log]

    @router.post("/faults")
    async def add_faults(faults: Fault | list[Fault]) -> dict[str, int]:
        state.faults += faults if isinstance(faults, list) else [faults]
        return {"faults": len(state.faults)}

    @router.delete("/faults")
    async def remove_faults() -> dict[str, int]:
        state.faults.clear()
        return {"faults": 0}

    @router.post("/transitions")
    async def set_transition(body: TransitionBody) -> dict[str, bool]:
        state.set_transition(body.kind, body.mode, body.count)
        return {"ok": True}

    @router.get("/switches")
    async def switches() -> list[dict[str, Any]]:
        return [
            {**asdict(switch), "value": state.switches(switch.vendor)[switch.name]} for switch in SWITCHES
        ]

    @router.post("/switches")
    async def set_switch(body: SwitchBody) -> dict[str, bool]:
        try:
            state.set_switch(body.name, body.value)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"ok": True}

    @router.post("/clock")
    async def set_clock(body: ClockBody) -> dict[str, Any]:
        if (body.advance is None) == (body.set is None):
            raise HTTPException(422, "give either advance or set")
        if body.set is not None:
            state.clock.set(body.set)
        state.clock.advance(body.advance or 0)
        return {"now": state.clock.now()}

    @router.post("/reset")
    async def reset(body: ResetBody) -> dict[str, bool]:
        state.reset(body.seed, body.preset)
        return {"ok": True}

    @router.post("/refuse")
    async def refuse_connections(body: RefuseBody) -> dict[str, bool]:
        if refuse is None:
            raise HTTPException(409, "only a running server can refuse connections")
        refuse(body.seconds)
        return {"ok": True}

    return router


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
