"""Plans and applies for tests: short waits, everything allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow_provider_telecom.operators.novaconnect import NovaConnectFleetOperator

READING = ("sim/list", "group/list", "company/get")
CHEAP = {"poll_interval": 0.01, "wait_timeout": 60, "verify_within_seconds": 0}
EVERYTHING = {"max_changes": None, "allow": ("tariff", "disconnect")}


def plan(folder: Path, desired: Any, **more: Any) -> NovaConnectFleetOperator:
    given = {"task_id": "plan", "mode": "plan", "desired": desired, "plan_path": str(folder / "plan.json")}
    return NovaConnectFleetOperator(**{**given, **more})


def apply(folder: Path, **more: Any) -> NovaConnectFleetOperator:
    paths = {"plan_path": str(folder / "plan.json"), "results_path": str(folder / "results.jsonl")}
    return NovaConnectFleetOperator(**{
        "task_id": "apply",
        "mode": "apply",
        **paths,
        **CHEAP,
        **EVERYTHING,
        **more,
    })


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def changing(simulator: Any) -> list[str]:
    """Return the operations that were requested."""
    paths = [seen.path for seen in simulator.state.requests if not seen.path.endswith(READING)]
    return ["/".join(path.split("/")[-2:]) for path in paths]


def tariffs(simulator: Any) -> list[int]:
    """Return the SIMs whose tariff was changed, in order."""
    return sorted(effect.facts["id"] for effect in simulator.state.ledger.of("novaconnect", "tariff"))
