"""The trigger of asset watchers that poll a vendor's account, for networks without a receiver.

    Asset(
        NOVACONNECT_PACKAGE_EMPTY.name,
        NOVACONNECT_PACKAGE_EMPTY.uri,
        watchers=[AssetWatcher(name="packages", trigger=TelecomNoticesTrigger(vendor=...,
        kind="package_empty"))],
    )

It emits the events that the vendor's webhooks would cause. A vendor's description lists the kinds.
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
from airflow_provider_telecom.vendors.description import Notice, Vendor
from airflow_provider_telecom.vendors.poll_result import PollResult
from airflow_provider_telecom.vendors.registry import find_vendor, vendors

MIN_POLL_INTERVAL = 5.0
"""Seconds. Within them Airflow has written the last event into its database."""

_MAX_FIRST_DELAY = 10.0
_TOLERATED_ERRORS = 3

FoundIds = Mapping[str, Collection[int]]
"""The ids that a poll has found, by kind of notice; nothing if the poll failed."""

_log = logging.getLogger(__name__)


class TelecomNoticesTrigger(BaseEventTrigger):
    """Polls a vendor's lists and emits one event for all ids that are new since the last poll.

    The payload is `{"conn_id", "type", "sim_ids"}`; other vendors and kinds have other ids, such as
    `bill_ids`. An id that has left the list is new again when it comes back. The ids of an event are stored
    in the asset's state store one poll later, when the event is in the database: so each is emitted at least
    once, whatever happens to the triggerer, and rarely twice. The trigger never ends: an error is logged, at
    most one per poll. Triggers with the same connection and interval share their polls. It only reads.

    :param vendor: the vendor's id, which is its connection type, such as `novaconnect`.
    :param kind: one of the vendor's notices. NovaConnect: `package_empty` (SIMs that have used up their
        package), `msu_lock` (SIMs that were blocked for MSU), `generate_bill`.
    :param conn_id: the connection; by default the vendor's default connection.
    :param poll_interval: seconds between two polls, at least 5.
    :param from_start: whether the very first poll emits all that it finds; by default it only stores it.
    """

    def __init__(
        self,
        *,
        vendor: str,
        kind: str,
        conn_id: str | None = None,
        poll_interval: float = 300.0,
        from_start: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.vendor = one_of("vendor", vendor, tuple(each.id for each in vendors() if each.notices))
        known = _vendor(vendor)
        self.kind = one_of("kind", kind, tuple(known.notices))
        self.conn_id = known.default_conn_id if conn_id is None else non_blank("conn_id", conn_id)
        self.poll_interval = _interval(poll_interval)
        self.from_start = one_of("from_start", from_start, (True, False))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and the arguments of an equal trigger."""
        names = ("vendor", "kind", "conn_id", "poll_interval", "from_start")
        return PATH, {name: getattr(self, name) for name in names}

    @property
    def _notice(self) -> Notice:
        return _vendor(self.vendor).notices[self.kind]

    def shared_stream_key(self) -> Hashable:
        """Return a key that is equal for all triggers that can share their polls."""
        return PATH, self._notice.status_check, self.conn_id, self.poll_interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[FoundIds]:
        """Poll without end, for all triggers with the same key."""
        vendor, interval = _vendor(kwargs["vendor"]), kwargs["poll_interval"]
        status_check = vendor.notices[kwargs["kind"]].status_check
        config = PollConfig(
            vendor.hook_path, status_check, kwargs["conn_id"], {}, interval, _TOLERATED_ERRORS
        )
        poller = await asyncio.to_thread(Poller, config)
        await asyncio.sleep(random.uniform(0, min(_MAX_FIRST_DELAY, interval)))
        while True:
            found, retry_after = await _poll(config, poller)
            yield found
            await asyncio.sleep(poller.next_delay(retry_after))

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[FoundIds]
    ) -> AsyncIterator[TriggerEvent]:
        """Emit the ids that are new for this trigger."""
        seen = _SeenIds(self.asset_state_store, f"telecom.{self.kind}.{self.conn_id}", self.from_start)
        async for found in shared_stream:
            try:
                new = await seen.new(found.get(self.kind))
            except Exception as error:  # the store does not answer: the next poll finds the same
                _log_error(self.conn_id, error)
                continue
            if new:
                payload = {"conn_id": self.conn_id, "type": self.kind, self._notice.ids: new}
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll and emit, without sharing."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event


def _vendor(vendor_id: str) -> Vendor:
    found = find_vendor(vendor_id)
    if found is None:
        raise TelecomInputError("vendor", "is not known")
    return found


async def _poll(config: PollConfig, poller: Poller) -> tuple[FoundIds, float | None]:
    """Poll once. Return what was found, and the delay that the vendor asks for.

    Each poll makes a new hook, so that a connection that was corrected is used from then on.
    """
    try:
        new_hook = await asyncio.to_thread(config.new_hook)
        async with new_hook.async_session() as hook:
            result: PollResult = await hook.arun(poller.call(hook))
    except TelecomError as error:
        try:
            poller.tolerate(error)
            _log.info("The poll of %s failed, trying again: %s", config.conn_id, error)
        except TelecomError:
            _log_error(config.conn_id, error)
        return {}, error.retry_after
    except Exception as error:  # there is no such connection, or Airflow does not answer
        _log_error(config.conn_id, error)
        return {}, None
    poller.record(result)
    return result.facts, None


def _log_error(conn_id: str, error: Exception) -> None:
    _log.error("The poll of %s failed, trying again: %s: %s", conn_id, type(error).__name__, error)


class _Store(Protocol):
    """The part of the asset state store that is used here."""

    async def aget(self, key: str) -> Any:
        """Return the value of a key, or None."""

    async def aset(self, key: str, value: Any) -> None:
        """Write a value, and return when it is stored."""


class _SeenIds:
    """The ids that the last poll has found. They are stored one poll later, when their event is in the
    database."""

    def __init__(self, store: _Store | None, key: str, from_start: bool) -> None:
        self._store, self._key, self._from_start = store, key, from_start
        self._known: set[int] | None = None
        self._written: set[int] | None = None
        self._is_read = False

    async def new(self, ids: Collection[int] | None) -> list[int]:
        """Return the ids that the last poll did not find; `ids` is None if this poll has failed."""
        await self._read()
        await self._write()
        if ids is None:
            return []
        before, self._known = self._known, set(ids)
        if before is None:
            before = set() if self._from_start else self._known
        new = sorted(self._known - before)
        if not new:  # there is no event that must be stored first
            await self._write()
        return new

    async def _read(self) -> None:
        if self._is_read:
            return
        if self._store is None:
            _log.warning("Airflow has no state store for this asset: a restart forgets %s", self._key)
        elif (found := await self._store.aget(self._key)) is not None:
            self._known = self._written = unpack_ids(found)
        self._is_read = True

    async def _write(self) -> None:
        if self._store is not None and self._known is not None and self._known != self._written:
            await self._store.aset(self._key, pack_ids(self._known))
            self._written = self._known


def pack_ids(ids: Collection[int]) -> str:
    """Return ids as a short text: ten thousand distant ones are within the limit of Airflow's state store."""
    ordered = sorted(ids)
    gaps = [after - before for before, after in pairwise([0, *ordered])]
    return b64encode(zlib.compress(",".join(map(str, gaps)).encode(), 9)).decode()


def unpack_ids(text: str) -> set[int]:
    """Return the ids in a text that `pack_ids` has made."""
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


PATH = f"{TelecomNoticesTrigger.__module__}.{TelecomNoticesTrigger.__qualname__}"
