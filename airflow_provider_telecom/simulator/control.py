"""The control desk at /_control: what tests and people may look at and change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from airflow_provider_telecom.simulator.state import VENDORS, Fault, FaultKind, SimulatorState
from airflow_provider_telecom.simulator.switches import SWITCHES, Preset
from airflow_provider_telecom.simulator.webhooks import WebhookSender


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultOrder(_Order):
    """A fault to come; see `state.Fault`."""

    kind: FaultKind
    vendor: str | None = None
    method: str | None = None
    path: str = ""
    times: int = Field(1, ge=1)
    status: int = Field(503, ge=200, le=599)
    headers: dict[str, str] = {}
    body: str = ""
    seconds: float = Field(1.0, ge=0)
    size: int = Field(200_000_000, ge=0)


class TransitionOrder(_Order):
    """How long states of a kind take, such as `novaconnect.queue`, or `novaconnect` for all of a vendor."""

    kind: str = Field(pattern=rf"^({'|'.join(VENDORS)})(\.\w+)?$")
    mode: Literal["immediate", "after_polls", "after_seconds"]
    count: float = Field(0, ge=0)


class ClockOrder(_Order):
    """Move the clock ahead by seconds, or set it to a moment with a time zone."""

    advance: float | None = Field(None, ge=0, le=1e9)
    set: AwareDatetime | None = None


class ResetOrder(_Order):
    """Make the town new, from a seed, with all switches as a preset sets them."""

    seed: int = 0
    preset: Preset = "default"


class SwitchOrder(_Order):
    """Follow another reading of a vendor's document, such as `ketchup_loyalty.bare_read`; see `switches`."""

    name: str
    value: str


class RefuseOrder(_Order):
    """Refuse connections for a while."""

    seconds: float = Field(1.0, gt=0, le=600)


def routes(state: SimulatorState, refuse: Callable[[float], None] | None) -> APIRouter:
    """Return the desk's routes."""
    router = APIRouter()

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"ok": True, "now": state.clock.now(), "effects": len(state.ledger.effects)}

    @router.get("/ledger")
    async def ledger(vendor: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        return [asdict(effect) for effect in state.ledger.of(vendor, kind)]

    @router.get("/requests")
    async def requests() -> list[dict[str, Any]]:
        return [asdict(seen) for seen in state.requests]

    @router.get("/callbacks")
    async def callbacks() -> list[dict[str, Any]]:
        return [asdict(posted) for posted in state.vendor_state("webhook_sender", WebhookSender).log]

    @router.post("/faults")
    async def add_faults(orders: FaultOrder | list[FaultOrder]) -> dict[str, int]:
        listed = orders if isinstance(orders, list) else [orders]
        try:
            state.faults += [Fault(**order.model_dump()) for order in listed]
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"faults": len(state.faults)}

    @router.delete("/faults")
    async def remove_faults() -> dict[str, int]:
        state.faults.clear()
        return {"faults": 0}

    @router.post("/transitions")
    async def transition(order: TransitionOrder) -> dict[str, bool]:
        state.set_transition(order.kind, order.mode, order.count)
        return {"ok": True}

    @router.get("/switches")
    async def switches() -> list[dict[str, Any]]:
        return [
            {**asdict(switch), "value": state.switches(switch.vendor)[switch.name]} for switch in SWITCHES
        ]

    @router.post("/switches")
    async def set_switch(order: SwitchOrder) -> dict[str, bool]:
        try:
            state.set_switch(order.name, order.value)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"ok": True}

    @router.post("/clock")
    async def clock(order: ClockOrder) -> dict[str, Any]:
        if (order.advance is None) == (order.set is None):
            raise HTTPException(422, "give either advance or set")
        if order.set is not None:
            state.clock.set(order.set)
        state.clock.advance(order.advance or 0)
        return {"now": state.clock.now()}

    @router.post("/reset")
    async def reset(order: ResetOrder) -> dict[str, bool]:
        state.reset(order.seed, order.preset)
        return {"ok": True}

    @router.post("/refuse")
    async def refuse_connections(order: RefuseOrder) -> dict[str, bool]:
        if refuse is None:
            raise HTTPException(409, "only a running server can refuse connections")
        refuse(order.seconds)
        return {"ok": True}

    return router
