"""Kyivstar FMC: which calls were answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Unpack

from airflow_provider_telecom.links.consoles import KyivstarFmcConsoleLink
from airflow_provider_telecom.operators.call_receipts import (
    CallReceiptsArguments,
    CallReceiptsOperator,
    Pair,
)
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

    from airflow_provider_telecom.bulk.call_matching import ListedCall
    from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook


class KyivstarFmcCollectReceiptsOperator(CallReceiptsOperator):
    """Complete a file of outcomes of `KyivstarFmcBulkCallOperator` with what the call records say.

    Each round reads the records of all calls of the PBX since the first open one, at most 29 days. Only
    subscribers with the "Convergent" package have records. Returns the totals: `{"outcomes", "messages",
    "final", "delivered", "undelivered", "silent", "accepted", "unknown", ...}`.

    Raises TelecomInputError (a row of another connection or channel), TelecomAuthError. A read. Source:
    "Detailed call information" of the vendor's document.
    """

    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarFmcConsoleLink(),)
    vendor = VENDOR
    hook: KyivstarFmcHook
    max_age = timedelta(days=29)

    def __init__(self, **kwargs: Unpack[CallReceiptsArguments]) -> None:
        super().__init__(**kwargs)

    def _pair(self, caller: str, msisdn: str) -> Pair:
        from airflow_provider_telecom.vendors.kyivstar_fmc.status import last_digits

        return last_digits(caller), last_digits(msisdn)

    def _listed(
        self, callers: Sequence[str], first: datetime, last: datetime
    ) -> Iterator[tuple[Pair, ListedCall]]:
        from airflow_provider_telecom.bulk.call_matching import ListedCall
        from airflow_provider_telecom.vendors.kyivstar_fmc.times import possible_starts, windows

        for window in windows(first, last, type(self).now()):
            for record in self.hook.get_call_records(window.first, window.last):
                starts = possible_starts(record.start_timestamp)
                if any(map(window.contains, starts[-1:])):
                    call = ListedCall(starts, self._is_answered(record.duration), record.duration)
                    yield self._pair(record.calling_number, record.called_number), call
