"""Bulk Viber messages and look-ups killed at each step: nothing doubled, and what is unknown is reported."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.transport.sync_transport import Transport
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

AWAY = "380670000209"
"""It is not at Viber."""
VIBER = Sending(
    KetchUpSendViberOperator,
    "ketchup_loyalty",
    "viber",
    "msisdn",
    (A, B, C),
    {"recipients": [A, B, C], "text": "Hi", "chunk_size": 1},
)
HLR = Sending(
    KetchUpHlrLookupOperator,
    "ketchup_loyalty",
    "hlr",
    "msisdn",
    (A, B, C),
    {"recipients": [A, B, C], "chunk_size": 1},
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))


@pytest.fixture
def no_keys(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that returns no key of a Viber message and knows none."""
    send = Transport.send

    def forgetting(self: Transport, request: Any) -> Any:
        telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", "never")
        try:
            return send(self, request)
        finally:
            state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
            state.references["viber"].clear()

    monkeypatch.setattr(Transport, "send", forgetting)


def in_a_new_process() -> None:
    """Forget what was learned of the account, as a task does that starts in a process of its own."""
    for client in base._clients.values():
        client.account.learned.clear()


def killed_in_new_processes(simulator: Any, **more: Any) -> Iterator[Run]:
    """Yield a run for each step at which its first try died; each try has a process of its own."""
    in_a_new_process()
    for run in killed_at_each_step(simulator, VIBER, **more):
        in_a_new_process()
        yield run
        in_a_new_process()


def rows(run: Run) -> int:
    """Return how many messages the journal knows the outcome of."""
    entry: dict[str, Any] = json.loads(run.stores["send"].texts["telecom.bulk"])
    return int(entry["facts"]["rows"])


@pytest.mark.parametrize("sending", [pytest.param(VIBER, marks=pytest.mark.long), HLR], ids=["viber", "hlr"])
def test_with_keys_that_are_known_to_work_all_goes_out_once(telecom_simulator: Any, sending: Sending) -> None:
    if sending is VIBER:
        attempt(Run("0"), VIBER.made())  # this process learns that keys work
    for run in killed_at_each_step(telecom_simulator, sending):
        found, error, _ = attempt(run, sending.made())
        assert error is None
        assert found["accepted"] + found["known_before"] == 3
        assert sending.happened(telecom_simulator) == [A, B, C]
        assert attempt(run, sending.made())[0] == found
        assert sending.happened(telecom_simulator) == [A, B, C]


def test_in_a_new_process_keys_are_looked_for(telecom_simulator: Any) -> None:
    """One that is found proves that they work. If none is, the first message may not have been sent."""
    unknown = 0
    for run in killed_in_new_processes(telecom_simulator):
        _, error, _ = attempt(run, VIBER.made())
        happened = VIBER.happened(telecom_simulator)
        if error is not None:
            unknown += 1
            assert isinstance(error, OutcomeUnknownError)
            assert happened == []
            assert attempt(run, VIBER.made(on_unknown="resend"))[1] is None
            happened = VIBER.happened(telecom_simulator)
        assert happened == [A, B, C]
    assert 0 < unknown < 4  # between the intent and the first request


@pytest.mark.usefixtures("no_keys")
def test_without_keys_a_person_who_asks_the_vendor_gets_exactly_one(telecom_simulator: Any) -> None:
    unknown = 0
    for run in killed_in_new_processes(telecom_simulator):
        error: BaseException | None = attempt(run, VIBER.made())[1]
        happened = VIBER.happened(telecom_simulator)
        assert len(set(happened)) == len(happened)
        if error is not None:
            unknown += 1
            assert isinstance(error, OutcomeUnknownError)
            known = "assume_sent" if len(happened) > rows(run) else "resend"
            in_a_new_process()
            found, error, _ = attempt(run, VIBER.made(on_unknown=known))
            assert error is None
            assert found["unknown"] == (known == "assume_sent")
        assert VIBER.happened(telecom_simulator) == [A, B, C]
    assert unknown > 5


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("policy", [pytest.param("resend", marks=pytest.mark.long), "assume_sent"])
def test_without_keys_the_other_policies_go_on(telecom_simulator: Any, policy: str) -> None:
    """At least once, or at most once; a message of unknown outcome is counted as such."""
    times = set()
    for run in killed_in_new_processes(telecom_simulator, on_unknown=policy):
        found, error, _ = attempt(run, VIBER.made(on_unknown=policy))
        assert error is None
        happened = VIBER.happened(telecom_simulator)
        times |= {happened.count(number) for number in (A, B, C)}
        if policy == "resend":
            assert set(happened) == {A, B, C}
            assert (found["accepted"], found["unknown"]) == (3, 0)
        else:
            assert len(set(happened)) == len(happened)
            assert found["accepted"] + found["unknown"] == 3
            assert len(happened) >= found["accepted"]
    assert times == ({1, 2} if policy == "resend" else {0, 1})


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the killed tries
@pytest.mark.parametrize("name", ["results.jsonl", pytest.param("results.parquet", marks=pytest.mark.long)])
def test_files_are_complete_after_a_kill(telecom_simulator: Any, tmp_path: Path, name: str) -> None:
    """Also while the task waits. The files of the run before are at the same path, and do not count."""
    results, undelivered = tmp_path / name, tmp_path / "undelivered.jsonl"
    people = [A, AWAY, C]
    more = {
        "recipients": people,
        "results_path": str(results),
        "undelivered_path": str(undelivered),
        "wait_for_completion": True,
        "poll_interval": 0.01,
    }
    attempt(Run("0"), VIBER.made())  # this process learns that keys work
    for run in killed_at_each_step(telecom_simulator, VIBER, **more):
        found, error, _ = attempt(run, VIBER.made(**more))
        assert error is None
        assert (found["delivered"], found["undelivered"], found["unknown"]) == (2, 1, 0)
        lines = list(read_outcomes(ObjectStoragePath(str(results))))
        assert [(line["msisdn"], line["outcome"], line["state"]) for line in lines] == [
            (A, "delivered", "read"),
            (AWAY, "undelivered", "undelivered"),
            (C, "delivered", "read"),
        ]
        assert all(line["final_at"] >= line["sent_at"] for line in lines)
        assert json.loads(undelivered.read_text(encoding="utf-8")) == {"msisdn": AWAY}
        assert {path.name for path in tmp_path.iterdir()} == {name, "undelivered.jsonl"}
        assert VIBER.happened(telecom_simulator) == [A, C, AWAY]
    gc.collect()
