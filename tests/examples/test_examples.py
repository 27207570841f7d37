"""Runs each example Dag unchanged with `dag.test()` against the simulator, and checks what the run leaves.

Airflow's database and logs must not contain a token, a recipient's phone number, or a text that was sent.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
from airflow_provider_telecom.simulator import credentials, kyivstar_fmc
from tests.eventually import HANG_SECONDS

EXAMPLES = Path(__file__).parent.parent.parent / "example_dags"
PATHS = sorted(EXAMPLES.glob("example_*.py"))
TABLES = ("rendered_task_instance_fields", "xcom", "task_state_store", "trigger", "task_instance", "log")
EFFECTS = {
    "example_kyivstar_sms": {"kyivstar_open_telecom sms": 1},
    "example_kyivstar_viber": {
        "kyivstar_open_telecom viber_transaction": 1,
        "kyivstar_open_telecom viber_promotion": 1,
    },
    "example_kyivstar_promo": {
        "kyivstar_open_telecom promo_draft": 1,
        "kyivstar_open_telecom promo_audience": 1,
        "kyivstar_open_telecom promo_started": 1,
    },
    "example_kyivstar_fraud_check": {"kyivstar_open_telecom billed_check": 11},
    "example_fraud_gate": {"kyivstar_open_telecom billed_check": 14},
    "example_ketchup_messaging": {"ketchup_loyalty viber": 1000, "ketchup_loyalty sms": 190},
    "example_campaign": {
        "ketchup_loyalty viber": 875,
        "ketchup_loyalty sms": 176,
        "ketchup_loyalty stat_export": 3,
        "ketchup_loyalty stat_delete": 3,
    },
    "example_ketchup_statistics": {
        "ketchup_loyalty sms": 1,
        "ketchup_loyalty stat_export": 2,
        "ketchup_loyalty stat_delete": 2,
    },
    "example_fmc_calls": {"kyivstar_fmc call": 1},
    "example_sunsim_telephony": {"sunsim callback": 1, "sunsim settings": 1},
    "example_novaconnect_fleet": {
        "novaconnect limit": 2,
        "novaconnect block": 2,
        "novaconnect unblock": 2,
        "novaconnect rename": 1,
        "novaconnect group": 2,
    },
    "example_fleet_as_code": {
        "novaconnect limit": 2,
        "novaconnect block": 1,
        "novaconnect group": 1,
        "novaconnect rename": 1,
    },
    "example_alert_on_failure": {
        "ketchup_loyalty sms": 1,
        "ketchup_loyalty viber": 1,
        "kyivstar_open_telecom sms": 1,
    },
    "example_alert_escalation": {"ketchup_loyalty sms": 1},
    "example_approval_by_sms": {"ketchup_loyalty sms": 1001},
    "example_vendor_events": {"novaconnect repackage": 1, "ketchup_loyalty sms": 1},
}
"""The effects of each example at the vendors, as the simulator's ledger records them."""
WITH_THE_OPPOSITE_PRESET = {
    "example_campaign": {
        "ketchup_loyalty viber": 875,
        "ketchup_loyalty stat_export": 1,
        "ketchup_loyalty stat_delete": 1,
    },
}
"""Others under the second preset: KetchUp itself sends an SMS to whoever has no Viber."""
FAIL_WITHOUT_RETRIES = {"example_alert_on_failure", "example_alert_escalation"}
UNDER_BOTH_PRESETS = {
    "example_campaign",
    "example_ketchup_messaging",
    "example_kyivstar_promo",
    "example_vendor_events",
}
"""Those that run under both presets always; `make test-long` runs the others under the second one."""
NUMBERS = re.compile(r"67000\d{4}|90000000\d\d")
"""All phone numbers in the examples."""
FILES = {
    "example_fraud_gate": ("*/decided.jsonl", '"decision": "pay"', 3),
    "example_kyivstar_fraud_check": ("*/checked.jsonl", '"state": "answered"', 6),
    "example_ketchup_messaging": ("*/viber.jsonl", '"outcome": "delivered"', 810),
    "example_campaign": ("*/report.csv", ",viber,", 699),
    "example_ketchup_statistics": ("ketchup_messages/date=*/_messages_*.json", '"sha256"', 1),
    "example_fmc_calls": ("fmc_calls/date=*/_calls.parquet.json", '"rows": ', 1),
    "example_sunsim_telephony": ("*/settings.json", '"dialTime": 45', 2),
    "example_novaconnect_fleet": ("novaconnect_sessions/date=*/sessions.csv", "sid,start_utc", 1),
    "example_fleet_as_code": ("*/results.jsonl", '"state": "changed"', 5),
    "example_vendor_events": ("novaconnect_new_bills/period=*/bill-506.json", '"sha256"', 2),
}
"""The files that an example writes, a text in them, and how often it occurs at least."""
pytestmark = [pytest.mark.xdist_group("examples")]


@pytest.fixture(scope="module")
def database() -> Path:
    """Create Airflow's database and its folder of Dags; return the database's path."""
    import os

    from airflow.utils.db import initdb

    home = Path(os.environ["AIRFLOW_HOME"])
    (home / "dags").symlink_to(EXAMPLES)
    initdb()
    return home / "airflow.db"


def test_all_examples_are_listed() -> None:
    assert {path.stem for path in PATHS} == set(EFFECTS)


@pytest.mark.parametrize(
    ("path", "preset"),
    [
        pytest.param(
            path,
            preset,
            id=f"{path.stem}-{preset}",
            marks=[] if preset == "default" or path.stem in UNDER_BOTH_PRESETS else pytest.mark.long,
        )
        for path in PATHS
        for preset in ("default", "opposite")
    ],
)
def test_an_example_runs_unchanged(
    path: Path,
    preset: str,
    database: Path,
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from airflow.dag_processing.dagbag import DagBag

    telecom_simulator.reset(preset=preset)
    for name, value in telecom_simulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example")
    for vendor in ("kyivstar_open_telecom", "ketchup_loyalty", "novaconnect"):
        telecom_simulator.state.set_transition(vendor, "after_polls", 1)
    fmc = telecom_simulator.state.vendor_state("kyivstar_fmc", kyivstar_fmc.VendorState)
    fmc.call_seconds = 0  # a call is listed when it has ended
    bag = DagBag(path)
    assert bag.import_errors == {}
    dag = bag.dags[path.stem]
    make_quick(dag)
    if "statistics" in path.stem:
        KetchUpHook().send_sms("380670000200", "Thank you", reference="before")
    with first_option_chosen() if "approval" in path.stem else nullcontext():
        run = dag.test()
    logs = "".join(capfd.readouterr())
    expected = "failed" if path.stem in FAIL_WITHOUT_RETRIES else "success"
    assert run.state == expected, logs[-5000:]
    happened = Counter(f"{effect.vendor} {effect.kind}" for effect in telecom_simulator.state.ledger.effects)
    wanted = EFFECTS[path.stem] if preset == "default" else {**EFFECTS, **WITH_THE_OPPOSITE_PRESET}[path.stem]
    assert {name: count for name, count in happened.items() if "token" not in name} == wanted
    if path.stem in FILES:
        pattern, text, times = FILES[path.stem]
        files = list((database.parent / "telecom").glob(pattern))
        assert files
        for file in files:
            assert file.read_text(encoding="utf-8").count(text) >= times
    stored = {"logs": logs, **stored_texts(database)}
    assert stored["rendered_task_instance_fields"]
    for secret in secrets(telecom_simulator):
        forms = (secret, json.dumps(secret)[1:-1])
        places = [place for place, text in stored.items() if any(form in text for form in forms)]
        assert not places, f"{secret} is in {places}"
    for place, text in stored.items():
        assert not NUMBERS.search(text), f"a phone number is in {place}"


@contextmanager
def first_option_chosen() -> Iterator[None]:
    """Answer the tasks that wait for a person, as Airflow's page does. `dag.test()` waits for the answer."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.trigger import handle_event_submit
    from airflow.triggers.base import TriggerEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    ended = threading.Event()

    def answer() -> None:
        while not ended.wait(0.1):
            with create_session() as session:
                for detail in session.scalars(select(HITLDetail).where(HITLDetail.responded_at.is_(None))):
                    ti = detail.task_instance
                    if ti.state != "awaiting_input":
                        continue
                    detail.chosen_options, detail.responded_at = detail.options[:1], datetime.now(UTC)
                    event = TriggerEvent(detail.as_resume_event_payload())
                    handle_event_submit(event, task_instance=ti, session=session)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(HANG_SECONDS)


def make_quick(dag: Any) -> None:
    """Poll often, and fail at the first error."""
    for task in dag.tasks:
        task.retries = 0
        for interval in ("poke_interval", "poll_interval"):
            if hasattr(task, interval):
                setattr(task, interval, 0.05)


def vendor_events() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag(EXAMPLES / "example_vendor_events.py").dags["example_vendor_events"]
    make_quick(dag)
    return dag


def test_vendor_events_takes_ids_from_all_events_of_its_connection(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in telecom_simulator.environment().items():
        monkeypatch.setenv(name, value)
    dag = vendor_events()
    read_events = dag.get_task("read_events").python_callable
    ours = {"conn_id": "novaconnect_default"}
    events = [
        {**ours, "type": "package_empty", "sim_ids": [1018, 1008]},
        {"from_trigger": True, "payload": {**ours, "type": "package_empty", "sim_ids": [1008]}},
        {"conn_id": "another", "type": "package_empty", "sim_ids": [1028]},
        {**ours, "type": "generate_bill", "bill_ids": [501, 999]},
    ]
    triggering = {"package": [SimpleNamespace(extra=extra) for extra in events[:3]]}
    triggering["bill"] = [SimpleNamespace(extra=events[3])]
    found = read_events(params={"sim_ids": [1]}, triggering_asset_events=triggering)
    assert found == {"by_hand": False, "sim_ids": [1008, 1018], "bill_ids": [501, 999]}
    assert dag.get_task("select_bills").python_callable(found) == [501], "999 does not exist"
    by_hand = read_events(params={"sim_ids": [1]}, triggering_asset_events={})
    assert by_hand == {"by_hand": True, "sim_ids": [1], "bill_ids": []}


@pytest.mark.parametrize("immediate", [True, False])
def test_vendor_events_buys_a_package_once_for_any_number_of_events(
    database: Path, telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, immediate: bool
) -> None:
    for name, value in telecom_simulator.environment().items():
        monkeypatch.setenv(name, value)
    if not immediate:
        telecom_simulator.state.set_transition("novaconnect", "after_polls", 1)
    dag = vendor_events()
    assert [dag.test().state for _ in range(2)] == ["success", "success"]
    kinds = [effect.kind for effect in telecom_simulator.state.ledger.effects]
    assert sorted(kinds) == ["repackage", "sms"]
    stored_texts(database)


def stored_texts(database: Path) -> dict[str, str]:
    """Return the content of each table as text, and empty the tables for the next run."""
    with closing(sqlite3.connect(database)) as connection:
        rows = {table: connection.execute(f"select * from {table}").fetchall() for table in TABLES}
        for table in (*TABLES, "asset_watcher"):  # a watcher without its trigger would be an error
            connection.execute(f"delete from {table}")
        connection.commit()
    return {table: "\n".join(str(cell) for row in found for cell in row) for table, found in rows.items()}


def secrets(simulator: Any) -> set[str]:
    """Return all tokens, and the numbers and texts of all effects, in the forms in which they may appear."""
    tokens = {
        value
        for name, value in vars(credentials).items()
        if name.isupper() and isinstance(value, str) and len(value) > 8
    }
    facts = [value for effect in simulator.state.ledger.effects for value in effect.facts.values()]
    texts = {fact for fact in facts if isinstance(fact, str)}
    numbers = {text.lstrip("+") for text in texts if re.fullmatch(r"\+?\d{9,15}", text)}
    messages = {effect.facts["text"] for effect in simulator.state.ledger.effects if effect.facts.get("text")}
    return tokens | numbers | {number[-9:] for number in numbers} | messages
