"""Deletes old rows once a day, a few hundred in a transaction, between the posts.

The first process that finds a sweep due runs it. If it dies or fails, the next day's sweep deletes the rest.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.inbox import InboxRows, keep_asset_active, run_locked
from airflow_provider_telecom.webhooks.keys import HEAD, REFERENCES

KEPT_DAYS = 14
"""How long deduplication records, entries, the log and the counts are kept."""
REFERENCES_KEPT_DAYS = 90
"""How long the references of an address are kept: a message may be scheduled long in advance."""

_SWEPT = "swept"
_STEP = 500


def claim_sweep() -> bool:
    """Return whether this process has to sweep now, since no other has today. Keeps the inbox's asset active,
    too."""
    today = f"{_now():%Y-%m-%d}"

    def claim(rows: InboxRows) -> bool:
        keep_asset_active(rows.session)
        swept = rows.get(_SWEPT) or {}
        rows.set(_SWEPT, {"day": today})
        return swept.get("day") != today

    return run_locked(claim)


def sweep(after: str) -> str | None:
    """Read the next rows in the order of their keys, and delete the old ones.

    Returns the last key that was read, for the next call; None if there are no more.
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
        run_locked(lambda rows: _delete(rows, old))
    return seen[-1][0] if len(seen) == _STEP else None


def _delete(rows: InboxRows, keys: list[str]) -> None:
    """Delete rows, unless they were written again in the meantime."""
    model = AssetStateStoreModel
    longest = max(map(_oldest, keys))
    rows.session.execute(
        delete(model).where(model.asset_id == rows.asset_id, model.key.in_(keys), model.updated_at < longest)
    )


def _oldest(key: str) -> datetime:
    if key == HEAD:
        return datetime.min.replace(tzinfo=UTC)
    return _now() - timedelta(days=REFERENCES_KEPT_DAYS if key.startswith(REFERENCES) else KEPT_DAYS)


def _now() -> datetime:
    return datetime.now(UTC)
