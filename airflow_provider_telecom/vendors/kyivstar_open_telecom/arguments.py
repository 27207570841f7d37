"""Checks of the arguments of Kyivstar's calls. Each error names the field and the rule."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from airflow_provider_telecom.calls.checks import in_range, matching, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.segments import sms_segments

MAX_INT32 = 2**31 - 1
"""The upper limit where the document names none: the largest value of its `integer`."""
MAX_SEGMENTS = 6
MAX_CHUNK_SIZE = 20_000
"""Recipients of a promo in one request."""
MAX_PERIOD_DAYS = 120
MAX_BATCH_SIZE = 1_000
"""SMS in one request of API v1. This limit is ours: the vendor's is not known."""
_MAX_SMS_TTL = 86_400
_VIBER_TTL = (30, 1_209_600)
_EXAMPLE_IMEI = "123456789012345"
"""The IMEI in the vendor's examples, which the mock server knows. Its check digit is wrong."""
_MAX_IMAGE_BYTES = 5 * 1024 * 1024
_NAME = r"[A-Za-z0-9_.-]{1,64}"
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


def path_id(field: str, value: str) -> str:
    """Return an id of the vendor that can be part of a path."""
    rule = "must be 1 to 128 of the characters A-Z a-z 0-9 _ . : + -"
    return matching(field, value, r"(?!\.+$)[A-Za-z0-9_.:+-]{1,128}", rule)


def promo_uuid(promo_id: str) -> str:
    """Return the id of a promo."""
    return matching("promo_id", promo_id, _UUID, "must be a UUID")


def segments_allowed(max_segments: int | None) -> int:
    """Return how many segments (SMS) a text may have."""
    return MAX_SEGMENTS if max_segments is None else in_range("max_segments", max_segments, 1, MAX_SEGMENTS)


def sms_text(text: str, max_segments: int | None, field: str = "text") -> str:
    """Return a text that has no more segments than allowed."""
    allowed = segments_allowed(max_segments)
    needed = sms_segments(non_blank(field, text))
    if needed > allowed:
        raise TelecomInputError(field, f"takes {needed} SMS; at most {allowed} are allowed")
    return text


def sms_ttl(ttl_seconds: int | None, field: str = "ttl_seconds") -> int | None:
    """Return how long the vendor tries to deliver an SMS; None leaves it to the vendor."""
    return None if ttl_seconds is None else in_range(field, ttl_seconds, 0, _MAX_SMS_TTL)


def viber_ttl(ttl_seconds: int | None, field: str = "ttl_seconds") -> int | None:
    """Return how long the vendor tries to deliver a Viber message; None leaves it to the vendor."""
    return None if ttl_seconds is None else in_range(field, ttl_seconds, *_VIBER_TTL)


def check_promotion_parts(
    text: object | None, image_url: object | None, caption: object | None, action_url: object | None
) -> None:
    """Check that the parts of a Viber advertisement fit together. Their content is not checked."""
    if text is None and image_url is None:
        raise TelecomInputError("text", "give a text, an image_url, or both")
    if (caption is None) != (action_url is None):
        raise TelecomInputError("caption", "a button takes both caption and action_url")
    if caption is not None and text is None:
        raise TelecomInputError("text", "must be given with a button")
    if caption is not None and image_url is None:
        raise TelecomInputError("image_url", "must be given with a button: the vendor takes none without it")


def http_url(field: str, url: str) -> str:
    """Return the address of a picture, or of the page that a button opens."""
    return matching(field, url, r"https?://[!-~]+", "must be an http or https address without blanks")


def start_date_text(start_date: str, field: str = "start_date") -> str:
    """Return the start of a promo as the vendor writes it."""
    form = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    return matching(field, start_date, form, "must be like 2026-01-31T08:00:00")


def batch_names(names: Sequence[str | None]) -> list[str]:
    """Return the names of the SMS of a batch: those that are given, and new ones in the place of None."""
    rule = "must be 1 to 64 of the characters A-Z a-z 0-9 _ . -"
    found = [
        uuid.uuid4().hex if name is None else matching(f"messages[{place}].name", name, _NAME, rule)
        for place, name in enumerate(names)
    ]
    if len(set(found)) < len(found):
        raise TelecomInputError("messages", "must have different names")
    return found


def image_format(image: bytes) -> tuple[str, str]:
    """Return a file name and the content type of a picture: PNG or JPEG."""
    if not isinstance(image, bytes):
        raise TelecomInputError("image", f"must be bytes, not {type(image).__name__}")
    if len(image) > _MAX_IMAGE_BYTES:
        raise TelecomInputError("image", f"has {len(image)} bytes; at most {_MAX_IMAGE_BYTES} are allowed")
    for beginning, kind in ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg")):
        if image.startswith(beginning):
            return f"image.{kind}", f"image/{kind}"
    raise TelecomInputError("image", "must be a PNG or a JPEG")


def score_model(model_id: str) -> str:
    """Return the number of a predictive model."""
    return matching("model_id", model_id, r"[A-Za-z0-9_.-]{1,64}", "must be a model's number")


def hours_back(activation_hours: int) -> int:
    """Return a number of hours to look back."""
    return in_range("activation_hours", activation_hours, 1, MAX_INT32)


def days_back(field: str, count: int) -> int:
    """Return a number of days to look back."""
    return in_range(field, count, 1, MAX_PERIOD_DAYS)


def check_imei_or_period(imei: object | None, days_period: object | None) -> None:
    """Check that exactly one of the two is given."""
    if (imei is None) == (days_period is None):
        raise TelecomInputError("imei", "give either imei or days_period, and not both")


def imei_digits(imei: str | int, example_allowed: bool = True) -> str:
    """Return an IMEI of 14 to 16 digits. The last of 15 must be the correct check digit (Luhn).

    The vendor's example 123456789012345 has a wrong one. It is for the mock server, so it is allowed until
    the server is known.
    """
    digits = matching("imei", str(imei).strip(), r"[0-9]{14,16}", "must have 14 to 16 digits")
    if digits == _EXAMPLE_IMEI:
        if not example_allowed:
            raise TelecomInputError("imei", "is the vendor's example, which only the mock server knows")
        return digits
    if len(digits) == 15 and _luhn_sum(digits) % 10:
        raise TelecomInputError("imei", "has a wrong check digit")
    return digits


def _luhn_sum(digits: str) -> int:
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return sum(doubled) + sum(int(digit) for digit in digits[-1::-2])
