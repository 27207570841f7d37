"""Two tries of one task at once: Airflow has given the first one up, and its process runs on.

Against Airflow's real Execution API: what makes this safe is that a retried task gets a new id, so that the
old try's writes are refused; and that an intent is read back, which a try that was given up cannot do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from itertools import count
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCreatePromoOperator,
    KyivstarSendSmsOperator,
)
from tests.journal.execution_api import Deployment, execution_api

PEOPLE = [f"3806700002{place:02}" for place in range(5)]
ENDINGS = ["retried_by_its_worker", "given_up_by_the_scheduler", "cleared_by_a_person"]
runs = count(1)
pytestmark = [pytest.mark.xdist_group("execution_api")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    from airflow.utils.db import initdb

    initdb()
    with execution_api() as address:
        yield address


@pytest.fixture
def airflow(url: str, monkeypatch: pytest.MonkeyPatch, hook_for: Callable[..., Any]) -> Iterator[Deployment]:
    from airflow.sdk.execution_time import task_runner

    hook_for("kyivstar_open_telecom")
    deployment = Deployment(url, f"manual__{next(runs)}")
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", deployment, raising=False)
    yield deployment
    for begun in deployment.tries.values():
        begun.client.close()


def sms() -> KyivstarSendSmsOperator:
    return KyivstarSendSmsOperator(task_id="send", msisdn="380670000200", text="Hi")


def promo() -> KyivstarCreatePromoOperator:
    return KyivstarCreatePromoOperator(task_id="send", recipients=PEOPLE, text="Hi", start=True)


def done(simulator: Any, kind: str) -> int:
    return len(simulator.state.ledger.of("kyivstar_open_telecom", kind))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_try_that_was_given_up_can_write_nothing(
    telecom_simulator: Any, airflow: Deployment, ending: str
) -> None:
    first = airflow.begin()
    first.store.set("telecom.before", {"a": 1})
    getattr(airflow, ending)(first)
    with pytest.raises(AirflowRuntimeError, match="404"):
        first.store.set("telecom.after", {"b": 2})
    assert first.store.get("telecom.before") is None
    second = airflow.begin()
    assert second.ti_id != first.ti_id
    assert second.store.get("telecom.before") == {"a": 1}
    assert second.store.get("telecom.after") is None
    with pytest.raises(AirflowRuntimeError):
        first.execute(sms())
    assert second.execute(sms())["message_id"]
    assert done(telecom_simulator, "sms") == 1


def test_a_try_cannot_be_started_twice(airflow: Deployment) -> None:
    """A broker may deliver a task twice: the second worker is refused, and runs nothing."""
    from datetime import datetime

    from airflow.sdk.exceptions import TaskAlreadyRunningError

    first = airflow.begin()
    with pytest.raises(TaskAlreadyRunningError):
        first.client.task_instances.start(first.ti_id, 4321, datetime.now(UTC))


class LateWrite:
    """Holds the `number`th write between Airflow's check of the try and the write itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        from airflow.api_fastapi.execution_api.routes import task_state_store

        self.is_held, self.may_go_on = threading.Event(), threading.Event()
        self._number, self._count, self._backend = number, count(1), task_state_store.get_state_backend()
        monkeypatch.setattr(task_state_store, "get_state_backend", lambda: self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def set(self, *args: Any, **kwargs: Any) -> None:
        if next(self._count) == self._number:
            self.is_held.set()
            assert self.may_go_on.wait(300)
        self._backend.set(*args, **kwargs)


def overlapping(
    airflow: Deployment, late: LateWrite, ending: str, task: Callable[[], Any]
) -> tuple[Any, BaseException | None]:
    """Return what the second try returned, and what the first one raised once its write had arrived.

    The second one is cleared then, so that one more try can begin.
    """
    first = airflow.begin()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first.execute, task())
        try:
            assert late.is_held.wait(300)
            getattr(airflow, ending)(first)
            second = airflow.begin()
            found = second.execute(task())
        finally:
            late.may_go_on.set()
        error = running.exception()
    airflow.cleared_by_a_person(second)
    return found, error


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_late_intent_sends_nothing(
    telecom_simulator: Any, airflow: Deployment, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """The second try has read an empty journal before the first one's intent arrived."""
    found, error = overlapping(airflow, LateWrite(monkeypatch, 1), ending, sms)
    assert found["message_id"]
    assert isinstance(error, TelecomNotSentError)
    assert "taken over" in str(error)
    assert done(telecom_simulator, "sms") == 1
    with pytest.raises(OutcomeUnknownError):  # the late intent has replaced what the second try wrote
        airflow.begin().execute(sms())
    assert done(telecom_simulator, "sms") == 1


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_late_write_starts_no_second_promo(
    telecom_simulator: Any, airflow: Deployment, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Of two tries each may build a draft; one is started, also by a third try."""
    found, error = overlapping(airflow, LateWrite(monkeypatch, write), "given_up_by_the_scheduler", promo)
    is_last = write == 4  # what was done, after it was done: the second try has asked the vendor
    assert error is None if is_last else isinstance(error, (TelecomNotSentError, AirflowRuntimeError))
    assert done(telecom_simulator, "promo_started") == 1
    assert airflow.begin().execute(promo())["promo_id"] == found["promo_id"]
    assert done(telecom_simulator, "promo_started") == 1
