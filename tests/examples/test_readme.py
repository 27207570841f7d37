"""The README's Dags run as written, and no document derives a key from what a run may not have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import task

from tests.running import Run

ROOT = Path(__file__).parent.parent.parent
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = PYTHON_BLOCK.findall((ROOT / "README.md").read_text())
DOCUMENTS = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("example_dags/*.py")]
MISSING_WITHOUT_A_LOGICAL_DATE = re.compile(r"(?<!\| )\b(?:ts|ds)(?:_nodash)?\b|\blogical_date\b")


def recipients(simulator: Any) -> list[str]:
    """Return the numbers of all SMS that were sent."""
    return [effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty", "sms")]


def executed(block: str, **names: Any) -> dict[str, Any]:
    """Return the names that a block of the README defines."""
    exec(compile(block, "README.md", "exec"), names)
    return names


def test_the_first_dag_sends_once_in_each_run(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    """A run that a person or an event starts may have no logical date: only its id differs."""
    hook_for("ketchup_loyalty")
    for run in (Run("manual__a"), Run("manual__b")):
        for _ in range(2):
            send = executed(BLOCKS[0])["thank_you"]().get_task("send")
            send.deferrable, send.poll_interval = False, 0.01
            assert run.execute(send)["status"] == "delivered"
    assert recipients(telecom_simulator) == ["380670000200"] * 2


def test_a_task_with_a_hook_sends_once_in_each_run(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty")
    (block,) = [block for block in BLOCKS if "def send(ti=None)" in block]
    send = executed(block, task=task)["send"].function
    for run_id in ("manual__a", "manual__b"):
        for _ in range(2):
            send(ti=SimpleNamespace(dag_id="dag", run_id=run_id, task_id="send"))
    assert recipients(telecom_simulator) == ["380670000200"] * 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_example_uses_what_a_run_may_not_have(document: Path) -> None:
    code = document.read_text()
    if document.suffix == ".md":
        code = "\n".join([*PYTHON_BLOCK.findall(code), *re.findall(r"\{\{.*?\}\}", code)])
    assert not MISSING_WITHOUT_A_LOGICAL_DATE.findall(code)
