"""A real Airflow on loopback: api-server, scheduler, dag-processor, triggerer, LocalExecutor, SQLite.

Each component is a process of its own, started and ended here: `airflow standalone` leaves children behind.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN_SECONDS = 180


@dataclass
class RunningAirflow:
    """A deployment under `home`."""

    home: Path
    environment: dict[str, str]
    url: str

    def airflow(self, *words: str) -> str:
        """Run an Airflow command and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def run_to_end(self, dag_id: str, run_id: str, seconds: float) -> str:
        """Start a Dag run, wait for it, and return its state."""
        self._once_known(dag_id)
        self.airflow("dags", "trigger", dag_id, "--run-id", run_id, "--output", "json")
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            state = self.state(dag_id, run_id)
            if state in ("success", "failed"):
                return state
            time.sleep(0.5)
        raise TimeoutError(f"{dag_id} is still {state}; {self.logs()}")

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask Airflow's own API, as its pages do."""
        with urlopen(f"{self.url}/auth/token", timeout=30) as answer:
            token = json.load(answer)["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.url}{path}", data, headers), timeout=60) as answer:
            return json.load(answer)

    def _once_known(self, dag_id: str) -> None:
        ends = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < ends:
            if self._value("select count(*) from serialized_dag where dag_id = ?", dag_id):
                self.airflow("dags", "unpause", dag_id, "--yes")
                return
            time.sleep(0.5)
        raise TimeoutError(f"{dag_id} was not parsed; {self.logs()}")

    def state(self, dag_id: str, run_id: str) -> str:
        """Return a Dag run's state."""
        return str(self._value("select state from dag_run where dag_id = ? and run_id = ?", dag_id, run_id))

    def variable_text(self, key: str) -> str:
        """Return a Variable as the database holds it."""
        return str(self._value("select val from variable where key = ?", key))

    def _value(self, query: str, *values: str) -> object:
        import sqlite3

        with sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True, timeout=10) as database:
            row = database.execute(query, values).fetchone()
        database.close()
        return row[0] if row else None

    def task_logs(self) -> str:
        """Return all task logs."""
        return "\n".join(path.read_text() for path in sorted((self.home / "logs").rglob("attempt=*.log")))

    def logs(self) -> str:
        """Return the end of each component's log."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.home.glob("*.out"))


@contextmanager
def running_airflow(home: Path, dags: Path, **extra: str) -> Iterator[RunningAirflow]:
    """Run Airflow with the Dags of a folder and further environment variables."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(_free_port()),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        **extra,
    }
    deployment = RunningAirflow(home, environment, url)
    deployment.airflow("db", "migrate")
    with ExitStack() as stack:
        for component in ("api-server", "scheduler", "dag-processor", "triggerer"):
            stack.enter_context(_component(deployment, component))
        _wait_until_ready(deployment)
        yield deployment


@contextmanager
def _component(deployment: RunningAirflow, name: str) -> Iterator[None]:
    with (deployment.home / f"{name}.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", name],
            env=deployment.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a component and the workers of its own process group."""
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(15)


def _wait_until_ready(deployment: RunningAirflow) -> None:
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < ends:
        try:
            with urlopen(f"{deployment.url}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
            if all(health[part]["status"] == "healthy" for part in ("scheduler", "dag_processor")):
                return
        except (URLError, OSError, KeyError, ValueError):
            pass
        time.sleep(0.5)
    raise TimeoutError(deployment.logs())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
