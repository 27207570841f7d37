"""Stores for tokens and other short texts, and a lock: Airflow Variables, memory, a file lock of this host.

Workers and triggers read and write Variables through Airflow's API. It has no compare-and-swap: the lease in
`auth.rotating_jwt` takes its place.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_telecom.auth.rotating_jwt import secrets_in
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.transport.wire import TokenStore

_BETWEEN_TRIES = 0.05
_UNSET_FERNET_KEYS = ("", "{FERNET_KEY}")  # the second is in Airflow's own template of a configuration


def has_fernet_key() -> bool:
    """Whether Airflow encrypts Variables. Without a key no token is stored."""
    from airflow.sdk.configuration import conf

    return conf.get("core", "fernet_key", fallback="") not in _UNSET_FERNET_KEYS


class InMemoryStore(TokenStore):
    """Texts in the memory of this process. Airflow masks tokens in its logs."""

    def save(self, key: str, value: str) -> None:
        """Store a text under a key."""
        _mask(value)
        super().save(key, value)


class VariableStore(InMemoryStore):
    """Texts in Airflow Variables; outside tasks and triggers, where none can be written, in memory.

    Both methods block, and raise TelecomNotSentError if Airflow's API does not answer.
    """

    def load(self, key: str) -> str | None:
        """Return the text of the Variable, or the one in memory, or None."""
        from airflow.sdk import Variable
        from airflow.sdk.exceptions import AirflowRuntimeError

        try:
            text: str | None = Variable.get(key, default=None)
        except AirflowRuntimeError:
            raise TelecomNotSentError("not sent: Airflow's Variables cannot be read") from None
        _mask(text)
        return text or super().load(key)

    def save(self, key: str, value: str) -> None:
        """Write the Variable."""
        from airflow.sdk import Variable
        from airflow.sdk.exceptions import AirflowRuntimeError

        _mask(value)  # before any log line can show it
        try:
            Variable.set(
                key, value, description="Kept by airflow-provider-telecom; may be deleted at any time."
            )
        except ImportError:  # raised when no supervisor runs this process
            super().save(key, value)
        except AirflowRuntimeError:
            raise TelecomNotSentError("not sent: Airflow's Variables cannot be written") from None


def _mask(text: str | None) -> None:
    from airflow.sdk.log import mask_secret

    for secret in secrets_in(text):
        mask_secret(secret)


class HostLock:
    """A lock for all processes of this host, for example while a token is renewed."""

    def __init__(self, key: str) -> None:
        self._path = _private_directory() / f"{key}.lock"

    @contextmanager
    def __call__(self, timeout: float) -> Iterator[None]:
        """Hold the lock. Raises TelecomNotSentError if another process holds it for too long."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _lock(file, timeout)
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing is not enough: a forked child may hold a copy
            os.close(file)


def _lock(file: int, timeout: float) -> None:
    """Lock an open file, also against other threads of this process that opened it."""
    gives_up = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= gives_up:
                raise TelecomNotSentError(
                    "not sent: another process of this host holds the lock for too long"
                ) from None
        time.sleep(_BETWEEN_TRIES)


def _private_directory() -> Path:
    """Return a directory that only this user can access. Raises TelecomInputError if it is another's."""
    folder = Path(tempfile.gettempdir()) / f"airflow-provider-telecom-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise TelecomInputError("lock", f"{folder} must be a directory of this user alone")
    return folder
