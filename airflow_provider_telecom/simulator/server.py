"""The simulator on a port: uvicorn in a thread of this process, on 127.0.0.1 only."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from airflow_provider_telecom.simulator.app import build
from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.simulator.faults import Faults, OpenConnections
from airflow_provider_telecom.simulator.state import Fault, FaultKind, SimulatorState
from airflow_provider_telecom.simulator.switches import Preset

HOST = "127.0.0.1"
_HANG_SECONDS = 120.0  # only against hanging: a loaded machine may be slow
_RESPONSE_SECONDS = 0.05  # until the response to the request that asked for it is sent


class Simulator:
    """A running simulator. Tests may read and change its `state` directly."""

    def __init__(self, port: int = 0, seed: int = 0, preset: Preset = "default") -> None:
        self.state = SimulatorState(seed, preset)
        self.port = port
        self._connections = OpenConnections()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def url(self) -> str:
        """The simulator's address."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start the server. Raises OSError when the port is taken."""
        listener = _listener(self.port)
        self.port = listener.getsockname()[1]
        app = Faults(build(self.state, self.refuse_for), self.state, self._connections)
        config = uvicorn.Config(
            app,
            http=self._connections.protocol(),
            log_level="critical",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="simulator", daemon=True)
        self._thread.start()
        self._wait_until_open()

    def _serve(self, listener: socket.socket) -> None:
        async def serve() -> None:
            assert self._server is not None  # noqa: S101 - start() made it
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[listener])

        asyncio.run(serve())
        listener.close()

    def _wait_until_open(self) -> None:
        for _ in range(int(_HANG_SECONDS * 200)):
            if self._server and self._server.started:
                return
            threading.Event().wait(0.005)
        raise TimeoutError("the simulator did not start")

    def stop(self) -> None:
        """Stop the server and its thread."""
        if self._server is None or self._thread is None:
            return
        self.state.reset()
        self._server.should_exit = True
        self._call(self._connections.drop)
        self._thread.join(_HANG_SECONDS)
        self._server = self._thread = None

    def refuse(self) -> None:
        """Refuse new connections and drop the open ones: no socket listens any more."""
        self._call(self._close_listeners)

    def accept(self) -> None:
        """Accept connections again, on the same port."""
        if self._loop is not None and self._server is not None:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_HANG_SECONDS)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections within a `with` block."""
        self.refuse()
        try:
            yield
        finally:
            self.accept()

    def refuse_for(self, seconds: float) -> None:
        """Refuse connections, and accept again after `seconds` of real time."""
        if self._loop is not None:  # not awaited: a request in this loop may have asked for it
            self._loop.call_soon_threadsafe(self._schedule_refusal, seconds)

    def _schedule_refusal(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._cancel_refusal()
        self._timers = [
            loop.call_later(_RESPONSE_SECONDS, self._close_listeners),
            loop.call_later(
                _RESPONSE_SECONDS + seconds,
                lambda: asyncio.run_coroutine_threadsafe(self._listen(), loop),
            ),
        ]

    def _cancel_refusal(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _close_listeners(self) -> None:
        if self._server is not None:
            for server in self._server.servers:
                server.close()
            self._server.servers = []
        self._connections.drop()

    async def _listen(self) -> None:
        self._cancel_refusal()
        server = self._server
        if server is None or self._loop is None or server.servers:
            return
        config = server.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=server.server_state, app_state={}
            )
            return made

        server.servers = [await self._loop.create_server(protocol, sock=_listener(self.port))]

    def _call(self, act: Callable[[], None]) -> None:
        """Call `act` in the server's loop and wait for it."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        done = threading.Event()

        def run() -> None:
            act()
            loop.call_soon(done.set)  # a dropped connection closes in the loop's next round

        loop.call_soon_threadsafe(run)
        done.wait(_HANG_SECONDS)

    def reset(self, seed: int = 0, preset: Preset = "default") -> None:
        """Discard all state, set the switches of a preset, and accept connections."""
        self.accept()
        self.state.reset(seed, preset)

    def fault(self, kind: FaultKind, vendor: str | None = None, **options: Any) -> Fault:
        """Add a fault (see `state.Fault`): `fault("reset_after", "ketchup_loyalty", path="/sms/create")`."""
        fault = Fault(kind, vendor, **options)
        self.state.faults.append(fault)
        return fault

    def base(self, vendor: str) -> str:
        """Return a vendor's base URL, by its connection type or its short name."""
        return f"{self.url}/{vendor}"

    def connection(self, conn_type: str) -> dict[str, Any]:
        """Return the fields of an Airflow connection of this type that points here."""
        account = ACCOUNTS[conn_type]
        return {
            "conn_type": conn_type,
            "host": self.base(conn_type),
            "login": account.login,
            "password": account.password,
            "extra": {"allow_private_hosts": True, **account.extra},
        }

    def environment(self) -> dict[str, str]:
        """Return the variables that make the five default connections point here."""
        return {
            f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(self.connection(conn_type))
            for conn_type in ACCOUNTS
        }


def _listener(port: int) -> socket.socket:
    # With the protocol named: otherwise asyncio leaves Nagle's algorithm on, and each answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
