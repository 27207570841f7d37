"""A tenth of `make bench`: campaigns stay small in memory, and do not slow down as they go on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "benchmarks" / "campaigns.py"


@pytest.mark.parametrize("campaign", ["bulk_sms", "promo"])
def test_a_hundred_thousand_recipients(campaign: str) -> None:
    command = [sys.executable, str(BENCH), "--recipients", "100000", "--each", "20000", "--only", campaign]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["sent"] == 100_000
    assert figures["peak_over_idle_mb"] < 60  # what is not the set of numbers must not grow
    each = figures["s_per_100k"]
    assert len(each) >= 3
    assert each[-1] < 3 * each[0]
