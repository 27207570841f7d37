"""Rows of recipients in CSV files: read at once as they are one by one, with their line numbers."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.bulk import recipient_rows as module
from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns

WITH_NAME = RecipientColumns(values=("name",))


@given(
    st.lists(
        st.sampled_from(["1,a", "2,b", "3", "", '4,"x"', '5,"two\nlines"', '6,"a"b', "7,c,d", "8,\r9,e"])
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([1, 5, 8_192]),
)
def test_lines_without_quotes_are_read_at_once_as_they_are_one_by_one(
    lines: list[str], end: str, characters: int
) -> None:
    text = end.join(["msisdn,name", *lines, *["3,z"] * 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHARACTERS_READ", characters)
        many = list(module.csv_rows(io.StringIO(text, newline=""), WITH_NAME))
    file = io.StringIO(text, newline="")
    file.readline()
    each = module._each_csv_row(file, 1, ",", 2, module._picker([0, 1]))

    def shown(rows: Any) -> list[tuple[int, Any]]:
        return [(number, repr(row) if isinstance(row, Exception) else tuple(row)) for number, row in rows]

    assert shown(many) == shown(each)


def test_line_numbers_go_on_from_batch_to_batch() -> None:
    text = "msisdn,name\n" + "1,a\n" * 299 + "1\n" + "1,a\n" * 300 + "\n" + '1,"a"\n' + "1,a\n" * 3
    numbers = [number for number, _ in module.csv_rows(io.StringIO(text), WITH_NAME)]
    assert numbers == [*range(2, 602), *range(603, 607)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_no_line_is_cut_where_a_part_of_the_file_ends(end: str) -> None:
    numbers = [str(380670000000 + place) for place in range(5_000)]
    file = io.StringIO(end.join(["msisdn", *numbers, ""]), newline="")
    rows = list(module.csv_rows(file, RecipientColumns("msisdn")))
    assert [row for _, row in rows] == [[number] for number in numbers]
    assert [line for line, _ in rows] == list(range(2, 5_002))
