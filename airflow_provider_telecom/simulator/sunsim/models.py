"""What the simulated SunSim stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_provider_telecom.simulator.state import Progression

OUTGOING, INCOMING = 1, 2


@dataclass(frozen=True)
class PhoneCall:
    """One call of a number of the contract. `duration` is in seconds. Listed when `progression` ends."""

    id: str
    at: datetime
    number_from: str
    number_to: str
    direction: int
    duration: int
    record_id: str | None = None
    is_read: int | None = None
    progression: Progression | None = None
