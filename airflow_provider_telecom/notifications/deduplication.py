"""Alerts that each recipient has got, recorded in Airflow Variables, which all of Airflow's processes share.

There is one Variable for each recipient of a connection. Its name and content are times and hashes, salted
with the connection's credentials; it may be deleted at any time. It is changed under a lock of this host.
Airflow has no lock between hosts: if two hosts alert about the same event within the same second, both may
send, and the one that writes last may lose what the other has written. If Variables can't be written, this
process remembers. With Airflow's experimental `[secrets] use_cache` the dag-processor sees later what other
processes have sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.hooks.store import HostLock, InMemoryStore, VariableStore
from airflow_provider_telecom.journal.idempotency_keys import fingerprint

log = logging.getLogger(__name__)

PREFIX = "__telecom_told__"
HOUR, KEEP_SECONDS, MAX_KEPT = 3600, 7 * 86_400, 500
_variables, _memory = VariableStore(), InMemoryStore()


@dataclass
class RecipientRecord:
    """What is recorded about one recipient: hashes of sent and of suppressed alerts, with their times."""

    sent: dict[str, int] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> RecipientRecord:
        """Return the record of a stored text; an empty one, if somebody has replaced the text."""
        try:
            found = json.loads(text or "{}")
            sent, suppressed = (
                {str(name): int(at) for name, at in found.get(part, {}).items()}
                for part in ("told", "withheld")
            )
        except (ValueError, AttributeError, TypeError, RecursionError):
            return cls()
        return cls(sent, suppressed)

    def to_text(self, now: int) -> str:
        """Return the text to store, without old alerts."""
        sent, suppressed = (
            {name: at for name, at in list(part.items())[-MAX_KEPT:] if at > now - KEEP_SECONDS}
            for part in (self.sent, self.suppressed)
        )
        return json.dumps({"told": sent, "withheld": suppressed}, separators=(",", ":"))


@dataclass(frozen=True)
class Claim:
    """Whether an alert may be sent now. `suppressed` are the alerts suppressed before it."""

    granted: bool
    reason: str = ""
    level: int = logging.INFO
    suppressed: dict[str, int] = field(default_factory=dict)


class Deduplicator:
    """The alerts that one recipient has got through one connection.

    `shared` is False in the one place where Airflow lets Variables be read but never answers a write.
    """

    def __init__(self, conn_id: str, account_key: str, recipient: str, *, shared: bool = True) -> None:
        self._salt, self._shared = account_key, shared
        self._name = PREFIX + fingerprint([conn_id, account_key, recipient])[:32]

    def claim(self, key: str, max_per_hour: int, lock_timeout: float) -> Claim:
        """Return whether the alert may be sent now; if so, record it as sent before it is.

        Waits at most `lock_timeout` seconds for other processes of this host.
        """
        name = self._hash(key)
        with self._record(lock_timeout) as (record, now):
            if name in record.sent:
                return Claim(False, "sent before")
            if sum(at > now - HOUR for at in record.sent.values()) >= max_per_hour:
                record.suppressed[name] = now
                reason = f"{max_per_hour} sent in the last hour, {len(record.suppressed)} suppressed since"
                return Claim(False, reason, logging.WARNING)
            record.suppressed.pop(name, None)
            record.sent[name] = now
            suppressed, record.suppressed = record.suppressed, {}
            return Claim(True, suppressed=suppressed)

    def hold_back(self, key: str, reason: str, lock_timeout: float) -> Claim | None:
        """Record the alert as suppressed, and return a claim that is not granted.

        Returns None if other processes can't know of it, so that no later alert would count it.
        """
        now, name = int(time.time()), self._hash(key)
        with self._locked(lock_timeout):
            store, record = self._load()
            if name in record.sent:
                return Claim(False, "sent before")
            record.suppressed[name] = now
            if store is _memory or not self._save(store, record.to_text(now)):
                return None
            return Claim(False, f"{reason}, {len(record.suppressed)} suppressed since", logging.WARNING)

    def release(self, key: str, claim: Claim, lock_timeout: float) -> None:
        """Remove the record of an alert that certainly was not sent."""
        with self._record(lock_timeout) as (record, _):
            record.sent.pop(self._hash(key), None)
            record.suppressed = {**claim.suppressed, **record.suppressed}

    def _hash(self, key: str) -> str:
        return hashlib.sha256(f"{self._salt}:{key}".encode()).hexdigest()[:16]

    @contextmanager
    def _record(self, lock_timeout: float) -> Iterator[tuple[RecipientRecord, int]]:
        """Yield the record and the time; write the record when the block ends."""
        now = int(time.time())
        with self._locked(lock_timeout):
            store, record = self._load()
            before = record.to_text(now)
            yield record, now
            if (after := record.to_text(now)) != before:
                self._save(store, after)

    @contextmanager
    def _locked(self, lock_timeout: float) -> Iterator[None]:
        """Hold the lock of this host; if it can't be created, go on without."""
        try:
            lock = HostLock(self._name)(lock_timeout)
            lock.__enter__()
        except (TelecomInputError, OSError) as error:
            log.warning("no lock: another process may send the same alert (%s)", type(error).__name__)
            yield
            return
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def _load(self) -> tuple[InMemoryStore, RecipientRecord]:
        """Return the store to write to, and the record: of the Variable, and of memory if that failed."""
        own = RecipientRecord.parse(_memory.load(self._name))
        if self._shared:
            try:
                stored = RecipientRecord.parse(self._stored())
            except Exception as error:  # whatever a secrets backend raises: the alert is more important
                _log_fallback(error)
            else:
                return _variables, RecipientRecord(
                    {**stored.sent, **own.sent}, {**stored.suppressed, **own.suppressed}
                )
        return _memory, own

    def _stored(self) -> str | None:
        """Return the text of the Variable, or None if there is none. Raises TelecomNotSentError.

        Airflow returns no value also if its API has failed. An empty record would then replace the real one.
        """
        from airflow.sdk import Variable

        text = _variables.load(self._name)
        if text is None and _is_supervised() and self._name in list(Variable.keys(prefix=self._name)):
            raise TelecomNotSentError("not sent: Airflow's Variables cannot be read")
        return text

    def _save(self, store: InMemoryStore, text: str) -> bool:
        """Return whether the record is in `store`, and not only in the memory of this process."""
        try:
            store.save(self._name, text)
        except Exception as error:
            _log_fallback(error)
            _memory.save(self._name, text)
            return False
        if store is _variables:
            _memory.save(self._name, "")
        return True


def _is_supervised() -> bool:
    """Return whether a supervisor runs this process; without one there are no Variables."""
    from airflow.sdk.execution_time import task_runner

    return hasattr(task_runner, "SUPERVISOR_COMMS")


def _log_fallback(error: Exception) -> None:
    log.warning(
        "%s: alerts are recorded in this process only, not in Airflow's Variables",
        error if isinstance(error, TelecomError) else type(error).__name__,
    )
