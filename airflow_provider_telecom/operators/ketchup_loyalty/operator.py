"""Base class of KetchUp's operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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

    def _log_outcome(
        self, facts: Mapping[str, Any], requested: int, results: str | None, noun: str = "messages"
    ) -> None:
        """Log what a paid send has done in all its tries. `facts` are as `SendCounts.facts` returns them.

        Messages that the vendor knew already are a warning, and those of unknown outcome too.
        """
        refused = ", ".join(f"code {code}: {count:,}" for code, count in facts["refused"].items())
        self.log.info(
            "requested %s, accepted %s, refused %s%s, known before %s; price of the accepted ones, as "
            "KetchUp reports it: %s; results: %s",
            f"{requested:,}",
            f"{facts['accepted']:,}",
            f"{sum(facts['refused'].values()):,}",
            f" ({refused})" if refused else "",
            f"{facts['known_before']:,}",
            _amount(facts["price"], facts["currency"]),
            results or "no file (results_path)",
        )
        if known := facts["known_before"]:
            self.log.warning(
                "%s of %s %s were NOT sent now: KetchUp has had their keys before. This is right if an "
                "earlier try of this task sent them; otherwise others have the same keys",
                f"{known:,}",
                f"{requested:,}",
                noun,
            )
        if unknown := facts.get("unknown"):
            self.log.warning("nobody can know whether %s of %s were sent", f"{unknown:,}", f"{requested:,}")

    def _numbers(self, field: str) -> list[str]:
        """Return the one or many numbers of a field, in the canonical form and with duplicates."""
        from airflow_provider_telecom.calls.checks import non_empty
        from airflow_provider_telecom.calls.phone import e164
        from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import parse_list

        region = self.hook.options.default_region
        numbers = non_empty(field, parse_list(field, self.reveal(field)))
        return [e164(number, region, field=field) for number in numbers]


def _amount(price: str | None, currency: str | None) -> str:
    if currency is None:
        return "none"
    return f"in {currency}" if price is None else f"{price} {currency}"
