"""SunSim's hook, operators and transfers under each reading that its document allows."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_telecom.operators.sunsim import (
    SunSimGetVatsSettingsOperator,
    SunSimSetVatsSettingsOperator,
)
from airflow_provider_telecom.simulator.sunsim import Books
from airflow_provider_telecom.simulator.switches import of_vendor
from tests.tasks import Run

NUMBER, VIP_NUMBER = "9000000000", "9000000002"
READINGS = [(one.name, value) for one in of_vendor("sunsim") if one.in_presets for value in one.values[1:]]


@pytest.fixture(params=[*READINGS, ("all", "opposite")], ids="-".join)
def reading(request: pytest.FixtureRequest, telecom_simulator: Any) -> tuple[str, str]:
    """Set one switch, or all of them at once."""
    name, value = request.param
    if name == "all":
        telecom_simulator.reset(preset=value)
    else:
        telecom_simulator.town.set_switch(f"sunsim.{name}", value)
    return name, value


@pytest.fixture
def hook(reading: Any, hook_for: Callable[..., Any]) -> Any:
    return hook_for("sunsim", vendor_timezone="UTC")


@pytest.fixture
def books(hook: Any, telecom_simulator: Any) -> Books:
    found: Books = telecom_simulator.town.books("sunsim", Books)
    return found


def done(simulator: Any, kind: str) -> int:
    return len(simulator.town.ledger.of("sunsim", kind))


class TestSettings:
    def test_what_was_read_can_be_sent_back(self, hook: Any, call: Any, telecom_simulator: Any) -> None:
        before = call(hook.get_vats_settings, [NUMBER, VIP_NUMBER])
        call(hook.set_vats_settings, before.settings)
        assert done(telecom_simulator, "settings") == 1
        assert call(hook.get_vats_settings, [NUMBER, VIP_NUMBER]).settings == before.settings
        call(hook.set_vats_settings, before.settings, expected_hash=before.hash)
        assert done(telecom_simulator, "settings") == 1, "they are so already"

    def test_every_redirect_rings_longer(self, books: Books, telecom_simulator: Any) -> None:
        run = Run()
        read = SunSimGetVatsSettingsOperator(task_id="read", numbers=[NUMBER], return_settings=True)
        before = run.execute(read)
        settings = deepcopy(before["settings"])
        for block in settings[0]["profiles"][0]["scheduleBlocks"]:
            for redirect in block["redirectNums"]:
                redirect["dialTime"] = 45
        arguments = {"settings": settings, "expected_hash": before["hash"]}
        put = SunSimSetVatsSettingsOperator(task_id="set", **arguments)
        assert run.execute(put)["changed"]
        rung = [
            redirect["dialTime"]
            for block in books.settings[NUMBER]["profiles"][0]["scheduleBlocks"]
            for redirect in block["redirectNums"]
        ]
        assert set(rung) == {45}
        assert done(telecom_simulator, "settings") == 1

    @pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
    def test_a_lost_answer_is_settled_by_reading(self, hook: Any, telecom_simulator: Any, fault: str) -> None:
        before = hook.get_vats_settings([NUMBER])
        expected = before.hash
        before.settings[0]["profiles"][0]["scheduleBlocks"][0]["redirectNums"][0]["num"] = "+79001234567"
        telecom_simulator.fault(fault, "sunsim", path="settings/set")
        hook.set_vats_settings(before.settings, expected_hash=expected)
        assert done(telecom_simulator, "settings") == 1
