"""Receipts of KetchUp's messages, by single reads and by exports: late, changing, missing, unknown ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.bulk.receipts import write_lines
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCollectReceiptsOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from tests.running import Run

NUMBERS = [str(380670000200 + place) for place in range(20)]
BY_DIGIT = {"9": "undelivered", "8": "expired"}
WANTED = [BY_DIGIT.get(number[-1], "delivered") for number in NUMBERS]


class Clock:
    """The operator's clock and the simulator's, which go together."""

    def __init__(self, simulator: Any) -> None:
        self.simulator, self.slept = simulator, 0.0

    def now(self) -> datetime:
        found: datetime = self.simulator.state.clock.now()
        return found

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.simulator.state.clock.advance(seconds)


@pytest.fixture(autouse=True)
def clock(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock(telecom_simulator)
    monkeypatch.setattr(CollectReceiptsOperator, "now", staticmethod(found.now))
    monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(found.sleep))
    return found


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop", vendor_timezone="UTC")


def state_of(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def sent(path: Path, numbers: list[str] = NUMBERS, viber: bool = False) -> str:
    cls: Any = KetchUpSendViberOperator if viber else KetchUpSendBulkSmsOperator
    Run("send").execute(
        cls(task_id="send", recipients=numbers, text="Hi", results_path=str(path), chunk_size=500)
    )
    return str(path)


def collected(path: str, run: Run | None = None, **arguments: Any) -> dict[str, Any]:
    operator = KetchUpCollectReceiptsOperator(task_id="receipts", outcomes=path, **arguments)
    found: dict[str, Any] = (run or Run()).execute(operator)
    return found


def rows(path: str) -> list[dict[str, Any]]:
    return list(read_outcomes(ObjectStoragePath(path)))


def states(path: str) -> list[str]:
    return [row["state"] for row in rows(path)]


def requests(simulator: Any) -> Counter[str]:
    """Return the requests after the sends, by method and the first parts of their paths."""
    paths = [(one.method, one.path.partition("/rest")[2].split("/")[1:3]) for one in simulator.state.requests]
    found = Counter(f"{method} {'/'.join(path)}" for method, path in paths)
    return Counter({
        name: count for name, count in found.items() if not name.endswith("create") or "stat" in name
    })


@pytest.mark.parametrize(
    ("preset", "name"), [("default", "out.jsonl"), ("opposite", "out.jsonl"), ("opposite", "out.parquet")]
)
def test_many_messages_are_asked_for_by_one_export(
    telecom_simulator: Any, tmp_path: Path, preset: str, name: str
) -> None:
    telecom_simulator.reset(preset=preset)
    path = sent(tmp_path / name)
    facts = collected(path, max_gets=3)
    assert states(path) == WANTED
    assert (facts["delivered"], facts["undelivered"], facts["expired"], facts["silent"]) == (16, 2, 2, 0)
    assert (facts["final_percent"], facts["ignored"], facts["rounds"]) == (100, 0, 1)
    assert requests(telecom_simulator).total() - requests(telecom_simulator)["DELETE stat/list"] in (4, 5)
    assert state_of(telecom_simulator).exports == {}


def test_few_messages_are_asked_for_one_by_one(telecom_simulator: Any, tmp_path: Path) -> None:
    path = sent(tmp_path / "out.jsonl")
    facts = collected(path)
    assert states(path) == WANTED
    assert facts["delivered"] == 16
    assert not any("stat" in name for name in requests(telecom_simulator))
    assert requests(telecom_simulator).total() == 20


def test_more_than_300_by_period_and_others_are_ignored(telecom_simulator: Any, tmp_path: Path) -> None:
    numbers = [str(380670001000 + place) for place in range(400)]
    sent(tmp_path / "others.jsonl", NUMBERS)
    sent(tmp_path / "viber.jsonl", NUMBERS, viber=True)
    path = sent(tmp_path / "out.parquet", numbers)
    facts = collected(path)
    assert Counter(states(path)) == {"delivered": 320, "undelivered": 40, "expired": 40}
    assert facts["ignored"] == 20
    assert requests(telecom_simulator) == {
        "GET stat/list": 1,
        "POST stat/create": 1,
        "GET stat/file": 1,
        "DELETE message/list": 1,
    }
    (effect,) = telecom_simulator.state.ledger.of("ketchup_loyalty", "stat_export")
    assert effect.facts["filters"]["message_type"] == "sms"


@pytest.mark.parametrize("max_gets", [0, 30])
def test_viber_messages(telecom_simulator: Any, tmp_path: Path, max_gets: int) -> None:
    path = sent(tmp_path / "out.jsonl", NUMBERS[:10], viber=True)
    facts = collected(path, max_gets=max_gets)
    assert states(path) == ["read"] * 9 + ["undelivered"]
    assert rows(path)[9]["status"] == "not-viber-user"
    assert facts["price"] == "0.10"


def test_an_sms_in_place_of_a_viber_message_reached_the_person_and_is_paid(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    """Otherwise the next rung of a ladder would write to them once more."""
    telecom_simulator.state.set_switch("ketchup_loyalty.alternative_sms", "on")
    path = sent(tmp_path / "out.jsonl", [NUMBERS[1], NUMBERS[9]], viber=True)
    collected(path, max_gets=0)
    first, second = rows(path)
    assert (first["state"], first["code"], first["price"]) == ("read", None, "0.01")
    assert (second["state"], second["code"], second["price"]) == ("delivered", "alternative_sms", "0.0300000")


def test_receipts_that_come_later_and_final_times(
    telecom_simulator: Any, tmp_path: Path, clock: Clock
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 50)
    telecom_simulator.state.set_switch("ketchup_loyalty.late_receipts", "on")
    path = sent(tmp_path / "out.jsonl")
    facts = collected(path, max_gets=2, wait_timeout=timedelta(minutes=10))
    assert [row["state"] for row in rows(path)] == [
        "silent" if number.endswith("7") else state for number, state in zip(NUMBERS, WANTED, strict=True)
    ]
    assert (facts["silent"], facts["final_percent"]) == (2, 90)
    assert 95 <= facts["delay_p50"] <= 110
    late = collected(path, Run("later"), wait_timeout=timedelta(minutes=20))
    assert late["silent"] == 0
    assert states(path) == WANTED
    assert late["delay_p95"] > 900


@pytest.mark.parametrize("max_gets", [0, 30])
def test_receipts_that_change(telecom_simulator: Any, tmp_path: Path, max_gets: int) -> None:
    """A final state is asked for again with `recheck_final`: the newest one counts."""
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 50)
    telecom_simulator.state.set_switch("ketchup_loyalty.changing_receipts", "on")
    numbers = [NUMBERS[5], NUMBERS[6]]  # 5 becomes undelivered, 6 delivered
    path = sent(tmp_path / "out.jsonl", numbers)
    telecom_simulator.state.clock.advance(110)
    for run in ("1", "2"):
        collected(path, Run(run), max_gets=max_gets)
        assert states(path) == ["delivered", "undelivered"]
        telecom_simulator.state.clock.advance(3600)
    facts = collected(path, Run("3"), max_gets=max_gets, recheck_final=True)
    assert states(path) == ["undelivered", "delivered"]
    assert facts["rounds"] == 1
    assert [row["send_state"] for row in rows(path)] == ["accepted"] * 2


@pytest.mark.parametrize("max_gets", [0, 30])
def test_a_word_that_the_document_does_not_have_is_no_failure(
    telecom_simulator: Any, tmp_path: Path, max_gets: int
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.new_status", "on")
    path = sent(tmp_path / "out.jsonl", NUMBERS[:5])
    facts = collected(path, max_gets=max_gets, wait_timeout=1)
    assert states(path) == ["delivered"] * 3 + ["silent", "delivered"]
    assert rows(path)[3]["status"].casefold() == "filtered"
    assert (facts["undelivered"], facts["silent"]) == (0, 1)


def test_what_an_export_does_not_list_is_asked_for_alone_or_stays_open(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.statistics_missing", "all")
    path = sent(tmp_path / "out.jsonl", [*NUMBERS, "380670000224"])
    facts = collected(path, max_gets=1, wait_timeout=1)
    assert (facts["rounds"], facts["silent"]) == (2, 1)  # one is asked for alone in each round
    assert {row["msisdn"][-1] for row in rows(path) if row["state"] == "silent"} == {"4"}
    assert collected(path, Run("later"))["silent"] == 0


def test_single_reads_after_a_round_of_exports_that_failed(
    telecom_simulator: Any, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks have meanwhile completed most messages, so that no export is needed any more."""
    telecom_simulator.state.set_switch("ketchup_loyalty.statistics_missing", "all")
    path = sent(tmp_path / "out.jsonl", [NUMBERS[4], *NUMBERS[:3]])
    telecom_simulator.fault("status", "ketchup_loyalty", path="/rest/sms/", status=503, times=4)

    def completed(*_: Any) -> bool:
        if not clock.slept:
            return False
        first, *others = rows(path)
        write_lines(ObjectStoragePath(path), [first, *({**row, "state": "read"} for row in others)])
        return True

    monkeypatch.setattr(KetchUpCollectReceiptsOperator, "_complete_early", completed)
    assert collected(path, max_gets=1)["rounds"] == 1
    assert states(path) == ["delivered", *["read"] * 3]


def test_a_task_that_a_person_ends_deletes_its_export(telecom_simulator: Any, tmp_path: Path) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_polls", 10_000)
    path, run = sent(tmp_path / "out.jsonl"), Run()
    operator = KetchUpCollectReceiptsOperator(task_id="receipts", outcomes=path, max_gets=0, deferrable=True)
    with pytest.raises(TaskDeferred):
        run.execute(operator) if operator.has_dag() else operator.execute(run.context(operator))
    assert len(state_of(telecom_simulator).exports) == 1
    operator.on_kill()
    assert state_of(telecom_simulator).exports == {}
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "immediate")
    assert collected(path, run, max_gets=0)["silent"] == 0


def test_messages_that_are_not_listed_have_turns(telecom_simulator: Any, tmp_path: Path) -> None:
    """Those that never get a final state do not keep the others from being asked for."""
    for name, value in (("statistics_missing", "all"), ("new_status", "on")):
        telecom_simulator.state.set_switch(f"ketchup_loyalty.{name}", value)
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 1_000_000)
    numbers = [str(380670001004 + 10 * place) for place in range(8)]
    path = sent(tmp_path / "out.jsonl", numbers)
    facts = collected(path, max_gets=2, poll_interval=1, wait_timeout=4)
    asked = {
        one.path for one in telecom_simulator.state.requests if one.method == "GET" and "/sms/" in one.path
    }
    assert (len(asked), facts["rounds"]) == (8, 4)


@pytest.mark.parametrize("call", ["create", "file"])
def test_an_id_that_the_vendor_does_not_know_fails_no_task(
    telecom_simulator: Any, tmp_path: Path, call: str
) -> None:
    """KU:751: "Message_id do not exist". It does not say at which request, nor of which id."""
    path = sent(tmp_path / "out.jsonl")
    body = '{"error": "60", "errorDescription": "Message_id do not exist"}'
    telecom_simulator.fault("status", "ketchup_loyalty", path=f"/stat/{call}", status=200, body=body)
    facts = collected(path, max_gets=5, wait_timeout=1)
    assert (facts["rounds"], facts["silent"]) == (2, 0)
    assert state_of(telecom_simulator).exports == {}


def test_what_an_export_by_period_does_not_list_is_looked_up_by_id(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.statistics_missing", "by_period")
    path = sent(tmp_path / "out.jsonl", [str(380670001000 + place) for place in range(310)])
    facts = collected(path, max_gets=0, wait_timeout=1)
    assert (facts["rounds"], facts["silent"]) == (2, 0)
    assert requests(telecom_simulator)["POST stat/create"] == 2


def test_without_the_vendors_time_zone_receipts_are_found_as_well(
    telecom_simulator: Any, tmp_path: Path, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty", originator="Shop")
    for hours in (-12, 14):
        state_of(telecom_simulator).zone = timezone(timedelta(hours=hours))
        numbers = [str(380670002000 + 1000 * (hours + 12) + place) for place in range(310)]
        path = sent(tmp_path / f"{hours}.jsonl", numbers)
        facts = collected(path, Run(str(hours)))
        assert facts["silent"] == 0
        assert facts["delay_p95"] is not None  # until it was read


@pytest.mark.parametrize("max_gets", [0, 30])
def test_times_are_those_of_the_vendors_zone(
    telecom_simulator: Any, tmp_path: Path, hook_for: Callable[..., Any], max_gets: int
) -> None:
    hook_for("ketchup_loyalty", originator="Shop", vendor_timezone="Asia/Tokyo")
    state_of(telecom_simulator).zone = timezone(timedelta(hours=9))
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_seconds", 50)
    path = sent(tmp_path / "out.jsonl", NUMBERS)
    telecom_simulator.state.clock.advance(1000)
    facts = collected(path, max_gets=max_gets)
    assert facts["silent"] == 0
    assert 98 <= facts["delay_p50"] <= 102


def test_a_period_that_may_not_end_in_the_future(telecom_simulator: Any, tmp_path: Path) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.period_end", "past")
    path = sent(tmp_path / "out.jsonl", [str(380670001000 + place) for place in range(310)])
    telecom_simulator.state.clock.advance(5)
    assert collected(path)["silent"] == 0


def test_a_vendor_whose_clock_differs(telecom_simulator: Any, tmp_path: Path, clock: Clock) -> None:
    """Two minutes, in both directions: the periods of exports are wider than that."""
    for minutes in (-2, 2):
        telecom_simulator.state.clock.set(datetime.now(UTC) + timedelta(minutes=minutes))
        numbers = [str(380670002000 + 1000 * minutes + one) for one in range(310)]
        path = sent(tmp_path / f"{minutes}.jsonl", numbers)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CollectReceiptsOperator, "now", staticmethod(lambda: datetime.now(UTC)))
            facts = collected(path, Run(str(minutes)))
        assert (facts["delivered"], facts["silent"]) == (248, 0)
        assert facts["delay_p95"] >= 0


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "close_after"])
def test_a_lost_response_to_an_export_takes_no_second_place(
    telecom_simulator: Any, tmp_path: Path, kind: str
) -> None:
    path = sent(tmp_path / "out.jsonl")
    telecom_simulator.fault(kind, "ketchup_loyalty", path="/stat/create")
    assert collected(path, max_gets=0)["silent"] == 0
    assert state_of(telecom_simulator).exports == {}


def test_an_export_of_somebody_else_is_not_deleted(telecom_simulator: Any, tmp_path: Path, hook: Any) -> None:
    """Our request is lost while somebody else requests one: it has none of our messages."""
    from airflow_provider_telecom.transport.sync_transport import Transport

    foreign = sent(tmp_path / "foreign.jsonl", NUMBERS[:3])
    path = sent(tmp_path / "out.jsonl", NUMBERS[10:])
    send, done = Transport.send, []

    def sending(self: Transport, request: Any) -> Any:
        if request.label.endswith("/stat/create") and not done:
            done.append(1)
            hook.create_statistics_export(message_ids=[row["message_id"] for row in rows(foreign)])
            telecom_simulator.fault("close_before", "ketchup_loyalty", path="/stat/create")
        return send(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transport, "send", sending)
        facts = collected(path, max_gets=0)
    assert facts["silent"] == 0
    assert len(state_of(telecom_simulator).exports) == 1


def test_all_places_are_taken(telecom_simulator: Any, tmp_path: Path, hook: Any, clock: Clock) -> None:
    path = sent(tmp_path / "out.jsonl")
    ids = [row["message_id"] for row in rows(path)]
    keys = [hook.create_statistics_export(message_ids=ids) for _ in range(5)]
    with pytest.raises(TelecomRejectedError, match="92"):
        collected(path, max_gets=0, on_full="fail")
    with pytest.raises(AirflowSensorTimeout, match="has not answered within"):
        collected(path, Run("waits"), max_gets=0, wait_timeout=100)
    assert states(path) == ["accepted"] * 20  # nobody was asked, so nothing is silent
    hook.delete_statistics_export(keys[0])
    assert collected(path, Run("2"), max_gets=0)["silent"] == 0
    assert set(state_of(telecom_simulator).exports) == set(keys[1:])


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_export_that_takes_long(
    telecom_simulator: Any, tmp_path: Path, clock: Clock, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_seconds", 90)
    path, run = sent(tmp_path / "out.jsonl"), Run()
    deferred = 0
    while True:
        operator = KetchUpCollectReceiptsOperator(
            task_id="receipts", outcomes=path, max_gets=0, deferrable=deferrable
        )
        try:
            facts = operator.execute(run.context(operator))
            break
        except TaskDeferred:
            deferred += 1
            clock.sleep(10)
    assert facts["silent"] == 0
    assert (deferred > 0) == deferrable
    assert requests(telecom_simulator)["POST stat/create"] == 1
    assert state_of(telecom_simulator).exports == {}


@pytest.mark.parametrize("switch", ["statistics_list", "csv_semicolon", "typographic_quotes", "stray_blanks"])
@pytest.mark.parametrize("count", [20, pytest.param(310, marks=pytest.mark.long)])
def test_forms_of_the_file(telecom_simulator: Any, tmp_path: Path, switch: str, count: int) -> None:
    telecom_simulator.state.set_switch(f"ketchup_loyalty.{switch}", "on")
    path = sent(tmp_path / "out.jsonl", [str(380670001000 + place) for place in range(count)])
    assert collected(path, max_gets=0)["silent"] == 0


def test_a_message_of_unknown_outcome_that_the_vendor_has_is_found_by_its_key(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    path = sent(tmp_path / "out.jsonl", NUMBERS[:4])
    changed = rows(path)
    for row in changed[:2]:
        row |= {"state": "unknown", "message_id": None, "id": None, "price": None, "currency": None}
    changed[0]["reference"] = "tnobodyhasthis"
    write_lines(ObjectStoragePath(path), changed)
    facts = collected(path)
    assert states(path) == ["unknown", "delivered", "delivered", "delivered"]
    assert (rows(path)[1]["price"], facts["price"]) == ("0.02", "0.06")
    assert rows(path)[1]["message_id"]


def test_rows_with_the_same_id_and_receipts_about_another_number(
    telecom_simulator: Any, tmp_path: Path
) -> None:
    """Two rows are one message; ids in another order prove nothing about the numbers."""
    for max_gets in (0, 30):
        path = sent(tmp_path / f"{max_gets}.jsonl", [NUMBERS[1 + max_gets // 30], NUMBERS[9], NUMBERS[8]])
        first, second, third = rows(path)
        second["message_id"], third["message_id"] = third["message_id"], second["message_id"]
        second["reference"] = third["reference"] = None
        write_lines(ObjectStoragePath(path), [first, dict(first), second, third])
        facts = collected(path, Run(str(max_gets)), max_gets=max_gets, wait_timeout=1)
        assert states(path) == ["delivered", "delivered", "silent", "silent"]
        assert facts["delivered"] == 2


def test_files_of_others_are_refused_before_any_request(telecom_simulator: Any, tmp_path: Path) -> None:
    path = sent(tmp_path / "out.jsonl", NUMBERS[:1])
    given, before = rows(path), len(telecom_simulator.state.requests)
    for name, value in (("conn_id", "kyivstar_default"), ("channel", "rcs"), ("channel", "hlr")):
        write_lines(ObjectStoragePath(path), [{**row, name: value} for row in given])
        with pytest.raises(TelecomInputError, match=rf"out.jsonl, row 1: {name} must be"):
            collected(path)
    assert len(telecom_simulator.state.requests) == before


@pytest.mark.parametrize(
    ("wrong", "field"), [({"max_gets": -1}, "max_gets"), ({"on_full": "delete"}, "on_full")]
)
def test_wrong_parameters(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises((TelecomInputError, ValueError), match=field):
        KetchUpCollectReceiptsOperator(task_id="receipts", outcomes="out.jsonl", **wrong)
