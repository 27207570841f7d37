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
    assert output.index("price:") < output.index("send:") < output.index("wait_for_receipts:")
    assert "the vendor has 1,000 messages, 1,000 of them with a final receipt" in output
    rows = [line.strip(" |").split("|") for line in output.splitlines() if line.strip().startswith("| ")]
    assert {name.strip(): value.strip() for name, value in rows} == {
        "recipients": "1,000",
        "sent": "1,000",
        "delivered": "800",
        "not delivered": "200",
        "no receipt yet": "0",
        "paid": "20.00 EUR",
    }
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)
