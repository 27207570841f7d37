"""When Airflow tries again: as the error says, and never more often than the task may."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator, RetryAction
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from packaging.version import Version

from airflow_provider_telecom.calls import errors
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.retry import POLICY
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from airflow_provider_telecom.vendors.sunsim import VENDOR

PASSING = {
    TelecomThrottledError,
    TelecomServerError,
    TelecomAnswerError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomNoAnswerError,
    TelecomUnknownError,
}
FINAL = {
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomNotFoundError,
    TelecomFundsError,
    TelecomAuthError,
    TelecomRedirectError,
}


class Other(TelecomOperator):
    vendor = VENDOR


def error_of(kind: type[TelecomError]) -> TelecomError:
    return kind("a", "b") if kind is TelecomInputError else kind("no")  # type: ignore[arg-type]


def test_the_table_has_every_error() -> None:
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TelecomError)
    }
    assert kinds == PASSING | FINAL


@pytest.mark.parametrize("kind", sorted(PASSING, key=str))
def test_what_passes_is_tried_again_as_the_task_says(kind: type[TelecomError]) -> None:
    assert POLICY.evaluate(error_of(kind), 1, 3).action is RetryAction.DEFAULT


@pytest.mark.parametrize("kind", sorted(FINAL, key=str))
def test_what_does_not_pass_fails_at_once(kind: type[TelecomError]) -> None:
    decision = POLICY.evaluate(error_of(kind), 1, 3)
    assert decision.action is RetryAction.FAIL
    assert kind.__name__ in str(decision.reason)


def test_a_final_error_that_asks_to_wait_is_final() -> None:
    assert POLICY.evaluate(TelecomFundsError("no", retry_after=5), 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize("kind", [OutcomeUnknownError, TelecomFailedError])
def test_these_are_airflows_own_failures(kind: type[Exception]) -> None:
    """Airflow asks no policy about them, and has no more tries for them."""
    assert issubclass(kind, AirflowFailException)


@pytest.mark.parametrize("error", [ValueError("no"), AirflowException("no"), KeyboardInterrupt()])
def test_errors_of_others_are_not_our_affair(error: BaseException) -> None:
    assert POLICY.evaluate(error, 1, 3).action is RetryAction.DEFAULT


@pytest.mark.parametrize("kind", sorted(PASSING, key=str))
def test_it_waits_as_long_as_the_vendor_asks(kind: type[TelecomError]) -> None:
    decision = POLICY.evaluate(kind("no", retry_after=90.5), 1, 3)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=90.5)
    assert "90.5 s" in str(decision.reason)


@pytest.mark.parametrize(("number", "least"), [(1, 5), (2, 10), (3, 20), (4, 40), (100, 86_400)])
def test_a_vendor_that_asks_for_nothing_uses_up_no_tries(number: int, least: int) -> None:
    decision = POLICY.evaluate(TelecomThrottledError("no", retry_after=0), number, 200)
    assert decision.retry_delay == timedelta(seconds=least)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(1e300, 86_400), (float("inf"), 86_400), (253_402_300_799, 86_400), (-5, 5), (float("-inf"), 5)],
)
def test_no_vendor_makes_airflow_wait_for_more_than_a_day(asked: float, waited: float) -> None:
    decision = POLICY.evaluate(TelecomThrottledError("no", retry_after=asked), 1, 3)
    assert decision.retry_delay == timedelta(seconds=waited)


def test_a_wait_that_is_no_number_is_none() -> None:
    error = TelecomThrottledError("no", retry_after=float("nan"))
    assert POLICY.evaluate(error, 1, 3).action is RetryAction.DEFAULT


@pytest.mark.parametrize(("asked", "waited"), [(0, 8), (3, 8), (60, 60)])
def test_the_least_is_not_more_than_the_tasks_own(asked: float, waited: float) -> None:
    context = {"task": SimpleNamespace(retry_delay=timedelta(seconds=8))}
    decision = POLICY.evaluate(TelecomServerError("no", retry_after=asked), 4, 9, context)
    assert decision.retry_delay == timedelta(seconds=waited)


class Store:
    """A task's state store, which may be out of order."""

    def __init__(self, is_broken: bool = False) -> None:
        self.values: dict[str, Any] = {}
        self.is_broken = is_broken

    def set(self, key: str, value: Any, **_: Any) -> None:
        if self.is_broken:
            raise RuntimeError("no answer")
        self.values[key] = value


def test_the_error_is_stored_for_the_page_without_numbers() -> None:
    store = Store()
    context: Any = {"task_state_store": store}
    POLICY.evaluate(TelecomFundsError("no money for 380670000200", call="POST /sms"), 2, 3, context)
    text = "POST /sms: no money for ***"
    assert store.values == {"telecom.error": {"kind": "TelecomFundsError", "text": text, "try": 2}}


def test_a_store_that_fails_changes_no_decision() -> None:
    context: Any = {"task_state_store": Store(is_broken=True)}
    assert POLICY.evaluate(TelecomFundsError("no"), 1, 3, context).action is RetryAction.FAIL
    assert POLICY.evaluate(TelecomServerError("no"), 1, 3, context).action is RetryAction.DEFAULT


# How operators come to it.


def test_it_is_the_default_and_can_be_replaced() -> None:
    assert Other(task_id="a").retry_policy is POLICY
    assert Other(task_id="b", retry_policy=None).retry_policy is None


def test_default_args_replace_it() -> None:
    given: dict[str, Any] = {"default_args": {"retry_policy": None}}
    assert Other(task_id="a", **given).retry_policy is None


@pytest.mark.parametrize("given", [{}, {"retry_policy": POLICY}], ids=["default", "given"])
def test_mapped_tasks_have_it(given: dict[str, Any]) -> None:
    """Airflow 3.3.0 and 3.3.1 ignore an operator's own defaults in mapped tasks: docs/compatibility.md."""
    mapped = Other.partial(task_id="a", retries=3, **given).expand(conn_id=["x", "y"])
    is_ignored = not given and Version(version("apache-airflow-task-sdk")) < Version("1.3.2")
    found = mapped.unmap({"conn_id": "x", "task_id": "a"}).retry_policy
    assert found is (None if is_ignored else POLICY)


def test_airflow_knows_that_there_is_one() -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("dag", schedule=None) as dag:
        Other(task_id="ours")
        BaseOperator(task_id="theirs")
    tasks = {
        task["__var"]["task_id"]: task["__var"].get("has_retry_policy", False)
        for task in DagSerialization.to_dict(dag)["dag"]["tasks"]
    }
    assert tasks == {"ours": True, "theirs": False}
