"""Kyivstar FMC: one call."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Unpack

from airflow_provider_telecom.links.consoles import KyivstarFmcConsoleLink
from airflow_provider_telecom.tasks.arguments import CallArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.verification import CallOperator, CallXCom
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink, Context

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
