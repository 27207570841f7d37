"""The fleet that NovaConnect begins with: the same for the same seed of the simulator."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from airflow_provider_telecom.simulator.novaconnect.billing import month_before, usage_of
from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import (
    ADMIN,
    PLAIN,
    Action,
    Bill,
    Limit,
    Session,
    Sim,
    Tariff,
    User,
)

ADMIN_ID, PLAIN_ID = 101, 102  # the users of the two tokens
DAY = 86400
REPORT_DAYS = 65  # the newest bill's month is among them
SIM_LIMIT = 10_000  # numbers of the form 7700000xxxx end there
COMPANY = {
    "id": 77,
    "name": "Steppe Telemetry LLP",
    "unique_id": "000000000077",
    "contract": "NC-77/2024",
    "country": "KZ",
    "billing_type": 0,
    "assigned": 0,
    "overdraft": "100000.00 ₸",
    "balance": "152300.50 ₸",
    "preliminary_balance": "-4210.75 ₸",
}
GROUP_NAMES = ("Almaty", "Astana", "Trucks", "Meters", "Spare")
SEED_USERS = (
    ("Aigul", "Admin", ADMIN),
    ("Ivan", "User", PLAIN),
    ("Olga", "Second", ADMIN),
    ("Timur", "Idle", PLAIN),
)
TD_BLOCKS = "nnnununpfg"
TC_BLOCKS = "nnunmnfngn"
OPERATORS = (
    ("Kazakhstan", "Beeline KZ", 40101),
    ("Kazakhstan", "Kcell", 40102),
    ("Russia", "MTS RUS", 25001),
)


def seed_data(data: VendorData) -> None:
    """Add 60 SIMs, 5 groups, 4 users, 6 bills and 65 days of reports.

    The newest bill is made from what the reports show of its month.
    """
    data.company.update(COMPANY)
    for name in GROUP_NAMES:
        data.add_group(name)
    for place in range(40):
        add_sim(data, "TD", TD_BLOCKS[place % 10])
    for place in range(20):
        add_sim(data, "TC", TC_BLOCKS[place % 10])
    for place, sim in enumerate(data.sims.values()):
        sim.groups = [list(data.groups)[place % 4]] if place % 3 else []
        sim.name = f"Tracker {place + 1}" if place % 4 else None
    _seed_users(data)
    _seed_bills(data)
    _seed_reports(data)
    newest = max(data.bills.values(), key=lambda bill: bill.added)
    newest.charges = usage_of(data, newest.period)
    newest.cost = round(sum(newest.charges.values()) / 10_000, 2)


def add_sim(data: VendorData, profile: str, block: str = "n") -> Sim:
    """Add a SIM of the profile. Raises ValueError if the fake numbers are used up."""
    place = len(data.sims)
    if place >= SIM_LIMIT:
        raise ValueError(f"no more than {SIM_LIMIT} SIMs")
    limit, tariff = _package(data) if profile == "TD" else (Limit("off"), Tariff(3, "TC"))
    sim = Sim(1001 + place, str(8999700000000000000 + place), f"7700000{place:04d}", profile, limit, tariff)
    sim.block = block
    if profile == "TC":
        sim.external_number = f"7700001{place:04d}"
        sim.balance, sim.msu_value = round(data.random.uniform(0, 50), 2), data.random.randrange(1000)
    if block == "g":
        sim.comment = "Обратитесь в поддержку NovaConnect"
    data.sims[sim.id] = sim
    return sim


def _package(data: VendorData) -> tuple[Limit, Tariff]:
    auto, now = data.random.random() < 0.5, data.now()
    size, bought = data.random.choice((15, 50, 100)), now - 10 * DAY
    limit = Limit("p_unlim" if auto else "p_lim", size, data.random.randrange(size), now - DAY, bought)
    return limit, Tariff(1, "TD", None, auto)


def _seed_users(data: VendorData) -> None:
    for place, (first, last, role) in enumerate(SEED_USERS):
        email, phone = f"{first.lower()}@example.kz", f"770000090{place:02d}"
        data.users[101 + place] = User(101 + place, first, last, phone, email, f"sim_password_{place}", role)
    data.users[104].active = False


def _seed_bills(data: VendorData) -> None:
    for place in range(6):
        added = data.now() - (5 - place) * 30 * DAY - 2 * DAY
        paided = added + 3 * DAY if place < 4 else 0
        period = month_before(added)
        cost = round(data.random.uniform(80, 400), 2)
        bill = Bill(501 + place, period, added, paided, cost, 515.5, f"NC-{501 + place}")
        share, rest = divmod(round(cost * 100), len(data.sims))
        bill.charges = {sim: 100 * (share + (n < rest)) for n, sim in enumerate(data.sims)}
        data.bills[bill.id] = bill


def _seed_reports(data: VendorData) -> None:
    sims = tuple((sim.id, sim.profile, sim.number) for sim in data.sims.values())
    today, first_id = data.now() // DAY * DAY, next(data.ids)
    sessions, actions, state = _reports(data.random.getstate(), sims, today, first_id)
    data.sessions.extend(sessions)
    data.actions.extend(actions)
    data.random.setstate(state)
    data.ids = itertools.count(first_id + len(sessions) + len(actions))


@lru_cache(4)  # tests make thousands of such fleets
def _reports(
    state: tuple[Any, ...], sims: tuple[tuple[int, str, str], ...], today: int, first_id: int
) -> tuple[Sequence[Session], Sequence[Action], tuple[Any, ...]]:
    """Return the sessions and actions of the days before `today`, and the state of the dice after them."""
    dice, ids = random.Random(), itertools.count(first_id)
    dice.setstate(state)
    sessions, actions = [], []
    for days_ago in range(REPORT_DAYS, 0, -1):
        midnight = today - days_ago * DAY
        for sim, profile, _ in sims:
            if dice.random() < 0.8:
                sessions.append(_session(dice, next(ids), sim, profile, midnight, days_ago > 1))
        for kind in ("call", "in_sms", "out_sms", "ussd"):
            sim, _, number = dice.choice(sims)
            target = {"in_sms": number, "ussd": "*100#"}.get(kind, "77000009999")
            date, cost = midnight + dice.randrange(DAY), round(dice.uniform(0, 0.2), 4)
            actions.append(Action(next(ids), sim, date, kind, target, cost))
    return sessions, actions, dice.getstate()


def _session(
    dice: random.Random, number: int, sim: int, profile: str, midnight: int, past_midnight: bool
) -> Session:
    start = midnight + dice.randrange(DAY)
    end = start + dice.randrange(60, 4 * 3600)
    end = end if past_midnight else min(end, midnight + DAY - 1)
    cost = round(dice.uniform(0.01, 2), 4) if profile == "TC" else 0.0
    place = dice.choice(OPERATORS)
    return Session(number, sim, start, end, *place, dice.randrange(10**4, 10**10), cost)
