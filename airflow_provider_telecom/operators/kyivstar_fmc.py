"""Operators of Kyivstar FMC, the virtual mobile PBX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.links.consoles import KyivstarFmcConsoleLink
from airflow_provider_telecom.operators.bulk_calls import BulkCallArguments, BulkCallOperator
from airflow_provider_telecom.operators.call_receipts import (
    CallReceiptsArguments,
    CallReceiptsOperator,
    Pair,
)
from airflow_provider_telecom.tasks.arguments import CallArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.verification import CallOperator, CallXCom
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

    from airflow_provider_telecom.bulk.call_matching import ListedCall
    from airflow_provider_telecom.bulk.requests_without_keys import Result
    from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook


class KyivstarFmcOriginateCallOperator(CallOperator):
    """Call a subscriber of the PBX and, once they answer, connect them with a number.

    Returns `{"started": True}`: the response does not identify the call. The vendor cannot detect a
    duplicate, which calls two people again: `on_unknown` says what to do after a lost response.

    :param called_number: the number to connect with, in any common form.
    :param calling_number: the subscriber who is called first; by default the connection's.

    Raises TelecomInputError (numbers), TelecomAuthError (bad token, or the service is not activated for
    the subscriber), OutcomeUnknownError. Source: "Phone call initiation" of the vendor's document.
    """

    private_fields: ClassVar[Sequence[str]] = ("called_number", "calling_number")
    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, *private_fields)
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarFmcConsoleLink(),)
    vendor = VENDOR
    hook: KyivstarFmcHook
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.kyivstar_fmc.status.call_record"

    def __init__(
        self,
        *,
        called_number: str | int,
        calling_number: str | int | None = None,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.called_number, self.calling_number = called_number, calling_number

    def execute(self, context: Context) -> CallXCom:
        """Originate the call once."""
        call = {
            "called_number": self.reveal("called_number"),
            "calling_number": self.reveal("calling_number") or None,
        }
        originate = partial(self.hook.originate_call, **call)
        return self._send_once(context, call, lambda: self._call_or_verify(originate, call))


class KyivstarFmcBulkCallOperator(BulkCallOperator):
    """Call a subscriber of the PBX once for each recipient and, when they answer, connect the recipient.

    The calls are started one after the other. A killed or retried task continues where it was. **The vendor
    cannot detect a duplicate:** the journal names each recipient before the request, and whoever may have
    been called is not called again. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown", "results",
         "rejects"}

    `accepted` says that the PBX starts the call. Whether somebody has answered shows in the call records
    later: `KyivstarFmcCollectReceiptsOperator`.

    :param calling_number: the subscriber who is called first; by default the connection's.

    Raises TelecomInputError (numbers) before anything is sent, TelecomAuthError (bad token, or the service is
    not activated for the subscriber), TelecomRejectedError, OutcomeUnknownError. Source: "Phone call
    initiation" of the vendor's document.
    """

    template_fields: Sequence[str] = (*BulkCallOperator.template_fields, "calling_number")
    private_fields: ClassVar[Sequence[str]] = ("calling_number",)
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarFmcConsoleLink(),)
    vendor = VENDOR
    hook: KyivstarFmcHook
    call = "GET /api/onebox/v1/originate"

    def __init__(
        self, *, calling_number: str | int | None = None, **kwargs: Unpack[BulkCallArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.calling_number = calling_number

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, then call them."""
        from airflow_provider_telecom.bulk.outcomes import ACCEPTED
        from airflow_provider_telecom.bulk.requests_without_keys import Result, now_text
        from airflow_provider_telecom.calls.phone import e164

        region = self.hook.options.default_region
        given = self.reveal("calling_number") or self.hook.options.calling_number
        if not given:
            raise TelecomInputError("calling_number", "must be given here or in the connection's extra")
        caller = e164(given, region, field="calling_number")

        def call(msisdn: str) -> Result:
            at = now_text()
            self.hook.originate_call(msisdn, caller)
            return Result(ACCEPTED, at)

        return self._call_all(context, caller, call, region)


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
