"""A try of a receipts task in a child of the killing process, with the simulator's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpCollectReceiptsOperator
from tests.chaos.processes import StoredRun
from tests.chaos.tries import prepare, use_the_clock_of_the_simulator


def one_try(order: dict[str, Any]) -> Any:
    """Run a try, and return its XCom."""
    prepare(order)
    use_the_clock_of_the_simulator(order["control"])
    KetchUpCollectReceiptsOperator.group_size = 7  # so that a round can be resumed in its middle
    return StoredRun(Path(order["store"])).execute(KetchUpCollectReceiptsOperator(**order["arguments"]))
