"""Promos in a file of outcomes: the vendor has counts of them, and nothing about a recipient."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.outcomes import DELIVERED, EXPIRED, READ, REFUSED, UNDELIVERED
from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import PromoState
from airflow_provider_telecom.vendors.kyivstar_open_telecom.status import counts

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

log = logging.getLogger(__name__)


class PromoCounts:
    """The rows of promos, and the statistics that were read last."""

    def __init__(self) -> None:
        self._rows: dict[str, Counter[tuple[str, str]]] = {}
        """By promo: its rows by channel and state."""
        self._statistics: dict[str, Mapping[str, int]] = {}
        self._completed: set[str] = set()

    def forget_rows(self) -> None:
        """Forget the rows; the statistics stay."""
        self._rows = {}

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a row of a promo."""
        rows = self._rows.setdefault(line["reference"], Counter())
        rows[line["channel"], line["state"]] += 1

    def read(self, hook: KyivstarOpenTelecomHook) -> None:
        """Read the statistics of the promos. One that the vendor does not know has none."""
        for promo_id in self._rows:
            try:
                if hook.get_promo(promo_id).state is PromoState.COMPLETED:
                    self._completed.add(promo_id)
                self._statistics[promo_id] = counts(hook.get_promo_statistics(promo_id))
            except TelecomNotFoundError:
                log.warning("The vendor does not know a promo of %s rows", self._rows[promo_id].total())

    def move(self, states: Counter[str], by_channel: Counter[str]) -> None:
        """Count as many rows of each promo as its statistics say for what became of them.

        `by_channel` has keys such as `sms/accepted`.
        """
        for promo_id, statistics in self._statistics.items():
            rows = Counter(self._rows.get(promo_id, {}))
            for state, count in _states(statistics, rows.total(), promo_id in self._completed):
                left = count
                for (channel, now), there in list(rows.items()):
                    moved = min(left, there)
                    rows[channel, now] -= moved
                    left -= moved
                    states.update({now: -moved, state: moved})
                    by_channel.update({f"{channel}/{now}": -moved, f"{channel}/{state}": moved})

    def facts(self) -> dict[str, int]:
        """Return the statistics of all promos together; empty if there are no promos."""
        if not self._rows:
            return {}
        whole = Counter[str]()
        for statistics in self._statistics.values():
            whole.update(statistics)
        return {"promos": len(self._rows), "completed": len(self._completed), **whole}


def _states(statistics: Mapping[str, int], rows: int, is_completed: bool) -> list[tuple[str, int]]:
    """Return how many rows have which final state.

    Those who have seen it are among those it was delivered to. What was not sent when the promo was completed
    is refused: a number on the vendor's block list, for example.
    """
    delivered = statistics["deliveries_count"]
    seen = min(statistics.get("seen_count", 0), delivered)
    return [
        (READ, seen),
        (DELIVERED, delivered - seen),
        (UNDELIVERED, statistics.get("undelivered_count", 0)),
        (EXPIRED, statistics.get("expired_count", 0)),
        (REFUSED, max(0, rows - statistics["sent_count"]) if is_completed else 0),
    ]
