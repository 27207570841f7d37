"""The control desk at /_town: each route, and each order that makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from airflow_provider_telecom.simulator.app import build
from airflow_provider_telecom.simulator.callbacks import Postman
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.town import Fault, Town
from tests.eventually import HANG_SECONDS


@pytest.fixture
def town() -> Town:
    """Make a town."""
    return Town()


@pytest.fixture
def desk(town: Town) -> TestClient:
    """Give a client of the whole application, without a server."""
    return TestClient(build(town), base_url="http://127.0.0.1")


def post(desk: TestClient, route: str, order: Any) -> tuple[int, Any]:
    answer = desk.post(f"/_town/{route}", json=order)
    return answer.status_code, answer.json()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_health(town: Town, desk: TestClient) -> None:
    town.record("fmc", "call")
    town.clock.advance(7200)
    told = desk.get("/_town/health").json()
    assert (told["ok"], told["effects"]) == (True, 1)
    assert abs(moment(told["now"]) - town.clock.now()) < timedelta(seconds=5)


def test_the_ledger_may_be_asked_by_vendor_and_kind(town: Town, desk: TestClient) -> None:
    town.record("fmc", "call", calling="0670000201")
    town.record("ketchup", "sms")
    town.record("ketchup", "viber")

    def kinds(**query: str) -> list[str]:
        return [effect["kind"] for effect in desk.get("/_town/ledger", params=query).json()]

    assert kinds() == ["call", "sms", "viber"]
    assert kinds(vendor="ketchup") == ["sms", "viber"]
    assert kinds(kind="viber") == kinds(vendor="ketchup", kind="viber") == ["viber"]
    assert kinds(vendor="fmc", kind="viber") == []
    first = desk.get("/_town/ledger").json()[0]
    assert (first["vendor"], first["facts"]) == ("fmc", {"calling": "0670000201"})
    assert moment(first["at"]) == town.ledger.effects[0].at


def test_requests_are_listed_in_order(telecom_simulator: Simulator) -> None:
    httpx.get(telecom_simulator.base("fmc") + "/a", timeout=HANG_SECONDS)
    httpx.post(telecom_simulator.base("sunsim") + "/b/c?token=x", timeout=HANG_SECONDS)
    assert httpx.get(telecom_simulator.url + "/_town/requests", timeout=HANG_SECONDS).json() == [
        {"vendor": "fmc", "method": "GET", "path": "/a"},
        {"vendor": "sunsim", "method": "POST", "path": "/b/c"},
    ]


def test_callbacks_are_listed(town: Town, desk: TestClient) -> None:
    town.books("postman", Postman).post("http://192.0.2.1/", {})
    (posted,) = desk.get("/_town/callbacks").json()
    assert (posted["url"], posted["verdict"]) == ("http://192.0.2.1/", "refused: not a loopback address")


def test_a_fault_is_ordered_in_full(town: Town, desk: TestClient) -> None:
    order: dict[str, Any] = {
        "kind": "status_after",
        "vendor": "ketchup",
        "method": "POST",
        "path": "/sms/create",
        "times": 3,
        "status": 500,
        "headers": {"Retry-After": "7"},
        "body": "{}",
        "seconds": 0.5,
        "size": 10,
    }
    assert post(desk, "faults", order) == (200, {"faults": 1})
    assert town.faults == [Fault(**order)]


def test_a_fault_has_the_defaults_of_the_town(town: Town, desk: TestClient) -> None:
    post(desk, "faults", {"kind": "reset_after"})
    assert town.faults == [Fault("reset_after")]


def test_faults_may_come_as_a_list_and_go_together(town: Town, desk: TestClient) -> None:
    assert post(desk, "faults", [{"kind": "html"}, {"kind": "silence"}]) == (200, {"faults": 2})
    assert [fault.kind for fault in town.faults] == ["html", "silence"]
    assert desk.delete("/_town/faults").json() == {"faults": 0}
    assert town.faults == []


@pytest.mark.parametrize("kind", ["ketchup.sms", "ketchup"])
def test_ripeness_is_set(town: Town, desk: TestClient, kind: str) -> None:
    assert post(desk, "ripeness", {"kind": kind, "mode": "looks", "count": 2}) == (200, {"ok": True})
    state = town.ripen("ketchup.sms", ["accepted", "delivered"])
    assert [state.look() for _ in range(3)] == ["accepted", "delivered", "delivered"]


def test_the_clock_moves_ahead(town: Town, desk: TestClient) -> None:
    before = town.clock.now()
    status, told = post(desk, "clock", {"advance": 3600})
    assert status == 200
    assert timedelta(hours=1) <= moment(told["now"]) - before < timedelta(hours=1, seconds=5)


@pytest.mark.parametrize("text", ["2026-10-25T00:30:00Z", "2026-10-25T03:30:00+03:00"])
def test_the_clock_is_set(town: Town, desk: TestClient, text: str) -> None:
    assert post(desk, "clock", {"set": text})[0] == 200
    there = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert timedelta(0) <= town.clock.now() - there < timedelta(seconds=5)


def test_the_town_is_made_new(town: Town, desk: TestClient) -> None:
    town.record("fmc", "call")
    town.faults.append(Fault("html"))
    town.clock.advance(3600)
    assert post(desk, "reset", {"seed": 7}) == (200, {"ok": True})
    assert (town.ledger.effects, town.faults, town.seed) == ([], [], 7)
    assert abs(town.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_refusing_is_passed_on_to_the_server(town: Town) -> None:
    asked: list[float] = []
    desk = TestClient(build(town, asked.append))
    assert post(desk, "refuse", {"seconds": 2.5}) == (200, {"ok": True})
    assert asked == [2.5]


def test_without_a_server_nobody_can_refuse(desk: TestClient) -> None:
    assert post(desk, "refuse", {"seconds": 1})[0] == 409


@pytest.mark.parametrize(
    ("route", "order"),
    [
        ("faults", {}),
        ("faults", {"kind": "explode"}),
        ("faults", {"kind": "html", "vender": "ketchup"}),
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
        ("ripeness", {"kind": "ketchup.sms"}),
        ("ripeness", {"kind": "ketchup.sms", "mode": "slowly"}),
        ("ripeness", {"kind": "ketchup.sms", "mode": "looks", "count": -1}),
        ("ripeness", {"kind": "ketchpu.sms", "mode": "looks", "count": 1}),
        ("ripeness", {"kind": "", "mode": "looks", "count": 1}),
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
def test_an_order_that_makes_no_sense_is_refused_and_changes_nothing(
    town: Town, desk: TestClient, route: str, order: Any
) -> None:
    assert post(desk, route, order)[0] == 422
    assert (town.faults, town.seed, town.ripeness("ketchup.sms").mode) == ([], 0, "at_once")
    assert abs(town.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("body", [b"", b"{", b"[]x", b"\xff"])
def test_what_is_not_json_is_refused(desk: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert desk.post("/_town/faults", content=body, headers=headers).status_code in (400, 422)


def test_there_is_no_documentation_page_to_load_from_elsewhere(desk: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert desk.get(path).status_code == 404
