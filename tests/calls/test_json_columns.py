"""JSON objects by columns have the same bytes as dicts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.calls import json_columns
from airflow_provider_telecom.calls.json_columns import (
    JsonColumns,
    JsonObjects,
    each_json,
    json_body,
    json_objects,
)
from airflow_provider_telecom.calls.redaction import redact
from airflow_provider_telecom.calls.request import Idempotency, Json, Request

HOSTILE = st.sampled_from([
    *('"', "\\", "\\n", '","', '"}', "}", "{", '{"a":', "[]", ",", "\n", "\r\n", "\x00", "\x1f", "\x7f", ""),
    *("\u2028", "\u2029", "\ud83d", "\udc00", "\U0001f600", "Привіт", "%s", "{}", "null", "NaN", " "),
])
TEXTS = st.lists(st.one_of(HOSTILE, st.text(st.characters(), max_size=4)), max_size=4).map("".join)
CELLS = st.one_of(TEXTS, st.none(), st.integers(), st.booleans(), st.floats(allow_nan=False))
ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.one_of(TEXTS, CELLS), min_size=width, max_size=width), min_size=1)
)


class Shout(str):
    """A text of another type, as templates and parsers return it."""

    __slots__ = ()


TEXT_ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(TEXTS | TEXTS.map(Shout), min_size=width, max_size=width), min_size=1)
)
SHAPES = [(",", ":"), (", ", ": ")]


def by_columns(rows: list[list[Any]], names: list[str]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


@pytest.mark.parametrize("separators", SHAPES)
@given(rows=ROWS, name=TEXTS)
def test_each_object_is_what_json_writes(separators: tuple[str, str], rows: list[Any], name: str) -> None:
    columns = by_columns(rows, [f"{place}{name}" for place in range(len(rows[0]))])
    found = json_objects(columns, "\n", separators)
    dicts = [dict(zip(columns, row, strict=True)) for row in rows]
    assert found == "".join(
        f"{json.dumps(one, ensure_ascii=False, separators=separators)}\n" for one in dicts
    )
    assert JsonColumns(columns) == dicts
    assert JsonColumns(columns)[1:] == dicts[1:]


@given(rows=TEXT_ROWS | ROWS, other=TEXTS)
def test_a_body_is_what_json_writes(rows: list[Any], other: str) -> None:
    columns = by_columns(rows, [str(place) for place in range(len(rows[0]))])
    body = {"a": other, other: [other], "phones": JsonColumns(columns)}
    plain = {**body, "phones": list(JsonColumns(columns))}
    try:
        expected = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            json_body(body)
    else:
        assert json_body(body) == expected


def test_columns_of_different_lengths_and_without_rows() -> None:
    assert json_objects({"a": [], "b": []}, "\n") == ""
    assert json_body({"phones": JsonColumns({"a": []})}) == b'{"phones":[]}'
    for columns in ({"a": ["1"], "b": []}, {"a": ["1", "2"], "b": ["1"]}, {"a": ["1", "1"], "b": [1]}):
        with pytest.raises(ValueError, match="unpack"):
            json_objects(columns, "\n")
        with pytest.raises(ValueError, match=r"unpack|argument"):
            json_body(JsonColumns(columns))


def test_a_body_of_texts_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_columns, "json_objects", None)
    columns = JsonColumns({"a": ["1", "2"], "b": ["x", 'y"']})
    assert json_body({"phones": columns}) == b'{"phones":[{"a":"1","b":"x"},{"a":"2","b":"y\\""}]}'


def test_what_was_sent_in_columns_is_hidden_in_an_error() -> None:
    body = Json({
        "phones": JsonColumns({"msisdn": ["380670000201", "380670000202"], "body": ["Hello", "Hi"]})
    })
    request = Request("POST", "/sms", Idempotency.NONE, body=body)
    assert "380670000202" not in redact("no such number 380670000202", request)


SCALARS = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.decimals(allow_nan=False), st.just("},\n{")
)
RECORDS = st.lists(st.fixed_dictionaries({"a": SCALARS, 'b"': SCALARS, "": SCALARS}), max_size=6)
OTHERS = st.lists(
    st.dictionaries(st.text(max_size=2), SCALARS | st.lists(SCALARS, max_size=2) | st.floats(), max_size=3)
)


@given(RECORDS | OTHERS)
def test_each_object_is_what_json_dumps_writes(records: list[dict[str, Any]]) -> None:
    expected = [json.dumps(one, default=str, ensure_ascii=False, separators=(",", ":")) for one in records]
    assert each_json(records, str) == expected


def test_json_of_objects_leaves_their_columns_as_they_are() -> None:
    records = JsonObjects([{"sid": 1, "cost": Decimal("1.50")}, {"sid": 2, "cost": Decimal("2.00")}])
    before = dict(records.columns or {})
    assert each_json(records, str) == ['{"sid":1,"cost":"1.50"}', '{"sid":2,"cost":"2.00"}']
    assert records.columns == before == {"sid": (1, 2), "cost": (Decimal("1.50"), Decimal("2.00"))}
