"""Canaries: tokens, a number and a text that must not show in any log or error, whatever goes wrong."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_telecom.calls.errors import TelecomError
from tests.transports import spread
from tests.visible import everything_visible

PHONE, RUSSIAN_PHONE = "380670000277", "79000000277"
TEXT = "canary-text-їжак-7f3a"
PASSWORD = "canary-password-51"


def batch_sms(msisdn: str, text: str) -> Any:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms

    return BatchSms(msisdn, text)


def sms_content(text: str) -> Any:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent

    return SmsContent(text)


CALLS: dict[str, Callable[[Any], tuple[Any, tuple[Any, ...], dict[str, Any]]]] = {
    "kyivstar_open_telecom sms": lambda hook: (hook.send_sms, (PHONE, TEXT), {}),
    "kyivstar_open_telecom check": lambda hook: (hook.verify_sim, (PHONE, 48), {}),
    "kyivstar_open_telecom batch": lambda hook: (hook.send_sms_batch, ([batch_sms(PHONE, TEXT)],), {}),
    "kyivstar_open_telecom multichannel": lambda hook: (
        hook.send_multichannel,
        (PHONE, [sms_content(TEXT)]),
        {},
    ),
    "kyivstar_open_telecom rcs": lambda hook: (hook.send_rcs_text, (PHONE, TEXT), {}),
    "ketchup_loyalty sms": lambda hook: (hook.send_sms, (PHONE, TEXT), {"reference": "r1"}),
    "kyivstar_fmc call": lambda hook: (hook.originate_call, (PHONE, "380670000201"), {}),
    "sunsim callback": lambda hook: (hook.create_callback, (RUSSIAN_PHONE, "79000000000"), {}),
    "novaconnect sms": lambda hook: (hook.send_sms, ([1001], TEXT), {}),
    "novaconnect user": lambda hook: (
        hook.create_user,
        ("Olena", TEXT, "olena@example.com", PHONE),
        {"password": PASSWORD},
    ),
}
EXTRA = {name: {"api_version": "v1"} for name in CALLS if name.endswith((" batch", " multichannel", " rcs"))}
ECHO = (
    f'{{"error": "21", "errorDescription": "{PHONE} {TEXT} %s", "errorCode": 7,'
    f' "errorMsg": "{PHONE} {TEXT} %s", "code": 400, "message": "{PHONE} {TEXT} %s"}}'
)

FAILURES: dict[str, dict[str, Any]] = {
    "refused": {},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "closed": {"kind": "close_after"},
    "half a body": {"kind": "half_body"},
    "silence": {"kind": "silence", "seconds": 1.0},
    "drip": {"kind": "drip", "seconds": 0.05},
    "html": {"kind": "html"},
    "garbage": {"kind": "garbage"},
    "not http": {"kind": "bad_status_line"},
    "bomb": {"kind": "gzip_bomb", "size": 8_000_000},
    "redirect": {"kind": "redirect", "headers": {"location": "http://127.0.0.1:1/elsewhere"}},
    "400 with echo": {"kind": "status", "status": 400, "body": ECHO},
    "200 with echo": {"kind": "body", "body": ECHO},
    "401": {"kind": "status", "status": 401, "body": ECHO},
    "403": {"kind": "status", "status": 403, "body": ECHO},
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "999"}, "body": ECHO},
    "500": {"kind": "status", "status": 500, "body": ECHO},
}


def canaries(hook: Any, simulator: Any) -> list[str]:
    """Return all that must not show: secrets, minted tokens, the number and the text, in all forms."""
    settings = hook._read()
    secret = settings.credentials.secret.reveal()
    secrets = [secret, f"{settings.credentials.login}:{secret}", *minted(simulator)]
    encoded = [base64.b64encode(each.encode()).decode().rstrip("=") for each in secrets]
    numbers = [PHONE, PHONE[2:], RUSSIAN_PHONE, RUSSIAN_PHONE[1:]]
    texts = [TEXT, quote(TEXT), TEXT.encode("unicode_escape").decode(), PASSWORD]
    return [*secrets, *map(quote, secrets), *encoded, *numbers, *texts]


def minted(simulator: Any) -> list[str]:
    from airflow_provider_telecom.simulator import kyivstar_open_telecom, sunsim

    vendor_state = simulator.state.vendor_state
    sunsim_token = vendor_state("sunsim", sunsim.VendorState).access
    return [
        *vendor_state("kyivstar_open_telecom", kyivstar_open_telecom.VendorState).tokens,
        *([sunsim_token.value] if sunsim_token else []),
    ]


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("urllib3", "urllib3.connectionpool", "aiohttp", "asyncio", "airflow_provider_telecom"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.parametrize(
    ("name", "failure", "call"),
    spread(CALLS, list(FAILURES), lambda name: name == "ketchup_loyalty sms"),
    indirect=["call"],
)
def test_nothing_shows(
    name: str,
    failure: str,
    hook_for: Callable[..., Any],
    call: Callable[..., Any],
    telecom_simulator: Any,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    vendor = name.split()[0]
    timeout = 0.1 if failure in ("silence", "drip") else 0.4
    hook = hook_for(vendor, timeout_read=timeout, **EXTRA.get(name, {}))
    method, args, kwargs = CALLS[name](hook)
    secrets = canaries(hook, telecom_simulator)
    arm(failure, vendor, secrets[0], telecom_simulator)
    shown = ""
    try:
        call(method, *args, **kwargs)
    except TelecomError as error:
        shown = everything_visible(error)
    finally:
        telecom_simulator.accept()
    logged = "\n".join([*everything_logged.messages, everything_logged.text, *capfd.readouterr()])
    secrets = [*secrets, *canaries(hook, telecom_simulator)]
    assert not [canary for canary in secrets if canary in shown]
    assert not [canary for canary in secrets if canary in logged]
    assert "airflow_provider_telecom" in everything_logged.text, "the log must be captured"


def arm(failure: str, vendor: str, secret: str, simulator: Any) -> None:
    how = dict(FAILURES[failure])
    if not how:
        simulator.refuse()
        return
    how["body"] = how.get("body", "").replace("%s", secret)
    simulator.fault(**how, vendor=vendor, path="^(?!.*(oauth2|integrationapi))", times=9)
