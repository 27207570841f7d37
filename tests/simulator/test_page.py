"""The simulator's page: first what it does not imitate, then its vendors and its control API."""

from __future__ import annotations

import re
from datetime import UTC
from html import unescape

import httpx
import pytest

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.page import NOT_IMITATED
from airflow_provider_telecom.simulator.server import Simulator
from tests.eventually import HANG_SECONDS


def page(simulator: Simulator, **headers: str) -> str:
    answer = httpx.get(simulator.url + "/", headers=headers, timeout=HANG_SECONDS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def row(html: str, vendor: str) -> str:
    return next(row for row in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if f"<td>{vendor}</td>" in row)


def test_it_begins_with_what_it_does_not_imitate(telecom_simulator: Simulator) -> None:
    html = page(telecom_simulator)
    limits = [unescape(text) for text in re.findall(r"<li>(.*?)</li>", html)]
    assert limits == list(NOT_IMITATED)
    assert "Nothing is delivered" in limits[0]
    assert html.index("What this does not imitate") < html.index("<p>") < html.index("<h2>Vendors</h2>")


@pytest.mark.parametrize(
    ("name", "short", "credential"),
    [
        ("Kyivstar Open Telecom", "kyivstar_open_telecom", credentials.KYIVSTAR_CLIENT_SECRET),
        ("KetchUp Loyalty", "ketchup_loyalty", credentials.KETCHUP_API_KEY),
        ("Kyivstar FMC", "kyivstar_fmc", credentials.FMC_TOKEN),
        ("SunSim", "sunsim", credentials.SUNSIM_AUTHORIZATION_TOKEN),
        ("NovaConnect", "novaconnect", credentials.NOVACONNECT_TOKEN),
    ],
)
def test_each_vendor_has_an_address_and_credentials(
    telecom_simulator: Simulator, name: str, short: str, credential: str
) -> None:
    found = row(page(telecom_simulator), name)
    assert f"<code>{telecom_simulator.base(short)}</code>" in found
    assert credential in found
    assert "none" in found


def test_effects_and_requests_are_counted(telecom_simulator: Simulator) -> None:
    for kind in ("sms", "sms", "hlr"):
        telecom_simulator.state.record("ketchup_loyalty", kind)
    for _ in range(3):
        httpx.get(telecom_simulator.base("kyivstar_fmc") + "/x", timeout=HANG_SECONDS)
    html = page(telecom_simulator)
    assert "hlr 1<br>sms 2" in row(html, "KetchUp Loyalty")
    assert "none" in row(html, "SunSim")
    assert "requests so far: 3." in html


def test_it_shows_the_simulators_clock(telecom_simulator: Simulator) -> None:
    from datetime import datetime

    telecom_simulator.state.clock.set(datetime(2031, 5, 6, 7, 8, tzinfo=UTC))
    assert "Its clock shows 2031-05-06 07:08:" in page(telecom_simulator)


def test_request_headers_are_escaped(telecom_simulator: Simulator) -> None:
    telecom_simulator.state.record("kyivstar_fmc", "<b>call</b>")
    html = page(telecom_simulator, Host="simulator&<script>x</script>")
    assert "&lt;b&gt;call&lt;/b&gt; 1" in row(html, "Kyivstar FMC")
    assert "<b>" not in html
    assert "<script>" not in html


def test_it_loads_nothing_from_elsewhere(telecom_simulator: Simulator) -> None:
    html = page(telecom_simulator)
    assert not re.findall(r"(?:src|href)=|@import|url\(", html)
    assert set(re.findall(r"https?://[^/<\s]+", html)) == {telecom_simulator.url}


def test_its_commands_work(telecom_simulator: Simulator) -> None:
    """The bodies that the page shows are accepted by the control API as they are."""
    commands = [
        unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", page(telecom_simulator), re.DOTALL)
    ]
    assert len(commands) == 8
    for command in commands:
        found = re.search(r"http\S+", command)
        assert found is not None
        body = re.search(r"-d '(.*)'", command)
        answer = (
            httpx.post(
                found[0], content=body[1], headers={"content-type": "application/json"}, timeout=HANG_SECONDS
            )
            if body
            else httpx.get(found[0], timeout=HANG_SECONDS)
        )
        assert answer.status_code == 200, command
    assert telecom_simulator.state.seed == 7
