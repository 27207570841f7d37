"""The pretend NovaConnect: signing in, SIMs, and the queues that their operations go through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from airflow_provider_telecom.simulator.credentials import NOVACONNECT_TOKEN, NOVACONNECT_USER_TOKEN
from airflow_provider_telecom.simulator.novaconnect import VendorState, routes
from airflow_provider_telecom.simulator.novaconnect.models import Sim
from airflow_provider_telecom.simulator.novaconnect.routes import METHODS
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.simulator.application import application

HOOK = "http://127.0.0.1:9/hook"
SMS = {"params": {"text": "Hello"}}
LIMIT = {"params": {"type": "month1", "value": 500}}
TARIFF = {"params": {"value": 20480, "auto_package": True}}


class RecordingSender:
    """Records the webhooks that would be sent."""

    def __init__(self, state: SimulatorState) -> None:
        self.posted: list[tuple[str, Any]] = []

    def post(self, url: str, body: object, tries: tuple[float, ...] = (0,)) -> None:
        self.posted.append((url, body))

    def schedule(self, act: Callable[[], None], seconds: float) -> None:
        """Do nothing: the test calls `settle`."""


class ApiClient:
    """A client of the simulated NovaConnect."""

    def __init__(self) -> None:
        self.state, app = application(routes, "/x")
        self.sender: RecordingSender = self.state.vendor_state("webhook_sender", RecordingSender)
        self.client = TestClient(app)

    @property
    def vendor_state(self) -> VendorState:
        vendor_state: VendorState = self.state.vendor_state("novaconnect", VendorState)
        return vendor_state

    def ask(self, path: str, body: Any, token: str = NOVACONNECT_TOKEN, lang: str = "en") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.client.post(f"/x/api/{path}?lang={lang}", json=body, headers=headers)
        assert answer.status_code == 200
        parsed: dict[str, Any] = answer.json()
        return parsed

    def code(self, path: str, body: Any, token: str = NOVACONNECT_TOKEN) -> int:
        return int(self.ask(path, body, token)["code"])

    def order(self, path: str, sims: list[Sim], **more: Any) -> str:
        answer = self.ask(f"sim/{path}", {"items": [sim.id for sim in sims], **more})
        assert answer["code"] == 200, answer
        assert set(answer) == {"code", "message", "result"}
        return str(answer["result"]["item"]["queue_id"])

    def sim(self, profile: str, block: str = "n") -> Sim:
        return next(
            one for one in self.vendor_state.sims.values() if (one.profile, one.block) == (profile, block)
        )

    def effects(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [effect.facts for effect in self.state.ledger.of("novaconnect", kind)]

    def bodies(self) -> list[Any]:
        return [body for _, body in self.sender.posted]


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


# --- signing in and the envelope


@pytest.mark.parametrize(
    "authorization", [None, "Bearer nope", f"Basic {NOVACONNECT_TOKEN}", NOVACONNECT_TOKEN]
)
def test_a_bad_token_is_401_by_status_and_by_code(api: ApiClient, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = api.client.post("/x/api/sim/list", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 401)


def test_a_token_in_the_query_is_for_downloads_only(api: ApiClient) -> None:
    answer = api.client.post(f"/x/api/sim/list?token={NOVACONNECT_TOKEN}", json={})
    assert answer.status_code == 401


def test_the_user_of_an_inactive_account_is_shut_out(api: ApiClient) -> None:
    api.vendor_state.users[102].active = False
    headers = {"Authorization": f"Bearer {NOVACONNECT_USER_TOKEN}"}
    assert api.client.post("/x/api/sim/list", json={}, headers=headers).status_code == 401


ADMIN_ONLY = sorted(path for path, method in METHODS.items() if method.admin)


def test_what_is_the_administrators_is_as_documented() -> None:
    assert set(ADMIN_ONLY) == {
        *("sim/block", "sim/unblock", "sim/reconnect", "sim/disconnect", "sim/ping", "sim/sms", "sim/limit"),
        *("sim/tariff", "sim/repackage", "sim/edit", "sim/group", "user/create", "user/remove"),
        *("group/create", "group/edit", "group/remove"),
    }


@pytest.mark.parametrize("path", ADMIN_ONLY)
def test_a_plain_user_is_403_with_http_200(api: ApiClient, path: str) -> None:
    assert api.code(path, {}, NOVACONNECT_USER_TOKEN) == 403
    assert api.effects() == []


@pytest.mark.parametrize("token", [NOVACONNECT_TOKEN, NOVACONNECT_USER_TOKEN])
@pytest.mark.parametrize("path", ["sim/list", "bill/list", "report/day", "user/get", "company/get"])
def test_reads_are_for_every_role(api: ApiClient, path: str, token: str) -> None:
    assert api.code(path, {}, token) == 200


def test_the_http_status_follows_the_code_on_request(api: ApiClient) -> None:
    api.vendor_state.switches.set("http_status", "code")
    headers = {"Authorization": f"Bearer {NOVACONNECT_USER_TOKEN}"}
    answer = api.client.post("/x/api/sim/block", json={"items": [1001]}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 403)


def test_messages_come_in_two_languages(api: ApiClient) -> None:
    assert api.ask("user/get", {}, lang="en")["message"] == "Success"
    assert api.ask("user/get", {}, lang="ru")["message"] == "Успешно"
    assert api.ask("group/create", {}, lang="ru")["message"] == "Не передано обязательное поле: name"
    assert api.ask("user/get", {}, lang="kk")["code"] == 400


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null"])
def test_a_body_that_is_no_json_object_is_400(api: ApiClient, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}", "Content-Type": "application/json"}
    assert api.client.post("/x/api/user/get", content=content, headers=headers).json()["code"] == 400


def test_a_form_is_400(api: ApiClient) -> None:
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}"}
    assert api.client.post("/x/api/user/get", data={"a": "b"}, headers=headers).json()["code"] == 400


def test_unknown_methods_and_verbs_are_refused(api: ApiClient) -> None:
    assert api.code("sim/explode", {}) == 404
    assert api.client.get("/x/api/sim/list").json()["code"] == 405
    assert api.client.post("/x/api/bill/download/501", json={}).json()["code"] == 405


def test_an_unknown_query_parameter_is_400(api: ApiClient) -> None:
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}"}
    assert api.client.post("/x/api/user/get?page=1", json={}, headers=headers).json()["code"] == 400


# --- sim/list


def test_a_sim_has_the_documented_fields(api: ApiClient) -> None:
    answer = api.ask("sim/list", {"page": 0, "size": 2})
    assert (answer["count"], answer["all_count"]) == (2, 60)
    first, second = answer["items"]
    assert first["iccid"] == "8999700000000000000"
    assert first["number"] == "77000000000"
    assert "queue_status" not in first
    assert "added" not in second["groups"][0]
    assert set(first) == {
        *("id", "iccid", "number", "external_number", "name", "balance", "currency", "msu_value"),
        *("profile", "block", "comment", "groups", "limit", "tariff"),
    }
    assert set(first["limit"]) == {"type", "value", "used", "updated", "created"}
    assert set(first["tariff"]) == {"id", "name", "change_lock", "package_auto"}


def test_pages_begin_at_0_and_end_empty(api: ApiClient) -> None:
    pages = [api.ask("sim/list", {"page": page, "size": 25})["items"] for page in range(4)]
    assert [len(page) for page in pages] == [25, 25, 10, 0]
    assert len({sim["id"] for page in pages for sim in page}) == 60


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"profile": "TD"}, 40),
        ({"profile": "TC", "blocked": True}, 8),
        ({"blocked": False}, 32),
        ({"msu_block": True}, 2),
        ({"query": "77000000059"}, 1),
        ({"query": "tracker 2"}, 8),
    ],
)
def test_filters(api: ApiClient, wanted: dict[str, Any], count: int) -> None:
    answer = api.ask("sim/list", {"filter": wanted, "size": 1})
    assert (answer["count"], answer["all_count"]) == (1, count)


def test_sorting(api: ApiClient) -> None:
    by_id = api.ask("sim/list", {"sort": {"id": "DESC"}, "size": 60})["items"]
    assert [sim["id"] for sim in by_id] == sorted(api.vendor_state.sims, reverse=True)
    mixed = api.ask("sim/list", {"sort": {"profile": "ASC", "name": "ASC"}, "size": 60})["items"]
    keys = [(sim["profile"], sim["name"] is None, sim["name"] or "") for sim in mixed]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "body",
    [
        {"pages": 0},
        {"page": -1},
        {"page": "0"},
        {"size": 0},
        {"size": True},
        {"filter": []},
        {"filter": {"profile": "XX"}},
        {"filter": {"blocked": "true"}},
        {"filter": {"iccid": "1"}},
        {"sort": {"id": "UP"}},
        {"sort": {"limit": "ASC"}},
    ],
)
def test_a_wrong_list_request_is_400(api: ApiClient, body: dict[str, Any]) -> None:
    assert api.code("sim/list", body) == 400


def test_quirks_of_a_sims_types(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("limit_float", "change_lock_bool")
    sim = api.ask("sim/list", {"filter": {"profile": "TD"}, "size": 1})["items"][0]
    assert isinstance(sim["limit"]["used"], float)
    assert sim["tariff"]["change_lock"] is False


def test_a_fleet_of_thousands(api: ApiClient) -> None:
    added = api.vendor_state.add_sims(5000)
    assert len({sim.number for sim in api.vendor_state.sims.values()}) == 5060
    api.order("block", added)
    assert len(api.effects("block")) == 5000
    with pytest.raises(ValueError, match="10000"):
        api.vendor_state.add_sims(5000)


# --- blocks


@pytest.mark.parametrize(
    ("path", "profile", "before", "after", "status", "effects"),
    [
        ("block", "TD", "n", "u", "success", 1),
        ("block", "TD", "u", "u", "success", 0),
        ("block", "TD", "p", "p", "error", 0),
        ("block", "TC", "m", "m", "error", 0),
        ("unblock", "TD", "u", "n", "success", 1),
        ("unblock", "TD", "n", "n", "success", 0),
        ("unblock", "TD", "p", "p", "error", 0),
        ("unblock", "TC", "m", "m", "error", 0),
        ("unblock", "TC", "g", "g", "error", 0),
        ("unblock", "TC", "f", "f", "error", 0),
        ("repackage", "TD", "p", "n", "success", 1),
        ("repackage", "TD", "f", "f", "success", 1),
    ],
)
def test_what_happens_to_each_block(
    api: ApiClient, path: str, profile: str, before: str, after: str, status: str, effects: int
) -> None:
    sim = api.sim(profile, before)
    queue_id = api.order(path, [sim])
    assert sim.block == after
    assert api.vendor_state.queues[queue_id].statuses == [status]
    assert [facts["queue_id"] for facts in api.effects(path)] == [queue_id] * effects


# --- the other operations


@pytest.mark.parametrize(
    ("path", "more", "wrong_profile"),
    [
        ("ping", {}, "TC"),
        ("sms", SMS, "TC"),
        ("tariff", TARIFF, "TC"),
        ("repackage", {}, "TC"),
        ("limit", LIMIT, "TD"),
    ],
)
def test_a_sim_of_the_wrong_profile_fails_alone(
    api: ApiClient, path: str, more: dict[str, Any], wrong_profile: str
) -> None:
    right = api.sim("TD" if wrong_profile == "TC" else "TC")
    queue_id = api.order(path, [api.sim(wrong_profile), right], **more)
    assert api.vendor_state.queues[queue_id].statuses == ["error", "success"]
    assert [facts["msisdn"] for facts in api.effects()] == [right.number]


@pytest.mark.parametrize("path", ["reconnect", "disconnect"])
def test_reconnect_is_disconnect(api: ApiClient, path: str) -> None:
    sims = [api.sim("TD"), api.sim("TC")]
    api.order(path, sims)
    assert [facts["id"] for facts in api.effects("disconnect")] == [sim.id for sim in sims]
    assert len(api.effects()) == 2


def test_sms_is_sent_once_and_reported_the_next_day(api: ApiClient) -> None:
    sim = api.sim("TD")
    api.order("sms", [sim], params={"text": "я" * 70})
    assert [(facts["msisdn"], facts["text"]) for facts in api.effects("sms")] == [(sim.number, "я" * 70)]
    today = api.state.clock.now().strftime("%d-%m-%Y")
    report = {"filter": {"start": today, "end": today}, "select": [f"s_{sim.id}"]}
    assert api.ask("report/call_sms", report)["result"]["items"] == []
    api.state.clock.advance(86400)
    rows = api.ask("report/call_sms", report)["result"]["items"]
    assert [(row["type"], row["to_number"]) for row in rows] == [("in_sms", sim.number)]


def test_limit_is_set_and_lifted(api: ApiClient) -> None:
    sim = api.sim("TC")
    api.order("limit", [sim], **LIMIT)
    assert (sim.limit.type, sim.limit.value) == ("month1", 500)
    api.order("limit", [sim], params={"type": "off", "value": 0})
    assert (sim.limit.type, sim.limit.value) == ("off", None)
    assert [facts["limit_mb"] for facts in api.effects("limit")] == [500, 0]


def test_tariff_changes_the_package_and_locks_itself(api: ApiClient) -> None:
    sim = api.sim("TD")
    api.order("tariff", [sim], params={**TARIFF["params"], "all_world": True})
    assert (sim.limit.type, sim.limit.value, sim.limit.used) == ("p_unlim", 20, 0)
    assert (sim.tariff.name, sim.tariff.package_auto) == ("TD_Mega", True)
    queue_id = api.order("tariff", [sim], **TARIFF)
    assert api.vendor_state.queues[queue_id].statuses == ["error"]
    api.state.clock.advance(31 * 86400)
    api.order("tariff", [sim], params={"value": 102400, "auto_package": False})
    assert (sim.limit.type, sim.limit.value, sim.tariff.name) == ("p_lim", 100, "TD")
    assert len(api.effects("tariff")) == 2


def test_edit_renames_at_once(api: ApiClient) -> None:
    answer = api.ask("sim/edit", {"id": 1001, "name": "Pump 7"})
    assert answer["result"]["item"] == {"id": 1001, "name": "Pump 7"}
    assert [facts["name"] for facts in api.effects("rename")] == ["Pump 7"]


def test_groups_are_set_by_id_and_by_name(api: ApiClient) -> None:
    sim, (first, second, *_) = api.sim("TD"), api.vendor_state.groups.values()
    api.order("group", [sim], group=[first.id], new_group=["Fresh", second.name])
    names = [api.vendor_state.groups[one].name for one in sim.groups]
    assert names == [first.name, "Fresh", second.name]
    api.order("group", [sim], new_group=["Fresh"])
    assert [api.vendor_state.groups[one].name for one in sim.groups] == ["Fresh"]
    assert [facts["name"] for facts in api.effects("group_created")] == ["Fresh"]
    assert len(api.effects("group")) == 2


def test_groups_may_be_added_to_those_of_a_sim(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("groups_added")
    sim, (first, second, *_) = api.sim("TD"), api.vendor_state.groups.values()
    sim.groups = [first.id]
    api.order("group", [sim], group=[second.id, first.id])
    assert sim.groups == [first.id, second.id]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("block", {}),
        ("block", {"items": []}),
        ("block", {"items": ["1001"]}),
        ("block", {"items": 1001}),
        ("block", {"items": [1001], "callback_url": HOOK}),
        ("block", {"items": [1001], "callbackUrl": 5}),
        ("block", {"items": [1001], "callbackUrl": None}),
        ("ping", {"items": [1001], "params": {}}),
        ("sms", {"items": [1001]}),
        ("sms", {"items": [1001], "text": "Hello"}),
        ("sms", {"items": [1001], "params": {}}),
        ("sms", {"items": [1001], "params": {"text": ""}}),
        ("sms", {"items": [1001], "params": {"text": "x" * 71}}),
        ("limit", {"items": [1041], "params": {"type": "month1"}}),
        ("limit", {"items": [1041], "params": {"value": 5}}),
        ("limit", {"items": [1041], "params": {"type": "month1", "value": -1}}),
        ("limit", {"items": [1041], "params": {"type": "p_lim", "value": 5}}),
        ("tariff", {"items": [1001], "params": {"value": 20480}}),
        ("tariff", {"items": [1001], "params": {"value": 10240, "auto_package": True}}),
        ("tariff", {"items": [1001], "params": {"value": 15361, "auto_package": True}}),
        ("tariff", {"items": [1001], "params": {"value": 107520, "auto_package": True}}),
        ("tariff", {"items": [1001], "params": {"value": 20480, "auto_package": 1}}),
        ("edit", {"id": 1001}),
        ("edit", {"id": 1001, "name": None}),
        ("edit", {"id": 1001, "name": "a", "callbackUrl": HOOK}),
        ("group", {"items": [1001], "new_group": [5]}),
        ("group", {"items": [1001], "group": ["Almaty"]}),
    ],
)
def test_a_wrong_operation_is_400_without_effect(api: ApiClient, path: str, body: dict[str, Any]) -> None:
    assert api.code(f"sim/{path}", body) == 400
    assert api.effects() == []
    assert not api.vendor_state.queues


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("block", {"items": [1001, 9]}),
        ("edit", {"id": 9, "name": "a"}),
        ("group", {"items": [9], "new_group": ["Fresh"]}),
        ("group", {"items": [1001], "group": [9]}),
    ],
)
def test_an_unknown_id_is_404_without_effect(api: ApiClient, path: str, body: dict[str, Any]) -> None:
    assert api.code(f"sim/{path}", body) == 404
    assert api.effects() == []
    assert not api.vendor_state.queues


# --- queues and webhooks


def test_the_webhook_is_as_documented(api: ApiClient) -> None:
    queue_id = api.order("block", [api.sim("TD"), api.sim("TC", "m")], callbackUrl=HOOK)
    [(url, body)] = api.sender.posted
    assert url == HOOK
    items = body.pop("items")
    assert [(sim["block"], sim["queue_status"]) for sim in items] == [("u", "success"), ("m", "error")]
    assert abs(body.pop("added") - api.vendor_state.now()) <= 2
    assert body == {
        "qid": queue_id,
        "queue": "block",
        "handler": HOOK,
        "user": {"id": 101, "first_name": "Aigul", "last_name": "Admin", "company_id": 77},
        "status": {"count": 2, "process": 2, "percentage": 100},
    }


def test_without_callback_url_nothing_is_posted(api: ApiClient) -> None:
    api.order("ping", [api.sim("TD")])
    assert api.sender.posted == []


def test_queues_advance_by_the_clock_sim_by_sim(api: ApiClient) -> None:
    api.state.set_transition("novaconnect.queue", "after_seconds", 10)
    sims = [sim for sim in api.vendor_state.sims.values() if sim.block == "n"][:3]
    queue_id = api.order("block", sims, callbackUrl=HOOK)
    assert [sim.block for sim in sims] == ["n", "n", "n"]
    api.state.clock.advance(20)
    ids = [sim.id for sim in sims]
    shown = {sim["id"]: sim["block"] for sim in api.ask("sim/list", {"size": 60})["items"]}
    assert [shown[one] for one in ids] == ["u", "u", "n"]
    assert api.sender.posted == []
    assert not api.vendor_state.queues[queue_id].finished
    api.state.clock.advance(10)
    api.vendor_state.settle()
    assert len(api.effects("block")) == 3
    assert len(api.sender.posted) == 1
    api.vendor_state.settle()
    assert len(api.effects("block")) == 3
    assert len(api.sender.posted) == 1


def test_queues_advance_by_polls_and_settling_is_no_poll(api: ApiClient) -> None:
    api.state.set_transition("novaconnect.queue", "after_polls", 2)
    sim = api.sim("TD")
    api.order("block", [sim])
    api.vendor_state.settle()
    seen = [api.ask("sim/list", {"size": 1})["items"][0]["block"] for _ in range(2)]
    assert (sim.id, seen) == (1001, ["n", "u"])


def test_the_older_queue_goes_first(api: ApiClient) -> None:
    api.state.set_transition("novaconnect.queue", "after_seconds", 10)
    sim = api.sim("TD")
    api.order("block", [sim])
    api.order("unblock", [sim])
    api.state.clock.advance(10)
    api.vendor_state.settle()
    assert sim.block == "n"
    assert [effect.kind for effect in api.state.ledger.effects] == ["block", "unblock"]


def test_progress_webhooks(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("progress_callbacks")
    sims = list(api.vendor_state.sims.values())[:10]
    api.order("disconnect", sims, callbackUrl=HOOK)
    assert [body["status"]["process"] for body in api.bodies()] == [3, 6, 9, 10]
    assert api.bodies()[0]["status"] == {"count": 10, "process": 3, "percentage": 30}
    assert [sim["queue_status"] for sim in api.bodies()[0]["items"]] == ["success"] * 3 + ["wait"] * 7


def test_single_item_webhooks(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("single_item")
    sims = list(api.vendor_state.sims.values())[:2]
    api.order("disconnect", sims, callbackUrl=HOOK)
    assert [body["items"]["id"] for body in api.bodies()] == [sim.id for sim in sims]
    assert [body["status"]["percentage"] for body in api.bodies()] == [50, 100]


def test_count_as_an_object(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("count_object")
    api.order("disconnect", [api.sim("TD")], callbackUrl=HOOK)
    assert api.bodies()[0]["status"] == {
        "count": {"value": 1},
        "process": {"value": 1},
        "percentage": {"value": 100},
    }


def test_two_towns_of_one_seed_are_alike() -> None:
    one, two = SimulatorState(3), SimulatorState(3)
    two.clock.set(one.clock.now())
    first, second = VendorState(one), VendorState(two)
    assert [vars(sim.tariff) for sim in first.sims.values()] == [
        vars(sim.tariff) for sim in second.sims.values()
    ]
    assert [row.value for row in first.sessions] == [row.value for row in second.sessions]
    assert [row.value for row in first.sessions] != [
        row.value for row in VendorState(SimulatorState(4)).sessions
    ]


# --- readings


@pytest.mark.parametrize(
    ("form", "statuses"),
    [("200_but_401", (401, 200, 200)), ("always_200", (200, 200, 200)), ("code", (401, 403, 404))],
)
def test_http_status(api: ApiClient, form: str, statuses: tuple[int, ...]) -> None:
    api.vendor_state.switches.set("http_status", form)

    def post(path: str, body: Any, token: str) -> tuple[int, int]:
        answer = api.client.post(f"/x/api/{path}", json=body, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()["code"]

    answers = (
        post("user/get", {}, "nobody"),
        post("sim/block", {"items": [1001]}, NOVACONNECT_USER_TOKEN),
        post("group/remove", {"id": 9}, NOVACONNECT_TOKEN),
    )
    assert tuple(status for status, _ in answers) == statuses
    assert [code for _, code in answers] == [401, 403, 404]


def test_bare_errors(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("bare_errors")
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}"}
    answer = api.client.post("/x/api/group/remove?lang=en", json={"id": 9}, headers=headers)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found: id 9"})


@pytest.mark.parametrize(
    ("form", "pages"),
    [
        ("asked", [(1001, 40), (1041, 20), None]),
        ("capped", [(1001, 25), (1026, 25), (1051, 10), None]),
        ("rows_capped", [(1001, 25), (1041, 20), None]),
    ],
)
@pytest.mark.parametrize("end", ["empty", "last_page", "not_found"])
def test_pages(api: ApiClient, form: str, pages: list[Any], end: str) -> None:
    api.vendor_state.switches.set("page_size", form)
    api.vendor_state.switches.set("past_the_end", end)
    for number, expected in enumerate(pages):
        answer = api.ask("sim/list", {"page": number, "size": 40, "sort": {"id": "ASC"}})
        if expected is None and end == "not_found":
            assert answer["code"] == 404
            continue
        shown = [one["id"] for one in answer["items"]]
        wanted = expected if expected or end == "empty" else pages[number - 1]
        assert (shown[0], len(shown)) == wanted if wanted else shown == []
        assert answer["all_count"] == 60


def test_all_count_of_all(api: ApiClient) -> None:
    api.vendor_state.switches.set("all_count", "whole")
    answer = api.ask("sim/list", {"filter": {"profile": "TC"}, "size": 100})
    assert (answer["count"], answer["all_count"]) == (20, 60)
    answer = api.ask("group/list", {"filter": {"name": "al"}, "page": 0, "size": 100})
    assert (answer["count"], answer["all_count"]) == (1, 5)


def test_flat_answers_and_bent_types(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("flat", "numbers_as_text", "flags_as_numbers")
    answer = api.ask("user/get", {})
    assert (answer["code"], answer["item"]["id"], answer["item"]["active"]) == ("200", "101", "1")
    assert "result" not in answer
    assert api.ask("report/day", {})["items"]
    assert api.ask("sim/list", {})["items"][0]["tariff"]["package_auto"] in ("0", "1")
    api.vendor_state.switches.set("numbers_as_text", "off")
    assert api.ask("user/get", {})["item"]["active"] == 1


def test_a_report_that_ends_before_its_end(api: ApiClient) -> None:
    day = f"{api.state.clock.now() - timedelta(days=2):%d-%m-%Y}"
    window = {"filter": {"start": day, "end": day}, "size": 500}
    assert api.ask("report/sessions", window)["result"]["items"]
    api.vendor_state.switches.turn_on("report_end_excluded")
    assert api.ask("report/sessions", window)["result"]["items"] == []


def test_renaming_by_the_queue(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("rename_queued")
    api.state.set_transition("novaconnect.queue", "after_polls", 1)
    answer = api.ask("sim/edit", {"id": 1001, "name": "Van"})
    assert answer["result"]["item"]["queue_id"] in api.vendor_state.queues
    assert api.vendor_state.sims[1001].name != "Van"
    api.ask("user/get", {})
    assert api.vendor_state.sims[1001].name == "Van"
    assert len(api.effects("rename")) == 1


def test_a_redirected_reconnection(api: ApiClient) -> None:
    api.vendor_state.switches.turn_on("reconnect_redirect")
    headers = {"Authorization": f"Bearer {NOVACONNECT_TOKEN}"}
    url = "/x/api/sim/reconnect"
    answer = api.client.post(url, json={"items": [1001]}, headers=headers, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/x/api/sim/disconnect")
    assert api.effects() == []


@pytest.mark.parametrize(
    ("operation", "has_webhook"), [("block", True), ("disconnect", True), ("sms", False)]
)
def test_which_operations_have_a_webhook(api: ApiClient, operation: str, has_webhook: bool) -> None:
    api.vendor_state.switches.turn_on("callbacks_listed")
    params = SMS if operation == "sms" else {}
    api.order(operation, [api.sim("TD")], callbackUrl=HOOK, **params)
    assert bool(api.bodies()) is has_webhook


def test_a_block_over_a_package_that_ran_out(api: ApiClient) -> None:
    sim = api.sim("TD", "p")
    api.order("block", [sim])
    assert sim.block == "p"
    api.vendor_state.switches.turn_on("block_over_package")
    api.order("block", [sim, api.sim("TD", "f")])
    assert sim.block == "u"
    assert len(api.effects("block")) == 1


@pytest.mark.parametrize(
    ("reading", "accepted"),
    [("either", {"none", "empty"}), ("left_out", {"none"}), ("empty_list", {"empty"})],
)
def test_a_request_without_groups(api: ApiClient, reading: str, accepted: set[str]) -> None:
    api.vendor_state.switches.set("no_groups", reading)
    for name, lists in (("none", {}), ("empty", {"group": []})):
        api.vendor_state.sims[1001].groups = [next(iter(api.vendor_state.groups))]
        assert (api.code("sim/group", {"items": [1001], **lists}) == 200) == (name in accepted)
        assert (api.vendor_state.sims[1001].groups == []) == (name in accepted)
