"""What the five vendors' endpoint classes stand on."""

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
    """What a connection holds to prove who we are. `key` names the account without telling it."""

    login: str
    secret: Secret
    key: str


@dataclass(frozen=True)
class Account:
    """One set of credentials at one host: how its requests are signed, guarded and limited in time."""

    auth: Auth
    limits: AccountLimits
    deadline: float
    learned: set[str] = field(default_factory=set)
    """What calls have found out about the vendor and others of this process had better know."""


class Api(Generic[OptionsT_co]):
    """A vendor's endpoints. Whoever mixes it in says which account, with which options, and runs calls."""

    @property
    def account(self) -> Account:
        """The account that calls are made for."""
        raise self._nobody()

    @property
    def options(self) -> OptionsT_co:
        """What the connection's extra says."""
        raise self._nobody()

    def run(self, call: Call[T], /) -> T:
        """Drive a call to its end."""
        raise self._nobody()

    def _nobody(self) -> TypeError:
        return TypeError(f"{type(self).__name__} describes calls; use a hook to make them")

    def _call(self, request: Request, read: Callable[[Response], T]) -> Call[T]:
        """Send a request as often as the rules allow, and return what `read` makes of the answer."""
        account = self.account
        return send_with_retry(request, account.auth, read, account.limits, account.deadline)

    def _msisdn(self, number: str | int, field: str = "msisdn") -> str:
        """Return a number as E.164 digits without the plus, read with the connection's region."""
        return e164(number, self.options.default_region, field=field)
