"""Airflow metrics about messages: to StatsD, Datadog or OpenTelemetry, whichever `[metrics]` turns on.

    telecom.sent            counter     messages that the vendor has accepted
    telecom.cost            counter     what they cost, as the vendor reports it; also tagged `currency`
    telecom.delivered       counter     messages that were found delivered or read
    telecom.silent          counter     messages without a receipt at the end of the wait
    telecom.receipt_delay   timing      from the send to the receipt; also tagged `quantile`: p50, p95

All are tagged `conn_id` and `channel`. They are for dashboards: what a killed try has counted is lost, and
the files of outcomes have the exact numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

log = logging.getLogger(__name__)

Costs = Mapping[str | None, Decimal]
"""Amounts by currency."""


@contextmanager
def counting_sends(conn_id: str, channel: str, counts: Callable[[], tuple[int, Costs]]) -> Iterator[None]:
    """Emit what is sent in this context, also if it ends with an error.

    `counts` returns how many messages were accepted so far, and what they cost.
    """
    before, costs_before = counts()
    try:
        yield
    finally:
        accepted, costs = counts()
        emit_count("sent", accepted - before, conn_id=conn_id, channel=channel)
        emit_costs(costs, costs_before, conn_id=conn_id, channel=channel)


def emit_count(name: str, count: int, *, conn_id: str, channel: str) -> None:
    """Add to the counter `telecom.<name>`. Nothing happens if it is not more than 0."""
    if count > 0:
        _emit("incr", name, count, {"conn_id": conn_id, "channel": channel})


def emit_costs(costs: Costs, before: Costs, *, conn_id: str, channel: str) -> None:
    """Add to the counter `telecom.cost` what the costs are more than before."""
    for currency, cost in costs.items():
        more = cost - before.get(currency, Decimal(0))
        if more > 0:
            tags = {"conn_id": conn_id, "channel": channel, "currency": currency or "unknown"}
            _emit("incr", "cost", float(more), tags)


def emit_delay(quantile: str, seconds: float | None, *, conn_id: str, channel: str) -> None:
    """Record the timing `telecom.receipt_delay`."""
    if seconds is not None:
        tags = {"conn_id": conn_id, "channel": channel, "quantile": quantile}
        _emit("timing", "receipt_delay", timedelta(seconds=seconds), tags)


def _emit(kind: str, name: str, value: object, tags: Mapping[str, str]) -> None:
    """Emit a metric. A monitoring system that is down must not fail a task that has sent messages."""
    try:
        from airflow.sdk.observability import stats

        getattr(stats, kind)(f"telecom.{name}", value, tags=dict(tags))
    except Exception as error:
        log.warning("the metric telecom.%s is not emitted: %s", name, type(error).__name__)
