"""`make demo`: a campaign in a real Airflow with the simulator, on this machine only.

Starts the simulator and an Airflow with its own home and SQLite, runs the Dag `example_campaign`,
shows its progress and its report, and ends every process that it started.
"""

from __future__ import annotations

import os
import re
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
DAG_ID = "example_campaign"
LOG = HOME / "airflow.log"
TIMEOUT_SECONDS = 170
TASK_STARTS = "[DAG TEST] starting task_id="
TABLE_LINE = re.compile(r"(?:\S+ \[info +\] dry run: |  )(?P<text> *\S.*?) *(?:\[airflow[._].*)?$")
"""The tables of the dry run and of the report: the first has a line in the log for each of its own."""
TASKS = {
    "audience": "audience: leaves out duplicates, the stop list and a control group, and writes why",
    "preview": "preview: a dry run; the texts, their price, and what is left of the budget",
    "spring.viber.send": "spring.viber.send: a Viber message to each recipient, 500 in one request",
    "spring.viber.receipts": "spring.viber.receipts: waits for the receipts",
    "spring.sms.audience": "spring.sms.audience: selects those whom Viber certainly did not reach",
    "spring.sms.send": "spring.sms.send: an SMS to these",
    "spring.sms.receipts": "spring.sms.receipts: waits for the receipts",
    "spring.report": "spring.report: who was reached by which channel, and what it cost",
}


@contextmanager
def simulator() -> Iterator[dict[str, str]]:
    """Run the simulator in this process and yield the AIRFLOW_CONN_* variables of its connections."""
    from airflow_provider_telecom.simulator.server import Simulator

    running, ended = Simulator(), threading.Event()
    running.start()
    progress = threading.Thread(target=show_progress, args=(running.state, ended))
    try:
        running.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
        progress.start()
        yield running.environment()
    finally:
        ended.set()
        progress.join()
        running.stop()


def show_progress(state: SimulatorState, ended: threading.Event) -> None:
    """Show how many messages the vendor has received and delivered, whenever this changes."""
    from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

    shown = (0, 0)
    while not ended.wait(0.05):
        messages = list(state.vendor_state("ketchup_loyalty", VendorState).messages.values())
        counts = len(messages), sum(message.delivery.final for message in messages)
        if counts != shown:
            show(f"  the vendor has {counts[0]:,} messages, {counts[1]:,} of them with a final receipt")
        shown = counts


def environment(connections: dict[str, str]) -> dict[str, str]:
    """Return Airflow's environment: its own home, SQLite, our Dags only, the simulator's connections."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **connections,
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",  # no worker runs, so a trigger need not wait for one
        "PYTHONUNBUFFERED": "1",
    }


def airflow(*words: str, env: dict[str, str], deadline: float) -> int:
    """Run an Airflow command. Its output goes to the log; the lines that show progress are also printed."""
    command = [sys.executable, "-m", "airflow", *words]
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        timer = threading.Timer(deadline - time.monotonic(), process.kill)
        timer.start()
        try:
            for line in process.stdout:
                log.write(line)
                if TASK_STARTS in line:
                    task_id = line.split(TASK_STARTS, 1)[1].split()[0]
                    show(TASKS.get(task_id, task_id))
                elif (found := TABLE_LINE.match(line)) is not None:
                    show(f"  {found['text']}")
            return process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()


def show(text: str) -> None:
    """Print an indented line."""
    print(f"  {text}", flush=True)


def step(text: str) -> None:
    """Print the heading of a step."""
    print(f"\n{text}", flush=True)


def main() -> int:
    """Run the demo and return its exit code."""
    started = time.monotonic()
    deadline = started + TIMEOUT_SECONDS
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
    """Print what went wrong and the end of the log; return the exit code."""
    print(f"\n{what}; the end of .demo/airflow.log:\n", file=sys.stderr)
    print("".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-30:]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
