"""Sending one by one without idempotency keys: nobody twice, and everybody in doubt is reported."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk import sender_without_keys
from airflow_provider_telecom.bulk.outcomes import Origin
from airflow_provider_telecom.bulk.requests_without_keys import BatchRequests, Block, Result, SingleRequests
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.bulk.sender_without_keys import Counts, SenderWithoutKeys
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.journal.journal import Journal, OnUnknown, OutcomeUnknownError
from tests.running import Store

NUMBERS = [str(380670000200 + place) for place in range(12)]


class KilledError(BaseException):
    """The process is gone."""


class People:
    """One message to each number; the number is its name."""

    noun = "calls"

    def __init__(self, numbers: list[str]) -> None:
        self._numbers, self._origin = numbers, Origin("call", "fmc", "dag/run/task")

    def __len__(self) -> int:
        return len(self._numbers)

    def after(self, rows: int) -> Iterator[str]:
        return (self._numbers[place] for place in range(rows, len(self._numbers)))

    def key(self, message: str) -> str:
        return message

    def line(self, message: str, result: Result) -> dict[str, Any]:
        return self._origin.line(
            message, result.state, message_id=result.message_id, code=result.code, sent_at=result.at
        )


class Vendor:
    """Contacts people; `answers` says what happens to each number, once."""

    def __init__(self, **answers: str | type[TelecomError]) -> None:
        self.contacted: Counter[str] = Counter()
        self.answers: dict[str, Any] = {f"3806700002{place[1:]}": how for place, how in answers.items()}
        self._lock = Lock()

    def request(self, number: str) -> Result:
        with self._lock:
            how = self.answers.pop(number, "accepted")
            if how in ("accepted", "lost", "killed"):
                self.contacted[number] += 1
        if how == "killed":
            raise KilledError
        if how in ("lost", "lost_before"):
            raise TelecomUnknownError("lost")
        if how == "refused":
            raise TelecomRejectedError("no", code="7")
        if how != "accepted":
            raise how("stopped")
        return Result("accepted", "2026-11-28T09:00:00Z", message_id=f"id{number[-2:]}")


class Task:
    """A task whose tries share a store and a file of results."""

    def __init__(self, folder: Path, vendor: Vendor, numbers: list[str] = NUMBERS) -> None:
        self.path, self.vendor, self.numbers, self.store = folder / "out.jsonl", vendor, numbers, Store()
        self.has_results = True

    def sender(
        self, on_unknown: OnUnknown = "fail", *, block: int = 4, concurrency: int = 1, max_unknown: int = 3
    ) -> SenderWithoutKeys[str, Counts]:
        requests = SingleRequests(
            self.vendor.request, on_unknown, max_unknown=max_unknown, concurrency=concurrency
        )
        return SenderWithoutKeys(
            People(self.numbers),
            requests,
            Checkpoint(Journal(self.store), "bulk", "fmc"),
            ResultsFile(ObjectStoragePath(str(self.path))) if self.has_results else None,
            on_unknown,
            block,
            lambda: None,
            Counts,
        )

    def attempt(self, on_unknown: OnUnknown = "fail", **more: int) -> Counts:
        sender = self.sender(on_unknown, **more)
        sender.run()
        return sender.counts

    @property
    def states(self) -> list[str]:
        return [json.loads(line)["state"] for line in self.path.read_text().splitlines()]


def test_counts() -> None:
    """What may be paid is what was accepted, what nobody knows, and what was sent again after that."""
    counts = Counts(rows=20, accepted=7, unknown=3, resent=2, refused={"7": 4, "not_sent": 1})
    assert counts.may_be_paid == 12
    assert counts.handed_over == 1
    counts.merge(Counts(rows=300, accepted=100, unknown=50, resent=5, refused={"7": 1, "8": 2}))
    both = Counts(rows=320, accepted=107, unknown=53, resent=7, refused={"7": 5, "8": 2, "not_sent": 1})
    assert counts == both
    at = "2026-11-28T09:00:00Z"
    counts.add([
        Result("accepted", at),
        Result("unknown", at),
        Result("refused", at, "8"),
        Result("refused", at, "9"),
    ])
    more = {"7": 5, "8": 3, "9": 1, "not_sent": 1}
    assert counts == Counts(rows=324, accepted=108, unknown=54, resent=7, refused=more)
    assert (Counts().may_be_paid, Counts().handed_over) == (0, 0)


def test_one_outcome_for_each(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_03="refused", _05="lost", _06="lost_before"))
    counts = task.attempt()
    assert (counts.accepted, counts.refused, counts.unknown) == (9, {"7": 1}, 2)
    expected = ["accepted"] * 3 + ["refused", "accepted", "unknown", "unknown"] + ["accepted"] * 5
    assert task.states == expected
    lines = [json.loads(line) for line in task.path.read_text().splitlines()]
    assert [line["msisdn"] for line in lines] == NUMBERS
    assert lines[0]["message_id"] == "id00"
    assert all(line["sent_at"] for line in lines)
    assert task.attempt() == counts
    assert set(task.vendor.contacted.values()) == {1}


@pytest.mark.parametrize(
    "error",
    [TelecomNotSentError, TelecomThrottledError, TelecomAuthError, TelecomFundsError, TelecomInputError],
)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_concerns_everybody_stops_and_a_later_try_goes_on(
    tmp_path: Path, error: type[TelecomError], concurrency: int
) -> None:
    how: Any = error if error is not TelecomInputError else lambda text: TelecomInputError("msisdn", text)
    task = Task(tmp_path, Vendor(_05=how))
    with pytest.raises(error):
        task.attempt(concurrency=concurrency)
    assert NUMBERS[8] not in task.vendor.contacted
    assert not task.vendor.contacted[NUMBERS[5]]
    assert task.attempt(concurrency=concurrency).accepted == 12
    assert task.vendor.contacted == Counter(NUMBERS)
    assert task.states == ["accepted"] * 12


def test_results_behind_one_that_was_not_sent_are_kept(tmp_path: Path) -> None:
    """Of four requests at a time the first one is not sent, and the others are: nobody is called again."""
    vendor, together = Vendor(_00=TelecomNotSentError, _02="lost"), Barrier(4)
    task, request = Task(tmp_path, vendor), vendor.request

    def at_the_same_time(number: str) -> Result:
        together.wait()
        return request(number)

    vendor.request = at_the_same_time  # type: ignore[method-assign]
    with pytest.raises(TelecomNotSentError):
        task.attempt(concurrency=4)
    assert set(vendor.contacted) == set(NUMBERS[1:4])
    vendor.request = request  # type: ignore[method-assign]
    counts = task.attempt()
    assert (counts.accepted, counts.unknown) == (11, 1)
    assert vendor.contacted == Counter(NUMBERS)
    assert task.states[:4] == ["accepted", "accepted", "unknown", "accepted"]
    assert "67000" not in str(task.store.texts)


def test_a_sender_that_has_read_nothing_knows_of_nothing(tmp_path: Path) -> None:
    sender = Task(tmp_path, Vendor()).sender()
    assert (sender.counts, sender.in_doubt) == (Counts(), 0)


def test_recipients_that_cannot_be_read_stop_it_before_anything_is_sent(tmp_path: Path) -> None:
    class Unreadable(list[str]):
        def __getitem__(self, place: Any) -> Any:
            raise OSError("the file is gone")

    task = Task(tmp_path, Vendor(), Unreadable(NUMBERS))
    with pytest.raises(OSError, match="the file is gone"):
        task.attempt()
    task.numbers = NUMBERS
    assert task.attempt().accepted == 12


def test_two_lost_responses_at_the_beginning_stop_nothing(tmp_path: Path) -> None:
    counts = Task(tmp_path, Vendor(_00="lost", _01="lost")).attempt(max_unknown=3)
    assert (counts.unknown, counts.accepted) == (2, 10)


def test_lost_responses_are_counted_across_tries(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_00="lost", _01="lost", _02=TelecomNotSentError))
    with pytest.raises(TelecomNotSentError):
        task.attempt(max_unknown=3)
    task.vendor.answers = {NUMBERS[2]: "lost"}
    with pytest.raises(OutcomeUnknownError, match="3 of the first 3 calls"):
        task.attempt(max_unknown=3)


def test_everybody_can_be_handed_over_before_anything_is_sent(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor())
    sender = task.sender()
    assert sender.resume() == 0
    sender.hand_over()
    lines = [json.loads(line) for line in task.path.read_text().splitlines()]
    assert [line["msisdn"] for line in lines] == NUMBERS
    assert {(line["state"], line["code"], line["sent_at"]) for line in lines} == {
        ("refused", "not_sent", None)
    }
    counts = task.attempt()
    assert (counts.rows, counts.handed_over) == (12, 12)
    assert not task.vendor.contacted


def test_a_file_of_results_is_not_needed(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_03="refused", _05=TelecomNotSentError))
    task.has_results = False
    with pytest.raises(TelecomNotSentError):
        task.attempt()
    for _ in range(2):
        counts = task.attempt()
        assert (counts.accepted, counts.refused) == (11, {"7": 1})
    assert set(task.vendor.contacted.values()) == {1}
    assert not list(tmp_path.iterdir())


def test_a_send_of_which_all_were_refused_may_have_other_recipients(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_00="refused", _01="refused"), NUMBERS[:2])
    assert task.attempt().refused == {"7": 2}
    task.numbers = NUMBERS[2:]
    assert task.attempt().accepted == 10


def test_a_kill_leaves_what_was_stored_of_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(tmp_path, Vendor(_03="killed"))
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        killed.setattr(Checkpoint, "is_due", True)
        with pytest.raises(KilledError):
            task.attempt(block=12)
    counts = task.attempt(block=12)
    assert (counts.accepted, counts.unknown) == (3, 9)


def test_who_was_to_be_handed_over_gets_it_after_a_kill_and_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(tmp_path, Vendor())
    sender = task.sender()
    sender.resume()
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        killed.setattr(Block, "settle", lambda *_: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            sender.hand_over()
    (entry,) = map(json.loads, task.store.texts.values())
    assert entry["facts"]["ahead"] == 4, "the next try sends this block as it is: a larger one may be refused"
    task.vendor.answers = {NUMBERS[0]: TelecomNotSentError}
    with pytest.raises(TelecomNotSentError):
        task.attempt()
    counts = task.attempt()
    assert (counts.accepted, counts.unknown, counts.handed_over) == (12, 0, 0)


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, ["4 of 12", "8 of 12", "12 of 12"]), (3600.0, [])])
def test_a_long_send_logs_how_far_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    lines: list[str],
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(sender_without_keys, "EVERY_SECONDS", seconds)
    Batches(tmp_path, Vendor()).attempt()
    found = [record.getMessage().removesuffix(" recipients") for record in caplog.records]
    assert list(dict.fromkeys(found)) == lines


def test_a_dead_vendor_stops_the_task(tmp_path: Path) -> None:
    lost = {f"_{place:02}": "lost" for place in (1, 2, 4, 5, 6, 7, 8)}
    task = Task(tmp_path, Vendor(**lost))
    with pytest.raises(OutcomeUnknownError, match="5 of the first 7 calls were sent"):
        task.attempt()
    assert task.vendor.contacted == Counter(NUMBERS[:7])
    counts = task.attempt()
    assert (counts.unknown, counts.accepted) == (7, 5)
    assert task.vendor.contacted == Counter(NUMBERS)


def test_resend_stops_at_once_and_sends_again(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_05="lost"))
    with pytest.raises(TelecomUnknownError) as caught:
        task.attempt("resend")
    assert not isinstance(caught.value, OutcomeUnknownError)  # which Airflow would not retry
    assert task.vendor.contacted == Counter(NUMBERS[:6])
    counts = task.attempt("resend")
    assert (counts.accepted, counts.resent, counts.may_be_paid) == (12, 1, 13)
    assert task.vendor.contacted == Counter([*NUMBERS, NUMBERS[5]])


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("policy", ["fail", "assume_sent", "resend"])
def test_a_kill_leaves_its_block_unknown_and_no_more(
    tmp_path: Path, block: int, policy: OnUnknown, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(tmp_path, Vendor(_06="killed"))
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)  # nothing of it runs any more
        with pytest.raises(KilledError):
            task.attempt(block=block)
    counts = task.attempt(policy, block=block)
    if policy == "resend":
        assert (counts.accepted, counts.resent) == (12, block)
    else:
        assert counts.unknown == block
        assert [place for place, state in enumerate(task.states) if state == "unknown"] == list(
            range(4, 8) if block == 4 else [6]
        )
        assert set(task.vendor.contacted.values()) == {1}


def test_what_an_earlier_try_may_have_sent_has_the_time_of_that_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(tmp_path, Vendor(_06="killed"))
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        with pytest.raises(KilledError):
            task.attempt(block=1)
    (entry,) = map(json.loads, task.store.texts.values())
    monkeypatch.setattr(sender_without_keys, "now_text", lambda: "2026-11-28T23:00:00Z")
    task.attempt(block=1)
    lines = [json.loads(line) for line in task.path.read_text().splitlines()]
    assert lines[6]["sent_at"] == entry["facts"]["announced_at"] != "2026-11-28T23:00:00Z"


def test_a_budget_is_asked_before_the_first_message_of_each_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(tmp_path, Vendor(_06="killed"))
    asked: list[tuple[int, int, int]] = []

    def reserve(counts: Counts, in_doubt: int) -> None:
        asked.append((counts.rows, in_doubt, task.vendor.contacted.total()))

    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        with pytest.raises(KilledError):
            task.sender().run(reserve)
    task.sender().run(reserve)
    task.sender().run(reserve)  # it is complete: nothing is asked
    assert asked == [(0, 0, 0), (4, 4, 7)]


def test_each_block_waits_before_it_is_named_in_the_journal(tmp_path: Path) -> None:
    """A request that the rate limit or the window holds back is not under way."""
    task, seen = Task(tmp_path, Vendor()), []

    def wait() -> None:
        seen.append((task.vendor.contacted.total(), [json.loads(text) for text in task.store.texts.values()]))
        if len(seen) == 3:
            raise TelecomThrottledError("closed")

    sender = task.sender()
    sender._wait_until_ready = wait
    with pytest.raises(TelecomThrottledError, match="closed"):
        sender.run()
    assert [contacted for contacted, _ in seen] == [0, 4, 8]
    assert not seen[0][1]
    for contacted, (entry,) in seen[1:]:
        assert entry["facts"]["rows"] == entry["facts"]["ahead"] == contacted
    assert task.vendor.contacted.total() == 8


def test_a_block_that_was_sent_is_known_while_the_next_one_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window may be closed for hours: a kill then leaves nobody in doubt."""
    task = Task(tmp_path, Vendor())

    def wait() -> None:
        if task.vendor.contacted.total() == 4:
            raise KilledError

    sender = task.sender()
    sender._wait_until_ready = wait
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        with pytest.raises(KilledError):
            sender.run()
    assert task.attempt().unknown == 0
    assert task.vendor.contacted == Counter(NUMBERS)


def test_what_is_known_behind_a_slow_request_survives_two_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six requests are answered while the first one is under way, and the process is killed, twice."""
    task, seventh = Task(tmp_path, Vendor(_00="killed")), Event()
    request = task.vendor.request

    def slow(number: str) -> Result:
        if number == NUMBERS[0]:
            seventh.wait(60)
        if number == NUMBERS[7]:
            seventh.set()
        return request(number)

    task.vendor.request = slow  # type: ignore[method-assign]
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        killed.setattr(Checkpoint, "is_due", True)
        for _ in range(2):
            task.vendor.answers = {NUMBERS[0]: "killed"}
            with pytest.raises(KilledError):
                task.attempt("resend", block=12, concurrency=2)
    assert {number: task.vendor.contacted[number] for number in NUMBERS[1:7]} == dict.fromkeys(
        NUMBERS[1:7], 1
    )
    counts = task.attempt("fail", block=12)
    assert counts.rows == 12
    assert counts.accepted >= 6
    assert task.states[1:7] == ["accepted"] * 6
    assert task.states[0] == "unknown"


def test_recipients_that_are_added_later_get_theirs(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(), NUMBERS[:8])
    assert task.attempt().accepted == 8
    task.numbers = NUMBERS
    assert task.attempt().accepted == 12
    assert task.vendor.contacted == Counter(NUMBERS)


def test_a_kill_at_the_end_leaves_no_parts_and_sends_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("finish", "forget_parts"):
        task = Task(tmp_path / name, Vendor())
        with monkeypatch.context() as killed:
            killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
            killed.setattr(ResultsFile, name, lambda *_: (_ for _ in ()).throw(KilledError))
            with pytest.raises(KilledError):
                task.attempt()
        assert task.attempt().accepted == 12
        assert task.vendor.contacted == Counter(NUMBERS)
        assert task.states == ["accepted"] * 12
        assert [path.name for path in task.path.parent.iterdir()] == [task.path.name]


def test_a_try_that_was_replaced_hands_nobody_over(tmp_path: Path) -> None:
    """The other try is sending to them."""

    class TakenOver(Store):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            super().set(key, {**value, "body": "another"}, retention=retention)

    task = Task(tmp_path, Vendor(), NUMBERS[:4])
    task.store = TakenOver()
    sender = task.sender()
    sender.resume()
    with pytest.raises(TelecomNotSentError, match="another try"):
        sender.hand_over()
    assert not task.path.exists()


class Batches(Task):
    """The same, with one request for each block: one lost response puts the whole block in doubt."""

    def sender(self, on_unknown: OnUnknown = "fail", **_: int) -> SenderWithoutKeys[str, Counts]:
        sender = super().sender(on_unknown)
        sender._requests = BatchRequests(
            lambda numbers: [self.vendor.request(number) for number in numbers],
            lambda _: False,
            on_unknown,
            People.noun,
        )
        return sender


@pytest.mark.parametrize("how", ["lost", "killed"])
def test_a_batch_of_unknown_outcome_is_for_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """With `fail` the task stops, each time, until somebody has decided; then it goes on after them."""
    task = Batches(tmp_path, Vendor(_06=how))
    if how == "killed":
        with monkeypatch.context() as killed:
            killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
            with pytest.raises(KilledError):
                task.attempt()
    earlier = "an earlier try may have sent it"
    for why in ("lost" if how == "lost" else earlier, earlier):
        what = f"{why}: nobody can know whether 4 calls after the first 4 were sent"
        with pytest.raises(OutcomeUnknownError, match=f"^{what}"):
            task.attempt()
    assert task.vendor.contacted == Counter(NUMBERS[:7])
    counts = task.attempt("assume_sent")
    assert (counts.accepted, counts.unknown, counts.rows) == (8, 4, 12)
    assert task.vendor.contacted == Counter([*NUMBERS[:7], *NUMBERS[8:]])


def test_a_batch_that_is_sent_again_is_retried(tmp_path: Path) -> None:
    task = Batches(tmp_path, Vendor(_06="lost"))
    with pytest.raises(TelecomUnknownError) as caught:
        task.attempt("resend")
    assert not isinstance(caught.value, OutcomeUnknownError)
    counts = task.attempt("resend")
    assert (counts.accepted, counts.resent, counts.may_be_paid) == (12, 4, 16)


def test_a_timeout_leaves_only_the_request_under_way_unknown(tmp_path: Path) -> None:
    """Airflow's execution_timeout raises in the task, which can still write what it knows."""
    task = Task(tmp_path, Vendor(_06="killed"))
    with pytest.raises(KilledError):
        task.attempt()
    assert task.attempt().unknown == 1
    assert task.states.index("unknown") == 6


def test_other_recipients_are_refused_once_anything_was_sent(tmp_path: Path) -> None:
    task = Task(tmp_path, Vendor(_05=TelecomNotSentError))
    with pytest.raises(TelecomNotSentError):
        task.attempt()
    task.numbers = NUMBERS[1:]
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        task.attempt()
    assert task.vendor.contacted == Counter(NUMBERS[:5])


class DyingStore(Store):
    """A store whose callers die at the given write or read."""

    def __init__(self, dies_at: Callable[[], bool]) -> None:
        super().__init__()
        self._dies_at, self.is_dead, self.is_immortal = dies_at, False, False

    def get(self, key: str, default: Any = None) -> Any:
        self._step()
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self._step()
        super().set(key, value, retention=retention)
        self._step()

    def _step(self) -> None:
        if self.is_immortal:
            return
        self.is_dead = self.is_dead or self._dies_at()
        if self.is_dead:
            raise KilledError


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_nobody_is_contacted_twice(tmp_path: Path, seed: int) -> None:
    """Random answers, kills and stops in each of many tries, with one to four requests at a time."""
    dice = random.Random(seed)
    kinds: list[Any] = ["accepted"] * 4 + ["lost", "lost_before", "refused", TelecomNotSentError, "killed"]
    vendor, task = Vendor(), Task(tmp_path, Vendor())
    task.vendor, task.store = vendor, DyingStore(lambda: dice.random() < 0.05)
    ended = False
    for _ in range(200):
        vendor.answers = {number: dice.choice(kinds) for number in NUMBERS}
        task.store.is_dead = False
        try:
            counts = task.attempt(
                dice.choice(["fail", "assume_sent"]),
                block=dice.randint(1, 6),
                concurrency=dice.randint(1, 4),
            )
        except (TelecomError, KilledError):
            continue
        ended = True
        break
    assert ended
    assert max(vendor.contacted.values(), default=0) <= 1
    by_state = Counter(task.states)
    assert (by_state["accepted"], by_state["unknown"]) == (counts.accepted, counts.unknown)
    assert len(task.states) == len(NUMBERS)
    for number, state in zip(NUMBERS, task.states, strict=True):
        assert state == "unknown" or (state == "accepted") == bool(vendor.contacted[number])


@pytest.mark.parametrize("seed", range(20))
def test_what_may_be_paid_has_all_that_was_sent_again(tmp_path: Path, seed: int) -> None:
    """A budget settles it."""
    dice = random.Random(seed)
    kinds: list[Any] = ["accepted"] * 4 + ["lost", "refused", TelecomNotSentError, "killed"]
    vendor, task = Vendor(), Task(tmp_path, Vendor())
    task.vendor, task.store = vendor, DyingStore(lambda: dice.random() < 0.1)
    for _ in range(200):
        vendor.answers = {number: dice.choice(kinds) for number in NUMBERS}
        task.store.is_dead = False
        try:
            counts = task.attempt("resend", block=dice.randint(1, 6), concurrency=dice.randint(1, 4))
        except (TelecomError, KilledError):
            continue
        assert counts.may_be_paid >= vendor.contacted.total()
        return
    raise AssertionError("it never ended")


def test_a_journal_that_fails_loses_no_request_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one result is stored, three others are under way: they are finished, and then it stops."""
    vendor, task = Vendor(), Task(tmp_path, Vendor())
    task.vendor = vendor
    with monkeypatch.context() as failing:
        failing.setattr(Checkpoint, "is_due", True)
        failing.setattr(Checkpoint, "advance", lambda self, facts: (_ for _ in ()).throw(ValueError("down")))
        with pytest.raises(ValueError, match="down"):
            task.attempt(concurrency=4)
    assert task.attempt(concurrency=4).unknown == 0
    assert vendor.contacted == Counter(NUMBERS)


def test_who_is_in_doubt_when_all_are_handed_over_has_the_time_of_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call record is looked for from that time on."""
    task = Task(tmp_path, Vendor(_06="killed"))
    with monkeypatch.context() as killed:
        killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
        with pytest.raises(KilledError):
            task.attempt(block=1)
    (entry,) = map(json.loads, task.store.texts.values())
    sender = task.sender(block=1)
    sender.resume()
    sender.hand_over()
    lines = [json.loads(line) for line in task.path.read_text().splitlines()]
    assert Counter(line["state"] for line in lines) == {"accepted": 6, "unknown": 1, "refused": 5}
    assert lines[6]["sent_at"] == entry["facts"]["announced_at"]
    assert {line["sent_at"] for line in lines[7:]} == {None}


@pytest.mark.parametrize("policy", ["fail", "resend"])
def test_a_kill_while_all_are_handed_over_leaves_nobody_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: OnUnknown
) -> None:
    """Nothing is sent then, so the next try may send to all of them."""
    monkeypatch.setattr(sender_without_keys, "_HANDED_OVER_AT_ONCE", 3)
    for step in range(100):
        steps = iter(range(step))
        task = Task(tmp_path / str(step), Vendor(_05=TelecomNotSentError))
        task.store = store = DyingStore(lambda left=steps: next(left, None) is None)  # type: ignore[misc]
        store.is_immortal = True
        with pytest.raises(TelecomNotSentError):
            task.attempt(policy)
        sender = task.sender(policy)
        sender.resume()
        store.is_immortal = False
        try:
            with monkeypatch.context() as killed:
                killed.setattr(SenderWithoutKeys, "_stop", lambda self: None)
                sender.hand_over()
        except KilledError:
            store.is_immortal = True
            counts = task.attempt(policy)
            assert (counts.unknown, counts.resent) == (0, 0)
            assert counts.accepted + counts.handed_over == len(NUMBERS)
        else:
            assert step > 3
            assert sender.counts.handed_over == 7
            return


def test_a_timeout_while_all_are_handed_over_leaves_no_large_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block in which a try stops is sent as it is by the next one: a larger one may be refused."""
    vendor, together = Vendor(_00=TelecomNotSentError), Barrier(2)
    task, request = Task(tmp_path, vendor), vendor.request

    def at_the_same_time(number: str) -> Result:
        together.wait()
        return request(number)

    vendor.request = at_the_same_time  # type: ignore[method-assign]
    with pytest.raises(TelecomNotSentError):
        task.attempt(block=2, concurrency=2)
    vendor.request = request  # type: ignore[method-assign]
    vendor.answers = {NUMBERS[0]: TelecomNotSentError}
    sender = task.sender(block=2)
    sender.resume()
    with pytest.raises(TelecomNotSentError):
        sender.send()
    sender.resume()
    settled = iter(range(4))

    def settle(self: Block[str], place: int, result: Result) -> None:
        if next(settled, None) is None:
            raise KilledError
        self.results[place] = result

    with monkeypatch.context() as timeout:
        timeout.setattr(Block, "settle", settle)
        with pytest.raises(KilledError):
            sender.hand_over()
    next_try = task.sender(block=2)
    assert next_try.resume() == 5
    assert next_try._earlier.messages == []
    counts = task.attempt(block=2)
    assert (counts.accepted, counts.handed_over, counts.unknown) == (8, 4, 0)
