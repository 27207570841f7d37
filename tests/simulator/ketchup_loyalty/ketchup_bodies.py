"""Request bodies for the simulated KetchUp, and what its responses must contain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

UA, RU = "38067000{:04d}", "7900000{:04d}"
HOUR = timedelta(hours=1)


def phone(last: int = 1, **changes: Any) -> dict[str, Any]:
    """One SMS; a change to ... leaves the field out."""
    body = {
        "destination": "phone",
        "originator": "test",
        "body": "test sms",
        "msisdn": UA.format(last),
        "reference": f"ref{last}",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


def phones(*lasts: int, **changes: Any) -> dict[str, Any]:
    recipients = [{"msisdn": UA.format(last), "reference": f"ref{last}"} for last in lasts]
    body = {"destination": "phones", "originator": "test", "body": "test sms", "phones": recipients}
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


def individual(*lasts: int, **changes: Any) -> dict[str, Any]:
    recipients = [
        {
            "msisdn": UA.format(last),
            "reference": f"ref{last}",
            "originator": f"test{last}",
            "body": f"sms {last}",
        }
        for last in lasts
    ]
    return {"destination": "individual", "phones": recipients, **changes}


def message(*lasts: int, **changes: Any) -> dict[str, Any]:
    to = [{"msisdn": UA.format(last), "external_id": f"ref{last}"} for last in lasts]
    body = {"to": to, "text": "My Viber message", "alpha_name": "My Company", **changes}
    return {name: value for name, value in body.items() if value is not ...}


def viber(*lasts: int, **changes: Any) -> dict[str, Any]:
    return {"messages": [message(*lasts, **changes)]}


def look_ups(*lasts: int, **changes: Any) -> list[dict[str, Any]]:
    return [{"msisdn": UA.format(last), "reference": f"ref{last}", **changes} for last in lasts]


def form(**fields: str) -> dict[str, tuple[None, str]]:
    return {name: (None, value) for name, value in fields.items()}


def error(answer: dict[str, Any]) -> str:
    assert answer["errorDescription"]
    return str(answer["error"])


def errors(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("error", "0") for item in items]


def naive(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def window(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"time_in_from": naive(now - HOUR), "time_in_to": naive(now + HOUR), **more}


def key_of(answer: dict[str, Any]) -> str:
    assert answer["error"] == 0
    return str(answer["key"])
