"""The pytest fixture `telecom_simulator`: a running simulator, reset before each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.server import Simulator


@pytest.fixture(scope="session")
def telecom_simulator_server() -> Iterator[Simulator]:
    """Run one simulator for the whole session."""
    from airflow_provider_telecom.simulator.server import Simulator

    simulator = Simulator()
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def telecom_simulator(telecom_simulator_server: Simulator) -> Simulator:
    """Return the running simulator after a reset: an empty ledger, no faults, the real time."""
    telecom_simulator_server.reset()
    return telecom_simulator_server
