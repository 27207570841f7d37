"""What the simulated SunSim begins with: past calls, and the settings of the virtual PBX."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.sunsim.models import INCOMING, OUTGOING, PhoneCall
from airflow_provider_telecom.simulator.sunsim.tokens import CONTRACT
from airflow_provider_telecom.simulator.switches import Switches

DAY_SECONDS = 86_400
SEEDED_CALLS = 12
DIAL_MODES = {1: "Последовательный", 2: "Параллельный", 21: "Равномерная нагрузка"}
VIP_PROFILES = (32,)
"""Profiles for callers on the VIP contact list. The third number has one."""

_OPENING, _CLOSING = 9 * 3600, 18 * 3600
_WORK = [(_OPENING, _CLOSING)]
_REST = [(0, _OPENING), (_CLOSING, DAY_SECONDS)]
_ALL_DAY = [(0, DAY_SECONDS)]


def new_id(simulator: SimulatorState) -> str:
    """Return a UUID derived from the simulator's seed."""
    return str(uuid.UUID(int=simulator.random.getrandbits(128), version=4))


def seed_calls(simulator: SimulatorState, number: str, recordings: dict[str, bytes]) -> list[PhoneCall]:
    """Return a number's calls of the last four weeks, oldest first; add a recording to two of three."""
    chance = random.Random(f"{simulator.seed}:{number}")
    days = sorted((chance.uniform(0.1, 27.0) for _ in range(SEEDED_CALLS)), reverse=True)
    calls = []
    for place, days_ago in enumerate(days):
        other, outgoing = f"8900000{chance.randrange(1000, 10_000)}", place % 2 == 0
        record_id = new_id(simulator) if place % 3 else None
        if record_id:
            recordings[record_id] = b"ID3\x04\x00\x00\x00\x00\x00\x00" + chance.randbytes(2048)
        call = PhoneCall(
            new_id(simulator),
            simulator.clock.now() - timedelta(days=days_ago),
            number if outgoing else other,
            other if outgoing else number,
            OUTGOING if outgoing else INCOMING,
            chance.randrange(0, 600),
            record_id,
            None if outgoing else place % 4 // 2,
        )
        calls.append(call)
    return calls


def settings_of(number: str, place: int, switches: Switches) -> JsonObject:
    """Return the settings of a number of the contract; `place` is its position, from 0."""
    numbers = [(place + 1) * 10 + 1]
    numbers += [one for one in VIP_PROFILES if one // 10 == place + 1]
    profiles = [_profile(profile_id, 1 if switches.on("last_seconds") else 0) for profile_id in numbers]
    if switches.on("sample_settings"):
        for profile in profiles:
            _show_as_sample(profile)
    return {
        "profiles": profiles,
        "contractNum": CONTRACT,
        "num": number,
        "vatsModeCode": 1,
        "vatsModeTerm": "Переадресация по расписанию",
    }


def _show_as_sample(profile: JsonObject) -> None:
    """Change a profile to look like the one in the document's sample."""
    first, second = profile["scheduleBlocks"]
    first["redirectNums"].append({**first["redirectNums"][0], "id": first["id"] + 1000, "num": 0})
    second["redirectNums"].clear()
    second["dialModeCode"] = 0
    for day in second["scheduleJson"]["schedule"]["days"].values():
        day["times"].append({"time_start": 0, "time_end": 0})
    profile["workdayDefDay"] = 1


def _profile(profile_id: int, shorter: int) -> JsonObject:
    """Return a profile in which each time ends `shorter` seconds before the next begins."""
    work = {day: _WORK if day <= 5 else [] for day in range(1, 8)}
    rest = {day: _REST if day <= 5 else _ALL_DAY for day in range(1, 8)}
    blocks = [
        _block(profile_id * 10 + 1, "Рабочее время", work, shorter),
        _block(profile_id * 10 + 2, "Нерабочее время", rest, shorter),
    ]
    return {"scheduleBlocks": blocks, "id": profile_id, "isUseCalendar": 0, "workdayDefDay": 0}


def _block(block_id: int, name: str, hours: dict[int, list[tuple[int, int]]], shorter: int) -> JsonObject:
    days = {
        str(day): {"times": [{"time_start": start, "time_end": end - shorter} for start, end in times]}
        for day, times in hours.items()
    }
    redirect = {"id": block_id, "num": 9000000101, "name": "Офис", "isActive": 1, "isMlp": 0, "dialTime": 30}
    return {
        "scheduleJson": {"schedule": {"days": days}},
        "redirectNums": [redirect],
        "id": block_id,
        "typTerm": name,
        "isActive": 1,
        "nameTerm": name,
        "dialModeCode": 1,
        "dialModeTerm": DIAL_MODES[1],
    }
