"""Every example Dag, as it stands, under a real scheduler: with local workers, and with Celery's."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator import kyivstar_fmc
from tests.examples.test_examples import EFFECTS, TABLES, secrets
from tests.system.running import ROOT, RunningAirflow, Shape, running_airflow
from tests.system.services import Postgres

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
EXAMPLES = ROOT / "example_dags"
DAG_IDS = sorted(path.stem for path in EXAMPLES.glob("example_*.py"))
VARYING = re.compile("token|stat_")
MEANT_TO_FAIL = {"example_alert_on_failure"}


@pytest.fixture(params=["LocalExecutor", "CeleryExecutor"])
def airflow(
    request: pytest.FixtureRequest, telecom_simulator: Any, postgres: Postgres, tmp_path: Path
) -> Iterator[RunningAirflow]:
    """An Airflow whose metadata, and Celery's results, are in PostgreSQL, and Celery's queue in Redis.

    With Celery the webhook receiver is open.
    """
    name = str(request.param)
    broker = request.getfixturevalue("redis") if name == "CeleryExecutor" else None
    database = postgres.new_database(name.lower())
    shape = Shape(database=database, broker=broker, parallelism=4, receiver=broker is not None)
    with running_airflow(tmp_path, EXAMPLES, shape, **telecom_simulator.environment()) as deployment:
        yield deployment


def test_all_examples_run_to_their_end(
    airflow: RunningAirflow, telecom_simulator: Any, hook_for: Callable[..., Any], tell: Callable[[str], None]
) -> None:
    for vendor in ("kyivstar_open_telecom", "ketchup_loyalty", "novaconnect"):
        telecom_simulator.state.set_transition(vendor, "after_polls", 1)
    fmc = telecom_simulator.state.vendor_state("kyivstar_fmc", kyivstar_fmc.VendorState)
    fmc.call_seconds = 0  # a call is listed when it has ended
    before = hook_for("ketchup_loyalty").send_sms("380670000200", "Thank you", reference="before")
    assert before.accepted  # so that the statistics contain a message
    started = time.monotonic()
    for dag_id in DAG_IDS:
        airflow.start_run(dag_id, "once")
    seen: set[str] = set()
    airflow.wait_until(lambda: _ended(airflow, seen))
    took = time.monotonic() - started
    ended = {dag_id: airflow.state(dag_id, "once") for dag_id in DAG_IDS}
    expected = {dag_id: "failed" if dag_id in MEANT_TO_FAIL else "success" for dag_id in DAG_IDS}
    wrong = [dag_id for dag_id in DAG_IDS if ended[dag_id] != expected[dag_id]]
    assert not wrong, "\n".join([
        str(ended),
        *(airflow.task_logs(one)[-5000:] for one in wrong),
        airflow.logs(),
    ])
    by_celery = _done_by_celery(airflow)
    tell(f"{airflow.executor}: {len(DAG_IDS)} Dags in {took:.0f} s, {by_celery} tasks by Celery's workers")
    assert (by_celery > 0) is (airflow.executor == "CeleryExecutor")
    wanted = sum((_without_varying(EFFECTS.get(dag_id, {})) for dag_id in DAG_IDS), Counter())
    assert airflow.wait_until(lambda: _happened(telecom_simulator) == wanted), _happened(telecom_simulator)
    left = {table: str(airflow.rows(f"select * from {table}")) for table in TABLES}
    left |= {"triggers": "".join(seen), "task logs": airflow.task_logs()}
    assert seen, "no trigger was seen"
    for secret in (*secrets(telecom_simulator), "/telecom/hook/"):
        assert not [place for place, text in left.items() if secret in text], secret


def _ended(airflow: RunningAirflow, seen: set[str]) -> bool:
    """Record the present triggers, approve what waits, and return whether all runs have ended."""
    _approve(airflow)
    seen |= {str(row) for row in airflow.rows("select * from trigger")}
    return _states(airflow).keys() <= {"success", "failed"}


def _approve(airflow: RunningAirflow) -> None:
    """Answer "Approve", as Airflow's page does, where a task asks for it."""
    waiting = (
        "select ti.dag_id, ti.task_id from task_instance ti join hitl_detail on hitl_detail.ti_id = ti.id"
        " where ti.state = 'awaiting_input' and responded_at is null and options::text like '%Approve%'"
    )
    for dag_id, task_id in airflow.rows(waiting):
        if airflow.waits_for_a_person(dag_id, "once", task_id):
            path = f"/api/v2/dags/{dag_id}/dagRuns/once/taskInstances/{task_id}/-1/hitlDetails"
            airflow.ask(path, {"chosen_options": ["Approve"], "params_input": {}}, method="PATCH")


def _states(airflow: RunningAirflow) -> Counter[str]:
    return Counter(state for (state,) in airflow.rows("select state from dag_run"))


def _done_by_celery(airflow: RunningAirflow) -> int:
    tables = {name for (name,) in airflow.rows("select tablename from pg_tables")}
    if "celery_taskmeta" not in tables:
        return 0
    return int(airflow.value("select count(*) from celery_taskmeta where status = 'SUCCESS'"))


def _happened(simulator: Any) -> Counter[str]:
    """Return what happened at the vendors.

    Tokens are fetched by each process anew, and the number of exports depends on how long receipts take.
    """
    effects = simulator.state.ledger.effects
    return _without_varying(Counter(f"{effect.vendor} {effect.kind}" for effect in effects))


def _without_varying(effects: Mapping[str, int]) -> Counter[str]:
    return Counter({name: count for name, count in effects.items() if not VARYING.search(name)})
