"""Each call as it goes out: method, path, class, body; and what it makes of the documented answer."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Response
from airflow_provider_telecom.vendors.novaconnect.api import NovaConnectApi
from tests.vendors.novaconnect.by_hand import (
    ACTION,
    BASE,
    BILL,
    COMPANY,
    DAY,
    GROUP,
    QUEUED,
    SESSION,
    SIM,
    USER,
    ScriptedApi,
    ask,
    ok,
    sent,
)

HOOK = "https://hooks.example.org/nova?k=1"
LISTED: dict[str, Any] = {"count": 1, "all_count": 1}
ITEMS = {"items": [1001, 1002]}
R, S, D, X = Idempotency.READ, Idempotency.SET_STATE, Idempotency.DRAFT, Idempotency.NONE
NEWCOMER = {
    "first_name": "Olga",
    "last_name": "New",
    "email": "olga@example.kz",
    "phone": "380670000200",
}

# name, arguments, path, class, body, what the answer holds beside code and message
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, Idempotency, Any, Any]] = [
    (
        "list_sims",
        (),
        {},
        "sim/list",
        R,
        {"page": 0, "size": 100, "sort": {"id": "ASC"}},
        {**LISTED, "items": [SIM]},
    ),
    ("list_bills", (2, 10), {}, "bill/list", R, {"page": 2, "size": 10}, {**LISTED, "items": [BILL]}),
    ("list_users", (), {"size": 7}, "user/list", R, {"page": 0, "size": 7}, {**LISTED, "items": [USER]}),
    (
        "list_groups",
        (),
        {"name": "Tru"},
        "group/list",
        R,
        {"page": 0, "size": 100, "filter": {"name": "Tru"}},
        {**LISTED, "items": [GROUP]},
    ),
    ("get_user", (), {}, "user/get", R, {}, {**LISTED, "result": {"item": USER}}),
    ("get_company", (), {}, "company/get", R, {}, {"result": {"item": COMPANY}}),
    (
        "report_sessions",
        (),
        {},
        "report/sessions",
        R,
        {"page": 0, "size": 500, "select": ["all"]},
        {"result": {"items": [SESSION]}},
    ),
    (
        "report_days",
        (date(2024, 6, 1), "2024-06-25"),
        {"sim_ids": [1], "group_ids": [2]},
        "report/day",
        R,
        {
            "page": 0,
            "size": 500,
            "filter": {"start": "01-06-2024", "end": "25-06-2024"},
            "select": ["s_1", "g_2"],
        },
        {"result": {"items": [DAY]}},
    ),
    (
        "report_calls_and_sms",
        (),
        {"end": "25-06-2024", "page": 3, "size": 9},
        "report/call_sms",
        R,
        {"page": 3, "size": 9, "filter": {"end": "25-06-2024"}, "select": ["all"]},
        {"result": {"items": [ACTION]}},
    ),
    ("block_sims", ([1001, 1002],), {}, "sim/block", S, ITEMS, QUEUED),
    ("unblock_sims", ((1001, 1002),), {}, "sim/unblock", S, ITEMS, QUEUED),
    ("reconnect_sims", ([1001, 1002],), {}, "sim/reconnect", X, ITEMS, QUEUED),
    ("disconnect_sims", ([1001, 1002],), {}, "sim/disconnect", X, ITEMS, QUEUED),
    ("ping_sims", ([1001, 1002],), {}, "sim/ping", X, ITEMS, QUEUED),
    (
        "send_sms",
        ([1001, 1002], "Привет"),
        {"callback_url": HOOK},
        "sim/sms",
        X,
        {**ITEMS, "params": {"text": "Привет"}, "callbackUrl": HOOK},
        QUEUED,
    ),
    (
        "set_limit",
        ([1001, 1002], 500),
        {},
        "sim/limit",
        S,
        {**ITEMS, "params": {"value": 500, "type": "month1"}},
        QUEUED,
    ),
    (
        "set_tariff",
        ([1001, 1002], 20480, True),
        {},
        "sim/tariff",
        X,
        {**ITEMS, "params": {"value": 20480, "auto_package": True}},
        QUEUED,
    ),
    ("repackage_sims", ([1001, 1002],), {}, "sim/repackage", X, ITEMS, QUEUED),
    (
        "rename_sim",
        (1001, "Truck 7"),
        {},
        "sim/edit",
        S,
        {"id": 1001, "name": "Truck 7"},
        {"result": {"item": {"id": 1001, "name": "Truck 7"}}},
    ),
    (
        "set_groups",
        ([1001, 1002], [5], ["New"]),
        {},
        "sim/group",
        S,
        {**ITEMS, "group": [5], "new_group": ["New"]},
        QUEUED,
    ),
    ("edit_user", (), {"email": "a@b.kz"}, "user/edit", S, {"email": "a@b.kz"}, {"result": {"item": USER}}),
    (
        "edit_other_user",
        (102,),
        {"active": False, "password": Secret("p-123"), "phone": "+38 067 000 02 00", "role": "admin"},
        "user/edit",
        S,
        {"id": 102, "active": False, "password": "p-123", "phone": "380670000200", "role": "admin"},
        {"result": {"item": {**USER, "id": 102}}},
    ),
    (
        "change_password",
        ("old-1", "new-1"),
        {},
        "user/password",
        X,
        {"password": "new-1", "old_password": "old-1"},
        {"result": {"item": USER}},
    ),
    (
        "create_user",
        ("Olga", "New", "olga@example.kz", 380670000200),
        {},
        "user/create",
        X,
        {**NEWCOMER, "send": False},
        {"result": {"item": USER}},
    ),
    ("remove_user", (102,), {}, "user/remove", S, {"id": 102}, {"result": {"item": {**USER, "id": 102}}}),
    ("create_group", ("Trucks",), {}, "group/create", D, {"name": "Trucks"}, {"result": {"item": GROUP}}),
    ("edit_group", (5, "Vans"), {}, "group/edit", S, {"id": 5, "name": "Vans"}, {"result": {"item": GROUP}}),
    ("remove_group", (5,), {}, "group/remove", S, {"id": 5}, {"result": {"item": GROUP}}),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "path", "idempotency", "body", "fields"),
    CALLS,
    ids=[case[0] for case in CALLS],
)
def test_a_call_goes_out_as_documented(
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    path: str,
    idempotency: Idempotency,
    body: Any,
    fields: Any,
) -> None:
    [request], result = ask(getattr(ScriptedApi(), name), *args, answers=[ok(**fields)], **kwargs)
    assert request.method == "POST"
    assert request.url(BASE) == f"{BASE}/api/{path}"
    assert request.idempotency is idempotency
    assert sent(request) == body
    assert request.headers["Authorization"].reveal() == "Bearer sim_token"
    assert result is not None


def test_all_thirty_calls_of_the_document_are_there() -> None:
    downloads = {"download_bill", "download_bill_transcript"}
    whole = {name for name in vars_of(NovaConnectApi) if name.startswith("all_")}
    assert {case[0] for case in CALLS} | downloads | whole == vars_of(NovaConnectApi)
    assert len(CALLS) + len(downloads) == 30


def vars_of(api: type) -> set[str]:
    return {name for name in dir(api) if name[0] != "_" and hasattr(getattr(api, name), "__wrapped__")}


def test_queue_operations_return_the_queue() -> None:
    _, queued = ask(ScriptedApi().block_sims, [1], answers=[ok(**QUEUED)])
    assert queued.queue_id == "q-1"


def test_row_36_every_queue_operation_takes_a_callback_url() -> None:
    queued = [case for case in CALLS if case[6] is QUEUED]
    assert len(queued) == 10
    for name, args, kwargs, *_ in queued:
        [request], _ = ask(
            getattr(ScriptedApi(), name), *args, **{**kwargs, "callback_url": HOOK}, answers=[ok(**QUEUED)]
        )
        assert sent(request)["callbackUrl"] == HOOK


def test_filters_and_sort_of_sims_go_out_when_given() -> None:
    [request], _ = ask(
        ScriptedApi().list_sims,
        profile="TD",
        msu_block=False,
        blocked=True,
        query="7700",
        sort={"name": "DESC"},
        answers=[ok(items=[], count=0, all_count=0)],
    )
    assert sent(request) == {
        "page": 0,
        "size": 100,
        "filter": {"profile": "TD", "msu_block": False, "blocked": True, "query": "7700"},
        "sort": {"name": "DESC"},
    }


def test_all_world_goes_out_even_when_false() -> None:
    [request], _ = ask(ScriptedApi().set_tariff, [1], 15360, False, False, answers=[ok(**QUEUED)])
    assert sent(request)["params"] == {"value": 15360, "auto_package": False, "all_world": False}


def test_language_and_api_path_are_in_every_address(tmp_path: Path) -> None:
    paper = ScriptedApi(lang="en", api_path="/v2/api/")
    [request], _ = ask(paper.get_user, answers=[ok(result={"item": USER})])
    assert request.url(BASE) == f"{BASE}/v2/api/user/get?lang=en"
    saved = Response(200, {}, saved_bytes=9)
    [request], _ = ask(paper.download_bill_transcript, 501, tmp_path / "b.xlsx", answers=[saved])
    assert request.url(BASE) == f"{BASE}/v2/api/bill/download/501?lang=en&mode=transcript"


def test_row_35_downloads_are_gets_with_the_token_in_the_header_only(tmp_path: Path) -> None:
    saved = Response(200, {}, saved_bytes=9)
    [request], size = ask(ScriptedApi().download_bill, 501, tmp_path / "b.pdf", answers=[saved])
    assert (request.method, request.idempotency, size) == ("GET", Idempotency.READ, 9)
    assert request.url(BASE) == f"{BASE}/api/bill/download/501"
    assert request.headers["Authorization"].reveal() == "Bearer sim_token"
    assert request.label == "GET /api/bill/download/{bill_id}"


@pytest.mark.parametrize(
    ("method", "first", "kept"),
    [
        ("download_bill", b"%PDF-1.4 ...", True),
        ("download_bill", b"PK\x03\x04...", False),
        ("download_bill", b'{"code":404}', False),
        ("download_bill", b"", False),
        ("download_bill_transcript", b"PK\x03\x04...", True),
        ("download_bill_transcript", b"%PDF-1.4 ...", False),
    ],
)
def test_only_what_begins_as_the_file_does_is_kept(
    tmp_path: Path, method: str, first: bytes, kept: bool
) -> None:
    saved = Response(200, {}, saved_bytes=9)
    [request], _ = ask(getattr(ScriptedApi(), method), 501, tmp_path / "bill", answers=[saved])
    assert request.save is not None
    assert request.save.is_file(Response(200, {}, first)) is kept
    assert not request.save.is_file(Response(500, {}, first))


def test_passwords_do_not_show() -> None:
    [request], _ = ask(
        ScriptedApi().change_password, "old-secret", Secret("new-secret"), answers=[ok(result={"item": USER})]
    )
    assert "secret" not in repr(request)
    assert "secret" not in repr(request.body)
