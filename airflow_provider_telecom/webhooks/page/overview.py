"""What the page shows, read out of the inbox's rows. Nothing is written here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.webhooks.address import read_receiver_settings
from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.inbox import Verdict, check_backend
from airflow_provider_telecom.webhooks.keys import DAY, ENTRY, HEAD, log_page_key

_MODEL = AssetStateStoreModel
_SHOWN = 100
_DAYS = 15
"""Today and the days for which the page has a button."""


def overview() -> dict[str, Any]:
    """Return what the page shows: receiver, queues, the last posts, and counts by hour and vendor."""
    with create_session(scoped=False) as session:
        asset_id = session.scalar(select(AssetModel.id).where(AssetModel.name == INBOX.name))
        rows = _Rows(session, asset_id)
        days = sorted((key.removeprefix(DAY), day) for key, day in rows.of(_day_keys()).items())
        posts = list(_posts(rows))
        queues = [_queue(key.removeprefix(ENTRY), entry, at) for key, entry, at in rows.newest_entries()]
    queues.sort(key=lambda one: (not one["final"], one["at"]), reverse=True)
    return {
        "now": datetime.now(UTC).isoformat(),
        "receiver": _receiver(),
        "queues": queues[:_SHOWN],
        "callbacks": posts[:_SHOWN],
        "hours": list(_hours(days)),
        "vendors": _vendors(days),
    }


@dataclass
class _Rows:
    """Rows by their keys. Nothing here looks at more rows than it shows, except at entries."""

    session: Session
    asset_id: int | None

    def of(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return what the rows with these keys hold."""
        query = select(_MODEL.key, _MODEL.value).where(_MODEL.asset_id == self.asset_id, _MODEL.key.in_(keys))
        return {key: json.loads(text) for key, text in self.session.execute(query)}

    def newest_entries(self) -> list[tuple[str, Any, datetime]]:
        """Return keys, values and times of the entries that were written last.

        The bounds are words: a database may sort by a locale, and then `;` comes before `:`.
        """
        query = (
            select(_MODEL.key, _MODEL.value, _MODEL.updated_at)
            .where(_MODEL.asset_id == self.asset_id, _MODEL.key > "entry", _MODEL.key < "entrz")
            .order_by(_MODEL.updated_at.desc())
            .limit(_SHOWN)
        )
        found = self.session.execute(query)
        return [(key, json.loads(text), at) for key, text, at in found if key.startswith(ENTRY)]


def _day_keys() -> list[str]:
    today = datetime.now(UTC)
    return [f"{DAY}{today - timedelta(days=back):%Y-%m-%d}" for back in range(_DAYS)]


def _posts(rows: _Rows) -> Iterator[dict[str, Any]]:
    """Yield the last posts, the newest first, and perhaps more of them than are shown."""
    ends = rows.of([HEAD]).get(HEAD, {"next": 0})["next"]
    pages = rows.of(sorted({log_page_key(max(0, ends - 1)), log_page_key(max(0, ends - _SHOWN))}))
    for _, page in sorted(pages.items(), reverse=True):
        for post in reversed(page):
            yield {name: fact for name, fact in post.items() if name != "topics"}


def _queue(topic: str, entry: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    connection = topic.split("/", 2)[2].rpartition("/")[0]  # it may hold slashes
    return {
        "operation": entry.get("operation"),
        "connection": connection,
        "queue_id": entry.get("queue_id"),
        "process": entry.get("process") or 0,
        "count": entry.get("count") or 0,
        "failed": len(entry.get("failed") or ()),
        "final": bool(entry.get("final")),
        "at": at.isoformat(),
    }


def _receiver() -> dict[str, Any]:
    try:
        check_backend()
        found, why = read_receiver_settings(), "public_base_url and webhook_secret are not set in [telecom]"
    except TelecomInputError as error:
        found, why = None, str(error)
    return {"open": bool(found), "why": None if found else why, "base_url": found.base_url if found else None}


def _hours(days: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    for date, day in days:
        for hour, states in sorted(day["hours"].items()):
            yield {"hour": f"{date}T{hour}:00:00+00:00", "states": states}


def _vendors(days: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[str, Counter[str]] = {}
    for _, day in days:
        for vendor, verdicts in day["verdicts"].items():
            sums.setdefault(vendor, Counter()).update(verdicts)
    return [
        {"vendor": vendor, **{one.value: counts[one.value] for one in Verdict}}
        for vendor, counts in sorted(sums.items())
    ]
