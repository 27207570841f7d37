"""`make demo`: what it prints, and that it ends all its processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import HANG_SECONDS

ROOT = Path(__file__).parent.parent


@pytest.mark.xdist_group("airflow")
def test_the_demo_prints_progress_and_a_report_and_leaves_no_process() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        output, errors = demo.communicate(timeout=5 * HANG_SECONDS)
    assert demo.returncode == 0, errors
    tasks = [output.index(f"{task}:") for task in ("price", "viber", "sms", "wait_for_receipts", "report")]
    assert tasks == sorted(tasks)
    assert "the vendor has 1,190 messages, 1,190 of them with a final receipt" in output
    rows = [line.strip(" |").split("|") for line in output.splitlines() if line.strip().startswith("| ")]
    assert {name.strip(): value.strip() for name, value in rows} == {
        "recipients": "1,000",
        "Viber delivered": "810",
        "Viber unknown": "0",
        "SMS sent": "190",
        "SMS delivered": "80",
        "paid for Viber": "10.00 EUR",
        "paid for SMS": "3.80 EUR",
    }
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
