"""Texts with values from the recipients' columns: `Dear {name}, your order {order} is ready`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Formatter

from airflow_provider_telecom.calls.errors import TelecomInputError

_COLUMN = re.compile(r"\w+(?:[ -]\w+)*")


class TextTemplate:
    """A text whose `{column}` is filled from each recipient's row. It may contain names of columns only."""

    def __init__(self, text: str) -> None:
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            raise TelecomInputError("text", "has a brace that is not part of a {column}") from None
        for _, column, form, conversion in parts:
            if column is not None and (form or conversion or not _COLUMN.fullmatch(column)):
                raise TelecomInputError("text", "may contain only names of columns in braces, like {name}")
        named = [column for _, column, _, _ in parts if column is not None]
        self.columns: Sequence[str] = tuple(dict.fromkeys(named))
        self._parts = [
            (before, None if column is None else self.columns.index(column)) for before, column, _, _ in parts
        ]
        self._of_row = "".join(
            escaped if place is None else f"{escaped}{{{place + 1}}}"
            for before, place in self._parts
            for escaped in [before.replace("{", "{{").replace("}", "}}")]
        ).format

    @property
    def text_values(self) -> int:
        """How many values of `columns` must not all be blank: if the text is blank without them, all."""
        return 0 if "".join(before for before, _ in self._parts).strip() else len(self.columns)

    def fill(self, values: Sequence[str]) -> str:
        """Return the text for one recipient, from the values of `columns`."""
        return "".join(before if place is None else before + values[place] for before, place in self._parts)

    def fill_all(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """Return the texts for many recipients: `fill` of each row without its first cell."""
        if not self.columns:
            return [self.fill(())] * len(rows)
        return [self._of_row(*row) for row in rows]
