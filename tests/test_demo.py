"""`make demo` as a stranger sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import HANG_SECONDS

ROOT = Path(__file__).parent.parent


@pytest.mark.xdist_group("airflow")
def test_the_demo_shows_its_progress_and_a_table_and_leaves_nothing_behind() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        shown, complaints = demo.communicate(timeout=5 * HANG_SECONDS)
    assert demo.returncode == 0, complaints
    assert shown.index("price:") < shown.index("send:") < shown.index("wait_for_receipts:")
    assert "the vendor has 1,000 messages, 1,000 of them with a final receipt" in shown
    rows = [line.strip(" |").split("|") for line in shown.splitlines() if line.strip().startswith("| ")]
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
