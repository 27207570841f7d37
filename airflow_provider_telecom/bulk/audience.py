"""What sending operators know of an audience, wherever its recipients come from: a list, a file, a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Protocol

Entry = tuple[str, ...]
"""A canonical number and the values of the wanted columns."""
Columns = Sequence[Sequence[str]]
"""The same of many recipients: their numbers, and their values of each column."""
_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Group:
    """The recipients of an audience with the same text of time zones, in the audience's order.

    The window of each of the `zones` must be open. The group's name is the text; it is "" where zones are not
    known or do not matter. `sha256` changes whenever a recipient, a value or the order does.
    """

    name: str
    count: int
    sha256: str
    read: Callable[[int], Iterator[Entry]]
    """Returns the recipients without the first `skip`."""
    read_columns: Callable[[int], Iterator[Columns]] | None = None
    """The same by columns, where that takes less time."""

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of the time zones."""
        return tuple(self.name.split(",")) if self.name else ()

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """Return the recipients in their order, without the first `skip`."""
        return self.read(skip)

    def columns(self, skip: int = 0) -> Iterator[Columns]:
        """Return the recipients by columns, some at a time, without the first `skip`."""
        if self.read_columns is not None:
            yield from self.read_columns(skip)
            return
        entries = self.read(skip)
        while rows := list(islice(entries, _ROWS_AT_ONCE)):
            yield list(zip(*rows, strict=True))


class Audience(Protocol):
    """Checked recipients, each once. As a context manager it removes its local copy at its end."""

    @property
    def count(self) -> int:
        """How many recipients there are."""

    @property
    def sha256(self) -> str:
        """A hash that changes whenever a recipient, a value or the order does."""

    @property
    def duplicates(self) -> int:
        """How many rows were left out because their number occurs in an earlier one."""

    @property
    def bad(self) -> int:
        """How many rows were left out because they are bad."""

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """Return the recipients in their order, without the first `skip`."""

    def columns(self, skip: int = 0) -> Iterator[Columns]:
        """Return the recipients by columns, some at a time, without the first `skip`."""

    def groups(self, zone_of: Callable[[Entry], str] | None = None) -> Sequence[Group]:
        """Return the recipients by their time zones, in the order of their first appearance.

        An audience folder has the zones. For a list or a file `zone_of` returns a recipient's; without it
        all are in one group.
        """

    def close(self) -> None:
        """Remove the local copy."""

    def __enter__(self) -> Audience: ...

    def __exit__(self, *_: object) -> None: ...


def cut(batches: Iterator[Columns], size: Callable[[], int]) -> Iterator[Columns]:
    """Yield the same rows, as many at a time as `size` returns; it is called before each time."""
    batch, place = next(batches, None), 0
    while batch is not None:
        wanted, parts = size(), []
        while batch is not None and wanted:
            part = [column[place : place + wanted] for column in batch]
            parts.append(part)
            wanted, place = wanted - len(part[0]), place + len(part[0])
            if place == len(batch[0]):
                batch, place = next(batches, None), 0
        yield parts[0] if len(parts) == 1 else [list(chain(*columns)) for columns in zip(*parts, strict=True)]


def groups_by_zone(
    entries: Callable[[int], Iterator[Entry]], zone_of: Callable[[Entry], str]
) -> Sequence[Group]:
    """Return the groups of entries by the text that `zone_of` returns, from two or more passes over them."""
    counts: dict[str, int] = {}
    digests: dict[str, hashlib._Hash] = {}
    for entry in entries(0):
        zone = zone_of(entry)
        counts[zone] = counts.get(zone, 0) + 1
        digests.setdefault(zone, hashlib.sha256()).update("\x1f".join((*entry, "\n")).encode())

    def reader(name: str) -> Callable[[int], Iterator[Entry]]:
        return lambda skip: islice((one for one in entries(0) if zone_of(one) == name), skip, None)

    return [Group(name, count, digests[name].hexdigest(), reader(name)) for name, count in counts.items()]
