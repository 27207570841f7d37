"""Base class of the vendors' APIs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Request, Response
from airflow_provider_telecom.calls.retry import Auth, send_with_retry
from airflow_provider_telecom.vendors.options import Options

T = TypeVar("T")
OptionsT_co = TypeVar("OptionsT_co", bound=Options, covariant=True)


@dataclass(frozen=True)
class Credentials:
    """The credentials of a connection. `key` identifies the account without revealing it."""

    login: str
    secret: Secret
    key: str


@dataclass(frozen=True)
class Account:
    """An account at a host: the authentication, the limits and the deadline of its requests."""

    auth: Auth
    limits: AccountLimits
    deadline: float
    learned: set[str] = field(default_factory=set)
    """Facts about the vendor that calls have found out, for later calls of this process."""


class Api(Generic[OptionsT_co]):
    """A vendor's endpoints. A hook adds the account, the options and the way to run calls."""

    @property
    def account(self) -> Account:
        """The account that calls are made for."""
        raise self._not_a_hook()

    @property
    def options(self) -> OptionsT_co:
        """The options in the connection's extra."""
        raise self._not_a_hook()

    def run(self, call: Call[T], /) -> T:
        """Run a call to its end."""
        raise self._not_a_hook()

    def _not_a_hook(self) -> TypeError:
        return TypeError(f"{type(self).__name__} describes calls; use a hook to run them")

    def _call(self, request: Request, read: Callable[[Response], T]) -> Call[T]:
        """Send a request, and again where that is allowed; return the result of `read` for the response."""
        account = self.account
        return send_with_retry(request, account.auth, read, account.limits, account.deadline)

    def _msisdn(self, number: str | int, field: str = "msisdn") -> str:
        """Return a phone number in E.164 without the plus; `default_region` completes a national number."""
        return e164(number, self.options.default_region, field=field)
