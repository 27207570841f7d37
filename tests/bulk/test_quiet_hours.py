"""Quiet hours against a model that looks at the clock minute by minute, over both clock changes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from airflow_provider_telecom.bulk.quiet_hours import HORIZON, QuietHours
from airflow_provider_telecom.calls.errors import TelecomInputError

KYIV, LISBON, ALMATY, MOSCOW, KAMCHATKA = (
    *("Europe/Kyiv", "Europe/Lisbon", "Asia/Almaty", "Europe/Moscow"),
    "Asia/Kamchatka",
)
ODD = ("Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
"""A clock change of half an hour, and offsets that are no whole hours."""
AUTUMN, SPRING = datetime(2026, 10, 22, tzinfo=UTC), datetime(2027, 3, 25, tzinfo=UTC)
"""Days before the clock changes of 2026-10-25 and 2027-03-28."""
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("value", [("21:00", "09:00"), ["21:00", "09:00"], "21:00-09:00", "21:00 - 09:00"])
def test_forms(value: Any) -> None:
    assert QuietHours.parse(value) == QuietHours(time(21), time(9))
    assert str(QuietHours.parse(value)) == "21:00-09:00"


@pytest.mark.parametrize(
    "value",
    [
        *("", "21:00", "21-09", "21:00-09:00-10:00", "24:00-09:00", "9:00-21:00", "21:00-09:60"),
        *(
            None,
            21,
            (),
            ("21:00",),
            ("21:00", "09:00", "10:00"),
            ("21:00", None),
            (21, 9),
            {"21:00": "09:00"},
        ),
        *(("21:00:30", "09:00"), "٢١:00-09:00", (time(21, 0, 1), time(9)), (time(21, tzinfo=UTC), time(9))),
    ],
)
def test_what_is_no_pair_of_times_is_refused(value: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"^quiet_hours: must be two local times"):
        QuietHours.parse(value)


def test_a_window_without_an_open_hour_is_refused() -> None:
    with pytest.raises(TelecomInputError, match="two equal times"):
        QuietHours.parse(("09:00", "09:00"))


def test_zones_that_never_overlap_are_named() -> None:
    """09:00 to 21:00 in Kamchatka is 21:00 to 09:00 in Lisbon, until its clock goes forward."""
    quiet = QuietHours.parse("21:00-09:00")
    with pytest.raises(TelecomInputError, match=f"^quiet_hours: 21:00-09:00 .* {KAMCHATKA}, {LISBON} "):
        quiet.opens_at((KAMCHATKA, LISBON), datetime(2026, 12, 1, tzinfo=UTC))
    found = quiet.opens_at((KAMCHATKA, LISBON), datetime(2027, 3, 27, tzinfo=UTC))
    assert found == datetime(2027, 3, 28, 8, tzinfo=UTC)
    assert quiet.closes_at((KAMCHATKA, LISBON), found) == found + timedelta(hours=1)
    with pytest.raises(TelecomInputError, match="for more than 3600 s within 8 days"):
        quiet.opens_at((KAMCHATKA, LISBON), found, least=timedelta(hours=1))


def test_clock_changes_of_kyiv() -> None:
    """In spring 03:00 to 04:00 does not exist, in autumn it comes twice."""
    early = QuietHours.parse("03:00-04:00")
    closes = early.closes_at([KYIV], datetime(2027, 3, 28, 0, 30, tzinfo=UTC))
    assert closes == datetime(2027, 3, 29, 0, 0, tzinfo=UTC)
    closes = early.closes_at([KYIV], datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert closes == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert early.opens_at([KYIV], closes) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    half = QuietHours.parse("03:30-09:00")  # open, quiet, open again, quiet
    times = [datetime(2026, 10, 25, hour, minute, tzinfo=UTC) for hour in (0, 1) for minute in (0, 30)]
    assert [half.is_open([KYIV], at) for at in times] == [True, False, True, False]


def test_zones_and_instants_are_checked() -> None:
    quiet = QuietHours.parse("21:00-09:00")
    for zone in ("Europe/Kiyv", "", "../etc/passwd", "/etc/localtime", "Europe"):
        with pytest.raises(TelecomInputError, match=r"^timezone: .*must be an IANA name"):
            quiet.is_open([zone], AUTUMN)
    assert quiet.opens_at([KYIV], pendulum.datetime(2026, 10, 25, 2, tz="Europe/Kyiv")) == (
        datetime(2026, 10, 25, 7, tzinfo=UTC)
    )
    with pytest.raises(TelecomInputError, match=r"^time: must be a datetime with a time zone"):
        quiet.opens_at([KYIV], datetime(2026, 10, 22))


def is_quiet(quiet: QuietHours, zones: Sequence[str], at: datetime) -> bool:
    """The model: the minutes of the day that are quiet, as a set."""
    start, end = (60 * edge.hour + edge.minute for edge in (quiet.start, quiet.end))
    minutes = {(start + passed) % 1440 for passed in range((end - start) % 1440)}
    shown = (at.astimezone(ZoneInfo(zone)) for zone in zones)
    return any(60 * local.hour + local.minute in minutes for local in shown)


def check_week(quiet: QuietHours, zones: Sequence[str], begin: datetime, every: int) -> int:
    """Compare all three functions with the model from a week before its end; return how often it opens."""
    instants = [begin + MINUTE * place for place in range(24 * 60 * 7)]
    quiet_ones = [is_quiet(quiet, zones, at) for at in instants]
    opens, closes = HORIZON, HORIZON  # the minutes until then, from the last to the first
    changes = 0
    for place in reversed(range(len(instants))):
        opens = timedelta(0) if not quiet_ones[place] else opens + MINUTE
        closes = timedelta(0) if quiet_ones[place] else closes + MINUTE
        changes += place > 0 and quiet_ones[place] != quiet_ones[place - 1]
        if place % every and not (place > 0 and quiet_ones[place] != quiet_ones[place - 1]):
            continue
        at = instants[place]
        assert quiet.is_open(zones, at) is not quiet_ones[place]
        if opens < HORIZON:
            assert quiet.opens_at(zones, at) == at + opens
        if closes < HORIZON:
            assert quiet.closes_at(zones, at) == at + closes
            within = at + closes / 3  # no whole minute
            assert quiet.closes_at(zones, within) == at + closes
    return changes


@pytest.mark.parametrize("begin", [AUTUMN, SPRING], ids=["autumn", "spring"])
@pytest.mark.parametrize(
    ("hours", "zones"),
    [
        ("21:00-09:00", (KYIV,)),
        ("21:00-09:00", (ALMATY, KAMCHATKA, MOSCOW)),
        ("02:30-03:30", (KYIV, LISBON)),
        ("22:15-01:30", ODD),
    ],
)
def test_it_equals_the_model(hours: str, zones: tuple[str, ...], begin: datetime) -> None:
    assert check_week(QuietHours.parse(hours), zones, begin, every=97) >= 10


@pytest.mark.long
def test_it_equals_the_model_everywhere() -> None:
    chosen, checked = random.Random(14), 0
    everywhere = (KYIV, LISBON, ALMATY, MOSCOW, KAMCHATKA, *ODD, "America/New_York", "Africa/Casablanca")
    begins = [AUTUMN, SPRING, datetime(2027, 2, 4, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)]
    for _ in range(150):
        start, end = chosen.sample(range(1440), 2)
        quiet = QuietHours(time(*divmod(start, 60)), time(*divmod(end, 60)))
        zones = tuple(chosen.sample(everywhere, chosen.randint(1, 4)))
        checked += check_week(quiet, zones, chosen.choice(begins), every=31)
    assert checked > 1000
