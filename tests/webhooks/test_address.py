"""Addresses, the settings that they are made of, and the command that prints them."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from base64 import urlsafe_b64decode
from itertools import product
from types import SimpleNamespace

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.command import get_telecom_commands
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress, read_receiver_settings
from tests.visible import everything_visible

NEW, OLD, OLDER = ("made-up-secret-of-this-year-0123456789", "of-last-year-0123456789-0123456789", "x" * 40)
FIT = {"public_base_url": "https://a.example.com", "webhook_secret": NEW}
ADDRESS = WebhookAddress("novaconnect", "queue", "novaconnect_default", "n1")


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"AIRFLOW__TELECOM__{name.upper()}", value)


def signature(secret: str, address: WebhookAddress = ADDRESS) -> str:
    return ReceiverSettings("https://a.example.com", (Secret(secret),)).url(address).rpartition("/")[2]


def test_without_settings_there_is_no_receiver() -> None:
    assert read_receiver_settings() is None


def test_an_address_names_all_that_it_is_good_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, public_base_url="https://a.example.com/air-X/", webhook_secret=NEW)
    found = read_receiver_settings()
    assert found
    url = found.url(WebhookAddress("ketchup_loyalty", "hlr", "a b/c", "n1"))
    assert url.startswith("https://a.example.com/air-X/telecom/hook/ketchup_loyalty/hlr/a%20b%2Fc/n1/")
    assert NEW not in url
    assert NEW not in repr(found)


def test_a_signature_is_good_for_one_address() -> None:
    here = ReceiverSettings("https://a.example.com", (Secret(NEW),))
    assert here.sources == here.proxies == ()
    good = signature(NEW)
    assert here.is_signed(ADDRESS, good)
    others = product(
        ("novaconnect", "ketchup_loyalty"), ("queue", "hlr"), ("novaconnect_default", "other"), ("n1", "n2")
    )
    known = [other for other in others if here.is_signed(WebhookAddress(*other), good)]
    assert known == [(ADDRESS.vendor, ADDRESS.kind, ADDRESS.conn_id, ADDRESS.nonce)]
    assert not here.is_signed(WebhookAddress("novaconnect", "queue", "novaconnect_default\nn1", ""), good)
    for bad in ("", good[:-1], good + "A", good.swapcase(), "é" * 32, "\ud800"):
        assert not here.is_signed(ADDRESS, bad)


def test_a_signature_has_192_bits_of_the_hmac() -> None:
    """As docs/webhooks.md says. What was signed stays valid from release to release."""
    said = "telecom-1\nnovaconnect\nqueue\nnovaconnect_default\nn1"
    digest = hmac.new(NEW.encode(), said.encode(), hashlib.sha256).digest()
    assert urlsafe_b64decode(signature(NEW)) == digest[:24]
    assert len(signature(NEW)) == 32, "base64 without padding: 6 bits a character"


@pytest.mark.parametrize("secrets", [(NEW,), (NEW, OLD), (NEW, OLD, OLDER)])
def test_all_live_secrets_are_compared_whatever_is_given(
    monkeypatch: pytest.MonkeyPatch, secrets: tuple[str, ...]
) -> None:
    """So the time tells nothing: `compare_digest` takes as long for equal texts as for others."""
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    found = ReceiverSettings("https://a.example.com", tuple(map(Secret, secrets)))
    good = [signature(one) for one in secrets]
    ours = SimpleNamespace(compare_digest=compare_digest, digest=hmac.digest)
    monkeypatch.setattr("airflow_provider_telecom.webhooks.address.hmac", ours)
    wrong = [flipped(good[0], 0), flipped(good[0], -1), "", good[0] + "A"]
    for given in (*good, *wrong):
        compared.clear()
        assert found.is_signed(ADDRESS, given) is (given in good)
        assert compared == [(one.encode(), given.encode()) for one in good]


def flipped(text: str, place: int) -> str:
    """Return a text with another character at a place."""
    characters = list(text)
    characters[place] = "A" if characters[place] != "A" else "B"
    return "".join(characters)


def test_two_secrets_are_live_and_the_first_one_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(
        monkeypatch,
        public_base_url="https://a.example.com",
        webhook_secret=NEW,
        webhook_previous_secret=OLD,
    )
    found = read_receiver_settings()
    assert found
    assert found.url(ADDRESS).endswith(signature(NEW))
    assert [found.is_signed(ADDRESS, signature(one)) for one in (NEW, OLD, OLDER)] == [True, True, False]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https://a.example.com"}, "webhook_secret"),
        ({"public_base_url": "https://a.example.com", "webhook_secret": "x" * 31}, "webhook_secret"),
        ({"public_base_url": "http://a.example.com", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https://u:p@a.example.com", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https://a.example.com?x=1", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "a.example.com", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https:///air", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https://[::1", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "https://a.example.com#x", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "ftp://localhost", "webhook_secret": NEW}, "public_base_url"),
        ({"public_base_url": "http://128.0.0.1", "webhook_secret": NEW}, "public_base_url"),
        ({**FIT, "webhook_previous_secret": "x"}, "webhook_previous_secret"),
        ({**FIT, "webhook_previous_secret": "x" * 31}, "webhook_previous_secret"),
        ({**FIT, "callback_sources": "198.51.100.7/24"}, "callback_sources"),
        ({**FIT, "webhook_sources": "198.51.100.7/24"}, "webhook_sources"),
        ({**FIT, "trusted_proxies": "proxy.example.com"}, "trusted_proxies"),
    ],
)
def test_what_is_missing_or_unfit_is_named(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], field: str
) -> None:
    settings(monkeypatch, **values)
    with pytest.raises(TelecomInputError) as error:
        read_receiver_settings()
    assert error.value.field == f"[telecom] {field}"
    shown = everything_visible(error.value)
    assert NEW not in shown
    assert "x" * 31 not in shown


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080/air"])
def test_plain_http_is_for_loopback(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    settings(monkeypatch, public_base_url=url, webhook_secret="x" * 32)
    found = read_receiver_settings()
    assert found
    assert found.url(ADDRESS).startswith(f"{url}/telecom/hook/novaconnect/queue/novaconnect_default/n1/")


def test_an_address_that_an_earlier_version_has_signed_belongs_to_the_same_vendor() -> None:
    """Its rows are stored under the former name. Tasks wait for topics with the present one."""
    address = WebhookAddress("ketchup", "hlr", "mine", "n1")
    assert address.vendor_id == "ketchup_loyalty"
    assert address.topic == "ketchup/hlr/mine/n1"
    assert address.topic_prefix == "ketchup_loyalty/hlr/mine"
    present = WebhookAddress("ketchup_loyalty", "hlr", "mine", "n1")
    assert present.topic == f"{present.topic_prefix}/n1" == "ketchup_loyalty/hlr/mine/n1"
    assert WebhookAddress("removed", "hlr", "mine").topic_prefix == "removed/hlr/mine"


def test_the_setting_of_an_earlier_version_counts_without_the_present_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings(monkeypatch, **FIT, webhook_sources="2001:db8::/32", callback_sources="198.51.100.0/24")
    found = read_receiver_settings()
    assert found
    assert [str(one) for one in found.sources] == ["2001:db8::/32"]


def test_networks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    settings(monkeypatch, **FIT, callback_sources="198.51.100.0/24, 2001:db8::/32,", trusted_proxies="::1")
    found = read_receiver_settings()
    assert found
    assert [str(one) for one in found.sources] == ["198.51.100.0/24", "2001:db8::/32"]
    assert [str(one) for one in found.proxies] == ["::1/128"]


def test_the_command_prints_what_goes_into_cabinets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import ArgumentParser

    from airflow.cli.cli_parser import _add_command

    (group,) = get_telecom_commands()
    command = next(one for one in group.subcommands if one.name == "webhook-urls")
    parser = ArgumentParser()
    _add_command(parser.add_subparsers(), command)
    given = parser.parse_args(["webhook-urls", "--novaconnect", "fleet"])
    with pytest.raises(SystemExit, match="closed"):
        command.func(given)
    settings(monkeypatch, public_base_url="https://a.example.com", webhook_secret=NEW)
    command.func(given)
    printed = capsys.readouterr().out
    for address in (
        WebhookAddress("novaconnect", "notice", "fleet"),
        WebhookAddress("ketchup_loyalty", "hlr", "ketchup_loyalty_default"),
        WebhookAddress("ketchup_loyalty", "statistics", "ketchup_loyalty_default"),
    ):
        assert f"{address.vendor} {address.kind}\n  https://a.example.com/telecom/hook/" in printed
        assert signature(NEW, address) in printed


def test_the_plugin_loads_nothing() -> None:
    program = (
        "import sys, airflow.plugins_manager as m; before = set(sys.modules);"
        "import airflow_provider_telecom.webhooks.plugin as p; new = set(sys.modules) - before;"
        "heavy = ('fastapi', 'starlette', 'sqlalchemy', 'pydantic', 'requests');"
        "print([name for name in new if name.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
