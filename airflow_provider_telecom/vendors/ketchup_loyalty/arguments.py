"""What the arguments of KetchUp's calls, status checks and operators must be.

Each error names the field and the rule. Nothing heavy is imported here: operators and sensors use these
checks when a Dag is parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Any, TypedDict, TypeVar

from airflow_provider_telecom.calls.checks import (
    in_range,
    matching,
    non_blank,
    non_empty,
    one_of,
    parse_datetime,
    percent,
)
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import mask_number

T = TypeVar("T")

SOURCE_TYPES = ("api", "web", "smpp", "xml", "http", "json")
MESSAGE_TYPES = ("sms", "hlr", "viber")
STATUSES = (
    *("Delivered", "Rejected", "Scheduled", "Moderation", "Accepted", "Sending", "Sent"),
    *("Expired", "Failed", "Undelivered", "Unknown", "Read", "not-viber-user"),
)
VIBER_END_STATES = ("delivered", "read")
MAX_ORIGINATOR_LENGTH = 14
MAX_VALIDITY_HOURS = 72
MIN_VALIDITY_SECONDS, MAX_VALIDITY_SECONDS = 15, 86_400
MAX_CHUNK_SIZE = 10_000
MAX_REJECTED = 1_000_000
CLICK_COMPARISONS = ("<", ">", "=")
MAX_CLICKS = 999_999
_PROBABLY_HOURS = 60
_REFERENCE_LENGTHS = frozenset(range(1, 33))


class SmsTerms(TypedDict, total=False):
    """How long KetchUp tries to deliver an SMS, at which price, and when it is sent."""

    validity_hours: int
    tariff: int | None
    schedule_at: datetime | None


class SmsOptions(SmsTerms, total=False):
    """The same, and the sender of all messages of a call."""

    originator: str | None


class ViberTerms(TypedDict, total=False):
    """How long KetchUp tries to deliver Viber messages, and at which price."""

    validity_seconds: int
    allow_short_validity: bool
    tariff: int | None


class ViberOptions(ViberTerms, total=False):
    """The same, and a Viber message beside its text, where its reports go, and when it is sent."""

    sender: str | None
    promotional: bool
    image_url: str | None
    caption: str | None
    action_url: str | None
    callback_url: str | None
    schedule_at: datetime | None


def parse_list(field: str, values: object) -> list[str]:
    """Return ids, keys or numbers, given as one, as a list, or as the text of a list (from a template)."""
    if isinstance(values, str) and values.strip()[:1] in ("[", "("):
        values = _parse(field, values)
    found = [values] if isinstance(values, (str, int)) else values
    if not isinstance(found, Sequence) or not all(map(_is_name, found)):
        raise TelecomInputError(field, "must be one, or a list, of texts or whole numbers")
    return [str(one).strip() for one in found]


def parse_distinct(field: str, values: object) -> list[str]:
    """Return the list without repetitions."""
    return list(dict.fromkeys(parse_list(field, values)))


def parse_messages(field: str, values: object) -> list[Mapping[str, Any]]:
    """Return individual messages: a list (or the text of one) of `{"msisdn", "text", "originator"}`."""
    found = _parse(field, values) if isinstance(values, str) else values
    if not isinstance(found, Sequence) or not found or not all(isinstance(one, Mapping) for one in found):
        raise TelecomInputError(field, 'must be a list of {"msisdn", "text"}, with at least one entry')
    for place, one in enumerate(found):
        if unknown := sorted(map(str, one.keys() - {"msisdn", "text", "originator"})):
            raise TelecomInputError(f"{field}[{place}]", f"may not have {', '.join(unknown)}")
        for name in ("msisdn", "text"):
            if one.get(name) is None:
                raise TelecomInputError(f"{field}[{place}]", f"must have a {name}")
        non_blank(f"{field}[{place}].text", one["text"])
    return list(found)


def _parse(field: str, text: str) -> object:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise TelecomInputError(field, "looks like a list, but can't be read as one") from None


def _is_name(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""


def exactly_one(**given: object) -> None:
    """Check that exactly one of two arguments is given."""
    first, second = given
    if (given[first] is None) == (given[second] is None):
        raise TelecomInputError(first, f"give either {first} or {second}, and not both")


def optional_percent(field: str, value: str | float | Decimal | None) -> Decimal | None:
    """Return a percentage, 0 to 100, or None."""
    return None if value is None else percent(field, value)


def optional_count(field: str, value: Any) -> int | None:
    """Return a count, which may be a text (from a template), or None."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return None if value is None else in_range(field, value, 0, 2**31)


def optional_flag(field: str, value: Any) -> bool | None:
    """Return True or False, which may be a text (from a template), or None."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().casefold(), value)
    flag: bool | None = one_of(field, value, (True, False, None))
    return flag


def optional_datetime(field: str, value: datetime | str | None) -> datetime | None:
    """Return a time, which may be its ISO 8601 text (from a template), or None."""
    return None if value is None else parse_datetime(field, value)


def check_tariff(value: int | None) -> int | None:
    """Return the number of a tariff, or None for the connection's."""
    return None if value is None else in_range("tariff", value, 0, 9)


def check_max_rejected(value: int | None) -> int | None:
    """Return how many may be refused, or None for all but one."""
    return None if value is None else in_range("max_rejected", value, 0, MAX_REJECTED)


def choose_originator(given: str | None, default: str | None) -> str:
    """Return the sender of an SMS: the given one, or the connection's."""
    return _choose("originator", given, default, "in the connection's extra", MAX_ORIGINATOR_LENGTH)


def choose_viber_sender(given: str | None, default: str | None) -> str:
    """Return the alpha name of a Viber message: the given one, or the connection's."""
    return _choose("sender", given, default, "as viber_sender in the connection's extra")


def _choose(
    field: str, given: str | None, default: str | None, where: str, longest: int | None = None
) -> str:
    chosen = default if given is None else given
    if chosen is None:
        raise TelecomInputError(field, f"must be given here or {where}")
    return non_blank(field, chosen, longest)


def check_viber_validity(seconds: int, allow_short: bool) -> int:
    """Return how long KetchUp tries to deliver it. Less than 60 seconds are probably meant in hours."""
    in_range("validity_seconds", seconds, MIN_VALIDITY_SECONDS, MAX_VALIDITY_SECONDS)
    if seconds < _PROBABLY_HOURS and not allow_short:
        rule = "is less than a minute, which needs allow_short_validity=True"
        raise TelecomInputError("validity_seconds", rule, shown=str(seconds))
    return seconds


def check_button(caption: str | None, action_url: str | None) -> None:
    """Check that a Viber button has a text and a link, or neither. The document's sample has both."""
    if (caption is None) != (action_url is None):
        field = "caption" if caption is None else "action_url"
        raise TelecomInputError(field, "a button has both a caption and an action_url; give both or neither")


def click_filters(
    clicks: tuple[str, int] | None,
    sl_clicks: bool | None,
    sl_clicks_comp: str | None,
    sl_clicks_count: int | None,
) -> dict[str, object]:
    """Return the filter of statistics by clicks: the document's three fields, or a pair for all of them."""
    given: dict[str, object] = {
        "sl_clicks": one_of("sl_clicks", sl_clicks, (True, False, None)),
        "sl_clicks_comp": one_of("sl_clicks_comp", sl_clicks_comp, (*CLICK_COMPARISONS, None)),
        "sl_clicks_count": None
        if sl_clicks_count is None
        else in_range("sl_clicks_count", sl_clicks_count, 0, MAX_CLICKS),
    }
    if clicks is None:
        return given
    if any(value is not None for value in given.values()):
        raise TelecomInputError("clicks", f"stands for {', '.join(given)}: give it alone, or those")
    if not isinstance(clicks, (tuple, list)) or len(clicks) != 2:
        raise TelecomInputError("clicks", 'must be a pair like (">", 0)')
    compare, count = clicks
    return {
        "sl_clicks": True,
        "sl_clicks_comp": one_of("clicks", compare, CLICK_COMPARISONS),
        "sl_clicks_count": in_range("clicks", count, 0, MAX_CLICKS),
    }


def check_file_key(value: str) -> str:
    """Return the key of a statistics export."""
    rule = "must be a key that the vendor gave"
    return matching("file_key", value, r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", rule)


def check_reference(value: str, field: str = "reference") -> str:
    """Return our key for an SMS. The document's text allows letters and digits, its sample `_` as well."""
    rule = "must be 1 to 32 of the characters a-z A-Z 0-9 _"
    return matching(field, value, r"[A-Za-z0-9_]{1,32}", rule)


def are_references(values: Sequence[str]) -> bool:
    """Return whether `check_reference` takes each of these keys."""
    try:
        letters = "".join(values).replace("_", "a").encode("ascii")  # of bytes, isalnum takes a fifth
    except (TypeError, UnicodeEncodeError):
        return False
    return letters.isalnum() and set(map(len, values)) <= _REFERENCE_LENGTHS


def check_any_key(value: str, field: str = "reference") -> str:
    """Return our key for a look-up or a Viber message.

    The document limits neither. Both are read by their key, which is part of an address then.
    """
    rule = "must be 1 to 128 of the characters a-z A-Z 0-9 _ . : -, and not only dots"
    return matching(field, value, r"(?!\.+$)[A-Za-z0-9_.:-]{1,128}", rule)


def vendor_id(field: str, value: str | int) -> str:
    """Return an id of the vendor's. At a shared address a word would be taken for a reference."""
    return matching(field, str(value), r"[0-9]{1,32}", "must be the vendor's own number")


def check_callback_url(field: str, url: str) -> str:
    """Return a web address. The vendor ignores a wrong `callback_url` without an error."""
    return matching(field, url, r"https?://[!-~]+", "must be an http or https address without blanks")


def list_of(kind: type[T], field: str, values: Sequence[T]) -> Sequence[T]:
    """Return a list of at least one `kind`. An iterator is refused: the list is read twice."""
    if not isinstance(non_empty(field, values), Sequence) or not all(map(isinstance, values, repeat(kind))):
        raise TelecomInputError(field, f"must be a list of {kind.__name__}")
    return values


def reject_duplicates(numbers: Iterable[str], references: Iterable[str | None]) -> None:
    """Raise TelecomInputError for a number or a key that occurs twice: the vendor would drop one of them."""
    for field, values, show in (("msisdn", numbers, mask_number), ("reference", references, str)):
        seen: set[str] = set()
        for value in values:
            if value in seen:
                raise TelecomInputError(field, "occurs twice in one call", shown=show(value))
            if value is not None:
                seen.add(value)
