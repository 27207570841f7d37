"""What a vendor's wall-clock times mean, in one place for all vendors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.times import (
    checked_local_period,
    inclusive_local_period,
    local_period,
    parse_local_time,
    possible_utc_times,
    to_utc,
    utc_or_none,
)

UTC = UTC
ZONES = [ZoneInfo(name) for name in ("Europe/Kyiv", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Almaty")]
KYIV = ZONES[0]
HOUR = timedelta(hours=1)
PUT_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When Kyiv's clocks go from 04:00 back to 03:00."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "moments"),
    [
        ("2026-10-25 02:59:59", ["2026-10-24T23:59:59"]),
        ("2026-10-25 03:00:00", ["2026-10-25T00:00:00", "2026-10-25T01:00:00"]),
        ("2026-10-25T03:59:59", ["2026-10-25T00:59:59", "2026-10-25T01:59:59"]),
        ("2026-10-25 04:00:00", ["2026-10-25T02:00:00"]),
        ("2027-03-28 02:59:59", ["2027-03-28T00:59:59"]),
        ("2027-03-28 04:00:00", ["2027-03-28T01:00:00"]),
    ],
)
def test_what_a_time_can_mean_and_what_it_is_read_as(local: str, moments: list[str]) -> None:
    read = parse_local_time("at", local)
    assert possible_utc_times("at", read, KYIV) == [at(text) for text in moments]
    assert to_utc("at", read, KYIV) == utc_or_none(local, "Europe/Kyiv") == at(moments[-1])


@pytest.mark.parametrize("local", ["2027-03-28 03:00:00", "2027-03-28 03:59:59"])
def test_a_time_that_does_not_exist_is_refused(local: str) -> None:
    with pytest.raises(TelecomInputError, match=r"^at: does not exist"):
        to_utc("at", parse_local_time("at", local), KYIV)
    assert utc_or_none(local, "Europe/Kyiv") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-10-25", "2026-10-25 03:30", "2026-10-25 03:30:00Z", "2026-10-25 03:30:00+03:00"),
        *("2026-02-30 03:30:00", "2026-10-25 24:00:00", "2026-W43-7T03:30:00", "0001-01-01 00:00:00"),
        *("９026-10-25 03:30:00", "2026-10-25 03:30:00\n", "380670000200", None, 20261025033000, b"x"),
    ],
)
def test_what_is_no_such_time_is_refused_without_showing_it(text: object) -> None:
    with pytest.raises(TelecomInputError, match=r"^at: must be a time like") as caught:
        parse_local_time("at", text)
    assert not text or str(text) not in str(caught.value)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)), st.sampled_from(ZONES)
)
@example(PUT_BACK - HOUR / 2, KYIV)
@example(PUT_BACK + HOUR / 2, KYIV)
def test_a_moment_is_among_those_that_its_own_wall_clock_time_can_mean(
    moment: datetime, zone: ZoneInfo
) -> None:
    moment = moment.replace(microsecond=0)
    local = moment.astimezone(zone).replace(tzinfo=None)
    found = possible_utc_times("at", local, zone)
    assert moment in found
    assert {one.astimezone(zone).replace(tzinfo=None) for one in found} == {local}


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_period_holds_the_wall_clock_times_of_all_its_moments_and_few_others(zone: ZoneInfo) -> None:
    """By brute force around changes of the clocks of each zone: forward, back, by half an hour."""
    for change in (PUT_BACK, at("2027-03-28T01:00:00"), at("2026-04-04T15:00:00"), at("2024-02-29T18:00:00")):
        moments = [change + HOUR / 4 * n for n in range(-16, 17)]
        shown = [one.astimezone(zone).replace(tzinfo=None) for one in moments]
        for first, last in combinations(range(len(moments)), 2):
            start, end = local_period(moments[first], moments[last], zone)
            inside = shown[first:last]
            assert start == min(inside)
            assert max(*inside, shown[last]) <= end <= max(max(inside) + HOUR / 4, shown[last])


@pytest.mark.parametrize(
    ("start", "end", "period"),
    [
        (-HOUR / 3, 0 * HOUR, ("2026-10-25T03:40:00", "2026-10-25T04:00:00")),
        (0 * HOUR, HOUR / 3, ("2026-10-25T03:00:00", "2026-10-25T03:20:00")),
        (-HOUR, 0 * HOUR, ("2026-10-25T03:00:00", "2026-10-25T04:00:00")),
        (0 * HOUR, HOUR, ("2026-10-25T03:00:00", "2026-10-25T04:00:00")),
    ],
)
def test_a_period_that_ends_or_begins_with_the_change_is_not_widened(
    start: timedelta, end: timedelta, period: tuple[str, str]
) -> None:
    first, last = local_period(PUT_BACK + start, PUT_BACK + end, KYIV)
    assert (first.isoformat(), last.isoformat()) == period


def test_a_period_over_the_hour_that_happens_twice() -> None:
    start, end = PUT_BACK - HOUR / 6, PUT_BACK + HOUR / 3  # 03:50 of the first pass, 03:20 of the second
    assert local_period(start, end, KYIV) == (datetime(2026, 10, 25, 3), datetime(2026, 10, 25, 4))
    assert local_period(start, end + 48 * HOUR, KYIV) == (
        datetime(2026, 10, 25, 3),
        datetime(2026, 10, 27, 3, 20),
    )
    assert local_period(start - 48 * HOUR, end, KYIV) == (
        datetime(2026, 10, 23, 3, 50),
        datetime(2026, 10, 25, 4),
    )


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_a_period_may_be_such_that_either_pass_will_do(zone: ZoneInfo) -> None:
    """By brute force: whatever the vendor takes an ambiguous end for, no moment is outside."""
    for change in (PUT_BACK, at("2027-03-28T01:00:00"), at("2026-04-04T15:00:00"), at("2024-02-29T18:00:00")):
        moments = [change + HOUR / 4 * n for n in range(-16, 17)]
        for start, end in combinations(moments, 2):
            first, last = local_period(start, end, zone, avoid_repeated_hour=True)
            narrow = local_period(start, end, zone)
            assert first <= narrow[0] <= narrow[1] <= last
            assert (narrow[0] - first) + (last - narrow[1]) <= 2 * HOUR
            for fold in (0, 1):
                assert first.replace(tzinfo=zone, fold=fold).astimezone(UTC) <= start
                assert last.replace(tzinfo=zone, fold=fold).astimezone(UTC) >= end


def test_periods_are_aware_with_a_zone_and_naive_without() -> None:
    names = ("start", "end")
    start, end = PUT_BACK - HOUR / 6, PUT_BACK + HOUR / 3
    assert checked_local_period(names, start, end, "Europe/Kyiv") == local_period(start, end, KYIV)
    naive = datetime(2026, 10, 25, 3, 50), datetime(2026, 10, 25, 4)
    assert checked_local_period(names, *naive, None) == naive
    for ends, zone in ((naive, "Europe/Kyiv"), ((start, end), None)):
        with pytest.raises(TelecomInputError, match=r"^start: must be a datetime"):
            checked_local_period(names, *ends, zone)
    # 03:20 of the second pass is later than 03:50 of the first, whatever the clocks show
    with pytest.raises(TelecomInputError, match=r"^end: must be later than start"):
        checked_local_period(names, end, start, "Europe/Kyiv")


def test_a_period_that_includes_its_end() -> None:
    names = ("start", "end")
    start, end = PUT_BACK - HOUR / 6, PUT_BACK + HOUR / 3
    before_four = datetime(2026, 10, 25, 3, 59, 59)
    assert inclusive_local_period(names, start, end, "Europe/Kyiv") == (
        datetime(2026, 10, 25, 3),
        before_four,
    )
    last = PUT_BACK - timedelta(seconds=1)
    assert inclusive_local_period(names, start, last, "Europe/Kyiv") == (
        datetime(2026, 10, 25, 3, 50),
        before_four,
    )
    noon = datetime(2026, 7, 1, 9, tzinfo=UTC)
    twelve = datetime(2026, 7, 1, 12)
    assert inclusive_local_period(names, noon, noon, "Europe/Kyiv") == (twelve, twelve)
    assert inclusive_local_period(names, noon, None, "Europe/Kyiv") == (twelve, None)
    assert inclusive_local_period(names, None, twelve, None) == (None, twelve)
    with pytest.raises(TelecomInputError, match=r"^end: must not be earlier than start"):
        inclusive_local_period(names, end, start, "Europe/Kyiv")
