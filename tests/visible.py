"""All that a log, a database or an error tracker could record of an error."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path

TESTS = str(Path(__file__).parent)


def everything_visible(error: BaseException) -> str:
    """Return an error's texts and attributes, its pickle, and the variables of all frames, of its causes too.

    The frames of the tests are left out: they hold what must not be shown.
    """
    return "\n".join([everything_said(error), *variables(error)])


def everything_said(error: BaseException) -> str:
    """Return an error's texts and attributes, and its pickle, of its causes too."""
    lines = traceback.format_exception(error)
    for one in _chain(error):
        lines += [str(one), repr(one), repr(one.args), repr(one.__dict__)]
        lines += [
            repr(getattr(one, name, None)) for name in ("object", "doc", "filename", "request", "response")
        ]
    lines.append(pickle.dumps(error).decode("latin-1"))
    return "\n".join(lines)


def variables(error: BaseException) -> list[str]:
    """Return the variables of all frames of an error, which error trackers record."""
    return list(_variables(traceback.TracebackException.from_exception(error, capture_locals=True)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all its causes, also those that a printed traceback leaves out."""
    while error is not None:
        yield error
        assert error.__cause__ is None or error.__context__ is None, "both would have to be followed"
        error = error.__cause__ or error.__context__


def _variables(report: traceback.TracebackException | None) -> Iterator[str]:
    while report is not None:
        for frame in report.stack:
            if not frame.filename.startswith(TESTS):
                yield f"{frame.filename}: {frame.locals}"
        report = report.__cause__ or report.__context__
