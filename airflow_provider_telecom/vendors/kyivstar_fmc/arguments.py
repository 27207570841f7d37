"""Arguments of Kyivstar FMC's calls."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["json", "csv", "xml"]
FORMATS: tuple[Format, ...] = get_args(Format)
