"""The pytest fixture `telecom_simulator`: the simulated vendors, with default connections that lead to them.

    def test_my_dag(telecom_simulator):
        my_dag().test()
        assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")) == 1

Each test starts with an empty ledger, no faults, the real time, and with the five variables
`AIRFLOW_CONN_<TYPE>_DEFAULT`. They replace those of the environment, so no test reaches a real vendor by a
default connection. The marker has options for one test, one class or one module:

    @pytest.mark.telecom_simulator(connections=False)  # sets no variable
    @pytest.mark.telecom_simulator(preset="opposite", seed=7)  # other readings of the documents, other data

`telecom_simulator_connections = false` in pytest's configuration sets no variables in any test; a marker with
`connections=True` sets them nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.server import Simulator

MARKER = "telecom_simulator"
_SETTING = "telecom_simulator_connections"
_OPTIONS = ("connections", "preset", "seed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini(
        _SETTING, "whether telecom_simulator sets the default connections (default: true)", "bool", True
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(connections=True, preset='default', seed=0): options of the fixture {MARKER}: whether it "
        "sets the default connections, which readings of the vendors' documents it follows, its data",
    )


@pytest.fixture(scope="session")
def telecom_simulator_server() -> Iterator[Simulator]:
    """Run one simulator for the whole session."""
    from airflow_provider_telecom.simulator.server import Simulator

    simulator = Simulator()
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def telecom_simulator(
    telecom_simulator_server: Simulator, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Simulator:
    """Return the running simulator after a reset, and point the five default connections at it.

    The ledger is empty, no fault is set, and its time is the real time. See the marker `telecom_simulator`.
    """
    options = _options(request)
    telecom_simulator_server.reset(options.get("seed", 0), options.get("preset", "default"))
    if options.get("connections", request.config.getini(_SETTING)):
        for name, value in telecom_simulator_server.environment().items():
            monkeypatch.setenv(name, value)
    return telecom_simulator_server


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options of the nearest markers. Raises UsageError for an unknown one."""
    from airflow_provider_telecom.simulator.switches import PRESETS

    options: dict[str, Any] = {}
    for mark in request.node.iter_markers(MARKER):  # the nearest is the first
        unknown = [name for name in mark.kwargs if name not in _OPTIONS]
        if mark.args or unknown:
            wrong = f"unknown: {', '.join(unknown)}" if unknown else "options need their names"
            raise pytest.UsageError(f"the marker {MARKER} takes {', '.join(_OPTIONS)}; {wrong}")
        options = {**mark.kwargs, **options}
    if options.get("preset", "default") not in PRESETS:
        raise pytest.UsageError(f"the marker {MARKER}: preset must be {', '.join(PRESETS)}")
    return options
