"""Kyivstar's multichannel and RCS operators, for connections with API v1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarSendMultichannelOperator,
    KyivstarSendRcsOperator,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run

VENDOR, NUMBER = "kyivstar_open_telecom", "380670000200"
PICTURE, SHOP = "https://example.com/cat.png", "https://example.com/shop"
WAITING = {"wait_for_completion": True, "poll_interval": 0.01}


def multichannel(**arguments: Any) -> KyivstarSendMultichannelOperator:
    given = {"task_id": "tell", "msisdn": NUMBER, "sms_text": "sms", "viber_text": "viber", **arguments}
    return KyivstarSendMultichannelOperator(**given)


def rcs(**arguments: Any) -> KyivstarSendRcsOperator:
    return KyivstarSendRcsOperator(**{"task_id": "tell", "msisdn": NUMBER, **arguments})


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for(VENDOR, api_version="v1")


def sent(simulator: Any, kind: str) -> list[dict[str, Any]]:
    return [effect.facts for effect in simulator.state.ledger.of(VENDOR, kind)]


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("first", ["viber", "sms"])
def test_it_is_delivered_by_one_channel(
    telecom_simulator: Any, hook: Any, first: Any, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition(VENDOR, "after_polls", 2)
    hook.fetch_token()
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    state.without_viber.add(NUMBER)
    run = Run()
    found = run.execute(multichannel(first=first, deferrable=deferrable, **WAITING))
    assert (found["status"], found["bearer_type"], found["reserved_units"]) == ("delivered", "sms", 1)
    tried = ["viber", "sms"] if first == "viber" else ["sms"]
    assert [report["bearer_type"] for report in found["reports"]] == tried
    (effect,) = sent(telecom_simulator, "multichannel")
    assert effect["channels"] == (["viber", "sms"] if first == "viber" else ["sms", "viber"])
    assert run.execute(multichannel(first=first))["message_id"] == found["message_id"]
    assert len(sent(telecom_simulator, "multichannel")) == 1
    assert NUMBER not in str({**found, "message_id": ""})


def test_it_takes_all_arguments(telecom_simulator: Any) -> None:
    operator = multichannel(
        sms_sender="S",
        viber_sender="V",
        sms_ttl_seconds=0,
        viber_ttl_seconds=30,
        viber_promo_type="promotion",
        image_url=PICTURE,
        caption="Buy",
        action_url="{{ params.page }}",
        callback_number="380670000001",
    )
    Run().execute(operator, params={"page": SHOP})
    (effect,) = sent(telecom_simulator, "multichannel")
    assert effect["texts"] == {"sms": "sms", "viber": "viber"}


@pytest.mark.parametrize(
    ("texts", "expired", "fails"),
    [
        ({}, "viber", False),
        ({"first": "sms"}, "sms", False),
        ({}, "sms", True),
        ({"first": "sms"}, "viber", True),
        ({"viber_text": None}, "sms", True),
        ({"sms_text": None, "first": "sms"}, "viber", True),
    ],
)
def test_only_the_last_channel_that_expires_ends_the_wait(
    telecom_simulator: Any, texts: dict[str, Any], expired: str, fails: bool
) -> None:
    body = f'{{"multiMsgId": "a", "status": "expired", "bearerType": "{expired}"}}'
    telecom_simulator.fault("status", VENDOR, path="/messaging/multichannel/", status=200, body=body, times=2)
    if fails:
        with pytest.raises(TelecomFailedError, match="expired"):
            Run().execute(multichannel(**texts, **WAITING))
    else:
        assert Run().execute(multichannel(**texts, **WAITING))["status"] == "delivered"


def test_one_that_expires_on_all_channels_fails(telecom_simulator: Any, hook: Any) -> None:
    hook.fetch_token()
    state = telecom_simulator.state.vendor_state(VENDOR, VendorState)
    state.unreachable.add(NUMBER)
    state.switches.turn_on("expired")
    with pytest.raises(TelecomFailedError, match="expired"):
        Run().execute(multichannel(**WAITING))


@pytest.mark.parametrize("make", [multichannel, lambda **more: rcs(text="hi", **more)])
def test_a_lost_response_is_unknown_and_not_sent_again(telecom_simulator: Any, make: Any) -> None:
    telecom_simulator.fault("reset_after", VENDOR, path="/(multichannel|rcs/text)$")
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(make())
    assert len(sent(telecom_simulator, "multichannel") + sent(telecom_simulator, "rcs")) == 1
    assert run.execute(make(on_unknown="assume_sent", **WAITING)) == {"assumed_sent": True}
    telecom_simulator.fault("reset_after", VENDOR, path="/(multichannel|rcs/text)$")
    with pytest.raises(TelecomUnknownError):
        Run("manual__2").execute(make(on_unknown="resend"))


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("sms_text", {"sms_text": None, "viber_text": None}),
        ("sms_text", {"sms_text": "x" * 919}),
        ("viber_text", {"viber_text": " "}),
        ("first", {"first": "rcs"}),
        ("sms_sender", {"sms_text": None, "sms_sender": "S"}),
        ("image_url", {"viber_text": None, "image_url": PICTURE}),
        ("sms_ttl_seconds", {"sms_ttl_seconds": 86_401}),
        ("viber_ttl_seconds", {"viber_ttl_seconds": 29}),
        ("caption", {"caption": "Buy"}),
        ("image_url", {"caption": "Buy", "action_url": SHOP}),
        ("action_url", {"image_url": PICTURE, "caption": "Buy", "action_url": "shop"}),
    ],
)
def test_a_wrong_multichannel_message_is_refused_when_the_dag_is_parsed(
    field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        multichannel(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("deferrable", [False, True])
def test_rcs_is_a_text_a_text_with_buttons_or_a_card(telecom_simulator: Any, deferrable: bool) -> None:
    buttons = [{"text": "More", "url": "{{ params.page }}"}]
    more: dict[str, Any] = {"deferrable": deferrable, **WAITING}
    for arguments in (
        {"text": "a", "ttl_seconds": 60, "sender": "S", "callback_number": "380670000001"},
        {"text": "b", "suggestions": buttons},
        {
            "title": "c",
            "description": "d",
            "image_url": PICTURE,
            "thumbnail_url": PICTURE,
            "image_height": "TALL",
            "image_alignment": "left",
            "orientation": "vertical",
            "suggestions": buttons,
        },
    ):
        found = Run().execute(rcs(**arguments, **more), params={"page": SHOP})
        assert found["status"] in ("delivered", "seen")
        assert found["reserved_units"] == 1
    assert [effect["text"] for effect in sent(telecom_simulator, "rcs")] == ["a", "b", None]
    assert SHOP in str(sent(telecom_simulator, "rcs")[2]["content"])


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("text", {}),
        ("text", {"text": "a", "title": "b"}),
        ("text", {"text": " "}),
        ("orientation", {"text": "a", "orientation": "vertical"}),
        ("orientation", {"title": "a", "orientation": "up"}),
        ("ttl_seconds", {"text": "a", "ttl_seconds": 0}),
        ("image_url", {"image_url": "cat"}),
        ("sender", {"text": "a", "sender": ""}),
    ],
)
def test_a_wrong_rcs_message_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        rcs(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("make", [multichannel, lambda: rcs(text="hi")])
def test_a_connection_with_v1beta_is_refused_before_anything_is_sent(
    telecom_simulator: Any, hook_for: Callable[..., Any], make: Any
) -> None:
    hook_for(VENDOR)
    with pytest.raises(TelecomInputError, match="exist in API v1 only"):
        Run().execute(make())
    assert all("rest" not in seen.path for seen in telecom_simulator.state.requests)
