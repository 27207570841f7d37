"""The status check of many Viber messages: the state of each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from airflow_provider_telecom.calls.checks import aware_datetime, parse_datetime
from airflow_provider_telecom.calls.endpoint import Call, shared
from airflow_provider_telecom.calls.errors import TelecomError, TelecomNotFoundError
from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageState
from airflow_provider_telecom.vendors.ketchup_loyalty.viber import ViberCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage


def viber_states(
    api: ViberCalls,
    messages: Sequence[Mapping[str, str | None]],
    found: Mapping[str, str] | None = None,
    ends_at: str | None = None,
) -> Call[PollResult]:
    """Return the states of several Viber messages once all are final.

    Each message is `{"message_id", "reference", "to"}`, where `to` is the `number_hash`. The facts are
    `{"statuses": {state: count}, "states": [state of each, or None]}`. A message that is not found has no
    state, and may still appear. Nor has one whose status has neither its key nor its number: the ids of a
    response without keys may be in another order. From `ends_at` on the states count as they are. `found` are
    the final states that earlier checks have seen, by the place of their message.
    """
    final: dict[str, str] = dict(found or {})
    others: dict[str, str] = {}
    is_over = ends_at is not None and _is_past(ends_at)
    before = len(final)
    for place, message in enumerate(messages):
        if str(place) in final:
            continue
        try:
            state = yield from _state(api, message)
        except TelecomError as error:
            if is_over or not error.temporary or len(final) == before:
                raise
            break  # what this check has found is kept; the next one goes on after it
        if state is not None:
            (final if state.is_final else others)[str(place)] = state.value
    statuses = dict(Counter(final.values()))
    if len(final) < len(messages) and not is_over:
        waiting = len(messages) - len(final)
        return PollResult(Stage.WAITING, {"statuses": statuses, "waiting": waiting}, {"found": final})
    seen = final | others
    states = [seen.get(str(place)) for place in range(len(messages))]
    return PollResult(Stage.SUCCEEDED, {"statuses": statuses, "states": states})


def _state(api: ViberCalls, message: Mapping[str, str | None]) -> Call[MessageState | None]:
    message_id, reference = message.get("message_id"), message.get("reference")
    try:
        if message_id is not None:
            status = yield from shared(api.get_viber, message_id)
        else:
            status = yield from shared(api.get_viber_by_reference, str(reference))
    except TelecomNotFoundError:
        return None
    is_ours = reference == status.reference or message.get("to") in (None, number_hash(status.msisdn))
    return status.state if is_ours else None


def number_hash(msisdn: str) -> str:
    """Return 16 bits of the hash of a number: too few to find the number."""
    return sha256("".join(filter(str.isdecimal, msisdn)).encode()).hexdigest()[:4]


def _is_past(moment: str) -> bool:
    return datetime.now(UTC) >= aware_datetime("ends_at", parse_datetime("ends_at", moment))


def outcome_of(state: str | None) -> str:
    """Return what a state means: `delivered`, `undelivered` (certainly, and for ever) or `unknown`."""
    known = MessageState.UNKNOWN if state is None else MessageState.of(state)
    if known in (MessageState.DELIVERED, MessageState.READ):
        return "delivered"
    return "undelivered" if known.is_final else "unknown"
