"""What nobody needs any more is deleted: little by little, beside the posts, and no post depends on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.webhooks.keys import REFERENCES
from tests.eventually import eventually
from tests.webhooks.conftest import Served
from tests.webhooks.test_receiver import queue, said

pytestmark = pytest.mark.xdist_group("webhooks")

OLD_ROWS = 6_000


def old(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def fill(count: int, days: int, prefix: str = "mark:") -> None:
    """Write rows of this age."""
    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import insert

    from airflow_provider_telecom.webhooks.assets import INBOX

    with create_session(scoped=False) as session:
        asset_id = session.query(AssetModel.id).filter(AssetModel.name == INBOX.name).scalar()
        rows = [
            {
                "asset_id": asset_id,
                "key": f"{prefix}{number:06d}",
                "value": json.dumps({}),
                "updated_at": old(days),
            }
            for number in range(count)
        ]
        session.execute(insert(AssetStateStoreModel), rows)


def another_day(served: Served) -> None:
    """Let the next post be the first one that a process takes on a day."""
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    from airflow_provider_telecom.webhooks import plugin

    plugin._app.cache_clear()
    with create_session(scoped=False) as session:
        session.query(AssetStateStoreModel).filter(AssetStateStoreModel.key == "swept").delete()


@pytest.fixture
def deleted() -> Iterator[list[int]]:
    """How many of the inbox's rows each statement has deleted."""
    from airflow.settings import engine
    from sqlalchemy import event

    counts: list[int] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM asset_state_store"):
            counts.append(cursor.rowcount)

    event.listen(engine, "after_cursor_execute", note)
    yield counts
    event.remove(engine, "after_cursor_execute", note)


def test_old_rows_go_little_by_little_while_posts_are_taken(served: Served, deleted: list[int]) -> None:
    from airflow_provider_telecom.webhooks import retention

    assert retention.claim_sweep()  # so the posts start no sweep of their own
    said(served, served.address("queue", "n1"), queue(1))
    fill(OLD_ROWS, days=15)
    deleted.clear()
    after: str | None = ""
    steps = 0
    while after is not None:
        after = retention.sweep(after)
        steps += 1
        assert said(served, served.address("queue", f"s{steps}"), queue(1)) == ["accepted"]
    assert sum(deleted) == OLD_ROWS
    assert max(deleted) <= 500, "a transaction that posts wait for"
    assert len(served.rows("mark:")) == steps + 1


def test_the_first_post_of_a_day_has_old_rows_deleted(served: Served, deleted: list[int]) -> None:
    said(served, served.address("queue", "n1"), queue(1))
    fill(OLD_ROWS // 4, days=15)
    another_day(served)
    deleted.clear()
    said(served, served.address("queue", "n2"), queue(1))
    assert eventually(lambda: len(served.rows("mark:")) == 2)
    assert max(deleted, default=0) <= 500


def test_what_is_kept_and_for_how_long(served: Served) -> None:
    said(served, served.address("queue", "old"), queue(1))
    said(served, served.address("queue", "new"), queue(1))
    age("head", 15)
    age("entry:novaconnect/queue/default/old", 15)
    for days in (15, 91):
        fill(1, days, f"{REFERENCES}{days}-")
    another_day(served)
    said(served, served.address("queue", "newest"), queue(1))
    old_keys = {"entry:novaconnect/queue/default/old", f"{REFERENCES}91-000000"}
    assert eventually(lambda: not old_keys & set(served.rows()))
    assert set(served.rows("entry:")) == {
        f"entry:novaconnect/queue/default/{name}" for name in ("new", "newest")
    }
    assert set(served.rows(REFERENCES)) == {f"{REFERENCES}15-000000"}
    assert len(served.rows("mark:")) == 3
    assert served.rows("head") == {"head": {"next": 3}}


def age(key: str, days: int) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        rows = session.query(AssetStateStoreModel).filter(AssetStateStoreModel.key == key)
        assert rows.update({"updated_at": old(days)}) == 1


def test_a_cleanup_that_fails_fails_no_post(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    from airflow.settings import engine
    from sqlalchemy import text

    said(served, served.address("queue", "n1"), queue(1))
    another_day(served)
    with engine.begin() as connection:
        refuse = "before delete on asset_state_store begin select raise(abort, 'no'); end"
        connection.execute(text(f"create trigger no_deletes {refuse}"))
    try:
        fill(1, days=15)  # only now: the sweep of the first post may still be running
        said(served, served.address("queue", "n2"), queue(1))
        assert eventually(lambda: "Not all old rows could be deleted" in caplog.text)
        assert said(served, served.address("queue", "n2"), queue(2)) == ["accepted"]
    finally:
        with engine.begin() as connection:
            connection.execute(text("drop trigger no_deletes"))


def test_one_process_sweeps_a_day(served: Served) -> None:
    from airflow_provider_telecom.webhooks import retention

    assert [retention.claim_sweep() for _ in range(3)] == [True, False, False]
