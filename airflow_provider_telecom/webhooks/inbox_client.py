"""Reads and writes the inbox for tasks and triggers, through Airflow's task API.

In Airflow 3.3 a trigger can read the state store of an asset and little else of the database. The accessor is
not in `airflow.sdk` yet, so only this module uses it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.context import AssetStateStoreAccessor

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.keys import (
    ENTRY,
    HEAD,
    PAGE_SIZE,
    DeduplicationRecord,
    Head,
    LogLine,
    References,
    StoredEvent,
    deduplication_key,
    log_page_key,
    references_key,
)

log = logging.getLogger(__name__)

READ_EVERY_SECONDS = 1.0
_LOCATE_EVERY = 60


def stored_webhook(topic: str) -> StoredEvent | None:
    """Return the last event that is stored under a topic, or None.

    Of a final event that was deleted only `final` and `identity` are left, for a task that is cleared. Raises
    TelecomNotSentError if Airflow does not answer.
    """
    try:
        store = _store()
        entry: Any = store.get(ENTRY + topic)
        record: Any = None if entry else store.get(deduplication_key(topic))
    except AirflowRuntimeError:
        raise _not_read() from None
    return entry or _remainder(record)


async def stored_webhook_async(topic: str) -> StoredEvent | None:
    """Return the same in the triggerer."""
    try:
        return await _read(ENTRY + topic) or _remainder(await _read(deduplication_key(topic)))
    except AirflowRuntimeError:
        raise _not_read() from None


def expect_webhook(topic: str, facts: Mapping[str, Any]) -> None:
    """Store what an operation is, before the vendor knows of it: the page shows it, and its webhook adds to
    it."""
    _store().set(ENTRY + topic, dict(facts))


def bind_references(topic: str, references: Sequence[str]) -> None:
    """Store the references of the messages that an address is made for. It accepts no others."""
    known = References(references=list(references))
    _store().set(references_key(topic), dict(known))  # type: ignore[arg-type]  # object, for mypy


def delete_webhook(topic: str) -> None:
    """Delete the event that a task has read. A duplicate does not restore it.

    If Airflow does not answer, it stays until a sweep.
    """
    try:
        _store().delete(ENTRY + topic)
    except AirflowRuntimeError as error:
        log.warning("The webhook stored under %s is not deleted yet: %s", topic, error)


def log_since(number: int | None, since: datetime) -> tuple[Iterator[LogLine], int]:
    """Return the posts of the log from a number on, or else from a time on, and the number of the next post.

    The log is read page by page, with one request for each. A page that was swept away is left out.
    Raises TelecomNotSentError if Airflow does not answer.
    """
    end = (_log_read(HEAD) or Head(next=0))["next"]
    first = _first_since(since, end) if number is None else number
    return _log_lines(first, end), end


def _log_lines(number: int, end: int) -> Iterator[LogLine]:
    while number < end:
        page: list[LogLine] = _log_read(log_page_key(number)) or []
        yield from page[number % PAGE_SIZE :]
        number += PAGE_SIZE - number % PAGE_SIZE


def _first_since(since: datetime, end: int) -> int:
    """Return the number of the first post of the page in which posts of that time begin."""
    low, high = 0, end // PAGE_SIZE
    while low < high:
        middle = (low + high) // 2
        page: list[LogLine] = _log_read(log_page_key(middle * PAGE_SIZE)) or []
        if page and datetime.fromisoformat(page[-1]["at"]) >= since:
            high = middle
        else:
            low = middle + 1
    return low * PAGE_SIZE


def _log_read(key: str) -> Any:
    try:
        return _store().get(key)
    except AirflowRuntimeError:
        raise _not_read() from None


async def new_topics() -> AsyncIterator[frozenset[str]]:
    """Yield the topics of new events, at most once a second, without end.

    It reads the log and not the entries, so one read serves all who wait. The first read returns all topics
    of the log's newest page.
    """
    number, reads = 0, 0
    while True:
        try:
            if reads % _LOCATE_EVERY == 0:
                number = await _locate(number)
            reads += 1
            news: list[LogLine] = (await _read(log_page_key(number)) or [])[number % PAGE_SIZE :]
            number += len(news)
            if topics := frozenset(topic for line in news for topic in line["topics"]):
                yield topics
            if news and number % PAGE_SIZE == 0:
                continue  # there may be a next page already
        except Exception as error:  # triggers still poll at their own interval
            log.warning("The log of webhooks cannot be read (%s); trying again", type(error).__name__)
        await asyncio.sleep(READ_EVERY_SECONDS)


async def _locate(number: int) -> int:
    """Return the number to read next: `number`, unless that is far from the log's end, as after a
    clean-up."""
    head: Head = await _read(HEAD) or Head(next=0)
    end = head["next"]
    if end - PAGE_SIZE <= number <= end:
        return number
    newest = max(0, end - 1)
    return newest - newest % PAGE_SIZE


async def _read(key: str) -> Any:
    store = _store()
    try:
        return await store.aget(key)
    except AttributeError:  # `airflow dags test` has the blocking method only
        return await asyncio.to_thread(store.get, key)


def _remainder(record: DeduplicationRecord | None) -> StoredEvent | None:
    return {"final": True, "identity": record["identity"]} if record and record["final"] else None


def _not_read() -> TelecomNotSentError:
    return TelecomNotSentError("not read: Airflow's state store does not answer")


def _store() -> AssetStateStoreAccessor:
    return AssetStateStoreAccessor(name=INBOX.name)
