"""Python's garbage collector during long sends and transfers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_users = 0


@contextmanager
def old_objects_frozen() -> Iterator[None]:
    """Leave the present objects out of garbage collection for a while.

    A worker has hundreds of thousands of objects: Airflow's modules and the Dag. A send makes millions of
    small ones, and after some thousands the collector would look at all of the old ones again, which took
    more than half of the time. Garbage that the send makes is collected as always. If the process has frozen
    objects already, as after a fork, they stay frozen.
    """
    global _users
    import gc  # not when a Dag is parsed

    before = _were_frozen()
    gc.freeze()
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not (before or _users):
            gc.unfreeze()


@cache
def _were_frozen() -> bool:
    """Whether the process had frozen objects before the first use. Counting takes long, so only once."""
    import gc

    return gc.get_freeze_count() > 0
