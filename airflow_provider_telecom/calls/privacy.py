"""What logs and errors may show of secrets, numbers and tracebacks."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

log = logging.getLogger(__name__)


class Secret:
    """A string that is not shown. `reveal()` is for the line that authenticates a request."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


class HideTraceback:
    """A context manager that removes the traceback and the causes of errors.

    Error trackers record the local variables of all frames of a traceback and of its causes. Our frames, and
    those of the HTTP libraries, hold credentials, bodies, numbers and texts. The DEBUG log says where an
    error was raised, without variables.
    """

    def __enter__(self) -> None:
        self._handled_before = sys.exc_info()[1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if error is None:
            return
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s was raised here:\n%s", type(error).__name__, "".join(traceback.format_tb(frames)))
        del frames
        error.__cause__ = None
        error.__context__ = None if self._handled_before is error else self._handled_before
        raise error.with_traceback(None)


def mask_number(number: str) -> str:
    """Return a number for a log: the first five characters and the last two, as `38067*****67`."""
    stars = "*" * len(number)
    return f"{number[:5]}{stars[7:]}{number[-2:]}" if len(number) > 7 else stars
