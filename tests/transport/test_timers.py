"""The timers that end requests whose time is up: all of a transport's in one thread."""

import gc
import random
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from airflow_provider_telecom.calls.request import Idempotency, Unknown
from airflow_provider_telecom.transport.connections import DeadlineTimer, DeadlineTimers
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.eventually import HANG_SECONDS, eventually
from tests.transport import scripted as on
from tests.transport.conftest import get, route_of
from tests.transport.scripted import tls_server

AT_ONCE, NEVER = 0.01, 600.0


@pytest.fixture
def timers() -> DeadlineTimers:
    return DeadlineTimers()


@pytest.fixture
def pair() -> Iterator[socket.socket]:
    """A socket that gets nothing until it is shut down."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        yield ours


def test_a_socket_is_shut_down_when_the_time_is_up(timers: DeadlineTimers, pair: socket.socket) -> None:
    with DeadlineTimer(AT_ONCE, timers) as timer:
        timer.set_socket(pair)
        assert pair.recv(1) == b""
        assert timer.fired


def test_a_socket_that_comes_too_late_is_shut_down(timers: DeadlineTimers, pair: socket.socket) -> None:
    with DeadlineTimer(AT_ONCE, timers) as timer:
        assert eventually(lambda: timer.fired)
        timer.set_socket(pair)
        assert pair.recv(1) == b""


def test_a_timer_fires_before_one_that_began_earlier(timers: DeadlineTimers, pair: socket.socket) -> None:
    with DeadlineTimer(NEVER, timers) as slow:
        assert eventually(lambda: bool(vars(timers._changed)["_waiters"]))  # the thread waits for the first
        with DeadlineTimer(AT_ONCE, timers) as quick:
            quick.set_socket(pair)
            assert pair.recv(1) == b""
        assert not slow.fired


def test_a_request_that_has_ended_in_time_is_left_alone(timers: DeadlineTimers, pair: socket.socket) -> None:
    with DeadlineTimer(AT_ONCE, timers) as ended:
        pass
    with DeadlineTimer(2 * AT_ONCE, timers) as last:
        last.set_socket(pair)
        assert pair.recv(1) == b""
    assert not ended.fired


def test_all_have_one_thread_which_ends_with_them_and_begins_again(timers: DeadlineTimers) -> None:
    before = set(threading.enumerate())
    for _ in range(2):
        with ExitStack() as stack:
            all_ = [stack.enter_context(DeadlineTimer(1 + n * AT_ONCE, timers)) for n in range(5)]
            assert len(set(threading.enumerate()) - before) == 1
            assert eventually(lambda timers=all_: all(timer.fired for timer in timers))
        assert eventually(lambda: set(threading.enumerate()) <= before)


def test_requests_of_several_threads_end_each_at_its_time(timers: DeadlineTimers) -> None:
    fired: list[bool] = []

    def request(seconds: float) -> None:
        with DeadlineTimer(seconds, timers) as timer:
            fired.append(eventually(lambda: timer.fired))

    threads = [threading.Thread(target=request, args=(AT_ONCE * (n % 7 + 1),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fired == [True] * 20


def test_a_thread_that_has_died_is_replaced(timers: DeadlineTimers, pair: socket.socket) -> None:
    """So it is in a fork, which has none of the threads."""
    timers._thread = threading.Thread()
    with DeadlineTimer(AT_ONCE, timers) as timer:
        timer.set_socket(pair)
        assert pair.recv(1) == b""


def test_the_end_of_execution_timeout_leaves_nothing_locked(timers: DeadlineTimers) -> None:
    """Airflow raises it from a signal, at any place of the main thread."""
    ended = 0

    class TimeoutEnded(BaseException):
        pass

    def end(*_: object) -> None:
        nonlocal ended
        ended += 1
        raise TimeoutEnded

    before = signal.signal(signal.SIGALRM, end)
    gc.disable()  # an exception in one of its callbacks is lost
    try:
        with DeadlineTimer(NEVER, timers):
            for number in range(300):
                with suppress(TimeoutEnded):
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(20e-6, 200e-6))
                    while ended == number:
                        with DeadlineTimer(NEVER, timers):
                            pass
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    other = threading.Thread(target=DeadlineTimer(NEVER, timers).__enter__, daemon=True)
    other.start()
    other.join(HANG_SECONDS)
    assert not other.is_alive()


def test_what_is_sent_when_the_time_is_up_is_never_in_plain_text(
    timers: DeadlineTimers, tmp_path: Path
) -> None:
    with tls_server(on.stay_silent, tmp_path) as (server, own):
        context = ssl.create_default_context(cafile=own)
        with (
            socket.create_connection(("127.0.0.1", server.port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
            DeadlineTimer(AT_ONCE, timers) as timer,
        ):
            timer.set_socket(sock)
            assert sock.recv(1) == b""
            assert sock.version() is not None  # None: the encryption has ended before the connection


def test_an_answer_byte_by_byte_through_tls_to_a_proxy_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = on.answer(b"x" * 100)
    has_sent_most = threading.Event()

    def script(peer: socket.socket) -> None:
        on.drip(whole[:-1], 0.05)(peer)
        has_sent_most.set()
        peer.sendall(whole[-1:])

    with tls_server(script, tmp_path) as (vendor, own):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        with on.tunnel(vendor.port, context) as proxy:
            monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("no_proxy", "")
            transport = Transport(route_of(vendor.url, {"verify": own}))
            outcome = transport.send(get(Idempotency.NONE, deadline=0.5))
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "the deadline passed"
    assert not has_sent_most.is_set()
