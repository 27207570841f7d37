"""The page in a real Airflow, seen in a real browser by somebody who has typed a password."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
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


PEOPLE = 400
FATES = {
    "viber": ("delivered", "delivered", "read", "delivered", "not-viber-user", "read", "expired"),
    "sms": ("delivered", "delivered", "delivered", "undeliverable"),
}
"""What becomes of a message, by a hash of its number."""
STEPS = f"[...{FRAME}.querySelectorAll('#campaign .steps tbody tr')].map(row => row.innerText)"


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    pytest.importorskip("duckdb")
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    files = tmp_path_factory.mktemp("files")
    shutil.copy(Path(__file__).parent / "page" / "ladder_dag.py", dags)
    numbers = [f"{380670000000 + place}" for place in range(PEOPLE)]
    (files / "people.csv").write_text("\n".join(["msisdn", *numbers]) + "\n")
    slow = telecom_simulator_server.connection("ketchup_loyalty")
    slow["extra"] = {**slow["extra"], "rate_limit": "1/s"}
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
    extra |= telecom_simulator_server.environment()
    extra |= {"AIRFLOW_CONN_SLOW_SMS": json.dumps(slow), "TELECOM_CAMPAIGN_FILES": str(files)}
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


def test_a_running_ladder_is_seen(
    airflow: RunningAirflow,
    page: Page,
    pictured: Callable[[str], Path],
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = VendorState.create

    def fated(state: VendorState, draft: Any, stages: Any, *args: Any, **facts: Any) -> Any:
        fates = FATES[draft.module]
        place = int(hashlib.sha256(draft.msisdn.encode()).hexdigest(), 16) % len(fates)
        return create(state, draft, ("accepted", fates[place]), *args, **facts)

    monkeypatch.setattr(VendorState, "create", fated)
    serialized = "select count(*) from serialized_dag where dag_id = 'spring_sale'"
    assert airflow.wait_until(lambda: airflow.value(serialized)), airflow.logs()
    airflow.airflow("dags", "trigger", "spring_sale", "--run-id", "first")
    page.set_window(height=1250)
    page.open(f"{airflow.url}/plugin/telecom")
    page.wait_for(f"{FRAME}.querySelector('button.name').innerText === 'spring_sale'")
    assert page.evaluate(f"{FRAME}.querySelector('#campaign').offsetHeight") == 0
    page.evaluate(f"{FRAME}.querySelector('button.name').click()")
    sending = f"Number({FRAME}.querySelector('#campaign [role=progressbar]')?.ariaValueNow)"
    sms = f"{STEPS}.some(text => text.startsWith('spring.sms') && text.includes('running'))"
    plots = f"{FRAME}.querySelectorAll('#campaign canvas').length === 2"
    page.wait_for(f"{sms} && {sending} > 20 && {sending} < 100 && {plots}")
    running = page.evaluate(STEPS)
    pictured("campaign")
    for theme in ("light", "dark"):
        set_theme(page, theme)
        page.wait_for(f"{FRAME}.querySelector('button.name').innerText === 'spring_sale'")
        page.evaluate(f"{FRAME}.querySelector('button.name').click()")
        page.wait_for(plots)
        pictured(f"campaign-{theme}")
        page.set_window(width=430, height=1700)
        fits = f"{FRAME}.documentElement.scrollWidth <= {FRAME}.documentElement.clientWidth"
        page.wait_for(f"{FRAME}.documentElement.clientWidth < 430 && {fits}")
        pictured(f"campaign-{theme}-narrow")
        page.set_window(height=1250)
    names = ["audience", "spring.viber", "spring.sms", "spring.report"]
    assert [text.split()[0] for text in running] == names
    ended = ("success", "failed")
    assert airflow.wait_until(lambda: airflow.state("spring_sale", "first") in ended)
    assert airflow.state("spring_sale", "first") == "success", airflow.task_logs()[-5000:]
    page.wait_for(f"{FRAME}.querySelector('#campaigns td.in-state').innerText === 'success'")
    page.wait_for(f"!{FRAME}.querySelector('#campaign .reports').parentElement.hidden")
    pictured("campaign-ended")
    ledger = telecom_simulator.state.ledger
    effects = [one for channel in FATES for one in ledger.of("ketchup_loyalty", channel)]
    paid = sum((Decimal(one.facts["price"]) for one in effects), Decimal(0))
    found = page.evaluate("fetch('/telecom/page/campaigns').then(answer => answer.json())")
    row = found["rows"][0]
    assert (row["recipients"], row["sent"], row["failed"]) == (PEOPLE, len(effects), 0)
    assert {currency: Decimal(value) for currency, value in row["spent"].items()} == {"EUR": paid}
    assert sum(Decimal(budget["spent"]) for budget in row["budgets"]) == paid
    text = page.evaluate(f"{FRAME}.documentElement.innerHTML")
    assert not re.search(r"38067\d{7}|Sale until", text)


def test_an_error_is_seen_with_its_class(
    airflow: RunningAirflow, page: Page, pictured: Callable[[str], Path]
) -> None:
    serialized = "select count(*) from serialized_dag where dag_id = 'broken_sale'"
    assert airflow.wait_until(lambda: airflow.value(serialized)), airflow.logs()
    airflow.airflow("dags", "trigger", "broken_sale", "--run-id", "broken")
    page.open(f"{airflow.url}/plugin/telecom")
    name = f"[...{FRAME}.querySelectorAll('button.name')].find(one => one.innerText === 'broken_sale')"
    page.wait_for(f"{name}.closest('tr').innerText.includes('failed')")
    page.evaluate(f"{name}.click()")
    page.wait_for(f"{FRAME}.querySelector('.errors').innerText.includes('TelecomInputError: recipients')")
    pictured("campaign-error")


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
