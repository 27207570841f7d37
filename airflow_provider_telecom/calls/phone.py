"""Telephone numbers: one canonical form, and the forms that the endpoints require.

The canonical form is E.164 without the plus: `380670000200`. Full-width and other digits that look like 0-9
are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import mask_number

# Ukrainian mobile numbers by their operator codes, and Russian ones: most numbers. The others are left to the
# numbering plans of `phonenumbers`, whose import and parser are slower.
_MOBILE = r"(?:380(?:39|50|6[3678]|7[37]|9[1-9])[0-9]{7}|79[0-9]{9})"
CANONICAL = re.compile(rf"\+?({_MOBILE})")
_NATIONAL = re.compile(r"0(?:39|50|6[3678]|7[37]|9[1-9])[0-9]{7}")
"""The Ukrainian ones as they are dialled in Ukraine."""
QUICK = {_MOBILE: ""}
"""Regular expressions of numbers that `e164` returns after a prefix, whatever the region."""
QUICK_IN_UKRAINE = {_NATIONAL.pattern: "38"}
_ALL_CANONICAL = re.compile(rf"(?:{_MOBILE}\n)++")
_WRITTEN = re.compile(r"[0-9+() .\-]{1,32}")
_MIN_DIGITS = 7
"""The shortest numbers with a country code have so many."""


def e164(number: str | int, region: str = "UA", *, field: str = "msisdn") -> str:
    """Return a number in any common form as E.164 digits without the plus.

    `region` (ISO 3166) is the country of numbers without a country code. Raises TelecomInputError.
    """
    text = str(number).strip()
    if canonical := CANONICAL.fullmatch(text):
        return canonical.group(1)
    if region == "UA" and _NATIONAL.fullmatch(text):
        return f"38{text}"
    if not text:
        raise TelecomInputError(field, "must not be empty")
    if not _WRITTEN.fullmatch(text):
        raise _invalid(field, text, "may hold only the digits 0-9, a leading + and ( ) . - or blanks")
    return _by_numbering_plan(text, region, field)


def are_canonical(numbers: Sequence[str | int]) -> bool:
    """Return whether `e164` is quick for all these numbers and changes none of them."""
    try:
        lines = "\n".join(numbers) + "\n"  # type: ignore[arg-type]
    except TypeError:
        return False
    return lines.count("\n") == len(numbers) and _ALL_CANONICAL.fullmatch(lines) is not None


@lru_cache(maxsize=20_000)
def e164_or_none(number: str, region: str) -> str | None:
    """Return a number as `e164` does; None for extensions, short codes and withheld numbers."""
    try:
        return e164(number, region)
    except TelecomInputError:
        return None


def country_of(msisdn: str) -> str | None:
    """Return the country (ISO 3166) of a canonical number; None if it has none, as satellite phones."""
    if msisdn.startswith("380"):
        return "UA"
    import phonenumbers

    return phonenumbers.region_code_for_number(phonenumbers.parse(f"+{msisdn}"))


def _by_numbering_plan(text: str, region: str, field: str) -> str:
    import phonenumbers

    for candidate in (text, f"+{text}"):  # "380..." without a plus nearly always has its country code
        try:
            parsed = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        canonical = f"{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
        # Some numbers of the mobile codes are not assigned yet: they are accepted in each form, or in none.
        if CANONICAL.fullmatch(canonical) or phonenumbers.is_valid_number(parsed):
            return canonical
    if sum(map(str.isdecimal, text)) < _MIN_DIGITS:
        raise _invalid(field, text, "is too short for a number")
    raise _invalid(
        field,
        text,
        f"not a number of any numbering plan ({region} is assumed for those without a country code)",
    )


def _invalid(field: str, text: str, rule: str) -> TelecomInputError:
    return TelecomInputError(field, rule, shown=mask_number(text))


def with_plus(msisdn: str) -> str:
    """Return `380670000200` as `+380670000200`."""
    return f"+{msisdn}"


def without_country_code(msisdn: str) -> str:
    """Return a Russian number without its country code: `79000000000` as `9000000000`."""
    return msisdn[1:]


def as_dialled_in_russia(msisdn: str) -> str:
    """Return a number as dialled in Russia: `8` and ten digits, or `810` and the full number abroad."""
    return f"8{msisdn[1:]}" if msisdn.startswith("7") and len(msisdn) == 11 else f"810{msisdn}"
