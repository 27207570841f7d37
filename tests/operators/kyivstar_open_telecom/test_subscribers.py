"""Checks of subscribers: yes is the risky answer, and what does not settle the question is unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarScoreOperator,
    KyivstarVerifySimOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.subscribers import SubscriberCheckError
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from tests.running import Run

NUMBER, FOREIGN, WITHOUT_SCORE = "+380 67 000 02 00", "380500000000", "380670000099"
IMEI, OTHER_IMEI = "35000000000000", "35000000000001"
CHECKS = [
    (KyivstarVerifySimOperator, {"activation_hours": 48}),
    (KyivstarCheckSimCountOperator, {"days": 30, "max_count": 2}),
    (KyivstarCheckDeviceOperator, {"imei": IMEI}),
    (KyivstarCheckDeviceOperator, {"days_period": 30, "max_count": 2}),
    (KyivstarCheckLifetimeOperator, {"min_months": 3}),
    (KyivstarScoreOperator, {"min_score": 500}),
]


@pytest.fixture(autouse=True)
def subscriber(hook_for: Callable[..., Any], telecom_simulator: Any) -> Any:
    hook_for("kyivstar_open_telecom").fetch_token()
    found = telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).subscriber(
        "380670000200"
    )
    found.active, found.sim_changes, found.imei, found.imei_count, found.score = True, [], IMEI, 1, 700
    return found


def ask(kind: Any, **arguments: Any) -> Any:
    return Run().execute(kind(**{"task_id": "check", "msisdn": NUMBER, **arguments}))


def says(simulator: Any, **answer: Any) -> None:
    simulator.fault("body", "kyivstar_open_telecom", path="/subscribers/", body=json.dumps(answer))


def changed(simulator: Any, subscriber: Any, **ago: int) -> None:
    subscriber.sim_changes.append(simulator.state.clock.now() - timedelta(**ago))


@pytest.mark.parametrize(("kind", "arguments"), CHECKS)
def test_an_address_that_no_longer_exists_is_no_answer(
    telecom_simulator: Any, kind: Any, arguments: dict[str, Any]
) -> None:
    page = "<html><h1>404 Not Found</h1></html>"
    telecom_simulator.fault(
        "status", "kyivstar_open_telecom", path="/subscribers/", status=404, body=page, times=9
    )
    with pytest.raises(TelecomRejectedError, match="without the vendor's errorCode"):
        ask(kind, **arguments)


@pytest.mark.parametrize(("hours", "answer"), [(1, "no"), (48, "yes")])
def test_a_changed_sim(telecom_simulator: Any, subscriber: Any, hours: int, answer: str) -> None:
    changed(telecom_simulator, subscriber, hours=3)
    subscriber.active = False
    assert ask(KyivstarVerifySimOperator, activation_hours=hours) == {
        "question": "sim_changed",
        "answer": answer,
        "sim_changed": answer == "yes",
        "is_active": False,
        "reserved_units": 1,
    }


@pytest.mark.parametrize(
    ("count", "most", "answer"),
    [
        (2, 2, "no"),
        (3, 2, "yes"),
        (10, 9, "yes"),
        (10, 10, "unknown"),
        (10, 30, "unknown"),
        (9, 10, "no"),
        (0, 2, "unknown"),
    ],
)
def test_more_sims(telecom_simulator: Any, count: int, most: int, answer: str) -> None:
    says(telecom_simulator, simCount=count)
    found = ask(KyivstarCheckSimCountOperator, days=30, max_count=most)
    assert (found["question"], found["answer"], found["sim_count"]) == ("more_sims", answer, count)
    assert found.get("reason") == ("not_settled" if answer == "unknown" else None)


@pytest.mark.parametrize(("imei", "answer"), [(IMEI, "no"), (int(IMEI), "no"), (OTHER_IMEI, "yes")])
def test_another_device(imei: str | int, answer: str) -> None:
    found = ask(KyivstarCheckDeviceOperator, imei=imei)
    assert (found["question"], found["answer"]) == ("other_device", answer)
    assert str(imei) not in str(found)


@pytest.mark.parametrize("said", [{"imeiRes": "PARTLY_MATCHED"}, {"imeiRes": "MATCHED"}, {"imeiCount": 1}])
def test_a_word_that_nobody_knows_is_no_match(telecom_simulator: Any, said: dict[str, Any]) -> None:
    says(telecom_simulator, **said)
    assert ask(KyivstarCheckDeviceOperator, imei=IMEI)["answer"] == "unknown"


@pytest.mark.parametrize(("most", "answer"), [(2, "yes"), (3, "no")])
def test_more_devices(subscriber: Any, most: int, answer: str) -> None:
    subscriber.imei_count = 3
    found = ask(KyivstarCheckDeviceOperator, days_period=30, max_count=most)
    assert found == {
        "question": "more_devices",
        "answer": answer,
        "device_count": 3,
        "reserved_units": 1,
    }


def test_a_count_that_is_not_there_is_unknown(telecom_simulator: Any) -> None:
    says(telecom_simulator, imeiRes="COMPLETELY_MATCHED")
    assert ask(KyivstarCheckDeviceOperator, days_period=30, max_count=2)["answer"] == "unknown"


@pytest.mark.parametrize(
    ("bounds", "answer"),
    [
        ({"from": 0, "to": 2}, "yes"),
        ({"from": 3, "to": 6}, "no"),
        ({"from": 3}, "no"),
        ({"from": 1, "to": 3}, "unknown"),
        ({"from": 1, "to": 6}, "unknown"),
        ({"from": 1}, "unknown"),
        ({"from": 6, "to": 1}, "unknown"),
        ({"from": 30, "to": 60, "timeUnit": "DAYS"}, "yes"),
        ({"from": 0, "to": 83, "timeUnit": "days"}, "yes"),
        ({"from": 0, "to": 84, "timeUnit": "DAYS"}, "unknown"),
        ({"from": 92, "to": 120, "timeUnit": "DAYS"}, "unknown"),
        ({"from": 93, "timeUnit": "DAYS"}, "no"),
        ({"from": 3, "to": 6, "timeUnit": "YEARS"}, "unknown"),
    ],
)
def test_a_younger_sim(telecom_simulator: Any, bounds: dict[str, Any], answer: str) -> None:
    says(telecom_simulator, lifetimeDuration={"timeUnit": "MONTHS", **bounds})
    found = ask(KyivstarCheckLifetimeOperator, min_months=3)
    assert (found["question"], found["answer"]) == ("younger_sim", answer)
    assert (found["at_least"], found["at_most"]) == (bounds["from"], bounds.get("to"))


@pytest.mark.parametrize(("least", "answer"), [(700, "no"), (700.5, "yes")])
def test_a_lower_score_comes_without_the_score(least: float, answer: str) -> None:
    assert ask(KyivstarScoreOperator, min_score=least) == {"question": "lower_score", "answer": answer}
    assert ask(KyivstarScoreOperator, min_score=least, return_score=True)["score"] == 700


def test_no_score_is_unknown() -> None:
    found = ask(KyivstarScoreOperator, msisdn=WITHOUT_SCORE, min_score=1, return_score=True)
    assert found == {"question": "lower_score", "answer": "unknown", "reason": "no_score"}


@pytest.mark.parametrize(("kind", "arguments"), CHECKS)
def test_who_is_no_subscriber_is_unknown(kind: Any, arguments: dict[str, Any]) -> None:
    found = ask(kind, msisdn=FOREIGN, **arguments)
    assert found["answer"] == "unknown"
    assert found["reason"] == ("no_score" if kind is KyivstarScoreOperator else "not_a_subscriber")
    with pytest.raises(SubscriberCheckError, match="unknown"):
        ask(kind, msisdn=FOREIGN, fail_on=["unknown"], **arguments)


@pytest.mark.parametrize("answer", ["yes", "no"])
@pytest.mark.parametrize(("kind", "arguments"), CHECKS)
def test_the_task_fails_on_the_answers_of_fail_on(
    telecom_simulator: Any, subscriber: Any, kind: Any, arguments: dict[str, Any], answer: str
) -> None:
    if answer == "yes":
        for _ in range(3):
            changed(telecom_simulator, subscriber, hours=1)
        subscriber.imei, subscriber.imei_count, subscriber.score = OTHER_IMEI, 9, 1
    assert ask(kind, **arguments)["answer"] == answer
    others = {"yes", "no", "unknown"} - {answer}
    assert ask(kind, fail_on=others, **arguments)["answer"] == answer
    with pytest.raises(SubscriberCheckError, match=f"answer: {answer}") as caught:
        ask(kind, fail_on=(answer,), **arguments)
    assert isinstance(caught.value, AirflowFailException)
    assert "0000200" not in str(caught.value)


@pytest.mark.parametrize(("kind", "arguments"), CHECKS)
def test_a_check_is_billed_once_and_returns_no_number(
    telecom_simulator: Any, kind: Any, arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = kind(task_id="check", msisdn="{{ params.who }}", **arguments), Run()
    with caplog.at_level("INFO"):
        found = run.execute(operator, params={"who": NUMBER})
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "billed_check")) == 1
    shown = str(found) + str(_serialize_rendered_fields(operator)) + caplog.text
    assert "0000200" not in shown
    assert IMEI not in shown
    assert run.stores["check"].texts == {}


def test_a_lost_answer_costs_two_checks_at_most(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/subscribers/", times=9)
    with pytest.raises(TelecomNoAnswerError):
        ask(KyivstarVerifySimOperator, activation_hours=48)
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "billed_check")) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(400, TelecomRejectedError), (422, TelecomRejectedError), (403, TelecomAuthError)]
)
def test_an_error_is_no_answer(telecom_simulator: Any, status: int, error: type[Exception]) -> None:
    telecom_simulator.fault("status", "kyivstar_open_telecom", path="/subscribers/", status=status, times=2)
    with pytest.raises(error):
        ask(KyivstarVerifySimOperator, activation_hours=48)


@pytest.mark.parametrize(
    ("kind", "field", "arguments"),
    [
        (KyivstarVerifySimOperator, "activation_hours", {"activation_hours": 0}),
        (KyivstarVerifySimOperator, "fail_on", {"activation_hours": 1, "fail_on": "yes"}),
        (KyivstarVerifySimOperator, "fail_on", {"activation_hours": 1, "fail_on": ["maybe"]}),
        (KyivstarCheckSimCountOperator, "days", {"days": 121, "max_count": 1}),
        (KyivstarCheckSimCountOperator, "max_count", {"days": 1, "max_count": 0}),
        (KyivstarCheckDeviceOperator, "imei", {}),
        (KyivstarCheckDeviceOperator, "imei", {"imei": IMEI, "days_period": 1, "max_count": 1}),
        (KyivstarCheckDeviceOperator, "imei", {"imei": "35000000000000x"}),
        (KyivstarCheckDeviceOperator, "max_count", {"imei": IMEI, "max_count": 1}),
        (KyivstarCheckDeviceOperator, "max_count", {"days_period": 1}),
        (KyivstarCheckDeviceOperator, "days_period", {"days_period": 0, "max_count": 1}),
        (KyivstarCheckLifetimeOperator, "min_months", {"min_months": 0}),
        (KyivstarScoreOperator, "min_score", {"min_score": "500"}),
        (KyivstarScoreOperator, "min_score", {"min_score": float("nan")}),
        (KyivstarScoreOperator, "model_id", {"min_score": 1, "model_id": "7/8"}),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(
    kind: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        kind(task_id="check", msisdn=NUMBER, **arguments)
    assert caught.value.field == field


def test_rendered_arguments_are_checked_before_anything_is_billed(telecom_simulator: Any) -> None:
    asked = len(telecom_simulator.state.requests)
    operator = KyivstarCheckDeviceOperator(task_id="check", msisdn=NUMBER, imei="{{ params.imei }}")
    with pytest.raises(TelecomInputError, match="imei"):
        Run().execute(operator, params={"imei": "1"})
    with pytest.raises(TelecomInputError, match="msisdn"):
        ask(KyivstarVerifySimOperator, msisdn="1234", activation_hours=1)
    assert len(telecom_simulator.state.requests) == asked
