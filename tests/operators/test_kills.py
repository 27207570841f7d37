"""Every sending operator killed at each of its steps, then tried again: once, or said so.

A step is a request to the vendor or to Airflow's task state store; a try dies before or after it, and nothing
of it runs any more. `tests/system/test_kills.py` does the same with SIGKILL under a real scheduler.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.hooks.sunsim import SunSimHook
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators import kyivstar_open_telecom as kyivstar
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import MoreSims, SimChanged
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectCreateGroupOperator,
    NovaConnectCreateUserOperator,
    NovaConnectPingSimsOperator,
    NovaConnectRemoveGroupOperator,
    NovaConnectRenameGroupOperator,
    NovaConnectSetTariffOperator,
)
from airflow_provider_telecom.operators.sunsim import SunSimCreateCallbackOperator
from airflow_provider_telecom.transport.sync_transport import Transport
from tests.running import Run, Store

A, B, C = "380670000201", "380670000202", "380670000203"
MOST_STEPS = 60
LONG = pytest.mark.long
"""Also in short: `tests/chaos` kills these tasks with SIGKILL, at random steps, several times in a row."""


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class Process:
    """A try that dies at a point: before its first step, after it, before its second one, ..."""

    point: int | None = None
    passed: int = 0
    is_dead: bool = False

    def pass_point(self) -> None:
        self.passed += 1
        self.is_dead = self.is_dead or self.passed == self.point
        if self.is_dead:
            raise KilledError


process = Process()


class KillingStore(Store):
    """A store whose callers may die."""

    def get(self, key: str, default: Any = None) -> Any:
        process.pass_point()
        return super().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        process.pass_point()
        super().set(key, value, retention=retention)
        process.pass_point()


@pytest.fixture(autouse=True)
def _no_other_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reset of the simulator kills SunSim's token: here that is not another system's doing."""
    timing = replace(SunSimHook.timing, max_early_revocations=10_000, tolerated_early_revocations=10_000)
    monkeypatch.setattr(SunSimHook, "timing", timing)


@pytest.fixture(autouse=True)
def _killing(monkeypatch: pytest.MonkeyPatch, hook_for: Callable[..., Any]) -> None:
    global process
    process = Process()  # the one of the test before may still be about to die
    send = Transport.send

    def killing(self: Transport, request: Any) -> Any:
        process.pass_point()
        outcome = send(self, request)
        process.pass_point()
        return outcome

    monkeypatch.setattr(Transport, "send", killing)
    for conn_type in ("kyivstar_open_telecom", "kyivstar_fmc", "sunsim", "novaconnect"):
        hook_for(conn_type)
    hook_for("ketchup_loyalty", viber_sender="Shop")


@dataclass(frozen=True)
class Sending:
    """An operator and its effect in the ledger: `wanted` effects of one `kind`, distinguished by `who`."""

    operator: type[Any]
    vendor: str
    kind: str
    who: str
    wanted: tuple[Any, ...]
    arguments: dict[str, Any] = field(default_factory=dict)

    def made(self, **more: Any) -> Any:
        return self.operator(task_id="send", **{**self.arguments, **more})

    def happened(self, simulator: Any) -> list[Any]:
        effects = simulator.state.ledger.of(self.vendor, self.kind)
        return sorted((effect.facts.get(self.who) for effect in effects), key=str)


WITHOUT_A_KEY = {
    "kyivstar_sms": Sending(
        kyivstar.KyivstarSendSmsOperator,
        "kyivstar_open_telecom",
        "sms",
        "msisdn",
        (A,),
        {"msisdn": A, "text": "Hi"},
    ),
    "kyivstar_viber": Sending(
        kyivstar.KyivstarSendViberOperator,
        "kyivstar_open_telecom",
        "viber_transaction",
        "msisdn",
        (A,),
        {"msisdn": A, "text": "Hi", "kind": "transaction"},
    ),
    "kyivstar_fmc": Sending(
        KyivstarFmcOriginateCallOperator,
        "kyivstar_fmc",
        "call",
        "nothing",
        (None,),
        {"called_number": A, "calling_number": B},
    ),
    "sunsim": Sending(
        SunSimCreateCallbackOperator,
        "sunsim",
        "callback",
        "nothing",
        (None,),
        {"phone_to": A, "phone_from": "79000000001"},
    ),
    "ping": Sending(
        NovaConnectPingSimsOperator, "novaconnect", "ping", "id", (1001, 1002), {"sim_ids": [1001, 1002]}
    ),
}
WITH_A_KEY = {
    "ketchup_sms": Sending(
        KetchUpSendSmsOperator, "ketchup_loyalty", "sms", "msisdn", (A,), {"msisdn": A, "text": "Hi"}
    ),
    "ketchup_hlr": Sending(
        KetchUpHlrLookupOperator,
        "ketchup_loyalty",
        "hlr",
        "msisdn",
        (A, B, C),
        {"msisdns": [A, B, C], "chunk_size": 2},
    ),
    "ketchup_bulk": Sending(
        KetchUpSendBulkSmsOperator,
        "ketchup_loyalty",
        "sms",
        "msisdn",
        (A, B, C),
        {"recipients": [A, B, C], "text": "Hi", "chunk_size": 1},
    ),
    "promo": Sending(
        kyivstar.KyivstarCreatePromoOperator,
        "kyivstar_open_telecom",
        "promo_started",
        "nothing",
        (None,),
        {"recipients": [A, B, C], "text": "Hi", "chunk_size": 2, "start": True},
    ),
}


def attempt(run: Run, operator: Any, point: int | None = None) -> tuple[Any, BaseException | None, bool]:
    """Run one try, which dies at a point. Return its result, its error, and whether it lived on."""
    global process
    process = Process(point)
    run.stores.setdefault("send", KillingStore())
    try:
        return run.execute(operator), None, not process.is_dead
    except (Exception, KilledError) as error:
        return None, error, not process.is_dead


def killed_at_each_step(simulator: Any, sending: Sending, every: int = 1, **more: Any) -> Any:
    """Yield, for each step of a first try (or each `every`-th), the run in which it died there."""
    for point in range(1, MOST_STEPS, every):
        simulator.state.reset()
        if sending.vendor == "kyivstar_open_telecom":
            forget_clients()  # else tokens seem to exclude each other: each reset ends one
        run = Run()
        _, error, lived = attempt(run, sending.made(**more), point)
        if lived:
            assert error is None
            assert point > 6, "a send has at least a read, an intent, a request, an outcome"
            return
        yield run
    raise AssertionError("it has more steps than that")


@pytest.mark.parametrize("name", WITH_A_KEY)
def test_what_has_a_key_or_can_be_looked_at_is_done_once(telecom_simulator: Any, name: str) -> None:
    sending = WITH_A_KEY[name]
    for run in killed_at_each_step(telecom_simulator, sending):
        found, error, _ = attempt(run, sending.made())
        assert error is None
        assert sending.happened(telecom_simulator) == sorted(sending.wanted)
        assert attempt(run, sending.made())[0] == found
        assert sending.happened(telecom_simulator) == sorted(sending.wanted)


@pytest.mark.parametrize(
    "name", [*(pytest.param(one, marks=LONG) for one in ("promo", "ketchup_bulk")), "kyivstar_sms"]
)
def test_a_second_kill_changes_nothing(telecom_simulator: Any, name: str) -> None:
    """The second try dies too, at every fourth of its steps: between the two kills nothing is forgotten."""
    sending, pairs = {**WITH_A_KEY, **WITHOUT_A_KEY}[name], 0
    one_chunk = {} if name == "kyivstar_sms" else {"chunk_size": 3}
    for second in range(1, MOST_STEPS, 4):
        lived_on = True
        for run in killed_at_each_step(telecom_simulator, sending, **one_chunk):
            lived_on &= attempt(run, sending.made(**one_chunk), second)[2]
            error = attempt(run, sending.made(**one_chunk))[1]
            happened, pairs = sending.happened(telecom_simulator), pairs + 1
            assert happened in ([], sorted(sending.wanted, key=str))
            if name in WITH_A_KEY:
                assert error is None
            assert happened or isinstance(error, OutcomeUnknownError)
        if lived_on:
            break
    assert pairs > 20


@pytest.mark.parametrize("name", WITHOUT_A_KEY)
def test_fail_and_a_person_who_asks_the_vendor_give_exactly_one(telecom_simulator: Any, name: str) -> None:
    sending, unknown = WITHOUT_A_KEY[name], 0
    for run in killed_at_each_step(telecom_simulator, sending):
        _, error, _ = attempt(run, sending.made())
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            unknown += 1
            known = "assume_sent" if sending.happened(telecom_simulator) else "resend"
            assert attempt(run, sending.made(on_unknown=known))[1] is None
        assert sending.happened(telecom_simulator) == list(sending.wanted)
    assert unknown > 1  # between the intent and the outcome


@pytest.mark.parametrize(
    "name", ["kyivstar_sms", *(pytest.param(one, marks=LONG) for one in [*WITHOUT_A_KEY][1:])]
)
@pytest.mark.parametrize("policy", ["resend", "assume_sent"])
def test_the_other_policies_go_on(telecom_simulator: Any, name: str, policy: str) -> None:
    sending, counts = WITHOUT_A_KEY[name], set()
    for run in killed_at_each_step(telecom_simulator, sending, on_unknown=policy):
        found, error, _ = attempt(run, sending.made(on_unknown=policy))
        assert error is None
        times = len(sending.happened(telecom_simulator)) // len(sending.wanted)
        counts.add(times)
        assert times or "assumed_sent" in found
    assert counts == ({1, 2} if policy == "resend" else {0, 1})


def test_batches_of_sms_reach_everybody_once_if_a_person_asks_the_vendor(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    """After a kill the task goes on by itself, or stops and names the SMS in doubt."""
    hook_for("kyivstar_open_telecom", api_version="v1")
    arguments = {"recipients": [A, B, C], "text": "Hi", "chunk_size": 2}
    sending = Sending(
        kyivstar.KyivstarSendBulkSmsOperator, "kyivstar_open_telecom", "sms", "msisdn", (A, B, C), arguments
    )
    unknown = 0
    for run in killed_at_each_step(telecom_simulator, sending):
        _, error, _ = attempt(run, sending.made())
        happened = sending.happened(telecom_simulator)
        assert len(set(happened)) == len(happened)
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            unknown += 1
            (settled,) = re.findall("after the first ([0-9]+)", str(error))
            known = "assume_sent" if len(happened) > int(settled) else "resend"
            assert attempt(run, sending.made(on_unknown=known))[1] is None
        assert sending.happened(telecom_simulator) == [A, B, C]
    assert unknown > 2  # between the intent and the outcome of each batch


def test_viber_whose_keys_are_not_known_to_work_is_sent_once(telecom_simulator: Any) -> None:
    """A later try finds the message by its key; if it does not, nobody knows."""
    sending = Sending(
        KetchUpSendViberOperator,
        "ketchup_loyalty",
        "viber",
        "msisdn",
        (A, B),
        {"recipients": [A, B], "text": "Hi"},
    )
    for run in killed_at_each_step(telecom_simulator, sending):
        _, error, _ = attempt(run, sending.made())
        happened = sending.happened(telecom_simulator)
        assert happened in ([], [A, B])
        assert isinstance(error, OutcomeUnknownError) if not happened else error is None


def test_states_are_reached(telecom_simulator: Any) -> None:
    for operator, kind, more in (
        (NovaConnectBlockSimsOperator, "block", {}),
        (
            NovaConnectSetTariffOperator,
            "tariff",
            {"package_kb": 20480, "auto_package": True, "confirm": True},
        ),
    ):
        sending = Sending(operator, "novaconnect", kind, "id", (1001,), {"sim_ids": [1001], **more})
        for run in killed_at_each_step(telecom_simulator, sending):
            _, error, _ = attempt(run, sending.made())
            happened = sending.happened(telecom_simulator)
            assert set(happened) <= {1001}
            if kind == "tariff":
                assert len(happened) <= 1
            assert happened if error is None else isinstance(error, OutcomeUnknownError)


def test_each_chunk_of_a_long_list_is_settled_for_itself(telecom_simulator: Any) -> None:
    """A person asks the vendor about the chunk that the error names; all others happen exactly once."""
    sims = (1001, 1002)
    arguments = {"sim_ids": list(sims), "chunk_size": 1}
    sending, in_doubt = (
        Sending(NovaConnectPingSimsOperator, "novaconnect", "ping", "id", sims, arguments),
        set(),
    )
    for run in killed_at_each_step(telecom_simulator, sending):
        _, error, _ = attempt(run, sending.made())
        if error is not None:
            assert isinstance(error, OutcomeUnknownError)
            (sim,) = (sim for sim in sims if f"(1 of them, {sim} to {sim};" in str(error))
            in_doubt.add(sim)
            known = "assume_sent" if sim in sending.happened(telecom_simulator) else "resend"
            assert attempt(run, sending.made(on_unknown=known))[1] is None
        assert sending.happened(telecom_simulator) == list(sims)
    assert in_doubt == set(sims)
    arguments = {**arguments, "sim_ids": list(sims)}
    sending = Sending(NovaConnectBlockSimsOperator, "novaconnect", "block", "id", sims, arguments)
    for run in killed_at_each_step(telecom_simulator, sending):
        assert attempt(run, sending.made())[1] is None
        assert sending.happened(telecom_simulator) == list(sims)


ACCOUNT_CHANGES = {
    "group_created": (NovaConnectCreateGroupOperator, {"name": "Vans"}),
    "group_edited": (NovaConnectRenameGroupOperator, {"group": "Almaty", "name": "South"}),
    "group_removed": (NovaConnectRemoveGroupOperator, {"group": "Almaty", "confirm": True}),
    "user_created": (
        NovaConnectCreateUserOperator,
        {"first_name": "A", "last_name": "B", "email_address": "a@example.com", "phone": A, "send": True},
    ),
}


@pytest.mark.parametrize("kind", ACCOUNT_CHANGES)
def test_a_change_of_the_account_happens_once(telecom_simulator: Any, kind: str) -> None:
    """The next try finds it in the vendor's list; a user who is not there may still be on the way."""
    operator, arguments = ACCOUNT_CHANGES[kind]
    sending = Sending(operator, "novaconnect", kind, "nothing", (None,), arguments)
    for run in killed_at_each_step(telecom_simulator, sending):
        found, error, _ = attempt(run, sending.made())
        happened = sending.happened(telecom_simulator)
        if error is None:
            assert happened == [None]
            assert found.get("changed", found.get("created")) is True
            assert attempt(run, sending.made())[0] == found
        else:
            assert kind == "user_created"
            assert isinstance(error, OutcomeUnknownError)
            assert happened == []
            assert attempt(run, sending.made(on_unknown="resend"))[1] is None
        assert sending.happened(telecom_simulator) == [None]


# Billed checks: the ledger shows how often each number was billed.


@dataclass
class Checks:
    """A task that checks three numbers twice, in chunks of two numbers, and its file of results."""

    simulator: Any
    results: Path
    arguments: dict[str, Any]

    def made(self) -> Any:
        checks = [SimChanged(activation_hours=72), MoreSims(days=30)]
        return kyivstar.KyivstarCheckSubscribersOperator(
            task_id="send",
            recipients=[A, B, C],
            checks=checks,
            results_path=str(self.results),
            **{"chunk_size": 2, "concurrency": 1, **self.arguments},
        )

    def billed(self) -> Counter[tuple[str, str]]:
        effects = self.simulator.state.ledger.of("kyivstar_open_telecom", "billed_check")
        return Counter((effect.facts["msisdn"], effect.facts["check"]) for effect in effects)

    def states(self) -> Counter[str]:
        lines = [json.loads(line) for line in self.results.read_text().splitlines()]
        assert [line["msisdn"] for line in lines] == [A, B, C]
        return Counter(line[name]["state"] for line in lines for name in ("sim_changed", "more_sims"))

    def forget_answers(self) -> None:
        """Lose the lines that were not in the object storage yet when the task was killed."""
        shutil.rmtree(self.results.with_name(f"{self.results.name}.answers"), ignore_errors=True)


def killed_checks(simulator: Any, folder: Path, **arguments: Any) -> Iterator[tuple[Checks, Run]]:
    """Yield, for each step of a first try, the run in which that try died there."""
    for point in range(1, MOST_STEPS):
        simulator.state.reset()
        forget_clients()
        run, checks = Run(), Checks(simulator, folder / f"{point}.jsonl", arguments)
        _, error, lived = attempt(run, checks.made(), point)
        if lived:
            assert error is None
            assert point > 20, "six checks of two steps each, and the journal"
            return
        yield checks, run
    raise AssertionError("it has more steps than that")


@pytest.mark.parametrize(
    ("policy", "storage"),
    [
        ("repeat_once", "local disk"),
        ("report", "object storage"),
        pytest.param("repeat_once", "object storage", marks=pytest.mark.long),
        pytest.param("report", "local disk", marks=pytest.mark.long),
    ],
)
def test_a_check_is_billed_as_often_as_the_task_says(
    telecom_simulator: Any, tmp_path: Path, policy: str, storage: str
) -> None:
    """On a local disk a kill leaves one answer in doubt, in object storage those of the chunk."""
    in_doubt = 0
    for checks, run in killed_checks(telecom_simulator, tmp_path, on_lost_answer=policy):
        before = checks.billed()
        assert set(before.values()) <= {1}
        if storage == "object storage":
            checks.forget_answers()
        found, error, _ = attempt(run, checks.made())
        assert error is None
        billed, states = checks.billed(), checks.states()
        twice = sum(times == 2 for times in billed.values())
        assert max(billed.values()) <= (2 if policy == "repeat_once" else 1)
        assert twice <= found["repeated"] <= (1 if storage == "local disk" else 4)
        assert states == Counter({"answered": found["answered"], "unknown": found["unknown"]})
        assert sum(states.values()) == 6
        if policy == "repeat_once":
            assert found["unknown"] == 0
        else:
            assert found["repeated"] == 0
            assert 6 - len(billed) <= found["unknown"] <= (1 if storage == "local disk" else 4)
        in_doubt = max(in_doubt, found["repeated"], found["unknown"])
        assert attempt(run, checks.made())[0] == found
        assert checks.billed() == billed
        assert not before or not checks.results.with_name(f"{checks.results.name}.answers").exists()
    assert in_doubt > 0


def test_after_two_kills_no_check_is_billed_three_times(telecom_simulator: Any, tmp_path: Path) -> None:
    """The first answer is lost as well, so that the second attempt is killed too."""
    pairs = 0
    for second in range(4, MOST_STEPS, 19):
        lived_on = True
        for checks, run in killed_checks(telecom_simulator, tmp_path / str(second), chunk_size=3):
            telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="check-sim-count")
            lived_on &= attempt(run, checks.made(), second)[2]
            found, error, _ = attempt(run, checks.made())
            assert error is None
            billed, pairs = checks.billed(), pairs + 1
            assert max(billed.values()) <= 2
            assert sum(times == 2 for times in billed.values()) <= found["repeated"]
            assert checks.states() == Counter({"answered": found["answered"], "unknown": found["unknown"]})
        if lived_on:
            break
    assert pairs > 20


def test_many_checks_at_once_are_billed_as_often_as_the_task_says(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    for checks, run in killed_checks(telecom_simulator, tmp_path, concurrency=3):
        found, error, _ = attempt(run, checks.made())
        assert error is None
        billed = checks.billed()
        assert max(billed.values()) <= 2
        assert sum(times == 2 for times in billed.values()) <= found["repeated"] <= 3
        assert (found["answered"], found["unknown"]) == (6, 0)
