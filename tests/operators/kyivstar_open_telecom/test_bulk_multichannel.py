"""Multichannel messages to many: one request each, none of them twice, and receipts by channel."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCollectReceiptsOperator,
    KyivstarSendBulkMultichannelOperator,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState
from tests.bulk.audiences import prepare_audience
from tests.bulk.variables import Variables
from tests.operators.fake_clock import World, one_try
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
NUMBERS = [str(380670000200 + place) for place in range(10)]
PEOPLE = [{"msisdn": number, "name": f"N{number[-2:]}", "code": number[-1]} for number in NUMBERS]


@pytest.fixture(autouse=True)
def _v1(_killing: None, hook_for: Callable[..., Any]) -> None:  # noqa: F811 - the fixture
    hook_for(VENDOR, api_version="v1", viber_sender="Shop")


def multichannel(**more: Any) -> KyivstarSendBulkMultichannelOperator:
    arguments = {"recipients": PEOPLE, "viber_text": "Dear {name}", "sms_text": "{name}: {code}", **more}
    return KyivstarSendBulkMultichannelOperator(task_id="send", **arguments)


def effects(simulator: Any) -> list[Any]:
    return [effect.facts for effect in simulator.state.ledger.of(VENDOR, "multichannel")]


def got(simulator: Any) -> Counter[str]:
    return Counter(facts["msisdn"] for facts in effects(simulator))


def rows(path: Path) -> list[dict[str, Any]]:
    return list(read_outcomes(ObjectStoragePath(str(path))))


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_a_send_and_the_channels_that_delivered(telecom_simulator: Any, tmp_path: Path, name: str) -> None:
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    state.without_viber.update(NUMBERS[:3])
    path = tmp_path / name
    found = Run().execute(multichannel(results_path=str(path), concurrency=3))
    assert (found["accepted"], found["unknown"], found["reserved_units"]) == (10, 0, 10)
    assert got(telecom_simulator) == Counter(NUMBERS)
    for facts in effects(telecom_simulator):
        end = facts["msisdn"][-2:]
        assert facts["texts"] == {"viber": f"Dear N{end}", "sms": f"N{end}: {end[-1]}"}
        assert facts["channels"] == ["viber", "sms"]
    assert {row["channel"] for row in rows(path)} == {"multichannel"}
    receipts = KyivstarCollectReceiptsOperator(task_id="receipts", outcomes=found, deferrable=False)
    assert Run().execute(receipts)["delivered"] == 10
    assert [row["bearer_type"] for row in rows(path)] == ["sms"] * 3 + ["viber"] * 7


def test_a_text_for_each_variant_and_sms_first(telecom_simulator: Any, tmp_path: Path) -> None:
    people = [{"msisdn": number, "variant": "AB"[place % 2]} for place, number in enumerate(NUMBERS)]
    audience = prepare_audience(tmp_path / "audience", people)
    texts = {"viber_text": {"A": "a", "B": "b"}, "sms_text": "sms", "first": "sms"}
    assert Run().execute(multichannel(recipients=audience, **texts))["accepted"] == 10
    assert Counter(facts["texts"]["viber"] for facts in effects(telecom_simulator)) == {"a": 5, "b": 5}
    assert {tuple(facts["channels"]) for facts in effects(telecom_simulator)} == {("sms", "viber")}
    with pytest.raises(TelecomInputError, match="sms_text: has no text for B"):
        Run("2").execute(multichannel(recipients=audience, viber_text="v", sms_text={"A": "a"}))


def test_a_dry_run_shows_both_texts(telecom_simulator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = Run().execute(multichannel(dry_run=True))
    assert (found["recipients"], found["segments"]) == (10, 10)
    assert [text["variant"] for text in found["texts"]] == ["Viber", "SMS"]
    assert "Dear Oksana" in capsys.readouterr().out
    assert effects(telecom_simulator) == []


def test_a_lost_response_is_one_recipient_s(telecom_simulator: Any, tmp_path: Path) -> None:
    path, run = tmp_path / "out.jsonl", Run()
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/multichannel$")
    with pytest.raises(OutcomeUnknownError, match="whether 1 of 10 messages"):
        run.execute(multichannel(results_path=str(path)))
    assert [row["state"] for row in rows(path)] == ["unknown"] + ["accepted"] * 9
    assert run.execute(multichannel(results_path=str(path), on_unknown="assume_sent"))["unknown"] == 1
    assert got(telecom_simulator) == Counter(NUMBERS)


def test_within_a_budget(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Variables(lambda: None), raising=False)
    budget = Budget("marketing", "UAH", per_day="12")
    priced = {"budget": budget, "price_per_message": 1}
    assert Run().execute(multichannel(**priced))["accepted"] == 10
    with pytest.raises(TelecomInputError, match="marketing"):
        Run("2").execute(multichannel(**priced))
    assert got(telecom_simulator) == Counter(NUMBERS)


def test_quiet_hours(telecom_simulator: Any, fake_clock: World) -> None:
    fake_clock.at = datetime(2026, 12, 1, 3, tzinfo=UTC)
    send = multichannel(quiet_hours=("21:00", "09:00"), deferrable=True)
    assert one_try(Run(), send, fake_clock)["accepted"] == 10
    at = [effect.at for effect in telecom_simulator.state.ledger.of(VENDOR, "multichannel")]
    assert f"{min(at).astimezone(ZoneInfo('Europe/Kyiv')):%H:%M}" == "09:00"


def test_the_second_channel_is_no_message_at_night_either(telecom_simulator: Any, fake_clock: World) -> None:
    """At 20:30 an SMS after an hour of Viber would come at 21:30, so it waits until the morning."""
    evening = datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    quiet = {"quiet_hours": ("21:00", "09:00"), "deferrable": True}
    for seconds, shown in ((3_600, "09:00"), (600, "20:30")):
        telecom_simulator.state.ledger.effects.clear()
        fake_clock.at = evening
        one_try(Run(str(seconds)), multichannel(**quiet, viber_ttl_seconds=seconds), fake_clock)
        at = min(effect.at for effect in telecom_simulator.state.ledger.of(VENDOR, "multichannel"))
        assert f"{at.astimezone(ZoneInfo('Europe/Kyiv')):%H:%M}" == shown
    with pytest.raises(TelecomInputError, match=r"leave no time .* for more than 86460 s"):
        one_try(Run("3"), multichannel(**quiet, first="sms"), fake_clock)


def test_killed_at_each_step_nobody_gets_it_twice(telecom_simulator: Any) -> None:
    unknown = 0
    arguments = {"recipients": [A, B, C], "viber_text": "Hi", "sms_text": "Hi", "chunk_size": 1}
    sending = Sending(
        KyivstarSendBulkMultichannelOperator, VENDOR, "multichannel", "msisdn", (A, B, C), arguments
    )
    for run in killed_at_each_step(telecom_simulator, sending):
        found, error, _ = attempt(run, sending.made())
        happened = Counter(sending.happened(telecom_simulator))
        assert max(happened.values(), default=0) <= 1
        doubtful = int(error is not None)
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            found, error, _ = attempt(run, sending.made(on_unknown="assume_sent"))
            assert error is None
        assert (found["accepted"], found["unknown"]) == (3 - doubtful, doubtful)
        assert len(happened) >= 3 - doubtful
        unknown += doubtful
    assert unknown > 2


@pytest.mark.parametrize("rounds", [10, pytest.param(150, marks=pytest.mark.long)])
def test_random_kills(telecom_simulator: Any, tmp_path: Path, rounds: int) -> None:
    """The ledger has nobody twice, and everybody who may have been lost is `unknown`."""
    chance, killed = random.Random(11), 0
    for round_ in range(rounds):
        telecom_simulator.state.reset()
        base._clients.clear()
        path, run = tmp_path / f"{round_}.parquet", Run()
        more = {"chunk_size": 3, "concurrency": 2, "results_path": str(path), "on_unknown": "assume_sent"}
        for _ in range(40):
            found, error, lived = attempt(run, multichannel(**more), chance.randrange(2, 30))
            killed += not lived
            if lived and error is None:
                break
        happened, states = got(telecom_simulator), {row["msisdn"]: row["state"] for row in rows(path)}
        assert max(happened.values()) == 1
        assert list(states) == NUMBERS
        assert all(states[number] == "unknown" for number in NUMBERS if number not in happened)
        counted = Counter(states.values())
        assert (found["accepted"], found["unknown"]) == (counted["accepted"], counted["unknown"])
    assert killed > rounds


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("viber_text", {"viber_text": " "}),
        ("sms_text", {"sms_text": "{broken"}),
        ("sms_text", {"sms_text": {"A": "a"}}),
        ("sms_text", {"sms_text": "x" * 161, "max_segments": 1}),
        ("first", {"first": "rcs"}),
        ("viber_ttl_seconds", {"viber_ttl_seconds": 1}),
        ("sms_ttl_seconds", {"sms_ttl_seconds": 86_401}),
        ("caption", {"caption": "Shop"}),
        ("image_url", {"image_url": "cat.png"}),
        ("concurrency", {"concurrency": 0}),
        ("chunk_size", {"chunk_size": 0}),
        ("max_segments", {"max_segments": 7}),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        multichannel(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("more", "match"),
    [
        (
            {"sms_text": "{name}", "recipients": [{"msisdn": A, "name": " "}]},
            "sms_text: would be empty",
        ),
        ({"recipients": [{"msisdn": A, "name": "x" * 200, "code": ""}], "max_segments": 1}, "max_segments"),
        ({"recipients": [{"msisdn": A, "name": "x"}]}, "code"),
    ],
)
def test_nothing_is_sent_if_a_text_is_wrong(telecom_simulator: Any, more: dict[str, Any], match: str) -> None:
    with pytest.raises(TelecomInputError, match=match):
        Run().execute(multichannel(**more))
    assert effects(telecom_simulator) == []


def test_a_connection_with_v1beta_is_refused(hook_for: Callable[..., Any], telecom_simulator: Any) -> None:
    hook_for(VENDOR)
    with pytest.raises(TelecomInputError, match="api_version"):
        Run().execute(multichannel())
    assert telecom_simulator.state.requests == []
