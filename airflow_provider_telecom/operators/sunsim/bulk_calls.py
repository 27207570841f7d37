"""SunSim: a callback to each of many recipients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.operators.bulk_calls import BulkCallArguments, BulkCallOperator
from airflow_provider_telecom.operators.sunsim.operator import SunSimOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.requests_without_keys import Result


class SunSimBulkCallbackOperator(SunSimOperator, BulkCallOperator):
    """Call a number of the contract once for each recipient, and connect it with the recipient.

    The callbacks are ordered one after the other. A killed or retried task continues where it was. **The
    vendor cannot detect a duplicate:** the journal names each recipient before the request, and whoever may
    have been called is not called again. Each is charged as an incoming call on the first number. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown", "results",
         "rejects"}

    `accepted` says that the vendor has taken the order. Whether somebody has answered shows in the list of
    calls later: `SunSimCollectReceiptsOperator`.

    :param phone_from: the number of the contract that is called first.

    Raises TelecomInputError (numbers) before anything is sent, TelecomAuthError, TelecomRejectedError,
    OutcomeUnknownError. Source: "GET /api/v1/callback/create" of the vendor's document.
    """

    template_fields: Sequence[str] = (*BulkCallOperator.template_fields, "phone_from")
    private_fields: ClassVar[Sequence[str]] = ("phone_from",)
    call = "GET /callback/create"

    def __init__(self, *, phone_from: str | int, **kwargs: Unpack[BulkCallArguments]) -> None:
        super().__init__(**kwargs)
        self.phone_from = phone_from

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, then order their callbacks."""
        from airflow_provider_telecom.bulk.outcomes import ACCEPTED
        from airflow_provider_telecom.bulk.requests_without_keys import Result, now_text
        from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

        region = self.hook.options.default_region
        phone_from = russian_number("phone_from", self.reveal("phone_from"), region)

        def call(msisdn: str) -> Result:
            at = now_text()
            ordered = self.hook.create_callback(msisdn, phone_from)
            return Result(ACCEPTED, at, message_id=ordered.call_id)

        return self._call_all(context, phone_from, call, region)
