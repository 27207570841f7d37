"""Errors, named by whose turn it is to act.

    TelecomError
      TelecomInputError       yours: an argument breaks a rule; nothing was sent
      TelecomRejectedError    yours: the vendor refused the request for good
        TelecomNotFoundError    what you ask for is not there
        TelecomFundsError       the account is out of money
      TelecomAuthError        yours: credentials are wrong, dead or not allowed to do this
      TelecomRedirectError    yours: the host sends us elsewhere; we never follow
      TelecomThrottledError   the clock's: too fast, come back after `retry_after` seconds
      TelecomServerError      theirs: the vendor failed
        TelecomAnswerError      its answer cannot be read
      TelecomNotSentError     the network's: the vendor never had the request
      TelecomNoAnswerError    the network's: a read got no whole answer
      TelecomUnknownError     yours: an effect may or may not have happened; nobody can know

No error holds a secret, an address, a request or a body: only the call's label (`GET /sms/{message_id}`),
the HTTP status, the vendor's code and its short text with long numbers and echoed input struck out.
They survive pickling, and they are raised `from None`, since the libraries' own errors hold addresses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_telecom.calls.quota import bounded


class TelecomError(Exception):
    """The root of all errors of this provider.

    `call` is the call's label, `status` the HTTP status, `code` the vendor's own code, `retry_after`
    the seconds after which to try again, at most a day; each is None when there was none. `partial` is True
    when other orders that were sent together with the failed ones have been accepted.
    """

    def __init__(
        self,
        text: str = "",
        *,
        call: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        partial: bool = False,
    ) -> None:
        super().__init__(text)
        self.text, self.call, self.status, self.code = text, call, status, code
        self.retry_after, self.partial = bounded(retry_after), partial

    def __str__(self) -> str:
        facts = [
            f"HTTP {self.status}" if self.status else "",
            f"vendor code {self.code}" if self.code else "",
            f"retry after {self.retry_after:g} s" if self.retry_after is not None else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        return (f"{self.call}: " if self.call else "") + self.text + (f" ({known})" if known else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_revive, (type(self), dict(self.__dict__)))


def _revive(kind: type[TelecomError], state: dict[str, Any]) -> TelecomError:
    error = kind.__new__(kind)
    error.args = (state["text"],)
    error.__dict__.update(state)
    return error


class TelecomInputError(TelecomError, ValueError):
    """An argument or a connection field breaks a rule. Nothing was sent."""

    def __init__(self, field: str, rule: str, *, shown: str | None = None) -> None:
        super().__init__(f"{field}: {f'{shown}: ' if shown else ''}{rule}")
        self.field, self.rule = field, rule


class TelecomRejectedError(TelecomError):
    """The vendor refused this request, and will refuse it again."""


class TelecomNotFoundError(TelecomRejectedError):
    """What the call asks for is not there."""


class TelecomFundsError(TelecomRejectedError):
    """The account has not enough money."""


class TelecomAuthError(TelecomError):
    """The vendor refused our credentials, or they may not do this."""


class TelecomRedirectError(TelecomError):
    """The host answered with a redirect. None is followed: credentials stay where they were meant to go."""


class TelecomThrottledError(TelecomError):
    """Too many requests."""


class TelecomServerError(TelecomError):
    """The vendor's server failed."""


class TelecomAnswerError(TelecomServerError):
    """The vendor's answer cannot be read. `length` and `sha256` name the body without holding it."""

    def __init__(self, text: str = "", *, length: int = 0, sha256: str = "", **facts: Any) -> None:
        super().__init__(
            f"{text} (a body of {length} bytes, SHA-256 {sha256[:16]})" if sha256 else text, **facts
        )
        self.length, self.sha256 = length, sha256


class TelecomNotSentError(TelecomError):
    """The request certainly did not reach the vendor."""


class TelecomNoAnswerError(TelecomError):
    """A read got no whole answer. Asking again does no harm."""


class TelecomUnknownError(TelecomError):
    """The effect may have happened, and no answer says so. Repeating it may do it twice."""


def told(error: TelecomError) -> dict[str, Any]:
    """Return an error as JSON, to cross Airflow's database."""
    return {"kind": type(error).__name__, **error.__dict__}


def retold(facts: dict[str, Any]) -> TelecomError:
    """Return the error that `told` told of, or a plain TelecomError for a kind unknown here."""
    state = dict(facts)
    name = state.pop("kind")
    kinds = {kind.__name__: kind for kind in _family(TelecomError)}
    return _revive(kinds.get(name, TelecomError), state)


def _family(kind: type[TelecomError]) -> Iterator[type[TelecomError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _family(inner)
