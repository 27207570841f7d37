"""Agreed templates of transactional Viber messages. Any other text is charged as advertising.

A template is the agreed text, character by character, with placeholders for its variable parts:

    {digits}   one or more of 0-9
    {word}     one or more characters other than blanks
    {text}     one or more characters on one line

as in `Your code is {digits}`. Other braces are not allowed. The whole text must match, with its blanks and
its letter case. Source: "/viber/transaction"; the document does not say how the vendor writes templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError

_PLACEHOLDERS: dict[str, Callable[[str], bool]] = {
    "{digits}": lambda char: char in "0123456789",
    "{word}": lambda char: not char.isspace(),
    "{text}": lambda char: len(char.splitlines()[0]) == 1,
}
_PARTS = re.compile(r"(\{digits\}|\{word\}|\{text\})")


def check_template(template: str) -> str:
    """Return a valid template."""
    if any({"{", "}"} & set(part) for part in _PARTS.split(non_blank("template", template))[::2]):
        raise TelecomInputError("template", f"may hold no braces but {', '.join(_PLACEHOLDERS)}")
    return template


def check_matches(text: str, template: str) -> None:
    """Raise TelecomInputError unless the whole text matches the template.

    The time needed is proportional to the length of the text times the number of placeholders, for any text.
    """
    ends = {0}
    for part in _PARTS.split(check_template(template)):
        allowed = _PLACEHOLDERS.get(part)
        if allowed is None:
            ends = {end + len(part) for end in ends if text.startswith(part, end)}
        else:
            ends = _extend(text, ends, allowed)
    if len(text) not in ends:
        raise TelecomInputError("text", "does not match the template; it would be charged as advertising")


def _extend(text: str, starts: set[int], allowed: Callable[[str], bool]) -> set[int]:
    """Return all possible ends of a run of one or more allowed characters that begins at one of `starts`."""
    ends: set[int] = set()
    inside = False
    for place, char in enumerate(text):
        inside = (inside or place in starts) and allowed(char)
        if inside:
            ends.add(place + 1)
    return ends
