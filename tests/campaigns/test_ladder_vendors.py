"""A ladder over several vendors and connections: one takes over from another, nobody is contacted twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.campaigns import (
    CallRung,
    Failover,
    KyivstarSmsRung,
    MultichannelRung,
    SmsRung,
    ViberRung,
)
from tests.campaigns.dag_runs import SKIPPED, SUCCESS, DagRun
from tests.campaigns.world import FAILED, World, ladder_dag, numbers, outcomes

QUICK = Failover(failures=2, within=timedelta(milliseconds=20))


@pytest.fixture
def world(telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> World:
    hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop", vendor_timezone="UTC")
    hook_for("kyivstar_open_telecom", sender="messagedesk", viber_sender="messagedesk", api_version="v1")
    hook_for("kyivstar_fmc", calling_number="380670000100")
    return World(telecom_simulator, monkeypatch)


def another_connection(simulator: Any, monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> None:
    connection = {**simulator.connection("ketchup_loyalty"), **changes}
    connection["extra"] = {**connection["extra"], "originator": "Shop", "vendor_timezone": "UTC"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


def states(folder: Path, rung: str) -> dict[str, str]:
    return {row["msisdn"]: row["state"] for row in outcomes(folder, rung)}


def failed(folder: Path, rung: str) -> set[str]:
    return {number for number, state in states(folder, rung).items() if state in FAILED}


def test_over_three_vendors(world: World, tmp_path: Path) -> None:
    rungs = [
        ViberRung("Hi", poll_interval=300),
        SmsRung("Hi", poll_interval=20_000),
        MultichannelRung("Hi", "Hello", poll_interval=20_000),
        CallRung(min_duration_seconds=1, poll_interval=600),
    ]
    run = DagRun(ladder_dag(tmp_path, 100, rungs=rungs))
    run.run_all()
    assert run.errors == {}
    names = [rung.name for rung in rungs]
    for before, after in pairwise(names):
        assert set(states(tmp_path, after)) == failed(tmp_path, before)
    found = run.xcoms["spring.report"]
    sent = [rung["name"] for rung in found["rungs"]]
    assert sent == names[: len(sent)]
    assert len(sent) >= 3
    assert Decimal(found["prices"]["EUR"]) == world.paid()
    ledger = world.simulator.state.ledger.of("kyivstar_open_telecom", "multichannel")
    assert Counter(one.facts["msisdn"] for one in ledger) == Counter(set(states(tmp_path, "multichannel")))
    assert found["unpriced"] >= len(ledger)  # Kyivstar reports no prices


def test_kyivstar_sms_after_ketchup(world: World, tmp_path: Path) -> None:
    rungs = [SmsRung("Hi", poll_interval=20_000), KyivstarSmsRung("Hi", poll_interval=20_000)]
    run = DagRun(ladder_dag(tmp_path, 40, rungs=rungs))
    run.run_all()
    assert run.errors == {}
    ledger = world.simulator.state.ledger.of("kyivstar_open_telecom", "sms")
    wanted = failed(tmp_path, "sms")
    assert wanted
    assert Counter(one.facts["msisdn"] for one in ledger) == Counter(wanted)


def test_another_connection_takes_over(
    world: World, telecom_simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_connection(telecom_simulator, monkeypatch, "first", password="revoked-in-the-meantime")
    another_connection(telecom_simulator, monkeypatch, "second")
    rungs = [
        SmsRung("Hi", connections=["first", "second"], failover=QUICK, poll_interval=20_000),
        ViberRung("Hi", poll_interval=300),
    ]
    run = DagRun(ladder_dag(tmp_path, 30, rungs=rungs))
    run.run_all()
    assert run.errors == {}
    assert {row["code"] for row in outcomes(tmp_path, "sms")} == {"not_sent"}
    assert set(states(tmp_path, "sms_2")) == set(numbers(30))
    assert world.sent("sms") == Counter(numbers(30))
    assert world.sent("viber") == Counter(failed(tmp_path, "sms_2"))
    found = run.xcoms["spring.report"]
    assert (found["recipients"], Decimal(found["prices"]["EUR"])) == (30, world.paid())
    sent = world.sent("sms"), world.sent("viber")
    run.clear(["spring.sms.send"])
    run.run_all()
    assert run.errors == {}
    assert (world.sent("sms"), world.sent("viber")) == sent


def test_a_connection_that_works_is_not_taken_over_from(
    world: World, telecom_simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after its receipts: what has expired is for the next rung, not for the next connection."""
    for name in ("first", "second"):
        another_connection(telecom_simulator, monkeypatch, name)
    sms = SmsRung("Hi", connections=["first", "second"], failover=QUICK, poll_interval=20_000)
    run = DagRun(ladder_dag(tmp_path, 30, rungs=[sms, ViberRung("Hi", poll_interval=300)]))
    run.run_all()
    run.clear(["spring.sms.audience_2"])
    run.run_all()
    assert run.errors == {}
    for task in ("audience_2", "send_2", "receipts_2"):
        assert run.states[f"spring.sms.{task}"] == SKIPPED
    assert run.states["spring.viber.send"] == SUCCESS
    assert world.sent("sms") == Counter(numbers(30))
    assert world.sent("viber") == Counter(failed(tmp_path, "sms"))
