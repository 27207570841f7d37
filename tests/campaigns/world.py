"""A ladder against the simulator: people who are reached or not, in each way that the vendor knows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.campaigns import SmsRung, ViberRung, message_ladder
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.bulk.audiences import prepare_audience

REACHED = {"delivered", "read"}
FAILED = {"undelivered", "expired"}
# What becomes of a message, by a hash of its number and channel: the stages, and what a late receipt says.
FATES: dict[str, Sequence[tuple[int, str, str | None]]] = {
    "viber": (
        (35, "read", None),
        (10, "delivered", None),
        (25, "not-viber-user", None),
        (10, "expired", None),
        (5, "expired", "delivered"),  # it arrives after the next rung has sent
        (5, "delivered", "undeliverable"),
        (10, "sent", None),  # silent
    ),
    "sms": (
        (70, "delivered", None),
        (10, "undeliverable", None),
        (10, "expired", "delivered"),
        (10, "sent", None),
    ),
}


def fate(msisdn: str, channel: str) -> tuple[str, str | None]:
    """Return the last status of a message, and that of a late receipt."""
    parts = FATES[channel]
    whole = sum(share for share, _, _ in parts)
    place = int(hashlib.sha256(f"{channel} {msisdn}".encode()).hexdigest(), 16) % whole
    for share, status, late in parts:
        if place < share:
            return status, late
        place -= share
    raise AssertionError


class World:
    """The simulator whose messages have these fates at once, and a clock by which tasks wait for receipts."""

    def __init__(self, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulator, self.slept = simulator, timedelta(0)
        create = VendorState.create

        def fated(state: VendorState, draft: Any, stages: Any, *args: Any, **facts: Any) -> Any:
            stages = ("accepted", fate(draft.msisdn, draft.module)[0])
            return create(state, draft, stages, *args, **facts)

        monkeypatch.setattr(VendorState, "create", fated)
        monkeypatch.setattr(CollectReceiptsOperator, "now", staticmethod(self.now))
        monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(self.sleep))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += timedelta(seconds=seconds)

    @property
    def vendor(self) -> VendorState:
        found: VendorState = self.simulator.state.vendor_state("ketchup_loyalty", VendorState)
        return found

    def forget_what_was_learned(self) -> None:
        """Forget what this process knows of the account, as one does that has just started."""
        for client in base._clients.values():
            client.account.learned.clear()

    def late_receipts(self) -> None:
        """Let the late receipts come, of all messages that were sent so far."""
        for message in self.vendor.messages.values():
            late = fate(message.draft.msisdn, message.draft.module)[1]
            if late is not None:
                message.delivery._stages = ("accepted", late)

    def sent(self, channel: str) -> Counter[str]:
        """Return how many messages each number was charged for."""
        effects = self.simulator.state.ledger.of("ketchup_loyalty", channel)
        return Counter(one.facts["msisdn"] for one in effects)

    def paid(self, leave_out: Callable[[str, str], bool] = lambda channel, msisdn: False) -> Decimal:
        """Return what the ledger says was charged."""
        return sum(
            (
                Decimal(one.facts["price"])
                for channel in ("viber", "sms")
                for one in self.simulator.state.ledger.of("ketchup_loyalty", channel)
                if not leave_out(channel, one.facts["msisdn"])
            ),
            Decimal(0),
        )


def numbers(count: int) -> list[str]:
    return [str(380670000000 + place) for place in range(count)]


def ladder_audience(folder: Path, count: int) -> dict[str, Any]:
    """Make the audience of a ladder, and return what the task that prepares it would."""
    people = [
        {"msisdn": number, "name": f"N{place}", "variant": "AB"[place % 2]}
        for place, number in enumerate(numbers(count))
    ]
    return prepare_audience(folder / "audience", people)


def ladder_dag(folder: Path, count: int, **more: Any) -> DAG:
    """Return a Dag with a ladder of Viber and SMS. Without an `audience` it is made."""
    text = {"A": "{name}, come by.", "B": "Come by, {name}."}
    given: dict[str, Any] = {
        "group_id": "spring",
        "audience": more.pop("audience", None) or ladder_audience(folder, count),
        "rungs": [
            ViberRung(text, wait=timedelta(minutes=15), poll_interval=300),
            SmsRung(text, wait=timedelta(hours=2), poll_interval=900),
        ],
        "outcomes": str(folder / "outcomes"),
        "report": str(folder / "report.jsonl"),
        "deferrable": False,
        **more,
    }
    with DAG("dag", schedule=None) as dag:
        message_ladder(**given)
    return dag


def outcomes(folder: Path, rung: str) -> list[dict[str, Any]]:
    """Return the rows of a rung's file of outcomes; none if there is no file."""
    path = ObjectStoragePath(str(folder / "outcomes" / f"spring-{rung}.parquet"))
    return list(read_outcomes(path)) if path.exists() else []
