"""Operators for the company, bills, groups and users of NovaConnect, and the totals of reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectCreateGroupOperator,
    NovaConnectCreateUserOperator,
    NovaConnectDeactivateUserOperator,
    NovaConnectGetCompanyOperator,
    NovaConnectListBillsOperator,
    NovaConnectListGroupsOperator,
    NovaConnectListUsersOperator,
    NovaConnectRemoveGroupOperator,
    NovaConnectRemoveUserOperator,
    NovaConnectRenameGroupOperator,
    NovaConnectReportTotalsOperator,
)
from airflow_provider_telecom.simulator.novaconnect import VendorState
from tests.running import Run

PERSON = {
    "first_name": "Olena",
    "last_name": "Example",
    "email_address": "olena@example.com",
    "phone": "380670000201",
}
NOT_ADMIN = '{"code": 403, "message": "no"}'


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return found


@pytest.fixture
def happened(telecom_simulator: Any) -> Callable[[str], int]:
    """Return a function that counts the effects of a kind."""
    return lambda kind: len(telecom_simulator.state.ledger.of("novaconnect", kind))


def executed(kind: Any, run: Run | None = None, **arguments: Any) -> Any:
    return (run or Run()).execute(kind(task_id="task", **arguments))


# --- reads


def test_the_company_and_its_amounts(vendor_state: VendorState) -> None:
    found = executed(NovaConnectGetCompanyOperator)
    assert found["balance"] == "152300.50"
    assert found["balance_raw"] == "152300.50 ₸"
    assert (found["preliminary_balance"], found["overdraft"]) == ("-4210.75", "100000.00")
    assert "000000000077" not in json.dumps(found)
    vendor_state.company["balance"] = "1,234 ₸"
    found = executed(NovaConnectGetCompanyOperator)
    assert (found["balance"], found["balance_raw"]) == (None, "1,234 ₸")


def test_bills_and_those_that_are_not_paid(vendor_state: VendorState) -> None:
    found = executed(NovaConnectListBillsOperator)
    assert (found["count"], found["bill_ids"]) == (6, [501, 502, 503, 504, 505, 506])
    assert [bill["is_paid"] for bill in found["bills"]] == [True] * 4 + [False] * 2
    unpaid = executed(NovaConnectListBillsOperator, only_unpaid=True)
    assert unpaid["bill_ids"] == unpaid["unpaid_bill_ids"] == found["unpaid_bill_ids"] == [505, 506]
    costs = [Decimal(str(vendor_state.bills[bill].cost)) for bill in (505, 506)]
    assert Decimal(unpaid["unpaid_cost_eur"]) == sum(costs)
    json.dumps(found)
    with pytest.raises(TelecomInputError, match="6 bills were found, which is more than 5"):
        executed(NovaConnectListBillsOperator, max_bills=5)


def test_groups_by_a_part_of_their_name() -> None:
    assert executed(NovaConnectListGroupsOperator)["count"] == 5
    found = executed(NovaConnectListGroupsOperator, name="st")
    assert [group["name"] for group in found["groups"]] == ["Astana"]
    assert found["group_ids"] == [group["id"] for group in found["groups"]]


def test_users_without_personal_data_unless_it_is_named() -> None:
    found = executed(NovaConnectListUsersOperator)
    assert found["user_ids"] == [101, 102, 103, 104]
    assert set(found["users"][0]) == {"id", "role", "active"}
    assert [user["active"] for user in found["users"]] == [True, True, True, False]
    assert executed(NovaConnectListUsersOperator, fields=["email"])["users"][0]["email"] == "aigul@example.kz"
    for fields in ("email", ["password"]):
        with pytest.raises(TelecomInputError, match="fields"):
            NovaConnectListUsersOperator(task_id="list", fields=fields)


# --- groups


def test_a_group_is_created_once(happened: Any, vendor_state: VendorState) -> None:
    run = Run()
    first = executed(NovaConnectCreateGroupOperator, run, name="Vans")
    assert (first["created"], vendor_state.groups[first["group_id"]].name) == (True, "Vans")
    vendor_state.groups[first["group_id"]].name = "Renamed"  # a cleared task makes no other one
    assert executed(NovaConnectCreateGroupOperator, run, name="Vans") == first
    assert happened("group_created") == 1
    almaty = next(iter(vendor_state.groups))
    assert executed(NovaConnectCreateGroupOperator, name=" Almaty") == {"group_id": almaty, "created": False}


@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "garbage"])
def test_a_group_of_unknown_outcome_is_found_by_its_name(
    telecom_simulator: Any, happened: Any, fault: str
) -> None:
    telecom_simulator.fault(fault, "novaconnect", path="group/create")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        executed(NovaConnectCreateGroupOperator, run, name="Vans")
    assert executed(NovaConnectCreateGroupOperator, run, name="Vans")["created"]
    assert happened("group_created") == 1


@pytest.mark.parametrize("by_id", [False, True])
def test_a_group_gets_another_name(happened: Any, vendor_state: VendorState, by_id: bool) -> None:
    group_id = next(iter(vendor_state.groups))
    wanted = group_id if by_id else "Almaty"
    run, arguments = Run(), {"group": wanted, "name": "South"}
    done = {"group_id": group_id, "changed": True, "skipped": None}
    assert executed(NovaConnectRenameGroupOperator, run, **arguments) == done
    assert executed(NovaConnectRenameGroupOperator, run, **arguments) == done
    assert vendor_state.groups[group_id].name == "South"
    assert not executed(NovaConnectRenameGroupOperator, group=str(group_id), name="South")["changed"]
    assert happened("group_edited") == 1


def test_a_rename_in_doubt_does_not_undo_a_newer_one(
    telecom_simulator: Any, vendor_state: VendorState, happened: Any
) -> None:
    group_id = next(iter(vendor_state.groups))
    telecom_simulator.fault("reset_before", "novaconnect", path="group/edit")
    run, arguments = Run(), {"group": "Almaty", "name": "South"}
    with pytest.raises(TelecomUnknownError):
        executed(NovaConnectRenameGroupOperator, run, **arguments)
    vendor_state.groups[group_id].name = "By hand"
    outcome = executed(NovaConnectRenameGroupOperator, run, **arguments)
    assert (outcome["changed"], outcome["skipped"]) == (
        False,
        "somebody else has changed it since the first try",
    )
    assert (vendor_state.groups[group_id].name, happened("group_edited")) == ("By hand", 0)


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_removal_in_doubt_is_settled_by_the_list(
    telecom_simulator: Any, vendor_state: VendorState, happened: Any, fault: str
) -> None:
    group_id = next(iter(vendor_state.groups))
    telecom_simulator.fault(fault, "novaconnect", path="group/remove")
    run, arguments = Run(), {"group": "Almaty", "confirm": True}
    with pytest.raises(TelecomUnknownError):
        executed(NovaConnectRemoveGroupOperator, run, **arguments)
    done = {"group_id": group_id, "changed": True, "skipped": None}
    assert executed(NovaConnectRemoveGroupOperator, run, **arguments) == done
    assert executed(NovaConnectRemoveGroupOperator, run, **arguments) == done
    assert happened("group_removed") == 1


def test_groups_that_cannot_be_chosen(vendor_state: VendorState, happened: Any) -> None:
    with pytest.raises(TelecomInputError, match="there is no such group, so nothing was sent"):
        executed(NovaConnectRemoveGroupOperator, group="Almat", confirm=True)
    outcome = executed(NovaConnectRemoveGroupOperator, group="Almat", confirm=True, missing_ok=True)
    assert outcome == {"group_id": None, "changed": False, "skipped": None}
    vendor_state.add_group("Almaty")
    with pytest.raises(TelecomInputError, match="is the name of several"):
        executed(NovaConnectRemoveGroupOperator, group="Almaty", confirm=True)
    with pytest.raises(TelecomInputError, match="confirm: must be True"):
        NovaConnectRemoveGroupOperator(task_id="remove", group="Almaty")
    for group in ("", " ", 0, True, [5]):
        with pytest.raises(TelecomInputError, match="group: must be an id or a name"):
            NovaConnectRenameGroupOperator(task_id="rename", group=group, name="A")  # type: ignore[arg-type]
    assert happened("group_removed") == 0


def test_what_was_not_sent_is_sent_by_the_next_try(telecom_simulator: Any, happened: Any) -> None:
    run, name = Run(), "Vans"
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        executed(NovaConnectCreateGroupOperator, run, name=name)
    telecom_simulator.fault("body", "novaconnect", path="group/create", body=NOT_ADMIN)
    with pytest.raises(TelecomAuthError):
        executed(NovaConnectCreateGroupOperator, run, name=name)
    assert executed(NovaConnectCreateGroupOperator, run, name=name)["created"]
    assert happened("group_created") == 1


# --- users


def test_a_user_is_created_once_and_stays_private(
    telecom_simulator: Any, vendor_state: VendorState, happened: Any
) -> None:
    run = Run()
    operator = NovaConnectCreateUserOperator(
        task_id="task", **{**PERSON, "email_address": "{{ params.email }}"}, send=True, role="admin"
    )
    outcome = run.execute(operator, params={"email": PERSON["email_address"]})
    created = vendor_state.users[outcome["user_id"]]
    assert (outcome["created"], outcome["role"], created.phone) == (True, "admin", "380670000201")
    (effect,) = telecom_simulator.state.ledger.of("novaconnect", "user_created")
    assert effect.facts["send"]
    assert executed(NovaConnectCreateUserOperator, run, **PERSON, send=True, role="admin") == outcome
    shown = f"{_serialize_rendered_fields(operator)}{run.stores['task'].texts}{outcome}"
    for secret in PERSON.values():
        assert secret not in shown
    again = executed(NovaConnectCreateUserOperator, **{**PERSON, "email_address": "Olena@Example.com"})
    assert again == {"user_id": outcome["user_id"], "created": False, "role": "admin"}
    assert happened("user_created") == 1


def test_a_national_number_is_a_kazakh_one(vendor_state: VendorState, hook_for: Any) -> None:
    created = executed(NovaConnectCreateUserOperator, **{**PERSON, "phone": "8 701 000 00 01"})
    assert vendor_state.users[created["user_id"]].phone == "77010000001"
    with pytest.raises(TelecomInputError, match="KZ is assumed"):
        executed(NovaConnectCreateUserOperator, **{**PERSON, "phone": "067 000 02 01"})
    hook_for("novaconnect", default_region="UA")
    person = {**PERSON, "phone": "067 000 02 01", "email_address": "other@example.com"}
    created = executed(NovaConnectCreateUserOperator, **person)
    assert vendor_state.users[created["user_id"]].phone == "380670000201"


def test_a_password_comes_from_a_connection_and_is_seen_nowhere(
    vendor_state: VendorState, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NEW_USER", '{"conn_type": "generic", "password": "made-up-password"}')
    run = Run()
    operator = NovaConnectCreateUserOperator(task_id="task", **PERSON, password_conn_id="new_user")
    outcome = run.execute(operator)
    assert vendor_state.users[outcome["user_id"]].password == "made-up-password"
    shown = f"{_serialize_rendered_fields(operator)}{run.stores['task'].texts}{outcome}{vars(operator)}"
    assert "made-up-password" not in shown + "".join(capfd.readouterr())
    monkeypatch.setenv("AIRFLOW_CONN_NEW_USER", '{"conn_type": "generic"}')
    with pytest.raises(TelecomInputError, match="password_conn_id"):
        executed(
            NovaConnectCreateUserOperator,
            **{**PERSON, "email_address": "b@example.com"},
            password_conn_id="new_user",
        )


@pytest.mark.parametrize("arrived", [False, True])
def test_a_user_of_unknown_outcome(telecom_simulator: Any, happened: Any, arrived: bool) -> None:
    fault = "reset_after" if arrived else "reset_before"
    telecom_simulator.fault(fault, "novaconnect", path="user/create")
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        executed(NovaConnectCreateUserOperator, run, **PERSON)
    if arrived:
        assert executed(NovaConnectCreateUserOperator, run, **PERSON)["created"]
    else:
        with pytest.raises(OutcomeUnknownError):
            executed(NovaConnectCreateUserOperator, run, **PERSON)
        assert executed(NovaConnectCreateUserOperator, run, **PERSON, on_unknown="resend")["created"]
    assert happened("user_created") == 1


def test_a_user_is_deactivated_and_removed(vendor_state: VendorState, happened: Any) -> None:
    done = {"user_id": 102, "changed": True, "skipped": None}
    operator = NovaConnectDeactivateUserOperator(task_id="task", user="{{ params.who }}")
    assert Run().execute(operator, params={"who": "Ivan@example.kz"}) == done
    assert "Ivan" not in str(_serialize_rendered_fields(operator))
    assert not vendor_state.users[102].active
    assert executed(NovaConnectDeactivateUserOperator, user=102) == {**done, "changed": False}
    assert executed(NovaConnectRemoveUserOperator, user=102, confirm=True) == done
    assert 102 not in vendor_state.users
    with pytest.raises(TelecomInputError, match="there is no such user"):
        executed(NovaConnectRemoveUserOperator, user=102, confirm=True)
    with pytest.raises(TelecomAuthError):  # oneself
        executed(NovaConnectDeactivateUserOperator, user=101)
    assert (happened("user_edited"), happened("user_removed")) == (1, 1)


def test_a_user_who_stays_active_is_an_error(telecom_simulator: Any) -> None:
    shown = {"id": 103, "email": "olga@example.kz", "active": True, "role": "admin"}
    body = json.dumps({"code": 200, "message": "ok", "result": {"item": shown}})
    telecom_simulator.fault("body", "novaconnect", path="user/edit", body=body)
    with pytest.raises(TelecomAnswerError, match="still active"):
        executed(NovaConnectDeactivateUserOperator, user=103)


# --- totals of reports


def days(count: int) -> tuple[str, str]:
    """Return the first and last of the last `count` days before yesterday, in UTC."""
    last = datetime.now(UTC).date() - timedelta(days=2)
    return (last - timedelta(days=count - 1)).isoformat(), last.isoformat()


@pytest.mark.parametrize("preset", ["default", "opposite"])
@pytest.mark.parametrize("report", ["sessions", "days", "calls_and_sms"])
def test_totals_are_the_sums_of_the_rows(telecom_simulator: Any, hook: Any, report: str, preset: str) -> None:
    telecom_simulator.reset(preset=preset)
    start, end = days(3)
    found = executed(NovaConnectReportTotalsOperator, report=report, start=start, end=end)
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    rows = {
        "sessions": [(one.start, one.sim, one.session_cost) for one in vendor_state.sessions],
        "calls_and_sms": [(one.date, one.sim, one.session_cost) for one in vendor_state.actions],
    }.get(report)
    if rows is not None:
        wanted = [
            (sim, Decimal(str(cost)))
            for moment, sim, cost in rows
            if start <= datetime.fromtimestamp(moment, UTC).date().isoformat() <= end
        ]
        assert found["rows"] == len(wanted) > 0
        assert Decimal(found["cost_eur"]) == sum(cost for _, cost in wanted)
        assert {int(sim) for sim in found["totals"]} == {sim for sim, _ in wanted}
    assert sum(Decimal(one["cost_eur"]) for one in found["totals"].values()) == Decimal(found["cost_eur"])
    assert sum(one["rows"] for one in found["totals"].values()) == found["rows"]
    assert ("traffic" in found) == (report != "calls_and_sms")
    json.dumps(found)


def test_totals_of_groups(vendor_state: VendorState) -> None:
    start, end = days(2)
    almaty = next(iter(vendor_state.groups))
    for sim in vendor_state.sims.values():
        sim.groups = [almaty] if sim.id == 1041 else []
    arguments = {"report": "sessions", "start": start, "end": end}
    by_group = executed(NovaConnectReportTotalsOperator, **arguments, by="group")
    by_sim = executed(NovaConnectReportTotalsOperator, **arguments)
    assert list(by_group["totals"]) == [str(almaty), "without_group"]
    assert by_group["totals"][str(almaty)] == by_sim["totals"]["1041"]
    assert by_group["totals"]["without_group"]["rows"] == by_sim["rows"] - by_sim["totals"]["1041"]["rows"]
    whole = executed(NovaConnectReportTotalsOperator, **arguments, by=None, sim_ids="[1041]")
    assert whole["totals"] == {}
    assert whole["cost_eur"] == by_sim["totals"]["1041"]["cost_eur"]
    with pytest.raises(TelecomInputError, match="max_totals"):
        executed(NovaConnectReportTotalsOperator, **arguments, max_totals=3)


def test_totals_of_sims_and_groups_that_there_are_not(telecom_simulator: Any) -> None:
    start, end = days(1)
    arguments = {"report": "sessions", "start": start, "end": end}
    for chosen in ({"sim_ids": [1041, 7]}, {"group_ids": [7]}):
        with pytest.raises(TelecomInputError, match="it does not know 7"):
            executed(NovaConnectReportTotalsOperator, **arguments, **chosen)
    assert not any("report" in seen.path for seen in telecom_simulator.state.requests)
    with pytest.raises(TelecomInputError, match="before today"):
        executed(
            NovaConnectReportTotalsOperator, report="sessions", start=start, end=datetime.now(UTC).date()
        )


def test_totals_take_the_bounds_of_transfers() -> None:
    start, _ = days(1)
    midnight = datetime.fromisoformat(start).replace(tzinfo=UTC)
    arguments = {"report": "sessions", "by": None}
    wanted = executed(NovaConnectReportTotalsOperator, **arguments, start=start, end=start)
    bounds = {"start": midnight, "end": midnight + timedelta(days=1)}
    assert executed(NovaConnectReportTotalsOperator, **arguments, **bounds) == wanted
    operator = NovaConnectReportTotalsOperator(
        task_id="totals", **arguments, start="{{ params.day }}", end="{{ params.day }}"
    )
    assert Run().execute(operator, params={"day": start}) == wanted


def test_totals_of_rows_that_move(vendor_state: VendorState) -> None:
    start, end = days(3)
    arguments = {"report": "sessions", "start": start, "end": end}
    before = executed(NovaConnectReportTotalsOperator, **arguments)
    vendor_state.max_rows = 50
    vendor_state.after_pages.append(lambda: vendor_state.sessions.insert(0, vendor_state.sessions.pop()))
    assert executed(NovaConnectReportTotalsOperator, **arguments) == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"report": "calls"}, "report"),
        ({"by": "day"}, "by"),
        ({"start": "yesterday"}, "start"),
        ({"sim_ids": []}, "sim_ids"),
        ({"max_totals": 0}, "max_totals"),
    ],
)
def test_bad_totals_are_refused_when_the_dag_is_parsed(given: dict[str, Any], field: str) -> None:
    settings = {"report": "sessions", "start": "2026-01-01", "end": "2026-01-02", **given}
    with pytest.raises(TelecomInputError) as caught:
        NovaConnectReportTotalsOperator(task_id="totals", **settings)
    assert caught.value.field == field
