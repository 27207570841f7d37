"""Failover at vendors without idempotency keys: nobody twice, and the unknown ones are left alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.failover import Failover
from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomUnknownError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from tests.operators import test_kills
from tests.operators.test_bulk_calls import FMC, SUNSIM, Vendor
from tests.operators.test_kills import KilledError, KillingStore, Process, _killing  # noqa: F401 - a fixture
from tests.running import Run

SOON = Failover(failures=2, within=timedelta(milliseconds=20))
OTHER = "other"
VENDORS = pytest.mark.parametrize("vendor", [FMC, SUNSIM], ids=lambda vendor: vendor.conn_type)


@pytest.fixture(autouse=True)
def _connections(
    telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each vendor two connections, each with a circuit breaker of its own."""
    for vendor in (FMC, SUNSIM):
        hook_for(vendor.conn_type)
        connection = telecom_simulator.connection(vendor.conn_type)
        connection["extra"]["timeout_read"] = 29
        monkeypatch.setenv(f"AIRFLOW_CONN_{OTHER.upper()}_{vendor.conn_type.upper()}", json.dumps(connection))


def made(vendor: Vendor, path: Path, **more: Any) -> Any:
    return vendor.made(results_path=str(path), failover=SOON, **more)


def rows(path: Path) -> list[tuple[str, str, str | None]]:
    lines = read_outcomes(ObjectStoragePath(str(path)))
    return [(line["msisdn"], line["state"], line["code"]) for line in lines]


def by_another_connection(simulator: Any, vendor: Vendor, path: Path) -> None:
    """Call those who were handed over, and check that nobody was called twice."""
    simulator.state.faults.clear()
    if numbers := [msisdn for msisdn, _, code in rows(path) if code == "not_sent"]:
        conn_id = f"{OTHER}_{vendor.conn_type}"
        Run().execute(vendor.made(conn_id=conn_id, recipients=numbers))
    assert not [number for number, times in vendor.called_by(simulator).items() if times > 1]


@VENDORS
def test_a_dead_vendor_hands_everybody_over_and_is_not_asked_again(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    path, run = tmp_path / "calls.jsonl", Run()
    telecom_simulator.refuse()
    found = run.execute(made(vendor, path))
    telecom_simulator.accept()
    assert (found["accepted"], found["refused"], found["handed_over"]) == (0, {}, len(vendor.numbers))
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    assert {(line["code"], line["sent_at"]) for line in lines} == {("not_sent", None)}
    by_another_connection(telecom_simulator, vendor, path)
    assert vendor.called_by(telecom_simulator) == vendor.once()
    assert run.execute(made(vendor, path)) == found, "a cleared task calls nobody"
    assert vendor.called_by(telecom_simulator) == vendor.once()


@VENDORS
def test_a_lost_response_is_unknown_and_the_others_are_handed_over(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    path, run = tmp_path / "calls.jsonl", Run()
    telecom_simulator.fault("reset_after", vendor.conn_type, path=vendor.path)
    telecom_simulator.fault("status", vendor.conn_type, path=vendor.path, status=401, times=1000)
    found = run.execute(made(vendor, path, on_unknown="assume_sent"))
    assert (found["unknown"], found["handed_over"]) == (1, len(vendor.numbers) - 1)
    assert rows(path)[0][1:] == ("unknown", None)
    by_another_connection(telecom_simulator, vendor, path)
    assert vendor.called_by(telecom_simulator) == vendor.once()
    with pytest.raises(OutcomeUnknownError, match="on_unknown='assume_sent' accepts that"):
        run.execute(made(vendor, path))


@VENDORS
def test_resend_waits_for_the_next_try_of_the_task(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    """A lost response is no failure of the connection: otherwise one try would contact somebody often."""
    path, run = tmp_path / "calls.jsonl", Run()
    telecom_simulator.fault("reset_after", vendor.conn_type, path=vendor.path, times=1000)
    for times in (1, 2):
        with pytest.raises(TelecomUnknownError):
            run.execute(made(vendor, path, on_unknown="resend"))
        assert list(vendor.called_by(telecom_simulator).values()) == [times]


@pytest.mark.usefixtures("_killing")
def test_a_kill_at_each_step_of_the_handing_over(telecom_simulator: Any, tmp_path: Path) -> None:
    vendor, killed = FMC, 0
    for point in range(1, 200):
        telecom_simulator.state.reset()
        path, run = tmp_path / f"{point}.jsonl", Run()
        run.stores["send"] = KillingStore()
        telecom_simulator.fault("reset_after", vendor.conn_type, path=vendor.path)
        telecom_simulator.fault("status", vendor.conn_type, path=vendor.path, status=401, times=1000)
        operator = made(vendor, path, on_unknown="assume_sent")
        test_kills.process = Process(point)
        try:
            run.execute(operator)
        except KilledError:
            killed += 1
        else:
            break
        finally:
            test_kills.process = Process()
        run.execute(made(vendor, path, on_unknown="assume_sent"))
        by_another_connection(telecom_simulator, vendor, path)
        unknown = Counter(number[-9:] for number, state, _ in rows(path) if state == "unknown")
        assert vendor.called_by(telecom_simulator) | unknown == vendor.once()
        run.execute(made(vendor, path, on_unknown="assume_sent"))
        assert not [number for number, times in vendor.called_by(telecom_simulator).items() if times > 1]
    assert killed > 10
