"""One request, or two on one connection, by either transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.request import Idempotency, Outcome, Request
from airflow_provider_telecom.transport import async_transport, sync_transport
from airflow_provider_telecom.transport.wire import TransportOptions
from tests.eventually import HANG_SECONDS
from tests.transports import TRANSPORTS

Send = Callable[..., Outcome]


def get(idempotency: Idempotency = Idempotency.READ, **facts: Any) -> Request:
    return Request("GET", "/x", idempotency, **facts)


@pytest.fixture(params=TRANSPORTS)
def send(request: pytest.FixtureRequest) -> Send:
    """Return a function that sends one request with one of the transports."""

    def block(base_url: str, what: Request, **route: Any) -> Outcome:
        transport = sync_transport.Transport(route_of(base_url, route))
        try:
            return transport.send(what)
        finally:
            transport.close()

    def wait(base_url: str, what: Request, **route: Any) -> Outcome:
        async def once() -> Outcome:
            transport = async_transport.Transport(route_of(base_url, route))
            try:
                return await transport.send(what)
            finally:
                await transport.close()

        return asyncio.run(once())

    return block if request.param == "sync" else wait


def route_of(base_url: str, route: dict[str, Any]) -> TransportOptions:
    patient = {"read_timeout": HANG_SECONDS, "connect_timeout": HANG_SECONDS, "allow_private_hosts": True}
    return TransportOptions(base_url, **{**patient, **route})


def twice(send: Send, base_url: str, what: Request, between: Callable[[], None] = lambda: None) -> list[Any]:
    """Send twice over one transport, so that the second uses the first one's connection."""
    if send.__name__ == "block":
        transport = sync_transport.Transport(route_of(base_url, {}))
        first = transport.send(what)
        between()
        return [first, transport.send(what)]

    async def run() -> list[Any]:
        transport = async_transport.Transport(route_of(base_url, {}))
        first = await transport.send(what)
        between()
        for _ in range(10):  # the loop reads what has arrived
            await asyncio.sleep(0)
        outcomes = [first, await transport.send(what)]
        await transport.close()
        return outcomes

    return asyncio.run(run())
