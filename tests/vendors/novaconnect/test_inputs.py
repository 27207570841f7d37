"""Arguments that break a rule: refused by name, before anything is sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.novaconnect.api import auth_for
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions
from airflow_provider_telecom.vendors.options import read_options
from tests.vendors.novaconnect.by_hand import QUEUED, ScriptedApi, ask, ok, sent

PERSON = ("Olga", "New", "olga@example.kz", "380670000200")

BROKEN: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("list_sims", (-1,), {}, "page"),
    ("list_sims", (0, 0), {}, "size"),
    ("list_sims", (), {"profile": "XX"}, "profile"),
    ("list_sims", (), {"blocked": "false"}, "blocked"),
    ("list_sims", (), {"msu_block": 1}, "msu_block"),
    ("list_sims", (), {"query": " "}, "query"),
    ("list_sims", (), {"sort": {"id": "UP"}}, "sort"),
    ("list_sims", (), {"sort": {"": "ASC"}}, "sort"),
    ("all_sims", (), {"size": 0}, "size"),
    ("all_sims", (), {"profile": "td"}, "profile"),
    ("block_sims", ([],), {}, "sim_ids"),
    ("block_sims", ("12",), {}, "sim_ids"),
    ("block_sims", (12,), {}, "sim_ids"),
    ("block_sims", (["12"],), {}, "sim_ids"),
    ("block_sims", ([True],), {}, "sim_ids"),
    ("block_sims", ([0],), {}, "sim_ids"),
    ("block_sims", ([1, 2, 1],), {}, "sim_ids"),
    ("send_sms", ([1], ""), {}, "text"),
    ("send_sms", ([1], "я" * 71), {}, "text"),
    ("send_sms", ([1], "я" * 69 + "🙂"), {}, "text"),
    ("set_limit", ([1], -1), {}, "limit_mb"),
    ("set_limit", ([1], 1.5), {}, "limit_mb"),
    ("set_limit", ([1], 1, "p_lim"), {}, "limit_type"),
    ("set_tariff", ([1], 15359, True), {}, "package_kb"),
    ("set_tariff", ([1], 15, True), {}, "package_kb"),
    ("set_tariff", ([1], 102401, True), {}, "package_kb"),
    ("set_tariff", ([1], 107520, True), {}, "package_kb"),
    ("set_tariff", ([1], 20481, True), {}, "package_kb"),
    ("set_tariff", ([1], 20480, "true"), {}, "auto_package"),
    ("set_tariff", ([1], 20480, True, 1), {}, "all_world"),
    ("rename_sim", (0, "x"), {}, "sim_id"),
    ("rename_sim", (1, ""), {}, "name"),
    ("set_groups", ([1],), {}, "group_ids"),
    ("set_groups", ([1], [2, 2]), {}, "group_ids"),
    ("set_groups", ([1], (), "New"), {}, "new_group_names"),
    ("set_groups", ([1], (), [""]), {}, "new_group_names"),
    ("list_bills", (0, True), {}, "size"),
    ("download_bill", ("5/..", Path("x")), {}, "bill_id"),
    ("report_sessions", (), {"sim_ids": []}, "sim_ids"),
    ("report_sessions", (), {"group_ids": ["g_1"]}, "group_ids"),
    ("report_days", ("25.06.2024",), {}, "start"),
    ("report_days", (datetime(2024, 6, 25, tzinfo=UTC),), {}, "start"),
    ("report_days", ("31-06-2024",), {}, "start"),
    ("all_report_days", (date(2024, 6, 2), date(2024, 6, 1)), {}, "end"),
    ("report_calls_and_sms", (), {"page": 1.0}, "page"),
    ("edit_user", (), {}, "first_name"),
    ("edit_user", (), {"first_name": ""}, "first_name"),
    ("edit_user", (), {"email": "nobody"}, "email"),
    ("edit_other_user", (102,), {}, "first_name"),
    ("edit_other_user", (None,), {"role": "admin"}, "user_id"),
    ("edit_other_user", (102,), {"active": "no"}, "active"),
    ("edit_other_user", (102,), {"phone": "12"}, "phone"),
    ("edit_other_user", (102,), {"password": ""}, "password"),
    ("change_password", ("", "new"), {}, "old_password"),
    ("change_password", ("old", Secret("")), {}, "new_password"),
    ("create_user", ("", *PERSON[1:]), {}, "first_name"),
    ("create_user", (*PERSON[:3], "phone"), {}, "phone"),
    ("create_user", PERSON, {"send": "yes"}, "send"),
    ("create_user", PERSON, {"role": ""}, "role"),
    ("remove_user", (-5,), {}, "user_id"),
    ("list_groups", (), {"name": ""}, "name"),
    ("create_group", ("  ",), {}, "name"),
    ("edit_group", (0, "Vans"), {}, "group_id"),
    ("remove_group", ("5",), {}, "group_id"),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "field"),
    BROKEN,
    ids=[f"{case[0]}-{case[3]}-{n}" for n, case in enumerate(BROKEN)],
)
def test_a_broken_rule_is_named_and_nothing_is_sent(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], field: str
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        ask(getattr(ScriptedApi(), name), *args, **kwargs, answers=[])
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "unknown"),
    [("report_days", "sim_id"), ("all_report_days", "page"), ("list_sims", "profil"), ("all_sims", "page")],
)
def test_an_unknown_argument_is_an_error_and_never_ignored(name: str, unknown: str) -> None:
    with pytest.raises(TypeError, match=unknown):
        ask(getattr(ScriptedApi(), name), answers=[], **{unknown: 1})


def test_row_39_packages_are_kilobytes_in_steps_of_5120() -> None:
    for package in range(15_360, 102_401, 5_120):
        [request], _ = ask(ScriptedApi().set_tariff, [1], package, True, answers=[ok(**QUEUED)])
        assert sent(request)["params"]["value"] == package


@pytest.mark.parametrize("text", ["я" * 70, "a" * 70, "я" * 68 + "🙂"])
def test_seventy_characters_fit(text: str) -> None:
    [request], _ = ask(ScriptedApi().send_sms, [1], text, answers=[ok(**QUEUED)])
    assert sent(request)["params"]["text"] == text


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/nova/abc?k=v",
        "https://hooks.example.org:8443/x",
        "http://127.0.0.1:8090/x",
        "http://127.9.9.9/x",
        "http://[::1]:8090/x",
        "http://localhost:8090/x",
    ],
)
def test_valid_callback_urls(url: str) -> None:
    [request], _ = ask(ScriptedApi().ping_sims, [1], callback_url=url, answers=[ok(**QUEUED)])
    assert sent(request)["callbackUrl"] == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org/x",
        "http://hooks.example.org/x",
        "http://192.168.0.5/x",
        "http://localhost.example.org/x",
        "ftp://127.0.0.1/x",
        "https://user@hooks.example.org/x",
        "https://user:pass@hooks.example.org/x",
        "https://:@hooks.example.org/x",
        "https://hooks.example.org/x#part",
        "https:///x",
        "https://hooks.example.org:port/x",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/x\n",
        "https://хост.example.org/x",
        7,
    ],
)
def test_invalid_callback_urls(url: Any) -> None:
    with pytest.raises(TelecomInputError, match="callback_url") as caught:
        ask(ScriptedApi().ping_sims, [1], callback_url=url, answers=[])
    assert "example" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\n", "токен"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(TelecomInputError, match="password") as caught:
        auth_for(Credentials("", Secret(token), "k"))
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"lang": "kk"}, "lang"),
        ({"api_path": "api"}, "api_path"),
        ({"api_path": "/api?x=1"}, "api_path"),
        ({"api_path": "/{x}"}, "api_path"),
        ({"api_path": "/../x"}, "api_path"),
        ({"sender": "x"}, "sender"),
    ],
)
def test_extra_fields_are_read_strictly(extra: dict[str, str], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        read_options(NovaConnectOptions, extra)
    assert caught.value.field == f"extra.{field}"


@pytest.mark.parametrize(("given", "kept"), [("/", ""), ("/api", "/api"), ("/v2/api/", "/v2/api")])
def test_api_path_is_kept_without_its_last_slash(given: str, kept: str) -> None:
    assert read_options(NovaConnectOptions, {"api_path": given}).api_path == kept
