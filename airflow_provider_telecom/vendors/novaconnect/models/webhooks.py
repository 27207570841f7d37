"""What NovaConnect posts to us. Source: "Вэб-хуки" of the vendor's document.

Nobody signs these posts: take one as a hint, and ask the vendor before believing it.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from airflow_provider_telecom.calls.responses import read_json, to_model, unreadable_response
from airflow_provider_telecom.vendors.novaconnect.models.answer import Answer
from airflow_provider_telecom.vendors.novaconnect.models.company import Bill
from airflow_provider_telecom.vendors.novaconnect.models.sims import Sim
from airflow_provider_telecom.vendors.novaconnect.numbers import OptionalDecimal, OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import from_unix


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
