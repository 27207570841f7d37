"""Starting and suspending promos: looked at first, never twice, and never against a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarPromoStatisticsOperator,
    KyivstarStartPromoOperator,
    KyivstarSuspendPromoOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import PromoStateError
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from tests.running import Run, Store, again

NUMBERS = ["380670000200", "380670000201"]
NOBODYS = "00000000-0000-4000-8000-000000000000"
START, STOP = r"/status/WAITING$", r"/status/SUSPENDED$"


class DiesBeforeDone(Store):
    """The store of a task that is killed before it writes that all is done."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        if value["state"] == "done":
            raise KeyboardInterrupt
        super().set(key, value, retention=retention)


@pytest.fixture
def hook(hook_for: Callable[..., Any], telecom_simulator: Any) -> Any:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1_000_000)
    return hook_for("kyivstar_open_telecom")


@pytest.fixture
def promo(hook: Any) -> str:
    made: str = hook.create_promo("Hello").id
    hook.add_promo_audience(made, NUMBERS)
    return made


def start(promo_id: str, **arguments: Any) -> KyivstarStartPromoOperator:
    return KyivstarStartPromoOperator(task_id="start", promo_id=promo_id, **arguments)


def suspend(promo_id: str) -> KyivstarSuspendPromoOperator:
    return KyivstarSuspendPromoOperator(task_id="suspend", promo_id=promo_id)


def puts(simulator: Any) -> list[str]:
    return [seen.path.rpartition("/")[2] for seen in simulator.state.requests if seen.method == "PUT"]


def state(simulator: Any, promo_id: str, new: str | None = None) -> str:
    found = simulator.state.vendor_state("kyivstar_open_telecom", VendorState).promos[promo_id]
    if new is not None:
        found.status, found.progression = new, None
    return str(found.status)


def test_a_draft_is_started_once(telecom_simulator: Any, promo: str) -> None:
    run = Run()
    for _ in range(2):
        assert run.execute(start(promo)) == {"promo_id": promo, "status": "WAITING", "changed": True}
    assert puts(telecom_simulator) == ["WAITING"]


@pytest.mark.parametrize("reached", ["WAITING", "ACTIVE", "COMPLETED"])
def test_what_is_started_already_is_left_as_it_is(telecom_simulator: Any, promo: str, reached: str) -> None:
    state(telecom_simulator, promo, reached)
    assert Run().execute(start(promo)) == {"promo_id": promo, "status": reached, "changed": False}
    assert puts(telecom_simulator) == []


def test_the_intent_is_written_before_the_request(telecom_simulator: Any, promo: str) -> None:
    run = Run()
    run.stores["start"] = killed = DiesBeforeDone()
    with pytest.raises(KeyboardInterrupt):
        run.execute(start(promo))
    assert '"intent"' in str(killed.texts)
    run.stores["start"] = store = Store()
    store.texts = killed.texts
    assert run.execute(start(promo))["changed"] is True
    assert puts(telecom_simulator) == ["WAITING"]


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_person_suspends_after_a_killed_try_stays_suspended(
    telecom_simulator: Any, hook: Any, promo: str, resume: bool
) -> None:
    run = Run()
    run.stores["start"] = killed = DiesBeforeDone()
    with pytest.raises(KeyboardInterrupt):
        run.execute(start(promo, resume_suspended=resume))
    hook.suspend_promo(promo)
    run.stores["start"] = store = Store()
    store.texts = killed.texts
    with pytest.raises(PromoStateError, match="SUSPENDED"):
        run.execute(start(promo, resume_suspended=resume))
    assert puts(telecom_simulator) == ["WAITING", "SUSPENDED"]


@pytest.mark.parametrize("kind", ["reset_after", "half_body", "status_after"])
def test_a_lost_answer_is_looked_up(telecom_simulator: Any, promo: str, kind: str) -> None:
    telecom_simulator.fault(kind, "kyivstar_open_telecom", path=START)
    assert Run().execute(start(promo))["changed"] is True
    assert puts(telecom_simulator) == ["WAITING"]


def test_a_request_that_did_not_arrive_is_repeated(telecom_simulator: Any, promo: str) -> None:
    telecom_simulator.fault("reset_before", "kyivstar_open_telecom", path=START)
    assert Run().execute(start(promo))["status"] == "WAITING"
    assert puts(telecom_simulator) == ["WAITING", "WAITING"]


def test_without_any_answer_a_later_try_looks_first(telecom_simulator: Any, promo: str) -> None:
    telecom_simulator.fault("status", "kyivstar_open_telecom", path=START, times=3)
    run = Run()
    with pytest.raises(TelecomUnknownError) as caught:
        run.execute(start(promo))
    assert not isinstance(caught.value, AirflowFailException)
    assert len(puts(telecom_simulator)) == 3
    assert run.execute(start(promo))["status"] == "WAITING"
    assert len(puts(telecom_simulator)) == 4


def test_a_suspended_promo_is_a_persons_affair(telecom_simulator: Any, promo: str) -> None:
    state(telecom_simulator, promo, "SUSPENDED")
    with pytest.raises(PromoStateError, match="resume_suspended") as caught:
        Run().execute(start(promo))
    assert isinstance(caught.value, AirflowFailException)
    assert puts(telecom_simulator) == []


def test_resuming_happens_once_in_a_run(telecom_simulator: Any, promo: str) -> None:
    state(telecom_simulator, promo, "SUSPENDED")
    run = Run()
    assert run.execute(start(promo, resume_suspended=True))["changed"] is True
    state(telecom_simulator, promo, "SUSPENDED")
    with pytest.raises(PromoStateError, match="may have started it before"):
        run.execute(start(promo, resume_suspended=True))
    assert puts(telecom_simulator) == ["WAITING"]
    assert Run("2").execute(start(promo, resume_suspended=True))["changed"] is True


def test_resuming_is_not_repeated_in_doubt(telecom_simulator: Any, promo: str) -> None:
    state(telecom_simulator, promo, "SUSPENDED")
    telecom_simulator.fault("reset_before", "kyivstar_open_telecom", path=START)
    with pytest.raises(PromoStateError, match="may have started it before"):
        Run().execute(start(promo, resume_suspended=True))
    assert puts(telecom_simulator) == ["WAITING"]


def test_what_was_refused_may_be_resumed_by_the_next_try(telecom_simulator: Any, promo: str) -> None:
    state(telecom_simulator, promo, "SUSPENDED")
    telecom_simulator.fault("status", "kyivstar_open_telecom", path=START, status=403)
    run = Run()
    with pytest.raises(TelecomAuthError):
        run.execute(start(promo, resume_suspended=True))
    assert run.execute(start(promo, resume_suspended=True))["status"] == "WAITING"


def test_doubt_outlives_a_request_that_was_refused(telecom_simulator: Any, promo: str) -> None:
    run = Run()
    telecom_simulator.fault("status", "kyivstar_open_telecom", path=START, times=3)
    with pytest.raises(TelecomUnknownError):
        run.execute(start(promo))
    telecom_simulator.fault("status", "kyivstar_open_telecom", path=START, status=403)
    with pytest.raises(TelecomAuthError):
        run.execute(start(promo))
    state(telecom_simulator, promo, "SUSPENDED")
    with pytest.raises(PromoStateError, match="may have started it before"):
        run.execute(start(promo, resume_suspended=True))


def test_an_unknown_state_stops(telecom_simulator: Any, promo: str) -> None:
    body = f'{{"id": "{promo}", "status": "PAUSED"}}'
    for operator in (start(promo, resume_suspended=True), suspend(promo)):
        telecom_simulator.fault("body", "kyivstar_open_telecom", method="GET", path="/promo/", body=body)
        with pytest.raises(PromoStateError, match="'PAUSED'"):
            Run().execute(operator)
    assert puts(telecom_simulator) == []


def test_a_refusal_is_reported(telecom_simulator: Any, hook: Any) -> None:
    empty = hook.create_promo("Hello").id
    with pytest.raises(TelecomRejectedError, match="audience is empty"):
        Run().execute(start(empty))
    assert puts(telecom_simulator) == ["WAITING"]


def test_somebody_else_was_quicker(telecom_simulator: Any, hook: Any, promo: str) -> None:
    hook.start_promo(promo)
    shown = f'{{"id": "{promo}", "status": "DRAFT"}}'
    telecom_simulator.fault("body", "kyivstar_open_telecom", method="GET", path="/promo/", body=shown)
    assert Run().execute(start(promo)) == {"promo_id": promo, "status": "WAITING", "changed": False}


def test_ids_are_checked(telecom_simulator: Any, hook: Any) -> None:
    for kind in (start, suspend):
        with pytest.raises(TelecomInputError, match="UUID"):
            kind("7")
        with pytest.raises(TelecomInputError, match="UUID"):
            Run().execute(kind("{{ params.id }}"), params={"id": "../x"})
        with pytest.raises(TelecomNotFoundError):
            Run().execute(kind(NOBODYS))
    assert puts(telecom_simulator) == []


def test_no_network_is_no_doubt(telecom_simulator: Any, promo: str) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(Exception) as caught:  # noqa: PT011 - the look fails
        run.execute(start(promo))
    assert not isinstance(caught.value, TelecomUnknownError)
    assert isinstance(caught.value, TelecomNotSentError)
    assert run.execute(start(promo))["changed"] is True


@pytest.mark.parametrize("running", ["WAITING", "ACTIVE"])
def test_a_running_promo_is_suspended_once(telecom_simulator: Any, promo: str, running: str) -> None:
    state(telecom_simulator, promo, running)
    run = Run()
    for _ in range(2):
        assert run.execute(suspend(promo)) == {"promo_id": promo, "status": "SUSPENDED", "changed": True}
    assert puts(telecom_simulator) == ["SUSPENDED"]


@pytest.mark.parametrize("over", ["SUSPENDED", "COMPLETED"])
def test_what_does_not_run_is_not_suspended(telecom_simulator: Any, promo: str, over: str) -> None:
    state(telecom_simulator, promo, over)
    assert Run().execute(suspend(promo)) == {"promo_id": promo, "status": over, "changed": False}
    assert puts(telecom_simulator) == []


def test_a_draft_cannot_be_suspended(telecom_simulator: Any, promo: str) -> None:
    with pytest.raises(PromoStateError, match="DRAFT"):
        Run().execute(suspend(promo))
    assert puts(telecom_simulator) == []


@pytest.mark.parametrize(("kind", "requests"), [("reset_after", 1), ("reset_before", 2)])
def test_suspending_without_an_answer(
    telecom_simulator: Any, hook: Any, promo: str, kind: str, requests: int
) -> None:
    hook.start_promo(promo)
    telecom_simulator.fault(kind, "kyivstar_open_telecom", path=STOP)
    assert Run().execute(suspend(promo))["status"] == "SUSPENDED"
    assert puts(telecom_simulator).count("SUSPENDED") == requests


def test_what_a_person_starts_again_is_not_suspended_again(
    telecom_simulator: Any, hook: Any, promo: str
) -> None:
    hook.start_promo(promo)
    run = Run()
    run.execute(suspend(promo))
    hook.start_promo(promo)
    with pytest.raises(PromoStateError, match="started it again"):
        run.execute(suspend(promo))
    assert state(telecom_simulator, promo) == "WAITING"


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_until_it_is_completed(telecom_simulator: Any, promo: str, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 2)
    operator = start(promo, wait_for_completion=True, deferrable=deferrable, poll_interval=0.01)
    found = Run().execute(operator)
    assert found["changed"] is True
    assert (found["status"], found["sent_count"], found["deliveries_count"]) == ("COMPLETED", 2, 2)


@pytest.mark.parametrize(
    ("mine", "wanted", "after"),
    [
        (True, True, "SUSPENDED"),
        (True, False, "WAITING"),
        (False, True, "WAITING"),
    ],
)
def test_ending_the_waiting_task_suspends_what_it_started(
    telecom_simulator: Any, hook: Any, promo: str, mine: bool, wanted: bool, after: str
) -> None:
    if not mine:
        hook.start_promo(promo)
    operator = start(
        promo,
        wait_for_completion=True,
        deferrable=False,
        poll_interval=5,
        wait_timeout=0.01,
        suspend_on_kill=wanted,
    )
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(operator)
    operator.on_kill()
    assert state(telecom_simulator, promo) == after


def test_ending_the_deferred_task_suspends_it_too(telecom_simulator: Any, promo: str) -> None:
    from airflow_provider_telecom.hooks import base

    operator = start(promo, wait_for_completion=True, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(Run().context(operator))

    async def kill() -> None:
        await again(deferred.value.trigger).on_kill()
        for client in list(base._clients.values()):
            await client.aclose()

    asyncio.run(kill())
    assert state(telecom_simulator, promo) == "SUSPENDED"


def test_statistics_are_small_json(telecom_simulator: Any, hook: Any, promo: str) -> None:
    operator = KyivstarPromoStatisticsOperator(task_id="count", promo_id="{{ params.id }}")
    found = Run().execute(operator, params={"id": promo})
    assert found["promo_id"] == promo
    assert (found["sent_count"], found["was_not_sent"]) == (0, 2)
    assert all(isinstance(count, int) for name, count in found.items() if name != "promo_id")
