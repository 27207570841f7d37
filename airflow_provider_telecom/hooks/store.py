"""Where SunSim's live token is shared: an Airflow Variable, encrypted at rest, or memory without a key.

Workers and triggers read and write Variables through Airflow's API; there is no compare-and-swap, which
is what the lease in `auth.rotating_jwt` is for. Without a Fernet key a Variable would hold the token in
clear text, so it stays in this process's memory, and the log says so.
"""

from __future__ import annotations

import fcntl
import logging
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

log = logging.getLogger(__name__)

_BETWEEN_TRIES = 0.05
_UNSET_FERNET_KEYS = ("", "{FERNET_KEY}")  # the second is what Airflow's own template holds without a file


class InMemoryStore(TokenStore):
    """Texts in this process's memory. Tokens in them are masked in Airflow's logs."""

    def save(self, key: str, value: str) -> None:
        """Put `value` under `key`."""
        _mask(value)
        super().save(key, value)


class VariableStore(InMemoryStore):
    """Texts in Airflow Variables, and in memory where they cannot be written: outside tasks and triggers.

    Both methods block, and raise TelecomNotSentError when Airflow's API does not answer.
    """

    def load(self, key: str) -> str | None:
        """Return the Variable's text, else what stands in memory, or None."""
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

        _mask(value)  # before the first line of a log could show it
        try:
            Variable.set(
                key, value, description="Kept by airflow-provider-telecom; may be deleted at any time."
            )
        except ImportError:  # Airflow's way of saying that no supervisor runs this process
            super().save(key, value)
        except AirflowRuntimeError:
            raise TelecomNotSentError("not sent: Airflow's Variables cannot be written") from None


def default_token_store() -> TokenStore:
    """Return the Variable store, or this process's memory when Airflow has no Fernet key."""
    from airflow.sdk.configuration import conf

    if conf.get("core", "fernet_key", fallback="") not in _UNSET_FERNET_KEYS:
        return VariableStore()
    log.warning(
        "Airflow has no Fernet key here, so the SunSim token is kept in this process only: "
        "every other worker that mints one ends it. Set [core] fernet_key, on workers too."
    )
    return InMemoryStore()


def _mask(text: str | None) -> None:
    from airflow.sdk.log import mask_secret

    for secret in secrets_in(text):
        mask_secret(secret)


class HostLock:
    """One at a time on this host, across processes: a renewal of a token, a change of a Variable."""

    def __init__(self, key: str) -> None:
        self._path = _private_directory() / f"{key}.lock"

    @contextmanager
    def __call__(self, timeout: float) -> Iterator[None]:
        """Hold the lock. Raises TelecomNotSentError when it cannot be had in time."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _lock(file, timeout)
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing alone would not do: a forked child may hold a copy
            os.close(file)


def _lock(file: int, timeout: float) -> None:
    """Lock an open file. Whoever opened it anew is kept out, in this process too."""
    gives_up = time.monotonic() + timeout
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= gives_up:
                raise TelecomNotSentError(
                    "not sent: another process of this host has been at it for too long"
                ) from None
        time.sleep(_BETWEEN_TRIES)


def _private_directory() -> Path:
    """Return a directory of this user's own. Raises TelecomInputError if somebody else made it first."""
    folder = Path(tempfile.gettempdir()) / f"airflow-provider-telecom-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise TelecomInputError("lock", f"{folder} must be a directory of this user alone")
    return folder
