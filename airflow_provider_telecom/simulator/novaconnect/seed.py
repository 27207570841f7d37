"""The small world that NovaConnect begins with: the same for the same seed of the town."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_telecom.simulator.novaconnect.bills import usage_of
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

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.state import VendorState

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


def seed_state(vendor_state: VendorState) -> None:
    """Fill new books: 60 SIMs, 5 groups, 4 users, 6 bills and 65 days of reports.

    The newest bill is made of what the reports show of its month.
    """
    for name in GROUP_NAMES:
        vendor_state.add_group(name)
    for place in range(40):
        add_sim(vendor_state, "TD", TD_BLOCKS[place % 10])
    for place in range(20):
        add_sim(vendor_state, "TC", TC_BLOCKS[place % 10])
    for place, sim in enumerate(vendor_state.sims.values()):
        sim.groups = [list(vendor_state.groups)[place % 4]] if place % 3 else []
        sim.name = f"Tracker {place + 1}" if place % 4 else None
    _seed_users(vendor_state)
    _seed_bills(vendor_state)
    for days_ago in range(REPORT_DAYS, 0, -1):
        _seed_day(vendor_state, vendor_state.now() // DAY * DAY - days_ago * DAY, days_ago > 1)
    newest = max(vendor_state.bills.values(), key=lambda bill: bill.added)
    newest.charges = usage_of(vendor_state, newest.period)
    newest.cost = round(sum(newest.charges.values()) / 10_000, 2)


def add_sim(vendor_state: VendorState, profile: str, block: str = "n") -> Sim:
    """Add a SIM of the profile; raise ValueError when the fake numbers are used up."""
    place = len(vendor_state.sims)
    if place >= SIM_LIMIT:
        raise ValueError(f"no more than {SIM_LIMIT} SIMs")
    limit, tariff = _package(vendor_state) if profile == "TD" else (Limit("off"), Tariff(3, "TC"))
    sim = Sim(1001 + place, str(8999700000000000000 + place), f"7700000{place:04d}", profile, limit, tariff)
    sim.block = block
    if profile == "TC":
        sim.external_number = f"7700001{place:04d}"
        sim.balance, sim.msu_value = (
            round(vendor_state.random.uniform(0, 50), 2),
            vendor_state.random.randrange(1000),
        )
    if block == "g":
        sim.comment = "Обратитесь в поддержку NovaConnect"
    vendor_state.sims[sim.id] = sim
    return sim


def _package(vendor_state: VendorState) -> tuple[Limit, Tariff]:
    auto, now = vendor_state.random.random() < 0.5, vendor_state.now()
    size, bought = vendor_state.random.choice((15, 50, 100)), now - 10 * DAY
    limit = Limit(
        "p_unlim" if auto else "p_lim", size, vendor_state.random.randrange(size), now - DAY, bought
    )
    return limit, Tariff(1, "TD", None, auto)


def _seed_users(vendor_state: VendorState) -> None:
    for place, (first, last, role) in enumerate(SEED_USERS):
        email, phone = f"{first.lower()}@example.kz", f"770000090{place:02d}"
        vendor_state.users[101 + place] = User(
            101 + place, first, last, phone, email, f"sim_password_{place}", role
        )
    vendor_state.users[104].active = False


def _seed_bills(vendor_state: VendorState) -> None:
    for place in range(6):
        added = vendor_state.now() - (5 - place) * 30 * DAY - 2 * DAY
        paided = added + 3 * DAY if place < 4 else 0
        period = vendor_state.month_before(added)
        cost = round(vendor_state.random.uniform(80, 400), 2)
        bill = Bill(501 + place, period, added, paided, cost, 515.5, f"NC-{501 + place}")
        share, rest = divmod(round(cost * 100), len(vendor_state.sims))
        bill.charges = {sim: 100 * (share + (n < rest)) for n, sim in enumerate(vendor_state.sims)}
        vendor_state.bills[bill.id] = bill


def _seed_day(vendor_state: VendorState, midnight: int, past_midnight: bool) -> None:
    for sim in vendor_state.sims.values():
        if vendor_state.random.random() < 0.8:
            vendor_state.sessions.append(_session(vendor_state, sim, midnight, past_midnight))
    for kind in ("call", "in_sms", "out_sms", "ussd"):
        sim = vendor_state.random.choice(list(vendor_state.sims.values()))
        target = {"in_sms": sim.number, "ussd": "*100#"}.get(kind, "77000009999")
        date, cost = (
            midnight + vendor_state.random.randrange(DAY),
            round(vendor_state.random.uniform(0, 0.2), 4),
        )
        vendor_state.actions.append(Action(next(vendor_state.ids), sim.id, date, kind, target, cost))


def _session(vendor_state: VendorState, sim: Sim, midnight: int, past_midnight: bool) -> Session:
    start = midnight + vendor_state.random.randrange(DAY)
    end = start + vendor_state.random.randrange(60, 4 * 3600)
    end = end if past_midnight else min(end, midnight + DAY - 1)
    cost = round(vendor_state.random.uniform(0.01, 2), 4) if sim.profile == "TC" else 0.0
    place = vendor_state.random.choice(OPERATORS)
    return Session(
        next(vendor_state.ids), sim.id, start, end, *place, vendor_state.random.randrange(10**4, 10**10), cost
    )
