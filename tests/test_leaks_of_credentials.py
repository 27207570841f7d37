"""Credentials that a vendor echoes, that no header can hold, or that frames hold when a task is stopped."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.simulator import credentials
from tests.conftest import HOOKS
from tests.test_leaks import CALLS, EXTRA, canaries, minted
from tests.transport.scripted import scripted
from tests.transports import spread
from tests.visible import everything_visible

PAIR = f"{credentials.KYIVSTAR_CLIENT_ID}:{credentials.KYIVSTAR_CLIENT_SECRET}"
FIRST_CALL = {name.split()[0]: name for name in reversed(CALLS)}
SIGNED_WITHOUT_A_TOKEN_CALL = ["ketchup_loyalty", "kyivstar_fmc", "novaconnect"]
SIGNED = {name: call for name, call in CALLS.items() if name not in ("novaconnect user", *EXTRA)}
TOKEN_CALLS = {"kyivstar_open_telecom": "oauth2", "sunsim": "integrationapi"}


def based(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "no Bearer prefix": lambda secret: secret,
    "Bearer": lambda secret: f"Bearer {secret}",
    "first half": lambda secret: secret[: len(secret) // 2],
    "second half": lambda secret: secret[len(secret) // 2 :],
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "base64": based,
    "base64, percent-encoded": lambda secret: quote(based(secret), safe=""),
    "capitals": str.upper,
}


def error_body(vendor: str, text: str) -> str:
    """Return an error body in the vendor's form."""
    bodies: dict[str, dict[str, Any]] = {
        "kyivstar_open_telecom": {"reqId": "r1", "errorCode": 7, "errorMsg": text, "error_description": text},
        "ketchup_loyalty": {"error": "21", "errorDescription": text},
        "kyivstar_fmc": {"error": text},
        "sunsim": {"error": {"errorCode": 7, "errorMessage": text}},
        "novaconnect": {"code": 400, "message": text},
    }
    return json.dumps(bodies[vendor])


def fails(call: Callable[..., Any], hook: Any, name: str) -> TelecomError:
    method, args, kwargs = CALLS[name](hook)
    with pytest.raises(TelecomError) as caught:
        call(method, *args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("name", "form", "call"),
    spread(SIGNED, list(FORMS), lambda name: name == "ketchup_loyalty sms"),
    indirect=["call"],
)
def test_a_credential_that_the_vendor_echoes_is_redacted(
    name: str, form: str, hook_for: Callable[..., Any], call: Callable[..., Any], telecom_simulator: Any
) -> None:
    vendor = name.split()[0]
    hook = hook_for(vendor)
    method, args, kwargs = CALLS[name](hook)
    call(method, *args, **kwargs)  # a token is minted
    secret = (minted(telecom_simulator) or [hook._read().credentials.secret.reveal()])[0]
    said = FORMS[form](secret)
    body = error_body(vendor, f"refused: ({said})")
    telecom_simulator.fault("status", vendor, status=400, body=body, times=9)
    error = fails(call, hook, name)
    assert ("refused: (" in str(error)) is (vendor != "kyivstar_fmc"), "all others' texts are repeated"
    shown = everything_visible(error)
    assert not [
        canary for canary in (secret, said, said[:-1], *canaries(hook, telecom_simulator)) if canary in shown
    ]


ECHOED_BY_TOKEN_CALLS = [
    *(("kyivstar_open_telecom sms", said) for said in (PAIR, *PAIR.split(":"), f"Basic {based(PAIR)}")),
    *(("kyivstar_open_telecom sms", said) for said in (based(PAIR), based(PAIR)[:20], based(PAIR)[-20:])),
    *(("kyivstar_open_telecom sms", said) for said in (quote(based(PAIR), safe=""), quote(PAIR, safe=""))),
    *(("sunsim callback", form(credentials.SUNSIM_AUTHORIZATION_TOKEN)) for form in FORMS.values()),
]


@pytest.mark.parametrize(
    ("echo", "status", "call"), spread(ECHOED_BY_TOKEN_CALLS, [400, 401, 403, 500]), indirect=["call"]
)
def test_what_the_token_call_echoes_is_redacted(
    echo: tuple[str, str], status: int, hook_for: Any, call: Callable[..., Any], telecom_simulator: Any
) -> None:
    name, said = echo
    vendor, path = name.split()[0], TOKEN_CALLS[name.split()[0]]
    hook = hook_for(vendor)
    body = error_body(vendor, f"refused: ({said})")
    telecom_simulator.fault("status", vendor, status=status, body=body, path=path, times=9)
    shown = everything_visible(fails(call, hook, name))
    assert not [canary for canary in (said, *canaries(hook, telecom_simulator)) if canary in shown]


UNREADABLE_PAIRS = [
    {"access_token": "made-up-live-token", "expires_in": "x" * 9, "accessToken": "made-up-live-token"},
    {"accessToken": "made-up-live-token", "refreshToken": 5},
    {
        "accessToken": "made-up-live-token",
        "refreshToken": "made-up other token",
        "access_token": ["made-up-live-token"],
    },
]


@pytest.mark.parametrize("pair", UNREADABLE_PAIRS)
@pytest.mark.parametrize("name", ["kyivstar_open_telecom sms", "sunsim callback"])
def test_a_token_in_an_answer_that_cannot_be_read_does_not_show(
    name: str, pair: dict[str, Any], hook_for: Any, call: Callable[..., Any], telecom_simulator: Any
) -> None:
    hook = hook_for(name.split()[0])
    path = TOKEN_CALLS[name.split()[0]]
    body = json.dumps({"error": None, **pair})
    telecom_simulator.fault("body", name.split()[0], body=body, path=path, times=9)
    telecom_simulator.fault("status", name.split()[0], status=400, body="{}", times=9)
    assert "made-up-live" not in everything_visible(fails(call, hook, name))


# Credentials that no HTTP header can hold are rejected when the connection is read.


@pytest.mark.parametrize(
    ("vendor", "ends", "call"),
    spread(
        HOOKS,
        ["ключ", "é", "\n", "\r\nX-Injected: 1", " ", "\t", "\x00", "\x7f", "ab\u200bcd"],
        lambda vendor: vendor == "sunsim",
    ),
    indirect=["call"],
)
def test_a_credential_that_no_header_can_hold_is_rejected_by_field(
    vendor: str,
    ends: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = hook_for(vendor)
    connection = telecom_simulator.connection(vendor)
    connection["password"] += ends
    monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps(connection))
    method, args, kwargs = CALLS[FIRST_CALL[vendor]](hook)
    with pytest.raises(TelecomInputError, match=r"^password: must be printable ASCII") as caught:
        call(method, *args, **kwargs)
    assert connection["password"][:20] not in everything_visible(caught.value)
    assert not telecom_simulator.state.requests


def test_a_login_that_no_header_can_hold_is_rejected_by_field(
    hook_for: Callable[..., Any], telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_for("kyivstar_open_telecom")
    connection = {**telecom_simulator.connection("kyivstar_open_telecom"), "login": "made-up\n"}
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_OPEN_TELECOM_DEFAULT", json.dumps(connection))
    with pytest.raises(TelecomInputError, match=r"^login: must be printable ASCII") as caught:
        hook.send_sms("380670000200", "Hi")
    assert connection["password"] not in everything_visible(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"conn_type": "http"},
        {"host": "ftp://vendor.example"},
        {"host": "https://приклад.example"},
        {"host": "https://user:made-up-canary@vendor.example"},
        {"extra": '{"api_token": "made-up-canary", '},
        {"extra": {"api_token": "made-up-canary"}},
        {"extra": {"timeout_read": "made-up-canary"}},
    ],
)
@pytest.mark.parametrize("vendor", HOOKS)
def test_a_wrong_connection_does_not_show_what_else_is_in_it(
    vendor: str,
    changes: dict[str, Any],
    hook_for: Callable[..., Any],
    telecom_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An Airflow connection shows its password in its `repr`, and frames hold the connection."""
    hook = hook_for(vendor)
    connection = {**telecom_simulator.connection(vendor), **changes}
    monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps(connection))
    with pytest.raises(TelecomInputError) as caught:
        hook.run(iter(()))
    shown = everything_visible(caught.value)
    assert connection["password"] not in shown
    assert "made-up-canary" not in shown


def test_a_key_of_the_wrong_form_does_not_show(
    hook_for: Callable[..., Any], telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_for("kyivstar_fmc")
    connection = {**telecom_simulator.connection("kyivstar_fmc"), "password": "made-up-canary"}
    monkeypatch.setenv("AIRFLOW_CONN_KYIVSTAR_FMC_DEFAULT", json.dumps(connection))
    with pytest.raises(TelecomInputError, match="password: the FMC token has 64 characters") as caught:
        hook.originate_call("380670000201", "380670000200")
    assert "made-up-canary" not in everything_visible(caught.value)


# A task that is stopped in the middle of a request: Airflow raises in whatever frame is running.


class Stopped(BaseException):
    """As Airflow's time-outs: no `except Exception` catches it."""


@pytest.mark.parametrize("vendor", SIGNED_WITHOUT_A_TOKEN_CALL)
def test_a_stop_during_a_request_does_not_show_it(
    vendor: str, hook_for: Callable[..., Any], telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise Stopped

    def interrupt(peer: Any) -> None:
        # The request has arrived, and its sender waits for the response. Another thread might get a signal
        # that is sent to the process, and the sender would go on waiting.
        signal.pthread_kill(sender, signal.SIGUSR1)
        released.wait(60)

    released, sender = threading.Event(), threading.get_ident()
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with scripted(interrupt) as server:
            hook = hook_to(server.url, vendor, hook_for, telecom_simulator, monkeypatch)
            method, args, kwargs = CALLS[FIRST_CALL[vendor]](hook)
            with pytest.raises(Stopped) as caught:
                method(*args, **kwargs)
            heads = b"".join(server.heads).decode()
    finally:
        released.set()
        signal.signal(signal.SIGUSR1, before)
    secrets = canaries(hook, telecom_simulator)
    assert secrets[0] in heads, "the request must have been signed"
    shown = everything_visible(caught.value)
    assert not [canary for canary in secrets if canary in shown]


@pytest.mark.parametrize("vendor", SIGNED_WITHOUT_A_TOKEN_CALL)
def test_a_cancellation_during_a_request_does_not_show_it(
    vendor: str, hook_for: Callable[..., Any], telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped() -> tuple[BaseException, Any, str]:
        loop, arrived, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def report(peer: Any) -> None:
            loop.call_soon_threadsafe(arrived.set)
            released.wait(60)

        with scripted(report) as server:
            hook = hook_to(server.url, vendor, hook_for, telecom_simulator, monkeypatch)
            method, args, kwargs = CALLS[FIRST_CALL[vendor]](hook)
            task = asyncio.create_task(hook.aio(method, *args, **kwargs))
            await arrived.wait()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError as error:
                return error, hook, b"".join(server.heads).decode()
            finally:
                released.set()
                await hook.aclose()
        raise AssertionError("it was not stopped")

    error, hook, heads = asyncio.run(stopped())
    secrets = canaries(hook, telecom_simulator)
    assert secrets[0] in heads, "the request must have been signed"
    shown = everything_visible(error)
    assert not [canary for canary in secrets if canary in shown]


def hook_to(url: str, vendor: str, hook_for: Any, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    hook = hook_for(vendor)
    connection = {**simulator.connection(vendor), "host": url}
    monkeypatch.setenv(f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT", json.dumps(connection))
    return hook


# Where an error was raised can still be found.


def test_where_an_error_was_raised_is_logged_without_variables(
    hook_for: Callable[..., Any], telecom_simulator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hook = hook_for("ketchup_loyalty")
    telecom_simulator.fault("status", "ketchup_loyalty", status=400, body="{}", times=9)
    with caplog.at_level(logging.DEBUG), pytest.raises(TelecomError):
        hook.send_sms("380670000277", "canary-text", reference="r1")
    assert "was raised here" in caplog.text
    assert "vendors/ketchup_loyalty/responses" in caplog.text
    assert "canary-text" not in caplog.text


def test_an_error_keeps_the_error_that_was_handled_before(hook_for: Callable[..., Any]) -> None:
    hook = hook_for("ketchup_loyalty")
    outside = KeyError("of the Dag's author")
    try:
        raise outside
    except KeyError:
        with pytest.raises(TelecomInputError) as caught:
            hook.send_sms("", "Hi", reference="r1")
    assert caught.value.__context__ is outside
