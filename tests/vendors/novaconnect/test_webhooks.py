"""What NovaConnect's posts are read as."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.vendors.novaconnect import webhooks
from airflow_provider_telecom.vendors.webhooks import Subscription

SIM = {"id": 1001, "iccid": "8970100000000000001", "profile": "TD", "block": "p", "number": "77010000001"}
BILL = {"id": 7, "bid": "2026/10-7"}


def queue(**more: Any) -> Any:
    status = {"count": 4, "process": 1, "percentage": 25}
    body = {"qid": "q-1", "queue": "block", "items": [SIM], "status": status, **more}
    return webhooks.queue("n1", body, b"its bytes")


def notice(**body: Any) -> Any:
    return webhooks.notice("account", body, b"its bytes")


@pytest.mark.parametrize(
    ("status", "state", "final"),
    [
        ({"count": 4, "process": 1}, "running", False),
        ({"count": 4, "process": 4}, "done", True),
        ({"count": 4, "process": 5}, "done", True),
        ({"percentage": 50}, "running", False),
        ({"percentage": 100}, "done", True),
        ({"count": {"value": 4}, "process": {"value": 4}}, "done", True),
        ({"count": 0, "process": 0}, "done", True),
        ({}, "running", False),
    ],
)
def test_how_far_a_queue_is(status: dict[str, Any], state: str, final: bool) -> None:
    found = queue(status=status)
    assert (found.state, found.final, found.event) == (state, final, "queue" if final else None)


def test_later_looks_at_a_queue_follow_earlier_ones() -> None:
    steps = [queue(status={"count": 4, "process": process}) for process in range(5)]
    assert [one.sequence for one in steps] == sorted({one.sequence for one in steps})
    for one, other in pairwise(steps):
        assert other.supersedes(one.sequence, one.final)
        assert not one.supersedes(other.sequence, other.final)


@pytest.mark.parametrize("word", ["error", "Failed", " fail "])
def test_sims_that_it_failed_for(word: str) -> None:
    found = queue(items=[{**SIM, "queue_status": word}, {**SIM, "id": 2}], status={"count": 2, "process": 2})
    assert (found.state, found.facts["failed"]) == ("failed", [1001])


def test_nothing_personal_is_kept() -> None:
    found = queue(user={"id": 1, "first_name": "A Person"}, handler="https://example.com/secret")
    assert found.facts == {"queue_id": "q-1", "operation": "block", "process": 1, "count": 4, "failed": []}
    assert not {"8970100000000000001", "77010000001", "A Person", "secret"} & set(str(found).split("'"))


@pytest.mark.parametrize("operation", ["<script>", "a b", "x" * 41, "блок", ""])
def test_an_operation_that_is_no_word(operation: str) -> None:
    assert queue(queue=operation).facts["operation"] == "other"


@pytest.mark.parametrize(
    "more", [{"qid": "<q>"}, {"qid": "q" * 129}, {"qid": None}, {"status": {"process": -1}}, {"status": 5}]
)
def test_posts_that_make_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(TelecomAnswerError):
        queue(**more)


def test_a_notice_about_sims_and_one_about_bills() -> None:
    found = notice(type="package_empty", items=[SIM])
    assert (found.event, found.facts) == ("package_empty", {"type": "package_empty", "sim_ids": [1001]})
    found = notice(type="generate_bill", items=[BILL], files=[{"type": "base64", "body": "!!!"}])
    assert (found.event, found.facts) == ("generate_bill", {"type": "generate_bill", "bill_ids": [7]})


def test_an_equal_notice_is_the_same_however_it_is_written() -> None:
    one, other = (
        notice(type="msu_lock", items=[SIM]),
        notice(items=[dict(reversed(SIM.items()))], type="msu_lock"),
    )
    assert one.subject == other.subject
    assert one.subject != notice(type="msu_lock", items=[{**SIM, "id": 2}]).subject


def test_a_notice_of_an_unknown_type_makes_no_event() -> None:
    found = notice(type="new_thing", items=[{"any": "thing"}])
    assert (found.event, found.state, found.facts) == (None, "other", {"type": None})
    assert notice(type="<script>").state == "other"


def test_a_notice_about_nothing_is_refused() -> None:
    with pytest.raises(TelecomAnswerError, match="items are missing"):
        notice(type="package_empty", items=[])


def test_the_topic_of_an_operation() -> None:
    topic = "novaconnect/queue/fleet/n1"
    assert webhooks.subscription("fleet", "n1", operation="ping") == Subscription((topic,), topic)
    assert webhooks.subscription("fleet", None) is None
