"""What NovaConnect posts, cleaned, and under which names it is waited for. Source: "Вэб-хуки"."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.novaconnect.models import Bill, Notice, NoticeType, QueueCallback, Sim
from airflow_provider_telecom.vendors.webhooks import Subscription, WebhookEvent, topic_prefix

_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_WORD = re.compile(r"\w{1,40}", re.ASCII)
_LAST = 2_000_000_000
_MOST = 1 << 63
_FAILURES = frozenset({"error", "fail", "failed"})  # the document names no words: these are assumed


def queue(nonce: str, value: Mapping[str, Any], body: bytes) -> WebhookEvent:
    """Return what a post about an operation's queue tells: its JSON and, for errors to name, its bytes.

    Raises TelecomAnswerError.
    """
    told = to_model(QueueCallback, value, body)
    if not _ID.fullmatch(told.qid):
        raise unreadable_response("qid is no id", body)
    failed = [sim for sim in told.items if (sim.queue_status or "").strip().casefold() in _FAILURES]
    status, operation = told.status, _word(told.queue)
    done = status.process if status.process is not None else status.percentage or 0
    for name, number in (("process", done), ("count", status.count or 0)):
        if not 0 <= number < _LAST:
            raise unreadable_response(f"status.{name} is no count", body)
    done = int(done)
    return WebhookEvent(
        subject="",
        state=("failed" if failed else "done") if told.final else "running",
        sequence=_LAST if told.final else done,
        final=told.final,
        facts={
            "queue_id": told.qid,
            "operation": operation,
            "process": status.process,
            "count": status.count,
            "failed": _ids(failed, body),
        },
        event="queue" if told.final else None,
        topics=(nonce,),
        about=f"{operation}: {done} of {status.count}",
        identity=told.qid,
    )


def notice(nonce: str, value: Mapping[str, Any], body: bytes) -> WebhookEvent:
    """Return what an account notice tells. Raises TelecomAnswerError.

    It has no id, so an equal one is the same. Its files are neither read nor kept: whoever wants a bill asks
    the vendor for it.
    """
    told = to_model(Notice, value, body)
    kind = told.type if told.type in {one.value for one in NoticeType} else None
    ids: dict[str, Any] = {}
    if told.sims:
        ids = {"sim_ids": _ids(told.sims, body)}
    elif told.bills:
        ids = {"bill_ids": _ids(told.bills, body)}
    elif kind is not None:
        raise unreadable_response("items are missing", body)
    return WebhookEvent(
        subject=_digest(value),
        state=kind or "other",
        sequence=1,
        final=True,
        facts={"type": kind, **ids},
        event=kind,
        topics=(),
        about=f"{len(told.items)} {'bills' if told.bills else 'SIMs'}",
    )


def subscription(conn_id: str, callback_key: str | None = None, **arguments: Any) -> Subscription | None:
    """Return under which name the end of an operation is told; None when no call-back was asked for."""
    if not callback_key:
        return None
    topic = f"{topic_prefix('novaconnect', 'queue', conn_id)}/{callback_key}"
    return Subscription(topics=(topic,), entry=topic)


def _ids(things: Sequence[Sim | Bill], body: bytes) -> list[int]:
    if not all(0 <= thing.id < _MOST for thing in things):
        raise unreadable_response("items: an id is none", body)
    return [thing.id for thing in things]


def _digest(value: Mapping[str, Any]) -> str:
    """Return a hash of what JSON says, however its keys are ordered."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _word(text: str | None) -> str:
    return text if text and _WORD.fullmatch(text) else "other"
