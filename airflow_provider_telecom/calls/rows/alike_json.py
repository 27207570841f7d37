"""Records of JSON that look alike: the reader of CSV separates them at their quotation marks.

All cells but texts are names, or colons, commas and braces around numbers and null.
"""

from __future__ import annotations

import json
import re
from typing import Any

from airflow_provider_telecom.calls.rows import alike
from airflow_provider_telecom.calls.rows.alike import (
    LikeRecords,
    Values,
    content_of,
    first_false,
    is_utf_8,
    where_equal,
)
from airflow_provider_telecom.calls.rows.record import HALF, long_number

_GAP = rb"[ \x01-\x03]*"
_SEPARATOR = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*\{")
_BEFORE, _COLON = re.compile(rb"\{" + _GAP), re.compile(_GAP + b":" + _GAP)
_COMMA, _END = re.compile(_GAP + b"," + _GAP), re.compile(_GAP + rb"\},")
_SCALAR = rb"null|-?[0-9]+(?:\.[0-9]+)?"
_AROUND_SCALAR = re.compile(rb"(%b)(?:%b)(%b|%b)" % (_COLON.pattern, _SCALAR, _COMMA.pattern, _END.pattern))
_SCALAR_AFTER_COLON = re.compile(rb"(:%b)(%b)(?=%b[,}])" % (_GAP, _SCALAR, _GAP))
_NUMBER_OR_NULL = r"(?:null|0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18})"
_MARK = "\x06"
"""Before a number or null that was put between quotation marks, since other records have a text there."""
_QUOTED = rf"\A(?:\x06{_NUMBER_OR_NULL}|(?:[^\x01-\x03\x06][^\x01-\x03]*)?)\z"
_WHITESPACE = bytes(b"\t\n\r".find(one) + 1 or one for one in range(256))
"""\\x01 to \\x03 stand for whitespace, so that each record is a line."""
_LINE_END = b",\n{"
_CONTROLS = bytes(one for one in range(32) if one not in b"\n")
_OTHER_CONTROLS = bytes(one for one in _CONTROLS if one not in b"\t\r")
_ESCAPES = {rb"\\": b"\\\x05", rb"\"": b"\\\x04"}

_Cell = bytes | tuple[bytes, bytes] | None
"""A cell of all lines: always these bytes, or these bytes around a number or null, or a text."""


def like_records(text: bytes, first: int, *, as_written: bool = True) -> LikeRecords | None:
    """Return the records at the start of a text that continues a list after a record; None if few.

    Their values are texts, null, and numbers without exponents, as the careful reader would read them. With
    `as_written` it is tried first whether no text has a quotation mark and each field has one type.
    """
    separator = _SEPARATOR.match(text)
    if separator is None or (last := text.rfind(b"}" + separator[0])) < 0:
        return None
    content, between = text[separator.end() - 1 : last + 1], separator[0]
    if long_number(content) or (
        not content.isascii() and (not is_utf_8(content) or HALF.encode() in content)
    ):
        return None
    lines = _Lines(content, between, as_written=as_written)
    count, columns = lines.columns()
    if as_written and 2 * count <= lines.count:
        others = _Lines(content, between, as_written=False)
        found = others.columns()
        if found[0] > count:
            as_written, lines, (count, columns) = False, others, found
    if count < alike.MIN_RECORDS:
        return None
    size = separator.end() - 1 + lines.size(count)
    return LikeRecords(first, count, columns, size, as_written)


class _Lines:
    """Records as lines: from their opening brace to the comma after them.

    If not `as_written`, numbers and null are between quotation marks, after a mark; escaped quotation marks
    and whitespace are replaced.
    """

    def __init__(self, content: bytes, separator: bytes, *, as_written: bool) -> None:
        self._content, self._separator, self._as_written = content, b"}" + separator, as_written
        self._has_escapes = b"\\" in content
        self.count, self._text = 0, b""
        is_line = as_written and separator == _LINE_END
        unexpected = _CONTROLS if is_line else _CONTROLS + b"\n" if as_written else _OTHER_CONTROLS
        if len(content.translate(None, unexpected)) < len(content):
            return
        if not as_written:
            content, separator = content.translate(_WHITESPACE), separator.translate(_WHITESPACE)
            for escape, stand_in in _ESCAPES.items():
                content = content.replace(escape, stand_in)
            content = _SCALAR_AFTER_COLON.sub(rb'\1"%b\2"' % _MARK.encode(), content)
        if not is_line:
            content = content.replace(b"}" + separator, b"}" + _LINE_END)
        self._text = content + b",\n"

    def size(self, count: int) -> int:
        """Return how many bytes the first lines take, without the comma after them."""
        if count == self.count:
            return len(self._content)
        is_line = self._as_written and self._separator == b"}" + _LINE_END
        end, after = (b"\n", 2) if is_line else (self._separator, len(self._separator) - 1)
        return len(self._content) - len(self._content.split(end, count)[-1]) - after

    def columns(self) -> tuple[int, dict[str, Values]]:
        """Return how many lines from the first on are alike, and their values by name."""
        try:
            names, cells = _cells(self._text[: self._text.find(b"\n")])
            if len(set(names)) < len(names) or len(names) > alike.MAX_NAMES:
                return 0, {}
            arrays, count, self.count = alike.split(self._text, '"', len(cells))
            fields = []
            for cell, array in zip(cells, arrays, strict=True):
                found, are_valid = self._values(cell, array)
                count = min(count, first_false(are_valid, count))
                if not isinstance(cell, bytes):
                    fields.append(found)
            if count < alike.MIN_RECORDS:
                return 0, {}
            fields = [self._read(one._replace(array=one.array.slice(0, count))) for one in fields]
        except ValueError:  # also pyarrow's
            return 0, {}
        return count, dict(zip(names, fields, strict=True))

    def _values(self, cell: _Cell, array: Any) -> tuple[Values, Any]:
        """Return the values in a column of cells, and which of them are valid; None for all."""
        import pyarrow
        from pyarrow import compute

        if isinstance(cell, bytes):
            return Values(array, False), where_equal(array, cell)
        if cell is None:
            return Values(array, True), None if self._as_written else compute.match_substring_regex(
                array, _QUOTED
            )
        before, after = cell
        around = compute.and_(compute.starts_with(array, before), compute.ends_with(array, after))
        tokens = compute.binary_slice(array.cast(pyarrow.binary()), len(before), -len(after))
        found, are_valid = _scalars(tokens.cast(pyarrow.string()))
        return found, around if are_valid is None else compute.and_(around, are_valid)

    def _read(self, values: Values) -> Values:
        """Return values without marks and escapes. Raises ValueError."""
        import pyarrow
        from pyarrow import compute

        array = values.array
        if self._as_written or not compute.any(marked := compute.starts_with(array, _MARK)).as_py():
            return self._unescaped(array) if values.is_text else values
        scalars = compute.utf8_replace_slice(array, 0, 1, "")
        if compute.all(marked).as_py():
            return _scalars(scalars)[0]
        texts = self._unescaped(compute.if_else(marked, "", array)).array
        pairs = zip(marked.to_pylist(), scalars.to_pylist(), texts.to_pylist(), strict=True)
        tokens = [
            one if is_scalar else json.dumps(text, ensure_ascii=False) for is_scalar, one, text in pairs
        ]
        return Values(pyarrow.array(tokens, pyarrow.string()), False)

    def _unescaped(self, texts: Any) -> Values:
        import pyarrow

        if not self._has_escapes or b"\\" not in content_of(texts):
            return Values(texts, True)
        joined = '","'.join(texts.to_pylist())
        found = pyarrow.array(_unescaped(joined, as_written=self._as_written), pyarrow.string())
        if HALF.encode() in content_of(found):
            raise ValueError("half of a character")
        return Values(found, True, is_plain=False)


def _unescaped(content: str, *, as_written: bool) -> list[str]:
    """Return the texts that JSON has between the quotation marks. Raises ValueError.

    Also if one of them ends with a backslash, since then the quotation mark after it was part of a text.
    """
    if not as_written:
        for escape, stand_in in _ESCAPES.items():
            content = content.replace(stand_in.decode(), escape.decode())
    found: list[str] = json.loads(f'["{content}"]')
    return found


def _cells(line: bytes) -> tuple[list[str], list[_Cell]]:
    """Return the names in a record after its opening brace, and its cells. Raises ValueError."""
    names: list[str] = []
    cells: list[_Cell] = []
    first, *rest = line.split(b'"')
    cells, between, is_last = [first], first, not _BEFORE.fullmatch(first)
    while len(rest) > 1 and not is_last:
        name, after, *rest = rest
        names += _unescaped(name.decode(), as_written=False)
        if _COLON.fullmatch(after) and len(rest) > 1:
            _, between, *rest = rest
            cells += [name, after, None, between]
        elif around := _AROUND_SCALAR.fullmatch(after):
            between = around[2]
            cells += [name, (around[1], between)]
        else:
            break
        is_last = not _COMMA.fullmatch(between)
    if rest or not _END.fullmatch(between):
        raise ValueError("another record")
    return names, cells


def _scalars(tokens: Any) -> tuple[Values, Any]:
    """Return numbers and null, and which of them are valid; None for all."""
    import pyarrow
    from pyarrow import compute

    try:
        if compute.all(compute.equal(tokens.cast(pyarrow.int64()).cast(pyarrow.string()), tokens)).as_py():
            return Values(tokens, False, is_whole=True), None
    except pyarrow.ArrowInvalid:
        pass
    return Values(tokens, False), compute.match_substring_regex(tokens, rf"\A{_NUMBER_OR_NULL}\z")
