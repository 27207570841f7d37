"""The assets of webhooks, and what their events hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_telecom.assets.ketchup_loyalty import KETCHUP_VIBER
from airflow_provider_telecom.webhooks.assets import event_asset, event_payloads

FIRST, SECOND = {"reference": "r1"}, {"reference": "r2"}


def test_an_asset_has_its_vendor_and_event_in_name_and_uri() -> None:
    assert event_asset("ketchup_loyalty", "viber") == KETCHUP_VIBER
    assert (KETCHUP_VIBER.name, KETCHUP_VIBER.uri) == (
        "telecom-ketchup-loyalty-viber",
        "telecom://ketchup_loyalty/viber",
    )


@pytest.mark.parametrize(
    ("vendor", "event"), [("nobody", "viber"), ("sunsim", "viber"), ("ketchup_loyalty", "queue")]
)
def test_an_event_that_no_webhook_reports_has_no_asset(vendor: str, event: str) -> None:
    with pytest.raises(ValueError, match=f"{vendor} has no webhook event {event}"):
        event_asset(vendor, event)


@pytest.mark.parametrize(
    ("extra", "payloads"),
    [
        ({"reports": [FIRST, SECOND]}, [FIRST, SECOND]),
        ({"from_trigger": True, "payload": FIRST}, [FIRST]),
        (FIRST, [FIRST]),
        (None, [{}]),
    ],
    ids=["receiver", "trigger", "one post", "empty"],
)
def test_the_payloads_of_an_asset_event(extra: Any, payloads: list[Any]) -> None:
    assert event_payloads(SimpleNamespace(extra=extra)) == payloads
