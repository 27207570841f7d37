"""Base class of operators that call many people, each from the same number and one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Required

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.one_by_one import Kind, OneByOneArguments, OneByOneOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.outcomes import Origin, OutcomeLine
    from airflow_provider_telecom.bulk.requests_without_keys import Result

_MAX_PAUSE = 3600.0
_SLICE = 60.0


class BulkCallArguments(OneByOneArguments, total=False):
    """The parameters of `BulkCallOperator`."""

    recipients: Required[Any]
    seconds_between_calls: float


class PhoneCall(NamedTuple):
    """A call to one recipient, and the recipient's variant."""

    msisdn: str
    variant: str | None


@dataclass(frozen=True)
class PhoneCalls:
    """The calls from one number to recipients, in their order."""

    recipients: Audience | Group
    caller: str
    """The number that is called first, as E.164 digits."""
    names: IdempotencyKeys
    origin: Origin
    variant_place: int | None = None
    noun: ClassVar[str] = "calls"

    def __len__(self) -> int:
        return self.recipients.count

    def after(self, rows: int) -> Iterator[PhoneCall]:
        """Return the calls without the first `rows`."""
        place = self.variant_place
        for entry in self.recipients.entries(rows):
            yield PhoneCall(entry[0], None if place is None else entry[place])

    def key(self, message: PhoneCall) -> str:
        """Return the name by which a later try recognizes a call. The vendor does not get it."""
        return self.names(message.msisdn, self.caller)

    def line(self, message: PhoneCall, result: Result) -> OutcomeLine:
        """Return the line of a call in the file of outcomes, with the number that was called first."""
        from airflow_provider_telecom.bulk.outcomes import REFUSED

        line = self.origin.line(
            message.msisdn,
            result.state,
            message_id=result.message_id,
            variant=message.variant,
            code=result.code,
            sent_at=result.at,
            final_at=result.at if result.state == REFUSED else None,
        )
        return {**line, "caller": self.caller}


class BulkCallOperator(OneByOneOperator):
    """A task that calls people one after the other, and connects each with the same number.

    :param seconds_between_calls: wait so long after each request, since a person can talk to one at a time.
        The connection's `rate_limit` does it for all tasks of a process.
    :param price_per_message: what one call costs, in the currency of the budget.
    """

    channel = "call"
    noun = PhoneCalls.noun

    def __init__(self, *, seconds_between_calls: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pause = seconds_between_calls
        if isinstance(pause, bool) or not isinstance(pause, (int, float)) or not 0 <= pause <= _MAX_PAUSE:
            raise TelecomInputError("seconds_between_calls", "must be 0 to 3600 seconds")
        self.seconds_between_calls = pause
        self._next_at = 0.0

    def _call_all(
        self, context: Context, caller: str, call: Callable[[str], Result], region: str
    ) -> dict[str, Any]:
        """Call all recipients that earlier tries have not called; return the XCom. May defer.

        `caller` is the number that is called first, as E.164 digits.
        """
        from airflow_provider_telecom.bulk.sender_without_keys import Counts

        ti, columns = context["ti"], self._columns()
        names = IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)
        origin, place = self._origin(context), self._variant_place(columns)

        def messages(recipients: Audience | Group) -> PhoneCalls:
            return PhoneCalls(recipients, caller, names, origin, place)

        kind = Kind(messages, partial(self._request, call), {"caller": caller}, Counts)
        with self._read_recipients(columns, region, checks=self._zone_checks) as audience:
            self._check_not_called(audience, caller)
            return self._contact_all(context, audience, columns, kind)

    def _request(self, call: Callable[[str], Result], message: PhoneCall) -> Result:
        try:
            return call(message.msisdn)
        finally:
            self._next_at = time.monotonic() + self.seconds_between_calls

    def _wait_until_ready(self) -> None:
        while (left := self._next_at - time.monotonic()) > 0:
            self._sleep(min(left, _SLICE))
        super()._wait_until_ready()

    @staticmethod
    def _check_not_called(audience: Audience, caller: str) -> None:
        """Raise TelecomInputError if the number that is called first is a recipient too."""
        if any(entry[0] == caller for entry in audience.entries()):
            raise TelecomInputError("recipients", "contain the number that is called first")
