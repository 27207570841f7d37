"""Collects what the page shows from the rows of the inbox. Writes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.description import Vendor, import_from
from airflow_provider_telecom.vendors.registry import find_vendor, vendors
from airflow_provider_telecom.vendors.webhooks import Progress
from airflow_provider_telecom.webhooks.address import read_receiver_settings
from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.inbox import Verdict, check_deployment
from airflow_provider_telecom.webhooks.keys import (
    DAY,
    ENTRY,
    HEAD,
    DayCounts,
    Head,
    LogLine,
    StoredEvent,
    log_page_key,
)

_MODEL = AssetStateStoreModel
_SHOWN = 100
_DAYS = 15
"""Today and the days for which the page has a button."""


def overview() -> dict[str, Any]:
    """Return the page's data: receiver, vendors, running operations, the last posts, and counts by hour."""
    with create_session(scoped=False) as session:
        asset_id = session.scalar(select(AssetModel.id).where(AssetModel.name == INBOX.name))
        rows = _Rows(session, asset_id)
        days = sorted((key.removeprefix(DAY), day) for key, day in rows.values(_day_keys()).items())
        webhooks = list(_webhooks(rows))
        operations = list(_operations(rows.newest_entries()))
    operations.sort(key=lambda operation: (not operation["final"], operation["at"]), reverse=True)
    return {
        "now": datetime.now(UTC).isoformat(),
        "receiver": _receiver(),
        "labels": _labels(),
        "operations": operations[:_SHOWN],
        "webhooks": webhooks[:_SHOWN],
        "hours": list(_hours(days)),
        "vendors": list(_vendors(days)),
    }


@dataclass
class _Rows:
    """Rows by their keys. It reads no more rows than the page shows, except for entries."""

    session: Session
    asset_id: int | None

    def values(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of the rows with these keys."""
        query = select(_MODEL.key, _MODEL.value).where(_MODEL.asset_id == self.asset_id, _MODEL.key.in_(keys))
        return {key: json.loads(text) for key, text in self.session.execute(query)}

    def newest_entries(self) -> list[tuple[str, StoredEvent, datetime]]:
        """Return topics, values and times of the entries that were written last.

        The bounds are words: a database may sort by a locale, in which `;` comes before `:`.
        """
        query = (
            select(_MODEL.key, _MODEL.value, _MODEL.updated_at)
            .where(_MODEL.asset_id == self.asset_id, _MODEL.key > "entry", _MODEL.key < "entrz")
            .order_by(_MODEL.updated_at.desc())
            .limit(_SHOWN)
        )
        return [
            (key.removeprefix(ENTRY), json.loads(text), at)
            for key, text, at in self.session.execute(query)
            if key.startswith(ENTRY)
        ]


def _day_keys() -> list[str]:
    today = datetime.now(UTC)
    return [f"{DAY}{today - timedelta(days=back):%Y-%m-%d}" for back in range(_DAYS)]


def _webhooks(rows: _Rows) -> Iterator[dict[str, Any]]:
    """Yield the last posts, the newest first; there may be more than the page shows."""
    head: Head = rows.values([HEAD]).get(HEAD, Head(next=0))
    numbers = (max(0, head["next"] - 1), max(0, head["next"] - _SHOWN))
    pages = rows.values(sorted(set(map(log_page_key, numbers))))
    for _, page in sorted(pages.items(), reverse=True):
        lines: list[LogLine] = page
        for line in reversed(lines):
            yield {name: value for name, value in line.items() if name != "topics"}


def _operations(entries: Iterable[tuple[str, StoredEvent, datetime]]) -> Iterator[dict[str, Any]]:
    """Yield the operations whose vendor says how far they are."""
    for topic, event, at in entries:
        vendor = find_vendor(topic.partition("/")[0])
        if vendor is None or vendor.progress is None:
            continue
        progress: Progress = import_from(vendor.progress)(event)
        yield {
            **asdict(progress),
            "vendor": vendor.id,
            "connection": topic.split("/", 2)[2].rpartition("/")[0],  # it may contain slashes
            "final": bool(event.get("final")),
            "at": at.isoformat(),
        }


def _receiver() -> dict[str, Any]:
    try:
        check_deployment()
        settings, why = (
            read_receiver_settings(),
            "public_base_url and webhook_secret are not set in [telecom]",
        )
    except TelecomInputError as error:
        settings, why = None, str(error)
    return {
        "open": bool(settings),
        "why": None if settings else why,
        "base_url": settings.base_url if settings else None,
    }


def _labels() -> dict[str, str]:
    """Return the labels of vendors by id, and by the former ids that are in older rows."""
    return {
        name: vendor.label
        for vendor in vendors()
        for name in (vendor.id, vendor.former_id)
        if name is not None
    }


def _hours(days: list[tuple[str, DayCounts]]) -> Iterator[dict[str, Any]]:
    for date, day in days:
        for hour, states in sorted(day["hours"].items()):
            yield {"hour": f"{date}T{hour}:00:00+00:00", "states": states}


def _vendors(days: list[tuple[str, DayCounts]]) -> Iterator[dict[str, Any]]:
    """Yield the number of posts by verdict for each vendor that has webhooks."""
    for vendor in vendors():
        if vendor.webhooks:
            counts = _counts(vendor, days)
            yield {"vendor": vendor.id, **{verdict.value: counts[verdict.value] for verdict in Verdict}}


def _counts(vendor: Vendor, days: list[tuple[str, DayCounts]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _, day in days:
        for name in (vendor.id, vendor.former_id):
            counts.update(day["verdicts"].get(name or "", {}))
    return counts
