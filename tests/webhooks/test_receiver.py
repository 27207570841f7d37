"""What the receiver takes, what it refuses, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")


def queue(process: int = 2, count: int = 2, qid: str = "q-1", **more: Any) -> dict[str, Any]:
    """Return a post about a queue, as the document has it."""
    sim = {
        "id": 1001,
        "iccid": "8970100000000000001",
        "profile": "TD",
        "block": "n",
        "queue_status": "success",
    }
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    return {
        "qid": qid,
        "added": 1750000000,
        "queue": "block",
        "handler": "https://example.com/x",
        "items": [sim, {**sim, "id": 1002}],
        "user": {"id": 1, "first_name": "A", "last_name": "B", "company_id": 1},
        "status": status,
        **more,
    }


def test_a_queue_is_told_once(served: Served) -> None:
    url = served.address("queue", "n1")
    said = [served.post(url, queue(process)).json()["detail"] for process in (1, 1, 2, 2, 1)]
    assert said == ["accepted", "duplicate", "accepted", "duplicate", "stale"]
    (entry,) = served.rows("entry:").values()
    assert entry == {
        "queue_id": "q-1",
        "operation": "block",
        "process": 2,
        "count": 2,
        "failed": [],
        "final": True,
    }
    (event,) = served.events("telecom-novaconnect-queue")
    assert event["queue_id"] == "q-1"
