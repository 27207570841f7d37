"""Base class of KetchUp's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

STATUS_CHECKS = "airflow_provider_telecom.vendors.ketchup_loyalty.status"
WEBHOOKS = "airflow_provider_telecom.vendors.ketchup_loyalty.webhooks"


class KetchUpOperator(TelecomOperator):
    """A task that uses a `ketchup_loyalty` connection."""

    vendor = VENDOR
    hook: KetchUpHook

    def _webhook_url(self, kind: str, reference: str) -> str | None:
        """Return where KetchUp posts the status of a message: the Dag's address, or our receiver's."""
        own: str | None = self.reveal("callback_url")
        settings = read_receiver_settings()
        if own is not None or settings is None:
            return own
        return settings.url(WebhookAddress(VENDOR.id, kind, self.conn_id, reference))

    def _numbers(self, field: str) -> list[str]:
        """Return the one or many numbers of a field, in the canonical form and with duplicates."""
        from airflow_provider_telecom.calls.checks import non_empty
        from airflow_provider_telecom.calls.phone import e164
        from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import parse_list

        region = self.hook.options.default_region
        numbers = non_empty(field, parse_list(field, self.reveal(field)))
        return [e164(number, region, field=field) for number in numbers]
