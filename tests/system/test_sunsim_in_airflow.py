"""SunSim's token shared for real: eight parallel tasks over Airflow's own Variables."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.system.dags.sunsim_parallel import CALLS_EACH, TASKS
from tests.system.running import running_airflow

KILLS = 3


@pytest.mark.xdist_group("airflow")
def test_eight_parallel_tasks_share_one_token(telecom_simulator: Any, tmp_path: Path) -> None:
    dags = Path(__file__).parent / "dags"
    books = telecom_simulator.town.books
    tokens: list[str] = []

    def kill_now_and_then(ended: threading.Event) -> None:
        from airflow_provider_telecom.simulator.sunsim import Books

        for kill in range(KILLS):
            while len(telecom_simulator.town.ledger.of("sunsim", "callback")) < (kill + 1) * 20:
                if ended.wait(0.05):
                    return
            tokens.append(books("sunsim", Books).access.value)
            books("sunsim", Books).kill_access()

    ended = threading.Event()
    killer = threading.Thread(target=kill_now_and_then, args=(ended,), daemon=True)
    with running_airflow(tmp_path, dags, **telecom_simulator.environment()) as airflow:
        killer.start()
        state = airflow.run_to_end("sunsim_parallel", "once", 240)
        ended.set()
        killer.join()
        logs = airflow.task_logs()
        key = next(name for name in _variables(airflow) if "lease" not in name)
        stored = airflow.variable_text(key)
    assert state == "success", logs[-3000:]
    calls = Counter(
        effect.facts["phone_to"] for effect in telecom_simulator.town.ledger.of("sunsim", "callback")
    )
    assert len(calls) == TASKS * CALLS_EACH
    assert set(calls.values()) == {1}
    mints = len(telecom_simulator.town.ledger.of("sunsim", "token"))
    assert len(tokens) == KILLS
    assert mints <= 5 * (KILLS + 1)
    assert not [token for token in tokens if token in stored or token in logs]


def _variables(airflow: Any) -> list[str]:
    import sqlite3

    with sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True) as database:
        names = [row[0] for row in database.execute("select key from variable")]
    database.close()
    return names
