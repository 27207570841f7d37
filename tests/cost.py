"""CPU time of actions, to be compared within one run rather than with a fixed number of seconds."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_seconds(act: Callable[[], object]) -> float:
    """Return the CPU seconds that this process spends on an action."""
    began = time.process_time()
    act()
    return time.process_time() - began


def least_cpu_seconds(act: Callable[[], object], tries: int = 5) -> float:
    """Return the CPU seconds of the cheapest of some tries: other load can only add to them."""
    return min(cpu_seconds(act) for _ in range(tries))
