"""What all answers have in common. Money is Decimal, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def _or_none(value: object) -> object:
    return None if value in ("", [], {}) else _as_text(value)


Text = Annotated[str, BeforeValidator(_as_text)]
Money = Annotated[Decimal, BeforeValidator(_as_text)]
PerhapsText = Annotated[str | None, BeforeValidator(_or_none)]
PerhapsMoney = Annotated[Decimal | None, BeforeValidator(_or_none)]


class Answer(BaseModel):
    """What all answers have in common: they do not change, and fields unknown to us do no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore")
