"""Counting the SMS that a text takes, for all vendors that bill by segment (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

_ESCAPE, _HIGH, _LOW = "\x1b", "\ud800", "\udc00"
_GSM_7_DOUBLE = frozenset("^{}\\[~]|€\f")
_GSM_7 = _GSM_7_DOUBLE.union(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def segments(text: str) -> int:
    """Return how many SMS a text takes: 160 or 70 characters in one, 153 or 67 in each of many.

    A segment ends before an escape or a high surrogate whose second half would begin the next segment.
    """
    if _GSM_7.issuperset(text):
        units, alone, joined = (
            "".join(_ESCAPE + one if one in _GSM_7_DOUBLE else one for one in text),
            160,
            153,
        )
    else:
        units, alone, joined = "".join(_HIGH + _LOW if one > "\uffff" else one for one in text), 70, 67
    if len(units) <= alone:
        return 1
    count = start = 0
    while start < len(units):
        end = start + joined
        start = end - 1 if units[end - 1 : end] in {_ESCAPE, _HIGH} else end
        count += 1
    return count
