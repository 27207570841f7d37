"""Account notices without a receiver: a watcher of assets that looks for what the vendor would have told.

Asset(
    NOVACONNECT_PACKAGE_EMPTY.name,
    NOVACONNECT_PACKAGE_EMPTY.uri,
    watchers=[AssetWatcher(name="packages", trigger=NovaConnectNoticesTrigger(kind="package_empty"))],
)
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Collection, Hashable, Mapping
from itertools import accumulate, pairwise
from typing import Any, Protocol

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.triggers.polling import PollConfig, Poller
from airflow_provider_telecom.vendors.poll_result import PollResult

MIN_POLL_INTERVAL = 5.0
"""Seconds within which Airflow has written an event into its database, unless something is wrong with it."""

_SPREAD_SECONDS = 10.0
_TOLERATED_ERRORS = 3
_HOOK = "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook"
_NOTICES = "airflow_provider_telecom.vendors.novaconnect.notices"
_WATCHES = {
    "package_empty": (f"{_NOTICES}.sims", "sim_ids"),
    "msu_lock": (f"{_NOTICES}.sims", "sim_ids"),
    "generate_bill": (f"{_NOTICES}.bills", "bill_ids"),
}
"""By the type of a notice: the watch that shows it, and what ids are called in its events."""

Shown = Mapping[str, Collection[int]]
"""What a look has shown: ids by the type of a notice. Nothing at all stands for a look that failed."""

_log = logging.getLogger(__name__)


class NovaConnectNoticesTrigger(BaseEventTrigger):
    """Looks at intervals for what is new; one event tells of all of it.

    An event's payload is `{"conn_id", "type", "sim_ids"}`, or `bill_ids` for bills. A SIM that has left the
    block and is in it again is news again. What was told of is remembered in the asset's state store, a look
    later: so it is told at least once, whatever becomes of the triggerer, and hardly ever twice. It never
    ends: an error becomes a line in the log, one a look at most. Watchers with the same connection and
    interval share their looks. Reads only.

    :param kind: `package_empty` (SIMs that have used their package up), `msu_lock` (SIMs that were blocked
        for MSU) or `generate_bill`.
    :param conn_id: the `novaconnect` connection.
    :param poll_interval: seconds between two looks, 5 or more.
    :param from_start: whether the first look ever tells of all that is there; else it is only remembered.
    """

    def __init__(
        self,
        *,
        kind: str,
        conn_id: str = "novaconnect_default",
        poll_interval: float = 300.0,
        from_start: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kind = one_of("kind", kind, tuple(_WATCHES))
        self.conn_id = non_blank("conn_id", conn_id)
        self.poll_interval = _interval(poll_interval)
        self.from_start = one_of("from_start", from_start, (True, False))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and what makes an equal trigger."""
        names = ("kind", "conn_id", "poll_interval", "from_start")
        return PATH, {name: getattr(self, name) for name in names}

    def shared_stream_key(self) -> Hashable:
        """Return what is equal for all triggers that can share their looks."""
        status_check, _ = _WATCHES[self.kind]
        return PATH, status_check, self.conn_id, self.poll_interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Shown]:
        """Look for ever, for all triggers of a key."""
        status_check, _ = _WATCHES[kwargs["kind"]]
        interval = kwargs["poll_interval"]
        waiting = PollConfig(_HOOK, status_check, kwargs["conn_id"], {}, interval, _TOLERATED_ERRORS)
        poller = await asyncio.to_thread(Poller, waiting)
        await asyncio.sleep(random.uniform(0, min(_SPREAD_SECONDS, interval)))
        while True:
            shown, asked = await _look(waiting, poller)
            yield shown
            await asyncio.sleep(poller.next_delay(asked))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Shown]) -> AsyncIterator[TriggerEvent]:
        """Tell of what is new for this trigger."""
        _, name = _WATCHES[self.kind]
        memory = _SeenIds(self.asset_state_store, f"telecom.{self.kind}.{self.conn_id}", self.from_start)
        async for shown in shared_stream:
            try:
                news = await memory.news(shown.get(self.kind))
            except Exception as error:  # the store is out of reach: the next look shows the same
                _complain(self.conn_id, error)
                continue
            if news:
                payload = {"conn_id": self.conn_id, "type": self.kind, name: news}
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look and tell, without sharing."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event


async def _look(waiting: PollConfig, poller: Poller) -> tuple[Shown, float | None]:
    """Look once; return what is there, and for how long the vendor asks to be left alone.

    The hook is made anew for each look, so that a connection that was mended is used from then on.
    """
    try:
        new_hook = await asyncio.to_thread(waiting.new_hook)
        async with new_hook.async_session() as hook:
            progress: PollResult = await hook.arun(poller.call(hook))
    except TelecomError as error:
        try:
            poller.tolerate(error)
            _log.info("Nothing was seen at %s, looking on: %s", waiting.conn_id, error)
        except TelecomError:
            _complain(waiting.conn_id, error)
        return {}, error.retry_after
    except Exception as error:  # there is no such connection, or Airflow cannot say
        _complain(waiting.conn_id, error)
        return {}, None
    poller.record(progress)
    return progress.facts, None


def _complain(conn_id: str, error: Exception) -> None:
    _log.error("Nothing was seen at %s, looking on: %s: %s", conn_id, type(error).__name__, error)


class _Store(Protocol):
    """What is used of the asset state store that Airflow hands to a watcher."""

    async def aget(self, key: str) -> Any:
        """Return what stands under a key, or None."""

    async def aset(self, key: str, value: Any) -> None:
        """Write it; durable when it returns."""


class _SeenIds:
    """The ids that the last look has shown. They are written down a look later: their event has left then."""

    def __init__(self, store: _Store | None, key: str, from_start: bool) -> None:
        self._store, self._key, self._from_start = store, key, from_start
        self._known: set[int] | None = None
        self._written: set[int] | None = None
        self._is_read = False

    async def news(self, ids: Collection[int] | None) -> list[int]:
        """Return the ids that are there and were not before; without any the look has failed."""
        await self._read()
        await self._write()
        if ids is None:
            return []
        before, self._known = self._known, set(ids)
        if before is None:
            before = set() if self._from_start else self._known
        news = sorted(self._known - before)
        if not news:  # there is no event to wait for
            await self._write()
        return news

    async def _read(self) -> None:
        if self._is_read:
            return
        if self._store is None:
            _log.warning("Airflow keeps no state for this watcher: a restart forgets %s", self._key)
        elif (found := await self._store.aget(self._key)) is not None:
            self._known = self._written = unpack_ids(found)
        self._is_read = True

    async def _write(self) -> None:
        if self._store is not None and self._known is not None and self._known != self._written:
            await self._store.aset(self._key, pack_ids(self._known))
            self._written = self._known


def pack_ids(ids: Collection[int]) -> str:
    """Return ids as a short text: ten thousand that are far apart fit into what Airflow likes to store."""
    ordered = sorted(ids)
    gaps = [after - before for before, after in pairwise([0, *ordered])]
    return b64encode(zlib.compress(",".join(map(str, gaps)).encode(), 9)).decode()


def unpack_ids(text: str) -> set[int]:
    """Return the ids of such a text."""
    gaps = zlib.decompress(b64decode(text)).decode()
    return set(accumulate(map(int, gaps.split(",")))) if gaps else set()


def _interval(value: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not MIN_POLL_INTERVAL <= value < math.inf
    ):
        raise TelecomInputError("poll_interval", f"must be {MIN_POLL_INTERVAL:g} seconds or more")
    return float(value)


PATH = f"{NovaConnectNoticesTrigger.__module__}.{NovaConnectNoticesTrigger.__qualname__}"
