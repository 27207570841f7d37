"""A real Airflow on loopback: api-server, scheduler, dag-processor, triggerer, and a Celery worker if wanted.

Each component is a process of its own, started and ended here: `airflow standalone` leaves children behind.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from tests.system.services import free_port

if TYPE_CHECKING:
    from sqlalchemy import Engine

ROOT = Path(__file__).resolve().parent.parent.parent
LONG_SECONDS = 900.0
"""Only a guard against hanging: no test fails because an Airflow is slow."""


@dataclass(frozen=True)
class Shape:
    """How a deployment is built. Without a `database` it has SQLite; a `broker` makes Celery its executor."""

    database: str | None = None
    broker: str | None = None
    parallelism: int = 8
    triggers: int = 1000
    """How many triggers the triggerer takes on."""
    api_workers: int = 1
    receiver: bool = False
    """Whether the webhook receiver is open."""
    workers: int = 1
    """How many Celery workers begin with the deployment."""
    only_api_server: bool = False
    """For what needs no tasks: the pages alone."""

    @property
    def components(self) -> Sequence[Sequence[str]]:
        """The processes, as words after `airflow`."""
        if self.only_api_server:
            return [("api-server",)]
        words = [("api-server",), ("scheduler",), ("dag-processor",), ("triggerer",)]
        names = [f"worker{number}" for number in range(self.workers if self.broker else 0)]
        return [*words, *(_worker(name, self.parallelism) for name in names)]

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment variables of this deployment."""
        database = self.database or f"sqlite:///{home}/airflow.db"
        settings = {
            "CORE__EXECUTOR": "CeleryExecutor" if self.broker else "LocalExecutor",
            "CORE__PARALLELISM": str(self.parallelism),
            "DATABASE__SQL_ALCHEMY_CONN": database,
            "TRIGGERER__CAPACITY": str(self.triggers),
            "API__WORKERS": str(self.api_workers),
        }
        if self.broker:
            settings["CELERY__BROKER_URL"] = self.broker
            settings["CELERY__RESULT_BACKEND"] = f"db+{database}"
        return {f"AIRFLOW__{name}": value for name, value in settings.items()}


@dataclass
class RunningAirflow:
    """A deployment under `home`."""

    home: Path
    environment: dict[str, str]
    url: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """The components, by name."""

    @property
    def executor(self) -> str:
        """What runs the tasks."""
        return self.environment["AIRFLOW__CORE__EXECUTOR"]

    def airflow(self, *words: str) -> str:
        """Run an Airflow command and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONG_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def run_to_end(self, dag_id: str, run_id: str) -> str:
        """Start a Dag run, wait for it, and return its state."""
        self.start_run(dag_id, run_id)
        ended = self.wait_until(lambda: self.state(dag_id, run_id) in ("success", "failed"))
        if not ended:
            raise TimeoutError(f"{dag_id} is still {self.state(dag_id, run_id)}; {self.logs()}")
        return self.state(dag_id, run_id)

    def start_run(self, dag_id: str, run_id: str, **conf: Any) -> None:
        """Start a Dag run, once the Dag is known."""
        self._once_known(dag_id)
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.ask(f"/api/v2/dags/{dag_id}/dagRuns", body)

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask Airflow's own API, as its pages do."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(
            Request(f"{self.url}{path}", data, headers, method=method), timeout=LONG_SECONDS
        ) as answer:
            return json.load(answer)

    @cached_property
    def _token(self) -> str:
        with urlopen(f"{self.url}/auth/token", timeout=LONG_SECONDS) as answer:
            return str(json.load(answer)["access_token"])

    def _once_known(self, dag_id: str) -> None:
        query = "select count(*) from serialized_dag where dag_id = :dag_id"
        if not self.wait_until(lambda: self.value(query, dag_id=dag_id)):
            raise TimeoutError(f"{dag_id} was not parsed; {self.logs()}")

    def wait_until(
        self, condition: Callable[[], Any], seconds: float = LONG_SECONDS, every: float = 0.5
    ) -> bool:
        """Wait until a condition holds, all components being alive, and return whether it does."""

        def holds() -> bool:
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, f"{ended} ended; {self.logs()}"
            return bool(condition())

        return wait_until(holds, seconds, every)

    def state(self, dag_id: str, run_id: str) -> str:
        """Return a Dag run's state."""
        query = "select state from dag_run where dag_id = :dag_id and run_id = :run_id"
        return str(self.value(query, dag_id=dag_id, run_id=run_id))

    def waits_for_a_person(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> bool:
        """Return whether a task waits for an answer, and the scheduler has seen that its worker has ended.

        Whoever answers before costs the task a try.
        """
        query = (
            "select try_number from task_instance where dag_id = :dag_id and run_id = :run_id"
            " and task_id = :task_id and map_index = :map_index and state = 'awaiting_input'"
        )
        found = self.value(query, dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
        key = (
            f"TaskInstanceKey(dag_id='{dag_id}', task_id='{task_id}', run_id='{run_id}', "
            f"try_number={found}, map_index={map_index})"
        )
        seen = f"executor event with state success for task instance {key}"
        return found is not None and seen in self.log("scheduler")

    def variable_text(self, key: str) -> str:
        """Return a Variable as the database holds it."""
        return str(self.value("select val from variable where key = :key", key=key))

    def value(self, query: str, **values: object) -> Any:
        """Return the first value that the metadata database gives for a query, or None."""
        rows = self.rows(query, **values)
        return rows[0][0] if rows else None

    def rows(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows that the metadata database gives for a query."""
        from sqlalchemy import text

        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    @cached_property
    def _engine(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        return create_engine(self.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], poolclass=NullPool)

    def task_logs(self, dag_id: str = "*", run_id: str = "*") -> str:
        """Return all task logs, or those of a Dag or a run."""
        folders = (self.home / "logs").glob(f"dag_id={dag_id}/run_id={run_id}")
        paths = sorted(path for folder in folders for path in folder.rglob("attempt=*.log"))
        return "\n".join(path.read_text() for path in paths)

    def log(self, component: str) -> str:
        """Return the log of a component."""
        return (self.home / f"{component}.out").read_text(errors="replace")

    def logs(self) -> str:
        """Return the end of each component's log."""
        return "\n".join(f"{name}: {self.log(name)[-1500:]}" for name in self.processes)


def wait_until(condition: Callable[[], Any], seconds: float = LONG_SECONDS, every: float = 0.5) -> bool:
    """Wait until a condition holds, and return whether it does."""
    ends = time.monotonic() + seconds
    while not (holds := bool(condition())) and time.monotonic() < ends:
        time.sleep(every)
    return holds


@contextmanager
def running_airflow(
    home: Path, dags: Path, shape: Shape | None = None, **extra: str
) -> Iterator[RunningAirflow]:
    """Run Airflow with the Dags of a folder and further environment variables."""
    shape, port = shape or Shape(), free_port()
    url = f"http://127.0.0.1:{port}"
    receiver = {"PUBLIC_BASE_URL": url, "WEBHOOK_SECRET": secrets.token_urlsafe(32)} if shape.receiver else {}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        **shape.environment(home),
        **{f"AIRFLOW__TELECOM__{name}": value for name, value in receiver.items()},
        **extra,
    }
    deployment = RunningAirflow(home, environment, url)
    deployment.airflow("db", "migrate")
    with ExitStack() as stack:
        for words in shape.components:
            stack.enter_context(_component(deployment, words))
        parts = () if shape.only_api_server else ("scheduler", "dag_processor")
        _wait_until_ready(deployment, parts)
        yield deployment
    left = [process.cmdline() for process in _processes_of(deployment)]
    assert not left, left


@contextmanager
def _component(deployment: RunningAirflow, words: Sequence[str]) -> Iterator[None]:
    name = words[-1].split("@")[0] if words[0] == "celery" else words[0]
    with (deployment.home / f"{name}.out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *words],
            env=deployment.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deployment.processes[name] = process
    try:
        yield
    finally:
        _end(process)


def _worker(name: str, concurrency: int) -> Sequence[str]:
    """Return the words that start a Celery worker; the last one begins with its name."""
    options = ("--concurrency", str(concurrency), "--skip-serve-logs")
    return ("celery", "worker", *options, "--celery-hostname", f"{name}@%h")


def celery_worker(deployment: RunningAirflow, name: str, concurrency: int) -> AbstractContextManager[None]:
    """Run one more Celery worker, and wait until it is ready for tasks."""
    return _component(deployment, _worker(name, concurrency))


def component(deployment: RunningAirflow, name: str) -> AbstractContextManager[None]:
    """Run a component that was killed once more."""
    return _component(deployment, (name,))


def kill_component(deployment: RunningAirflow, name: str) -> None:
    """End a component and all processes of its session by SIGKILL."""
    process = deployment.processes.pop(name)
    for other in [other for other in psutil.process_iter() if _session(other.pid) == process.pid]:
        with suppress(psutil.NoSuchProcess):
            other.kill()
    process.wait(LONG_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a component and all of its session: tasks have process groups of their own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(60)
    left = [other for other in psutil.process_iter() if _session(other.pid) == process.pid]
    for other in left:
        with suppress(psutil.NoSuchProcess):
            other.kill()
    psutil.wait_procs(left, timeout=LONG_SECONDS)
    process.wait(LONG_SECONDS)


def _session(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def _processes_of(deployment: RunningAirflow) -> list[psutil.Process]:
    """Return the processes that were started with this deployment's home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("AIRFLOW_HOME") == str(deployment.home):
                found.append(process)
    return found


def _wait_until_ready(deployment: RunningAirflow, parts: Sequence[str]) -> None:
    if not deployment.wait_until(lambda: _is_ready(deployment, parts)):
        raise TimeoutError(deployment.logs())


def _is_ready(deployment: RunningAirflow, parts: Sequence[str]) -> bool:
    try:
        with urlopen(f"{deployment.url}/api/v2/monitor/health", timeout=LONG_SECONDS) as answer:
            health = json.load(answer)
        return all(health[part]["status"] == "healthy" for part in ("metadatabase", *parts))
    except (URLError, OSError, KeyError, ValueError):
        return False
