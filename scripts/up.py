"""`make up`: Airflow in the browser, with the simulator, its connections, the example Dags, and your own.

Airflow's home is `.up`, or the first argument, and is kept for the next start. Your own Dags are in the
folder `dags` beside it. Everything listens on 127.0.0.1 only, and there is no login: anybody on this machine
is an administrator. Ctrl-C ends everything, also running tasks.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.server import Simulator

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / ".up"
COMPONENTS = ("api-server", "scheduler --skip-serve-logs", "dag-processor", "triggerer --skip-serve-logs")
"""Logs are read from files: Airflow's log servers would listen on more than 127.0.0.1."""
DAGS = HOME.parent / "dags"
PORT, SIMULATOR_PORT = 8080, 8090
READY_WITHIN_SECONDS = 300
TERMINATION_SECONDS = 2.0
"""What has not ended by then is killed: together with the simulator it takes less than 5 seconds."""
TRANSITIONS = {"kyivstar_open_telecom": 3, "ketchup_loyalty": 3, "novaconnect": 3}


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    HOME.mkdir(exist_ok=True, mode=0o700)
    DAGS.mkdir(exist_ok=True)
    try:
        with ExitStack() as stack:
            stack.enter_context(exclusive_home())
            say("Starting the simulator and Airflow. The first start takes a minute or two, the next ones")
            say(f"half of that. The logs are in {HOME}.")
            running = stack.enter_context(simulator())
            url, env = settings()
            migrate(env)
            started = stack.enter_context(components(COMPONENTS, env))
            wait_until_ready(url, started)
            for line in store_connections(url, connections_to(running)):
                say(line)
            say(f"\nAirflow       {url} (no login is needed)\nSimulator     {running.url}")
            say(f"Your Dags     {DAGS} (read within ten seconds)")
            say("Connections   on the page Admin > Connections; each has a button that tests it\n")
            say("Unpause or trigger an example Dag there. Ctrl-C ends everything within five seconds.")
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
def simulator() -> Iterator[Simulator]:
    """Run the simulator in this process, on its usual port unless that is taken."""
    from airflow_provider_telecom.simulator.server import Simulator

    running = Simulator(usual_port(SIMULATOR_PORT))
    running.start()
    for kind, seconds in TRANSITIONS.items():
        running.state.set_transition(kind, "after_seconds", seconds)
    try:
        yield running
    finally:
        running.stop()


def connections_to(running: Simulator) -> list[dict[str, Any]]:
    """Return the default connections as Airflow's API takes them."""
    from airflow_provider_telecom.provider_info import get_provider_info

    found = []
    for form in get_provider_info()["connection-types"]:
        connection = running.connection(form["connection-type"])
        # The form of a stored connection shows only those fields that its extra has.
        fields = {name: field["schema"].get("default") for name, field in form["conn-fields"].items()}
        found.append({
            **connection,
            "connection_id": f"{form['connection-type']}_default",
            "description": "The simulator of `make up`",
            "port": running.port,  # without a port, Airflow's Test button refuses the connection
            "extra": json.dumps({**fields, **connection["extra"]}),
        })
    return found


def store_connections(url: str, connections: list[dict[str, Any]]) -> Iterator[str]:
    """Add the connections to Airflow's database, and yield what there is to say.

    A connection that is there already is not changed, except that one that leads to this machine follows the
    simulator to its port.
    """
    for wanted in connections:
        path = f"{url}/api/v2/connections/{wanted['connection_id']}"
        stored = ask(url, path, missing=404)
        if stored is None:
            ask(url, f"{url}/api/v2/connections", wanted)
        elif not str(stored["host"]).startswith("http://127.0.0.1:"):
            yield f"{wanted['connection_id']} is yours and is left as it is: {stored['host'] or 'no host'}"
        elif stored["host"] != wanted["host"]:
            ask(url, f"{path}?update_mask=host&update_mask=port", wanted, "PATCH")


def ask(
    url: str, path: str, body: dict[str, Any] | None = None, method: str | None = None, missing: int = 0
) -> Any:
    """Ask Airflow's API; return None for the status `missing`. Raises RuntimeError."""
    try:
        with urlopen(f"{url}/auth/token", timeout=60) as answer:
            token = json.load(answer)["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(path, data, headers, method=method), timeout=60) as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code == missing:
            return None
        raise RuntimeError(f"Airflow refused {path}: {error.read()[:500].decode()}") from None
    except OSError as error:
        raise RuntimeError(f"Airflow did not answer {path}: {error}") from None


def settings() -> tuple[str, dict[str, str]]:
    """Return Airflow's address and environment."""
    port, health_port = usual_port(PORT), usual_port(0)
    url = f"http://127.0.0.1:{port}"
    bundles = [
        {
            "name": name,
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path), "refresh_interval": 3},
        }
        for name, path in (("examples", ROOT / "example_dags"), ("dags", DAGS))
    ]
    return url, {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
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


def usual_port(port: int) -> int:
    """Return a port of 127.0.0.1 if it is free, and another free one otherwise."""
    try:
        with socket.create_server(("127.0.0.1", port)) as listener:
            return int(listener.getsockname()[1])
    except OSError:
        return usual_port(0)


def kept_secret(name: str) -> str:
    """Return a secret of this home; it is created once, so that a restart can read what was encrypted."""
    path = HOME / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    return path.read_text()


def migrate(env: dict[str, str]) -> None:
    """Create or upgrade the database. Raises RuntimeError."""
    with components(["db migrate"], env) as started:
        if started["db migrate"].wait():
            raise RuntimeError(f"Airflow's database could not be prepared:\n{end_of_log('db migrate')}")


@contextmanager
def components(names: Sequence[str], env: dict[str, str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run Airflow commands, each in a process group of its own, and end all of them afterwards."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            command = [sys.executable, "-m", "airflow", *name.split()]
            with log_of(name).open("wb") as log:
                started[name] = subprocess.Popen(
                    command, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
        yield started
    finally:
        end(list(started.values()))


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Terminate processes, and kill with all descendants what does not end in time.

    Tasks have process groups of their own. Airflow's processes change their titles, which may hide what their
    environment was, so they are found as descendants while their parents live.
    """
    family = [one for process in processes for one in family_of(process.pid)]
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    psutil.wait_procs(family, timeout=TERMINATION_SECONDS)
    for other in {*family, *(one for process in processes for one in family_of(process.pid))}:
        with suppress(psutil.Error):
            other.kill()
    for process in processes:
        process.wait()


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, none if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


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
