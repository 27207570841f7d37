"""SunSim: one callback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NotRequired, Unpack

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.sunsim.operator import SunSimOperator
from airflow_provider_telecom.tasks.arguments import CallArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.verification import CallOperator, CallXCom

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.sunsim.models import ResponseFacts


class CallbackXCom(CallXCom):
    """What `SunSimCreateCallbackOperator` returns."""

    code: NotRequired[int | str]
    request_hash: NotRequired[str]


class SunSimCreateCallbackOperator(SunSimOperator, CallOperator):
    """Call a number of the contract and connect it with any other number.

    Charged as an incoming call on the first number. Returns `{"started": True}`, and `code` and
    `request_hash` if the response has them: it is not documented, and does not identify the call. The vendor
    cannot detect a duplicate, which calls two people again: `on_unknown` says what to do after a lost
    response. `verify_within_seconds` needs `vendor_timezone` in the connection's extra.

    :param phone_to: the number to connect with, in any common form.
    :param phone_from: the number of the contract that is called first.

    Raises TelecomInputError (numbers), TelecomAuthError, TelecomRejectedError, OutcomeUnknownError.
    Source: "GET /api/v1/callback/create" of the vendor's document.
    """

    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, "phone_to", "phone_from")
    private_fields: ClassVar[Sequence[str]] = ("phone_to", "phone_from")
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.sunsim.status.callback"

    def __init__(
        self, *, phone_to: str | int, phone_from: str | int, **kwargs: Unpack[CallArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.phone_to, self.phone_from = phone_to, phone_from

    def execute(self, context: Context) -> CallbackXCom:
        """Order the callback once."""
        from airflow_provider_telecom.calls.phone import e164
        from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

        if self.verify_within_seconds and self.hook.options.vendor_timezone is None:
            raise TelecomInputError(
                "verify_within_seconds", "needs vendor_timezone in the connection's extra"
            )
        call = {"phone_to": self.reveal("phone_to"), "phone_from": self.reveal("phone_from")}
        region = self.hook.options.default_region
        e164(call["phone_to"], region, field="phone_to")  # before a token is fetched
        russian_number("phone_from", call["phone_from"], region)
        facts: ResponseFacts = {}

        def order() -> None:
            facts.update(self.hook.create_callback(**call).facts)

        def order_once() -> CallbackXCom:
            return {**self._call_or_verify(order, call), **facts}

        return self._send_once(context, call, order_once)
