"""PostgreSQL and Redis as processes of our own: on loopback, on free ports, gone when the test ends.

Neither is started as a service of the system. PostgreSQL refuses to run as root, so root hands it to an
unprivileged user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_WITHIN_SECONDS = 600
_UNPRIVILEGED = ("postgres", "nobody")


class MissingServiceError(RuntimeError):
    """A program is not installed. `scripts/install_services.sh` installs it."""


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL with one user, `airflow`, who is trusted."""

    port: int
    binaries: Path

    def new_database(self, name: str) -> str:
        """Make an empty database and return the address that SQLAlchemy wants."""
        command = [self.binaries / "createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "airflow", name]
        subprocess.run(command, check=True, capture_output=True, timeout=READY_WITHIN_SECONDS)
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/{name}"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL whose data is thrown away afterwards."""
    with restartable_postgres() as (server, _):
        yield server


@contextmanager
def restartable_postgres() -> Iterator[tuple[Postgres, Callable[[], None]]]:
    """Run a PostgreSQL, and give a function that lets it crash and starts it again with its data."""
    with controlled_postgres() as (server, control):
        yield server, control.restart


@contextmanager
def controlled_postgres(
    disk_mb: int | None = None, **settings: str
) -> Iterator[tuple[Postgres, ServiceControl]]:
    """Run a PostgreSQL with its control. `disk_mb`: its data is on a file system of this size.

    By default a crash may lose the last transactions: `synchronous_commit="on"` keeps them.
    """
    binaries, port = _postgres_binaries(), free_port()
    with _folder(disk_mb) as (folder, user):
        data = folder / "data"
        options = ["--username=airflow", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        options += ["--wal-segsize=1"] if disk_mb else []
        subprocess.run(
            [binaries / "initdb", f"--pgdata={data}", *options],
            check=True,
            capture_output=True,
            timeout=READY_WITHIN_SECONDS,
            cwd=folder,
            **user,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "300",
            "fsync": "off",  # the machine may crash, and nothing here is worth keeping
            "synchronous_commit": "off",
            "full_page_writes": "off",
            **settings,
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [binaries / "postgres", "-D", data, "-p", str(port), *words]
        is_ready = [binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        control = ServiceControl(
            command, folder, user, signal.SIGQUIT, lambda: _wait_for(is_ready, folder, control.is_running)
        )
        with control:
            yield Postgres(port, binaries), control


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a Redis that keeps nothing, and return its address."""
    with restartable_redis() as (url, _):
        yield url


@contextmanager
def restartable_redis() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a Redis, and give a function that kills it and starts it again with its last snapshot, if any."""
    with controlled_redis() as (url, control):
        yield url, control.restart


@contextmanager
def controlled_redis() -> Iterator[tuple[str, ServiceControl]]:
    """Run a Redis with its control."""
    program, port = shutil.which("redis-server"), free_port()
    if program is None:
        raise MissingServiceError("redis-server is not installed")
    with _folder() as (folder, user):
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        control = ServiceControl(command, folder, user, signal.SIGKILL, lambda: _wait_for_port(port, folder))
        with control:
            yield f"redis://127.0.0.1:{port}/0", control


class ServiceControl:
    """Stops a service as a crash does, and starts it again with its data. It runs within a `with` block."""

    def __init__(
        self,
        command: list[Any],
        folder: Path,
        user: dict[str, Any],
        goodbye: signal.Signals,
        wait: Callable[[], None],
    ) -> None:
        self.folder = folder
        self._command, self._user, self._goodbye, self._wait = command, user, goodbye, wait
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServiceControl:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "out").open("a") as out:
            self._process = subprocess.Popen(
                self._command,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                **self._user,
            )
        self._wait()

    def stop(self) -> None:
        """Let it crash."""
        if self._process is None:
            return
        self._process.send_signal(self._goodbye)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._process = None

    def restart(self) -> None:
        """Let it crash, and start it again."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Return whether its process has not ended."""
        return self._process is not None and self._process.poll() is None


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _postgres_binaries() -> Path:
    """Return the folder of the newest PostgreSQL; Debian keeps it out of PATH."""
    found = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found += [path.parent for path in sorted(versions, key=lambda path: -float(path.parts[4]))]
    if not found:
        raise MissingServiceError("PostgreSQL is not installed")
    return found[0]


@contextmanager
def _folder(disk_mb: int | None = None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a temporary folder and whom to run a service as, in the words of `subprocess`.

    With `disk_mb` it is a file system in memory of this size. Raises MissingServiceError if none can be
    mounted.
    """
    with tempfile.TemporaryDirectory(prefix="telecom-service-") as name, ExitStack() as mounted:
        user: dict[str, Any] = {}
        if disk_mb is not None:
            mounted.enter_context(_small_disk(name, disk_mb))
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(name, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        yield Path(name), user


@contextmanager
def _small_disk(folder: str, megabytes: int) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        raise MissingServiceError("a file system in memory cannot be mounted: only root may do so")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)


def _unprivileged() -> pwd.struct_passwd:
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    return next(accounts[name] for name in _UNPRIVILEGED if name in accounts)


def _wait_for(command: list[Any], folder: Path, is_running: Callable[[], bool]) -> None:
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while subprocess.run(command, capture_output=True, timeout=READY_WITHIN_SECONDS, check=False).returncode:
        if time.monotonic() > ends or not is_running():
            raise TimeoutError((folder / "out").read_text()[-3000:])
        time.sleep(0.1)


def _wait_for_port(port: int, folder: Path) -> None:
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > ends:
                raise TimeoutError((folder / "out").read_text()[-3000:]) from None
            time.sleep(0.1)
        else:
            return
