"""Sends from an audience killed at random, with their file of outcomes: everybody once, the holdout never.

A try dies before or after a request, a write to the journal, or a step of the file of outcomes.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.operators import kyivstar_open_telecom as kyivstar
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from tests.operators import test_kills
from tests.operators.test_kills import (  # noqa: F401 - two of them are fixtures
    Sending,
    _killing,
    _no_other_system,
    attempt,
)
from tests.running import Run

NUMBERS = [str(380670000100 + place) for place in range(40)]
ROWS = [{"phone": number, "name": f"n{number[-2:]}"} for number in NUMBERS]
TEXTS = {"A": "Hi {name}", "B": "Dear {name}"}
MANY = {"text": TEXTS, "chunk_size": 3}
SENDINGS = {
    "sms": Sending(KetchUpSendBulkSmsOperator, "ketchup_loyalty", "sms", "msisdn", (), MANY),
    "viber": Sending(KetchUpSendViberOperator, "ketchup_loyalty", "viber", "msisdn", (), MANY),
    "hlr": Sending(KetchUpHlrLookupOperator, "ketchup_loyalty", "hlr", "msisdn", (), {"chunk_size": 3}),
    "batches": Sending(
        kyivstar.KyivstarSendBulkSmsOperator,
        "kyivstar_open_telecom",
        "sms",
        "msisdn",
        (),
        {**MANY, "on_unknown": "assume_sent"},
    ),
}


@pytest.fixture(autouse=True)
def _dying_files(monkeypatch: pytest.MonkeyPatch, hook_for: Callable[..., Any], _killing: None) -> None:  # noqa: F811
    """Let a try die before and after each step of its file of outcomes."""
    hook_for("kyivstar_open_telecom", api_version="v1", sender="Shop")
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    for name in ("begin", "add", "close_part", "finish", "forget_parts"):
        monkeypatch.setattr(ResultsFile, name, dying(getattr(ResultsFile, name)))


def dying(step: Callable[..., None]) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        test_kills.process.pass_point()
        step(*arguments)
        test_kills.process.pass_point()

    return run


def kill_many(simulator: Any, folder: Path, kind: str, suffix: str, kills: int) -> None:
    sending, chance, killed, number = SENDINGS[kind], random.Random(f"{kind} {suffix}"), 0, 0
    if kind == "viber":  # the process learns that keys work
        attempt(Run("0"), sending.operator(task_id="send", recipients=NUMBERS[:1], text="Hi"))
    while killed < kills:
        number += 1
        simulator.state.reset()
        run = Run(str(number))
        prepare = PrepareAudienceOperator(
            task_id="audience",
            recipients=ROWS,
            columns={"msisdn": "phone", "name": "name"},
            variants={"A": 40, "B": 40, "holdout": 20},
            salt=f"salt {number}",
            output=str(folder / f"audience{number}"),
        )
        audience = run.execute(prepare)
        path = folder / f"outcomes{number}.{suffix}"
        lived = False
        while not lived:
            operator = sending.made(recipients=audience, results_path=str(path))
            found, error, lived = attempt(run, operator, chance.randint(1, 60))
            killed += not lived
            assert error is None or not lived
        check(simulator, sending, audience, path, found)
        gc.collect()


def check(
    simulator: Any, sending: Sending, audience: dict[str, Any], path: Path, found: dict[str, Any]
) -> None:
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    numbers = [line["msisdn"] for line in lines]
    assert len(set(numbers)) == len(numbers) == audience["recipients"]
    assert audience["excluded"]["holdout"] == len(NUMBERS) - len(numbers)
    effects = simulator.state.ledger.of(sending.vendor, sending.kind)
    sent = [effect.facts["msisdn"] for effect in effects]
    assert len(set(sent)) == len(sent)
    assert set(sent) <= set(numbers)
    variants = {line["msisdn"]: line["variant"] for line in lines}
    assert {name: list(variants.values()).count(name) for name in "AB"} == audience["variants"]
    if sending.kind != "hlr":
        for effect in effects:
            name = f"n{effect.facts['msisdn'][-2:]}"
            assert effect.facts["text"] == TEXTS[variants[effect.facts["msisdn"]]].format(name=name)
    states = {line["msisdn"]: line["state"] for line in lines}
    if sending.vendor == "ketchup_loyalty":
        assert set(states.values()) <= {"accepted", "known_before"}
        assert sorted(sent) == sorted(numbers)
    else:
        assert set(states.values()) <= {"accepted", "unknown"}
        assert {number for number, state in states.items() if state == "accepted"} <= set(sent)
    for state in ("accepted", "known_before", "unknown"):
        assert list(states.values()).count(state) == found.get(state, 0)
    assert not [other for other in path.parent.iterdir() if other.name.startswith(f"{path.name}.")]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.parametrize(
    ("kind", "suffix"), [("sms", "parquet"), ("viber", "jsonl"), ("hlr", "parquet"), ("batches", "parquet")]
)
def test_everybody_gets_one_message_and_the_holdout_none(
    telecom_simulator: Any, tmp_path: Path, kind: str, suffix: str
) -> None:
    kill_many(telecom_simulator, tmp_path, kind, suffix, 6)
    gc.collect()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.parametrize("kind", SENDINGS)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_two_hundred_kills(telecom_simulator: Any, tmp_path: Path, kind: str, suffix: str) -> None:
    kill_many(telecom_simulator, tmp_path, kind, suffix, 200)
    gc.collect()
