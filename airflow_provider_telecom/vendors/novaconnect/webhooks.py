"""NovaConnect's webhooks: the models of their bodies, and the events they are read as. Source: "Вэб-хуки".

Nobody signs these posts: take one as a hint, and ask the vendor before believing it.
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
from airflow_provider_telecom.vendors.novaconnect.models import Answer, Bill, Sim
from airflow_provider_telecom.vendors.novaconnect.numbers import OptionalDecimal, OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import from_unix
from airflow_provider_telecom.vendors.webhooks import Subscription, WebhookEvent, topic_prefix

_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_WORD = re.compile(r"\w{1,40}", re.ASCII)
_LAST = 2_000_000_000
_MOST = 1 << 63
_FAILURES = frozenset({"error", "fail", "failed"})  # the document names no words: these are assumed


class NoticeType(StrEnum):
    """What an account notice is about."""

    MSU_LOCK = "msu_lock"
    PACKAGE_EMPTY = "package_empty"
    GENERATE_BILL = "generate_bill"
    UNPAID_BILL_3 = "unpaid_bill_3"
    UNPAID_BILL_5 = "unpaid_bill_5"
    UNPAID_BILL_6 = "unpaid_bill_6"


def _as_list(value: object) -> object:
    """Read one object as a list of it: the document says both."""
    if value is None:
        return []
    return [value] if isinstance(value, dict) else value


Sims = Annotated[tuple[Sim, ...], BeforeValidator(_as_list)]


class QueueStatus(Answer):
    """How far a queue is: `process` of `count` SIMs, `percentage` of a hundred."""

    count: OptionalInt = None
    process: OptionalInt = None
    percentage: OptionalDecimal = None


class QueueUser(Answer):
    """Who put the operation into the queue."""

    id: OptionalInt = None
    first_name: str | None = None
    last_name: str | None = None
    company_id: OptionalInt = None


class QueueCallback(Answer):
    """What NovaConnect posts to a `callback_url`: an operation's queue and its SIMs, maybe underway."""

    qid: str = Field(min_length=1)
    status: QueueStatus
    added: OptionalInt = None
    queue: str | None = None
    handler: str | None = None
    items: Sims = ()
    user: QueueUser | None = None

    @property
    def final(self) -> bool:
        """Whether all SIMs have had their turn; a call-back before that only tells progress."""
        done, count, percentage = self.status.process, self.status.count, self.status.percentage
        return (done is not None and count is not None and done >= count) or (percentage or 0) >= 100

    @property
    def added_at(self) -> datetime | None:
        """When the operation was put into the queue."""
        return from_unix(self.added)


class NoticeFile(Answer):
    """A file in a notice, for what it says to be: type, MIME type and name are the sender's words."""

    type: str
    format: str | None = None
    name: str | None = None
    body: str = Field(repr=False)

    def content(self) -> bytes:
        """Return the file. Raises TelecomAnswerError when it is not the base64 that it says it is."""
        try:
            if self.type == "base64":
                return base64.b64decode(self.body, validate=True)
        except (binascii.Error, ValueError):
            pass
        raise unreadable_response("a file that is not base64", self.body.encode())


class Notice(Answer):
    """An account notice. `type` is a `NoticeType`; `sims` or `bills` hold what it is about.

    `items` holds the same as it came, and is all there is for a type that the document does not know.
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
    NoticeType.MSU_LOCK.value: Sim,
    NoticeType.PACKAGE_EMPTY.value: Sim,
    NoticeType.GENERATE_BILL.value: Bill,
    NoticeType.UNPAID_BILL_3.value: Bill,
    NoticeType.UNPAID_BILL_5.value: Bill,
    NoticeType.UNPAID_BILL_6.value: Bill,
}


def read_queue_callback(body: bytes) -> QueueCallback:
    """Return what a post to a `callback_url` says. Raises TelecomAnswerError."""
    return to_model(QueueCallback, read_json(body), body)


def read_notice(body: bytes) -> Notice:
    """Return what an account notice says. Raises TelecomAnswerError."""
    return to_model(Notice, read_json(body), body)


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
