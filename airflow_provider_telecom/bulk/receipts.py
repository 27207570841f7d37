"""Receipts: the final states of messages complete the lines of their file of outcomes.

Completed lines are in parts beside the file until all are there; then they replace it. So a later try goes on
where the last one stopped, and asks for no message again whose final state it has found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.delivery_times import DeliveryTimes
from airflow_provider_telecom.bulk.outcomes import (
    ACCEPTED,
    DELIVERED,
    EXPIRED,
    KNOWN_BEFORE,
    READ,
    REFUSED,
    SEND_STATE,
    SILENT,
    STATES,
    UNDELIVERED,
    UNKNOWN,
    is_parquet,
    read_outcomes,
    send_state,
)
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

Line = dict[str, Any]
OPEN = frozenset({ACCEPTED, KNOWN_BEFORE, SILENT})
"""The states of messages whose receipt has not come."""
FINAL = frozenset({DELIVERED, READ, UNDELIVERED, EXPIRED})
"""The states that a receipt gives."""
ARRIVED = frozenset({DELIVERED, READ})
_MAX_LINES = 10_000
"""So many lines are in memory at most. Most lines of a file may be complete already."""
_SAME = ("reference", "message_id", "msisdn")


@dataclass(frozen=True)
class Receipt:
    """What a vendor says of a message.

    `state` is one of `FINAL`, or None: the message is on its way, or its state is a word that nobody knows.
    `status` is the vendor's word; `at` says when the state came (`outcomes.time_text`), None if the vendor
    does not say it. `msisdn` is the number that it is about, if the vendor says it. With a `code`, which
    explains the state, the price counts in place of that of the send.
    """

    state: str | None
    status: str | None = None
    at: str | None = None
    price: Decimal | str | None = None
    currency: str | None = None
    code: str | None = None
    msisdn: str | None = None
    message_id: str | None = None


def receipt_update(line: Mapping[str, Any], receipt: Receipt | None, read_at: str) -> Mapping[str, object]:
    """Return what a receipt changes in a line. `read_at` is when it was read.

    Receipts may be late, repeated or in another order. A final state replaces none or an earlier one, by the
    vendor's times; without both times the one that was read last counts. A delivery replaces a failure
    whatever the times are: they may be of two clocks, and who has the message must not get another one. A
    state that is not final never replaces a final one, and a message that was read does not become merely
    delivered. A price is taken over where none is known.
    """
    if receipt is None:
        return {}
    update: dict[str, object] = {}
    if receipt.price is not None and (line.get("price") is None or receipt.code is not None):
        update |= {"price": str(receipt.price), "currency": receipt.currency}
    if line.get("message_id") is None and receipt.message_id is not None:
        update["message_id"] = receipt.message_id
    if line["state"] == UNKNOWN:
        update["state"] = ACCEPTED
    is_final = line["state"] in FINAL
    if receipt.state is None or line["state"] == REFUSED:
        return update if is_final or receipt.status is None else {**update, "status": receipt.status}
    at = receipt.at or read_at
    if is_final and (_is_older(line, receipt) or line["state"] == receipt.state):
        return update
    if line["state"] == DELIVERED and receipt.state == READ and line.get("final_at"):
        at = line["final_at"]  # that of the delivery
    update |= {"state": receipt.state, "status": receipt.status, "final_at": at}
    return update if receipt.code is None else {**update, "code": receipt.code}


def _is_older(line: Mapping[str, Any], receipt: Receipt) -> bool:
    if line["state"] == READ and receipt.state == DELIVERED:
        return True
    if receipt.state in ARRIVED and line["state"] not in ARRIVED:
        return False
    known = line.get("final_at")
    if known is None or receipt.at is None:
        return False
    return datetime.fromisoformat(receipt.at) < datetime.fromisoformat(known)


def is_completed(ours: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    """Return whether `ours` is a line that was completed from `line`, the line of the send."""
    return all(ours.get(name) == line.get(name) for name in ("run", "msisdn", "reference", "sent_at")) and (
        line.get("message_id") in (None, ours.get("message_id"))
        and line.get("state") in (ours.get("state"), ours.get(SEND_STATE))
    )


class FinalStates:
    """Completes the file of outcomes at `path`, group by group.

    The completed file replaces it. The lines come from `sources` if these are given: other files, which stay.
    """

    def __init__(
        self, path: ObjectStoragePath, sources: Sequence[ObjectStoragePath] = (), field: str = "results_path"
    ) -> None:
        self._path, self._sources, self._field = path, sources or (path,), field
        self._completed_path = path.with_name(f"{path.name}.states")
        self._completed = ResultsFile(self._completed_path, is_parquet(path))
        self.row = 0
        """How many lines are complete."""
        self._group: list[Line] = []
        """The lines of the present group, with those between them that are not open."""

    def begin(self, is_open: Callable[[Line], bool], settle: Callable[[Line], None]) -> None:
        """Continue after the lines that an earlier try has completed.

        `is_open` says whether a line's message has to be polled; `settle` completes a line that has not.
        """
        self._is_open, self._settle = is_open, settle
        self.row = self._completed.complete_rows()
        if self.row and not self._is_same_send():
            self.row = 0
        self._completed.begin(self.row)
        self._lines: Iterator[Line] = islice(self.lines(), self.row, None)

    def lines(self) -> Iterator[Line]:
        """Return the lines as they are before they are completed."""
        for source in self._sources:
            yield from read_outcomes(source, self._field)

    def next_group(self, size: int) -> Sequence[Line]:
        """Return the next open lines, at most so many; none if all others are complete.

        Complete lines before the first open one are stored at once, so a later try begins with the same.
        """
        self._group = []
        found: list[Line] = []
        for line in self._lines:
            if len(self._group) == _MAX_LINES:
                if found:
                    self._lines = chain([line], self._lines)
                    break
                self._write()
            self._group.append(line)
            if self._is_open(line):
                found.append(line)
                if len(found) == size:
                    break
            else:
                self._settle(line)
        self._open = found
        return found

    def record(self, updates: Sequence[Mapping[str, object]]) -> None:
        """Complete the lines of the present group with these fields, and store them."""
        for line, update in zip(self._open, updates, strict=True):
            if "state" in update:
                line[SEND_STATE] = send_state(line)
            line |= update
        self._write()

    def finish(self) -> None:
        """Store the last lines, and replace the file of results."""
        self._write()
        self._completed.finish(self.row)
        self._completed_path.rename(self._path)
        self._completed.forget_parts()

    def forget(self) -> None:
        """Remove what a try has completed: more messages are sent now, or others."""
        self._completed.begin(0)
        self._completed.forget_parts()

    def _write(self) -> None:
        if self._group:
            self._completed.add(self._group)
            self.row += len(self._group)
            self._completed.close_part(self.row)
            self._group = []

    def _is_same_send(self) -> bool:
        """Return whether completed lines belong to this file: an earlier run may have had the same path."""
        pairs = zip(self._completed.lines(), self.lines(), strict=False)
        return all(ours.get(name) == line.get(name) for ours, line in pairs for name in _SAME)


class Totals:
    """Counts the lines of a file of outcomes: states, money, and how long receipts took."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self._prices: dict[str | None, Decimal] = {}
        self._seconds: Counter[int] = Counter()
        """Deliveries by the whole seconds they took: exact, and there are not many different ones."""
        self._times = DeliveryTimes()

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a line."""
        state, price = line["state"], line.get("price")
        self.states[state] += 1
        if price is not None and state != REFUSED:
            currency = line.get("currency")
            self._prices[currency] = self._prices.get(currency, Decimal(0)) + Decimal(price)
        if state in ARRIVED:
            sent, final = _time(line.get("sent_at")), _time(line.get("final_at"))
            self._times.add(sent, final)
            if sent is not None and final is not None:
                self._seconds[max(0, int((final - sent).total_seconds()))] += 1

    @property
    def prices(self) -> Mapping[str | None, Decimal]:
        """What was charged, by currency."""
        return self._prices

    @property
    def messages(self) -> int:
        """All lines."""
        return self.states.total()

    @property
    def final(self) -> int:
        """How many have a final state; those that were refused count."""
        return sum(self.states[state] for state in (*FINAL, REFUSED))

    @property
    def open(self) -> int:
        """How many may still get a receipt."""
        return sum(self.states[state] for state in OPEN)

    @property
    def final_percent(self) -> float:
        """The share of messages with a receipt, of those that the vendor has; 100 if it has none.

        Rounded down: it is 100 only if there are no others.
        """
        return 100.0 if not self.open else self._received * 100_000 // (self._received + self.open) / 1000

    def reaches(self, percent: Decimal | float) -> bool:
        """Return whether that share of messages has a receipt."""
        return self._received * 100 >= percent * (self._received + self.open)

    @property
    def _received(self) -> int:
        return sum(self.states[state] for state in FINAL)

    def delay(self, percent: int) -> float | None:
        """Return the seconds within which so many percent of the delivered messages arrived."""
        rank, seen = self._seconds.total() * percent / 100, 0
        for seconds in sorted(self._seconds):
            seen += self._seconds[seconds]
            if seen >= rank:
                return float(seconds)
        return None

    def facts(self) -> Line:
        """Return the counts for the XCom. Amounts of several currencies are not added up."""
        currency = ",".join(sorted(filter(None, self._prices))) or None
        price = str(sum(self._prices.values(), Decimal(0))) if len(self._prices) <= 1 else None
        return {
            "messages": self.messages,
            "final": self.final,
            **{state: self.states[state] for state in STATES},
            "final_percent": self.final_percent,
            "delay_p50": self.delay(50),
            "delay_p95": self.delay(95),
            "price": price,
            "currency": currency,
            **self._times.facts(),
        }


class OutcomeCheck:
    """Checks that the lines of a file are messages of one connection and of some channels."""

    def __init__(self, name: str, conn_id: str, channels: Sequence[str]) -> None:
        self._name, self._conn_id, self._channels = name, conn_id, tuple(channels)
        self._row = 0

    def check(self, line: Mapping[str, Any]) -> None:
        """Raise TelecomInputError, which names the file, the column and the rule."""
        self._row += 1
        if line.get("conn_id") != self._conn_id:
            rule = f"conn_id must be {self._conn_id}: messages of another connection have a task of their own"
        elif line.get("channel") not in self._channels:
            rule = f"channel must be one of {', '.join(self._channels)}"
        elif line.get("state") not in STATES:
            rule = f"state must be one of {', '.join(STATES)}"
        elif not _is_time(line.get("sent_at")):
            rule = "sent_at must be a time with an offset from UTC, like 2026-03-01T09:30:00Z"
        else:
            return
        raise TelecomInputError("outcomes", f"{self._name}, row {self._row}: {rule}")


def _is_time(text: object) -> bool:
    try:
        return text is None or (isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None)
    except ValueError:
        return False


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def is_sent(line: Mapping[str, Any]) -> bool:
    """Return whether the vendor has a message, or may have it."""
    return line["state"] not in (REFUSED, UNKNOWN)


def write_lines(path: ObjectStoragePath, lines: Iterable[Mapping[str, object]]) -> None:
    """Write JSON lines to a file, which is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    with beside.open("w", encoding="utf-8") as file:  # type: ignore[no-untyped-call]
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    beside.rename(path)
