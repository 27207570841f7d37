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
    binaries, port = _postgres_binaries(), free_port()
    with _folder() as (folder, user):
        data = folder / "data"
        options = ["--username=airflow", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
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
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [binaries / "postgres", "-D", data, "-p", str(port), *words]
        with ExitStack() as running:

            def start() -> None:
                running.enter_context(_process(command, folder, user, signal.SIGQUIT))
                _wait_for([binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], folder)

            def restart() -> None:
                running.close()
                start()

            start()
            yield Postgres(port, binaries), restart


@contextmanager
def running_redis() -> Iterator[str]:
    """Run a Redis that keeps nothing, and return its address."""
    with restartable_redis() as (url, _):
        yield url


@contextmanager
def restartable_redis() -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a Redis, and give a function that kills it and starts it again with its last snapshot, if any."""
    program, port = shutil.which("redis-server"), free_port()
    if program is None:
        raise MissingServiceError("redis-server is not installed")
    with _folder() as (folder, user):
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with ExitStack() as running:

            def start() -> None:
                running.enter_context(_process(command, folder, user, signal.SIGKILL))
                _wait_for_port(port, folder)

            def restart() -> None:
                running.close()
                start()

            start()
            yield f"redis://127.0.0.1:{port}/0", restart


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
def _folder() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a temporary folder and whom to run a service as, in the words of `subprocess`."""
    with tempfile.TemporaryDirectory(prefix="telecom-service-") as name:
        user: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(name, account.pw_uid, account.pw_gid)
            user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        yield Path(name), user


def _unprivileged() -> pwd.struct_passwd:
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    return next(accounts[name] for name in _UNPRIVILEGED if name in accounts)


@contextmanager
def _process(
    command: list[Any], folder: Path, user: dict[str, Any], goodbye: signal.Signals
) -> Iterator[None]:
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, cwd=folder, **user
        )
        try:
            yield
        finally:
            process.send_signal(goodbye)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


def _wait_for(command: list[Any], folder: Path) -> None:
    ends = time.monotonic() + READY_WITHIN_SECONDS
    while subprocess.run(command, capture_output=True, timeout=READY_WITHIN_SECONDS, check=False).returncode:
        if time.monotonic() > ends:
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
