"""Reading a connection: in every form in which Airflow gives one, and strictly."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook
from airflow_provider_telecom.hooks.settings import read_settings
from airflow_provider_telecom.transport.wire import TransportOptions
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions

TOKEN = "sim_" + "0" * 60


def settings_of(monkeypatch: pytest.MonkeyPatch, connection: str | dict[str, Any]) -> Any:
    text = connection if isinstance(connection, str) else json.dumps(connection)
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT", text)
    return KyivstarFmcHook()._read()


def json_connection(**changes: Any) -> dict[str, Any]:
    return {"conn_type": "kyivstar_fmc", "password": TOKEN, **changes}


def test_two_fields_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch, json_connection())
    assert settings.transport_options == TransportOptions("https://fmc.kyivstar.ua")
    assert settings.credentials.secret.reveal() == TOKEN


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("pbx.example", "https://pbx.example"),
        ("pbx.example/prefix/", "https://pbx.example/prefix"),
        ("https://pbx.example:8443/prefix", "https://pbx.example:8443/prefix"),
        ("http://127.0.0.1:8090/fmc", "http://127.0.0.1:8090/fmc"),
        ("https://[::1]:8090", "https://[::1]:8090"),
    ],
)
def test_the_host_may_carry_scheme_port_and_prefix(monkeypatch: Any, host: str, base_url: str) -> None:
    connection = json_connection(host=host, extra={"allow_private_hosts": True})
    assert settings_of(monkeypatch, connection).transport_options.base_url == base_url


def test_a_port_may_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = json_connection(host="pbx.example", port=8443)
    assert settings_of(monkeypatch, connection).transport_options.base_url == "https://pbx.example:8443"


def test_the_port_of_the_form_may_repeat_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form shows a port, because Airflow's Test button needs one."""
    connection = json_connection(host="https://pbx.example:8443/prefix", port=8443)
    assert (
        settings_of(monkeypatch, connection).transport_options.base_url == "https://pbx.example:8443/prefix"
    )
    assert settings_of(monkeypatch, json_connection(port=0)).transport_options.base_url.endswith(".ua")
    with pytest.raises(TelecomInputError, match="port: is 443, but the host has 8443") as caught:
        settings_of(monkeypatch, connection | {"port": 443})
    assert caught.value.field == "port"


def test_a_connection_in_uri_form(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"kyivstar-fmc://:{TOKEN}@127.0.0.1:8090?timeout_read=7.5&verify=false&trust_env=false&calling_number=380670000200"
    settings = settings_of(monkeypatch, uri)
    assert settings.transport_options.base_url == "https://127.0.0.1:8090"
    assert (
        settings.transport_options.read_timeout,
        settings.transport_options.verify,
        settings.transport_options.trust_env,
    ) == (
        7.5,
        False,
        False,
    )
    assert settings.options.calling_number == "380670000200"


def test_fields_left_empty_in_the_form_count_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"timeout_read": None, "rate_limit": "", "verify": "", "calling_number": None}
    assert (
        settings_of(monkeypatch, json_connection(extra=extra, host="")).transport_options.read_timeout == 30
    )


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"extra": {"timeout_raed": 5}}, "extra.timeout_raed", "no such field; known are"),
        ({"extra": {"timeout_read": "soon"}}, "extra.timeout_read", "valid number"),
        ({"extra": {"timeout_read": 0}}, "extra.timeout_read", "greater than 0"),
        ({"extra": {"rate_limit": "fast"}}, "extra.rate_limit", "10/s"),
        ({"extra": {"trust_env": "perhaps"}}, "extra.trust_env", "boolean"),
        ({"extra": {"default_region": "Ukraine"}}, "extra.default_region", "pattern"),
        ({"extra": "[1]"}, "extra", "JSON object"),
        ({"password": None}, "password", "is empty"),
        ({"conn_type": "http"}, "conn_type", "must be of type kyivstar_fmc"),
        ({"host": "http://pbx.example"}, "host", "must be https"),
        ({"host": "ftp://pbx.example"}, "host", "must be like"),
        ({"host": "https://pbx.example?token=x"}, "host", "secrets go into password"),
        ({"host": "https://a:b@pbx.example"}, "host", "secrets go into password"),
        ({"host": "https://pbx.example:port"}, "host", "port"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    monkeypatch: Any, changes: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        settings_of(monkeypatch, json_connection(**changes))
    assert caught.value.field == field
    assert rule in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("field", ["host", "login", "password"])
def test_half_a_surrogate_pair_is_refused_by_name_and_not_held_by_the_error(field: str) -> None:
    fields = {"host": "a.example", "login": "made-up-client", "password": TOKEN, "schema": None, "port": None}
    connection = SimpleNamespace(**{**fields, field: "a\ud800"}, conn_id="c", conn_type="x", extra=None)
    with pytest.raises(TelecomInputError) as caught:
        read_settings(connection, "x", KyivstarFmcOptions, needs_login=True)
    assert caught.value.field == field
    assert caught.value.__context__ is None


def test_a_token_of_the_wrong_length_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT", json.dumps(json_connection(password="short")))
    with pytest.raises(TelecomInputError, match="password: the FMC token has 64 characters"):
        KyivstarFmcHook().originate_call("380670000201", "380670000200")


def test_equal_settings_share_a_door_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ONE", json.dumps(json_connection()))
    monkeypatch.setenv("AIRFLOW_CONN_TWO", json.dumps(json_connection()))
    monkeypatch.setenv("AIRFLOW_CONN_THREE", json.dumps(json_connection(password="sim_" + "1" * 60)))
    one, two, three = (KyivstarFmcHook(conn_id=name).account for name in ("one", "two", "three"))
    assert one is two
    assert one is not three


def test_a_connection_is_read_once_and_also_in_an_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT", json.dumps(json_connection()))

    async def read() -> Any:
        hook = KyivstarFmcHook()
        await hook._aconnect()
        monkeypatch.delenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT")
        await hook._aconnect()
        return hook._read()

    assert asyncio.run(read()).transport_options.base_url == "https://fmc.kyivstar.ua"


def test_a_hook_does_not_show_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT", json.dumps(json_connection()))
    hook = KyivstarFmcHook()
    shown = [repr(hook), repr(hook.account), repr(hook._settings), str(hook.__dict__)]
    assert not [text for text in shown if TOKEN in text]
