"""The files of a data set: one for each day that an interval covers, in the vendor's time zone.

A whole day is `date=2026-10-25/calls.jsonl`. A part of a day has its bounds in the name, so that the parts of
a day do not replace each other: `date=2026-10-25/calls_20261025T000000Z-20261025T010000Z.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from airflow_provider_telecom.calls.errors import TelecomInputError

_DAY = timedelta(days=1)
_BOUND = r"\d{8}T\d{6}Z?"


@dataclass(frozen=True)
class Part:
    """A file for the records from `start` to before `end`, in `folder`.

    `whole`: it holds all records of the data set in that folder.
    """

    folder: str
    start: datetime | None = None
    end: datetime | None = None
    whole: bool = True

    def stem(self, name: str) -> str:
        """Return the file's name without its ending."""
        return name if self.whole else f"{name}_{_bound(self.start)}-{_bound(self.end)}"

    def is_replaced_by_this(self, file_name: str, name: str) -> bool:
        """Return whether an existing file holds records of this part only, so that this part replaces it.

        Raises TelecomInputError if it holds records of this part and others: neither may replace the other.
        """
        found = re.fullmatch(rf"{name}(?:_({_BOUND})-({_BOUND}))?\.(csv|jsonl|parquet)", file_name)
        if not found:
            return False
        if self.whole:
            return True
        first, last = found.group(1), found.group(2)
        if first and (last <= _bound(self.start) or first >= _bound(self.end)):
            return False
        if first and _bound(self.start) <= first and last <= _bound(self.end):
            return True
        raise TelecomInputError(
            "start",
            f"overlaps with {self.folder}/{file_name}, which is loaded already: "
            "load the same bounds or the whole day again, or remove that file",
        )


def _bound(moment: datetime | None) -> str:
    if moment is None or moment.tzinfo is None:
        return f"{moment:%Y%m%dT%H%M%S}"
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def parts_by_day(start: datetime, end: datetime, zone: tzinfo | None) -> dict[date | None, Part]:
    """Return the parts of an interval by day in the vendor's `zone`, None for naive times."""
    return {
        day: Part(
            folder=f"date={day:%Y-%m-%d}",
            start=max(start, first),
            end=min(end, last),
            whole=start <= first and last <= end,
        )
        for day, first, last in _days(start, end, zone)
    }


def _days(start: datetime, end: datetime, zone: tzinfo | None) -> Iterator[tuple[date, datetime, datetime]]:
    local = start if zone is None else start.astimezone(zone)
    day = local.date()
    while (first := _midnight(day, zone)) < end:
        yield day, first, _midnight(day + _DAY, zone)
        day += _DAY


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return midnight if zone is None else midnight.astimezone(UTC)
