"""Receipts of many messages: counted requests, and memory that does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.bulk.outcomes import Origin, read_outcomes, time_text, write_parquet
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpCollectReceiptsOperator
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import COUNTRIES
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Draft, VendorState, receipt_stages
from tests.running import Run

FIRST = 380670000000
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
BY_DIGIT = {"3": "silent", "8": "expired", "9": "undelivered"}


@pytest.fixture(autouse=True)
def _clock(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = telecom_simulator.state.clock
    monkeypatch.setattr(CollectReceiptsOperator, "now", staticmethod(clock.now))
    monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(clock.advance))


def created(simulator: Any, count: int, path: Path) -> None:
    """Put messages that were sent within an hour into the simulator, and into a file of outcomes."""
    state: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    ukraine = next(country for country in COUNTRIES if country.iso == "UA")
    origin = Origin("sms", "ketchup_loyalty_default", "dag/run/send")

    def lines() -> Iterator[dict[str, Any]]:
        for place in range(count):
            simulator.state.clock.set(START + timedelta(seconds=3600 * place / count))
            msisdn, reference = str(FIRST + place), f"t{place}"
            draft = Draft("sms", msisdn, ukraine, Decimal("0.02"), reference, "Shop", "Hi")
            last = {"8": "expired", "9": "undeliverable"}.get(msisdn[-1], "delivered")
            stages = receipt_stages(state.switches, msisdn, ("accepted", "sent", last))
            yield origin.line(
                msisdn,
                "accepted",
                reference=reference,
                message_id=state.create(draft, stages).id,
                price="0.02",
                currency="EUR",
                sent_at=time_text(simulator.state.clock.now()),
            )

    with path.open("wb") as file:
        write_parquet(file, lines())


@pytest.mark.parametrize(
    ("count", "hours", "rounds"),
    [
        (2_000, 0.5, 8),
        pytest.param(2_000, 24, 34, marks=pytest.mark.long),
        pytest.param(100_000, 1, 10, marks=pytest.mark.long),
    ],
)
def test_a_day_of_rounds_takes_less_than_300_requests(
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    tmp_path: Path,
    count: int,
    hours: float,
    rounds: int,
) -> None:
    """Some messages never get a final state, so all rounds are needed. Each export is not ready at first."""
    hook_for("ketchup_loyalty", vendor_timezone="UTC", timeout_read=300)
    for name in ("new_status", "late_receipts"):
        telecom_simulator.state.set_switch(f"ketchup_loyalty.{name}", "on")
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 30)
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_seconds", 1)
    path = tmp_path / "out.parquet"
    created(telecom_simulator, count, path)
    operator = KetchUpCollectReceiptsOperator(
        task_id="receipts", outcomes=str(path), wait_timeout=hours * 3600
    )
    facts = Run().execute(operator)
    assert rounds // 2 < facts["rounds"] <= rounds, "a slow machine takes fewer: each round lasts longer"
    assert len(telecom_simulator.state.requests) <= 5 * facts["rounds"] < 300
    assert facts["silent"] == count // 10
    found = read_outcomes(_stored(path))
    assert all(line["state"] == BY_DIGIT.get(line["msisdn"][-1], "delivered") for line in found)
    assert facts["price"] == str(Decimal("0.02") * count)


def _stored(path: Path) -> Any:
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(str(path))
