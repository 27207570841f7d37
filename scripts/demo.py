"""`make demo`: a first SMS campaign, in real Airflow, against the simulator, on this machine alone.

Starts the simulator, gives Airflow a home of its own with SQLite, runs the Dag `first_campaign`, shows its
progress and its table, and ends every process that it started.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
DAGS = ROOT / "example_dags"
LOG = HOME / "airflow.log"
MARK = "[campaign] "
SECONDS_FOR_ALL = 170


@contextmanager
def simulator() -> Iterator[dict[str, str]]:
    """Run the simulator in this process and give the AIRFLOW_CONN_* variables that point at it."""
    from airflow_provider_telecom.simulator.server import Simulator

    town = Simulator()
    town.start()
    try:
        town.town.set_ripeness("ketchup.sms", "seconds", 2)
        yield town.environment()
    finally:
        town.stop()


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
    """Run an Airflow command; its lines go to the log, the campaign's own lines are shown."""
    command = [sys.executable, "-m", "airflow", *words]
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                if MARK in line:
                    show(line.split(MARK, 1)[1])
                if time.monotonic() > deadline:
                    raise TimeoutError("the demo took too long")
            return process.wait()
        except BaseException:
            process.kill()
            raise


def show(text: str) -> None:
    """Print a line of the campaign without Airflow's own trailing facts."""
    print("  " + re.sub(r" +\[[\w.]+\]( \w+=.*)?$", "", text.rstrip()), flush=True)


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
        step("2/2  Running the Dag first_campaign: 1,000 recipients, an individual SMS each ...")
        if airflow("dags", "test", "first_campaign", env=env, deadline=deadline):
            return failed("the campaign failed")
    print(f"\nDone in {time.monotonic() - started:.0f} s.")
    print("The Dag is example_dags/first_campaign.py, Airflow's log .demo/airflow.log")
    return 0


def failed(what: str) -> int:
    """Say what went wrong and show the end of the log."""
    print(f"\n{what}; the end of .demo/airflow.log:\n", file=sys.stderr)
    print("".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-30:]), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
