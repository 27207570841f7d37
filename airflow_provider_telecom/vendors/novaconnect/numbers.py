"""The types of fields as NovaConnect writes them.

Table and sample of the document have different types for one field (int and float, int and object, bigint and
string), and a company's balance is a text with a currency sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_SPACE_IN_NUMBER = re.compile(r"(?<=\d)[\s'’](?=\d{3}(?!\d))")
_AMOUNT = re.compile(r"[^\d.,-]*(-?)[^\d.,-]*(\d+(?:[.,]\d+)*)[^\d-]*")
_MAX_AMOUNT_LENGTH = 100  # the time to match a text grows with the square of its length
_MAX_ID_LENGTH = 128


def amount_in(text: str | None) -> Decimal | None:
    """Return the amount in a text such as `-4 210.75 ₸`.

    None if the text has not exactly one number, if one separator before three digits (`1,234`) may mean a
    fraction or thousands, or if it is much longer than any amount.
    """
    if text and len(text) > _MAX_AMOUNT_LENGTH:
        return None
    joined = _SPACE_IN_NUMBER.sub("", (text or "").replace("−", "-"))
    found = _AMOUNT.fullmatch(joined)
    plain = _plain(found.group(2)) if found else None
    return Decimal(f"{found.group(1)}{plain}") if found and plain else None


def _plain(number: str) -> str | None:
    """Return a number with a dot before its fraction and no other separator."""
    whole, separator, fraction = _split_at_last_separator(number)
    if not separator:
        return number
    if separator in whole:
        return _without_separators(number) if not {".", ","} <= set(number) else None
    if len(fraction) == 3 and not {".", ","} & set(whole) and whole != "0":
        return None
    return f"{_without_separators(whole)}.{fraction}"


def _split_at_last_separator(number: str) -> tuple[str, str, str]:
    place = max(number.rfind("."), number.rfind(","))
    return (number[:place], number[place], number[place + 1 :]) if place >= 0 else (number, "", "")


def _without_separators(number: str) -> str:
    return number.replace(".", "").replace(",", "")


def _unwrap(value: object) -> object:
    """Return the number of an object that has nothing else; return None for a blank."""
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    return None if isinstance(value, str) and not value.strip() else _refuse_bool(value)


def _refuse_bool(value: object) -> object:
    """Refuse true and false, which pydantic would read as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _lock(value: object) -> object:
    """Return 0 and 1 as False and True: no tariff was locked until 1970."""
    value = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    return bool(value) if value in (0, 1) else value


def _name(value: object) -> object:
    """Return an id that is a text or a whole number, and not blank."""
    text = str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not 0 < len(text) <= _MAX_ID_LENGTH:
        raise ValueError("must be an id")
    return text


def _amount(value: object) -> object:
    value = _unwrap(value)
    if not isinstance(value, str):
        return value
    try:
        return Decimal(value.strip())
    except InvalidOperation:
        found: Any = amount_in(value)
        return value if found is None else found


Id = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=1)]
"""The id of a SIM, a group, a bill, a company or a user."""
Name = Annotated[str, BeforeValidator(_name)]
"""The id of a queue."""
Lock = Annotated[bool | int | None, BeforeValidator(_lock)]
"""Until when something is locked, as a Unix time, or whether it is."""
OptionalInt = Annotated[int | None, BeforeValidator(_unwrap)]
OptionalDecimal = Annotated[Decimal | None, BeforeValidator(_amount)]
