"""When messages were delivered, and how long it took: two small histograms, for the page "Telecom"."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

BUCKETS = 60
WIDTHS = (1, 5, 15, 60, 300, 900, 3600, 10_800, 43_200, 86_400, 604_800)
"""Seconds of a bucket. Each is a multiple of the one before, so buckets can be joined without an error."""
DELAY_BOUNDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
"""Seconds: a delay counts for the first bound that is not less. Always the same, so tasks can be added up."""


class DeliveryTimes:
    """Counts deliveries by time and by delay, in any order, in constant memory."""

    def __init__(self) -> None:
        self._width = WIDTHS[0]
        self._buckets = Counter[int]()
        """By the number of the bucket since 1970."""
        self._delays = [0] * (len(DELAY_BOUNDS) + 1)

    def add(self, sent_at: datetime | None, delivered_at: datetime | None) -> None:
        """Count a delivery. A time that is not known is None. The clocks may differ: no delay is negative."""
        if delivered_at is None:
            return
        number = int(delivered_at.timestamp()) // self._width
        self._buckets[number] += 1
        if self._buckets[number] == 1:
            while max(self._buckets) - min(self._buckets) >= BUCKETS:
                self._widen()
        if sent_at is not None:
            self._delays[bisect_left(DELAY_BOUNDS, (delivered_at - sent_at).total_seconds())] += 1

    def facts(self) -> Mapping[str, object]:
        """Return `{"delivered_at", "delays"}` for the XCom; None for what nothing is known of."""
        delays = {"bounds": list(DELAY_BOUNDS), "counts": list(self._delays)} if any(self._delays) else None
        return {"delivered_at": self._delivered_at(), "delays": delays}

    def _delivered_at(self) -> Mapping[str, object] | None:
        if not self._buckets:
            return None
        first, last = min(self._buckets), max(self._buckets)
        start = datetime.fromtimestamp(first * self._width, UTC)
        return {
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "seconds": self._width,
            "counts": [self._buckets[number] for number in range(first, last + 1)],
        }

    def _widen(self) -> None:
        """Join the buckets to wider ones."""
        wider = next((width for width in WIDTHS if width > self._width), 2 * self._width)
        buckets = Counter[int]()
        for number, count in self._buckets.items():
            buckets[number * self._width // wider] += count
        self._width, self._buckets = wider, buckets
