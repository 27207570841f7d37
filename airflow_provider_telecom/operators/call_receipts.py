"""Base class of the operators that find out from a vendor's list of calls which calls were answered."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Required

from airflow_provider_telecom.bulk.call_matching import ListedCall, OrderedCall, match_calls
from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.receipts import (
    CollectReceiptsOperator,
    Line,
    Progress,
    ReceiptsArguments,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.receipts import Receipt, Totals

_MAX_SECONDS = 86_400
Pair = tuple[str, str]
"""Who was called first and whom the call was connected with, as digits that can be compared."""


class CallReceiptsArguments(ReceiptsArguments, total=False):
    """The parameters of `CallReceiptsOperator`."""

    outcomes: Required[str | Mapping[str, Any]]
    min_duration_seconds: Required[int]
    begins_within_seconds: int


class CallReceiptsOperator(CollectReceiptsOperator):
    """A task that completes a file of outcomes of calls with what the vendor's list of calls says.

    A call is in the list once it has ended. It becomes `delivered` if it lasted at least
    `min_duration_seconds`, and `undelivered` if it lasted 0 seconds. All others stay as they are, and are
    `silent` at the end: shorter calls, and those that are not in the list, which proves nothing. A call whose
    response was lost (`unknown`) is found as well.

    A call is recognized by both numbers and by its time, once `begins_within_seconds` are over. If several
    calls of the list could be it, all must say the same. A single other call between the two numbers in that
    time is mistaken for it.

    :param min_duration_seconds: how long an answered call lasts at least, from 1. The document does not say
        whether the duration includes the ringing: look at the record of a call that nobody answers. If it
        does, this must be longer than phones ring; if not, 2 excludes calls of no time that are rounded up.
    :param begins_within_seconds: how long after the request a call begins at most, by the vendor's list.
    """

    channels: ClassVar[tuple[str, ...]] = ("call",)
    also_asked: ClassVar[frozenset[str]] = frozenset({"unknown"})
    asks_unknown = True
    max_age: ClassVar[timedelta]
    """Older calls are not in the list."""

    def __init__(self, *, min_duration_seconds: int, begins_within_seconds: int = 600, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_duration_seconds = in_range("min_duration_seconds", min_duration_seconds, 1, _MAX_SECONDS)
        self.begins_within_seconds = in_range("begins_within_seconds", begins_within_seconds, 1, _MAX_SECONDS)
        self._ordered: dict[Pair, list[OrderedCall]] = {}
        self._found: dict[tuple[Pair, OrderedCall], ListedCall] = {}
        self._callers: set[str] = set()

    @abstractmethod
    def _pair(self, caller: str, msisdn: str) -> Pair:
        """Return what is compared of two numbers (E.164 digits)."""

    @abstractmethod
    def _listed(
        self, callers: Sequence[str], first: datetime, last: datetime
    ) -> Iterator[tuple[Pair, ListedCall]]:
        """Yield the calls of the vendor's list that began in a time."""

    def _is_answered(self, seconds: int | None) -> bool | None:
        """Return whether a call of so many seconds was answered; None if nobody can know."""
        if seconds is None or 0 < seconds < self.min_duration_seconds:
            return None
        return seconds > 0

    def _begin_survey(self) -> None:
        self._ordered, self._callers = defaultdict(list), set()

    def _note(self, line: Line) -> None:
        pair, call = self._key(line)
        if call is not None:
            self._ordered[pair].append(call)
            self._callers.add(line["caller"])

    @contextmanager
    def _asking(self, context: Context, progress: Progress, totals: Totals) -> Iterator[None]:
        self._found = {}
        now = type(self).now()
        within = timedelta(seconds=self.begins_within_seconds)
        oldest = now - self.max_age
        times = [call.at for calls in self._ordered.values() for call in calls if call.at >= oldest]
        if times and min(times) < now:
            listed: dict[Pair, list[ListedCall]] = defaultdict(list)
            first, last = min(times).replace(microsecond=0), min(max(times) + within, now)
            for pair, call in self._listed(sorted(self._callers), first, last):
                if pair in self._ordered:
                    listed[pair].append(call)
            for pair, calls in listed.items():
                ordered = self._ordered[pair]
                for order, found in zip(ordered, match_calls(ordered, calls, within), strict=True):
                    if found is not None and (order.at + within <= now or _is_named(order, found)):
                        self._found[pair, order] = found
        yield

    def _receipts(self, lines: Sequence[Line]) -> Sequence[Receipt | None]:
        return [self._receipt(line) for line in lines]

    def _receipt(self, line: Line) -> Receipt | None:
        from airflow_provider_telecom.bulk.outcomes import DELIVERED, UNDELIVERED, time_text
        from airflow_provider_telecom.bulk.receipts import Receipt

        pair, order = self._key(line)
        call = None if order is None else self._found.get((pair, order))
        if call is None:
            return None
        at = time_text(call.starts[0]) if call.starts else None
        if call.is_answered:
            return Receipt(DELIVERED, f"answered, {call.seconds} s", at)
        return Receipt(UNDELIVERED, "not answered", at)

    def _key(self, line: Line) -> tuple[Pair, OrderedCall | None]:
        """Return the numbers of a row and its order; none if it has no time."""
        caller = line.get("caller")
        if not isinstance(caller, str) or not caller:
            raise TelecomInputError(
                "outcomes", "need the column caller, which the operators that call many people write"
            )
        at = line.get("sent_at")
        order = None if at is None else OrderedCall(datetime.fromisoformat(at), line.get("message_id"))
        return self._pair(caller, line["msisdn"]), order


def _is_named(order: OrderedCall, call: ListedCall) -> bool:
    """Return whether the vendor has given both the same id. Otherwise another call may still be listed."""
    return order.call_id is not None and order.call_id == call.call_id
