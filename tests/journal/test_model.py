"""The journal in every schedule of kills, lost messages and refusals: nothing twice, nothing lost in silence.

The real `Journal`, `Checkpoint`, `IdempotencyKeys` and retry policy run against a model of the store, the
vendor and Airflow's tries (`world`). Journals that are broken on purpose show that the model finds mistakes.
Two tries and some of the changed lists always run; three and four tries and all lists run by `make
test-long`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar, cast

import pytest
from greenlet import getcurrent, greenlet

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.journal.checkpoint import EVERY_SECONDS, Checkpoint
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys, fingerprint
from airflow_provider_telecom.journal.journal import (
    EffectIdentity,
    Entry,
    Facts,
    Journal,
    OnUnknown,
    OutcomeUnknownError,
    State,
)
from tests.journal.world import (
    GET,
    RETURN,
    SEND,
    SET,
    Ended,
    KilledError,
    Process,
    Schedule,
    StoreError,
    World,
    airflow,
    one_try,
    walk,
)

FAULTS = {"get": GET, "set": SET, "send": SEND, "return": RETURN}
FEWER = {"set": ("right", "killed before", "killed after"), "send": SEND, "return": RETURN}
POLICIES: tuple[OnUnknown, ...] = ("fail", "resend", "assume_sent")
BODY = fingerprint({"msisdn": "380670000200", "text": "Hi"})
LONG = pytest.mark.long
Broken = Callable[[Any], Journal]


def reference(process: Process) -> str:
    return IdempotencyKeys("dag", "run", "task")("380670000200", "Hi")


def without_key(policy: OnUnknown, journal: Broken = Journal) -> Callable[[Process], Facts]:
    return lambda process: journal(process).send_without_key("sent", BODY, lambda: process.send("it"), policy)


def with_key(
    journal: Broken = Journal, key: Callable[[Process], str] = reference
) -> Callable[[Process], Facts]:
    def task(process: Process) -> Facts:
        name = key(process)
        identity = EffectIdentity("ketchup_loyalty", "380670000200", name)
        return journal(process).send_with_key("sent", BODY, identity, lambda: process.send(name))

    return task


def broken_laws(kind: str, world: World, ended: Ended) -> set[str]:
    """Return what should not have happened."""
    happened, facts, laws = len(world.effects), ended.facts, set()
    if happened > 1 and kind != "resend":
        laws.add("double")
    if facts is not None and not happened and not (kind == "assume_sent" and "assumed_sent" in facts):
        laws.add("lost")
    if facts is not None and happened and facts.get("message_id") is None and "assumed_sent" not in facts:
        laws.add("no id")
    if isinstance(ended.error, OutcomeUnknownError) and not world.in_doubt:
        laws.add("false alarm")
    if kind == "fail" and happened and isinstance(ended.error, _CALM):
        laws.add("false calm")
    return laws


_CALM = (TelecomRejectedError, TelecomNotSentError, TelecomThrottledError)


def explore(play: Callable[[Schedule], None], counts: Counter[str], until: str | None = None) -> Counter[str]:
    """Play all schedules, or play until one breaks the law `until`; return the counts."""
    for _ in walk(play):
        if until and counts[until]:
            break
    return counts


def walked(
    kind: str,
    task: Callable[[Process], Facts],
    tries: int,
    faults: Any = FAULTS,
    until: str | None = None,
) -> Counter[str]:
    """Go through all schedules; count how they ended and which laws they broke."""
    counts: Counter[str] = Counter()

    def play(schedule: Schedule) -> None:
        world = World(remembers_keys=kind == "with_key")
        ended = airflow(world, schedule, task, tries, faults)
        counts["schedules"] += 1
        counts[type(ended.error).__name__ if ended.error else "success"] += 1
        counts[f"{min(len(world.effects), 2)} effects"] += 1
        counts.update(broken_laws(kind, world, ended))

    return explore(play, counts, until)


TRIES = pytest.mark.parametrize(
    ("tries", "faults", "least"), [(2, FAULTS, 500), pytest.param(3, FAULTS, 8_000, marks=LONG)]
)


@TRIES
def test_an_effect_with_a_key_happens_once_and_none_is_lost(tries: int, faults: Any, least: int) -> None:
    counts = walked("with_key", with_key(), tries, faults)
    assert counts["schedules"] > least
    assert not _laws(counts)
    assert counts["success"]
    assert not counts["2 effects"]


@TRIES
def test_fail_never_does_it_twice_and_never_says_done_of_what_is_not(
    tries: int, faults: Any, least: int
) -> None:
    counts = walked("fail", without_key("fail"), tries, faults)
    assert counts["schedules"] > least
    assert not _laws(counts)
    assert counts["OutcomeUnknownError"]
    assert not counts["2 effects"]


@TRIES
def test_resend_never_does_it_zero_times_and_can_do_it_twice(tries: int, faults: Any, least: int) -> None:
    counts = walked("resend", without_key("resend"), tries, faults)
    assert counts["schedules"] > least
    assert not _laws(counts)
    assert counts["2 effects"]


@TRIES
def test_assume_sent_never_does_it_twice(tries: int, faults: Any, least: int) -> None:
    counts = walked("assume_sent", without_key("assume_sent"), tries, faults)
    assert counts["schedules"] > least
    assert not _laws(counts)
    assert not counts["2 effects"]


@LONG
@pytest.mark.parametrize("policy", ["fail", "assume_sent"])
def test_four_tries_end_as_three_do(policy: OnUnknown) -> None:
    counts = walked(policy, without_key(policy), tries=4, faults=FEWER)
    assert counts["schedules"] > 5_000
    assert not _laws(counts)
    assert not counts["2 effects"]


def test_somebody_who_asks_the_vendor_and_clears_gets_exactly_one() -> None:
    cleared = 0

    def play(schedule: Schedule) -> None:
        nonlocal cleared
        world = World(remembers_keys=False)
        if airflow(world, schedule, without_key("fail"), 2, FAULTS).error is None:
            return
        cleared += 1
        answer: OnUnknown = "assume_sent" if world.effects else "resend"
        again = airflow(world, Schedule(), without_key(answer), 1, {})
        assert again.facts
        assert world.effects == ["it"]

    for _ in walk(play):
        pass
    assert cleared > 600


# What shows that the model can fail.


class IntentAfterSending(Journal):
    def _send(self, name: str, intent: Entry, send: Callable[[], Facts], in_doubt: bool) -> Facts:
        facts = send()
        self.write(name, intent)
        self.write(name, Entry(State.DONE, intent.body, {**intent.facts, **facts}))
        return facts


class NothingIsReadBack(Journal):
    """Takes an intent for written when the store says so."""

    def write_intent(self, name: str, entry: Entry) -> None:
        self.write(name, entry)


class Rewriting(NothingIsReadBack):
    """A journal whose states are other ones in the store."""

    wrong: ClassVar[dict[State, State]] = {}

    def write(self, name: str, entry: Entry) -> None:
        super().write(name, replace(entry, state=self.wrong.get(entry.state, entry.state)))


class DoneIsNotWritten(Journal):
    def write(self, name: str, entry: Entry) -> None:
        if entry.state is not State.DONE:
            super().write(name, entry)


class NoIntent(NothingIsReadBack):
    def write(self, name: str, entry: Entry) -> None:
        if entry.state is not State.INTENT:
            super().write(name, entry)


class UnknownIsPlanned(Rewriting):
    wrong: ClassVar[dict[State, State]] = {State.UNKNOWN: State.PLANNED}


class IntentIsDone(Rewriting):
    wrong: ClassVar[dict[State, State]] = {State.INTENT: State.DONE}


class PlannedIsDone(Rewriting):
    wrong: ClassVar[dict[State, State]] = {State.PLANNED: State.DONE}


class PlannedIsUnknown(Rewriting):
    wrong: ClassVar[dict[State, State]] = {State.PLANNED: State.UNKNOWN}


class WritesAreTried(NothingIsReadBack):
    """Goes on when the store refuses a write."""

    def write(self, name: str, entry: Entry) -> None:
        with suppress(StoreError):
            super().write(name, entry)


class NothingIsCompared(Journal):
    """Takes other content for the earlier one, or for what may be sent in its place."""

    def _may_change(self, entry: Entry, identity: EffectIdentity) -> bool:
        return True

    def send_without_key(
        self, name: str, body: str, send: Callable[[], Facts], on_unknown: OnUnknown
    ) -> Facts:
        entry = self.read(name)
        if entry and entry.body != body:
            self.write(name, replace(entry, body=body))
        return super().send_without_key(name, body, send, on_unknown)


@pytest.mark.parametrize(
    ("journal", "law"),
    [
        (IntentAfterSending, "double"),
        (NoIntent, "double"),
        (DoneIsNotWritten, "false alarm"),
        (UnknownIsPlanned, "double"),
        (IntentIsDone, "lost"),
        (PlannedIsDone, "lost"),
        (PlannedIsUnknown, "false alarm"),
        (WritesAreTried, "double"),
    ],
)
def test_a_broken_journal_is_found_out(journal: type[Journal], law: str) -> None:
    assert walked("fail", without_key("fail", journal), tries=2, until=law)[law]


@pytest.mark.parametrize("journal", [IntentIsDone, PlannedIsDone])
def test_a_broken_journal_of_effects_with_a_key_is_found_out(journal: type[Journal]) -> None:
    assert walked("with_key", with_key(journal), tries=2, until="lost")["lost"]


def test_a_key_that_is_another_one_in_each_try_is_found_out() -> None:
    def each_try_its_own(process: Process) -> str:
        return IdempotencyKeys("dag", f"run {process.number}", "task")("380670000200", "Hi")

    broken = with_key(NothingIsCompared, each_try_its_own)
    assert walked("with_key", broken, tries=2, until="double")["double"]
    assert not walked("with_key", with_key(key=each_try_its_own), tries=2)["double"]


def _laws(counts: Counter[str]) -> list[str]:
    return [law for law in ("double", "lost", "no id", "false alarm", "false calm") if counts[law]]


# Two processes of one task: Airflow has given the first up for dead, and it is not.


class Slow(Process):
    """A process that somebody else may run in the middle of."""

    has_intent = False
    sent_without_intent = False

    def turn(self) -> None:
        getcurrent().parent.switch()

    def is_written(self) -> None:
        """Airflow checks the try, and writes in the next statement: another try may begin in between."""
        self.turn()

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        super().set(key, value, retention=retention)
        self.has_intent = True

    def send(self, key: str) -> dict[str, Any]:
        self.sent_without_intent |= not self.has_intent
        return super().send(key)


def overlapping(
    world: World, schedule: Schedule, task: Callable[[Process], Facts]
) -> tuple[list[Slow], Ended]:
    """Run a try, and at some moment the next one beside it, in any interleaving."""
    faults = {"send": ("right", "answer lost", "not sent", "throttled")}
    ended: dict[int, Ended] = {}
    processes: list[Slow] = []
    running: dict[int, greenlet] = {}

    def start() -> None:
        process = Slow(world, schedule, faults)
        processes.append(process)
        running[process.number] = greenlet(lambda: ended.update({process.number: one_try(process, task)}))

    start()
    while running:
        chosen = schedule.pick([*running, *(["next try"] if len(processes) == 1 else [])])
        if chosen == "next try":
            start()
            continue
        running[cast(int, chosen)].switch()
        running = {number: one for number, one in running.items() if not one.dead}
    return processes, ended[len(processes)]


def zombies(kind: str, task: Callable[[Process], Facts], until: str | None = None) -> Counter[str]:
    counts: Counter[str] = Counter()

    def play(schedule: Schedule) -> None:
        world = World(remembers_keys=kind == "with_key")
        processes, ended = overlapping(world, schedule, task)
        world.in_doubt |= len(processes) > 1
        counts["schedules"] += 1
        counts.update(broken_laws(kind, world, ended) - {"false calm"})
        counts["unannounced"] += any(process.sent_without_intent for process in processes)
        counts["both sent"] += all(process.has_sent for process in processes) and len(processes) > 1

    return explore(play, counts, until)


@pytest.mark.parametrize("kind", ["with_key", *POLICIES])
def test_a_process_that_was_given_up_does_no_harm(kind: Any) -> None:
    counts = zombies(kind, with_key() if kind == "with_key" else without_key(kind))
    assert counts["schedules"] > 100
    assert not _laws(counts)
    assert not counts["unannounced"]
    assert counts["both sent"]


@pytest.mark.parametrize(
    ("policy", "journal"),
    [("fail", WritesAreTried), ("fail", NothingIsReadBack), ("assume_sent", NothingIsReadBack)],
)
def test_a_process_that_does_not_notice_that_it_was_given_up_is_found_out(
    policy: OnUnknown, journal: type[Journal]
) -> None:
    assert zombies(policy, without_key(policy, journal), until="double")["double"]


# A mapped list that changes between tries: shorter, longer, in another order, or with corrected texts.

A, A_CORRECTED, B, C = ("A", "Hi"), ("A", "Hello"), ("B", "Hi"), ("C", "Hi")
FIRST_LIST = (A, B)
LATER_LISTS = (
    (A, B),
    (B, A),
    (B,),
    (A,),
    (C, B),
    (A, C),
    (C, A),
    (A_CORRECTED, B),
    (A, B, C),
    (C, A, B),
    (B, A, C),
)
SOME_LISTS = ((B, A), (B,), (A_CORRECTED, B), (B, A, C))
"""Those in which a journal that compares nothing is found out, and one with a new place."""
OUTCOMES = {"send": ("right", "killed after", "not sent", "request lost", "answer lost", "rejected")}
Item = tuple[str, str]


@cache
def key_of(item: Item) -> str:
    return IdempotencyKeys("dag", "run", "task")(*item)


def place_of(kind: str, item: Item, journal: type[Journal]) -> Callable[[Process], Facts]:
    """Return the task at a place of the list, which sends a text to a person."""
    key = key_of(item)

    def task(process: Process) -> Facts:
        own = journal(process, is_mapped=True)
        if kind == "with_key":
            return own.send_with_key(
                "sent", key, EffectIdentity("conn", item[0], key), lambda: process.send(key)
            )
        return own.send_without_key("sent", key, lambda: process.send(key), cast(OnUnknown, kind))

    return task


class MappedTask:
    """A mapped task that has one list first and another one later: how each place ended, and who got what."""

    def __init__(self, kind: str, journal: type[Journal], schedule: Schedule) -> None:
        self._kind, self._journal, self._schedule = kind, journal, schedule
        self.worlds: dict[int, World] = {}
        self.tries: dict[int, list[tuple[Item, Ended, bool]]] = {}
        """Of each place: what it sent, how that ended, and whether it was in doubt then."""
        self.vendor: list[str] = []

    def run(self, items: Sequence[Item], places: Iterable[int]) -> None:
        """Run a try at some places of a list."""
        for place in places:
            world = self.worlds.setdefault(place, World(self._kind == "with_key", self.vendor))
            task = place_of(self._kind, items[place], self._journal)
            ended = one_try(Process(world, self._schedule, OUTCOMES), task)
            self.tries.setdefault(place, []).append((items[place], ended, world.in_doubt))

    def is_green(self, place: int) -> bool:
        return self.tries[place][-1][1].error is None

    def got(self, item: Item) -> int:
        """Return how often a person got a text."""
        return self.vendor.count(key_of(item))

    def broken_laws(self, items: Sequence[Item]) -> set[str]:
        laws = set()
        if self._kind != "resend" and any(self.got(item) > 1 for item in {*FIRST_LIST, *items}):
            laws.add("double")
        if self._kind != "resend" and self.got(A) and self.got(A_CORRECTED):
            laws.add("two texts")
        if all(map(self.is_green, range(len(items)))) and any(map(self._is_lost, self._unsent(items))):
            laws.add("lost")
        return laws

    def _unsent(self, items: Sequence[Item]) -> Iterator[tuple[Item, Ended, bool, bool]]:
        """Return what a place has tried to send and nobody has got: is it wanted still, is it the last?"""
        for tried in self.tries.values():
            for item, ended, in_doubt in tried:
                if not self.got(item):
                    yield item, ended, in_doubt or item in items, item == tried[-1][0]

    @staticmethod
    def _is_lost(unsent: tuple[Item, Ended, bool, bool]) -> bool:
        _, ended, is_open, is_last = unsent
        if is_last:
            return ended.error is None and "assumed_sent" not in ended.facts
        return is_open and not isinstance(ended.error, TelecomRejectedError)  # a refusal is no secret


def changed_lists(
    kind: str, journal: type[Journal], lists: Sequence[Sequence[Item]], until: str | None = None
) -> Counter[str]:
    """Go through all ways of a try with the first list and one with a later list.

    Later either all places run again, or only those that did not succeed.
    """
    counts: Counter[str] = Counter()

    def play(schedule: Schedule) -> None:
        task = MappedTask(kind, journal, schedule)
        task.run(FIRST_LIST, range(len(FIRST_LIST)))
        later = schedule.pick(lists)
        is_all_cleared = schedule.pick((True, False))
        for place in range(len(later)):
            if is_all_cleared or place >= len(FIRST_LIST) or not task.is_green(place):
                task.run(later, [place])
        ends = [ended.error for tried in task.tries.values() for _, ended, _ in tried]
        counts["schedules"] += 1
        counts["refused"] += any(isinstance(error, TelecomInputError) for error in ends)
        counts.update(task.broken_laws(later))

    return explore(play, counts, until)


def moves_to_a_new_place(items: Sequence[Item]) -> bool:
    return any(item in FIRST_LIST for item in items[len(FIRST_LIST) :])


@pytest.mark.parametrize(
    ("lists", "least"), [(SOME_LISTS, 200), pytest.param(LATER_LISTS, 1_000, marks=LONG)]
)
@pytest.mark.parametrize("kind", ["with_key", *POLICIES])
def test_when_a_list_changes_nobody_is_lost_or_sent_to_twice(
    kind: str, lists: Sequence[Sequence[Item]], least: int
) -> None:
    """Without a key, who moves to a new place is sent to once more: a new place has no journal."""
    possible = [items for items in lists if kind == "with_key" or not moves_to_a_new_place(items)]
    counts = changed_lists(kind, Journal, possible)
    assert counts["schedules"] > least
    assert counts["refused"]
    assert [counts[law] for law in ("double", "two texts", "lost")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "later", "law"),
    [
        ("with_key", (B, A), "lost"),
        ("with_key", (A_CORRECTED, B), "two texts"),
        ("fail", (B,), "double"),
        ("resend", (B, A), "lost"),
        ("assume_sent", (B,), "double"),
    ],
)
def test_a_journal_that_compares_nothing_is_found_out(kind: str, later: Sequence[Item], law: str) -> None:
    assert changed_lists(kind, NothingIsCompared, [later], until=law)[law]


# A long with_key send.


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


MESSAGES = ("one", "two", "three")


class AnnouncesNothing(Checkpoint):
    """Writes down which messages were sent, but not which ones are sent next."""

    def announce(self, facts: Facts, keys: Sequence[str]) -> None:
        super().announce(facts, keys)
        self._ahead = facts["rows"]
        self.advance(facts)


def bulk(
    schedule: Schedule,
    messages: Callable[[], Sequence[str]],
    is_too_early: bool = False,
    kind: type[Checkpoint] = Checkpoint,
) -> Callable[[Process], int]:
    """Return a task that sends messages one after the other, some of them slowly."""

    def task(process: Process) -> int:
        clock, wanted = Clock(), messages()
        checkpoint = kind(Journal(process), "bulk", "account", clock)
        rows = checkpoint.resume(wanted, {"rows": 0})["rows"]
        if checkpoint.is_done and rows == len(wanted):
            return rows
        while block := wanted[rows : rows + checkpoint.block_size(1)]:
            checkpoint.announce({"rows": rows}, block)
            for message in block:
                clock.now += schedule.pick((0.0, EVERY_SECONDS))
                if is_too_early and checkpoint.is_due:
                    checkpoint.advance({"rows": rows + 1})
                try:
                    process.send(message)
                except TelecomNotSentError:
                    checkpoint.stop({"rows": rows}, 0)
                    raise
                rows += 1
                if checkpoint.is_due:
                    checkpoint.advance({"rows": rows})
        checkpoint.finish({"rows": rows})
        return rows

    return task


def bulk_sends(
    later: Sequence[str] = MESSAGES,
    is_too_early: bool = False,
    kind: type[Checkpoint] = Checkpoint,
    until: str | None = None,
) -> Counter[str]:
    """Send `MESSAGES` in the first try and `later` in the second one; count how it ends."""
    counts: Counter[str] = Counter()
    faults = {
        "set": ("right", "killed before", "killed after"),
        "send": ("right", "killed before", "killed after", "not sent"),
        "return": RETURN,
    }

    def play(schedule: Schedule) -> None:
        world = World(remembers_keys=True)
        lists = iter((MESSAGES, later))
        ended = airflow(world, schedule, bulk(schedule, lambda: next(lists), is_too_early, kind), 2, faults)
        numbers = [message.split()[0] for message in world.effects]
        wanted = later if world.newest == 2 else MESSAGES
        counts["schedules"] += 1
        counts["double"] += len(set(numbers)) < len(numbers)
        counts["lost"] += ended.error is None and set(world.effects) < set(wanted)
        counts["success"] += ended.error is None
        counts["killed"] += isinstance(ended.error, KilledError)
        counts["refused"] += isinstance(ended.error, TelecomInputError)

    return explore(play, counts, until)


def test_a_long_send_reaches_everybody_once() -> None:
    counts = bulk_sends()
    assert counts["schedules"] > 2_000
    assert counts["success"]
    assert counts["killed"]
    assert not counts["refused"]
    assert not counts["double"]
    assert not counts["lost"]


@pytest.mark.parametrize(
    "later",
    [
        ("one", "two corrected", "three"),
        ("one corrected", "two", "three"),
        ("one", "two", "three corrected"),
        ("one", "two", "three", "four"),
        ("one", "two"),
        ("two", "one", "three"),
        ("one", "four", "two", "three"),
    ],
)
def test_a_long_send_whose_list_has_changed_sends_nobody_two_texts(later: Sequence[str]) -> None:
    counts = bulk_sends(later)
    assert counts["success"]
    assert bool(counts["refused"]) == (later[: len(MESSAGES)] != MESSAGES)
    assert not counts["double"]
    assert not counts["lost"]


def test_a_checkpoint_that_runs_ahead_is_found_out() -> None:
    assert bulk_sends(is_too_early=True, until="lost")["lost"]


def test_a_checkpoint_that_announces_nothing_is_found_out() -> None:
    later = ("one", "two corrected", "three")
    assert bulk_sends(later, kind=AnnouncesNothing, until="double")["double"]
