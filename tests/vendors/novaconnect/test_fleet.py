"""The desired state of a fleet: which rules are refused, which SIMs they choose, and what they change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.vendors.novaconnect.fleet import (
    PHASES,
    FleetDiff,
    Given,
    Rule,
    counts_of,
    diff,
    parse_rule,
    setting_of,
    state_of,
)
from airflow_provider_telecom.vendors.novaconnect.models import Group, Sim
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Block,
    Rename,
    SetLimit,
    SetTariff,
    Unblock,
)

NOW = 1_000_000
GROUPS = [
    Group(id=3, name="Trucks "),
    Group(id=4, name="Meters"),
    Group(id=5, name="Twins"),
    Group(id=6, name="Twins"),
    Group(id=7, name="4"),
]
OFF = {"type": "off"}
PACKAGE = {"type": "p_unlim", "value": 15, "used": "3"}
TARIFF = {"name": "TD_Mini", "package_auto": True}


def sim(sim_id: int, /, *groups: int, **given: Any) -> Sim:
    """Return a SIM of the profile TC, not blocked, without a limit."""
    return Sim.model_validate({
        "id": sim_id,
        "iccid": f" {8999700000000000000 + sim_id}",
        "profile": "TC",
        "block": "n",
        "number": f"+7 700 000 {sim_id:04}",
        "name": f"Tracker {sim_id}",
        "groups": [one for one in GROUPS if one.id in groups],
        "limit": OFF,
        **given,
    })


def td(sim_id: int, /, *groups: int, **given: Any) -> Sim:
    """Return a SIM of the profile TD with a package."""
    return sim(sim_id, *groups, **{"profile": "TD", "limit": PACKAGE, "tariff": TARIFF, **given})


def rule(row: Mapping[str, Any], place: str = "[0]") -> Rule:
    return parse_rule({name: Given(value, f"{place}.{name}") for name, value in row.items()}, place)


def planned(sims: list[Sim], *rows: Mapping[str, Any]) -> FleetDiff:
    rules = [rule(row, f"[{number}]") for number, row in enumerate(rows)]
    states = {str(one.id): "" for one in sims}
    return diff(rules, sims, GROUPS, region="KZ", now=NOW, states=states)


def changes(sims: list[Sim], *rows: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return what is changed, in order: SIM, operation, arguments."""
    found = planned(sims, *rows).changes
    return [(one["sim_id"], one["operation"], one["arguments"]) for one in found]


FIELDS = (
    "id, iccid, number, name_pattern, in_group, blocked, limit_mb, package_kb, auto_package, all_world, "
    "groups, exact_groups, name"
)
NO_NUMBER = "must be a telephone number of 7 to 15 digits; put it in quotes"
NO_TARIFF = "must be given with auto_package, a whole number of kilobytes"
NO_LIMIT = "must be a whole number of megabytes in a month, or off"
NO_GROUP = "must be the id or the name of a group"
NO_ICCID = "must be 18 to 22 digits"
EVERY_NAME = "would match every name: it must have characters other than * and ?"
NO_PATTERN = "must be a name with * or ? for what varies"
NO_LIST = "must be a list of names or ids of groups; [] means no groups"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"id": 1, "blockd": True}, f"[0].blockd: blockd: is no field of a SIM; the fields are {FIELDS}"),
    ({"id": 1, "+7700": 1}, f"[0].+7700: a name: is no field of a SIM; the fields are {FIELDS}"),
    ({"id": 1, "a" * 42: 1}, f"[0].{'a' * 42}: a name: is no field of a SIM; the fields are {FIELDS}"),
    ({"blocked": True}, "[0]: must have one of id, iccid, number, name_pattern, in_group"),
    ({"id": 1, "number": "7700000"}, "[0]: must have one of id, iccid, number, name_pattern, in_group"),
    ({"id": 1}, f"[0]: must have at least one of {FIELDS.partition('in_group, ')[2]}"),
    ({"id": True, "name": "A"}, "[0].id: id: must be the vendor's id of a SIM, a whole number"),
    ({"id": 0, "name": "A"}, "[0].id: id: must be 1 to 9223372036854775807"),
    ({"id": "x", "name": "A"}, "[0].id: id: must be the vendor's id of a SIM, a whole number"),
    *(
        ({"iccid": bad, "name": "A"}, f"[0].iccid: iccid: {NO_ICCID}")
        for bad in ("1" * 17, "1" * 23, 1e18, True)
    ),
    *(
        ({"number": bad, "name": "A"}, f"[0].number: number: {NO_NUMBER}")
        for bad in ("123456", "1" * 16, 7700000.5, True)
    ),
    *(
        ({"name_pattern": bad, "name": "A"}, f"[0].name_pattern: name_pattern: {NO_PATTERN}")
        for bad in (5, None)
    ),
    ({"name_pattern": " ", "name": "A"}, "[0].name_pattern: name_pattern: must not be empty"),
    ({"name_pattern": "* ?", "name": "A"}, f"[0].name_pattern: name_pattern: {EVERY_NAME}"),
    *(
        ({"in_group": bad, "name": "A"}, f"[0].in_group: in_group: {NO_GROUP}")
        for bad in (0, True, " ", None, 2.5)
    ),
    ({"id": 1, "blocked": "no"}, "[0].blocked: blocked: must be True or False"),
    *(({"id": 1, "limit_mb": bad}, f"[0].limit_mb: limit_mb: {NO_LIMIT}") for bad in (True, "5", None)),
    ({"id": 1, "package_kb": 20480}, "[0].package_kb: auto_package: must be given with package_kb"),
    ({"id": 1, "auto_package": True}, f"[0].auto_package: package_kb: {NO_TARIFF}"),
    ({"id": 1, "all_world": True}, f"[0].all_world: package_kb: {NO_TARIFF}"),
    ({"id": 1, "package_kb": True, "auto_package": True}, f"[0].package_kb: package_kb: {NO_TARIFF}"),
    (
        {"id": 1, "package_kb": 20480, "auto_package": "yes"},
        "[0].auto_package: auto_package: must be True or False",
    ),
    ({"id": 1, "name": 5}, "[0].name: name: must be a text; put it in quotes"),
    ({"id": 1, "groups": "Trucks"}, f"[0].groups: groups: {NO_LIST}"),
    ({"id": 1, "groups": [3, 3]}, "[0].groups: groups: must not contain a group twice"),
    ({"id": 1, "groups": [3, True]}, f"[0].groups: groups: {NO_GROUP}"),
    ({"id": 1, "exact_groups": True}, "[0].exact_groups: exact_groups: needs groups"),
    (
        {"id": 1, "groups": [], "exact_groups": True},
        "[0].exact_groups: exact_groups: is not needed: groups: [] means no groups",
    ),
    ({"id": 1, "groups": [3], "exact_groups": 1}, "[0].exact_groups: exact_groups: must be True or False"),
]


@pytest.mark.parametrize(("row", "message"), REFUSED, ids=str)
def test_a_wrong_rule_names_the_place_the_field_and_the_rule(row: dict[str, Any], message: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        rule(row)
    assert str(caught.value) == f"desired: {message}"


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"id": 1}, 1),
        ({"id": "7"}, 7),
        ({"iccid": "1" * 18}, "1" * 18),
        ({"iccid": f" {'1' * 22} "}, "1" * 22),
        ({"iccid": 8999700000000000004}, "8999700000000000004"),
        ({"number": 7700000}, "7700000"),
        ({"number": "+7 (700) 000-00.40"}, "+7 (700) 000-00.40"),
        ({"number": "1" * 15}, "1" * 15),
        ({"name_pattern": "T*"}, "T*"),
        ({"in_group": 1}, 1),
        ({"in_group": " Meters "}, "Meters"),
    ],
    ids=str,
)
def test_what_chooses_sims(row: dict[str, Any], wanted: object) -> None:
    found = rule({**row, "blocked": True})
    assert (found.selector, found.wanted, found.place) == (next(iter(row)), wanted, "[0]")
    assert (list(found.settings), found.groups, found.exact_groups) == (["blocked"], None, False)


def test_all_settings_of_a_rule() -> None:
    tariff = {"package_kb": 20480, "auto_package": False, "all_world": True}
    found = rule({"id": 1, "blocked": False, "limit_mb": 0, **tariff, "name": "A", "groups": ("Trucks", 3)})
    assert found.operations == {
        "blocked": Unblock(),
        "limit": SetLimit(0),
        "tariff": SetTariff(20480, False, True),
        "name": Rename("A"),
    }
    assert {type(one) for one in found.operations.values()} == {Unblock, SetLimit, SetTariff, Rename}
    assert list(found.settings) == ["blocked", "limit", "tariff", "name", "groups"]
    assert (found.groups, found.exact_groups) == (["Trucks", 3], False)
    assert type(rule({"id": 1, "blocked": True}).operations["blocked"]) is Block
    for off in ("off", False):
        assert rule({"id": 1, "limit_mb": off}).operations == {"limit": SetLimit(None, "off")}
    assert rule({"id": 1, "groups": [3], "exact_groups": True}).exact_groups is True
    assert rule({"id": 1, "groups": [], "exact_groups": False}).groups == []


def change(
    setting: str, operation: str, arguments: dict[str, Any], before: Any, after: Any, **more: Any
) -> dict[str, Any]:
    """Return a change of SIM 1 as a plan stores it."""
    given = {"setting": setting, "operation": operation, "arguments": arguments}
    usual = {"connectivity": None, "paid": False, "price": None}
    return {"sim_id": 1, **given, "before": before, "after": after, **usual, **more}


LIMIT_5 = {"limit_mb": 5, "limit_type": "month1"}
PACKAGE_20 = {"package_kb": 20480, "auto_package": True, "all_world": None}
TO_LIMIT = change("limit", "limit", LIMIT_5, ["off", None], ["month1", 5])
TO_TARIFF = change(
    *("tariff", "tariff", PACKAGE_20, [["p_unlim", 15], ["TD_Mini", True]], [20, True, None]), paid=True
)


def unblock(*needs: dict[str, Any]) -> dict[str, Any]:
    kept = [{name: one[name] for name in ("operation", "arguments")} for one in needs]
    return change("blocked", "unblock", {}, "u", "n", connectivity="online", needs=kept)


CHANGES: dict[str, tuple[Sim, dict[str, Any], list[dict[str, Any]]]] = {
    "block": (
        sim(1),
        {"blocked": True},
        [change("blocked", "block", {}, "n", "u", connectivity="offline")],
    ),
    "unblock": (sim(1, block="u"), {"blocked": False}, [unblock()]),
    "limit, then unblock": (
        sim(1, block="u"),
        {"blocked": False, "limit_mb": 5},
        [TO_LIMIT, unblock(TO_LIMIT)],
    ),
    "tariff, then unblock": (
        td(1, block="u"),
        {"blocked": False, "package_kb": 20480, "auto_package": True},
        [TO_TARIFF, unblock(TO_TARIFF)],
    ),
    "unblock after a limit that is there": (
        sim(1, block="u", limit={"type": "month1", "value": 5}),
        {"blocked": False, "limit_mb": 5},
        [unblock(TO_LIMIT)],
    ),
    "no limit": (
        sim(1, limit={"type": "month1", "value": 5}),
        {"limit_mb": "off"},
        [
            change(
                *("limit", "limit", {"limit_mb": 0, "limit_type": "off"}, ["month1", 5], ["off", None]),
            )
        ],
    ),
    "no traffic": (
        sim(1, limit=None),
        {"limit_mb": 0},
        [change("limit", "limit", {"limit_mb": 0, "limit_type": "month1"}, None, ["month1", 0])],
    ),
    "more groups": (
        sim(1, 4, 3),
        {"groups": ["New", 5]},
        [
            change(
                *("groups", "group", {"group_ids": [5], "new_group_names": ["New"], "exact": False}),
                *([3, 4], [3, 4, 5, "New"]),
            )
        ],
    ),
    "other groups": (
        sim(1, 4),
        {"groups": [5, "Trucks"], "exact_groups": True},
        [
            change(
                *("groups", "group", {"group_ids": [3, 5], "new_group_names": [], "exact": True}),
                *([4], [3, 5]),
            )
        ],
    ),
    "no groups": (sim(1, 4), {"groups": []}, [change("groups", "group", {"groups": []}, [4], [])]),
    "rename": (sim(1, name=None), {"name": "A"}, [change("name", "rename", {"name": "A"}, None, "A")]),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_as_the_plan_stores_it(case: str) -> None:
    before, row, expected = CHANGES[case]
    found = planned([sim(2), before], {"id": 1, **row})
    assert json.dumps(found.changes, sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert (found.managed, found.changed, found.skipped, found.unknown) == ([1], {1}, [], [])
    assert found.new_groups == (["New"] if case == "more groups" else [])


def test_a_sim_is_changed_group_first_and_name_last() -> None:
    """It is unblocked after what limits its costs. Between SIMs, `PHASES` is the order."""
    everything = {"name": "A", "blocked": False, "limit_mb": 5, "groups": [3]}
    found = changes([sim(1, block="u")], {"id": 1, **everything})
    assert [operation for _, operation, _ in found] == ["group", "limit", "unblock", "rename"]
    tariff = {"package_kb": 20480, "auto_package": True, "groups": [3], "name": "A", "blocked": True}
    found += changes([td(2)], {"id": 2, **tariff})
    assert [operation for _, operation, _ in found[4:]] == ["group", "tariff", "block", "rename"]
    phases = sorted((operation for _, operation, _ in found), key=PHASES.index)
    assert phases == ["block", "group", "group", "limit", "tariff", "unblock", "rename", "rename"]


def test_what_is_so_already_is_left_alone() -> None:
    rows = [
        {"id": 1, "blocked": False, "limit_mb": "off", "groups": ["Trucks"], "name": " Tracker 1"},
        {"id": 2, "groups": [], "package_kb": 15360, "auto_package": True},
    ]
    found = planned([sim(1, 3), td(2)], *rows)
    assert (found.changes, found.skipped, found.managed, found.changed) == ([], [], [1, 2], set())


HELD_BACK = "its limit or tariff cannot be set, so it is not unblocked"
LOCKED = td(1, block="u", tariff={**TARIFF, "change_lock": NOW + 1})
BIGGER = {"package_kb": 20480, "auto_package": True}
SKIPPED: dict[str, tuple[Sim, dict[str, Any], dict[str, str], list[str]]] = {
    "no limit of a TD": (
        td(1, block="u"),
        {"limit_mb": 5, "blocked": False, "name": "A"},
        {"limit": "profile TD: limit is for TC only", "blocked": HELD_BACK},
        ["rename"],
    ),
    "no tariff of a TC": (
        sim(1, block="u"),
        {**BIGGER, "blocked": False},
        {"tariff": "profile TC: tariff is for TD only", "blocked": HELD_BACK},
        [],
    ),
    "a tariff does not hold back a block": (
        sim(1),
        {**BIGGER, "blocked": True},
        {"tariff": "profile TC: tariff is for TD only"},
        ["block"],
    ),
    "a locked tariff": (
        LOCKED,
        {**BIGGER, "blocked": False},
        {"tariff": "its tariff is locked until 1970-01-12T13:46:41+00:00", "blocked": HELD_BACK},
        [],
    ),
    "a tariff whose lock has ended": (
        td(1, tariff={**TARIFF, "change_lock": NOW}),
        BIGGER,
        {},
        ["tariff"],
    ),
    "a block of the operator": (
        sim(1, block="g"),
        {"blocked": False, "groups": [3]},
        {"blocked": "blocked by the operator (g)"},
        ["group"],
    ),
    "one of two": (
        td(1, block="u"),
        {"limit_mb": 5, **BIGGER, "blocked": False},
        {"limit": "profile TD: limit is for TC only", "blocked": HELD_BACK},
        ["tariff"],
    ),
}


@pytest.mark.parametrize("case", SKIPPED)
def test_what_cannot_be_reached_is_skipped_with_the_reason(case: str) -> None:
    """A SIM goes online only if what limits its costs can be set; others are not affected."""
    one, row, reasons, operations = SKIPPED[case]
    found = planned([one, sim(2, block="u")], {"id": 1, **row}, {"id": 2, "blocked": False})
    assert found.skipped == [{"sim_id": 1, "setting": name, "reason": why} for name, why in reasons.items()]
    assert [(change["sim_id"], change["operation"]) for change in found.changes] == [
        *((1, operation) for operation in operations),
        (2, "unblock"),
    ]
    assert found.managed == [1, 2]


def test_groups_are_not_changed_if_the_vendor_does_not_list_them() -> None:
    listed = sim(1).model_dump()
    del listed["groups"]
    for groups in ([], [3]):
        with pytest.raises(TelecomAnswerError, match="SIM 1 is listed without its groups, so none can be"):
            planned([Sim.model_validate(listed)], {"id": 1, "groups": groups})
    assert planned([Sim.model_validate(listed)], {"id": 1, "name": "A"}).changed == {1}


def test_new_groups_are_counted_once_in_order() -> None:
    rows = [{"id": 1, "groups": ["B", "A"]}, {"id": 2, "groups": ["C", "B", 3]}]
    assert planned([sim(1), sim(2)], *rows).new_groups == ["B", "A", "C"]


@pytest.mark.parametrize(
    ("groups", "ids", "new"),
    [
        (["Trucks"], [3], []),
        ([4, "Trucks"], [3, 4], []),
        (["4"], [7], []),  # the name of a group, although it is an id of another one
        (["5"], [5], []),  # an id in quotes, as CSV has it
        (["99"], [], ["99"]),
        (["New", "3"], [3], ["New"]),
    ],
    ids=str,
)
def test_groups_by_id_and_by_name(groups: list[Any], ids: list[int], new: list[str]) -> None:
    found = changes([sim(1)], {"id": 1, "groups": groups})
    assert found == [(1, "group", {"group_ids": ids, "new_group_names": new, "exact": False})]


SIMS = [
    sim(1, 3, number=None, external_number="+7 701 000 0001"),
    sim(2, 3, 4, name="Tracker [2]"),
    sim(3, name=None, number="7 700 000 0003", external_number="+77000000003"),
    sim(4, name="Meter 4 "),
    sim(5, name=None, number="8 700 000 0005"),  # not in E.164
]


@pytest.mark.parametrize(
    ("row", "chosen"),
    [
        ({"id": 1}, [1]),
        ({"id": "2"}, [2]),
        ({"id": 9}, []),
        ({"iccid": 8999700000000000002}, [2]),
        ({"iccid": 8999700000000000009}, []),
        ({"number": "+7-701-000-0001"}, [1]),
        ({"number": "8 (700) 000-00-02"}, [2]),  # as people write it within Kazakhstan
        ({"number": 77000000003}, [3]),
        ({"number": "8 (700) 000-00-05"}, [5]),
        ({"number": "7000000009"}, []),
        ({"name_pattern": "Tracker*"}, [1, 2]),
        ({"name_pattern": "tracker*"}, []),
        ({"name_pattern": "*4"}, [4]),
        ({"name_pattern": "Tracker ?"}, [1]),
        ({"name_pattern": "Tracker"}, []),
        ({"name_pattern": "Tracker [2]"}, [2]),
        ({"name_pattern": "Tracker [1-3]"}, []),
        ({"in_group": 3}, [1, 2]),
        ({"in_group": "Trucks"}, [1, 2]),
        ({"in_group": "Meters"}, [2]),
        ({"in_group": 5}, []),
        ({"in_group": "Nobody"}, []),
    ],
    ids=str,
)
def test_which_sims_a_rule_chooses(row: dict[str, Any], chosen: list[int]) -> None:
    found = planned(SIMS, {**row, "blocked": True})
    assert found.managed == [one["sim_id"] for one in found.changes] == chosen
    assert found.unknown == ([] if chosen else [f"[0]: {next(iter(row))}"])


MANY = [sim(number, number="7000", iccid="1" * 18) for number in range(1, 23)]
FIRST = ", ".join(map(str, range(1, 21)))
CONTRADICTIONS: dict[str, tuple[list[Sim], list[dict[str, Any]], str]] = {
    "two SIMs with a number": (
        [sim(1, number="7000000"), sim(2, number=None, external_number="+7 000 000")],
        [{"number": "7000000", "name": "A"}],
        "[0]: number: several SIMs have it (1, 2): give the id",
    ),
    "many SIMs with an ICCID": (
        MANY,
        [{"iccid": "1" * 18, "name": "A"}],
        f"[0]: iccid: several SIMs have it ({FIRST}): give the id",
    ),
    "two groups with a name": (
        SIMS,
        [{"in_group": "Twins", "name": "A"}],
        "[0]: in_group: is the name of several groups (5, 6): give the id",
    ),
    "no group to choose by": (
        SIMS,
        [{"in_group": 9, "name": "A"}],
        "[0]: in_group: there is no group 9",
    ),
    "two groups with a name to set": (
        SIMS,
        [{"id": 1, "groups": ["Twins"]}],
        "[0]: groups: is the name of several groups (5, 6): give the id",
    ),
    "no group to set": (SIMS, [{"id": 1, "groups": [9]}], "[0]: groups: there is no group 9"),
    "every name": (
        SIMS[:2],
        [{"name_pattern": "T*", "name": "A"}],
        "[0]: name_pattern: matches every SIM of the fleet, which is refused",
    ),
    "one SIM in two rules": (
        SIMS,
        [{"id": 1, "name": "A"}, {"number": "77010000001", "blocked": True}],
        "[1]: SIM 1 has a desired state already, at [0]; it may have one only",
    ),
    "one SIM by its ICCID as well": (
        SIMS,
        [{"iccid": 8999700000000000001, "name": "A"}, {"id": 1, "blocked": True}],
        "[1]: SIM 1 has a desired state already, at [0]; it may have one only",
    ),
    "two limits": (
        SIMS,
        [{"in_group": 3, "limit_mb": 5}, {"name_pattern": "* 1", "limit_mb": 5}],
        "[1]: limit of SIM 1 has a desired state already, at [0]; it may have one only",
    ),
    "groups twice": (
        SIMS,
        [{"in_group": 3, "groups": [4]}, {"id": 2, "groups": []}],
        "[1]: groups of SIM 2 has a desired state already, at [0]; it may have one only",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_is_ambiguous_is_refused(case: str) -> None:
    sims, rows, message = CONTRADICTIONS[case]
    with pytest.raises(TelecomInputError) as caught:
        planned(sims, *rows)
    assert str(caught.value) == f"desired: {message}"


def test_several_rules_may_say_different_things_about_a_sim() -> None:
    rows = [{"in_group": 3, "limit_mb": 5}, {"name_pattern": "T*", "blocked": True}, {"id": 2, "name": "A"}]
    assert [(one, operation) for one, operation, _ in changes(SIMS, *rows)] == [
        *((1, "limit"), (1, "block")),
        *((2, "limit"), (2, "block"), (2, "rename")),
    ]
    assert changes([sim(1)], {"name_pattern": "T*", "name": "A"}) == [(1, "rename", {"name": "A"})]


def test_how_a_sim_is_now() -> None:
    settings = ("blocked", "limit", "tariff", "groups", "name")
    found = [setting_of(td(1, 4, 3), setting) for setting in settings]
    assert found == ["n", ["p_unlim", 15], [["p_unlim", 15], ["TD_Mini", True]], [3, 4], "Tracker 1"]
    bare = td(1, limit=None, tariff=None, groups=None, name=None)
    assert [setting_of(bare, setting) for setting in settings] == ["n", None, [None, None], [], None]


def test_a_plan_notices_what_was_changed_since() -> None:
    now = state_of(td(1, 3), fingerprint)
    assert len(now) == 16
    same: list[dict[str, Any]] = [{"balance": "5"}, {"limit": {**PACKAGE, "used": "4"}}, {"comment": "A"}]
    other: list[dict[str, Any]] = [
        *({"block": "u"}, {"name": "B"}, {"number": "7"}, {"external_number": "7"}, {"iccid": "8"}),
        *({"profile": "TC"}, {"limit": {**PACKAGE, "value": 16}}, {"limit": {**PACKAGE, "type": "p_lim"}}),
        *({"tariff": {**TARIFF, "name": "TD_Mega"}}, {"tariff": {**TARIFF, "package_auto": False}}),
        {"groups": [GROUPS[1]]},
    ]
    assert {state_of(td(1, 3, **given), fingerprint) for given in same} == {now}
    assert len({now, *(state_of(td(1, 3, **given), fingerprint) for given in other)}) == len(other) + 1


def test_what_is_counted() -> None:
    sims = [sim(1), sim(2, block="u"), td(3), sim(4), sim(5)]
    rows: list[dict[str, Any]] = [
        {"id": 1, "blocked": True, "name": "A", "groups": ["New", "Newer"]},
        {"id": 2, "blocked": False},
        {"id": 3, "limit_mb": 5, **BIGGER, "blocked": True},
        {"id": 4, "name": "Tracker 4"},
    ]
    assert counts_of(planned(sims, *rows)) == {
        "sims": 5,
        "managed": 4,
        "changed": 3,
        "unchanged": 1,
        "skipped": 1,
        "offline": 2,
        "online": 1,
        "paid": 1,
        "settings": {"blocked": 3, "groups": 1, "name": 1, "tariff": 1},
        "new_groups": 2,
    }
    assert counts_of(planned([sim(1)], {"id": 9, "name": "A"}))["settings"] == {}
