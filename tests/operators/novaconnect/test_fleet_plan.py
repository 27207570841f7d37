"""The plan of a fleet: what it finds, what it refuses, and that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect import NovaConnectFleetOperator
from airflow_provider_telecom.simulator.novaconnect import VendorState
from tests.running import Run

DESIRED = """\
version: 1
company_id: 77
sims:
  - id: 1001                      # TD, not blocked
    blocked: true
  - iccid: 8999700000000000004    # the fifth SIM, voluntarily blocked
    blocked: false
    package_kb: 20480
    auto_package: false
  - number: "+7 700 000 0040"     # TC
    limit_mb: 500
    groups: [Trucks, New]
    exact_groups: true
  - name_pattern: "Tracker 4?"
    name: Spare
  - in_group: Meters
    limit_mb: off
"""


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    for place, sim in enumerate(found.sims.values()):
        sim.groups = [list(found.groups)[3]] if place in (1, 45) else []
    return found


def plan(folder: Path, desired: Any, **more: Any) -> NovaConnectFleetOperator:
    given = {"task_id": "plan", "mode": "plan", "desired": desired, "plan_path": str(folder / "plan.json")}
    return NovaConnectFleetOperator(**{**given, **more})


def changing(simulator: Any) -> list[str]:
    reading = ("sim/list", "group/list", "company/get")
    return [seen.path for seen in simulator.state.requests if not seen.path.endswith(reading)]


def test_it_stores_what_would_change_and_changes_nothing(
    tmp_path: Path, vendor_state: VendorState, telecom_simulator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor_state.sims[1005].block = "u"
    vendor_state.sims[1041].block = "n"
    xcom = Run().execute(plan(tmp_path, DESIRED))
    logged = capsys.readouterr().out
    assert changing(telecom_simulator) == []
    stored = json.loads((tmp_path / "plan.json").read_text())
    named = [number for number in range(1040, 1051) if vendor_state.sims[number].name]
    found = {(one["sim_id"], one["setting"]): (one["before"], one["after"]) for one in stored["changes"]}
    trucks = next(group.id for group in vendor_state.groups.values() if group.name == "Trucks")
    assert found[1001, "blocked"] == ("n", "u")
    assert found[1005, "blocked"] == ("u", "n")
    assert found[1005, "tariff"][1] == [20, False, None]
    assert found[1041, "limit"] == (["off", None], ["month1", 500])
    assert found[1041, "groups"] == ([], [trucks, "New"])
    renamed = [sim for sim, setting in found if setting == "name"]
    assert renamed == [sim for sim in named if str(vendor_state.sims[sim].name).startswith("Tracker 4")]
    assert stored["skipped"] == [
        {"sim_id": 1002, "setting": "limit", "reason": "profile TD: limit is for TC only"}
    ]
    assert xcom == {
        "mode": "plan",
        "plan": str(tmp_path / "plan.json"),
        "plan_sha256": stored["sha256"],
        "company_id": 77,
        "sims": 60,
        "managed": len({*renamed, 1001, 1005, 1041, 1002, 1046}),
        "changed": len({*renamed, 1001, 1005, 1041}),
        "unchanged": len({*renamed, 1001, 1005, 1041, 1002, 1046}) - len({*renamed, 1001, 1005, 1041}),
        "skipped": 1,
        "offline": 1,
        "online": 1,
        "paid": 1,
        "settings": {"blocked": 2, "groups": 1, "limit": 1, "name": len(renamed), "tariff": 1},
        "new_groups": 1,
    }
    assert "~ 1001  blocked  not blocked -> blocked" in logged
    assert "goes offline" in logged
    assert "may buy a package" in logged
    for hidden in ("Spare", "8999700", "77000000", "Tracker"):
        assert hidden not in logged + str(xcom)


def test_the_desired_state_of_the_how_to_fits_the_simulator(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "howto" / "fleet-as-code.md").read_text()
    xcom = Run().execute(plan(tmp_path, text.partition("```yaml\n")[2].partition("```")[0]))
    assert f"{xcom['sims']} SIMs, {xcom['managed']} in the desired state" in text
    assert f"Plan: {xcom['changed']} SIMs to change, {xcom['unchanged']} unchanged" in text


def test_csv_and_lists_say_the_same(tmp_path: Path, vendor_state: VendorState) -> None:
    rows = [
        {"id": 1001, "blocked": True},
        {"number": 77000000040, "limit_mb": "off", "groups": ["Trucks", "New"]},
        {"iccid": "8999700000000000001", "package_kb": 20480, "auto_package": True, "name": "A;B"},
    ]
    file = tmp_path / "fleet.csv"
    file.write_text(
        "id,number,iccid,blocked,limit_mb,groups,package_kb,auto_package,name\n"
        "1001,,,true,,,,,\n,77000000040,,,off,Trucks;New,,,\n\n,,8999700000000000001,,,,20480,TRUE,A;B\n"
    )
    (tmp_path / "fleet.yaml").write_text(json.dumps({"version": 1, "sims": rows}))
    found = []
    for desired in (rows, str(file), str(tmp_path / "fleet.yaml")):
        Run().execute(plan(tmp_path, desired))
        found.append(json.loads((tmp_path / "plan.json").read_text())["changes"])
    assert len(found[0]) == 4
    assert found[0] == found[1] == found[2]


SIM = "version: 1\nsims:\n  - id: 1001\n    blocked: true\n"
REFUSED = {
    "unknown field": (f"{SIM}    blockd: true\n", "line 5, column 5: blockd: is no field of a SIM"),
    "wrong type": (
        "version: 1\nsims:\n  - id: 1001\n    blocked: 'yes'",
        "line 4, column 14: blocked: must be True",
    ),
    "wrong limit": ("version: 1\nsims:\n- {id: 1, limit_mb: -1}", "line 3, column 21: limit_mb: must be"),
    "half a tariff": (
        "version: 1\nsims:\n- {id: 1, package_kb: 15360}",
        "column 23: auto_package: must be given with",
    ),
    "no selector": ("version: 1\nsims:\n- {blocked: true}", "line 3, column 3: must have one of id, iccid"),
    "two selectors": (
        "version: 1\nsims:\n- {id: 1, in_group: A, blocked: true}",
        "must have one of id, iccid",
    ),
    "nothing to set": ("version: 1\nsims:\n- {id: 1}", "line 3, column 3: must have at least one of blocked"),
    "every name": (
        "version: 1\nsims:\n- {name_pattern: '*?', blocked: true}",
        "column 18: name_pattern: would match",
    ),
    "a name twice": (
        "version: 1\nsims:\n- {id: 1, id: 2, blocked: true}",
        "line 3, column 11: id: is given twice",
    ),
    "no version": ("sims:\n- {id: 1, blocked: true}", "line 1, column 1: version: must be 1"),
    "another version": ("version: 2\nsims: []", "line 1, column 10: version: must be 1"),
    "no list": ("version: 1\nsims: {}", "line 2, column 7: sims: must be a list"),
    "no YAML": ("version: 1\nsims: [", "line 3, column 1: is no YAML"),
    "unknown key": ("version: 1\nfleet: []", "line 2, column 1: fleet: is no key"),
    "nested": (
        "version: 1\nsims:\n- {id: 1, groups: [[1]]}",
        "line 3, column 19: must be a list of plain values",
    ),
    "bad group": (
        "version: 1\nsims:\n- {id: 1, groups: [2.5]}",
        "column 19: groups: must be the id or the name",
    ),
    "exact none": (
        "version: 1\nsims:\n- {id: 1, groups: [], exact_groups: true}",
        "exact_groups: is not needed",
    ),
    "no text": ("version: 1\nsims:\n- {id: 1, name: 5}", "column 17: name: must be a text"),
    "nested deeply": ("version: 1\nsims: " + "[" * 100_000, "line 2, column 26: is nested too deeply"),
    "no date": (
        "version: 1\nsims:\n- {id: 1, name: 2026-13-45}",
        "column 17: is no value of YAML; put a text",
    ),
    "a tag": ("version: 1\nsims:\n- {id: 1, name: !!python/name:os.abort x}", "column 17: is no YAML"),
    "an octal number": (
        "version: 1\nsims:\n- {id: 1, limit_mb: 0500}",
        "line 3, column 21: must be a whole number",
    ),
    "an octal id": ("version: 1\nsims:\n- {id: 01041, name: A}", "line 3, column 8: must be a whole number"),
    "a time": (
        "version: 1\nsims:\n- {id: 1, limit_mb: 1:30}",
        "column 21: must be a whole number in plain digits",
    ),
    "an octal group": ("version: 1\nsims:\n- {id: 1, groups: [010]}", "column 20: must be a whole number"),
    "bad number": (
        "version: 1\nsims:\n- {number: 12ab, blocked: true}",
        "column 12: number: must be a telephone",
    ),
    "bad ICCID": (
        "version: 1\nsims:\n- {iccid: 12, blocked: true}",
        "column 11: iccid: must be 18 to 22 digits",
    ),
    "bad company": ("version: 1\ncompany_id: x\nsims: []", "line 2, column 13: company_id: must be"),
    "empty": ("version: 1\nsims: []", "line 2, column 7: sims: must have at least one SIM"),
}


@pytest.mark.parametrize(("text", "rule"), REFUSED.values(), ids=REFUSED)
def test_a_bad_desired_state_is_refused_when_the_dag_is_parsed(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rf"desired: .*{rule}") as caught:
        plan(tmp_path, text)
    assert "12ab" not in str(caught.value)


REFUSED_ROWS = {
    "a number": ([{"id": 1001, "blocked": True}, 5], r"\[1\]: must be a mapping"),
    "no list": (5, "must be a list of mappings"),
    "an empty list": ([], "at least one SIM"),
    "a bad field": ([{"id": True, "blocked": True}], r"\[0\]: id: must be the vendor's id"),
}


@pytest.mark.parametrize(("rows", "rule"), REFUSED_ROWS.values(), ids=REFUSED_ROWS)
def test_a_bad_list_is_refused_when_the_dag_is_parsed(tmp_path: Path, rows: Any, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        plan(tmp_path, rows)


REFUSED_FLEETS = {
    "another company": ("version: 1\ncompany_id: 5\nsims: [{id: 1001, blocked: true}]", "company_id: is 5"),
    "one SIM twice": (
        [{"id": 1001, "blocked": True}, {"number": "77000000000", "name": "A"}],
        "SIM 1001 has",
    ),
    "two limits": (
        [{"in_group": "Meters", "limit_mb": 5}, {"id": 1046, "limit_mb": 6}],
        r"\[1\]: limit of SIM 1046 has a desired state already, at \[0\]",
    ),
    "an unknown SIM": (
        [{"id": 5, "blocked": True}],
        r"1 rules match no SIM, so nothing is planned: \[0\]: id",
    ),
    "an unknown group": ([{"in_group": 5, "blocked": True}], "in_group: there is no group 5"),
    "groups of no vendor": ([{"id": 1001, "groups": [5]}], "groups: there is no group 5"),
    "every SIM": ([{"name_pattern": "S*", "blocked": True}], "name_pattern: matches every SIM of the fleet"),
}


@pytest.mark.parametrize(("desired", "rule"), REFUSED_FLEETS.values(), ids=REFUSED_FLEETS)
def test_what_does_not_fit_the_fleet_is_refused(
    tmp_path: Path, vendor_state: VendorState, telecom_simulator: Any, desired: Any, rule: str
) -> None:
    for sim in vendor_state.sims.values():
        sim.name = "S"
    with pytest.raises(TelecomInputError, match=rule):
        Run().execute(plan(tmp_path, desired))
    assert changing(telecom_simulator) == []
    assert not (tmp_path / "plan.json").exists()


def test_a_bad_csv_names_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "fleet.csv"
    for text, rule in (
        ("id,blocked\n1001,maybe\n", "line 2, column 2: blocked: must be True or False"),
        ("id,blocked\n1001\n", "line 2: must have 2 cells; it has 1"),
        ("id,blocked,id\n", "line 1: each column must be one of"),
        ('id,blocked\n"1001,true', "line 2: is no CSV"),
    ):
        file.write_text(text)
        with pytest.raises(TelecomInputError, match=rule):
            Run().execute(plan(tmp_path, str(file)))


def test_only_asterisk_and_question_mark_are_wildcards(tmp_path: Path, vendor_state: VendorState) -> None:
    vendor_state.sims[1001].name, vendor_state.sims[1002].name = "Meter [1] a", "Meter 1 a"
    Run().execute(plan(tmp_path, [{"name_pattern": "Meter [1]*", "name": "B"}]))
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert [change["sim_id"] for change in stored["changes"]] == [1001]


def test_the_table_shows_ids_of_any_length(
    tmp_path: Path, vendor_state: VendorState, capsys: pytest.CaptureFixture[str]
) -> None:
    sim = vendor_state.sims.pop(1060)
    sim.id, sim.block = 38134691007, "n"
    vendor_state.sims[sim.id] = sim
    Run().execute(plan(tmp_path, [{"id": sim.id, "blocked": True, "groups": ["77000000040"]}]))
    logged = capsys.readouterr().out
    assert "~ 38134691007  blocked" in logged
    assert "Plan: 1 SIMs to change, 0 unchanged, 0 with skipped settings, 1 new groups" in logged
    assert "      1 go offline, 0 come online, 0 may buy a package" in logged
    assert "77000000040" not in logged


def test_rules_without_a_sim_can_be_skipped(tmp_path: Path) -> None:
    xcom = Run().execute(
        plan(tmp_path, [{"id": 5, "blocked": True}, {"id": 1001, "name": "A"}], on_unknown_sims="skip")
    )
    assert (xcom["managed"], xcom["changed"]) == (1, 1)


def test_unblocking_waits_for_a_limit_that_cannot_be_set(tmp_path: Path, vendor_state: VendorState) -> None:
    vendor_state.sims[1001].block = "u"
    xcom = Run().execute(plan(tmp_path, [{"id": 1001, "limit_mb": 5, "blocked": False}]))
    stored = json.loads((tmp_path / "plan.json").read_text())
    assert (xcom["changed"], xcom["skipped"]) == (0, 1)
    assert [one["setting"] for one in stored["skipped"]] == ["limit", "blocked"]


def test_the_desired_state_is_not_shown(tmp_path: Path) -> None:
    operator = plan(tmp_path, [{"id": 1001, "name": "Olena"}])
    Run().execute(operator)
    shown = str(_serialize_rendered_fields(operator))
    assert "Olena" not in shown
    assert "plan.json" in shown


@pytest.mark.long
def test_ten_thousand_sims_are_planned_with_few_requests(
    tmp_path: Path, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    vendor_state.add_sims(10_000 - len(vendor_state.sims))
    for sim in vendor_state.sims.values():
        sim.block = "n"
    rows = [f"{sim_id},true,SIM {sim_id}" for sim_id in vendor_state.sims]
    file = tmp_path / "fleet.csv"
    file.write_text("\n".join(["id,blocked,name", *rows]))
    telecom_simulator.state.requests.clear()
    xcom = Run().execute(plan(tmp_path, str(file), max_changes=None))
    assert (xcom["changed"], xcom["offline"]) == (10_000, 10_000)
    assert len(telecom_simulator.state.requests) <= 25
