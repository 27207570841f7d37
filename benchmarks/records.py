"""Long call lists to disk: memory and time of the transfer of FMC's call records.

The vendor is a simulator in its own process, which generates the calls while it sends them; the memory is
that of the task's process alone. Prints a JSON line for each list.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measuring import idle_megabytes, megabytes, simulator

LISTS = {
    "csv": ("csv", "jsonl"),
    "json": ("json", "jsonl"),
    "xml": ("xml", "jsonl"),
    "parquet": ("csv", "parquet"),
}
"""The format of each list, and the format of the written file."""
BYTES_OF_A_ROW = {"csv": 156, "json": 303, "xml": 388}
_DAYS = 6
_PREPARE = "sys.path.insert(0, sys.argv[1]); import records; records.fill(running, {count})"


def fill(running: Any, count: int) -> None:
    """Let the simulator have `count` calls, evenly over six days, and one long before."""
    from airflow_provider_telecom.simulator.kyivstar_fmc import KYIV, Call, VendorState

    vendor_state: Any = running.state.vendor_state("kyivstar_fmc", VendorState)
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(days=_DAYS, hours=1)

    def between(first: datetime, last: datetime) -> Any:
        since, until = (one.replace(tzinfo=KYIV).astimezone(UTC) for one in (first, last))
        for number in range(-1, count):
            at = start + timedelta(seconds=number * _DAYS * 86400 // count)
            at = at if number >= 0 else start - timedelta(days=_DAYS)
            if not since <= at <= until:
                continue
            yield Call(
                at,
                13,
                f"067000{number % 10_000:04d}",
                f"067000{number // 7 % 10_000:04d}",
                f"A name as long as names are, {number}",
                "Another name, just as long as it",
                f"Department {number % 50}",
            )

    vendor_state.between = between


def load(source_format: str, output_format: str, folder: str, days_ago: int) -> dict[str, Any]:
    """Load the calls of a bit more than six days, beginning so many days ago; return the summary."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
        KyivstarFmcCallsToObjectStorageOperator,
    )
    from tests.running import Run

    start = datetime.now(UTC) - timedelta(days=days_ago, hours=2)
    operator = KyivstarFmcCallsToObjectStorageOperator(
        task_id="load",
        path=folder,
        start=start,
        end=start + timedelta(days=_DAYS, hours=1, minutes=30),
        source_format=source_format,
        output_format=output_format,
        names=True,
        departments=True,
    )
    found: dict[str, Any] = Run().execute(operator)
    return found


def main() -> None:
    """Print the figures of each list, each measured in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--megabytes", type=int, default=300, help="how long the vendor's lists are")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="how many calls go to Parquet")
    arguments.add_argument("--only", choices=LISTS)
    chosen = arguments.parse_args()
    if chosen.only is None:
        for name in LISTS:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], check=True)
        return
    source_format, output_format = LISTS[chosen.only]
    count = chosen.rows
    if output_format != "parquet":
        count = chosen.megabytes * 1_000_000 // BYTES_OF_A_ROW[source_format]
    with tempfile.TemporaryDirectory() as folder, simulator(_PREPARE.format(count=count)):
        load(source_format, output_format, f"{folder}/one", 3 * _DAYS)  # loads what any task loads
        idle, wall, cpu = idle_megabytes(), time.monotonic(), time.process_time()
        summary = load(source_format, output_format, f"{folder}/all", _DAYS)
        print(
            json.dumps({
                "bench": f"records_{chosen.only}",
                "rows": summary["rows"],
                "windows": summary["windows"],
                "wall_s": round(time.monotonic() - wall, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                "peak_over_idle_mb": round(megabytes("VmHWM") - idle, 1),
            }),
            flush=True,
        )


if __name__ == "__main__":
    main()
