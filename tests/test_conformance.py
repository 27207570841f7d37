"""All endpoints of all vendors: each has a docstring, an idempotency class, a route, a page and its tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.request import Request
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.registry import vendors
from tests.conftest import HOOKS
from tests.endpoints import DOC_FOLDERS, Row, rows
from tests.transports import TRANSPORTS

TESTS = Path(__file__).parent
CONTRADICTIONS = TESTS.parent / "docs" / "contradictions.md"
# Methods that are made of other endpoints, or ask one of them in another form.
COMPOSED = {
    "download_call_record_file",
    "download_call_records",
    "get_statistics",
    "has_statistics_file",
    "list_call_rows",
    "price_individual_sms",
    "price_sms_to_many",
    "price_viber_messages",
    "viber_keys_work",
}


def hook_class(vendor: str) -> Any:
    return import_from(HOOKS[vendor])


def endpoints_of(vendor: str) -> set[str]:
    kind = hook_class(vendor)
    names = (name for name in set(dir(kind)) - set(dir(TelecomHook)) if not name.startswith("_"))
    return {name for name in names if hasattr(getattr(kind, name), "__wrapped__")}


def _cases() -> Iterator[Any]:
    """Yield each row with one preset on each transport; the first of each class with both on both."""
    first = {(row.vendor, row.cls): row for row in reversed(rows())}
    for number, row in enumerate(rows()):
        for preset, transport in product(("default", "opposite"), TRANSPORTS):
            has_turn = (preset == "default") == ((number % 2 == 0) == (transport == TRANSPORTS[0]))
            if has_turn or first[row.vendor, row.cls] is row:
                yield pytest.param(row, preset, transport, id=f"{row}-{preset}-{transport}")


@pytest.mark.parametrize(("row", "preset", "call"), _cases(), indirect=["call"])
def test_each_endpoint_is_complete(
    row: Row,
    preset: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    tmp_path: Path,
) -> None:
    telecom_simulator.reset(preset=preset)
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 3600)
    hook = hook_for(row.vendor, **row.extra)
    args, kwargs = row.prepare(hook, tmp_path)
    telecom_simulator.state.requests.clear()
    sent = _recorded(hook)
    call(getattr(hook, row.method), *args, **kwargs)
    request = sent[-1]
    assert request.idempotency.value == ("X" if row.one_shot else row.cls)
    assert request.method in row.http.split("/")
    document = getattr(hook_class(row.vendor), row.method).__doc__
    assert "Source:" in document, "the docstring must name its source in the vendor's document"
    page = next(path for folder in DOC_FOLDERS for path in folder.glob(f"{row.vendor}.md")).read_text()
    assert f"`{row.method}" in page, f"docs/vendors/{row.vendor}.md must describe {row.method}"


def _recorded(hook: Any) -> list[Request]:
    """Return a list that fills with the requests that go out, by whichever transport."""
    sent: list[Request] = []
    client = hook._client()
    block, new = client.sync_transport._transport.send, client.async_transport

    def blocking(request: Request) -> Any:
        sent.append(request)
        return block(request)

    def awaited() -> Any:
        made = new()
        wait = made._transport.send

        async def send(request: Request) -> Any:
            sent.append(request)
            return await wait(request)

        made._transport.send = send
        return made

    client.sync_transport._transport.send, client.async_transport = blocking, awaited
    return sent


def test_no_row_is_there_twice() -> None:
    assert len({(row.vendor, row.http, row.path, row.method) for row in rows()}) == len(rows())


def test_the_simulator_and_the_client_know_the_same_vendors() -> None:
    """Neither imports the other, so each has a list of its own."""
    former = {vendor.id: vendor.former_id for vendor in vendors()}
    assert former == {vendor: account.former_path for vendor, account in ACCOUNTS.items()}


@pytest.mark.parametrize("vendor", HOOKS)
def test_no_method_is_left_out_of_the_table(vendor: str) -> None:
    listed = {row.method for row in rows() if row.vendor == vendor}
    others = {name for name in endpoints_of(vendor) - listed if not name.startswith("all_")}
    assert others <= COMPOSED


@pytest.mark.parametrize("vendor", HOOKS)
def test_every_method_says_what_it_does(vendor: str) -> None:
    kind = hook_class(vendor)
    silent = [name for name in endpoints_of(vendor) if not (getattr(kind, name).__doc__ or "").strip()]
    assert silent == []


@pytest.mark.parametrize("vendor", HOOKS)
def test_help_shows_results_and_not_generators(vendor: str) -> None:
    import inspect

    kind = hook_class(vendor)
    shown = {
        name: str(inspect.signature(getattr(kind, name)).return_annotation) for name in endpoints_of(vendor)
    }
    assert not {name: text for name, text in shown.items() if "Call[" in text}


@pytest.mark.parametrize("vendor", HOOKS)
def test_the_connection_test_costs_and_changes_nothing(
    vendor: str, hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    worked, message = hook_for(vendor).test_connection()
    assert worked == (vendor != "sunsim")  # a new SunSim token would end the one that others use
    assert message.startswith("Connected: " if worked else "not verified: no token is stored")
    effects = {effect.kind for effect in telecom_simulator.state.ledger.effects}
    assert effects == ({"token"} if vendor == "kyivstar_open_telecom" else set())


@pytest.mark.parametrize("vendor", [vendor for vendor in HOOKS if vendor != "sunsim"])
def test_the_connection_test_says_when_credentials_are_refused(
    vendor: str, hook_for: Callable[..., Any], telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = telecom_simulator.connection(vendor)
    connection["password"] = "x" * 64
    monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps(connection))
    worked, message = hook_class(vendor)().test_connection()
    assert not worked
    assert "credentials are refused" in message
    assert "x" * 64 not in message


def test_every_contradiction_that_is_listed_has_a_test() -> None:
    numbers = re.findall(r"^\| (\d+) \|", CONTRADICTIONS.read_text(), re.MULTILINE)
    listed = {int(number) for number in numbers}
    tested = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        for number in re.findall(r"def test_row_(\d+)_", path.read_text())
    }
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    assert len(numbers) >= 47
    assert listed <= tested
