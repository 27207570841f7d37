"""All scenarios by name, in the order in which they are played. A new module adds its own here."""

from __future__ import annotations

from tests.chaos import kills
from tests.chaos.scenario import Scenario

SCENARIOS: dict[str, Scenario] = {each.name: each for each in kills.SCENARIOS}
