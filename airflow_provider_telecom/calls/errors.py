"""Errors. The class says who must act: you, the vendor, or nobody (retry).

    TelecomError
      TelecomInputError       you: an argument breaks a rule; nothing was sent
      TelecomRejectedError    you: the vendor refused the request, and will refuse it again
        TelecomNotFoundError    there is no such object
        TelecomFundsError       the account is out of money
      TelecomAuthError        you: the credentials are wrong, expired, or not allowed to do this
      TelecomRedirectError    you: the host redirects; redirects are never followed
      TelecomThrottledError   nobody: too many requests; retry after `retry_after` seconds
      TelecomServerError      the vendor: its server failed
        TelecomAnswerError      its response cannot be read
      TelecomNotSentError     nobody: the vendor never had the request
        TelecomRateLimitStoreError  you: the store of the rate limit cannot be used
      TelecomNoAnswerError    nobody: a read got no complete response
      TelecomUnknownError     you: an effect may or may not have happened; nobody can know

No error holds a secret, a URL, a request or a body: only the call's label (`GET /sms/{message_id}`), the HTTP
status, the vendor's code and its short text, without long numbers and echoed input. Errors can be pickled,
and they are raised `from None`, since the libraries' errors hold URLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Required, TypedDict, Unpack, cast

from airflow_provider_telecom.calls.retry_after import clamp_wait


class ErrorFields(TypedDict, total=False):
    """The keyword arguments of an error."""

    call: str | None
    status: int | None
    code: str | None
    retry_after: float | None
    partial: bool


class TelecomError(Exception):
    """Base class of all errors of this provider.

    `call` is the call's label, `status` the HTTP status, `code` the vendor's code, and `retry_after` the
    seconds after which to retry, at most a day; each may be None. `partial` is True if the vendor has
    accepted a part of the request.

    A hook adds `conn_id` and `host`; then the text also says what is known of the outcome, and what to do
    next.
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
    reference: str | None = None
    """The vendor's own name of the request, for questions to its support."""

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
        """The error without the connection: the call, what happened, and the vendor's codes."""
        facts = [
            f"HTTP {self.status}" if self.status else "",
            f"vendor code {self.code}" if self.code else "",
            f"vendor reference {self.reference}" if self.reference else "",
            f"retry after {self.retry_after:g} s" if self.retry_after is not None else "",
        ]
        details = ", ".join(filter(None, facts))
        return (f"{self.call}: " if self.call else "") + self.text + (f" ({details})" if details else "")

    def __str__(self) -> str:
        return self.summary if self.conn_id is None else f"{self.summary} [{self._context(self.conn_id)}]"

    def _context(self, conn_id: str) -> str:
        where = f"connection {conn_id}" + (f", host {self.host}" if self.host else "")
        outcome = "a part of it was accepted" if self.partial else self.known_outcome
        advice = "; ".join(filter(None, (outcome, self.next_step.replace("{conn_id}", conn_id))))
        return f"{where}: {advice}" if advice else where

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), dict(self.__dict__)))


def _restore(kind: type[TelecomError], state: dict[str, object]) -> TelecomError:
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
    """Whether the vendor must have refused an earlier, equal request as well."""
    known_outcome: ClassVar[str] = "the vendor refused it"
    next_step: ClassVar[str] = "correct the request: it will be refused again"


class TelecomNotFoundError(TelecomRejectedError):
    """The vendor has no such object."""

    known_outcome: ClassVar[str] = "the vendor has no such thing"
    next_step: ClassVar[str] = "check the id or the number"


class TelecomFundsError(TelecomRejectedError):
    """The account has not enough money."""

    applies_to_duplicates: ClassVar[bool] = False
    next_step: ClassVar[str] = "top up the account of {conn_id}"


class TelecomAuthError(TelecomError):
    """The vendor refused the credentials, or they may not do this."""

    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the vendor refused it"
    next_step: ClassVar[str] = "check the password of {conn_id}, and what the account is allowed to do"


class TelecomRedirectError(TelecomError):
    """The host redirects. Redirects are not followed: the credentials are for this host only.

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
    """The vendor's response cannot be read. `length` and `sha256` identify the body without its content."""

    next_step: ClassVar[str] = "try again later; check that the host of {conn_id} is that of the vendor's API"

    def __init__(
        self, text: str = "", *, length: int = 0, sha256: str = "", **fields: Unpack[ErrorFields]
    ) -> None:
        body = f" (a body of {length} bytes, SHA-256 {sha256[:16]})" if sha256 else ""
        super().__init__(text + body, **fields)
        self.length, self.sha256 = length, sha256


class TelecomNotSentError(TelecomError):
    """The request certainly did not reach the vendor."""

    temporary: ClassVar[bool] = True
    outcome_unknown: ClassVar[bool] = False
    known_outcome: ClassVar[str] = "the vendor never had the request"
    next_step: ClassVar[str] = "check the host, proxy and certificate of {conn_id}"


class TelecomRateLimitStoreError(TelecomNotSentError):
    """The store of `[telecom] rate_limit_url` cannot be used, so nothing is sent. The vendor may be up."""

    next_step: ClassVar[str] = "check [telecom] rate_limit_url and the server that it names"


class TelecomNoAnswerError(TelecomError):
    """A read got no complete response. Asking again does no harm."""

    temporary: ClassVar[bool] = True
    known_outcome: ClassVar[str] = "it was a read, so asking again does no harm"
    next_step: ClassVar[str] = "try again; a slow vendor needs a longer timeout_read in {conn_id}"


class TelecomUnknownError(TelecomError):
    """The effect may have happened, but no response says so. Sending it again may do it twice.

    It counts as temporary: a retried task reads the journal, which knows whether it may send again.
    """

    temporary: ClassVar[bool] = True
    next_step: ClassVar[str] = "ask the vendor before it is sent again"


class StoredError(ErrorFields, total=False):
    """An error as JSON. A rename of these keys would make stored errors unreadable."""

    kind: Required[str]
    text: Required[str]
    conn_id: str | None
    host: str | None
    reference: str | None
    field: str
    rule: str
    length: int
    sha256: str


def to_dict(error: TelecomError) -> StoredError:
    """Return an error as JSON, for Airflow's database."""
    return cast("StoredError", {"kind": type(error).__name__, **error.__dict__})


def from_dict(stored: StoredError) -> TelecomError:
    """Return the error of `to_dict`, or a plain TelecomError if its class is unknown here."""
    state: dict[str, object] = dict(stored)
    name = state.pop("kind")
    classes = {kind.__name__: kind for kind in _with_subclasses(TelecomError)}
    return _restore(classes.get(str(name), TelecomError), state)


def _with_subclasses(kind: type[TelecomError]) -> Iterator[type[TelecomError]]:
    yield kind
    for inner in kind.__subclasses__():
        yield from _with_subclasses(inner)
