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
if sys.argv[1:] == ["dags", "test", "example_ketchup_messaging"]:
    connection = json.loads(os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    request = urllib.request.Request(
        connection["host"] + "/rest/sms/create",
        json.dumps({"msisdn": "380670000200", "body": "Hi", "originator": "Shop"}).encode(),
        {"X-API-KEY": connection["password"], "Content-Type": "application/json"},
    )
    print("[DAG TEST] starting task_id=price map_index=-1", flush=True)
    print("the vendor says", urllib.request.urlopen(request).status, flush=True)
    print("| SMS sent | 1 |", flush=True)
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
    assert "price: reads the recipients" in output
    assert "the vendor says 200" in (ROOT / ".demo" / "airflow.log").read_text()
    assert "| SMS sent | 1 |" in output
    assert "to the log only" not in output
    assert ("Done in" in output) == (fails == "0")
    assert ("the campaign failed" in errors and "to the log only" in errors) == (fails == "1")


@pytest.mark.long
@pytest.mark.xdist_group("airflow")
def test_the_demo_prints_progress_and_a_report() -> None:
    code, output, errors = demo()
    assert code == 0, errors
    tasks = [output.index(f"{task}:") for task in ("price", "viber", "sms", "wait_for_receipts", "report")]
    assert tasks == sorted(tasks)
    assert "the vendor has 1,190 messages, 1,190 of them with a final receipt" in output
    rows = [line.strip(" |").split("|") for line in output.splitlines() if line.strip().startswith("| ")]
    assert {name.strip(): value.strip() for name, value in rows} == {
        "recipients": "1,000",
        "Viber delivered": "810",
        "Viber unknown": "0",
        "SMS sent": "190",
        "SMS delivered": "80",
        "paid for Viber": "10.00 EUR",
        "paid for SMS": "3.80 EUR",
    }
