"""What all tests share: the simulator, hooks that point at it, and both ways to make a call."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from tests.airflow_home import HOME

assert HOME.is_dir(), "it is set before Airflow is imported"

import pytest  # noqa: E402 - after Airflow's environment is set
from hypothesis import HealthCheck, settings  # noqa: E402 - the same

from tests.transports import TRANSPORTS  # noqa: E402 - the same

# No test fails because a machine is slow: neither by a deadline nor by the health check of that name.
settings.register_profile("telecom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("telecom")

from airflow_provider_telecom.vendors.description import import_from  # noqa: E402 - the same
from airflow_provider_telecom.vendors.registry import vendors  # noqa: E402 - the same

HOOKS = {vendor.id: vendor.hook_path for vendor in vendors()}
"""The import paths of the hooks by connection type."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector away from modules and test items: there are many, and all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Give the frozen objects back: at its end, DuckDB reports all that it finds of its own as leaked."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that talks to anybody but this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ip_address(address[0]).is_loopback:
            pytest.fail(f"a test reaches out to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _fresh_clients() -> Iterator[None]:
    """Give each test tokens, breaker and budget of its own."""
    from airflow_provider_telecom.hooks import base

    base.forget_clients()
    yield
    base.forget_clients()


@pytest.fixture(autouse=True)
def _fresh_masks() -> Iterator[None]:
    """Forget the secrets of each test: Airflow masks all it has ever seen, and each new one takes longer."""
    from airflow._shared.secrets_masker import secrets_masker as of_core
    from airflow.sdk._shared.secrets_masker import secrets_masker as of_sdk

    maskers = [of_core._secrets_masker(), of_sdk._secrets_masker()]
    before = [(masker.patterns.copy(), masker.replacer) for masker in maskers]
    yield
    for masker, kept in zip(maskers, before, strict=True):
        masker.patterns, masker.replacer = kept


@pytest.fixture(autouse=True)
def _quick_token_sharing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep SunSim's protocol and shorten its waits: alone in a process there is nothing to wait for."""
    from dataclasses import replace

    from airflow_provider_telecom.hooks.sunsim import SunSimHook

    quick = replace(SunSimHook.timing, settle=(0.0, 0.01), after_repeated_401=(0.0, 0.01), between_mints=0.1)
    monkeypatch.setattr(SunSimHook, "timing", quick)


@pytest.fixture(autouse=True)
def _quick_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the rules of sending again, and shorten the pauses in between."""
    from airflow_provider_telecom.calls import retry

    monkeypatch.setattr(retry, "_FIRST_BACK_OFF", 0.01)


@pytest.fixture
def hook_for(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes a hook for the simulator: `hook_for("sunsim", timeout_read=1)`."""

    def make(conn_type: str, **extra: Any) -> Any:
        connection = telecom_simulator.connection(conn_type)
        connection["extra"] = {**connection["extra"], **extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT", json.dumps(connection))
        return import_from(HOOKS[conn_type])()

    return make


@pytest.fixture(scope="session")
def killing_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the process whose children are killed. Its tests are in one xdist group, `chaos`."""
    from tests.chaos.processes import KillingProcess

    with KillingProcess(tmp_path_factory.mktemp("killing") / "tries.log") as process:
        yield process


def open_at_the_first_wait(hook: Any, simulator: Any) -> None:
    """Let the simulator accept connections again as soon as the hook pauses before another request."""
    client = hook._client()
    new = client.async_transport

    async def accept(seconds: float) -> None:
        simulator.accept()

    def awaited() -> Any:
        made = new()
        made._sleep = accept
        return made

    client.async_transport = awaited
    client.sync_transport._sleep = lambda seconds: simulator.accept()


@pytest.fixture(params=TRANSPORTS)
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return a function that makes a hook's call by one transport: `call(hook.get_sms, "22125")`."""

    def call_sync(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    def call_async(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        hook = method.__self__  # type: ignore[attr-defined]

        async def run() -> Any:
            try:
                return await hook.aio(method, *args, **kwargs)
            finally:
                await hook.aclose()

        return asyncio.run(run())

    return call_sync if request.param == "sync" else call_async
