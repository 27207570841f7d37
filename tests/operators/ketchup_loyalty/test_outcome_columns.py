"""The lines of results that are written by columns are those that were written message by message."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.outcomes import Origin
from airflow_provider_telecom.bulk.text_template import TextTemplate
from airflow_provider_telecom.calls.json_columns import json_objects
from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import RowColumns, SmsKind
from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import outcome_columns
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts
from airflow_provider_telecom.vendors.ketchup_loyalty.models import AcceptedResults, SendResult

KEYS = IdempotencyKeys("d", "r", "t")
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f\n"), max_size=6)
PRICES = st.sampled_from([None, Decimal("0.02"), Decimal("0.5"), Decimal(0), Decimal("0.1000001")])
CURRENCIES = st.sampled_from([None, "EUR", "UAH"])
CODES = st.sampled_from([(None, False), ("23", True), ("7", False), ("11", False)])


def kind_of(columns: tuple[str, ...] = ("name", "note")) -> SmsKind:
    text = TextTemplate("{name}, hello {name}: {note}")
    rows = RowColumns(columns, results=("note",))
    kind = SmsKind(None, KEYS, rows, text, "Shop", {})  # type: ignore[arg-type]
    kind.origin = Origin("sms", "conn", "d/r/t")
    return kind


@st.composite
def sends(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], list[Any]]:
    count = draw(st.integers(1, 5))
    rows = [(f"38067000020{place}", draw(NAMES), draw(NAMES)) for place in range(count)]
    results: list[SendResult | None] = []
    for place in range(count):
        code, duplicate = draw(CODES)
        price, currency = draw(PRICES), draw(CURRENCIES)
        known = SendResult(f"r{place}", str(place), price, currency, code, duplicate, task_id="77")
        results.append(draw(st.sampled_from([known, None])) if draw(st.booleans()) else known)
    return rows, results


@given(sends())
def test_the_lines_of_messages(given_: tuple[list[tuple[str, str, str]], list[SendResult | None]]) -> None:
    rows, results = given_
    kind = kind_of()
    messages = kind.messages(list(zip(*rows, strict=True)))
    text = json_objects(outcome_columns(kind, messages, results, AT), "\n", (", ", ": "))
    lines = []
    for (number, name, note), result in zip(rows, results, strict=True):
        filled = f"{name}, hello {name}: {note}"
        line: dict[str, Any] = kind.origin.line(
            number,
            "unknown",
            reference=KEYS(number, "Shop", filled),
            segments=sms_segments(filled),
            sent_at="2026-03-01T09:30:00Z",
        )
        line |= {"id": None, "task_id": None}
        if result is not None:
            is_refused = result.code is not None and not result.duplicate
            line |= {
                "state": "known_before" if result.duplicate else "refused" if is_refused else "accepted",
                "message_id": result.id,
                "code": result.code,
                "price": None if result.price is None else str(result.price),
                "currency": result.currency,
                "final_at": "2026-03-01T09:30:00Z" if is_refused else None,
                "id": result.id,
                "task_id": result.task_id,
            }
        lines.append(json.dumps({**line, "note": note}, ensure_ascii=False) + "\n")
    assert text == "".join(lines)


@given(st.lists(st.tuples(PRICES, CURRENCIES), min_size=1, max_size=6), st.sampled_from([None, "77"]))
def test_accepted_results_by_columns_are_counted_and_written_as_one_by_one(
    found: list[tuple[Decimal | None, str | None]], task_id: str | None
) -> None:
    prices, currencies = zip(*found, strict=True)
    keys = [f"r{place}" for place in range(len(found))]
    columns = AcceptedResults(keys, keys, prices, currencies, task_id)
    assert columns == list(columns) == [columns[place] for place in range(len(found))]
    counts, expected = SendCounts(price="0.01", currency="USD"), SendCounts(price="0.01", currency="USD")
    counts.add(columns)
    expected.add(list(columns))
    assert counts == expected
    kind = kind_of()
    messages = kind.messages([[f"38067000020{place}" for place in range(len(found))], keys, keys])
    at_once, alone = (outcome_columns(kind, messages, each, AT) for each in (columns, list(columns)))
    assert json_objects(at_once, "\n") == json_objects(alone, "\n")
