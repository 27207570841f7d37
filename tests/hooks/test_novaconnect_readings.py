"""NovaConnect's hook, operators, sensor and transfers under each reading that its document allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomNotFoundError,
    TelecomRedirectError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectListSimsOperator,
    NovaConnectReconnectSimsOperator,
    NovaConnectRenameSimOperator,
    NovaConnectSendSmsOperator,
    NovaConnectSetGroupsOperator,
    NovaConnectSetLimitOperator,
    NovaConnectSetTariffOperator,
    NovaConnectUnblockSimsOperator,
)
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor
from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.simulator.novaconnect.billing import usage_of
from airflow_provider_telecom.simulator.switches import of_vendor
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectBillToObjectStorageOperator,
    NovaConnectReportToObjectStorageOperator,
)
from tests.running import Run

OPPOSITE = ("all", "opposite")
PAGES = ("page_size", "past_the_end", "all_count")
TYPES = ("flat", "numbers_as_text", "flags_as_numbers", "limit_float", "change_lock_bool")
ERRORS = ("http_status", "bare_errors")
REPORTS = ("report_end_excluded",)
EFFECTS = ("groups_added", "rename_queued", "block_over_package")
OWN = {"no_groups", "balance_comma"}  # with tests of their own: test_groups.py, test_novaconnect_account.py
WEBHOOKS = {"progress_callbacks", "single_item", "count_object"}  # tested with the receiver


def readings(*names: str) -> pytest.MarkDecorator:
    """Run a test under each other value of some switches, and under the opposite of all switches."""
    switches = [one for one in of_vendor("novaconnect") if one.name in names]
    assert len(switches) == len(names)
    values = [(one.name, value) for one in switches for value in one.values[1:]]
    return pytest.mark.parametrize("reading", [*values, OPPOSITE], indirect=True, ids="-".join)


def test_each_switch_has_its_tests() -> None:
    names = {one.name for one in of_vendor("novaconnect") if one.in_presets}
    assert names == {*PAGES, *TYPES, *ERRORS, *REPORTS, *EFFECTS, *WEBHOOKS, *OWN}


@pytest.fixture
def reading(request: pytest.FixtureRequest, telecom_simulator: Any) -> tuple[str, str]:
    """Set one switch, or all of them at once."""
    name, value = request.param
    if name == "all":
        telecom_simulator.reset(preset=value)
    else:
        telecom_simulator.state.set_switch(f"novaconnect.{name}", value)
    return name, value


@pytest.fixture
def hook(reading: Any, hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(hook: Any, telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return found


def done(simulator: Any, kind: str) -> list[int]:
    return [effect.facts["id"] for effect in simulator.state.ledger.of("novaconnect", kind)]


def today() -> date:
    return datetime.now(UTC).date()


def day_of(moment: int) -> date:
    return datetime.fromtimestamp(moment, UTC).date()


def load(folder: Path, start: date, end: date, **arguments: Any) -> dict[str, Any]:
    """Load the report of sessions, and return the XCom."""
    given = {"report": "sessions", "start": start, "end": end, **arguments}
    operator = NovaConnectReportToObjectStorageOperator(task_id="load", path=f"file://{folder}", **given)
    loaded: dict[str, Any] = Run().execute(operator)
    return loaded


@readings(*PAGES, "flat", "numbers_as_text", "http_status", "bare_errors")
class TestPages:
    @pytest.mark.parametrize("size", [7, 20, 60, 100])
    def test_lists_are_whole(self, hook: Any, vendor_state: VendorState, size: int) -> None:
        assert [sim.id for sim in hook.all_sims(size=size)] == list(vendor_state.sims)
        assert {group.id for group in hook.all_groups(size=size)} == set(vendor_state.groups)
        assert {user.id for user in hook.all_users(size=size)} == set(vendor_state.users)
        assert {bill.id for bill in hook.all_bills(size=size)} == set(vendor_state.bills)

    @pytest.mark.parametrize("size", [7, 20, 100])
    def test_parts_of_lists_are_whole(self, hook: Any, vendor_state: VendorState, size: int) -> None:
        of_td = {one.id for one in vendor_state.sims.values() if one.profile == "TD"}
        assert {sim.id for sim in hook.all_sims(profile="TD", size=size)} == of_td
        blocked = {one.id for one in vendor_state.sims.values() if one.block != "n"}
        assert {sim.id for sim in hook.all_sims(blocked=True, size=size)} == blocked
        assert hook.all_sims(query="nobody has this", size=size) == []
        named = {one.id for one in vendor_state.groups.values() if "a" in one.name.casefold()}
        assert {group.id for group in hook.all_groups(name="a", size=size)} == named

    @pytest.mark.parametrize(
        ("call", "size"),
        [("sync", 7), ("async", 100), ("sync", 100_000), ("async", 100_000)],
        indirect=["call"],
    )
    def test_reports_are_whole(self, hook: Any, call: Any, vendor_state: VendorState, size: int) -> None:
        start = today() - timedelta(days=3)
        sessions = call(hook.all_report_sessions, start, size=size)
        assert {row.sid for row in sessions} == {
            one.sid for one in vendor_state.sessions if day_of(one.start) >= start
        }
        assert len(call(hook.all_report_calls_and_sms, size=size)) == len(vendor_state.actions)
        assert call(hook.all_report_sessions, start - timedelta(days=20), sim_ids=[1001], size=size)

    def test_a_report_is_loaded_whole(self, vendor_state: VendorState, tmp_path: Path) -> None:
        start, end = today() - timedelta(days=3), today() - timedelta(days=1)
        expected = [one for one in vendor_state.sessions if start <= day_of(one.start) <= end]
        assert load(tmp_path, start, end, page_size=40)["rows"] == len(expected)


@readings(*TYPES)
class TestTypes:
    def test_sims_read_alike(self, hook: Any, call: Any, vendor_state: VendorState) -> None:
        sims = {sim.id: sim for sim in call(hook.all_sims)}
        for one in vendor_state.sims.values():
            sim = sims[one.id]
            assert (sim.iccid, sim.block, sim.limit.value) == (one.iccid, one.block, one.limit.value)
            assert sim.tariff.package_auto is one.tariff.package_auto
            assert not sim.tariff.change_lock
        assert call(hook.get_user).active is True
        company = call(hook.get_company)
        assert (company.id, str(company.balance_amount)) == (77, "152300.50")
        assert str(company.preliminary_balance_amount) == "-4210.75"

    def test_people_and_groups(self, hook: Any, call: Any) -> None:
        user = call(hook.create_user, "Olena", "Example", "olena@example.com", "380670000201")
        assert call(hook.edit_other_user, user.id, active=False).active is False
        assert call(hook.remove_user, user.id).id == user.id
        group = call(hook.create_group, "Vans")
        assert call(hook.edit_group, group.id, "Taxis").name == "Taxis"
        assert call(hook.remove_group, group.id).id == group.id
        assert call(hook.change_password, "sim_password_0", "another-1").id == 101

    def test_a_tariff_is_set_once_and_seen(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        arguments = {"sim_ids": [1001, 1002], "package_kb": 20480, "auto_package": True, "confirm": True}
        for expected in ([1001, 1002], []):
            operator = NovaConnectSetTariffOperator(
                task_id="tariff", **arguments, wait_for_completion=True, poll_interval=0.01, wait_timeout=60
            )
            assert Run().execute(operator)["changed"] == expected
        assert done(telecom_simulator, "tariff") == [1001, 1002]
        other = NovaConnectSetTariffOperator(task_id="other", **{**arguments, "package_kb": 15360})
        skipped = Run().execute(other)["skipped"]
        assert [one["sim_id"] for one in skipped] == [1001, 1002]
        assert all("locked" in one["reason"] for one in skipped)

    def test_rows_of_reports_are_read_alike(self, vendor_state: VendorState, tmp_path: Path) -> None:
        day = today() - timedelta(days=2)
        load(tmp_path, day, day)
        (file,) = tmp_path.rglob("sessions.jsonl")
        rows = {row["sid"]: row for row in map(json.loads, file.read_text().splitlines())}
        expected = {one.sid: one for one in vendor_state.sessions if day_of(one.start) == day}
        assert set(rows) == set(expected)
        for sid, one in expected.items():
            row = rows[sid]
            assert (row["sim_id"], row["start_unix"], row["value"]) == (one.sim, one.start, one.value)
            assert float(row["session_cost"]) == one.session_cost


@readings(*ERRORS, "numbers_as_text")
class TestErrors:
    def test_refusals(self, hook: Any, call: Any, tmp_path: Path, telecom_simulator: Any) -> None:
        with pytest.raises(TelecomNotFoundError):
            call(hook.set_groups, [1001], [1])
        with pytest.raises(TelecomNotFoundError):
            call(hook.download_bill, 999, tmp_path / "bill.pdf")
        with pytest.raises(TelecomRejectedError, match="пароль"):
            call(hook.change_password, "wrong", "another-1")
        with pytest.raises(TelecomNotFoundError):
            call(hook.all_report_sessions, today(), sim_ids=[7])
        assert telecom_simulator.state.ledger.of("novaconnect") == []

    @pytest.mark.parametrize("token", ["nobody", credentials.NOVACONNECT_USER_TOKEN], ids=["no", "plain"])
    def test_who_may_not(
        self, hook: Any, telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, token: str
    ) -> None:
        connection = telecom_simulator.connection("novaconnect") | {"password": token}
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
        other = type(hook)("other")
        with pytest.raises(TelecomAuthError):
            other.block_sims([1001])
        worked, message = other.test_connection()
        assert worked is (token != "nobody")
        assert worked or "credentials are refused" in message


@readings(*REPORTS)
@pytest.mark.parametrize("ago", [1, 2])
def test_row_44_the_last_day_is_loaded(vendor_state: VendorState, tmp_path: Path, ago: int) -> None:
    day = today() - timedelta(days=ago)
    expected = [one for one in vendor_state.sessions if day_of(one.start) == day]
    assert load(tmp_path, day, day)["rows"] == len(expected) > 0


@readings(*REPORTS, *PAGES, *TYPES)
@pytest.mark.parametrize("quiet_last_day", [False, True])
def test_a_bill_agrees_with_the_reports(
    vendor_state: VendorState, tmp_path: Path, quiet_last_day: bool
) -> None:
    bill = max(vendor_state.bills.values(), key=lambda one: one.added)
    month, year = map(int, bill.period.split("-"))
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    if quiet_last_day:
        vendor_state.sessions = [
            one for one in vendor_state.sessions if day_of(one.end) < last or day_of(one.start) > last
        ]
        vendor_state.actions = [one for one in vendor_state.actions if day_of(one.date) != last]
        bill.charges = usage_of(vendor_state, bill.period)
        bill.cost = round(sum(bill.charges.values()) / 10_000, 2)
    operator = NovaConnectBillToObjectStorageOperator(
        task_id="bills", path=f"file://{tmp_path}", bill_ids=[bill.id], reconcile=True, tolerance="0.02"
    )
    (loaded,) = Run().execute(operator)["bills"]
    assert loaded["reconciliation"]["agrees"]


@readings(*EFFECTS, *PAGES, *TYPES, *ERRORS)
class TestFleet:
    SIMS = (1041, 1042)

    def test_sims_are_changed_once_and_waited_for(
        self, vendor_state: VendorState, telecom_simulator: Any
    ) -> None:
        telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
        arguments = {
            "sim_ids": list(self.SIMS),
            "wait_for_completion": True,
            "poll_interval": 0.01,
            "wait_timeout": 60,
        }
        for operator in (
            NovaConnectSetLimitOperator(task_id="limit", limit_mb=500, **arguments),
            NovaConnectBlockSimsOperator(task_id="block", **arguments),
            NovaConnectUnblockSimsOperator(task_id="unblock", **arguments),
            NovaConnectSetGroupsOperator(task_id="group", new_group_names=["Spare"], **arguments),
        ):
            run = Run()
            assert run.execute(operator)["reached"] == 2
            run.execute(operator)
            assert done(telecom_simulator, operator.operation_type.operation) == list(self.SIMS)
        wait = NovaConnectQueueDoneSensor(
            task_id="wait",
            operation="group",
            sim_ids=list(self.SIMS),
            desired_state={"new_group_names": ["Spare"]},
            poke_interval=0.01,
            timeout=60,
        )
        assert Run().execute(wait)["reached"] == 2

    def test_renaming(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        operator = NovaConnectRenameSimOperator(task_id="rename", sim_id=1041, name="Spare tracker")
        run = Run()
        assert run.execute(operator)["changed"] == [1041]
        run.execute(operator)
        assert vendor_state.sims[1041].name == "Spare tracker"
        assert done(telecom_simulator, "rename") == [1041]
        unchanged = NovaConnectRenameSimOperator(task_id="again", sim_id=1041, name="Spare tracker")
        assert Run().execute(unchanged)["unchanged"] == [1041]

    def test_a_message(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        operator = NovaConnectSendSmsOperator(task_id="sms", sim_ids=[1001, 1041], text="Hi")
        run = Run()
        outcome = run.execute(operator)
        assert (outcome["changed"], [one["sim_id"] for one in outcome["skipped"]]) == ([1001], [1041])
        run.execute(operator)
        assert done(telecom_simulator, "sms") == [1001]

    def test_choices_and_other_blocks(self, vendor_state: VendorState, telecom_simulator: Any) -> None:
        found = Run().execute(NovaConnectListSimsOperator(task_id="list", select={"profile": "TC"}))
        assert found["count"] == 20
        operator = NovaConnectBlockSimsOperator(task_id="block", sim_ids=[1008, 1009, 1010, 1045])
        outcome = Run().execute(operator)
        assert [one["sim_id"] for one in outcome["skipped"]] == [1008, 1009, 1010, 1045]
        assert done(telecom_simulator, "block") == []

    def test_bills(self, vendor_state: VendorState, tmp_path: Path) -> None:
        operator = NovaConnectBillToObjectStorageOperator(
            task_id="bills", path=f"file://{tmp_path}", newest=True
        )
        (loaded,) = Run().execute(operator)["bills"]
        assert (loaded["bill_id"], len(loaded["files"])) == (506, 2)


def test_a_redirected_call_stops_and_is_not_followed(
    hook_for: Any, call: Any, telecom_simulator: Any
) -> None:
    telecom_simulator.state.set_switch("novaconnect.reconnect_redirect", "on")
    hook = hook_for("novaconnect")
    with pytest.raises(TelecomRedirectError, match="redirects"):
        call(hook.reconnect_sims, [1001])
    operator = NovaConnectReconnectSimsOperator(task_id="reset", sim_ids=[1001], confirm=True)
    with pytest.raises(TelecomRedirectError):
        Run().execute(operator)
    assert done(telecom_simulator, "disconnect") == []
