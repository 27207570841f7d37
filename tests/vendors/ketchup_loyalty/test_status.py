"""Status checks: when waiting ends, and what a check reads again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.vendors.ketchup_loyalty import statistics, status
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrQuery,
    Recipient,
    SmsTask,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.status.sms_tasks import TaskCounts, Threshold
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from tests.cost import least_cpu_seconds

WAITING, SUCCEEDED, FAILED = Stage.WAITING, Stage.SUCCEEDED, Stage.FAILED


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty")


@pytest.fixture
def check(hook: Any) -> Callable[..., PollResult]:
    """Return a function that makes one check, as a sensor would after earlier checks."""

    def once(status_check: Callable[..., Any], **arguments: Any) -> PollResult:
        found: PollResult = hook.run(status_check(hook, **arguments))
        assert json.loads(json.dumps([dict(found.facts), dict(found.next_arguments)]))
        return found

    return once


def says(simulator: Any, path: str, **body: Any) -> None:
    simulator.fault("body", "ketchup_loyalty", path=path, body=json.dumps(body))


def task_says(simulator: Any, task_id: str, sent: int, **counts: Any) -> None:
    body = {"delivered": 0, "undeliverable": 0, "expired": 0, "unknown": 0, "totalprice": "0.02", **counts}
    says(simulator, f"/task/{task_id}$", error=0, sent=sent, **body)


def asked(simulator: Any) -> list[str]:
    return [seen.path.rsplit("/", 1)[1] for seen in simulator.state.requests if "/task/" in seen.path]


@pytest.mark.parametrize(
    ("word", "of_sms", "of_viber", "of_read"),
    [
        ("accepted", WAITING, WAITING, WAITING),
        ("scheduled", WAITING, WAITING, WAITING),
        ("something new", WAITING, WAITING, WAITING),
        ("unknown", WAITING, WAITING, WAITING),
        (" Delivered ", SUCCEEDED, SUCCEEDED, WAITING),
        ("read", SUCCEEDED, SUCCEEDED, SUCCEEDED),
        ("not-viber-user", FAILED, FAILED, FAILED),
        ("expired", FAILED, FAILED, FAILED),
        ("undeliverable", FAILED, FAILED, FAILED),
    ],
)
@pytest.mark.parametrize("name", [{"message_id": "17"}, {"reference": "tabc"}])
def test_which_message_has_arrived(
    telecom_simulator: Any, check: Any, name: Any, word: str, of_sms: Stage, of_viber: Stage, of_read: Stage
) -> None:
    body = {"status": word, "msisdn": "380670000201", "id": 17, "price": 0.20, "currency": "EUR"}
    for status_check, more, stage in (
        (status.sms, {}, of_sms),
        (status.viber, {}, of_viber),
        (status.viber, {"until": "read"}, of_read),
    ):
        says(telecom_simulator, "/(17|reference/tabc)$", **body)
        facts = {"message_id": "17", "status": word.strip(), "price": "0.2", "currency": "EUR"}
        assert check(status_check, **name, **more) == PollResult(stage, facts)


@pytest.mark.parametrize("status_check", [status.sms, status.viber])
@pytest.mark.parametrize("names", [{}, {"message_id": "1", "reference": "a"}])
def test_a_message_has_one_name(check: Any, status_check: Any, names: dict[str, str]) -> None:
    with pytest.raises(TelecomInputError, match="either message_id or reference"):
        check(status_check, **names)


def test_viber_is_waited_for_until_one_of_two_ends(check: Any) -> None:
    with pytest.raises(TelecomInputError, match="until"):
        check(status.viber, message_id="1", until="seen")


# Tasks


def test_tasks_are_counted_over_several_checks(telecom_simulator: Any, hook: Any, check: Any) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    tasks = []
    for start in (200, 300):
        people = [Recipient(f"380670000{start + place}", f"t{start + place}") for place in range(10)]
        tasks.append(hook.send_sms_to_many(people, "Hi").task_id)
    hook.get_sms_task(tasks[0])  # the first one is polled once more than the second
    first = check(status.sms_tasks, task_ids=tasks)
    assert first.stage is WAITING
    assert first.next_arguments["done"] == [tasks[0]]
    telecom_simulator.state.requests.clear()
    second = check(status.sms_tasks, task_ids=tasks, **first.next_arguments)
    assert asked(telecom_simulator) == [tasks[1]]
    assert second == PollResult(
        SUCCEEDED,
        {
            "tasks": 2,
            "sent": 20,
            "delivered": 16,
            "undeliverable": 2,
            "expired": 2,
            "unknown": 0,
            "undelivered": 4,
            "price": "0.40",
            "currency": "EUR",
        },
    )


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        ("12", ["12"]),
        (12, ["12"]),
        ("['12', '13', '12']", ["12", "13"]),
        ('["12"]', ["12"]),
        ([12, "13"], ["12", "13"]),
    ],
)
def test_ids_come_as_templates_give_them(
    telecom_simulator: Any, check: Any, ids: Any, names: list[str]
) -> None:
    for name in names:
        task_says(telecom_simulator, name, 1, delivered=1)
    assert check(status.finished_sms_tasks, sms_task_ids=ids).facts["tasks"] == len(names)
    assert asked(telecom_simulator) == names


@pytest.mark.parametrize(
    "ids", [None, True, 1.5, {"12": 1}, ["12", None], ["12", ""], "['12'", "[f()]", "[[1]]"]
)
def test_ids_that_are_none(check: Any, ids: Any) -> None:
    with pytest.raises(TelecomInputError, match="sms_task_ids"):
        check(status.finished_sms_tasks, sms_task_ids=ids)


@pytest.mark.parametrize(
    ("arguments", "sent", "delivered", "lost", "stage"),
    [
        ({}, 0, 0, 0, WAITING),  # nothing went out yet
        ({}, 10, 9, 0, WAITING),
        ({}, 10, 0, 10, SUCCEEDED),
        ({"min_delivered_percent": "95"}, 20, 19, 0, WAITING),  # more may go out, and get lost
        ({"min_delivered_percent": "95"}, 20, 19, 1, SUCCEEDED),
        ({"min_delivered_percent": "95"}, 20, 18, 2, FAILED),
        ({"min_delivered_percent": "95"}, 20, 0, 19, WAITING),
        ({"expected": 20}, 10, 10, 0, WAITING),  # the other ten are on their way
        ({"expected": "20"}, 20, 10, 10, SUCCEEDED),
        ({"expected": 20, "min_delivered_percent": "95"}, 19, 19, 0, SUCCEEDED),
        ({"expected": 20, "min_delivered_percent": "95"}, 20, 18, 1, WAITING),
        ({"expected": 20, "min_delivered_percent": "95"}, 5, 0, 2, FAILED),
        ({"expected": 3, "min_delivered_percent": "33.3"}, 1, 1, 0, SUCCEEDED),
        ({"expected": 3, "min_delivered_percent": "33.4"}, 3, 1, 2, FAILED),
        (
            {"expected": 10, "min_delivered_percent": "100"},
            20,
            10,
            0,
            WAITING,
        ),  # there are more than expected
        ({"min_final_percent": "90"}, 10, 4, 5, SUCCEEDED),
        ({"min_final_percent": "90"}, 10, 4, 4, WAITING),
        ({"min_final_percent": 90, "min_delivered_percent": 50}, 10, 4, 5, FAILED),
        ({"min_final_percent": 90, "expected": 100}, 10, 10, 0, WAITING),
        ({"min_delivered_percent": "0"}, 10, 0, 10, SUCCEEDED),
    ],
)
def test_when_a_task_is_over(
    telecom_simulator: Any, check: Any, arguments: Any, sent: int, delivered: int, lost: int, stage: Stage
) -> None:
    unknown = sent - delivered - lost
    task_says(telecom_simulator, "12", sent, delivered=delivered, expired=lost, unknown=unknown)
    found = check(status.sms_tasks, task_ids="12", **arguments)
    assert found.stage is stage
    assert ("min_delivered_percent" in found.facts) is (stage is FAILED)


def test_no_decision_is_ever_taken_back() -> None:
    """Whatever the network says next, what was reached stays reached, and what was missed stays missed."""
    states = [
        TaskCounts(sent=sent, delivered=delivered, expired=lost)
        for sent, delivered, lost in product(range(6), repeat=3)
        if delivered + lost <= sent
    ]
    for least in map(Decimal, ("0", "33.4", "60", "80", "100")):
        wanted = Threshold(5, least, Decimal(100))
        stages = [(state, wanted.stage(state, state.sent > 0, state.is_final)) for state in states]
        for (before, stage), (after, later) in product(stages, stages):
            grows = (
                before.sent <= after.sent
                and before.delivered <= after.delivered
                and before.expired <= after.expired
            )
            assert not grows or stage in (WAITING, later)


def test_thresholds_are_exact_where_floats_are_not() -> None:
    wanted = Threshold(10**18, Decimal("99.9999999999999999"), Decimal(100))
    assert wanted.stage(TaskCounts(sent=10**18, delivered=10**18 - 1), True, False) is SUCCEEDED
    assert wanted.stage(TaskCounts(sent=10**18, delivered=10**18 - 2), True, False) is WAITING


def test_what_only_seemed_final_is_asked_for_again(telecom_simulator: Any, check: Any) -> None:
    task_says(telecom_simulator, "12", 5, delivered=5)
    first = check(status.sms_tasks, task_ids=["12"], expected=10)
    assert first.stage is WAITING
    task_says(telecom_simulator, "12", 10, delivered=9, expired=1)
    second = check(status.sms_tasks, task_ids=["12"], expected=10, **first.next_arguments)
    assert second.stage is SUCCEEDED
    assert second.facts["delivered"] == 9


def test_an_error_after_a_final_task_loses_nothing(telecom_simulator: Any, check: Any) -> None:
    task_says(telecom_simulator, "12", 1, delivered=1)
    first = check(status.sms_tasks, task_ids=["12", "13"])
    assert first.stage is WAITING
    assert first.next_arguments["done"] == ["12"]
    with pytest.raises(TelecomNotFoundError):
        check(status.sms_tasks, task_ids=["12", "13"], **first.next_arguments)
    assert asked(telecom_simulator) == ["12", "13", "13"]
    task_says(telecom_simulator, "12", 1, delivered=1)
    says(telecom_simulator, "/task/13", error=1)
    with pytest.raises(TelecomAuthError):
        check(status.sms_tasks, task_ids=["12", "13"])


def test_without_tasks_there_is_nothing_to_wait_for(telecom_simulator: Any, check: Any) -> None:
    assert check(status.sms_tasks, task_ids=[]).stage is SUCCEEDED
    assert check(status.sms_tasks, task_ids=[], expected=0).stage is SUCCEEDED
    assert check(status.sms_tasks, task_ids=[], expected=0, min_delivered_percent=1).stage is FAILED
    with pytest.raises(TelecomInputError, match="task_ids"):
        check(status.sms_tasks, task_ids=[], expected=1)
    assert telecom_simulator.state.requests == []


def test_amounts_of_several_currencies_are_not_added_up(telecom_simulator: Any, check: Any) -> None:
    task_says(telecom_simulator, "12", 1, delivered=1, currency="EUR")
    task_says(telecom_simulator, "13", 1, delivered=1, currency="USD")
    facts = check(status.sms_tasks, task_ids=["12", "13"]).facts
    assert (facts["price"], facts["currency"]) == (None, "EUR,USD")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_delivered_percent", "101"),
        ("min_delivered_percent", "most"),
        ("min_final_percent", True),
        ("min_final_percent", "NaN"),
        ("expected", -1),
        ("expected", "many"),
    ],
)
def test_thresholds_that_make_no_sense(telecom_simulator: Any, check: Any, field: str, value: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        check(status.sms_tasks, task_ids="12", **{field: value})
    assert caught.value.field == field
    assert telecom_simulator.state.requests == []


def test_judging_ten_times_the_tasks_costs_ten_times_as_much() -> None:
    task = SmsTask(sent=9, delivered=9, undeliverable=0, expired=0, unknown=0, totalprice="0.18")

    def judged(count: int) -> TaskCounts:
        counts = TaskCounts()
        for _ in range(count):
            counts += TaskCounts.of(task)
        return counts

    assert judged(10_000).price == "1800.00"
    assert least_cpu_seconds(lambda: judged(10_000)) < 40 * least_cpu_seconds(lambda: judged(1_000))


# Look-ups


def test_look_ups_are_asked_for_until_each_has_a_result(
    telecom_simulator: Any, hook: Any, check: Any
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "after_polls", 2)
    numbers = ("380670000201", "380670000208", "380670000209", "380670000288")
    batch = hook.create_hlrs([HlrQuery(number, f"t{number}") for number in numbers])
    ids = [result.id for result in batch.results]
    hook.get_hlr(ids[0])
    first = check(status.hlr, hlr_ids=ids)
    assert first.stage is WAITING
    assert first.facts == {"statuses": {"active": 1}, "waiting": 3}
    telecom_simulator.state.requests.clear()
    waiting = check(status.hlr, hlr_ids=ids, **first.next_arguments)
    assert waiting.facts == {"statuses": {"active": 1, "absent": 1, "failed": 1}, "waiting": 1}
    telecom_simulator.state.requests.clear()
    second = check(status.hlr, hlr_ids=ids, **first.next_arguments, unknown_is_final=True)
    assert [seen.path.rsplit("/", 1)[1] for seen in telecom_simulator.state.requests] == ids[1:]
    assert second.stage is SUCCEEDED
    assert second.facts["statuses"] == {"active": 1, "unknown": 1, "absent": 1, "failed": 1}
    assert [result["id"] for result in second.facts["results"]] == ids
    assert second.facts["results"][0] == {
        "id": ids[0],
        "status": "active",
        "network": "25503",
        "ported": True,
        "roaming": False,
    }
    assert "0000201" not in str(second)
    assert check(status.hlr, references=f"t{numbers[0]}").facts["results"][0]["id"] == ids[0]


@pytest.mark.parametrize("switch", ["sent", "unknown"])
def test_a_look_up_without_a_result_is_waited_for(
    telecom_simulator: Any, hook: Any, check: Any, switch: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.hlr_first_status", switch)
    telecom_simulator.state.set_transition("ketchup_loyalty.hlr", "after_polls", 2)
    made = hook.create_hlr("380670000201", reference="t1")
    assert check(status.hlr, hlr_ids=made.id).stage is WAITING
    assert check(status.hlr, hlr_ids=made.id).facts["results"][0]["status"] == "active"


@pytest.mark.parametrize(
    ("ordered", "came", "stage"),
    [
        (0, 0, WAITING),
        (0, 1, SUCCEEDED),
        (3600, 3600, SUCCEEDED),
        (None, 0, SUCCEEDED),
        (0, None, SUCCEEDED),
    ],
)
def test_an_unknown_of_the_time_of_the_order_may_be_none_yet(
    telecom_simulator: Any, check: Any, ordered: int | None, came: int | None, stage: Stage
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    def ago(seconds: int | None) -> str | None:
        return None if seconds is None else (now - timedelta(seconds=seconds)).isoformat()

    for option, expected in (({"unknown_is_final": True}, stage), ({}, WAITING)):
        says(
            telecom_simulator,
            "/hlr/1$",
            id="1",
            msisdn="380670000201",
            status="unknown",
            createdDatetime=ago(ordered),
            statusDatetime=ago(came),
        )
        assert check(status.hlr, hlr_ids="1", **option).stage is expected


@pytest.mark.parametrize("names", [{}, {"hlr_ids": "1", "references": "a"}, {"hlr_ids": [None]}])
def test_look_ups_have_one_kind_of_name(check: Any, names: Any) -> None:
    with pytest.raises(TelecomInputError, match="hlr_ids"):
        check(status.hlr, **names)


# Viber messages


def test_several_viber_messages(telecom_simulator: Any, hook: Any, check: Any) -> None:
    people = [ViberRecipient(f"38067000020{place}", f"t{place}") for place in (1, 2, 9)]
    batch = hook.send_viber(people, "Hi", sender="Shop")
    messages = [{"message_id": one.id, "reference": one.reference} for one in batch.results[:2]]
    messages.append({"message_id": None, "reference": "t9"})
    facts = {"delivered": 2, "statuses": {"read": 2, "not-viber-user": 1}}
    assert check(status.viber_messages, messages=messages) == PollResult(SUCCEEDED, facts)
    for least, stage in (("66.6", SUCCEEDED), ("66.7", FAILED)):
        assert check(status.viber_messages, messages=messages, min_delivered_percent=least).stage is stage
    assert check(status.viber_messages, messages=messages[2:]).stage is FAILED


def test_viber_messages_that_are_final_are_not_asked_for_again(
    telecom_simulator: Any, hook: Any, check: Any
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.viber", "after_polls", 1)
    people = [ViberRecipient(f"38067000020{place}", f"t{place}") for place in (1, 2)]
    hook.send_viber(people, "Hi", sender="Shop")
    says(telecom_simulator, "/reference/t2", status="sent", msisdn="380670000202")
    messages = [{"message_id": None, "reference": "t1"}, {"message_id": None, "reference": "t2"}]
    first = check(status.viber_messages, messages=messages)
    assert first.stage is WAITING
    assert first.next_arguments == {"messages": messages[1:], "counted": {"delivered": 1}}
    assert check(status.viber_messages, **first.next_arguments).facts["delivered"] == 2


# Exports


def test_an_export_becomes_ready(telecom_simulator: Any, hook: Any, check: Any) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 2)
    sent = hook.send_sms("380670000201", "Hi", reference="a1")
    key = hook.create_statistics_export(message_ids=[sent.id])
    assert check(status.stat_file, file_key=key).stage is WAITING
    assert check(status.stat_file, file_key=key) == PollResult(SUCCEEDED, {"file_key": key, "empty": False})


def test_a_large_file_is_not_read_to_find_that_it_is_there(
    telecom_simulator: Any, hook: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_MAX_ROWS_BYTES", 1 << 20)
    sent = hook.send_sms("380670000201", "Hi", reference="a1")
    key = hook.create_statistics_export(message_ids=[sent.id])
    vendor_state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor_state.exports[key].rows *= 20_000
    with pytest.raises(TelecomNoAnswerError, match="larger than allowed"):
        hook.get_statistics(key)
    assert check(status.stat_file, file_key=key).stage is SUCCEEDED
    assert hook.list_statistics_exports()[0].key == key  # the connection is as good as new


def test_an_empty_export_and_one_that_is_gone(telecom_simulator: Any, check: Any) -> None:
    says(telecom_simulator, "/stat/file", error=93, errorDescription="File is empty")
    assert check(status.stat_file, file_key="abc").facts == {"file_key": "abc", "empty": True}
    with pytest.raises(TelecomNotFoundError):
        check(status.stat_file, file_key="abc")


@pytest.mark.parametrize(("price", "shown"), [("1E+2", "100"), ("-0", "0"), ("1.50", "1.50")])
def test_a_price_with_an_exponent_is_shown_as_an_amount(price: str, shown: str) -> None:
    task = {"sent": 1, "delivered": 0, "undeliverable": 0, "expired": 0, "unknown": 0, "totalprice": price}
    counts = TaskCounts.of(SmsTask.model_validate(task))
    assert counts.price == (TaskCounts() + counts).price == shown
