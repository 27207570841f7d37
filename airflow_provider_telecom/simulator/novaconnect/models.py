"""What NovaConnect stores, and the JSON object that it shows of each. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_telecom.simulator.state import Progression
from airflow_provider_telecom.simulator.switches import Switches

ADMIN, PLAIN = "admin", "user"
JsonObject = dict[str, Any]


@dataclass
class Group:
    """A named set of SIMs."""

    id: int
    name: str
    added: int


@dataclass
class User:
    """A user of the company."""

    id: int
    first_name: str
    last_name: str
    phone: str
    email: str
    password: str
    role: str = PLAIN
    active: bool = True

    def shown(self) -> JsonObject:
        """Return the document's user object, which holds no password."""
        return {name: value for name, value in asdict(self).items() if name != "password"}


@dataclass
class Limit:
    """A SIM's traffic limit or package; `value` and `used` are in megabytes."""

    type: str
    value: int | None = None
    used: int | None = None
    updated: int | None = None
    created: int | None = None


@dataclass
class Tariff:
    """A SIM's tariff. Until `change_lock` it cannot be changed."""

    id: int
    name: str
    change_lock: int | None = None
    package_auto: bool = False


@dataclass
class Sim:
    """A SIM. `profile` is TD or TC; `block` is n, u, m, p, f or g; `groups` holds ids."""

    id: int
    iccid: str
    number: str
    profile: str
    limit: Limit
    tariff: Tariff
    external_number: str = ""
    name: str | None = None
    balance: float = 0.0
    currency: str = "EUR"
    msu_value: int | None = None
    block: str = "n"
    comment: str | None = None
    groups: list[int] = field(default_factory=list)

    def shown(self, groups: Mapping[int, Group], switches: Switches) -> JsonObject:
        """Return the document's SIM object. Two switches change its types."""
        shown = asdict(self)
        shown["groups"] = [{"id": one, "name": groups[one].name} for one in self.groups if one in groups]
        if switches.on("limit_float") and self.limit.used is not None:
            shown["limit"]["used"] = self.limit.used + 0.25
        if switches.on("change_lock_bool"):
            shown["tariff"]["change_lock"] = self.tariff.change_lock is not None
        return shown


@dataclass
class Bill:
    """A monthly bill: `cost` in EUR, `valute_cost` in `currency`; `paided` is 0 until it is paid.

    `charges` are the costs that it consists of: by a SIM's id, in 1/10,000 EUR.
    """

    id: int
    period: str
    added: int
    paided: int
    cost: float
    valute_course: float
    bid: str
    country: str = "KZ"
    currency: str = "KZT"
    charges: dict[int, int] = field(default_factory=dict)

    def shown(self) -> JsonObject:
        """Return the document's bill object."""
        shown = {name: value for name, value in asdict(self).items() if name != "charges"}
        return {**shown, "valute_cost": round(self.cost * self.valute_course, 2)}


@dataclass(frozen=True)
class Session:
    """A data session of a SIM: `value` is its traffic in bytes, `session_cost` is in EUR."""

    sid: int
    sim: int
    start: int
    end: int
    country_name: str
    operator_name: str
    operator_code: int
    value: int
    session_cost: float


@dataclass(frozen=True)
class Action:
    """A call, SMS or USSD request of a SIM; `type` is call, in_sms, out_sms or ussd."""

    sid: int
    sim: int
    date: int
    type: str
    to_number: str
    session_cost: float


@dataclass
class Queue:
    """One operation for some SIMs. `statuses` has the result for each SIM so far, in their order."""

    id: str
    code: str
    sims: list[int]
    params: JsonObject
    user: User
    added: int
    progression: Progression
    callback_url: str | None = None
    statuses: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every SIM has been processed."""
        return len(self.statuses) == len(self.sims)
