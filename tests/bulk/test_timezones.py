"""Time zones: names as IANA has them, and those of numbers as their numbering plan has them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import phonenumbers
import pytest
from phonenumbers import PhoneNumberType
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from airflow_provider_telecom.bulk.timezones import (
    check_zone,
    create_own_zones,
    create_plan_zones,
    parse_zones,
    zone_key_sql,
    zone_text,
    zones_of,
)
from airflow_provider_telecom.calls.errors import TelecomInputError

KAZAKHSTAN = ("Asia/Almaty", "Asia/Aqtobe")
SPLIT_BY_PREFIX = {"1", "39", "44", "262", "599"}
"""Codes of several countries or islands, each with prefixes of mobile numbers of its own."""


def zone_names(numbers: list[str], default: str | None = None) -> list[str]:
    """Return the zones of numbers as DuckDB finds them."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE people (place INTEGER, msisdn BIGINT)")
        rows = "SELECT unnest(range(len(?))), unnest(?::BIGINT[])"
        connection.execute(f"INSERT INTO people {rows}", [numbers, numbers])
        table = create_plan_zones(connection, "people", default=default)
        found = connection.execute(
            f"SELECT timezone FROM people LEFT JOIN {table} ON zone_key = {zone_key_sql('people.msisdn')} "
            "ORDER BY place"
        ).fetchall()
    return [text for (text,) in found]


@pytest.mark.parametrize(
    ("msisdn", "zones"),
    [
        ("380670000200", ("Europe/Kyiv",)),
        ("380441111111", ("Europe/Kyiv",)),
        ("77010000000", KAZAKHSTAN),
        ("76010000000", KAZAKHSTAN),
        ("77112000000", ("Asia/Aqtobe",)),
        ("74950000000", ("Europe/Moscow",)),
        ("74012000000", ("Europe/Kaliningrad",)),
        ("12425550000", ("America/Nassau",)),
        ("919000000000", ("Asia/Kolkata",)),
        ("34600000000", ("Atlantic/Canary", "Europe/Madrid")),
    ],
)
def test_a_number_has_the_zones_of_its_plan(msisdn: str, zones: tuple[str, ...]) -> None:
    assert zones_of(msisdn) == zones
    assert zone_names([msisdn]) == [zone_text(zones)]


def test_a_russian_mobile_number_has_all_zones_of_russia_and_none_of_kazakhstan() -> None:
    zones = zones_of("79000000000")
    assert not set(zones) & {*KAZAKHSTAN, "Europe/Bucharest"}
    moment = datetime(2026, 7, 1, tzinfo=ZoneInfo("UTC"))
    offsets = {moment.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones}
    assert offsets == {timedelta(hours=hours) for hours in range(2, 13)}


@pytest.mark.parametrize("zone", KAZAKHSTAN)
def test_kazakhstan_has_one_time_since_march_2024(zone: str) -> None:
    """A machine with older data of time zones would open windows an hour too early."""
    for day in (datetime(2024, 3, 2), datetime(2026, 1, 15), datetime(2026, 7, 15)):
        assert day.replace(tzinfo=ZoneInfo(zone)).utcoffset() == timedelta(hours=5)


def test_numbers_without_a_zone_need_a_default() -> None:
    with pytest.raises(TelecomInputError, match=r"^timezone: .* begin with \+870: give timezone= ") as caught:
        zones_of("870772000000")
    with pytest.raises(TelecomInputError) as the_same:
        zone_names(["380670000200", "870772000000"])
    assert str(the_same.value) == str(caught.value)
    assert zones_of("870772000000", "UTC") == ("UTC",)
    assert zone_names(["380670000200", "870772000000"], "Europe/Kiev") == ["Europe/Kyiv"] * 2
    assert zones_of("77010000000", "UTC") == KAZAKHSTAN


def test_the_key_is_long_enough_for_all_entries_of_the_plan() -> None:
    """Each prefix, and the one beside it, continued in two ways: DuckDB's key decides as the whole number."""
    beside = (f"{prefix[:-1]}{(int(prefix[-1]) + 1) % 10}" for prefix in TIMEZONE_DATA)
    prefixes = {*TIMEZONE_DATA, *(prefix for prefix in beside if not prefix.startswith("0"))}
    numbers = sorted(f"{prefix:{filler}<13}" for prefix in prefixes for filler in "09")
    assert len(numbers) > 8000
    assert zone_names(numbers, "UTC") == [zone_text(zones_of(number, "UTC")) for number in numbers]


def valid_numbers(prefix: str, tries: int) -> Iterator[phonenumbers.PhoneNumber]:
    rng = random.Random(prefix)
    for _ in range(tries):
        for length in range(max(8, len(prefix) + 1), 14):
            digits = "".join(rng.choice("0123456789") for _ in range(length - len(prefix)))
            try:
                number = phonenumbers.parse(f"+{prefix}{digits}")
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.format_number(number, 0) == f"+{prefix}{digits}":
                yield number


def compare_with_phonenumbers(tries: int) -> tuple[int, int]:
    """Compare the zones of valid numbers with those of `phonenumbers`; return how many of two kinds."""
    counts = {True: 0, False: 0}
    for prefix in TIMEZONE_DATA:
        for number in valid_numbers(prefix, tries):
            kind, code = phonenumbers.number_type(number), str(number.country_code)
            geographic = is_number_type_geographical(kind, number.country_code)
            if code == "7" or not (geographic or kind == PhoneNumberType.MOBILE):
                continue
            if not geographic and code in SPLIT_BY_PREFIX:
                continue
            found = zones_of(phonenumbers.format_number(number, 0)[1:])
            expected = tuple(sorted({check_zone(name) for name in time_zones_for_number(number)}))
            if found != expected:
                # A prefix of mobile numbers of which some are geographic has all zones: never fewer.
                assert geographic, (prefix, found, expected)
                assert set(found) > set(expected), (prefix, found, expected)
            counts[geographic] += 1
    return counts[True], counts[False]


def test_the_zones_are_those_of_phonenumbers() -> None:
    geographic, mobile = compare_with_phonenumbers(1)
    assert geographic > 1000
    assert mobile > 30


@pytest.mark.long
def test_the_zones_are_those_of_phonenumbers_for_many_numbers() -> None:
    geographic, mobile = compare_with_phonenumbers(100)
    assert geographic > 100_000
    assert mobile > 5_000


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Europe/Kyiv", "Europe/Kyiv"),
        ("Europe/Kiev", "Europe/Kyiv"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("US/Eastern", "America/New_York"),
        ("Europe/Oslo", "Europe/Oslo"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("Zulu", "UTC"),
        ("Etc/GMT-3", "Etc/GMT-3"),
    ],
)
def test_a_zone_has_its_present_name(written: str, name: str) -> None:
    assert check_zone(written) == name


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("", "tz: must be an IANA time zone like Europe/Kyiv, not empty"),
        ("Europe/Kyyiv", "tz: Europe/Kyyiv: is not an IANA time zone like Europe/Kyiv"),
        ("europe/kyiv", "tz: europe/kyiv: is not an IANA time zone like Europe/Kyiv: is it Europe/Kyiv?"),
        ("+03:00", "tz: is not an IANA time zone"),
        ("GMT+3:00", "tz: is not an IANA time zone"),
        ("../../etc/passwd", "tz: is not an IANA time zone"),
        ("380670000200", "tz: is not an IANA time zone"),
        ("localtime", "tz: localtime: is not an IANA time zone"),
        ("Factory", "tz: Factory: is not an IANA time zone"),
        (None, "tz: must be an IANA time zone"),
    ],
)
def test_a_wrong_zone_is_refused(written: str, error: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        check_zone(written, "tz")
    assert str(caught.value).startswith(error)


def test_several_zones_are_one_text() -> None:
    assert parse_zones("Europe/Moscow, Asia/Almaty,Europe/Moscow") == ("Asia/Almaty", "Europe/Moscow")
    assert zone_text(parse_zones("Europe/Uzhgorod,Europe/Kiev")) == "Europe/Kyiv"
    with pytest.raises(TelecomInputError, match=r"^timezone: must be an IANA time zone .*, not empty"):
        parse_zones("Europe/Moscow,")


def test_the_recipients_own_column() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE people AS SELECT unnest(['Europe/Kiev', 'Asia/Almaty', '', NULL, ' ', 'Mars', "
            """'Europe/Kiev', '380670000200']) AS "the ""zone\"\"" """
        )
        table, wrong = create_own_zones(connection, "people", 'the "zone"', "tz")
        found = dict(connection.execute(f"SELECT written, timezone FROM {table}").fetchall())
    assert found == {"Europe/Kiev": "Europe/Kyiv", "Asia/Almaty": "Asia/Almaty"}
    assert set(wrong) == {"Mars", "380670000200"}
    assert wrong["Mars"] == "tz: Mars: is not an IANA time zone like Europe/Kyiv"
    assert "380670000200" not in wrong["380670000200"]
