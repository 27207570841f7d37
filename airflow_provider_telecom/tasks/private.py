"""Values that Airflow's pages, database and logs must not show."""

from __future__ import annotations

import re
from collections.abc import Sequence, Sized
from typing import Any

# A path has no blank, comma, quote, bracket, query, password or phone number: lists and secrets have.
_PATH = re.compile(r"([a-z][a-z0-9+.-]*://([\w.-]+@)?)?[\w./=+~-]+", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\d{9}")


class Private:
    """The value of a rendered field. Airflow stores what `serialize` returns instead of it."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def reveal(self) -> Any:
        """Return the value."""
        return self._value

    def serialize(self) -> str:
        """Return what may be shown: the type and the size."""
        size = f" of {len(self._value)}" if isinstance(self._value, Sized) else ""
        return f"*** ({type(self._value).__name__}{size})"

    def __repr__(self) -> str:
        return self.serialize()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a private value is not pickled")


def hide(value: object) -> Any:
    """Return the value as a private one, unless it is empty or private already."""
    return value if value in (None, "") or isinstance(value, Private) else Private(value)


def hide_unless_path(value: object, suffixes: Sequence[str]) -> Any:
    """Return the path of a file with one of the suffixes as it is, and any other value as a private one.

    A template renders a list of numbers as a string, so not every string is a path.
    """
    if not isinstance(value, str) and not hasattr(value, "open"):
        return hide(value)
    path = str(value)
    is_path = (
        path.lower().endswith(tuple(suffixes)) and _PATH.fullmatch(path) and not _LONG_NUMBER.search(path)
    )
    return value if is_path else hide(value)


def reveal(value: object) -> Any:
    """Return the value of a field, private or not."""
    return value.reveal() if isinstance(value, Private) else value
