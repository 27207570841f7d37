"""Which calls of a vendor's list are the calls that were ordered.

A list has no id that the order was given, so a call is recognized by both numbers and by when it began. A
call that could also be another one proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class OrderedCall(NamedTuple):
    """A call that was ordered. `call_id` is the id that the response gave, if it gave one."""

    at: datetime
    """The beginning of the request, in UTC."""
    call_id: str | None = None


class ListedCall(NamedTuple):
    """A call of the vendor's list."""

    starts: tuple[datetime, ...]
    """The moments (UTC) at which it may have begun: two in the hour that happens twice, none if unknown."""
    is_answered: bool | None
    """None if the list does not say it."""
    seconds: int = 0
    call_id: str | None = None


def match_calls(
    ordered: Sequence[OrderedCall], listed: Sequence[ListedCall], begins_within: timedelta
) -> list[ListedCall | None]:
    """Return for each ordered call the listed one that proves what became of it; None without a proof.

    All calls are between the same two numbers. An ordered call begins within `begins_within` of its request.
    If several listed calls could be it, or one could be several ordered ones, they prove something only if
    they all say the same, and there are enough of them.
    """
    found: list[ListedCall | None] = [None] * len(ordered)
    by_id: dict[str | None, ListedCall] = {call.call_id: call for call in listed if call.call_id is not None}
    with_id = {place for place, each in enumerate(ordered) if each.call_id in by_id}
    for place in with_id:
        call = by_id[ordered[place].call_id]
        found[place] = call if call.is_answered is not None else None
    ours = {ordered[place].call_id for place in with_id}
    others = [call for call in listed if call.starts and (call.call_id is None or call.call_id not in ours)]
    # once the vendor's ids are known to be comparable, an order with an id can be no other call
    rest = [p for p, each in enumerate(ordered) if p not in with_id and not (ours and each.call_id)]
    rest.sort(key=lambda place: ordered[place].at)
    begun = [ordered[place].at.replace(microsecond=0) for place in rest]
    windows = [(first, first + begins_within) for first in begun]
    for places, calls in _groups(windows, others):
        if len({call.is_answered for call in calls}) == 1 and calls[0].is_answered is not None:
            chosen = _assign([windows[place] for place in places], calls)
            for place, call in zip(places, chosen or (), strict=False):
                found[rest[place]] = call
    return found


Window = tuple[datetime, datetime]


def _may_be(window: Window, call: ListedCall) -> bool:
    return any(window[0] <= start <= window[1] for start in call.starts)


def _groups(
    windows: Sequence[Window], calls: Sequence[ListedCall]
) -> Iterator[tuple[list[int], list[ListedCall]]]:
    """Yield the places of ordered calls that share candidates, with these. A call may be in one only."""
    left = set(range(len(windows)))
    while left:
        places, found = [min(left)], list[int]()
        left.discard(places[0])
        for place in places:  # it grows
            new = [p for p, call in enumerate(calls) if p not in found and _may_be(windows[place], call)]
            found += new
            sharing = [other for other in left if any(_may_be(windows[other], calls[p]) for p in new)]
            places += sharing
            left.difference_update(sharing)
        if found:
            yield sorted(places), [calls[p] for p in sorted(found)]


def _assign(windows: Sequence[Window], calls: Sequence[ListedCall]) -> list[ListedCall] | None:
    """Return a different call for each window, or None if there are not enough.

    Windows are equally long and in order, so the earliest call that fits is the best choice for each. A call
    with two possible beginnings fits none: it may be another one.
    """
    left = sorted((call for call in calls if len(call.starts) == 1), key=lambda call: call.starts[0])
    chosen = []
    for window in windows:
        fitting = next((call for call in left if _may_be(window, call)), None)
        if fitting is None:
            return None
        left.remove(fitting)
        chosen.append(fitting)
    return chosen
