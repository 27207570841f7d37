"""A call is a generator that yields what should happen next and returns its result.

Two small loops drive it: `transport.blocking.SyncTransport.run` in a worker and
`transport.awaited.AsyncTransport.run` in a trigger. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import wraps
from inspect import Signature, signature
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from airflow_provider_telecom.calls.request import Request

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait between `low` and `high` seconds; the driver rolls the dice."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LoadToken:
    """Answer with the text stored under `key`, or None."""

    key: str


@dataclass(frozen=True, slots=True)
class SaveToken:
    """Store `value` under `key`."""

    key: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Answer with the result of `call`, run while no other caller here runs one for the same account."""

    call: Call[Any]
    timeout: float


Step = Request | Sleep | LoadToken | SaveToken | Exclusive
Call = Generator[Step, Any, T]


class CallRunner(Protocol):
    """Whatever can run a call: a hook, in the end."""

    def run(self, call: Call[T], /) -> T:
        """Drive the call to its end and return its result."""


A = TypeVar("A", bound=CallRunner)


def endpoint(describe: Callable[Concatenate[A, P], Call[T]]) -> Callable[Concatenate[A, P], T]:
    """Make a method of a generator, as `contextlib.contextmanager` does: the caller gets the result.

    The generator itself stays within reach as `__wrapped__`, which is what `hook.aio` runs.
    """

    @wraps(describe)
    def method(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = describe(self, *args, **kwargs)
        del args, kwargs  # error trackers record the variables of this frame
        return self.run(call)

    described = signature(describe)
    method.__signature__ = described.replace(return_annotation=_result(described))  # type: ignore[attr-defined]
    return method


def call_of(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
    """Return the call that an endpoint's method would run: `yield from call_of(api.get_sms, "22125")`."""
    call: Call[T] = method.__wrapped__(method.__self__, *args, **kwargs)  # type: ignore[attr-defined]
    return call


def _result(described: Signature) -> object:
    """Return what the caller gets, for `help()`: `SmsStatus` where the description says `Call[SmsStatus]`."""
    said = str(described.return_annotation)
    return (
        said.removeprefix("Call[").removesuffix("]")
        if said.startswith("Call[")
        else described.return_annotation
    )


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `rest` starts the call for the next page, or is None after the last one."""

    items: list[T]
    next_page: Callable[[], Call[Page[T]]] | None = field(default=None, repr=False)


def all_pages(first: Call[Page[T]]) -> Call[list[T]]:
    """Return the items of all pages, one page after the other."""
    items: list[T] = []
    page = yield from first
    while True:
        items += page.items
        if page.next_page is None:
            return items
        page = yield from page.next_page()
