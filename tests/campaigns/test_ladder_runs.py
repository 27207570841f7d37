"""Ladders against the simulator: who moves on, what it costs, late receipts, nobody left, cleared tasks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.campaigns.dag_runs import SKIPPED, SUCCESS, DagRun
from tests.campaigns.world import FAILED, REACHED, World, ladder_dag, numbers, outcomes


@pytest.fixture
def world(telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> World:
    hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop", vendor_timezone="UTC")
    return World(telecom_simulator, monkeypatch)


@pytest.mark.parametrize("count", [500, pytest.param(50_000, marks=pytest.mark.long)])
def test_known_failures_move_on_and_the_money_is_right(world: World, tmp_path: Path, count: int) -> None:
    world.vendor.balance = Decimal(1_000_000)
    run = DagRun(ladder_dag(tmp_path, count))
    run.run_all()
    assert run.errors == {}
    viber = {row["msisdn"]: row["state"] for row in outcomes(tmp_path, "viber")}
    moved = {number for number, state in viber.items() if state in FAILED}
    assert len(viber) == count
    assert 0.3 * count < len(moved) < 0.5 * count
    assert world.sent("viber") == Counter(numbers(count))
    assert world.sent("sms") == Counter(moved)
    found = run.xcoms["spring.report"]
    assert Decimal(found["prices"]["EUR"]) == world.paid()
    assert (found["recipients"], found["may_be_paid"], found["unpriced"]) == (count, 0, 0)
    assert found["delivered_twice"] == 0
    reached = {number for number, state in viber.items() if state in REACHED}
    reached |= {row["msisdn"] for row in outcomes(tmp_path, "sms") if row["state"] in REACHED}
    assert found["delivered"] == len(reached)

    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text("utf-8").splitlines()]
    assert [line["msisdn"] for line in lines] == numbers(count)
    assert {line["msisdn"] for line in lines if line["deliveries"] == 1} == reached
    assert sum(Decimal(line["price"]) for line in lines) == world.paid()
    assert {line["path"].count(" > ") for line in lines} == {0, 1}
    assert not any(number in json.dumps(run.xcoms) for number in numbers(count)[:50])

    world.late_receipts()  # and all tasks are cleared
    sent = world.sent("viber"), world.sent("sms")
    run.clear(["spring.viber.send"])
    run.run_all()
    assert run.errors == {}
    assert (world.sent("viber"), world.sent("sms")) == sent
    late = run.xcoms["spring.report"]
    assert late["prices"] == found["prices"]
    states = [{row["msisdn"]: row["state"] for row in outcomes(tmp_path, rung)} for rung in ("viber", "sms")]
    twice = [number for number in moved if all(state[number] in REACHED for state in states)]
    assert late["delivered_twice"] == len(twice) > 0


def test_nobody_left_skips_the_rung_and_not_the_report(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.campaigns.world.FATES", {"viber": ((1, "delivered", None),)})
    run = DagRun(ladder_dag(tmp_path, 20))
    run.run_all()
    assert {name: state for name, state in run.states.items() if state != SUCCESS} == dict.fromkeys(
        ("spring.sms.audience", "spring.sms.send", "spring.sms.receipts"), SKIPPED
    )
    found = run.xcoms["spring.report"]
    assert [rung["name"] for rung in found["rungs"]] == ["viber"]
    assert (found["delivered"], Decimal(found["prices"]["EUR"])) == (20, world.paid())


def test_a_refused_number_moves_on_also_if_all_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is no error of the send: it is for the next rung."""
    monkeypatch.setattr("tests.campaigns.world.numbers", lambda count: ["4915123456789", "4915123456788"])
    run = DagRun(ladder_dag(tmp_path, 2))
    run.run_all()
    assert [row["state"] for row in outcomes(tmp_path, "viber")] == ["refused", "refused"]
    assert run.states["spring.sms.send"] == SUCCESS
    found = run.xcoms["spring.report"]
    assert (found["delivered"], found["prices"], world.paid()) == (0, {}, 0)


def test_unknown_ones_get_no_second_message_unless_two_bills_are_accepted(
    telecom_simulator: Any, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor knows no keys, and the response to the only request is lost."""
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    for climb_on in ((), ("unknown",)):
        telecom_simulator.reset()
        telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", "never")
        telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create", times=1)
        folder = tmp_path / f"climb{len(climb_on)}"
        run = DagRun(ladder_dag(folder, 30, climb_on=climb_on), f"manual__{len(climb_on)}")
        forget_keys(world)
        run.run_all()
        assert run.errors == {}
        unknown = {row["msisdn"] for row in outcomes(folder, "viber") if row["state"] == "unknown"}
        assert len(unknown) == 30
        assert set(world.sent("sms")) == (unknown if climb_on else set())
        found = run.xcoms["spring.report"]
        assert found["may_be_paid"] == 30
        assert Decimal(found["prices"].get("EUR", 0)) == world.paid(lambda channel, _: channel == "viber")


def forget_keys(world: World) -> None:
    class Forgetful(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            pass

    state: VendorState = world.vendor
    state.references["viber"] = Forgetful()


def test_silent_ones_move_on_by_request(world: World, tmp_path: Path) -> None:
    run = DagRun(ladder_dag(tmp_path, 100, climb_on=("silent",)))
    run.run_all()
    states = {row["msisdn"]: row["state"] for row in outcomes(tmp_path, "viber")}
    moved = {number for number, state in states.items() if state in {*FAILED, "silent"}}
    assert "silent" in states.values()
    assert world.sent("sms") == Counter(moved)


def test_another_run_with_the_same_audience_selects_by_its_own_outcomes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of an audience may be given by its path, such as that of all customers, in each run."""
    dag = ladder_dag(tmp_path, 20, outcomes=str(tmp_path / "{{ run_id }}"))
    first, second = DagRun(dag, "manual__1"), DagRun(dag, "manual__2")
    first.run_all()
    sent = world.sent("sms")
    assert (first.errors, bool(sent)) == ({}, True)
    monkeypatch.setattr("tests.campaigns.world.FATES", {"viber": ((1, "delivered", None),)})
    second.run_all()
    assert second.errors == {}
    assert second.states["spring.sms.send"] == SKIPPED, "all of this run have read it"
    assert world.sent("sms") == sent
