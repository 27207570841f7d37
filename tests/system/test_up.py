"""`make up` as somebody at a terminal and a browser has it: started, used, ended, and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import psutil
import pytest

from airflow_provider_telecom.provider_info import get_provider_info
from airflow_provider_telecom.vendors.registry import vendors
from tests.system.running import LONG_SECONDS, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
DAG = "/api/v2/dags/example_kyivstar_sms"
pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.system]


@dataclass
class Served:
    """What `make up` has printed: two addresses."""

    airflow: str
    simulator: str
    ended_after: float = 0.0
    """Seconds from the signal to the end."""

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask Airflow's API, as its pages do."""
        token = fetched(Request(f"{self.airflow}/auth/token"))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        return fetched(Request(f"{self.airflow}{path}", data, headers, method=method))

    def examples(self) -> set[str]:
        """Return the Dags, all of them paused, once there are no more coming."""
        seen: set[str] = set()
        while True:
            assert self.ask("/api/v2/importErrors")["import_errors"] == []
            dags = {dag["dag_id"]: dag["is_paused"] for dag in self.ask("/api/v2/dags")["dags"]}
            assert all(dags.values())
            if seen and set(dags) == seen:
                return seen
            seen = set(dags)
            time.sleep(5)

    def tasks(self, dag_id: str) -> list[str]:
        """Return the tasks of a Dag, none if there is no such Dag."""
        try:
            return [task["task_id"] for task in self.ask(f"/api/v2/dags/{dag_id}/tasks")["tasks"]]
        except HTTPError as error:
            if error.code != 404:
                raise
            return []

    def run_to_end(self) -> str:
        """Start the Dag, wait for it, and return its state."""
        run_id = quote(self.ask(f"{DAG}/dagRuns", {"logical_date": None})["dag_run_id"])

        def state() -> str:
            return str(self.ask(f"{DAG}/dagRuns/{run_id}")["state"])

        assert wait_until(lambda: state() in ("success", "failed"), every=1), f"it is still {state()}"
        return state()


def fetched(request: Request) -> Any:
    with urlopen(request, timeout=LONG_SECONDS) as answer:
        return json.load(answer)


MINE = """
from airflow.sdk import dag, task

@dag(schedule=None, is_paused_upon_creation=False)
def mine():
    @task
    def {name}():
        import time
        time.sleep(600)
    {name}()
mine()
"""


@contextmanager
def up(home: Path, ended_by: signal.Signals) -> Iterator[Served]:
    """Run it until the block is left, and see it end as it should."""
    command = [sys.executable, str(ROOT / "scripts" / "up.py"), str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            assert "no login is needed" in "".join(said)
            assert str(home.parent / "dags") in "".join(said)
            addresses = [word for line in said for word in line.split() if word.startswith("http://")]
            served = Served(*addresses)
            yield served
        finally:
            began = time.monotonic()
            process.send_signal(ended_by)
            assert process.wait(LONG_SECONDS) == 0
    served.ended_after = time.monotonic() - began
    assert left_of(home) == []


def left_of(home: Path) -> list[str]:
    """Return the processes that still have this home."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(home):
                left.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return left


def test_it_serves_runs_an_example_ends_all_and_starts_again(tmp_path: Path) -> None:
    home = tmp_path / "up"
    with up(home, signal.SIGTERM) as served:
        assert fetched(Request(f"{served.simulator}/_control/ledger")) is not None
        assert served.examples() == {path.stem for path in (ROOT / "example_dags").glob("*.py")}
        check_connections(served)
        changed = {"connection_id": "sunsim_default", "conn_type": "sunsim", "host": "https://example.com"}
        served.ask("/api/v2/connections/sunsim_default?update_mask=host", changed, "PATCH")
        served.ask(DAG, {"is_paused": False}, "PATCH")
        assert served.run_to_end() == "success"
        second = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "up.py"), str(home)],
            capture_output=True,
            text=True,
            timeout=LONG_SECONDS,
            check=False,
        )
        assert second.returncode == 1
        assert "another" in second.stderr
    with up(home, signal.SIGINT) as served:
        assert served.run_to_end() == "success"
        assert served.ask(f"{DAG}/dagRuns")["total_entries"] == 2
        assert served.ask("/api/v2/connections/sunsim_default")["host"] == changed["host"]
        fmc = served.ask("/api/v2/connections/kyivstar_fmc_default")
        assert fmc["host"] == f"{served.simulator}/kyivstar_fmc"


def check_connections(served: Served) -> None:
    """Check that the stored connections can be edited in the form, and tested by its button."""
    stored = served.ask("/api/v2/connections")["connections"]
    assert {each["connection_id"] for each in stored} == {f"{vendor.id}_default" for vendor in vendors()}
    forms = {each["connection-type"]: each for each in get_provider_info()["connection-types"]}
    for each in stored:
        fields = forms[each["conn_type"]]["conn-fields"]
        assert list(json.loads(each["extra"])) == list(fields), "the form shows no others"
        told = served.ask("/api/v2/connections/test", each)  # with a masked password, as the button does
        expected = "not verified: no token" if each["conn_type"] == "sunsim" else "Connected: "
        assert told["message"].startswith(expected), told


def test_own_dags_are_read_at_once_and_running_tasks_end_with_all_else(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    home = tmp_path / "up"
    with up(home, signal.SIGINT) as served:
        served.examples()
        file = tmp_path / "dags" / "mine.py"
        for name in ("first", "second"):
            file.write_text(MINE.format(name=name))
            began = time.monotonic()
            assert wait_until(lambda name=name: served.tasks("mine") == [name])  # type: ignore[misc]
            tell(f"an own Dag is read after {time.monotonic() - began:.1f} s ({name})")
        run_id = quote(served.ask("/api/v2/dags/mine/dagRuns", {"logical_date": None})["dag_run_id"])
        task = f"/api/v2/dags/mine/dagRuns/{run_id}/taskInstances/second"
        assert wait_until(lambda: served.ask(task)["state"] == "running")
    tell(f"Ctrl-C ended everything, also a running task, after {served.ended_after:.1f} s")
