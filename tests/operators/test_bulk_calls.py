"""Calling many people: nobody twice, and whoever may have been called is reported."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcBulkCallOperator
from airflow_provider_telecom.operators.sunsim import SunSimBulkCallbackOperator
from tests.bulk.audiences import prepare_audience
from tests.bulk.variables import Variables
from tests.operators.fake_clock import KilledError, World, one_try
from tests.running import Run


@dataclass(frozen=True)
class Vendor:
    """A vendor, its operator, and where its ledger has the number that was called."""

    conn_type: str
    operator: type[Any]
    caller: dict[str, str]
    path: str
    kind: str
    called: str
    numbers: tuple[str, ...]

    def made(self, **more: Any) -> Any:
        return self.operator(task_id="send", **{**self.caller, "recipients": list(self.numbers), **more})

    def called_by(self, simulator: Any) -> Counter[str]:
        effects = simulator.state.ledger.of(self.conn_type, self.kind)
        return Counter(effect.facts[self.called][-9:] for effect in effects)

    def once(self, *places: int) -> Counter[str]:
        return Counter(self.numbers[place][-9:] for place in places or range(len(self.numbers)))


FMC = Vendor(
    "kyivstar_fmc",
    KyivstarFmcBulkCallOperator,
    {"calling_number": "0670000100"},
    "originate",
    "call",
    "called",
    tuple(str(380670000200 + place) for place in range(6)),
)
SUNSIM = Vendor(
    "sunsim",
    SunSimBulkCallbackOperator,
    {"phone_from": "9000000000"},
    "callback/create",
    "callback",
    "phone_to",
    tuple(str(79000000200 + place) for place in range(6)),
)


@pytest.fixture(params=[FMC, SUNSIM], ids=lambda vendor: vendor.conn_type)
def vendor(request: pytest.FixtureRequest, hook_for: Callable[..., Any]) -> Vendor:
    found: Vendor = request.param
    hook_for(found.conn_type)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_one_call_to_each(telecom_simulator: Any, vendor: Vendor, tmp_path: Path) -> None:
    results, run = tmp_path / "out.jsonl", Run()
    facts = run.execute(vendor.made(results_path=str(results)))
    assert facts == {
        "recipients": 6,
        "duplicates": 0,
        "bad_rows": 0,
        "rejects": None,
        "accepted": 6,
        "refused": {},
        "unknown": 0,
        "results": str(results),
    }
    assert vendor.called_by(telecom_simulator) == vendor.once()
    found = lines(results)
    assert [line["msisdn"] for line in found] == list(vendor.numbers)
    assert {(line["channel"], line["state"], line["conn_id"], line["final_at"]) for line in found} == {
        ("call", "accepted", f"{vendor.conn_type}_default", None)
    }
    assert {line["caller"] for line in found} == {
        {"kyivstar_fmc": "380670000100", "sunsim": "79000000000"}[vendor.conn_type]
    }
    assert all(line["sent_at"] for line in found)
    assert run.execute(vendor.made(results_path=str(results))) == facts
    assert vendor.called_by(telecom_simulator) == vendor.once()


def test_airflow_stores_no_number(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = vendor.made(), Run()
    facts = run.execute(operator)
    shown = str(_serialize_rendered_fields(operator)) + str(run.stores["send"].texts) + str(facts)
    shown += caplog.text
    for number in ("70000200", "70000100", "00000200", "9000000000"):
        assert number not in shown


def test_lost_responses_in_a_row_are_counted_in_all_tries(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    """The circuit breaker stops a try after five, and Airflow retries it."""
    hook_for(FMC.conn_type)
    telecom_simulator.fault("reset_after", FMC.conn_type, path=FMC.path, times=1000)
    numbers, run = [str(380670000300 + place) for place in range(20)], Run()
    with pytest.raises(TelecomNotSentError):
        run.execute(FMC.made(recipients=numbers, max_unknown=8))
    base.forget_clients()
    with pytest.raises(OutcomeUnknownError, match="whether 8 of the first 8 calls"):
        run.execute(FMC.made(recipients=numbers, max_unknown=8))
    telecom_simulator.state.faults.clear()
    base.forget_clients()
    assert run.execute(FMC.made(recipients=numbers, on_unknown="assume_sent"))["accepted"] == 12


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_lost_response_is_one_unknown_recipient(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path, fault: str
) -> None:
    results, run = tmp_path / "out.parquet", Run()
    run.execute(vendor.made(results_path=str(results), recipients=list(vendor.numbers[:2])))
    telecom_simulator.fault(fault, vendor.conn_type, path=vendor.path)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError, match="whether 1 of 6 calls were accepted"):
            run.execute(vendor.made(results_path=str(results)))
    assert run.execute(vendor.made(results_path=str(results), on_unknown="assume_sent"))["unknown"] == 1
    called = vendor.once() if fault == "reset_after" else vendor.once(0, 1, 3, 4, 5)
    assert vendor.called_by(telecom_simulator) == called
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.outcomes import read_outcomes

    found = list(read_outcomes(ObjectStoragePath(str(results))))
    assert [line["state"] for line in found] == ["accepted"] * 2 + ["unknown"] + ["accepted"] * 3
    assert found[2]["sent_at"] is not None


def test_a_dead_vendor_does_not_make_all_unknown(telecom_simulator: Any, vendor: Vendor) -> None:
    telecom_simulator.fault("reset_after", vendor.conn_type, path=vendor.path, times=2)
    run = Run()
    with pytest.raises(OutcomeUnknownError, match="2 of the first 2 calls"):
        run.execute(vendor.made(max_unknown=2))
    assert vendor.called_by(telecom_simulator) == vendor.once(0, 1)
    assert run.execute(vendor.made(max_unknown=2, on_unknown="assume_sent"))["accepted"] == 4
    assert vendor.called_by(telecom_simulator) == vendor.once()


def test_resend_calls_again(telecom_simulator: Any, vendor: Vendor) -> None:
    run = Run()
    run.execute(vendor.made(recipients=list(vendor.numbers[:1])))
    telecom_simulator.fault("reset_after", vendor.conn_type, path=vendor.path)
    with pytest.raises(TelecomUnknownError):
        run.execute(vendor.made(on_unknown="resend"))
    assert run.execute(vendor.made(on_unknown="resend"))["accepted"] == 6
    assert vendor.called_by(telecom_simulator) == vendor.once() + vendor.once(1)


def test_what_was_not_sent_is_sent_by_the_next_try(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    results, run = tmp_path / "out.jsonl", Run()
    run.execute(vendor.made(results_path=str(results), recipients=list(vendor.numbers[:3])))
    throttled = {"status": 429, "headers": {"Retry-After": "9999"}, "times": 9}
    telecom_simulator.fault("status", vendor.conn_type, path=vendor.path, **throttled)
    with pytest.raises(TelecomThrottledError):
        run.execute(vendor.made(results_path=str(results)))
    assert vendor.called_by(telecom_simulator) == vendor.once(0, 1, 2)
    telecom_simulator.state.faults.clear()
    base.forget_clients()  # the process keeps the pause that the vendor asked for
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(vendor.made(results_path=str(results)))
    base.forget_clients()
    assert run.execute(vendor.made(results_path=str(results)))["accepted"] == 6
    assert vendor.called_by(telecom_simulator) == vendor.once()
    assert [line["msisdn"] for line in lines(results)] == list(vendor.numbers)


def test_a_refusal_concerns_one_recipient_and_a_bad_token_all(
    telecom_simulator: Any, vendor: Vendor, tmp_path: Path
) -> None:
    results, run = tmp_path / "out.jsonl", Run()
    run.execute(vendor.made(results_path=str(results), recipients=list(vendor.numbers[:1])))
    telecom_simulator.fault("status", vendor.conn_type, path=vendor.path, status=400)
    telecom_simulator.fault("status", vendor.conn_type, path=vendor.path, status=403)
    with pytest.raises(TelecomAuthError):
        run.execute(vendor.made(results_path=str(results)))
    facts = run.execute(vendor.made(results_path=str(results)))
    assert (facts["accepted"], facts["refused"]) == (5, {"400": 1})
    assert vendor.called_by(telecom_simulator) == vendor.once(0, 2, 3, 4, 5)
    refused = lines(results)[1]
    assert (refused["state"], refused["code"], refused["final_at"]) == ("refused", "400", refused["sent_at"])
    with pytest.raises(TelecomRejectedError, match="1 of 6 calls were refused"):
        run.execute(vendor.made(results_path=str(results), max_rejected=0))


def test_nobody_is_called_in_quiet_hours(
    telecom_simulator: Any, vendor: Vendor, fake_clock: World, tmp_path: Path
) -> None:
    """A Russian number may be anywhere from Kaliningrad, where 09:00 is 07:00 UTC, to Kamchatka."""
    fake_clock.at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    operator = vendor.made(
        quiet_hours=("21:00", "09:00"),
        deferrable=True,
        results_path=str(tmp_path / "out.jsonl"),
    )
    facts = one_try(Run(), operator, fake_clock)
    assert facts["accepted"] == 6
    opens = datetime(2026, 12, 2, 7, tzinfo=UTC)
    effects = telecom_simulator.state.ledger.of(vendor.conn_type, vendor.kind)
    assert all(opens <= effect.at < opens + timedelta(minutes=1) for effect in effects)
    assert vendor.called_by(telecom_simulator) == vendor.once()


def test_a_window_closes_between_two_calls(
    telecom_simulator: Any, vendor: Vendor, fake_clock: World, tmp_path: Path
) -> None:
    """Three writes of the journal for each call take some 36 minutes together."""
    fake_clock.at = datetime(2026, 12, 1, 17, tzinfo=UTC)
    fake_clock.hours_per_write = 0.4
    operator = vendor.made(
        quiet_hours=("21:00", "09:00"), deferrable=True, results_path=str(tmp_path / "out.jsonl")
    )
    facts = one_try(Run(), operator, fake_clock)
    assert (facts["accepted"], facts["unknown"], fake_clock.waits > 0) == (6, 0, True)
    effects = telecom_simulator.state.ledger.of(vendor.conn_type, vendor.kind)
    assert all(7 <= effect.at.hour < 19 for effect in effects)  # 09:00 to 21:00 in Kyiv
    assert vendor.called_by(telecom_simulator) == vendor.once()
    assert [line["msisdn"] for line in lines(tmp_path / "out.jsonl")] == list(vendor.numbers)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Variables]:
    found = Variables(lambda: None)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
    return found


def test_a_budget(telecom_simulator: Any, vendor: Vendor, variables: Variables) -> None:
    run = Run()
    money: dict[str, Any] = {"budget": Budget("calls", "UAH", per_day="9"), "price_per_message": "2"}
    with pytest.raises(TelecomInputError, match="per_day"):
        run.execute(vendor.made(**money))
    assert not vendor.called_by(telecom_simulator)
    assert run.execute(vendor.made(**money, recipients=list(vendor.numbers[:4])))["accepted"] == 4
    with pytest.raises(TelecomInputError, match="per_day"):
        run.execute(vendor.made(**money, recipients=[vendor.numbers[4]], dedupe_key="2"))
    assert vendor.called_by(telecom_simulator) == vendor.once(0, 1, 2, 3)


def test_a_shard_of_an_audience_with_variants(telecom_simulator: Any, vendor: Vendor, tmp_path: Path) -> None:
    rows = [
        {"msisdn": number, "variant": "AB"[place % 2], "shard": place // 4}
        for place, number in enumerate(vendor.numbers)
    ]
    audience = prepare_audience(tmp_path / "audience", rows)
    results = tmp_path / "out.jsonl"
    facts = Run().execute(vendor.made(recipients=audience, shard=0, variants="B", results_path=str(results)))
    assert facts["recipients"] == 2
    assert vendor.called_by(telecom_simulator) == vendor.once(1, 3)
    assert {line["variant"] for line in lines(results)} == {"B"}


def test_a_dry_run_calls_nobody(telecom_simulator: Any, vendor: Vendor, variables: Variables) -> None:
    money: dict[str, Any] = {"budget": Budget("calls", "UAH", per_day="9"), "price_per_message": "2"}
    facts = Run().execute(vendor.made(dry_run=True, quiet_hours=("21:00", "09:00"), **money, timezone="UTC"))
    assert (facts["recipients"], facts["price"], facts["currency"]) == (6, "12", "UAH")
    assert [window["recipients"] for window in facts["windows"]] == [6]
    assert not telecom_simulator.state.ledger.of(vendor.conn_type, vendor.kind)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("max_unknown", {"max_unknown": 0}),
        ("max_rejected", {"max_rejected": -1}),
        ("seconds_between_calls", {"seconds_between_calls": -1}),
        ("seconds_between_calls", {"seconds_between_calls": 3601}),
        ("seconds_between_calls", {"seconds_between_calls": True}),
        ("price_per_message", {"price_per_message": 1}),
        ("quiet_hours", {"quiet_hours": ("21:00", "21:00")}),
        ("on_unknown", {"on_unknown": "hope"}),
        ("variants", {"variants": "A"}),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(
    vendor: Vendor, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        vendor.made(**arguments)
    assert caught.value.field == field


def test_the_caller_is_no_recipient_and_other_content_is_refused(
    telecom_simulator: Any, vendor: Vendor
) -> None:
    ((name, caller),) = vendor.caller.items()
    own = f"380{caller[-9:]}" if vendor is FMC else f"7{caller}"
    with pytest.raises(TelecomInputError, match=r"^recipients: contain the number"):
        Run().execute(vendor.made(recipients=[*vendor.numbers, own]))
    run = Run()
    run.execute(vendor.made())
    other = {"kyivstar_fmc": "0670000101", "sunsim": "9000000001"}[vendor.conn_type]
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(vendor.made(**{name: other}))
    assert vendor.called_by(telecom_simulator) == vendor.once()


def test_calls_are_spaced(telecom_simulator: Any, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    operator = vendor.made(seconds_between_calls=600)
    monkeypatch.setattr(type(operator), "_sleep", lambda self, seconds: slept.append(seconds))
    monkeypatch.setattr("airflow_provider_telecom.operators.bulk_calls.time.monotonic", lambda: sum(slept))
    Run().execute(operator)
    assert sum(slept) == pytest.approx(5 * 600)
    assert vendor.called_by(telecom_simulator) == vendor.once()


def test_metrics_count_what_was_accepted(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.observability import stats

    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(stats, "incr", lambda *given, tags: found.append((*given, *tags.values())))
    run = Run()
    run.execute(vendor.made())
    run.execute(vendor.made())
    assert found == [("telecom.sent", 6, f"{vendor.conn_type}_default", "call")]


@pytest.mark.parametrize("seed", range(3))
def test_two_time_zones_under_random_kills(
    telecom_simulator: Any, fake_clock: World, hook_for: Callable[..., Any], tmp_path: Path, seed: int
) -> None:
    """Each zone has its own checkpoint; slow writes let the windows close in between."""
    hook_for("kyivstar_fmc")
    fake_clock.at = datetime(2026, 12, 1, 12, tzinfo=UTC)
    fake_clock.chance, fake_clock.hours_per_write = random.Random(seed), 0.3
    zones = ("Europe/Kyiv", "America/New_York")
    people = [{"msisdn": str(380670000200 + place), "tz": zones[place % 2]} for place in range(10)]
    path, run = tmp_path / "out.jsonl", Run()
    for kills in (0.04, 0.04, 0.04, 0.0):
        fake_clock.kills = kills
        operator = FMC.made(
            recipients=people,
            timezone_column="tz",
            quiet_hours=("21:00", "09:00"),
            deferrable=True,
            results_path=str(path),
            on_unknown="assume_sent",
        )
        with suppress(KilledError):
            one_try(run, operator, fake_clock)
    effects = telecom_simulator.state.ledger.of("kyivstar_fmc", "call")
    called = {f"38{effect.facts['called']}": effect.at for effect in effects}
    assert len(called) == len(effects), "somebody was called twice"
    found = lines(path)
    assert sorted(line["msisdn"] for line in found) == [person["msisdn"] for person in people]
    for line in found:
        assert line["state"] == "unknown" or line["msisdn"] in called
    assert sum(line["state"] == "unknown" for line in found) <= fake_clock.killed
    for person in people:
        if (at := called.get(person["msisdn"])) is not None:
            assert 9 <= at.astimezone(ZoneInfo(person["tz"])).hour < 21
