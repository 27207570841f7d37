"""A call: a generator that yields steps (send, sleep, load a token) and returns a result.

Two small loops drive it: `transport.sync_transport.SyncTransport.run` in a worker and
`transport.async_transport.AsyncTransport.run` in a trigger. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from functools import wraps
from inspect import Signature, signature
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

from airflow_provider_telecom.calls.request import Request

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Sleep:
    """Sleep between `low` and `high` seconds; the driver chooses at random."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LoadToken:
    """Load the text stored under `key`, or None."""

    key: str


@dataclass(frozen=True, slots=True)
class SaveToken:
    """Store `value` under `key`."""

    key: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Run `call` while no other exclusive call of the account runs, and return its result.

    Waits at most `timeout` seconds for the others.
    """

    call: Call[Any]
    timeout: float


class Turn(NamedTuple):
    """The time at which a caller may send, by the clock of the store that all workers share."""

    wait: float
    """Seconds until it comes; 0 if it has come."""
    at: int = 0
    """Its time in microseconds."""
    era: str = ""
    """The schedule that it belongs to; empty if it is not reserved."""


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Return the account's next free turn of all workers, and reserve it.

    Raises TelecomRateLimitStoreError.
    """

    account: str
    spacing: float
    """Seconds between two turns."""
    max_wait: float
    """A turn that is more than so many seconds away is not reserved."""
    held: Turn | None = None
    """A turn that was reserved before: it is returned if it is still valid, else a new one."""
    reserve: bool = True
    """Without it, nothing is reserved: what is wanted is the wait."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Run `call`, a read, or take the result of a call with an equal `key` by another poll.

    Only polls of waiting triggers share: see `transport.shared_calls`.
    """

    call: Call[Any]
    key: Hashable


Step = Request | Sleep | LoadToken | SaveToken | Exclusive | TakeTurn | Shared
Call = Generator[Step, Any, T]


class CallRunner(Protocol):
    """An object that can run a call: a hook."""

    def run(self, call: Call[T], /) -> T:
        """Drive the call to its end and return its result."""


A = TypeVar("A", bound=CallRunner)


def endpoint(describe: Callable[Concatenate[A, P], Call[T]]) -> Callable[Concatenate[A, P], T]:
    """Return a method that runs a generator, as `contextlib.contextmanager` does: the caller gets the result.

    The generator function remains available as `__wrapped__`, which `hook.aio` runs.
    """

    @wraps(describe)
    def method(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = describe(self, *args, **kwargs)
        del args, kwargs  # error trackers record the variables of this frame
        return self.run(call)

    declared = signature(describe)
    method.__signature__ = declared.replace(return_annotation=_result_type(declared))  # type: ignore[attr-defined]
    return method


def call_of(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
    """Return the call that an endpoint method would run: `yield from call_of(api.get_sms, "22125")`."""
    call: Call[T] = method.__wrapped__(method.__self__, *args, **kwargs)  # type: ignore[attr-defined]
    return call


def shared(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
    """Return the call that an endpoint method would run, for status checks: see `Shared`."""
    key = (method.__wrapped__, args, tuple(kwargs.items()))  # type: ignore[attr-defined]
    result: T = yield Shared(call_of(method, *args, **kwargs), key)
    return result


def _result_type(declared: Signature) -> object:
    """Return the type of the result, for `help()`: `SmsStatus` for `Call[SmsStatus]`."""
    annotation = str(declared.return_annotation)
    if not annotation.startswith("Call["):
        return declared.return_annotation
    return annotation.removeprefix("Call[").removesuffix("]")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `next_page` returns the call for the next page; it is None after the last one."""

    items: list[T]
    next_page: Callable[[], Call[Page[T]]] | None = field(default=None, repr=False)


def all_pages(first: Call[Page[T]]) -> Call[list[T]]:
    """Return the items of all pages."""
    items: list[T] = []
    page = yield from first
    while True:
        items += page.items
        if page.next_page is None:
            return items
        page = yield from page.next_page()
