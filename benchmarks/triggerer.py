"""Two thousand waiting triggers in a real triggerer, ours and HttpSensorTrigger in turn.

Both sorts are deferred once, while no triggerer runs. To let one of them wait, the triggers of the other are
given, in the database, to a triggerer that does not exist, and a new triggerer is started: the former one
would still be ending the other sort's triggers. The vendor is the server of polls.py, over https; it counts
how many have polled.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from measuring import Figure, Sample, figure, in_turn, peer_package, require, run
from polls import KEY, connect, counts, server

INTERVAL, TASKS, START_SECONDS = 10, 10, 300
_DAGS = '''
from airflow.sdk import DAG, BaseOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsDeliveredSensor


class HttpWait(BaseOperator):
    """Waits with the http provider's trigger, from the start."""

    template_fields = ("endpoint",)

    def __init__(self, *, endpoint, **kwargs):
        super().__init__(**kwargs)
        self.endpoint = endpoint
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
        HttpWait(task_id=f"wait_{number}", endpoint=f"/missing/{{{{ run_id }}}}x{number}")
'''
_NO_COLLECTIONS = "import gc\n\ngc.disable()\n"
"""Airflow keeps a copy of the Dag for each trigger, and a full collection of all these stops the loop."""
_NO_WARNINGS = "airflow.providers.http=ERROR"
"""HttpSensorTrigger logs a warning at each poll. A triggerer's supervisor takes 4 KB of log in each turn of
its loop. With 2,000 triggers it falls behind on a busy machine, and then each line stops the event loop."""
_CLASSES = {"ours": "airflow_provider_telecom%", "peer": "airflow.providers.http%"}


class Triggerer:
    """A deployment in which one sort of triggers at a time has a triggerer."""

    def __init__(self, airflow: Any, url: str) -> None:
        self.airflow, self.url = airflow, url

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

    def give(self, sort: str) -> None:
        """Give the triggers of a sort to the next triggerer, and all others to one that does not exist."""
        self.execute(
            "insert into job (id, state, job_type, start_date, latest_heartbeat, hostname) select 999999, "
            "'running', 'TriggererJob', now(), now() + interval '1 day', 'nowhere' "
            "where not exists (select 1 from job where id = 999999)"
        )
        for other, name in _CLASSES.items():
            owner = None if other == sort else 999_999
            self.execute(
                "update trigger set triggerer_id = :owner where classpath like :name", owner=owner, name=name
            )

    def polled(self, path: str = "/_paths") -> tuple[int, int]:
        """Return how many requests the vendor had, and from how many waiters."""
        return asyncio.run(counts(self.url, path))

    def blocked(self) -> int:
        """Return how often the triggerer has said that its loop was blocked."""
        return sum("blocked for" in line for line in self.airflow.log("triggerer").splitlines())

    def sample(self, sort: str, waiters: int, seconds: float) -> Sample:
        """Let one sort of triggers wait in a new triggerer; return what a poll takes."""
        from tests.system.running import component, kill_component

        self.give(sort)
        self.polled("/_forget")
        with component(self.airflow, "triggerer"):
            self.wait_until_all_poll(sort, waiters)
            time.sleep(INTERVAL)
            sample = self.measured(sort, waiters, seconds)
            kill_component(self.airflow, "triggerer")
        return sample

    def wait_until_all_poll(self, sort: str, waiters: int) -> None:
        """Wait until each waiter has polled."""
        all_poll = self.airflow.wait_until(lambda: self.polled()[1] >= waiters, START_SECONDS, 1)
        requests, polled = self.polled()
        query = "select count(*) from trigger where classpath like :name"
        require(
            all_poll,
            f"{sort}: {polled} of {waiters} triggers polled in {START_SECONDS} s, {requests} times in all; "
            f"{self.airflow.value(query, name=_CLASSES[sort])} exist; {self.airflow.logs()}",
        )

    def measured(self, sort: str, waiters: int, seconds: float) -> Sample:
        """Return what a poll takes in so many seconds."""
        first = psutil.Process(self.airflow.processes["triggerer"].pid)
        processes = [first, *first.children(recursive=True)]

        def cpu() -> float:
            return sum(sum(one.cpu_times()[:2]) for one in processes)

        start, used, blocked, (before, _) = time.monotonic(), cpu(), self.blocked(), self.polled()
        time.sleep(seconds)
        polls, used, wall = self.polled()[0] - before, cpu() - used, time.monotonic() - start
        due = waiters * wall / INTERVAL
        require(
            polls > 0.5 * due,
            f"{sort}: {waiters} triggers polled {polls} times in {wall:.0f} s, instead of {due:.0f} times: "
            f"they are more than a triggerer can serve; {self.airflow.logs()}",
        )
        return {
            "cpu": used / polls,
            "share": used / wall,
            "rate": polls / wall,
            "blocked": self.blocked() - blocked,
        }


def https(quick: bool) -> list[Figure]:
    """Let both sorts wait in turn."""
    from tests.system.running import Shape, kill_component, running_airflow
    from tests.system.services import running_postgres

    http = f"HttpSensorTrigger, {peer_package('apache-airflow-providers-http', 'airflow.providers.http')}"
    runs, seconds = (10, 1.0 * INTERVAL) if quick else (200, 2.0 * INTERVAL)
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
        airflow = stack.enter_context(
            running_airflow(
                home,
                dags,
                shape,
                AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP=str(2 * waiters),
                AIRFLOW__LOGGING__NAMESPACE_LEVELS=_NO_WARNINGS,
                **connections,
            )
        )
        kill_component(airflow, "triggerer")
        triggerer = Triggerer(airflow, urls["https"])
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
            "triggerer.rate",
            f"Polls a second, of {waiters // INTERVAL} that are due; {title}",
            "polls/s",
            rounds,
            of="rate",
            peer=http,
            more_is_better=True,
            **facts,
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
