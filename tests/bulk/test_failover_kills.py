"""Sends without keys that fail over: random answers, kills and tries; nobody is contacted twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk import sender_without_keys
from airflow_provider_telecom.bulk.failover import Failover, send_or_hand_over
from airflow_provider_telecom.bulk.requests_without_keys import BatchRequests, Result, SingleRequests
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.bulk.sender_without_keys import Counts, SenderWithoutKeys
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.journal.journal import Journal, OnUnknown
from tests.bulk.test_sender_without_keys import NUMBERS, DyingStore, KilledError, People

SOON = Failover(failures=2, within=timedelta(milliseconds=2))


class MoodyVendor:
    """Does what the dice say."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.contacted: Counter[str] = Counter()

    def single(self, number: str) -> Result:
        return self.batch([number])[0]

    def batch(self, numbers: Sequence[str]) -> Sequence[Result]:
        how = self._dice.choice(["", "", "", "", "", "lost", "not received", "too large", "killed"])
        if how == "too large" and len(numbers) > 1:
            raise TelecomRejectedError("too large", status=413)
        if how == "not received":
            raise self._error(*[TelecomUnknownError, TelecomNotSentError, TelecomAuthError])
        states = self._dice.choices(["accepted", "accepted", "refused"], k=len(numbers))
        self.contacted.update(
            number for number, state in zip(numbers, states, strict=True) if state == "accepted"
        )
        if how == "lost":
            raise self._error(TelecomUnknownError)
        if how == "killed":
            raise KilledError
        return [Result(state, "at", None if state == "accepted" else "7") for state in states]

    def _error(self, *kinds: type[TelecomError]) -> TelecomError:
        error = self._dice.choice(kinds)("no")
        error.conn_id = "fmc"
        return error


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("in_batches", [False, True])
def test_whatever_happens_nobody_is_contacted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, in_batches: bool
) -> None:
    monkeypatch.setattr(sender_without_keys, "_HANDED_OVER_AT_ONCE", 3)
    dice, path = random.Random(seed), tmp_path / "out.jsonl"
    vendor, store = MoodyVendor(dice), DyingStore(lambda: dice.random() < 0.04)

    def attempt(policy: OnUnknown, is_killed: bool) -> Counts:
        requests: Any = SingleRequests(vendor.single, policy, max_unknown=3)
        if in_batches:
            requests = BatchRequests(vendor.batch, lambda error: error.status == 413, policy, "messages")
        sender = SenderWithoutKeys(
            People(NUMBERS),
            requests,
            Checkpoint(Journal(store), "bulk", "fmc"),
            ResultsFile(ObjectStoragePath(str(path))),
            policy,
            dice.randint(1, 5),
            lambda: None,
            Counts,
        )
        store.is_dead = False
        with monkeypatch.context() as killed:
            if is_killed:  # without a chance to write where it stops
                killed.setattr(sender, "_stop", lambda: None)
            sender.resume()
            if not sender.is_complete(len(NUMBERS)):
                send_or_hand_over(SOON, sender.send, sender.resume, sender.hand_over, lambda: False)
        return sender.counts

    for _ in range(300):
        try:
            counts = attempt(dice.choice(["fail", "assume_sent", "assume_sent"]), dice.random() < 0.5)
        except (TelecomError, KilledError):
            continue
        break
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["msisdn"] for row in rows] == NUMBERS
    assert max(vendor.contacted.values(), default=0) <= 1
    for row in rows:
        if row["state"] != "unknown":
            assert vendor.contacted[row["msisdn"]] == (row["state"] == "accepted")
    handed_over = [row for row in rows if row["code"] == "not_sent"]
    assert len(handed_over) == counts.handed_over
    assert not any(row["sent_at"] for row in handed_over)
