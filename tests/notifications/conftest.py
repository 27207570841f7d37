"""What tests of notifiers share: contexts as Airflow makes them, Variables, and a memory that is new."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.hooks.store import InMemoryStore, VariableStore
from airflow_provider_telecom.simulator import credentials
from tests.hooks.test_store import no_write, supervisor
from tests.notifications.contexts import BASE_URL

__all__ = ["no_write", "supervisor"]  # fixtures
EXTRAS: dict[str, dict[str, str]] = {
    "ketchup_loyalty": {"viber_sender": "Airflow"},
    "kyivstar_fmc": {"calling_number": "+380670000100"},
}
"""What notifiers take from the connections."""


@pytest.fixture(autouse=True)
def _nothing_sent_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_telecom.notifications import deduplication

    monkeypatch.setattr(deduplication, "_variables", VariableStore())
    monkeypatch.setattr(deduplication, "_memory", InMemoryStore())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses in which KetchUp's Viber messages are searched for."""
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))


@pytest.fixture(autouse=True)
def _known_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE_URL)


@pytest.fixture
def every_hook(hook_for: Callable[..., Any]) -> None:
    """Let all default connections lead to the simulator."""
    for conn_type in ("kyivstar_open_telecom", "ketchup_loyalty", "kyivstar_fmc", "sunsim", "novaconnect"):
        hook_for(conn_type, **EXTRAS.get(conn_type, {}))


@pytest.fixture(autouse=True)
def _no_numbers_in_logs(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Fail a test that leaves a number or a credential in a log, be it ours or Airflow's own."""
    caplog.set_level(logging.DEBUG, logger="airflow_provider_telecom")
    yield
    ours = [record.getMessage() + str(record.exc_info or "") for record in caplog.get_records("call")]
    logged = "\n".join([*ours, *capsys.readouterr()])
    for secret in (
        "67000",
        "67 000",
        *(value for name, value in vars(credentials).items() if name.isupper() and isinstance(value, str)),
    ):
        assert secret not in logged
