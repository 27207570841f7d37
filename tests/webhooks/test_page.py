"""The page in Airflow's UI: who may see it, that it needs nothing from elsewhere, and what its data are."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_telecom.vendors.registry import vendors
from airflow_provider_telecom.webhooks import page as page_module
from tests.eventually import eventually
from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")

PATHS = ("/telecom/page", "/telecom/page/data")
UPLOT_1_6_32 = {
    "LICENSE": "8f989229699b4fe2",
    "uPlot.iife.min.js": "19c8d4c6ad88929a",
    "uPlot.min.css": "df630c6a8d6f8eea",
}
"""The beginning of the SHA-256 of each file, as `npm pack uplot@1.6.32` brings it."""
GUARDS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
QUEUE = {
    "operation": "block",
    "connection": "nova",
    "vendor": "novaconnect",
    "id": "q-1",
    "done": 1,
    "total": 4,
    "failed": 0,
    "final": False,
}
VIBER = {
    "vendor": "ketchup_loyalty",
    "kind": "viber",
    "connection": "default",
    "verdict": "accepted",
    "state": "delivered",
    "about": "********0200",
    "why": None,
}


class Inline(HTMLParser):
    """Gathers the elements of a document, and what stands in its styles and scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"style": [], "script": []}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data


@pytest.fixture(scope="session")
def token(_server: str) -> str:
    """A token of somebody who may look and nothing else."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(
        SimpleAuthManagerUser(username="viewer", role="VIEWER", teams=None)
    )


@pytest.fixture
def page(served: Served, token: str) -> httpx.Response:
    return seen(served, "/telecom/page", token)


def seen(served: Served, path: str, token: str) -> httpx.Response:
    return served.client.get(f"{served.url}{path}", headers={"Authorization": f"Bearer {token}"})


def overview(served: Served, token: str) -> dict[str, Any]:
    served.running.settle()
    answer = seen(served, "/telecom/page/data", token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def queue(process: int, count: int = 4) -> dict[str, Any]:
    items = [{"id": 1001, "iccid": "8970100000000000001", "profile": "TD", "block": "n"}]
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    return {"qid": "q-1", "queue": "block", "items": items, "status": status}


@pytest.mark.parametrize("path", PATHS)
def test_only_who_is_signed_in_sees_it(served: Served, token: str, path: str) -> None:
    stranger = served.client.get(f"{served.url}{path}")
    assert (stranger.status_code, "Telecom" in stranger.text) == (401, False)
    assert seen(served, path, "made-up").status_code in (401, 403)
    assert seen(served, path, token).status_code == 200
    with_cookie = served.client.get(f"{served.url}{path}", headers={"Cookie": f"_token={token}"})
    assert with_cookie.status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_cache_keeps_it_and_no_stranger_frames_it(served: Served, token: str, path: str) -> None:
    headers = seen(served, path, token).headers
    assert {name: headers[name] for name in GUARDS} == GUARDS
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == policy["frame-ancestors"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    kind = "text/html; charset=utf-8" if path == PATHS[0] else "application/json"
    assert headers["content-type"] == kind


def test_the_browser_may_run_what_stands_in_it_and_nothing_else(page: httpx.Response) -> None:
    document = Inline(page.text)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    for tag, number in (("style", 1), ("script", 2)):
        texts = document.texts[tag]
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        assert [len(text) > 1000 for text in texts] == [True] * number
        assert policy[f"{tag}-src"] == " ".join(f"'sha256-{digest}'" for digest in digests)
    names = {name for _, attributes in document.elements for name in attributes}
    assert not [name for name in names if name == "style" or name.startswith("on")]


def test_it_needs_nothing_from_elsewhere(page: httpx.Response) -> None:
    text = page.text.replace("/*! https://github.com/leeoniya/uPlot (v1.6.32) */", "")
    assert not re.findall(r"https?:|@import|url\(|[\"'(=]\s*//", text)
    elements = Inline(page.text).elements
    assert not [one for one in elements if one[0] in ("link", "img", "iframe", "base", "object", "embed")]
    assert not [one for one in elements if {"src", "href", "srcset", "action"} & set(one[1])]
    assert re.findall(r'fetch\("([^"]*)"', page.text) == ["page/data"]


def test_texts_of_others_never_become_markup(page: httpx.Response) -> None:
    markup = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|eval\("
    )
    assert not re.findall(markup, page.text)


def test_nothing_was_told_yet(served: Served, token: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    found = overview(served, token)
    assert before <= datetime.fromisoformat(found.pop("now")) <= datetime.now(UTC)
    receiver = {"open": True, "why": None, "base_url": served.url}
    nothing = {"accepted": 0, "duplicate": 0, "stale": 0, "refused": 0}
    assert found.pop("vendors") == [
        {"vendor": vendor.id, **nothing} for vendor in vendors() if vendor.webhooks
    ]
    assert {vendor.id: vendor.label for vendor in vendors()}.items() <= found.pop("labels").items()
    assert found == {"receiver": receiver, "operations": [], "webhooks": [], "hours": []}


def test_uplot_is_the_file_of_its_package_with_its_licence() -> None:
    folder = Path(page_module.__file__).parent / "uplot"
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in folder.iterdir()}
    assert sums == UPLOT_1_6_32
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_it_says_why_the_receiver_is_closed(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__TELECOM__WEBHOOK_SECRET", "short")
    receiver = overview(served, token)["receiver"]
    assert receiver["open"] is False
    assert "webhook_secret" in receiver["why"]
    assert "short" not in receiver["why"]


def test_it_needs_the_state_of_assets_in_airflows_database(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow import state
    from airflow.state import BaseStoreBackend

    from airflow_provider_telecom.webhooks import plugin

    class Elsewhere(BaseStoreBackend):
        pass

    Elsewhere.__abstractmethods__ = frozenset()
    monkeypatch.setattr(state, "_backend_instance", Elsewhere())
    plugin._app.cache_clear()
    assert overview(served, token)["receiver"]["why"].startswith("[state_store] backend")
    assert served.post(served.address("queue", "n1"), queue(1)).status_code == 404


def test_queues_and_callbacks_show_as_they_come(served: Served, token: str) -> None:
    url = served.address("queue", "nonce", conn_id="nova")
    for process in (1, 1):
        assert served.post(url, queue(process)).status_code == 200
    viber = {"reference": "r-1", "msisdn": "380670000200", "status": "delivered"}
    assert served.post(served.address("viber", "r-1", vendor="ketchup_loyalty"), viber).status_code == 200
    found = overview(served, token)
    (shown,) = found["operations"]
    assert {name: shown[name] for name in QUEUE} == QUEUE
    assert datetime.fromisoformat(shown["at"]).tzinfo is not None
    newest, *_ = found["webhooks"]
    assert {name: newest[name] for name in VIBER} == VIBER
    assert [one["verdict"] for one in found["webhooks"]] == ["accepted", "duplicate", "accepted"]
    (hour,) = found["hours"]
    assert hour["states"] == {
        "ketchup_loyalty/viber/delivered": 1
    }  # a queue underway has no state to count yet
    assert datetime.fromisoformat(hour["hour"]).tzinfo is not None
    nothing = {"accepted": 0, "duplicate": 0, "stale": 0, "refused": 0}
    assert found["vendors"] == [
        {"vendor": "ketchup_loyalty", **nothing, "accepted": 1},
        {"vendor": "novaconnect", **nothing, "accepted": 1, "duplicate": 1},
    ]


def test_halves_of_characters_do_not_break_it(served: Served, token: str) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    assert served.post(served.address("queue", "nonce"), queue(1)).status_code == 200
    with create_session(scoped=False) as session:
        rows = session.query(AssetStateStoreModel).filter(AssetStateStoreModel.key.startswith("entry:"))
        (row,) = rows.all()
        row.value = json.dumps({**json.loads(row.value), "operation": "<b>\ud800"})
    (shown,) = overview(served, token)["operations"]
    assert shown["operation"] == "<b>\ud800"


def test_it_looks_at_the_rows_that_it_shows_and_at_no_others(served: Served) -> None:
    from airflow.settings import engine
    from sqlalchemy import event

    from airflow_provider_telecom.webhooks.page.overview import overview as overview_now

    assert served.post(served.address("queue", "nonce"), queue(1)).status_code == 200
    plans: list[str] = []
    this_thread = threading.get_ident()  # the api-server's own may sweep meanwhile

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if threading.get_ident() == this_thread and statement.startswith("SELECT asset_state_store"):
            plan = cursor.connection.execute(f"explain query plan {statement}", parameters)
            plans.extend(row[3] for row in plan if "asset_state_store" in row[3])

    event.listen(engine, "before_cursor_execute", explain)
    try:
        assert overview_now()["operations"]
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    assert len(plans) == 4  # days, the number of the last post, its page, queues
    assert all(plan.startswith("SEARCH") and "key" in plan.split("(")[1] for plan in plans), plans


def test_many_who_look_ask_the_database_once(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.webhooks.page import overview as module

    real, asked = module.overview, []

    def counted() -> dict[str, Any]:
        asked.append(time.monotonic())
        return real()

    monkeypatch.setattr(module, "overview", counted)
    monkeypatch.setattr("airflow_provider_telecom.webhooks.page._CACHE_SECONDS", 3600.0)
    with ThreadPoolExecutor(20) as viewers:
        found = list(viewers.map(lambda _: overview(served, token)["now"], range(40)))
    assert len(asked) == 1
    assert len(set(found)) == 1


def test_it_is_read_again_after_a_while(served: Served, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.webhooks.page._CACHE_SECONDS", 0.05)
    assert overview(served, token)["operations"] == []
    assert served.post(served.address("queue", "nonce"), queue(1)).status_code == 200
    assert eventually(lambda: overview(served, token)["operations"])


def test_only_the_last_hundred_callbacks_show(served: Served, token: str) -> None:
    for number in range(120):
        assert (
            served.post(served.address("queue", conn_id=f"nova{number % 9}"), {"qid": number}).status_code
            == 422
        )
    found = overview(served, token)
    assert 50 < len(found["webhooks"]) <= 100
    assert {one["verdict"] for one in found["webhooks"]} == {"refused"}
    assert found["vendors"][-1] == {
        "vendor": "novaconnect",
        "accepted": 0,
        "duplicate": 0,
        "stale": 0,
        "refused": 120,
    }
