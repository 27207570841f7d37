"""A connection that fails for everybody: whom the task hands over, and that nobody is written to twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.failover import Failover, send_or_hand_over
from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomServerError,
    TelecomUnknownError,
)
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState
from tests.bulk.variables import Variables
from tests.operators import test_kills
from tests.operators.test_kills import KilledError, KillingStore, Process, _killing  # noqa: F401 - a fixture
from tests.running import Run

VENDOR = "ketchup_loyalty"
NUMBERS = [f"380670000{number:03d}" for number in range(300, 312)]
SOON = Failover(failures=2, within=timedelta(milliseconds=20))
CHUNK = 4
OTHER = "other"
Send = Callable[..., dict[str, Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sms.jsonl"


@pytest.fixture(autouse=True)
def _other(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection, with a circuit breaker of its own."""
    connection = telecom_simulator.connection(VENDOR)
    connection["extra"]["timeout_read"] = 29
    monkeypatch.setenv(f"AIRFLOW_CONN_{OTHER.upper()}", json.dumps(connection))


@pytest.fixture
def send(hook_for: Callable[..., Any], path: Path) -> Send:
    """Run a try of the first connection's task."""
    hook_for(VENDOR, viber_sender="Shop")
    run = Run()

    def sent(operator: Any = KetchUpSendBulkSmsOperator, **more: Any) -> dict[str, Any]:
        defaults = {"recipients": NUMBERS, "text": "Hi", "chunk_size": CHUNK, "results_path": str(path)}
        found = run.execute(operator(task_id="send", **{**defaults, "failover": SOON, **more}))
        assert isinstance(found, dict)
        return found

    return sent


def by_vendor(error: TelecomError) -> TelecomError:
    """Return an error as a hook raises it."""
    error.conn_id = "ketchup_loyalty_default"
    return error


def states(path: Path) -> Counter[tuple[str, str | None]]:
    return Counter((line["state"], line["code"]) for line in read_outcomes(ObjectStoragePath(str(path))))


def not_sent(path: Path) -> list[str]:
    lines = read_outcomes(ObjectStoragePath(str(path)))
    return [line["msisdn"] for line in lines if line["code"] == "not_sent"]


def written_to(simulator: Any) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of(VENDOR))


def by_another_connection(simulator: Any, path: Path) -> None:
    """Send to those who were handed over, and check that everybody has got one message at most."""
    simulator.state.faults.clear()
    if numbers := not_sent(path):
        second = KetchUpSendBulkSmsOperator(task_id="send_2", conn_id=OTHER, recipients=numbers, text="Hi")
        Run().execute(second)
    assert not [msisdn for msisdn, times in written_to(simulator).items() if times > 1]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_dead_vendor_hands_everybody_over_and_is_not_asked_again(
    telecom_simulator: Any, send: Send, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"sms.{suffix}"
    telecom_simulator.fault("reset_before", VENDOR, path="sms", times=1000)
    telecom_simulator.refuse()
    found = send(results_path=str(path))
    telecom_simulator.accept()
    assert (found["accepted"], found["refused"], found["handed_over"]) == (0, {}, len(NUMBERS))
    lines = list(read_outcomes(ObjectStoragePath(str(path))))
    assert [line["msisdn"] for line in lines] == NUMBERS
    assert {(line["state"], line["code"], line["sent_at"]) for line in lines} == {
        ("refused", "not_sent", None)
    }
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(NUMBERS)
    assert send(results_path=str(path)) == found, "a cleared task sends nothing"
    assert written_to(telecom_simulator) == Counter(NUMBERS)


def test_no_money_hands_the_others_over_at_once(telecom_simulator: Any, send: Send, path: Path) -> None:
    vendor = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    vendor.balance = Decimal("0.02") * CHUNK
    found = send(failover=Failover(failures=1000, within=timedelta(hours=10)))
    assert (found["accepted"], found["handed_over"]) == (CHUNK, len(NUMBERS) - CHUNK)
    assert states(path) == {("accepted", None): CHUNK, ("refused", "not_sent"): len(NUMBERS) - CHUNK}
    vendor.balance = Decimal(1000)
    assert send() == found
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize(
    ("codes", "accepted", "unknown"),
    [([None, None, "8", "8"], 2, 0), (["8", "8", "8", "8"], 0, 0), ([None, "8", None, "8"], 1, 2)],
)
def test_who_is_refused_within_a_chunk_for_lack_of_money_is_handed_over(
    telecom_simulator: Any, send: Send, path: Path, codes: list[str | None], accepted: int, unknown: int
) -> None:
    """The vendor answers for each message. Only one before an accepted one counts as unknown."""
    items = [
        {"error": "0", "id": str(place)} if code is None else {"error": code}
        for place, code in enumerate(codes)
    ]
    body = json.dumps({"result": items})
    telecom_simulator.fault("status", VENDOR, path="sms/create", status=200, body=body)
    left = NUMBERS[accepted + unknown :]
    assert send()["handed_over"] == len(left)
    assert not_sent(path) == left
    assert states(path)["unknown", None] == unknown
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(left)


def test_invalid_credentials_hand_everybody_over_at_once(
    telecom_simulator: Any, send: Send, path: Path, hook_for: Callable[..., Any]
) -> None:
    telecom_simulator.fault("status", VENDOR, status=401, path="sms", times=1000)
    assert send(failover=Failover(failures=1000, within=timedelta(hours=10)))["handed_over"] == len(NUMBERS)
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(NUMBERS)


def test_a_chunk_that_may_have_been_sent_is_unknown_and_nobody_writes_to_it_again(
    telecom_simulator: Any, send: Send, path: Path
) -> None:
    telecom_simulator.fault("status_after", VENDOR, status=500, path="sms/create", times=1000)
    found = send()
    assert (found["handed_over"], written_to(telecom_simulator)) == (8, Counter(NUMBERS[:CHUNK]))
    assert states(path) == {("unknown", None): CHUNK, ("refused", "not_sent"): 8}
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(NUMBERS)


def test_a_short_failure_changes_nothing(telecom_simulator: Any, send: Send, path: Path) -> None:
    """Each try fails with all its requests; the third one finds the vendor well."""
    tries = iter(range(10))
    telecom_simulator.fault("status", VENDOR, status=503, path="sms/create", times=1000)

    def heal(_: float) -> None:
        if next(tries) == 1:
            telecom_simulator.state.faults.clear()

    sent: list[int] = []

    def try_it() -> None:
        if telecom_simulator.state.faults:
            raise by_vendor(TelecomServerError("503"))
        sent.append(1)

    send_or_hand_over(Failover(), try_it, lambda: 0, lambda: pytest.fail("handed over"), sleep=heal)
    assert sent == [1]
    assert send()["handed_over"] == 0
    assert states(path) == {("accepted", None): len(NUMBERS)}


def test_the_rule_counts_failures_in_a_row_within_the_time() -> None:
    failover, at = Failover(failures=3, within=timedelta(seconds=60)), [0.0]
    known = [0]

    def run(steps: list[tuple[float, int, TelecomError]]) -> tuple[int, bool]:
        """Return how many tries there were, and whether it was handed over."""
        given, handed_over, tries = iter(steps), [], 0

        def send() -> None:
            nonlocal tries
            tries += 1
            if (step := next(given, None)) is None:
                return
            at[0] += step[0]
            known[0] += step[1]
            raise step[2]

        at[0], known[0] = 0.0, 0
        send_or_hand_over(
            failover,
            send,
            lambda: known[0],
            lambda: handed_over.append(True),
            clock=lambda: at[0],
            sleep=lambda seconds: at.__setitem__(0, at[0] + seconds),
        )
        return tries, bool(handed_over)

    down = by_vendor(TelecomServerError("down"))
    assert run([(1, 0, down)] * 9) == (3, True)
    assert run([(1, 0, down)] * 2) == (3, False)
    assert run([(1, 4, down)] * 9) == (10, False), "each try has sent some"
    assert run([(100, 0, down)] * 9) == (2, True), "all tries have failed for longer than the time"
    assert run([(1, 0, by_vendor(TelecomAuthError("key")))]) == (1, True)
    with pytest.raises(TelecomNotSentError):  # of Airflow's own API: no connection
        run([(1, 0, TelecomNotSentError("another try has taken over"))])
    with pytest.raises(TelecomRateLimitStoreError):  # the next connection uses the same store
        run([(1, 0, by_vendor(TelecomRateLimitStoreError("down")))] * 9)


@pytest.mark.parametrize("policy", ["fail", "assume_sent"])
def test_viber_without_proven_keys(telecom_simulator: Any, send: Send, path: Path, policy: str) -> None:
    """What may have been sent stops the task for a person, or counts as unknown."""
    telecom_simulator.fault("status_after", VENDOR, status=500, path="viber/create", times=1000)
    telecom_simulator.fault("status", VENDOR, status=503, path="viber/reference", times=1000)
    if policy == "fail":
        with pytest.raises(OutcomeUnknownError):
            send(KetchUpSendViberOperator, on_unknown=policy)
        assert not path.exists()
        return
    found = send(KetchUpSendViberOperator, on_unknown=policy)
    assert found["unknown"] >= CHUNK
    assert found["handed_over"] + found["unknown"] == len(NUMBERS)
    by_another_connection(telecom_simulator, path)
    assert set(not_sent(path)).isdisjoint(NUMBERS[:CHUNK])


def test_resend_of_viber_without_proven_keys_waits_for_the_next_try(
    telecom_simulator: Any, send: Send
) -> None:
    """A lost response is no failure of the connection: otherwise one try would write to somebody often."""
    telecom_simulator.fault("status_after", VENDOR, status=500, path="viber/create", times=1000)
    telecom_simulator.fault("status", VENDOR, status=503, path="viber/reference", times=1000)
    with pytest.raises(TelecomUnknownError):
        send(KetchUpSendViberOperator, on_unknown="resend")
    assert len(telecom_simulator.state.ledger.of(VENDOR, "viber")) == CHUNK


@pytest.mark.usefixtures("_killing")
def test_a_kill_at_each_step_of_the_handing_over(telecom_simulator: Any, tmp_path: Path) -> None:
    points = 0
    for point in range(1, 100):
        telecom_simulator.state.reset()
        vendor = telecom_simulator.state.vendor_state(VENDOR, VendorState)
        vendor.balance = Decimal("0.02") * CHUNK
        path, run = tmp_path / f"{point}.jsonl", Run()
        run.stores["send"] = KillingStore()

        def operator(path: Path = path) -> KetchUpSendBulkSmsOperator:
            return KetchUpSendBulkSmsOperator(
                task_id="send",
                recipients=NUMBERS,
                text="Hi",
                chunk_size=CHUNK,
                results_path=str(path),
                failover=SOON,
            )

        test_kills.process = Process(point)
        try:
            run.execute(operator())
        except KilledError:
            points += 1
        else:
            break
        finally:
            test_kills.process = Process()
        vendor.balance += Decimal("0.02") * (point % 3)  # the next try may send to some more
        run.execute(operator())
        vendor.balance = Decimal(1000)
        by_another_connection(telecom_simulator, path)
        assert set(written_to(telecom_simulator)) >= set(NUMBERS) - {
            line["msisdn"]
            for line in read_outcomes(ObjectStoragePath(str(path)))
            if line["state"] == "unknown"
        }
        run.execute(operator())
        assert not [msisdn for msisdn, times in written_to(telecom_simulator).items() if times > 1]
    assert points > 10


@pytest.mark.parametrize("more", [{}, {"max_cost": "5"}, {"budget": Budget("night", "EUR", per_day="5")}])
def test_quiet_hours_hand_over_each_group(
    telecom_simulator: Any,
    send: Send,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
) -> None:
    """With a price the vendor is asked for it first, and has failed before any group is sent to."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Variables(), raising=False)
    telecom_simulator.fault("status", VENDOR, status=401, path="sms", times=1000)
    people = [
        {"msisdn": msisdn, "zone": ("Europe/Kyiv", "Europe/Warsaw")[place % 2]}
        for place, msisdn in enumerate(NUMBERS)
    ]
    closed = KetchUpSendBulkSmsOperator.now() + timedelta(hours=6)
    hours = (f"{closed:%H:%M}", f"{closed + timedelta(hours=1):%H:%M}")
    found = send(recipients=people, quiet_hours=hours, timezone_column="zone", **more)
    assert found["handed_over"] == len(NUMBERS)
    asked = len(telecom_simulator.state.requests)
    assert send(recipients=people, quiet_hours=hours, timezone_column="zone", **more) == found
    assert len(telecom_simulator.state.requests) == asked
    by_another_connection(telecom_simulator, path)
    assert written_to(telecom_simulator) == Counter(NUMBERS)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"failover": Failover()}, "failover: needs results_path"),
        ({"failover": 5, "results_path": "x.jsonl"}, "failover: must be a Failover of"),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        KetchUpSendBulkSmsOperator(task_id="send", recipients=NUMBERS, text="Hi", **arguments)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"failures": 0}, "failover failures: 0: must be 1 to 1000"),
        ({"within": timedelta(0)}, "failover within: must be a timedelta of more than 0"),
        ({"within": 60}, "failover within: must be a timedelta"),
    ],
)
def test_a_rule_that_makes_no_sense(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        Failover(**arguments)
