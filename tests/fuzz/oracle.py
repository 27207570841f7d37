"""What the documents call a success, written from the documents and not from the client.

`may_succeed` is False only where an answer clearly is no success of an effect: it is not intact, its HTTP
status is none of 2xx, it is not the document's form, it lacks what the document promises, or it mentions an
error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.endpoints import Row
from tests.fuzz.answer import Answer

# What a success must hold, by vendor and method: the places of ids, as the documents' samples have them.
PROMISED = {
    ("kyivstar_open_telecom", "send_sms"): ("msgId",),
    ("kyivstar_open_telecom", "send_viber_transaction"): ("mid",),
    ("kyivstar_open_telecom", "send_viber_promotion"): ("mid",),
    **{
        ("kyivstar_open_telecom", method): ("id",)
        for method in ("create_promo", "create_viber_promo", "create_rcs_promo")
    },
    ("kyivstar_open_telecom", "send_multichannel"): ("multiMsgId",),
    ("kyivstar_open_telecom", "send_sms_batch"): ("data", "m0"),  # an object: accepted or refused
    **{
        ("kyivstar_open_telecom", method): ("msgId",)
        for method in ("send_rcs_text", "send_rcs_suggestion", "send_rcs_rich_card")
    },
    ("ketchup_loyalty", "create_statistics_export"): ("key",),
    **{
        ("novaconnect", method): ("result", "item", "queue_id")
        for method in (
            *("block_sims", "unblock_sims", "set_limit", "set_groups", "reconnect_sims", "disconnect_sims"),
            *("ping_sims", "send_sms", "set_tariff", "repackage_sims"),
        )
    },
    ("novaconnect", "create_group"): ("result", "item", "id"),
    ("novaconnect", "create_user"): ("result", "item", "id"),
}
NO_BODY_NEEDED = {"originate_call", "create_callback", "delete_statistics_export"}
_DUPLICATES = {"13", "23", "43", "63"}
NOTHING = object()


def may_succeed(row: Row, answer: Answer) -> bool:
    """Whether the answer could be a success of an effect."""
    if answer.before.startswith(b"HTTP/1.1 200"):  # this one counts, and has no body
        return row.method in NO_BODY_NEEDED
    if not answer.intact or not answer.status.startswith(b"2"):
        return False
    if row.vendor == "kyivstar_fmc":
        return _may_be_a_call(answer)
    if row.method in NO_BODY_NEEDED and not answer.content.strip():
        return True
    document = _document(answer)
    if row.vendor == "kyivstar_open_telecom":
        fine = isinstance(document, dict) and not any(document.get(name) for name in ("error", "errorCode"))
    elif row.vendor == "novaconnect":
        fine = isinstance(document, dict) and _text(document.get("code")) == "200"
    elif row.vendor == "sunsim":
        fine = (
            isinstance(document, dict) and _no_error(document.get("error")) and document.get("success", True)
        )
    else:
        fine = isinstance(document, (dict, list)) and (
            isinstance(document, list) or _text(document.get("error") or 0) in {"0", *_DUPLICATES}
        )
    promised = PROMISED.get((row.vendor, row.method))
    return bool(fine) and (promised is None or _is_id(_at(document, promised)))


def accepted(answer: Answer) -> int:
    """Return how many of KetchUp's items an answer accepts at most."""
    document = _document(answer)
    found = [
        item
        for item in _objects(document)
        if _text(item.get("error", 0)) in {"0", *_DUPLICATES} and ("error" in item or _is_id(item.get("id")))
    ]
    top = _text(document.get("error", 0)) if isinstance(document, dict) else "0"
    return 10**6 if top in _DUPLICATES else len(found)


def _may_be_a_call(answer: Answer) -> bool:
    """The document shows no body; an object that mentions no error is left open."""
    document = _document(answer)
    return not answer.content.strip() or (
        isinstance(document, dict) and not set(document) & {"error", "errors"}
    )


def _document(answer: Answer) -> Any:
    try:
        found = json.loads(answer.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return NOTHING
    return _stripped(found)


def _stripped(value: Any) -> Any:
    """Return a document without the stray blanks around its keys."""
    if isinstance(value, dict):
        return {key.strip(): _stripped(inner) for key, inner in value.items()}
    return [_stripped(inner) for inner in value] if isinstance(value, list) else value


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _objects(inner)


def _at(document: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _is_id(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) or (isinstance(value, (str, dict)) and bool(value))


def _text(value: Any) -> str | None:
    """Return a code as text. None is for what no code can be."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return str(int(str(value).strip()))
    except (ValueError, OverflowError):
        return None


def _no_error(error: Any) -> bool:
    """SunSim's `error`: absent, or an object whose errorCode is 0."""
    if isinstance(error, dict):
        return _text(error.get("errorCode") or 0) == "0"
    return error is None
