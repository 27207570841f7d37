"""Promos with quiet hours: one for each text of time zones, started once, while its window is open."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.operators.kyivstar_open_telecom.create_promo import KyivstarCreatePromoOperator
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState
from tests.bulk.audiences import prepare_audience
from tests.operators.fake_clock import KilledError, World, one_try
from tests.running import Run

QUIET = ("21:00", "09:00")
KYIV, LISBON, KAMCHATKA = "380670000201", "380670000202", "380670000203"
PEOPLE = [
    {"msisdn": KYIV, "tz": "", "name": "N1"},
    {"msisdn": LISBON, "tz": "Europe/Lisbon", "name": "N2"},
    {"msisdn": KAMCHATKA, "tz": "Asia/Kamchatka", "name": "N3"},
]
ZONES = {KYIV: "Europe/Kyiv", LISBON: "Europe/Lisbon", KAMCHATKA: "Asia/Kamchatka"}
AUTUMN, SPRING = datetime(2026, 10, 22, tzinfo=UTC), datetime(2027, 3, 25, tzinfo=UTC)


@pytest.fixture
def world(fake_clock: World, hook_for: Callable[..., Any]) -> World:
    hook_for("kyivstar_open_telecom")
    return fake_clock


def promo(**more: Any) -> KyivstarCreatePromoOperator:
    arguments = {"recipients": PEOPLE, "text": "Hi", "start": True, "quiet_hours": QUIET, "deferrable": True}
    return KyivstarCreatePromoOperator(task_id="send", **{**arguments, "timezone_column": "tz", **more})


def started(simulator: Any) -> dict[str, datetime]:
    """Return when the promo of each number was started. Each is started once."""
    promos = simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos
    effects = simulator.state.ledger.of("kyivstar_open_telecom", "promo_started")
    found = [(number, effect.at) for effect in effects for number, _ in promos[effect.facts["id"]].audience]
    assert len(dict(found)) == len(found), "somebody is in two promos that were started"
    return dict(found)


def local(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %H:%M}"


def test_each_time_zone_has_its_promo(telecom_simulator: Any, world: World) -> None:
    world.at = datetime(2026, 12, 1, 5, tzinfo=UTC)
    run = Run()
    found = one_try(run, promo(text="Hi ${1}", param_columns=["name"]), world)
    assert "promo_id" not in found
    assert [(one["timezone"], one["variant"], one["recipients"]) for one in found["promos"]] == [
        ("Asia/Kamchatka", None, 1),
        ("Europe/Kyiv", None, 1),
        ("Europe/Lisbon", None, 1),
    ]
    assert (found["recipients"], found["started"]) == (3, True)
    at = started(telecom_simulator)
    assert local(at[KAMCHATKA], "Asia/Kamchatka") == "Tue 17:00"
    assert local(at[KYIV], "Europe/Kyiv") == "Tue 09:00"
    assert local(at[LISBON], "Europe/Lisbon") == "Tue 09:00"
    assert world.waits == 2
    promos = telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos
    assert {row for one in promos.values() for row in one.audience} == {
        (person["msisdn"], (person["name"],)) for person in PEOPLE
    }
    assert one_try(run, promo(text="Hi ${1}", param_columns=["name"]), world) == found
    assert started(telecom_simulator) == at
    assert len(promos) == 3


def test_one_time_zone_is_one_promo(telecom_simulator: Any, world: World) -> None:
    """It has the journal's entries of a promo without quiet hours, which may cease or begin."""
    world.at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    run, arguments = Run(), {"recipients": [KYIV], "timezone_column": None}
    found = one_try(run, promo(**arguments), world)
    assert found["promo_id"] == found["promos"][0]["promo_id"]
    assert local(started(telecom_simulator)[KYIV], "Europe/Kyiv") == "Wed 09:00"
    without = one_try(run, promo(**arguments, quiet_hours=None), world)
    assert without["promo_id"] == found["promo_id"]
    assert "promos" not in without
    assert len(started(telecom_simulator)) == 1


ROWS = [
    {"msisdn": KYIV, "variant": "A", "timezone": "Europe/Kyiv", "name": "N1"},
    {"msisdn": "380670000204", "variant": "B", "timezone": "Europe/Kyiv", "name": "N4"},
    {"msisdn": LISBON, "variant": "B", "timezone": "Europe/Lisbon", "name": "N2"},
]
TEXTS = {"A": "Hi ${1}", "B": "Hello ${1}"}


def test_each_variant_and_time_zone_has_its_promo(
    telecom_simulator: Any, world: World, tmp_path: Path
) -> None:
    audience, results = prepare_audience(tmp_path / "audience", ROWS), tmp_path / "results.parquet"
    arguments = {"recipients": audience, "text": TEXTS, "param_columns": ["name"], "timezone_column": None}
    world.at = datetime(2026, 12, 1, 7, tzinfo=UTC)
    run = Run()
    found = one_try(run, promo(**arguments, results_path=str(results)), world)
    assert [(one["variant"], one["timezone"], one["recipients"]) for one in found["promos"]] == [
        ("A", "Europe/Kyiv", 1),
        ("B", "Europe/Kyiv", 1),
        ("B", "Europe/Lisbon", 1),
    ]
    promos = telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos
    sent = {number: (one.text, values) for one in promos.values() for number, values in one.audience}
    assert sent == {row["msisdn"]: (TEXTS[row["variant"]], (row["name"],)) for row in ROWS}
    at = started(telecom_simulator)
    assert local(at[LISBON], "Europe/Lisbon") == "Tue 09:00"
    lines = list(read_outcomes(ObjectStoragePath(str(results))))
    ids = {(one["variant"], one["timezone"]): one["promo_id"] for one in found["promos"]}
    assert [(line["msisdn"], line["state"], line["reference"], line["variant"]) for line in lines] == [
        (row["msisdn"], "accepted", ids[row["variant"], row["timezone"]], row["variant"]) for row in ROWS
    ]
    assert {(line["run"], line["channel"]) for line in lines} == {("dag/manual__1/send", "sms")}
    assert {path.name for path in tmp_path.iterdir()} == {"audience", "results.parquet"}
    with pytest.raises(TelecomInputError, match=r"^dedupe_key: "):
        one_try(run, promo(**{**arguments, "text": {"A": "Hi ${1}", "B": "Other ${1}"}}), world)
    with pytest.raises(TelecomInputError, match=r"^quiet_hours: an earlier try has started"):
        one_try(run, promo(**{**arguments, "variants": "A"}), world)


def test_one_variant_and_without_quiet_hours(telecom_simulator: Any, world: World, tmp_path: Path) -> None:
    arguments = {
        "recipients": prepare_audience(tmp_path / "audience", ROWS),
        "quiet_hours": None,
        "timezone_column": None,
        "param_columns": ["name"],
    }
    both = one_try(Run("1"), promo(**arguments, text=TEXTS), world)
    assert [(one["variant"], one["timezone"], one["recipients"]) for one in both["promos"]] == [
        ("A", None, 1),
        ("B", None, 2),
    ]
    one = one_try(Run("2"), promo(**arguments, text={"B": "Hello ${1}"}, variants="B"), world)
    assert (one["recipients"], one["promos"][0]["promo_id"]) == (2, one["promo_id"])
    all_the_same = one_try(Run("3"), promo(**arguments, text="Hi ${1}"), world)
    assert all_the_same["recipients"] == 3
    assert "promos" not in all_the_same
    assert one_try(Run("4"), promo(**arguments, text=TEXTS, dry_run=True, max_segments=1), world)["texts"]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"text": {"A": "Hi ${1}"}}, r"^text: has no text for B"),
        ({"text": {**TEXTS, "C": "Hi ${1}"}}, r"^text: has a text for C"),
        ({"text": {"A": "Hi ${1}", "B": "Hi"}}, r"^param_columns: "),
        ({"text": TEXTS, "max_segments": 1, "param_columns": ["long"]}, r"^max_segments: "),
    ],
)
def test_texts_are_checked_before_anything_is_created(
    telecom_simulator: Any, world: World, tmp_path: Path, more: dict[str, Any], match: str
) -> None:
    rows = [{**row, "long": "x" * 200} for row in ROWS]
    arguments = {"recipients": prepare_audience(tmp_path / "audience", rows), "timezone_column": None}
    with pytest.raises(TelecomInputError, match=match):
        one_try(Run(), promo(**{**arguments, "param_columns": ["name"], **more}), world)
    assert not telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos


def test_it_waits_until_all_promos_are_completed(telecom_simulator: Any, world: World) -> None:
    found = one_try(Run(), promo(wait_for_completion=True, poll_interval=0.01, deferrable=False), world)
    assert found["statuses"] == {"COMPLETED": 3}
    assert found["sent_count"] == 3
    assert len(found["promos"]) == 3


def test_the_promos_of_an_ended_task_are_suspended(telecom_simulator: Any, world: World) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1000)
    operator = promo(wait_for_completion=True, poll_interval=0.01, wait_timeout=0.05, deferrable=False)
    with pytest.raises(Exception, match="still waiting"):
        one_try(Run(), operator, world)
    operator.on_kill()
    promos = telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos
    assert {operator.hook.get_promo(promo_id).status for promo_id in promos} == {"SUSPENDED"}


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"start": False}, r"^quiet_hours: is for a promo that is started"),
        ({"quiet_hours": ("09:00", "09:00")}, r"^quiet_hours: has two equal times"),
        (
            {"channel": "viber", "promo_start": "2026-12-01T08:00:00"},
            r"^promo_start: goes without quiet_hours",
        ),
    ],
)
def test_bad_input_is_refused_when_the_dag_is_parsed(more: dict[str, Any], match: str) -> None:
    with pytest.raises(TelecomInputError, match=match):
        promo(**more)


def test_zones_without_a_common_hour_create_nothing(telecom_simulator: Any, world: World) -> None:
    people = [*PEOPLE, {"msisdn": "380670000204", "tz": "Asia/Kamchatka,Europe/Lisbon"}]
    with pytest.raises(TelecomInputError, match="Asia/Kamchatka, Europe/Lisbon are open"):
        one_try(Run(), promo(recipients=people), world)
    assert not telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos


def test_changes_after_a_start_are_refused(telecom_simulator: Any, world: World) -> None:
    """Kamchatka's promo is started when the task is killed; the others may still change."""
    world.at = datetime(2026, 12, 1, 5, tzinfo=UTC)
    run = Run()

    def killed(moment: datetime) -> None:
        raise KilledError

    operator = promo()
    operator._wait_until = killed
    with pytest.raises(KilledError):
        one_try(run, operator, world)
    assert list(started(telecom_simulator)) == [KAMCHATKA]
    for people in ([PEOPLE[0]], PEOPLE[:2], [*PEOPLE[:2], {**PEOPLE[2], "tz": "Asia/Almaty"}]):
        with pytest.raises(TelecomInputError, match=r"^quiet_hours: an earlier try has started"):
            one_try(run, promo(recipients=people), world)
    with pytest.raises(TelecomInputError, match=r"^dedupe_key: "):
        one_try(run, promo(recipients=[*PEOPLE, {"msisdn": "380670000205", "tz": "Asia/Kamchatka"}]), world)
    with pytest.raises(TelecomInputError, match=r"^quiet_hours: an earlier try has started"):
        one_try(run, promo(quiet_hours=None, timezone_column=None), world)
    more = [*PEOPLE, {"msisdn": "380670000205", "tz": "Europe/Lisbon"}]
    assert one_try(run, promo(recipients=more), world)["recipients"] == 4
    assert set(started(telecom_simulator)) == {person["msisdn"] for person in more}


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.long)])
def test_a_kill_at_a_step_starts_each_promo_once(telecom_simulator: Any, world: World, every: int) -> None:
    for world.kill_at in range(1, 100, every):
        telecom_simulator.state.reset()
        telecom_simulator.state.clock = world
        world.at, world.steps, world.killed = datetime(2026, 12, 1, 5, tzinfo=UTC), 0, 0
        run = Run()
        with suppress(KilledError):
            one_try(run, promo(), world)
        if not world.killed:
            break
        found = one_try(run, promo(), world)
        at = started(telecom_simulator)
        assert set(at) == set(ZONES)
        assert all(9 <= at[number].astimezone(ZoneInfo(zone)).hour < 21 for number, zone in ZONES.items())
        assert one_try(run, promo(), world) == found
        assert started(telecom_simulator) == at
    assert 40 < world.kill_at < 99


def check_campaign(simulator: Any, world: World, begin: datetime, seed: int) -> Counter[str]:
    """Start one campaign with kills at random and lost responses."""
    simulator.state.reset()
    simulator.state.clock = world
    chance = world.chance = random.Random(seed)
    world.at = begin + timedelta(hours=chance.uniform(0, 120))
    world.seconds_per_look, world.hours_per_write, world.kills = 3.0, chance.choice([0.1, 1.0]), 0.08
    world.killed = world.waits = 0
    run, people = Run(), chance.sample(PEOPLE, chance.randint(1, 3))
    for _ in range(60):
        if chance.random() < 0.3:
            simulator.fault("reset_after", "kyivstar_open_telecom", path="/status/WAITING")
        try:
            one_try(run, promo(recipients=people), world, lambda: chance.choice([0, -5, 600]))
            break
        except (KilledError, TelecomError):
            world.advance(chance.uniform(0, 1800))
    else:
        raise AssertionError("it never ends")
    at = started(simulator)
    assert set(at) == {person["msisdn"] for person in people}
    for msisdn, moment in at.items():
        assert 9 <= moment.astimezone(ZoneInfo(ZONES[msisdn])).hour < 21, (msisdn, moment)
    return Counter(kills=world.killed, waits=world.waits, started=len(at))


@pytest.mark.parametrize("begin", [AUTUMN, SPRING], ids=["autumn", "spring"])
@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(100, 300), marks=pytest.mark.long)])
def test_weeks_over_a_clock_change(
    telecom_simulator: Any, world: World, begin: datetime, seeds: range
) -> None:
    found = Counter[str]()
    for seed in seeds:
        found += check_campaign(telecom_simulator, world, begin, seed)
    print(dict(found))  # noqa: T201 - the figures
    assert found["kills"] > len(seeds)
    assert found["waits"] >= len(seeds) / 2
