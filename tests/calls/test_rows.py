"""Reading records of CSV, JSON and XML: complete, in chunks of any size; errors say what is wrong."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from html import escape
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.responses import read_json
from airflow_provider_telecom.calls.rows import (
    BadRow,
    all_rows,
    csv_rows,
    json_metadata,
    json_rows,
    xml_metadata,
    xml_rows,
)

ID = re.compile("id")
MEGABYTE = 1 << 20
SECRET = "380670000200"


class Drip(io.RawIOBase):
    """A file that gives at most seven bytes at a time."""

    def __init__(self, body: bytes) -> None:
        self._file, self._random = io.BytesIO(body), random.Random(len(body))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(min(len(buffer), self._random.randint(1, 7)))
        buffer[: len(piece)] = piece
        return len(piece)


def drip(body: bytes) -> IO[bytes]:
    return Drip(body)  # type: ignore[return-value]


def lines(body: bytes | str, read: Callable[[IO[bytes]], Iterator[Any]]) -> list[Any]:
    """Return what is read of a body; it must not depend on the chunks."""
    raw = body.encode() if isinstance(body, str) else body
    whole = list(read(io.BytesIO(raw)))
    assert list(read(drip(raw))) == whole
    return whole


def of_csv(body: bytes | str, **options: Any) -> list[Any]:
    return lines(body, lambda file: csv_rows(file, **options))


def of_json(body: bytes | str, name: str | None = None, **options: Any) -> list[Any]:
    return lines(body, lambda file: json_rows(file, name, **options))


def of_xml(body: bytes | str) -> list[Any]:
    return lines(body, lambda file: xml_rows(file, ID))


def refused(read: Callable[..., Any], body: bytes | str, *args: Any, **options: Any) -> str:
    """Return the message for a refused body; it must contain nothing of the body."""
    raw = body.encode() if isinstance(body, str) else body
    with pytest.raises(TelecomAnswerError) as caught:
        read(raw, *args, **options)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value.text


def before_refusal(rows: Iterator[Any]) -> list[Any]:
    """Return the records that come before a file is refused."""
    found: list[Any] = []
    with pytest.raises(TelecomAnswerError):
        found.extend(rows)  # keeps what came before the error
    return found


# --- CSV

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=200)
@given(
    st.integers(2, 5).flatmap(
        lambda wide: st.lists(st.lists(CELL, min_size=wide, max_size=wide), min_size=1)
    ),
    st.sampled_from(",;\t"),
    st.booleans(),
)
def test_csv_is_read_as_it_was_written(table: list[list[str]], separator: str, bom: bool) -> None:
    names = [f"n{number}" for number in range(len(table[0]))]
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerow(names)
    csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL).writerows(table)
    found = of_csv(("\ufeff" if bom else "") + text.getvalue())
    assert [list(row.values()) for _, row in found] == table
    assert list(found[0][1]) == names


def test_csv_says_in_which_line_a_record_ends() -> None:
    assert of_csv('a,b\n1,2\n\n"x\ny",3\r\n  \n4,5') == [
        (2, {"a": "1", "b": "2"}),
        (5, {"a": "x\ny", "b": "3"}),
        (7, {"a": "4", "b": "5"}),
    ]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a;b,c;d", ["a", "b,c", "d"]),
        ("a,b;c,d", ["a", "b;c", "d"]),
        ("a\tb", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ("\ufeffa,b", ["a", "b"]),
        ('\ufeff"a","b"', ["a", "b"]),
        ("\n \r\na,b", ["a", "b"]),
        ("only", ["only"]),
    ],
)
def test_the_header_shows_names_and_separator(header: str, names: list[str]) -> None:
    separator = "\t" if "\t" in header else ";" if header == "a;b,c;d" else ","
    ((_, row),) = of_csv(f"{header}\n{separator.join('x' * len(names))}\n")
    assert list(row) == names


@pytest.mark.parametrize("body", ["", "\n\n", "\ufeff", "\ufeff \n", "a,b", "a,b\n", "a,b\n\n \r\n"])
def test_csv_without_records(body: str) -> None:
    assert of_csv(body) == []


@pytest.mark.parametrize(
    "header",
    ["a,a", "a, a ", "a,,b", ",", "a,b,,", "a\0,b", b"a,\xff", "a,b".encode("utf-16"), '"a,b', 'a,"b"c'],
)
def test_an_invalid_header_is_refused(header: Any) -> None:
    body = header if isinstance(header, bytes) else header.encode()
    assert "line 1" in refused(of_csv, body + f"\n{SECRET},1\n".encode())


def test_lines_may_end_with_a_separator_if_the_header_does() -> None:
    rows = of_csv("a;b;\n1;2;\n3;4\n5;6;7\n8;;\n9;10;;\n")
    assert [row if isinstance(row, dict) else row.reason for _, row in rows] == [
        {"a": "1", "b": "2"},
        "2 cells under 2 names",
        "3 cells under 2 names",
        {"a": "8", "b": ""},
        "4 cells under 2 names",
    ]
    assert [type(row) for _, row in of_csv("a,b\n1,2,\n")] == [BadRow]


def test_a_header_too_wide_or_too_long() -> None:
    assert "1000 names" in refused(of_csv, ",".join(f"n{number}" for number in range(1001)))
    assert refused(lambda body: list(csv_rows(io.BytesIO(body))), b"a" * (MEGABYTE + 1))


def test_a_header_can_be_required() -> None:
    assert of_csv("x,id\n1,2\n", field_pattern=ID)
    assert of_csv("", field_pattern=ID) == []
    assert "not the expected header" in refused(of_csv, "<html><h1>Maintenance</h1></html>", field_pattern=ID)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{SECRET}", "1 cells under 2 names"),
        (f"{SECRET},2,3", "3 cells under 2 names"),
        (f'"{SECRET}"x,2', "quotation marks that are wrong, or too large a cell"),
        (f"{SECRET},a\0b", "a NUL character"),
        (f"{SECRET},a\rb", "quotation marks that are wrong, or too large a cell"),
        (f'"{SECRET}\nx",2,3', "3 cells under 2 names, over 2 lines"),
        (f'"{SECRET}\n\0",2', "a NUL character, over 2 lines"),
    ],
)
def test_reading_continues_after_a_bad_row_of_csv(row: str, reason: str) -> None:
    end = 3 + row.count("\n")
    assert of_csv(f"a,b\n1,2\n{row}\n3,4\n") == [
        (2, {"a": "1", "b": "2"}),
        (end, BadRow(reason, row)),
        (end + 1, {"a": "3", "b": "4"}),
    ]


def test_csv_in_another_encoding() -> None:
    body = "a,b\nІван,Їжак\n".encode("cp1251")
    assert of_csv(body, encoding="cp1251") == [(2, {"a": "Іван", "b": "Їжак"})]
    ((_, row),) = of_csv(body)
    assert row.reason == "bytes that are not utf-8"
    assert row.raw == r"\xb2\xe2\xe0\xed,\xaf\xe6\xe0\xea"
    ((_, row),) = of_csv(b"a,b\n\x98,1\n", encoding="cp1251")
    assert row == BadRow("bytes that are not cp1251", r"\x98,1")
    with pytest.raises(TelecomInputError, match="encoding: must be one of utf-8, cp1251"):
        of_csv(body, encoding="latin-1")


def test_undecodable_bytes_do_not_end_their_cell() -> None:
    found = of_csv(b'a,b\n"x\n\xff\n1,2\n",3\n4,5\n')
    assert found == [
        (5, BadRow("bytes that are not utf-8, over 4 lines", '"x\n\\xff\n1,2\n",3')),
        (6, {"a": "4", "b": "5"}),
    ]


def test_a_line_that_is_too_long_is_skipped() -> None:
    long = SECRET + "x" * 3 * MEGABYTE
    for line in (f"{long},2", f'"{long}",2', f'"a "" {long}",2'):
        found = list(csv_rows(io.BytesIO(f"a,b\n1,2\n{line}\n3,4\n".encode())))
        assert [place for place, _ in found] == [2, 3, 4]
        bad = found[1][1]
        assert isinstance(bad, BadRow)
        assert bad.reason == "a line larger than 1048576 bytes"
        assert bad.raw == line[:4096]
        assert found[2][1] == {"a": "3", "b": "4"}


def test_a_large_cell_within_the_limit_of_csv() -> None:
    size = csv.field_size_limit()
    assert of_csv(f"a,b\n1,{'x' * size}\n")[0][1]["b"] == "x" * size
    found = of_csv(f"a,b\n1,{'x' * (size + 1)}\n3,4\n")
    assert "too large a cell; of its 131075 characters 4096 are kept" in found[0][1].reason
    assert len(found[0][1].raw) == 4096
    assert found[1] == (3, {"a": "3", "b": "4"})


@pytest.mark.parametrize(
    "rest",
    [
        f'"{SECRET},2\n3,4\n',
        f'"{SECRET}\n' + "3,4\n" * 10,
        f'1,"{SECRET}',
        f'1,"{SECRET}\n' + "5,6\n" * (MEGABYTE // 4),
        f'1,"{SECRET}\n' + "x" * 200_000 + '\n7,8\n"\n',
        f'1,"{SECRET}' + "x" * (MEGABYTE + 5) + '\n7,8\n"\n',
    ],
)
def test_an_unclosed_quotation_mark_is_refused(rest: str) -> None:
    body = f"a,b\n1,2\n{rest}".encode()
    assert before_refusal(csv_rows(io.BytesIO(body))) == [(2, {"a": "1", "b": "2"})]
    why = refused(lambda raw: list(csv_rows(io.BytesIO(raw))), body)
    assert why == "line 3: quotation marks that close too late or never"


# --- JSON

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufdd0"), max_size=10)
SCALAR = (
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.decimals(-(10**9), 10**9, places=3) | TEXT
)
VALUE = st.recursive(
    SCALAR, lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXT, one, max_size=3), max_leaves=9
)
RECORDS = st.lists(st.dictionaries(TEXT, VALUE, max_size=4), max_size=4)


def written(value: Any, comma: str = "", *, ascii: bool = False) -> str:
    """Return a value as JSON, with `comma` before closing brackets."""
    if isinstance(value, dict):
        inner = ", ".join(
            f"{written(key, ascii=ascii)} : {written(one, comma, ascii=ascii)}" for key, one in value.items()
        )
        return f"{{{inner}{comma if value else ''}}}"
    if isinstance(value, list):
        return f"[{' ,'.join(written(one, comma, ascii=ascii) for one in value)}{comma if value else ''}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=ascii)


@settings(max_examples=200)
@given(RECORDS, st.dictionaries(TEXT.filter(lambda key: key != "rows"), SCALAR, max_size=3), st.booleans())
def test_json_is_read_as_it_was_written(records: list[Any], facts: dict[str, Any], ascii: bool) -> None:
    expected = list(enumerate(records, 1))
    alone = written(records, ascii=ascii)
    assert of_json(alone) == expected
    items = [*facts.items(), ("rows", records)]
    for order in (items, items[::-1]):
        body = written(dict(order), ascii=ascii)
        assert of_json("\ufeff" + body, "rows") == of_json(body) == expected
        assert json_metadata(drip(body.encode())) == facts
        assert read_json(body.encode())["rows"] == [row for _, row in of_json(body)]


@settings(max_examples=200)
@given(RECORDS, st.sampled_from([",", ", ", ",\r\n\t "]), st.booleans())
def test_stray_commas_make_no_difference(records: list[Any], comma: str, ascii: bool) -> None:
    body = written({"rows": records, "x": 1}, comma, ascii=ascii)
    expected = list(enumerate(records, 1))
    assert of_json(body, "rows", stray_commas=True) == expected
    assert of_json(written({"rows": records}, ascii=ascii), "rows", stray_commas=True) == expected
    refused(of_json, body, "rows")


@pytest.mark.parametrize(
    "text",
    [
        ", }",
        ",]",
        '",}',
        "\\",
        '\\",]',
        "\\\\",
        ",",
        '"',
        'a\\",\n}',
        "\\\\,]",
        "x" * 20_000 + ",]" + '"' * 9,
    ],
)
def test_commas_in_texts_stay(text: str) -> None:
    for comma in ("", ","):
        body = written([{"a": text, text: [text, text]}], comma)
        assert of_json(body, stray_commas=True) == [(1, {"a": text, text: [text, text]})]


@pytest.mark.parametrize(
    "body", ['[{"a": 1,,}]', '[{"a": 1}, ,{}]', '[,{"a": 1}]', '{"rows": [{}],, }', '[{"a",: 1}]']
)
def test_only_commas_before_closing_brackets_are_stray(body: str) -> None:
    refused(of_json, body, stray_commas=True)


def test_money_is_decimal_and_keys_keep_their_blanks() -> None:
    ((_, row),) = of_json('[{" a ": 0.10, "b": 1e2, "c": 7}]')
    assert [*map(repr, row.items())] == ["(' a ', Decimal('0.10'))", "('b', Decimal('1E+2'))", "('c', 7)"]


def test_a_text_may_be_split_anywhere() -> None:
    text = 'їЇ😀\\"/\b\f\n\r\t' * 500
    for ascii in (True, False):
        assert of_json(written([{"a": text}], ascii=ascii)) == [(1, {"a": text})]


@pytest.mark.parametrize(
    ("record", "reason", "raw"),
    [
        ("1", "no object", "1"),
        ("null", "no object", "null"),
        ('"380670000200"', "no object", '"380670000200"'),
        ('[{"a":1},0.50]', "no object", '[{"a": 1}, 0.50]'),
        ('{"a":1,"a":2}', "a key occurs twice", '{"a": 1, "a": 2}'),
        ('{"a":{"ї":[],"\\u0457":{}}}', "a key occurs twice", '{"a": {"ї": [], "ї": {}}}'),
        (r'{"a":"x\ud83d"}', "half of a character", '{"a": "x\ufdd0"}'),
        (r'{"a":"\udE00\ud83d"}', "half of a character", '{"a": "\ufdd0\ufdd0"}'),
        (r'{"\uDbff\u0041":true}', "half of a character", '{"\ufdd0A": true}'),
    ],
)
def test_reading_continues_after_a_bad_record_of_json(record: str, reason: str, raw: str) -> None:
    found = of_json(f'[{{"a": 1}}, {record}, {{}}]')
    assert found == [(1, {"a": 1}), (2, BadRow(reason, raw)), (3, {})]


@pytest.mark.parametrize(
    "text", [r"\ud83d\ude00", r"\uD83D\uDE00", r"\\ud83d", r"\\\\ud83d\\", r"\\\ud83d\ude00"]
)
def test_whole_characters_and_what_only_looks_like_half_of_one(text: str) -> None:
    assert of_json(f'[{{"a": "{text}"}}]') == [(1, {"a": json.loads(f'"{text}"')})]


def test_a_bad_record_is_kept_in_part() -> None:
    ((_, bad),) = of_json(f'["{"x" * 10_000}"]')
    assert bad == BadRow("no object; of its 10002 characters 4096 are kept", '"' + "x" * 4095)


GOOD = '[{"a": "380670000200"}, {"b": [1.5, true]}'


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("", "after record 2: not JSON, or broken off"),
        (", ", "after record 2: not JSON, or broken off"),
        (', {"a": "3806', "after record 2: not JSON, or broken off"),
        (', {"a": 1', "after record 2: not JSON, or broken off"),
        ("]]", "after record 2: not JSON"),
        ("] x", "after record 2: not JSON"),
        ("]" + GOOD + "]", "after record 2: not JSON"),
        (', {"a": NaN}]', "after record 2: not JSON"),
        (', {"a": -Infinity}]', "after record 2: not JSON"),
        (", {'a': 1}]", "after record 2: not JSON"),
        (', {"a": 01}]', "after record 2: not JSON"),
        (', {"a": "\x01"}]', "after record 2: not JSON"),
        (", {}, ]", "after record 3: not JSON"),
        (', {"a": 1e401}]', "after record 2: a number that is too large or too small"),
        (', {"a": 1e99999999999999999999}]', "after record 2: not JSON"),
        (', {"a": ' + "[" * 31 + "]" * 31 + "}]", "after record 2: nested deeper than 32"),
        (', {"a": ' + "[0," * 70_000 + "]" * 70_000 + "}]", "after record 2: nested deeper than 32"),
        (
            ', {"a": [' + "0," * 70_000 + "0]}]",
            "after record 2: a record larger than 1048576 bytes, or of too many values",
        ),
    ],
)
def test_json_that_breaks_says_after_which_record(rest: str, why: str) -> None:
    body = (GOOD + rest).encode()
    found = before_refusal(json_rows(drip(body)))
    assert found[:2] == [(1, {"a": SECRET}), (2, {"b": [Decimal("1.5"), True]})]
    assert refused(lambda raw: list(json_rows(io.BytesIO(raw))), body) == why


@pytest.mark.parametrize("digits", [4000, 4301, 100_000])
def test_numbers_of_thousands_of_digits(digits: int) -> None:
    for number in ("1" * digits, "-" + "1" * digits, "0." + "1" * digits):
        assert refused(of_json, f'[{{"a": 1}}, {{"a": {number}}}]')
    assert of_json(f'[{{"a": {"1" * 3999}}}]')


def test_bytes_that_are_not_utf_8() -> None:
    for body in (
        b'[{"a": "\xff"}]',
        b'[{"a": "\xed\xa0\x80"}]',
        b'[{"\xc0\x80": 1}]',
        '[{"a":1}]'.encode("utf-16"),
    ):
        assert refused(of_json, body).startswith("after record 0: not JSON")


def test_nesting_is_counted_from_the_outside() -> None:
    inner = "[" * 30 + "]" * 30
    assert of_json(f'[{{"a": {inner}}}]')
    refused(of_json, f'{{"rows": [{{"a": {inner}}}]}}')
    refused(of_json, f'{{"x": [[{inner}]], "rows": [{{}}]}}', "rows")


@pytest.mark.parametrize(
    ("body", "name", "why"),
    [
        ("", None, "after record 0: not JSON, or broken off"),
        ("{}", None, "no list of records"),
        ("5", None, "no list of records"),
        ('{"a": {"rows": []}}', None, "no list of records"),
        ("{}", "rows", "no list of records"),
        ('{"rows": {}}', "rows", "no list of records"),
        ('{"rows": null}', "rows", "no list of records"),
        ('{"other": []}', "rows", "no list of records"),
        ("[]", "rows", "after record 0: no list of that name"),
        ('{"rows": [{}], "rows": [{}]}', "rows", "after record 1: a key occurs twice beside the records"),
        ('{"rows": [{}], "rows": 1}', None, "after record 1: a key occurs twice beside the records"),
        (
            '{"error": 0, "rows": [], "error": 1}',
            "rows",
            "after record 0: a key occurs twice beside the records",
        ),
    ],
)
def test_json_without_its_list_or_with_two_of_them(body: str, name: str | None, why: str) -> None:
    assert refused(of_json, body, name) == why


def test_the_first_list_is_read_unless_one_is_named() -> None:
    body = '{"x": {"y": [1]}, "a": [{"n": 1}], "b": [{"n": 2}]}'
    assert of_json(body) == [(1, {"n": 1})]
    assert of_json(body, "b") == [(1, {"n": 2})]
    assert json_metadata(drip(body.encode())) == {}


def test_metadata_may_be_before_or_after_the_records() -> None:
    assert json_metadata(drip(b'{"a": 1, "rows": [{"b": 2}], "c": "x", "d": {"e": 1}, "f": null}')) == {
        "a": 1,
        "c": "x",
        "f": None,
    }
    assert json_metadata(drip(b'[{"error": 1}]')) == {}
    refused(lambda raw: json_metadata(drip(raw)), b'{"error": 0, "rows": [')


def test_keys_beside_a_list_of_json_are_reported() -> None:
    body = b"""{"a": 1, "rows": [{"b": 2}], "c": "x", "d": {"e": 1}, "f": null, "g": [], "h": {},
        "i": 0, "j": "", "k": false, "l": [0], "error": {"message": "x"},}"""
    names: list[str] = []
    rows = json_rows(drip(body), "rows", stray_commas=True, on_extra_key=names.append)
    assert list(rows) == [(1, {"b": 2})]
    assert names == ["a", "c", "d", "l", "error"]


def test_metadata_is_limited() -> None:
    many = ", ".join(f'"k{number}": "{"x" * 1000}"' for number in range(1100))
    for body in (f'{{{many}, "rows": []}}', f'{{"{"k" * (MEGABYTE + 1)}": 1}}'):
        refused(lambda raw: json_metadata(io.BytesIO(raw)), body)
        refused(lambda raw: list(json_rows(io.BytesIO(raw))), body)


def test_a_large_record_is_read_and_a_larger_one_is_not() -> None:
    for size, fits in ((MEGABYTE - 100, True), (MEGABYTE, False), (3 * MEGABYTE, False)):
        body = f'[{{"a": "{"x" * size}"}}]'
        if fits:
            assert len(next(json_rows(io.BytesIO(body.encode())))[1]["a"]) == size
        else:
            refused(lambda raw: list(json_rows(io.BytesIO(raw))), body)


# --- XML

TAG = st.sampled_from(["a", "b", "name", "Incoming_date", "ї"])
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=10
)
FIELDS = st.recursive(XML_TEXT, lambda one: st.dictionaries(TAG, one, min_size=1, max_size=3), max_leaves=6)


def tagged(tag: str, value: Any) -> str:
    inner = escape(value) if isinstance(value, str) else "".join(tagged(*item) for item in value.items())
    return f"<{tag}>{inner}</{tag}>"


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(TAG, FIELDS, max_size=4), max_size=4),
    st.sampled_from(["", "\n  "]),
    st.booleans(),
)
def test_xml_is_read_as_it_was_written(records: list[Any], gap: str, last: bool) -> None:
    marked = [
        {**row, "id": str(number)} if last else {"id": str(number), **row}
        for number, row in enumerate(records)
    ]
    inner = gap.join(tagged("row", row) for row in marked)
    for body in (f"<all>{gap}{inner}{gap}</all>", f"<all><error>0</error><rows>{gap}{inner}</rows></all>"):
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        assert [row for _, row in of_xml(head + body)] == marked
        facts = xml_metadata(drip(body.encode()))
        assert facts == ({"error": "0"} | ({} if marked else {"rows": gap}) if "<error>" in body else {})


def test_records_of_xml_are_numbered() -> None:
    assert of_xml("<r>\n<c><id>1</id>\n</c>\n<c><id/></c></r>") == [(1, {"id": "1"}), (2, {"id": ""})]


@pytest.mark.parametrize("head", ["<r xmlns='urn:calls'>", "<r xmlns:n='urn:calls'>"])
def test_namespaces_make_no_difference(head: str) -> None:
    prefix = "n:" if ":n=" in head else ""
    record = (
        f"<{prefix}c><{prefix}id>1</{prefix}id><{prefix}x><{prefix}y>2</{prefix}y></{prefix}x></{prefix}c>"
    )
    assert of_xml(f"{head}{record}</r>") == [(1, {"id": "1", "x": {"y": "2"}})]
    assert xml_metadata(drip(f"{head}<{prefix}error>5</{prefix}error></r>".encode())) == {"error": "5"}
    refused(of_xml, "<r><c><undeclared:id>1</undeclared:id></c></r>")


def test_a_record_within_a_record_is_part_of_it() -> None:
    inner = "<other><id>2</id><x>b</x></other>"
    assert of_xml(f"<r><c><id>1</id>{inner}</c></r>") == [(1, {"id": "1", "other": {"id": "2", "x": "b"}})]
    why = refused(of_xml, f"<r><c>{inner}<id>1</id></c></r>")
    assert why == "after record 1: a record whose matching child comes after a record within it"


def test_a_record_of_xml_may_have_attributes() -> None:
    assert of_xml('<r n="2"><c id="1" x="&lt;a&gt;"/><c x="b" id="2"><y z="4">3</y></c></r>') == [
        (1, {"id": "1", "x": "<a>"}),
        (2, {"x": "b", "id": "2", "y": "3"}),
    ]
    assert of_xml('<r id="1"/>') == []
    assert [type(row) for _, row in of_xml('<r><c id="1"><id>2</id></c></r>')] == [BadRow]
    assert [type(row) for _, row in of_xml('<r><t n="x">5</t><c id="1"/><c x="2"/></r>')] == [dict, BadRow]
    assert refused(of_xml, f'<r><c id="1" x="{"y" * 2_000_000}"/></r>')


def test_metadata_beside_records_with_attributes() -> None:
    body = b'<r><c id="1"/><c id="2"/><error code="5">no</error></r>'
    facts: list[object] = []
    assert len(list(xml_rows(drip(body), ID, on_fact=lambda *fact: facts.append(fact)))) == 2
    assert facts == [("error", "no")]
    with pytest.raises(TelecomAnswerError, match="occurs twice"):
        xml_metadata(drip(body))


def test_the_root_may_be_the_record() -> None:
    assert of_xml("<r><id>1</id><x/></r>") == [(1, {"id": "1", "x": ""})]
    assert of_xml("<id>1</id>") == []


def test_comments_instructions_and_cdata() -> None:
    body = "<r><!-- x --><c><?do it?><id>1<!-- y -->2</id><x><![CDATA[<a> & b]]>&#1111;&amp;</x></c></r>"
    assert of_xml(body) == [(1, {"id": "12", "x": "<a> & bї&"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1251", "iso-8859-5"])
def test_xml_says_its_encoding(encoding: str) -> None:
    body = f'<?xml version="1.0" encoding="{encoding}"?><r><c><id>Їжак</id></c></r>'.encode(encoding)
    assert of_xml(body) == [(1, {"id": "Їжак"})]


@pytest.mark.parametrize(
    ("record", "reason", "raw"),
    [
        ("<c><id>1</id><id>2</id></c>", "a tag occurs twice", None),
        ("<c><id>1</id><x>a&amp;</x><x/></c>", "a tag occurs twice", "<c><id>1</id><x>a&amp;</x><x></x></c>"),
        ("<c><id>1</id><x><y>1</y><y>2</y></x></c>", "a tag occurs twice", None),
        ("<c><id>1</id>text</c>", "text between its children", None),
        ("<c><id>1</id><x><y>1</y>text</x></c>", "text between its children", None),
        ("<c><name>1</name></c>", "an element beside records that is none", None),
        ("<c><x><y>1</y></x></c>", "an element beside records that is none", None),
    ],
)
def test_reading_continues_after_a_bad_record_of_xml(record: str, reason: str, raw: str | None) -> None:
    good, bad = {"id": "0"}, BadRow(reason, raw or record)
    around = "<c><id>0</id></c>"
    found = of_xml(f"<r><e>0</e><d>{around}{record}{around}</d></r>")
    assert [row for _, row in found if row != bad] == [good, good]
    assert (2, bad) in found
    assert (1, bad) in of_xml(f"<r><e>0</e><d>{record}{around}</d></r>")


def test_elements_elsewhere_are_no_bad_records() -> None:
    assert of_xml("<r><head><a><b/></a></head><d><c><id/></c></d><foot><a>1</a></foot></r>") == [
        (1, {"id": ""})
    ]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("", 1),
        ("\n", 2),
        ("380670000200", 1),
        ("<r>\n<c><id>380670000200</id></c>\n", 3),
        ("<r>\n<c><id>380670000200</id>\n</r>", 3),
        ("<r></r>\n<r/>", 2),
        ("<r>\n<c>&a380670000200;<id/></c></r>", 2),
        ("<r><c id=380670000200/></r>", 1),
        ("<!DOCTYPE r><r><c><id>1</id></c></r>", 1),
        ('\n<!DOCTYPE r [<!ENTITY a "380670000200">]><r><c><id>&a;</id></c></r>', 2),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', 1),
        ("<?xml version='1.0' encoding='no-such'?><r/>", 1),
        ("<r>\n<c><id>\x01</id></c></r>", 2),
    ],
)
def test_invalid_xml_is_refused_with_its_line(body: str, line: int) -> None:
    assert f": line {line}: " in refused(of_xml, body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<r>" * 33 + "</r>" * 33, "after record 0: nested deeper than 32"),
        ("<r><c><id/></c>\n380670000200</r>", "after record 1: text between records"),
    ],
)
def test_xml_that_breaks_a_rule_says_after_which_record(body: str, why: str) -> None:
    assert refused(of_xml, body) == why


@pytest.mark.parametrize(
    "body", ["<r><c><name>1</name></c></r>", "<a><b><c/></b></a>", "<r><d><c x='1'/></d></r>"]
)
def test_elements_without_any_record(body: str) -> None:
    assert refused(of_xml, body) == "after record 0: XML without records"


@pytest.mark.parametrize(
    "body", ["<r/>", "<r> </r>", "<r><error>0</error><rows/></r>", "<r><error>0</error></r>"]
)
def test_xml_without_records(body: str) -> None:
    assert of_xml(body) == []


def test_records_before_an_error_are_yielded() -> None:
    body = b"<r><c><id>1</id></c><c><id>2</id></c><c><id>3</r>"
    assert [row for _, row in before_refusal(xml_rows(drip(body), ID))] == [{"id": "1"}, {"id": "2"}]


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ("<r/>", {}),
        ("<error> 91 </error>", {"error": " 91 "}),
        ("<r><error>91</error><errorDescription/></r>", {"error": "91", "errorDescription": ""}),
        ("<r><d><c><id>1</id><error>5</error></c></d>\n<error>7</error></r>", {"error": "7"}),
        ("<r>text<error>7<!-- --></error>text</r>", {"error": "7"}),
    ],
)
def test_metadata_are_the_leaves_at_the_top(body: str, facts: dict[str, str]) -> None:
    assert xml_metadata(io.BytesIO(body.encode())) == xml_metadata(drip(body.encode())) == facts


@pytest.mark.parametrize(
    "body", ["<r><error>0</error><rows/><error>5</error></r>", "<r><error>5</error>", "<!DOCTYPE r><r/>"]
)
def test_ambiguous_metadata_is_refused(body: str) -> None:
    refused(lambda raw: xml_metadata(drip(raw)), body)


@pytest.mark.parametrize(
    "body",
    [
        "<r><c><id>{}</id></c></r>",
        "<r><c><id/><x>1</x><y>{}</y></c></r>",
        "<r><c><{}/></c></r>",
        "<r><c a='{}'><id/></c></r>",
        "<r><!-- {} --></r>",
        "<r><?x {}?></r>",
        "<r>{}</r>",
    ],
)
def test_xml_that_would_fill_memory(body: str) -> None:
    raw = body.format("x" * 4 * MEGABYTE).encode()
    refused(lambda one: list(xml_rows(io.BytesIO(one), ID)), raw)


def test_a_large_record_of_xml() -> None:
    body = f"<r><c><id/><x>{'x' * (MEGABYTE - 1000)}</x></c><c><id/></c></r>".encode()
    assert [len(row["x"]) for _, row in xml_rows(io.BytesIO(body), ID) if "x" in row] == [MEGABYTE - 1000]  # type: ignore[operator, index]


# --- all


def test_all_rows_of_a_body_or_an_error() -> None:
    assert all_rows(b"a\n1\n", csv_rows) == [{"a": "1"}]
    for body in (b"a,b\n1\n", b'a\n"'):
        with pytest.raises(TelecomAnswerError, match=r"body of \d+ bytes") as caught:
            all_rows(body, csv_rows)
        assert caught.value.length == len(body)


def test_reading_begins_at_the_beginning() -> None:
    for body, read in (
        (b"a\n1\n", csv_rows),
        (b'[{"a": 1}]', json_rows),
        (b"<r><id/></r>", lambda file: xml_rows(file, ID)),
    ):
        file = io.BytesIO(body)
        file.read()
        assert list(read(file)) == list(read(file)) != []  # type: ignore[operator]
