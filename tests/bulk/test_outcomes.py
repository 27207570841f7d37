"""Outcomes: the columns of a line, and their files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_telecom.bulk.outcomes import (
    COUNTED,
    OUTCOME_COLUMNS,
    STATES,
    Origin,
    read_outcomes,
    run_text,
    time_text,
    write_parquet,
)
from airflow_provider_telecom.calls.errors import TelecomInputError

ORIGIN = Origin("sms", "ketchup", "dag/run/send")
LINE = ORIGIN.line(
    "380670000200",
    "accepted",
    reference="k1",
    message_id="7",
    variant="A",
    price=Decimal("0.5"),
    currency="UAH",
    segments=2,
    sent_at="2026-03-01T09:30:00.25Z",
)


def test_a_line_has_all_columns_in_their_order() -> None:
    assert tuple(LINE) == OUTCOME_COLUMNS
    assert tuple(ORIGIN.line("380670000201", "refused")) == OUTCOME_COLUMNS


def test_what_was_refused_does_not_count() -> None:
    assert set(STATES) - {"refused"} == COUNTED


def test_parquet_has_types_and_gives_the_same_lines_back(tmp_path: Path) -> None:
    other = {**ORIGIN.line("380670000201", "refused", code="7"), "id": None, "ported": True}
    lines = [{**LINE, "id": "7", "ported": None}, other]
    path = tmp_path / "outcomes.parquet"
    with path.open("wb") as file:
        assert write_parquet(file, lines, ["id", "ported"]) == 2
    schema = pyarrow.parquet.read_schema(path)
    assert schema.names == [*OUTCOME_COLUMNS, "id", "ported"]
    assert schema.field("price").type == pyarrow.decimal128(38, 9)
    assert schema.field("sent_at").type == pyarrow.timestamp("us", tz="UTC")
    assert schema.field("segments").type == pyarrow.int32()
    found = list(read_outcomes(ObjectStoragePath(str(path))))
    assert found == [{**lines[0], "sent_at": "2026-03-01T09:30:00.250000Z"}, {**other, "ported": "true"}]


@pytest.mark.parametrize(
    ("price", "read", "said"),
    [
        ("0.30000000000000004", "0.3", "rounded"),  # what floating point makes of 0.1 + 0.2
        ("12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789", ""),
        ("1E+30", None, "does not have it"),
        ("NaN", None, "does not have it"),
        ("0", "0", ""),
    ],
)
def test_a_price_that_does_not_fit_loses_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, price: str, read: str | None, said: str
) -> None:
    path = tmp_path / "x.parquet"
    with path.open("wb") as file:
        write_parquet(file, [ORIGIN.line("380670000201", "accepted", price=price)])
    (line,) = read_outcomes(ObjectStoragePath(str(path)))
    assert line["price"] == read
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


@pytest.mark.parametrize(
    ("name", "content"), [("x.parquet", b"no"), ("x.jsonl", b"no\n"), ("x.jsonl", b"[]\n")]
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TelecomInputError, match="is not"):
        list(read_outcomes(ObjectStoragePath(str(tmp_path / name))))


def test_times_are_in_utc() -> None:
    moment = datetime(2026, 3, 1, 11, 30, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(moment) == "2026-03-01T09:30:00Z"
    assert datetime.fromisoformat(time_text(moment)) == moment.astimezone(UTC)
    with pytest.raises(ValueError, match="time zone"):
        time_text(datetime(2026, 3, 1))


def test_a_run_names_the_place_of_a_mapped_list() -> None:
    assert run_text("d", "r", "t") == run_text("d", "r", "t", -1) == "d/r/t"
    assert run_text("d", "r", "t", 3) == "d/r/t/3"
