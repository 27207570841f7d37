"""Switches: which readings of the vendors' documents the simulator follows."""

from __future__ import annotations

import argparse

import httpx
import pytest

from airflow_provider_telecom.simulator.__main__ import switch
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import VENDORS, SimulatorState
from airflow_provider_telecom.simulator.switches import SWITCHES


def values(state: SimulatorState) -> dict[str, str]:
    return {f"{vendor}.{name}": value for vendor in VENDORS for name, value in state.switches(vendor).items()}


def test_each_switch_has_a_vendor_a_meaning_and_values() -> None:
    assert {each.vendor for each in SWITCHES} <= set(VENDORS)
    assert len({each.full_name for each in SWITCHES}) == len(SWITCHES)
    for each in SWITCHES:
        assert each.meaning
        assert len(set(each.values)) == len(each.values) >= 2


def test_presets_set_all_switches() -> None:
    default, opposite = values(SimulatorState()), values(SimulatorState(preset="opposite"))
    assert default == {each.full_name: each.values[0] for each in SWITCHES}
    assert {name for name in default if default[name] == opposite[name]} == {
        each.full_name for each in SWITCHES if not each.in_presets
    }


def test_a_random_preset_is_the_same_for_the_same_seed() -> None:
    drawn = [values(SimulatorState(seed, "random")) for seed in range(8)]
    assert drawn[3] == values(SimulatorState(3, "random"))
    assert len({tuple(found.items()) for found in drawn}) > 4


def test_a_reset_sets_them_back() -> None:
    state = SimulatorState(preset="opposite")
    state.set_switch("ketchup_loyalty.bare_read", "off")
    state.reset()
    assert values(state) == values(SimulatorState())


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("ketchup_loyalty.bare_read", "maybe", "ketchup_loyalty.bare_read must be one of off, on"),
        ("ketchup_loyalty.nothing", "on", "no switch nothing; there are"),
        ("bare_read", "on", "vendor must be one of"),
    ],
)
def test_wrong_names_and_values_are_refused(
    telecom_simulator: Simulator, name: str, value: str, error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        telecom_simulator.state.set_switch(name, value)
    answer = httpx.post(f"{telecom_simulator.url}/_control/switches", json={"name": name, "value": value})
    assert (answer.status_code, error in answer.json()["detail"]) == (422, True)
    with pytest.raises(argparse.ArgumentTypeError):
        switch(f"{name}={value}")


def test_the_control_page_shows_and_sets_them(telecom_simulator: Simulator) -> None:
    url = f"{telecom_simulator.url}/_control"
    httpx.post(
        f"{url}/switches", json={"name": "ketchup_loyalty.bare_read", "value": "on"}
    ).raise_for_status()
    shown = {f"{row['vendor']}.{row['name']}": row["value"] for row in httpx.get(f"{url}/switches").json()}
    assert shown == values(SimulatorState()) | {"ketchup_loyalty.bare_read": "on"}
    httpx.post(f"{url}/reset", json={"preset": "opposite"}).raise_for_status()
    assert values(telecom_simulator.state) == values(SimulatorState(preset="opposite"))


def test_the_command_reads_them() -> None:
    assert switch("ketchup_loyalty.bare_read=on") == ("ketchup_loyalty.bare_read", "on")
