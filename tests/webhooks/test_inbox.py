"""Posts that are written together: one transaction, and each post its own verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_telecom.vendors.webhooks import WebhookEvent
from airflow_provider_telecom.webhooks.address import WebhookAddress
from airflow_provider_telecom.webhooks.keys import PAGE_SIZE, deduplication_key
from tests.eventually import eventually
from tests.system.receiver_load import queue, viber
from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")


def report(number: int, sequence: int = 1, **more: Any) -> WebhookEvent:
    facts = {"reference": f"r{number}", "status": "delivered"}
    return WebhookEvent(**{
        "subject": f"r{number}",
        "state": "delivered",
        "sequence": sequence,
        "final": True,
        "facts": facts,
        **more,
    })


def received(number: int, **more: Any) -> Any:
    from airflow_provider_telecom.webhooks.inbox import ReceivedWebhook

    return ReceivedWebhook(
        WebhookAddress("ketchup_loyalty", "viber", f"c{number % 7}", f"r{number}"), report(number, **more)
    )


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What the database was asked."""
    from airflow.settings import engine
    from sqlalchemy import event

    seen: list[str] = []

    def execute(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    def commit(connection: Any) -> None:
        seen.append("COMMIT")

    event.listen(engine, "after_cursor_execute", execute)
    event.listen(engine, "commit", commit)
    yield seen
    event.remove(engine, "after_cursor_execute", execute)
    event.remove(engine, "commit", commit)


def test_many_posts_ask_the_database_as_often_as_a_few(served: Served, statements: list[str]) -> None:
    from airflow_provider_telecom.webhooks import inbox

    counts = []
    for numbers in (range(10), range(10, 20), range(20, 170)):
        statements.clear()
        outcomes = inbox.store_webhooks([received(number, event="viber") for number in numbers])
        assert outcomes == [inbox.Verdict.ACCEPTED] * len(numbers)
        counts.append(len(statements))
        assert statements.count("COMMIT") == 1
    assert counts[1] == counts[2]
    assert len(served.events("telecom-ketchup-loyalty-viber")) == len(served.log()) == 170


def test_the_reports_of_a_batch_are_one_event(served: Served) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    from airflow_provider_telecom.webhooks import inbox

    inbox.store_webhooks([received(number, event="viber") for number in range(30)])
    with create_session(scoped=False) as session:
        (event,) = session.query(AssetEvent).all()
        reports = event.extra["reports"]
    assert reports == [
        {"conn_id": f"c{number % 7}", "reference": f"r{number}", "status": "delivered"}
        for number in range(30)
    ]


def test_what_comes_twice_in_a_batch_is_kept_once(served: Served) -> None:
    from airflow_provider_telecom.webhooks import inbox

    steps = [received(1, sequence=sequence, final=False, event="viber") for sequence in (1, 2, 2, 1, 3)]
    assert [verdict.value for verdict in inbox.store_webhooks(steps)] == [  # type: ignore[union-attr]
        "accepted", "accepted", "duplicate", "stale", "accepted"
    ]  # fmt: skip
    assert len(served.events("telecom-ketchup-loyalty-viber")) == 3
    (mark,) = served.rows("mark:").values()
    assert mark["rank"] == 3


@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_post_that_cannot_be_kept_takes_no_other_along(served: Served, place: int) -> None:
    from airflow_provider_telecom.webhooks import inbox

    inbox.store_webhooks([received(place)])
    overwrite(
        deduplication_key(f"ketchup_loyalty/viber/c{place % 7}/r{place}", f"r{place}"), "5"
    )  # no mark of ours
    outcomes = inbox.store_webhooks([received(number, event="viber", sequence=2) for number in range(20)])
    broken = outcomes.pop(place)
    assert isinstance(broken, TypeError)
    assert outcomes == [inbox.Verdict.ACCEPTED] * 19
    kept = Counter(one["reference"] for one in served.events("telecom-ketchup-loyalty-viber"))
    assert kept == Counter(f"r{number}" for number in range(20) if number != place)
    assert len(served.log()) == 20


def overwrite(key: str, value: str) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        rows = session.query(AssetStateStoreModel).filter(AssetStateStoreModel.key == key)
        assert rows.update({"value": value}) == 1


def test_pages_are_filled_one_after_the_other(served: Served) -> None:
    from airflow_provider_telecom.webhooks import inbox

    begun = 0
    for size in (3, PAGE_SIZE - 3, 2 * PAGE_SIZE + 1, PAGE_SIZE):
        inbox.store_webhooks([received(number, about=str(number)) for number in range(begun, begun + size)])
        begun += size
    pages = [page for _, page in sorted(served.rows("log:").items())]
    assert [len(page) for page in pages] == [PAGE_SIZE] * 4 + [1]
    assert [one["about"] for page in pages for one in page] == [str(number) for number in range(begun)]
    assert served.rows("head") == {"head": {"next": begun}}


@pytest.mark.parametrize("left", [None, []])
def test_a_page_that_was_deleted_is_not_gone_on_with(served: Served, left: Any) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    from airflow_provider_telecom.webhooks import inbox

    inbox.store_webhooks([received(number) for number in range(5)])
    with create_session(scoped=False) as session:
        page = session.query(AssetStateStoreModel).filter(AssetStateStoreModel.key == "log:000000000")
        page.delete() if left is None else page.update({"value": json.dumps(left)})
    inbox.store_webhooks([received(5)])
    assert len(served.rows("log:")["log:000000001"]) == 1
    assert served.rows("head") == {"head": {"next": PAGE_SIZE + 1}}


def test_refused_posts_are_counted_without_asking_the_database_for_each(
    served: Served, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.webhooks.app._REFUSALS_EVERY_SECONDS", 0.5)
    url = served.address("queue", "n1")
    assert served.post(url, queue("q", 1)).status_code == 200
    assert eventually(lambda: "swept" in served.rows())
    statements.clear()
    for _ in range(40):
        assert served.post(url, {"qid": "q"}).status_code == 422
    transactions = sum(one.startswith("UPDATE asset ") for one in statements)
    assert transactions < 20
    assert Counter(one["verdict"] for one in served.log()) == {"accepted": 1, "refused": 40}
    (day,) = served.rows("day:").values()
    assert day["verdicts"] == {"novaconnect": {"accepted": 1, "refused": 40}}


def test_of_many_refused_posts_the_last_ones_are_told(served: Served) -> None:
    from airflow_provider_telecom.webhooks import inbox

    refusals = inbox.RefusedPosts()
    for number in range(5_000):
        refusals.add(WebhookAddress("ketchup_loyalty", "hlr", "c"), str(number))
    inbox.store_refused(refusals)
    assert [one["why"] for one in served.log()] == [str(number) for number in range(4_900, 5_000)]
    (day,) = served.rows("day:").values()
    assert day["verdicts"] == {"ketchup_loyalty": {"refused": 5_000}}


def test_a_full_queue_says_later_and_loses_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session

    from airflow_provider_telecom.webhooks import plugin

    monkeypatch.setattr("airflow_provider_telecom.webhooks.app._MAX_WAITING", 3)
    plugin._app.cache_clear()
    said: list[int] = []

    def post(number: int) -> None:
        url = served.address("viber", f"r{number}", vendor="ketchup_loyalty")
        said.append(served.post(url, viber(f"r{number}", "delivered")).status_code)

    with ThreadPoolExecutor(20) as vendors:
        with create_session(scoped=False) as session:  # nobody can write meanwhile
            session.query(AssetModel).update({"name": AssetModel.name})
            posts = [vendors.submit(post, number) for number in range(20)]
            assert eventually(lambda: len(said) >= 13)
        for one in posts:
            one.result()
    assert set(said) == {200, 503}
    kept = [one["reference"] for one in served.events("telecom-ketchup-loyalty-viber")]
    assert len(kept) == len(set(kept)) == said.count(200)


def test_all_that_wait_while_the_database_is_locked_are_asked_for_again(served: Served) -> None:
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session

    said: list[int] = []

    def post(number: int) -> int:
        url = served.address("viber", f"r{number}", vendor="ketchup_loyalty")
        said.append(served.post(url, viber(f"r{number}", "delivered")).status_code)
        return said[-1]

    with ThreadPoolExecutor(8) as vendors:
        with create_session(scoped=False) as session:
            session.query(AssetModel).update({"name": AssetModel.name})
            first = [vendors.submit(post, number) for number in range(8)]
            assert eventually(lambda: said)
            assert set(said) == {503}
        for one in first:
            one.result()
        assert set(vendors.map(post, range(8))) == {200}
    kept = Counter(one["reference"] for one in served.events("telecom-ketchup-loyalty-viber"))
    assert kept == Counter(f"r{number}" for number in range(8))
