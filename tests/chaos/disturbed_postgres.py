"""A PostgreSQL that crashes, stays away, loses its connections, and whose disk fills up."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.system.services import Postgres, ServiceControl, controlled_postgres

DISK_MB = 140
_SETTINGS = {
    "synchronous_commit": "on",  # what is committed survives a crash of the server
    "full_page_writes": "on",
    "max_wal_size": "8MB",
    "min_wal_size": "2MB",
    "autovacuum_naptime": "5s",
}


class DisturbedPostgres:
    """A running PostgreSQL and what can be done to it."""

    def __init__(self, server: Postgres, control: ServiceControl) -> None:
        self.server, self._control = server, control
        self.done: Counter[str] = Counter()

    def disturb(self, kind: str, seconds: float) -> None:
        """Do one thing to it; what has a duration takes so many seconds."""
        getattr(self, f"_{kind}")(seconds)
        self.done[kind] += 1

    def _crash(self, seconds: float) -> None:
        self._control.restart()

    def _stay_away(self, seconds: float) -> None:
        self._control.stop()
        time.sleep(seconds)
        self._control.start()

    def _cut_connections(self, seconds: float) -> None:
        import psycopg2

        address = f"postgresql://airflow@127.0.0.1:{self.server.port}/postgres"
        connection = psycopg2.connect(address)
        try:
            connection.autocommit = True
            connection.cursor().execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
        finally:
            connection.close()

    def _fill_disk(self, seconds: float) -> None:
        """Leave no free byte for so long. The server may stop itself; then it is started again."""
        ballast = self._control.folder / "ballast"
        try:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:  # it may free something, and must not have it
                _take_all(ballast)
                time.sleep(0.02)
        finally:
            ballast.unlink()
        time.sleep(0.2)
        if not self._control.is_running():
            self._control.restart()
            self.done["stopped_by_full_disk"] += 1


def _take_all(ballast: Path) -> None:
    with ballast.open("ab") as file:
        while free := shutil.disk_usage(ballast.parent).free:
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), file.tell(), free)
                file.seek(0, os.SEEK_END)


KINDS = ("crash", "cut_connections", "fill_disk", "stay_away")


@contextmanager
def disturbed_postgres() -> Iterator[DisturbedPostgres]:
    """Run a PostgreSQL on a small disk."""
    with controlled_postgres(DISK_MB, **_SETTINGS) as (server, control):
        yield DisturbedPostgres(server, control)


def disturb_until(
    postgres: DisturbedPostgres,
    has_ended: Callable[[], bool],
    dice: random.Random,
    least: int = len(KINDS),
    pause: tuple[float, float] = (0.5, 2.0),
) -> None:
    """Disturb it in every way, in random order, until the work has ended."""
    while not has_ended() or sum(postgres.done.values()) < least:
        for kind in dice.sample(KINDS, len(KINDS)):
            time.sleep(dice.uniform(*pause))
            postgres.disturb(kind, dice.uniform(0.5, 2.0))
            if has_ended():
                break
