"""Shared by the benchmarks: a simulator in its own process, and the memory of this process."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVE = (
    "import json, sys; from airflow_provider_telecom.simulator.server import Simulator;"
    "running = Simulator(); running.start(); {prepare};"
    "print(json.dumps(running.environment()), flush=True); sys.stdin.read()"
)


@contextmanager
def simulator(prepare: str = "pass") -> Iterator[None]:
    """Run the simulator as a process, and add its connections to the environment.

    `prepare` is a Python statement about `running`, the running simulator.
    """
    program = [sys.executable, "-c", _SERVE.format(prepare=prepare), str(Path(__file__).parent)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        os.environ.update(json.loads(process.stdout.readline()))
        try:
            yield
        finally:
            process.kill()


def megabytes(what: str) -> float:
    """Return the memory of this process: VmRSS now, VmHWM at its peak (getrusage's is the parent's too)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def idle_megabytes() -> float:
    """Reset the peak, and return the present memory of this process."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return megabytes("VmRSS")
