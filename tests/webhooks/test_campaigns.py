"""Campaigns on the page: what is shown, to whom, and that many viewers cost as much as one."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest
from airflow.sdk import BaseOperator

from airflow_provider_telecom import operators
from airflow_provider_telecom.journal.claims import Claim
from airflow_provider_telecom.webhooks.page import campaigns as module
from airflow_provider_telecom.webhooks.page.shared import Shared, UnavailableError
from tests.cost import cpu_seconds, least_cpu_seconds
from tests.webhooks.campaign_rows import (
    AUDIENCE,
    RECEIPTS,
    SMS,
    START,
    VIBER,
    Row,
    budget_entry,
    checkpoint,
    forget_campaigns,
    ladder,
    write_campaigns,
)
from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")

LIST, ONE = "/telecom/page/campaigns", "/telecom/page/campaign"
COUNTS = ("recipients", "sent", "reached", "undelivered", "expired", "silent", "unknown", "refused")


@pytest.fixture
def served(served: Served) -> Iterator[Served]:
    """Return the api-server without any run."""
    forget_campaigns()
    yield served
    forget_campaigns()


@pytest.fixture
def token(served: Served) -> str:
    """Return the token of somebody who may look and nothing else."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    viewer = SimpleAuthManagerUser(username="viewer", role="VIEWER", teams=None)
    return get_auth_manager().generate_jwt(viewer)


def ask(served: Served, token: str, path: str = LIST, **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return served.client.get(f"{served.url}{path}", headers=headers, params=query)


def rows_of(served: Served, token: str, **query: Any) -> list[dict[str, Any]]:
    answer = ask(served, token, **query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def details_of(served: Served, token: str, dag_id: str, run_id: str = "r") -> dict[str, Any]:
    answer = ask(served, token, ONE, dag_id=dag_id, run_id=run_id)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(facts: dict[str, Any]) -> dict[str, int]:
    return {name: facts[name] for name in COUNTS if facts[name] is not None}


def read(*rows: Row, state: str = "running") -> dict[str, Any]:
    """Write one campaign and return its line."""
    write_campaigns([("dag", "r", state, rows)])
    ((_, text),) = module.Campaigns().read().rows
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_running_ladder_is_seen(served: Served, token: str) -> None:
    write_campaigns([
        ("spring_dag", "r", "running", ladder()),
        ("other_dag", "r", "success", [Row("task", "PythonOperator", returned={"accepted": 3})]),
    ])
    (row,) = rows_of(served, token)
    assert (row["dag_id"], row["state"], row["kinds"]) == ("spring_dag", "running", ["viber", "sms"])
    assert counts(row) == {
        "recipients": 100,
        "sent": 110,
        "reached": 60,
        "undelivered": 25,
        "expired": 5,
        "silent": 8,
        "unknown": 2,
        "refused": 0,
    }
    assert (row["rows"], row["messages"], row["spent"]) == (112, 130, {"EUR": "10.64"})
    assert row["budgets"] == [
        {
            "name": "m",
            "currency": "EUR",
            "per_task": None,
            "per_day": "100",
            "spent": "0",
            "reserved": "2.1",
        }
    ]
    found = details_of(served, token, "spring_dag")
    assert found["campaign"] == row
    steps = {step["name"]: step for step in found["steps"]}
    assert list(steps) == ["audience", "spring.viber", "spring.sms", "spring.report"]
    assert [step["state"] for step in steps.values()] == ["success", "success", "running", "waiting"]
    viber, sms = steps["spring.viber"], steps["spring.sms"]
    assert (viber["recipients"], viber["sent"], viber["delivered"], viber["read"]) == (100, 98, 50, 10)
    assert (viber["delay_p50"], viber["delay_p95"], viber["spent"]) == (3.2, 44.0, {"EUR": "9.8"})
    assert (sms["recipients"], sms["rows"], sms["sent"], sms["spent"]) == (30, 12, 12, {"EUR": "0.84"})
    assert sum(found["delivered_at"]["counts"]) == sum(found["delays"]["counts"]) == 60


def test_places_of_a_mapped_task_are_one_step(served: Served, token: str) -> None:
    shards = [
        Row("send", SMS, returned={"recipients": 10 + at, "accepted": 10, "refused": {"7": at}}, map_index=at)
        for at in range(3)
    ]
    plots = [
        {"start": "2026-03-01T09:00:00Z", "seconds": 60, "counts": [1, 2]},
        {"start": "2026-03-01T09:00:55Z", "seconds": 5, "counts": [3, 4]},
        {"start": "2026-03-01T08:55:00Z", "seconds": 300, "counts": [5]},
    ]
    receipts = [
        Row("receipts", RECEIPTS, returned={"delivered": 5, "delivered_at": plot}, map_index=at, minutes=1)
        for at, plot in enumerate(plots)
    ]
    write_campaigns([("dag", "r", "success", [*shards, *receipts])])
    found = details_of(served, token, "dag")
    assert [(step["name"], step["places"]) for step in found["steps"]] == [("send", 3), ("receipts", 3)]
    assert counts(found["campaign"]) == {"recipients": 33, "sent": 30, "refused": 3, "reached": 15}
    assert found["delivered_at"] == {"start": "2026-03-01T08:55:00+00:00", "seconds": 300, "counts": [5, 10]}


def test_receipts_belong_to_the_send_whose_file_they_complete(served: Served, token: str) -> None:
    send = {"recipients": 9, "accepted": 9, "price": "0.9", "currency": "UAH", "results": "s3://b/a.parquet"}
    receipts = {
        "outcomes": "s3://b/a.parquet",
        "delivered": 8,
        "silent": 1,
        "price": "0.90",
        "currency": "UAH",
    }
    tasks = [Row("send", SMS, returned=send), Row("wait", RECEIPTS, returned=receipts, minutes=1)]
    write_campaigns([("dag", "r", "success", tasks)])
    (step,) = details_of(served, token, "dag")["steps"]
    assert (step["name"], step["tasks"], step["spent"]) == ("send", ["send", "wait"], {"UAH": "0.90"})


def test_who_was_handed_over_to_a_second_connection_is_one_recipient(served: Served) -> None:
    row = read(
        Row("g.sms.send", SMS, returned={"recipients": 50, "accepted": 20, "handed_over": 30}),
        Row("g.sms.send_2", SMS, returned={"recipients": 30, "accepted": 30}, minutes=1),
    )
    assert counts(row) == {"recipients": 50, "sent": 50}


def test_a_dry_run_sends_and_costs_nothing(served: Served, token: str) -> None:
    price = {"recipients": 5, "price": "9.00", "currency": "EUR"}
    preview = Row("preview", SMS, returned={**price, "dry_run": True})
    write_campaigns([("dag", "r", "running", [preview, Row("send", SMS, returned={**price, "accepted": 5})])])
    found = details_of(served, token, "dag")
    assert (found["campaign"]["sent"], found["campaign"]["spent"]) == (5, {"EUR": "9.00"})
    assert {step["name"]: step["kinds"] for step in found["steps"]} == {
        "preview": ["dry run"],
        "send": ["sms"],
    }


def test_a_report_counts_nobody_twice(served: Served, token: str) -> None:
    report = {"recipients": 100, "delivered": 85, "delivered_twice": 4, "may_be_paid": 2}
    tasks = [
        *(row for row in ladder() if row.operator != "LadderReportOperator"),
        Row("spring.sms.receipts", RECEIPTS, returned={"delivered": 29}, map_index=0),
        Row(
            "spring.report",
            "LadderReportOperator",
            returned={**report, "price_per_delivered": {"EUR": "0.1252"}},
        ),
    ]
    write_campaigns([("dag", "r", "success", tasks)])
    found = details_of(served, token, "dag")
    assert found["campaign"]["reached"] == 85
    assert found["reports"] == [
        {"task_id": "spring.report", **report, "price_per_delivered": {"EUR": "0.1252"}}
    ]


def test_amounts_of_several_currencies_are_not_added_up(served: Served) -> None:
    row = read(
        Row("a", SMS, returned={"accepted": 1, "price": "1.10", "currency": "EUR"}),
        Row("b", VIBER, returned={"accepted": 1, "price": 2.5, "currency": "UAH"}),
        Row("c", SMS, returned={"accepted": 1, "price": None, "currency": "EUR,UAH"}),
    )
    assert row["spent"] == {"EUR": "1.10", "UAH": "2.5"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [1, 2],
        7,
        True,
        {"accepted": "7", "price": "NaN", "recipients": -1},
        {"accepted": True, "price": [], "delivered_at": {"start": 1}, "delays": 3, "refused": {"7": "x"}},
        {"delivered_at": {"start": "2026-03-01T09:00:00Z", "seconds": 0, "counts": [1]}},
        {"delays": {"bounds": [1], "counts": [1]}, "delay_p50": "1", "price": "1e400", "accepted": 10**30},
    ],
)
def test_what_is_not_a_count_is_left_out(served: Served, token: str, value: Any) -> None:
    write_campaigns([
        ("dag", "r", "running", [Row("send", SMS, returned=value), Row("r", RECEIPTS, returned=value)])
    ])
    found = details_of(served, token, "dag")
    assert found["campaign"]["sent"] is None
    assert found["campaign"]["spent"] == {}
    assert found["delivered_at"] is found["delays"] is None


def test_an_error_is_shown_with_its_class(served: Served, token: str) -> None:
    error = {"kind": "TelecomFundsError", "text": "the account is out of money", "try": 1}
    tasks = [
        Row("send", SMS, "failed", entries={"telecom.error": error, **checkpoint(rows=7, accepted=6)}),
        Row("again", SMS, "up_for_retry", reason="TelecomThrottledError: retry after 5 s"),
        Row("fine", SMS, entries={"telecom.error": error}),
        Row("of an earlier try", SMS, "failed", entries={"telecom.error": {**error, "try": 0}}),
        Row("in doubt", SMS, "failed", entries=checkpoint(rows=7)),
    ]
    write_campaigns([("dag", "r", "failed", tasks)])
    found = details_of(served, token, "dag")
    faults = {fault["task_id"]: (fault["kind"], fault["text"]) for fault in found["errors"]}
    assert faults == {
        "send": ("TelecomFundsError", "the account is out of money"),
        "again": (None, "TelecomThrottledError: retry after 5 s"),
        "of an earlier try": (None, None),
        "in doubt": (None, "Nobody can know whether all of it was sent. The task's log says more."),
    }
    assert (found["campaign"]["failed"], found["campaign"]["sent"]) == (3, 6)


def test_a_budgets_day_counts_what_others_have_claimed(served: Served, token: str) -> None:
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session

    at = int(START.timestamp())
    claims = [
        Claim("m", "EUR", at, "aaaaaaaa", "111111111111", 1, "s", Decimal("3.50")),
        Claim("m", "EUR", at, "bbbbbbbb", "222222222222", 1, "c", Decimal("2.00")),
        Claim("m", "EUR", at - 3 * 86_400, "bbbbbbbb", "333333333333", 1, "s", Decimal(90)),
        Claim("m", "USD", at, "bbbbbbbb", "444444444444", 1, "s", Decimal(90)),
        Claim("mm", "EUR", at, "bbbbbbbb", "555555555555", 1, "s", Decimal(90)),
    ]
    with create_session(scoped=False) as session:
        session.add_all(Variable(key=claim.key, val="{}") for claim in claims)
    sent = Row("a", SMS, returned={"accepted": 1}, entries=budget_entry("m", "3.50", is_settled=True))
    sending = Row("b", SMS, "running", entries=budget_entry("m", "2"))
    write_campaigns([("dag", "r", "running", [sent, sending])])
    (budget,) = details_of(served, token, "dag")["budgets"]
    assert (budget["spent"], budget["reserved"]) == ("3.50", "2")
    assert (budget["day_spent"], budget["day_reserved"], budget["per_day"]) == ("3.50", "2.00", "100")
    assert budget["day"] == START.date().isoformat()


def test_the_newest_come_first_and_in_pages(served: Served, token: str) -> None:
    write_campaigns([("dag", f"r{number}", "success", [Row("send", SMS)]) for number in range(60)])
    first, last = (ask(served, token, page=page).json() for page in (0, 99))
    assert (first["total"], first["first"], first["size"]) == (60, 0, 15)
    assert [row["run_id"] for row in first["rows"][:2]] == ["r59", "r58"]
    assert (last["first"], last["rows"][-1]["run_id"]) == (45, "r0")
    assert ask(served, token, page=-3).json()["first"] == 0


def test_there_may_be_none(served: Served, token: str) -> None:
    assert rows_of(served, token) == []
    assert ask(served, token, ONE, dag_id="dag", run_id="r").status_code == 404


@pytest.mark.parametrize("path", [LIST, f"{ONE}?dag_id=dag&run_id=r"])
def test_strangers_see_nothing(served: Served, path: str) -> None:
    write_campaigns([("dag", "r", "success", ladder())])
    for headers in ({}, {"Authorization": "Bearer made-up"}):
        answer = served.client.get(f"{served.url}{path}", headers=headers)
        assert answer.status_code in (401, 403)
        assert "spring" not in answer.text


def test_dags_that_a_viewer_may_not_read_are_not_there(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    manager = type(get_auth_manager())
    real = manager.is_authorized_dag

    def may(self: Any, *, details: Any = None, **more: Any) -> bool:
        is_secret = details is not None and details.id == "secret"
        return not is_secret and bool(real(self, details=details, **more))

    monkeypatch.setattr(manager, "is_authorized_dag", may)
    monkeypatch.setattr(
        manager,
        "filter_authorized_dag_ids",
        lambda self, *, dag_ids, user, method, team_name: dag_ids - {"secret"},
    )
    write_campaigns([(name, "r", "success", [Row("send", SMS)]) for name in ("open", "secret")])
    answer = ask(served, token)
    assert ([row["dag_id"] for row in answer.json()["rows"]], answer.json()["total"]) == (["open"], 1)
    assert "secret" not in answer.text
    assert ask(served, token, ONE, dag_id="secret", run_id="r").status_code == 403
    assert ask(served, token, ONE, dag_id="open", run_id="r").status_code == 200


def test_it_needs_the_right_to_read_xcoms(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    manager = type(get_auth_manager())
    real = manager.is_authorized_dag

    def may(self: Any, *, access_entity: Any = None, **more: Any) -> bool:
        return access_entity is not DagAccessEntity.XCOM and bool(
            real(self, access_entity=access_entity, **more)
        )

    monkeypatch.setattr(manager, "is_authorized_dag", may)
    write_campaigns([("dag", "r", "success", [Row("send", SMS)])])
    assert ask(served, token).status_code == 403
    assert ask(served, token, ONE, dag_id="dag", run_id="r").status_code == 403


def test_hostile_names_stay_text(served: Served, token: str) -> None:
    name = "<script>alert(1)</script>\ud800"
    write_campaigns([("dag", "<img src=x>", "running", [Row("<b>send", SMS, returned={"currency": name})])])
    answer = ask(served, token)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["rows"][0]["run_id"] == "<img src=x>"
    assert answer.content.isascii()


def test_a_campaign_that_has_ended_is_read_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    states = {"r0": "success", "r1": "failed", "r2": "running"}
    write_campaigns([("dag", run_id, state, [Row("send", SMS)]) for run_id, state in states.items()])
    real, asked = module._campaigns, []

    def counted(session: Any, runs: Any) -> Any:
        asked.append(sorted(run.run_id for run in runs))
        return real(session, runs)

    monkeypatch.setattr(module, "_campaigns", counted)
    campaigns = module.Campaigns()
    for _ in range(2):
        assert len(campaigns.read().rows) == 3
    assert asked == [["r0", "r1", "r2"], ["r2"]]
    with create_session(scoped=False) as session:
        session.execute(update(DagRun).where(DagRun.run_id == "r1").values(_state="running"))
    campaigns.read()
    assert asked[-1] == ["r1", "r2"]


def test_a_dag_with_its_first_campaign_is_found(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DAGS_SECONDS", 0.0)
    campaigns = module.Campaigns()
    assert not campaigns.read().rows
    write_campaigns([("dag", "r", "running", [Row("audience", AUDIENCE, "running")])])
    assert len(campaigns.read().rows) == 1


def test_a_run_that_is_not_among_the_newest_is_not_there(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHOWN", 10)
    write_campaigns([("dag", f"r{number}", "success", [Row("send", SMS)]) for number in range(12)])
    assert len(module.Campaigns().read().rows) == 10


def test_each_query_uses_an_index(served: Served) -> None:
    from airflow.settings import engine
    from sqlalchemy import event

    write_campaigns([("dag", f"r{number}", "running", ladder()) for number in range(3)])
    plans: list[str] = []
    this_thread = threading.get_ident()  # the api-server's own may sweep meanwhile

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if threading.get_ident() == this_thread and statement.lstrip().startswith("SELECT"):
            plan = cursor.connection.execute(f"explain query plan {statement}", parameters)
            plans.extend(row[3] for row in plan)

    event.listen(engine, "before_cursor_execute", explain)
    try:
        assert module.Campaigns().read().rows
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    tables = ("task_instance", "xcom", "task_state_store")
    wholly_read = [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in tables]
    assert plans
    assert not wholly_read, plans


def test_a_hundred_viewers_of_a_thousand_campaigns_cost_one_reading(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.webhooks import plugin

    monkeypatch.setattr("airflow_provider_telecom.webhooks.page._CAMPAIGNS_SECONDS", 3600.0)
    real, asked = module.Campaigns.read, []

    def counted(self: module.Campaigns) -> module.Snapshot:
        asked.append(1)
        return real(self)

    monkeypatch.setattr(module.Campaigns, "read", counted)
    plugin._app.cache_clear()
    write_campaigns(
        (f"dag{number % 40}", f"r{number}", "success" if number % 50 else "running", ladder())
        for number in range(1_000)
    )
    with ThreadPoolExecutor(20) as viewers:
        found = list(viewers.map(lambda page: ask(served, token, page=page % 67).json(), range(100)))
    assert asked == [1]
    assert {one["total"] for one in found} == {1_000}
    assert {len(one["rows"]) for one in found} == {10, 15}
    campaigns = module.Campaigns()
    first = cpu_seconds(lambda: real(campaigns))
    assert least_cpu_seconds(lambda: real(campaigns)) < first / 4, "what has ended was read again"


def test_all_wait_for_a_value_that_is_too_old_and_no_others() -> None:
    async def run() -> None:
        may_end, made = threading.Event(), []

        def compute() -> int:
            if made:
                may_end.wait(60)
            made.append(1)
            return len(made)

        value = Shared(compute, 3600.0)
        assert await asyncio.gather(*(value.get() for _ in range(100))) == [1] * 100
        value._until -= 3600.0  # its time is over, but not long ago
        assert await asyncio.gather(*(value.get() for _ in range(100))) == [1] * 100
        value._until -= 7200.0
        waiting = [asyncio.create_task(value.get()) for _ in range(10)]
        may_end.set()
        assert await asyncio.gather(*waiting) == [2] * 10
        assert len(made) == 2

    asyncio.run(run())


def test_an_error_of_the_database_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        results = iter([ValueError("a secret value"), 7])

        def compute() -> int:
            found = next(results)
            if isinstance(found, Exception):
                raise found
            return found

        value = Shared(compute, 3600.0)
        with pytest.raises(UnavailableError):
            await value.get()
        assert await value.get() == 7

    asyncio.run(run())
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def public_operators() -> Iterator[type[BaseOperator]]:
    for found in iter_modules(operators.__path__, f"{operators.__name__}."):
        for value in vars(importlib.import_module(found.name)).values():
            if isinstance(value, type) and issubclass(value, BaseOperator):
                yield value


def test_all_operators_that_write_to_many_are_known() -> None:
    from airflow_provider_telecom.operators.recipients import CampaignOperator

    names = {
        operator.__name__
        for operator in public_operators()
        if issubclass(operator, CampaignOperator) or "CollectReceipts" in operator.__name__
    }
    names -= {"CampaignOperator", "CollectReceiptsOperator"}
    assert len(names) >= 4
    assert {name for name in names if name not in module.campaign_operators()} == set()


def test_a_long_xcom_is_not_read(served: Served) -> None:
    row = read(Row("send", SMS, returned={"accepted": 3, "messages": ["x" * 100] * 20_000}))
    assert row["sent"] is None
