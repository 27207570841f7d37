"""Two thousand sensors wait in one triggerer, as they would for the receipts of a campaign.

None has a worker before it is done; together they hold one token and a few connections, and never keep the
triggerer's event loop to themselves.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.transport.async_transport import _MAX_CONNECTIONS
from tests.system.running import LONG_SECONDS, RunningAirflow, Shape, running_airflow, wait_until
from tests.system.sensors.waiting import POLL_SECONDS, SENSORS
from tests.system.services import Postgres, free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
RUNS = 200
WAITING_SECONDS = 2 * POLL_SECONDS
SMS = "/rest/v1beta/sms/..."
RESUMED = 40
NEVER = 1_000_000_000
NO_COLLECTIONS = "import gc\n\ngc.disable()\n"
"""Airflow keeps a copy of the Dag for each such sensor, and a full collection of all these stops the loop for
half a second and more. This test checks whether our triggers block it."""


@dataclass
class SimulatorProcess:
    """The simulator in its own process, so that it does not share CPU time with the test."""

    process: psutil.Process
    address: Simulator
    """A simulator that does not run; it knows the addresses."""

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.address.url}/_control{path}", data, headers)
        with urlopen(request, timeout=LONG_SECONDS) as answer:
            return json.load(answer)

    def open_connections(self) -> int:
        connections = self.process.net_connections("tcp")
        return sum(connection.status == psutil.CONN_ESTABLISHED for connection in connections)

    def paths(self) -> Counter[str]:
        """Return how often each path was asked for, ids left out."""
        return Counter(re.sub(r"/sms/.*", "/sms/...", seen["path"]) for seen in self.ask("/requests"))

    def asked_about(self) -> int:
        """Return the number of messages whose status was requested."""
        paths = {seen["path"] for seen in self.ask("/requests") if seen["method"] == "GET"}
        return sum("/sms/" in path for path in paths)


@pytest.fixture
def state() -> Iterator[SimulatorProcess]:
    port = free_port()
    words = ["--port", str(port), "--transition", f"kyivstar_open_telecom.sms=after_seconds:{NEVER}"]
    command = [sys.executable, "-m", "airflow_provider_telecom.simulator", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        found = SimulatorProcess(psutil.Process(process.pid), Simulator(port))
        try:
            assert wait_until(lambda: _answers(found))
            yield found
        finally:
            process.terminate()


def test_two_thousand_sensors_in_one_triggerer(
    state: SimulatorProcess, postgres: Postgres, tmp_path: Path, monkeypatch: Any, tell: Callable[[str], None]
) -> None:
    for name, value in state.address.environment().items():
        monkeypatch.setenv(name, value)
    ids = _sent(RUNS * SENSORS)
    dags, home = tmp_path / "dags", tmp_path / "home"
    dags.mkdir()
    home.mkdir()
    (home / "config").mkdir()
    (home / "config" / "airflow_local_settings.py").write_text(NO_COLLECTIONS)
    shutil.copy(Path(__file__).parent / "sensors" / "waiting.py", dags)
    shape = Shape(database=postgres.new_database("sensors"), parallelism=4, triggers=2_500)
    with running_airflow(home, dags, shape, **state.address.environment()) as airflow:
        before, started = state.paths(), time.monotonic()
        for run in range(RUNS):
            airflow.start_run("waiting", str(run), ids=ids[run * SENSORS : (run + 1) * SENSORS])
        assert airflow.wait_until(lambda: state.asked_about() >= len(ids), every=5), airflow.logs()
        tell(f"{len(ids)} sensors are waiting {time.monotonic() - started:.0f} s after the first run began")
        blocked, connections = _waited(airflow, state, tell)
        assert connections <= _MAX_CONNECTIONS
        assert airflow.wait_until(lambda: (state.paths() - before)[SMS] >= 2 * len(ids), every=5)
        polls = state.paths() - before
        assert blocked <= polls[SMS] / 100, _blocked(airflow)[-20:]
        assert polls["/idp/oauth2/token"] == 1, polls
        assert _states(airflow) == {"deferred": len(ids)}
        state.ask("/transitions", {"kind": "kyivstar_open_telecom.sms", "mode": "immediate"})
        assert airflow.wait_until(lambda: _states(airflow)["success"] >= RESUMED), airflow.logs()
        assert not _states(airflow)["failed"]


def _waited(airflow: RunningAirflow, state: SimulatorProcess, tell: Callable[[str], None]) -> tuple[int, int]:
    """Let the sensors wait for a while, and print what that takes.

    Return how often Airflow said that the loop was blocked, and the most connections at a time. Other
    processes may stop the loop as well: so both are compared with the number of polls, not with a time.
    """
    triggerer = psutil.Process(airflow.processes["triggerer"].pid)
    processes = [triggerer, *triggerer.children(recursive=True)]
    used, blocked, connections = [_cpu(one) for one in processes], len(_blocked(airflow)), []
    began = time.monotonic()
    while time.monotonic() - began < WAITING_SECONDS:
        connections.append(state.open_connections())
        time.sleep(0.2)
    share = [
        100 * (_cpu(one) - before) / WAITING_SECONDS for one, before in zip(processes, used, strict=True)
    ]
    memory = sum(process.memory_info().rss for process in processes) / 1e6
    new = len(_blocked(airflow)) - blocked
    tell(
        f"{WAITING_SECONDS} s, a poll every {POLL_SECONDS} s: triggerer {sum(share):.0f} % of a core "
        f"(the triggers' own process {share[-1]:.0f} %), {memory:.0f} MB; connections: "
        f"{sorted(connections)[len(connections) // 2]} in the middle, {max(connections)} at most; "
        f"loop blocked {new} times, {blocked} before"
    )
    return new, max(connections)


def _sent(count: int) -> list[str]:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

    hook = KyivstarOpenTelecomHook()
    return [hook.send_sms("380670000200", "Hi").message_id for _ in range(count)]


def _blocked(airflow: RunningAirflow) -> list[str]:
    return [line for line in airflow.log("triggerer").splitlines() if "blocked for" in line]


def _states(airflow: RunningAirflow) -> Counter[str]:
    query = "select state, count(*) from task_instance group by state"
    return Counter({str(state): count for state, count in airflow.rows(query)})


def _cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _answers(state: SimulatorProcess) -> bool:
    try:
        return bool(state.ask("/health")["ok"])
    except OSError:
        return False
