"""Calls to many people under a real scheduler, killed by SIGKILL: nobody is called twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.system.killing import FOLDER
from tests.system.kills.called import people
from tests.system.running import Shape, running_airflow
from tests.system.services import Postgres
from tests.system.test_kills import KillableAirflow

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
POINTS = (None, 1, 4, 5, 6, 8, 11, 14, 17, 20, 23, 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crashes")


@pytest.fixture(scope="module")
def killable(
    telecom_simulator_server: Any, postgres: Postgres, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KillableAirflow]:
    home, dags = (tmp_path_factory.mktemp(name) for name in ("airflow", "dags"))
    shutil.copy(Path(__file__).parent / "kills" / "called.py", dags)
    settings = {
        FOLDER: str(folder),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        **telecom_simulator_server.environment(),
    }
    shape = Shape(database=postgres.new_database("calls"), parallelism=4)
    with running_airflow(home, dags, shape, **settings) as airflow:
        yield KillableAirflow(airflow, folder)


def test_killed_calls(
    killable: KillableAirflow, telecom_simulator: Any, folder: Path, tell: Callable[[str], None]
) -> None:
    fmc = [("bulk_call", f"r-{380670001000 + 10 * place}", point) for place, point in enumerate(POINTS)]
    sunsim = [("bulk_callback", f"s-{79000001000 + 10 * place}", point) for place, point in enumerate(POINTS)]
    runs = [*fmc, *sunsim[:5]]
    orders = [(dag_id, run_id, {} if point is None else {"point": point}) for dag_id, run_id, point in runs]
    ended = killable.run(orders)
    assert Counter(run.state for run in ended) == {"success": len(runs)}, killable.airflow.task_logs()[-3000:]
    ledger = telecom_simulator.state.ledger
    called = Counter("38" + call.facts["called"] for call in ledger.of("kyivstar_fmc", "call"))
    called += Counter("7" + call.facts["phone_to"][1:] for call in ledger.of("sunsim", "callback"))
    unknown = 0
    for _, run_id, point in runs:
        assert killable.was_killed(run_id) == (point is not None)
        lines = [json.loads(line) for line in (folder / f"{run_id}.jsonl").read_text().splitlines()]
        assert [line["msisdn"] for line in lines] == people(run_id)
        states = Counter(line["state"] for line in lines)
        assert states["unknown"] <= 1
        assert states["accepted"] + states["unknown"] == len(lines)
        assert all(called[line["msisdn"]] == 1 for line in lines if line["state"] == "accepted")
        unknown += states["unknown"]
    assert max(called.values()) == 1
    assert unknown > 1
    times = [when for when, what in killable.steps(runs[0][1]) if what.startswith("GET ")]
    each = median(later - earlier for earlier, later in pairwise(times))
    tell(f"{sum(point is not None for *_, point in runs)} kills, {unknown} unknown; {each:.3f} s a call")
