"""Where what was told is kept: in Airflow's database, in one transaction, before a post is acknowledged.

All of it are rows in the state store of the asset `INBOX`, as JSON:

    mark:<hash>     how far a thing has come: tells repeats and stale reports from news; kept `KEPT_DAYS`
    entry:<topic>   what was told last about what somebody waits for; deleted by who has read it
    bound:<topic>   the references that an address was given out for; written by who has sent the messages
    log:<page>      the last posts with their verdicts, `PAGE_SIZE` to a page; the shared reader reads it
    day:<date>      how many posts had each verdict, and how many ends of each state came in each hour
    head            the number of the next post

This and `retention` write by Airflow's core, as its REST API does: `airflow.sdk` is for tasks. They run in
the api-server only. All writers take turns at the row of the asset, whatever process they are in.
Posts that wait for their turn together are written together: a few statements for all of them.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetActive, AssetAliasModel, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.state import get_state_backend
from airflow.state.metastore import MetastoreBackend
from airflow.utils.session import create_session
from sqlalchemy import select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.webhooks import WebhookEvent
from airflow_provider_telecom.webhooks.address import WebhookAddress
from airflow_provider_telecom.webhooks.assets import EVENTS, INBOX
from airflow_provider_telecom.webhooks.keys import (
    DAY,
    ENTRY,
    HEAD,
    PAGE_SIZE,
    deduplication_key,
    log_page_key,
    references_key,
)

# As tables: what is written here for each batch need not become objects.
_ASSETS: Any = AssetModel.__table__
_ROWS: Any = AssetStateStoreModel.__table__
_OURS = (_ASSETS.c.name == INBOX.name, _ASSETS.c.uri == INBOX.uri)
_ALIAS = "telecom"
_MOST_KEYS = 500
"""How many keys a query asks for at once: databases allow so many parameters only."""
_SHOWN_REFUSALS = 100

T = TypeVar("T")


class Verdict(StrEnum):
    """What became of a post."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It was told already."""
    STALE = "stale"
    """Something later was told already: a status never goes back."""
    REFUSED = "refused"


class ConflictError(Exception):
    """A report is not about what its address is for."""


class ReceivedWebhook(NamedTuple):
    """A report, and the address that it came to."""

    address: WebhookAddress
    report: WebhookEvent


@dataclass
class RefusedPosts:
    """Refused posts that are not in the database yet: how many of each vendor, and the last of them."""

    counts: Counter[str] = field(default_factory=Counter)
    last: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_SHOWN_REFUSALS))

    def add(self, address: WebhookAddress, why: str) -> None:
        """Count a refused post."""
        self.counts[address.vendor] += 1
        self.last.append(_line(address, Verdict.REFUSED, why=why))


def check_backend() -> None:
    """Raise TelecomInputError when Airflow keeps assets' state elsewhere: tasks would not find it here."""
    if not isinstance(get_state_backend(), MetastoreBackend):
        raise TelecomInputError("[state_store] backend", "must be Airflow's own, in its database")


def accept(posts: Sequence[ReceivedWebhook]) -> list[Verdict | Exception]:
    """Keep reports, each once, and make their asset events; return when they are in the database.

    Returns what became of each, in order: its verdict; ConflictError when it is about something else than its
    address is for; or what went wrong with it, and then the others are kept without it. Raises
    OperationalError or InterfaceError when the database takes none of them.
    """
    if not posts:
        return []
    try:
        return in_turn(lambda rows: _Batch(rows).accept(posts))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        if len(posts) == 1:
            return [error]
    half = len(posts) // 2
    return [*accept(posts[:half]), *accept(posts[half:])]


def note(refusals: RefusedPosts) -> None:
    """Write refused posts into the log and the counts."""
    in_turn(lambda rows: _Batch(rows).note(refusals))


def in_turn(act: Callable[[InboxRows], T]) -> T:
    """Run `act` while nobody else writes, and commit. The asset may have to be made first, by one of us."""
    for last in (False, True):
        try:
            with create_session(scoped=False) as session:
                rows = InboxRows(session, _locked(session))
                result = act(rows)
                rows.write()
                return result
        except IntegrityError:
            if last:
                raise
    raise AssertionError("unreachable")


def _locked(session: Session) -> int:
    """Take the lock that ends with the transaction, and return the id of the asset.

    The update changes nothing. It comes first: SQLite would not let a transaction that has read wait.
    """
    connection = session.connection()
    connection.execute(update(_ASSETS).where(*_OURS).values(name=_ASSETS.c.name))
    asset_id: int | None = connection.scalar(select(_ASSETS.c.id).where(*_OURS))
    return _new_asset(session).id if asset_id is None else asset_id


def _new_asset(session: Session) -> AssetModel:
    model = AssetModel(name=INBOX.name, uri=INBOX.uri, group=INBOX.group, extra={})
    session.add(model)
    session.flush()
    keep_alive(session)
    return model


def keep_alive(session: Session) -> None:
    """See to it that Airflow does not take the asset, and with it all its rows, for an orphan.

    An asset that no Dag names counts as one unless an alias leads to it.
    """
    model = session.scalars(select(AssetModel).where(*_OURS)).one()
    if not any(alias.name == _ALIAS for alias in model.aliases):
        known = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == _ALIAS))
        model.aliases.append(known or AssetAliasModel(name=_ALIAS, group=INBOX.group))
    if session.get(AssetActive, (INBOX.name, INBOX.uri)) is None:
        session.add(AssetActive.for_asset(model))
    session.flush()


class InboxRows:
    """The inbox's rows, in one transaction that has the lock: read many at once, written at its end."""

    def __init__(self, session: Session, asset_id: int) -> None:
        self.session, self.asset_id = session, asset_id
        self._values: dict[str, Any] = {}
        self._changed: set[str] = set()

    def load(self, keys: Iterable[str]) -> None:
        """Read rows that are asked for soon."""
        missing = sorted({key for key in keys if key not in self._values})
        self._values |= dict.fromkeys(missing)
        for start in range(0, len(missing), _MOST_KEYS):
            some = missing[start : start + _MOST_KEYS]
            query = select(_ROWS.c.key, _ROWS.c.value).where(
                _ROWS.c.asset_id == self.asset_id, _ROWS.c.key.in_(some)
            )
            found = self.session.connection().execute(query)
            self._values |= {key: json.loads(text) for key, text in found}

    def get(self, key: str) -> Any:
        """Return what a row holds, None if there is none."""
        if key not in self._values:
            self.load([key])
        return self._values[key]

    def set(self, key: str, value: Any) -> None:
        """Give a row another value."""
        self._values[key] = value
        self._changed.add(key)

    def write(self) -> None:
        """Write what has changed."""
        if not self._changed:
            return
        now = datetime.now(UTC)
        rows = [
            # ASCII: a vendor's text may hold halves of characters
            {"asset_id": self.asset_id, "key": key, "value": json.dumps(self._values[key]), "updated_at": now}
            for key in sorted(self._changed)
        ]
        connection = self.session.connection()
        connection.execute(_upsert(connection.dialect.name), rows)
        self._changed.clear()


@cache
def _upsert(dialect: str) -> Any:
    """Return the statement that inserts rows or updates those that are there."""
    if dialect == "mysql":
        insert = mysql.insert(_ROWS)
        return insert.on_duplicate_key_update(
            value=insert.inserted.value, updated_at=insert.inserted.updated_at
        )
    statement: Any = (postgresql if dialect == "postgresql" else sqlite).insert(_ROWS)
    new = {"value": statement.excluded.value, "updated_at": statement.excluded.updated_at}
    return statement.on_conflict_do_update(index_elements=["asset_id", "key"], set_=new)


class _Batch:
    """Posts that are written in one transaction."""

    def __init__(self, rows: InboxRows) -> None:
        self._rows, now = rows, datetime.now(UTC)
        self._today, self._hour = f"{DAY}{now:%Y-%m-%d}", f"{now:%H}"
        self._lines: list[dict[str, Any]] = []
        self._verdicts: Counter[tuple[str, str]] = Counter()
        self._ends: Counter[str] = Counter()
        self._events: dict[str, list[dict[str, Any]]] = {}

    def accept(self, posts: Sequence[ReceivedWebhook]) -> list[Verdict | Exception]:
        self._rows.load([HEAD, self._today, *(key for post in posts for key in _keys(post))])
        outcomes = [self._accepted(*post) for post in posts]
        self._emit()
        self._tell()
        return outcomes

    def note(self, refusals: RefusedPosts) -> None:
        self._lines += refusals.last
        for vendor, count in refusals.counts.items():
            self._verdicts[vendor, Verdict.REFUSED.value] += count
        self._tell()

    def _accepted(self, address: WebhookAddress, report: WebhookEvent) -> Verdict | Exception:
        if report.required_reference and report.required_reference not in _references(
            self._rows.get(references_key(address.topic))
        ):
            return ConflictError("it is about a message that this address is not for")
        key = deduplication_key(address.topic, report.subject)
        mark = self._rows.get(key)
        if mark is not None and mark["identity"] != report.identity:
            return ConflictError("it is about another thing than the first post to this address")
        if mark is not None and not report.supersedes(mark["rank"], mark["final"]):
            same = mark["rank"] == report.sequence and mark["state"] == report.state
            verdict = Verdict.DUPLICATE if same else Verdict.STALE
        else:
            verdict = Verdict.ACCEPTED
            self._keep(address, report, key)
        self._lines.append(_line(address, verdict, report))
        self._verdicts[address.vendor, verdict.value] += 1
        return verdict

    def _keep(self, address: WebhookAddress, report: WebhookEvent, key: str) -> None:
        self._rows.set(
            key,
            {
                "state": report.state,
                "rank": report.sequence,
                "final": report.final,
                "identity": report.identity,
            },
        )
        if address.kind == "queue":
            entry = self._rows.get(ENTRY + address.topic) or {}
            self._rows.set(ENTRY + address.topic, {**entry, **_filled(report.facts), "final": report.final})
        if report.event:
            name = f"telecom-{address.vendor}-{report.event}".replace("_", "-")
            self._events.setdefault(name, []).append({"conn_id": address.conn_id, **report.facts})
            self._ends[f"{address.vendor}/{address.kind}/{report.state}"] += 1

    def _emit(self) -> None:
        """Make one event of each asset: Airflow asks the database several times for each."""
        for name, reports in self._events.items():
            asset = EVENTS[name]
            asset_manager.register_asset_change(
                asset=AssetModel(name=asset.name, uri=asset.uri),
                extra={"reports": reports},
                source_is_api=True,
                session=self._rows.session,
            )

    def _tell(self) -> None:
        """Write the posts into the log and the counts."""
        if not self._lines:
            return
        number: int = (self._rows.get(HEAD) or {"next": 0})["next"]
        begun = self._rows.get(log_page_key(number)) or [] if number % PAGE_SIZE else []
        if len(begun) != number % PAGE_SIZE:  # the page is too old to be there
            number, begun = number + PAGE_SIZE - number % PAGE_SIZE, []
        for first, lines in _pages(number, self._lines):
            self._rows.set(log_page_key(first), [*begun, *lines])
            begun = []
        self._rows.set(HEAD, {"next": number + len(self._lines)})
        day = self._rows.get(self._today) or {"verdicts": {}, "hours": {}}
        for (vendor, verdict), count in self._verdicts.items():
            _increase(day["verdicts"].setdefault(vendor, {}), verdict, count)
        for state, count in self._ends.items():
            _increase(day["hours"].setdefault(self._hour, {}), state, count)
        self._rows.set(self._today, day)


def _keys(post: ReceivedWebhook) -> Iterator[str]:
    """Yield the keys of the rows that a post is held against."""
    address, report = post
    yield deduplication_key(address.topic, report.subject)
    if address.kind == "queue":
        yield ENTRY + address.topic
    if report.required_reference:
        yield references_key(address.topic)


def _references(required_reference: Any) -> Sequence[str]:
    return (
        required_reference["references"]
        if isinstance(required_reference, dict) and "references" in required_reference
        else ()
    )


def _pages(number: int, lines: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    """Cut lines into pages; yield the number of the first one of each, and those that belong to it."""
    while lines:
        room = PAGE_SIZE - number % PAGE_SIZE
        yield number, lines[:room]
        number, lines = number + room, lines[room:]


def _line(
    address: WebhookAddress, verdict: Verdict, report: WebhookEvent | None = None, why: str | None = None
) -> dict[str, Any]:
    """Return the line about a post for the log."""
    news = verdict is Verdict.ACCEPTED and report is not None
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "vendor": address.vendor,
        "kind": address.kind,
        "connection": address.conn_id,
        "verdict": verdict.value,
        "state": report.state if report else None,
        "about": report.about if report else "",
        "why": why,
        "topics": [f"{address.scope}/{topic}" for topic in report.topics] if news and report else [],
    }


def _filled(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _increase(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
