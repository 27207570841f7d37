"""The time zones of recipients: their own column, or what the numbering plan says about their numbers.

A number can have several zones (a Russian mobile number does not say where its owner lives). Then the window
of a message must be open in all of them. The plan is that of `phonenumbers`, by the longest prefix that its
data has, with these rules on top:

- `+76` and `+77` are Kazakhstan, all other `+7` are Russia. `phonenumbers` has Europe/Bucharest for
  Kaliningrad; here it is Europe/Kaliningrad.
- Prefixes of mobile numbers to which `phonenumbers` gives the zone of the capital only (`+79`, `+614`, ...)
  have all zones of the country.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_telecom.bulk.sql_text import plain_column, quoted_name
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SEPARATOR = ","
"""Between the names of several zones in a text."""
PLAN_ZONES, OWN_ZONES = "telecom_plan_zones", "telecom_own_zones"

_UKRAINE = ("Europe/Kyiv",)
_KAZAKHSTAN = ("76", "77")
_ALL_OF_COUNTRY = (
    "79",
    "614",
    *("2992", "2994", "2995"),
    *("346", "347"),
    *("474", "479"),
    "5939",
    "642",
    *("68988", "68989"),
    *("9765", "9766", "9767", "9768", "9769"),
)
"""Prefixes of mobile numbers that have the zones of the whole country."""
_SHORT, _ROWS_AT_ONCE = 4, 50_000
_LETTERS = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_MANY_DIGITS = re.compile(r"\d{3}")


def zone_text(zones: Iterable[str]) -> str:
    """Return zones as one text, as audience files have it: sorted names joined by a comma."""
    return SEPARATOR.join(sorted(set(zones)))


def parse_zones(text: str, field: str = "timezone") -> tuple[str, ...]:
    """Return the zones of a text: one IANA name, or several with commas. Raises TelecomInputError."""
    return tuple(sorted({check_zone(name.strip(), field) for name in text.split(SEPARATOR)}))


@lru_cache(maxsize=1024)
def check_zone(name: str, field: str = "timezone") -> str:
    """Return the present name of an IANA time zone: `Europe/Kyiv` for `Europe/Kiev`.

    Raises TelecomInputError for a name that is no time zone, or that this machine has no data of.
    """
    if not isinstance(name, str) or not name.strip():
        raise TelecomInputError(field, "must be an IANA time zone like Europe/Kyiv, not empty")
    known = _tzdata()
    if name not in known.links and name not in known.zones:
        shown = name if _LETTERS.fullmatch(name) and not _MANY_DIGITS.search(name) else None
        rule = "is not an IANA time zone like Europe/Kyiv"
        near = next((one for one in known.places if one.casefold() == name.casefold()), None)
        raise TelecomInputError(field, f"{rule}: is it {near}?" if near else rule, shown=shown)
    found = name if name in known.places or name == "UTC" else known.links.get(name, name)
    found = "UTC" if found in ("Etc/UTC", "Etc/Zulu") else found
    try:
        ZoneInfo(found)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TelecomInputError(field, "this machine has no data of the time zone", shown=found) from None
    return found


def zones_of(msisdn: str, default: str | None = None) -> tuple[str, ...]:
    """Return the time zones of a canonical number by its numbering plan, sorted.

    `default` is for numbers whose plan has no time zone, as those of satellite phones; without it they raise
    TelecomInputError.
    """
    if msisdn.startswith("380"):
        return _UKRAINE
    if zones := _plan_zones(msisdn):
        return zones
    if default is None:
        raise _no_zone([msisdn])
    return parse_zones(default)


def create_plan_zones(
    connection: DuckDBPyConnection, table: str, *, column: str = "msisdn", default: str | None = None
) -> str:
    """Create the temporary table `telecom_plan_zones (zone_key, timezone)` for the numbers of a table.

    Returns its name. A number's key is `zone_key_sql(column)`. Numbers whose plan has no time zone have the
    text of `default`; without it they raise TelecomInputError.
    """
    default_text = None if default is None else zone_text(parse_zones(default))
    key = zone_key_sql(column)
    distinct = f"SELECT DISTINCT {key} FROM {quoted_name(table)}"
    found: list[tuple[str, str]] = []
    unknown: list[str] = []
    rows = connection.execute(distinct)
    while batch := rows.fetchmany(_ROWS_AT_ONCE):
        for (prefix,) in batch:
            if prefix is None:
                continue
            text = zone_text(_plan_zones(prefix)) or default_text
            if text is None:
                unknown.append(prefix)
            else:
                found.append((prefix, text))
    if unknown:
        raise _no_zone(unknown)
    return _create_texts(connection, PLAN_ZONES, "zone_key", found)


def create_own_zones(
    connection: DuckDBPyConnection, table: str, column: str, field: str = "timezone"
) -> tuple[str, Mapping[str, str]]:
    """Create the temporary table `telecom_own_zones (written, timezone)` for the recipients' own column.

    `column` is the column's name as users gave it. Returns the table's name and the texts that are no time
    zone, with what is wrong with them: these are not in the table, neither are blank ones.
    """
    written_text = f"CAST({quoted_name(column)} AS VARCHAR)"
    distinct = f"SELECT DISTINCT {written_text} FROM {quoted_name(table)}"
    found: list[tuple[str, str]] = []
    wrong: dict[str, str] = {}
    rows = connection.execute(distinct)
    while batch := rows.fetchmany(_ROWS_AT_ONCE):
        for (written,) in batch:
            if written is None or not written.strip():
                continue
            try:
                found.append((written, zone_text(parse_zones(written, field))))
            except TelecomInputError as error:
                wrong[written] = error.text
    return _create_texts(connection, OWN_ZONES, "written", found), wrong


def zone_key_sql(column: str) -> str:
    """Return an expression for DuckDB: the first digits of a number, as many as decide about its zones."""
    text = f"CAST({plain_column(column)} AS VARCHAR)"
    plan = _plan()
    deep = "|".join(sorted(plan.deep))
    # No IN: DuckDB makes a join of a long list, and the join by this key becomes a product of both tables.
    is_deep = f"regexp_matches({text}, '^({deep})')"
    return f"left({text}, CASE WHEN {is_deep} THEN {plan.longest} ELSE {_SHORT} END)"


class _Plan(NamedTuple):
    zones: Mapping[str, tuple[str, ...]]
    """By prefix; the longest one counts."""
    longest: int
    deep: frozenset[str]
    """Prefixes of 4 digits that do not decide: there are longer ones with other zones."""


class _Tzdata(NamedTuple):
    zones: frozenset[str]
    links: Mapping[str, str]
    """Other names of zones, by name."""
    places: frozenset[str]
    """The names that the list of places has (zone.tab): they stay, also where they are links."""


def _plan_zones(number: str) -> tuple[str, ...]:
    """Return the zones of a number, or of its first digits; none if the plan has none."""
    plan = _plan()
    for length in range(min(plan.longest, len(number)), 0, -1):
        if zones := plan.zones.get(number[:length]):
            return zones
    return ()


@cache
def _plan() -> _Plan:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.tzdata import TIMEZONE_DATA

    codes = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}
    zones = {prefix: _current(prefix, names) for prefix, names in TIMEZONE_DATA.items()}
    kazakhstan = zones["77"]
    zones["76"] = kazakhstan
    zones["7"] = tuple(name for name in zones["7"] if name not in kazakhstan)
    zones["7800"] = zones["7"]  # free-phone numbers, of Russia
    for prefix in _ALL_OF_COUNTRY:
        code = next(prefix[:length] for length in (1, 2, 3) if prefix[:length] in codes)
        zones[prefix] = zones[code]
    needed = {prefix: names for prefix, names in zones.items() if names != _inherited(zones, prefix)}
    deep = frozenset(prefix[:_SHORT] for prefix in needed if len(prefix) > _SHORT)
    return _Plan(needed, max(map(len, needed)), deep)


def _current(prefix: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the present names of the zones of a prefix."""
    found = {check_zone(name) for name in names}
    if prefix.startswith("7") and "Europe/Bucharest" in found:
        found = found - {"Europe/Bucharest"} | {"Europe/Kaliningrad"}
    return tuple(sorted(found))


def _inherited(zones: Mapping[str, tuple[str, ...]], prefix: str) -> tuple[str, ...] | None:
    """Return the zones that the numbers of a prefix would have without it."""
    shorter = (prefix[:length] for length in range(len(prefix) - 1, 0, -1))
    return next((zones[one] for one in shorter if one in zones), None)


@cache
def _tzdata() -> _Tzdata:
    zones, links = set(), {}
    for line in _tz_file("tzdata.zi").splitlines():
        kind, *names = line.split(" ")
        if kind == "Z":
            zones.add(names[0])
        elif kind == "L":
            links[names[1]] = names[0]
    places = frozenset(
        line.split("\t")[2] for line in _tz_file("zone.tab").splitlines() if line and line[0] != "#"
    )
    zones.discard("Factory")
    return _Tzdata(frozenset(zones), links, places)


def _tz_file(name: str) -> str:
    """Return a file of the time zone database: of the package tzdata (Airflow has it), or the machine's."""
    try:
        return (resources.files("tzdata") / "zoneinfo" / name).read_text()
    except (ModuleNotFoundError, FileNotFoundError):
        found = next(path for folder in TZPATH if (path := Path(folder, name)).is_file())
        return found.read_text()


def _no_zone(numbers: list[str]) -> TelecomInputError:
    codes = sorted({f"+{number[:3]}" for number in numbers})
    return TelecomInputError(
        "timezone",
        f"the numbering plan has no time zone for numbers that begin with {', '.join(codes[:10])}: give "
        "timezone= for them, or a column with the recipients' time zones",
    )


def _create_texts(connection: DuckDBPyConnection, table: str, key: str, rows: list[tuple[str, str]]) -> str:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} ({key} VARCHAR, timezone VARCHAR)")
    keys, texts = [row[0] for row in rows], [row[1] for row in rows]
    connection.execute(
        f"INSERT INTO {table} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])", [keys, texts]
    )
    return table
