"""The fake clock of tests with quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_telecom.operators.send_windows import SendWindowOperator
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.operators.fake_clock import World


@pytest.fixture
def fake_clock(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the time of operators with quiet hours, which the simulator's ledger shows as well."""
    found = World(datetime(2026, 12, 1, 12, tzinfo=UTC))
    telecom_simulator.state.clock = found
    monkeypatch.setattr(SendWindowOperator, "now", staticmethod(lambda: found.now()))
    monkeypatch.setattr(SendWindowOperator, "_sleep", staticmethod(found.advance))
    send = Transport.send

    def killing(self: Transport, request: Any) -> Any:
        found.step()
        outcome = send(self, request)
        found.step()
        return outcome

    monkeypatch.setattr(Transport, "send", killing)
    return found
