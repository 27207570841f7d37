"""NovaConnect: 10,000 SIMs are blocked and awaited, and a fleet of 10,000 SIMs is planned.

The vendor is a simulator in its own process.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from measuring import (
    Figure,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    run,
    simulator,
)

LIMIT_S, LIMIT_MB = 20, 150
FIRST_ID = 1001
_PREPARE = (
    "from airflow_provider_telecom.simulator.novaconnect import VendorState;"
    "vendor_state = running.state.vendor_state('novaconnect', VendorState);"
    "vendor_state.add_sims({count} - len(vendor_state.sims));"
    "[setattr(sim, 'block', 'n') for sim in vendor_state.sims.values()]"
)


def execute(operator: Any, run_id: str) -> Any:
    """Run an operator, and return its XCom."""
    from tests.running import Run

    return Run(run_id).execute(operator)


def set_blocked(sim_ids: list[int], blocked: bool) -> int:
    """Block or unblock SIMs and wait for it; return how many were changed."""
    from airflow_provider_telecom.operators import novaconnect

    cls = novaconnect.NovaConnectBlockSimsOperator if blocked else novaconnect.NovaConnectUnblockSimsOperator
    operator = cls(
        task_id="block" if blocked else "unblock",
        sim_ids=sim_ids,
        max_changes=None,
        wait_for_completion=True,
        poll_interval=1,
    )
    return len(execute(operator, "run")["changed"])


def planned(desired: Path, plan: Path) -> int:
    """Plan a fleet; return how many SIMs are to be changed."""
    from airflow_provider_telecom.operators.novaconnect import NovaConnectFleetOperator

    operator = NovaConnectFleetOperator(
        task_id="plan", mode="plan", desired=str(desired), plan_path=str(plan), max_changes=None
    )
    return int(execute(operator, "run")["changed"])


def sample(act: partial[int], first: partial[int], expected: int) -> Sample:
    """Return what an action takes after a first one, which imports and connects."""
    first()
    idle = idle_megabytes()
    found = measured(act, expected)
    return {**found, "peak_mb": megabytes("VmHWM") - idle}


def figures(name: str, title: str, rounds: dict[str, list[Sample]], count: int) -> list[Figure]:
    """Return the figures of one operation."""
    limits: dict[str, Any] = {"limit_of": "ours", "sims": count}
    return [
        figure(f"fleet.{name}", title, "s of CPU", rounds, limit=LIMIT_S, **limits),
        figure(
            f"fleet.{name}.memory",
            f"{title}: peak over idle",
            "MB",
            rounds,
            of="peak_mb",
            limit=LIMIT_MB,
            **limits,
        ),
    ]


def block(quick: bool) -> list[Figure]:
    """Block all SIMs and wait, three times."""
    count = 300 if quick else 10_000
    everyone = list(range(FIRST_ID, FIRST_ID + count))
    with simulator(_PREPARE.format(count=count)):

        def of_ours() -> Sample:
            few = partial(set_blocked, everyone[:10], True)
            found = in_fork(lambda: sample(partial(set_blocked, everyone, True), few, count - 10))
            in_fork(partial(set_blocked, everyone, False))
            return found

        rounds = in_turn({"ours": of_ours})
    return figures("block", f"{count:,} SIMs blocked and awaited", rounds, count)


def plan(quick: bool) -> list[Figure]:
    """Plan a fleet with a rule for each SIM, three times."""
    count = 300 if quick else 10_000
    with tempfile.TemporaryDirectory() as name, simulator(_PREPARE.format(count=count)):
        folder = Path(name)

        def rules(size: int) -> Path:
            rows = [f"{sim_id},true,SIM {sim_id}" for sim_id in range(FIRST_ID, FIRST_ID + size)]
            path = folder / f"{size}.csv"
            path.write_text("\n".join(["id,blocked,name", *rows]))
            return path

        few, everyone = rules(10), rules(count)

        def of_ours() -> Sample:
            act = partial(planned, everyone, folder / f"plan-{os.getpid()}.json")
            return sample(act, partial(planned, few, folder / f"few-{os.getpid()}.json"), count)

        rounds = in_turn({"ours": lambda: in_fork(of_ours)})
    return figures("plan", f"A fleet of {count:,} SIMs planned", rounds, count)


CASES = {"block": block, "plan": plan}

if __name__ == "__main__":
    run(CASES, __doc__)
