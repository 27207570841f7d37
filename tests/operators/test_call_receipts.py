"""What became of many calls: answered or not if the vendor's list proves it, and otherwise unknown to all."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.kyivstar_fmc import (
    KyivstarFmcBulkCallOperator,
    KyivstarFmcCollectReceiptsOperator,
)
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.operators.sunsim import (
    SunSimBulkCallbackOperator,
    SunSimCollectReceiptsOperator,
)
from airflow_provider_telecom.simulator import kyivstar_fmc as fmc
from airflow_provider_telecom.simulator.sunsim.models import PhoneCall
from airflow_provider_telecom.simulator.sunsim.state import VendorState as SunSimState
from tests.running import Run

FMC, SUNSIM = "kyivstar_fmc", "sunsim"
PEOPLE = {
    FMC: [f"38067000020{digit}" for digit in (0, 1, 9)],
    SUNSIM: [f"7900000020{digit}" for digit in (0, 1, 9)],
}
CALLER = {FMC: {"calling_number": "0670000100"}, SUNSIM: {"phone_from": "9000000000"}}
SEND = {FMC: KyivstarFmcBulkCallOperator, SUNSIM: SunSimBulkCallbackOperator}
COLLECT = {FMC: KyivstarFmcCollectReceiptsOperator, SUNSIM: SunSimCollectReceiptsOperator}


class World:
    """A vendor with a clock, a file of outcomes, and the tasks that write it."""

    def __init__(self, vendor: str, simulator: Any, path: Path) -> None:
        self.vendor, self.simulator, self.path = vendor, simulator, path

    @property
    def now(self) -> datetime:
        return self.simulator.state.clock.now()

    def call(self, **more: Any) -> None:
        """Call everybody. `fault` happens to the first."""
        arguments = {**CALLER[self.vendor], "recipients": PEOPLE[self.vendor], "on_unknown": "assume_sent"}
        operator = SEND[self.vendor](task_id="send", results_path=str(self.path), **{**arguments, **more})
        Run().execute(operator)

    def collect(self, run: Run | None = None, **more: Any) -> dict[str, Any]:
        """Wait for an hour at most."""
        arguments = {"min_duration_seconds": 2, "wait_timeout": 3600, "outcomes": str(self.path)}
        operator = COLLECT[self.vendor](task_id="receipts", **{**arguments, **more})
        found: dict[str, Any] = (run or Run()).execute(operator)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    @property
    def states(self) -> list[str]:
        return [line["state"] for line in self.lines]

    def switch(self, name: str, value: str) -> None:
        self.simulator.state.set_switch(f"{self.vendor}.{name}", value)

    def add(self, place: int, seconds: float, after: float = 0.0) -> None:
        """Add a call that somebody makes to a recipient, between the same two numbers."""
        at, number = self.now + timedelta(seconds=after), PEOPLE[self.vendor][place]
        if self.vendor == FMC:
            state = self.simulator.state.vendor_state(FMC, fmc.VendorState)
            state.add_call(at, seconds, "0670000100", f"0{number[-9:]}")
        else:
            state = self.simulator.state.vendor_state(SUNSIM, SunSimState)
            call = PhoneCall("x", at, "9000000000", f"8{number[1:]}", 1, int(seconds))
            state.calls["9000000000"].append(call)


@pytest.fixture
def worlds(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], World]:
    hook_for(FMC)
    hook_for(SUNSIM, vendor_timezone="UTC")
    clock = telecom_simulator.state.clock
    monkeypatch.setattr(CollectReceiptsOperator, "now", staticmethod(clock.now))
    monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(clock.advance))
    return lambda vendor: World(vendor, telecom_simulator, tmp_path / "calls.jsonl")


@pytest.fixture(params=[FMC, SUNSIM])
def world(request: pytest.FixtureRequest, worlds: Callable[[str], World]) -> World:
    return worlds(request.param)


def test_answered_and_not_answered(world: World) -> None:
    world.switch("unanswered", "talk")
    if world.vendor == FMC:
        world.switch("duration", "exact")
    world.call()
    assert world.states == ["accepted"] * 3
    facts = world.collect()
    assert world.states == ["delivered", "delivered", "undelivered"]
    assert (facts["delivered"], facts["undelivered"], facts["final_percent"]) == (2, 1, 100.0)
    answered, _, other = world.lines
    assert (answered["status"][:9], other["status"]) == ("answered,", "not answered")
    began, sent = (datetime.fromisoformat(answered[name]) for name in ("final_at", "sent_at"))
    assert timedelta(seconds=-1) < began - sent < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("unanswered", "least", "expected"),
    [
        ("absent", 2, "silent"),  # no record proves nothing
        ("ringing", 60, "silent"),  # shorter than an answered call: nobody can know
        ("talk", 2, "undelivered"),
    ],
)
def test_row_49_calls_that_nobody_answers(world: World, unanswered: str, least: int, expected: str) -> None:
    world.switch("unanswered", unanswered)
    if world.vendor == FMC:
        world.switch("duration", "exact")
        world.simulator.state.vendor_state(FMC, fmc.VendorState).call_seconds = 90
    world.call(recipients=PEOPLE[world.vendor][2:])
    world.collect(min_duration_seconds=least)
    assert world.states == [expected]


def test_a_call_of_no_time_that_is_rounded_up_is_not_answered(worlds: Callable[[str], World]) -> None:
    """Kyivstar's sample has 14 for 13 seconds: 1 may be 0."""
    world = worlds(FMC)
    world.switch("unanswered", "talk")
    world.switch("duration", "rounded_up")
    world.call()
    world.collect()
    assert world.states == ["delivered", "delivered", "silent"]


FORMS = {
    FMC: [
        {"number_form": "plus", "answer_time": "T", "row_order": "reversed"},
        {"number_form": "international", "period_of": "end", "end_excluded": "on"},
        {"limits": "clocks", "trailing_comma": "on", "json_duration": "text"},
    ],
    SUNSIM: [
        {"callback_answer": "id", "end_excluded": "on", "future_refused": "on"},
        {"callback_answer": "empty", "period_limit": "length", "month": "30_days"},
        {"success_error": "null", "strict_filters": "on"},
    ],
}


@pytest.mark.parametrize("place", range(3))
def test_all_readings_of_the_document(world: World, place: int) -> None:
    for name, value in FORMS[world.vendor][place].items():
        world.switch(name, value)
    world.call(recipients=PEOPLE[world.vendor][:2])
    world.collect()
    assert world.states == ["delivered"] * 2


def test_a_lost_response_is_settled_by_the_list(world: World) -> None:
    path = {FMC: "originate", SUNSIM: "callback/create"}[world.vendor]
    world.simulator.fault("reset_after", world.vendor, path=path)
    world.simulator.fault("reset_before", world.vendor, path=path)
    world.call()
    assert world.states == ["unknown", "unknown", "accepted"]
    facts = world.collect()
    assert world.states == ["delivered", "unknown", "delivered"]
    assert facts["unknown"] == 1
    assert world.lines[0]["send_state"] == "unknown"


def test_another_call_between_the_two_makes_it_unknown(world: World) -> None:
    """One is answered and one is not: nobody knows which of them was ordered."""
    world.call(recipients=PEOPLE[world.vendor][:2])
    world.add(0, 0, after=5)
    world.add(1, 60, after=5)
    if world.vendor == FMC:
        world.switch("duration", "exact")
    world.collect()
    assert world.states == ["silent", "delivered"]


def test_earlier_and_later_calls_are_others(world: World) -> None:
    world.switch("unanswered", "absent")
    world.add(2, 60, after=-3)
    world.call(recipients=PEOPLE[world.vendor][2:])
    world.add(2, 60, after=700)
    world.collect()
    assert world.states == ["silent"]


def test_late_records(world: World) -> None:
    """A record appears when the call has ended; what was silent is asked for again by a later task."""
    if world.vendor == FMC:
        world.simulator.state.vendor_state(FMC, fmc.VendorState).call_seconds = 7200
    else:
        world.simulator.state.set_transition("sunsim.callback", "after_seconds", 7200)
    world.call(recipients=PEOPLE[world.vendor][:2])
    assert world.collect()["silent"] == 2
    facts = world.collect(wait_timeout=7200)
    assert (facts["delivered"], world.states) == (2, ["delivered"] * 2)


def test_few_requests_for_many_calls(world: World) -> None:
    numbers = [str(int(PEOPLE[world.vendor][0]) + place) for place in range(30)]
    world.call(recipients=numbers)
    before = len(world.simulator.state.requests)
    facts = world.collect(min_final_percent=100)
    assert facts["delivered"] == 30
    assert len(world.simulator.state.requests) - before <= facts["rounds"] * 1


def test_old_calls_stay_silent(world: World) -> None:
    world.call(recipients=PEOPLE[world.vendor][:1])
    world.simulator.state.clock.advance(40 * 86_400)
    assert world.collect()["silent"] == 1


def test_the_column_of_the_caller_is_needed(world: World) -> None:
    world.call(recipients=PEOPLE[world.vendor][:1])
    (line,) = world.lines
    del line["caller"]
    world.path.write_text(json.dumps(line) + "\n")
    with pytest.raises(TelecomInputError, match="column caller"):
        world.collect()


@pytest.mark.parametrize("change", [{"conn_id": "other"}, {"channel": "sms"}])
def test_rows_of_others_are_refused_before_any_request(world: World, change: dict[str, str]) -> None:
    world.call(recipients=PEOPLE[world.vendor][:1])
    world.path.write_text(json.dumps(world.lines[0] | change) + "\n")
    before = len(world.simulator.state.requests)
    with pytest.raises(TelecomInputError, match=next(iter(change))):
        world.collect()
    assert len(world.simulator.state.requests) == before


@pytest.mark.parametrize("value", [0, -1, 1.5, True, 86_401])
@pytest.mark.parametrize("field", ["min_duration_seconds", "begins_within_seconds"])
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(world: World, field: str, value: Any) -> None:
    with pytest.raises(TelecomInputError, match=f"^{field}: "):
        COLLECT[world.vendor](
            task_id="receipts", outcomes="x.jsonl", **{"min_duration_seconds": 2, field: value}
        )


class TestSunSim:
    """The rows of its list are not documented."""

    @pytest.fixture
    def world(self, worlds: Callable[[str], World]) -> World:
        return worlds(SUNSIM)

    def test_row_50_a_recipient_who_is_the_caller_may_have_called_back(self, world: World) -> None:
        world.switch("callback_row", "phone_to")
        world.call(recipients=PEOPLE[SUNSIM][:1])
        world.collect()
        assert world.states == ["silent"]
        world.collect(either_direction=True)
        assert world.states == ["delivered"]

    def test_rows_of_another_kind_prove_nothing(self, world: World) -> None:
        world.switch("other_columns", "on")
        world.call(recipients=PEOPLE[SUNSIM][:1])
        world.collect()
        assert world.states == ["silent"]

    def test_the_id_of_the_order_is_enough(self, world: World) -> None:
        world.switch("callback_answer", "id")
        world.call(recipients=PEOPLE[SUNSIM][:1])
        world.add(0, 0, after=5)
        world.collect()
        assert world.lines[0]["message_id"]
        assert world.states == ["delivered"]

    def test_without_a_time_zone_no_time_can_be_compared(
        self, world: World, hook_for: Callable[..., Any]
    ) -> None:
        hook_for(SUNSIM)
        world.call(recipients=PEOPLE[SUNSIM][:1])
        with pytest.raises(TelecomInputError, match="vendor_timezone"):
            world.collect()


def test_shards_in_parquet_become_one_file(world: World) -> None:
    """Two tasks of two callers; their numbers stay with their rows."""
    other = {FMC: {"calling_number": "0670000101"}, SUNSIM: {"phone_from": "9000000001"}}[world.vendor]
    folder = world.path.parent / "shards"
    for place, caller in enumerate(({}, other)):
        world.path = folder / f"{place}.parquet"
        world.call(recipients=[PEOPLE[world.vendor][place]], **caller)
    joined = folder.parent / "all.parquet"
    facts = world.collect(outcomes=str(folder), results_path=str(joined))
    assert (facts["messages"], facts["delivered"], facts["outcomes"]) == (2, 2, str(joined))
    lines = list(read_outcomes(ObjectStoragePath(str(joined))))
    assert len({line["caller"] for line in lines}) == 2
    assert {line["state"] for line in lines} == {"delivered"}
