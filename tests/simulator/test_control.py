"""The control API at /_control: each route, and each body that is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_provider_telecom.simulator.app import build
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import Fault, SimulatorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from tests.eventually import HANG_SECONDS


@pytest.fixture(scope="module")
def shared() -> tuple[SimulatorState, FastAPI]:
    """The whole application, without a server, and its state."""
    state = SimulatorState()
    return state, build(state)


@pytest.fixture
def state(shared: tuple[SimulatorState, FastAPI]) -> SimulatorState:
    """The state of the application, as new."""
    shared[0].reset()
    return shared[0]


@pytest.fixture
def control(shared: tuple[SimulatorState, FastAPI], state: SimulatorState) -> TestClient:
    """A client of the application."""
    return TestClient(shared[1], base_url="http://127.0.0.1")


def post(control: TestClient, route: str, order: Any) -> tuple[int, Any]:
    answer = control.post(f"/_control/{route}", json=order)
    return answer.status_code, answer.json()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_health(state: SimulatorState, control: TestClient) -> None:
    state.record("kyivstar_fmc", "call")
    state.clock.advance(7200)
    told = control.get("/_control/health").json()
    assert (told["ok"], told["effects"]) == (True, 1)
    assert abs(moment(told["now"]) - state.clock.now()) < timedelta(seconds=5)


def test_the_ledger_can_be_filtered_by_vendor_and_kind(state: SimulatorState, control: TestClient) -> None:
    state.record("kyivstar_fmc", "call", calling="0670000201")
    state.record("ketchup_loyalty", "sms")
    state.record("ketchup_loyalty", "viber")

    def kinds(**query: str) -> list[str]:
        return [effect["kind"] for effect in control.get("/_control/ledger", params=query).json()]

    assert kinds() == ["call", "sms", "viber"]
    assert kinds(vendor="ketchup_loyalty") == ["sms", "viber"]
    assert kinds(kind="viber") == kinds(vendor="ketchup_loyalty", kind="viber") == ["viber"]
    assert kinds(vendor="kyivstar_fmc", kind="viber") == []
    first = control.get("/_control/ledger").json()[0]
    assert (first["vendor"], first["facts"]) == ("kyivstar_fmc", {"calling": "0670000201"})
    assert moment(first["at"]) == state.ledger.effects[0].at


def test_requests_are_listed_in_order(telecom_simulator: Simulator) -> None:
    httpx.get(telecom_simulator.base("kyivstar_fmc") + "/a", timeout=HANG_SECONDS)
    httpx.post(telecom_simulator.base("sunsim") + "/b/c?token=x", timeout=HANG_SECONDS)
    assert httpx.get(telecom_simulator.url + "/_control/requests", timeout=HANG_SECONDS).json() == [
        {"vendor": "kyivstar_fmc", "method": "GET", "path": "/a"},
        {"vendor": "sunsim", "method": "POST", "path": "/b/c"},
    ]


def test_webhooks_are_listed(state: SimulatorState, control: TestClient) -> None:
    state.vendor_state("webhook_sender", WebhookSender).post("http://192.0.2.1/", {})
    (posted,) = control.get("/_control/webhooks").json()
    assert (posted["url"], posted["verdict"]) == ("http://192.0.2.1/", "refused: not a loopback address")


def test_a_fault_with_all_fields(state: SimulatorState, control: TestClient) -> None:
    order: dict[str, Any] = {
        "kind": "status_after",
        "vendor": "ketchup_loyalty",
        "method": "POST",
        "path": "/sms/create",
        "times": 3,
        "status": 500,
        "headers": {"Retry-After": "7"},
        "body": "{}",
        "seconds": 0.5,
        "size": 10,
    }
    assert post(control, "faults", order) == (200, {"faults": 1})
    assert state.faults == [Fault(**order)]


def test_a_fault_has_the_defaults_of_the_class(state: SimulatorState, control: TestClient) -> None:
    post(control, "faults", {"kind": "reset_after"})
    assert state.faults == [Fault("reset_after")]


def test_faults_may_come_as_a_list_and_be_removed(state: SimulatorState, control: TestClient) -> None:
    assert post(control, "faults", [{"kind": "html"}, {"kind": "silence"}]) == (200, {"faults": 2})
    assert [fault.kind for fault in state.faults] == ["html", "silence"]
    assert control.delete("/_control/faults").json() == {"faults": 0}
    assert state.faults == []


@pytest.mark.parametrize("kind", ["ketchup_loyalty.sms", "ketchup_loyalty"])
def test_a_transition_is_set(state: SimulatorState, control: TestClient, kind: str) -> None:
    assert post(control, "transitions", {"kind": kind, "mode": "after_polls", "count": 2}) == (
        200,
        {"ok": True},
    )
    progression = state.start_progression("ketchup_loyalty.sms", ["accepted", "delivered"])
    assert [progression.poll() for _ in range(3)] == ["accepted", "delivered", "delivered"]


def test_the_clock_moves_ahead(state: SimulatorState, control: TestClient) -> None:
    before = state.clock.now()
    status, told = post(control, "clock", {"advance": 3600})
    assert status == 200
    assert timedelta(hours=1) <= moment(told["now"]) - before < timedelta(hours=1, seconds=5)


@pytest.mark.parametrize("text", ["2026-10-25T00:30:00Z", "2026-10-25T03:30:00+03:00"])
def test_the_clock_is_set(state: SimulatorState, control: TestClient, text: str) -> None:
    assert post(control, "clock", {"set": text})[0] == 200
    there = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert timedelta(0) <= state.clock.now() - there < timedelta(seconds=5)


def test_the_state_is_reset(state: SimulatorState, control: TestClient) -> None:
    state.record("kyivstar_fmc", "call")
    state.faults.append(Fault("html"))
    state.clock.advance(3600)
    assert post(control, "reset", {"seed": 7}) == (200, {"ok": True})
    assert (state.ledger.effects, state.faults, state.seed) == ([], [], 7)
    assert abs(state.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_refuse_calls_the_server(state: SimulatorState) -> None:
    asked: list[float] = []
    control = TestClient(build(state, asked.append))
    assert post(control, "refuse", {"seconds": 2.5}) == (200, {"ok": True})
    assert asked == [2.5]


def test_refuse_needs_a_server(control: TestClient) -> None:
    assert post(control, "refuse", {"seconds": 1})[0] == 409


@pytest.mark.parametrize(
    ("route", "order"),
    [
        ("faults", {}),
        ("faults", {"kind": "explode"}),
        ("faults", {"kind": "html", "vender": "ketchup_loyalty"}),
        ("faults", {"kind": "html", "vendor": "ketchpu"}),
        ("faults", {"kind": "html", "path": "("}),
        ("faults", {"kind": "html", "times": 0}),
        ("faults", {"kind": "status", "status": 99}),
        ("faults", {"kind": "status", "status": 600}),
        ("faults", {"kind": "status", "headers": {"Retry-After": 7}}),
        ("faults", {"kind": "silence", "seconds": -1}),
        ("faults", {"kind": "gzip_bomb", "size": -1}),
        ("faults", [{"kind": "html"}, {"kind": "html", "path": "("}]),
        ("faults", [{"kind": "html"}, {"kind": "explode"}]),
        ("transitions", {"kind": "ketchup_loyalty.sms"}),
        ("transitions", {"kind": "ketchup_loyalty.sms", "mode": "slowly"}),
        ("transitions", {"kind": "ketchup_loyalty.sms", "mode": "after_polls", "count": -1}),
        ("transitions", {"kind": "ketchpu.sms", "mode": "after_polls", "count": 1}),
        ("transitions", {"kind": "", "mode": "after_polls", "count": 1}),
        ("clock", {}),
        ("clock", {"advance": 1, "set": "2026-10-25T00:30:00Z"}),
        ("clock", {"advance": -1}),
        ("clock", {"advance": 1e300}),
        ("clock", {"advance": "soon"}),
        ("clock", {"set": "2026-10-25T00:30:00"}),
        ("clock", {"forward": 1}),
        ("reset", {"seed": "seven"}),
        ("reset", {"sead": 7}),
        ("refuse", {"seconds": 0}),
        ("refuse", {"seconds": 601}),
    ],
)
def test_an_invalid_body_is_refused_and_changes_nothing(
    state: SimulatorState, control: TestClient, route: str, order: Any
) -> None:
    assert post(control, route, order)[0] == 422
    assert (state.faults, state.seed, state.transition("ketchup_loyalty.sms").mode) == ([], 0, "immediate")
    assert abs(state.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("body", [b"", b"{", b"[]x", b"\xff"])
def test_what_is_not_json_is_refused(control: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert control.post("/_control/faults", content=body, headers=headers).status_code in (400, 422)


def test_there_is_no_documentation_page(control: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert control.get(path).status_code == 404
