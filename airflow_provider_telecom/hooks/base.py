"""What the five hooks stand on: a connection is read once, and its account is shared in the process."""

from __future__ import annotations

import asyncio
import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.calls.retry import Auth, wait_until_ready
from airflow_provider_telecom.hooks.settings import Settings, read_settings
from airflow_provider_telecom.transport.sync_transport import SyncTransport
from airflow_provider_telecom.transport.wire import LockFactory, TokenStore
from airflow_provider_telecom.vendors.api import Account, Api
from airflow_provider_telecom.vendors.options import Options

if TYPE_CHECKING:
    from typing import Self

    from airflow_provider_telecom.transport.async_transport import AsyncTransport

P = ParamSpec("P")
T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound=Options)


class AccountClient:
    """One account and its ways to the vendor. Kept for the process, so that tokens, limits and
    connections are shared by all hooks of equal settings."""

    def __init__(
        self, settings: Settings[Any], account: Account, store: TokenStore, lock: LockFactory | None
    ) -> None:
        self.account = account
        self._settings, self._store, self._lock = settings, store, lock
        self.blocking = SyncTransport(settings.transport_options, store, lock)
        self._awaited: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport] = WeakKeyDictionary()
        self._waiters: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()

    def awaited(self) -> AsyncTransport:
        """Return the way to the vendor for the running event loop."""
        from airflow_provider_telecom.transport.async_transport import AsyncTransport

        loop = asyncio.get_running_loop()
        if loop not in self._awaited:
            self._awaited[loop] = AsyncTransport(self._settings.transport_options, self._store, self._lock)
        return self._awaited[loop]

    @asynccontextmanager
    async def async_session(self) -> AsyncIterator[None]:
        """Keep the connections of the running event loop for as long as anybody is in here."""
        loop = asyncio.get_running_loop()
        self._waiters[loop] = self._waiters.get(loop, 0) + 1
        try:
            yield
        finally:
            self._waiters[loop] -= 1
            if not self._waiters[loop]:
                await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if (awaited := self._awaited.pop(asyncio.get_running_loop(), None)) is not None:
            await awaited.close()


_clients: dict[Hashable, AccountClient] = {}
_clients_lock = threading.Lock()
os.register_at_fork(after_in_child=_clients.clear)  # sockets and locks are not for sharing across a fork


class TelecomHook(BaseHook, Api[OptionsT], ABC):
    """A vendor's calls for a connection. Blocking methods for workers; `aio` awaits them in triggers."""

    conn_type: ClassVar[str]
    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str]
    hook_name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    needs_login: ClassVar[bool] = False

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name
        self._settings: Settings[OptionsT] | None = None
        self._own_client: AccountClient | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} conn_id={self.conn_id!r}>"

    def run(self, call: Call[T], /, ends_at: float = math.inf) -> T:
        """Drive a call to its end, blocking; at the latest until `time.monotonic()` shows `ends_at`."""
        with self.add_connection_to_errors():
            return self._client().blocking.run(call, ends_at)

    def wait_until_ready(self) -> None:
        """Wait until a call can be sent: for rate limit, quota (300 s at most) and token.

        Call it before the intent of an effect is written. Raises TelecomNotSentError (the last requests
        failed, or no token could be had), TelecomThrottledError (the wait would be longer than 300 s) and
        TelecomAuthError.
        """
        self.run(wait_until_ready(self.account.auth, self.account.limits))

    async def aio(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await a call: `await hook.aio(hook.get_sms, "22125")`. The shape is that of `asyncio.to_thread`."""
        call = call_of(method, *args, **kwargs)
        del args, kwargs  # error trackers record the variables of this frame
        return await self.arun(call)

    async def arun(self, call: Call[T], /) -> T:
        """Drive a call to its end, awaiting."""
        try:
            await self._aconnect()
            return await self._client().awaited().run(call)
        except TelecomError as error:
            self._add_connection(error)
            raise

    @contextmanager
    def add_connection_to_errors(self) -> Iterator[None]:
        """Add the connection and the host to the errors that are raised in here."""
        try:
            yield
        except TelecomError as error:
            with suppress(Exception):  # a connection that cannot be read has no host to name
                self._read()
            self._add_connection(error)
            raise

    def _add_connection(self, error: TelecomError) -> None:
        error.conn_id = error.conn_id or self.conn_id
        if self._settings is not None:
            error.host = error.host or urlsplit(self._settings.transport_options.base_url).netloc

    @asynccontextmanager
    async def async_session(self) -> AsyncIterator[Self]:
        """Make calls in here: `async with hook.awaiting():` closes what they opened, unless others use it."""
        await self._aconnect()
        await asyncio.to_thread(
            import_module, "airflow_provider_telecom.transport.async_transport"
        )  # takes 0.1 s
        async with self._client().async_session():
            yield self

    async def aclose(self) -> None:
        """Close the connections that the running event loop holds for this account."""
        if self._own_client is not None:
            await self._own_client.aclose()

    @property
    def account(self) -> Account:
        """The account that calls are made for."""
        return self._client().account

    @property
    def options(self) -> OptionsT:
        """What the connection's extra says."""
        return self._read().options

    @property
    def account_key(self) -> str:
        """What names the account, and salts what is derived from it, without telling it."""
        return self._read().credentials.key

    def get_conn(self) -> Account:
        """Return the account, which is what a connection comes down to here."""
        return self.account

    def test_connection(self) -> tuple[bool, str]:
        """Ask the vendor something that costs nothing and changes nothing; return success and a message."""
        try:
            return True, self._probe()
        except TelecomAuthError as error:
            return False, f"The credentials are refused. {error}"
        except TelecomError as error:
            return False, str(error)

    @abstractmethod
    def _probe(self) -> str:
        """Ask the vendor something that costs and changes nothing, and return what to tell of it."""

    @abstractmethod
    def _auth(self, settings: Settings[OptionsT], limits: AccountLimits) -> Auth:
        """Return how requests of this connection are signed."""

    def _sharing(self, settings: Settings[OptionsT]) -> tuple[TokenStore, LockFactory | None]:
        """Return where tokens are shared and what keeps processes apart: nowhere and nothing by default."""
        return TokenStore(), None

    def _read(self) -> Settings[OptionsT]:
        if self._settings is None:
            with HideTraceback():
                self._settings = self._checked(self.get_connection(self.conn_id))
        return self._settings

    async def _aconnect(self) -> None:
        if self._settings is None:
            with HideTraceback():
                self._settings = self._checked(await self._aget_connection())

    async def _aget_connection(self) -> Any:
        """Read the connection without blocking; under `airflow dags test` only the blocking way works."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return await self.aget_connection(self.conn_id)
        except (AirflowNotFoundException, AttributeError):
            return await asyncio.to_thread(self.get_connection, self.conn_id)

    def _checked(self, connection: Any) -> Settings[OptionsT]:
        return read_settings(connection, self.conn_type, self.options_type, self.needs_login)  # type: ignore[arg-type]

    def _client(self) -> AccountClient:
        if self._own_client is None:
            settings = self._read()
            key = (self.conn_type, settings)
            with _clients_lock, HideTraceback():
                self._own_client = _clients.get(key) or _clients.setdefault(key, self._new_client(settings))
        return self._own_client

    def _new_client(self, settings: Settings[OptionsT]) -> AccountClient:
        limits = AccountLimits(spacing=settings.options.spacing)
        account = Account(self._auth(settings, limits), limits, settings.transport_options.deadline)
        return AccountClient(settings, account, *self._sharing(settings))
