"""Records of XML that look alike: the reader of CSV separates them at the beginning of each tag.

So a cell is a tag and the text after it. All cells are the same in all lines, but for the texts of fields.
"""

from __future__ import annotations

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

_NAME = rb"[A-Za-z_][A-Za-z0-9_.-]*"
_START = re.compile(rb"([ \t\r\n]*)<(%b)>" % _NAME)
_FIELD, _EMPTY_TAG = re.compile(rb"(%b)>.*" % _NAME), re.compile(rb"<(%b)[ \t\x01]*" % _NAME)
_GAP, _EMPTY_TAG_END = re.compile(rb"[ \t\x01]*"), re.compile(rb"/>")
_BETWEEN = b"\x02"
_MARKS = bytes.maketrans(b"\n\x02", b"\x01\n")
r"""Each record is a line: \x02 is where the next one begins, and \x01 stands for another end of a line."""
_CONTROLS = bytes(one for one in range(32) if one not in b"\t\n\x02")
_FORBIDDEN = (b"]]>", b"\xef\xbf\xbe", b"\xef\xbf\xbf")
_REFERENCE = re.compile(r"&(?:#([0-9]+)|#x([0-9a-fA-F]+)|([a-z]+));")
_WITH_REFERENCES = r"\A[^&]*(?:&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|lt|gt|amp|quot|apos);[^&]*)*\z"
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def like_records(text: bytes, first: int, field_pattern: re.Pattern[str]) -> LikeRecords | None:
    """Return the records at the start of a text that continues after a record's end; None if few.

    They have a field that matches the pattern. All their fields are texts, without attributes. None for a
    text with anything that the careful reader would refuse.
    """
    start = _START.match(text)
    if start is None or field_pattern.fullmatch(start[2].decode()):
        return None
    (gap, tag), end = start.groups(), b"</%b>" % start[2]
    if (last := text.rfind(end)) < 0:
        return None
    content = text[len(gap) : last + len(end)]
    separator = b"%b%b<%b>" % (end, gap, tag)
    try:
        count, lines, columns = _columns(_lines(content, separator, tag), tag, field_pattern)
    except ValueError:  # also pyarrow's
        return None
    if count < alike.MIN_RECORDS:
        return None
    size = len(content)
    if count < lines:
        rest = content.split(separator, count)[-1]
        size -= len(rest) + len(separator) - len(end)
    return LikeRecords(first, count, columns, len(gap) + size)


def _lines(content: bytes, separator: bytes, tag: bytes) -> bytes:
    """Return records as lines. Raises ValueError for what XML does not allow in texts."""
    if not is_utf_8(content) or _BETWEEN in content or _has_forbidden(content):
        raise ValueError("not XML")
    text = content.replace(separator, b"</%b>%b<%b>" % (tag, _BETWEEN, tag))
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = text.translate(_MARKS, _CONTROLS)
    if len(lines) < len(text):
        raise ValueError("a control character")
    return _without_empty_tags(lines)


def _has_forbidden(text: bytes) -> bool:
    return any(one[:1] in text and one in text for one in _FORBIDDEN)  # a single byte is found much sooner


def _columns(text: bytes, tag: bytes, field_pattern: re.Pattern[str]) -> tuple[int, int, dict[str, Values]]:
    """Return how many lines from the first on are alike, of how many, and their values by name.

    Raises ValueError.
    """
    cells = text[: text.find(b"\n")].split(b"<")
    names = _names(cells, tag)
    if not any(map(field_pattern.fullmatch, names.values())):
        raise ValueError("no record")
    arrays, count, lines = alike.split(text, "<", len(cells))
    columns = {}
    for place, (cell, array) in enumerate(zip(cells, arrays, strict=True)):
        if name := names.get(place):
            columns[name], are_valid = _texts(array, f"{name}>", has_references=b"&" in text)
        else:
            are_valid = where_equal(array, cell)
        count = min(count, first_false(are_valid, count))
    if count < alike.MIN_RECORDS:
        return 0, lines, {}
    return count, lines, {name: _read(texts.slice(0, count)) for name, texts in columns.items()}


def _without_empty_tags(text: bytes) -> bytes:
    """Return the text with `<x></x>` in place of `<x/>`. Raises ValueError."""
    if not _EMPTY_TAG_END.search(text):  # sooner than `in`
        return text
    ends = {part[part.rfind(b"<") :] for part in text.split(b"/>")[:-1]}
    found = [*filter(None, map(_EMPTY_TAG.fullmatch, ends))]
    if len(found) > alike.MAX_NAMES:
        raise ValueError("many names")
    for tag in found:
        text = text.replace(tag[0] + b"/>", b"<%b></%b>" % (tag[1], tag[1]))
    return text


def _names(cells: list[bytes], tag: bytes) -> dict[int, str]:
    """Return the fields in the cells of a record, by the place of their texts. Raises ValueError."""
    found: dict[int, str] = {}
    for place in range(2, len(cells) - 2, 2):
        field = _FIELD.fullmatch(cells[place])
        if field is None or not _is_tag(cells[place + 1], b"/" + field[1]):
            raise ValueError("another record")
        found[place] = field[1].decode()
    are_names_unique = len({tag.decode(), *found.values()}) > len(found)
    if len(cells) != 2 * len(found) + 3 or not _is_tag(cells[1], tag) or not are_names_unique:
        raise ValueError("another record")
    if len(found) > alike.MAX_NAMES:
        raise ValueError("many names")
    return found


def _is_tag(cell: bytes, name: bytes) -> bool:
    """Return whether a cell is only a tag, with whitespace after it at most."""
    return cell.startswith(name + b">") and _GAP.fullmatch(cell, len(name) + 1) is not None


def _texts(cells: Any, tag: str, *, has_references: bool) -> tuple[Any, Any]:
    """Return the texts after a tag, and which cells are valid; None for all."""
    from pyarrow import compute

    are_valid = compute.starts_with(cells, tag)
    texts = compute.binary_replace_slice(cells, 0, len(tag), "")
    if has_references:
        are_valid = compute.and_(are_valid, compute.match_substring_regex(texts, _WITH_REFERENCES))
    return texts, are_valid


def _read(texts: Any) -> Values:
    """Return the texts that were written. Raises ValueError for a reference to what is no character."""
    import pyarrow
    from pyarrow import compute

    content = content_of(texts)
    if b"\x01" in content:
        texts = compute.replace_substring(texts, "\x01", "\n")
    if b"&" in content:
        joined = "\x02".join(texts.to_pylist())
        texts = pyarrow.array(_REFERENCE.sub(_character, joined).split("\x02"), pyarrow.string())
    return Values(texts, is_text=True, is_plain=False)


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return _NAMED[name]
    number = int(decimal or hexadecimal, 10 if decimal else 16)
    if number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or number > 0xFFFF:
        return chr(number)  # ValueError beyond U+10FFFF
    raise ValueError("no character")
