"""Which messages a statistics request selects. A null is the same as a missing field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from airflow_provider_telecom.simulator.ketchup_loyalty.arguments import check_fields
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import COUNTRIES
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import JsonObject, VendorError
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Message, VendorState
from airflow_provider_telecom.simulator.times import parse_time

Test = Callable[[Message], bool]

FIELDS = {
    *("message_id", "msisdn", "originator", "source_type", "message_type", "country_name", "operator_id"),
    *("time_in_from", "time_in_to", "time_sent_from", "time_sent_to", "status", "callback_url"),
    *("sl_clicks", "sl_clicks_comp", "sl_clicks_count"),
}
STATUSES = {
    "delivered": "Delivered",
    "scheduled": "Scheduled",
    "accepted": "Accepted",
    "sent": "Sent",
    "expired": "Expired",
    "undeliverable": "Undelivered",
    "unknown": "Unknown",
    "read": "Read",
    "failed": "Failed",
    "not-viber-user": "not-viber-user",
    "active": "Delivered",  # a look-up is delivered once the network has answered
    "absent": "Delivered",
    "filtered": "Filtered",  # only with the switch new_status
}
_CHOICES = {
    "message_type": (81, {"sms", "hlr", "viber"}),
    "source_type": (82, {"api", "web", "smpp", "xml", "http", "json"}),
    "status": (83, {*STATUSES.values(), "Rejected", "Moderation", "Sending"} - {"Filtered"}),
    "country_name": (84, {country.name for country in COUNTRIES}),
    "sl_clicks_comp": (85, {"<", ">", "="}),
}
_MAX_IDS = 300


def statistics_status(message: Message) -> str:
    """Return the status as statistics write it."""
    return STATUSES[message.delivery.stage]


def find_messages(state: VendorState, body: JsonObject) -> list[Message]:
    """Return the selected messages; a list of ids overrides everything else."""
    check_fields(body, FIELDS, 7)
    given = {name: value for name, value in body.items() if value is not None}
    if by_id(given):
        ids = _message_ids(given["message_id"])
        found = [state.messages[key] for key in ids if key in state.messages]
        return [message for message in found if _is_listed(state, message, "all")]
    tests = [*_windows(state, given), *_choices(given), *_values(given), *_clicks(given)]
    tests.append(lambda message: _is_listed(state, message, "by_period", "all"))
    return [message for message in state.messages.values() if all(test(message) for test in tests)]


def _is_listed(state: VendorState, message: Message, *missing: str) -> bool:
    return state.switches["statistics_missing"] not in missing or message.draft.msisdn[-1] != "4"


def by_id(body: JsonObject) -> bool:
    """Return whether messages are selected by id: an empty list, or anything but a list, does not count."""
    return isinstance(body.get("message_id"), list) and bool(body["message_id"])


def _message_ids(ids: list[object]) -> list[str]:
    texts = [str(key) for key in ids]
    if len(texts) > _MAX_IDS or not all(text.isascii() and text.isdigit() for text in texts):
        raise VendorError(80)
    return list(dict.fromkeys(texts))


def _windows(state: VendorState, given: JsonObject) -> Iterator[Test]:
    """Yield the tests of the two periods; that of arrival is required."""
    if "time_in_from" not in given and "time_in_to" not in given:
        raise VendorError(2)
    since, until = (_parse_time(given.get(name)) for name in ("time_in_from", "time_in_to"))
    if since > until:
        raise VendorError(86)
    if state.switches["period_end"] == "past" and until > _local_time(state, state.now()):
        raise VendorError(86)
    yield lambda message: since <= _local_time(state, message.created) <= until
    if "time_sent_from" in given:
        earliest = _parse_time(given["time_sent_from"])
        yield lambda message: _local_time(state, message.delivery.start) >= earliest
    if "time_sent_to" in given:
        latest = _parse_time(given["time_sent_to"])
        yield (
            lambda message: message.delivery.started and _local_time(state, message.delivery.start) <= latest
        )


def _local_time(state: VendorState, moment: datetime) -> datetime:
    """Return the local time as in a database without zones: an hour that occurs twice has both passes."""
    return moment.astimezone(state.zone).replace(microsecond=0, tzinfo=None)


def _parse_time(text: object) -> datetime:
    moment = parse_time(text, "%Y-%m-%d %H:%M:%S")
    if moment is None:
        raise VendorError(86)
    return moment


def _choices(given: JsonObject) -> Iterator[Test]:
    """Yield the tests of the fields with a fixed set of values. All messages here were sent by the API."""
    for name, (code, allowed) in _CHOICES.items():
        if name in given and (not isinstance(given[name], str) or given[name] not in allowed):
            raise VendorError(code)
    if "message_type" in given:
        yield lambda message: message.draft.module == given["message_type"]
    if "source_type" in given:
        yield lambda message: given["source_type"] == "api"
    if "status" in given:
        yield lambda message: statistics_status(message) == given["status"]
    if "country_name" in given:
        yield lambda message: message.draft.country.name == given["country_name"]


def _values(given: JsonObject) -> Iterator[Test]:
    if not isinstance(given.get("originator", ""), str) or not isinstance(given.get("callback_url", ""), str):
        raise VendorError(7)
    if "originator" in given:
        yield lambda message: message.draft.originator == given["originator"]
    if isinstance(given.get("msisdn"), list) and given["msisdn"]:
        numbers = {str(msisdn) for msisdn in given["msisdn"]}
        yield lambda message: message.draft.msisdn in numbers
    if "operator_id" in given and "country_name" in given:
        operator = str(given["operator_id"])
        yield lambda message: message.draft.country.mcc + message.draft.country.mnc == operator


def _clicks(given: JsonObject) -> Iterator[Test]:
    """Yield the test of short links' clicks; here are no clicks."""
    count = given.get("sl_clicks_count", 0)
    if type(count) is not int or not 0 <= count <= 999_999 or given.get("sl_clicks", 0) not in (0, 1):
        raise VendorError(7)
    if given.get("sl_clicks") and "sl_clicks_comp" in given:
        passes = {"<": count > 0, ">": count < 0, "=": count == 0}[given["sl_clicks_comp"]]
        yield lambda message: passes
