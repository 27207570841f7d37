"""NovaConnect's webhooks: the models of their bodies, and the events they are read as. Source: "Вэб-хуки".

The vendor does not sign them: a webhook is a hint, so ask the vendor before you act on it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from airflow_provider_telecom.calls.responses import read_json, to_model, unreadable_response
from airflow_provider_telecom.vendors.novaconnect.arguments import rendered_texts
from airflow_provider_telecom.vendors.novaconnect.models import Answer, Bill, Sim
from airflow_provider_telecom.vendors.novaconnect.numbers import OptionalDecimal, OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import from_unix
from airflow_provider_telecom.vendors.topics import topic_prefix
from airflow_provider_telecom.vendors.webhooks import Progress, Subscription, WebhookEvent

_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_WORD = re.compile(r"\w{1,40}", re.ASCII)
_FINAL_SEQUENCE = 2_000_000_000
_MAX_ID = 1 << 63
_FAILURES = frozenset({"error", "fail", "failed"})  # assumed: the document does not list them


class NoticeType(StrEnum):
    """What an account notice is about."""

    MSU_LOCK = "msu_lock"
    PACKAGE_EMPTY = "package_empty"
    GENERATE_BILL = "generate_bill"
    UNPAID_BILL_3 = "unpaid_bill_3"
    UNPAID_BILL_5 = "unpaid_bill_5"
    UNPAID_BILL_6 = "unpaid_bill_6"


def _as_list(value: object) -> object:
    """Return a single object as a list of it: the document has both."""
    if value is None:
        return []
    return [value] if isinstance(value, dict) else value


Sims = Annotated[tuple[Sim, ...], BeforeValidator(_as_list)]


class QueueStatus(Answer):
    """The progress of a queue: `process` of `count` SIMs, and `percentage`."""

    count: OptionalInt = None
    process: OptionalInt = None
    percentage: OptionalDecimal = None


class QueueUser(Answer):
    """The user who queued the operation."""

    id: OptionalInt = None
    first_name: str | None = None
    last_name: str | None = None
    company_id: OptionalInt = None


class QueueWebhook(Answer):
    """A post to a `callback_url`: the queue of an operation and its SIMs, perhaps not finished."""

    qid: str = Field(min_length=1)
    status: QueueStatus
    added: OptionalInt = None
    queue: str | None = None
    handler: str | None = None
    items: Sims = ()
    user: QueueUser | None = None

    @property
    def final(self) -> bool:
        """Whether all SIMs were processed; an earlier webhook only reports progress."""
        done, count, percentage = self.status.process, self.status.count, self.status.percentage
        return (done is not None and count is not None and done >= count) or (percentage or 0) >= 100

    @property
    def added_at(self) -> datetime | None:
        """When the operation was queued."""
        return from_unix(self.added)


class NoticeFile(Answer):
    """A file in a notice. Its type, MIME type and name are not verified."""

    type: str
    format: str | None = None
    name: str | None = None
    body: str = Field(repr=False)

    def content(self) -> bytes:
        """Return the content of the file. Raises TelecomAnswerError if it is not base64."""
        try:
            if self.type == "base64":
                return base64.b64decode(self.body, validate=True)
        except (binascii.Error, ValueError):
            pass
        raise unreadable_response("a file that is not base64", self.body.encode())


class Notice(Answer):
    """An account notice. `type` is a `NoticeType`; `sims` or `bills` are the objects that it is about.

    `items` has the same as raw JSON, also for types that are not documented.
    """

    type: str
    files: tuple[NoticeFile, ...] = ()
    items: tuple[dict[str, Any], ...] = ()
    sims: tuple[Sim, ...] = ()
    bills: tuple[Bill, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _by_type(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        items = _as_list(value.get("items"))
        kind = _ITEMS_OF.get(str(value.get("type")))
        return {
            **value,
            "files": _as_list(value.get("files")),
            "items": items,
            "sims": items if kind is Sim else [],
            "bills": items if kind is Bill else [],
        }


_ITEMS_OF: dict[str, type[Answer]] = {
    kind.value: Sim if kind in (NoticeType.MSU_LOCK, NoticeType.PACKAGE_EMPTY) else Bill
    for kind in NoticeType
}


def read_queue_webhook(body: bytes) -> QueueWebhook:
    """Return the content of a post to a `callback_url`. Raises TelecomAnswerError."""
    return to_model(QueueWebhook, read_json(body), body)


def read_notice(body: bytes) -> Notice:
    """Return the content of an account notice. Raises TelecomAnswerError."""
    return to_model(Notice, read_json(body), body)


def queue(nonce: str, value: Mapping[str, object], body: bytes) -> WebhookEvent:
    """Return the event of a post about a queue, given as JSON and as the bytes that errors refer to.

    Raises TelecomAnswerError.
    """
    callback = to_model(QueueWebhook, value, body)
    if not _ID.fullmatch(callback.qid):
        raise unreadable_response("qid is no id", body)
    failed = [sim for sim in callback.items if (sim.queue_status or "").strip().casefold() in _FAILURES]
    status, operation = callback.status, _word(callback.queue)
    done = status.process if status.process is not None else status.percentage or 0
    for name, number in (("process", done), ("count", status.count or 0)):
        if not 0 <= number < _FINAL_SEQUENCE:
            raise unreadable_response(f"status.{name} is no count", body)
    done = int(done)
    return WebhookEvent(
        subject="",
        state=("failed" if failed else "done") if callback.final else "running",
        sequence=_FINAL_SEQUENCE if callback.final else done,
        final=callback.final,
        facts={
            "queue_id": callback.qid,
            "operation": operation,
            "process": status.process,
            "count": status.count,
            "failed": _ids(failed, body),
        },
        event="queue" if callback.final else None,
        topics=(nonce,),
        about=f"{operation}: {done} of {status.count}",
        identity=callback.qid,
        is_awaited=True,
    )


def progress(stored: Mapping[str, Any]) -> Progress:
    """Return how far an operation is, for the page. `stored` is what `queue` or the operator has stored."""
    return Progress(
        operation=stored.get("operation"),
        id=stored.get("queue_id"),
        done=stored.get("process") or 0,
        total=stored.get("count") or 0,
        failed=len(stored.get("failed") or ()),
    )


def notice(nonce: str, value: Mapping[str, object], body: bytes) -> WebhookEvent:
    """Return the event of an account notice. Raises TelecomAnswerError.

    A notice has no id, so equal notices are the same one. Its files are neither read nor stored: download a
    bill from the vendor instead.
    """
    found = to_model(Notice, value, body)
    kind = found.type if found.type in {one.value for one in NoticeType} else None
    ids: dict[str, list[int]] = {}
    if found.sims:
        ids = {"sim_ids": _ids(found.sims, body)}
    elif found.bills:
        ids = {"bill_ids": _ids(found.bills, body)}
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
        about=f"{len(found.items)} {'bills' if found.bills else 'SIMs'}",
    )


def subscription(
    conn_id: str, callback_key: str | Sequence[str | None] | None = None, **arguments: object
) -> Subscription | None:
    """Return the topics of an operation's webhooks, one for each request; None if none was requested."""
    prefix = topic_prefix("novaconnect", "queue", conn_id)
    topics = tuple(f"{prefix}/{key}" for key in rendered_texts(callback_key) if key)
    if len(topics) > 1:
        return Subscription(topics, entries=topics)
    return Subscription(topics, entry=topics[0]) if topics else None


def _ids(things: Sequence[Sim | Bill], body: bytes) -> list[int]:
    if not all(0 <= thing.id < _MAX_ID for thing in things):
        raise unreadable_response("items: an id is none", body)
    return [thing.id for thing in things]


def _digest(value: Mapping[str, object]) -> str:
    """Return a hash of JSON that does not depend on the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _word(text: str | None) -> str:
    return text if text and _WORD.fullmatch(text) else "other"
