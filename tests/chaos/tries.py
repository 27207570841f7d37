"""What runs in the children of the killing process: one try of a task each."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.chaos import mutants
from tests.chaos.processes import StoredRun


def operator(order: dict[str, Any]) -> Any:
    """Run one try of the operator at the import path `operator` with its `arguments`; return its XCom."""
    prepare(order)
    module, _, name = order["operator"].rpartition(".")
    made = getattr(import_module(module), name)(**order["arguments"])
    return StoredRun(Path(order["store"]), order.get("run_id", "manual__1")).execute(made)


def prepare(order: dict[str, Any]) -> None:
    """Take the connections of an order, and plant its fault in the provider, if it has one."""
    os.environ.update(order["environment"])
    if name := order.get("mutant"):
        mutants.plant(name)
