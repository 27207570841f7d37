"""What the receiver stores and emits, what it counts, and what a sweep deletes."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

from airflow_provider_telecom.webhooks import inbox_client
from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings
from airflow_provider_telecom.webhooks.assets import INBOX
from tests.eventually import eventually
from tests.vendors.ketchup_loyalty.test_webhooks import HLR, VIBER
from tests.webhooks.conftest import EVENTS, Comms, Served

pytestmark = pytest.mark.xdist_group("webhooks")

SIM = {"id": 1001, "iccid": "8970100000000000001", "profile": "TD", "block": "p"}


def queue(process: int = 2, count: int = 2, qid: str = "q-1", **more: Any) -> dict[str, Any]:
    """Return a post about a queue, as the document has it."""
    sim = {**SIM, "queue_status": "success"}
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


def said(served: Served, url: str, *bodies: Any) -> list[str]:
    """Post, and return the verdicts."""
    answers = [served.post(url, body) for body in bodies]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json()["detail"] for answer in answers]


def test_a_queue_is_told_once(served: Served) -> None:
    url = served.address("queue", "n1")
    steps = [queue(process) for process in (1, 1, 2, 2, 1)]
    assert said(served, url, *steps) == ["accepted", "duplicate", "accepted", "duplicate", "stale"]
    assert served.rows("entry:") == {
        "entry:novaconnect/queue/default/n1": {
            "queue_id": "q-1",
            "operation": "block",
            "process": 2,
            "count": 2,
            "failed": [],
            "final": True,
        }
    }
    (event,) = served.events("telecom-novaconnect-queue")
    assert (event["conn_id"], event["queue_id"]) == ("default", "q-1")


def test_viber_reports_in_disorder(served: Served) -> None:
    url = served.address("viber", VIBER["reference"], vendor="ketchup_loyalty")
    words = ("sent", "read", "delivered", "sent", "read", "expired")
    bodies = [{**VIBER, "status": word} for word in words]
    assert said(served, url, *bodies) == ["accepted", "accepted", "stale", "stale", "duplicate", "stale"]
    assert [event["status"] for event in served.events("telecom-ketchup-loyalty-viber")] == ["read"]


def test_one_address_for_several_messages_and_no_others(served: Served, comms: Comms) -> None:
    inbox_client.bind_references("ketchup_loyalty/viber/default/g1", ["a", "b"])
    url = served.address("viber", "g1", vendor="ketchup_loyalty")
    bodies = [{**VIBER, "reference": reference, "status": "delivered"} for reference in ("a", "b", "a")]
    assert said(served, url, *bodies) == ["accepted", "accepted", "duplicate"]
    assert [event["reference"] for event in served.events("telecom-ketchup-loyalty-viber")] == ["a", "b"]


def test_an_address_tells_of_no_message_but_its_own(served: Served, comms: Comms) -> None:
    inbox_client.bind_references("ketchup_loyalty/viber/default/g1", ["a", "b"])
    for nonce, reference in (("a", "b"), ("g1", "c"), ("g2", "a"), ("account", "a")):
        forged = {**VIBER, "reference": reference, "status": "delivered"}
        answer = served.post(served.address("viber", nonce, vendor="ketchup_loyalty"), forged)
        assert answer.status_code == 409, (nonce, reference)
    assert served.events("telecom-ketchup-loyalty-viber") == []
    assert {one["why"] for one in served.log()} == {"it is about a message that this address is not for"}


def test_a_look_up_by_the_cabinets_address(served: Served) -> None:
    url = served.address("hlr", vendor="ketchup_loyalty")
    assert said(served, url, {**HLR, "status": "sent"}, HLR) == ["accepted", "accepted"]
    (event,) = served.events("telecom-ketchup-loyalty-hlr")
    assert event["hlr_id"] == HLR["id"]


@pytest.mark.parametrize(
    "kind", ["msu_lock", "package_empty", "generate_bill", "unpaid_bill_3", "unpaid_bill_5", "unpaid_bill_6"]
)
def test_every_notice_makes_its_event(served: Served, kind: str) -> None:
    about_sims = kind in ("msu_lock", "package_empty")
    items: list[Any] = [SIM] if about_sims else [{"id": 7}]
    url = served.address("notice")
    assert said(served, url, *[{"type": kind, "items": items}] * 2) == ["accepted", "duplicate"]
    (event,) = served.events(f"telecom-novaconnect-{kind.replace('_', '-')}")
    ids = {"sim_ids": [1001]} if about_sims else {"bill_ids": [7]}
    assert event == {"conn_id": "default", "type": kind, **ids}
    assert sum(len(served.events(name)) for name in EVENTS) == 1


def test_addresses_and_rows_of_an_earlier_version_are_still_valid(served: Served) -> None:
    """It called KetchUp `ketchup`, in addresses, in the keys of rows and in counts."""
    from airflow_provider_telecom.webhooks import inbox
    from airflow_provider_telecom.webhooks.keys import DAY, deduplication_key
    from airflow_provider_telecom.webhooks.page.overview import overview

    topic = "ketchup/viber/default/g1"
    record = {"state": "delivered", "rank": 3, "final": False, "identity": ""}
    today = f"{DAY}{datetime.now(UTC):%Y-%m-%d}"

    def as_before(rows: inbox.InboxRows) -> None:
        rows.set(f"bound:{topic}", {"references": ["a", "b"]})
        rows.set(deduplication_key(topic, "a"), record)
        rows.set(today, {"verdicts": {"ketchup": {"accepted": 7}}, "hours": {}})

    inbox.run_locked(as_before)
    url = served.address("viber", "g1", vendor="ketchup")
    assert "/telecom/hook/ketchup/viber/default/g1/" in url
    posts = [{**VIBER, "reference": name, "status": "delivered"} for name in ("a", "b")]
    assert said(served, url, *posts) == ["duplicate", "accepted"]
    assert served.post(url, {**VIBER, "reference": "c"}).status_code == 409
    (event,) = served.events("telecom-ketchup-loyalty-viber")
    assert event["reference"] == "b"
    _, line, _ = served.log()
    assert (line["vendor"], line["topics"]) == ("ketchup_loyalty", ["ketchup_loyalty/viber/default/b"])
    (counts,) = (each for each in overview()["vendors"] if each["vendor"] == "ketchup_loyalty")
    assert (counts["accepted"], counts["duplicate"], counts["refused"]) == (8, 1, 1)
    assert overview()["labels"]["ketchup"] == "KetchUp Loyalty"


def test_a_connection_id_may_hold_what_airflow_allows(served: Served) -> None:
    from airflow_provider_telecom.webhooks.page.overview import overview

    conn_id = r"team/fleet#1!(a)-.:\b"
    assert said(served, served.address("queue", "n1", conn_id=conn_id), queue(1)) == ["accepted"]
    assert list(served.rows("entry:")) == [f"entry:novaconnect/queue/{conn_id}/n1"]
    assert overview()["operations"][0]["connection"] == conn_id


def test_another_queue_under_the_same_address_is_refused(served: Served) -> None:
    url = served.address("queue", "n1")
    said(served, url, queue(1))
    answer = served.post(url, queue(2, qid="q-2"))
    assert answer.status_code == 409
    assert served.events("telecom-novaconnect-queue") == []
    assert [(post["verdict"], post["why"]) for post in served.log()] == [
        ("accepted", None),
        ("refused", "it is about another thing than the first post to this address"),
    ]


def test_addresses_of_the_previous_secret_are_taken(
    served: Served, receiver_settings: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.webhooks import plugin

    old = served.address("queue", "n1")
    secret = "another-made-up-secret-0123456789abcdef"
    receiver_settings.setenv("AIRFLOW__TELECOM__WEBHOOK_PREVIOUS_SECRET", served.secret)
    receiver_settings.setenv("AIRFLOW__TELECOM__WEBHOOK_SECRET", secret)
    plugin._app.cache_clear()
    assert said(served, old, queue(1)) == ["accepted"]
    settings = read_receiver_settings()
    assert settings
    assert said(served, settings.url(WebhookAddress("novaconnect", "queue", "default", "n1")), queue(2)) == [
        "accepted"
    ]
    receiver_settings.delenv("AIRFLOW__TELECOM__WEBHOOK_PREVIOUS_SECRET")
    plugin._app.cache_clear()
    assert served.post(old, queue(2)).status_code == 404


def test_what_is_kept_is_not_personal(served: Served) -> None:
    said(served, served.address("hlr", vendor="ketchup_loyalty"), HLR)
    said(
        served,
        served.address("queue", "n1"),
        queue(items=[{**SIM, "number": "77010000001", "name": "A Person"}]),
    )
    kept = str(served.rows()) + str([served.events(name) for name in EVENTS])
    for secret in (HLR["msisdn"], SIM["iccid"], "77010000001", "A Person", "example.com"):
        assert secret not in kept
    assert "********0000" in kept


def test_the_receiver_is_closed_where_airflow_deletes_webhooks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.webhooks import inbox, plugin
    from airflow_provider_telecom.webhooks.page.overview import overview

    monkeypatch.setattr(inbox, "_MIN_AIRFLOW", Version("999"))
    plugin._app.cache_clear()
    assert served.post(served.address("queue", "n1"), queue()).status_code == 404
    assert overview()["receiver"]["why"] == "Airflow: must be 999 or newer: earlier versions delete webhooks"


def test_the_inbox_is_no_orphan_though_no_dag_names_it(served: Served) -> None:
    """True of the versions with which the receiver opens."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.asset import AssetActive
    from airflow.utils.session import create_session

    said(served, served.address("queue", "n1"), queue())
    before = served.rows()
    with create_session(scoped=False) as session:
        SchedulerJobRunner(Job())._update_asset_orphanage(session=session)
    if Version(version("apache-airflow-core")) < Version("3.3.2"):
        assert served.rows() == {}
        return
    assert served.rows() == before
    with create_session(scoped=False) as session:
        assert session.get(AssetActive, (INBOX.name, INBOX.uri))


def test_what_the_page_is_told(served: Served) -> None:
    from airflow_provider_telecom.webhooks.page.overview import overview

    said(served, served.address("queue", "n1"), queue(1), queue(1))
    said(served, served.address("hlr", vendor="ketchup_loyalty"), HLR)
    found = overview()
    assert found["receiver"] == {"open": True, "why": None, "base_url": served.url}
    (one,) = found["operations"]
    assert (one["done"], one["total"], one["final"], one["connection"]) == (1, 2, False, "default")
    assert [post["verdict"] for post in found["webhooks"]] == ["accepted", "duplicate", "accepted"]
    (hour,) = found["hours"]
    assert hour["states"] == {"ketchup_loyalty/hlr/active": 1}
    assert {each["vendor"]: each["duplicate"] for each in found["vendors"]} == {
        "ketchup_loyalty": 0,
        "novaconnect": 1,
    }


def test_the_page_is_told_of_the_last_hundred_posts(served: Served) -> None:
    from airflow_provider_telecom.vendors.webhooks import WebhookEvent
    from airflow_provider_telecom.webhooks import inbox
    from airflow_provider_telecom.webhooks.page.overview import overview

    for number in range(130):
        report = WebhookEvent(str(number), "sent", 1, False, {}, about=str(number))
        inbox.store_webhooks([
            inbox.ReceivedWebhook(WebhookAddress("ketchup_loyalty", "viber", "default", "g"), report)
        ])
    shown = [post["about"] for post in overview()["webhooks"]]
    assert shown == [str(number) for number in range(129, 29, -1)]


def test_addresses_stay_out_of_the_access_log_even_under_a_prefix(
    served: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import structlog
    from airflow.api_fastapi.common import http_access_log
    from airflow.api_fastapi.common.http_access_log import HttpAccessLogMiddleware
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from airflow_provider_telecom.webhooks.plugin import TelecomPlugin

    # an earlier test may have left one that writes to its own output
    monkeypatch.setattr(http_access_log, "logger", structlog.get_logger(logger_name="http.access"))
    under = FastAPI(root_path="/air")
    under.mount("/telecom", TelecomPlugin.fastapi_apps[0]["app"])
    under.add_middleware(HttpAccessLogMiddleware)
    url = served.address("queue", "n1").removeprefix(served.url)
    for client, path in (
        (TestClient(under), f"/air{url}"),
        (TestClient(under), url),
        (served.client, served.url + url),
        (served.client, served.url + url[:-1]),
        (served.client, served.url + url + "/more"),
    ):
        client.post(path, json=queue(1))
        client.get(path)
    lines: list[str] = []

    def all_logged() -> bool:
        lines.append(capfd.readouterr().out)  # the last line is written after the answer
        return "".join(lines).count("/telecom/hook/***") >= 10

    assert eventually(all_logged)
    logged = "".join(lines)
    assert logged.count("/telecom/hook/***") == 10
    assert "n1" not in logged
    assert url.rpartition("/")[2][:-1] not in logged
