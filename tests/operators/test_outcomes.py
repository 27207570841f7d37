"""Shards of a send and the join of their files of outcomes, and what the join refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import read_outcomes
from airflow_provider_telecom.calls.errors import TelecomFundsError, TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.outcomes import JoinOutcomesOperator
from airflow_provider_telecom.simulator.ketchup_loyalty import VendorState
from tests.bulk.audiences import prepare_audience
from tests.running import Run

SHARDS = 3
NUMBERS = [f"380670000{number:03d}" for number in range(300, 330)]


def join(folder: Path, outcomes: Any = None, **more: Any) -> dict[str, Any]:
    arguments = {
        "outcomes": outcomes or f"{folder}/sms-*.jsonl",
        "results_path": f"{folder}/all.jsonl",
        **more,
    }
    found: dict[str, Any] = Run().execute(JoinOutcomesOperator(task_id="join", **arguments))
    return found


def line(msisdn: str, task: str = "send/0", **more: Any) -> dict[str, Any]:
    return {
        "msisdn": msisdn,
        "channel": "sms",
        "conn_id": "c",
        "reference": None,
        "state": "accepted",
        "run": f"dag/run/{task}",
        "price": "0.10",
        "currency": "EUR",
        "sent_at": "2026-03-01T09:30:00Z",
        **more,
    }


def write(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_failing_shard_stops_no_other_one_and_the_join_waits_for_it(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    hook_for("ketchup_loyalty")
    rows = [{"msisdn": msisdn, "shard": place % SHARDS} for place, msisdn in enumerate(NUMBERS)]
    audience, run = prepare_audience(tmp_path / "audience", rows), Run()

    def send(shard: int) -> Any:
        operator = KetchUpSendBulkSmsOperator(
            task_id="send",
            recipients=audience,
            shard=shard,
            text="Hi",
            originator="Shop",
            chunk_size=4,
            results_path=f"{tmp_path}/sms-{{{{ ti.map_index }}}}.{suffix}",
        )
        return run.execute(operator, map_index=shard)

    pattern = f"{tmp_path}/sms-*.{suffix}"
    send(0)
    vendor_state = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor_state.balance = Decimal("0.02") * 4
    with pytest.raises(TelecomFundsError):
        send(1)
    vendor_state.balance = Decimal(1000)
    send(2)
    with pytest.raises(TelecomInputError, match="outcomes: 3 files are wanted, and there are 2"):
        join(tmp_path, pattern, files=SHARDS)
    send(1)
    joined = tmp_path / f"all.{suffix}"
    found = join(tmp_path, pattern, files="3", results_path=str(joined))
    assert found == {
        "outcomes": str(joined),
        "files": SHARDS,
        "messages": len(NUMBERS),
        "states": {"accepted": len(NUMBERS)},
        "prices": {"EUR": str(Decimal("0.02") * len(NUMBERS)).rstrip("0")},
    }
    effects = telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    assert Counter(effect.facts["msisdn"] for effect in effects) == Counter(NUMBERS)
    lines = list(read_outcomes(ObjectStoragePath(str(joined))))
    assert Counter(one["msisdn"] for one in lines) == Counter(NUMBERS)
    assert sorted({one["run"][-2:] for one in lines}) == ["/0", "/1", "/2"]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith((".parts", ".part"))] == []


def test_another_try_writes_the_same_file(tmp_path: Path) -> None:
    for shard in range(SHARDS):
        write(tmp_path / f"sms-{shard}.jsonl", line(NUMBERS[shard], f"send/{shard}"))
    first = join(tmp_path)
    content = (tmp_path / "all.jsonl").read_bytes()
    assert join(tmp_path) == first
    assert (tmp_path / "all.jsonl").read_bytes() == content
    assert join(tmp_path, [f"{tmp_path}/sms-0.jsonl", f"{tmp_path}/sms-*.jsonl"])["files"] == SHARDS


@pytest.mark.parametrize(
    ("lines", "arguments", "rule"),
    [
        ([line("1")], {"files": 2}, "outcomes: 2 files are wanted, and there are 1"),
        ([line("1")], {"files": 0}, "files: 0: must be 1 to"),
        ([line("1")], {"outcomes": "{folder}/none-*.jsonl"}, "outcomes: there is no file"),
        ([line("1")], {"results_path": "{folder}/sms-0.jsonl"}, "results_path: .* is one of the files"),
        ([line("1")], {"outcomes": " "}, "outcomes: "),
        (
            [{**line("1"), "state": "sent"}],
            {},
            r"outcomes: .*sms-0.jsonl, row 1: a state that no outcome has",
        ),
        ([line("1"), {"name": "x"}], {}, r"outcomes: .*row 2: a row without msisdn"),
        (["text"], {}, "line 1, is not an object of JSON"),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: list[Any], arguments: dict[str, Any], rule: str) -> None:
    write(tmp_path / "sms-0.jsonl", *lines)
    given = {
        name: value.format(folder=tmp_path) if isinstance(value, str) else value
        for name, value in arguments.items()
    }
    with pytest.raises(TelecomInputError, match=rule):
        join(tmp_path, **given)
    assert [path.name for path in tmp_path.iterdir()] == ["sms-0.jsonl"]


def test_two_files_of_one_task_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "sms-0.jsonl", line("1"))
    write(tmp_path / "sms-0 (copy).jsonl", line("1"))
    with pytest.raises(TelecomInputError, match="have outcomes of the same task, dag/run/send/0"):
        join(tmp_path)


def test_a_send_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "sms-0.jsonl.parts" / "000000000000.jsonl", line("1"))
    write(tmp_path / "sms-1.jsonl", line("2", "send/1"))
    with pytest.raises(TelecomInputError, match="is not complete: its send is running, or has failed"):
        join(tmp_path, str(tmp_path))
