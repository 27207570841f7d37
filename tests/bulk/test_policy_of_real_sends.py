"""The policy reads what the sending operators write: complete files, and the parts of a failed send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomFundsError
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.running import Run

NUMBERS = [str(380670000201 + place) for place in range(6)]


@pytest.fixture(autouse=True)
def _connection(hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty")


def excluded(folder: Path, recipients: list[str], run: Run | None = None, **policy: Any) -> dict[str, int]:
    """Prepare an audience now, and return how many are excluded by reason."""
    operator = PrepareAudienceOperator(
        task_id="audience", output=str(folder / "audience"), recipients=recipients, **policy
    )
    found = (run or Run("manual__2")).execute(operator, logical_date=datetime.now(UTC))
    counts: dict[str, int] = {reason: count for reason, count in found["excluded"].items() if count}
    return counts


@pytest.mark.parametrize("name", ["spring.parquet", "spring.jsonl"])
def test_the_cap_counts_what_was_sent(telecom_simulator: Any, tmp_path: Path, name: str) -> None:
    history, run = tmp_path / "outcomes", Run()
    history.mkdir()
    operator = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=NUMBERS[:4], text="Hi", results_path=str(history / "2026" / name)
    )
    (history / "2026").mkdir()
    run.execute(operator)
    cap = {"history": str(history), "frequency_cap": "1/7d"}
    assert excluded(tmp_path / "b", NUMBERS, **cap) == {"frequency_cap": 4}
    assert excluded(tmp_path / "c", NUMBERS, run, **cap) == {}
    assert excluded(tmp_path / "d", NUMBERS, history=str(history), frequency_cap="2/7d") == {}


def test_the_cap_counts_what_a_failed_send_has_sent(telecom_simulator: Any, tmp_path: Path) -> None:
    history = tmp_path / "outcomes"
    history.mkdir()
    state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    operator = KetchUpSendBulkSmsOperator(
        task_id="send",
        recipients=NUMBERS,
        text="Hi",
        chunk_size=2,
        results_path=str(history / "spring.jsonl"),
    )
    price = Run().execute(
        KetchUpSendBulkSmsOperator(task_id="price", recipients=NUMBERS, text="Hi", dry_run=True)
    )["price"]
    state.balance = Decimal(price) / 3
    with pytest.raises(TelecomFundsError):
        Run().execute(operator)
    assert (history / "spring.jsonl.parts").is_dir()
    cap = {"history": str(history), "frequency_cap": "1/7d"}
    assert excluded(tmp_path / "b", NUMBERS, **cap) == {"frequency_cap": 2}


def test_look_ups_exclude_inactive_numbers(telecom_simulator: Any, tmp_path: Path) -> None:
    """The simulator's numbers in 9 are absent, in 88 failed, in another 8 unknown."""
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "immediate")
    hlr = tmp_path / "hlr"
    hlr.mkdir()
    looked_up = [*NUMBERS, "380670000209", "380670000288", "380670000298"]
    Run().execute(
        KetchUpHlrLookupOperator(
            task_id="look_up",
            recipients=looked_up,
            results_path=str(hlr / "results.parquet"),
            wait_for_completion=True,
            unknown_is_final=True,
            poll_interval=0.01,
        )
    )
    everybody = [*looked_up, "380670000300"]
    assert excluded(tmp_path / "b", everybody, hlr=str(hlr)) == {"hlr_inactive": 2}
    assert excluded(tmp_path / "c", everybody, hlr=str(hlr), hlr_unknown="drop") == {"hlr_inactive": 4}
    assert excluded(tmp_path / "d", NUMBERS, history=str(hlr), frequency_cap="1/1d") == {}
