"""Each kind of fault on a running simulator: what the client sees, and whether the effect happened."""

from __future__ import annotations

import gzip
import socket
import time
from typing import Any, get_args

import httpx
import pytest

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.faults import ON_THE_WIRE, WITHOUT_EFFECT
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import FaultKind, ReceivedRequest
from tests.eventually import HANG_SECONDS

PATH = "/api/onebox/v1/originate"
NUMBERS = {"calling_number": "0670000201", "called_number": "0670000202"}
QUERY = {"token": credentials.FMC_TOKEN, **NUMBERS}
REQUEST_LINE = f"GET /kyivstar_fmc{PATH}?{httpx.QueryParams(QUERY)} HTTP/1.1"
RAW = f"{REQUEST_LINE}\r\nHost: simulator\r\nConnection: close\r\n\r\n".encode()
HAPPENS = {
    "status_after",
    "reset_after",
    "close_after",
    "half_body",
    "drip",
    "silence",
    "garbage",
    "bad_status_line",
    "two_lengths",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "silence": {"seconds": 0.2},
    "drip": {"seconds": 0.0005},
    "gzip_bomb": {"size": 3_000_001},
    "redirect": {"headers": {"Location": "http://127.0.0.1:9/steal"}},
    "body": {"body": '{"error": "0"}', "headers": {"X-Thing": "yes"}},
    "status": {"status": 429, "headers": {"Retry-After": "7"}, "body": '{"error": "slow"}'},
    "status_after": {"status": 500},
}


def wire(simulator: Simulator, data: bytes = RAW) -> tuple[bytes, str]:
    """Send raw bytes; return the response, and how the connection ended."""
    received = b""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS) as peer:
        peer.sendall(data)
        while True:
            try:
                piece = peer.recv(65536)
            except ConnectionResetError:
                return received, "reset"
            if not piece:
                return received, "closed"
            received += piece


def call(simulator: Simulator) -> httpx.Response:
    return httpx.get(simulator.base("kyivstar_fmc") + PATH, params=QUERY, timeout=HANG_SECONDS)


def calls_made(simulator: Simulator) -> int:
    return len(simulator.state.ledger.of("kyivstar_fmc", "call", calling="0670000201", called="0670000202"))


@pytest.mark.parametrize("kind", get_args(FaultKind))
def test_the_effect_happens_as_documented_and_the_request_is_recorded_once(
    telecom_simulator: Simulator, kind: FaultKind
) -> None:
    fault = telecom_simulator.fault(kind, "kyivstar_fmc", **OPTIONS.get(kind, {}))
    wire(telecom_simulator)
    assert telecom_simulator.state.requests == [ReceivedRequest("kyivstar_fmc", "GET", PATH)]
    assert calls_made(telecom_simulator) == (1 if kind in HAPPENS else 0)
    assert fault.times == 0


def test_every_kind_is_played_somewhere() -> None:
    kinds = set(get_args(FaultKind))
    assert kinds == HAPPENS | WITHOUT_EFFECT
    assert kinds >= ON_THE_WIRE
    assert not HAPPENS & WITHOUT_EFFECT


@pytest.mark.parametrize(
    ("kind", "received", "ended"),
    [
        ("reset_before", b"", "reset"),
        ("reset_after", b"", "reset"),
        ("close_before", b"", "closed"),
        ("close_after", b"", "closed"),
        ("bad_status_line", b"NOT-HTTP\r\n\r\n", "closed"),
    ],
)
def test_the_bytes_on_the_connection(
    telecom_simulator: Simulator, kind: FaultKind, received: bytes, ended: str
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc")
    assert wire(telecom_simulator) == (received, ended)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset_before", httpx.ReadError),
        ("reset_after", httpx.ReadError),
        ("close_before", httpx.RemoteProtocolError),
        ("close_after", httpx.RemoteProtocolError),
        ("half_body", httpx.RemoteProtocolError),
        ("bad_status_line", httpx.RemoteProtocolError),
    ],
)
def test_the_error_of_a_client_without_a_response(
    telecom_simulator: Simulator, kind: FaultKind, error: type[Exception]
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc")
    with pytest.raises(error):
        call(telecom_simulator)
    assert call(telecom_simulator).status_code == 200


def test_half_a_body_ends_in_the_middle(telecom_simulator: Simulator) -> None:
    path = "/kyivstar_fmc/api/cdr/v1/callstat.json"
    data = f"GET {path} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\r\n".encode()
    telecom_simulator.fault("half_body", "kyivstar_fmc")
    head, _, body = wire(telecom_simulator, data)[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    promised = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert len(body) == promised // 2 > 0


def test_a_response_without_a_body_announces_one_byte(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("half_body", "kyivstar_fmc")
    received, ended = wire(telecom_simulator)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ncontent-length: 1\r\n" in received
    assert received.endswith(b"\r\n\r\n")
    assert ended == "closed"


def _body(answer: httpx.Response) -> Any:
    return answer.status_code, answer.headers.get("content-type"), answer.text


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("status", (429, "application/json", '{"error": "slow"}')),
        ("status_after", (500, "application/json", "")),
        ("html", (200, "text/html", "<html><h1>Maintenance</h1></html>")),
        ("garbage", (200, "application/json", '{"error": "0", ]')),
        ("redirect", (302, None, "")),
        ("body", (200, "application/json", '{"error": "0"}')),
        ("drip", (200, None, "")),
        ("silence", (200, None, "")),
    ],
)
def test_the_response_of_a_client(
    telecom_simulator: Simulator, kind: FaultKind, told: tuple[int, str | None, str]
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc", **OPTIONS.get(kind, {}))
    assert _body(call(telecom_simulator)) == told
    assert _body(call(telecom_simulator)) == (200, None, "")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("status", "retry-after", "7"),
        ("redirect", "location", "http://127.0.0.1:9/steal"),
        ("body", "x-thing", "yes"),
        ("gzip_bomb", "content-encoding", "gzip"),
    ],
)
def test_headers_that_come_with_it(
    telecom_simulator: Simulator, kind: FaultKind, name: str, value: str
) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc", **OPTIONS[kind])
    assert call(telecom_simulator).headers[name] == value


def test_a_gzip_bomb_is_small_until_unpacked(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("gzip_bomb", "kyivstar_fmc", size=3_000_001)
    packed = wire(telecom_simulator)[0].partition(b"\r\n\r\n")[2]
    assert len(packed) < 10_000
    assert gzip.decompress(packed) == b"\0" * 3_000_001


def test_silence_lasts_for_its_seconds(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("silence", "kyivstar_fmc", seconds=0.3)
    started = time.monotonic()
    assert call(telecom_simulator).status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_drip_comes_byte_by_byte_and_ends_cleanly(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("drip", "kyivstar_fmc", seconds=0.002)
    started = time.monotonic()
    received, ended = wire(telecom_simulator)
    assert time.monotonic() - started >= 0.002 * len(received)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n")
    assert ended == "closed"


@pytest.mark.parametrize("kind", ["silence", "drip"])
def test_a_client_that_gives_up_ends_nothing_else(telecom_simulator: Simulator, kind: FaultKind) -> None:
    telecom_simulator.fault(kind, "kyivstar_fmc", seconds=5)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(
            telecom_simulator.base("kyivstar_fmc") + PATH,
            params=QUERY,
            timeout=httpx.Timeout(HANG_SECONDS, read=0.1),
        )
    assert call(telecom_simulator).status_code == 200
    assert calls_made(telecom_simulator) == 2


@pytest.mark.parametrize("kind", sorted(WITHOUT_EFFECT - {"gzip_bomb"}))
def test_the_request_body_is_read_to_its_end_before_the_fault(
    telecom_simulator: Simulator, kind: FaultKind
) -> None:
    """Otherwise the client might fail while it sends, which is another fault."""
    telecom_simulator.fault(kind, "ketchup_loyalty")
    with httpx.Client(timeout=HANG_SECONDS) as client:
        try:
            answer = client.post(telecom_simulator.base("ketchup_loyalty") + "/x", content=b"x" * 3_000_000)
        except httpx.TransportError as error:
            assert isinstance(error, (httpx.ReadError, httpx.RemoteProtocolError))  # noqa: PT017 - both are read
            assert kind in ON_THE_WIRE
        else:
            assert kind not in ON_THE_WIRE
            assert answer.status_code in (200, 302, 503)


def test_a_fault_is_played_as_often_as_requested(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("status", "kyivstar_fmc", times=2)
    assert [call(telecom_simulator).status_code for _ in range(3)] == [503, 503, 200]
    assert len(telecom_simulator.state.requests) == 3
    assert calls_made(telecom_simulator) == 1


def test_the_first_fault_that_matches_comes_first(telecom_simulator: Simulator) -> None:
    telecom_simulator.fault("status", "kyivstar_fmc", status=500)
    telecom_simulator.fault("status", "kyivstar_fmc", status=502)
    assert [call(telecom_simulator).status_code for _ in range(3)] == [500, 502, 200]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"vendor": "sunsim"}, {"vendor": "kyivstar_fmc"}),
        ({"method": "POST"}, {"method": "GET"}),
        ({"path": "/callstat"}, {"path": "/originate$"}),
        ({"path": "^/kyivstar_fmc"}, {"path": r"^/api/\w+/v1/"}),
    ],
)
def test_a_fault_is_for_requests_that_match(
    telecom_simulator: Simulator, other: dict[str, str], same: dict[str, str]
) -> None:
    telecom_simulator.fault("status", **other)  # type: ignore[arg-type]
    assert call(telecom_simulator).status_code == 200
    telecom_simulator.fault("status", **same)  # type: ignore[arg-type]
    assert call(telecom_simulator).status_code == 503


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"vendor": "fcm"}, "vendor must be one of kyivstar_open_telecom, ketchup_loyalty"),
        ({"path": "("}, "not a regular expression"),
    ],
)
def test_a_fault_that_could_never_match_is_refused(
    telecom_simulator: Simulator, wrong: dict[str, str], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        telecom_simulator.fault("status", **wrong)  # type: ignore[arg-type]
    assert telecom_simulator.state.faults == []


@pytest.mark.parametrize("path", ["/", "/_control/health", "/nobody"])
def test_only_vendors_are_counted_and_fail(telecom_simulator: Simulator, path: str) -> None:
    fault = telecom_simulator.fault("status")
    answer = httpx.get(telecom_simulator.url + path, timeout=HANG_SECONDS)
    assert answer.status_code == (404 if path == "/nobody" else 200)
    assert telecom_simulator.state.requests == []
    assert fault.times == 1
