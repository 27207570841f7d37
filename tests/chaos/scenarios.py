"""All scenarios by name, in the order in which they are played. A new module adds its own here."""

from __future__ import annotations

from tests.chaos import (
    canaries,
    clocks,
    journal_faults,
    kills,
    kyivstar_tokens,
    ladder,
    machine,
    plans,
    rate_faults,
    receiver_faults,
    sunsim_tokens,
    vendor_down,
)
from tests.chaos.scenario import Scenario

_MODULES = (
    kills,
    ladder,
    machine,
    plans,
    sunsim_tokens,
    kyivstar_tokens,
    vendor_down,
    canaries,
    clocks,
    receiver_faults,
    journal_faults,
    rate_faults,
)

SCENARIOS: dict[str, Scenario] = {each.name: each for module in _MODULES for each in module.SCENARIOS}
