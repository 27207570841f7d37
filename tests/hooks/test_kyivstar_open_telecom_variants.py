"""Kyivstar's hook, operators and sensors find the same under every variant of the vendor's document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarCreatePromoOperator,
    KyivstarScoreOperator,
    KyivstarSendSmsOperator,
    KyivstarSendViberOperator,
    KyivstarVerifySimOperator,
)
from airflow_provider_telecom.sensors.kyivstar_open_telecom import KyivstarSmsDeliveredSensor
from airflow_provider_telecom.simulator.kyivstar_open_telecom import RateLimit, VendorState
from airflow_provider_telecom.simulator.switches import of_vendor
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run

NUMBER, FOREIGN, WITHOUT_SCORE = "380670000200", "380500000000", "380670000099"
IMEI = "35000000000000"
VENDOR = "kyivstar_open_telecom"
Make = Callable[..., Any]
SETTINGS = [
    *(
        pytest.param({switch.full_name: value}, id=f"{switch.name}={value}")
        for switch in of_vendor("kyivstar_open_telecom")
        for value in switch.values[1:]
        if switch.in_presets and not switch.meaning.startswith("API v1: ")
    ),
    *(pytest.param(preset, id=str(preset)) for preset in ("default", "opposite", 1, 2, 3)),
]
every_variant = pytest.mark.parametrize("setting", SETTINGS)


@pytest.fixture
def hook(telecom_simulator: Any, hook_for: Make, setting: Any) -> Any:
    """Return a hook at a vendor that follows one variant, or one of many at once."""
    if isinstance(setting, dict):
        for name, value in setting.items():
            telecom_simulator.state.set_switch(name, value)
    elif isinstance(setting, int):
        telecom_simulator.reset(setting, preset="random")
    else:
        telecom_simulator.reset(preset=setting)
    found = hook_for(VENDOR)
    found.fetch_token()  # the first request creates the state
    subscriber = vendor_state(telecom_simulator).subscriber(NUMBER)
    subscriber.active, subscriber.imei, subscriber.imei_count, subscriber.score = True, IMEI, 2, 700
    subscriber.sim_changes = [telecom_simulator.state.clock.now() - timedelta(days=200)]
    return found


def vendor_state(simulator: Any) -> Any:
    return simulator.state.vendor_state("kyivstar_open_telecom", VendorState)


@every_variant
def test_checks(telecom_simulator: Any, hook: Any) -> None:
    found = hook.verify_sim(NUMBER, 48)
    assert (found.sim_changed, found.is_active) == (False, True)
    assert hook.verify_sim(NUMBER, 24 * 300).sim_changed is True
    assert hook.check_sim_count(NUMBER, 120).sim_count == 1
    assert hook.check_device(NUMBER, imei=IMEI).matches is True
    assert hook.check_device(NUMBER, days_period=30).imei_count == 2
    assert hook.get_score(NUMBER) in (700, 700.5)
    assert hook.get_score(WITHOUT_SCORE) is None
    assert hook.get_score(FOREIGN) is None
    for check in (hook.check_lifetime, lambda number: hook.verify_sim(number, 1)):
        with pytest.raises(TelecomNotFoundError):
            check(FOREIGN)
    with pytest.raises(TelecomRejectedError) as caught:
        hook.get_score(NUMBER, model_id="12")
    assert caught.value.status == 422
    assert caught.value.code in ("1010", "1001010")


@every_variant
def test_questions_about_a_subscriber(telecom_simulator: Any, hook: Any) -> None:
    answers = [
        Run().execute(kind(task_id="ask", msisdn=NUMBER, **arguments))["answer"]
        for kind, arguments in (
            (KyivstarVerifySimOperator, {"activation_hours": 48}),
            (KyivstarVerifySimOperator, {"activation_hours": 24 * 300}),
            (KyivstarCheckSimCountOperator, {"days": 30, "max_count": 2}),
            (KyivstarCheckDeviceOperator, {"imei": IMEI}),
            (KyivstarCheckDeviceOperator, {"imei": "35000000000001"}),
            (KyivstarCheckDeviceOperator, {"days_period": 30, "max_count": 1}),
            (KyivstarCheckLifetimeOperator, {"min_months": 3}),
            (KyivstarCheckLifetimeOperator, {"min_months": 24}),
            (KyivstarScoreOperator, {"min_score": 600}),
        )
    ]
    assert answers == ["no", "yes", "no", "no", "yes", "yes", "no", "yes", "no"]
    foreign = KyivstarCheckLifetimeOperator(task_id="ask", msisdn=FOREIGN)
    assert Run().execute(foreign)["reason"] == "not_a_subscriber"


@every_variant
def test_messages_are_sent_once_and_waited_for(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom", "after_polls", 2)
    waits = {"wait_for_completion": True, "poll_interval": 0.01}
    sent = [
        Run().execute(KyivstarSendSmsOperator(task_id="sms", msisdn=NUMBER, text="Hi", **waits)),
        Run().execute(
            KyivstarSendViberOperator(
                task_id="viber",
                kind="promotion",
                msisdn=NUMBER,
                text="Hi",
                image_url="https://example.com/a.png",
                caption="More",
                action_url="https://example.com/",
                **waits,
            )
        ),
    ]
    assert [facts["status"].casefold() for facts in sent] == ["delivered", "delivered"]
    assert sent[0]["reserved_segments"] == 1
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 1
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "viber_promotion")) == 1
    status = hook.get_sms(sent[0]["message_id"])
    assert abs(status.moment - telecom_simulator.state.clock.now()) < timedelta(minutes=1)


@every_variant
def test_a_message_that_is_not_there(hook: Any) -> None:
    for get in (hook.get_sms, hook.get_viber):
        with pytest.raises(TelecomNotFoundError) as caught:
            get("00000000-0000-0000-0000-000000000000")
        assert caught.value.code == "1040"


@every_variant
def test_a_promo_reaches_everybody_once(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1)
    numbers = [f"38067000020{digit}" for digit in range(5)]
    facts = Run().execute(
        KyivstarCreatePromoOperator(
            task_id="promo",
            recipients=[{"msisdn": number, "name": "Ann"} for number in numbers],
            text="Hello ${1}",
            param_columns=["name"],
            start=True,
            chunk_size=2,
            wait_for_completion=True,
            poll_interval=0.01,
        )
    )
    assert (facts["sent_count"], facts["deliveries_count"]) == (5, 5)
    (promo,) = vendor_state(telecom_simulator).promos.values()
    assert [number for number, _ in promo.audience] == numbers
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "promo_started")) == 1


@every_variant
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_all_promos_are_listed_once(hook: Any, count: int) -> None:
    made = [hook.create_promo(f"Hello {number}").id for number in range(count)]
    assert [promo.id for promo in hook.all_promos(page_size=2)] == made
    page, walked = hook.list_promos(page_size=2), []
    while page is not None:
        walked += [promo.id for promo in page.items]
        page = hook.run(page.next_page()) if page.next_page else None
    assert walked == made


@every_variant
def test_a_token_that_died_costs_nothing(telecom_simulator: Any, hook: Any) -> None:
    vendor_state(telecom_simulator).revoke_tokens()
    hook.send_sms(NUMBER, "hi")
    hook.fetch_token()
    hook.send_sms(NUMBER, "hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 2


@pytest.mark.parametrize("setting", [{"kyivstar_open_telecom.expired": "on"}, "opposite"], ids=str)
@pytest.mark.parametrize("deferrable", [False, True])
def test_an_expired_message_is_not_waited_for(telecom_simulator: Any, hook: Any, deferrable: bool) -> None:
    vendor_state(telecom_simulator).unreachable.add(NUMBER)
    message_id = hook.send_sms(NUMBER, "hi").message_id
    sensor = KyivstarSmsDeliveredSensor(
        task_id="wait", message_id=message_id, deferrable=deferrable, poke_interval=0.01
    )
    with pytest.raises(TelecomFailedError, match=r"(?i)status: expired"):
        Run().execute(sensor)


@pytest.mark.parametrize(
    "setting",
    [
        {"kyivstar_open_telecom.rate_limit_reset": form}
        for form in ("seconds", "http_date", "epoch", "epoch_ms")
    ],
    ids=str,
)
def test_a_rate_limit_is_kept_to(telecom_simulator: Any, hook: Any) -> None:
    vendor_state(telecom_simulator).rate_limit = RateLimit(1, period_seconds=1)
    for _ in range(3):
        hook.send_sms(NUMBER, "hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 3


@pytest.mark.parametrize(
    "setting", [{"kyivstar_open_telecom.sandbox_over": status} for status in ("429", "403")], ids=str
)
def test_a_sandbox_that_is_used_up_is_an_error(telecom_simulator: Any, hook: Any, hook_for: Make) -> None:
    sandbox = hook_for(VENDOR, environment="sandbox")
    vendor_state(telecom_simulator).sandbox_left = 1
    sandbox.send_sms(NUMBER, "hi")
    with pytest.raises((TelecomAuthError, TelecomThrottledError)):
        sandbox.send_sms(NUMBER, "hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 1


@pytest.mark.parametrize("setting", [{"kyivstar_open_telecom.list_dates": "day"}], ids=str)
def test_dates_that_the_vendor_does_not_take_are_an_error(telecom_simulator: Any, hook: Any) -> None:
    with pytest.raises(TelecomRejectedError, match="startDateFrom"):
        hook.all_promos(start_date_from=telecom_simulator.state.clock.now())
