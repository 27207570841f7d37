"""Requests to a vendor without idempotency keys: many messages in one request, or one request for each.

The vendor cannot detect a duplicate. A block is what the journal has named before the first of its requests;
its `results` and `in_doubt` say at each moment what is known of each message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_telecom.bulk.chunks import in_halves
from airflow_provider_telecom.bulk.outcomes import REFUSED, UNKNOWN, time_text
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomFundsError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.unknown import OnUnknown

MessageT = TypeVar("MessageT")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What became of one message. All of it is JSON, for the journal: no number, no text."""

    state: str
    """accepted, refused or unknown."""
    at: str | None = None
    """When the request was sent, or when the response to a batch was read."""
    code: str | None = None
    message_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What else the vendor says of it."""


def now_text() -> str:
    """Return the present time, as results have it."""
    return time_text(datetime.now(UTC))


@dataclass
class Block(Generic[MessageT]):
    """Messages that the journal has named. Their places are numbered from 0."""

    messages: Sequence[MessageT]
    results: dict[int, Result] = field(default_factory=dict)
    in_doubt: set[int] = field(default_factory=set)
    """The places of messages that may have been sent, and whose outcome is not known."""

    @property
    def missing(self) -> list[int]:
        """The places of the messages without a result."""
        return [place for place in range(len(self.messages)) if place not in self.results]

    def settle(self, place: int, result: Result) -> None:
        """Store the result of a message."""
        self.results[place] = result
        self.in_doubt.discard(place)


class Requests(Protocol[MessageT]):
    """How the messages of a block are requested."""

    @property
    def goes_on(self) -> bool:
        """Whether the others are sent after a message of unknown outcome, which counts as such."""

    @property
    def max_size(self) -> int | None:
        """How many messages a block may have; None for any number."""

    unknown_in_a_row: int
    """How many of the last requests had an unknown outcome, also in earlier tries."""

    def send(self, block: Block[MessageT], answered: Callable[[], None]) -> None:
        """Send the messages that have no result yet, and call `answered` whenever there are more results.

        After an error `in_doubt` has the messages that may have been sent; those without a result that are
        not in doubt have certainly not been sent.
        """


class BatchRequests(Generic[MessageT]):
    """One request for a block, or one for each half if the vendor refuses it as too large.

    `request` returns a result for each message. A request of unknown outcome stops the send, unless
    `on_unknown` is `assume_sent`.
    """

    goes_on = False
    unknown_in_a_row = 0

    def __init__(
        self,
        request: Callable[[Sequence[MessageT]], Sequence[Result]],
        is_too_large: Callable[[TelecomRejectedError], bool],
        on_unknown: OnUnknown,
        noun: str,
    ) -> None:
        self._request, self._is_too_large = request, is_too_large
        self._on_unknown, self._noun = on_unknown, noun
        self.max_size: int | None = None
        """The size of a request that the vendor took after it had refused a larger one."""

    def send(self, block: Block[MessageT], answered: Callable[[], None]) -> None:
        """Send the block."""
        if not (places := block.missing):
            return

        def request(part: Sequence[int]) -> Sequence[Result]:
            return self._send(block, part)

        for size, results in in_halves(places, request, self._is_too_large):
            for place, result in zip(places[:size], results, strict=True):
                block.settle(place, result)
            if size < len(block.messages):
                self.max_size = min(self.max_size or size, size)
            places = places[size:]
            answered()

    def _send(self, block: Block[MessageT], places: Sequence[int]) -> Sequence[Result]:
        newly = set(places) - block.in_doubt
        block.in_doubt.update(newly)
        try:
            return self._request([block.messages[place] for place in places])
        except TelecomUnknownError:
            if self._on_unknown != "assume_sent":
                raise
            log.warning("It is unknown whether %s %s were sent; going on after them", len(places), self._noun)
            return [Result(UNKNOWN, now_text())] * len(places)
        except Exception as error:
            if is_not_sent(error):
                block.in_doubt -= newly
            raise


class TooManyUnknownError(Exception):
    """So many requests in a row had an unknown outcome that no more are sent."""


class SingleRequests(Generic[MessageT]):
    """One request for each message, `concurrency` of them at the same time.

    `request` sends one message and returns its result; a TelecomRejectedError, except for missing funds, is
    a refusal of this one message. After a lost response the message is unknown, and the others are sent,
    until `max_unknown` in a row are: then it raises TooManyUnknownError, and counts from the beginning. With
    `resend` the first one stops the send, and the next try sends it again. Other errors stop it as well.
    Requests under way are finished in any case, so their outcomes are known.
    """

    goes_on = True
    max_size = None

    def __init__(
        self,
        request: Callable[[MessageT], Result],
        on_unknown: OnUnknown,
        *,
        max_unknown: int,
        concurrency: int = 1,
    ) -> None:
        self._request, self._on_unknown = request, on_unknown
        self._max_unknown, self._concurrency = max_unknown, concurrency
        self.unknown_in_a_row = 0

    def send(self, block: Block[MessageT], answered: Callable[[], None]) -> None:
        """Send the messages of a block."""
        left, failure = iter(block.missing), None
        running: dict[Future[Result], tuple[int, bool]] = {}
        with ThreadPoolExecutor(self._concurrency, "telecom-send") as pool:
            while True:
                free = self._concurrency - len(running) if failure is None else 0
                for place in islice(left, free):
                    was_in_doubt = place in block.in_doubt
                    block.in_doubt.add(place)
                    running[pool.submit(self._outcome, block.messages[place])] = place, was_in_doubt
                if not running:
                    break
                try:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                except BaseException as error:  # execution_timeout is raised here
                    failure = failure or error
                    done, _ = wait(running)
                stopped = self._collect(block, {each: running.pop(each) for each in done})
                failure = failure or stopped
                if failure is None:
                    failure = _raised_by(answered)
        if failure is not None:
            raise failure.with_traceback(None)  # its frames hold numbers

    def _collect(
        self, block: Block[MessageT], done: Mapping[Future[Result], tuple[int, bool]]
    ) -> BaseException | None:
        """Store the results of requests; return what stops the send."""
        failure: BaseException | None = None
        for future, (place, was_in_doubt) in done.items():
            try:
                result = future.result()
            except BaseException as error:
                failure = failure or error
                if is_not_sent(error) and not was_in_doubt:
                    block.in_doubt.discard(place)
                continue
            block.settle(place, result)
            self.unknown_in_a_row = self.unknown_in_a_row + 1 if result.state == UNKNOWN else 0
            if self.unknown_in_a_row >= self._max_unknown:
                failure, self.unknown_in_a_row = failure or TooManyUnknownError(), 0
        return failure

    def _outcome(self, message: MessageT) -> Result:
        """Send one message, and return what became of it."""
        at = now_text()
        try:
            return self._request(message)
        except TelecomFundsError:
            raise
        except TelecomRejectedError as error:
            if error.partial:
                raise
            return Result(REFUSED, at, _code(error))
        except TelecomUnknownError as error:
            if self._on_unknown == "resend":
                raise
            return Result(UNKNOWN, at, _code(error))


def _raised_by(function: Callable[[], None]) -> BaseException | None:
    """Return what a function raises, so that requests under way can be finished first."""
    try:
        function()
    except BaseException as error:
        return error
    return None


def is_not_sent(error: BaseException) -> bool:
    """Return whether an error proves that its request had no effect.

    An error that is not a TelecomError proves it if its class says so by `not_sent`.
    """
    if isinstance(error, TelecomError):
        return not (error.outcome_unknown or error.partial)
    return bool(getattr(error, "not_sent", False))


def _code(error: TelecomError) -> str | None:
    return error.code or (None if error.status is None else str(error.status))


def stored_results(results: Iterable[tuple[int, Result]]) -> dict[str, dict[str, Any]]:
    """Return results by their places, as the journal stores them."""
    return {
        str(place): {name: value for name, value in vars(result).items() if value not in (None, {})}
        for place, result in results
    }


def results_from(stored: Mapping[str, Mapping[str, Any]]) -> dict[int, Result]:
    """Return the results of `stored_results`."""
    return {int(place): Result(**values) for place, values in stored.items()}
