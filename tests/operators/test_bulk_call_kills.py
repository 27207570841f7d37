"""Calls to many, killed at each step: nobody is called twice, and whoever may have been is reported."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from tests.operators.test_bulk_calls import FMC, SUNSIM, Vendor
from tests.operators.test_kills import (  # noqa: F401 - two of them are fixtures
    MOST_STEPS,
    Sending,
    _killing,
    _no_other_system,
    attempt,
)
from tests.running import Run


def sending(vendor: Vendor, path: Path) -> Sending:
    arguments = {**vendor.caller, "recipients": list(vendor.numbers[:2]), "results_path": str(path)}
    return Sending(
        vendor.operator, vendor.conn_type, vendor.kind, vendor.called, vendor.numbers[:2], arguments
    )


def states(path: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [(line["msisdn"], line["state"]) for line in lines]


@pytest.mark.parametrize("vendor", [FMC, SUNSIM], ids=lambda vendor: vendor.conn_type)
def test_nobody_is_called_twice_and_the_others_are_called(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    """One recipient at most is unknown, and all others are called by the next try, without a person."""
    unknown = 0
    for point in range(1, MOST_STEPS):
        telecom_simulator.state.reset()
        path, run = tmp_path / f"{point}.jsonl", Run()
        if attempt(run, sending(vendor, path).made(), point)[2]:
            break
        _, error, _ = attempt(run, sending(vendor, path).made())
        called = vendor.called_by(telecom_simulator)
        assert max(called.values()) == 1
        found = states(path)
        assert [number for number, _ in found] == list(vendor.numbers[:2])
        doubtful = [number for number, state in found if state == "unknown"]
        assert isinstance(error, OutcomeUnknownError) if doubtful else error is None
        assert len(doubtful) <= 1
        assert Counter(number[-9:] for number, state in found if state == "accepted") <= called
        assert len(called) >= 2 - len(doubtful)
        unknown += len(doubtful)
        facts, error, _ = attempt(run, sending(vendor, path).made(on_unknown="assume_sent"))
        assert error is None
        assert (facts["accepted"], facts["unknown"]) == (2 - len(doubtful), len(doubtful))
        assert vendor.called_by(telecom_simulator) == called
    else:
        raise AssertionError("it has more steps than that")
    assert unknown > 2  # between the intent and the outcome of each call


def test_resend_reaches_everybody(telecom_simulator: Any, tmp_path: Path) -> None:
    twice = 0
    for point in range(1, MOST_STEPS):
        telecom_simulator.state.reset()
        run, call = Run(), sending(FMC, tmp_path / f"{point}.jsonl")
        if attempt(run, call.made(on_unknown="resend"), point)[2]:
            break
        facts, error, _ = attempt(run, call.made(on_unknown="resend"))
        assert (error, facts["accepted"]) == (None, 2)
        called = FMC.called_by(telecom_simulator)
        assert set(called) == set(FMC.once(0, 1))
        assert sum(called.values()) <= 3
        twice += sum(called.values()) == 3
    else:
        raise AssertionError("it has more steps than that")
    assert twice > 1
