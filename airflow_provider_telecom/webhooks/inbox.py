"""Where what was told is kept: in Airflow's database, in one transaction, before a post is acknowledged.

All of it are rows in the state store of the asset `INBOX`, as JSON:

    mark:<hash>     how far a thing has come: tells repeats and stale reports from news; kept `KEPT_DAYS`
    entry:<topic>   what was told last about what somebody waits for; deleted by who has read it
    log:<page>      the last posts with their verdicts, `PAGE_SIZE` to a page; the shared reader reads it
    day:<date>      how many posts had each verdict, and how many ends of each state came in each hour
    head            the number of the next post

This is the one module that writes by Airflow's core, as its REST API does: `airflow.sdk` is for tasks. It
runs in the api-server only. All writers take turns at the row of the asset, whatever process they are in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

from airflow._shared.state import AssetScope
from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetActive, AssetAliasModel, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.state import get_state_backend
from airflow.utils.session import create_session
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from airflow_provider_telecom.vendors.report import Report
from airflow_provider_telecom.webhooks.address import Address
from airflow_provider_telecom.webhooks.assets import EVENTS, INBOX
from airflow_provider_telecom.webhooks.names import DAY, ENTRY, HEAD, PAGE_SIZE, mark_key, page_key

KEPT_DAYS = 14
"""How long marks, entries, the log and the counts are kept."""

_ALIAS = "telecom"

T = TypeVar("T")


class Verdict(str, Enum):
    """What became of a post."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It was told already."""
    STALE = "stale"
    """Something later was told already: a status never goes back."""
    REFUSED = "refused"


class ConflictError(Exception):
    """A report contradicts an earlier one under the same address."""


def accept(address: Address, report: Report) -> Verdict:
    """Keep a report, once, and make its asset event; return when it is in the database.

    Raises ConflictError when it is about something else than its address is for.
    """
    return _in_turn(lambda desk: desk.accept(address, report))


def refuse(address: Address, why: str) -> None:
    """Note that a post with a good signature was refused."""
    _in_turn(lambda desk: desk.note(address, Verdict.REFUSED, why=why))


def _in_turn(act: Callable[[_Desk], T]) -> T:
    """Run `act` while nobody else writes, and commit. The asset may have to be made first, by one of us."""
    for last in (False, True):
        try:
            with create_session(scoped=False) as session:
                return act(_Desk(session, _locked(session)))
        except IntegrityError:
            if last:
                raise
    raise AssertionError("unreachable")


def _locked(session: Session) -> int:
    """Take the lock that ends with the transaction, and return the id of the asset.

    The update changes nothing. It comes first: SQLite would not let a transaction that has read wait.
    """
    ours = (AssetModel.name == INBOX.name, AssetModel.uri == INBOX.uri)
    session.execute(update(AssetModel).where(*ours).values(name=AssetModel.name))
    model = session.scalar(select(AssetModel).where(*ours))
    if model is None:
        model = AssetModel(name=INBOX.name, uri=INBOX.uri, group=INBOX.group, extra={})
        session.add(model)
        session.flush()
    _keep_alive(session, model)
    return model.id


def _keep_alive(session: Session, model: AssetModel) -> None:
    """See to it that Airflow does not take the asset, and with it all its rows, for an orphan.

    An asset that no Dag names counts as one unless an alias leads to it.
    """
    if not any(alias.name == _ALIAS for alias in model.aliases):
        known = session.scalar(select(AssetAliasModel).where(AssetAliasModel.name == _ALIAS))
        model.aliases.append(known or AssetAliasModel(name=_ALIAS, group=INBOX.group))
    if session.get(AssetActive, (INBOX.name, INBOX.uri)) is None:
        session.add(AssetActive.for_asset(model))
    session.flush()


@dataclass
class _Desk:
    """The rows, in one transaction that has the lock."""

    session: Session
    asset_id: int

    def accept(self, address: Address, report: Report) -> Verdict:
        key = mark_key(address.topic, report.subject)
        mark = self._get(key)
        if mark is not None and mark["identity"] != report.identity:
            raise ConflictError("it is about another thing than the first post to this address")
        if mark is not None and not report.follows(mark["rank"], mark["final"]):
            same = mark["rank"] == report.rank and mark["state"] == report.state
            verdict = Verdict.DUPLICATE if same else Verdict.STALE
            self.note(address, verdict, report)
            return verdict
        self._set(
            key,
            {"state": report.state, "rank": report.rank, "final": report.final, "identity": report.identity},
        )
        if address.kind == "queue":
            self._enter(address, report)
        if report.event:
            self._emit(address, report)
        self.note(address, Verdict.ACCEPTED, report)
        return Verdict.ACCEPTED

    def note(
        self, address: Address, verdict: Verdict, report: Report | None = None, why: str | None = None
    ) -> None:
        """Write a post into the log and the counts."""
        number = (self._get(HEAD) or {"next": 0})["next"]
        page, place = page_key(number), number % PAGE_SIZE
        news = verdict is Verdict.ACCEPTED and report is not None
        item = {
            "at": _now().isoformat(timespec="seconds"),
            "vendor": address.vendor,
            "kind": address.kind,
            "connection": address.conn_id,
            "verdict": verdict.value,
            "state": report.state if report else None,
            "about": report.about if report else "",
            "why": why,
            "topics": [f"{address.scope}/{topic}" for topic in report.topics] if news and report else [],
        }
        self._set(page, [*(self._get(page) or []), item] if place else [item])
        self._set(HEAD, {"next": number + 1})
        self._count(address, verdict, report)

    def _enter(self, address: Address, report: Report) -> None:
        entry = self._get(ENTRY + address.topic) or {}
        self._set(ENTRY + address.topic, {**entry, **_filled(report.facts), "final": report.final})

    def _emit(self, address: Address, report: Report) -> None:
        asset = EVENTS[f"telecom-{address.vendor}-{str(report.event).replace('_', '-')}"]
        asset_manager.register_asset_change(
            asset=AssetModel(name=asset.name, uri=asset.uri),
            extra={"conn_id": address.conn_id, **report.facts},
            source_is_api=True,
            session=self.session,
        )

    def _count(self, address: Address, verdict: Verdict, report: Report | None) -> None:
        now = _now()
        key = f"{DAY}{now:%Y-%m-%d}"
        day = self._get(key)
        if day is None:  # the first post of the day
            self._sweep()
            day = {"verdicts": {}, "hours": {}}
        _increase(day["verdicts"].setdefault(address.vendor, {}), verdict.value)
        if verdict is Verdict.ACCEPTED and report and report.event:
            state = f"{address.vendor}/{address.kind}/{report.state}"
            _increase(day["hours"].setdefault(f"{now:%H}", {}), state)
        self._set(key, day)

    def _sweep(self) -> None:
        """Delete what nobody needs any more."""
        old = AssetStateStoreModel.updated_at < _now() - timedelta(days=KEPT_DAYS)
        ours = AssetStateStoreModel.asset_id == self.asset_id
        self.session.execute(delete(AssetStateStoreModel).where(ours, old, AssetStateStoreModel.key != HEAD))

    def _get(self, key: str) -> Any:
        text = get_state_backend().get(AssetScope(asset_id=self.asset_id), key, session=self.session)
        return None if text is None else json.loads(text)

    def _set(self, key: str, value: Any) -> None:
        text = json.dumps(value)  # ASCII: a vendor's text may hold halves of characters
        get_state_backend().set(AssetScope(asset_id=self.asset_id), key, text, session=self.session)


def _filled(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _increase(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _now() -> datetime:
    return datetime.now(timezone.utc)
