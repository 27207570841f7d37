"""The cost of parsing a Dag: CPU time and memory of importing each module that Dags import from.

Measured in addition to airflow.sdk, each in a new fork of an interpreter; the cheapest of five tries counts.
Prints a JSON line for each module. tests/test_family.py checks that nothing heavy is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

import airflow.sdk

PACKAGE = Path(__file__).parent.parent / "airflow_provider_telecom"
PLACES = ("operators", "sensors", "transfers", "notifications")
TRIES = 5


def modules() -> list[str]:
    """Return the modules of all vendors that Dags import from."""
    vendors = sorted(path.name for path in (PACKAGE / "vendors").iterdir() if (path / "api.py").exists())
    names = [
        f"{place}.{vendor}{end}"
        for place in PLACES
        for vendor in vendors
        for end in ("", "_to_object_storage")
    ]
    paths = {name: PACKAGE.joinpath(*name.split(".")) for name in names}
    there = [name for name, path in paths.items() if path.is_dir() or path.with_suffix(".py").exists()]
    return [f"{PACKAGE.name}.{name}" for name in there]


def kilobytes() -> int:
    """Return the memory of this process."""
    return 4 * int(Path("/proc/self/statm").read_text().split()[1])


def cost_of(module: str) -> tuple[float, int]:
    """Import a module in a fork of this process; return the CPU milliseconds and kilobytes that it takes."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        cpu, memory = time.process_time(), kilobytes()
        importlib.import_module(module)
        figures = [1000 * (time.process_time() - cpu), kilobytes() - memory]
        os.write(writing, json.dumps(figures).encode())
        os._exit(0)
    os.wait()
    found: list[float] = json.loads(os.read(reading, 4096))
    os.close(reading)
    os.close(writing)
    return found[0], int(found[1])


def main() -> None:
    """Print the figures of each module."""
    sys.dont_write_bytecode = False  # modules are compiled once
    airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator  # noqa: B018 - they are imported when asked for
    for module in modules():
        milliseconds, memory = min(cost_of(module) for _ in range(TRIES))
        figures = {"bench": "import", "module": module, "cpu_ms": round(milliseconds, 1), "kilobytes": memory}
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
