"""The clocks of Kyiv: what wall-clock times mean, and which windows are asked for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_fmc.times import (
    KYIV,
    earliest_start,
    parse_times,
    period,
    windows,
)

UTC = UTC
NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
DAYS = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "duration", "began", "ended", "ambiguous"),
    [
        (
            "2026-10-24 21:39:35",
            "2026-10-24 21:39:48",
            14,
            "2026-10-24T18:39:35",
            "2026-10-24T18:39:48",
            False,
        ),
        # the hour that happens twice: nothing decides, so the later
        (
            "2026-10-25 03:10:00",
            "2026-10-25 03:20:00",
            600,
            "2026-10-25T01:10:00",
            "2026-10-25T01:20:00",
            True,
        ),
        # it began before the hour and ended in its first pass
        (
            "2026-10-25 02:50:00",
            "2026-10-25 03:10:00",
            1200,
            "2026-10-24T23:50:00",
            "2026-10-25T00:10:00",
            False,
        ),
        # ... or in its second
        (
            "2026-10-25 02:50:00",
            "2026-10-25 03:10:00",
            4800,
            "2026-10-24T23:50:00",
            "2026-10-25T01:10:00",
            False,
        ),
        # it began in the first pass, since it lasted beyond the second
        (
            "2026-10-25 03:50:00",
            "2026-10-25 04:10:00",
            4800,
            "2026-10-25T00:50:00",
            "2026-10-25T02:10:00",
            True,
        ),
        (
            "2026-10-25 03:50:00",
            "2026-10-25 04:10:00",
            1200,
            "2026-10-25T01:50:00",
            "2026-10-25T02:10:00",
            True,
        ),
        # the clocks were put back while it went on: it ended before it began, on the wall
        (
            "2026-10-25 03:59:50",
            "2026-10-25 03:00:20",
            31,
            "2026-10-25T00:59:50",
            "2026-10-25T01:00:20",
            True,
        ),
        (
            "2027-03-28 02:59:50",
            "2027-03-28 04:00:20",
            30,
            "2027-03-28T00:59:50",
            "2027-03-28T01:00:20",
            False,
        ),
    ],
)
def test_what_a_record_says(
    start: str, end: str, duration: int, began: str, ended: str, ambiguous: bool
) -> None:
    times = parse_times(start, end, duration)
    assert (times.start, times.end, times.ambiguous) == (at(began), at(ended), ambiguous)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2017, 4, 29, 11, 25, tzinfo=UTC), "2017-04-29T14:25:00"),
        (datetime(2026, 12, 1, 12, 0, 59, 999999, tzinfo=UTC), "2026-12-01T14:00:59"),
        (datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC), "2027-03-28T02:59:59"),
        (datetime(2027, 3, 28, 1, 0, tzinfo=UTC), "2027-03-28T04:00:00"),
        (datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-5))), "2026-07-01T20:00:00"),
    ],
)
def test_row_17_periods_are_requested_by_the_clocks_of_kyiv(moment: datetime, expected: str) -> None:
    assert period(moment, moment + DAYS)[0] == period(moment - DAYS, moment)[1] == expected


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        ("2026-10-25T00:50:00", "2026-10-25T01:20:00", ("2026-10-25T02:59:59", "2026-10-25T04:00:00")),
        ("2026-10-24T00:00:00", "2026-10-25T01:20:00", ("2026-10-24T03:00:00", "2026-10-25T04:00:00")),
        ("2026-10-25T00:50:00", "2026-10-27T00:00:00", ("2026-10-25T02:59:59", "2026-10-27T02:00:00")),
        ("2026-10-25T01:30:00", "2026-11-01T01:30:00", ("2026-10-25T03:30:00", "2026-11-01T03:30:00")),
    ],
)
def test_row_17_a_period_that_ends_in_the_doubled_hour_holds_all_of_it(
    start: str, end: str, asked: tuple[str, str]
) -> None:
    assert period(at(start), at(end)) == asked


@pytest.mark.parametrize("week_of", ["2026-10-25T01:00:00", "2027-03-28T01:00:00"])
def test_seven_days_are_kept_to_by_the_clocks_and_as_they_pass(week_of: str) -> None:
    start = at(week_of) - 3 * DAYS
    period(start, start + 7 * DAYS - timedelta(hours=1))
    with pytest.raises(TelecomInputError, match=r"^end: must be at most 7 days"):
        period(start, start + 7 * DAYS + timedelta(hours=1))


@pytest.mark.parametrize(
    ("now", "oldest"),
    [
        ("2026-11-01T12:00:00", "2026-10-02T12:00:00"),  # by the clocks, 11:00 UTC is 30 days back
        ("2027-04-01T12:00:00", "2027-03-02T13:00:00"),
        ("2026-07-31T12:00:00", "2026-07-01T12:00:00"),
    ],
)
def test_thirty_days_are_kept_to_by_the_clocks_and_as_they_pass(now: str, oldest: str) -> None:
    assert earliest_start(at(now)) == at(oldest)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2027-03-28 03:30:00", "does not exist"),
        ("2026-02-30 03:30:00", "must be a time"),
        ("2026-10-25", "must be a time"),
        ("2026-10-25 03:30:00+03:00", "must be a time"),
        ("tomorrow", "must be a time"),
        (None, "must be a time"),
    ],
)
def test_a_time_that_is_none_is_refused(text: str, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^start_timestamp: {rule}"):
        parse_times(text, "2026-10-25 10:00:00", 1)


@settings(max_examples=300)
@given(
    st.datetimes(datetime(2026, 10, 12), datetime(2026, 11, 9)),
    st.integers(1, 30 * 86400),
)
def test_windows_cut_an_interval_and_are_fit_to_be_requested(start: datetime, seconds: int) -> None:
    first = start.replace(microsecond=0, tzinfo=UTC)
    end = min(first + timedelta(seconds=seconds), NOW)
    found = windows(first, end, NOW)
    assert (found[0].start, found[-1].end) == (first, end)
    assert all(one.end == other.start for one, other in pairwise(found))
    for window in found:
        from_, to = map(datetime.fromisoformat, period(window.first, window.last))
        assert to - from_ <= 7 * DAYS
        assert window.first >= earliest_start(NOW)
        assert window.last == NOW or window.last - window.end >= DAYS - timedelta(hours=1)
        for moment in (window.start, window.end - timedelta(seconds=1)):
            assert from_ <= moment.astimezone(KYIV).replace(tzinfo=None) <= to


@pytest.mark.parametrize("minutes", [0, 1, 4, 5, 6, 59, 60, 61, 120])
@pytest.mark.parametrize("now", [NOW, at("2027-04-01T12:00:00"), at("2026-07-31T12:00:00")])
def test_what_is_about_to_be_forgotten_is_requested_as_long_as_it_is_kept(
    now: datetime, minutes: int
) -> None:
    start = now - 30 * DAYS + timedelta(minutes=minutes)
    (first, *_) = windows(start, now, now)
    assert first.first <= start
    assert first.first >= min(start, earliest_start(now) + timedelta(minutes=5))


@pytest.mark.parametrize(
    ("start", "end", "can_be"),
    [
        ("2026-11-03 12:30:00", "2026-11-03 12:30:05", True),  # what is asked for begins at 13:00
        ("2026-11-03 12:00:00", "2026-11-03 12:00:05", True),
        ("2026-11-02 23:00:00", "2026-11-03 12:00:00", True),
        ("2026-11-03 11:59:58", "2026-11-03 11:59:59", False),
        ("2026-11-06 16:00:00", "2026-11-06 16:00:00", False),
        ("2026-11-06 14:59:59", "2026-11-08 15:00:00", True),
        ("2025-11-04 12:00:00", "2025-11-04 12:00:05", False),
    ],
)
def test_a_record_of_another_time_is_known(start: str, end: str, can_be: bool) -> None:
    (window,) = windows(at("2026-11-03T12:00:00"), at("2026-11-05T12:00:00"), NOW)
    assert period(window.first, window.last) == ("2026-11-03T13:00:00", "2026-11-06T14:00:00")
    assert window.matches_request(start, end) is can_be


@pytest.mark.parametrize("change", ["2026-10-25T01:00:00", "2027-03-28T01:00:00"])
def test_every_call_across_a_change_is_requested_and_is_one_windows(change: str) -> None:
    """By brute force: all intervals whose ends are quarters of the hours around the change."""
    middle = at(change)
    quarters = [middle + timedelta(minutes=15 * n) for n in range(-14, 15)]
    dice = random.Random(3)
    calls = [middle + timedelta(seconds=dice.randint(-14 * 900, 14 * 900)) for _ in range(200)]
    recorded = [_recorded(call, dice.choice((1, 20, 600, 4000))) for call in calls]
    for now in (middle + 20 * DAYS, None):
        for place, start in enumerate(quarters):
            for end in quarters[place + 1 :]:
                _check_interval(start, end, now or end, recorded)


def _recorded(call: datetime, length: int) -> tuple[datetime, datetime, datetime]:
    """Return the vendor's time of a call, the start that is read from it, and the call's end."""
    over = call + timedelta(seconds=length)
    wall, wall_over = (one.astimezone(KYIV).replace(tzinfo=None) for one in (call, over))
    return wall, parse_times(str(wall), str(wall_over), length).start, over


def _check_interval(
    start: datetime, end: datetime, now: datetime, recorded: list[tuple[datetime, datetime, datetime]]
) -> None:
    for window in windows(start, end, now):
        asked = [datetime.fromisoformat(one) for one in period(window.first, window.last)]
        for wall, read_start, over in recorded:
            if window.contains(read_start) and over <= now:
                assert asked[0] <= wall <= asked[1]


def test_a_call_of_the_doubled_hour_is_never_looked_for_before_it_can_have_happened() -> None:
    for minute in range(60):
        wall = datetime(2026, 10, 25, 3, minute)
        second_pass = wall.replace(tzinfo=ZoneInfo("Europe/Kyiv"), fold=1).astimezone(UTC)
        read = parse_times(str(wall), str(wall + timedelta(seconds=5)), 5)
        assert read.start >= second_pass


@pytest.mark.parametrize(
    ("start", "end", "rule"),
    [
        (NOW - DAYS, NOW - DAYS, "end: must be later than start"),
        (NOW - DAYS, NOW - 2 * DAYS, "end: must be later than start"),
        (NOW - 31 * DAYS, NOW, "start: must be at most 30 days ago"),
        (NOW - DAYS, NOW + DAYS, "end: must not be in the future"),
        (datetime(2026, 11, 9), NOW, "start: must be a datetime with a time zone"),
    ],
)
def test_a_wrong_interval_is_refused(start: datetime, end: datetime, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        windows(start, end, NOW)
