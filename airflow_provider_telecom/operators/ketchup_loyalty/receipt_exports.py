"""Statistics exports that a task requests for receipts: each is used once, and deleted afterwards.

An account has five places for exports, which others use as well. So a task has one export at a time, and its
journal knows which: a later try uses it, or deletes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.outcomes import KNOWN_BEFORE
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.ketchup_loyalty.exports import delete_export
from airflow_provider_telecom.operators.receipts import NotReadyError

if TYPE_CHECKING:
    import pendulum

    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import Format
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import MessageReceipt

Filters = Mapping[str, Any]
MAX_IDS = 300
MAX_WINDOWS = 8
"""Periods in a round: closer ones are joined."""
_ENTRY = "receipt_export"
_ALL_TAKEN, _WRONG_PERIOD, _NO_SUCH_IDS = "92", "86", "60"
_BEFORE = _AFTER = 900
"""Seconds: clocks differ, and a response may be late."""
_KNOWN_BEFORE = 6 * 3600
"""Seconds: an earlier try has sent what was known before."""
_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)
"""How far the vendor's local time may be from UTC, if its zone is not known."""
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0

log = logging.getLogger(__name__)


class ReceiptExports:
    """Requests exports, waits for them, reads them and deletes them.

    `wait` waits so many seconds for a file, or raises NotReadyError.
    """

    def __init__(
        self, hook: KetchUpHook, journal: Journal, on_full: str, wait: Callable[[float], None]
    ) -> None:
        self._hook, self._journal, self._on_full, self._wait = hook, journal, on_full, wait
        self._current: str | None = None
        self.requests = 0
        """How many requests were made."""

    def records(self, filters: Filters, some_ids: Collection[str]) -> Iterator[MessageReceipt]:
        """Request an export, yield its records, and delete it. Raises NotReadyError.

        `some_ids` are ids of messages that must be in it: an export that was found in the list after a lost
        response is deleted only if it has one of them.
        """
        try:
            key, is_adopted = self._key(filters)
        except TelecomNotFoundError as error:
            if error.code != _NO_SUCH_IDS:
                raise
            log.warning("KetchUp has no export by ids: it does not know one of them")
            return
        is_ours = not is_adopted
        with TemporaryDirectory(prefix="telecom-receipts-") as folder:
            file = Path(folder) / "export"
            try:
                format = self._download(key, file, _formats(filters))
                for record in self._read(file, format) if format else ():
                    is_ours = is_ours or record.message_id in some_ids
                    yield record
            except TelecomAnswerError:  # it will not become readable
                if is_ours:
                    self.delete()
                raise
        if is_ours:
            self.delete()
        else:
            log.warning("an export that may belong to somebody else is not deleted")
            self._forget()

    def delete_at_vendor(self) -> None:
        """Delete the present export, as a task does that is being ended: its journal may not answer."""
        if self._current is not None:
            with suppress(TelecomError):
                delete_export(self._hook, self._current)

    def delete(self) -> None:
        """Delete the export that this task has at the vendor, if it has one."""
        entry = self._journal.read(_ENTRY)
        if entry is None or entry.state is not State.DONE:
            return
        try:
            self.requests += 1
            delete_export(self._hook, entry.facts["key"])
        except TelecomNotFoundError:
            pass
        except TelecomError as error:
            log.warning("an export of this task is not deleted, and takes one of five places: %s", error)
        self._forget()

    def _forget(self) -> None:
        self._current = None
        self._journal.write(_ENTRY, Entry(State.PLANNED, ""))

    def _key(self, filters: Filters) -> tuple[str, bool]:
        """Return the key of the export with these filters, and whether it was found in the list."""
        entry, body = self._journal.read(_ENTRY), fingerprint(filters)
        if entry is not None and entry.state is State.DONE:
            if entry.body == body:
                self._current = None if entry.facts["adopted"] else entry.facts["key"]
                return str(entry.facts["key"]), bool(entry.facts["adopted"])
            self.delete()
        elif (
            entry is not None
            and entry.state is State.INTENT
            and entry.body == body
            and (found := self._new_key(entry.facts["before"])) is not None
        ):
            return self._keep(body, found, is_adopted=True)
        before = self._existing()
        self._hook.wait_until_ready()
        self._journal.write(_ENTRY, Entry(State.INTENT, body, {"before": before}))
        try:
            self.requests += 1
            key = self._hook.create_statistics_export(**filters)
        except TelecomUnknownError:
            if (found := self._new_key(before)) is None:
                raise NotReadyError(_MAX_PAUSE) from None  # the next try looks at the list again
            return self._keep(body, found, is_adopted=True)
        except TelecomRejectedError as error:
            self._forget()
            if error.code != _ALL_TAKEN or self._on_full == "fail":
                raise
            log.warning("all five places for exports are taken; receipts are asked for later")
            raise NotReadyError(_MAX_PAUSE) from None
        return self._keep(body, key, is_adopted=False)

    def _keep(self, body: str, key: str, is_adopted: bool) -> tuple[str, bool]:
        self._current = None if is_adopted else key
        self._journal.write(_ENTRY, Entry(State.DONE, body, {"key": key, "adopted": is_adopted}))
        return key, is_adopted

    def _existing(self) -> list[str]:
        self.requests += 1
        return [export.key for export in self._hook.list_statistics_exports()]

    def _new_key(self, before: Sequence[str]) -> str | None:
        new = [key for key in self._existing() if key not in before]
        return new[0] if len(new) == 1 else None

    def _download(self, key: str, file: Path, formats: Sequence[Format]) -> Format | None:
        """Download an export in the first format that can be read; return it, or None for an empty one."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError

        pause = _FIRST_PAUSE
        while True:
            try:
                self.requests += 1
                for format in formats:
                    if not self._hook.download_statistics(key, file, format):
                        return None
                    if format == formats[-1] or self._is_readable(file, format):
                        return format
                    self.requests += 1
            except KetchUpNotReadyError:
                self._wait(pause)
                pause = min(2 * pause, _MAX_PAUSE)
            except TelecomNotFoundError as error:
                if error.code == _NO_SUCH_IDS:
                    return None
                if key not in self._existing():  # somebody has deleted it; another one is requested
                    self._forget()
                raise NotReadyError(_MAX_PAUSE) from None

    def _is_readable(self, file: Path, format: Format) -> bool:
        """Return whether the records can be read to the end: the document's own JSON can't."""
        try:
            for _ in self._read(file, format):
                pass
        except TelecomAnswerError:
            return False
        return True

    def _read(self, file: Path, format: Format) -> Iterator[MessageReceipt]:
        from airflow_provider_telecom.calls.rows import BadRow
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import iter_records
        from airflow_provider_telecom.vendors.ketchup_loyalty.schema import to_receipt

        zone, region, bad = self._zone(), self._hook.options.default_region, 0
        with file.open("rb") as export:
            for _, record in iter_records(export, format):
                if isinstance(record, BadRow):
                    bad += 1
                    continue
                try:
                    found = to_receipt(record, zone, region)
                except TelecomInputError:
                    bad += 1
                else:
                    yield found
        if bad:
            log.warning("%s records of an export can't be read", f"{bad:,}")

    def _zone(self) -> pendulum.Timezone | None:
        import pendulum

        name = self._hook.options.vendor_timezone
        return None if name is None else pendulum.timezone(name)


def _formats(filters: Filters) -> Sequence[Format]:
    """Return the formats to try: CSV exists only for one type of messages."""
    return ("csv", "xml", "json") if "message_type" in filters else ("json", "xml")


def by_ids(ids: Sequence[str]) -> Iterator[Filters]:
    """Yield the filters of the exports of some messages."""
    for start in range(0, len(ids), MAX_IDS):
        yield {"message_ids": list(ids[start : start + MAX_IDS])}


@dataclass
class OpenMessages:
    """The messages of one channel that have no receipt yet: how many, some of their ids, and when they were
    sent."""

    count: int = 0
    ids: list[str] = field(default_factory=list)
    times: SentTimes = field(default_factory=lambda: SentTimes())

    def add(self, line: Mapping[str, Any]) -> None:
        """Add a message that the vendor has an id for."""
        self.count += 1
        if len(self.ids) < MAX_WINDOWS * MAX_IDS:
            self.ids.append(line["message_id"])
        if line["sent_at"] is not None:
            self.times.add(line["sent_at"], line["state"] == KNOWN_BEFORE)

    def exports(self, channel: str, zone: str | None) -> Sequence[Filters]:
        """Return the filters of the exports that list them: by id if these are not more than by period."""
        periods = self.times.periods()
        by_id = -(-self.count // MAX_IDS)
        if self.count <= len(self.ids) and (by_id <= len(periods) or not periods):
            return list(by_ids(self.ids))
        return list(by_periods(channel, periods, zone))


class SentTimes:
    """When messages were sent, to the minute, in constant memory."""

    def __init__(self) -> None:
        self._minutes: set[int] = set()
        self._known_before: set[int] = set()

    def add(self, sent_at: str, is_known_before: bool) -> None:
        """Add a message."""
        minute = int(datetime.fromisoformat(sent_at).timestamp()) // 60
        (self._known_before if is_known_before else self._minutes).add(minute)

    @property
    def first(self) -> datetime | None:
        """When the first message was sent, or a little earlier."""
        minutes = self._minutes | self._known_before
        return _utc(min(minutes) * 60 - _BEFORE) if minutes else None

    def periods(self) -> Sequence[tuple[datetime, datetime]]:
        """Return periods (UTC) in which all messages have come in at the vendor: few, and not longer than
        necessary."""
        starts = [
            *((minute * 60 - _BEFORE, minute * 60 + 60 + _AFTER) for minute in self._minutes),
            *((minute * 60 - _KNOWN_BEFORE, minute * 60 + 60 + _AFTER) for minute in self._known_before),
        ]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(starts):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        while len(merged) > MAX_WINDOWS:
            place = min(range(1, len(merged)), key=lambda one: merged[one][0] - merged[one - 1][1])
            merged[place - 1 : place + 1] = [(merged[place - 1][0], merged[place][1])]
        return [(_utc(start), _utc(end)) for start, end in merged]


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def by_periods(
    channel: str, periods: Iterable[tuple[datetime, datetime]], zone: str | None
) -> Iterator[Filters]:
    """Yield the filters of the exports of some periods (UTC). `zone` is that of the vendor, if known."""
    for start, end in periods:
        if zone is None:
            start, end = ((start - _WEST).replace(tzinfo=None), (end + _EAST).replace(tzinfo=None))
        yield {"message_type": channel, "time_in_from": start, "time_in_to": end}


def is_wrong_period(error: TelecomError) -> bool:
    """Return whether the vendor refused a period, perhaps because it ends in the future."""
    return isinstance(error, TelecomRejectedError) and error.code == _WRONG_PERIOD
