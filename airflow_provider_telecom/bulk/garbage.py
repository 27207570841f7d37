"""Python's garbage collector during long sends and transfers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def old_objects_frozen() -> Iterator[None]:
    """Leave the present objects out of garbage collection for a while.

    A worker has hundreds of thousands of objects: Airflow's modules and the Dag. A send makes millions of
    small ones, and after some thousands the collector would look at all of the old ones again, which took
    more than half of the time. Garbage that the send makes is collected as always. If the process has frozen
    objects already, as after a fork, they stay frozen.
    """
    import gc  # not when a Dag is parsed

    were_frozen = gc.get_freeze_count()
    gc.freeze()
    try:
        yield
    finally:
        if not were_frozen:
            gc.unfreeze()
