"""Stores webhooks in Airflow's database, in one transaction, before a post is acknowledged.

Everything is a row in the state store of the asset `INBOX`, as JSON (see `keys`):

    mark:<hash>     a deduplication record: the last event about a subject; kept `KEPT_DAYS`
    entry:<topic>   the last event that a task waits for; the task deletes it when it has read it
    bound:<topic>   the references that an address was made for; the operator writes them before it sends
    log:<page>      the last posts with their verdicts, `PAGE_SIZE` to a page; triggers share one reader of it
    day:<date>      the number of posts by vendor and verdict, and of final states by hour
    head            the number of the next post

This module and `retention` use Airflow's core, as its REST API does, and run in the api-server only:
`airflow.sdk` is for tasks. Writers of all processes lock the row of the asset, one after the other. Posts
that wait at the same time are written by a few statements.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar, cast

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetActive, AssetAliasModel, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.state import get_state_backend
from airflow.state.metastore import MetastoreBackend
from airflow.utils.session import create_session
from packaging.version import Version
from sqlalchemy import select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.webhooks import WebhookEvent
from airflow_provider_telecom.webhooks.address import WebhookAddress
from airflow_provider_telecom.webhooks.assets import INBOX, event_asset
from airflow_provider_telecom.webhooks.keys import (
    DAY,
    ENTRY,
    HEAD,
    PAGE_SIZE,
    DayCounts,
    DeduplicationRecord,
    Head,
    LogLine,
    References,
    StoredEvent,
    deduplication_key,
    log_page_key,
    references_key,
)

# Tables instead of models: rows that are written for each batch need not become objects.
_ASSETS: Any = AssetModel.__table__
_ROWS: Any = AssetStateStoreModel.__table__
_OURS = (_ASSETS.c.name == INBOX.name, _ASSETS.c.uri == INBOX.uri)
_ALIAS = "telecom"
_MIN_AIRFLOW = Version("3.3.2")
_MAX_KEYS = 500
"""The keys in a query: databases limit the number of parameters."""
_LOGGED_REFUSALS = 100

T = TypeVar("T")


class Verdict(StrEnum):
    """What was done with a post."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """The same event was stored before."""
    STALE = "stale"
    """A later event was stored before: a status never goes back."""
    REFUSED = "refused"


class ConflictError(Exception):
    """An event is about something else than its address is for."""


class ReceivedWebhook(NamedTuple):
    """An event, and the address that it was posted to."""

    address: WebhookAddress
    event: WebhookEvent


@dataclass
class RefusedPosts:
    """Refused posts that are not in the database yet: their number by vendor, and the last ones."""

    counts: Counter[str] = field(default_factory=Counter)
    last: deque[LogLine] = field(default_factory=lambda: deque(maxlen=_LOGGED_REFUSALS))

    def add(self, address: WebhookAddress, reason: str) -> None:
        """Count a refused post."""
        self.counts[address.vendor_id] += 1
        self.last.append(_log_line(address, Verdict.REFUSED, reason=reason))


def check_deployment() -> None:
    """Raise TelecomInputError if webhooks that are stored here would be lost.

    Earlier versions of Airflow take the inbox for an orphan while no Dag names it, and delete its rows. In
    another backend tasks would not find them.
    """
    if Version(version("apache-airflow-core")) < _MIN_AIRFLOW:
        raise TelecomInputError(
            "Airflow", f"must be {_MIN_AIRFLOW} or newer: earlier versions delete webhooks"
        )
    if not isinstance(get_state_backend(), MetastoreBackend):
        raise TelecomInputError("[state_store] backend", "must be Airflow's own, in its database")


def store_webhooks(posts: Sequence[ReceivedWebhook]) -> list[Verdict | Exception]:
    """Store events, each once, with their asset events, and commit.

    Returns for each, in order: its verdict; ConflictError if it is about something else than its address is
    for; or the error that prevented it, and the others are stored without it. Raises OperationalError or
    InterfaceError if the database stores none of them.
    """
    if not posts:
        return []
    try:
        return run_locked(lambda rows: _Batch(rows).store(posts))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(posts) == 1:
            return [error]
    half = len(posts) // 2
    return [*store_webhooks(posts[:half]), *store_webhooks(posts[half:])]


def store_refused(refused: RefusedPosts) -> None:
    """Write refused posts into the log and the counts."""
    run_locked(lambda rows: _Batch(rows).store_refused(refused))


def run_locked(act: Callable[[InboxRows], T]) -> T:
    """Run `act` while no other process writes, and commit."""
    for last in (False, True):  # two processes may create the asset at the same time: the loser tries again
        try:
            with create_session(scoped=False) as session:
                rows = InboxRows(session, _lock(session))
                result = act(rows)
                rows.write()
                return result
        except IntegrityError:
            if last:
                raise
    raise AssertionError("unreachable")


def _lock(session: Session) -> int:
    """Lock the asset until the end of the transaction, and return its id.

    The update changes nothing. It must come first: SQLite does not let a transaction wait after it has read.
    """
    connection = session.connection()
    connection.execute(update(_ASSETS).where(*_OURS).values(name=_ASSETS.c.name))
    asset_id: int | None = connection.scalar(select(_ASSETS.c.id).where(*_OURS))
    return _new_asset(session).id if asset_id is None else asset_id


def _new_asset(session: Session) -> AssetModel:
    model = AssetModel(name=INBOX.name, uri=INBOX.uri, group=INBOX.group, extra={})
    session.add(model)
    session.flush()
    keep_asset_active(session)
    return model


def keep_asset_active(session: Session) -> None:
    """Add an alias to the asset.

    Airflow deletes an asset that no Dag and no alias refers to as an orphan, and all its rows with it
    (before 3.3.2 also one with an alias: see `check_deployment`).
    """
    model = session.scalars(select(AssetModel).where(*_OURS)).one()
    if not any(alias.name == _ALIAS for alias in model.aliases):
        known = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == _ALIAS))
        model.aliases.append(known or AssetAliasModel(name=_ALIAS, group=INBOX.group))
    if session.get(AssetActive, (INBOX.name, INBOX.uri)) is None:
        session.add(AssetActive.for_asset(model))
    session.flush()


class InboxRows:
    """The rows of the inbox in one locked transaction: many are read at once, and written at its end."""

    def __init__(self, session: Session, asset_id: int) -> None:
        self.session, self.asset_id = session, asset_id
        self._values: dict[str, Any] = {}
        self._changed: set[str] = set()

    def load(self, keys: Iterable[str]) -> None:
        """Read rows that are needed soon."""
        missing = sorted({key for key in keys if key not in self._values})
        self._values |= dict.fromkeys(missing)
        for start in range(0, len(missing), _MAX_KEYS):
            some = missing[start : start + _MAX_KEYS]
            query = select(_ROWS.c.key, _ROWS.c.value).where(
                _ROWS.c.asset_id == self.asset_id, _ROWS.c.key.in_(some)
            )
            found = self.session.connection().execute(query)
            self._values |= {key: json.loads(text) for key, text in found}

    def get(self, key: str) -> Any:
        """Return the value of a row, or None."""
        if key not in self._values:
            self.load([key])
        return self._values[key]

    def set(self, key: str, value: Any) -> None:
        """Change the value of a row."""
        self._values[key] = value
        self._changed.add(key)

    def write(self) -> None:
        """Write the changed rows."""
        if not self._changed:
            return
        now = datetime.now(UTC)
        rows = [
            # ASCII, since a vendor's text may contain lone surrogates
            {"asset_id": self.asset_id, "key": key, "value": json.dumps(self._values[key]), "updated_at": now}
            for key in sorted(self._changed)
        ]
        connection = self.session.connection()
        connection.execute(_upsert(connection.dialect.name), rows)
        self._changed.clear()


@cache
def _upsert(dialect: str) -> Any:
    """Return the statement that inserts rows or updates existing ones."""
    if dialect == "mysql":
        insert = mysql.insert(_ROWS)
        return insert.on_duplicate_key_update(
            value=insert.inserted.value, updated_at=insert.inserted.updated_at
        )
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(_ROWS)
    new = {"value": statement.excluded.value, "updated_at": statement.excluded.updated_at}
    return statement.on_conflict_do_update(index_elements=["asset_id", "key"], set_=new)


class _Batch:
    """The posts of one transaction."""

    def __init__(self, rows: InboxRows) -> None:
        self._rows, now = rows, datetime.now(UTC)
        self._today, self._hour = f"{DAY}{now:%Y-%m-%d}", f"{now:%H}"
        self._lines: list[LogLine] = []
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._final_states: Counter[str] = Counter()
        self._asset_events: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def store(self, posts: Sequence[ReceivedWebhook]) -> list[Verdict | Exception]:
        self._rows.load([HEAD, self._today, *(key for post in posts for key in _keys(post))])
        outcomes = [self._store_one(*post) for post in posts]
        self._emit_asset_events()
        self._write_log()
        return outcomes

    def store_refused(self, refused: RefusedPosts) -> None:
        self._lines += refused.last
        for vendor, count in refused.counts.items():
            self._verdicts[vendor, Verdict.REFUSED.value] += count
        self._write_log()

    def _store_one(self, address: WebhookAddress, event: WebhookEvent) -> Verdict | Exception:
        if not self._is_for(address, event.required_reference):
            return ConflictError("it is about a message that this address is not for")
        key = deduplication_key(address.topic, event.subject)
        record = cast("DeduplicationRecord | None", self._rows.get(key))
        if record is not None and record["identity"] != event.identity:
            return ConflictError("it is about another thing than the first post to this address")
        if record is not None and not event.supersedes(record["rank"], record["final"]):
            is_same = record["rank"] == event.sequence and record["state"] == event.state
            verdict = Verdict.DUPLICATE if is_same else Verdict.STALE
        else:
            verdict = Verdict.ACCEPTED
            self._accept(address, event, key)
        self._lines.append(_log_line(address, verdict, event))
        self._verdicts[address.vendor_id, verdict.value] += 1
        return verdict

    def _is_for(self, address: WebhookAddress, reference: str | None) -> bool:
        if reference is None:
            return True
        known = cast("References | None", self._rows.get(references_key(address.topic)))
        return known is not None and reference in known.get("references", ())

    def _accept(self, address: WebhookAddress, event: WebhookEvent, key: str) -> None:
        record: DeduplicationRecord = {
            "state": event.state,
            "rank": event.sequence,
            "final": event.final,
            "identity": event.identity,
        }
        self._rows.set(key, record)
        if event.is_awaited:
            known: StoredEvent = self._rows.get(ENTRY + address.topic) or {}
            facts = {name: fact for name, fact in event.facts.items() if fact is not None}
            self._rows.set(ENTRY + address.topic, {**known, **facts, "final": event.final})
        if event.event:
            payload = {"conn_id": address.conn_id, **event.facts}
            self._asset_events.setdefault((address.vendor_id, event.event), []).append(payload)
            self._final_states[f"{address.vendor_id}/{address.kind}/{event.state}"] += 1

    def _emit_asset_events(self) -> None:
        """Emit one event for each asset: Airflow queries the database several times for each event."""
        for (vendor, event), payloads in self._asset_events.items():
            asset = event_asset(vendor, event)
            asset_manager.register_asset_change(
                asset=AssetModel(name=asset.name, uri=asset.uri),
                extra={"reports": payloads},
                source_is_api=True,
                session=self._rows.session,
            )

    def _write_log(self) -> None:
        """Write the posts into the log and the counts."""
        if not self._lines:
            return
        head = cast("Head | None", self._rows.get(HEAD))
        number = head["next"] if head else 0
        page: list[LogLine] = self._rows.get(log_page_key(number)) or [] if number % PAGE_SIZE else []
        if len(page) != number % PAGE_SIZE:  # a sweep has deleted the page: go on with a new one
            number, page = number + PAGE_SIZE - number % PAGE_SIZE, []
        for first, lines in _pages(number, self._lines):
            self._rows.set(log_page_key(first), [*page, *lines])
            page = []
        self._rows.set(HEAD, {"next": number + len(self._lines)})
        day: DayCounts = self._rows.get(self._today) or DayCounts(verdicts={}, hours={})
        for (vendor, verdict), count in self._verdicts.items():
            _increase(day["verdicts"].setdefault(vendor, {}), verdict, count)
        for state, count in self._final_states.items():
            _increase(day["hours"].setdefault(self._hour, {}), state, count)
        self._rows.set(self._today, day)


def _keys(post: ReceivedWebhook) -> Iterator[str]:
    """Yield the keys of the rows that are needed to store a post."""
    address, event = post
    yield deduplication_key(address.topic, event.subject)
    if event.is_awaited:
        yield ENTRY + address.topic
    if event.required_reference:
        yield references_key(address.topic)


def _pages(number: int, lines: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    """Split lines into pages. Yield the number of the first line of each, and its lines."""
    while lines:
        free = PAGE_SIZE - number % PAGE_SIZE
        yield number, lines[:free]
        number, lines = number + free, lines[free:]


def _log_line(
    address: WebhookAddress, verdict: Verdict, event: WebhookEvent | None = None, reason: str | None = None
) -> LogLine:
    topics = event.topics if event and verdict is Verdict.ACCEPTED else ()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "vendor": address.vendor_id,
        "kind": address.kind,
        "connection": address.conn_id,
        "verdict": verdict.value,
        "state": event.state if event else None,
        "about": event.about if event else "",
        "why": reason,
        "topics": [f"{address.topic_prefix}/{topic}" for topic in topics],
    }


def _increase(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
