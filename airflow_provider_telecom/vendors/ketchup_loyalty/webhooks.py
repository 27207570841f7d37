"""What KetchUp posts, cleaned, and under which names it is waited for.

Source: "Отправка информации об HLR на указанный URL", and `callback_url` of "Отправка Viber-сообщения", whose
report is taken to be what GET /viber/{id} answers. KetchUp repeats a post five times within 24 hours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import listed
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrState,
    HlrStatus,
    MessageState,
    MessageStatus,
)
from airflow_provider_telecom.vendors.webhooks import ACCOUNT, Subscription, WebhookEvent, topic_prefix

_KEY = re.compile(r"[\w.:-]{1,128}", re.ASCII)
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
_ENDED = 3  # delivered, or never to be: the one does not become the other


def hlr(nonce: str, value: Mapping[str, Any], body: bytes) -> WebhookEvent:
    """Return what a post about a look-up tells: its JSON and, for errors to name, its bytes.

    An address that was given out for one look-up takes no report of another one. Raises TelecomAnswerError.
    """
    told = to_model(HlrStatus, value, body)
    keys = [
        _key(name, value, body) for name, value in (("id", told.id), ("reference", told.reference)) if value
    ]
    if not keys:
        raise unreadable_response("id is missing", body)
    if nonce != ACCOUNT and told.reference != nonce:
        raise unreadable_response("reference is not the one that this address is for", body)
    network = told.network if told.network and _NETWORK.fullmatch(told.network) else None
    return WebhookEvent(
        subject=keys[0],
        state=told.state.value,
        sequence=2 if told.is_final else int(told.state is HlrState.SENT),
        final=told.is_final,
        facts={
            "hlr_id": told.id,
            "reference": told.reference,
            "status": told.state.value,
            "network": network,
            "ported": told.details.ported,
            "roaming": told.details.roaming,
        },
        event="hlr" if told.is_final else None,
        topics=keys,
        about=_shown(told.msisdn),
    )


def viber(nonce: str, value: Mapping[str, Any], body: bytes) -> WebhookEvent:
    """Return what a post about a Viber message tells. Raises TelecomAnswerError.

    An address is given out for one message, whose reference is its nonce, or for several, whose references
    are kept with it.
    """
    told = to_model(MessageStatus, value, body)
    if not told.reference:
        raise unreadable_response("reference is missing", body)
    state = told.state
    ended = state.is_final
    return WebhookEvent(
        subject=_key("reference", told.reference, body),
        state=state.value,
        sequence=_RANKS.get(state, _ENDED),
        final=ended and state is not MessageState.DELIVERED,
        facts={"reference": told.reference, "status": state.value},
        event="viber" if ended else None,
        topics=(told.reference,),
        about=_shown(told.msisdn),
        required_reference=None if told.reference == nonce else told.reference,
    )


def hearing_hlr(
    conn_id: str,
    hlr_ids: Sequence[str | int] | str | int | None = None,
    references: Sequence[str] | str | None = None,
    **arguments: Any,
) -> Subscription | None:
    """Return under which names the results of look-ups are told."""
    keys = [*_several("hlr_ids", hlr_ids), *_several("references", references)]
    return _heard("hlr", conn_id, keys)


def hearing_viber(conn_id: str, reference: str | None = None, **arguments: Any) -> Subscription | None:
    """Return under which name a Viber message is told of: by our key only, since reports hold no id."""
    return _heard("viber", conn_id, [reference] if reference else [])


def hearing_viber_messages(
    conn_id: str, messages: Sequence[Mapping[str, Any]] = (), **arguments: Any
) -> Subscription | None:
    """Return under which names several Viber messages are told of."""
    return _heard("viber", conn_id, [one["reference"] for one in messages if one.get("reference")])


def _heard(kind: str, conn_id: str, keys: Sequence[str]) -> Subscription | None:
    scope = topic_prefix("ketchup_loyalty", kind, conn_id)
    return Subscription(topics=tuple(f"{scope}/{key}" for key in keys)) if keys else None


def _several(field: str, value: Any) -> list[str]:
    return [] if value is None else [str(one) for one in listed(field, value)]


def _key(field: str, value: str, body: bytes) -> str:
    if not _KEY.fullmatch(value):
        raise unreadable_response(f"{field} is no id", body)
    return value


def _shown(msisdn: str) -> str:
    """Return a number for whoever may open the page: its last four digits, `********0200`."""
    digits = "".join(filter(str.isdecimal, msisdn))[:15]
    return f"{'*' * (len(digits) - 4)}{digits[-4:]}" if len(digits) > 7 else "*" * len(digits)
