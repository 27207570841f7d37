"""The rate limit of all workers: which turn a caller gets, by the clock of the store that they share.

The state of an account is one row: when its next turn is. A caller takes it and moves it on by the spacing.
So turns are given in the order in which callers ask, whichever process they are in. A process that dies loses
its turn, and nobody sends in its place.

After a restart the store may have forgotten turns that callers are still waiting for. So a schedule belongs
to one start of the server (its era). With a new start, turns of the former era are void, and the first new
turn is one spacing away: at worst the last request was sent just now. The same holds if the row is lost, and
if the clock of the server was set back.
"""

from __future__ import annotations

from typing import NamedTuple

from airflow_provider_telecom.calls.endpoint import TakeTurn, Turn

MICROSECONDS = 1_000_000
MAX_LATENESS = MICROSECONDS // 5
"""A turn is void if its caller comes more than 0.2 s late: 2 % of 10 s. Otherwise a process that was stopped
would send at once all that it had waited to send."""


class Schedule(NamedTuple):
    """The state of an account. Times are in microseconds, by the clock of the server."""

    next_turn: int
    seen: int
    """When it was last used."""
    era: str
    """The start of the server, and when the schedule began."""


def take_turn(stored: Schedule | None, step: TakeTurn, now: int, server: str) -> tuple[Schedule, Turn]:
    """Return the new state and the turn. `server` identifies one start of the server.

    `hooks.turn_store` has the same in Lua, for Redis.
    """
    spacing = round(step.spacing * MICROSECONDS)
    schedule = stored
    if schedule is None or not schedule.era.startswith(f"{server}/") or now < schedule.seen:
        schedule = Schedule(now + spacing, now, f"{server}/{now}")
    schedule = schedule._replace(seen=now)
    held = step.held
    if held and held.era == schedule.era and now - held.at <= MAX_LATENESS:
        return schedule, held._replace(wait=max(0, held.at - now) / MICROSECONDS)
    at = max(schedule.next_turn, now)
    wait = (at - now) / MICROSECONDS
    if not step.reserve or wait > step.max_wait:
        return schedule, Turn(wait)
    return schedule._replace(next_turn=at + spacing), Turn(wait, at, schedule.era)
