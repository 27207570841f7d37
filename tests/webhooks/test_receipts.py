"""Webhooks about Viber messages complete a file of outcomes; what they do not report as delivered is asked
for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.bulk.receipts import write_lines
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCollectReceiptsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from airflow_provider_telecom.webhooks import inbox_client, keys
from airflow_provider_telecom.webhooks.assets import INBOX
from tests.eventually import eventually
from tests.running import Run
from tests.webhooks.conftest import Comms, Served

pytestmark = pytest.mark.xdist_group("webhooks")

NUMBERS = [str(380670000200 + place) for place in range(8)] + ["380670000219"]


@pytest.fixture(autouse=True)
def _connected(hook_for: Callable[..., Any], comms: Comms) -> None:
    hook_for("ketchup_loyalty", viber_sender="Shop", vendor_timezone="UTC")


def sent(path: Path, simulator: Any, numbers: list[str] = NUMBERS) -> str:
    before = len(posts(simulator))
    operator = KetchUpSendViberOperator(
        task_id="send", recipients=numbers, text="Hi", results_path=str(path), chunk_size=4
    )
    Run(path.stem).execute(operator)
    assert eventually(lambda: len(posts(simulator)) == before + len(numbers), every=0.02)
    return str(path)


def posts(simulator: Any) -> list[Any]:
    found: list[Any] = simulator.state.vendor_state("webhook_sender", WebhookSender).log
    return found


def collected(path: str, run: str = "1", **more: Any) -> dict[str, Any]:
    arguments = {"outcomes": path, "use_webhook": True, "wait_timeout": 0.01, **more}
    found: dict[str, Any] = Run(run).execute(KetchUpCollectReceiptsOperator(task_id="receipts", **arguments))
    return found


def states(path: str) -> list[str]:
    return [line["state"] for line in read_outcomes(ObjectStoragePath(path))]


def reads(simulator: Any) -> int:
    return sum(one.method == "GET" for one in simulator.state.requests)


@pytest.mark.parametrize("page_size", [200, 3])
def test_webhooks_complete_the_file_and_failures_are_asked_for(
    telecom_simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_size: int
) -> None:
    for module in (keys, inbox_client, "airflow_provider_telecom.webhooks.inbox"):
        target = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{target}.PAGE_SIZE", page_size)
    sent(tmp_path / "others.jsonl", telecom_simulator, NUMBERS[:2])
    path = sent(tmp_path / "out.parquet", telecom_simulator)
    before = reads(telecom_simulator)
    facts = collected(path)
    assert states(path) == ["read"] * 8 + ["undelivered"]
    assert (facts["read"], facts["silent"]) == (8, 0)
    assert reads(telecom_simulator) == before + 1


def test_what_webhooks_do_not_report_is_asked_for(
    served: Served, telecom_simulator: Any, tmp_path: Path
) -> None:
    path = sent(tmp_path / "out.jsonl", telecom_simulator)
    page = served.rows("log:")
    (key,) = page
    lost = [line for line in page[key] if line["about"][-1] not in "12"]
    inbox_client._store().set(key, lost)
    before = reads(telecom_simulator)
    assert collected(path)["silent"] == 0
    assert states(path) == ["read"] * 8 + ["undelivered"]
    assert reads(telecom_simulator) == before + 3


def test_a_late_webhook_about_a_failure_does_not_replace_a_delivery(
    served: Served, telecom_simulator: Any, tmp_path: Path
) -> None:
    """KetchUp posts again for 37 hours, and a post does not say when the state came. So it is asked."""
    path = sent(tmp_path / "out.jsonl", telecom_simulator)
    collected(path, use_webhook=False)
    page = served.rows("log:")
    (key,) = page
    late = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    inbox_client._store().set(key, [{**line, "state": "undelivered", "at": late} for line in page[key]])
    found = list(read_outcomes(ObjectStoragePath(path)))
    found[0] |= {"state": "silent", "final_at": None}
    found[1] |= {"state": "delivered"}
    write_lines(ObjectStoragePath(path), found)
    before = reads(telecom_simulator)
    collected(path, "2")
    assert states(path) == ["read", "delivered", *["read"] * 6, "undelivered"]
    assert reads(telecom_simulator) == before + 1


def test_a_receiver_that_does_not_answer_is_no_error(
    telecom_simulator: Any, tmp_path: Path, comms: Comms
) -> None:
    path = sent(tmp_path / "out.jsonl", telecom_simulator)
    comms.broken = True
    before = reads(telecom_simulator)
    assert collected(path)["silent"] == 0
    assert reads(telecom_simulator) == before + len(NUMBERS)


def test_the_inbox_is_an_inlet_only_if_it_is_read() -> None:
    made = {"task_id": "receipts", "outcomes": "out.jsonl"}
    assert KetchUpCollectReceiptsOperator(**made).inlets == []
    with_inbox = KetchUpCollectReceiptsOperator(**made, use_webhook=True)
    assert [asset.name for asset in with_inbox.inlets] == [INBOX.name]
