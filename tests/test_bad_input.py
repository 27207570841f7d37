"""Bad input is refused before anything is sent, with an error that names the field and the rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError

NOW = datetime.now(UTC)
PHONE = "380670000201"


def ketchup_recipients(*references: str) -> Any:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient

    return [Recipient(f"38067000020{number}", reference) for number, reference in enumerate(references)]


WRONG: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]], str, str]] = {
    "a wrong number": (
        "kyivstar_open_telecom",
        lambda h: (h.send_sms, "3806700002", "Hi"),
        "msisdn",
        "numbering plan",
    ),
    "a number that is too short": (
        "kyivstar_open_telecom",
        lambda h: (h.send_sms, "12", "Hi"),
        "msisdn",
        "too short",
    ),
    "no number": ("kyivstar_open_telecom", lambda h: (h.send_sms, "", "Hi"), "msisdn", "must not be empty"),
    "full-width digits": (
        "ketchup_loyalty",
        lambda h: (h.price_sms, "３８０670000201", "Hi"),
        "msisdn",
        "digits 0-9",
    ),
    "an over-long text": ("novaconnect", lambda h: (h.send_sms, [1001], "x" * 71), "text", "70"),
    "a text of seven SMS": (
        "kyivstar_open_telecom",
        lambda h: (h.send_sms, PHONE, "x" * 919),
        "text",
        "at most 6",
    ),
    "an empty text": ("kyivstar_open_telecom", lambda h: (h.send_sms, PHONE, " "), "text", "empty"),
    "eight days of calls": (
        "kyivstar_fmc",
        lambda h: (h.get_call_records, NOW - timedelta(days=8), NOW),
        "end",
        "7 days",
    ),
    "calls of long ago": (
        "kyivstar_fmc",
        lambda h: (h.get_call_records, NOW - timedelta(days=31), NOW - timedelta(days=30)),
        "start",
        "30 days",
    ),
    "an end before the start": (
        "kyivstar_fmc",
        lambda h: (h.get_call_records, NOW, NOW - timedelta(days=1)),
        "end",
        "later than start",
    ),
    "a time without a zone": (
        "kyivstar_fmc",
        lambda h: (h.get_call_records, datetime(2026, 1, 1)),
        "start",
        "time zone",
    ),
    "neither IMEI nor days": (
        "kyivstar_open_telecom",
        lambda h: (h.check_device, PHONE),
        "imei",
        "days_period",
    ),
    "121 days": ("kyivstar_open_telecom", lambda h: (h.check_sim_count, PHONE, 121), "days", "1 to 120"),
    "an audience of 21,000": (
        "kyivstar_open_telecom",
        lambda h: (h.add_promo_audience, "11111111-1111-1111-1111-111111111111", [PHONE] * 21_000),
        "recipients",
        "at most 20000",
    ),
    "a reference with a hyphen": (
        "ketchup_loyalty",
        lambda h: (h.send_sms_to_many, ketchup_recipients("good", "not-good"), "Hi"),
        "reference",
        "a-z A-Z 0-9",
    ),
    "a key that stands twice": (
        "ketchup_loyalty",
        lambda h: (h.send_sms_to_many, ketchup_recipients("same", "same"), "Hi"),
        "reference",
        "twice",
    ),
    "a package off the steps": (
        "novaconnect",
        lambda h: (h.set_tariff, [1001], 15361, True),
        "package_kb",
        "5120",
    ),
    "a path in an id": ("kyivstar_open_telecom", lambda h: (h.get_promo, "../sms"), "promo_id", "UUID"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_before_anything_is_sent(
    name: str, hook_for: Callable[..., Any], call: Callable[..., Any], telecom_simulator: Any
) -> None:
    vendor, make, field, rule = WRONG[name]
    method, *args = make(hook_for(vendor))
    with pytest.raises(TelecomInputError) as caught:
        call(method, *args)
    assert field in caught.value.field
    assert rule in str(caught.value)
    assert telecom_simulator.state.requests == []


def test_both_imei_and_days_are_refused(hook_for: Callable[..., Any], telecom_simulator: Any) -> None:
    hook = hook_for("kyivstar_open_telecom")
    with pytest.raises(TelecomInputError, match="days_period"):
        hook.check_device(PHONE, imei="490154203237518", days_period=30)
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize(
    "vendor", ["kyivstar_open_telecom", "ketchup_loyalty", "kyivstar_fmc", "sunsim", "novaconnect"]
)
def test_an_extra_field_with_a_typo_is_refused(
    vendor: str, hook_for: Callable[..., Any], telecom_simulator: Any
) -> None:
    worked, message = hook_for(vendor, timeout_raed=5).test_connection()
    assert not worked
    assert "extra.timeout_raed: no such field" in message
    assert telecom_simulator.state.requests == []
