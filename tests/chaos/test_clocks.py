"""Wrong clocks cost nothing but time, and clock changes lose no call; what goes wrong is found."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAuthError
from tests.auth.rotating_world import World
from tests.chaos.clocks import (
    AUTUMN,
    SKEWS,
    SPRING,
    Days,
    load_around,
    problems_of_records,
    use_a_token,
    violations_of_days,
)


@pytest.mark.parametrize(
    ("seed", "workers", "hours"), [(1, 9, 48), pytest.param(2, 60, 240, marks=pytest.mark.long)]
)
def test_workers_with_wrong_clocks_share_a_token(seed: int, workers: int, hours: int) -> None:
    days = use_a_token(seed, workers, hours)
    assert violations_of_days(days) == []
    assert days.calls > hours


@pytest.mark.parametrize(
    ("change", "skew"),
    [
        (AUTUMN, -7200.0),
        *(pytest.param(at, skew, marks=pytest.mark.long) for at in (AUTUMN, SPRING) for skew in SKEWS),
    ],
)
def test_records_are_loaded_as_they_end(
    change: datetime, skew: float, telecom_simulator: Any, tmp_path: Path
) -> None:
    assert load_around(telecom_simulator, change, skew, tmp_path, seed=1) == []


def test_calls_that_fail_and_too_many_tokens_are_found() -> None:
    world = World(1)
    world.create_fails = [TelecomAuthError("HTTP 401")]
    assert "calls failed" in violations_of_days(use_a_token(1, 9, 2, world=world))[0]
    assert violations_of_days(Days(48, 100, 0, 52)) == ["52 tokens in 48 hours"]


def test_missing_and_extra_records_are_found() -> None:
    assert problems_of_records(Counter("aab"), Counter("abb")) == [
        "1 records are missing",
        "1 records are extra",
    ]
