"""How long a vendor asks us to wait: for any text, a finite number of seconds or None."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.retry_after import (
    MAX_RETRY_AFTER,
    is_quota_exhausted,
    parse_wait,
    retry_after,
)

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC).timestamp()
DAY = MAX_RETRY_AFTER


def until(text: str) -> float | None:
    return parse_wait(text, lambda: NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12),
        (" 12 ", 12),
        ("0", 0),
        ("1.5", 1.5),
        ("3600", 3600),
        ("99999999", DAY),
        (str(int(NOW) + 90), 90),
        (f"{NOW + 90:.3f}", 90),
        (str(int(NOW * 1000) + 90_000), 90),
        (str(int(NOW) - 90), 0),
        (str(int(NOW * 1000) - 90_000), 0),
        ("999999999", DAY),
        ("1000000000", 0),  # a Unix time in seconds
        ("99999999999", DAY),
        ("100000000000", 0),  # a Unix time in milliseconds
        ("Wed, 01 Jul 2026 12:01:30 GMT", 90),
        (f"Wed,{' ' * 36}01 Jul 2026 12:01:30 GMT", 90),  # 64 characters
        ("Wed, 01 Jul 2026 15:01:30 +0300", 90),
        ("Wed, 01 Jul 2026 12:01:30", 90),
        ("Wed, 01 Jul 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", DAY),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_what_a_header_asks_for(text: str, seconds: float) -> None:
    assert until(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-5", "+5", "1e3", "1e300", "inf", "-inf", "nan", "Infinity", "1_000", "0x10", "5, 7"),
        f"Wed,{' ' * 37}01 Jul 2026 12:01:30 GMT",
        *("99999999999999999999", "9" * 5000, "١٢", "Wed, 99 Jul 2026 12:00:00 GMT", "," * 100_000),
    ],
)
def test_what_makes_no_sense_is_ignored(text: str) -> None:
    assert until(text) is None


def test_a_date_without_a_zone_is_of_utc_wherever_the_worker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = until("Wed, 01 Jul 2026 12:01:30")
    time.tzset()
    assert found == 90


@given(st.one_of(st.text(), st.from_regex(r"[0-9eE+.\-, :A-Za-z]{0,40}", fullmatch=True)))
@example("1 Jan 0001 00:0066600229999")  # makes datetime raise OverflowError
def test_no_text_raises_or_asks_for_more_than_a_day(text: str) -> None:
    seconds = until(text)
    assert seconds is None or 0 <= seconds <= DAY


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=OFFSETS))
def test_every_date_is_read(moment: datetime) -> None:
    seconds = until(format_datetime(moment))
    asked = moment.replace(microsecond=0).timestamp() - NOW
    assert seconds == pytest.approx(min(max(asked, 0), DAY), abs=1)


def test_retry_after_comes_before_the_quotas_reset() -> None:
    assert retry_after({"retry-after": "7", "x-rate-limit-reset": "3"}) == 7
    assert retry_after({"retry-after": "soon", "x-rate-limit-reset": "3"}) == 3
    assert retry_after({"x-rate-limit-reset": "never"}) is None
    for name in ("retry-after", "x-rate-limit-reset"):
        assert retry_after({name: str(int(NOW) + 90)}, lambda: NOW) == 90
    assert 80_000 < (retry_after({"retry-after": str(int(time.time()) + DAY)}) or 0) <= DAY  # the real clock


@pytest.mark.parametrize(
    ("remaining", "used_up"),
    [
        *((" 0 ", True), ("00", True), ("-1", True), ("0", True)),
        *(("1", False), ("", False), ("٠", False), ("none", False), ("-" + "1" * 5000, False)),
    ],
)
def test_when_a_quota_is_used_up(remaining: str, used_up: bool) -> None:
    assert is_quota_exhausted({"x-rate-limit-remaining": remaining}) is used_up
    assert is_quota_exhausted({}) is False
