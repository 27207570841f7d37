"""The bodies of NovaConnect's webhooks: queues, and account notices."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.vendors.novaconnect.webhooks import NoticeType, read_notice, read_queue_webhook
from tests.vendors.novaconnect.by_hand import BILL, SIM

POSTED = {
    "qid": "q-1",
    "added": 1719300000,
    "queue": "block",
    "handler": "https://hooks.example.org/x",
    "items": [{**SIM, "queue_status": "success"}],
    "user": {"id": 101, "first_name": "Aigul", "last_name": "Admin", "company_id": 77},
    "status": {"count": 1, "process": 1, "percentage": 100},
}


def callback(**changes: Any) -> Any:
    return read_queue_webhook(json.dumps({**POSTED, **changes}).encode())


def test_a_webhook_of_a_queue() -> None:
    found = callback()
    assert (found.qid, found.queue, found.final) == ("q-1", "block", True)
    assert found.items[0].queue_status == "success"
    assert found.user.company_id == 77
    assert found.added_at.year == 2024


@pytest.mark.parametrize(
    ("items", "ids"),
    [([SIM, {**SIM, "id": 2}], [1001, 2]), (SIM, [1001]), ([], []), (None, [])],
)
def test_row_38_items_are_a_list_or_one_sim(items: Any, ids: list[int]) -> None:
    assert [sim.id for sim in callback(items=items).items] == ids


def test_row_38_a_sim_in_a_webhook_has_no_groups() -> None:
    bare = {name: value for name, value in SIM.items() if name != "groups"}
    assert callback(items=[bare]).items[0].groups is None


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ({"count": 4, "process": 4, "percentage": 100}, True),
        ({"count": 4, "process": 5, "percentage": 0}, True),
        ({"count": 4, "process": 1, "percentage": 25}, False),
        ({"count": 4, "process": 1, "percentage": 100}, True),
        ({"percentage": 100}, True),
        ({"percentage": 99.9}, False),
        ({"count": 4, "process": None, "percentage": None}, False),
        ({"count": "4", "process": "4", "percentage": "99"}, True),
        ({"count": {"value": 4}, "process": {"value": 4}, "percentage": {"value": 100}}, True),
        ({}, False),
    ],
)
def test_row_38_a_webhook_may_only_report_progress(status: dict[str, Any], final: bool) -> None:
    assert callback(status=status).final is final


def test_row_36_counts_may_be_objects_or_texts() -> None:
    status = callback(status={"count": {"value": 4}, "process": "3", "percentage": 75}).status
    assert (status.count, status.process, status.percentage) == (4, 3, 75)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"qid":"q"}', b'{"qid":"","status":{}}', b'{"qid":"q","status":{},"items":5}'],
)
def test_an_invalid_webhook_is_refused(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        read_queue_webhook(body)


def notice(**fields: Any) -> Any:
    return read_notice(json.dumps(fields).encode())


@pytest.mark.parametrize("kind", ["msu_lock", "package_empty"])
def test_notices_about_sims(kind: str) -> None:
    found = notice(type=kind, items=[SIM])
    assert ([sim.id for sim in found.sims], found.bills, found.files) == ([1001], (), ())
    assert found.items[0]["iccid"] == SIM["iccid"]


@pytest.mark.parametrize("kind", ["generate_bill", "unpaid_bill_3", "unpaid_bill_5", "unpaid_bill_6"])
def test_notices_about_bills(kind: str) -> None:
    file = {"type": "base64", "format": "application/pdf", "name": "a.pdf"}
    file["body"] = base64.b64encode(b"%PDF-1.4").decode()
    found = notice(type=kind, items=BILL, files=[file])
    assert NoticeType(found.type).value == kind
    assert ([bill.id for bill in found.bills], found.sims) == ([501], ())
    assert found.files[0].content() == b"%PDF-1.4"
    assert file["body"] not in repr(found.files)


def test_a_notice_of_an_unknown_type_is_kept_as_it_came() -> None:
    found = notice(type="tariff_change", items=[{"a": 1}], other=2)
    assert (found.items, found.sims, found.bills, found.other) == (({"a": 1},), (), (), 2)


@pytest.mark.parametrize(("kind", "body"), [("base64", "не base64"), ("base64", "abc"), ("hex", "00")])
def test_a_file_that_is_not_base64_is_refused(kind: str, body: str) -> None:
    found = notice(type="generate_bill", files=[{"type": kind, "body": body}])
    with pytest.raises(TelecomAnswerError, match="not base64"):
        found.files[0].content()


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"type":"msu_lock","items":[{}]}', b'{"type":"x","items":[1]}']
)
def test_what_is_no_notice_is_refused(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        read_notice(body)
