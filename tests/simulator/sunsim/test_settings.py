"""The simulated SunSim's settings of the virtual PBX."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_telecom.simulator.sunsim import responses
from tests.simulator.sunsim.vendor import NUMBER, Vendor, accepted, refused

GET, SET = "Vats/settings/get", "Vats/settings/set"
VIP_NUMBER = "9000000002"
Settings = dict[str, Any]
Edit = Callable[[Settings], Any]


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.create()
    return vendor


def read(vendor: Vendor, number: str = NUMBER) -> Settings:
    settings: Settings = accepted(vendor.post(GET, {"nums": [number]}), GET)["vatsSettings"][0]
    return settings


def edited(settings: Settings, edit: Edit) -> Settings:
    settings = deepcopy(settings)
    edit(settings)
    return settings


def block(settings: Settings, place: int = 0) -> Settings:
    found: Settings = settings["profiles"][0]["scheduleBlocks"][place]
    return found


def times(settings: Settings, day: str, place: int = 0) -> list[Any]:
    found: list[Any] = block(settings, place)["scheduleJson"]["schedule"]["days"][day]["times"]
    return found


def refusal(vendor: Vendor, edit: Edit, number: str = NUMBER) -> int:
    """Return the code with which an edit is refused, after which nothing has changed."""
    before = read(vendor, number)
    code = refused(vendor.post(SET, {"vatsSettings": [edited(before, edit)]}))
    assert read(vendor, number) == before
    assert vendor.effects("settings") == []
    return code


def test_get(vendor: Vendor) -> None:
    result = accepted(vendor.post(GET, {"nums": [NUMBER, VIP_NUMBER]}), GET)
    first, second = result["vatsSettings"]
    assert set(first) == {"profiles", "contractNum", "num", "vatsModeCode", "vatsModeTerm"}
    assert (first["num"], second["num"]) == (NUMBER, VIP_NUMBER)
    assert set(first["profiles"][0]) == {"scheduleBlocks", "id", "isUseCalendar", "workdayDefDay"}
    assert set(block(first)) == {
        "scheduleJson",
        "redirectNums",
        "id",
        "typTerm",
        "isActive",
        "nameTerm",
        "dialModeCode",
        "dialModeTerm",
    }
    assert times(first, "1") == [{"time_start": 32_400, "time_end": 64_800}]
    assert len(second["profiles"]) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"nums": []}, responses.BAD_VALUE),
        ({"nums": ["89000000000"]}, responses.BAD_VALUE),
        ({"nums": ["9000000009"]}, responses.NOT_YOUR_NUMBER),
        ({}, responses.MISSING_FIELD),
        ({"nums": [NUMBER], "num": NUMBER}, responses.UNKNOWN_FIELD),
    ],
)
def test_wrong_get(vendor: Vendor, body: Any, code: int) -> None:
    assert refused(vendor.post(GET, body)) == code


def test_set(vendor: Vendor) -> None:
    def later(settings: Settings) -> None:
        times(settings, "1")[0]["time_start"] = times(settings, "1", 1)[0]["time_end"] = 36_000
        block(settings)["dialModeCode"] = 21
        block(settings)["redirectNums"][0]["dialTime"] = 90

    new = edited(read(vendor), later)
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    after = read(vendor)
    assert after == edited(new, lambda one: block(one).update(dialModeTerm="Равномерная нагрузка"))
    (effect,) = vendor.effects("settings")
    assert effect.facts == {"nums": [NUMBER]}


def test_unchanged_settings_are_taken(vendor: Vendor) -> None:
    before = [read(vendor, number) for number in (NUMBER, VIP_NUMBER)]
    accepted(vendor.post(SET, {"vatsSettings": before}), SET)
    assert [read(vendor, number) for number in (NUMBER, VIP_NUMBER)] == before


def test_all_or_nothing(vendor: Vendor) -> None:
    good = edited(read(vendor), lambda one: block(one).update(isActive=0))
    bad = edited(read(vendor, VIP_NUMBER), lambda one: block(one).update(isActive=2))
    assert refused(vendor.post(SET, {"vatsSettings": [good, bad]})) == responses.BAD_VALUE
    assert block(read(vendor))["isActive"] == 1


@pytest.mark.parametrize("number", [9001234567, "9001234567", "89001234567", "+79001234567"])
def test_redirect_numbers(vendor: Vendor, number: int | str) -> None:
    new = edited(read(vendor), lambda one: block(one)["redirectNums"][0].update(num=number))
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    assert block(read(vendor))["redirectNums"][0]["num"] == number


def test_plain_redirects(vendor: Vendor) -> None:
    vendor.vendor_state.switches.turn_on("plain_redirects")
    new = edited(read(vendor), lambda one: block(one)["redirectNums"][0].update(num="+79001234567"))
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    assert block(read(vendor))["redirectNums"][0]["num"] == 9001234567


def test_new_redirect_gets_an_id(vendor: Vendor) -> None:
    redirect = {"id": 0, "num": "9001234567", "name": "New", "isActive": 1, "isMlp": 0, "dialTime": 0}
    new = edited(read(vendor), lambda one: block(one)["redirectNums"].append(redirect))
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    ids = [redirect["id"] for redirect in block(read(vendor))["redirectNums"]]
    assert 0 not in ids
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: times(one, "1")[0].update(time_start=32_399),
        lambda one: times(one, "1")[0].update(time_start=32_401),
        lambda one: times(one, "6", 1).clear(),
        lambda one: times(one, "6", 1)[0].update(time_end=86_399),
        lambda one: times(one, "6", 1)[0].update(time_start=1),
        lambda one: times(one, "6", 1).append({"time_start": 86_400, "time_end": 86_400}),
        lambda one: times(one, "6").append({"time_start": 0, "time_end": 86_400}),
    ],
)
def test_times_cover_each_day_once(vendor: Vendor, edit: Edit) -> None:
    assert refusal(vendor, edit) == responses.BAD_SCHEDULE


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: times(one, "1")[0].update(time_end=86_401),
        lambda one: times(one, "1")[0].update(time_start="0"),
        lambda one: times(one, "1").append([0, 1]),
        lambda one: block(one).update(dialModeCode=3),
        lambda one: block(one).update(isActive=True),
        lambda one: block(one)["redirectNums"][0].update(dialTime=91),
        lambda one: block(one)["redirectNums"][0].update(dialTime=-1),
        lambda one: block(one)["redirectNums"][0].update(num="380670000200"),
        lambda one: block(one)["redirectNums"][0].update(num="79001234567"),
        lambda one: one["profiles"][0].update(isUseCalendar=2),
        lambda one: one["profiles"][0].update(isUseCalendar=1, workdayDefDay=8),
        lambda one: one["profiles"][0].update(isUseCalendar=1, workdayDefDay=0),
        lambda one: one.update(profiles={}),
    ],
)
def test_wrong_values(vendor: Vendor, edit: Edit) -> None:
    assert refusal(vendor, edit) == responses.BAD_VALUE


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(contractNum="1"),
        lambda one: one.update(vatsModeCode=2),
        lambda one: one["profiles"][0].update(id=99),
        lambda one: one["profiles"].append(one["profiles"][0]),
        lambda one: block(one).update(id=99),
        lambda one: one["profiles"][0]["scheduleBlocks"].pop(),
        lambda one: block(one)["redirectNums"][0].update(id=99),
        lambda one: block(one)["redirectNums"].append(block(one)["redirectNums"][0]),
        lambda one: one["profiles"][0].update(workdayDefDay=1),
    ],
)
def test_not_editable(vendor: Vendor, edit: Edit) -> None:
    assert refusal(vendor, edit) == responses.NOT_EDITABLE


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.update(extra=1),
        lambda one: one["profiles"][0].update(extra=1),
        lambda one: block(one).update(extra=1),
        lambda one: block(one)["redirectNums"][0].update(extra=1),
        lambda one: block(one)["scheduleJson"]["schedule"]["days"].update({"8": {"times": []}}),
        lambda one: times(one, "1")[0].update(extra=1),
    ],
)
def test_unknown_fields(vendor: Vendor, edit: Edit) -> None:
    assert refusal(vendor, edit) == responses.UNKNOWN_FIELD


@pytest.mark.parametrize(
    "edit",
    [
        lambda one: one.pop("contractNum"),
        lambda one: block(one).pop("redirectNums"),
        lambda one: block(one)["scheduleJson"]["schedule"]["days"].pop("7"),
    ],
)
def test_missing_fields(vendor: Vendor, edit: Edit) -> None:
    assert refusal(vendor, edit) == responses.MISSING_FIELD


def test_the_key_is_vats_settings(vendor: Vendor) -> None:
    settings = [read(vendor)]
    assert refused(vendor.post(SET, {"vatssettings": settings})) == responses.UNKNOWN_FIELD
    assert refused(vendor.post(SET, {"vatsSettings": settings, "nums": [NUMBER]})) == responses.UNKNOWN_FIELD
    assert refused(vendor.post(SET, {"vatsSettings": settings * 2})) == responses.BAD_VALUE


def test_workday_needs_the_calendar(vendor: Vendor) -> None:
    new = edited(read(vendor), lambda one: one["profiles"][0].update(isUseCalendar=1, workdayDefDay=5))
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    assert read(vendor)["profiles"][0]["workdayDefDay"] == 5


def test_vip_profile_is_not_editable(vendor: Vendor) -> None:
    vip: Edit = lambda one: one["profiles"][1]["scheduleBlocks"][0].update(isActive=0)  # noqa: E731
    assert refusal(vendor, vip, VIP_NUMBER) == responses.NOT_EDITABLE
    new = edited(read(vendor, VIP_NUMBER), lambda one: block(one).update(isActive=0))
    accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
    assert block(read(vendor, VIP_NUMBER))["isActive"] == 0


class TestReadings:
    """What the switches make of the settings."""

    def test_settings_as_in_the_sample_may_be_sent_back(self) -> None:
        vendor = switched("sample_settings", "on")
        before = read(vendor)
        assert [one["num"] for one in block(before)["redirectNums"]] == [9000000101, 0]
        assert block(before, 1)["redirectNums"] == []
        assert (block(before, 1)["dialModeCode"], before["profiles"][0]["workdayDefDay"]) == (0, 1)
        accepted(vendor.post(SET, {"vatsSettings": [before]}), SET)
        assert read(vendor) == before
        new = edited(before, lambda one: block(one)["redirectNums"][1].update(dialTime=45))
        accepted(vendor.post(SET, {"vatsSettings": [new]}), SET)
        assert read(vendor) == new

    @pytest.mark.parametrize(
        "edit",
        [
            lambda one: block(one)["redirectNums"][0].update(num=0),
            lambda one: block(one).update(dialModeCode=0),
            lambda one: one["profiles"][0].update(workdayDefDay=2),
            lambda one: times(one, "1").append({"time_start": 5, "time_end": 5}),
        ],
    )
    def test_an_edit_of_them_keeps_to_the_rules(self, edit: Edit) -> None:
        assert refusal(switched("sample_settings", "on"), edit)

    def test_times_with_their_last_second(self) -> None:
        vendor = switched("last_seconds", "on")
        assert times(read(vendor), "1") == [{"time_start": 32_400, "time_end": 64_799}]

        def later(settings: Settings) -> None:
            times(settings, "1")[0]["time_start"] = 36_000
            times(settings, "1", 1)[0]["time_end"] = 35_999

        assert (
            refusal(vendor, lambda one: times(one, "1")[0].update(time_end=64_800)) == responses.BAD_SCHEDULE
        )
        accepted(vendor.post(SET, {"vatsSettings": [edited(read(vendor), later)]}), SET)

    def test_the_key_in_small_letters(self) -> None:
        vendor = switched("settings_key", "vatssettings")
        (before,) = accepted(vendor.post(GET, {"nums": [NUMBER]}), GET)["vatssettings"]
        assert refused(vendor.post(SET, {"vatsSettings": [before]})) == responses.UNKNOWN_FIELD
        accepted(vendor.post(SET, {"vatssettings": [before]}), SET)

    def test_numbers_with_an_8_in_front(self) -> None:
        vendor = switched("long_numbers", "on")
        before = read(vendor)
        assert before["num"] == f"8{NUMBER}"
        accepted(vendor.post(SET, {"vatsSettings": [before]}), SET)
        assert read(vendor) == before


def switched(name: str, value: str) -> Vendor:
    vendor = Vendor()
    vendor.state.set_switch(f"sunsim.{name}", value)
    vendor.create()
    return vendor
