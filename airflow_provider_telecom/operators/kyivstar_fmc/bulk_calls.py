"""Kyivstar FMC: a call for each of many recipients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.links.consoles import KyivstarFmcConsoleLink
from airflow_provider_telecom.operators.bulk_calls import BulkCallArguments, BulkCallOperator
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

    from airflow_provider_telecom.bulk.requests_without_keys import Result
    from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook


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
