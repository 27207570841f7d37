"""How an SMS is encoded, and in how many segments it is sent and paid for (3GPP TS 23.038 and 23.040).

A text in the GSM 7-bit alphabet has 160 characters in one segment, or 153 in each of several; any other text
is sent as UCS-2, with 70 or 67 code units. A character of two units, an escape sequence or a surrogate pair,
is never split between two segments.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

GSM_7, UCS_2 = "GSM-7", "UCS-2"
_GSM_7_SINGLE, _UCS_2_SINGLE = 160, 70

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "^{}\\[~]|€\f"
_ANY_BUT_BASIC = re.compile(f"[^{re.escape(_BASIC)}]")
_ANY_BUT_GSM_7 = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_ESCAPED = re.compile(f"[{re.escape(_EXTENSION)}]")
_FIRST_HALF = "\ud800"
"""Stands before a character of two units while they are counted."""
_SURROGATE_PAIR = re.compile("[\U00010000-\U0010ffff]")


class Encoded(NamedTuple):
    """How a text is sent by SMS."""

    encoding: str
    """`GSM-7` or `UCS-2`."""
    segments: int


class OtherCharacter(NamedTuple):
    """A character that the GSM 7-bit alphabet does not have, so a text with it is sent as UCS-2."""

    character: str
    name: str
    """Its name in Unicode."""
    position: int
    """Where it first occurs in the text, counted from 1."""


def encode_sms(text: str) -> Encoded:
    """Return the encoding of a text and its number of segments."""
    other = _ANY_BUT_BASIC.search(text)
    if other is None:
        return Encoded(GSM_7, _count(text, _GSM_7_SINGLE, 153, None))
    if _ANY_BUT_GSM_7.search(text, other.start()) is None:
        return Encoded(GSM_7, _count(text, _GSM_7_SINGLE, 153, _ESCAPED))
    return Encoded(UCS_2, _count(text, _UCS_2_SINGLE, 67, _SURROGATE_PAIR))


def sms_segments(text: str) -> int:
    """Return the number of segments of a text."""
    return encode_sms(text).segments


def segments_of_all(texts: Sequence[str]) -> list[int]:
    """Return the number of segments of each text. If all are short, they are looked at together."""
    longest, joined = max(map(len, texts), default=0), "".join(texts)
    are_short = longest <= _UCS_2_SINGLE and not _SURROGATE_PAIR.search(joined)
    if are_short or (longest <= _GSM_7_SINGLE and not _ANY_BUT_BASIC.search(joined)):
        return [1] * len(texts)
    return list(map(sms_segments, texts))


def characters_outside_gsm_7(text: str) -> list[OtherCharacter]:
    """Return each character that forces a text into UCS-2, once, in the order of the text."""
    first: dict[str, int] = {}
    for found in _ANY_BUT_GSM_7.finditer(text):
        first.setdefault(found[0], found.start() + 1)
    return [OtherCharacter(one, _name(one), position) for one, position in first.items()]


def _count(text: str, single: int, multipart: int, pairs: re.Pattern[str] | None) -> int:
    """Return how many segments a text needs. The characters of `pairs` take two units each."""
    doubles = len(pairs.findall(text)) if pairs else 0
    if len(text) + doubles <= single:
        return 1
    if not doubles or pairs is None:
        return -(-len(text) // multipart)
    units = pairs.sub(lambda found: _FIRST_HALF + found[0], text)
    segments = start = 0
    while start < len(units):
        end = start + multipart
        start = end - 1 if units[end - 1 : end] == _FIRST_HALF else end
        segments += 1
    return segments


def _name(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")
