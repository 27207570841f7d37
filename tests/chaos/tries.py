"""What runs in the children of the killing process: one try of a task each."""

from __future__ import annotations

import json
import os
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import DAG

from airflow_provider_telecom.operators import receipts
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from tests.chaos import mutants
from tests.chaos.processes import StoredRun
from tests.running import Run


def operator(order: dict[str, Any]) -> Any:
    """Run one try of the operator at the import path `operator` with its `arguments`; return its XCom."""
    prepare(order)
    return StoredRun(Path(order["store"]), order.get("run_id", "manual__1")).execute(_made(order))


def load(order: dict[str, Any]) -> None:
    """Make the task of an order and render its templates, which has no effect.

    Signatures, templates and patterns are then in the caches that a child inherits.
    """
    if "operator" in order:
        with DAG("loaded", schedule=None):
            made = _made(order)
        made.render_template_fields(Run().context(made))


def _made(order: dict[str, Any]) -> Any:
    module, _, name = order["operator"].rpartition(".")
    return getattr(import_module(module), name)(**order["arguments"])


def prepare(order: dict[str, Any]) -> None:
    """Take the connections of an order, and plant its fault in the provider, if it has one."""
    os.environ.update(order["environment"])
    if name := order.get("mutant"):
        mutants.plant(name)


def use_the_clock_of_the_simulator(control: str) -> None:
    """Let tasks that wait for receipts move the simulator's clock, by its control API."""

    def clock(advance: float) -> datetime:
        body = json.dumps({"advance": advance}).encode()
        request = Request(control, body, {"content-type": "application/json"})
        with urlopen(request) as response:
            return datetime.fromisoformat(json.load(response)["now"])

    def sleep(seconds: float) -> None:
        clock(seconds)

    receipts._MAX_SLEEP = 10_000.0
    CollectReceiptsOperator.now = staticmethod(lambda: clock(0))
    CollectReceiptsOperator._sleep = staticmethod(sleep)  # type: ignore[method-assign]
