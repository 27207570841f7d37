"""The page in a real Airflow, seen in a real browser by somebody who has typed a password."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress
from tests.system.browser import Page, browser
from tests.system.running import LONG_SECONDS, RunningAirflow, running_airflow

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.system]

PASSWORD = secrets.token_urlsafe(12)
WEBHOOK_SECRET = secrets.token_urlsafe(32)
FRAME = "document.querySelector('iframe').contentDocument"
BARS = f"[...{FRAME}.querySelectorAll('[role=progressbar]')].map(bar => bar.ariaValueNow)"
ROWS = f"[...{FRAME}.querySelectorAll('#webhooks tbody tr')].map(row => row.innerText)"
COLOURS = f"""(() => {{
    const canvas = {FRAME}.querySelector('#hours canvas');
    const {{data}} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer));
}})()"""
GROUND = f"{FRAME}.defaultView.getComputedStyle({FRAME}.body).backgroundColor"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"looker": PASSWORD}))
    settings = {
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "looker:viewer",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "TELECOM__PUBLIC_BASE_URL": "https://airflow.example.com",
        "TELECOM__WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    extra = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    with running_airflow(home, dags, **extra) as deployment:
        yield deployment


@pytest.fixture
def page(airflow: RunningAirflow, tmp_path: Path) -> Iterator[Page]:
    """A browser whose person has signed in."""
    with browser(tmp_path / "browser") as tab:
        tab.open(airflow.url)
        tab.wait_for("location.pathname === '/auth/login'")
        tab.type_into("input[name=username]", "looker")
        tab.type_into("input[name=password]", PASSWORD)
        tab.evaluate("document.querySelector('button[type=submit]').click()")
        tab.wait_for("location.pathname === '/' && document.body.innerText.includes('Browse')")
        yield tab


@pytest.fixture
def pictured(page: Page, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that takes a picture of a name."""
    folder = Path(os.environ.get("TELECOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> Path:
        path = folder / f"{name}.png"
        page.screenshot(path)
        return path

    return take


def post(airflow: RunningAirflow, address: WebhookAddress, body: dict[str, Any]) -> None:
    """Post as a vendor does."""
    url = ReceiverSettings(airflow.url, (Secret(WEBHOOK_SECRET),)).url(address)
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=LONG_SECONDS) as answer:
        assert answer.status == 200


def post_progress(airflow: RunningAirflow, process: int, nonce: str = "n1", count: int = 4) -> None:
    items = [{"id": 1001, "iccid": "8970100000000000001", "profile": "TD", "block": "n"}]
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    body = {"qid": f"q-{nonce}", "queue": "block", "items": items, "status": status}
    post(airflow, WebhookAddress("novaconnect", "queue", "novaconnect_default", nonce), body)


def post_delivery(airflow: RunningAirflow, number: int) -> None:
    state = ("delivered", "read", "expired", "delivered")[number % 4]
    body = {"reference": f"r-{number}", "msisdn": f"3806700002{number:02d}", "status": state}
    post(airflow, WebhookAddress("ketchup_loyalty", "viber", "ketchup_loyalty_default", f"r-{number}"), body)


def set_theme(page: Page, theme: str) -> None:
    """Choose as Airflow's own menu does, and load the page anew."""
    page.evaluate(f"localStorage.setItem('theme', '{theme}')")
    page.open(page.evaluate("location.href"))
    page.wait_for(f"document.documentElement.classList.contains('{theme}')")


@pytest.mark.parametrize("path", ["/telecom/page", "/telecom/page/data"])
def test_strangers_see_nothing(airflow: RunningAirflow, path: str) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{airflow.url}{path}", timeout=LONG_SECONDS)
    assert refused.value.code == 401
    assert b"queue" not in refused.value.read()


def test_progress_is_seen_as_it_comes_in(
    airflow: RunningAirflow, page: Page, pictured: Callable[[str], Path]
) -> None:
    post_progress(airflow, 1)
    for number in range(12):
        post_delivery(airflow, number)
    page.evaluate(
        "[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'Browse').click()"
    )
    page.wait_for("[...document.querySelectorAll('a')].some(one => one.innerText.trim() === 'Telecom')")
    pictured("browse")
    page.evaluate(
        "[...document.querySelectorAll('a')].find(one => one.innerText.trim() === 'Telecom').click()"
    )
    page.wait_for("location.pathname === '/plugin/telecom'")
    page.wait_for(f"{BARS}.join() === '25'")
    page.evaluate("window.stays = true")
    for process, percent in ((2, "50"), (4, "100")):
        post_progress(airflow, process)
        page.wait_for(f"{BARS}.join() === '{percent}'")
    assert page.evaluate("window.stays"), "it was loaded anew"
    rows = page.evaluate(ROWS)
    assert len(rows) == 15
    assert "********02" in rows[-3]
    assert not [row for row in rows if "3806700002" in row]
    assert page.evaluate(f"{COLOURS}.size") >= 4, "nothing is plotted"


def test_it_follows_airflows_theme_and_fits_a_telephone(
    airflow: RunningAirflow, page: Page, pictured: Callable[[str], Path]
) -> None:
    post_progress(airflow, 3, "n2")
    page.open(f"{airflow.url}/plugin/telecom")
    grounds = {}
    for theme in ("light", "dark"):
        set_theme(page, theme)
        page.set_window(dark=theme == "light")  # the system says the contrary
        page.wait_for(f"{BARS}.includes('75')")
        page.wait_for(f"{FRAME}.documentElement.dataset.theme === '{theme}'")
        grounds[theme] = page.evaluate(GROUND)
        assert pictured(theme).stat().st_size > 10_000
        page.set_window(width=430, height=900, dark=theme == "light")
        page.wait_for(f"{FRAME}.documentElement.clientWidth < 430")
        assert page.evaluate(f"{FRAME}.documentElement.scrollWidth <= {FRAME}.documentElement.clientWidth")
        pictured(f"{theme}-narrow")
        page.set_window(dark=theme == "light")
    assert grounds["light"] != grounds["dark"]


def test_hostile_texts_stay_texts(
    airflow: RunningAirflow, page: Page, pictured: Callable[[str], Path]
) -> None:
    post_progress(airflow, 1, "n3")
    hostile = "<img src=x onerror=alert(1)>\u202e<script>alert(2)</script>"
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=LONG_SECONDS)) as database, database:
        database.execute(
            "update asset_state_store set value = replace(value, '\"block\"', ?) where key like 'entry:%'",
            (json.dumps(hostile),),
        )
    page.open(f"{airflow.url}/plugin/telecom")
    page.wait_for(f"{FRAME}.querySelector('.operation').innerText.includes('<script>')")
    pictured("hostile")
    assert page.evaluate(f"{FRAME}.querySelectorAll('img').length") == 0
    assert page.evaluate(f"{FRAME}.querySelectorAll('script').length") == 2
    assert "\u202e" not in page.evaluate(f"{FRAME}.body.innerText")


def test_it_says_when_one_is_signed_out(
    airflow: RunningAirflow, page: Page, pictured: Callable[[str], Path]
) -> None:
    page.open(f"{airflow.url}/telecom/page")
    page.wait_for("document.querySelector('#live').dataset.state === 'live'")
    page.forget_cookies()
    page.wait_for("document.querySelector('#trouble').innerText.includes('signed out')")
    pictured("signed-out")
