"""What was told, for those who wait: read through Airflow's task API, in workers and in the triggerer.

Airflow 3.3 lets triggers read an asset's state store and little else of its database; its accessor is not yet
in `airflow.sdk`, so it is used here only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.context import AssetStateStoreAccessor

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.keys import (
    ENTRY,
    HEAD,
    PAGE_SIZE,
    deduplication_key,
    log_page_key,
    references_key,
)

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
_FIND_EVERY = 60


def stored_webhook(topic: str) -> dict[str, Any] | None:
    """Return what was told last under a topic, or None.

    Of what was forgotten its end remains, for a task that is cleared. Raises TelecomNotSentError when Airflow
    does not answer.
    """
    try:
        store = _store()
        return _known(store.get(ENTRY + topic), None) or _known(None, store.get(deduplication_key(topic)))
    except AirflowRuntimeError:
        raise _unread() from None


async def stored_webhook_async(topic: str) -> dict[str, Any] | None:
    """As `told`, in the triggerer."""
    try:
        return _known(await _read(ENTRY + topic), None) or _known(None, await _read(deduplication_key(topic)))
    except AirflowRuntimeError:
        raise _unread() from None


def expect_webhook(topic: str, facts: Mapping[str, Any]) -> None:
    """Note that something will be told under a topic, before the vendor knows of it."""
    _store().set(ENTRY + topic, dict(facts))


def bind_references(topic: str, references: Sequence[str]) -> None:
    """Note which messages an address is for, before it is given out: it takes no report about others."""
    _store().set(references_key(topic), {"references": list(references)})


def delete_webhook(topic: str) -> None:
    """Delete what was told under a topic: it has been used. A repeat does not bring it back.

    If Airflow does not answer, it stays until it is swept.
    """
    try:
        _store().delete(ENTRY + topic)
    except AirflowRuntimeError as error:
        log.warning("What was told under %s stays for now: %s", topic, error)


async def new_topics() -> AsyncIterator[frozenset[str]]:
    """Yield the topics under which something has been told, once a second if there is any; for ever.

    One read a look, whoever waits: the log is read, and not what was told. The first look tells of all that
    stands on its newest page.
    """
    number, looks = 0, 0
    while True:
        try:
            if looks % _FIND_EVERY == 0:
                number = await _place(number)
            looks += 1
            news = (await _read(log_page_key(number)) or [])[number % PAGE_SIZE :]
            number += len(news)
            if topics := frozenset(topic for post in news for topic in post["topics"]):
                yield topics
            if news and number % PAGE_SIZE == 0:
                continue  # the next page has begun, perhaps
        except Exception as error:  # those who wait look by themselves, only less often
            log.warning("What vendors have told cannot be read at the moment (%s)", type(error).__name__)
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _place(number: int) -> int:
    """Return where to read on: there, unless that is nowhere near the log's end, as after a clean-up."""
    ends: int = (await _read(HEAD) or {"next": 0})["next"]
    if ends - PAGE_SIZE <= number <= ends:
        return number
    newest = max(0, ends - 1)
    return newest - newest % PAGE_SIZE


async def _read(key: str) -> Any:
    store = _store()
    try:
        return await store.aget(key)
    except AttributeError:  # under `airflow dags test` there is only the blocking way
        return await asyncio.to_thread(store.get, key)


def _known(entry: Any, mark: Any) -> dict[str, Any] | None:
    if entry:
        return dict(entry)
    return {"final": True, "queue_id": mark["identity"]} if mark and mark["final"] else None


def _unread() -> TelecomNotSentError:
    return TelecomNotSentError("not read: Airflow's state store does not answer")


def _store() -> AssetStateStoreAccessor:
    return AssetStateStoreAccessor(name=INBOX.name)
