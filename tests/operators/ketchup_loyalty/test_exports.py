"""Ordering statistics exports, of which an account has five places, and clearing them away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
    KetchUpListStatExportsOperator,
)
from tests.operators.ketchup_loyalty.evidence import paid, shown
from tests.running import Run

DAY = {"time_in_from": datetime(2026, 1, 1), "time_in_to": datetime(2126, 1, 1)}


def export(**arguments: Any) -> KetchUpCreateStatExportOperator:
    filters = DAY if "message_ids" not in arguments else {}
    return KetchUpCreateStatExportOperator(**{"task_id": "order", **filters, **arguments})


def delete(file_key: str, **arguments: Any) -> KetchUpDeleteStatExportOperator:
    return KetchUpDeleteStatExportOperator(task_id="clear", file_key=file_key, **arguments)


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty")


def keys(hook: Any) -> list[str]:
    return [kept.key for kept in hook.list_statistics_exports()]


def orders(simulator: Any) -> list[dict[str, Any]]:
    return [order["filters"] for order in paid(simulator, "stat_export")]


def test_an_export_is_ordered_once(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    first = run.execute(export())
    assert first == {"file_key": keys(hook)[0], "adopted": False, "callback_key": None}
    telecom_simulator.state.requests.clear()
    assert run.execute(export()) == first
    assert telecom_simulator.state.requests == []
    assert run.execute(export(dedupe_key="2"))["file_key"] != first["file_key"]
    assert run.execute(export(originator="test"))["file_key"] != first["file_key"]
    assert len(orders(telecom_simulator)) == 3


def test_all_filters_reach_the_vendor(telecom_simulator: Any) -> None:
    operator = export(
        time_in_from="{{ params.start }}",
        time_sent_from="2026-01-02T00:00:00",
        time_sent_to=datetime(2026, 1, 3),
        msisdns="{{ params.whom }}",
        originator="test",
        source_type="api",
        message_type="sms",
        country_name="Ukraine",
        operator_id="25503",
        status="Delivered",
        clicks=("=", 0),
        callback_url="https://example.com/rows",
    )
    run = Run()
    found = run.execute(operator, params={"start": "2026-01-01 00:00:00", "whom": ["+380 67 000 02 01"]})
    assert orders(telecom_simulator) == [
        {
            "time_in_from": "2026-01-01 00:00:00",
            "time_in_to": "2126-01-01 00:00:00",
            "time_sent_from": "2026-01-02 00:00:00",
            "time_sent_to": "2026-01-03 00:00:00",
            "msisdn": ["380670000201"],
            "originator": "test",
            "source_type": "api",
            "message_type": "sms",
            "country_name": "Ukraine",
            "operator_id": "25503",
            "status": "Delivered",
            "sl_clicks": True,
            "sl_clicks_comp": "=",
            "sl_clicks_count": 0,
            "callback_url": "https://example.com/rows",
        }
    ]
    for private in ("0000201", "000 02 01", "example.com"):
        assert private not in shown(operator, run, found)


@pytest.mark.parametrize(
    "given", [{"sl_clicks": True}, {"sl_clicks_comp": ">"}, {"sl_clicks_count": 3}, {"sl_clicks": False}]
)
def test_filters_by_clicks_one_by_one(telecom_simulator: Any, given: dict[str, Any]) -> None:
    Run().execute(export(**given))
    (order,) = orders(telecom_simulator)
    assert {name: value for name, value in order.items() if name.startswith("sl_")} == given


def test_filters_by_clicks_out_of_a_template(telecom_simulator: Any) -> None:
    names = ("sl_clicks", "sl_clicks_comp", "sl_clicks_count")
    Run().execute(
        export(**{name: f"{{{{ params.{name} }}}}" for name in names}),
        params=dict(zip(names, (True, "<", 5), strict=True)),
    )
    (order,) = orders(telecom_simulator)
    assert [order[name] for name in names] == [True, "<", 5]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("clicks", {"clicks": ("!", 1)}),
        ("clicks", {"clicks": (">", 1), "sl_clicks": True}),
        ("sl_clicks", {"sl_clicks": "yes"}),
        ("sl_clicks_comp", {"sl_clicks_comp": ">="}),
        ("sl_clicks_count", {"sl_clicks_count": 1_000_000}),
        ("message_ids", {"message_ids": [1], "sl_clicks": True}),
    ],
)
def test_wrong_filters_by_clicks_are_refused_when_the_dag_is_parsed(
    field: str, given: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        export(**given)
    assert caught.value.field == field


def test_messages_by_their_ids(telecom_simulator: Any, hook: Any) -> None:
    message_id = hook.send_sms("380670000201", "Hi", reference="a1", originator="test").id
    Run().execute(export(message_ids=f"['{message_id}']"))
    assert orders(telecom_simulator) == [{"message_id": [message_id]}]


def test_a_lost_answer_is_found_in_the_list(telecom_simulator: Any, hook: Any) -> None:
    other = hook.create_statistics_export(**DAY)
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/stat/create")
    run = Run()
    found = run.execute(export())
    assert found == {"file_key": (set(keys(hook)) - {other}).pop(), "adopted": True, "callback_key": None}
    assert run.execute(export()) == found
    assert len(orders(telecom_simulator)) == 2


def test_a_killed_task_adopts_what_it_has_ordered(telecom_simulator: Any, hook: Any) -> None:
    hook.create_statistics_export(**DAY)
    run = Run()
    run.execute(export())
    before = {"before": keys(hook)[:1]}
    entry = run.stores["order"].get("telecom.export")
    run.stores["order"].set("telecom.export", {**entry, "state": "intent", "facts": before})
    assert run.execute(export()) == {"file_key": keys(hook)[1], "adopted": True, "callback_key": None}
    assert len(orders(telecom_simulator)) == 2


def test_an_order_that_never_arrived_is_made_by_the_next_try(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    telecom_simulator.fault("reset_before", "ketchup_loyalty", path="/stat/create")
    with pytest.raises(TelecomUnknownError):
        run.execute(export())
    assert run.execute(export()) == {"file_key": keys(hook)[0], "adopted": False, "callback_key": None}
    assert len(orders(telecom_simulator)) == 1


def test_where_several_are_new_nobody_guesses(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/stat/create")
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/list", body="[]")
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/list", body='["a", "b"]')
    with pytest.raises(TelecomUnknownError):
        run.execute(export())
    hook.create_statistics_export(**DAY)
    found = run.execute(export())
    assert found == {"file_key": keys(hook)[2], "adopted": False, "callback_key": None}


def test_a_doubt_outlasts_a_list_that_cannot_be_had(telecom_simulator: Any, hook: Any) -> None:
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/list", body="[]")
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/stat/create")
    telecom_simulator.fault("status", "ketchup_loyalty", path="/stat/list", times=4, status=403)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(export())
    telecom_simulator.state.faults.clear()
    assert run.execute(export()) == {"file_key": keys(hook)[0], "adopted": True, "callback_key": None}


def test_what_was_not_sent_leaves_no_doubt(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(export())
    telecom_simulator.fault("body", "ketchup_loyalty", path="/stat/create", body='{"error": 84}')
    with pytest.raises(TelecomRejectedError):
        run.execute(export())
    other = hook.create_statistics_export(**DAY)
    assert run.execute(export())["file_key"] != other


def test_a_full_account(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    mine = run.execute(export())["file_key"]
    others = [hook.create_statistics_export(**DAY) for _ in range(4)]
    with pytest.raises(TelecomRejectedError, match="vendor code 92"):
        run.execute(export(dedupe_key="2"))
    found = run.execute(export(dedupe_key="2", on_full="delete_own"))
    assert set(keys(hook)) == {found["file_key"], *others}
    assert [gone["key"] for gone in paid(telecom_simulator, "stat_delete")] == [mine]


def test_what_is_not_ours_is_never_deleted(telecom_simulator: Any, hook: Any) -> None:
    others = [hook.create_statistics_export(**DAY) for _ in range(5)]
    with pytest.raises(TelecomRejectedError, match="vendor code 92"):
        Run().execute(export(on_full="delete_own", own_file_keys=["gone"]))
    assert keys(hook) == others
    own = f"['gone', '{others[3]}', '{others[4]}']"
    found = Run().execute(export(on_full="delete_own", own_file_keys=own))
    assert keys(hook) == [*others[:3], others[4], found["file_key"]]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("on_full", {"on_full": "delete"}),
        ("source_type", {"source_type": "fax"}),
        ("message_type", {"message_type": "mms"}),
        ("status", {"status": "delivered"}),
        ("time_in_from", {"time_in_from": "yesterday"}),
        ("message_ids", {"message_ids": [1], "originator": "test"}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        export(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("time_in_to", {"time_in_to": None}),
        ("time_in_to", {"time_in_to": datetime(2025, 1, 1)}),
        ("time_in_from", {"time_in_from": "2026-01-01T00:00:00+00:00"}),
        ("status", {"status": "{{ 'delivered' }}"}),
        ("msisdn", {"msisdns": ["12"]}),
        ("operator_id", {"operator_id": 1}),
        ("message_ids", {"message_ids": ["a"]}),
    ],
)
def test_what_is_refused_before_anything_is_ordered(
    telecom_simulator: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(export(**arguments))
    assert caught.value.field == field
    assert orders(telecom_simulator) == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_until_it_is_ready(telecom_simulator: Any, hook: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 2)
    wait = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 0.01}
    hook.send_sms("380670000201", "Hi", reference="a1", originator="test")
    found = Run().execute(export(**wait))
    assert found == {"file_key": keys(hook)[0], "adopted": False, "callback_key": None, "empty": False}
    assert Run().execute(export(**wait, originator="nobody"))["empty"] is True


# Clearing away


def test_an_export_is_deleted_once(telecom_simulator: Any, hook: Any) -> None:
    key, run = hook.create_statistics_export(**DAY), Run()
    for _ in range(2):
        assert run.execute(delete(key)) == {"file_key": key, "deleted": True}
    assert keys(hook) == []
    assert len(paid(telecom_simulator, "stat_delete")) == 1


def test_what_was_never_there(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    for _ in range(2):
        with pytest.raises(TelecomNotFoundError):
            run.execute(delete("abc"))
    assert run.execute(delete("abc", missing_ok=True)) == {"file_key": "abc", "deleted": False}


def test_a_killed_task_finds_it_deleted(telecom_simulator: Any, hook: Any) -> None:
    key, run = hook.create_statistics_export(**DAY), Run()
    run.execute(delete(key))
    texts = run.stores["clear"].texts
    texts["telecom.deleted"] = texts["telecom.deleted"].replace('"done"', '"intent"')
    assert run.execute(delete(key)) == {"file_key": key, "deleted": True}


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_a_deletion_without_an_answer(telecom_simulator: Any, hook: Any, kind: Any) -> None:
    key, run = hook.create_statistics_export(**DAY), Run()
    telecom_simulator.fault(kind, "ketchup_loyalty", method="DELETE")
    if kind == "reset_before":
        with pytest.raises(TelecomUnknownError):
            run.execute(delete(key))
    assert run.execute(delete(key)) == {"file_key": key, "deleted": True}
    assert len(paid(telecom_simulator, "stat_delete")) == 1


def test_a_deletion_in_doubt_stays_so_until_it_is_known(telecom_simulator: Any, hook: Any) -> None:
    key, run = hook.create_statistics_export(**DAY), Run()
    telecom_simulator.fault("reset_after", "ketchup_loyalty", method="DELETE")
    telecom_simulator.fault("status", "ketchup_loyalty", path="/stat/list", status=403)
    with pytest.raises(TelecomUnknownError):
        run.execute(delete(key))
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(delete(key))
    assert run.execute(delete(key)) == {"file_key": key, "deleted": True}


def test_a_key_that_is_none() -> None:
    with pytest.raises(TelecomInputError, match="file_key"):
        delete("a/b")
    with pytest.raises(TelecomInputError, match="file_key"):
        Run().execute(delete("{{ '' }}"))


def test_another_key_is_another_deletion(hook: Any) -> None:
    run = Run()
    for _ in range(2):
        key = hook.create_statistics_export(**DAY)
        assert run.execute(delete(key))["deleted"] is True
    assert keys(hook) == []


@pytest.mark.parametrize("shape", ["objects", "names", "named"])
def test_the_exports_that_are_kept(telecom_simulator: Any, hook: Any, shape: str) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.list_of_exports", shape)
    run = Run()
    listed = KetchUpListStatExportsOperator(task_id="list")
    assert run.execute(listed) == {"file_keys": [], "exports": []}
    made = [hook.create_statistics_export(**DAY) for _ in range(2)]
    found = run.execute(KetchUpListStatExportsOperator(task_id="list"))
    assert found["file_keys"] == made
    assert [one["file_key"] for one in found["exports"]] == made
    assert all(key in one["raw"] for key, one in zip(made, found["exports"], strict=True))
