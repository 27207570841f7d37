"""Checks of many numbers: what is asked, what the file says, and that no answer is paid for twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckSubscribersOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    checking as runner,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import (
    LowerScore,
    MoreDevices,
    MoreSims,
    OtherDevice,
    SimChanged,
    SubscriberCheck,
    YoungerSim,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
NUMBERS = [str(380670000200 + place) for place in range(7)]
FOREIGN = "380500000000"
IMEI, OTHER_IMEI = "35000000000000", "35000000000001"
TWO = [SimChanged(activation_hours=72), MoreSims(days=30, max_count=2)]
ALL = [
    *TWO,
    OtherDevice(),
    MoreDevices(days_period=30, max_count=3),
    YoungerSim(min_months=1),
    LowerScore(min_score=300, return_score=True),
]
Make = Callable[..., KyivstarCheckSubscribersOperator]


@pytest.fixture
def checking(hook_for: Callable[..., Any], tmp_path: Path, telecom_simulator: Any) -> Make:
    hook_for(VENDOR).fetch_token()
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    for number in NUMBERS:
        found = state.subscriber(number)
        found.active, found.sim_changes, found.imei, found.imei_count, found.score = True, [], IMEI, 1, 700

    def make(**arguments: Any) -> KyivstarCheckSubscribersOperator:
        defaults = {"recipients": NUMBERS, "checks": TWO, "results_path": str(tmp_path / "checked.jsonl")}
        return KyivstarCheckSubscribersOperator(task_id="check", **{**defaults, "chunk_size": 3, **arguments})

    return make


def billed(simulator: Any) -> Counter[tuple[str, str]]:
    """Return how often each check of each number was billed."""
    effects = simulator.state.ledger.of(VENDOR, "billed_check")
    return Counter((effect.facts["msisdn"], effect.facts["check"]) for effect in effects)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lose(simulator: Any, path: str = "verify-sim", times: int = 1) -> None:
    simulator.fault("reset_after", VENDOR, path=path, times=times)


def test_each_number_has_a_row_and_each_check_its_columns(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    people = [{"msisdn": number, "imei": IMEI} for number in NUMBERS[:2]]
    people += [{"msisdn": NUMBERS[2], "imei": OTHER_IMEI}, {"msisdn": FOREIGN, "imei": IMEI}]
    found = Run().execute(checking(recipients=people, checks=ALL))
    first, _, third, foreign = rows(tmp_path / "checked.jsonl")
    units = [first[check.label].pop("reserved_units", 0) for check in ALL]
    assert found["reserved_units"] == 3 * sum(units) > 0
    state = {"state": "answered", "answer": "no", "reason": None, "code": None}
    assert first == {
        "msisdn": NUMBERS[0],
        "sim_changed": {**state, "sim_changed": False, "is_active": True},
        "more_sims": {**state, "sim_count": 1},
        "other_device": {**state, "imei_result": "COMPLETELY_MATCHED"},
        "more_devices": {**state, "device_count": 1},
        "younger_sim": {**state, "at_least": 24, "at_most": 120, "time_unit": "MONTHS"},
        "lower_score": {**state, "score": 700},
    }
    assert third["other_device"]["answer"] == "yes"
    unknown = {"answer": "unknown", "reason": "not_a_subscriber"}
    assert foreign["sim_changed"] == {**state, **unknown, "sim_changed": None, "is_active": None}
    assert found["answers"]["other_device"] == {"no": 2, "yes": 1, "unknown": 1}
    assert found["reasons"]["sim_changed"] == {"not_a_subscriber": 1}
    assert (found["checks"], found["answered"], found["unknown"], found["repeated"]) == (24, 24, 0, 0)
    checks = Counter(check for _, check in billed(telecom_simulator).elements())
    assert checks == {**dict.fromkeys(checks, 3), "device-check": 6}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checked.jsonl"]
    assert not any(number in json.dumps(found) for number in (*NUMBERS, FOREIGN, IMEI))


def test_numbers_of_a_file_in_chunks(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    source = tmp_path / "payees.csv"
    source.write_text("name;phone\n" + "".join(f"N;+{number}\n" for number in [*NUMBERS, NUMBERS[0]]))
    found = Run().execute(checking(recipients=str(source), msisdn_column="phone", concurrency=1))
    assert (found["recipients"], found["duplicates"], found["answered"]) == (7, 1, 14)
    assert [row["msisdn"] for row in rows(tmp_path / "checked.jsonl")] == NUMBERS
    assert set(billed(telecom_simulator).values()) == {1}


def test_the_facts_of_api_v1_are_columns_too(checking: Make, hook_for: Any, tmp_path: Path) -> None:
    operator = checking(recipients=NUMBERS[:1], checks=TWO[:1])
    hook_for(VENDOR, api_version="v1")
    Run().execute(operator)
    (row,) = rows(tmp_path / "checked.jsonl")
    assert row["sim_changed"]["is_active"] is None
    assert {"sim_type_changed", "geo_changed", "imei_changed", "call_forwarding"} <= set(row["sim_changed"])


def test_two_checks_of_one_question_have_names(checking: Make, tmp_path: Path) -> None:
    checks = [MoreSims(days=30, name="sims_30"), MoreSims(days=90, name="sims_90")]
    Run().execute(checking(recipients=NUMBERS[:1], checks=checks))
    assert list(rows(tmp_path / "checked.jsonl")[0]) == ["msisdn", "sims_30", "sims_90"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"checks": []}, "checks"),
    ({"checks": SimChanged(activation_hours=1)}, "checks"),
    ({"checks": [{"question": "sim_changed"}]}, "checks"),
    ({"checks": [*TWO, MoreSims(days=3)]}, "checks: more_sims occurs twice"),
    ({"on_lost_answer": "hope"}, "on_lost_answer"),
    ({"concurrency": 0}, "concurrency"),
    ({"concurrency": 33}, "concurrency"),
    ({"chunk_size": 0}, "chunk_size"),
    ({"max_checks": 0}, "max_checks"),
    ({"max_rejected": -1}, "max_rejected"),
    ({"max_cheks": 1}, "did you mean max_checks"),
]


@pytest.mark.parametrize(("arguments", "field"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(
    checking: Make, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(TelecomInputError, match=field):
        checking(**arguments)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: SimChanged(activation_hours=0), "activation_hours"),
        (lambda: MoreSims(days=121), "days"),
        (lambda: MoreSims(days=1, max_count=0), "max_count"),
        (lambda: OtherDevice(imei_column=" "), "imei_column"),
        (lambda: MoreDevices(days_period=0, max_count=1), "days_period"),
        (lambda: YoungerSim(min_months=0), "min_months"),
        (lambda: LowerScore(min_score=float("nan")), "min_score"),
        (lambda: LowerScore(min_score=1, model_id="7&x"), "model_id"),
        (lambda: YoungerSim(name="msisdn"), "name"),
        (lambda: YoungerSim(name="a.b"), "name"),
    ],
)
def test_a_wrong_check_is_refused_when_it_is_written(make: Callable[[], object], field: str) -> None:
    with pytest.raises(TelecomInputError, match=field):
        make()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"max_checks": 13}, "max_checks"),
        ({"max_recipients": 6}, "max_recipients"),
        ({"recipients": [*NUMBERS, "12"]}, "line 8"),
        ({"results_path": ""}, "results_path"),
        ({"checks": [OtherDevice()], "recipients": [{"msisdn": NUMBERS[0], "imei": "12"}]}, "imei"),
        ({"checks": [OtherDevice()], "recipients": [{"msisdn": NUMBERS[0]}]}, "imei"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_nothing_is_asked_if_the_numbers_are_wrong_or_too_many(
    telecom_simulator: Any, checking: Make, arguments: dict[str, Any], field: str
) -> None:
    run = Run()
    with pytest.raises(TelecomInputError, match=field):
        run.execute(checking(**arguments))
    assert not billed(telecom_simulator)
    assert not run.stores["check"].texts


def test_a_dry_run_counts_and_asks_nothing(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    found = Run().execute(checking(dry_run=True, max_checks=14))
    assert (found["checks"], found["dry_run"]) == (14, True)
    assert not billed(telecom_simulator)
    assert not list(tmp_path.iterdir())


def test_clear_asks_nothing_again(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    run = Run()
    found = run.execute(checking())
    before, written = len(telecom_simulator.state.requests), (tmp_path / "checked.jsonl").read_text()
    assert run.execute(checking()) == found
    assert len(telecom_simulator.state.requests) == before
    assert (tmp_path / "checked.jsonl").read_text() == written


def test_further_numbers_at_the_end_are_checked_alone(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    run = Run()
    run.execute(checking(recipients=NUMBERS[:4]))
    found = run.execute(checking())
    assert (found["recipients"], found["answered"]) == (7, 14)
    assert [row["msisdn"] for row in rows(tmp_path / "checked.jsonl")] == NUMBERS
    assert set(billed(telecom_simulator).values()) == {1}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"recipients": NUMBERS[1:]}, "recipients"),
        ({"recipients": NUMBERS[:5]}, "recipients"),
        ({"checks": [SimChanged(activation_hours=24), MoreSims(days=30, max_count=2)]}, "checks"),
        ({"checks": TWO[:1]}, "checks"),
        ({"results_path": "elsewhere.jsonl"}, "results_path"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_other_numbers_or_checks_are_refused_once_something_was_asked(
    telecom_simulator: Any, checking: Make, changed: dict[str, Any], field: str
) -> None:
    run = Run()
    run.execute(checking())
    before = billed(telecom_simulator)
    with pytest.raises(TelecomInputError, match=f"^{field}: .*dedupe_key") as caught:
        run.execute(checking(**changed))
    assert not any(number in str(caught.value) for number in NUMBERS)
    assert billed(telecom_simulator) == before


def test_another_dedupe_key_asks_again(telecom_simulator: Any, checking: Make) -> None:
    run = Run()
    for key in ("", "again"):
        run.execute(checking(dedupe_key=key))
    assert set(billed(telecom_simulator).values()) == {2}


# Lost answers.


def test_a_lost_answer_is_requested_once_more(
    telecom_simulator: Any, checking: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lose(telecom_simulator)
    found = Run().execute(checking(concurrency=1))
    assert (found["answered"], found["repeated"], found["unknown"]) == (14, 1, 0)
    assert sorted(billed(telecom_simulator).values()) == [1] * 13 + [2]
    assert "lost; they are requested once more" in caplog.text


def test_an_answer_that_is_lost_twice_is_reported_as_unknown(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    run = Run()
    lose(telecom_simulator, f"{NUMBERS[0]}/verify-sim", times=2)
    found = run.execute(checking())
    assert (found["answered"], found["repeated"], found["unknown"]) == (13, 1, 1)
    first = rows(tmp_path / "checked.jsonl")[0]
    assert first["sim_changed"]["state"] == "unknown"
    assert first["sim_changed"]["reason"] == "outcome_unknown"
    assert first["more_sims"]["state"] == "answered"
    assert max(billed(telecom_simulator).values()) == 2
    assert run.execute(checking()) == found
    assert max(billed(telecom_simulator).values()) == 2


def test_report_repeats_nothing(telecom_simulator: Any, checking: Make, tmp_path: Path) -> None:
    run = Run()
    lose(telecom_simulator)
    found = run.execute(checking(on_lost_answer="report"))
    assert (found["answered"], found["repeated"], found["unknown"]) == (13, 0, 1)
    assert set(billed(telecom_simulator).values()) == {1}
    assert run.execute(checking(on_lost_answer="report")) == found
    assert set(billed(telecom_simulator).values()) == {1}


@pytest.mark.parametrize("kind", ["close_after", "status"])
def test_a_server_that_failed_has_given_no_answer(telecom_simulator: Any, checking: Make, kind: str) -> None:
    options = {"status": 503} if kind == "status" else {}
    telecom_simulator.fault(kind, VENDOR, path="check-sim-count", **options)
    found = Run().execute(checking())
    assert (found["answered"], found["repeated"], found["unknown"]) == (14, 1, 0)
    assert max(billed(telecom_simulator).values()) <= 2


# Tries that stop.


@pytest.mark.parametrize("policy", ["repeat_once", "report"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_after_a_throttled_try_the_next_goes_on(
    telecom_simulator: Any, checking: Make, tmp_path: Path, policy: str, concurrency: int
) -> None:
    """The vendor asks to wait longer than a worker does: nothing is asked twice, and nothing is unknown."""
    arguments = {"on_lost_answer": policy, "concurrency": concurrency}
    telecom_simulator.fault(
        "status", VENDOR, path=f"{NUMBERS[4]}/verify-sim", status=429, headers={"Retry-After": "400"}
    )
    run = Run()
    with pytest.raises(TelecomThrottledError):
        run.execute(checking(**arguments))
    assert billed(telecom_simulator)
    from airflow_provider_telecom.hooks import base

    base._clients.clear()  # the next try is another process, 400 seconds later
    found = run.execute(checking(**arguments))
    assert (found["answered"], found["repeated"], found["unknown"]) == (14, 0, 0)
    assert set(billed(telecom_simulator).values()) == {1}
    assert [row["msisdn"] for row in rows(tmp_path / "checked.jsonl")] == NUMBERS


def test_after_an_execution_timeout_what_was_under_way_is_recorded(
    telecom_simulator: Any, checking: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wait, turns = Run(), runner.wait, iter(range(99))

    def timed_out(running: Any, **options: Any) -> Any:
        if next(turns) == 4:
            raise AirflowTaskTimeout("Timeout")
        return wait(running, **options)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "wait", timed_out)
        with pytest.raises(AirflowTaskTimeout):
            run.execute(checking(concurrency=3))
    assert billed(telecom_simulator)
    found = run.execute(checking(concurrency=3, on_lost_answer="report"))
    assert (found["answered"], found["unknown"]) == (14, 0)
    assert set(billed(telecom_simulator).values()) == {1}


def test_numbers_may_change_if_nothing_was_asked(telecom_simulator: Any, checking: Make) -> None:
    telecom_simulator.fault("status", VENDOR, path="/subscribers/", status=403)
    run = Run()
    with pytest.raises(TelecomAuthError):
        run.execute(checking(concurrency=1))
    assert not billed(telecom_simulator)
    assert run.execute(checking(recipients=NUMBERS[2:]))["answered"] == 10


def test_refused_checks_stop_the_task_before_all_are_refused(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    checks, run = [TWO[0], LowerScore(min_score=1, model_id="99")], Run()
    with pytest.raises(TelecomRejectedError, match="3 checks of the first 3 numbers were refused") as caught:
        run.execute(checking(checks=checks, max_rejected=2))
    assert "max_rejected" in str(caught.value)
    assert len(billed(telecom_simulator)) == 3
    found = run.execute(checking(checks=checks, max_rejected=7))
    assert (found["answered"], sum(found["refused"].values())) == (7, 7)
    assert found["reasons"]["lower_score"] == {"refused": 7}
    assert {row["lower_score"]["state"] for row in rows(tmp_path / "checked.jsonl")} == {"refused"}
    assert set(billed(telecom_simulator).values()) == {1}


@dataclass(frozen=True, kw_only=True)
class Broken(SubscriberCheck):
    """A check whose code fails after the vendor has answered."""

    question = "broken"
    fact_names = ()

    def _evaluate(self, hook: Any, msisdn: str | int, *values: Any) -> Any:
        hook.verify_sim(msisdn, 1)
        raise ValueError("a bug")


def test_an_answer_that_our_code_cannot_use_is_lost_and_not_asked_for_without_end(
    telecom_simulator: Any, checking: Make
) -> None:
    run = Run()
    for attempt in (1, 2):
        with pytest.raises(ValueError, match="a bug"):
            run.execute(checking(checks=[Broken()], recipients=NUMBERS[:1]))
        assert max(billed(telecom_simulator).values()) == attempt
    found = run.execute(checking(checks=[Broken()], recipients=NUMBERS[:1]))
    assert (found["answered"], found["repeated"], found["unknown"]) == (0, 1, 1)
    assert max(billed(telecom_simulator).values()) == 2


def test_a_disk_that_is_full_loses_nothing_that_is_written(
    telecom_simulator: Any, checking: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.bulk.results_file import ResultsFile

    def full(self: Any, lines: Any) -> None:
        raise OSError(28, "No space left on device")

    run = Run()
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFile, "add", full)
        with pytest.raises(OSError, match="No space"):
            run.execute(checking())
    assert len(billed(telecom_simulator)) == 6
    assert run.execute(checking())["repeated"] == 0
    assert set(billed(telecom_simulator).values()) == {1}


@dataclass(frozen=True, kw_only=True)
class Together(SubscriberCheck):
    """A check that is answered once three of them run at the same time."""

    question = "together"
    fact_names = ()
    barrier = threading.Barrier(3, timeout=60)
    running: Any = ()

    def _evaluate(self, hook: Any, msisdn: str | int, *values: Any) -> Any:
        self.running.append(1)
        most = len(self.running)
        self.barrier.wait()
        self.running.pop()
        return most > 3, {}

    def to_dict(self) -> dict[str, Any]:
        return {}


def test_so_many_run_at_the_same_time_and_no_more(checking: Make) -> None:
    together = Together(running=[])
    found = Run().execute(checking(checks=[together], recipients=NUMBERS[:6], concurrency=3))
    assert found["answers"] == {"together": {"no": 6}}


def test_logs_and_journal_hold_no_number(
    telecom_simulator: Any, checking: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    lose(telecom_simulator)
    run = Run()
    run.execute(checking(checks=[*TWO, LowerScore(min_score=1)]))
    stored = json.dumps(run.stores["check"].texts)
    for number in NUMBERS:
        assert number not in caplog.text
        assert number not in stored
    assert "7 of 7 numbers are checked" in caplog.text


def test_a_try_that_was_given_up_makes_no_more_requests(
    telecom_simulator: Any, checking: Make, tmp_path: Path
) -> None:
    """The process of the first try continues while the next one runs: only what it had begun is repeated."""
    run, given_up = Run(), checking(concurrency=1)
    verify, asked = given_up.hook.verify_sim, list[str]()

    def verify_sim(msisdn: str, hours: int) -> Any:
        asked.append(msisdn)
        if len(asked) == 2:
            found = run.execute(checking())
            assert (found["answered"], found["repeated"]) == (14, 1)
        return verify(msisdn, hours)

    given_up.hook.verify_sim = verify_sim
    with pytest.raises(TelecomNotSentError, match="another try of this task has taken over"):
        run.execute(given_up)
    assert asked == NUMBERS[:2]
    times = billed(telecom_simulator)
    assert [key for key, count in times.items() if count > 1] == [(NUMBERS[1], "verify-sim")]
    assert [row["msisdn"] for row in rows(tmp_path / "checked.jsonl")] == NUMBERS
    assert run.execute(checking())["answered"] == 14


def test_a_try_that_must_wait_leaves_the_chunk_of_the_earlier_one_in_the_journal(
    telecom_simulator: Any, checking: Make
) -> None:
    """The vendor throttles the first try, and the second one before its first request."""
    from airflow_provider_telecom.hooks import base

    telecom_simulator.fault(
        "status", VENDOR, path=f"{NUMBERS[1]}/verify-sim", status=429, headers={"Retry-After": "400"}
    )
    run = Run()
    for _ in range(2):  # the process keeps the pause that the vendor asked for
        with pytest.raises(TelecomThrottledError):
            run.execute(checking())
    base._clients.clear()
    found = run.execute(checking())
    assert (found["answered"], found["repeated"], found["unknown"]) == (14, 0, 0)
    assert set(billed(telecom_simulator).values()) == {1}
