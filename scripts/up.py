"""`make up`: Airflow in the browser, with the simulator, its connections, and the example Dags.

Airflow's home is `.up`, or the first argument, and is kept for the next start. Everything listens on
127.0.0.1 only. Anybody on this machine who finds the port is an administrator. Ctrl-C ends everything.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / ".up"
COMPONENTS = ("api-server", "scheduler --skip-serve-logs", "dag-processor", "triggerer --skip-serve-logs")
"""Logs are read from files: Airflow's log servers would listen on more than 127.0.0.1."""
READY_WITHIN_SECONDS = 300
TERMINATION_SECONDS = 15
TRANSITIONS = {"kyivstar_open_telecom": 3, "ketchup_loyalty": 3, "novaconnect": 3}


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    HOME.mkdir(exist_ok=True, mode=0o700)
    try:
        with ExitStack() as stack:
            stack.enter_context(exclusive_home())
            say(f"Starting the simulator and Airflow (half a minute or so; the logs are in {HOME}) ...")
            simulator_url, connections = stack.enter_context(simulator())
            url, env = settings(connections)
            migrate(env)
            started = {name: stack.enter_context(component(name, env)) for name in COMPONENTS}
            wait_until_ready(url, started)
            say(f"\nAirflow       {url}\nSimulator     {simulator_url}\n")
            say("Unpause or trigger an example Dag there. Ctrl-C ends everything.")
            monitor(started)
    except KeyboardInterrupt:
        say("\nEverything has ended.")
        return 0
    except RuntimeError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def _stop(number: int, frame: object) -> None:
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_IGN)  # the shutdown takes seconds and must not be interrupted
    raise KeyboardInterrupt


@contextmanager
def exclusive_home() -> Iterator[None]:
    """Allow one `make up` per home. Raises RuntimeError."""
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError("another `make up` is running here") from None
        yield


@contextmanager
def simulator() -> Iterator[tuple[str, dict[str, str]]]:
    """Run the simulator in this process; yield its address and the variables of its connections."""
    from airflow_provider_telecom.simulator.server import Simulator

    running = Simulator()
    running.start()
    for kind, seconds in TRANSITIONS.items():
        running.state.set_transition(kind, "after_seconds", seconds)
    try:
        yield running.url, running.environment()
    finally:
        running.stop()


def settings(connections: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return Airflow's address and environment."""
    port, health_port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    return url, {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **connections,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__FERNET_KEY": kept_secret("fernet.key"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": kept_secret("jwt.key"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(health_port),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__TELECOM__PUBLIC_BASE_URL": url,  # for the simulator's webhooks
        "AIRFLOW__TELECOM__WEBHOOK_SECRET": kept_secret("webhook.key"),
        # Seconds after which a worker notices that its task has ended. A task resumed earlier loses a try.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }


def free_ports(count: int) -> list[int]:
    """Return different free ports of 127.0.0.1."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def kept_secret(name: str) -> str:
    """Return a secret of this home; it is created once, so that a restart can read what was encrypted."""
    path = HOME / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    return path.read_text()


def migrate(env: dict[str, str]) -> None:
    """Create or upgrade the database. Raises RuntimeError."""
    with component("db migrate", env) as process:
        if process.wait():
            raise RuntimeError(f"Airflow's database could not be prepared:\n{end_of_log('db migrate')}")


@contextmanager
def component(name: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run an Airflow command in its own process group, and end the whole group afterwards."""
    command = [sys.executable, "-m", "airflow", *name.split()]
    with log_of(name).open("wb") as log:
        process = subprocess.Popen(
            command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a process group, and kill it if it does not end in time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATION_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_ready(url: str, started: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until all parts of Airflow are healthy. Raises RuntimeError."""
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while not is_healthy(url):
        check(started)
        if time.monotonic() > ends:
            raise RuntimeError(f"Airflow did not become healthy; its logs are in {HOME}")
        time.sleep(0.5)


def is_healthy(url: str) -> bool:
    """Return whether Airflow reports all its parts as healthy."""
    try:
        with urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(found[part]["status"] == "healthy" for part in ("scheduler", "dag_processor", "triggerer"))


def monitor(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until a part of Airflow ends unexpectedly. Raises RuntimeError."""
    while True:
        check(started)
        time.sleep(1)


def check(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """Raise RuntimeError if a part of Airflow has ended."""
    for name, process in started.items():
        if process.poll() is not None:
            raise RuntimeError(f"Airflow's {name} has ended:\n{end_of_log(name)}")


def log_of(name: str) -> Path:
    """Return the path of the log of a part of Airflow."""
    return HOME / f"{name.partition(' --')[0].replace(' ', '-')}.log"


def end_of_log(name: str) -> str:
    """Return the last lines of a log."""
    return "\n".join(log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()[-20:])


if __name__ == "__main__":
    sys.exit(main())
