"""Webhooks: sensors end and Dags start although nobody polls, and 500 sensors share one reader."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress
from airflow_provider_telecom.webhooks.keys import ENTRY
from tests.system.running import LONG_SECONDS, RunningAirflow, Shape, running_airflow
from tests.system.services import Postgres

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]

DAGS = Path(__file__).parent / "webhooks"
RUNS, SENSORS = 20, 25  # as in many_woken, which only parses with a receiver
NEVER = 3_600.0  # the sensors' poke interval
QUIET_SECONDS = 30


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    for path in DAGS.glob("*.py"):
        shutil.copy(path, dags)
    shape = Shape(database=postgres.new_database("webhooks"), parallelism=4, api_workers=2, receiver=True)
    with running_airflow(home, dags, shape, **telecom_simulator_server.environment()) as deployment:
        yield deployment


def test_sensors_end_and_a_dag_starts_when_the_vendor_posts(
    airflow: RunningAirflow, telecom_simulator: Any, tell: Callable[[str], None]
) -> None:
    state = telecom_simulator.state
    for kind, seconds in (("novaconnect.queue", 20), ("ketchup_loyalty.hlr", 40)):
        state.set_transition(
            kind, "after_seconds", seconds
        )  # for each SIM of a queue; the sensors wait by then
    assert airflow.run_to_end("woken", "once") == "success", airflow.task_logs("woken")[-3000:]
    posted = {
        post.url.split("/")[6]: post for post in state.vendor_state("webhook_sender", WebhookSender).log
    }
    assert {post.verdict for post in posted.values()} == {"200"}
    for task, kind in (("pinged", "queue"), ("looked_up", "hlr")):
        ended = _moment(airflow, "select end_date from task_instance where task_id = :task", task=task)
        seconds = ended - posted[kind].at.timestamp()
        tell(f"{task} ended {seconds:.1f} s after the post")
        assert 0 < seconds < NEVER / 2  # nobody polls before
    query = "select start_date from dag_run where dag_id = 'on_queue_done' and start_date is not null"
    assert airflow.wait_until(lambda: airflow.value(query)), airflow.logs()
    seconds = _moment(airflow, query) - posted["queue"].at.timestamp()
    tell(f"the Dag started {seconds:.1f} s after the post")
    assert airflow.wait_until(lambda: "success" in _states(airflow, "on_queue_done"))
    assert _entries(airflow) == []  # used, so deleted
    assert _addresses(airflow) == []


def test_a_dag_starts_when_a_package_ran_out(airflow: RunningAirflow, tell: Callable[[str], None]) -> None:
    sim = {"id": 1008, "iccid": "8970100000000000008", "profile": "TD", "block": "p"}
    airflow.wait_until(lambda: airflow.value("select count(*) from serialized_dag") == 4)
    began = time.time()
    _post(
        airflow,
        WebhookAddress("novaconnect", "notice", "novaconnect_default"),
        {"type": "package_empty", "items": [sim]},
    )
    query = "select start_date from dag_run where dag_id = 'on_package_empty' and start_date is not null"
    assert airflow.wait_until(lambda: airflow.value(query), every=0.1), airflow.logs()
    seconds = _moment(airflow, query) - began
    tell(f"the Dag started {seconds:.1f} s after the notice")
    assert airflow.wait_until(lambda: "success" in _states(airflow, "on_package_empty"))


def test_five_hundred_sensors_share_one_reader(airflow: RunningAirflow, tell: Callable[[str], None]) -> None:
    began, before = time.monotonic(), _reads(airflow)
    for run in range(RUNS):
        airflow.start_run("many_woken", f"r{run}")
    waiting = "select count(*) from task_instance where dag_id = 'many_woken' and state = 'deferred'"
    assert airflow.wait_until(lambda: airflow.value(waiting) == RUNS * SENSORS, every=2), airflow.logs()
    # Each has polled once: one read for the entry and one for the deduplication record.
    all_have_polled = before + 2 * RUNS * SENSORS
    assert airflow.wait_until(lambda: _reads(airflow) >= all_have_polled, every=1), _reads(airflow) - before
    assert airflow.wait_until(lambda: _is_calm(airflow), every=1), "some are still at their first poll"
    tell(f"{RUNS * SENSORS} sensors wait after {time.monotonic() - began:.0f} s")
    before = _reads(airflow)
    time.sleep(QUIET_SECONDS)
    rate = (_reads(airflow) - before) / QUIET_SECONDS
    tell(f"{rate:.2f} reads a second by {RUNS * SENSORS} sensors")
    assert 0 < rate < 2
    posted = {}
    for run in range(RUNS):
        key = f"r{run}-{run}"
        posted[key] = time.time()
        _post(airflow, WebhookAddress("novaconnect", "queue", "novaconnect_default", key), _done(key))
    fired = "Trigger fired event"
    assert airflow.wait_until(lambda: airflow.task_logs("many_woken").count(fired) >= RUNS)
    delays = sorted(_fired(airflow, key) - at for key, at in posted.items())
    tell(f"{RUNS} triggers fired {delays[0]:.1f} to {delays[-1]:.1f} s after their posts")
    assert delays[-1] < NEVER / 2  # nobody polls before
    assert airflow.wait_until(lambda: len(_successes(airflow)) == RUNS), airflow.logs()
    assert _successes(airflow) == set(posted)


def _is_calm(airflow: RunningAirflow, seconds: float = 5.0) -> bool:
    """Return whether hardly anybody but the reader reads."""
    before = _reads(airflow)
    time.sleep(seconds)
    return _reads(airflow) - before < 2 * seconds


def _reads(airflow: RunningAirflow) -> int:
    """Return how often the state store was read: a triggerer reads it without requests."""
    query = "select seq_scan + idx_scan from pg_stat_user_tables where relname = 'asset_state_store'"
    return int(airflow.value(query))


def _fired(airflow: RunningAirflow, key: str) -> float:
    lines = airflow.task_logs("many_woken").splitlines()
    (line,) = (
        line for line in lines if "Trigger fired event" in line and f'"q-{key}"' in line.replace("'", '"')
    )
    return datetime.fromisoformat(json.loads(line)["timestamp"].replace("Z", "+00:00")).timestamp()


def _done(key: str) -> dict[str, Any]:
    sim = {
        "id": 1001,
        "iccid": "8970100000000000001",
        "profile": "TD",
        "block": "n",
        "queue_status": "success",
    }
    status = {"count": 1, "process": 1, "percentage": 100}
    return {"qid": f"q-{key}", "queue": "sms", "items": [sim], "status": status}


def _post(airflow: RunningAirflow, address: WebhookAddress, body: dict[str, Any]) -> None:
    secret = airflow.environment["AIRFLOW__TELECOM__WEBHOOK_SECRET"]
    url = ReceiverSettings(airflow.url, (Secret(secret),)).url(address)
    with urlopen(
        Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=LONG_SECONDS
    ) as answer:
        assert json.load(answer)["detail"] == "accepted"


def _moment(airflow: RunningAirflow, query: str, **values: object) -> float:
    found: datetime = airflow.value(query, **values)
    return found.astimezone(UTC).timestamp()


def _states(airflow: RunningAirflow, dag_id: str) -> set[str]:
    rows = airflow.rows("select state from dag_run where dag_id = :dag_id", dag_id=dag_id)
    return {state for (state,) in rows}


def _successes(airflow: RunningAirflow) -> set[str]:
    query = "select run_id, task_id from task_instance where dag_id = 'many_woken' and state = 'success'"
    return {f"{run}-{task.removeprefix('wait_')}" for run, task in airflow.rows(query)}


def _entries(airflow: RunningAirflow) -> list[str]:
    keys = airflow.rows("select key from asset_state_store")
    return [key for (key,) in keys if key.startswith(ENTRY)]


def _addresses(airflow: RunningAirflow) -> list[str]:
    """Return the lines of all logs that contain a webhook address."""
    texts = [airflow.task_logs(), *(airflow.log(name) for name in airflow.processes)]
    return re.findall(r".*/telecom/hook/\w+/.*", "\n".join(texts))
