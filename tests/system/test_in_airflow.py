"""Hooks in a real Airflow: in eight parallel tasks, in the triggerer, and under `airflow dags test`."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.system.dags.sunsim_parallel import CALLS_EACH, TASKS
from tests.system.running import RunningAirflow, running_airflow

DAGS = Path(__file__).parent / "dags"
KILLS = 3
pytestmark = pytest.mark.xdist_group("airflow")


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    with running_airflow(home, DAGS, **telecom_simulator_server.environment()) as deployment:
        yield deployment


def test_eight_parallel_tasks_share_one_token(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    tokens: list[str] = []
    ended = threading.Event()
    killer = threading.Thread(target=_kill_now_and_then, args=(telecom_simulator, tokens, ended), daemon=True)
    killer.start()
    state = airflow.run_to_end("sunsim_parallel", "once", 240)
    ended.set()
    killer.join()
    ledger, logs = telecom_simulator.town.ledger, airflow.task_logs()
    assert state == "success", logs[-3000:]
    calls = Counter(effect.facts["phone_to"] for effect in ledger.of("sunsim", "callback"))
    assert len(calls) == TASKS * CALLS_EACH
    assert set(calls.values()) == {1}
    assert len(tokens) == KILLS
    assert len(ledger.of("sunsim", "token")) <= 5 * (KILLS + 1)
    texts = [logs, *(airflow.variable_text(key) for key in _variables(airflow))]
    assert not [token for token in tokens if any(token in text for text in texts)]


def test_all_five_hooks_work_in_the_triggerer(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    state = airflow.run_to_end("awaiting", "once", 120)
    assert state == "success", airflow.task_logs()[-3000:]
    _all_five_were_asked(telecom_simulator)


def test_all_five_hooks_work_under_dags_test(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    shown = airflow.airflow("dags", "test", "awaiting")
    assert (
        "state=success" in shown.replace(" ", "").lower()
        or "dagrunfinished" in shown.replace(" ", "").lower()
    )
    _all_five_were_asked(telecom_simulator)


def _all_five_were_asked(simulator: Any) -> None:
    asked = {seen.vendor for seen in simulator.town.requests}
    assert asked == {"kyivstar", "ketchup", "fmc", "sunsim", "novaconnect"}


def _kill_now_and_then(simulator: Any, tokens: list[str], ended: threading.Event) -> None:
    from airflow_provider_telecom.simulator.sunsim import Books

    books, ledger = simulator.town.books("sunsim", Books), simulator.town.ledger
    for kill in range(KILLS):
        while len(ledger.of("sunsim", "callback")) < (kill + 1) * 20:
            if ended.wait(0.05):
                return
        tokens.append(books.access.value)
        books.kill_access()


def _variables(airflow: RunningAirflow) -> list[str]:
    with closing(sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("select key from variable")]
