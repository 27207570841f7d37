"""docs/transfers.md shows the columns of all data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_telecom.vendors.columns import Column, ColumnType
from airflow_provider_telecom.vendors.ketchup_loyalty import schema as ketchup
from airflow_provider_telecom.vendors.kyivstar_fmc import schema as fmc
from airflow_provider_telecom.vendors.novaconnect import schema as novaconnect
from airflow_provider_telecom.vendors.sunsim import schema as sunsim

DOCS = Path(__file__).parent.parent.parent / "docs" / "transfers.md"
TABLES = {
    "FMC: `calls`": fmc.COLUMNS,
    "KetchUp: `messages`": ketchup.COLUMNS,
    "SunSim: `calls`": sunsim.COLUMNS,
    "SunSim: `recordings`": sunsim.RECORDINGS,
    **{f"NovaConnect: `{name}`": columns for name, columns in novaconnect.COLUMNS.items()},
}
WORDS = {
    ColumnType.TEXT: "text",
    ColumnType.INT64: "int64",
    ColumnType.DECIMAL: "decimal",
    ColumnType.BOOL: "bool",
    ColumnType.TIMESTAMP: "timestamp",
    ColumnType.JSON: "JSON",
}


def lines_of(title: str, columns: tuple[Column, ...]) -> Iterator[str]:
    """Yield the lines of a table of columns in the docs."""
    yield f"### {title}"
    yield ""
    yield "| column | type | unit | meaning |"
    yield "|---|---|---|---|"
    for column in columns:
        assumed = " *(assumed)*" if column.assumed else ""
        yield f"| `{column.name}` | {WORDS[column.kind]} | {column.unit} | {column.meaning}{assumed} |"


@pytest.mark.parametrize("title", TABLES)
def test_the_docs_show_the_columns_of_a_data_set(title: str) -> None:
    assert "\n".join(lines_of(title, TABLES[title])) in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("title", TABLES)
def test_columns_have_unique_names_and_end_with_the_raw_record(title: str) -> None:
    names = [column.name for column in TABLES[title]]
    assert len(set(names)) == len(names)
    assert names[-1] == "raw"
    assert "date" not in names  # readers of partitions make a column of the folder's name
    assert all(column.meaning for column in TABLES[title])
