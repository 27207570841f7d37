"""Comparing what things cost within one run, instead of with a number of seconds on some machine."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_seconds(act: Callable[[], object]) -> float:
    """Return the CPU time that this process spends on an action."""
    began = time.process_time()
    act()
    return time.process_time() - began


def least_cpu_seconds(act: Callable[[], object], tries: int = 5) -> float:
    """Return the CPU time of the cheapest of some tries: other load can only make tries dearer."""
    return min(cpu_seconds(act) for _ in range(tries))
