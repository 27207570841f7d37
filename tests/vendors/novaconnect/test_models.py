"""Reading what NovaConnect shows: documented samples, and the types its tables contradict."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import read_json, to_model
from airflow_provider_telecom.vendors.novaconnect.models import (
    Bill,
    Company,
    Group,
    LimitType,
    RenamedSim,
    SessionRow,
    Sim,
    SimBlock,
    User,
)
from airflow_provider_telecom.vendors.novaconnect.numbers import amount_in
from airflow_provider_telecom.vendors.novaconnect.times import from_unix
from tests.vendors.novaconnect.by_hand import BILL, COMPANY, GROUP, SESSION, SIM, USER, ScriptedApi, ask, ok


def read(model: type[Any], sample: dict[str, Any], **changes: Any) -> Any:
    return to_model(model, read_json(json.dumps({**sample, **changes}).encode()))


def test_a_sim_is_read_whole() -> None:
    sim = read(Sim, SIM)
    assert (sim.id, sim.iccid, sim.block) == (1001, "8999700000000000001", SimBlock.NONE)
    assert sim.balance == Decimal("12.34")
    assert sim.groups[0].name == "Trucks"
    assert (sim.limit.type, sim.limit.value, sim.limit.used) == (LimitType.CALENDAR_MONTH, 500, Decimal(12))
    assert sim.limit.updated_at == datetime(2024, 6, 25, 7, 20, tzinfo=UTC)
    assert sim.limit.created_at < sim.limit.updated_at


def test_unknown_codes_and_fields_are_kept() -> None:
    sim = read(Sim, SIM, block="zz", apn="internet", profile="TE")
    assert (sim.block, sim.profile, sim.apn) == ("zz", "TE", "internet")
    assert sim.model_dump(mode="json")["apn"] == "internet"


def test_a_sim_of_nulls_is_read() -> None:
    bare = dict.fromkeys(SIM) | {
        "id": 1,
        "iccid": 8999700000000000001,
        "profile": "TD",
        "block": "n",
    }
    sim = read(Sim, bare)
    assert (sim.iccid, sim.limit, sim.tariff, sim.groups) == ("8999700000000000001", None, None, None)


@pytest.mark.parametrize("missing", ["id", "iccid", "profile", "block"])
def test_a_sim_without_what_names_it_is_unreadable(missing: str) -> None:
    with pytest.raises(TelecomAnswerError, match=missing):
        to_model(Sim, {name: value for name, value in SIM.items() if name != missing})


@pytest.mark.parametrize(
    ("used", "read_as"),
    [(12, "12"), (12.25, "12.25"), ("12.25", "12.25"), ("12,25", "12.25"), (None, None), ("", None)],
)
def test_row_36_used_limit_is_int_or_float(used: Any, read_as: str | None) -> None:
    sim = read(Sim, SIM, limit={"type": "month1", "used": used})
    assert sim.limit.used == (None if read_as is None else Decimal(read_as))


@pytest.mark.parametrize(
    ("lock", "until"),
    [
        (None, None),
        (False, None),
        (True, None),
        (0, None),
        (1719300000, datetime(2024, 6, 25, 7, 20, tzinfo=UTC)),
        ("1719300000", datetime(2024, 6, 25, 7, 20, tzinfo=UTC)),
    ],
)
def test_row_36_change_lock_is_a_date_or_a_truth_value(lock: Any, until: datetime | None) -> None:
    tariff = read(Sim, SIM, tariff={"id": 1, "name": "TD", "change_lock": lock, "package_auto": True}).tariff
    assert tariff.locked_until == until
    assert bool(tariff.change_lock) is bool(lock)


def test_row_36_big_traffic_comes_as_text_and_stays_exact() -> None:
    row = read(SessionRow, SESSION)
    assert row.value == 9007199254740993
    assert read(SessionRow, SESSION, value=9007199254740993).value == row.value
    assert row.session_cost == Decimal("0.25")
    assert (row.end_at - row.start_at).total_seconds() == 3600


@pytest.mark.parametrize("value", ["many", [], {"a": 1, "b": 2}])
def test_row_36_what_is_no_number_is_unreadable(value: Any) -> None:
    with pytest.raises(TelecomAnswerError, match="value"):
        read(SessionRow, SESSION, value=value)


def test_row_36_an_operator_code_is_a_name_not_a_number() -> None:
    assert read(SessionRow, SESSION).operator_code == "40102"
    assert read(SessionRow, SESSION, operator_code="00101").operator_code == "00101"


def test_a_bill_is_money_in_decimals() -> None:
    bill = read(Bill, BILL)
    assert (bill.cost, bill.valute_course, bill.valute_cost) == (
        Decimal("100.1"),
        Decimal("515.5"),
        Decimal("51601.55"),
    )
    assert bill.paid_at is None
    assert bill.added_at == datetime(2024, 6, 25, 7, 20, tzinfo=UTC)
    assert read(Bill, BILL, paided=1719300000).paid_at == bill.added_at


def test_row_40_balances_are_kept_and_read() -> None:
    company = read(Company, COMPANY, overdraft="100 000,00 ₸")
    assert company.balance == "152300.50 ₸"
    assert company.balance_amount == Decimal("152300.50")
    assert company.preliminary_balance_amount == Decimal("-4210.75")
    assert company.overdraft_amount == Decimal("100000.00")
    assert read(Company, COMPANY).overdraft_amount is None


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("152300.50 ₸", "152300.50"),
        ("-4 210,75 ₸", "-4210.75"),
        ("−4\u00a0210,75\u00a0€", "-4210.75"),
        ("€1,234.56", "1234.56"),
        ("1.234,56 €", "1234.56"),
        ("-€5", "-5"),
        ("€ -5", "-5"),
        ("1'234'567.8 CHF", "1234567.8"),
        ("1,234,567", "1234567"),
        ("0,125 €", "0.125"),
        ("100 руб.", "100"),
        ("0", "0"),
        ("12.3456", "12.3456"),
        ("1,234 €", None),
        ("1.234 ₸", None),
        ("12 5 ₸", None),
        ("5 of 6", None),
        ("₸", None),
        ("", None),
        (None, None),
        ("1.2,3.4", None),
    ],
)
def test_row_40_an_amount_is_read_or_left_alone(text: str | None, amount: str | None) -> None:
    assert amount_in(text) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("seconds", [None, 0, -62169984000, 10**15])
def test_times_that_are_none(seconds: int | None) -> None:
    assert from_unix(seconds) is None


def test_people_and_groups() -> None:
    assert read(User, USER).email == "aigul@example.kz"
    assert read(Group, GROUP).added_at == datetime(2024, 6, 25, 7, 20, tzinfo=UTC)


def test_renaming_may_answer_with_a_queue_as_the_words_of_the_document_say() -> None:
    _, renamed = ask(ScriptedApi().rename_sim, 1, "x", answers=[ok(result={"item": {"queue_id": "q-1"}})])
    assert (renamed.queue_id, renamed.id) == ("q-1", None)
    with pytest.raises(TelecomAnswerError):
        to_model(RenamedSim, {"name": "x"})
