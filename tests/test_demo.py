"""`make demo`: what it prints, and that it ends all its processes.

Its Dag runs also in tests/examples; a stand-in for Airflow has the commands of the short form.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import HANG_SECONDS

ROOT = Path(__file__).parent.parent


STAND_IN = """
import json, os, sys, urllib.request
from pathlib import Path

assert Path(os.environ["AIRFLOW_HOME"]).name == ".demo"
print("to the log only", flush=True)
if sys.argv[1:] == ["dags", "test", "example_campaign"]:
    connection = json.loads(os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    request = urllib.request.Request(
        connection["host"] + "/rest/sms/create",
        json.dumps({"msisdn": "380670000200", "body": "Hi", "originator": "Shop"}).encode(),
        {"X-API-KEY": connection["password"], "Content-Type": "application/json"},
    )
    print("[DAG TEST] starting task_id=preview map_index=-1", flush=True)
    print("the vendor says", urllib.request.urlopen(request).status, flush=True)
    print("  delivered to 1 of 1 recipients", flush=True)
    sys.exit(int(os.environ.get("DEMO_FAILS", "0")))
assert sys.argv[1:] == ["db", "migrate"]
"""


def demo(**variables: str) -> tuple[int, str, str]:
    """Run the demo; return its exit code, what it printed, and its errors. It must leave no process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py")],
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        output, errors = process.communicate(timeout=5 * HANG_SECONDS)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return process.returncode, output, errors


@pytest.mark.xdist_group("airflow")
@pytest.mark.parametrize("fails", ["0", "1"])
def test_the_demo_runs_the_dag_against_its_simulator_and_leaves_no_process(
    tmp_path: Path, fails: str
) -> None:
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "__init__.py").touch()
    (tmp_path / "airflow" / "__main__.py").write_text(STAND_IN)
    python_path = os.pathsep.join([str(tmp_path), str(ROOT)])
    code, output, errors = demo(PYTHONPATH=python_path, DEMO_FAILS=fails)
    assert code == int(fails), errors
    assert "preview: a dry run" in output
    assert "the vendor says 200" in (ROOT / ".demo" / "airflow.log").read_text()
    assert "  delivered to 1 of 1 recipients\n" in output
    assert "to the log only" not in output
    assert ("Done in" in output) == (fails == "0")
    assert ("the campaign failed" in errors and "to the log only" in errors) == (fails == "1")


@pytest.mark.long
@pytest.mark.xdist_group("airflow")
def test_the_demo_prints_progress_and_a_report() -> None:
    code, output, errors = demo()
    assert code == 0, errors
    steps = (
        "audience",
        "preview",
        "spring.viber.send",
        "spring.sms.audience",
        "spring.sms.send",
        "spring.report",
    )
    tasks = [output.index(f"  {task}: ") for task in steps]
    assert tasks == sorted(tasks)
    assert "the vendor has 1,051 messages, 1,051 of them with a final receipt" in output
    for line in (
        "excluded: holdout 85, suppressed 40",
        "budget example_campaign: a task may spend 50 EUR",
        "delivered to 774 of 875 recipients",
        "price in all: 12.27 EUR; for each of them 0.0159 EUR",
    ):
        assert f"  {line}\n" in output
