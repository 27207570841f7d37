"""`make demo`: an SMS campaign, in real Airflow, against the simulator, on this machine alone.

Starts the simulator, gives Airflow a home of its own with SQLite, runs the Dag `example_ketchup_messaging`,
shows how it goes and its table, and ends every process that it started.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.state import SimulatorState

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
DAGS = ROOT / "example_dags"
DAG_ID = "example_ketchup_messaging"
LOG = HOME / "airflow.log"
SECONDS_FOR_ALL = 170
STARTING = "[DAG TEST] starting task_id="
TASKS = {
    "price": "price: reading the recipients, asking what it will cost",
    "send": "send: an SMS of their own to each, 500 in a call",
    "wait_for_receipts": "wait_for_receipts: until at least 75 % are delivered",
    "report": "report:",
}


@contextmanager
def simulator() -> Iterator[dict[str, str]]:
    """Run the simulator in this process and give the AIRFLOW_CONN_* variables that point at it."""
    from airflow_provider_telecom.simulator.server import Simulator

    running, ended = Simulator(), threading.Event()
    running.start()
    watching = threading.Thread(target=tell_progress, args=(running.state, ended))
    try:
        running.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
        watching.start()
        yield running.environment()
    finally:
        ended.set()
        watching.join()
        running.stop()


def tell_progress(state: SimulatorState, ended: threading.Event) -> None:
    """Say what the vendor has got and delivered, whenever that has changed."""
    from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

    told = (0, 0)
    while not ended.wait(0.2):
        messages = list(state.vendor_state("ketchup_loyalty", VendorState).messages.values())
        found = len(messages), sum(message.delivery.final for message in messages)
        if found != told:
            show(f"  the vendor has {found[0]:,} messages, {found[1]:,} of them with a final receipt")
        told = found


def environment(connections: dict[str, str]) -> dict[str, str]:
    """Return what Airflow needs: a home of its own, SQLite, our Dags only, the simulator's connections."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **connections,
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "PYTHONUNBUFFERED": "1",
    }


def airflow(*words: str, env: dict[str, str], deadline: float) -> int:
    """Run an Airflow command; its lines go to the log, and those that tell how it goes are shown."""
    command = [sys.executable, "-m", "airflow", *words]
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        alarm = threading.Timer(deadline - time.monotonic(), process.kill)
        alarm.start()
        try:
            for line in process.stdout:
                log.write(line)
                if STARTING in line:
                    task_id = line.split(STARTING, 1)[1].split()[0]
                    show(TASKS.get(task_id, task_id))
                elif line.startswith(("| ", "+-")):
                    show(f"  {line.rstrip()}")
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            alarm.cancel()


def show(text: str) -> None:
    """Print a line of the campaign."""
    print(f"  {text}", flush=True)


def step(text: str) -> None:
    """Say what is under way."""
    print(f"\n{text}", flush=True)


def main() -> int:
    """Run the demo and return its exit code."""
    started = time.monotonic()
    deadline = started + SECONDS_FOR_ALL
    HOME.mkdir(exist_ok=True)
    LOG.unlink(missing_ok=True)
    with simulator() as connections:
        env = environment(connections)
        step("1/2  Preparing Airflow's database (SQLite, in .demo) ...")
        if airflow("db", "migrate", env=env, deadline=deadline):
            return failed("Airflow's database could not be prepared")
        step(f"2/2  Running the Dag {DAG_ID}: 1,000 recipients ...")
        if airflow("dags", "test", DAG_ID, env=env, deadline=deadline):
            return failed("the campaign failed")
    print(f"\nDone in {time.monotonic() - started:.0f} s.")
    print(
        f"The Dag is example_dags/{DAG_ID}.py, Airflow's log .demo/airflow.log, the results in .demo/telecom."
    )
    return 0


def failed(what: str) -> int:
    """Say what went wrong and show the end of the log."""
    print(f"\n{what}; the end of .demo/airflow.log:\n", file=sys.stderr)
    print("".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-30:]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
