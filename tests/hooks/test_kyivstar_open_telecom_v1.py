"""Kyivstar's API v1, which is found in a public client: the hook finds the same under all variants of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarScoreOperator,
    KyivstarVerifySimOperator,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms, SmsContent, ViberContent
from tests.running import Run

NUMBER, FOREIGN, OTHER = "380670000200", "380500000000", "380670000201"
IMEI = "35000000000000"
VENDOR = "kyivstar_open_telecom"
PNG = b"\x89PNG\r\n\x1a\n picture"
SHOP = "https://example.com/shop"
SETTINGS = [
    *("default", "opposite", 1, 2, 3),
    *(
        {f"{VENDOR}.{name}": value}
        for name, value in (
            ("v1_resource", "all"),
            ("v1_resource", "none"),
            ("batch_errors", "whole"),
            ("new_state", "on"),
            ("tarification_units", "off"),
            ("error_code", "text"),
            ("flags", "text"),
            ("numbers", "text"),
            ("id_spelling", "msgID"),
        )
    ),
]


def vendor_state(simulator: Any) -> Any:
    return simulator.state.vendor_state(VENDOR, VendorState)


@pytest.fixture(params=SETTINGS, ids=str)
def hook(request: pytest.FixtureRequest, telecom_simulator: Any, hook_for: Callable[..., Any]) -> Any:
    """Return a hook at a vendor that follows one variant, or one of many at once."""
    setting = request.param
    if isinstance(setting, dict):
        for name, value in setting.items():
            telecom_simulator.state.set_switch(name, value)
    elif isinstance(setting, int):
        telecom_simulator.reset(setting, preset="random")
    else:
        telecom_simulator.reset(preset=setting)
    found = hook_for(VENDOR, api_version="v1")
    found.fetch_token()  # the first request creates the state
    subscriber = vendor_state(telecom_simulator).subscriber(NUMBER)
    subscriber.imei, subscriber.imei_count, subscriber.score = IMEI, 2, 700
    subscriber.sim_changes = [telecom_simulator.state.clock.now() - timedelta(days=200)]
    return found


def ledger(simulator: Any, kind: str) -> list[Any]:
    return [effect.facts for effect in simulator.state.ledger.of(VENDOR, kind)]


def test_checks(telecom_simulator: Any, hook: Any) -> None:
    switches = vendor_state(telecom_simulator).switches
    found = hook.verify_sim(NUMBER, 48)
    assert (found.sim_changed, found.is_active) == (False, None)
    assert (found.sim_type_changed, found.geo_changed, found.call_forwarding) == (False, False, False)
    assert found.reserved_units == (1 if switches.on("tarification_units") else None)
    assert hook.verify_sim(NUMBER, 24 * 300).sim_changed is True
    assert hook.verify_sim(NUMBER, 24 * 300).imei_changed is True
    assert hook.check_sim_count(NUMBER, 120).sim_count == 1
    assert hook.check_device(NUMBER, imei=IMEI).matches is True
    assert hook.check_device(NUMBER, days_period=30).imei_count == 2
    assert hook.check_lifetime(NUMBER).lifetime_duration.at_least >= 6
    assert hook.get_score(NUMBER) in (700, 700.5)
    assert hook.get_score(FOREIGN) is None
    with pytest.raises(TelecomNotFoundError):
        hook.verify_sim(FOREIGN, 1)
    with pytest.raises(TelecomRejectedError):
        hook.get_score(NUMBER, model_id="12")
    paths = {seen.path for seen in telecom_simulator.state.requests if "oauth2" not in seen.path}
    assert all(path.startswith("/rest/v1/") for path in paths)


def test_the_operator_returns_the_further_facts(telecom_simulator: Any, hook: Any) -> None:
    operator = KyivstarVerifySimOperator(task_id="check", msisdn=NUMBER, activation_hours=24 * 300)
    units = vendor_state(telecom_simulator).switches.on("tarification_units")
    assert Run().execute(operator) == {
        **({"reserved_units": 1} if units else {}),
        "question": "sim_changed",
        "answer": "yes",
        "sim_changed": True,
        "is_active": None,
        "sim_type_changed": False,
        "geo_changed": False,
        "imei_changed": True,
        "call_forwarding": False,
    }
    for kind, arguments, answer in (
        (KyivstarCheckSimCountOperator, {"days": 30}, "no"),
        (KyivstarCheckDeviceOperator, {"imei": IMEI}, "no"),
        (KyivstarCheckLifetimeOperator, {"min_months": 3}, "no"),
        (KyivstarScoreOperator, {"min_score": 800}, "yes"),
    ):
        made = kind(task_id="check", msisdn=NUMBER, **arguments)
        assert Run().execute(made)["answer"] == answer


def test_a_period_in_days_hides_no_change(telecom_simulator: Any, hook: Any) -> None:
    """If `checkPeriod` were in days, a longer period would be checked: a change is never missed."""
    changed = telecom_simulator.state.clock.now() - timedelta(hours=47)
    vendor_state(telecom_simulator).subscriber(NUMBER).sim_changes = [changed]
    for unit in ("hours", "days"):
        telecom_simulator.state.set_switch(f"{VENDOR}.check_period", unit)
        assert hook.verify_sim(NUMBER, 48).sim_changed is True


@pytest.mark.parametrize("has_viber", [True, False])
def test_a_multichannel_message(telecom_simulator: Any, hook: Any, has_viber: bool) -> None:
    if not has_viber:
        vendor_state(telecom_simulator).without_viber.add(NUMBER)
    sent = hook.send_multichannel(NUMBER, [ViberContent("viber"), SmsContent("sms")])
    found = hook.get_multichannel(sent.message_id)
    assert (found.message_id, found.is_delivered) == (sent.message_id, True)
    bearers = ["viber"] if has_viber else ["viber", "sms"]
    assert found.delivered_by.casefold() == bearers[-1]
    if vendor_state(telecom_simulator).switches["channel_reports"] != "channel":
        assert [report.bearer_type.casefold() for report in found.reports] == bearers
        assert [report.state.casefold() for report in found.reports][-1] == "delivered"
    (effect,) = ledger(telecom_simulator, "multichannel")
    assert effect["texts"] == {"viber": "viber", "sms": "sms"}
    with pytest.raises(TelecomNotFoundError):
        hook.get_multichannel("unknown")


def test_a_batch(telecom_simulator: Any, hook: Any) -> None:
    is_whole = vendor_state(telecom_simulator).switches["batch_errors"] == "whole"
    wrong = [BatchSms(NUMBER, "a"), BatchSms(OTHER, "b", "forbidden")]
    if is_whole:
        with pytest.raises(TelecomRejectedError):
            hook.send_sms_batch(wrong)
        assert ledger(telecom_simulator, "sms") == []
    else:
        found = hook.send_sms_batch(wrong)
        assert [item.state for item in found.items] == ["accepted", "refused"]
        assert found.items[1].code == "1010"
    sent = hook.send_sms_batch([BatchSms(NUMBER, "a" * 161), BatchSms(OTHER, "b")])
    assert [item.reserved_segments for item in sent.items] == [2, 1]
    assert sent.reserved_units in (3, None)
    assert [effect["msisdn"] for effect in ledger(telecom_simulator, "sms")][-2:] == [NUMBER, OTHER]
    ids = [item.message_id for item in sent.items]
    statuses = hook.get_sms_batch([*ids, "unknown"])
    assert [status and status.is_delivered for status in statuses.values()] == [True, True, None]


def test_rcs_messages(telecom_simulator: Any, hook: Any) -> None:
    buttons = [{"text": "More", "url": SHOP}]
    sent = [
        hook.send_rcs_text(NUMBER, "a", ttl_seconds=60),
        hook.send_rcs_suggestion(NUMBER, "b", buttons),
        hook.send_rcs_rich_card(
            NUMBER, title="c", image_url=SHOP, orientation="vertical", suggestions=buttons
        ),
    ]
    assert [hook.get_rcs(one.message_id).is_delivered for one in sent] == [True] * 3
    assert [effect["text"] for effect in ledger(telecom_simulator, "rcs")] == ["a", "b", None]


def test_promos_by_viber_and_rcs(telecom_simulator: Any, hook: Any) -> None:
    for promo in (
        hook.create_viber_promo("Hi ${1}", caption="Buy", action_url=SHOP, start_date="2026-01-31T08:00:00"),
        hook.create_rcs_promo("Hi ${1}", title="T", content_type="CARD"),
    ):
        assert (promo.state.value, promo.param_count) == ("DRAFT", 1)
        assert hook.add_promo_image(promo.id, PNG).success
        hook.add_promo_audience(promo.id, [(NUMBER, ["Ann"])])
        assert hook.start_promo(promo.id).state.value in ("WAITING", "ACTIVE", "COMPLETED")
    types = [effect["campaign_type"] for effect in ledger(telecom_simulator, "promo_draft")]
    assert types == ["VIBER", "RCS"]
    assert [effect["bytes"] for effect in ledger(telecom_simulator, "promo_image")] == [len(PNG)] * 2
    sms = hook.create_promo("Hi")
    with pytest.raises(TelecomRejectedError):
        hook.add_promo_image(sms.id, PNG)


def test_the_mock_server_knows_the_public_examples(
    telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = mock_hook(telecom_simulator, monkeypatch)
    assert hook.check_device("380670170200", imei="123456789012345").matches is True
    example = "20200000-0000-0000-0000-380670000200"
    assert hook.get_sms(example).is_delivered
    assert hook.get_rcs(example).is_delivered
    assert hook.get_sms_batch([example])[example].is_delivered
    assert hook.get_multichannel("23e39c9a-9c8d-4090-95d5-000000001200").is_delivered
    assert hook.get_promo("10000000-0000-0000-0000-000000000200").state.value == "DRAFT"
    assert telecom_simulator.state.ledger.of(VENDOR, "billed_check") == []


def mock_hook(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    import json

    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.simulator import credentials

    connection = simulator.connection(VENDOR)
    connection["login"] = credentials.KYIVSTAR_MOCK_CLIENT_ID
    connection["password"] = credentials.KYIVSTAR_MOCK_CLIENT_SECRET
    connection["extra"] |= {"environment": "mock", "api_version": "v1"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{VENDOR.upper()}_DEFAULT", json.dumps(connection))
    return KyivstarOpenTelecomHook()


NEITHER = "is not there (HTTP 404)"


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_the_connection_test_says_which_versions_answer(
    telecom_simulator: Any, hook_for: Callable[..., Any], version: str
) -> None:
    worked, message = hook_for(VENDOR, api_version=version).test_connection()
    assert (worked, message) == (
        True,
        "Connected: a token for 28799 seconds. On the live server: API v1beta answers, v1 answers.",
    )
    assert {effect.kind for effect in telecom_simulator.state.ledger.effects} == {"token"}


@pytest.mark.parametrize(
    ("missing", "version", "worked", "said"),
    [
        ("v1", "v1beta", True, f"API v1beta answers, v1 {NEITHER}."),
        ("v1beta", "v1", True, f"API v1beta {NEITHER}, v1 answers."),
        ("v1", "v1", False, f"is v1, but v1beta answers, v1 {NEITHER}: set it to v1beta"),
        ("v1beta", "v1beta", False, f"is v1beta, but v1beta {NEITHER}, v1 answers: set it to v1"),
        ("v1(beta)?", "v1", False, "check host, environment and rest_path"),
    ],
)
def test_a_version_that_is_not_there(
    telecom_simulator: Any, hook_for: Callable[..., Any], missing: str, version: str, worked: bool, said: str
) -> None:
    telecom_simulator.fault(
        "status", VENDOR, path=f"/rest/{missing}/promo", status=404, body="<html>", times=9
    )
    found, message = hook_for(VENDOR, api_version=version).test_connection()
    assert found is worked
    assert said in message


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (422, "v1 answers"),
        (403, "v1 is unclear (GET /rest/v1/promo"),
        (500, "v1 is unclear (GET /rest/v1/promo"),
    ],
)
def test_an_answer_that_leaves_it_open(
    telecom_simulator: Any, hook_for: Callable[..., Any], status: int, said: str
) -> None:
    body = '{"reqId": "r", "errorCode": 1, "errorMsg": "no"}'
    telecom_simulator.fault("status", VENDOR, path="/rest/v1/promo", status=status, body=body, times=9)
    worked, message = hook_for(VENDOR).test_connection()
    assert worked
    assert said in message


def test_a_gateways_own_path_is_the_only_one_that_is_asked(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    for rest_path, worked, said in (
        ("/rest/v1", True, "API v1beta answers."),
        ("/elsewhere", False, "is v1beta, but v1beta is not there"),
    ):
        found, message = hook_for(VENDOR, rest_path=rest_path).test_connection()
        assert (found, said in message) == (worked, True), message
    asked = [seen.path for seen in telecom_simulator.state.requests if "oauth2" not in seen.path]
    assert asked == ["/rest/v1/promo", "/elsewhere/promo"]


def test_a_client_id_of_another_server_is_said(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    worked, message = hook_for(VENDOR, environment="mock").test_connection()
    assert not worked
    assert "credentials are refused" in message


def test_the_sandbox_counts_calls_and_is_not_asked(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    worked, message = hook_for(VENDOR, environment="sandbox").test_connection()
    assert worked
    assert "sandbox" in message
    assert [seen.path for seen in telecom_simulator.state.requests] == ["/idp/oauth2/token"]


def test_a_call_of_v1_needs_a_connection_with_v1(
    hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    with pytest.raises(TelecomInputError, match="api_version") as caught:
        hook_for(VENDOR).send_rcs_text(NUMBER, "hi")
    assert "this request was not sent" in str(caught.value)
    assert telecom_simulator.state.requests == []
