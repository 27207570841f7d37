"""Bulk sends with quiet hours, under a fake clock that the simulator's ledger shows as well."""

from __future__ import annotations

import gc
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.bulk.quiet_hours import QuietHours
from airflow_provider_telecom.bulk.timezones import zones_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.send_windows import SendWindow, WindowClosedError
from tests.bulk.audiences import prepare_audience
from tests.operators.fake_clock import KilledError, SlowStore, World, one_try
from tests.running import Run

QUIET = ("21:00", "09:00")
AUTUMN, SPRING = datetime(2026, 10, 22, tzinfo=UTC), datetime(2027, 3, 25, tzinfo=UTC)
"""The weeks of the clock changes of 2026-10-25 and 2027-03-28 begin here."""


@pytest.fixture
def world(fake_clock: World, hook_for: Callable[..., Any]) -> World:
    hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop")
    return fake_clock


def sms(**more: Any) -> KetchUpSendBulkSmsOperator:
    return KetchUpSendBulkSmsOperator(
        task_id="send", **{"text": "Hi", "quiet_hours": QUIET, "deferrable": True, **more}
    )


def sent(simulator: Any, kind: str = "sms") -> dict[str, datetime]:
    effects = simulator.state.ledger.of("ketchup_loyalty", kind)
    assert len({effect.facts["msisdn"] for effect in effects}) == len(effects), "somebody got it twice"
    return {effect.facts["msisdn"]: effect.at for effect in effects}


def shown(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%a %H:%M}"


UKRAINE, KAZAKHSTAN, LISBON = "380670000201", "77010000201", "380670000202"


def test_open_windows_first_then_the_next(
    telecom_simulator: Any, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 05:00 in Kyiv it is 08:00 in Almaty; the number in Lisbon says so in its column."""
    world.at = datetime(2026, 12, 1, 3, tzinfo=UTC)
    people = tmp_path / "people.csv"
    people.write_text(f"msisdn,tz\n{UKRAINE},\n{LISBON},Europe/Lisbon\n{KAZAKHSTAN},\n")
    results = tmp_path / "results.jsonl"
    found = one_try(
        Run(), sms(recipients=str(people), timezone_column="tz", results_path=str(results)), world
    )
    assert (found["recipients"], found["accepted"], len(found["task_ids"])) == (3, 3, 3)
    at = sent(telecom_simulator)
    assert list(at) == [KAZAKHSTAN, UKRAINE, LISBON]
    assert shown(at[UKRAINE], "Europe/Kyiv") == "Tue 09:00"
    assert shown(at[LISBON], "Europe/Lisbon") == "Tue 09:00"
    assert shown(at[KAZAKHSTAN], "Asia/Almaty") == "Tue 09:00"
    assert world.waits == 3
    assert (
        "quiet hours: 1 recipients wait until 2026-12-01 07:00 UTC (09:00 in Europe/Kyiv)"
        in capsys.readouterr().out
    )
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["msisdn"] for line in lines) == sorted([UKRAINE, LISBON, KAZAKHSTAN])
    assert {path.name for path in tmp_path.iterdir()} == {"people.csv", "results.jsonl"}


def test_the_groups_of_an_audience_are_one_file_of_outcomes_and_stay_the_same(
    telecom_simulator: Any, world: World, tmp_path: Path
) -> None:
    """Each zone has its own checkpoint: all of them refuse another audience, also those not sent to."""
    world.at = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
    rows = [
        {"msisdn": UKRAINE, "variant": "A", "timezone": "Europe/Kyiv"},
        {"msisdn": LISBON, "variant": "B", "timezone": "Europe/Lisbon"},
        {"msisdn": KAZAKHSTAN, "variant": "A", "timezone": "Asia/Almaty"},
    ]
    folder, path, run = tmp_path / "audience", tmp_path / "outcomes.parquet", Run()
    options = {"text": {"A": "Hi", "B": "Dear"}, "results_path": str(path)}
    audience = prepare_audience(folder, rows)
    operator = sms(recipients=audience, **options)
    with DAG("dag", schedule=None) as dag:
        dag.add_task(operator)
    context = run.context(operator)
    operator.render_template_fields(context)
    with pytest.raises(TaskDeferred):
        operator.execute(context)
    assert list(sent(telecom_simulator)) == [KAZAKHSTAN]
    other = prepare_audience(folder, [{**rows[0], "variant": "B"}, *rows[1:]])
    with pytest.raises(TelecomInputError, match="another sha256"):
        one_try(run, sms(recipients=other, **options), world)
    prepare_audience(folder, rows)
    assert one_try(run, sms(recipients=audience, **options), world)["accepted"] == 3
    assert set(sent(telecom_simulator)) == {UKRAINE, LISBON, KAZAKHSTAN}
    lines = {line["msisdn"]: line["variant"] for line in read_outcomes(ObjectStoragePath(str(path)))}
    assert lines == {row["msisdn"]: row["variant"] for row in rows}
    assert {each.name for each in tmp_path.iterdir()} == {"audience", "outcomes.parquet"}
    with pytest.raises(TelecomInputError, match="the recipients have changed"):
        one_try(run, sms(recipients=prepare_audience(folder, rows[:2]), **options), world)


def test_the_last_call_before_a_window_closes_has_time_to_end() -> None:
    """The margin is as long as a call may take: a call that is given up at the end is in doubt."""
    closes = datetime(2026, 12, 1, 19, tzinfo=UTC)  # 21:00 in Kyiv
    quiet_hours = QuietHours.parse(("21:00", "09:00"))

    def window(before: timedelta) -> SendWindow:
        return SendWindow(quiet_hours, ("Europe/Kyiv",), lambda: closes - before)

    assert window(timedelta(seconds=61)).is_open
    assert window(timedelta(seconds=61)).seconds_left() == 61
    assert not window(timedelta(seconds=60)).is_open
    with pytest.raises(WindowClosedError):
        window(timedelta(seconds=60)).seconds_left()


def test_in_a_worker_it_sleeps_in_slices(
    telecom_simulator: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    slices: list[float] = []
    operator = sms(recipients=[UKRAINE], deferrable=False)
    operator._sleep = lambda seconds: slices.append(seconds) or world.advance(seconds)
    assert one_try(Run(), operator, world)["accepted"] == 1
    assert shown(sent(telecom_simulator)[UKRAINE], "Europe/Kyiv") == "Wed 09:00"
    assert sum(slices) == 11 * 3600
    assert max(slices) <= 60
    assert "deferrable=True frees the slot" in capsys.readouterr().out


def test_it_stops_between_blocks_before_the_window_closes(telecom_simulator: Any, world: World) -> None:
    """Each write of the journal takes an hour at most: it is 19:30 when the first block is announced."""
    numbers = [f"3806700003{place:02}" for place in range(40)]
    world.at, world.hours_per_write = datetime(2026, 12, 1, 17, 30, tzinfo=UTC), 1.0
    one_try(Run(), sms(recipients=numbers, chunk_size=2), world)
    at = sent(telecom_simulator)
    assert set(at) == set(numbers)
    assert len({moment.date() for moment in at.values()}) > 1
    assert all(9 <= moment.astimezone(ZoneInfo("Europe/Kyiv")).hour < 21 for moment in at.values())


def test_a_call_that_would_wait_beyond_the_window_is_not_made(
    telecom_simulator: Any, world: World, hook_for: Callable[..., Any]
) -> None:
    """The rate limit allows the second call after an hour: long after the window has closed."""
    hook_for("ketchup_loyalty", originator="Shop", rate_limit="1/h")
    world.at = datetime(2026, 12, 1, 18, 58, tzinfo=UTC)
    operator, run = sms(recipients=[UKRAINE, LISBON], chunk_size=1), Run()
    with pytest.raises(Exception, match="rate_limit is used up"):
        one_try(run, operator, world)
    assert list(sent(telecom_simulator)) == [UKRAINE]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"quiet_hours": ("09:00", "09:00")}, "^quiet_hours: has two equal times"),
        ({"quiet_hours": "21"}, "^quiet_hours: must be two local times"),
        ({"timezone": "Europe/Nowhere"}, "^timezone: .*is not an IANA time zone"),
        ({"quiet_hours": None, "timezone": "Europe/Kyiv"}, "^timezone: is for quiet_hours"),
        ({"quiet_hours": None, "timezone_column": "tz"}, "^timezone_column: is for quiet_hours"),
        ({"schedule_at": "2026-12-01T12:00:00+00:00"}, "^schedule_at: goes without quiet_hours"),
    ],
)
def test_bad_input_is_refused_when_the_dag_is_parsed(more: dict[str, Any], match: str) -> None:
    with pytest.raises(TelecomInputError, match=match):
        sms(recipients=[UKRAINE], **more)
    with pytest.raises(TelecomInputError, match=r"^quiet_hours: goes with recipients"):
        KetchUpHlrLookupOperator(task_id="look", msisdns=[UKRAINE], quiet_hours=QUIET)


def test_bad_zones_are_refused_before_the_first_message(telecom_simulator: Any, world: World) -> None:
    for zone, match in (
        ("Europe/Nowhere", "line 2: .*is not an IANA time zone"),
        ("Asia/Kamchatka,Europe/Lisbon", "Asia/Kamchatka, Europe/Lisbon are open"),
    ):
        people = [{"msisdn": UKRAINE, "tz": ""}, {"msisdn": LISBON, "tz": zone}]
        with pytest.raises(TelecomInputError, match=match):
            one_try(Run(), sms(recipients=people, timezone_column="tz"), world)
    with pytest.raises(TelecomInputError, match=r"^timezone: the numbering plan has no time zone .*\+881"):
        one_try(Run(), sms(recipients=["+8816123456789"]), world)
    assert sent(telecom_simulator) == {}


def test_changes_between_tries_delay_or_are_refused(telecom_simulator: Any, world: World) -> None:
    people = [{"msisdn": UKRAINE, "tz": ""}, {"msisdn": LISBON, "tz": "Europe/Lisbon"}]

    def operator(**more: Any) -> Any:
        return sms(**{"recipients": people, "timezone_column": "tz", **more})

    world.at = datetime(2026, 12, 1, 8, tzinfo=UTC)  # 10:00 in Kyiv, 08:00 in Lisbon
    run = Run()
    with pytest.raises(TaskDeferred):
        _deferred(run, operator(), world)
    assert list(sent(telecom_simulator)) == [UKRAINE]
    for changed in (
        operator(recipients=[UKRAINE, LISBON], timezone_column=None),  # one group
        operator(quiet_hours=None, timezone_column=None, recipients=[UKRAINE, LISBON]),
        operator(recipients=[{**people[0], "tz": "Asia/Almaty"}, people[1]]),
    ):
        with pytest.raises(TelecomInputError, match=r"^quiet_hours: an earlier try has sent"):
            _deferred(run, changed, world)
    one_try(run, operator(quiet_hours="20:00-11:30"), world)
    at = sent(telecom_simulator)
    assert shown(at[LISBON], "Europe/Lisbon") == "Tue 11:30"
    more = [*people, {"msisdn": "380670000203", "tz": "Europe/Lisbon"}]
    assert one_try(run, operator(recipients=more), world)["accepted"] == 3
    assert set(sent(telecom_simulator)) == {UKRAINE, LISBON, "380670000203"}


def _deferred(run: Run, operator: Any, world: World) -> None:
    """Run a try until it defers, which raises TaskDeferred."""
    with DAG("dag", schedule=None) as dag:
        dag.add_task(operator)
    run.stores.setdefault("send", SlowStore(world))
    context = run.context(operator)
    operator.render_template_fields(context)
    operator.execute(context)


def test_without_quiet_hours_the_journal_is_as_before(telecom_simulator: Any, world: World) -> None:
    """And with them, if all recipients have the same time zones: a try may begin or cease to have them."""
    run = Run()
    one_try(run, sms(recipients=[UKRAINE, LISBON], quiet_hours=None), world)
    assert list(run.stores["send"].texts) == ["telecom.bulk"]
    assert one_try(run, sms(recipients=[UKRAINE, LISBON, "380670000203"]), world)["accepted"] == 3
    assert list(run.stores["send"].texts) == ["telecom.bulk"]
    assert one_try(run, sms(recipients=[UKRAINE, LISBON, "380670000203"], quiet_hours=None), world)
    assert len(sent(telecom_simulator)) == 3


def test_more_recipients_after_success_keep_the_results(
    telecom_simulator: Any, world: World, tmp_path: Path
) -> None:
    results, run = tmp_path / "results.jsonl", Run()
    numbers = [UKRAINE, KAZAKHSTAN]
    one_try(run, sms(recipients=numbers, results_path=str(results)), world)
    more = [*numbers, LISBON]
    one_try(run, sms(recipients=more, results_path=str(results)), world)
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["msisdn"] for line in lines] == [KAZAKHSTAN, UKRAINE, LISBON]
    assert {path.name for path in tmp_path.iterdir()} == {"results.jsonl"}
    assert set(sent(telecom_simulator)) == set(more)


@pytest.mark.parametrize("cost", ["0.001", "1000"])
def test_the_cost_is_that_of_all_groups(telecom_simulator: Any, world: World, cost: str) -> None:
    operator = sms(recipients=[UKRAINE, KAZAKHSTAN], max_cost=cost)
    if cost == "1000":
        assert one_try(Run(), operator, world)["accepted"] == 2
        return
    with pytest.raises(TelecomInputError, match=r"^max_cost: "):
        one_try(Run(), operator, world)
    assert sent(telecom_simulator) == {}


def test_viber_waits_and_then_waits_for_states(telecom_simulator: Any, world: World, tmp_path: Path) -> None:
    world.at = datetime(2026, 12, 1, 5, tzinfo=UTC)
    operator = KetchUpSendViberOperator(
        task_id="send",
        recipients=[UKRAINE, KAZAKHSTAN],
        text="Hi",
        quiet_hours=QUIET,
        results_path=str(tmp_path / "results.jsonl"),
        wait_for_completion=True,
        poll_interval=0.01,
        deferrable=False,
    )
    found = one_try(Run(), operator, world)
    assert (found["accepted"], found["delivered"]) == (2, 2)
    assert shown(sent(telecom_simulator, "viber")[UKRAINE], "Europe/Kyiv") == "Tue 09:00"


def test_a_dry_run_says_who_would_wait(
    telecom_simulator: Any, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    facts = one_try(Run(), sms(recipients=[UKRAINE], dry_run=True), world)
    opens = {"timezone": "Europe/Kyiv", "recipients": 1, "opens_at": "2026-12-02T07:00:00+00:00"}
    assert (facts["dry_run"], facts["windows"]) == (True, [opens])
    assert "1 recipients wait until 2026-12-02 07:00 UTC" in capsys.readouterr().out
    assert sent(telecom_simulator) == {}


def test_a_night_in_the_worker_and_then_a_kill(telecom_simulator: Any, world: World) -> None:
    """What was announced before the window closed, and not sent, is announced anew after the night."""
    numbers = [f"3806700003{place:02}" for place in range(20)]
    killed = 0
    for after in range(1, 12, 2):
        telecom_simulator.state.reset()
        telecom_simulator.state.clock = world
        world.at, world.hours_per_write = datetime(2026, 12, 1, 17, 40, tzinfo=UTC), 0.9
        world.steps, world.kill_at, world.killed = 0, None, 0
        operator, run = sms(recipients=numbers, chunk_size=2, deferrable=False), Run()

        def sleep(seconds: float, after: int = after) -> None:
            world.advance(seconds)
            world.kill_at = world.kill_at or world.steps + after

        operator._sleep = sleep
        with suppress(KilledError):
            one_try(run, operator, world)
        killed += world.killed
        world.kill_at = None
        found = one_try(run, sms(recipients=numbers, chunk_size=2), world)
        assert found["accepted"] + found["known_before"] == len(numbers)
        at = sent(telecom_simulator)
        assert set(at) == set(numbers)
        assert all(9 <= moment.astimezone(ZoneInfo("Europe/Kyiv")).hour < 21 for moment in at.values())
    assert killed > 4


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_an_audience_with_variants_and_a_holdout(
    telecom_simulator: Any, world: World, tmp_path: Path
) -> None:
    """Kills at random: each variant gets its text while its window is open, and the holdout gets nothing."""
    rows, zones = people_of(150, random.Random(7))
    audience = PrepareAudienceOperator(
        task_id="audience",
        recipients=rows,
        columns={"msisdn": "msisdn", "name": "name", "timezone": "tz"},
        variants={"A": 40, "B": 40, "holdout": 20},
        salt="spring",
        output=str(tmp_path / "audience"),
    )
    prepared = Run().execute(audience, dag_run=SimpleNamespace(run_after=world.at, run_id="manual__1"))
    world.kills, world.seconds_per_look, world.hours_per_write = 0.08, 4.0, 1.0
    run, text = Run(), {"A": "Hi {name}", "B": "Hello {name}"}
    while True:
        operator = sms(recipients=prepared, text=text, chunk_size=5, results_path=str(tmp_path / "out.jsonl"))
        try:
            found = one_try(run, operator, world)
            break
        except KilledError:
            world.advance(600)
    at, held = sent(telecom_simulator), prepared["excluded"]["holdout"]
    assert world.killed > 3
    assert held > 10
    assert found["recipients"] == len(at) == 150 - held
    for msisdn, moment in at.items():
        assert all(9 <= moment.astimezone(ZoneInfo(zone)).hour < 21 for zone in zones[msisdn])
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    variants, names = (
        {line["msisdn"]: line["variant"] for line in lines},
        {row["msisdn"]: row["name"] for row in rows},
    )
    assert len(lines) == len(variants) == len(at)
    texts = {
        effect.facts["msisdn"]: effect.facts["text"]
        for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    }
    assert texts == {number: text[variant].format(name=names[number]) for number, variant in variants.items()}
    gc.collect()


# A week over a clock change


ZONES = {
    "U": "Europe/Kyiv",
    "A": "Asia/Almaty",
    "M": "Europe/Moscow",
    "K": "Asia/Kamchatka",
    "L": "Europe/Lisbon",
}


def people_of(count: int, chance: random.Random) -> tuple[list[dict[str, str]], dict[str, tuple[str, ...]]]:
    """Return rows, and the time zones of each number: those of its column, or of its numbering plan."""
    rows, zones = [], {}
    for place in range(count):
        start, own = chance.choice([
            ("380670", ""),
            ("77010", ""),
            ("79160", ""),  # of all time zones of Russia: the column does not say which
            ("79160", "Europe/Moscow"),
            ("79160", "Asia/Kamchatka"),
            ("380500", "Europe/Lisbon"),
        ])
        msisdn = f"{start}{place:06}"
        rows.append({"msisdn": msisdn, "tz": own, "name": f"N{place}"})
        zones[msisdn] = (own,) if own else zones_of(msisdn)
    return rows, zones


def check_campaign(simulator: Any, world: World, begin: datetime, seed: int, folder: Path) -> Counter[str]:
    """Send one campaign with kills, late and early wakes; check the ledger and the file of results."""
    simulator.state.reset()
    simulator.state.clock = world
    chance = world.chance = random.Random(seed)
    world.at = begin + timedelta(hours=chance.uniform(0, 72))
    world.seconds_per_look, world.hours_per_write, world.kills = 4.0, chance.choice([0.1, 1.0, 3.0]), 0.06
    world.killed = world.waits = 0
    rows, zones = people_of(chance.choice([5, 40, 120]), chance)
    results = folder / f"{seed}.jsonl"
    operators = {
        "sms": (KetchUpSendBulkSmsOperator, {}),
        "viber": (KetchUpSendViberOperator, {"on_unknown": "resend"}),
    }
    kind = chance.choice(["sms", "sms", "viber"])
    cls, more = operators[kind]
    began, run, tries = world.at, Run(), 0
    while True:
        tries += 1
        assert tries < 200
        operator = cls(
            task_id="send",
            recipients=rows,
            text="Hi {name}",
            quiet_hours=QUIET,
            timezone_column="tz",
            results_path=str(results),
            chunk_size=3,
            deferrable=chance.random() < 0.7,
            **more,
        )
        try:
            found = one_try(run, operator, world, lambda: chance.choice([0, 0, -5, 20, 9000]))
            break
        except KilledError:
            world.advance(chance.uniform(0, 1800))
    at = sent(simulator, kind)
    assert set(at) == set(zones)
    for msisdn, moment in at.items():
        for zone in zones[msisdn]:
            assert 9 <= moment.astimezone(ZoneInfo(zone)).hour < 21, (msisdn, zone, moment)
    assert found["accepted"] + found["known_before"] == len(rows)
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["msisdn"] for line in lines) == sorted(zones)
    offset = {moment: moment.astimezone(ZoneInfo("Europe/Kyiv")).utcoffset() for moment in (began, world.at)}
    return Counter(
        sent=len(at), kills=world.killed, waits=world.waits, over_change=len(set(offset.values())) == 2
    )


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("begin", [AUTUMN, SPRING], ids=["autumn", "spring"])
def test_a_week_over_a_clock_change(
    telecom_simulator: Any, world: World, tmp_path: Path, begin: datetime
) -> None:
    found = Counter[str]()
    for seed in (1, 2, 3):
        found += check_campaign(telecom_simulator, world, begin, seed, tmp_path)
    gc.collect()
    assert found["kills"] > 5
    assert found["waits"] > 5


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("begin", [AUTUMN, SPRING], ids=["autumn", "spring"])
@pytest.mark.long
def test_many_weeks_over_a_clock_change(
    telecom_simulator: Any, world: World, tmp_path: Path, begin: datetime
) -> None:
    found = Counter[str]()
    for seed in range(100, 200):
        found += check_campaign(telecom_simulator, world, begin, seed, tmp_path)
    gc.collect()
    print(dict(found))  # noqa: T201 - the figures
    assert found["over_change"] > 20
    assert found["kills"] > 500


def test_another_column_of_time_zones_than_the_audiences_own_is_refused(
    telecom_simulator: Any, world: World, tmp_path: Path
) -> None:
    """It would not count: the windows of an audience are those of its column `timezone`."""
    world.at = datetime(2026, 12, 1, 12, tzinfo=UTC)
    rows = [{"msisdn": UKRAINE, "home": "Asia/Tokyo", "timezone": "Europe/Kyiv"}]
    audience, run = prepare_audience(tmp_path / "audience", rows), Run()
    with pytest.raises(TelecomInputError, match="timezone_column: is for lists and files: an audience has"):
        one_try(run, sms(recipients=audience, timezone_column="home"), world)
    assert sent(telecom_simulator) == {}
    assert one_try(run, sms(recipients=audience, timezone_column="timezone"), world)["accepted"] == 1
