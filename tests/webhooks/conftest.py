"""The receiver in Airflow's own api-server application, served on loopback with a database of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from packaging.version import Version

from airflow_provider_telecom.vendors.registry import vendors
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress, read_receiver_settings
from airflow_provider_telecom.webhooks.assets import event_asset, event_payloads
from tests.eventually import HANG_SECONDS, eventually
from tests.system.services import free_port

SECRET = "made-up-secret-for-tests-0123456789abcdef"
EVENTS = {
    asset.name: asset
    for vendor in vendors()
    for webhook in vendor.webhooks
    for asset in (event_asset(vendor.id, event) for event in webhook.events)
}
"""The assets of all webhooks by name."""


@dataclass
class Running:
    """The api-server, and the loop that it runs in."""

    url: str
    loop: asyncio.AbstractEventLoop

    def settle(self) -> None:
        """Wait until what was refused is written down."""

        async def noted() -> None:
            notes = [one for one in asyncio.all_tasks() if one.get_name() == "telecom-refused"]
            await asyncio.gather(*notes)

        asyncio.run_coroutine_threadsafe(noted(), self.loop).result(HANG_SECONDS)


@dataclass
class Served:
    """A running api-server, and what its database holds."""

    running: Running
    settings: ReceiverSettings
    secret: str = SECRET
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=HANG_SECONDS, trust_env=False))

    @property
    def url(self) -> str:
        """Where it is."""
        return self.running.url

    def address(
        self, kind: str, nonce: str = "account", vendor: str = "novaconnect", conn_id: str = "default"
    ) -> str:
        """Return a signed URL."""
        return self.settings.url(WebhookAddress(vendor, kind, conn_id, nonce))

    def post(self, url: str, body: Any = None, **more: Any) -> httpx.Response:
        """Post JSON, as vendors do."""
        return self.client.post(url, **({"json": body} if body is not None else {}), **more)

    def rows(self, prefix: str = "") -> dict[str, Any]:
        """Return the inbox's rows by key."""
        from airflow.models.asset_state_store import AssetStateStoreModel
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            found = session.query(AssetStateStoreModel).all()
            return {row.key: json.loads(row.value) for row in found if row.key.startswith(prefix)}

    def log(self) -> list[dict[str, Any]]:
        """Return the posts that were noted, oldest first."""
        self.running.settle()
        return [post for _, page in sorted(self.rows("log:").items()) for post in page]

    def events(self, asset: str) -> list[dict[str, Any]]:
        """Return the reports in an asset's events, oldest first."""
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session

        with create_session(scoped=False) as session:
            found = session.query(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            ours = found.filter(AssetModel.name == asset).order_by(AssetEvent.id)
            return [report for event in ours for report in event_payloads(event)]


@pytest.fixture(scope="session")
def _database() -> None:
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def _running(_database: None) -> Iterator[Running]:
    from airflow.api_fastapi.app import create_app

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app("core"),
            "127.0.0.1",
            port,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # as Airflow runs it
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert eventually(lambda: server.started or not thread.is_alive(), every=0.05)
    assert server.started
    yield Running(f"http://127.0.0.1:{port}", server.servers[0].get_loop())
    server.should_exit = True
    thread.join(HANG_SECONDS)


@pytest.fixture(scope="session")
def _server(_running: Running) -> str:
    return _running.url


@pytest.fixture
def receiver_settings(monkeypatch: pytest.MonkeyPatch, _server: str) -> Iterator[pytest.MonkeyPatch]:
    """Open the receiver; a test may set more before it uses `served`."""
    from airflow_provider_telecom.webhooks import inbox, plugin

    monkeypatch.setattr(inbox, "_MIN_AIRFLOW", Version("3.3.0"))  # no scheduler here deletes orphans
    monkeypatch.setenv("AIRFLOW__TELECOM__PUBLIC_BASE_URL", _server)
    monkeypatch.setenv("AIRFLOW__TELECOM__WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr("airflow_provider_telecom.webhooks.app._REFUSALS_EVERY_SECONDS", 0.05)
    yield monkeypatch
    plugin._app.cache_clear()


@pytest.fixture
def served(_running: Running, receiver_settings: pytest.MonkeyPatch) -> Iterator[Served]:
    """Return the api-server with an open receiver and an empty inbox."""
    from airflow_provider_telecom.webhooks import plugin

    plugin._app.cache_clear()
    _forget_all()
    settings = read_receiver_settings()
    assert settings is not None
    here = Served(_running, settings)
    with here.client:
        yield here
    _running.settle()


class Comms:
    """Stands in for Airflow's supervisor, whom tasks and triggers ask for an asset's state store."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.broken = False

    def send(self, message: Any) -> Any:
        """Answer as the supervisor does, out of the database."""
        from airflow.models.asset import AssetModel
        from airflow.sdk.exceptions import AirflowRuntimeError
        from airflow.sdk.execution_time.comms import (
            AssetStateStoreResult,
            ErrorResponse,
            ErrorType,
            OKResponse,
        )
        from airflow.state.metastore import AssetScope, MetastoreBackend
        from airflow.utils.session import create_session

        if self.broken:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))
        with create_session(scoped=False) as session:
            asset_id = session.query(AssetModel.id).filter(AssetModel.name == message.name).scalar()
            scope, store = AssetScope(asset_id=asset_id), MetastoreBackend()
            if message.type == "GetAssetStateStoreByName":
                self.reads.append(message.key)
                text = store.get(scope, message.key, session=session)
                missing = ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND)
                return missing if text is None else AssetStateStoreResult(value=json.loads(text))
            if message.type == "SetAssetStateStoreByName":
                store.set(scope, message.key, json.dumps(message.value), session=session)
            elif message.type == "DeleteAssetStateStoreByName":
                store.delete(scope, message.key, session=session)
            return OKResponse(ok=True)

    async def asend(self, message: Any) -> Any:
        """Answer without blocking the loop."""
        return await asyncio.to_thread(self.send, message)


@pytest.fixture
def comms(served: Served, monkeypatch: pytest.MonkeyPatch) -> Comms:
    """Let tasks and triggers of this process read the inbox, which a Dag has named."""
    from airflow.models.asset import AssetModel
    from airflow.sdk.execution_time import task_runner
    from airflow.utils.session import create_session

    from airflow_provider_telecom.webhooks.assets import INBOX

    with create_session(scoped=False) as session:
        if not session.query(AssetModel).filter(AssetModel.name == INBOX.name).count():
            session.add(AssetModel(name=INBOX.name, uri=INBOX.uri, group=INBOX.group, extra={}))
    found = Comms()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    return found


def _forget_all() -> None:
    """Empty the inbox, and let Airflow know all assets of events."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        session.query(AssetStateStoreModel).delete()
        session.query(AssetEvent).delete()
        known = {name for (name,) in session.query(AssetModel.name)}
        session.add_all(
            AssetModel(name=one.name, uri=one.uri, group=one.group, extra={})
            for one in EVENTS.values()
            if one.name not in known
        )
