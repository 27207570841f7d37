"""Each example Dag as it stands, by `dag.test()` in this process, against the simulator; and what it leaves.

Nothing of what it leaves in Airflow's database and logs may hold a token, a number that was written to
or called, or a text that was sent.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.simulator import credentials

EXAMPLES = Path(__file__).parent.parent.parent / "example_dags"
PATHS = sorted(EXAMPLES.glob("example_*.py"))
TABLES = ("rendered_task_instance_fields", "xcom", "task_state_store", "trigger", "task_instance", "log")
RIPENESS = {
    "ketchup.sms": 2,
    "ketchup.viber": 2,
    "ketchup.hlr": 2,
    "ketchup.stat": 2,
    "kyivstar": 2,
    "novaconnect": 2,
}
pytestmark = [pytest.mark.xdist_group("examples")]


@pytest.fixture(scope="module")
def database() -> Path:
    """Airflow's own database, made once."""
    import os

    from airflow.utils.db import initdb

    initdb()
    return Path(os.environ["AIRFLOW_HOME"]) / "airflow.db"


def test_all_examples_are_there() -> None:
    assert {path.stem for path in PATHS} == {
        "example_kyivstar_sms",
        "example_kyivstar_viber",
        "example_kyivstar_promo",
        "example_kyivstar_fraud_check",
        "example_ketchup_messaging",
        "example_ketchup_statistics",
        "example_fmc_calls",
        "example_sunsim_telephony",
        "example_novaconnect_fleet",
        "example_alert_on_failure",
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_example_runs_as_it_stands(
    path: Path,
    database: Path,
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    for name, value in telecom_simulator.environment().items():
        monkeypatch.setenv(name, value)
    for kind, looks in RIPENESS.items():
        telecom_simulator.town.set_ripeness(kind, "looks", looks)
    bag = DagBag(path)
    assert bag.import_errors == {}
    dag = bag.dags[path.stem]
    run = dag.test()
    logs = "".join(capfd.readouterr())
    expected = "failed" if path.stem == "example_alert_on_failure" else "success"
    assert run.state == expected, logs[-5000:]
    assert telecom_simulator.town.requests
    left = left_behind(database)
    for secret in secrets(telecom_simulator):
        assert secret not in logs, f"{secret} stands in the logs"
        assert not [table for table, text in left.items() if secret in text], (
            f"{secret} stands in the database"
        )


def left_behind(database: Path) -> dict[str, str]:
    """Return what the run has left in each table, as text."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading:
        found = {table: str(reading.execute(f"select * from {table}").fetchall()) for table in TABLES}
    with closing(sqlite3.connect(database)) as writing:
        for table in TABLES:
            writing.execute(f"delete from {table}")
        writing.commit()
    return found


def secrets(simulator: Any) -> set[str]:
    """Return tokens, and numbers and texts of what happened, in the forms they may stand in."""
    tokens = {
        value
        for name, value in vars(credentials).items()
        if name.isupper() and isinstance(value, str) and len(value) > 8
    }
    facts = [value for effect in simulator.town.ledger.effects for value in effect.facts.values()]
    texts = {fact for fact in facts if isinstance(fact, str)}
    numbers = {text.lstrip("+") for text in texts if re.fullmatch(r"\+?\d{9,15}", text)}
    said = {effect.facts["text"] for effect in simulator.town.ledger.effects if effect.facts.get("text")}
    return tokens | numbers | {number[-9:] for number in numbers} | said
