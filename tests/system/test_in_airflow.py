"""Hooks in a real Airflow: in eight parallel tasks, in the triggerer, and under `airflow dags test`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HOOKS
from tests.system.dags.sunsim_parallel import CALLS_EACH, TASKS
from tests.system.running import ROOT, RunningAirflow, running_airflow

DAGS = Path(__file__).parent / "dags"
README = ROOT / "README.md"
KILLS = 3
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    for path in DAGS.glob("*.py"):
        shutil.copy(path, dags)
    (dags / "from_the_readme.py").write_text(README.read_text().split("```python")[1].split("```")[0])
    with running_airflow(home, dags, **telecom_simulator_server.environment()) as deployment:
        yield deployment


def test_eight_parallel_tasks_share_one_token(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    tokens: list[str] = []
    ended = threading.Event()
    killer = threading.Thread(target=_kill_now_and_then, args=(telecom_simulator, tokens, ended), daemon=True)
    killer.start()
    state = airflow.run_to_end("sunsim_parallel", "once")
    ended.set()
    killer.join()
    ledger, logs = telecom_simulator.state.ledger, airflow.task_logs()
    assert state == "success", logs[-3000:]
    calls = Counter(effect.facts["phone_to"] for effect in ledger.of("sunsim", "callback"))
    assert len(calls) == TASKS * CALLS_EACH
    assert set(calls.values()) == {1}
    assert len(tokens) == KILLS
    assert len(ledger.of("sunsim", "token")) <= 5 * (KILLS + 1)
    texts = [logs, *(airflow.variable_text(key) for key in _variables(airflow))]
    assert not [token for token in tokens if any(token in text for text in texts)]


def test_all_five_hooks_work_in_the_triggerer(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    state = airflow.run_to_end("async_hooks", "once")
    assert state == "success", airflow.task_logs()[-3000:]
    _all_five_were_asked(telecom_simulator)


def test_all_five_hooks_work_under_dags_test(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    shown = airflow.airflow("dags", "test", "async_hooks")
    assert (
        "state=success" in shown.replace(" ", "").lower()
        or "dagrunfinished" in shown.replace(" ", "").lower()
    )
    _all_five_were_asked(telecom_simulator)


def test_the_readmes_dag_works_as_it_stands(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    assert airflow.run_to_end("thank_you", "once") == "success", airflow.task_logs()[-3000:]
    (sent,) = telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    assert (sent.facts["msisdn"], sent.facts["text"]) == ("380670000200", "Thank you!")


def test_dags_start_when_calls_were_loaded(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    assert airflow.run_to_end("loading", "once") == "success", airflow.task_logs("loading")[-3000:]
    query = "select state from dag_run where dag_id = :dag_id"
    for dag_id in ("after_the_folder", "after_the_alias"):
        ended = airflow.wait_until(lambda dag_id=dag_id: airflow.value(query, dag_id=dag_id) == "success")
        assert ended, (dag_id, airflow.rows("select * from asset_event"), airflow.task_logs(dag_id))
    shown = airflow.rows("select value from xcom where task_id = 'show' and key = 'return_value'")
    loaded = sum(
        len(file.read_text().splitlines()) for file in airflow.home.glob("lake/calls/date=*/calls*.jsonl")
    )
    assert loaded > 0
    assert [json.loads(value)["rows"] for (value,) in shown] == [loaded, loaded]


def test_airflow_shows_the_five_forms(airflow: RunningAirflow) -> None:
    forms = {form["connection_type"]: form for form in airflow.ask("/ui/connections/hook_meta")}
    for conn_type in HOOKS:
        form = forms[conn_type]
        assert form["hook_name"]
        assert form["standard_fields"]["password"]["title"]
        assert form["standard_fields"]["host"]["placeholder"].startswith("https://")
        assert "timeout_read" in form["extra_fields"]
    environment = forms["kyivstar_open_telecom"]["extra_fields"]["environment"]
    assert environment["schema"]["enum"] == ["live", "mock", "sandbox"]


@pytest.mark.parametrize("conn_type", HOOKS)
def test_airflows_test_button(airflow: RunningAirflow, telecom_simulator: Any, conn_type: str) -> None:
    connection = telecom_simulator.connection(conn_type)
    body = {**connection, "connection_id": "from_the_form", "extra": json.dumps(connection["extra"])}
    found = airflow.ask("/api/v2/connections/test", body)
    assert found["status"] is (conn_type != "sunsim"), found
    assert "not verified" in found["message"] or found["message"].startswith("Connected")
    assert connection["password"] not in found["message"]


def _all_five_were_asked(simulator: Any) -> None:
    asked = {seen.vendor for seen in simulator.state.requests}
    assert asked == {"kyivstar_open_telecom", "ketchup_loyalty", "kyivstar_fmc", "sunsim", "novaconnect"}


def _kill_now_and_then(simulator: Any, tokens: list[str], ended: threading.Event) -> None:
    from airflow_provider_telecom.simulator.sunsim import VendorState

    vendor_state, ledger = simulator.state.vendor_state("sunsim", VendorState), simulator.state.ledger
    for kill in range(KILLS):
        while len(ledger.of("sunsim", "callback")) < (kill + 1) * 20:
            if ended.wait(0.05):
                return
        tokens.append(vendor_state.access.value)
        vendor_state.revoke_access_tokens()


def _variables(airflow: RunningAirflow) -> list[str]:
    with closing(sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("select key from variable")]
