"""`make up` as somebody at a terminal and a browser has it: started, used, ended, and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.system.running import LONG_SECONDS, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
DAG = "/api/v2/dags/example_kyivstar_sms"
pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.system]


@dataclass
class Served:
    """What `make up` has printed: two addresses."""

    airflow: str
    simulator: str

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask Airflow's API, as its pages do."""
        token = fetched(Request(f"{self.airflow}/auth/token"))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return fetched(Request(f"{self.airflow}{path}", data, headers, method=method))

    def examples(self) -> set[str]:
        """Return the Dags, all of them paused, once there are no more coming."""
        seen: set[str] = set()
        while True:
            assert self.ask("/api/v2/importErrors")["import_errors"] == []
            dags = {dag["dag_id"]: dag["is_paused"] for dag in self.ask("/api/v2/dags")["dags"]}
            assert all(dags.values())
            if seen and set(dags) == seen:
                return seen
            seen = set(dags)
            time.sleep(5)

    def run_to_end(self) -> str:
        """Start the Dag, wait for it, and return its state."""
        run_id = quote(self.ask(f"{DAG}/dagRuns", {"logical_date": None})["dag_run_id"])

        def state() -> str:
            return str(self.ask(f"{DAG}/dagRuns/{run_id}")["state"])

        assert wait_until(lambda: state() in ("success", "failed"), every=1), f"it is still {state()}"
        return state()


def fetched(request: Request) -> Any:
    with urlopen(request, timeout=LONG_SECONDS) as answer:
        return json.load(answer)


@contextmanager
def up(home: Path, ended_by: signal.Signals) -> Iterator[Served]:
    """Run it until the block is left, and see it end as it should."""
    command = [sys.executable, str(ROOT / "scripts" / "up.py"), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            addresses = [word for line in said for word in line.split() if word.startswith("http://")]
            yield Served(*addresses)
        finally:
            process.send_signal(ended_by)
            assert process.wait(LONG_SECONDS) == 0
    assert left_of(home) == []


def left_of(home: Path) -> list[str]:
    """Return the processes that still have this home."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(home):
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return left


def test_it_serves_runs_an_example_ends_all_and_starts_again(tmp_path: Path) -> None:
    home = tmp_path / "up"
    with up(home, signal.SIGTERM) as served:
        assert fetched(Request(f"{served.simulator}/_control/ledger")) is not None
        assert served.examples() == {path.stem for path in (ROOT / "example_dags").glob("*.py")}
        served.ask(DAG, {"is_paused": False}, "PATCH")
        assert served.run_to_end() == "success"
        second = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "up.py"), str(home)],
            capture_output=True,
            text=True,
            timeout=LONG_SECONDS,
            check=False,
        )
        assert second.returncode == 1
        assert "another" in second.stderr
    with up(home, signal.SIGINT) as served:
        assert served.run_to_end() == "success"
        assert served.ask(f"{DAG}/dagRuns")["total_entries"] == 2
