"""The counts and the file of a ladder's report, without an operator."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.ladder_report import LadderCounts, RungCounts, RungFiles, report
from airflow_provider_telecom.calls.errors import TelecomInputError
from tests.bulk.audiences import prepare_audience
from tests.bulk.outcome_files import outcome, write_outcomes

A, B, C, D, E, F = (f"38067000020{place}" for place in range(6))
OUTSIDER = "380670000999"
EUR = {"price": "0.01", "currency": "EUR"}
UAH = {"price": "1.50", "currency": "UAH"}


def rung(folder: Path, name: str, numbers: list[str], rows: list[dict[str, Any]], *more: str) -> RungFiles:
    """Write the files of a rung."""
    people = [
        {"name": "A", "msisdn": number, **({"variant": more[place % len(more)]} if more else {})}
        for place, number in enumerate(numbers)
    ]
    made = prepare_audience(folder / name, people)
    return RungFiles(name, made["path"], made["sha256"], [write_outcomes(folder / f"{name}.jsonl", rows)])


def ladder(folder: Path, *variants: str) -> list[RungFiles]:
    viber = [
        outcome(F, "read", **UAH),
        outcome(E, "delivered"),
        outcome(D, "refused", code="41", price="9", currency="EUR"),  # nothing is paid for what was refused
        outcome(C, "unknown", price="9", currency="EUR"),  # nobody knows
        outcome(B, "expired", price="0.02"),
        outcome(OUTSIDER, "delivered", **EUR),
    ]
    sms = [
        outcome(E, "delivered", channel="sms", **EUR),
        outcome(B, "silent", channel="sms", **UAH),
        outcome(B, "silent", channel="sms", **UAH),
        outcome(D, "undelivered", channel="sms"),
        outcome(C, "delivered", channel="sms", **EUR),
    ]
    first = rung(folder, "viber", [F, E, D, C, B, A], viber, *variants)
    return [first, rung(folder, "sms", [B, C, D, E], sms)]


def test_all_counts(tmp_path: Path) -> None:
    found = report(ladder(tmp_path), None, "100MB")
    viber = RungCounts(
        name="viber",
        recipients=6,
        states={"delivered": 2, "read": 1, "expired": 1, "refused": 1, "unknown": 1},
        no_outcome=1,
        delivered=2,
        prices={"?": Decimal("0.02"), "EUR": Decimal("0.01"), "UAH": Decimal("1.5")},
        unpriced=1,
        outside=1,
    )
    sms = RungCounts(
        name="sms",
        recipients=4,
        states={"delivered": 2, "undelivered": 1, "silent": 2},
        no_outcome=0,
        delivered=2,
        prices={"EUR": Decimal("0.02"), "UAH": Decimal(3)},
        unpriced=1,
        outside=0,
    )
    assert found == LadderCounts(6, delivered=3, delivered_twice=1, unknown=0, rungs=[viber, sms])
    assert list(found.prices.items()) == [
        ("?", Decimal("0.02")),
        ("EUR", Decimal("0.03")),
        ("UAH", Decimal("4.5")),
    ]
    assert (found.may_be_paid, found.unpriced) == (1, 2)
    assert LadderCounts(0, 0, 0, 0).prices == {}


NAMES = ["msisdn", "variant", "path", "reached_by", "price", "currency", "deliveries", "may_be_paid"]
LINES: list[list[Any]] = [
    [F, "A", "viber:read", "viber", "1.5", "UAH", 1, 0],
    [E, "B", "viber:delivered > sms:delivered", "viber", "0.01", "EUR", 2, 0],
    [D, "C", "viber:refused > sms:undelivered", None, None, None, 0, 0],
    [C, "A", "viber:unknown > sms:delivered", "sms", "0.01", "EUR", 1, 1],
    [B, "B", "viber:expired > sms:silent", None, None, "?,UAH", 0, 0],
    [A, "C", "viber:no_outcome", None, None, None, 0, 0],
]


def text_of(cell: Any) -> str:
    return "" if cell is None else str(cell)


@pytest.mark.parametrize("has_variants", [True, False])
def test_lines_are_in_the_order_of_the_audience(tmp_path: Path, has_variants: bool) -> None:
    rungs = ladder(tmp_path, *("ABC" if has_variants else ""))
    chosen = [place for place, name in enumerate(NAMES) if has_variants or name != "variant"]
    expected = [[line[place] for place in chosen] for line in LINES]
    names = [NAMES[place] for place in chosen]
    for end in ("csv", "jsonl", "JSONL"):
        path = tmp_path / f"report.{end}"
        report(rungs, ObjectStoragePath(path), "100MB")
        if end == "csv":
            rows = [line.split(",") for line in path.read_text().replace('"?,UAH"', "?;UAH").splitlines()]
            wanted = [[text_of(cell).replace("?,", "?;") for cell in line] for line in expected]
            assert rows == [names, *wanted]
        else:
            assert [json.loads(line) for line in path.read_text().splitlines()] == [
                dict(zip(names, line, strict=True)) for line in expected
            ]


def test_a_parquet_file_has_exact_types(tmp_path: Path) -> None:
    path = tmp_path / "report.parquet"
    report(ladder(tmp_path, *"ABC"), ObjectStoragePath(path), "100MB")
    table = pyarrow.parquet.read_table(path)
    text, price, count = pyarrow.string(), pyarrow.decimal128(38, 9), pyarrow.int32()
    kinds = [text, text, text, text, price, text, count, count]
    assert table.schema == pyarrow.schema(list(zip(NAMES, kinds, strict=True)))
    assert [[row[name] for name in NAMES] for row in table.to_pylist()] == [
        [*line[:4], line[4] and Decimal(line[4]), *line[5:]] for line in LINES
    ]


def test_a_price_that_is_no_number_is_refused(tmp_path: Path) -> None:
    step = rung(tmp_path, "sms", [A], [outcome(A, "delivered", channel="sms", price="1,5", currency="EUR")])
    with pytest.raises(
        TelecomInputError, match=r"^outcomes: .*sms\.jsonl: the column price has a value that"
    ):
        report([step], None, "100MB")


def test_another_audience_than_the_one_that_was_sent_to_is_refused(tmp_path: Path) -> None:
    step = rung(tmp_path, "sms", [A], [outcome(A, "delivered", channel="sms")])
    wrong = RungFiles(step.name, step.audience, "0" * 64, step.outcomes)
    with pytest.raises(TelecomInputError, match=r"^audience: .* has changed"):
        report([wrong], None, "100MB")
    without_hash = RungFiles(step.name, step.audience, None, step.outcomes)
    assert report([without_hash], None, "100MB").delivered == 1


def test_a_rung_without_outcomes(tmp_path: Path) -> None:
    found = report([rung(tmp_path, "viber", [A], []), rung(tmp_path, "sms", [A], [])], None, "100MB")
    assert [(one.states, one.prices, one.no_outcome) for one in found.rungs] == [({}, {}, 1)] * 2
    assert (found.prices, found.may_be_paid, found.unpriced) == ({}, 0, 0)


def test_a_rung_may_have_several_files_of_outcomes(tmp_path: Path) -> None:
    """Another connection has taken over: whom the first one has handed over was not refused."""
    step = rung(tmp_path, "sms", [A, B], [outcome(number, "refused", code="not_sent") for number in (A, B)])
    second = write_outcomes(tmp_path / "second.parquet", [outcome(A, "delivered", **EUR)])
    found = report([RungFiles("sms", step.audience, None, [*step.outcomes, second])], None, "100MB")
    assert found.rungs[0].states == {"delivered": 1, "not_sent": 2}
    assert (found.rungs[0].prices, found.rungs[0].unpriced) == ({"EUR": Decimal("0.01")}, 0)
