"""Deletes what nobody needs any more: once a day, a few hundred rows in a transaction, between the posts.

One process does it: the first that finds it due. What it leaves undone, because it dies or fails, is done on
the next day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.inbox import InboxRows, in_turn, keep_alive
from airflow_provider_telecom.webhooks.keys import HEAD, REFERENCES

KEPT_DAYS = 14
"""How long marks, entries, the log and the counts are kept."""
BOUND_KEPT_DAYS = 90
"""How long the references of an address are kept: a message may be sent long before it is due."""

_SWEPT = "swept"
_STEP = 500


def is_due() -> bool:
    """Whether nobody has swept today. Who is told so has to sweep. Keeps the inbox's asset alive, too."""
    today = f"{_now():%Y-%m-%d}"

    def claim(rows: InboxRows) -> bool:
        keep_alive(rows.session)
        swept = rows.get(_SWEPT) or {}
        rows.set(_SWEPT, {"day": today})
        return swept.get("day") != today

    return in_turn(claim)


def sweep(after: str) -> str | None:
    """Look at the next rows, by their keys, and delete those that are old.

    Returns the last key that was looked at, to go on after it; None when there are no more.
    """
    model = AssetStateStoreModel
    with create_session(scoped=False) as session:
        query = (
            select(model.key, model.updated_at)
            .join(AssetModel, AssetModel.id == model.asset_id)
            .where(AssetModel.name == INBOX.name, AssetModel.uri == INBOX.uri, model.key > after)
            .order_by(model.key)
            .limit(_STEP)
        )
        seen = [(key, updated_at) for key, updated_at in session.execute(query)]
    if old := [key for key, updated_at in seen if updated_at < _oldest(key)]:
        in_turn(lambda rows: _delete(rows, old))
    return seen[-1][0] if len(seen) == _STEP else None


def _delete(rows: InboxRows, keys: list[str]) -> None:
    """Delete rows, unless they were written again meanwhile."""
    model = AssetStateStoreModel
    longest = max(map(_oldest, keys))
    rows.session.execute(
        delete(model).where(model.asset_id == rows.asset_id, model.key.in_(keys), model.updated_at < longest)
    )


def _oldest(key: str) -> datetime:
    if key == HEAD:
        return datetime.min.replace(tzinfo=UTC)
    return _now() - timedelta(days=BOUND_KEPT_DAYS if key.startswith(REFERENCES) else KEPT_DAYS)


def _now() -> datetime:
    return datetime.now(UTC)
