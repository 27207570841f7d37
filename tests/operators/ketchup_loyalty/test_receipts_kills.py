"""A receipts task killed with SIGKILL at random steps: the file is complete, and no export is left behind."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.chaos.processes import Kill, KillingProcess
from tests.running import Run

pytestmark = pytest.mark.xdist_group("chaos")
TRY = "tests.operators.ketchup_loyalty.killed_receipts:one_try"

NUMBERS = [str(380670000200 + place) for place in range(60)]
WANTED = [{"9": "undelivered", "8": "expired", "3": "silent"}.get(one[-1], "delivered") for one in NUMBERS]
MOST_STEPS = 150


@pytest.mark.parametrize(
    ("runs", "max_gets", "suffix"),
    [
        pytest.param(1, 0, "parquet", id="exports"),
        pytest.param(1, 60, "jsonl", id="reads"),
        pytest.param(50, 0, "jsonl", id="50 exports, JSON lines", marks=pytest.mark.long),
        pytest.param(50, 0, "parquet", id="50 exports, Parquet", marks=pytest.mark.long),
        pytest.param(50, 60, "jsonl", id="50 reads, JSON lines", marks=pytest.mark.long),
        pytest.param(50, 60, "parquet", id="50 reads, Parquet", marks=pytest.mark.long),
    ],
)
def test_the_file_is_complete_after_kills(
    telecom_simulator: Any,
    killing_process: KillingProcess,
    hook_for: Callable[..., Any],
    tmp_path: Path,
    runs: int,
    max_gets: int,
    suffix: str,
) -> None:
    hook_for("ketchup_loyalty", originator="Shop", vendor_timezone="UTC")
    chance, killed = random.Random(f"{runs} {max_gets} {suffix}"), 0
    for place in range(runs):
        telecom_simulator.reset()
        for name in ("new_status", "late_receipts"):
            telecom_simulator.state.set_switch(f"ketchup_loyalty.{name}", "on")
        telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 50)
        path = tmp_path / str(place) / f"out.{suffix}"
        sending = KetchUpSendBulkSmsOperator(
            task_id="send", recipients=NUMBERS, text="Hi", results_path=str(path)
        )
        Run("send").execute(sending)
        before = lines(path)
        order = {
            "arguments": {
                "task_id": "receipts",
                "outcomes": str(path),
                "max_gets": max_gets,
                "wait_timeout": 2000,
                "poll_interval": 300,
            },
            "store": str(tmp_path / f"store{place}"),
            "environment": {
                name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN")
            },
            "control": f"{telecom_simulator.url}/_control/clock",
        }
        facts, tries = None, 0
        while facts is None:
            tries += 1
            kill_at = chance.randint(1, MOST_STEPS * tries)  # later ones get further
            ended = killing_process.run(TRY, order, Kill(step=kill_at))
            assert ended.error is None, ended.error
            facts = ended.result
            killed += ended.killed
        assert facts.get("silent") == 6, facts
        after = lines(path)
        assert [line["state"] for line in after] == WANTED
        for name in ("msisdn", "reference", "message_id", "price", "sent_at"):
            assert [line[name] for line in after] == [line[name] for line in before]
        assert all(line["final_at"] for line in after if line["state"] != "silent")
        assert vendor(telecom_simulator).exports == {}
        assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert killed >= runs


def lines(path: Path) -> list[dict[str, Any]]:
    return list(read_outcomes(ObjectStoragePath(str(path))))


def vendor(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found
