"""SunSim: which callbacks were answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.call_receipts import (
    CallReceiptsArguments,
    CallReceiptsOperator,
    Pair,
)
from airflow_provider_telecom.operators.sunsim.operator import SunSimOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.call_matching import ListedCall


class SunSimCollectReceiptsOperator(SunSimOperator, CallReceiptsOperator):
    """Complete a file of outcomes of `SunSimBulkCallbackOperator` with what the list of calls says.

    Each round lists all calls of the numbers that were called first, since the first open one, at most 27
    days. The document does not show the rows: a callback is recognized if a row has both numbers, a time and
    a duration in likely columns, or the id that the response to the order gave. It needs `vendor_timezone` in
    the connection's extra. Returns the totals: `{"outcomes", "messages", "final", "delivered", "undelivered",
    "silent", "accepted", "unknown", ...}`.

    :param either_direction: also take a row in which the recipient is the caller, if the vendor lists
        callbacks so. A recipient's own call in that time is mistaken for the callback.

    Raises TelecomInputError (`vendor_timezone`, a row of another connection or channel), TelecomAuthError,
    TelecomRejectedError. A read. Source: "POST /api/v1/request/getcalllist" of the vendor's document.
    """

    max_age = timedelta(days=27)

    def __init__(self, *, either_direction: bool = False, **kwargs: Unpack[CallReceiptsArguments]) -> None:
        super().__init__(**kwargs)
        self.either_direction = either_direction

    def execute(self, context: Context) -> dict[str, Any]:
        """Complete the file until there are enough results. May defer."""
        if self.hook.options.vendor_timezone is None:
            raise TelecomInputError("vendor_timezone", "must be in the connection's extra")
        return super().execute(context)

    def _pair(self, caller: str, msisdn: str) -> Pair:
        from airflow_provider_telecom.vendors.sunsim.models import last_ten_digits

        return last_ten_digits(caller), last_ten_digits(msisdn)

    def _listed(
        self, callers: Sequence[str], first: datetime, last: datetime
    ) -> Iterator[tuple[Pair, ListedCall]]:
        import pendulum

        from airflow_provider_telecom.bulk.call_matching import ListedCall
        from airflow_provider_telecom.vendors.sunsim.schema import possible_starts, to_row

        zone = pendulum.timezone(self.hook.options.vendor_timezone or "")
        for call in self.hook.list_calls(callers, first, last).calls:
            try:
                row: dict[str, Any] = to_row(call.row, zone, self.hook.options.default_region)
            except TelecomInputError:  # no time
                continue
            ends = (row["number_from"], row["number_to"])
            if None in ends:
                continue
            seconds = row["duration_seconds"]
            starts = possible_starts(call.row, zone)
            found = ListedCall(starts, self._is_answered(seconds), seconds or 0, row["call_id"])
            yield self._pair(*ends), found
            if self.either_direction:
                yield self._pair(*ends[::-1]), found
