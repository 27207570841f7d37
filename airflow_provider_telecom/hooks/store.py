"""Where SunSim's live token is shared: an Airflow Variable, encrypted at rest, or memory without a key.

Workers and triggers read and write Variables through Airflow's API; there is no compare-and-swap, which
is what the lease in `auth.rotating_jwt` is for. Without a Fernet key a Variable would hold the token in
clear text, so it stays in this process's memory, and the log says so once.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.transport.wire import TokenStore

log = logging.getLogger(__name__)


class VariableStore(TokenStore):
    """Texts in Airflow Variables."""

    def load(self, key: str) -> str | None:
        """Return the Variable's text, or None. The text is masked in logs from then on."""
        from airflow.sdk import Variable

        text: str | None = Variable.get(key, default=None)
        return text

    def save(self, key: str, value: str) -> None:
        """Write the Variable."""
        from airflow.sdk import Variable

        Variable.set(key, value, description="Kept by airflow-provider-telecom; may be deleted at any time.")


def shared_store() -> TokenStore:
    """Return the Variable store, or this process's memory when Airflow has no Fernet key."""
    from airflow.sdk.configuration import conf

    if conf.get("core", "fernet_key", fallback=""):
        return VariableStore()
    log.warning(
        "Airflow has no Fernet key, so the SunSim token is kept in this process only: "
        "every other worker that mints one ends it. Set [core] fernet_key."
    )
    return TokenStore()


class HostLock:
    """One renewal at a time on this host, across processes."""

    def __init__(self, key: str) -> None:
        self._path = _private_directory() / f"{key}.lock"

    @contextmanager
    def __call__(self, timeout: float) -> Iterator[None]:
        """Hold the lock. Raises TelecomNotSentError when it cannot be had in time."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self._path, timeout=timeout, thread_local=False, mode=0o600):
                yield
        except Timeout:
            raise TelecomNotSentError(
                "not sent: another process has been renewing the token for too long"
            ) from None


def _private_directory() -> Path:
    import getpass

    folder = Path(tempfile.gettempdir()) / f"airflow-provider-telecom-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
