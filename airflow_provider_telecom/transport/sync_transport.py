"""The synchronous transport, with requests: for workers, callbacks and the command line.

`Transport.send` sends one request and returns its outcome; `SyncTransport.run` drives a call. The adapters'
own retries are off, since two of the paid calls are GETs.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar, cast

import certifi
import requests
import urllib3
from requests.utils import get_environ_proxies

from airflow_provider_telecom.calls.endpoint import (
    Call,
    Exclusive,
    LoadToken,
    SaveToken,
    Shared,
    Sleep,
    Step,
    TakeTurn,
)
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.calls.request import Idempotency, Outcome, Request
from airflow_provider_telecom.transport.connections import (
    Adapter,
    DeadlineTimer,
    DeadlineTimers,
    Session,
    exchange,
    ignore_netrc,
)
from airflow_provider_telecom.transport.deadline import Deadline
from airflow_provider_telecom.transport.outcome import TOO_LATE, InvalidBodyError, outcome_of
from airflow_provider_telecom.transport.wire import (
    CHUNK,
    LockFactory,
    NoTurnStore,
    TokenStore,
    TransportOptions,
    TurnStore,
    encode_request,
    receive_body,
)

T = TypeVar("T")
log = logging.getLogger(__name__)


class Transport:
    """Sends single requests to one account's vendor."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        tls = options.base_url.startswith("https") and options.verify is True
        self._context = urllib3.util.create_urllib3_context() if tls else None
        if self._context is not None:
            self._context.load_verify_locations(certifi.where())
        self._proxies = get_environ_proxies(options.base_url, None) if options.trust_env else {}
        self._session = self._new_session()
        self._timers = DeadlineTimers()

    def _new_session(self) -> requests.Session:
        session = Session(self._proxies)
        session.trust_env = self._options.trust_env
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.mount("http://", Adapter(None))
        session.mount("https://", Adapter(self._context))
        return session

    @contextmanager
    def _session_for(self, request: Request) -> Iterator[requests.Session]:
        """Yield a session; a new one for a request that must not be sent twice.

        The vendor may just have closed a pooled connection, and the outcome would then be unknown.
        """
        if request.idempotency is not Idempotency.NONE:
            yield self._session
            return
        with self._new_session() as session:
            yield session

    def send(self, request: Request) -> Outcome:
        """Send one request once and return the response, NotSent or Unknown.

        Raises TelecomInputError for a request that cannot be encoded and for a host that is not allowed.
        """
        exchange.may_have_left, exchange.private_allowed = False, self._options.allow_private_hosts
        silence, in_all = self._options.timeouts(request)
        try:
            with DeadlineTimer(in_all, self._timers) as timer, self._session_for(request) as session:
                exchange.timer = timer
                return self._exchange(session, request, silence, timer)
        except Exception as error:
            too_late = exchange.timer is not None and exchange.timer.fired
            return outcome_of(error, exchange.may_have_left, too_late)
        finally:
            exchange.timer, exchange.may_have_left = None, True

    def _exchange(
        self, session: requests.Session, request: Request, silence: float, timer: DeadlineTimer
    ) -> Outcome:
        encoded = encode_request(request, self._options.base_url)
        with (
            session.request(
                request.method,
                encoded.url,
                data=encoded.content,
                headers=encoded.headers,
                auth=ignore_netrc,
                timeout=(min(self._options.connect_timeout, timer.seconds), silence),
                verify=self._options.verify,
                allow_redirects=False,
                stream=True,
            ) as response,
            receive_body(request, response.status_code, response.headers.items()) as reader,
        ):
            while not reader.has_enough and (chunk := response.raw.read1(CHUNK, decode_content=False)):
                reader.feed(chunk)
            if timer.fired:
                raise InvalidBodyError(TOO_LATE)
            return reader.finish()

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


class SyncTransport:
    """Drives calls with a transport, a token store and, if given, a lock that all processes share."""

    def __init__(
        self,
        options: TransportOptions,
        store: TokenStore | None = None,
        host_lock: LockFactory | None = None,
        turns: TurnStore | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(options)
        self._store = store or TokenStore()
        self._turns = turns or NoTurnStore()
        self._host_lock: LockFactory = host_lock or (lambda timeout: nullcontext())
        self._lock = threading.Lock()
        self._sleep = sleep

    def run(self, call: Call[T], ends_at: float = math.inf) -> T:
        """Drive the call to its end and return its result. Errors come without the frames of the call.

        The result is wanted before `time.monotonic()` shows `ends_at` (see `Deadline`).
        """
        with HideTraceback():
            return self._drive(call, ends_at)

    def _drive(self, call: Call[T], ends_at: float) -> T:
        deadline = Deadline(ends_at)
        answer: object = None
        failure: BaseException | None = None
        while True:
            try:
                step = call.throw(failure) if failure else call.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            try:
                answer, failure = self._take(deadline.limit(step), ends_at), None
            except Exception as error:
                answer, failure = None, error

    def _take(self, step: Step, ends_at: float) -> object:
        match step:
            case Request():
                return self._send(step)
            case Sleep(low, high):
                self._sleep(random.uniform(low, high))
            case LoadToken(key):
                return self._store.load(key)
            case SaveToken(key, value):
                self._store.save(key, value)
            case TakeTurn():
                return self._turns.take(step)
            case Exclusive(call, timeout):
                return self._run_exclusively(call, timeout, ends_at)
            case Shared(call):
                return self.run(call, ends_at)
        return None

    def _send(self, request: Request) -> Outcome:
        started = time.monotonic()
        outcome = self._transport.send(request)
        log.debug("%s: %r in %.0f ms", request.label, outcome, (time.monotonic() - started) * 1000)
        return outcome

    def _run_exclusively(self, call: Call[T], timeout: float, ends_at: float) -> T:
        if not self._lock.acquire(timeout=timeout):
            raise TelecomNotSentError("not sent: another caller has been fetching a token for too long")
        try:
            with self._host_lock(timeout):
                return self.run(call, ends_at)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
