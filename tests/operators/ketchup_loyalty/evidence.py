"""What the tests of KetchUp's operators share: what was paid for, what Airflow would show, killed tries."""

from __future__ import annotations

import json
from typing import Any

from tests.running import Run


def paid(simulator: Any, kind: str) -> list[dict[str, Any]]:
    """Return what was sent or looked up, in order."""
    return [effect.facts for effect in simulator.state.ledger.of("ketchup_loyalty", kind)]


def shown(operator: Any, run: Run, found: Any) -> str:
    """Return all that Airflow's database would hold of a task."""
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    store = run.stores[operator.task_id].texts
    return json.dumps([_serialize_rendered_fields(operator), store, run.events, found], default=str)


def killed(run: Run, task_id: str, kind: str = "sent") -> None:
    """Leave the journal as a try does that is killed after its effect and before it is written down."""
    texts = run.stores[task_id].texts
    entry = json.loads(texts[f"telecom.{kind}"])
    texts[f"telecom.{kind}"] = json.dumps({**entry, "state": "intent"})
