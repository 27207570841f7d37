"""NovaConnect's hook against the simulator, over real HTTP, blocking and awaited."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.vendors.novaconnect.webhooks import read_queue_webhook

Caller = Callable[..., Any]


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> NovaConnectHook:
    made: NovaConnectHook = hook_for("novaconnect", lang="en")
    return made


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> Any:
    return telecom_simulator.state.vendor_state("novaconnect", VendorState)


@pytest.fixture
def effects(telecom_simulator: Any) -> Callable[..., list[dict[str, Any]]]:
    def of(kind: str | None = None) -> list[dict[str, Any]]:
        return [effect.facts for effect in telecom_simulator.state.ledger.of("novaconnect", kind)]

    return of


def sims_of(vendor_state: Any, profile: str, block: str = "n") -> list[int]:
    return [sim.id for sim in vendor_state.sims.values() if (sim.profile, sim.block) == (profile, block)]


# --- reads


def test_sims_are_listed_and_filtered(hook: NovaConnectHook, call: Caller) -> None:
    found = call(hook.all_sims, size=25)
    assert [sim.id for sim in found] == list(range(1001, 1061))
    page = call(hook.list_sims, 1, 10, sort={"id": "DESC"})
    assert (page.items[0].id, page.total) == (1050, 60)
    blocked = call(hook.all_sims, profile="TC", blocked=True)
    assert blocked
    assert {sim.profile for sim in blocked} == {"TC"}
    assert "n" not in {sim.block for sim in blocked}
    assert {sim.block for sim in call(hook.all_sims, msu_block=True)} == {"m"}
    assert [sim.id for sim in call(hook.all_sims, query="77000000059")] == [1060]


@pytest.mark.parametrize("quirk", ["limit_float", "change_lock_bool"])
def test_row_36_bent_types_are_read(
    hook: NovaConnectHook, vendor_state: Any, call: Caller, quirk: str
) -> None:
    vendor_state.switches.turn_on(quirk)
    assert len(call(hook.all_sims)) == 60


def test_bills_and_their_files(hook: NovaConnectHook, call: Caller, tmp_path: Path) -> None:
    bills = call(hook.all_bills, size=4)
    assert sorted(bill.id for bill in bills) == [501, 502, 503, 504, 505, 506]
    assert len(call(hook.list_bills, 1, 4).items) == 2
    pdf, xlsx = tmp_path / "bill.pdf", tmp_path / "bill.xlsx"
    assert call(hook.download_bill, 501, pdf) == pdf.stat().st_size
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert call(hook.download_bill_transcript, 501, xlsx) == xlsx.stat().st_size
    sheet = openpyxl.load_workbook(BytesIO(xlsx.read_bytes())).active
    assert sheet is not None
    assert sheet.max_row == 61


def test_a_missing_bill_leaves_no_file(hook: NovaConnectHook, call: Caller, tmp_path: Path) -> None:
    with pytest.raises(TelecomNotFoundError) as caught:
        call(hook.download_bill, 999, tmp_path / "bill.pdf")
    assert caught.value.code == "404"
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_asked_for_is_not_kept(
    hook: NovaConnectHook, call: Caller, telecom_simulator: Any, tmp_path: Path
) -> None:
    telecom_simulator.fault("html", vendor="novaconnect", path="bill/download", times=9)
    with pytest.raises(TelecomAnswerError):
        call(hook.download_bill, 501, tmp_path / "bill.pdf")
    assert list(tmp_path.iterdir()) == []


def test_reports_come_whole(hook: NovaConnectHook, vendor_state: Any, call: Caller) -> None:
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    sessions = call(hook.all_report_sessions, day, day, size=20)
    assert {row.start_at.date() for row in sessions} == {day}
    page = call(hook.report_sessions, day, day, size=500)
    assert [row.sid for row in page.items] == [row.sid for row in sessions]
    days = call(hook.all_report_days, day - timedelta(days=2), day, sim_ids=[1001])
    assert {row.id for row in days} == {1001}
    assert len(call(hook.report_days, day, day, sim_ids=[1001]).items) <= 2
    actions = call(hook.all_report_calls_and_sms)
    assert len(actions) == len(vendor_state.actions)
    assert len({row.sid for row in actions}) == len(actions)
    assert len(call(hook.report_calls_and_sms, size=3).items) == 3


def test_a_group_chooses_its_sims(hook: NovaConnectHook, vendor_state: Any, call: Caller) -> None:
    group = next(iter(vendor_state.groups.values()))
    rows = call(hook.all_report_days, group_ids=[group.id])
    assert {row.id for row in rows} <= {
        sim.id for sim in vendor_state.sims.values() if group.id in sim.groups
    }
    assert rows


def test_user_and_company(hook: NovaConnectHook, call: Caller) -> None:
    assert (call(hook.get_user).id, call(hook.get_user).role) == (101, "admin")
    company = call(hook.get_company)
    assert str(company.balance_amount) == "152300.50"
    assert [user.id for user in call(hook.all_users, size=3)] == [101, 102, 103, 104]
    assert call(hook.list_users, 0, 3).total == 4


# --- operations on SIMs


@pytest.mark.parametrize(
    ("method", "profile", "block", "args", "kind"),
    [
        ("block_sims", "TC", "n", (), "block"),
        ("unblock_sims", "TC", "u", (), "unblock"),
        ("reconnect_sims", "TD", "n", (), "disconnect"),
        ("disconnect_sims", "TD", "n", (), "disconnect"),
        ("ping_sims", "TD", "n", (), "ping"),
        ("send_sms", "TD", "n", ("Привет",), "sms"),
        ("set_limit", "TC", "n", (300,), "limit"),
        ("set_tariff", "TD", "n", (20480, True, True), "tariff"),
        ("repackage_sims", "TD", "p", (), "repackage"),
        ("set_groups", "TD", "n", ((), ["Trucks", "Brand new"]), "group"),
    ],
)
def test_an_operation_is_done_once_for_each_sim(
    hook: NovaConnectHook,
    vendor_state: Any,
    effects: Any,
    call: Caller,
    method: str,
    profile: str,
    block: str,
    args: tuple[Any, ...],
    kind: str,
) -> None:
    chosen = sims_of(vendor_state, profile, block)[:3]
    queued = call(getattr(hook, method), chosen, *args)
    assert queued.queue_id in vendor_state.queues
    assert [effect["id"] for effect in effects(kind)] == chosen
    assert {effect["queue_id"] for effect in effects(kind)} == {queued.queue_id}


def test_what_was_set_reads_back(hook: NovaConnectHook, vendor_state: Any, call: Caller) -> None:
    td, tc = sims_of(vendor_state, "TD")[0], sims_of(vendor_state, "TC")[0]
    call(hook.block_sims, [td])
    call(hook.set_limit, [tc], 300)
    call(hook.set_groups, [td], [], ["Brand new"])
    assert call(hook.rename_sim, td, "Truck 7").name == "Truck 7"
    sims = {sim.id: sim for sim in call(hook.all_sims)}
    assert (sims[td].block, sims[td].name) == ("u", "Truck 7")
    assert [group.name for group in sims[td].groups] == ["Brand new"]
    assert sims[tc].limit.value == 300


@pytest.mark.parametrize("quirks", [(), ("single_item", "count_object"), ("progress_callbacks",)])
def test_row_38_webhooks_of_a_queue_are_read(
    hook: NovaConnectHook, vendor_state: Any, quirks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[bytes] = []
    monkeypatch.setattr(vendor_state, "post", lambda url, body: posted.append(json.dumps(body).encode()))
    vendor_state.switches.turn_on(*quirks)
    queued = hook.ping_sims(sims_of(vendor_state, "TD")[:3], callback_url="http://127.0.0.1:9/hook")
    found = [read_queue_webhook(body) for body in posted]
    assert {one.qid for one in found} == {queued.queue_id}
    assert [one.final for one in found] == [False] * (len(found) - 1) + [True]


def test_a_sim_that_is_not_there_is_not_found(hook: NovaConnectHook, effects: Any, call: Caller) -> None:
    with pytest.raises(TelecomNotFoundError, match="Not found") as caught:
        call(hook.block_sims, [999999])
    assert caught.value.call == "POST /api/sim/block"
    assert effects() == []


@pytest.mark.parametrize("fault", ["reset_after", "close_after", "half_body", "garbage", "status_after"])
def test_a_purchase_without_a_clear_answer_is_unknown_and_made_once(
    hook: NovaConnectHook, vendor_state: Any, effects: Any, call: Caller, telecom_simulator: Any, fault: str
) -> None:
    telecom_simulator.fault(fault, vendor="novaconnect", path="sim/repackage", times=9)
    chosen = sims_of(vendor_state, "TD")[:1]
    with pytest.raises(TelecomUnknownError):
        call(hook.repackage_sims, chosen)
    assert [effect["id"] for effect in effects("repackage")] == chosen


# --- people and groups


def test_people_are_made_changed_and_removed(hook: NovaConnectHook, effects: Any, call: Caller) -> None:
    made = call(hook.create_user, "Olga", "New", "olga.new@example.kz", "+38 067 000 02 00")
    assert made.phone == "380670000200"
    assert effects("user_created")[0]["send"] is False
    changed = call(hook.edit_other_user, made.id, active=False, password=Secret("p-12345"), role="admin")
    assert (changed.active, changed.role) == (False, "admin")
    assert call(hook.remove_user, made.id).id == made.id
    with pytest.raises(TelecomNotFoundError):
        call(hook.remove_user, made.id)


def test_oneself_is_changed(hook: NovaConnectHook, vendor_state: Any, call: Caller) -> None:
    assert call(hook.edit_user, first_name="Aigerim").first_name == "Aigerim"
    call(hook.change_password, Secret("sim_password_0"), Secret("another-one"))
    assert vendor_state.users[101].password == "another-one"
    with pytest.raises(TelecomRejectedError) as caught:
        call(hook.change_password, "sim_password_0", "third-one")
    assert "sim_password_0" not in str(caught.value)


def test_groups_are_made_changed_and_removed(hook: NovaConnectHook, call: Caller) -> None:
    made = call(hook.create_group, "Vans")
    assert call(hook.edit_group, made.id, "Big vans").name == "Big vans"
    assert [group.id for group in call(hook.all_groups, name="VANS")] == [made.id]
    assert call(hook.list_groups, 0, 2).total == 6
    assert call(hook.remove_group, made.id).id == made.id
    assert call(hook.all_groups, name="vans") == []


# --- the connection


def test_the_connection_is_tested_by_a_read(hook: NovaConnectHook, effects: Any) -> None:
    assert hook.test_connection() == (True, "Connected: the token is a user's with the role admin.")
    assert effects() == []


@pytest.fixture
def with_token(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], NovaConnectHook]:
    def make(token: str) -> NovaConnectHook:
        connection = {**telecom_simulator.connection("novaconnect"), "password": token}
        monkeypatch.setenv("AIRFLOW_CONN_NOVACONNECT_DEFAULT", json.dumps(connection))
        return NovaConnectHook()

    return make


def test_a_wrong_token_is_refused(with_token: Callable[[str], NovaConnectHook], call: Caller) -> None:
    hook = with_token("sim_wrong")
    with pytest.raises(TelecomAuthError):
        call(hook.get_user)
    assert hook.test_connection()[0] is False


def test_row_37_a_plain_user_is_refused_with_http_200(
    with_token: Callable[[str], NovaConnectHook], effects: Any, call: Caller
) -> None:
    hook = with_token("sim_novaconnect_user_token")
    with pytest.raises(TelecomAuthError) as caught:
        call(hook.block_sims, [1001])
    assert (caught.value.code, caught.value.status) == ("403", 200)
    assert call(hook.get_company).id == 77
    assert effects() == []


def test_broken_rules_reach_nobody(hook: NovaConnectHook, call: Caller, telecom_simulator: Any) -> None:
    with pytest.raises(TelecomInputError):
        call(hook.send_sms, [1001], "x" * 71)
    assert telecom_simulator.state.requests == []


def test_a_read_without_an_answer_is_asked_again(
    hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    hook = hook_for("novaconnect")
    telecom_simulator.fault("reset_before", vendor="novaconnect", path="user/get")
    assert hook.get_user().id == 101
    assert len(telecom_simulator.state.requests) == 2
