"""Collecting receipts in rounds: what is asked, when it ends, and what is in the file. Without a vendor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_telecom.bulk.outcomes import Origin, read_outcomes, write_parquet
from airflow_provider_telecom.bulk.receipts import Receipt, write_lines
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomRejectedError,
    TelecomServerError,
)
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator, ReceiptsArguments
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR
from tests.running import Run

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
NUMBERS = [str(380670000200 + place) for place in range(6)]


class Clock:
    def __init__(self) -> None:
        self.at = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


class Collecting(CollectReceiptsOperator):
    """Finds receipts in a dictionary: after how many rounds a message has which state."""

    vendor = VENDOR
    channels = ("sms",)
    group_size = 2
    answers: dict[str, tuple[float, str]]
    asked: list[list[str]]
    errors: list[Exception]

    def __init__(self, *, outcomes: Any, **kwargs: Unpack[ReceiptsArguments]) -> None:
        super().__init__(outcomes=outcomes, **kwargs)

    def _receipts(self, lines: Sequence[dict[str, Any]]) -> Sequence[Receipt | None]:
        self.asked.append([line["message_id"] for line in lines])
        if self.errors:
            raise self.errors.pop(0)
        passed = (type(self).now() - START).total_seconds()
        found = [self.answers.get(line["message_id"]) for line in lines]
        return [Receipt(one[1], one[1]) if one and one[0] <= passed else None for one in found]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(CollectReceiptsOperator, "now", staticmethod(found.now))
    monkeypatch.setattr(CollectReceiptsOperator, "_sleep", staticmethod(found.sleep))
    monkeypatch.setattr(Collecting, "answers", {}, raising=False)
    monkeypatch.setattr(Collecting, "asked", [], raising=False)
    monkeypatch.setattr(Collecting, "errors", [], raising=False)
    return found


def lines(states: Sequence[str] = ("accepted",) * 6, conn_id: str = "ketchup_loyalty_default") -> Any:
    origin = Origin("sms", conn_id, "dag/run/send")
    return [
        origin.line(
            number, state, message_id=number[-1], reference=f"t{number}", sent_at="2026-03-01T09:00:00Z"
        )
        for number, state in zip(NUMBERS, states, strict=True)
    ]


def written(path: Path, rows: Any) -> str:
    if path.suffix == ".parquet":
        with path.open("wb") as file:
            write_parquet(file, rows)
    else:
        write_lines(ObjectStoragePath(str(path)), rows)
    return str(path)


def states(path: Path | str) -> list[str]:
    return [line["state"] for line in read_outcomes(ObjectStoragePath(str(path)))]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_rounds_until_all_have_a_receipt(clock: Clock, tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name, lines(["accepted", "refused", "known_before", "silent", "unknown", "accepted"])
    )
    Collecting.answers = {
        "0": (0, "delivered"),
        "2": (60, "undelivered"),
        "3": (100, "read"),
        "5": (150, "expired"),
    }
    facts = Run().execute(Collecting(task_id="receipts", outcomes=path))
    assert states(path) == ["delivered", "refused", "undelivered", "read", "unknown", "expired"]
    assert facts["outcomes"] == path
    assert [facts[name] for name in ("messages", "final", "silent", "rounds")] == [6, 5, 0, 3]
    assert facts["final_percent"] == 100
    assert Collecting.asked == [["0", "2"], ["3", "5"], ["2", "3"], ["5"], ["3", "5"]]
    assert clock.slept == [60, 60, 30]  # 60, then 90
    assert [path.name for path in tmp_path.iterdir()] == [name]
    sent = [line.get("send_state") for line in read_outcomes(ObjectStoragePath(path))]
    assert sent == ["accepted", None, "known_before", "silent", None, "accepted"]


def test_what_has_no_receipt_at_the_end_is_silent_and_a_later_run_may_complete_it(
    clock: Clock, tmp_path: Path
) -> None:
    path = written(tmp_path / "out.jsonl", lines())
    Collecting.answers = {"0": (0, "delivered"), "1": (1000, "delivered")}
    facts = Run().execute(Collecting(task_id="receipts", outcomes=path, wait_timeout=timedelta(seconds=200)))
    assert (facts["delivered"], facts["silent"], facts["accepted"]) == (1, 5, 0)
    assert states(path) == ["delivered"] + ["silent"] * 5
    assert (clock.at - START).total_seconds() == 200  # a last round at the very end
    clock.at = START + timedelta(seconds=1000)
    facts = Run("later").execute(Collecting(task_id="receipts", outcomes=path, wait_timeout=1))
    assert (facts["delivered"], facts["silent"]) == (2, 4)


def test_enough_receipts_end_the_wait(clock: Clock, tmp_path: Path) -> None:
    path = written(tmp_path / "out.jsonl", lines())
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS[:3]}
    facts = Run().execute(Collecting(task_id="receipts", outcomes=path, min_final_percent="50"))
    assert (facts["delivered"], facts["silent"], clock.slept) == (3, 3, [])


def test_without_open_messages_nobody_is_asked(clock: Clock, tmp_path: Path) -> None:
    path = written(
        tmp_path / "out.jsonl", lines(["delivered", "read", "refused", "unknown", "expired", "undelivered"])
    )
    facts = Run().execute(Collecting(task_id="receipts", outcomes=path))
    assert (Collecting.asked, facts["rounds"]) == ([], 0)


def test_files_of_shards_are_joined(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "send").mkdir()
    for shard, rows in enumerate((lines()[:3], lines()[3:])):
        written(tmp_path / "send" / f"{shard}.jsonl", rows)
    whole = tmp_path / "send" / "whole.parquet"
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS}
    asked = {"outcomes": str(tmp_path / "send"), "results_path": str(whole)}
    for run in ("1", "2"):
        facts = Run(run).execute(Collecting(task_id="receipts", **asked))
        assert (facts["outcomes"], facts["messages"]) == (str(whole), 6)
        assert states(whole) == ["delivered"] * 6
    assert states(tmp_path / "send" / "0.jsonl") == ["accepted"] * 3
    with pytest.raises(TelecomInputError, match=r"^results_path: must be given: outcomes is a folder"):
        Run().execute(Collecting(task_id="receipts", outcomes=str(tmp_path / "send")))


def test_a_shard_whose_send_has_not_ended_is_not_left_out(clock: Clock, tmp_path: Path) -> None:
    """Otherwise its recipients would be missing in the joined file, and nobody would notice."""
    send = tmp_path / "send"
    send.mkdir()
    written(send / "0.jsonl", lines()[:3])
    (send / "1.jsonl.parts").mkdir()
    written(send / "1.jsonl.parts" / "000000000000.jsonl", lines()[3:])
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS}
    for outcomes in (send, send / "*"):
        asked = {"outcomes": str(outcomes), "results_path": str(tmp_path / "whole.jsonl")}
        with pytest.raises(TelecomInputError, match=r"^outcomes: .*1.jsonl.parts.* not complete"):
            Run().execute(Collecting(task_id="receipts", **asked))
    assert Collecting.asked == []
    written(send / "1.jsonl", lines()[3:])
    with pytest.raises(TelecomInputError, match="not complete"):  # more of it is being sent
        Run().execute(
            Collecting(
                task_id="r", outcomes=str(send / "*.jsonl"), results_path=str(tmp_path / "whole.jsonl")
            )
        )


def test_another_path_gets_the_completed_file(clock: Clock, tmp_path: Path) -> None:
    path, other = written(tmp_path / "out.jsonl", lines()), tmp_path / "new" / "receipts.parquet"
    Collecting.answers = {"0": (0, "delivered"), "1": (60, "delivered")}
    Run().execute(
        Collecting(task_id="r", outcomes={"results": path}, results_path=str(other), wait_timeout=61)
    )
    assert states(other) == ["delivered", "delivered", *["silent"] * 4]
    assert states(path) == ["accepted"] * 6


@pytest.mark.parametrize("name", ["new.jsonl", "new.parquet"])
def test_a_cleared_task_with_another_path_asks_for_what_is_open_only(
    clock: Clock, tmp_path: Path, name: str
) -> None:
    """The vendor may have forgotten the others: a delivered message must not become silent."""
    path, other = written(tmp_path / "out.jsonl", lines()), tmp_path / name
    given: Any = {"task_id": "r", "outcomes": path, "results_path": str(other), "wait_timeout": 1}
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS[:3]}
    run = Run()
    run.execute(Collecting(**given))
    Collecting.answers, Collecting.asked = {"4": (0, "undelivered")}, []
    run.execute(Collecting(**given))
    assert states(other) == [*["delivered"] * 3, "silent", "undelivered", "silent"]
    assert Collecting.asked[:2] == [["3", "4"], ["5"]]
    again = lines()
    again[0] |= {"message_id": "x", "sent_at": "2026-03-01T10:00:00Z"}  # another send
    written(tmp_path / "out.jsonl", again)
    Collecting.answers = {"x": (0, "undelivered")}
    run.execute(Collecting(**given))
    assert states(other) == ["undelivered", *["silent"] * 5]


def test_a_deferred_task_frees_its_worker(clock: Clock, tmp_path: Path) -> None:
    path, run = written(tmp_path / "out.jsonl", lines()), Run()
    Collecting.answers = {number[-1]: (60, "delivered") for number in NUMBERS}
    operator = Collecting(task_id="receipts", outcomes=path, deferrable=True)
    context = run.context(operator)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    assert deferred.value.method_name == "continue_collecting"
    clock.at += timedelta(seconds=60)
    again = Collecting(task_id="receipts", outcomes=path, deferrable=True)
    assert again.continue_collecting(run.context(again), None)["delivered"] == 6


def test_temporary_errors_are_ignored_for_a_while_and_what_is_known_is_kept(
    clock: Clock, tmp_path: Path
) -> None:
    path = written(tmp_path / "out.jsonl", lines())
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS}
    error = TelecomServerError("down", call="GET /sms/{id}", status=503)
    Collecting.errors = [error] * 2
    operator = {"task_id": "receipts", "outcomes": path, "tolerated_errors": 2}
    assert Run().execute(Collecting(**operator))["delivered"] == 6
    Collecting.errors = [error] * 3
    path = written(tmp_path / "out.jsonl", lines())
    run = Run()
    with pytest.raises(TelecomServerError):
        run.execute(Collecting(**operator))
    assert run.execute(Collecting(**operator))["delivered"] == 6
    Collecting.errors = [TelecomRejectedError("no", call="GET /sms/{id}", code="7")]
    written(tmp_path / "out.jsonl", lines())
    with pytest.raises(TelecomRejectedError):
        Run().execute(Collecting(**operator))


def test_a_killed_round_goes_on_where_it_stopped(clock: Clock, tmp_path: Path) -> None:
    path, run = written(tmp_path / "out.parquet", lines()), Run()
    Collecting.answers = {number[-1]: (0, "delivered") for number in NUMBERS}
    receipts = Collecting._receipts

    class KilledError(BaseException):
        pass

    def killed(self: Any, group: Any) -> Any:
        if len(Collecting.asked) == 2:
            raise KilledError
        return receipts(self, group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Collecting, "_receipts", killed)
        with pytest.raises(KilledError):
            run.execute(Collecting(task_id="receipts", outcomes=path))
    assert states(path) == ["accepted"] * 6
    run.execute(Collecting(task_id="receipts", outcomes=path))
    assert Collecting.asked == [["0", "1"], ["2", "3"], ["4", "5"]]
    assert states(path) == ["delivered"] * 6


def test_files_that_are_no_outcomes_of_this_connection_are_refused_before_any_call(
    clock: Clock, tmp_path: Path
) -> None:
    path = written(tmp_path / "out.jsonl", lines(conn_id="another"))
    with pytest.raises(TelecomInputError, match=r"out.jsonl, row 1: conn_id must be ketchup_loyalty_default"):
        Run().execute(Collecting(task_id="receipts", outcomes=path))
    with pytest.raises(TelecomInputError, match=r"^outcomes: there is no file"):
        Run().execute(Collecting(task_id="receipts", outcomes=str(tmp_path / "none.jsonl")))
    (tmp_path / "text.jsonl").write_text("no", encoding="utf-8")
    with pytest.raises(TelecomInputError, match=r"^outcomes: .*line 1, is not JSON"):
        Run().execute(Collecting(task_id="receipts", outcomes=str(tmp_path / "text.jsonl")))
    assert Collecting.asked == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"outcomes": ""}, "outcomes"),
        ({"outcomes": {"price": "1"}}, "outcomes"),
        ({"wait_timeout": 0}, "wait_timeout"),
        ({"wait_timeout": timedelta(0)}, "wait_timeout"),
        ({"poll_interval": -1}, "poll_interval"),
        ({"min_final_percent": 101}, "min_final_percent"),
        ({"tolerated_errors": -1}, "tolerated_errors"),
    ],
)
def test_wrong_parameters_are_refused_when_the_dag_is_parsed(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{field}: "):
        Collecting(task_id="receipts", **{"outcomes": "out.jsonl", **wrong})
