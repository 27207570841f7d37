"""Arguments that are known when the Dag is parsed: they are checked then, and templates and XComs later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any


def is_literal(value: object) -> bool:
    """Return whether an argument, with all its items, is known now: it holds no template and no XCom."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(is_literal, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_literal, value))
    return isinstance(value, (int, float, bool, date))


def check_if_literal(value: object, check: Callable[[Any], object]) -> None:
    """Check an argument if it is known when the Dag is parsed."""
    if is_literal(value):
        check(value)
