"""Cutting a text so that it fits, with a tail that always stays whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_telecom.calls.checks import sms_segments

CUT = ".."  # in both alphabets, so that a cut never changes the encoding
_BLANKS = re.compile(r"(?:[^\S\n]|[\x00-\x09\x0b-\x1f\x7f])+")


@dataclass(frozen=True)
class LengthLimit:
    """What a text must fit into: at most `longest` characters for which `holds` is true."""

    longest: int
    holds: Callable[[str], bool]

    def fit(self, text: str, tails: Sequence[str] = ()) -> str:
        """Return `text`, cut with ".." if need be, followed by the first of `tails` that fits alone."""
        tail = next((tail for tail in tails if tail and self.holds(tail)), "")
        text = tidy(text)
        for length in range(min(len(text), self.longest), -1, -1):
            begun = text if length == len(text) else text[:length].rstrip() + CUT
            whole = f"{begun} {tail}".strip()
            if self.holds(whole):
                return whole
        return tail


def tidy(text: str) -> str:
    """Return a text that can be sent: blanks and control characters as one blank, no half surrogate pairs."""
    sound = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _BLANKS.sub(" ", sound).strip()


ONE_SMS = LengthLimit(160, lambda text: sms_segments(text) == 1)
"""One SMS: 160 characters of the GSM-7 alphabet, or 70 of any."""

SEVENTY_CHARACTERS = LengthLimit(70, lambda text: len(text.encode("utf-16-le")) // 2 <= 70)
"""70 characters of any alphabet."""

THOUSAND_CHARACTERS = LengthLimit(1000, lambda text: len(text) <= 1000)
"""What Viber takes."""
