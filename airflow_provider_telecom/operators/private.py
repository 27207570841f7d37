"""Values that Airflow's pages, database and logs must not show."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any


class Private:
    """A rendered field. Airflow stores what `serialize` returns in place of it."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def reveal(self) -> Any:
        """Return the value."""
        return self._value

    def serialize(self) -> str:
        """Return what may be shown: the kind and the size."""
        size = f" of {len(self._value)}" if isinstance(self._value, Sized) else ""
        return f"*** ({type(self._value).__name__}{size})"

    def __repr__(self) -> str:
        return self.serialize()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a private value is not pickled")


def hidden(value: Any) -> Any:
    """Return a value fit to stand in a field: private, unless it is none or private already."""
    return value if value in (None, "") or isinstance(value, Private) else Private(value)


def revealed(value: Any) -> Any:
    """Return what a field holds, private or not."""
    return value.reveal() if isinstance(value, Private) else value
