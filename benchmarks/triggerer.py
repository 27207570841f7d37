"""Two thousand waiting triggers in a real triggerer, ours and HttpSensorTrigger in turn.

Both sorts are deferred once. To let one of them wait, the triggers of the other are given, in the
database, to a triggerer that does not exist. The vendor is the server of polls.py, over https.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from measuring import Figure, Sample, figure, in_turn, peer_package, require, run
from polls import KEY, connect, server

INTERVAL, TASKS, START_SECONDS = 10, 10, 900
_DAGS = '''
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsDeliveredSensor


class HttpWait(BaseOperator):
    """Waits with the http provider's trigger, from the start."""

    def __init__(self, *, endpoint, **kwargs):
        super().__init__(**kwargs)
        self.start_from_trigger = True
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls="airflow.providers.http.triggers.http.HttpSensorTrigger",
            trigger_kwargs={
                "endpoint": endpoint,
                "http_conn_id": "polls_http",
                "headers": {"X-API-KEY": KEY},
                "extra_options": {"verify_ssl": False},
                "poke_interval": float(INTERVAL),
            },
            next_method="execute",
        )


with DAG("ours", schedule=None, max_active_runs=1000, max_active_tasks=1000):
    for number in range(TASKS):
        KetchUpSmsDeliveredSensor(
            task_id=f"wait_{number}",
            conn_id="polls",
            reference=f"{{{{ run_id }}}}x{number}",
            poke_interval=INTERVAL,
            deferrable=True,
            start_from_trigger=True,
        )

with DAG("peer", schedule=None, max_active_runs=1000, max_active_tasks=1000):
    for number in range(TASKS):
        HttpWait(task_id=f"wait_{number}", endpoint=f"/missing/{number}")
'''
_NO_COLLECTIONS = "import gc\n\ngc.disable()\n"
"""Airflow keeps a copy of the Dag for each trigger, and a full collection of all these stops the loop."""
_CLASSES = {"ours": "airflow_provider_telecom%", "peer": "airflow.providers.http%"}


class Triggerer:
    """A deployment whose triggerer can be given one sort of triggers."""

    def __init__(self, airflow: Any, url: str, certificate: Path) -> None:
        self.airflow, self.url, self.certificate = airflow, url, certificate

    def execute(self, statement: str, **values: object) -> None:
        """Change the database."""
        from sqlalchemy import create_engine, text

        engine = create_engine(self.airflow.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def defer(self, dag_id: str, runs: int) -> None:
        """Start so many runs, and wait until all their tasks are deferred."""
        for number in range(runs):
            self.airflow.start_run(dag_id, f"r{number}")
        query = "select count(*) from task_instance where dag_id = :dag_id and state = 'deferred'"
        wanted = runs * TASKS
        deferred = partial(self.airflow.value, query, dag_id=dag_id)
        found = self.airflow.wait_until(lambda: deferred() == wanted, START_SECONDS, 1)
        require(found, f"{deferred()} of {wanted} tasks of {dag_id} are deferred; {self.airflow.logs()}")

    def park(self, *sorts: str) -> None:
        """Give the triggers of these sorts to a triggerer that does not exist, and all others to ours."""
        self.execute(
            "insert into job (id, state, job_type, start_date, latest_heartbeat, hostname) select 999999, "
            "'running', 'TriggererJob', now(), now() + interval '1 day', 'nowhere' "
            "where not exists (select 1 from job where id = 999999)"
        )
        for sort, name in _CLASSES.items():
            owner = 999_999 if sort in sorts else None
            self.execute(
                "update trigger set triggerer_id = :owner where classpath like :name", owner=owner, name=name
            )

    def polls(self) -> int:
        """Return how many requests the vendor had."""
        import ssl
        from urllib.request import urlopen

        context = ssl.create_default_context(cafile=str(self.certificate))
        with urlopen(f"{self.url}/_paths", timeout=60, context=context) as answer:
            return int(re.findall(rb"\d+", answer.read())[0])

    def cpu(self) -> float:
        """Return the CPU seconds of the triggerer's processes."""
        first = psutil.Process(self.airflow.processes["triggerer"].pid)
        return sum(sum(one.cpu_times()[:2]) for one in (first, *first.children(recursive=True)))

    def blocked(self) -> int:
        """Return how often the triggerer has said that its loop was blocked."""
        return sum("blocked for" in line for line in self.airflow.log("triggerer").splitlines())

    def sample(self, sort: str, waiters: int, seconds: float) -> Sample:
        """Let one sort of triggers wait; return what a poll takes."""
        self.park(*(set(_CLASSES) - {sort}))
        query = "select count(*) from trigger where classpath like :name and triggerer_id <> 999999"
        runs_all = partial(self.airflow.value, query, name=_CLASSES[sort])
        started = self.airflow.wait_until(lambda: runs_all() == waiters, START_SECONDS, 1)
        require(started, f"{sort}: {runs_all()} of {waiters} triggers run; {self.airflow.logs()}")
        began = self.polls()  # all have begun to poll evenly when they have polled twice
        polled = self.airflow.wait_until(lambda: self.polls() - began >= 2 * waiters, START_SECONDS, 1)
        require(polled, f"{sort}: {waiters} triggers did not poll; {self.airflow.logs()}")
        polls, cpu, blocked, start = self.polls(), self.cpu(), self.blocked(), time.monotonic()
        time.sleep(seconds)
        wall = time.monotonic() - start
        polls = self.polls() - polls
        require(
            polls > 0.5 * waiters * wall / INTERVAL / 1.1,
            f"{sort}: {polls} polls in {wall:.0f} s; {self.airflow.logs()}",
        )
        cpu = self.cpu() - cpu
        return {"cpu": cpu / polls, "share": cpu / wall, "blocked": self.blocked() - blocked}


def https(quick: bool) -> list[Figure]:
    """Let both sorts wait in turn."""
    from tests.system.running import Shape, running_airflow
    from tests.system.services import running_postgres

    http = f"HttpSensorTrigger, {peer_package('apache-airflow-providers-http', 'airflow.providers.http')}"
    runs, seconds = (10, 12.0) if quick else (200, 3.0 * INTERVAL)
    waiters = runs * TASKS
    with ExitStack() as stack:
        urls, certificate = stack.enter_context(server())
        connect(urls["https"], certificate)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telecom-bench-")))
        home, dags = folder / "home", folder / "dags"
        (home / "config").mkdir(parents=True)
        (home / "config" / "airflow_local_settings.py").write_text(_NO_COLLECTIONS)
        dags.mkdir()
        values = f"KEY, INTERVAL, TASKS = {KEY!r}, {INTERVAL}, {TASKS}\n"
        (dags / "waiting_dags.py").write_text(values + _DAGS)
        database = stack.enter_context(running_postgres()).new_database("triggerer")
        shape = Shape(database=database, parallelism=4, triggers=2 * waiters + 100)
        connections = {name: os.environ[name] for name in ("AIRFLOW_CONN_POLLS", "AIRFLOW_CONN_POLLS_HTTP")}
        at_once = {"AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": str(2 * waiters)}
        airflow = stack.enter_context(running_airflow(home, dags, shape, **at_once, **connections))
        triggerer = Triggerer(airflow, urls["https"], certificate)
        for sort in _CLASSES:
            triggerer.defer(sort, runs)
        rounds = in_turn({
            "ours": partial(triggerer.sample, "ours", waiters, seconds),
            http: partial(triggerer.sample, "peer", waiters, seconds),
        })
        failed = airflow.value("select count(*) from task_instance where state <> 'deferred'")
        require(not failed, f"{failed} tasks are not deferred any more; {airflow.logs()}")
    title = f"{waiters:,} waiters in a triggerer, https, every {INTERVAL} s"
    facts = {"waiters": waiters, "interval_s": INTERVAL}
    return [
        figure(
            "triggerer.cpu",
            f"A poll, all of the triggerer; {title}",
            "ms of CPU",
            rounds,
            peer=http,
            limit=0.5,
            scale=1e3,
            **facts,
        ),
        figure(
            "triggerer.share", f"Of a core; {title}", "%", rounds, of="share", scale=100, peer=http, **facts
        ),
        figure(
            "triggerer.blocked",
            f"Warnings that the loop was blocked; {title}",
            "warnings",
            rounds,
            of="blocked",
            limit=0,
            limit_of="ours",
            **facts,
        ),
        figure(
            "triggerer.peer.blocked",
            f"The same of {http}",
            "warnings",
            rounds,
            of="blocked",
            ours=http,
            **facts,
        ),
    ]


CASES = {"https": https}

if __name__ == "__main__":
    run(CASES, __doc__)
