"""A file of numbers checked by rules: decisions, what is asked and billed, budgets and kills."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.budget_store import valid_claims
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomThrottledError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCheckSubscribersOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import (
    AllOf,
    AnyOf,
    Device,
    Lifetime,
    Score,
    SimChanged,
    SimCount,
    Weights,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from tests.bulk.variables import Variables
from tests.operators.kyivstar_open_telecom.test_fraud_gate import KilledError, Steps
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
SAFE, SWAPPED, OLD_SWAP, WITHOUT_SCORE, FOREIGN = (
    "380670000200",
    "380670000201",
    "380670000202",
    "380670000203",
    "380500000000",
)
NUMBERS = [SAFE, SWAPPED, OLD_SWAP, WITHOUT_SCORE, FOREIGN]
RULES = AllOf(SimChanged(hours=72), AnyOf(Lifetime(months=6), Score(least=300)))
DECISIONS = {
    SAFE: "pay",
    SWAPPED: "refuse",
    OLD_SWAP: "pay",
    WITHOUT_SCORE: "review",
    FOREIGN: "review",
}
PRICES = {"sim_changed": "0.5", "younger_sim": "1", "lower_score": "2"}
CHECKS = {"verify-sim": "sim_changed", "lifetime-check": "younger_sim", "score": "lower_score"}
BUDGET = Budget("checks", "UAH", per_task="100")
Make = Callable[..., KyivstarCheckSubscribersOperator]


@pytest.fixture
def checking(hook_for: Callable[..., Any], tmp_path: Path, telecom_simulator: Any) -> Make:
    hook_for(VENDOR).fetch_token()
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    for number in NUMBERS:
        found = state.subscriber(number)
        found.active, found.sim_changes, found.score = True, [], 700
    now = telecom_simulator.state.clock.now()
    state.subscriber(SWAPPED).sim_changes = [now - timedelta(hours=5)]
    state.subscriber(OLD_SWAP).sim_changes = [now - timedelta(days=40)]
    state.subscriber(WITHOUT_SCORE).sim_changes = [now - timedelta(days=40)]
    state.subscriber(WITHOUT_SCORE).score = None

    def make(**arguments: Any) -> KyivstarCheckSubscribersOperator:
        defaults = {"recipients": NUMBERS, "rules": RULES, "results_path": str(tmp_path / "decided.jsonl")}
        return KyivstarCheckSubscribersOperator(task_id="check", **{**defaults, "chunk_size": 2, **arguments})

    return make


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    found = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    return found


def billed(simulator: Any) -> Counter[tuple[str, str]]:
    effects = simulator.state.ledger.of(VENDOR, "billed_check")
    return Counter((effect.facts["msisdn"], CHECKS[effect.facts["check"]]) for effect in effects)


def rows(path: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["msisdn"]: line for line in lines}


def claimed(variables: Variables) -> Decimal:
    return sum((claim.amount for claim in valid_claims(variables.values)), Decimal(0))


def test_each_number_has_a_decision_and_only_what_it_needs_is_asked(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    found = Run().execute(checking())
    lines = rows(tmp_path / "decided.jsonl")
    assert {number: line["decision"] for number, line in lines.items()} == DECISIONS
    assert list(lines) == NUMBERS
    assert lines[SWAPPED]["younger_sim"]["state"] == lines[SAFE]["lower_score"]["answer"] == "not_asked"
    assert list(lines[SAFE])[:2] == ["msisdn", "decision"]
    assert billed(telecom_simulator) == {
        (SAFE, "sim_changed"): 1,
        (SAFE, "younger_sim"): 1,
        (SWAPPED, "sim_changed"): 1,
        (OLD_SWAP, "sim_changed"): 1,
        (OLD_SWAP, "younger_sim"): 1,
        (OLD_SWAP, "lower_score"): 1,
        (WITHOUT_SCORE, "sim_changed"): 1,
        (WITHOUT_SCORE, "younger_sim"): 1,
    }
    assert found["decisions"] == {"pay": 2, "refuse": 1, "review": 2}
    assert (found["checks"], found["answered"], found["not_asked"]) == (15, 11, 4)
    assert not any(number in json.dumps(found) for number in NUMBERS)


def test_the_cheapest_check_is_asked_first(telecom_simulator: Any, checking: Make) -> None:
    Run().execute(checking(recipients=[SAFE], prices={"lower_score": 1}))
    assert set(billed(telecom_simulator)) == {(SAFE, "lower_score"), (SAFE, "sim_changed")}


@pytest.mark.parametrize("chunk_size", [1, 2, 5])
def test_a_later_try_asks_nothing(telecom_simulator: Any, checking: Make, chunk_size: int) -> None:
    run = Run()
    first = run.execute(checking(chunk_size=chunk_size))
    assert run.execute(checking(chunk_size=chunk_size)) == first
    assert set(billed(telecom_simulator).values()) == {1}


def test_a_lost_answer_is_asked_once_more(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    telecom_simulator.fault("reset_after", VENDOR, path="verify-sim", times=1)
    found = Run().execute(checking(concurrency=1))
    assert (found["repeated"], found["unknown"]) == (1, 0)
    assert {line["decision"] for line in rows(tmp_path / "decided.jsonl").values()} == set(DECISIONS.values())
    assert billed(telecom_simulator)[SAFE, "sim_changed"] == 2


def test_a_lost_answer_is_reviewed(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    telecom_simulator.fault("reset_after", VENDOR, path="verify-sim", times=1)
    found = Run().execute(checking(concurrency=1, on_lost_answer="report"))
    assert (found["repeated"], found["unknown"]) == (0, 1)
    assert rows(tmp_path / "decided.jsonl")[SAFE]["decision"] == "review"


def test_what_is_spent_is_what_is_billed(
    telecom_simulator: Any, checking: Make, variables: Variables
) -> None:
    numbers = [SAFE, SWAPPED, OLD_SWAP]
    run = Run()
    run.execute(checking(recipients=numbers, prices=PRICES, budget=BUDGET))
    bill = sum(
        (Decimal(PRICES[check]) * n for (_, check), n in billed(telecom_simulator).items()), Decimal(0)
    )
    assert claimed(variables) == bill == Decimal("5.5")
    run.execute(checking(recipients=numbers, prices=PRICES, budget=BUDGET))
    assert claimed(variables) == bill


def test_checks_without_rules_have_a_budget_too(
    telecom_simulator: Any, checking: Make, variables: Variables
) -> None:
    checks = [SimChanged(hours=72), Lifetime(months=6)]
    prices = {"sim_changed": 1, "younger_sim": 2}
    Run().execute(checking(rules=None, checks=checks, recipients=[SAFE], prices=prices, budget=BUDGET))
    assert claimed(variables) == 3


def test_a_budget_that_is_too_small_refuses_before_anything_is_asked(
    telecom_simulator: Any, checking: Make, variables: Variables
) -> None:
    with pytest.raises(TelecomInputError, match="per_task"):
        Run().execute(checking(prices=PRICES, budget=Budget("checks", "UAH", per_task="17.49")))
    assert not billed(telecom_simulator)
    dry = Run().execute(checking(prices=PRICES, budget=BUDGET, dry_run=True))
    assert (dry["price"], dry["currency"], dry["checks"]) == ("17.5", "UAH", 15)


def test_an_error_keeps_the_reservation_and_the_next_try_goes_on(
    telecom_simulator: Any, checking: Make, variables: Variables
) -> None:
    run, arguments = Run(), {"prices": PRICES, "budget": BUDGET, "recipients": [SAFE, OLD_SWAP]}
    telecom_simulator.fault("status", VENDOR, path="lifetime-check", status=429, times=20)
    with pytest.raises(TelecomThrottledError):
        run.execute(checking(**arguments))
    assert claimed(variables) == 7
    telecom_simulator.state.faults.clear()
    run.execute(checking(**arguments))
    assert claimed(variables) == 5
    assert set(billed(telecom_simulator).values()) == {1}


def test_answers_of_the_sandbox_do_not_decide_on_the_live_server(
    telecom_simulator: Any, checking: Make, hook_for: Callable[..., Any]
) -> None:
    run = Run()
    hook_for(VENDOR, environment="sandbox")
    run.execute(checking(recipients=[SAFE]))
    hook_for(VENDOR, environment="live")
    with pytest.raises(TelecomInputError, match="checks: the connection's environment, a check, a rule"):
        run.execute(checking(recipients=[SAFE]))
    assert run.execute(checking(recipients=[SAFE], dedupe_key="live"))["decisions"] == {"pay": 1}


def test_other_rules_are_refused_once_anything_is_asked(telecom_simulator: Any, checking: Make) -> None:
    run = Run()
    run.execute(checking())
    before = billed(telecom_simulator)
    same_checks = AnyOf(SimChanged(hours=72), Lifetime(months=6), Score(least=300))
    for rules in (same_checks, Weights({SimChanged(hours=72): 1}, refuse_at=1)):
        with pytest.raises(TelecomInputError, match="a rule or one of its parameters has changed"):
            run.execute(checking(rules=rules))
    assert billed(telecom_simulator) == before


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"checks": [SimChanged(hours=1)]}, "checks: give either"),
        ({"rules": None}, "checks: give either"),
        ({"rules": AllOf(Device(imei="35000000000000"))}, "imei is one device"),
        ({"rules": AllOf(SimChanged(hours=1, name="decision"))}, "decision is a column"),
        ({"budget": BUDGET}, "a budget needs the price of sim_changed, younger_sim, lower_score"),
        ({"budget": "marketing"}, "budget"),
        ({"prices": {"score": 1}}, "score is not one of the checks"),
        ({"rules": None, "checks": [SimCount(days=3)], "prices": {"score": 1}}, "score is not one of"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(
    checking: Make, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(TelecomInputError, match=field):
        checking(**arguments)


def finish(run: Run, make: Callable[[], Any], steps: Steps) -> tuple[dict[str, Any], int]:
    for kills in range(200):
        try:
            return run.execute(make()), kills
        except KilledError:
            steps.kill_at = None
    raise AssertionError("it does not end")


def check_bill(simulator: Any, found: dict[str, Any], lines: dict[str, dict[str, Any]]) -> None:
    """No check is billed twice but those that say so, and only decisions that lack an answer differ."""
    bill = billed(simulator)
    assert max(bill.values()) <= 2
    assert sum(times == 2 for times in bill.values()) <= found["repeated"]
    for (number, check), _ in bill.items():
        assert lines[number][check]["state"] in ("answered", "unknown")
    for number, line in lines.items():
        lost = [check for check in CHECKS.values() if line[check]["state"] == "unknown"]
        assert line["decision"] == DECISIONS[number] or (line["decision"] == "review" and lost)


def test_killed_at_each_step(
    telecom_simulator: Any, checking: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, repeated = Steps(monkeypatch), 0
    arguments: dict[str, Any] = {"recipients": [OLD_SWAP, SWAPPED], "concurrency": 1}
    Run().execute(checking(**arguments))
    steps.passed = 0
    Run().execute(checking(**arguments))
    total = steps.passed
    for kill_at in range(1, total + 1):
        telecom_simulator.state.ledger.effects.clear()
        steps.kill_at, steps.passed = kill_at, 0
        path = tmp_path / f"{kill_at}.jsonl"
        found, kills = finish(Run(), lambda p=path: checking(**arguments, results_path=str(p)), steps)
        assert kills == 1
        check_bill(telecom_simulator, found, lines := rows(path))
        assert {number: line["decision"] for number, line in lines.items()} == {
            number: DECISIONS[number] for number in arguments["recipients"]
        }
        repeated += found["repeated"]
    assert 0 < repeated < total


@pytest.mark.parametrize("runs", [8, pytest.param(300, marks=pytest.mark.long)])
def test_killed_at_random(
    telecom_simulator: Any, checking: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    steps, killed, chance = Steps(monkeypatch), 0, random.Random(3)
    for number in range(runs):
        telecom_simulator.state.ledger.effects.clear()
        steps.likely = chance.choice((0.02, 0.05))
        arguments = {"concurrency": 1, "chunk_size": chance.randint(1, 5)}
        path = tmp_path / f"{number}.jsonl"
        found, kills = finish(Run(), lambda p=path, a=arguments: checking(**a, results_path=str(p)), steps)
        check_bill(telecom_simulator, found, rows(path))
        killed += kills
    assert killed >= runs / 2
