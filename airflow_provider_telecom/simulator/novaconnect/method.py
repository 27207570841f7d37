"""One documented method: what it takes, who may call it, what answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.fields import Field

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.books import Books
    from airflow_provider_telecom.simulator.novaconnect.records import User

DEFAULT_SIZE = 20


@dataclass(frozen=True)
class Call:
    """A request that has passed its checks: the books, who asks, and the JSON body."""

    books: Books
    user: User
    body: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A method of the API. `answer` gives what the envelope holds beside `code` and `message`."""

    answer: Callable[[Call], dict[str, Any]]
    fields: Mapping[str, Field]
    admin: bool = False


def item(thing: dict[str, Any]) -> dict[str, Any]:
    """Return the part of an answer that holds one thing."""
    return {"result": {"item": thing}}


def cut(call: Call, things: Sequence[Any]) -> list[Any]:
    """Return the page of `things` that the call asks for."""
    size = min(call.body.get("size", DEFAULT_SIZE), call.books.most_rows)
    start = call.body.get("page", 0) * size
    return list(things[start : start + size])


def listing(call: Call, things: Sequence[Any], show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return a page of things, with `count` of this page and `all_count` of all that match."""
    items = [show(thing) for thing in cut(call, things)]
    return {"count": len(items), "all_count": len(things), "items": items}
