"""The operations on SIMs: what each one changes, when that is reached, and what prevents it.

The result of five operations shows in the list of SIMs (`OBSERVABLE`). The end of the others is known from
the vendor's webhook only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError, TelecomInputError
from airflow_provider_telecom.vendors.novaconnect import arguments

if TYPE_CHECKING:
    from pydantic import JsonValue

    from airflow_provider_telecom.vendors.novaconnect.models import Sim
    from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls

NewUrl = Callable[[int], str | None]
"""Returns the address to which the vendor posts the end of one request, for so many SIMs."""
_KB_PER_MB = 1024
_WORLD_TARIFF = "TD_Mega"
_BLOCKS = {
    "m": "blocked for MSU (m), which is never lifted",
    "p": "blocked because its package ran out (p); buying it again lifts the block",
    "f": "blocked for unpaid bills (f)",
    "g": "blocked by the operator (g)",
}


@dataclass
class Operation:
    """An operation with its arguments, named like those of the hook's method and checked when it is made.

    The arguments may be as a template renders them: numbers and lists as texts. The journal compares them
    between tries, so their names and values must not change.
    """

    operation: ClassVar[str]
    """The name of the vendor's method, without `sim/`."""
    method: ClassVar[str]
    """The hook's method that queues it."""
    profile: ClassVar[str | None] = None
    """The only profile that it is for."""
    blocks: ClassVar[str | None] = None
    """The blocks that a SIM may have for the operation to make sense; None for any."""

    def send(self, api: SimCalls, sim_ids: Sequence[int], new_url: NewUrl) -> list[str | None]:
        """Queue the operation and return the ids of its queues: one for each request."""
        return [self._queue(api, sim_ids, new_url(len(sim_ids)))]

    def _queue(self, api: SimCalls, sim_ids: Sequence[int], url: str | None) -> str | None:
        return str(getattr(api, self.method)(sim_ids, **asdict(self), callback_url=url).queue_id)

    def desired_state(self) -> dict[str, Any]:
        """Return the arguments: the journal compares them between tries, and sensors take them.

        An argument that was added later is left out unless it is used, so that journals stay valid.
        """
        return asdict(self)

    def is_reached(self, sim: Sim) -> bool:
        """Whether there is nothing left to do for a SIM."""
        return self.profile in (None, sim.profile) and self._shows_in(sim)

    def _shows_in(self, sim: Sim) -> bool:
        return False

    def obstacle(self, sim: Sim, now: float | None = None) -> str | None:
        """Return why the operation cannot be done to a SIM that has not reached it, or None.

        With `now` (Unix seconds) a locked tariff is an obstacle: a change cannot be started.
        """
        if self.profile not in (None, sim.profile):
            return f"profile {sim.profile}: {self.operation} is for {self.profile} only"
        if self.blocks is None or sim.block in self.blocks:
            return None
        return _BLOCKS.get(sim.block, f"blocked in a way that is not known ({sim.block})")

    def observed(self, sim: Sim) -> JsonValue:
        """Return what the operation changes of a SIM. It is equal until somebody changes it."""
        return sim.block

    def unchanged_reason(self, sim: Sim) -> str | None:
        """Return why the vendor may never change a SIM, or None.

        A SIM that has not been processed yet looks the same.
        """
        return None


@dataclass
class Block(Operation):
    """Puts the voluntary block on a SIM; with `include_package_empty` also on one whose package ran out."""

    operation, method, blocks = "block", "block_sims", "nu"
    include_package_empty: bool = False

    def __post_init__(self) -> None:
        arguments.boolean("include_package_empty", self.include_package_empty)

    def _queue(self, api: SimCalls, sim_ids: Sequence[int], url: str | None) -> str:
        return api.block_sims(sim_ids, callback_url=url).queue_id

    def desired_state(self) -> dict[str, Any]:
        """Return `include_package_empty` if it is True."""
        return asdict(self) if self.include_package_empty else {}

    def _shows_in(self, sim: Sim) -> bool:
        return sim.block == "u"

    def obstacle(self, sim: Sim, now: float | None = None) -> str | None:
        """Return a block that prevents it."""
        if self.include_package_empty and sim.block == "p":
            return None
        return super().obstacle(sim, now)

    def unchanged_reason(self, sim: Sim) -> str | None:
        """Return an explanation if the SIM still shows the block of its package."""
        if not (self.include_package_empty and sim.block == "p"):
            return None
        return "its package ran out (p), and the vendor does not show the voluntary block for such a SIM"


class Unblock(Operation):
    """Lifts the voluntary block, and no other."""

    operation, method, blocks = "unblock", "unblock_sims", "nu"

    def _shows_in(self, sim: Sim) -> bool:
        return sim.block == "n"


class Disconnect(Operation):
    """Disconnects a SIM from the network."""

    operation, method = "disconnect", "disconnect_sims"


class Reconnect(Operation):
    """Resets the data session of a SIM."""

    operation, method = "reconnect", "reconnect_sims"


class Ping(Operation):
    """Sends an SMS with the text PING."""

    operation, method, profile = "ping", "ping_sims", "TD"


@dataclass
class SendSms(Operation):
    """Sends an SMS."""

    operation, method, profile = "sms", "send_sms", "TD"
    text: str

    def __post_init__(self) -> None:
        arguments.sms_text(self.text)


@dataclass
class SetLimit(Operation):
    """Sets the traffic limit: `limit_mb` megabytes in a calendar month (`month1`), or none (`off`)."""

    operation, method, profile = "limit", "set_limit", "TC"
    limit_mb: int | str | None = None
    limit_type: str = "month1"

    def __post_init__(self) -> None:
        one_of("limit_type", self.limit_type, ("off", "month1"))
        if self.limit_mb is None and self.limit_type != "off":
            raise TelecomInputError("limit_mb", "must be given unless limit_type is off")
        megabytes = 0 if self.limit_mb is None else arguments.rendered_int(self.limit_mb)
        self.limit_mb = arguments.limit_mb(megabytes)

    def _shows_in(self, sim: Sim) -> bool:
        if sim.limit is None or sim.limit.type != self.limit_type:
            return False
        return sim.limit.type == "off" or sim.limit.value == self.limit_mb

    def observed(self, sim: Sim) -> JsonValue:
        """Return the type and value of the SIM's limit."""
        return [sim.limit.type, sim.limit.value] if sim.limit else None


@dataclass
class SetTariff(Operation):
    """Changes the package. `all_world` None leaves roaming as it is."""

    operation, method, profile = "tariff", "set_tariff", "TD"
    package_kb: int | str
    auto_package: bool
    all_world: bool | None = None

    def __post_init__(self) -> None:
        self.package_kb = arguments.package_kb(arguments.rendered_int(self.package_kb))
        arguments.boolean("auto_package", self.auto_package)
        if self.all_world is not None:
            arguments.boolean("all_world", self.all_world)

    def _shows_in(self, sim: Sim) -> bool:
        if sim.limit is None or sim.limit.value is None or sim.tariff is None:
            return False
        auto = sim.tariff.package_auto
        renews = sim.limit.type == "p_unlim" if auto is None else auto
        is_same = (sim.limit.value * _KB_PER_MB, renews) == (self.package_kb, self.auto_package)
        return is_same and self.all_world in (None, sim.tariff.name == _WORLD_TARIFF)

    def obstacle(self, sim: Sim, now: float | None = None) -> str | None:
        """Return a wrong profile or, with `now`, a locked tariff."""
        return super().obstacle(sim) or (None if now is None else _lock(sim, now))


@dataclass
class Repackage(Operation):
    """Buys the same package again; with `only_used_up` not while traffic is left in the old one."""

    operation, method, profile, blocks = "repackage", "repackage_sims", "TD", "nup"
    only_used_up: bool = False

    def __post_init__(self) -> None:
        arguments.boolean("only_used_up", self.only_used_up)

    def _queue(self, api: SimCalls, sim_ids: Sequence[int], url: str | None) -> str:
        return api.repackage_sims(sim_ids, callback_url=url).queue_id

    def _shows_in(self, sim: Sim) -> bool:
        if not self.only_used_up or sim.block == "p" or sim.limit is None or sim.limit.value is None:
            return False
        return (sim.limit.used or 0) < sim.limit.value


@dataclass
class Rename(Operation):
    """Gives a SIM another name."""

    operation, method = "rename", "rename_sim"
    name: str

    def __post_init__(self) -> None:
        non_blank("name", self.name)

    def _queue(self, api: SimCalls, sim_ids: Sequence[int], url: str | None) -> str | None:
        """Rename the one SIM. The vendor may do it at once or queue it."""
        return api.rename_sim(sim_ids[0], self.name).queue_id

    def _shows_in(self, sim: Sim) -> bool:
        return (sim.name or "").strip() == self.name.strip()

    def observed(self, sim: Sim) -> JsonValue:
        """Return the SIM's name."""
        return sim.name


@dataclass
class SetGroups(Operation):
    """Puts a SIM into groups: existing ones by id, others by name; with `exact` into no others."""

    operation, method = "group", "set_groups"
    group_ids: Sequence[int] = ()
    new_group_names: Sequence[str] = ()
    exact: bool = False

    def __post_init__(self) -> None:
        self.group_ids = arguments.rendered_ids("group_ids", self.group_ids or ())
        names = arguments.rendered_list("new_group_names", self.new_group_names or ())
        self.new_group_names = arguments.names("new_group_names", names)
        if not self.group_ids and not self.new_group_names:
            raise TelecomInputError("group_ids", "must be given, or new_group_names, or both")
        arguments.boolean("exact", self.exact)

    def send(self, api: SimCalls, sim_ids: Sequence[int], new_url: NewUrl) -> list[str | None]:
        """Queue the operation: one request for all SIMs that have the same other groups.

        The document does not say whether the vendor takes SIMs out of their other groups. So, unless `exact`
        is True, these are read just before and sent too: each SIM keeps them at any vendor.
        """
        queue_ids: list[str | None] = []
        for others, some in self._by_other_groups(api, sim_ids).items():
            groups = [*self.group_ids, *others]
            try:
                url = new_url(len(some))
                queued = api.set_groups(some, groups, self.new_group_names, callback_url=url)
            except TelecomError as error:
                error.partial = bool(queue_ids)
                raise
            queue_ids.append(queued.queue_id)
        return queue_ids

    def _by_other_groups(self, api: SimCalls, sim_ids: Sequence[int]) -> dict[tuple[int, ...], list[int]]:
        if self.exact:
            return {(): list(sim_ids)}
        found = {sim.id: sim for sim in api.all_sims()}
        by_others: dict[tuple[int, ...], list[int]] = {}
        for sim_id in sim_ids:
            sim = found.get(sim_id)
            if sim and "groups" not in sim.model_fields_set:
                raise TelecomAnswerError(f"SIM {sim.id} is listed without its groups, so none can be kept")
            by_others.setdefault(self._other_groups(sim) if sim else (), []).append(sim_id)
        return by_others

    def _shows_in(self, sim: Sim) -> bool:
        return self._has_all_groups(sim) and not (self.exact and self._other_groups(sim))

    def _has_all_groups(self, sim: Sim) -> bool:
        groups = sim.groups or ()
        ids, names = {group.id for group in groups}, {group.name.strip() for group in groups}
        return set(self.group_ids) <= ids and self._names() <= names

    def _names(self) -> set[str]:
        """Return the names of the groups. The vendor may strip blanks off a name."""
        return {name.strip() for name in self.new_group_names}

    def _other_groups(self, sim: Sim) -> tuple[int, ...]:
        others = {group.id for group in sim.groups or () if group.name.strip() not in self._names()}
        return tuple(sorted(others - set(self.group_ids)))

    def observed(self, sim: Sim) -> JsonValue:
        """Return the ids of the SIM's groups."""
        return [*sorted(group.id for group in sim.groups or ())]

    def unchanged_reason(self, sim: Sim) -> str | None:
        """Return an explanation if the SIM is in all wanted groups and in others that it must not be in.

        Then the vendor has added groups and replaced none; or the SIM was in all of them before and has not
        been processed yet: there is no difference between the two.
        """
        if not self._has_all_groups(sim) or self._shows_in(sim):
            return None
        return (
            f"it is in {len(self._other_groups(sim))} other groups as well: the vendor adds groups and "
            "replaces none, so exact=True cannot be reached; use exact=False, or remove the SIM by hand"
        )


@dataclass
class ClearGroups(Operation):
    """Takes a SIM out of all groups: `groups` is an empty list."""

    operation, method = "group", "set_groups"
    groups: Sequence[int]

    def __post_init__(self) -> None:
        arguments.no_groups(self.groups)
        self.groups = []

    def _shows_in(self, sim: Sim) -> bool:
        return "groups" in sim.model_fields_set and not sim.groups

    def observed(self, sim: Sim) -> JsonValue:
        """Return the ids of the SIM's groups."""
        return [*sorted(group.id for group in sim.groups or ())]

    def unchanged_reason(self, sim: Sim) -> str | None:
        """Return an explanation if the SIM is in groups."""
        if self._shows_in(sim):
            return None
        return (
            f"it is still in {len(sim.groups or ())} groups: the vendor adds groups and replaces none, or a "
            "request without groups changes nothing; remove the SIM by hand"
        )


def _lock(sim: Sim, now: float) -> str | None:
    if sim.tariff is None or not sim.tariff.change_lock:
        return None
    if (until := sim.tariff.locked_until) is None:
        return "its tariff is locked; the vendor names no date"
    return f"its tariff is locked until {until.isoformat()}" if until.timestamp() > now else None


OBSERVABLE: Mapping[str, type[Operation]] = {
    operation.operation: operation for operation in (Block, Unblock, SetLimit, SetTariff, SetGroups)
}
OPERATIONS = (*OBSERVABLE, "disconnect", "reconnect", "ping", "sms", "repackage")


def parse_operation(operation: str, desired_state: Mapping[str, Any] | None) -> Operation:
    """Return an operation whose result shows in the list of SIMs. Raises TelecomInputError."""
    operation_type, given = OBSERVABLE[check_observable(operation)], dict(desired_state or {})
    if operation == "group" and "groups" in given:
        operation_type = ClearGroups
    try:
        signature(operation_type).bind(**given)
    except TypeError as error:
        raise TelecomInputError("desired_state", f"for {operation}: {error}") from None
    return operation_type(**given)


def operation_of(operation: str, arguments: Mapping[str, Any]) -> Operation:
    """Return an operation as `parse_operation` does, or the one that renames a SIM."""
    return Rename(**arguments) if operation == Rename.operation else parse_operation(operation, arguments)


def check_observable(operation: str) -> str:
    """Return an operation whose result shows in the list of SIMs. Raises TelecomInputError."""
    if operation not in OBSERVABLE:
        raise TelecomInputError(
            "operation",
            f"the end of {operation} does not show in the list of SIMs, and no call asks for a queue: only "
            "the vendor's webhook reports it, which needs a receiver and its callback_key. "
            f"Without them one can wait for {', '.join(OBSERVABLE)}",
        )
    return operation
