"""A campaign in eight shards under Celery, Redis and PostgreSQL: one worker, two, and one that is killed.

TELECOM_SHARDS_MESSAGES is how many messages each run sends.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState
from tests.system.running import RunningAirflow, Shape, celery_worker, kill_component, running_airflow
from tests.system.services import Postgres
from tests.system.shards.shards_dag import SHARDS

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
MESSAGES = int(os.environ.get("TELECOM_SHARDS_MESSAGES", "40000"))
NUMBERS = range(380_670_000_000, 380_670_000_000 + MESSAGES)
WORKERS = ("first", "second")


@pytest.fixture
def airflow(
    telecom_simulator_server: Any, postgres: Postgres, redis: str, tmp_path: Path
) -> Iterator[RunningAirflow]:
    pytest.importorskip("duckdb")
    home, dags, files = (tmp_path / name for name in ("home", "dags", "files"))
    for folder in (home, dags, files):
        folder.mkdir()
    (files / "people.csv").write_text("msisdn\n" + "".join(f"{number}\n" for number in NUMBERS))
    shutil.copy(Path(__file__).parent / "shards" / "shards_dag.py", dags)
    settings = {
        "TELECOM_SHARDS_FILES": str(files),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        **telecom_simulator_server.environment(),
    }
    database = postgres.new_database("shards")
    shape = Shape(database=database, broker=redis, parallelism=2 * SHARDS, workers=0)
    with running_airflow(home, dags, shape, **settings) as deployment:
        yield deployment


def test_no_message_is_lost_or_doubled_when_a_worker_is_killed(
    airflow: RunningAirflow, telecom_simulator: Any, tell: Callable[[str], None]
) -> None:
    with ExitStack() as workers:
        workers.enter_context(celery_worker(airflow, WORKERS[0], SHARDS // 2))
        alone = _run(airflow, telecom_simulator, "one-worker")
        workers.enter_context(celery_worker(airflow, WORKERS[1], SHARDS // 2))
        both = _run(airflow, telecom_simulator, "two-workers")
        killed = _run(airflow, telecom_simulator, "killed-worker", kills=WORKERS[1])
    for name, seconds in (("one worker", alone), ("two workers", both), ("one of two killed", killed)):
        tell(
            f"{MESSAGES:,} messages in {SHARDS} shards, {name}: {seconds:.0f} s, {MESSAGES / seconds:,.0f}/s"
        )


def _run(airflow: RunningAirflow, simulator: Any, run_id: str, kills: str | None = None) -> float:
    """Run the campaign, check that each message was sent once, and return the seconds that sending took."""
    simulator.reset()
    vendor = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor.balance = Decimal(10 * MESSAGES)
    airflow.start_run("shards", run_id)
    if kills is not None:
        assert airflow.wait_until(lambda: len(simulator.state.ledger.effects) > MESSAGES * 0.4, every=0.05)
        kill_component(airflow, kills)
        sent_before = len(simulator.state.ledger.effects)
        assert sent_before < MESSAGES, "the worker was killed too late"
    airflow.wait_until(lambda: airflow.state("shards", run_id) in ("success", "failed"), 3600)
    assert airflow.state("shards", run_id) == "success", airflow.task_logs("shards", run_id)[-5000:]
    sent = Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty", "sms"))
    assert (len(sent), sent.total()) == (MESSAGES, MESSAGES)
    query = (
        "select count(*), max(try_number), extract(epoch from max(end_date) - min(start_date)) "
        "from task_instance where task_id = 'send' and run_id = :run_id"
    )
    shards, tries, seconds = airflow.rows(query, run_id=run_id)[0]
    assert (shards, tries > 1) == (SHARDS, kills is not None)
    folder = Path(airflow.environment["TELECOM_SHARDS_FILES"]) / run_id
    with (folder / "all.jsonl").open() as file:
        states = Counter(json.loads(line)["state"] for line in file)
    assert states == {"accepted": MESSAGES} or (kills and states.total() == MESSAGES), states
    assert states["unknown"] + states["refused"] == 0
    return float(seconds)
