"""The desired state of a fleet: rules that choose SIMs and say how they must be, and what that changes.

A rule has one selector (`id`, `iccid`, `number`, `name_pattern`, `in_group`) and at least one setting. Each
setting of a SIM may come from one rule only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.phone import e164_or_none
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Block,
    ClearGroups,
    Operation,
    Rename,
    SetGroups,
    SetLimit,
    SetTariff,
    Unblock,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from airflow_provider_telecom.vendors.novaconnect.models import Group, Sim

SELECTORS = ("id", "iccid", "number", "name_pattern", "in_group")
_TARIFF = ("package_kb", "auto_package", "all_world")
_GROUPS = ("groups", "exact_groups")
SETTINGS = ("blocked", "limit_mb", *_TARIFF, *_GROUPS, "name")
PHASES = ("block", "group", "limit", "tariff", "unblock", Rename.operation)
"""The order of operations: SIMs go offline first, and online after their limits and tariffs are set."""
_WILDCARDS = re.compile(r"[*?]")
_NOT_DIGITS = re.compile(r"[ +().\-]")
_KB_PER_MB = 1024


@dataclass(frozen=True)
class Given:
    """A value of the desired state, and where it is: `line 4, column 9`."""

    value: Any
    place: str

    def refuse(self, name: str, rule: str) -> TelecomInputError:
        """Return the error for it."""
        return TelecomInputError("desired", f"{self.place}: {name}: {rule}")


@dataclass(frozen=True)
class Rule:
    """Which SIMs must be how. `groups` are ids and names, which are resolved when the groups are known."""

    selector: str
    wanted: int | str
    place: str
    operations: Mapping[str, Operation]
    groups: Sequence[int | str] | None
    exact_groups: bool

    @property
    def settings(self) -> Iterator[str]:
        """The settings of the rule: `blocked`, `limit`, `tariff`, `groups`, `name`."""
        yield from self.operations
        if self.groups is not None:
            yield "groups"


def parse_rule(given: Mapping[str, Given], place: str) -> Rule:
    """Return a rule. Raises TelecomInputError, which names the place, the field and the rule."""
    for name, one in given.items():
        if name not in (*SELECTORS, *SETTINGS):
            known = ", ".join((*SELECTORS, *SETTINGS))
            raise one.refuse(_shown(name), f"is no field of a SIM; the fields are {known}")
    chosen = [name for name in SELECTORS if name in given]
    if len(chosen) != 1:
        raise TelecomInputError("desired", f"{place}: must have one of {', '.join(SELECTORS)}")
    if not any(name in given for name in SETTINGS):
        raise TelecomInputError("desired", f"{place}: must have at least one of {', '.join(SETTINGS)}")
    (selector,) = chosen
    wanted = _checked(given, selector, _SELECTOR_CHECKS[selector])
    operations: dict[str, Operation] = {}
    for setting, names, make in _OPERATIONS:
        if present := [name for name in names if name in given]:
            operations[setting] = _made(given, present, make)
    groups, exact = None, False
    if "groups" in given:
        groups = _checked(given, "groups", _groups)
        exact = bool(_checked(given, "exact_groups", _boolean)) if "exact_groups" in given else False
        if exact and not groups:
            raise given["exact_groups"].refuse("exact_groups", "is not needed: groups: [] means no groups")
    elif "exact_groups" in given:
        raise given["exact_groups"].refuse("exact_groups", "needs groups")
    return Rule(selector, wanted, place, operations, groups, exact)


def _made(given: Mapping[str, Given], names: Sequence[str], make: Callable[..., Operation]) -> Operation:
    try:
        return make(**{name: given[name].value for name in names})
    except TelecomInputError as error:
        one = given.get(error.field, given[names[0]])
        raise one.refuse(error.field, error.rule) from None


def _checked(given: Mapping[str, Given], name: str, check: Callable[[Any], Any]) -> Any:
    try:
        return check(given[name].value)
    except TelecomInputError as error:
        raise given[name].refuse(error.field, error.rule) from None


def _shown(name: object) -> str:
    """Return the name of an unknown field for a message, unless it may hold a number."""
    text = str(name)
    return text if re.fullmatch(r"[A-Za-z_][\w.-]{0,40}", text) else "a name"


def _boolean(value: Any) -> bool:
    return arguments.boolean("exact_groups", value)


def _id(value: Any) -> int:
    number = arguments.rendered_int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TelecomInputError("id", "must be the vendor's id of a SIM, a whole number")
    return arguments.valid_id("id", number)


def _iccid(value: Any) -> str:
    text = str(value).strip()
    if not re.fullmatch(r"[0-9]{18,22}", text):
        raise TelecomInputError("iccid", "must be 18 to 22 digits")
    return text


def _number(value: Any) -> str:
    if not isinstance(value, (int, str)) or not re.fullmatch(r"[0-9]{7,15}", _digits(str(value))):
        raise TelecomInputError("number", "must be a telephone number of 7 to 15 digits; put it in quotes")
    return str(value)


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise TelecomInputError("name_pattern", "must be a name with * or ? for what varies")
    text = non_blank("name_pattern", value)
    if not _WILDCARDS.sub("", text).strip():
        raise TelecomInputError(
            "name_pattern", "would match every name: it must have characters other than * and ?"
        )
    return text


def _in_group(value: Any) -> int | str:
    return _group("in_group", value)


def _group(field: str, value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise TelecomInputError(field, "must be the id or the name of a group")


def _groups(value: Any) -> list[int | str]:
    if not isinstance(value, (list, tuple)):
        raise TelecomInputError("groups", "must be a list of names or ids of groups; [] means no groups")
    found = [_group("groups", one) for one in value]
    if len(set(found)) != len(found):
        raise TelecomInputError("groups", "must not contain a group twice")
    return found


def _block(blocked: Any) -> Operation:
    return Block() if arguments.boolean("blocked", blocked) else Unblock()


def _limit(limit_mb: Any) -> Operation:
    if limit_mb is False or limit_mb == "off":  # YAML reads `off` as false
        return SetLimit(limit_type="off")
    if isinstance(limit_mb, bool) or not isinstance(limit_mb, int):
        raise TelecomInputError("limit_mb", "must be a whole number of megabytes in a month, or off")
    return SetLimit(limit_mb)


def _tariff(package_kb: Any = None, auto_package: Any = None, all_world: Any = None) -> Operation:
    if isinstance(package_kb, bool) or not isinstance(package_kb, int):
        raise TelecomInputError("package_kb", "must be given with auto_package, a whole number of kilobytes")
    if auto_package is None:
        raise TelecomInputError("auto_package", "must be given with package_kb")
    return SetTariff(package_kb, auto_package, all_world)


def _rename(name: Any) -> Operation:
    if not isinstance(name, str):
        raise TelecomInputError("name", "must be a text; put it in quotes")
    return Rename(name)


_SELECTOR_CHECKS: Mapping[str, Callable[[Any], int | str]] = {
    "id": _id,
    "iccid": _iccid,
    "number": _number,
    "name_pattern": _pattern,
    "in_group": _in_group,
}
_OPERATIONS: Sequence[tuple[str, Sequence[str], Callable[..., Operation]]] = (
    ("blocked", ("blocked",), _block),
    ("limit", ("limit_mb",), _limit),
    ("tariff", _TARIFF, _tariff),
    ("name", ("name",), _rename),
)


class Need(TypedDict):
    """An operation that must be reached before another one."""

    operation: str
    arguments: dict[str, Any]


class StoredChange(TypedDict):
    """A change as a plan stores it. `from` and `to` are JSON; `paid` changes may buy something."""

    sim_id: int
    setting: str
    operation: str
    arguments: dict[str, Any]
    before: JsonValue
    after: JsonValue
    connectivity: str | None
    """`offline` or `online` if the change takes the SIM off the network, or back."""
    paid: bool
    price: None
    """The vendor's API quotes no price."""
    needs: NotRequired[list[Need]]
    """Of an unblocking: what limits the costs of the SIM, and must be set before."""


class SkippedChange(TypedDict):
    """A setting that cannot be reached, and why."""

    sim_id: int
    setting: str
    reason: str


@dataclass
class FleetDiff:
    """What the desired state changes in a fleet. `states` has a hash of each SIM's settings."""

    states: dict[str, str]
    managed: list[int] = field(default_factory=list)
    changes: list[StoredChange] = field(default_factory=list)
    skipped: list[SkippedChange] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """The places of rules that no SIM matches."""
    new_groups: list[str] = field(default_factory=list)

    @property
    def changed(self) -> set[int]:
        """The SIMs to change."""
        return {change["sim_id"] for change in self.changes}


def setting_of(sim: Sim, setting: str) -> JsonValue:
    """Return how a SIM is now, as JSON that is equal until somebody changes it."""
    limit = None if sim.limit is None else [sim.limit.type, sim.limit.value]
    match setting:
        case "blocked":
            return sim.block
        case "limit":
            return limit  # type: ignore[return-value]  # a list of JSON values
        case "tariff":
            tariff = None if sim.tariff is None else [sim.tariff.name, sim.tariff.package_auto]
            return [limit, tariff]  # type: ignore[list-item]  # the same
        case "groups":
            return [*sorted(group.id for group in sim.groups or ())]
    return sim.name


def state_of(sim: Sim, fingerprint: Callable[[object], str]) -> str:
    """Return the hash of all settings of a SIM, and of what selects it."""
    settings = [setting_of(sim, setting) for setting in ("blocked", "tariff", "groups")]
    return fingerprint([sim.profile, sim.iccid, sim.number, sim.external_number, *settings, sim.name])[:16]


def diff(
    rules: Sequence[Rule],
    sims: Sequence[Sim],
    groups: Sequence[Group],
    *,
    region: str,
    now: float,
    states: dict[str, str],
) -> FleetDiff:
    """Return what the rules change. Raises TelecomInputError for rules that contradict each other."""
    found = FleetDiff(states)
    names = GroupNames(groups)
    desired = _desired(rules, sims, names, region, found)
    new_groups: dict[str, None] = {}
    for sim in sims:
        if sim.id not in desired:
            continue
        found.managed.append(sim.id)
        is_held_back = False
        for setting, rule in sorted(desired[sim.id].items(), key=lambda one: _ORDER.index(one[0])):
            operation = names.operation(rule) if setting == "groups" else rule.operations[setting]
            if operation.is_reached(sim):
                continue
            if setting == "groups" and "groups" not in sim.model_fields_set:
                raise TelecomAnswerError(f"SIM {sim.id} is listed without its groups, so none can be kept")
            reason = operation.obstacle(sim, now)
            if reason is None and isinstance(operation, Unblock) and is_held_back:
                reason = "its limit or tariff cannot be set, so it is not unblocked"
            if reason:
                is_held_back = is_held_back or setting in ("limit", "tariff")
                found.skipped.append({"sim_id": sim.id, "setting": setting, "reason": reason})
                continue
            if isinstance(operation, SetGroups):
                new_groups |= dict.fromkeys(operation.new_group_names)
            change = _change(sim, setting, operation)
            if isinstance(operation, Unblock):
                change["needs"] = [
                    {"operation": limit.operation, "arguments": limit.desired_state()}
                    for name in ("limit", "tariff")
                    if (limit := _operation_of(desired[sim.id], name)) is not None
                ]
            found.changes.append(change)
    found.new_groups.extend(new_groups)
    return found


_ORDER = ("groups", "limit", "tariff", "blocked", "name")


def _operation_of(rules: Mapping[str, Rule], setting: str) -> Operation | None:
    return rules[setting].operations[setting] if setting in rules else None


def _change(sim: Sim, setting: str, operation: Operation) -> StoredChange:
    connectivity = {"block": "offline", "unblock": "online"}.get(operation.operation)
    return {
        "sim_id": sim.id,
        "setting": setting,
        "operation": operation.operation,
        "arguments": operation.desired_state(),
        "before": setting_of(sim, setting),
        "after": _after(sim, operation),
        "connectivity": connectivity,
        "paid": isinstance(operation, SetTariff),
        "price": None,
    }


def _after(sim: Sim, operation: Operation) -> JsonValue:
    match operation:
        case Block():
            return "u"
        case SetLimit():
            return [
                operation.limit_type,
                None if operation.limit_type == "off" else int(operation.limit_mb or 0),
            ]
        case SetTariff():
            return [int(operation.package_kb) // _KB_PER_MB, operation.auto_package, operation.all_world]
        case SetGroups():
            kept = [] if operation.exact else [group.id for group in sim.groups or ()]
            return [*sorted({*kept, *operation.group_ids}), *operation.new_group_names]
        case ClearGroups():
            return []
        case Rename():
            return operation.name
    return "n"


def _desired(
    rules: Sequence[Rule], sims: Sequence[Sim], names: GroupNames, region: str, found: FleetDiff
) -> dict[int, dict[str, Rule]]:
    """Return the rule of each setting of each SIM. Raises TelecomInputError if there are two."""
    index, desired, exact = _Index(sims, names, region), dict[int, dict[str, Rule]](), dict[int, Rule]()
    for rule in rules:
        matched = index.matching(rule)
        if not matched:
            found.unknown.append(f"{rule.place}: {rule.selector}")
        if rule.selector == "name_pattern" and len(matched) == len(sims) > 1:
            raise TelecomInputError(
                "desired", f"{rule.place}: name_pattern: matches every SIM of the fleet, which is refused"
            )
        for sim_id in matched:
            is_exact = rule.selector in ("id", "iccid", "number")
            if is_exact and (other := exact.setdefault(sim_id, rule)) is not rule:
                raise _two_states(sim_id, other, rule)
            mine = desired.setdefault(sim_id, {})
            for setting in rule.settings:
                if (other := mine.setdefault(setting, rule)) is not rule:
                    raise _two_states(sim_id, other, rule, setting)
    return desired


def _two_states(sim_id: int, first: Rule, second: Rule, setting: str = "") -> TelecomInputError:
    what = f"{setting} of SIM {sim_id}" if setting else f"SIM {sim_id}"
    return TelecomInputError(
        "desired",
        f"{second.place}: {what} has a desired state already, at {first.place}; it may have one only",
    )


class GroupNames:
    """The vendor's groups, by id and by name."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self._by_name: dict[str, list[int]] = {}
        for group in groups:
            self._by_name.setdefault(group.name.strip(), []).append(group.id)
        self.ids = {one for ids in self._by_name.values() for one in ids}

    def id_of(self, rule: Rule, field: str, group: int | str) -> int | None:
        """Return the id of a group, or None if no group has the name. Raises TelecomInputError."""
        if isinstance(group, str):
            ids = self._by_name.get(group, [])
            if len(ids) > 1:
                shown = ", ".join(map(str, ids))
                raise TelecomInputError(
                    "desired", f"{rule.place}: {field}: is the name of several groups ({shown}): give the id"
                )
            if ids or not (group.isdecimal() and int(group) in self.ids):
                return ids[0] if ids else None
            return int(group)
        if group not in self.ids:
            raise TelecomInputError("desired", f"{rule.place}: {field}: there is no group {group}")
        return group

    def operation(self, rule: Rule) -> Operation:
        """Return the operation of a rule with groups."""
        if not rule.groups:
            return ClearGroups([])
        ids = {group: self.id_of(rule, "groups", group) for group in rule.groups}
        existing = sorted({one for one in ids.values() if one is not None})
        return SetGroups(existing, [str(name) for name, one in ids.items() if one is None], rule.exact_groups)


class _Index:
    """The SIMs by what selects them."""

    def __init__(self, sims: Sequence[Sim], names: GroupNames, region: str) -> None:
        self._sims, self._names, self._region = sims, names, region
        self._ids = {sim.id for sim in sims}
        self._iccids: dict[str, list[int]] = {}
        self._numbers: dict[str, list[int]] = {}
        self._groups: dict[int | None, list[int]] = {}
        for sim in sims:
            self._iccids.setdefault(sim.iccid.strip(), []).append(sim.id)
            for number in {_digits(one) for one in (sim.number, sim.external_number) if one}:
                self._numbers.setdefault(number, []).append(sim.id)
            for group in sim.groups or ():
                self._groups.setdefault(group.id, []).append(sim.id)

    def matching(self, rule: Rule) -> Collection[int]:
        """Return the ids of the SIMs that a rule chooses."""
        wanted = rule.wanted
        match rule.selector:
            case "id":
                return [int(wanted)] if wanted in self._ids else []
            case "iccid":
                return self._only(rule, self._iccids.get(str(wanted), []))
            case "number":
                forms = {_digits(str(wanted)), e164_or_none(str(wanted), self._region) or str(wanted)}
                return self._only(
                    rule, sorted({one for form in forms for one in self._numbers.get(form, [])})
                )
            case "in_group":
                return self._groups.get(self._names.id_of(rule, "in_group", wanted), [])
        fits = re.compile(translate(str(wanted).replace("[", "[[]"))).match  # only * and ? are wildcards
        return [sim.id for sim in self._sims if sim.name and fits(sim.name.strip())]

    def _only(self, rule: Rule, found: Sequence[int]) -> Sequence[int]:
        if len(found) > 1:
            ids = ", ".join(map(str, found[:20]))
            raise TelecomInputError(
                "desired", f"{rule.place}: {rule.selector}: several SIMs have it ({ids}): give the id"
            )
        return found


def _digits(number: str) -> str:
    return _NOT_DIGITS.sub("", number)


def counts_of(found: FleetDiff) -> dict[str, Any]:
    """Return how many SIMs change, and how: no ids, names or numbers."""
    connectivity = Counter(change["connectivity"] for change in found.changes)
    return {
        "sims": len(found.states),
        "managed": len(found.managed),
        "changed": len(found.changed),
        "unchanged": len(found.managed) - len(found.changed),
        "skipped": len({one["sim_id"] for one in found.skipped}),
        "offline": connectivity["offline"],
        "online": connectivity["online"],
        "paid": sum(change["paid"] for change in found.changes),
        "settings": dict(sorted(Counter(change["setting"] for change in found.changes).items())),
        "new_groups": len(found.new_groups),
    }
