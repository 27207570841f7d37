"""HLR in bulk: the engine of bulk SMS, each number with its result in a file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import TelecomFundsError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpHlrLookupOperator, bulk_waiting
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.operators.ketchup_loyalty.evidence import paid, shown
from tests.running import Run

NUMBERS = [str(380670000201 + place) for place in range(7)]  # all of them end as active
ABSENT, UNKNOWN, ABROAD = "380670000209", "380670000208", "4915123456789"


def hlr(**arguments: Any) -> KetchUpHlrLookupOperator:
    given = {"task_id": "look_up", "recipients": NUMBERS, "chunk_size": 3, **arguments}
    return KetchUpHlrLookupOperator(**given)


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty")


def looked_up(simulator: Any) -> Counter[str]:
    return Counter(one["msisdn"] for one in paid(simulator, "hlr"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_in_chunks(telecom_simulator: Any, tmp_path: Path) -> None:
    path, results = tmp_path / "numbers.csv", tmp_path / "results.jsonl"
    path.write_text("msisdn\n" + "\n".join([*NUMBERS, "+380 67 000 02 01"]), encoding="utf-8")
    operator, run = hlr(recipients=str(path), results_path=str(results), tariff=4), Run()
    found = run.execute(operator)
    assert found == {
        "recipients": 7,
        "duplicates": 1,
        "bad_rows": 0,
        "rejects": None,
        "accepted": 7,
        "known_before": 0,
        "refused": {},
        "price": "0.014",
        "currency": "EUR",
        "results": str(results),
    }
    ledger = paid(telecom_simulator, "hlr")
    assert [(one["msisdn"], one["id"]) for one in lines(results)] == [
        (facts["msisdn"], facts["id"]) for facts in ledger
    ]
    assert {facts["tariff"] for facts in ledger} == {4}
    assert run.execute(hlr(recipients=str(path), results_path=str(results), tariff=4)) == found
    assert not any(number in shown(operator, run, found) for number in NUMBERS)


def test_both_forms_have_the_same_keys(telecom_simulator: Any) -> None:
    run = Run()
    run.execute(KetchUpHlrLookupOperator(task_id="look_up", msisdns=NUMBERS))
    assert run.execute(hlr())["known_before"] == 7
    assert set(looked_up(telecom_simulator).values()) == {1}


def test_the_next_try_goes_on(telecom_simulator: Any, tmp_path: Path) -> None:
    run, results = Run(), str(tmp_path / "results.jsonl")
    state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    state.balance = 4 * Decimal("0.002")
    with pytest.raises(TelecomFundsError):
        run.execute(hlr(results_path=results))
    state.balance = Decimal(1)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/hlr/create", times=4)
    with pytest.raises(TelecomUnknownError):
        run.execute(hlr(results_path=results))
    assert run.execute(hlr(results_path=results))["known_before"] == 3
    assert [one["msisdn"] for one in lines(Path(results))] == NUMBERS
    assert set(looked_up(telecom_simulator).values()) == {1}


@pytest.mark.parametrize(
    ("numbers", "price"),
    [(NUMBERS, "0.014"), ([*NUMBERS, ABROAD], "0.016"), (["48500000001", "79000000001"], "0.004")],
)
def test_the_price_is_that_of_the_list(telecom_simulator: Any, numbers: list[str], price: str) -> None:
    assert Run().execute(hlr(recipients=numbers, dry_run=True))["price"] == price
    with pytest.raises(TelecomInputError, match="max_cost"):
        Run().execute(hlr(recipients=numbers, max_cost=Decimal(price) - Decimal("0.001")))
    assert not looked_up(telecom_simulator)
    assert Run().execute(hlr(recipients=numbers, max_cost=price))["accepted"] > 0


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("group", [2, 300])
def test_each_number_gets_its_result(
    telecom_simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deferrable: bool, group: int
) -> None:
    monkeypatch.setattr(bulk_waiting, "_GROUP", group)
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "after_polls", 2)
    results, run = tmp_path / "results.jsonl", Run()
    operator = hlr(
        recipients=[NUMBERS[0], ABROAD, *NUMBERS[1:], ABSENT],
        results_path=str(results),
        wait_for_completion=True,
        deferrable=deferrable,
        poll_interval=0.01,
    )
    found = run.execute(operator)
    assert found["statuses"] == {"active": 7, "absent": 1}
    assert [one["status"] for one in lines(results)] == ["active", None, *["active"] * 6, "absent"]
    assert {one["ported"] for one in lines(results)} <= {True, False, None}
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert not any(number in shown(operator, run, found) for number in NUMBERS)


def test_unknown_is_a_result_if_the_task_says_so(telecom_simulator: Any, tmp_path: Path) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "immediate")
    results, run = tmp_path / "results.jsonl", Run()
    arguments: dict[str, Any] = {
        "recipients": [NUMBERS[0], UNKNOWN],
        "results_path": str(results),
        "wait_for_completion": True,
        "poll_interval": 0.01,
        "wait_timeout": 0.1,
    }
    with pytest.raises(AirflowSensorTimeout):
        run.execute(hlr(**arguments))
    assert run.execute(hlr(**arguments, unknown_is_final=True))["statuses"] == {"active": 1, "unknown": 1}
    assert [one["status"] for one in lines(results)] == ["active", "unknown"]
    assert set(looked_up(telecom_simulator).values()) == {1}


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("msisdns", {"msisdns": NUMBERS}),
        ("msisdns", {"recipients": None}),
        ("results_path", {"recipients": None, "msisdns": NUMBERS, "results_path": "a.jsonl"}),
        ("dry_run", {"recipients": None, "msisdns": NUMBERS, "dry_run": True}),
        ("results_path", {"wait_for_completion": True}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        hlr(**arguments)
    assert caught.value.field == field
