"""The histograms of a receipts task: nothing is lost, and they stay small."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_telecom.bulk.delivery_times import BUCKETS, DELAY_BOUNDS, WIDTHS, DeliveryTimes

START = datetime(2026, 3, 1, 9, 0, 7, tzinfo=UTC)


def facts(seconds: list[float], delay: float = 3.0) -> dict[str, Any]:
    times = DeliveryTimes()
    for second in seconds:
        delivered = START + timedelta(seconds=second)
        times.add(delivered - timedelta(seconds=delay), delivered)
    found: dict[str, Any] = json.loads(json.dumps(times.facts()))
    return found


def test_without_deliveries_there_is_nothing_to_show() -> None:
    assert facts([]) == {"delivered_at": None, "delays": None}


def test_each_delivery_is_counted_in_its_bucket() -> None:
    found = facts([0, 0.5, 1, 3])
    assert found["delivered_at"] == {"start": "2026-03-01T09:00:07Z", "seconds": 1, "counts": [2, 1, 0, 1]}
    assert dict(zip(found["delays"]["bounds"], found["delays"]["counts"], strict=False))[5] == 4


@pytest.mark.parametrize("span", [59, 60, 3_600, 86_400, 30 * 86_400, 20 * 365 * 86_400])
def test_buckets_are_few_and_nothing_is_lost(span: int) -> None:
    seconds = [0.0, float(span), *(random.Random(span).uniform(0, span) for _ in range(500))]
    delivered_at = facts(seconds)["delivered_at"]
    width, counts = delivered_at["seconds"], delivered_at["counts"]
    assert len(counts) <= BUCKETS
    assert sum(counts) == len(seconds)
    first = int(datetime.fromisoformat(delivered_at["start"]).timestamp())
    assert first % width == 0
    expected = Counter(int(START.timestamp() + second) // width - first // width for second in seconds)
    assert counts == [expected[number] for number in range(len(counts))]


def test_the_order_does_not_matter() -> None:
    seconds = [0.0, 5.0, 7_000.0, 86_000.0, 12.0, 3.0]
    assert facts(seconds) == facts(seconds[::-1])


def test_widths_can_be_joined() -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))


@pytest.mark.parametrize(
    ("delay", "place"), [(-5.0, 0), (0.0, 0), (1.0, 0), (1.1, 1), (86_400.0, -2), (86_401.0, -1)]
)
def test_a_delay_has_the_first_bound_that_is_not_less(delay: float, place: int) -> None:
    counts = facts([0.0], delay)["delays"]["counts"]
    assert len(counts) == len(DELAY_BOUNDS) + 1
    assert counts[place] == sum(counts) == 1


def test_an_unknown_time_is_left_out() -> None:
    times = DeliveryTimes()
    times.add(START, None)
    assert times.facts() == {"delivered_at": None, "delays": None}
    times.add(None, START)
    assert times.facts()["delays"] is None
    assert times.facts()["delivered_at"]
