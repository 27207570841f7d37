"""Waiting for other threads and processes, with a deadline that even an overloaded machine does not reach."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

HANG_SECONDS = 120.0
"""Only a guard against hanging: no test fails because something takes long."""


def eventually(condition: Callable[[], Any], every: float = 0.01) -> bool:
    """Wait until a condition holds, and return whether it does."""
    ends = time.monotonic() + HANG_SECONDS
    while not (holds := bool(condition())) and time.monotonic() < ends:
        time.sleep(every)
    return holds


async def eventually_async(condition: Callable[[], Any], every: float = 0.005) -> bool:
    """Wait until a condition holds while other coroutines run, and return whether it does."""
    ends = time.monotonic() + HANG_SECONDS
    while not (holds := bool(condition())) and time.monotonic() < ends:
        await asyncio.sleep(every)
    return holds
