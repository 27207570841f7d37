"""The result of a status check. Each vendor's `status` module has the checks; sensors and triggers poll with
them.

A status check is a function of a vendor's API and of plain arguments. It returns a call that polls once and
results in a `PollResult`. Which states are final is known to the vendor's package only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Whether to poll again. The values are older than the names: stored events have them."""

    WAITING = "waiting"
    SUCCEEDED = "reached"
    """The awaited state is reached."""
    FAILED = "missed"
    """The state is final, and not the awaited one."""


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one poll has found.

    `facts` are small JSON without phone numbers and texts, for XCom and logs. `next_arguments` replace
    arguments of the next poll, such as the ids that are not final yet.
    """

    stage: Stage
    facts: Mapping[str, Any]
    next_arguments: Mapping[str, Any] = field(default_factory=dict)
