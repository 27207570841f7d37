"""Calls with many items in chunks, and in halves where the vendor refuses a chunk as too large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

from airflow_provider_telecom.calls.errors import TelecomRejectedError

T = TypeVar("T")
R = TypeVar("R")
Items = TypeVar("Items", bound=Sequence[Any])


def in_chunks(
    items: Iterable[T],
    chunk_size: int,
    call: Callable[[Sequence[T]], R],
    is_too_large: Callable[[TelecomRejectedError], bool],
) -> Iterator[R]:
    """Make a call for each chunk of the items and yield the results.

    A chunk that is too large for the vendor is halved, and the following ones are no larger than its parts.
    """
    left = iter(items)
    while chunk := list(islice(left, chunk_size)):
        for size, result in in_halves(chunk, call, is_too_large):
            if size < len(chunk):
                chunk_size = min(chunk_size, size)
            yield result


def in_halves(
    items: Items, call: Callable[[Items], R], is_too_large: Callable[[TelecomRejectedError], bool]
) -> Iterator[tuple[int, R]]:
    """Make one call for all items, or one for each half if they are too large; yield sizes and results."""
    try:
        result = call(items)
    except TelecomRejectedError as error:
        if len(items) == 1 or not is_too_large(error):
            raise
    else:
        yield len(items), result
        return
    half = -(-len(items) // 2)
    yield from in_halves(cast("Items", items[:half]), call, is_too_large)
    yield from in_halves(cast("Items", items[half:]), call, is_too_large)
