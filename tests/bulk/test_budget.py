"""Budgets: their values and days, and what a task may reserve beside others."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    ErrorResponse,
    GetVariableKeys,
    OKResponse,
    VariableKeysResult,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.budget import shown
from airflow_provider_telecom.bulk.budget_store import (
    _MAX_ROUNDS,
    _PAUSE,
    Reservation,
    budget_facts,
    read_claim,
    settle_and_log,
    valid_claims,
)
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.journal.journal import Journal
from tests.bulk.variables import Variables
from tests.running import Store

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
ZONES = ["UTC", "Europe/Kyiv", "Asia/Almaty", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe"]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    found = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    return found


class Task:
    """A task of a run, whose tries share a journal."""

    def __init__(self, name: str, budget: Budget, purpose: str = "") -> None:
        self.name, self.budget, self.purpose, self.store = name, budget, purpose, Store()
        self.now = NOON
        self.pauses: list[float] = []

    def begin(self, purpose: str | None = None) -> Reservation:
        purpose = self.purpose if purpose is None else purpose
        journal = Journal(self.store)
        return Reservation(
            self.budget, journal, f"dag/run/{self.name}", purpose, lambda: self.now, self.pauses.append
        )


def spend(task: Task, rest: str, spent: str = "0", is_complete: bool = True) -> Reservation:
    found = task.begin()
    found.reserve(Decimal(spent), Decimal(rest), is_complete)
    return found


def claimed(variables: Variables) -> Decimal:
    return sum((claim.amount for claim in valid_claims(variables.values)), Decimal(0))


# Values


@pytest.mark.parametrize(
    ("arguments", "field", "error"),
    [
        ({"name": ""}, "budget name", "1 to 64"),
        ({"name": "a.b"}, "budget name", "1 to 64"),
        ({"name": "x" * 65}, "budget name", "1 to 64"),
        ({"name": None}, "budget name", "1 to 64"),
        ({"currency": "eur"}, "budget currency", "three capital letters"),
        ({"currency": "EURO"}, "budget currency", "three capital letters"),
        ({"currency": None}, "budget currency", "three capital letters"),
        ({"per_day": None}, "budget", "needs a cap"),
        ({"per_day": 1.5}, "budget per_day", "no float"),
        ({"per_day": True}, "budget per_day", "no float"),
        ({"per_day": "-1"}, "budget per_day", "from 0"),
        ({"per_day": "nan"}, "budget per_day", "from 0"),
        ({"per_day": "1e15"}, "budget per_day", "from 0"),
        ({"per_day": "10 EUR"}, "budget per_day", "from 0"),
        ({"per_task": "0.1234567891"}, "budget per_task", "nine decimal places"),
        ({"timezone": "Kyiv"}, "budget timezone", "zone"),
        ({"timezone": ""}, "budget timezone", "zone"),
        ({"allow_prefixes": "+380"}, "budget allow_prefixes", "list"),
        ({"allow_prefixes": {"+380"}}, "budget allow_prefixes", "list"),
        ({"allow_prefixes": ["Ukraine"]}, "budget allow_prefixes", "beginnings"),
        ({"allow_prefixes": [380]}, "budget allow_prefixes", "beginnings"),
        ({"allow_prefixes": [""]}, "budget allow_prefixes", "beginnings"),
        ({"allow_prefixes": ["+380", "1" * 16]}, "budget allow_prefixes", "beginnings"),
    ],
)
def test_a_wrong_budget_is_refused_at_once(arguments: dict[str, Any], field: str, error: str) -> None:
    with pytest.raises(TelecomInputError, match=error) as caught:
        Budget(**{"name": "marketing", "currency": "EUR", "per_day": "10", **arguments})
    assert caught.value.field == field


def test_what_a_budget_takes() -> None:
    budget = Budget("x" * 64, "EUR", " 0 ", "999999999999999.999999999", allow_prefixes=["+380", "1" * 15])
    assert (budget.task_cap, budget.day_cap) == (0, Decimal("999999999999999.999999999"))
    assert (budget.timezone, budget.allow_prefixes) == ("UTC", ("380", "1" * 15))
    assert Budget("m", "EUR", per_task=1, timezone="Europe/Kiev").timezone == "Europe/Kyiv"
    assert Budget("m", "EUR", per_task=1).day_cap is None
    assert Budget("m", "EUR", per_day=1).task_cap is None


def test_prices_in_another_currency_are_refused() -> None:
    budget = Budget("m", "EUR", per_day=1)
    for same in (None, "EUR", "eur"):
        budget.check_currency(same)
    with pytest.raises(TelecomInputError, match="m is in EUR, but the vendor's price is in UAH") as caught:
        budget.check_currency("UAH")
    assert caught.value.field == "budget"


def test_a_budget_is_a_value() -> None:
    first, second = (Budget("m", "EUR", per_day=amount) for amount in ("2000.50", Decimal("2000.5")))
    assert first == second
    with pytest.raises(AttributeError):
        first.name = "other"  # type: ignore[misc]
    assert shown(Decimal("10.00")) == "10"
    assert shown(Decimal(100)) == "100"
    assert shown(Decimal("0.00")) == "0"
    assert shown(Decimal("0.50")) == "0.5"
    assert shown(Decimal("1E-9")) == "0.000000001"


def test_numbers_outside_the_prefixes_are_counted() -> None:
    budget = Budget("m", "EUR", per_day=1, allow_prefixes=["+380", "7701"])
    budget.check_numbers(["380670000201", "77010000001"])
    with pytest.raises(
        TelecomInputError, match=r"recipients: 2 of 3 numbers .* \(\+380, \+7701\); nothing was sent"
    ) as caught:
        budget.check_numbers(["380670000201", "77020000001", "48600000001"])
    assert caught.value.field == "recipients"
    Budget("m", "EUR", per_day=1).check_numbers(["380670000201", "48600000001"])


@given(
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=300)
def test_a_day_is_what_a_clock_there_shows(zone: str, at: datetime) -> None:
    """And no instant of a day is outside the dates that are listed for it."""
    budget, seconds = Budget("m", "EUR", per_day=1, timezone=zone), at.timestamp()
    day = budget.day_of(seconds)
    assert day == at.astimezone(ZoneInfo(zone)).date()
    assert at.date() in budget.utc_dates(day)
    before = budget.day_of(seconds - 0.001)
    assert before <= day
    assert len(budget.utc_dates(day)) <= 3


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", [28]),
        ("Europe/Kyiv", [27, 28]),
        ("America/Havana", [28, 29]),
        ("Asia/Kathmandu", [27, 28]),
        ("Pacific/Kiritimati", [27, 28]),
        ("Etc/GMT+12", [28, 29]),
    ],
)
def test_a_day_is_in_two_dates_of_utc_at_most(zone: str, days: list[int]) -> None:
    """Each date that is listed costs a call of Airflow's API."""
    budget = Budget("m", "EUR", per_day=1, timezone=zone)
    assert budget.utc_dates(date(2026, 11, 28)) == tuple(date(2026, 11, day) for day in days)


def test_the_zone_of_the_worker_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget("m", "EUR", per_day=1, timezone="Europe/Kyiv")
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = budget.utc_dates(date(2026, 2, 14)), budget.day_of(NOON)
    time.tzset()
    assert found == ((date(2026, 2, 13), date(2026, 2, 14)), date(2026, 11, 28))


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 10, 25), 25), (date(2027, 3, 28), 23), (date(2026, 11, 28), 24)]
)
def test_a_day_of_a_clock_change_is_longer_or_shorter(day: date, hours: int) -> None:
    budget = Budget("m", "EUR", per_day=1, timezone="Europe/Kyiv")
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=12)
    minutes = [start + timedelta(minutes=place) for place in range(60 * 48)]
    assert sum(budget.day_of(at.timestamp()) == day for at in minutes) == 60 * hours


# Reserving


def test_two_tasks_share_the_cap_of_a_day(variables: Variables) -> None:
    budget = Budget("marketing", "EUR", per_day="10")
    first = spend(Task("a", budget), "6")
    with pytest.raises(TelecomInputError) as refused:
        spend(Task("b", budget), "5")
    assert "has 4 EUR left of per_day 10 EUR on 2026-11-28 (UTC), and this needs 5 EUR" in str(refused.value)
    assert refused.value.field == "budget"
    first.settle(Decimal("5.5"))
    spend(Task("c", budget), "4.5")
    assert claimed(variables) == 10


def test_the_money_of_others_does_not_count(variables: Variables) -> None:
    spend(Task("a", Budget("marketing", "EUR", per_day="10")), "10")
    for other in (
        Budget("Marketing", "EUR", per_day="10"),
        Budget("marketing", "UAH", per_day="10"),
        Budget("marketing-2", "EUR", per_day="10"),
    ):
        spend(Task("a", other), "10")


def test_a_day_later_the_money_is_there_again(variables: Variables) -> None:
    """What a killed task has reserved counts until the end of its day, in the budget's own time zone."""
    budget = Budget("m", "EUR", per_day="10", timezone="Europe/Kyiv")
    spend(Task("killed", budget), "10")
    midnight = datetime(2026, 11, 28, 22, tzinfo=UTC).timestamp()
    late, early = Task("late", budget), Task("early", budget)
    late.now, early.now = midnight - 1, midnight
    with pytest.raises(TelecomInputError, match="2026-11-28"):
        spend(late, "0.01")
    spend(early, "10")


def test_a_send_that_passes_midnight_counts_for_the_day_of_its_reservation(variables: Variables) -> None:
    budget = Budget("m", "EUR", per_day="10")
    task, next_day = Task("a", budget), Task("b", budget)
    spend(task, "10")
    task.now = next_day.now = NOON + 86_400
    retry = spend(task, "4", spent="6")  # its own reservation: it is not asked for again
    retry.settle(Decimal(10))
    spend(next_day, "10")


def test_a_retry_reuses_its_reservation(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_task="10", per_day="10"))
    spend(task, "10")
    for spent in range(10):
        found = spend(task, str(10 - spent), spent=str(spent))
        assert claimed(variables) == found.held == 10
    found.settle(Decimal("9.5"))
    assert claimed(variables) == Decimal("9.5")
    assert not task.begin().is_open


def test_unknown_counts_as_spent(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    spend(task, "10")
    found = spend(task, "3", spent="4", is_complete=False)  # 3 are of messages without a price
    assert found.held == 10
    found.settle(Decimal(7), doubt=Decimal(2))
    assert spend(task, "5", spent="4", is_complete=False).held == 10  # 2 of the 5 are those in doubt


def test_a_killed_try_keeps_what_its_messages_may_cost(variables: Variables) -> None:
    """It reserved 10, and died before it could settle."""
    task = Task("a", Budget("m", "EUR", per_day="100"))
    spend(task, "10")
    assert spend(task, "6", spent="4").held == 10
    assert spend(task, "9", spent="4").held == 13  # there are more recipients now
    assert spend(task, "2", spent="1", is_complete=False).held == 13
    assert spend(task, "20", spent="1", is_complete=False).held == claimed(variables) == 21


def test_what_is_sent_again_is_reserved_once(variables: Variables) -> None:
    """Of 10 spent, 2 are for messages in doubt, and the try that sends these again dies."""
    task = Task("a", Budget("m", "EUR", per_day="100"))
    spend(task, "10").settle(Decimal(10), doubt=Decimal(2))
    for _ in range(3):
        found = spend(task, "5", spent="8")
        assert found.held == claimed(variables) == 13
        assert found.is_open


def test_a_send_over_several_days_counts_for_the_days_of_its_reservations(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="100"))
    spend(task, "10")
    task.now += 86_400
    found = spend(task, "3", spent="10")
    for spent, first, second in (("12", 10, 2), ("7", 7, 0)):
        found.settle(Decimal(spent))
        claims = valid_claims(variables.values)
        by_day = {task.budget.day_of(claim.at): claim.amount for claim in claims}
        assert by_day == {date(2026, 11, 28): first, date(2026, 11, 29): second}
        assert found.held == Decimal(spent)


def test_a_try_that_only_settles_is_later_than_a_dead_one(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    dead = spend(task, "10")
    task.begin().settle(Decimal(4))
    journal = task.store.texts.copy()
    for _ in range(3):
        dead.settle(Decimal(10))
    assert claimed(variables) == 4
    task.store.texts = journal
    task.begin().settle(Decimal(3))
    assert claimed(variables) == 3


def test_the_journal_has_a_reservation_before_it_is_asked_for(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try that is killed while it asks is taken back by the next one."""
    task = Task("a", Budget("m", "EUR", per_day="10"))
    with monkeypatch.context() as killed:
        killed.setattr(Reservation, "_confirm", lambda self, record: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            spend(task, "6")
    assert claimed(variables) == 6
    assert spend(task, "5").held == claimed(variables) == 5


def test_what_a_killed_try_asked_for_is_forgotten_when_it_is_taken_back(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts no more for what the task sends with another key."""
    task = Task("a", Budget("m", "EUR", per_task="10"))
    spend(task, "6")
    with monkeypatch.context() as killed:
        killed.setattr(Reservation, "_confirm", lambda self, record: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            spend(task, "9")
    assert claimed(variables) == 9
    assert spend(task, "6").held == claimed(variables) == 6
    task.begin("again").reserve(Decimal(0), Decimal(4))
    assert claimed(variables) == 10


@pytest.mark.parametrize(("per_task", "per_day"), [("5.5", None), (None, "10"), ("1", "2")])
def test_each_claim_says_what_the_caps_are(
    variables: Variables, per_task: str | None, per_day: str | None
) -> None:
    """`airflow telecom budget` and the page show them."""
    budget = Budget("m", "EUR", per_task, per_day, timezone="Europe/Kyiv")
    spend(Task("a", budget), "0.5")
    expected = {"run": "dag/run/a", "timezone": "Europe/Kyiv", "per_task": per_task, "per_day": per_day}
    assert set(variables.values.values()) == {json.dumps(expected)}


def test_the_cap_of_a_task_counts_all_its_tries_and_keys(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_task="10"))
    spend(task, "6").settle(Decimal(6))
    again = task.begin("again")
    with pytest.raises(TelecomInputError, match="has 4 EUR left of per_task 10 EUR, and this needs 6 EUR"):
        again.reserve(Decimal(0), Decimal(6))
    again.reserve(Decimal(0), Decimal(4))
    spend(Task("b", task.budget), "10")
    assert claimed(variables) == 20


def test_what_is_left_for_a_task_does_not_include_what_it_has_spent(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_task="10"))
    with pytest.raises(TelecomInputError, match="has 6 EUR left of per_task 10 EUR, and this needs 7 EUR"):
        spend(task, "7", spent="4")


def test_a_lower_cap_counts_what_is_needed(variables: Variables) -> None:
    """Of the 10 that an earlier try has reserved. If the price of some messages is not known, all of it."""
    task = Task("a", Budget("m", "EUR", per_task="10"))
    spend(task, "10")
    task.budget = Budget("m", "EUR", per_task="8")
    with pytest.raises(TelecomInputError, match="per_task"):
        spend(task, "2", spent="4", is_complete=False)
    task.begin().reserve(Decimal(4), Decimal(2))
    assert Reservation(task.budget, Journal(task.store), "dag/run/a").held == 10


def test_what_is_stored_is_found_by_the_next_version(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_task="10"), purpose="mine")
    spend(task, "4").settle(Decimal(3))
    numbers = [(claim.number, claim.state) for key in variables.values if (claim := read_claim(key))]
    assert numbers == [(10_001, "a"), (10_002, "c"), (10_003, "s")]
    assert {claim.task for claim in valid_claims(variables.values)} == {"44d91be4"}
    (name,) = task.store.texts
    assert name == "telecom.budget.35d8265c9523336e"
    entry = Journal(task.store).read("budget.35d8265c9523336e")
    assert entry
    (stored,) = entry.facts["records"]
    assert (stored["purpose"], stored["amount"], stored["at"]) == ("034dcbd253e0ddf4", "3", NOON)
    assert entry.facts["doubt"] == {"034dcbd253e0ddf4": "0"}
    assert entry.body == "m"
    terms = {"currency": "EUR", "timezone": "UTC", "per_task": "10", "per_day": None}
    assert terms.items() <= entry.facts.items()
    task.begin().settle(Decimal(2))
    assert [claim.number for claim in valid_claims(variables.values)] == [20_001]


def test_a_late_settlement_of_a_dead_try_changes_nothing(variables: Variables) -> None:
    """It may arrive after the next try has begun, which sends under the same reservation."""
    task = Task("a", Budget("m", "EUR", per_day="10"))
    first = spend(task, "10")
    spend(task, "8", spent="2")
    journal = task.store.texts.copy()
    first.settle(Decimal(2))
    task.store.texts = journal  # Airflow refuses the journal's write of a try that was given up
    assert claimed(variables) == 10


def test_a_vendor_that_charges_more_is_reported(
    variables: Variables, caplog: pytest.LogCaptureFixture
) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    spend(task, "10").settle(Decimal("10.5"))
    assert claimed(variables) == Decimal("10.5")
    assert "charged 10.5 EUR, more than its own price, 10" in caplog.text
    caplog.clear()
    spend(Task("b", Budget("other", "EUR", per_day="10")), "10").settle(Decimal(10))
    assert not caplog.text


def test_a_charge_for_what_the_vendor_priced_at_nothing_counts(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    spend(task, "0").settle(Decimal("0.5"))
    assert claimed(variables) == task.begin().held == Decimal("0.5")
    spend(Task("b", task.budget), "0").settle(Decimal("0.5"))
    assert claimed(variables) == 1


@pytest.mark.parametrize("small", ["1e-9", "0.000000001", "1E-9"])
def test_very_small_amounts_are_exact(variables: Variables, small: str) -> None:
    budget = Budget("m", "EUR", per_day=small)
    spend(Task("a", budget), small).settle(Decimal(small))
    with pytest.raises(TelecomInputError, match=r"has 0 EUR left of per_day 0\.000000001 EUR"):
        spend(Task("b", budget), small)
    assert claimed(variables) == Decimal("0.000000001")


def test_who_was_refused_for_the_day_has_reserved_nothing(variables: Variables) -> None:
    """Neither for the day, nor in the journal of its task."""
    budget = Budget("m", "EUR", per_task="10", per_day="10")
    spend(Task("a", budget), "4")
    task = Task("b", budget)
    with pytest.raises(TelecomInputError, match="has 6 EUR left of per_day 10 EUR"):
        spend(task, "7")
    assert not task.pauses
    assert not task.begin().is_open
    assert not task.begin().held
    again = task.begin("again")
    again.reserve(Decimal(0), Decimal(6))
    assert claimed(variables) == 10


def test_who_asks_beside_others_gives_up_at_last(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time another one is asking; with it the cap would not do."""
    monkeypatch.setattr("random.random", lambda: 0.25)
    budget = Budget("m", "EUR", per_day="10")
    spend(Task("a", budget), "7")
    (asking,) = [key for key in variables.values if (claim := read_claim(key)) and claim.state == "a"]
    variables.values = {asking: variables.values[asking]}
    task = Task("b", budget)
    with pytest.raises(TelecomInputError, match="per_day"):
        spend(task, "7")
    assert len(task.pauses) == _MAX_ROUNDS - 1
    assert all(pause in (0.25 * _PAUSE, 1.25 * _PAUSE) for pause in task.pauses)  # as first or second of two
    assert spend(task, "3").held == 3
    assert len(task.pauses) == _MAX_ROUNDS - 1


@pytest.mark.parametrize(("cap", "left"), [("10", "6"), ("4", "0"), ("3.5", "0"), (None, None)])
def test_what_a_preview_says_of_a_budget(variables: Variables, cap: str | None, left: str | None) -> None:
    spent = Budget("m", "EUR", per_task="50", timezone="Europe/Kyiv")
    spend(Task("a", spent), "4")
    assert budget_facts(Budget("m", "EUR", "50", cap, timezone="Europe/Kyiv"), NOON) == {
        "name": "m",
        "currency": "EUR",
        "timezone": "Europe/Kyiv",
        "day": "2026-11-28",
        "left": left,
        "per_day": cap,
        "per_task": "50",
    }


def test_after_a_send_the_budget_is_settled_and_old_days_are_deleted(
    variables: Variables, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    task = Task("a", Budget("m", "EUR", per_day="10"))
    task.now -= 125 * 86_400
    spend(task, "1").settle(Decimal(1))
    task.now = NOON
    other = Task("b", task.budget)
    found = spend(other, "5")
    settle_and_log(found, Decimal(3), doubt=Decimal(1))
    assert claimed(variables) == 3
    assert not found.is_open
    assert "spent by all tasks" in caplog.text
    assert spend(other, "1", spent="2").held == 3, "the message in doubt is sent again"


def test_what_is_not_in_doubt_stays_spent(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    settle_and_log(spend(task, "4"), Decimal(4))
    assert spend(task, "1", spent="3").held == 5


@pytest.mark.parametrize("cap", ["10", "7"])
def test_who_asks_at_the_same_moment_asks_again(variables: Variables, cap: str) -> None:
    """Both are refused at first; the one that comes back when the other has gone passes."""
    budget = Budget("m", "EUR", per_day=cap)
    one, other = Task("a", budget), Task("b", budget)
    seen = spend(one, "7")
    (asked,) = [key for key in variables.values if (claim := read_claim(key)) and claim.state == "a"]
    variables.values = {asked: variables.values[asked]}  # as if it had not confirmed it yet
    other.pauses = []

    def leave(seconds: float) -> None:
        other.pauses.append(seconds)
        seen.settle(Decimal(0))

    found = Reservation(budget, Journal(other.store), "b", "", lambda: NOON, leave)
    found.reserve(Decimal(0), Decimal(7))
    assert len(other.pauses) == 1
    assert claimed(variables) == 7


def test_the_table_has_what_is_left(variables: Variables) -> None:
    budget = Budget("m", "EUR", per_day="10", per_task="5")
    spend(Task("a", budget), "3").settle(Decimal("2.50"))
    found = spend(Task("b", budget), "4")
    assert found.table().splitlines() == [
        "budget m, 2026-11-28 (UTC), EUR",
        "  spent by this task                 4",
        "  spent by all tasks               2.5",
        "  reserved                           4",
        "  left                             3.5",
        "  cap of the day                    10",
        "  cap of this task                   5",
    ]


def test_old_entries_are_deleted_and_young_ones_are_not(variables: Variables) -> None:
    task = Task("a", Budget("m", "EUR", per_day="10"))
    for days in (0, 60, 89, 92, 125):
        other = Task(f"{days}", task.budget)
        other.now = NOON - days * 86_400
        spend(other, "1")
    spend(task, "1").forget_old()
    ages = {round((NOON - claim.at) / 86_400) for claim in valid_claims(variables.values)}
    assert ages >= {0, 60, 89}
    assert 125 not in ages


def test_a_month_is_deleted_when_all_of_its_days_are_older_than_90_days(variables: Variables) -> None:
    budget = Budget("m", "EUR", per_day="10")
    october = datetime(2026, 10, 30, 12, tzinfo=UTC).timestamp()
    for days in (90, 121, 122):  # 1 August, 1 July and 30 June
        task = Task(f"{days}", budget)
        task.now = october - days * 86_400
        spend(task, "1")
    now = Task("now", budget)
    now.now = october
    now.begin().forget_old()
    ages = {round((october - claim.at) / 86_400) for claim in valid_claims(variables.values)}
    assert ages == {90, 122}, "30 June was deleted a month ago, if a task has run then"


def test_few_old_entries_are_deleted_at_once(variables: Variables) -> None:
    """The task has sent its messages, and waits for each call of Airflow's API."""
    variables.values = {f"telecom_budget.m.EUR.2026-07-01.{number}": "" for number in range(60)}
    for left in (10, 0):
        Task("a", Budget("m", "EUR", per_day="10")).begin().forget_old()
        assert len(variables.values) == left


def test_keys_say_no_more_than_they_must(variables: Variables) -> None:
    budget = Budget("m", "EUR", per_day="10")
    journal = Journal(Store())
    found = Reservation(budget, journal, "dag/for-380670000201/send", "", lambda: NOON)
    found.reserve(Decimal(0), Decimal("1e-9"))
    for key, value in variables.values.items():
        claim = read_claim(key)
        assert claim
        assert claim.key == key
        assert key.startswith("telecom_budget.m.EUR.2026-11-28")  # stored: an upgrade must find it
        assert "380670000201" not in key + value
        assert json.loads(value)["run"] == "dag/for-***/send"
    assert read_claim("telecom_budget.m.EUR.x") is None
    assert read_claim("something_else") is None


# A store that does not answer


class Broken:
    def __init__(self, after: int) -> None:
        self.left, self.inner = after, Variables()

    def send(self, message: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR))
        return self.inner.send(message)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_without_the_store_nothing_may_be_sent(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Broken(after), raising=False)
    with pytest.raises(TelecomNotSentError, match=r"^not sent: Airflow's Variables or state store"):
        spend(Task("a", Budget("m", "EUR", per_day="10")), "1")


@pytest.mark.parametrize("afters", list(product(range(5), repeat=2)))
def test_what_tries_reserved_while_the_store_failed_is_taken_back(
    monkeypatch: pytest.MonkeyPatch, afters: tuple[int, int]
) -> None:
    task, store = Task("a", Budget("m", "EUR", per_day="10")), Broken(0)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", store, raising=False)
    for after in afters:
        store.left = after
        with suppress(TelecomNotSentError):
            spend(task, "4")
    store.left = 1000
    spend(task, "4")
    assert claimed(store.inner) == 4


def test_what_cannot_be_read_back_is_not_reserved(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a database replica that is behind."""
    monkeypatch.setattr(Variables, "send", lambda self, message: _empty(message))
    with pytest.raises(TelecomNotSentError, match="cannot be read back"):
        spend(Task("a", Budget("m", "EUR", per_day="10")), "1")


def test_the_equal_amount_of_another_task_is_not_ones_own(
    variables: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that is behind shows what others have reserved, and not what this task has."""
    budget = Budget("m", "EUR", per_day="10")
    spend(Task("a", budget), "1")
    behind = Variables()
    behind.values = dict(variables.values)
    answer = Variables.send
    monkeypatch.setattr(
        Variables,
        "send",
        lambda self, message: answer(behind if isinstance(message, GetVariableKeys) else self, message),
    )
    with pytest.raises(TelecomNotSentError, match="cannot be read back"):
        spend(Task("b", budget), "1")


def _empty(message: Any) -> Any:
    if isinstance(message, GetVariableKeys):
        return VariableKeysResult(keys=[], total_entries=0)
    return OKResponse(ok=True)


def test_outside_a_task_nothing_may_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)
    with pytest.raises(TelecomNotSentError):
        spend(Task("a", Budget("m", "EUR", per_day="10")), "1")
