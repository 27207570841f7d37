"""What the arguments of NovaConnect's calls must be. Each error names the field and the rule."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from urllib.parse import SplitResult, urlsplit

from airflow_provider_telecom.calls.checks import in_range, matching, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret

MAX_SMS_LENGTH = 70
MIN_PACKAGE_KB, MAX_PACKAGE_KB, PACKAGE_STEP_KB = 15_360, 102_400, 5_120
_MAX_LIMIT_MB = 2**31 - 1
_LARGEST = 2**63 - 1


def valid_id(field: str, value: int) -> int:
    """Return an id: a whole number from 1."""
    return in_range(field, value, 1, _LARGEST)


def ids(field: str, values: Sequence[int]) -> list[int]:
    """Return a list of at least one id, none of them twice."""
    found = id_list(field, values)
    if not found:
        raise TelecomInputError(field, "must be a list with at least one id")
    return found


def id_list(field: str, values: Sequence[int]) -> list[int]:
    """Return a list of ids, none of them twice, perhaps empty."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TelecomInputError(field, "must be a list of ids")
    found = [valid_id(field, value) for value in values]
    if len(set(found)) != len(found):
        raise TelecomInputError(field, "must not hold an id twice")
    return found


def names(field: str, values: Sequence[str]) -> list[str]:
    """Return a list of names that are not blank."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TelecomInputError(field, "must be a list of names")
    return [non_blank(field, value) for value in values]


def boolean(field: str, value: bool) -> bool:
    """Return True or False. Words such as "false" are refused: as truth values they would mean True."""
    if not isinstance(value, bool):
        raise TelecomInputError(field, "must be True or False")
    return value


def sms_text(value: str) -> str:
    """Return a text that fits into one SMS; a character beyond the basic plane, as emoji are, takes two."""
    places = len(non_blank("text", value).encode("utf-16-le", "surrogatepass")) // 2
    if places > MAX_SMS_LENGTH:
        raise TelecomInputError("text", f"has {places} characters; at most {MAX_SMS_LENGTH} are allowed")
    return value


def limit_mb(value: int) -> int:
    """Return a traffic limit in megabytes."""
    return in_range("limit_mb", value, 0, _MAX_LIMIT_MB)


def package_kb(value: int) -> int:
    """Return the size of a package in kilobytes."""
    return in_range("package_kb", value, MIN_PACKAGE_KB, MAX_PACKAGE_KB, PACKAGE_STEP_KB)


def email(field: str, value: str) -> str:
    """Return what looks like an e-mail address."""
    return matching(field, value, r"[^@\s]+@[^@\s]+", "must be an e-mail address")


def password(field: str, value: Secret | str) -> Secret:
    """Return a password, wrapped so that it does not show itself."""
    secret = value if isinstance(value, Secret) else Secret(non_blank(field, value))
    non_blank(field, secret.reveal())
    return secret


def day(field: str, value: date | str) -> date:
    """Return a day, given as a date, `YYYY-MM-DD` or `DD-MM-YYYY`.

    A datetime is refused: the vendor does not say in which time zone its days are.
    """
    if isinstance(value, str):
        for form in ("%Y-%m-%d", "%d-%m-%Y"):
            try:
                return datetime.strptime(value, form).date()
            except ValueError:
                continue
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise TelecomInputError(field, "must be a date, YYYY-MM-DD or DD-MM-YYYY")


def callback_url(value: str) -> str:
    """Return an address that NovaConnect may post to: https, or http on loopback, without credentials."""
    parts = _split(value)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise TelecomInputError("callback_url", "must hold no user, password or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        raise TelecomInputError("callback_url", "must begin with https:// (plain http is for loopback only)")
    return value


def _split(value: str) -> SplitResult:
    rule = "must be an address such as https://host/path"
    matching("callback_url", value, r"[!-~]+", rule)
    try:
        parts = urlsplit(value)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise TelecomInputError("callback_url", rule)
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
