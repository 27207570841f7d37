"""A real Airflow with Celery, Redis and PostgreSQL: bulk sends in shards beside mapped HttpOperators.

One worker sends all messages of a campaign in eight shards, in turn with 100 mapped HttpOperators; then two
workers send them. A last task writes to its state store, as the journal does.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from measuring import ROOT, Figure, Sample, figure, in_turn, peer_package, require, run, simulator

SLOTS = 4
"""The tasks that a worker runs at a time."""
_DAGS = """
import json
import time

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG, get_current_context, task

PHONE = {"originator": "test", "body": "Hello", "msisdn": "380670000200"}


with DAG("mapped", schedule=None, max_active_tasks=1000):

    @task
    def bodies(run_id=None):
        each = [[{**PHONE, "reference": f"{run_id}x{number}"}] for number in range(MAPPED)]
        body = {"validity": 72, "tariff": 0, "destination": "individual"}
        return [json.dumps({**body, "phones": phones}) for phones in each]

    HttpOperator.partial(
        task_id="send",
        http_conn_id="bench_http",
        endpoint="rest/sms/create",
        headers={"X-API-KEY": API_KEY, "Content-Type": "application/json"},
        response_check=lambda response: response.json()["result"][0]["error"] == "0",
    ).expand(data=bodies())

with DAG("journal", schedule=None):

    @task
    def write():
        store, times = get_current_context()["task_state_store"], []
        for number in range(WRITES):
            began = time.perf_counter()
            store.set(f"entry_{number % 10}", {"state": "intent", "number": number})
            times.append(time.perf_counter() - began)
        return sorted(times)

    write()
"""


@contextmanager
def deployment(messages: int, mapped: int, writes: int) -> Iterator[Any]:
    """Run the deployment with no worker."""
    from tests.system.running import Shape, running_airflow
    from tests.system.services import running_postgres, running_redis
    from tests.system.shards.shards_dag import SHARDS

    with ExitStack() as stack:
        connections, _ = stack.enter_context(simulator())
        ours = json.loads(connections["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="telecom-bench-")))
        home, dags, files = (folder / name for name in ("home", "dags", "files"))
        for one in (home, dags, files):
            one.mkdir()
        numbers = range(380_670_000_000, 380_670_000_000 + messages)
        (files / "people.csv").write_text("msisdn\n" + "".join(f"{number}\n" for number in numbers))
        shutil.copy(ROOT / "tests" / "system" / "shards" / "shards_dag.py", dags)
        values = f"API_KEY, MAPPED, WRITES = {ours['password']!r}, {mapped}, {writes}\n"
        (dags / "bench_dags.py").write_text(values + _DAGS)
        database = stack.enter_context(running_postgres()).new_database("bench")
        shape = Shape(
            database=database,
            broker=stack.enter_context(running_redis()),
            parallelism=2 * SHARDS,
            workers=0,
        )
        settings = {
            **connections,
            "TELECOM_SHARDS_FILES": str(files),
            "AIRFLOW_CONN_BENCH_HTTP": json.dumps({"conn_type": "http", "host": ours["host"]}),
        }
        yield stack.enter_context(running_airflow(home, dags, shape, **settings))


def cpu_seconds(airflow: Any) -> float:
    """Return the CPU seconds of all processes of the deployment, ended tasks included."""
    return sum(cpu_of(airflow, name) for name in airflow.processes)


def cpu_of(airflow: Any, name: str) -> float:
    """Return the CPU seconds of a component and its processes."""
    first = [psutil.Process(airflow.processes[name].pid)]
    everything = [other for one in first for other in (one, *one.children(recursive=True))]
    return sum(sum(process.cpu_times()[:4]) for process in everything)


class Runs:
    """Runs of Dags, each with a new id."""

    def __init__(self, airflow: Any) -> None:
        self.airflow, self.count = airflow, 0

    def __call__(self, dag_id: str, task_id: str, tasks: int, messages: int) -> Sample:
        """Run a Dag to its end; return the seconds from the first task's start to the last one's end."""
        self.count += 1
        run_id, cpu = f"run{self.count}", cpu_seconds(self.airflow)
        state = self.airflow.run_to_end(dag_id, run_id)
        logs = self.airflow.task_logs(dag_id, run_id)
        require(state == "success", f"{dag_id} is {state}: {logs[-3000:]}")
        query = (
            "select count(*), max(try_number), extract(epoch from max(end_date) - min(start_date)) "
            "from task_instance where dag_id = :dag_id and task_id = :task_id and run_id = :run_id"
        )
        found, tries, seconds = self.airflow.rows(query, dag_id=dag_id, task_id=task_id, run_id=run_id)[0]
        require((found, tries) == (tasks, 1), f"{dag_id}: {found} tasks in {tries} tries")
        return {
            "wall": float(seconds) / messages,
            "cpu": (cpu_seconds(self.airflow) - cpu) / messages,
            "rate": messages / float(seconds),
        }


def celery(quick: bool) -> list[Figure]:
    """Send by one worker, in turn with mapped tasks; then by two; then write to the state store."""
    from tests.system.running import celery_worker
    from tests.system.shards.shards_dag import SHARDS

    http = peer_package("apache-airflow-providers-http", "airflow.providers.http")
    messages, mapped, writes = (4_000, 4, 5) if quick else (200_000, 100, 100)
    with deployment(messages, mapped, writes) as airflow, ExitStack() as workers:
        runs = Runs(airflow)
        bulk = partial(runs, "shards", "send", SHARDS, messages)
        workers.enter_context(celery_worker(airflow, "first", SLOTS))
        bulk()  # loads what any task loads
        one = in_turn({"ours": bulk, "mapped": partial(runs, "mapped", "send", mapped, mapped)})
        journal = in_turn({"ours": partial(written, airflow, runs, writes)})
        workers.enter_context(celery_worker(airflow, "second", SLOTS))
        bulk()
        two = in_turn({"ours": bulk})
    peer = f"one mapped HttpOperator each ({mapped}, extrapolated), {http}"
    one[peer] = one.pop("mapped")
    title = f"A message of {messages:,} in {SHARDS} shards, Celery"
    facts = {"messages": messages, "mapped": mapped, "shards": SHARDS, "slots": SLOTS}
    rate = {"of": "rate", "more_is_better": True, **facts}
    return [
        figure(
            "deployment.message",
            f"{title}: all of Airflow's processes",
            "ms of CPU",
            one,
            peer=peer,
            limit=0.02,
            scale=1e3,
            **facts,
        ),
        figure(
            "deployment.message.wall",
            title,
            "ms",
            one,
            of="wall",
            peer=peer,
            limit=0.02,
            scale=1e3,
            **facts,
        ),
        figure("deployment.one_worker", "Messages a second, one Celery worker", "messages/s", one, **rate),
        figure("deployment.two_workers", "Messages a second, two Celery workers", "messages/s", two, **rate),
        figure(
            "deployment.journal_write",
            "A write to the task state store",
            "ms",
            journal,
            of="wall",
            scale=1e3,
        ),
        figure(
            "deployment.journal_write.cpu",
            "A write to the task state store, in the api-server",
            "ms of CPU",
            journal,
            scale=1e3,
        ),
    ]


def written(airflow: Any, runs: Runs, writes: int) -> Sample:
    """Let a task write to its state store; return the median time of a write."""
    before = cpu_of(airflow, "api-server")
    runs("journal", "write", 1, writes)
    cpu = (cpu_of(airflow, "api-server") - before) / writes
    query = "select value from xcom where dag_id = 'journal' and run_id = :run_id and key = 'return_value'"
    value = airflow.value(query, run_id=f"run{runs.count}")
    times = json.loads(value) if isinstance(value, str) else value
    require(len(times) == writes, f"{len(times)} writes instead of {writes}")
    return {"cpu": cpu, "wall": times[writes // 2]}


CASES = {"celery": celery}

if __name__ == "__main__":
    run(CASES, __doc__)
