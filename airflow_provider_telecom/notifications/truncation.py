"""Truncates a text to what a message holds, and keeps the link at its end whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_telecom.calls.segments import sms_segments

ELLIPSIS = ".."  # in both alphabets of SMS, so that truncation never changes the encoding
_BLANKS = re.compile(r"(?:[^\S\n]|[\x00-\x09\x0b-\x1f\x7f])+")


@dataclass(frozen=True)
class LengthLimit:
    """What a message holds: texts of at most `longest` characters for which `holds` is true."""

    longest: int
    holds: Callable[[str], bool]

    def fit(self, text: str, tails: Sequence[str] = (), least: int = 0) -> str:
        """Return the text, truncated if needed, followed by one of `tails`.

        It is the first that fits on its own and leaves room for `least` characters of the text; if there is
        none, the first that fits on its own.
        """
        text = clean_text(text)
        fitting = [tail for tail in tails if tail and self.holds(tail)] or [""]
        for tail in fitting:
            whole, kept = self._with_tail(text, tail)
            if kept >= min(least, len(text)):
                return whole
        return self._with_tail(text, fitting[0])[0]

    def _with_tail(self, text: str, tail: str) -> tuple[str, int]:
        """Return the text with a tail, and how many characters of the text are in it."""
        for length in range(min(len(text), self.longest), -1, -1):
            beginning = text if length == len(text) else text[:length].rstrip() + ELLIPSIS
            whole = f"{beginning} {tail}".strip()
            if self.holds(whole):
                return whole, length
        return tail, 0


def clean_text(text: str) -> str:
    """Return the text with runs of blanks and control characters as one blank, without lone surrogates."""
    valid = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _BLANKS.sub(" ", valid).strip()


ONE_SMS = LengthLimit(160, lambda text: sms_segments(text) == 1)
"""One SMS: 160 characters of the GSM-7 alphabet, or 70 of any."""

SEVENTY_CHARACTERS = LengthLimit(70, lambda text: len(text.encode("utf-16-le")) // 2 <= 70)
"""70 characters of any alphabet."""

THOUSAND_CHARACTERS = LengthLimit(1000, lambda text: len(text) <= 1000)
"""A Viber message."""
