"""The billed checks of one subscriber. On the mock server they cost nothing and are not recorded."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_telecom.simulator.fields import Field, between, digits_between
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import is_imei, msisdn
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    NO_SCORE,
    NOT_A_SUBSCRIBER,
    RefusedError,
    wrong,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Subscriber

KYIVSTAR_PREFIXES = ("38067", "38068", "38096", "38097", "38098")
MAX_DAYS = 120
MAX_SIMS = 10
EXAMPLE_IMEI = "123456789012345"
EXAMPLE_MODEL = "5"
"""These two are in public examples for the mock server."""
_MONTHS = (0, 1, 3, 6, 12, 24, 120)


def _subscriber(call: Call) -> tuple[str, Subscriber]:
    number = msisdn(call.path["phone_number"])
    if number is None:
        raise wrong("phoneNumber")
    if not number.startswith(KYIVSTAR_PREFIXES):
        raise RefusedError(404, NOT_A_SUBSCRIBER, "The number is not a Kyivstar subscriber's")
    return number, call.state.subscriber(number)


def _bill(call: Call, number: str, check: str) -> None:
    call.charge(1)
    if call.environment != "mock":
        call.record("billed_check", check=check, msisdn=number)


def verify_sim(call: Call) -> JsonObject:
    """Return whether the SIM was changed within the hours, and whether it is active now."""
    number, subscriber = _subscriber(call)
    since = call.state.simulator.clock.now() - timedelta(hours=call.body["activationHours"])
    changed = any(change >= since for change in subscriber.sim_changes)
    _bill(call, number, "verify-sim")
    return {"simChanged": int(changed), "isActive": int(subscriber.active)}


def sim_check_antifraud(call: Call) -> JsonObject:
    """Return what was changed within the period. Numbers that end with 77 forward their calls."""
    number, subscriber = _subscriber(call)
    period = int(call.query["checkPeriod"])
    unit = timedelta(**{call.state.switches["check_period"]: 1})
    since = call.state.simulator.clock.now() - period * unit
    changed = any(change >= since for change in subscriber.sim_changes)
    _bill(call, number, "sim-check-antifraud")
    return {
        "simChanged": changed,
        "simTypeChanged": False,
        "geoChanged": False,
        "imeiChanged": changed and subscriber.imei_count > 1,
        "callForwarding": number.endswith("77"),
    }


def check_sim_count(call: Call) -> JsonObject:
    """Return how many SIMs the subscriber had within the days: 1 to 10, where 10 may be more."""
    number, subscriber = _subscriber(call)
    days = int({**call.query, **call.body}["daysCount"])
    since = call.state.simulator.clock.now() - timedelta(days=days)
    count = 1 + sum(change >= since for change in subscriber.sim_changes)
    _bill(call, number, "check-sim-count")
    return {"simCount": min(MAX_SIMS, count)}


def device_check(call: Call) -> JsonObject:
    """Return whether the IMEI is the subscriber's, or how many devices there were within the days."""
    imei = call.query.get("imei" if call.version == "v1" else "IMEI")
    if len(call.query) != 1:
        raise wrong("IMEI, daysPeriod", "exactly one is expected")
    number, subscriber = _subscriber(call)
    _bill(call, number, "device-check")
    has_both = call.state.switches["device_answer"] == "both"
    count = {"imeiCount": subscriber.imei_count}
    if "daysPeriod" in call.query:
        return {"imeiRes": "COMPLETELY_MATCHED", **count} if has_both else count
    matched = imei == subscriber.imei or (call.environment == "mock" and imei == EXAMPLE_IMEI)
    result = {"imeiRes": "COMPLETELY_MATCHED" if matched else "NOT_MATCHED"}
    return {**result, **count} if has_both else result


def lifetime_check(call: Call) -> JsonObject:
    """Return between how many months ago the SIM was activated or changed."""
    number, subscriber = _subscriber(call)
    now = call.state.simulator.clock.now()
    months = (now - subscriber.sim_changes[-1]).days / 30 if subscriber.sim_changes else _MONTHS[-2]
    upper = next((border for border in _MONTHS[1:] if months < border), _MONTHS[-1])
    lower = _MONTHS[_MONTHS.index(upper) - 1]
    _bill(call, number, "lifetime-check")
    if call.state.switches["lifetime_unit"] == "days":
        return {"lifetimeDuration": {"from": lower * 31, "to": upper * 28, "timeUnit": "DAYS"}}
    return {"lifetimeDuration": {"from": lower, "to": upper, "timeUnit": "MONTHS"}}


def score(call: Call) -> JsonObject:
    """Return the financial score, or 404 if there is none. Only a score is billed."""
    number, subscriber = _subscriber(call)
    name = "scoreFormula" if call.version == "v1" else "modelId"
    model = call.query.get(name, "7")
    is_example = call.environment == "mock" and model == EXAMPLE_MODEL
    if model not in call.state.score_models and not is_example:
        raise wrong(name, "not a model of yours")
    if subscriber.score is None:
        raise RefusedError(404, NO_SCORE, "Скор бал недоступний")
    _bill(call, number, "score")
    shown = subscriber.score + (0.5 if call.state.switches.on("score_fraction") else 0)
    return {"scoreBal" if call.version == "v1" else "score": shown}


_PATH = "/subscribers/{phone_number}"
_IMEI_OR_PERIOD = {"IMEI": Field(is_imei, False), "daysPeriod": Field(digits_between(1, MAX_DAYS), False)}
_is_model = digits_between(0, 999_999_999)
_MODEL = {"modelId": Field(_is_model, False)}

METHODS = (
    Method("POST", f"{_PATH}/verify-sim", verify_sim, {"activationHours": Field(between(1, 1_000_000))}),
    Method("POST", f"{_PATH}/check-sim-count", check_sim_count, {"daysCount": Field(between(1, MAX_DAYS))}),
    Method("GET", f"{_PATH}/device-check", device_check, query=_IMEI_OR_PERIOD),
    Method("POST", f"{_PATH}/lifetime-check", lifetime_check, {}),
    Method("GET", f"{_PATH}/score", score, query=_MODEL),
)

V1_METHODS = (
    Method(
        "GET",
        f"{_PATH}/sim-check-antifraud",
        sim_check_antifraud,
        query={"checkPeriod": Field(digits_between(1, 1_000_000))},
    ),
    Method(
        "GET", f"{_PATH}/sim-count", check_sim_count, query={"daysCount": Field(digits_between(1, MAX_DAYS))}
    ),
    Method(
        "GET",
        f"{_PATH}/device-check",
        device_check,
        query={"imei": _IMEI_OR_PERIOD["IMEI"], "daysPeriod": _IMEI_OR_PERIOD["daysPeriod"]},
    ),
    Method("GET", f"{_PATH}/lifetime", lifetime_check),
    Method("GET", f"{_PATH}/scoring", score, query={"scoreFormula": Field(_is_model, False)}),
)
