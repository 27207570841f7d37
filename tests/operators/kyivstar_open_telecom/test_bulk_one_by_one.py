"""Kyivstar's bulk SMS with API v1beta: one request for each message, none of them twice; and quiet hours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.failover import Failover
from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendBulkSmsOperator
from tests.bulk.audiences import prepare_audience
from tests.operators.fake_clock import KilledError, World, one_try
from tests.operators.test_kills import (  # noqa: F401 - two of them are fixtures
    A,
    B,
    C,
    Sending,
    _killing,
    _no_other_system,
    attempt,
    killed_at_each_step,
)
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
NUMBERS = [str(380670000200 + place) for place in range(12)]
PEOPLE = [{"msisdn": number, "name": f"N{number[-2:]}"} for number in NUMBERS]
KYIV, ALMATY = "380670000201", "380670000202"
ZONED = [
    {"msisdn": number, "tz": "" if place % 2 == 0 else "Asia/Almaty"}
    for place, number in enumerate([KYIV, ALMATY, "380670000203", "380670000204", "380670000205"])
]


def bulk(**more: Any) -> KyivstarSendBulkSmsOperator:
    return KyivstarSendBulkSmsOperator(**{
        "task_id": "send",
        "recipients": PEOPLE,
        "text": "Hi {name}",
        **more,
    })


def sent(simulator: Any) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of(VENDOR, "sms"))


def posts(simulator: Any) -> int:
    requests = simulator.state.requests
    return sum(request.method == "POST" and request.path.endswith("/sms") for request in requests)


def rows(path: Path) -> list[dict[str, Any]]:
    return list(read_outcomes(ObjectStoragePath(str(path))))


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for(VENDOR)


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_gets_one(
    telecom_simulator: Any, hook: Any, tmp_path: Path, concurrency: int, name: str
) -> None:
    path, run = tmp_path / name, Run()
    found = run.execute(bulk(results_path=str(path), concurrency=concurrency))
    assert (found["accepted"], found["reserved_segments"], found["reserved_units"]) == (12, 12, 12)
    assert sent(telecom_simulator) == Counter(NUMBERS)
    assert [row["msisdn"] for row in rows(path)] == NUMBERS
    assert len({row["message_id"] for row in rows(path)}) == 12
    texts = [effect.facts["text"] for effect in telecom_simulator.state.ledger.of(VENDOR, "sms")]
    assert sorted(texts) == sorted(f"Hi {person['name']}" for person in PEOPLE)
    assert run.execute(bulk(results_path=str(path))) == found
    assert posts(telecom_simulator) == 12


def test_a_lost_response_is_one_recipient_s(telecom_simulator: Any, hook: Any, tmp_path: Path) -> None:
    path, run = tmp_path / "out.jsonl", Run()
    hook.fetch_token()
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/sms$")
    with pytest.raises(OutcomeUnknownError, match="unknown whether 1 of 12 SMS were accepted"):
        run.execute(bulk(results_path=str(path)))
    assert [row["state"] for row in rows(path)] == ["unknown"] + ["accepted"] * 11
    assert sent(telecom_simulator) == Counter(NUMBERS)
    found = run.execute(bulk(results_path=str(path), on_unknown="assume_sent"))
    assert (found["accepted"], found["unknown"]) == (11, 1)
    assert posts(telecom_simulator) == 12


def test_it_stops_after_many_lost_responses_in_a_row(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/sms$", times=3)
    run = Run()
    with pytest.raises(OutcomeUnknownError, match="max_unknown"):
        run.execute(bulk(max_unknown=3))
    assert posts(telecom_simulator) == 3
    base._clients.clear()
    found = run.execute(bulk(max_unknown=3, on_unknown="assume_sent"))
    assert (found["accepted"], found["unknown"]) == (9, 3)
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_resend_sends_it_again_in_the_next_try(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/sms$")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(bulk(on_unknown="resend"))
    assert run.execute(bulk(on_unknown="resend"))["accepted"] == 12
    assert sent(telecom_simulator) == Counter([*NUMBERS, NUMBERS[0]])


def test_a_refusal_is_one_recipient_s(telecom_simulator: Any, hook: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    telecom_simulator.fault(
        "status",
        VENDOR,
        method="POST",
        path="/sms$",
        status=422,
        body='{"reqId": "r", "errorCode": 1001003, "errorMsg": "no"}',
    )
    found = Run().execute(bulk(results_path=str(path)))
    assert (found["accepted"], found["refused"]) == (11, {"1001003": 1})
    assert [(row["state"], row["code"]) for row in rows(path)][:2] == [
        ("refused", "1001003"),
        ("accepted", None),
    ]
    with pytest.raises(TelecomRejectedError, match="12 of 12 SMS were refused"):
        Run("manual__2").execute(bulk(sender="forbidden"))


def test_a_throttled_send_goes_on_where_it_stopped(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    hook.fetch_token()
    telecom_simulator.fault(
        "status", VENDOR, method="POST", path="/sms$", status=429, headers={"Retry-After": "9999"}
    )
    with pytest.raises(TelecomThrottledError):
        run.execute(bulk())
    base._clients.clear()
    assert run.execute(bulk())["accepted"] == 12
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_an_audience_with_a_text_for_each_variant(telecom_simulator: Any, hook: Any, tmp_path: Path) -> None:
    people = [
        {"msisdn": number, "variant": "AB"[place % 2], "timezone": "Europe/Kyiv", "shard": place % 3}
        for place, number in enumerate(NUMBERS)
    ]
    audience = prepare_audience(tmp_path / "audience", people)
    text = {"A": "Hi", "B": "Hello"}
    for shard in range(3):
        run = Run(f"manual__{shard}")
        assert run.execute(bulk(recipients=audience, text=text, shard=shard))["accepted"] == 4
    effects = telecom_simulator.state.ledger.of(VENDOR, "sms")
    assert Counter(effect.facts["text"] for effect in effects) == {"Hi": 6, "Hello": 6}
    assert sent(telecom_simulator) == Counter(NUMBERS)


def test_a_dry_run_sends_nothing(telecom_simulator: Any, hook: Any) -> None:
    found = Run().execute(bulk(dry_run=True, quiet_hours=("21:00", "09:00")))
    assert (found["recipients"], found["segments"], found["dry_run"]) == (12, 12, True)
    assert [window["timezone"] for window in found["windows"]] == ["Europe/Kyiv"]
    assert posts(telecom_simulator) == 0


def test_how_long_the_vendor_tries(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    """Batches have no such field, so it is refused there, not ignored."""
    hook_for(VENDOR)
    telecom_simulator.state.record_content = True
    Run().execute(bulk(ttl_seconds=3_600))
    bodies = [r.body for r in telecom_simulator.state.requests if r.path.endswith("/sms")]
    assert len(bodies) == 12
    assert all('"messageTtlSec":3600' in body.replace(" ", "") for body in bodies)
    hook_for(VENDOR, api_version="v1")
    with pytest.raises(TelecomInputError, match="ttl_seconds"):
        Run("2").execute(bulk(ttl_seconds=3_600))


def test_a_text_that_is_too_long_and_nothing_is_sent(telecom_simulator: Any, hook: Any) -> None:
    people = [*PEOPLE, {"msisdn": "380670000300", "name": "x" * 160}]
    with pytest.raises(TelecomInputError, match="max_segments"):
        Run().execute(bulk(recipients=people, max_segments=1))
    assert posts(telecom_simulator) == 0


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_quiet_hours(
    telecom_simulator: Any, fake_clock: World, hook_for: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    """At 05:00 in Kyiv it is 08:00 in Almaty: each waits until its own morning."""
    hook_for(VENDOR, api_version=version)
    fake_clock.at = datetime(2026, 12, 1, 3, tzinfo=UTC)
    path = tmp_path / "out.jsonl"
    send = bulk(
        recipients=ZONED[:2],
        text="Hi",
        timezone_column="tz",
        quiet_hours=("21:00", "09:00"),
        deferrable=True,
        results_path=str(path),
    )
    found = one_try(Run(), send, fake_clock)
    assert (found["accepted"], found["reserved_segments"]) == (2, 2)
    at = {e.facts["msisdn"]: e.at for e in telecom_simulator.state.ledger.of(VENDOR, "sms")}
    assert f"{at[ALMATY].astimezone(ZoneInfo('Asia/Almaty')):%H:%M}" == "09:00"
    assert f"{at[KYIV].astimezone(ZoneInfo('Europe/Kyiv')):%H:%M}" == "09:00"
    assert sorted(row["msisdn"] for row in rows(path)) == sorted([KYIV, ALMATY])


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_kills_and_slow_writes_in_quiet_hours(
    telecom_simulator: Any, fake_clock: World, hook_for: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    """Nobody gets it twice or in the night; who may have it without a response is `unknown`."""
    hook_for(VENDOR, api_version=version)
    world, killed = fake_clock, 0
    for seed in range(12):
        telecom_simulator.state.ledger.effects.clear()
        world.at, world.chance = datetime(2026, 12, 1, 3, tzinfo=UTC), random.Random(seed)
        world.kills, world.hours_per_write, world.killed = 0.04, 0.5, 0
        path, run = tmp_path / f"{seed}.jsonl", Run(f"manual__{seed}")
        people = [person["msisdn"] for person in ZONED]
        for _ in range(60):
            send = bulk(
                recipients=ZONED,
                text="Hi",
                timezone_column="tz",
                quiet_hours=("21:00", "09:00"),
                deferrable=True,
                results_path=str(path),
                on_unknown="assume_sent",
                chunk_size=2,
            )
            try:
                found = one_try(run, send, world)
                break
            except KilledError:
                continue
        killed += world.killed
        effects = telecom_simulator.state.ledger.of(VENDOR, "sms")
        got = Counter(effect.facts["msisdn"] for effect in effects)
        assert max(got.values()) == 1
        states = {row["msisdn"]: row["state"] for row in rows(path)}
        assert set(states) == set(people)
        assert {number for number in people if states[number] == "accepted"} <= set(got)
        assert all(states[number] == "unknown" for number in people if number not in got)
        assert found["accepted"] + found["unknown"] == len(people)
        for effect in effects:
            zone = ZONED[people.index(effect.facts["msisdn"])]["tz"] or "Europe/Kyiv"
            assert 9 <= effect.at.astimezone(ZoneInfo(zone)).hour < 21
    assert killed > 5


def test_killed_at_each_step_nobody_gets_it_twice(telecom_simulator: Any, hook: Any, tmp_path: Path) -> None:
    """One recipient at most is unknown; the next try sends to all others without a person."""
    unknown = 0
    sending = Sending(KyivstarSendBulkSmsOperator, VENDOR, "sms", "msisdn", (A, B, C))
    arguments = {"recipients": [A, B, C], "text": "Hi", "chunk_size": 1}
    for run in killed_at_each_step(telecom_simulator, sending, **arguments):
        found, error, _ = attempt(run, sending.made(**arguments))
        got = Counter(sending.happened(telecom_simulator))
        assert max(got.values(), default=0) <= 1
        doubtful = 0
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            doubtful = 1
            found, error, _ = attempt(run, sending.made(**arguments, on_unknown="assume_sent"))
            assert error is None
        assert (found["accepted"], found["unknown"]) == (3 - doubtful, doubtful)
        assert len(got) >= 3 - doubtful
        unknown += doubtful
    assert unknown > 2


@pytest.mark.parametrize("rounds", [12, pytest.param(150, marks=pytest.mark.long)])
def test_random_kills_with_concurrency(
    telecom_simulator: Any, hook: Any, tmp_path: Path, rounds: int
) -> None:
    """Up to a block is unknown after each kill; the ledger has nobody twice, and nobody is lost silently."""
    chance, killed = random.Random(7), 0
    for round_ in range(rounds):
        telecom_simulator.state.reset()
        base._clients.clear()
        path, run = tmp_path / f"{round_}.jsonl", Run()
        arguments = {"chunk_size": 3, "concurrency": 2, "results_path": str(path)}
        for _ in range(40):
            point = chance.randrange(2, 30)
            found, error, lived = attempt(run, bulk(**arguments, on_unknown="assume_sent"), point)
            killed += not lived
            if lived and error is None:
                break
        got = sent(telecom_simulator)
        assert max(got.values()) == 1
        states = {row["msisdn"]: row["state"] for row in rows(path)}
        assert list(states) == NUMBERS
        lost = [number for number in NUMBERS if number not in got]
        assert all(states[number] == "unknown" for number in lost)
        assert all(states[number] == "unknown" or number in got for number in NUMBERS)
        assert (found["accepted"], found["unknown"]) == (
            Counter(states.values())["accepted"],
            Counter(states.values())["unknown"],
        )
    assert killed > rounds


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_failover_hands_over_who_has_got_nothing(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, version: str
) -> None:
    """After a lost response the credentials are refused: the others are for another connection."""
    hook_for(VENDOR, api_version=version)
    path, run = tmp_path / "out.jsonl", Run()
    failover = Failover(failures=2, within=timedelta(milliseconds=20))
    arguments = {
        "results_path": str(path),
        "failover": failover,
        "on_unknown": "assume_sent",
        "chunk_size": 4,
    }
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/sms(/batch)?$")
    telecom_simulator.fault("status", VENDOR, method="POST", path="/sms(/batch)?$", status=403, times=99)
    found = run.execute(bulk(**arguments))
    lost = 1 if version == "v1beta" else 4
    assert (found["accepted"], found["unknown"], found["handed_over"]) == (0, lost, 12 - lost)
    assert found["refused"] == {}
    telecom_simulator.state.faults.clear()
    rest = [row["msisdn"] for row in rows(path) if row["code"] == "not_sent"]
    assert Run("other").execute(bulk(recipients=rest, text="Hi"))["accepted"] == 12 - lost
    assert run.execute(bulk(**arguments)) == found
    assert sent(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize(
    ("field", "value"), [("concurrency", 0), ("concurrency", 33), ("max_unknown", 0), ("ttl_seconds", 86_401)]
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(field: str, value: int) -> None:
    with pytest.raises(TelecomInputError) as caught:
        bulk(**{field: value})
    assert caught.value.field == field
