"""Base class of the hooks: reads the connection once, and shares an account's client in the process."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook

from airflow_provider_telecom.calls.endpoint import Call, TakeTurn, call_of
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.calls.retry import Auth, wait_until_ready
from airflow_provider_telecom.calls.retry_after import MAX_WAIT
from airflow_provider_telecom.hooks.settings import Settings, read_settings
from airflow_provider_telecom.hooks.turn_store import turn_store
from airflow_provider_telecom.transport.sync_transport import SyncTransport
from airflow_provider_telecom.transport.wire import LockFactory, TokenStore, TurnStore
from airflow_provider_telecom.vendors.api import Account, Api
from airflow_provider_telecom.vendors.description import Vendor
from airflow_provider_telecom.vendors.options import Options

if TYPE_CHECKING:
    from typing import Self

    from airflow_provider_telecom.transport.async_transport import AsyncTransport
    from airflow_provider_telecom.transport.shared_calls import Follower

P = ParamSpec("P")
T = TypeVar("T")
OptionsT = TypeVar("OptionsT", bound=Options)


class AccountClient:
    """The transports of one account. All hooks with equal settings in a process share it, and with it tokens,
    limits and connections."""

    def __init__(
        self,
        settings: Settings[Any],
        account: Account,
        store: TokenStore,
        lock: LockFactory | None,
        turns: TurnStore | None,
    ) -> None:
        self.account, self.process_id = account, os.getpid()
        self._settings, self._store, self._lock, self._turns = settings, store, lock, turns
        self.sync_transport = SyncTransport(settings.transport_options, store, lock, turns)
        self._async_transports: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncTransport] = (
            WeakKeyDictionary()
        )
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()

    def async_transport(self) -> AsyncTransport:
        """Return the transport of the running event loop."""
        from airflow_provider_telecom.transport.async_transport import AsyncTransport

        loop = asyncio.get_running_loop()
        if loop not in self._async_transports:
            self._async_transports[loop] = AsyncTransport(
                self._settings.transport_options, self._store, self._lock, self._turns
            )
        return self._async_transports[loop]

    def close(self) -> None:
        """Close the connections of the synchronous transport and of the store of turns."""
        self.sync_transport.close()
        if self._turns is not None:
            self._turns.close()

    @asynccontextmanager
    async def async_session(self, follower: Follower | None = None) -> AsyncIterator[None]:
        """Keep the connections of the running event loop open until its last session ends."""
        loop = asyncio.get_running_loop()
        self._sessions[loop] = self._sessions.get(loop, 0) + 1
        try:
            yield
        finally:
            if follower is not None and loop in self._async_transports:
                self._async_transports[loop].shared_calls.leave(follower)
            self._sessions[loop] -= 1
            if not self._sessions[loop]:
                await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if (transport := self._async_transports.pop(asyncio.get_running_loop(), None)) is not None:
            await transport.close()


AnyHook: TypeAlias = "TelecomHook[Any]"
_calls_end_at: ContextVar[float] = ContextVar("calls_end_at", default=math.inf)
"""When blocking calls must have ended, by `time.monotonic()`."""
_clients: dict[Hashable, AccountClient] = {}
_clients_lock = threading.Lock()
_reads: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Future[Any]]] = WeakKeyDictionary()
"""The connections that are being read in each event loop."""
_MAX_SHARED_WAIT = 60.0
"""Seconds. A secrets backend that never answers one reader does not stop the others."""


def _forget_inherited_clients() -> None:
    """Forget the clients in a fork: it must not share sockets, and no thread of it may have the lock."""
    global _clients_lock
    _clients_lock = threading.Lock()
    _clients.clear()


os.register_at_fork(after_in_child=_forget_inherited_clients)


def forget_clients() -> None:
    """Close the clients of this process, with their tokens and limits. For tests: new hooks start afresh."""
    with _clients_lock:
        for client in _clients.values():
            client.close()
        _clients.clear()


class TelecomHook(BaseHook, Api[OptionsT], ABC):
    """Base class of the hooks: a vendor's calls for a connection. The methods block; `aio` awaits them."""

    vendor: ClassVar[Vendor]
    conn_type: ClassVar[str]
    conn_name_attr: ClassVar[str] = "conn_id"
    default_conn_name: ClassVar[str]
    hook_name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    needs_login: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.conn_type, cls.hook_name = cls.vendor.id, cls.vendor.label
        cls.default_conn_name = cls.vendor.default_conn_id

    def __init__(self, conn_id: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id or self.default_conn_name
        self._settings: Settings[OptionsT] | None = None
        self._own_client: AccountClient | None = None
        self._session_transport: AsyncTransport | None = None
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} conn_id={self.conn_id!r}>"

    def run(self, call: Call[T], /, ends_at: float = math.inf) -> T:
        """Make a call, blocking, until `time.monotonic()` is `ends_at` at the latest."""
        with self.add_connection_to_errors():
            return self._client().sync_transport.run(call, min(ends_at, _calls_end_at.get()))

    @contextmanager
    def calls_end_in(self, seconds: float) -> Iterator[None]:
        """Let each blocking call in this context end within so many seconds from now (see `Deadline`).

        It holds for this thread alone.
        """
        before = _calls_end_at.set(time.monotonic() + seconds)
        try:
            yield
        finally:
            _calls_end_at.reset(before)

    def wait_until_ready(self) -> None:
        """Wait until a request can be sent: for the rate limit, the quota (at most 300 s) and the token.

        The journal calls it before it writes the intent of an effect. Raises TelecomNotSentError (the last
        requests failed, or there is no token), TelecomThrottledError (it would take longer than 300 s) and
        TelecomAuthError.
        """
        self.run(wait_until_ready(self.account.auth, self.account.limits))

    async def aio(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await a method: `await hook.aio(hook.get_sms, "22125")`, like `asyncio.to_thread`."""
        call = call_of(method, *args, **kwargs)
        del args, kwargs  # error trackers record the variables of this frame
        return await self.arun(call)

    async def arun(self, call: Call[T], /) -> T:
        """Make a call without blocking the event loop."""
        try:
            if self._session_transport is not None:
                return await self._session_transport.run(call, follower=self._follower)
            await self._aconnect()
            return await self._client().async_transport().run(call)
        except TelecomError as error:
            self._add_connection(error)
            raise

    @contextmanager
    def add_connection_to_errors(self) -> Iterator[None]:
        """Add the connection and the host to errors that are raised in this context."""
        try:
            yield
        except TelecomError as error:
            with suppress(Exception):  # if the connection can't be read, there is no host
                self._read()
            self._add_connection(error)
            raise

    def _add_connection(self, error: TelecomError) -> None:
        error.conn_id = error.conn_id or self.conn_id
        if self._settings is not None:
            error.host = error.host or urlsplit(self._settings.transport_options.base_url).netloc

    @asynccontextmanager
    async def async_session(self, follower: Follower | None = None) -> AsyncIterator[Self]:
        """Keep the connections open in this context, and close them after the last session.

        In it, a `follower` shares the results of status checks with others.
        """
        await self._aconnect()
        # In a thread: the import takes 0.1 s, which would block the event loop.
        await asyncio.to_thread(import_module, "airflow_provider_telecom.transport.async_transport")
        async with self._client().async_session(follower):
            self._session_transport, self._follower = self._client().async_transport(), follower
            try:
                yield self
            finally:
                self._session_transport = self._follower = None

    async def aclose(self) -> None:
        """Close this account's connections of the running event loop."""
        if self._own_client is not None:
            await self._own_client.aclose()

    @property
    def account(self) -> Account:
        """The account of the connection."""
        return self._client().account

    @property
    def options(self) -> OptionsT:
        """The extra fields of the connection."""
        return self._read().options

    @property
    def account_key(self) -> str:
        """A hash that identifies the account without showing it. It also salts hashes of recipients."""
        return self._read().credentials.key

    def get_conn(self) -> Account:
        """Return the account."""
        return self.account

    def test_connection(self) -> tuple[bool, str]:
        """Make a call that costs nothing and changes nothing; return success and a message."""
        try:
            with self.add_connection_to_errors():
                return True, self._probe()
        except TelecomAuthError as error:
            return False, f"The credentials are refused. {_explained(error)}"
        except TelecomError as error:
            return False, _explained(error)

    @abstractmethod
    def _probe(self) -> str:
        """Make a call that costs nothing and changes nothing, and return a message about it."""

    @abstractmethod
    def _auth(self, settings: Settings[OptionsT], limits: AccountLimits) -> Auth:
        """Return the scheme that signs the requests."""

    def _sharing(self, settings: Settings[OptionsT]) -> tuple[TokenStore, LockFactory | None]:
        """Return the store and the lock that processes share for tokens. The default shares nothing."""
        return TokenStore(), None

    def _read(self) -> Settings[OptionsT]:
        if self._settings is None:
            with HideTraceback(), self._name_connection():
                self._settings = self._checked(self.get_connection(self.conn_id))
        return self._settings

    async def _aconnect(self) -> None:
        if self._settings is None:
            with HideTraceback(), self._name_connection():
                self._settings = self._checked(await self._aget_connection())

    @contextmanager
    def _name_connection(self) -> Iterator[None]:
        """Name the connection in errors of reading it, and say what to do if Airflow does not find it.

        That error keeps its class, and with it Airflow's own retries: a secrets backend that is down has the
        same effect.
        """
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            yield
        except TelecomError as error:
            self._add_connection(error)
            raise
        except AirflowNotFoundException:
            raise AirflowNotFoundException(
                f"there is no connection {self.conn_id}: add it on the page Admin > Connections with the "
                f'type "{self.hook_name}", or set AIRFLOW_CONN_{self.conn_id.upper()}; nothing was sent'
            ) from None

    async def _aget_connection(self) -> Any:
        """Read the connection without blocking. All who need it while it is being read share that read.

        A read sends up to three messages to the triggerer's supervisor, which answers one in each turn of its
        loop: the last of 2,000 triggers would have to wait for minutes.
        """
        loop = asyncio.get_running_loop()
        reads = _reads.setdefault(loop, {})
        while (read := reads.get(self.conn_id)) is not None:
            await asyncio.wait([read], timeout=_MAX_SHARED_WAIT)
            if not read.cancelled():
                return (read.result() if read.done() else None) or await self._aread_alone()
        reads[self.conn_id] = read = loop.create_future()
        connection = None
        try:
            connection = await self._aread_alone()
        except asyncio.CancelledError:
            read.cancel()  # one of the others reads it
            raise
        finally:
            del reads[self.conn_id]
            if not read.done():
                read.set_result(connection)
        return connection

    async def _aread_alone(self) -> Any:
        """Read the connection. Under `airflow dags test` only the blocking API works."""
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return await self.aget_connection(self.conn_id)
        except (AirflowNotFoundException, AttributeError):
            return await asyncio.to_thread(self.get_connection, self.conn_id)

    def _checked(self, connection: object) -> Settings[OptionsT]:
        return read_settings(connection, self.conn_type, self.options_type, self.needs_login)  # type: ignore[arg-type]

    def _client(self) -> AccountClient:
        if self._own_client is None or self._own_client.process_id != os.getpid():  # of before a fork
            settings = self._read()
            key = (self.conn_type, settings)
            with _clients_lock, HideTraceback():
                self._own_client = _clients.get(key) or _clients.setdefault(key, self._new_client(settings))
        return self._own_client

    def _new_client(self, settings: Settings[OptionsT]) -> AccountClient:
        turns, limits = turn_store(settings.options.rate_limit), AccountLimits(settings.options.spacing)
        if turns is not None:
            account_key = f"{self.conn_type}/{settings.credentials.key}"
            limits = AccountLimits(shared=TakeTurn(account_key, settings.options.spacing, MAX_WAIT))
        account = Account(self._auth(settings, limits), limits, settings.transport_options.deadline)
        return AccountClient(settings, account, *self._sharing(settings), turns)


def _explained(error: TelecomError) -> str:
    """Return an error for Airflow's Test button, which tests a copy of the connection under a random id."""
    if not error.next_step:
        return error.summary
    where = f" [host {error.host}]" if error.host else ""
    return f"{error.summary}{where}: {error.next_step.replace('{conn_id}', 'this connection')}"
