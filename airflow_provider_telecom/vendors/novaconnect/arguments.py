"""Checks of the arguments of NovaConnect's calls. Each error names the field and the rule."""

from __future__ import annotations

import ipaddress
import json
from ast import literal_eval
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import urlsplit

from airflow_provider_telecom.calls.checks import in_range, matching, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import day_interval
from airflow_provider_telecom.calls.privacy import Secret

T = TypeVar("T")
MAX_SMS_LENGTH = 70
MIN_PACKAGE_KB, MAX_PACKAGE_KB, PACKAGE_STEP_KB = 15_360, 102_400, 5_120
MAX_DAYS = 366
REPORTS = ("sessions", "days", "calls_and_sms")
_MAX_LIMIT_MB = 2**31 - 1
_MAX_ID = 2**63 - 1
_MAX_AGE_DAYS = 36_500
_MAX_NAMED = 20
BALANCES = ("balance", "preliminary_balance")
"""The balances that one can wait for."""
UNTIL = ("unpaid", "all_paid")
"""The states of bills that one can wait for."""


def valid_id(field: str, value: int) -> int:
    """Return an id: a whole number from 1."""
    return in_range(field, value, 1, _MAX_ID)


def ids(field: str, values: Sequence[int]) -> list[int]:
    """Return a list of at least one id without duplicates."""
    if not (found := id_list(field, values)):
        raise TelecomInputError(field, "must be a list with at least one id")
    return found


def id_list(field: str, values: Sequence[int]) -> list[int]:
    """Return a list of ids without duplicates; it may be empty."""
    found = [valid_id(field, value) for value in _iterable(field, values, "ids")]
    if len(set(found)) != len(found):
        raise TelecomInputError(field, "must not contain an id twice")
    return found


def names(field: str, values: Iterable[str]) -> list[str]:
    """Return a list of names that are not blank."""
    return [non_blank(field, value) for value in _iterable(field, values, "names")]


def no_groups(groups: Sequence[int], *others: object) -> None:
    """Check that a SIM is to be in no groups: `groups` is an empty list, and nothing else is given."""
    if not isinstance(groups, (list, tuple)) or groups:
        raise TelecomInputError(
            "groups", "must be [], for no groups; group_ids and new_group_names put SIMs into groups"
        )
    if any(others):
        raise TelecomInputError(
            "groups", "means no groups, so group_ids, new_group_names and exact must not be given"
        )


def _iterable(field: str, values: Iterable[T], of: str) -> Iterable[T]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise TelecomInputError(field, f"must be a list of {of}")
    return values


def rendered_ids(field: str, values: object) -> list[int]:
    """Return ids as `id_list` does, given as a list or as the text that a template renders of one."""
    return id_list(field, [rendered_int(value) for value in rendered_list(field, values)])


def rendered_nonempty_ids(field: str, values: object) -> list[int]:
    """Return at least one id, given as `rendered_ids` takes them."""
    return ids(field, rendered_ids(field, values))


def rendered_list(field: str, values: Any) -> Iterable[Any]:
    """Return a list that may be given as its JSON text."""
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError:
            raise TelecomInputError(field, "must be a list") from None
    return _iterable(field, values, "values")


def as_list(value: object) -> list[Any]:
    """Return a list as it is, one value as a list of it, and None as an empty list."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def rendered_texts(value: object) -> list[Any]:
    """Return the ids of one request or of several, given as `as_list` takes them or as a template renders
    them: `['a', None]`, or `None` for none."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, SyntaxError):
            value = literal_eval(value)
    return [None if one in ("None", "") else one for one in as_list(value)]


def rendered_int(value: Any) -> Any:
    """Return a whole number that a template rendered as a text as a number; other values as they are."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def boolean(field: str, value: bool) -> bool:
    """Return True or False. Texts such as "false" are refused: they would be true."""
    if not isinstance(value, bool):
        raise TelecomInputError(field, "must be True or False")
    return value


def sms_text(value: str) -> str:
    """Return a text that fits into one SMS; a character beyond the basic plane (emoji) counts twice."""
    length = len(non_blank("text", value).encode("utf-16-le", "surrogatepass")) // 2
    if length > MAX_SMS_LENGTH:
        raise TelecomInputError("text", f"has {length} characters; at most {MAX_SMS_LENGTH} are allowed")
    return value


def limit_mb(value: int) -> int:
    """Return a traffic limit in megabytes."""
    return in_range("limit_mb", value, 0, _MAX_LIMIT_MB)


def package_kb(value: int) -> int:
    """Return the size of a package in kilobytes."""
    return in_range("package_kb", value, MIN_PACKAGE_KB, MAX_PACKAGE_KB, PACKAGE_STEP_KB)


def amount(field: str, value: object) -> Decimal:
    """Return an amount of money, given as a Decimal, its text or a number. It may be negative."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite():
        raise TelecomInputError(field, "must be an amount such as 5000 or 199.90")
    return found


def age_days(value: int | str) -> int:
    """Return an age in days, from 0; a template may have rendered it as a text."""
    return in_range("older_than_days", rendered_int(value), 0, _MAX_AGE_DAYS)


def email(field: str, value: str) -> str:
    """Return a text that looks like an e-mail address."""
    return matching(field, value, r"[^@\s]+@[^@\s]+", "must be an e-mail address")


def password(field: str, value: Secret | str) -> str:
    """Return a password that is not blank."""
    return non_blank(field, value.reveal() if isinstance(value, Secret) else value)


def day(field: str, value: date | str) -> date:
    """Return a day, given as a date, `YYYY-MM-DD` or `DD-MM-YYYY`.

    A datetime is refused: the vendor does not say in which time zone its days are.
    """
    if isinstance(value, str):
        for form in ("%Y-%m-%d", "%d-%m-%Y"):
            with suppress(ValueError):
                return datetime.strptime(value, form).date()
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise TelecomInputError(field, "must be a date, YYYY-MM-DD or DD-MM-YYYY")


def day_range(
    start: date | str, end: date | str, fields: tuple[str, str] = ("start", "end")
) -> tuple[date, date]:
    """Return the first and last day of an interval, given as `day` takes them."""
    first, last = day(fields[0], start), day(fields[1], end)
    if last < first:
        raise TelecomInputError(fields[1], f"must not be before {fields[0]}")
    return first, last


def finished_days(
    start: date | datetime | str, end: date | datetime | str, fields: tuple[str, str] = ("start", "end")
) -> tuple[date, date]:
    """Return the first and last day of an interval that is over, whose bounds are as in `day_interval`.

    Raises TelecomInputError.
    """
    first, last = day_interval(start, end, fields)
    if last >= datetime.now(UTC).date():
        raise TelecomInputError(fields[1], "must be before today (UTC): a day's data appears the next night")
    if (last - first).days >= MAX_DAYS:
        raise TelecomInputError(fields[1], f"must be within {MAX_DAYS} days: load longer times in parts")
    return first, last


def refuse_unknown(field: str, values: Iterable[int], known: Collection[int]) -> None:
    """Raise TelecomInputError, naming the first of them, if the vendor does not know some ids."""
    unknown = [one for one in values if one not in known]
    if unknown:
        shown = ", ".join(map(str, unknown[:_MAX_NAMED])) + (", ..." if len(unknown) > _MAX_NAMED else "")
        raise TelecomInputError(field, f"must be ids that the vendor knows; it does not know {shown}")


def callback_url(value: str, allow_http: bool = False) -> str:
    """Return an address that NovaConnect may post to: https, or http on loopback, without credentials.

    With `allow_http` it may be http anywhere.
    """
    rule = "must be an address such as https://host/path"
    matching("callback_url", value, r"[!-~]+", rule)
    try:
        parts = urlsplit(value)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise TelecomInputError("callback_url", rule)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TelecomInputError("callback_url", "must not contain a user, password or fragment")
    is_http_allowed = allow_http or _is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_http_allowed):
        raise TelecomInputError(
            "callback_url",
            "must begin with https:// (plain http is for loopback only, unless the connection's extra has "
            "allow_http_webhooks)",
        )
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
