"""Campaigns under a real scheduler: quiet hours that end during the send, kills, six tasks for one budget."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.system.campaigns.campaigns_dag import (
    EARLY,
    LATE,
    PEOPLE,
    PRICE,
    TEAM_SIZE,
    TEAMS,
    TEAMS_ALLOWED,
)
from tests.system.killing import FOLDER
from tests.system.running import RunningAirflow, running_airflow

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
NUMBER = re.compile(r"380670000\d{3}")
ZONES = {msisdn: (EARLY, LATE)[place % 2] for place, msisdn in enumerate(PEOPLE)}
KILL_POINTS = (12, 17, 18, 22)
"""A reservation, right before and after the first messages, and after the third ones."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    lines = ["msisdn,zone", *(f"{msisdn},{zone}" for msisdn, zone in ZONES.items())]
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, files: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    pytest.importorskip("duckdb")
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    shutil.copy(Path(__file__).parent / "campaigns" / "campaigns_dag.py", dags)
    settings = {
        FOLDER: str(files),
        "TELECOM_CAMPAIGN_FILES": str(files),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        **telecom_simulator_server.environment(),
    }
    with running_airflow(home, dags, **settings) as deployment:
        yield deployment


def test_a_send_waits_for_the_end_of_quiet_hours_without_a_worker(
    airflow: RunningAirflow, telecom_simulator: Any, files: Path
) -> None:
    opens = (datetime.now(UTC) + timedelta(minutes=2)).replace(second=0, microsecond=0)
    end = opens.astimezone(ZoneInfo(LATE))
    airflow.start_run("campaign", "spring", quiet_hours=f"{end - timedelta(hours=6):%H:%M}-{end:%H:%M}")
    query = "select state from task_instance where dag_id = 'campaign' and task_id = 'send'"
    ended = ("success", "failed", "deferred")
    assert airflow.wait_until(lambda: airflow.value(query) in ended, every=0.1)
    assert airflow.value(query) == "deferred", airflow.task_logs("campaign")[-5000:]
    wanted = _audience(files, "spring")
    pool = airflow.ask("/api/v2/pools/default_pool")
    before_opening = _sent(telecom_simulator, "spring")
    assert datetime.now(UTC) < opens
    assert (pool["running_slots"], pool["deferred_slots"]) == (0, 1)
    assert before_opening == Counter(msisdn for msisdn in wanted if ZONES[msisdn] == EARLY)

    over = ("success", "failed")
    assert airflow.wait_until(lambda: airflow.state("campaign", "spring") in over)
    assert airflow.state("campaign", "spring") == "success", airflow.task_logs("campaign")[-5000:]
    assert _sent(telecom_simulator, "spring") == Counter(list(wanted))
    late = [each.at for each in _effects(telecom_simulator, "spring") if ZONES[each.facts["msisdn"]] == LATE]
    assert min(late) >= opens
    texts = {each.facts["msisdn"]: each.facts["text"][0] for each in _effects(telecom_simulator, "spring")}
    assert texts == wanted
    assert _spent(airflow, "spring") == _charged(telecom_simulator, "spring")
    _check_no_numbers(airflow, "campaign", "spring")


def test_a_killed_send_reaches_everyone_once(
    airflow: RunningAirflow, telecom_simulator: Any, files: Path
) -> None:
    runs = {f"killed-{point}": point for point in KILL_POINTS}
    for run_id, point in runs.items():
        airflow.start_run("killed_campaign", run_id, point=point)
    over = ("success", "failed")
    assert airflow.wait_until(
        lambda: all(airflow.state("killed_campaign", run_id) in over for run_id in runs)
    )
    for run_id in runs:
        steps = (files / f"{run_id}.steps").read_text()
        logs = airflow.task_logs("killed_campaign", run_id)
        assert airflow.state("killed_campaign", run_id) == "success", f"{steps}{logs[-5000:]}"
        assert (files / f"{run_id}.killed").exists(), steps
        assert _sent(telecom_simulator, run_id) == Counter(list(_audience(files, run_id))), steps
        _check_no_numbers(airflow, "killed_campaign", run_id)
    charged = sum((_charged(telecom_simulator, run_id) for run_id in runs), Decimal(0))
    (row,) = _budget(airflow, "killed")
    assert charged <= Decimal(row["spent"]) + Decimal(row["reserved"])


def test_six_tasks_never_spend_more_than_their_budget(
    airflow: RunningAirflow, telecom_simulator: Any, tell: Callable[[str], None]
) -> None:
    assert airflow.run_to_end("teams", "teams") == "failed"
    states = Counter(
        state for (state,) in airflow.rows("select state from task_instance where dag_id = 'teams'")
    )
    tell(f"of {TEAMS} tasks for a budget of {TEAMS_ALLOWED}: {dict(states)}")
    charged, sent = _charged(telecom_simulator, "teams"), _sent(telecom_simulator, "teams")
    assert 1 <= states["success"] <= TEAMS_ALLOWED
    assert set(sent.values()) == {1}
    assert sent.total() == states["success"] * TEAM_SIZE
    assert charged == sent.total() * PRICE
    assert _spent(airflow, "teams") == charged
    logs = airflow.task_logs("teams", "teams")
    refused = re.findall(
        r"teams has \S+ EUR left of per_day 0\.3 EUR on \S+ \(UTC\), and this needs 0\.1 EUR", logs
    )
    assert len(refused) >= states["failed"]
    assert states["success"] + states["failed"] == TEAMS
    _check_no_numbers(airflow, "teams", "teams", of_fields=False)


def _audience(files: Path, run_id: str) -> dict[str, str]:
    """Return the variant of each recipient of a run's audience: most, and not all, of the people."""
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(files / run_id / "audience" / "audience.parquet").to_pylist()
    found = {row["msisdn"]: row["variant"] for row in rows}
    assert set(found.values()) == {"A", "B"}
    assert set(found) < set(PEOPLE)
    return found


def _effects(simulator: Any, run_id: str) -> list[Any]:
    effects = simulator.state.ledger.of("ketchup_loyalty", "sms")
    return [effect for effect in effects if effect.facts["text"].split()[-1] == run_id]


def _sent(simulator: Any, run_id: str) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in _effects(simulator, run_id))


def _charged(simulator: Any, run_id: str) -> Decimal:
    return sum((Decimal(effect.facts["price"]) for effect in _effects(simulator, run_id)), Decimal(0))


def _budget(airflow: RunningAirflow, name: str) -> list[dict[str, Any]]:
    printed = airflow.airflow("telecom", "budget", name, "--output", "json")
    assert not NUMBER.search(printed)
    rows: list[dict[str, Any]] = json.loads(printed[printed.index("[\n") :])
    return rows


def _spent(airflow: RunningAirflow, name: str) -> Decimal:
    (row,) = _budget(airflow, name)
    assert Decimal(row["reserved"]) == 0
    return Decimal(row["spent"])


def _check_no_numbers(airflow: RunningAirflow, dag_id: str, run_id: str, *, of_fields: bool = True) -> None:
    """Look for numbers in what the pages show: XComs, rendered fields, Variables; and in the tasks' logs."""
    run = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    tasks = airflow.ask(f"{run}/taskInstances")["task_instances"]
    pages = {
        "Variables": airflow.ask("/api/v2/variables?limit=1000"),
        "logs": airflow.task_logs(dag_id, run_id),
    }
    assert "telecom_budget." in json.dumps(pages["Variables"])
    if of_fields:
        pages["rendered fields"] = [task["rendered_fields"] for task in tasks]
    for task in tasks:
        place = f"{run}/taskInstances/{task['task_id']}/xcomEntries"
        for entry in airflow.ask(place)["xcom_entries"]:
            found = airflow.ask(f"{place}/{entry['key']}?map_index={entry['map_index']}")
            pages[f"XCom {task['task_id']} {entry['key']}"] = found
    assert any(name.startswith("XCom") for name in pages)
    found_in = [name for name, page in pages.items() if NUMBER.search(json.dumps(page))]
    assert not found_in, found_in
