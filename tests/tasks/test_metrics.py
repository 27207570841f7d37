"""Airflow's metrics: what sends and receipts emit through Airflow's loggers of OpenTelemetry and StatsD."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics.stats_utils import NoStatsLogger

from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCollectReceiptsOperator,
    KetchUpSendBulkSmsOperator,
)
from airflow_provider_telecom.tasks.metrics import counting_sends, emit_count, emit_delay
from tests.running import Run

NUMBERS = [str(380670000200 + place) for place in range(10)]
SMS = {"conn_id": "ketchup_loyalty_default", "channel": "sms"}


@pytest.fixture
def reader() -> Iterator[Any]:
    """OpenTelemetry's metrics of this process, in memory, recorded by Airflow's own logger."""
    from airflow.sdk._shared.observability.metrics.otel_logger import SafeOtelLogger
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    found = InMemoryMetricReader()
    provider = MeterProvider([found])
    stats.initialize(factory=lambda: SafeOtelLogger(provider), export_legacy_names=False)
    yield found
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    provider.shutdown()


@pytest.fixture
def datagrams() -> Iterator[Callable[[], list[str]]]:
    """What Airflow's StatsD logger sends to a socket, with tags as InfluxDB has them."""
    from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())

        class Client:
            """The part of `statsd.StatsClient` that Airflow uses; the package is not installed here."""

            def incr(self, stat: str, count: float = 1, rate: float = 1) -> None:
                client.send(f"airflow.{stat}:{count}|c".encode())

            def timing(self, stat: str, delta: Any) -> None:
                client.send(f"airflow.{stat}:{delta.total_seconds() * 1000:0.6f}|ms".encode())

        def read() -> list[str]:
            found = []
            server.setblocking(False)
            while True:
                try:
                    found.append(server.recv(1000).decode())
                except BlockingIOError:
                    return found

        logger = SafeStatsdLogger(Client(), influxdb_tags_enabled=True, statsd_influxdb_enabled=True)
        stats.initialize(factory=lambda: logger, export_legacy_names=False)
        yield read
        stats.initialize(factory=NoStatsLogger, export_legacy_names=True)


def points(reader: Any) -> dict[tuple[str, ...], float]:
    """Return the values by name and tags."""
    found: dict[tuple[str, ...], float] = {}
    data = reader.get_metrics_data()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
        for point in metric.data.data_points:
            value = getattr(point, "value", None)
            found[(metric.name, *point.attributes.values())] = point.sum if value is None else value
    return found


@pytest.fixture
def sent(telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path) -> Callable[..., str]:
    hook_for("ketchup_loyalty", originator="Shop", vendor_timezone="UTC")

    def send(**more: Any) -> str:
        path = str(tmp_path / "out.jsonl")
        arguments = {"recipients": NUMBERS, "text": "Hi", "results_path": path, **more}
        Run().execute(KetchUpSendBulkSmsOperator(task_id="send", **arguments))
        return path

    return send


def receipts(path: str, run: str = "1") -> Any:
    return Run(run).execute(
        KetchUpCollectReceiptsOperator(task_id="receipts", outcomes=path, wait_timeout=0.01)
    )


def test_sends_and_receipts_in_open_telemetry(
    telecom_simulator: Any, reader: Any, sent: Callable[..., str]
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.new_status", "on")
    path = sent()
    found = points(reader)
    account = ("ketchup_loyalty_default", "sms")
    assert found["airflow.telecom.sent", *account] == 10
    assert found["airflow.telecom.cost", *account, "EUR"] == pytest.approx(0.2)
    receipts(path)
    found = points(reader)
    assert found["airflow.telecom.delivered", *account] == 7
    assert found["airflow.telecom.silent", *account] == 1
    assert ("airflow.telecom.receipt_delay", *account, "p95") in found
    telecom_simulator.state.set_switch("ketchup_loyalty.new_status", "off")
    receipts(path, "later")  # nothing new: nothing is counted twice
    found = points(reader)
    assert (found["airflow.telecom.delivered", *account], found["airflow.telecom.sent", *account]) == (7, 10)
    assert found["airflow.telecom.cost", *account, "EUR"] == pytest.approx(0.2)


def test_windows_of_quiet_hours_count_as_well(reader: Any, sent: Callable[..., str]) -> None:
    sent(quiet_hours=("03:00", "03:01"))
    assert points(reader)["airflow.telecom.sent", "ketchup_loyalty_default", "sms"] == 10


def test_in_statsd(datagrams: Callable[[], list[str]], sent: Callable[..., str]) -> None:
    receipts(sent())
    tags = "conn_id=ketchup_loyalty_default,channel=sms"
    found = datagrams()
    assert f"airflow.telecom.sent,{tags}:10|c" in found
    assert f"airflow.telecom.delivered,{tags}:8|c" in found
    assert f"airflow.telecom.cost,{tags},currency=EUR:0.2|c" in found
    assert any(one.startswith(f"airflow.telecom.receipt_delay,{tags},quantile=p50:") for one in found)


def test_what_was_sent_before_an_error_is_counted(reader: Any) -> None:
    counts: list[tuple[int, dict[str | None, Decimal]]] = [(3, {"EUR": Decimal(1)}), (5, {"EUR": Decimal(2)})]
    with pytest.raises(KeyError), counting_sends(**SMS, counts=lambda: counts.pop(0)):
        raise KeyError
    assert points(reader)["airflow.telecom.sent", *SMS.values()] == 2
    assert points(reader)["airflow.telecom.cost", *SMS.values(), "EUR"] == 1


def test_without_metrics_nothing_happens() -> None:
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    emit_count("sent", 1, **SMS)
    emit_delay("p50", 1.5, **SMS)


def test_a_monitoring_system_that_is_down_fails_no_task() -> None:
    class Broken:
        def incr(self, *args: Any, **kwargs: Any) -> None:
            raise OSError("down")

    stats.initialize(factory=Broken, export_legacy_names=False)
    emit_count("sent", 1, **SMS)
    emit_delay("p50", timedelta(seconds=1).total_seconds(), **SMS)
    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
