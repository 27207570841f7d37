"""The connection forms in a real browser: filled in, saved, and tested with Airflow's Test button."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from airflow_provider_telecom.simulator.credentials import (
    KYIVSTAR_MOCK_CLIENT_ID,
    KYIVSTAR_MOCK_CLIENT_SECRET,
)
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.vendors.description import FormField, Vendor
from airflow_provider_telecom.vendors.registry import vendors
from tests.system.browser import Page, browser
from tests.system.running import RunningAirflow, Shape, running_airflow

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.system]

DIALOG = "[role=dialog]"
TOAST = "[data-scope=toast][data-part=root]"
TYPES = f"{DIALOG} input[role=combobox]"
TOKEN_DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def sunsim_token():
    @task
    def use(conn_id):
        from airflow_provider_telecom.hooks.sunsim import SunSimHook
        SunSimHook(conn_id).get_vats_settings(["9000000000"])
    use("sunsim_form")
sunsim_token()
"""
FAILURES: dict[str, tuple[dict[str, str], str]] = {
    "kyivstar_open_telecom": (
        {"login": KYIVSTAR_MOCK_CLIENT_ID, "password": KYIVSTAR_MOCK_CLIENT_SECRET},
        "this Client ID is for another environment",
    ),
    "ketchup_loyalty": ({"password": "wrong_key"}, "The credentials are refused."),
    "kyivstar_fmc": ({"host": "https://fmc.kyivstar.invalid", "port": "443"}, "name was not found"),
    "sunsim": ({"port": "4433"}, "port: is 4433, but the host has"),
    "novaconnect": ({"element_rate_limit": "10 per second"}, "extra.rate_limit: must be like 10/s"),
}
"""What is entered wrongly, and what the Test button says of it."""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    (dags / "sunsim_token.py").write_text(TOKEN_DAG)
    direct = {"NO_PROXY": "*", "no_proxy": "*"}  # a name that does not exist must not be a proxy's business
    with running_airflow(home, dags, Shape(only_api_server=True), **direct) as deployment:
        yield deployment


@pytest.fixture
def page(airflow: RunningAirflow, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "browser") as tab:
        tab.set_window(width=1280, height=1100)
        tab.open(f"{airflow.url}/connections")
        yield tab


@pytest.fixture
def pictured(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that takes a picture in the light and in the dark."""
    folder = Path(os.environ.get("TELECOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        for theme in ("light", "dark"):
            page.evaluate(f"document.documentElement.className = '{theme}'")
            settle(page)
            page.screenshot(folder / f"{name}-{theme}.png")
        page.evaluate("document.documentElement.className = 'light'")

    return take


def add(page: Page, vendor: Vendor, fields: dict[str, str]) -> None:
    """Open the form, choose the type and fill in the standard fields."""
    page.click("Add Connection")
    page.type_into(f"{DIALOG} input[name=connection_id]", f"{vendor.id}_form")
    page.type_into(TYPES, vendor.label)
    page.press_enter()
    for name, value in fields.items():
        page.type_into(f"{DIALOG} input[name={name}]", value)


def press_test(page: Page, conn_id: str) -> str:
    """Press the Test button of a connection, and return what the message says."""
    page.open(page.evaluate("location.href"))  # without the messages of what was done before
    row = f"[...document.querySelectorAll('tr')].find(row => row.innerText.includes('{conn_id}'))"
    page.wait_for(f"{row} !== undefined")
    page.click_element(f"{row}.querySelector('button[aria-label=\"Test Connection\"]')")
    text: str = page.wait_for(f"document.querySelector('{TOAST}')?.innerText")
    settle(page)
    return text


def save(page: Page) -> None:
    page.click("Save", DIALOG)
    page.wait_for(f"document.querySelector('{DIALOG}') === null")


@pytest.mark.parametrize("vendor", vendors(), ids=lambda vendor: vendor.id)
def test_a_form_is_filled_in_saved_and_tested(
    vendor: Vendor,
    airflow: RunningAirflow,
    page: Page,
    pictured: Callable[[str], None],
    telecom_simulator: Simulator,
) -> None:
    conn_id, connection = f"{vendor.id}_form", telecom_simulator.connection(vendor.id)
    fields = {name: connection[name] for name in ("host", "login", "password") if connection[name]}
    add(page, vendor, {**fields, "port": str(telecom_simulator.port)})
    pictured(f"form-{vendor.id}")
    open_section(page, "Extra Fields", "rate_limit")
    pictured(f"form-{vendor.id}-extra")
    page.click_element("document.querySelector('[name=element_allow_private_hosts]').closest('label')")
    open_section(page, "Advanced", "verify")
    pictured(f"form-{vendor.id}-advanced")
    for name, field in vendor.fields.items():
        if "enum" in field.schema:
            open_section(page, "Advanced" if field.rare else "Extra Fields", name)
            check_choices(page, name, field)
    assert "null" not in page.evaluate(f"document.querySelector('{DIALOG}').innerText").split()
    save(page)
    if vendor.id == "sunsim":
        assert "not verified: no token is stored" in press_test(page, conn_id)
        pictured("test-sunsim-not-verified")
        airflow.airflow("dags", "test", "sunsim_token")
    assert "Connected: " in press_test(page, conn_id)
    pictured(f"test-{vendor.id}-success")
    changes, says = FAILURES[vendor.id]
    change(page, conn_id, changes)
    assert says in press_test(page, conn_id)
    pictured(f"test-{vendor.id}-failure")


def open_section(page: Page, section: str, field: str) -> None:
    """Open a section of the form, unless it is open, and wait until one of its fields has come to rest."""
    shown = f"document.querySelector('{DIALOG} #element_{field}')"
    if not page.evaluate(f"{shown}.offsetParent !== null"):
        page.click(section, DIALOG)
        page.wait_for(f"{shown}.offsetParent !== null")
        settle(page)


def settle(page: Page) -> None:
    """Wait until nothing moves and no colour changes any more."""
    page.wait_for(
        "document.getAnimations().every(one => one.playState !== 'running' ||"
        " one.effect.getComputedTiming().endTime === Infinity)"
    )


def check_choices(page: Page, name: str, field: FormField) -> None:
    """Open a list, see all its values with their explanations and no "null", and close it."""
    shown = list(cast("dict[str, str]", field.schema["values_display"]).values())
    page.click_element(f"document.querySelector('#element_{name} input[role=combobox]').parentElement")
    options = "[...document.querySelectorAll('[role=option]')].map(one => one.innerText)"
    assert page.wait_for(f"{options}.length && {options}") == shown
    page.evaluate("document.activeElement.blur()")
    page.wait_for(f"{options}.length === 0")


def change(page: Page, conn_id: str, changes: dict[str, Any]) -> None:
    """Change fields of a stored connection."""
    page.open(page.evaluate("location.href"))  # the message of the last test may lie over the Save button
    row = f"[...document.querySelectorAll('tr')].find(row => row.innerText.includes('{conn_id}'))"
    page.wait_for(f"{row} !== undefined")
    page.click_element(f"{row}.querySelector('button[aria-label=\"Edit Connection\"]')")
    page.wait_for(f"document.querySelector('{DIALOG} input[name=host]')?.value")
    settle(page)
    for name, value in changes.items():
        if name.startswith("element_"):
            open_section(page, "Extra Fields", name.removeprefix("element_"))
        page.replace_text(f"{DIALOG} [name={json.dumps(name)}]", value)
    save(page)
