"""The simulator on a port: start, stop, refusal of connections, and connections that point at it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.simulator.server import Simulator
from tests.eventually import HANG_SECONDS, eventually


@pytest.fixture(scope="module")
def shared() -> Iterator[Simulator]:
    """A simulator for this module, which may stop it."""
    simulator = Simulator()
    yield simulator
    simulator.stop()


@pytest.fixture
def simulator(shared: Simulator) -> Simulator:
    """A running simulator, as new."""
    if shared._thread is None:
        shared.start()
    shared.reset()
    return shared


def health(simulator: Simulator) -> int:
    return httpx.get(f"{simulator.url}/_control/health", timeout=HANG_SECONDS).status_code


def refused(simulator: Simulator) -> bool:
    try:
        socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_start_and_stop_leave_nothing_behind() -> None:
    first = Simulator()
    first.start()
    health(first)
    first.stop()
    threads, files = set(threading.enumerate()), open_files()
    for _ in range(3):
        one = Simulator()
        one.start()
        health(one)
        one.refuse_for(60)
        one.stop()
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
    assert refused(one)


def test_stop_does_not_wait_for_a_silent_response(simulator: Simulator) -> None:
    simulator.fault("silence", "kyivstar_fmc", seconds=3600)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.get, simulator.base("kyivstar_fmc") + "/x", timeout=HANG_SECONDS)
        assert eventually(lambda: simulator.state.requests)
        thread = simulator._thread
        simulator.stop()
        assert thread is not None
        assert not thread.is_alive()
        assert isinstance(waiting.exception(HANG_SECONDS), httpx.TransportError)


def test_stop_twice_or_before_start_is_no_error() -> None:
    never = Simulator()
    never.stop()
    never.refuse()
    never.accept()
    never.refuse_for(1)
    assert never.port == 0


def test_it_starts_again_on_the_same_port_with_a_new_state(simulator: Simulator) -> None:
    simulator.state.record("kyivstar_fmc", "call")
    port = simulator.port
    simulator.stop()
    simulator.start()
    assert simulator.port == port
    assert health(simulator) == 200
    assert simulator.state.ledger.effects == []


def test_a_busy_port_is_an_error(simulator: Simulator) -> None:
    files = open_files()
    with pytest.raises(OSError, match="in use"):
        Simulator(port=simulator.port).start()
    assert open_files() == files
    assert health(simulator) == 200


def test_it_listens_on_loopback_only(simulator: Simulator) -> None:
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{simulator.port:04X}")
    ]
    assert listening == [f"0100007F:{simulator.port:04X}"]
    assert simulator.url == f"http://127.0.0.1:{simulator.port}"


def test_refuse_drops_open_connections_and_accepts_no_new_one(simulator: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS) as kept:
        kept.sendall(b"GET /_control/health HTTP/1.1\r\nHost: simulator\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += kept.recv(65536)
        simulator.refuse()
        assert kept.recv(65536) == b""
    assert refused(simulator)
    with pytest.raises(httpx.ConnectError):
        health(simulator)
    assert simulator.state.requests == []
    simulator.accept()
    assert health(simulator) == 200


def test_refusing_ends_with_its_block_also_after_an_error(simulator: Simulator) -> None:
    def fail() -> None:
        with simulator.refusing():
            assert refused(simulator)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert health(simulator) == 200


def test_refuse_and_accept_may_be_repeated(simulator: Simulator) -> None:
    simulator.accept()
    simulator.refuse()
    simulator.refuse()
    assert refused(simulator)
    simulator.accept()
    simulator.accept()
    assert health(simulator) == 200


def test_faults_work_after_a_refusal(simulator: Simulator) -> None:
    with simulator.refusing():
        pass
    simulator.fault("reset_before", "kyivstar_fmc")
    with pytest.raises(httpx.ReadError):
        httpx.get(simulator.base("kyivstar_fmc") + "/x", timeout=HANG_SECONDS)
    with httpx.Client(timeout=HANG_SECONDS) as client:
        assert client.get(f"{simulator.url}/_control/health").status_code == 200
        simulator.refuse()
        with pytest.raises(httpx.TransportError):
            client.get(f"{simulator.url}/_control/health")


def test_refuse_for_ends_by_itself(simulator: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS) as kept:
        simulator.refuse_for(0.2)
        assert kept.recv(1) == b""  # it was refusing
    assert eventually(lambda: not refused(simulator))
    assert health(simulator) == 200


def test_the_last_refuse_for_counts(simulator: Simulator) -> None:
    simulator.refuse_for(60)
    assert eventually(lambda: simulator._timers)
    shuts, opens = simulator._timers
    assert opens.when() - shuts.when() == pytest.approx(60)


def test_the_control_api_answers_before_it_refuses(simulator: Simulator) -> None:
    answer = httpx.post(f"{simulator.url}/_control/refuse", json={"seconds": 60}, timeout=HANG_SECONDS)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert eventually(lambda: refused(simulator))


def test_a_reset_accepts_connections_and_cancels_refusals(simulator: Simulator) -> None:
    simulator.refuse_for(0.01)
    simulator.reset()
    time.sleep(0.15)  # longer than the plan that the reset cancels
    assert health(simulator) == 200
    simulator.refuse()
    simulator.reset()
    assert health(simulator) == 200


def test_a_reset_discards_all_state(simulator: Simulator) -> None:
    simulator.fault("status", times=5)
    simulator.state.record("kyivstar_fmc", "call")
    simulator.state.clock.advance(3600)
    simulator.state.set_transition("ketchup_loyalty", "after_polls", 3)
    httpx.get(simulator.base("kyivstar_fmc") + "/x", timeout=HANG_SECONDS)
    before = time.time()
    simulator.reset(seed=7)
    state = simulator.state
    assert (state.faults, state.requests, state.ledger.effects, state.seed) == ([], [], [], 7)
    assert state.transition("ketchup_loyalty.sms").mode == "immediate"
    assert before <= state.clock.now().timestamp() <= time.time()


def test_the_same_seed_gives_the_same_data(simulator: Simulator) -> None:
    def numbers(seed: int) -> list[str]:
        from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState

        simulator.reset(seed)
        return [call.calling for call in simulator.state.vendor_state("kyivstar_fmc", VendorState).calls]

    assert numbers(1) == numbers(1) != numbers(2)


def test_hundreds_of_connections_at_once_are_accepted(simulator: Simulator) -> None:
    peers = [
        socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS) for _ in range(300)
    ]
    try:
        assert health(simulator) == 200
    finally:
        for peer in peers:
            peer.close()


@pytest.mark.parametrize(
    ("conn_type", "login"),
    [
        ("kyivstar_open_telecom", "sim_client"),
        ("ketchup_loyalty", None),
        ("kyivstar_fmc", None),
        ("sunsim", None),
        ("novaconnect", None),
    ],
)
def test_a_connection_points_here(simulator: Simulator, conn_type: str, login: str | None) -> None:
    connection = simulator.connection(conn_type)
    assert connection["conn_type"] == conn_type
    assert connection["host"] == f"http://127.0.0.1:{simulator.port}/{conn_type}" == simulator.base(conn_type)
    assert connection["login"] == login
    assert connection["password"].startswith("sim_")
    assert connection["extra"]["allow_private_hosts"] is True


def test_a_connection_of_no_vendor_is_an_error(simulator: Simulator) -> None:
    with pytest.raises(KeyError):
        simulator.connection("http")


def test_the_environment_holds_the_five_default_connections(simulator: Simulator) -> None:
    environment = simulator.environment()
    assert set(environment) == {f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT" for conn_type in ACCOUNTS}
    assert environment
    for conn_type in ACCOUNTS:
        text = environment[f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT"]
        assert json.loads(text) == simulator.connection(conn_type)
        assert "'" not in text  # it stands between single quotes in a shell


@pytest.mark.parametrize("conn_type", list(ACCOUNTS))
def test_airflow_reads_the_environment(
    simulator: Simulator, conn_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import BaseHook

    for name, value in simulator.environment().items():
        monkeypatch.setenv(name, value)
    connection = BaseHook.get_connection(f"{conn_type}_default")
    assert (connection.conn_type, connection.host) == (conn_type, simulator.base(conn_type))
    assert connection.password == simulator.connection(conn_type)["password"]


@pytest.mark.parametrize("vendor", [vendor for vendor, account in ACCOUNTS.items() if account.former_path])
def test_the_paths_of_an_earlier_version_still_work(simulator: Simulator, vendor: str) -> None:
    """Users' connections contain them."""
    former = f"{simulator.url}/{ACCOUNTS[vendor].former_path}"
    answers = [httpx.get(f"{base}/no/such/path") for base in (simulator.base(vendor), former)]
    assert answers[0].status_code == answers[1].status_code
    assert len(answers[0].text) == len(answers[1].text)  # the ids of requests differ
    assert {request.vendor for request in simulator.state.requests} == {vendor}
