"""What the synchronous transport takes from the environment: proxies once, certificates for each request."""

from __future__ import annotations

import pytest

from airflow_provider_telecom.transport.sync_transport import Transport
from airflow_provider_telecom.transport.wire import TransportOptions

URL = "https://api.example.com"


def settings(transport: Transport, verify: bool | str = True) -> tuple[dict[str, str], bool | str]:
    found = transport._session.merge_environment_settings(URL, None, True, verify, None)
    return found["proxies"], found["verify"]


def transport(trust_env: bool = True) -> Transport:
    return Transport(TransportOptions(base_url=URL, trust_env=trust_env))


def test_proxies_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    here = transport()
    monkeypatch.setenv("https_proxy", "http://another.example.com:3128")
    assert settings(here)[0]["https"] == "http://proxy.example.com:3128"
    assert not settings(transport(trust_env=False))[0]
    monkeypatch.setenv("no_proxy", "example.com")
    assert not settings(transport())[0]


def test_certificates_of_the_environment_count(monkeypatch: pytest.MonkeyPatch) -> None:
    here = transport()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("CURL_CA_BUNDLE", "/second.pem")
    assert settings(here)[1] == "/second.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/first.pem")
    assert settings(here)[1] == "/first.pem"
    assert settings(here, "/own.pem")[1] == "/own.pem"
    assert settings(here, False)[1] is False
    assert settings(transport(trust_env=False))[1] is True
