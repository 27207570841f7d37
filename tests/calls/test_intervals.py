"""The bounds of an interval: days and moments, in all forms in which users and templates give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import day_interval, end_of, parse_bound, start_of

KYIV = ZoneInfo("Europe/Kyiv")
DAY = date(2026, 10, 25)


@pytest.mark.parametrize(
    "value", [DAY, pendulum.Date(2026, 10, 25), "2026-10-25", " 2026-10-25 ", "20261025", "25-10-2026"]
)
def test_a_day(value: Any) -> None:
    assert parse_bound("start", value) == DAY
    assert not isinstance(parse_bound("start", value), datetime)
    assert start_of("start", value, None) == datetime(2026, 10, 25)
    assert end_of("end", value, None) == datetime(2026, 10, 26)
    assert end_of("end", value, KYIV) - start_of("start", value, KYIV) == timedelta(days=1)  # of the clocks
    lasted = end_of("end", value, KYIV).astimezone(UTC) - start_of("start", value, KYIV).astimezone(UTC)
    assert lasted == timedelta(hours=25), "the clocks are put back on this day"


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 10, 25, 8, tzinfo=UTC),
        pendulum.datetime(2026, 10, 25, 8),
        "2026-10-25T08:00:00+00:00",
        "2026-10-25 08:00:00+00:00",  # what {{ data_interval_start }} renders
        "2026-10-25T08:00:00Z",
        "20261025T080000+0000",
    ],
)
def test_a_moment(value: Any) -> None:
    moment = datetime(2026, 10, 25, 8, tzinfo=UTC)
    assert (
        parse_bound("start", value) == start_of("start", value, KYIV) == end_of("end", value, KYIV) == moment
    )


@pytest.mark.parametrize(
    "value", ["", "None", "yesterday", "2026-13-01", "31-02-2026", "10/25/2026", True, 5, 1.5, None, [], b""]
)
def test_anything_else_is_refused_by_the_name_of_its_field(value: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"^until: must be a date like 2026-01-31, a datetime, or"):
        parse_bound("until", value)


def test_the_last_day_of_all_has_no_end() -> None:
    with pytest.raises(TelecomInputError, match="end"):
        end_of("end", date.max, None)


MIDNIGHT = datetime(2026, 10, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (DAY, DAY),
        ("2026-10-25", "25-10-2026"),
        (MIDNIGHT, MIDNIGHT + timedelta(days=1)),
        (DAY, "2026-10-26 00:00:00+00:00"),
        ("2026-10-25T03:00:00+03:00", datetime(2026, 10, 26, 2, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_whole_days(start: Any, end: Any) -> None:
    assert day_interval(start, end) == (DAY, DAY)


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [
        (DAY, date(2026, 10, 24), "end: must not be before start"),
        (MIDNIGHT, MIDNIGHT, "end: must be later than start"),
        (MIDNIGHT + timedelta(hours=1), DAY, "start: must be a date, or midnight in UTC"),
        (DAY, MIDNIGHT + timedelta(seconds=1), "end: must be a date, or midnight in UTC"),
        (MIDNIGHT.replace(tzinfo=None), DAY, "start: must be a datetime with a time zone"),
    ],
)
def test_days_that_are_not_whole(start: Any, end: Any, error: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{error}"):
        day_interval(start, end)
