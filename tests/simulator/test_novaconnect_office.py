"""The pretend NovaConnect: people, groups, bills, reports and account notices."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from airflow_provider_telecom.simulator.credentials import NOVACONNECT_TOKEN, NOVACONNECT_USER_TOKEN
from airflow_provider_telecom.simulator.novaconnect import VendorState, routes
from airflow_provider_telecom.simulator.novaconnect.seed import REPORT_DAYS
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.simulator.application import application

NEW_USER = {"first_name": "Dana", "last_name": "New", "email": "dana@example.kz", "phone": "77000009050"}
NOTICE_URL = "http://127.0.0.1:9/notices"


class RecordingSender:
    """Records the webhooks that would be sent."""

    def __init__(self, state: SimulatorState) -> None:
        self.posted: list[tuple[str, Any]] = []

    def post(self, url: str, body: object, tries: tuple[float, ...] = (0,)) -> None:
        self.posted.append((url, body))


class Office:
    """A customer at NovaConnect's back office."""

    def __init__(self) -> None:
        self.state, app = application(routes, "/x")
        self.sender: RecordingSender = self.state.vendor_state("webhook_sender", RecordingSender)
        self.vendor_state: VendorState = self.state.vendor_state("novaconnect", VendorState)
        self.client = TestClient(app)

    def ask(self, path: str, body: Any, token: str = NOVACONNECT_TOKEN) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.client.post(f"/x/api/{path}?lang=en", json=body, headers=headers)
        assert answer.status_code == 200
        parsed: dict[str, Any] = answer.json()
        return parsed

    def item(self, path: str, body: Any, token: str = NOVACONNECT_TOKEN) -> dict[str, Any]:
        answer = self.ask(path, body, token)
        assert answer["code"] == 200, answer
        item: dict[str, Any] = answer["result"]["item"]
        return item

    def rows(self, path: str, **body: Any) -> list[dict[str, Any]]:
        answer = self.ask(f"report/{path}", {"size": 100_000, **body})
        assert answer["code"] == 200, answer
        assert set(answer) == {"code", "message", "result"}
        assert set(answer["result"]) == {"items"}
        items: list[dict[str, Any]] = answer["result"]["items"]
        return items

    def effects(self, kind: str) -> list[dict[str, Any]]:
        return [effect.facts for effect in self.state.ledger.of("novaconnect", kind)]

    def day(self, ago: int) -> str:
        return (self.state.clock.now() - timedelta(days=ago)).strftime("%d-%m-%Y")


@pytest.fixture
def office() -> Office:
    return Office()


# --- company and users


def test_company(office: Office) -> None:
    company = office.item("company/get", {})
    assert company["balance"] == "152300.50 ₸"
    assert company["billing_type"] == 0


def test_user_get_tells_who_asks(office: Office) -> None:
    answer = office.ask("user/get", {}, NOVACONNECT_USER_TOKEN)
    assert (answer["count"], answer["all_count"]) == (1, 1)
    assert answer["result"]["item"] == {
        "id": 102,
        "first_name": "Ivan",
        "last_name": "User",
        "phone": "77000009001",
        "email": "ivan@example.kz",
        "active": True,
        "role": "user",
    }


def test_user_list_needs_its_page(office: Office) -> None:
    answer = office.ask("user/list", {"page": 1, "size": 3})
    assert (answer["count"], answer["all_count"], len(answer["items"])) == (1, 4, 1)
    assert "password" not in answer["items"][0]
    assert office.ask("user/list", {"page": 0})["code"] == 400


def test_user_create(office: Office) -> None:
    user = office.item("user/create", {**NEW_USER, "send": True, "role": "admin"})
    assert user["role"] == "admin"
    assert user["active"] is True
    assert office.effects("user_created") == [
        {"id": user["id"], "email": "dana@example.kz", "role": "admin", "send": True}
    ]
    assert office.ask("user/create", NEW_USER)["code"] == 400


def test_a_new_user_is_plain_and_gets_no_mail_by_default(office: Office) -> None:
    assert office.item("user/create", NEW_USER)["role"] == "user"
    assert office.effects("user_created")[0]["send"] is False


@pytest.mark.parametrize(
    "change",
    [{"email": "no"}, {"phone": "abc"}, {"role": "boss"}, {"send": 1}, {"active": True}, {"last_name": ""}],
)
def test_a_wrong_new_user_is_400(office: Office, change: dict[str, Any]) -> None:
    assert office.ask("user/create", {**NEW_USER, **change})["code"] == 400
    assert office.effects("user_created") == []


def test_user_edit_of_oneself(office: Office) -> None:
    user = office.item("user/edit", {"first_name": "Vanya"}, NOVACONNECT_USER_TOKEN)
    assert (user["id"], user["first_name"]) == (102, "Vanya")
    assert office.item("user/edit", {"id": 102, "phone": "77000009077"}, NOVACONNECT_USER_TOKEN)["id"] == 102
    assert office.effects("user_edited") == [
        {"id": 102, "fields": ["first_name"]},
        {"id": 102, "fields": ["phone"]},
    ]


@pytest.mark.parametrize(
    ("body", "token", "code"),
    [
        ({"phone": "77000009077"}, NOVACONNECT_TOKEN, 400),
        ({"password": "x"}, NOVACONNECT_TOKEN, 400),
        ({"id": 101, "password": "x"}, NOVACONNECT_TOKEN, 403),
        ({"id": 101, "active": False}, NOVACONNECT_TOKEN, 403),
        ({"id": 101, "role": "user"}, NOVACONNECT_TOKEN, 403),
        ({"id": 103, "first_name": "x"}, NOVACONNECT_USER_TOKEN, 403),
        ({"id": 102, "role": "admin"}, NOVACONNECT_USER_TOKEN, 403),
        ({"id": 9, "first_name": "x"}, NOVACONNECT_TOKEN, 404),
        ({"id": 103, "email": "ivan@example.kz"}, NOVACONNECT_TOKEN, 400),
        ({"id": 103, "nick": "x"}, NOVACONNECT_TOKEN, 400),
    ],
)
def test_user_edit_refusals(office: Office, body: dict[str, Any], token: str, code: int) -> None:
    assert office.ask("user/edit", body, token)["code"] == code
    assert office.effects("user_edited") == []


def test_an_administrator_edits_others(office: Office) -> None:
    user = office.item("user/edit", {"id": 104, "active": True, "role": "admin", "password": "fresh"})
    assert (user["active"], user["role"]) == (True, "admin")
    assert office.vendor_state.users[104].password == "fresh"
    assert office.effects("user_edited") == [{"id": 104, "fields": ["active", "password", "role"]}]


def test_a_repeated_password_change_fails(office: Office) -> None:
    change = {"old_password": "sim_password_0", "password": "fresh"}
    assert office.item("user/password", change)["id"] == 101
    assert office.ask("user/password", change)["code"] == 400
    assert office.effects("password_changed") == [{"id": 101}]


def test_user_remove(office: Office) -> None:
    assert office.item("user/remove", {"id": 102})["email"] == "ivan@example.kz"
    assert office.ask("user/remove", {"id": 102})["code"] == 404
    assert office.ask("user/remove", {"id": 101})["code"] == 403
    assert [facts["id"] for facts in office.effects("user_removed")] == [102]
    headers = {"Authorization": f"Bearer {NOVACONNECT_USER_TOKEN}"}
    assert office.client.post("/x/api/user/get", json={}, headers=headers).status_code == 401


# --- groups


def test_group_list_by_a_part_of_the_name(office: Office) -> None:
    answer = office.ask("group/list", {"page": 0, "size": 10, "filter": {"name": "AST"}})
    assert [group["name"] for group in answer["items"]] == ["Astana"]
    assert set(answer["items"][0]) == {"id", "name", "added"}
    assert office.ask("group/list", {"page": 0, "size": 2})["all_count"] == 5
    assert office.ask("group/list", {"size": 2})["code"] == 400


def test_a_group_from_birth_to_end(office: Office) -> None:
    group = office.item("group/create", {"name": "Pumps"})
    assert office.item("group/edit", {"id": group["id"], "name": "Wells"})["name"] == "Wells"
    office.vendor_state.sims[1001].groups = [group["id"]]
    assert office.item("group/remove", {"id": group["id"]})["name"] == "Wells"
    assert office.vendor_state.sims[1001].groups == []
    for path in ("group/edit", "group/remove"):
        body = {"id": group["id"], **({"name": "x"} if path == "group/edit" else {})}
        assert office.ask(path, body)["code"] == 404
    for kind in ("group_created", "group_edited", "group_removed"):
        assert [facts["id"] for facts in office.effects(kind)] == [group["id"]]


def test_a_repeated_group_create_makes_a_second_group(office: Office) -> None:
    assert office.item("group/create", {"name": "Meters"}) != office.item("group/create", {"name": "Meters"})
    answer = office.ask("group/list", {"page": 0, "size": 10, "filter": {"name": "Meters"}})
    assert answer["all_count"] == 3
    assert office.ask("group/create", {"name": " "})["code"] == 400


# --- bills


def test_bill_list(office: Office) -> None:
    answer = office.ask("bill/list", {"page": 0, "size": 4})
    assert (answer["count"], answer["all_count"], answer["allow_operations"]) == (4, 6, {})
    bill = answer["items"][0]
    assert bill["paided"] == 0
    assert bill["bid"] == "NC-506"
    assert bill["valute_cost"] == round(bill["cost"] * bill["valute_course"], 2)
    assert set(bill) == {
        *("period", "added", "id", "paided", "cost", "valute_course", "country", "valute_cost"),
        *("bid", "currency"),
    }


def test_a_bill_is_a_pdf_whose_table_of_objects_is_right(office: Office) -> None:
    headers = {"Authorization": f"Bearer {NOVACONNECT_USER_TOKEN}"}
    answer = office.client.get("/x/api/bill/download/501", headers=headers)
    assert answer.headers["content-type"] == "application/pdf"
    body = answer.content
    table = int(body.split(b"startxref\n")[1].split()[0])
    assert body.startswith(b"%PDF-1.4")
    assert body[table:].startswith(b"xref\n0 6\n")
    for number, line in enumerate(body[table:].split(b"\n")[3:8], 1):
        assert body[int(line.split()[0]) :].startswith(b"%d 0 obj" % number)


def test_a_transcript_is_a_workbook_that_adds_up(office: Office) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    address = f"/x/api/bill/download/502?mode=transcript&token={NOVACONNECT_TOKEN}"
    answer = office.client.get(address)
    assert answer.headers["content-type"].endswith("spreadsheetml.sheet")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    head, *rows = sheet.iter_rows(values_only=True)
    assert head == ("ICCID", "Number", "Cost, EUR")
    assert len(rows) == 60
    assert rows[0][0] == "8999700000000000000"
    assert round(sum(row[2] for row in rows), 2) == office.vendor_state.bills[502].cost


@pytest.mark.parametrize(
    ("path", "code"),
    [("999", 404), ("abc", 404), ("9" * 5000, 404), ("501?mode=csv", 400), ("501?page=1", 400)],
)
def test_download_refusals(office: Office, path: str, code: int) -> None:
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}"}
    answer = office.client.get(f"/x/api/bill/download/{path}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (200, code)


def test_a_download_without_a_token_is_401(office: Office) -> None:
    assert office.client.get("/x/api/bill/download/501").status_code == 401
    assert office.client.get("/x/api/bill/download/501?token=nope").status_code == 401


# --- reports


def test_sessions(office: Office) -> None:
    rows = office.rows("sessions")
    assert len(rows) > 1000
    assert len({row["sid"] for row in rows}) == len(rows)
    assert [row["start"] for row in rows] == sorted((row["start"] for row in rows), reverse=True)
    assert set(rows[0]) == {
        *("sid", "start", "end", "country_name", "operator_name", "operator_code", "session_cost"),
        *("value", "id", "original_number", "iccid", "name"),
    }
    assert isinstance(rows[0]["value"], str)
    assert isinstance(rows[0]["session_cost"], float)
    assert office.rows("sessions", filter={"start": office.day(0)}) == []


def test_pages_of_a_report(office: Office) -> None:
    default = office.ask("report/sessions", {})["result"]["items"]
    second = office.rows("sessions", page=1, size=10)
    assert len(default) == 20
    assert second == default[10:]
    assert office.rows("sessions", page=10_000, size=10) == []


def test_a_window_of_days_takes_both_ends(office: Office) -> None:
    rows = office.rows("sessions", filter={"start": office.day(3), "end": office.day(2)})
    now = int(office.state.clock.now().timestamp())
    midnight = now - now % 86400
    assert {(midnight - row["start"] - 1) // 86400 for row in rows} == {1, 2}


def test_days_add_up_to_sessions(office: Office) -> None:
    total: dict[int, int] = defaultdict(int)
    days = office.rows("day")
    for row in days:
        assert row["day"] % 86400 == 0
        total[row["sid"]] += int(row["value"])
    assert total == {row["sid"]: int(row["value"]) for row in office.rows("sessions")}
    assert len({(row["sid"], row["day"]) for row in days}) == len(days) > len(total)


def test_calls_and_messages(office: Office) -> None:
    rows = office.rows("call_sms")
    assert {row["type"] for row in rows} == {"call", "in_sms", "out_sms", "ussd"}
    assert len(rows) == 4 * REPORT_DAYS
    assert set(rows[0]) == {
        *("sid", "date", "type", "to_number", "session_cost", "id", "original_number", "iccid", "name")
    }


@pytest.mark.parametrize("report", ["sessions", "day", "call_sms"])
def test_select(office: Office, report: str) -> None:
    group = next(iter(office.vendor_state.groups))
    members = {sim.id for sim in office.vendor_state.sims.values() if group in sim.groups}
    assert {row["id"] for row in office.rows(report, select=[f"g_{group}"])} <= members
    assert {row["id"] for row in office.rows(report, select=["s_1001", "s_1002"])} <= {1001, 1002}
    assert len(office.rows(report, select=["all", "s_1001"])) == len(office.rows(report))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"select": "all"}, 400),
        ({"select": []}, 400),
        ({"select": ["x_1"]}, 400),
        ({"select": ["s_9"]}, 404),
        ({"select": ["g_9"]}, 404),
        ({"filter": {"start": "2024-06-25"}}, 400),
        ({"filter": {"start": "31-02-2024"}}, 400),
        ({"filter": {"start": "02-06-2024", "end": "01-06-2024"}}, 400),
        ({"filter": {"from": "01-06-2024"}}, 400),
        ({"sort": {"sid": "ASC"}}, 400),
    ],
)
def test_report_refusals(office: Office, body: dict[str, Any], code: int) -> None:
    assert office.ask("report/sessions", body)["code"] == code


# --- account notices


@pytest.mark.parametrize(("kind", "block", "count"), [("msu_lock", "m", 2), ("package_empty", "p", 4)])
def test_notices_about_sims(office: Office, kind: str, block: str, count: int) -> None:
    office.vendor_state.notify(kind, NOTICE_URL)
    [(url, body)] = office.sender.posted
    assert (url, set(body), body["type"]) == (NOTICE_URL, {"type", "items"}, kind)
    assert [sim["block"] for sim in body["items"]] == [block] * count
    assert "groups" not in body["items"][0]
    assert "queue_status" not in body["items"][0]


@pytest.mark.parametrize(
    ("kind", "bills"), [("generate_bill", [506]), *((f"unpaid_bill_{day}", [505, 506]) for day in (3, 5, 6))]
)
def test_notices_about_bills(office: Office, kind: str, bills: list[int]) -> None:
    office.vendor_state.notify(kind, NOTICE_URL)
    [(_, body)] = office.sender.posted
    assert [bill["id"] for bill in body["items"]] == bills
    assert [file["name"] for file in body["files"]] == [f"NC-{number}.pdf" for number in bills]
    file = body["files"][0]
    assert (file["type"], file["format"]) == ("base64", "application/pdf")
    assert base64.b64decode(file["body"], validate=True).startswith(b"%PDF-")


def test_there_is_no_other_notice(office: Office) -> None:
    with pytest.raises(ValueError, match="birthday"):
        office.vendor_state.notify("birthday", NOTICE_URL)
