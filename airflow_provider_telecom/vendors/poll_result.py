"""How something that is waited for stands. Each vendor's `watches` say it; sensors and triggers ask.

A watch is a function of a vendor's calls and of plain arguments that returns a call of `PollResult`: it
looks once. Final states are vendor knowledge, so watches stand beside the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Whether to go on waiting."""

    WAITING = "waiting"
    SUCCEEDED = "reached"
    """What was waited for is there."""
    FAILED = "missed"
    """It will never come: a final state of another kind."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one look has shown.

    `facts` is small JSON without numbers and texts, for XCom and logs. `rest` holds arguments that
    differ for the next look, such as the tasks that are not final yet.
    """

    stage: Stage
    facts: Mapping[str, Any]
    next_arguments: Mapping[str, Any] = field(default_factory=dict)
