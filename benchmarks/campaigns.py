"""A million recipients through the bulk operator and the promo operator: memory and time.

The vendors are a simulator in its own process; the memory is that of the task's process alone.
Prints a JSON line for each campaign. `--recipients` sets their number.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import idle_megabytes, megabytes, simulator

EACH = 100_000
_WALL, _CPU = 1, 2


def write_audience(path: Path, count: int) -> None:
    """Write a CSV file of distinct made-up numbers in random order, each with a name."""
    numbers = random.Random(1).sample(range(380_670_000_000, 380_670_000_000 + max(10_000_000, count)), count)
    with path.open("w", encoding="utf-8") as file:
        file.write("msisdn,name\n")
        file.writelines(f"{number},Name {number % 1000}\n" for number in numbers)


class Stopwatch:
    """Records the time after every `each` recipients that the operator's calls contain."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.laps = [(0, time.monotonic(), time.process_time())]
        self.count = 0

    def counting(self, call: Callable[..., Any], size_of: Callable[..., int]) -> Callable[..., Any]:
        """Return a function that makes the call and counts its recipients."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self.count += size_of(*args)
            if self.count - self.laps[-1][0] >= self.each:
                self.laps.append((self.count, time.monotonic(), time.process_time()))
            return result

        return counted

    def per_each(self, clock: int) -> list[float]:
        """Return the seconds per 100,000 recipients for each lap but the first, by one of the clocks."""
        pairs = zip(self.laps[1:], self.laps[2:], strict=False)
        return [round((b[clock] - a[clock]) * EACH / (b[0] - a[0]), 2) for a, b in pairs]


def measured(name: str, count: int, operator: Any, stopwatch: Stopwatch) -> dict[str, Any]:
    """Run the operator, and return its figures."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.running import Run

    idle, wall, cpu = idle_megabytes(), time.monotonic(), time.process_time()
    facts = Run().execute(operator)
    peak = megabytes("VmHWM")
    each = stopwatch.per_each(_WALL)
    return {
        "bench": name,
        "recipients": count,
        "sent": facts.get("accepted", facts["recipients"]),
        "wall_s": round(time.monotonic() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        "peak_over_idle_mb": round(peak - idle, 1),
        "s_per_100k": each,
        "cpu_s_per_100k": stopwatch.per_each(_CPU),
        "slowest_to_fastest": round(max(each) / min(each), 2) if each else None,
    }


def bulk(audience: Path, results: Path, stopwatch: Stopwatch) -> Any:
    """Return the bulk operator with individual texts; its calls are counted."""
    from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

    operator = KetchUpSendBulkSmsOperator(
        task_id="bulk", recipients=str(audience), text="Hello {name}", results_path=str(results)
    )
    operator.hook.get_conn()
    counted = stopwatch.counting(operator.hook.send_individual_sms, len)
    operator.hook.send_individual_sms = counted  # type: ignore[method-assign]
    return operator


def promo(audience: Path, results: Path, stopwatch: Stopwatch) -> Any:
    """Return the promo operator with numbers only; its calls are counted."""
    from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCreatePromoOperator

    operator = KyivstarCreatePromoOperator(
        task_id="promo",
        recipients=str(audience),
        text="Hello",
        start=True,
        chunk_size=min(20_000, stopwatch.each),
    )
    operator.hook.get_conn()
    counted = stopwatch.counting(operator.hook.add_promo_audience, lambda _, people: len(people))
    operator.hook.add_promo_audience = counted  # type: ignore[method-assign]
    return operator


CAMPAIGNS = {"bulk_sms": bulk, "promo": promo}


def main() -> None:
    """Print the figures of both campaigns, each measured in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--recipients", type=int, default=1_000_000)
    arguments.add_argument("--each", type=int, default=EACH, help="number of recipients in a lap")
    arguments.add_argument("--only", choices=CAMPAIGNS)
    chosen = arguments.parse_args()
    if chosen.only is None:
        for name in CAMPAIGNS:
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            subprocess.run(command, check=True)
        return
    with tempfile.TemporaryDirectory() as folder, simulator():
        audience = Path(folder) / "audience.csv"
        write = [sys.executable, "-c", _WRITE, str(Path(__file__).parent), str(audience)]
        subprocess.run([*write, str(chosen.recipients)], check=True)
        stopwatch = Stopwatch(chosen.each)
        operator = CAMPAIGNS[chosen.only](audience, Path(folder) / "results.jsonl", stopwatch)
        print(json.dumps(measured(chosen.only, chosen.recipients, operator, stopwatch)), flush=True)


_WRITE = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
    "from campaigns import write_audience; write_audience(Path(sys.argv[2]), int(sys.argv[3]))"
)

if __name__ == "__main__":
    main()
