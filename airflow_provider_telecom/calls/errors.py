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
from typing import Any, ClassVar

from airflow_provider_telecom.calls.retry_after import clamp_wait


class TelecomError(Exception):
    """The root of all errors of this provider.

    `call` is the call's label, `status` the HTTP status, `code` the vendor's own code, `retry_after`
    the seconds after which to try again, at most a day; each is None when there was none. `partial` is True
    when other orders that were sent together with the failed ones have been accepted.

    A hook adds `conn_id` and `host`; then the text also says what is certain, and what to do next.
    """

    temporary: ClassVar[bool] = False
    """Whether the same request may succeed later: Airflow retries the task, and polling goes on."""
    outcome_unknown: ClassVar[bool] = True
    """Whether the vendor may have acted. False needs proof: it refused the request, or never had it."""
    conn_id: str | None = None
    host: str | None = None
    known_outcome: ClassVar[str] = ""
    next_step: ClassVar[str] = ""
    """What to do next; `{conn_id}` stands for the connection."""

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
        self.retry_after, self.partial = clamp_wait(retry_after), partial

    @property
    def summary(self) -> str:
        """The error without its context: the call, what happened, and the vendor's codes."""
        facts = [
            f"HTTP {self.status}" if self.status else "",
            f"vendor code {self.code}" if self.code else "",
            f"retry after {self.retry_after:g} s" if self.retry_after is not None else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        return (f"{self.call}: " if self.call else "") + self.text + (f" ({known})" if known else "")

    def __str__(self) -> str:
        return self.summary if self.conn_id is None else f"{self.summary} [{self._context(self.conn_id)}]"

    def _context(self, conn_id: str) -> str:
        where = f"connection {conn_id}" + (f", host {self.host}" if self.host else "")
        known_outcome = "a part of it was accepted" if self.partial else self.known_outcome
        advice = [part for part in (known_outcome, self.next_step.replace("{conn_id}", conn_id)) if part]
        return f"{where}: {'; '.join(advice)}" if advice else where

    def __reduce__(self) -> tuple[Any, ...]:
        return (_revive, (type(self), dict(self.__dict__)))


def _revive(kind: type[TelecomError], state: dict[str, Any]) -> TelecomError:
    error = kind.__new__(kind)
    error.args = (state["text"],)
    error.__dict__.update(state)
    return error


class TelecomInputError(TelecomError, ValueError):
    """An argument or a connection field breaks a rule. Nothing was sent."""

    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "this request was not sent"

    def __init__(self, field: str, rule: str, *, shown: str | None = None) -> None:
        super().__init__(f"{field}: {f'{shown}: ' if shown else ''}{rule}")
        self.field, self.rule = field, rule


class TelecomRejectedError(TelecomError):
    """The vendor refused this request, and will refuse it again."""

    outcome_unknown: ClassVar[bool] = False
    applies_to_duplicates: ClassVar[bool] = True
    """Whether an earlier copy of the request must have been refused as well."""
    known_outcome: ClassVar[str] = "the vendor refused it"
    next_step: ClassVar[str] = "correct the request: it will be refused again"


class TelecomNotFoundError(TelecomRejectedError):
    """What the call asks for is not there."""

    known_outcome: ClassVar[str] = "the vendor has no such thing"
    next_step: ClassVar[str] = "check the id or the number"


class TelecomFundsError(TelecomRejectedError):
    """The account has not enough money."""

    applies_to_duplicates: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the vendor refused it"
    next_step: ClassVar[str] = "top up the account of {conn_id}"


class TelecomAuthError(TelecomError):
    """The vendor refused our credentials, or they may not do this."""

    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the vendor refused it"
    next_step: ClassVar[str] = "check the password of {conn_id}, and what the account is allowed to do"


class TelecomRedirectError(TelecomError):
    """The host answered with a redirect. None is followed: credentials stay where they were meant to go.

    A server may answer 302 after it has acted: for such statuses `calls.retry` raises TelecomUnknownError.
    """

    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the redirect was not followed"
    next_step: ClassVar[str] = "check the host of {conn_id}"


class TelecomThrottledError(TelecomError):
    """Too many requests."""

    temporary: ClassVar[bool] = True
    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "it was refused or not sent"
    next_step: ClassVar[str] = "try again after the wait, or set a lower rate_limit in {conn_id}"


class TelecomServerError(TelecomError):
    """The vendor's server failed."""

    temporary: ClassVar[bool] = True
    known_outcome: ClassVar[str] = "there is no answer that can be used"
    next_step: ClassVar[str] = "try again later; ask the vendor if it lasts"


class TelecomAnswerError(TelecomServerError):
    """The vendor's answer cannot be read. `length` and `sha256` name the body without holding it."""

    next_step: ClassVar[str] = "try again later; check that the host of {conn_id} is that of the vendor's API"

    def __init__(self, text: str = "", *, length: int = 0, sha256: str = "", **facts: Any) -> None:
        super().__init__(
            f"{text} (a body of {length} bytes, SHA-256 {sha256[:16]})" if sha256 else text, **facts
        )
        self.length, self.sha256 = length, sha256


class TelecomNotSentError(TelecomError):
    """The request certainly did not reach the vendor."""

    temporary: ClassVar[bool] = True
    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the vendor never had the request"
    next_step: ClassVar[str] = "check the host, proxy and certificate of {conn_id}"


class TelecomNoAnswerError(TelecomError):
    """A read got no whole answer. Asking again does no harm."""

    temporary: ClassVar[bool] = True
    known_outcome: ClassVar[str] = "it was a read, so asking again does no harm"
    next_step: ClassVar[str] = "try again; a slow vendor needs a longer timeout_read in {conn_id}"


class TelecomUnknownError(TelecomError):
    """The effect may have happened, and no answer says so. Repeating it may do it twice.

    It counts as temporary: a retried task reads the journal, which knows whether it may send again.
    """

    temporary: ClassVar[bool] = True
    next_step: ClassVar[str] = "ask the vendor before it is sent again"


def to_dict(error: TelecomError) -> dict[str, Any]:
    """Return an error as JSON, to cross Airflow's database."""
    return {"kind": type(error).__name__, **error.__dict__}


def from_dict(facts: dict[str, Any]) -> TelecomError:
    """Return the error that `told` told of, or a plain TelecomError for a kind unknown here."""
    state = dict(facts)
    name = state.pop("kind")
    kinds = {kind.__name__: kind for kind in _family(TelecomError)}
    return _revive(kinds.get(name, TelecomError), state)


def _family(kind: type[TelecomError]) -> Iterator[type[TelecomError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _family(inner)
