"""Which cases of a table run on which transport: each on one of them in turn, a sample on both.

What depends on the transport alone is tested on both in `tests/transport`; each endpoint succeeds on both in
`test_conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

TRANSPORTS = ("sync", "async")


def spread(
    rows: Iterable[Any], columns: Sequence[Any], is_on_both: Callable[[Any], bool] = lambda row: False
) -> list[Any]:
    """Return the cases (row, column, transport) of a table, for `parametrize`."""
    return [
        pytest.param(row, column, transport, id=f"{row}-{column}-{transport}")
        for line, row in enumerate(rows)
        for place, column in enumerate(columns)
        for number, transport in enumerate(TRANSPORTS)
        if (line + place) % 2 == number or is_on_both(row)
    ]
