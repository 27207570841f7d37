"""KetchUp's webhooks: how they are read, and under which topics they are waited for.

Source: "Отправка информации об HLR на указанный URL", `callback_url` of "Отправка Viber-сообщения", whose
content is taken to be what GET /viber/{id} returns, and "Отправка данных на указанный URL", the statistics.
KetchUp repeats a webhook five times within 24 hours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import parse_list
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrState,
    HlrStatus,
    MessageState,
    MessageStatus,
)
from airflow_provider_telecom.vendors.topics import ACCOUNT, topic_prefix
from airflow_provider_telecom.vendors.webhooks import Subscription, WebhookEvent

_KEY = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_BLANKS = re.compile(r"[\s_]+")
_MAX_IDS = 100
"""The messages whose ids an event has: it is small JSON."""
_NETWORK = re.compile(r"\d{5,6}", re.ASCII)

_RANKS = {
    MessageState.UNKNOWN: 0,
    MessageState.SCHEDULED: 1,
    MessageState.MODERATION: 1,
    MessageState.ACCEPTED: 1,
    MessageState.SENDING: 1,
    MessageState.SENT: 2,
    MessageState.READ: 4,
}
_ENDED = 3  # delivered or failed: neither becomes the other
_HLR_RANKS = {HlrState.OTHER: 0, HlrState.SENT: 1, HlrState.UNKNOWN: 2}
"""Of look-ups without a result. "unknown" may be one, so it causes an event, but another may follow."""


def hlr(nonce: str, value: Mapping[str, object], body: bytes) -> WebhookEvent:
    """Return the event in a webhook about a look-up: `value` is its JSON, `body` its bytes for errors.

    An address that was given out for one look-up takes no webhook of another one. Raises TelecomAnswerError.
    """
    status = to_model(HlrStatus, value, body)
    ids = (("id", status.id), ("reference", status.reference))
    keys = [_check_key(name, value, body) for name, value in ids if value]
    if not keys:
        raise unreadable_response("id is missing", body)
    if nonce not in (ACCOUNT, status.reference):
        raise unreadable_response("reference is not the one that this address is for", body)
    network = status.network if status.network and _NETWORK.fullmatch(status.network) else None
    return WebhookEvent(
        subject=keys[0],
        state=status.state.value,
        sequence=_HLR_RANKS.get(status.state, 3),
        final=status.is_final,
        facts={
            "hlr_id": status.id,
            "reference": status.reference,
            "status": status.state.value,
            "network": network,
            "ported": status.details.ported,
            "roaming": status.details.roaming,
        },
        event="hlr" if status.is_final or status.state is HlrState.UNKNOWN else None,
        topics=keys,
        about=_masked(status.msisdn),
    )


def viber(nonce: str, value: Mapping[str, object], body: bytes) -> WebhookEvent:
    """Return the event in a webhook about a Viber message. Raises TelecomAnswerError.

    An address is given out for one message, whose reference is its nonce, or for several, whose references
    are stored with it.
    """
    status = to_model(MessageStatus, value, body)
    if not status.reference:
        raise unreadable_response("reference is missing", body)
    state, reference = status.state, status.reference
    return WebhookEvent(
        subject=_check_key("reference", reference, body),
        state=state.value,
        sequence=_RANKS.get(state, _ENDED),
        final=state.is_final and state is not MessageState.DELIVERED,
        facts={"reference": reference, "status": state.value},
        event="viber" if state.is_final else None,
        topics=(reference,),
        about=_masked(status.msisdn),
        required_reference=None if reference == nonce else reference,
    )


def statistics(nonce: str, value: Mapping[str, object], body: bytes) -> WebhookEvent:
    """Return the event in a webhook with statistics. Raises TelecomAnswerError.

    The document says only that it contains the same as the file: the records of all messages, or of some
    ("In Progress"). Nothing in it tells its export, so the address does: it has a nonce of its own, or is the
    account's. Equal content counts as a duplicate.
    """
    rows = _records(value, body)
    ids = [_check_key("message_id", str(_field(row, "message_id") or ""), body) for row in rows]
    states = Counter(MessageState.of(str(_field(row, "status"))).value for row in rows)
    return WebhookEvent(
        subject=sha256(body).hexdigest(),
        state="ready",
        sequence=1,
        final=True,
        facts={
            "callback_key": None if nonce == ACCOUNT else nonce,
            "messages": len(rows),
            "statuses": dict(states),
            "message_ids": ids if len(ids) <= _MAX_IDS else None,
        },
        event="statistics",
        topics=(nonce,),
        about=f"{len(rows)} messages",
    )


def _records(value: Mapping[str, object], body: bytes) -> Sequence[Mapping[str, object]]:
    """Return the records in a webhook: a list under any name, or a single one; none beside an error."""
    if _field(value, "message_id") is not None:
        return [value]
    lists = [found for found in value.values() if isinstance(found, list)]
    if not lists and _field(value, "error") is not None:
        return []
    if len(lists) != 1 or not all(isinstance(row, Mapping) for row in lists[0]):
        raise unreadable_response("message_data is not a list of records", body)
    return lists[0]


def _field(record: Mapping[str, object], name: str) -> object:
    """Return a field of a record, whose name has any case, blanks or underscores."""
    wanted = name.replace("_", "")
    return next((value for key, value in record.items() if _BLANKS.sub("", key).casefold() == wanted), None)


def statistics_subscription(
    conn_id: str, callback_key: str | None = None, **arguments: object
) -> Subscription | None:
    """Return the topics of a statistics export: its own address, and the account's."""
    return _subscription("statistics", conn_id, [callback_key, ACCOUNT] if callback_key else [ACCOUNT])


def hlr_subscription(
    conn_id: str,
    hlr_ids: Sequence[str | int] | str | int | None = None,
    references: Sequence[str] | str | None = None,
    **arguments: object,
) -> Subscription | None:
    """Return the topics of look-ups."""
    given = {"hlr_ids": hlr_ids, "references": references}
    keys = [key for name, value in given.items() if value is not None for key in parse_list(name, value)]
    return _subscription("hlr", conn_id, keys)


def viber_subscription(
    conn_id: str, reference: str | None = None, **arguments: object
) -> Subscription | None:
    """Return the topic of a Viber message: only by our key, since webhooks have no id."""
    return _subscription("viber", conn_id, [reference] if reference else [])


def viber_messages_subscription(
    conn_id: str, messages: Sequence[Mapping[str, str | None]] = (), **arguments: object
) -> Subscription | None:
    """Return the topics of several Viber messages."""
    return _subscription("viber", conn_id, [key for message in messages if (key := message.get("reference"))])


def _subscription(kind: str, conn_id: str, keys: Sequence[str]) -> Subscription | None:
    scope = topic_prefix("ketchup_loyalty", kind, conn_id)
    return Subscription(topics=tuple(f"{scope}/{key}" for key in keys)) if keys else None


def _check_key(field: str, value: str, body: bytes) -> str:
    if not _KEY.fullmatch(value):
        raise unreadable_response(f"{field} is not an id", body)
    return value


def _masked(msisdn: str) -> str:
    """Return a number for the page: only its last four digits, `********0200`."""
    digits = "".join(filter(str.isdecimal, msisdn))[:15]
    return f"{'*' * (len(digits) - 4)}{digits[-4:]}" if len(digits) > 7 else "*" * len(digits)
