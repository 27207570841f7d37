"""The file of results: it has a line for each message that was sent, whatever fails while it is written."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.garbage import _were_frozen, old_objects_frozen
from airflow_provider_telecom.bulk.receipts import FinalStates
from airflow_provider_telecom.bulk.results_file import ResultsFile, _json_lines
from airflow_provider_telecom.calls.errors import TelecomFundsError, TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState
from tests.running import Run, Store

NUMBERS = [str(380670000200 + place) for place in range(30)]


@pytest.fixture
def arguments(hook_for: Callable[..., Any], tmp_path: Path) -> dict[str, Any]:
    hook_for("ketchup_loyalty")
    return {
        "task_id": "send",
        "recipients": NUMBERS,
        "text": "Hi",
        "chunk_size": 3,
        "results_path": str(tmp_path / "results.jsonl"),
    }


def books_of(simulator: Any) -> VendorState:
    vendor_state: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return vendor_state


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process whose tries write no large file."""
    command = [sys.executable, "-m", "tests.bulk.full_disk"]
    with (tmp_path_factory.mktemp("full_disk") / "log").open("w") as log:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True)
        with process:
            yield process


def tried_on_a_full_disk(
    process: subprocess.Popen[str], arguments: dict[str, Any], store: Store, limit: int
) -> str | None:
    """Run a try in which no file may be larger than `limit`; return the name of its error."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
    order = {"limit": limit, "arguments": arguments, "store": store.texts, "environment": environment}
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    store.texts = found["store"]
    name: str | None = found["error"]
    return name


def written(arguments: dict[str, Any]) -> list[str]:
    return [json.loads(line)["msisdn"] for line in Path(arguments["results_path"]).read_text().splitlines()]


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(100, id="the first close"),
        pytest.param(2_400, id="a later close"),
        pytest.param(6_000, id="the join"),
    ],
)
def test_a_full_disk_loses_no_line(
    telecom_simulator: Any, full_disk: subprocess.Popen[str], arguments: dict[str, Any], limit: int
) -> None:
    run = Run()
    store = run.stores["send"] = Store()
    assert tried_on_a_full_disk(full_disk, arguments, store, limit) == "OSError"
    assert not Path(arguments["results_path"]).exists()
    facts = run.execute(KetchUpSendBulkSmsOperator(**arguments))
    assert facts["accepted"] + facts["known_before"] == len(NUMBERS)
    assert written(arguments) == NUMBERS
    sent = Counter(
        effect.facts["msisdn"] for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    )
    assert sent == Counter(NUMBERS)


def test_a_full_disk_in_the_middle_of_a_line_loses_no_line(
    telecom_simulator: Any, full_disk: subprocess.Popen[str], arguments: dict[str, Any]
) -> None:
    """So many lines that they are written, and not only closed, beyond the limit."""
    numbers = [str(380670000000 + place) for place in range(200)]
    arguments |= {"recipients": numbers, "chunk_size": 60}
    run = Run()
    store = run.stores["send"] = Store()
    assert tried_on_a_full_disk(full_disk, arguments, store, 50_000) == "OSError"
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    assert written(arguments) == numbers
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")) == len(numbers)


def test_an_error_of_the_vendor_on_a_full_disk_is_told_and_loses_no_line(
    telecom_simulator: Any, full_disk: subprocess.Popen[str], arguments: dict[str, Any]
) -> None:
    vendor_state, run = books_of(telecom_simulator), Run()
    balance, vendor_state.balance = vendor_state.balance, Decimal("0.36")
    store = run.stores["send"] = Store()
    assert tried_on_a_full_disk(full_disk, arguments, store, 3_000) == "TelecomFundsError"
    vendor_state.balance = balance
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    assert written(arguments) == NUMBERS


def test_the_results_of_what_was_sent_must_be_there(
    telecom_simulator: Any, arguments: dict[str, Any], tmp_path: Path
) -> None:
    run, elsewhere = Run(), str(tmp_path / "elsewhere.jsonl")
    run.execute(KetchUpSendBulkSmsOperator(**{**arguments, "recipients": NUMBERS[:12]}))
    with pytest.raises(TelecomInputError, match=r"^results_path: an earlier try has sent to 12 recipients"):
        run.execute(KetchUpSendBulkSmsOperator(**{**arguments, "results_path": elsewhere}))
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")) == 12
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    assert written(arguments) == NUMBERS


def test_parts_with_a_gap_are_not_joined(telecom_simulator: Any, arguments: dict[str, Any]) -> None:
    vendor_state, run = books_of(telecom_simulator), Run()
    vendor_state.balance = Decimal("0.30")
    with pytest.raises(TelecomFundsError):
        run.execute(KetchUpSendBulkSmsOperator(**arguments))
    vendor_state.balance = Decimal(1000)
    _, second, *_ = sorted(Path(f"{arguments['results_path']}.parts").iterdir())
    lines = second.read_text().splitlines(keepends=True)
    second.write_text("".join(lines[:-1]))
    with pytest.raises(TelecomInputError, match=r"^results_path: "):
        run.execute(KetchUpSendBulkSmsOperator(**arguments))
    second.write_text("".join(lines))
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    assert written(arguments) == NUMBERS


def test_parts_that_somebody_else_has_changed_are_not_joined(tmp_path: Path) -> None:
    results = ResultsFile(ObjectStoragePath(str(tmp_path / "results.jsonl")))
    results.begin(0)
    for row in (0, 3):
        results.add({"row": row + place} for place in range(3))
        results.close_part(row + 3)
    (first, _) = sorted((tmp_path / "results.jsonl.parts").iterdir())
    whole = first.read_text()
    first.write_text('{"row": 0}\n')
    with pytest.raises(TelecomInputError, match=r"^results_path: all 6 recipients .* the results of 4"):
        results.finish(6)
    assert not (tmp_path / "results.jsonl").exists()
    first.write_text(whole)
    results.finish(6)
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 6


TEXTS = st.one_of(
    st.text(max_size=8), st.sampled_from(['}, {"msisdn": ', "}, {", '"}, {"', "\n", '\\"', "\u2028"])
)


@given(st.lists(st.dictionaries(st.sampled_from(["msisdn", "}, {", "b"]), TEXTS | st.none()), max_size=5))
def test_lines_encoded_at_once_are_those_encoded_one_by_one(rows: list[dict[str, str | None]]) -> None:
    expected = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    assert _json_lines(rows) == expected
    whole = [{"msisdn": "1", **row} for row in rows]
    assert _json_lines(whole) == "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in whole)


def test_old_objects_are_collected_again_after_a_send() -> None:
    @old_objects_frozen()
    def fail() -> None:
        raise ValueError(gc.get_freeze_count())

    gc.unfreeze()
    _were_frozen.cache_clear()
    with pytest.raises(ValueError, match=r"[1-9]"):
        fail()
    assert not gc.get_freeze_count()


def test_objects_that_were_frozen_before_stay_frozen() -> None:
    gc.freeze()  # as Airflow does before it forks a worker
    _were_frozen.cache_clear()
    try:
        with old_objects_frozen():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
        _were_frozen.cache_clear()


def peak_of(work: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_joined_and_completed_lines_are_not_all_in_memory(tmp_path: Path) -> None:
    """The lines of a group of time zones become one part; those of a cleared task are complete already."""
    path, rows = ObjectStoragePath(str(tmp_path / "results.jsonl")), 30_000
    line = {"reference": "a" * 32, "state": "delivered", "text": "b" * 200}

    def add_all() -> None:
        file = ResultsFile(path)
        file.begin(0)
        file.add({**line, "row": place} for place in range(rows))
        file.close_part(rows)
        file.finish(rows)
        file.forget_parts()

    def complete_all() -> None:
        states = FinalStates(path)
        states.begin(lambda line: line["row"] in (12_000, 12_001, 29_999), lambda line: None)
        for expected in ([12_000, 12_001], [29_999], []):
            assert [one["row"] for one in states.next_group(300)] == expected
            states.record([{}] * len(expected))
        states.finish()

    assert peak_of(add_all) < 10_000_000  # 30,000 lines take more than 30 MB
    before = path.read_bytes()
    assert peak_of(complete_all) < 20_000_000
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize(
    ("other", "is_refused"),
    [
        ("dag/scheduled__1/sms", False),
        ("dag/scheduled__1/viber", True),
        ("dag/scheduled__1/sms/0", True),
        ("another/scheduled__1/sms", True),  # two daily Dags have the same run_id
        ("dag/scheduled__0/sms", False),
    ],
)
def test_the_results_of_another_task_of_the_run_are_not_replaced(
    tmp_path: Path, other: str, is_refused: bool
) -> None:
    file = tmp_path / "sms.jsonl"
    file.write_text(json.dumps({"run": other}) + "\n")
    results = ResultsFile(ObjectStoragePath(str(file)))
    if is_refused:
        with pytest.raises(TelecomInputError, match=f"has the results of {other}, another task of this run"):
            results.check_run("dag/scheduled__1/sms")
    else:
        results.check_run("dag/scheduled__1/sms")


def test_parquet_without_its_library_is_refused_before_the_first_message(
    telecom_simulator: Any, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a template names the file."""
    operator = KetchUpSendBulkSmsOperator(**{**arguments, "results_path": "{{ params.to }}"})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TelecomInputError, match="results_path: needs"):
        Run().execute(operator, params={"to": str(tmp_path / "results.parquet")})
    assert not books_of(telecom_simulator).messages
