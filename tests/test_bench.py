"""A tenth of `make bench`, or less: what is long stays small in memory, and does not slow down."""

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
def test_a_hundred_thousand_recipients(campaign: str) -> None:
    figures = figures_of("campaigns.py", "--recipients", "100000", "--each", "20000", "--only", campaign)
    assert figures["sent"] == 100_000
    assert figures["peak_over_idle_mb"] < 60  # what is not the set of numbers must not grow
    each = figures["s_per_100k"]
    assert len(each) >= 3
    assert each[-1] < 3 * each[0]


@pytest.mark.parametrize(("name", "growth_mb"), [("csv", 25), ("json", 25), ("xml", 25), ("parquet", 150)])
def test_a_long_call_list_goes_to_disk(name: str, growth_mb: int) -> None:
    figures = figures_of("records.py", "--megabytes", "20", "--rows", "80000", "--only", name)
    assert figures["rows"] > 50_000
    assert figures["peak_over_idle_mb"] < growth_mb
