"""A small form of `make bench`: memory stays constant for long inputs, and sending does not slow down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def figures_of(program: str, *words: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCHMARKS / program), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("campaign", ["bulk_sms", "promo"])
@pytest.mark.parametrize("recipients", [8_000, pytest.param(40_000, marks=pytest.mark.long)])
def test_many_recipients(campaign: str, recipients: int) -> None:
    each = str(recipients // 8)
    figures = figures_of("campaigns.py", "--recipients", str(recipients), "--each", each, "--only", campaign)
    assert figures["sent"] == recipients
    assert figures["peak_over_idle_mb"] < 40  # only the set of numbers may grow
    seconds = figures["cpu_s_per_100k"]
    assert len(seconds) >= 6
    assert min(seconds[-3:]) < 3 * min(seconds[:3])


@pytest.mark.parametrize("name", ["personal_sms", pytest.param("promo", marks=pytest.mark.long)])
def test_a_send_is_not_much_dearer_than_a_plain_loop(name: str) -> None:
    figures = figures_of("sends.py", "--recipients", "5000", "--rounds", "1", "--only", name)
    assert figures["times_peer"] < 3 * figures["limit"]


@pytest.mark.parametrize(
    ("name", "growth_mb"),
    [
        pytest.param("csv", 18, marks=pytest.mark.long),
        ("json", 18),
        pytest.param("xml", 18, marks=pytest.mark.long),
        pytest.param("parquet", 150, marks=pytest.mark.long),
    ],
)
def test_a_long_call_list_goes_to_disk(name: str, growth_mb: int) -> None:
    figures = figures_of("records.py", "--megabytes", "10", "--rows", "60000", "--only", name)
    assert figures["rows"] > 20_000
    assert figures["peak_over_idle_mb"] < growth_mb


@pytest.mark.parametrize("rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_an_audience_has_the_counts_of_plain_sql(rows: int) -> None:
    figures = figures_of("audience.py", "--rows", str(rows))
    assert figures["counts_are_right"], figures
    assert sum(figures["excluded"].values()) + figures["recipients"] == rows
    assert set(figures["excluded"]) == {
        "bad_number",
        "duplicate",
        "suppressed",
        "frequency_cap",
        "holdout",
    }
    assert figures["peak_over_idle_mb"] < 300


@pytest.mark.parametrize("waiters", [40, pytest.param(2_000, marks=pytest.mark.long)])
def test_waiters_of_a_task_share_a_call(waiters: int) -> None:
    """A hundred wait for each task: one call for each task in an interval."""
    words = ["--waiters", str(waiters), "--only", "shared", "--scheme", "http"]
    figures = figures_of("polls.py", *words, "--interval", "1" if waiters < 100 else "10")
    assert figures["waiters"] == 100 * figures["tasks"]
    assert 0 < figures["calls_in_an_interval"] <= figures["tasks"] * 4 / 3  # one more in three intervals
