"""What each recipient has been told, remembered where all of Airflow's processes can look: in Variables.

One Variable for each recipient of a connection. Its name and what it holds are hashes, salted with the
connection's credentials, and times; it may be deleted at any time. It is read, changed and written under
a lock of this host. Airflow offers nothing that would keep two hosts apart, so if they tell of the same
event within the same second, both may send; and one that has written last may have forgotten what the
other one wrote. Where Variables cannot be written, the memory of this process takes their place. With
Airflow's experimental `[secrets] use_cache` the dag-processor sees what others have told only later.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.hooks.store import HostLock, InMemoryStore, VariableStore
from airflow_provider_telecom.journal.reference import fingerprint

log = logging.getLogger(__name__)

PREFIX = "__telecom_told__"
HOUR, KEPT_SECONDS, MOST_KEPT = 3600, 7 * 86_400, 500
_variables, _process = VariableStore(), InMemoryStore()


@dataclass
class Page:
    """What is remembered of one recipient: hashes of what was told, and when; and of what was withheld."""

    told: dict[str, int] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | None) -> Page:
        """Return what a stored text says; nothing, if somebody has put something else in its place."""
        try:
            found = json.loads(text or "{}")
            told, suppressed = (
                {str(name): int(at) for name, at in found.get(part, {}).items()}
                for part in ("told", "withheld")
            )
        except (ValueError, AttributeError, TypeError, RecursionError):
            return cls()
        return cls(told, suppressed)

    def written(self, now: int) -> str:
        """Return it as text, without what is old."""
        recent = [
            {name: at for name, at in list(part.items())[-MOST_KEPT:] if at > now - KEPT_SECONDS}
            for part in (self.told, self.suppressed)
        ]
        return json.dumps({"told": recent[0], "withheld": recent[1]}, separators=(",", ":"))


@dataclass(frozen=True)
class Claim:
    """The answer to whether an event may be told now. `withheld` are those that were kept back before it."""

    granted: bool
    why_not: str = ""
    level: int = logging.INFO
    suppressed: dict[str, int] = field(default_factory=dict)


class Deduplicator:
    """What one recipient has been told through one connection.

    `shared` is False in the one place where Airflow lets Variables be read but never answers a write.
    """

    def __init__(self, conn_id: str, account_key: str, recipient: str, *, shared: bool = True) -> None:
        self._salt, self._shared = account_key, shared
        self._name = PREFIX + fingerprint([conn_id, account_key, recipient])[:32]

    def claim(self, key: str, most: int, patience: float) -> Claim:
        """Ask whether `key` may be told now, and if so remember it as told: the intent comes first.

        At most `most` are granted in an hour. Waits at most `patience` seconds for others of this host.
        """
        name = self._blind(key)
        with self._page(patience) as (page, now):
            if name in page.told:
                return Claim(False, "it was told before")
            if sum(at > now - HOUR for at in page.told.values()) >= most:
                page.suppressed[name] = now
                why_not = f"{most} were sent within the hour, and {len(page.suppressed)} are withheld since"
                return Claim(False, why_not, logging.WARNING)
            page.suppressed.pop(name, None)
            page.told[name] = now
            taken, page.suppressed = page.suppressed, {}
            return Claim(True, suppressed=taken)

    def release(self, key: str, claim: Claim, patience: float) -> None:
        """Forget that `key` was told, for it certainly was not."""
        with self._page(patience) as (page, _):
            page.told.pop(self._blind(key), None)
            page.suppressed = {**claim.suppressed, **page.suppressed}

    def _blind(self, key: str) -> str:
        return hashlib.sha256(f"{self._salt}:{key}".encode()).hexdigest()[:16]

    @contextmanager
    def _page(self, patience: float) -> Iterator[tuple[Page, int]]:
        """Give what is remembered and the time, and write it when the block is left."""
        now = int(time.time())
        with self._alone(patience):
            store, page = self._loaded()
            before = page.written(now)
            yield page, now
            if (after := page.written(now)) != before:
                self._save(store, after)

    @contextmanager
    def _alone(self, patience: float) -> Iterator[None]:
        """Keep the others of this host out; where no lock can be made, it goes without."""
        try:
            lock = HostLock(self._name)(max(0.0, patience))
            lock.__enter__()
        except (TelecomInputError, OSError) as error:
            log.warning("no lock keeps others from telling the same: %s", type(error).__name__)
            yield
            return
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def _loaded(self) -> tuple[InMemoryStore, Page]:
        """Return where to write, and what is remembered: there, and here while that could not be written."""
        here = Page.read(_process.load(self._name))
        if self._shared:
            try:
                there = Page.read(_variables.load(self._name))
            except Exception as error:  # whatever a secrets backend raises: the message is more important
                _tell_of(error)
            else:
                return _variables, Page({**there.told, **here.told}, {**there.suppressed, **here.suppressed})
        return _process, here

    def _save(self, store: InMemoryStore, text: str) -> None:
        try:
            store.save(self._name, text)
        except Exception as error:
            _tell_of(error)
            _process.save(self._name, text)
        else:
            if store is _variables:
                _process.save(self._name, "")


def _tell_of(error: Exception) -> None:
    log.warning(
        "%s: this process's own memory of what was told takes the place of Airflow's Variables",
        error if isinstance(error, TelecomError) else type(error).__name__,
    )
