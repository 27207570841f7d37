"""Hostile files: reading each ends in records, BadRow or TelecomAnswerError, with little CPU time and memory.

The CPU time of each is compared with that of a valid file of its size in the same process.
"""

from __future__ import annotations

import gc
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTE = 1 << 20
LONG_MB, MAX_GROWTH_MB = 16, 14.0  # so a long file that is kept in memory is detected
RECORDS_MB = 6  # as dicts in memory they take several times as much
MAX_CPU_RATIO = 10  # compared with a valid file that is 2 MB longer
SECRET = "380670000200"
ROWS, BAD, ERROR = "rows", "bad", "error"
Body = bytes | Callable[[], Iterable[bytes]]
Case = tuple[str, Body, str]


class Generated(io.RawIOBase):
    """A file whose content is generated as it is read, so that it takes neither memory nor disk."""

    def __init__(self, chunks: Callable[[], Iterable[bytes]]) -> None:
        self._chunks = chunks
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        assert (offset, whence) == (0, 0)
        self._rest, self._left = memoryview(b""), iter(self._chunks())
        return 0

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (chunk := next(self._left, None)) is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def long(head: str, middle: str, tail: str, megabytes: int = LONG_MB) -> Callable[[], Iterator[bytes]]:
    """Return a function that yields the chunks of a long body."""

    def pieces() -> Iterator[bytes]:
        yield head.encode()
        piece = middle.encode() * (MEGABYTE // len(middle.encode()))
        for _ in range(megabytes):
            yield piece
        yield tail.encode()

    return pieces


# --- CSV

HEAD = "msisdn,body\n"
GOOD = f"{SECRET},x\n"
CSV: list[tuple[Body | str, str]] = [
    ("", ROWS),
    ("\n" * 1000, ROWS),
    ("\0", ERROR),
    ("\0" * 100, ERROR),
    (HEAD + GOOD + SECRET, BAD),
    (HEAD + f"{SECRET},2,3\n" + GOOD, BAD),
    (HEAD + "," * 1000 + "\n", BAD),
    (HEAD + "," * (MEGABYTE - 10) + "\n", BAD),
    (HEAD + ",\n" * 10_000, ROWS),
    (HEAD + f'"{SECRET},x\n' + GOOD, ERROR),
    (HEAD + f'"{SECRET},x\n' + GOOD * 100_000, ERROR),
    (HEAD + f'{SECRET},"', ERROR),
    (HEAD + f'{SECRET},"x"y"\n' + GOOD, BAD),
    (HEAD + f'{SECRET},x"y\n', ROWS),
    (HEAD + f'{SECRET},"x""y"\n', ROWS),
    (HEAD + '"' * 1000 + ",x\n", ROWS),
    (HEAD + '"' * 1001 + ",x\n", ERROR),
    (HEAD + f"{SECRET},a\0b\n" + GOOD, BAD),
    (HEAD + "\0" * 1000 + "\n" + GOOD, BAD),
    (HEAD.encode() + f"{SECRET},Їжак\n".encode("cp1251"), BAD),
    (HEAD.encode() + f"{SECRET},Їжак\n".encode("utf-16"), BAD),
    ((HEAD + GOOD).encode("utf-16"), ERROR),
    ((HEAD + GOOD).encode("utf-16-be"), ERROR),
    ((HEAD + GOOD).encode("utf-32"), ERROR),
    (HEAD.encode() + b"1,\xc0\x80\n", BAD),
    (HEAD.encode() + b"1,\xed\xa0\x80\n", BAD),
    (HEAD.encode() + b"1,\xf8\x88\x80\x80\x80\n", BAD),
    (HEAD.encode() + b"\xef\xbb\xbf1,2\n", ROWS),
    ("\ufeff\ufeff" + HEAD + GOOD, ROWS),
    (HEAD.replace("body", "msisdn") + GOOD, ERROR),
    (HEAD.replace("body", " ") + GOOD, BAD),
    (HEAD.replace("\n", "\r") + GOOD, ERROR),
    (HEAD + f"{SECRET},x\r{SECRET},y\n", BAD),
    (HEAD + f"{SECRET},a\x0bb\x0cc\x1cd\x85e\u2028f\n", ROWS),
    (HEAD + f"{SECRET},\x1b[31m\x08\x07\n", ROWS),
    (HEAD + f"{SECRET},{'x' * 200_000}\n" + GOOD, BAD),
    (HEAD + f'{SECRET},"{"x" * 200_000}"\n' + GOOD, BAD),
    (HEAD + f'{SECRET},"{"x" * 200_000}\n"\n' + GOOD, ERROR),
    (long(HEAD + f"{SECRET},", "x", "\n" + GOOD), BAD),
    (long(HEAD + f'{SECRET},"', "x", '"\n' + GOOD), BAD),
    (long(HEAD + f'{SECRET},"', "x", "\n" + GOOD), ERROR),
    (long(HEAD + f'{SECRET},"', "x\n", '"\n' + GOOD), ERROR),
    (long(HEAD + f'{SECRET},"', '""', '"\n' + GOOD), BAD),
    (long(HEAD, ",", "\n" + GOOD), BAD),
    (long(HEAD, '"', "\n" + GOOD, 4), BAD),
    (long("", "x", "\n" + GOOD), ERROR),
    (long("", "a,", "\n" + GOOD), ERROR),
    (long(HEAD, " ", "\n" + GOOD), ROWS),
    (long(HEAD, "\0", "\n" + GOOD), BAD),
    ("<html><body>Maintenance</body></html>", ROWS),
    ('{"error": 5, "text": "no"}', ROWS),
    *(
        (HEAD + f"{SECRET},{start}1+1\n", ROWS)
        for start in ("=", "+", "-", "@", "\t", "\uff1d", "'=", "=cmd|' /C")
    ),
]

# --- JSON

TOKENS = ["[", "{", '"msisdn"', ":", f'"{SECRET}"', ",", '"n"', ":", "-1.5e+3", ",", '"x"', ":"]
TOKENS += ["[", "true", ",", "null", "]", "}", ",", "{", "}", "]"]
TORN = [("".join(TOKENS[:end]), ERROR) for end in range(len(TOKENS))]
TORN += [("".join(TOKENS)[:end], ERROR) for end in range(5, len("".join(TOKENS)), 3)]


def one(value: str, outcome: str = ERROR) -> tuple[str, str]:
    """Return a case of a value in a record, behind a good record."""
    return f'[{{"msisdn": "{SECRET}"}}, {{"msisdn": {value}}}]', outcome


LAX = ("+1", "١")  # numbers for ijson's parser in Python, and of no harm
JSON: list[tuple[Body | str, str]] = [
    *TORN,
    ("".join(TOKENS), ROWS),
    ("[" * 100_000, ERROR),
    ("[" * 100_000 + "]" * 100_000, ERROR),
    ('{"a":' * 100_000 + "1" + "}" * 100_000, ERROR),
    ('[{"a":' * 100_000, ERROR),
    (long("", "[", ""), ERROR),
    (long('[{"a":', "[", ""), ERROR),
    (long("", '{"a":', ""), ERROR),
    *(
        one(value)
        for value in ("NaN", "Infinity", "-Infinity", "nan", "undefined", "True", "None", "0x10", "+1")
    ),
    *(one(value) for value in ("01", "1.", ".5", "-", "1e", "1e+", "--1", "1_000", "١", "'a'", "`a`", "b")),
    *(
        one(value)
        for value in ('"\\x41"', '"\\u12"', '"\\uZZZZ"', '"\t"', '"\0"', '"\n"', '"', '"\\', "/*x*/1", "//")
    ),
    *(one(digits) for digits in ("1" * 4000, "1" * 4300, "1" * 5000, "9" * 900_000, "0." + "1" * 900_000)),
    *(one(number) for number in ("1e99999999999999999999", "1e-99999999999999999999", "1e999999", "-1e401")),
    one("1e400", ROWS),
    one("123456789012345678901234567890", ROWS),
    one("-0", ROWS),
    one('"\\u0000"', ROWS),
    one('"\\ud83d\\ude00"', ROWS),
    *(
        one(half, BAD)
        for half in ('"\\ud800"', '"\\udfff"', '"\\ude00\\ud83d"', '"\\ud83d\\ud83d\\ude00"', '"\\uDBFFx"')
    ),
    one('1, "msisdn": 2', BAD),
    one('{"a": 1, "a": 1}', BAD),
    one("1, " + ", ".join(f'"k{number}": 1' for number in range(20_000)), ROWS),
    one("1, " + ", ".join(f'"k{number}": 1' for number in range(100_000))),
    one("[" + "[]," * 200_000 + "[]]"),
    one("[" + "0," * 400_000 + "0]"),
    ("[" + "1," * 2_000 + "1]", BAD),
    ("[" + f'"{SECRET}",' * 2_000 + "1]", BAD),
    ("[null, true, [], [{}], {}]", BAD),
    (f'[{{"msisdn": "{SECRET}"}}] {SECRET}', ERROR),
    (f'[{{"msisdn": "{SECRET}"}}][]', ERROR),
    (f'[{{"msisdn": "{SECRET}"}}]\0', ERROR),
    (f'[{{"msisdn": "{SECRET}"}}]]', ERROR),
    (f'[{{"msisdn": "{SECRET}"}},]', ERROR),
    (f'[{{"msisdn": "{SECRET}",}}]', ERROR),
    (f'[{{"msisdn" "{SECRET}"}}]', ERROR),
    (f'[{{msisdn: "{SECRET}"}}]', ERROR),
    (f"[{{“msisdn”: “{SECRET}”}}]", ERROR),
    (f'{{"rows": [{{}}], "rows": ["{SECRET}"]}}', ERROR),
    (f'{{"msisdn": "{SECRET}"}}', ERROR),
    (f'"{SECRET}"', ERROR),
    (f'[{{"msisdn": "{SECRET}"}}]'.encode("utf-16"), ERROR),
    (f'[{{"msisdn": "{SECRET}"}}]'.encode("utf-16-le"), ERROR),
    (f'[{{"msisdn": "{SECRET}"}}]'.encode("utf-32"), ERROR),
    ('[{"msisdn": "Їжак"}]'.encode("cp1251"), ERROR),
    (b'[{"msisdn": "\xc0\x80"}]', ERROR),
    (b'[{"msisdn": "\xed\xa0\xbd\xed\xb8\x80"}]', ERROR),
    (b'[{"msisdn": "\xf4\x90\x80\x80"}]', ERROR),
    ("\ufeff\ufeff[]", ERROR),
    ("<html></html>", ERROR),
    ("", ERROR),
    (" " * 100_000, ERROR),
    (long('[{"a": "', "x", '"}]'), ERROR),
    (long('[{"a": "', "\\u0457", '"}]'), ERROR),
    (long('[{"a": "', "\\\\", '"}]'), ERROR),
    (long('[{"a": "', "\\ud83d", '"}]'), ERROR),
    (long('[{"', "k", '": 1}]'), ERROR),
    (long('[{"a": ', "1", "}]"), ERROR),
    (long('[{"a": 0.', "1", "}]"), ERROR),
    (long("[", " ", "]"), ERROR),
    (long('[{"a": 1', ", ", "}]"), ERROR),
    (long('[{"a": [', '"",', '""]}]'), ERROR),
    ('{"x": [' + '"",' * 50_000 + '""], "rows": []}', BAD),
    ("[" * 1_000_000, ERROR),
    ("[" + "0," * 100_000, ERROR),
    ("[" + "[]," * 100_000, ERROR),
    ('[{"a": [' + "[0]," * 250_000, ERROR),
    (long("{", '"k":1,', '"rows": []}'), ERROR),
]

# --- XML


def row(inner: str, head: str = "") -> str:
    return f"{head}<all><row><id>{SECRET}</id></row><row><id>{inner}</id></row></all>"


def doctype(inside: str, use: str = "&a;", outside: str = "") -> str:
    return row(use, f'<?xml version="1.0"?><!DOCTYPE all {outside} [{inside}]>')


LAUGHS = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
XML: list[tuple[Body | str, str]] = [
    (doctype(LAUGHS, "&a29;"), ERROR),
    (doctype(f'<!ENTITY a "{"x" * 100_000}">', "&a;" * 1000), ERROR),
    (doctype('<!ENTITY a SYSTEM "file:///etc/passwd">'), ERROR),
    (doctype('<!ENTITY a SYSTEM "http://127.0.0.1:9/x">'), ERROR),
    (doctype('<!ENTITY a PUBLIC "x" "ftp://127.0.0.1/x">'), ERROR),
    (doctype('<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;', "1"), ERROR),
    (doctype("<!ENTITY % p \"<!ENTITY a SYSTEM 'file:///etc/passwd'>\"> %p;"), ERROR),
    (doctype('<!ENTITY a SYSTEM "file:///etc/passwd" NDATA x>', "1"), ERROR),
    (doctype('<!ATTLIST row a CDATA "x">', "1"), ERROR),
    (doctype('<!ENTITY a "&b;"><!ENTITY b "&a;">'), ERROR),
    (doctype("", "1", 'SYSTEM "file:///etc/passwd"'), ERROR),
    (doctype("", "1", 'PUBLIC "x" "http://127.0.0.1:9/x"'), ERROR),
    (row("1", "<!DOCTYPE all>"), ERROR),
    (row("1", "<!doctype html>"), ERROR),
    (row("&a;"), ERROR),
    (row("&nbsp;"), ERROR),
    (row("&#0;"), ERROR),
    (row("&#xD800;"), ERROR),
    (row("&#x110000;"), ERROR),
    (row("&#1111;&lt;"), ROWS),
    (row("1 < 2"), ERROR),
    (row("a & b"), ERROR),
    (row("]]>"), ERROR),
    (row("<![CDATA[ <x>&a; ]]>"), ROWS),
    (row("<![CDATA["), ERROR),
    (row("<!-- -- -->"), ERROR),
    (row("<!-- <x> -->1"), ROWS),
    (row("<!--"), ERROR),
    (row("<?php echo 1 ?>"), ROWS),
    (row("<?xml version='1.0'?>"), ERROR),
    (row("<?x"), ERROR),
    (row('<xi:include href="file:///etc/passwd"/>'), ERROR),
    (row('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'), ROWS),
    (row("1", '<?xml-stylesheet href="http://127.0.0.1:9/x"?>'), ROWS),
    (row("1", '<?xml version="1.0" encoding="UTF-7"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="UTF-16"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="UTF-32"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="idna"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="zip"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="../../etc/passwd"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="cp037"?>'), ERROR),
    (row("1", '<?xml version="1.0" encoding="windows-1251"?>'), ROWS),
    (row("1", '<?xml version="9.9"?>'), ROWS),
    (row("+ADw-x+AD4-", '<?xml version="1.0" encoding="UTF-7"?>').encode("utf-7"), ERROR),
    (row("Їжак", '<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"), ROWS),
    (row("Їжак").encode("utf-16-le"), ROWS),
    (row("Їжак").encode("utf-32"), ERROR),
    (row("Їжак").encode("cp1251"), ERROR),
    (row("x").encode() + b"\xff", ERROR),
    (row("\ufffe"), ERROR),
    (row("\0"), ERROR),
    (row("\x1b[31m"), ERROR),
    (row("1") + SECRET, ERROR),
    (row("1") + row("1"), ERROR),
    (" " + row("1", '<?xml version="1.0"?>'), ERROR),
    (row("1")[:-1], ERROR),
    *((row("1")[:end], ERROR) for end in range(0, len(row("1")), 4)),
    (row("1").replace("</row>", "", 1), ERROR),
    (row("1").replace("</id></row>", "</row></id>"), ERROR),
    (row("</id><id>"), BAD),
    (row("1</id>text<id2>"), ERROR),
    (row("1</id>text<x/><id>"), BAD),
    (row("1</id><x a='1' a='2'/><id>"), ERROR),
    (row("1</id><x xmlns:a='b' a:c='d'/><y>1</y><z>"), ERROR),
    ("<a>" * 100_000, ERROR),
    ("<a>" * 100_000 + "</a>" * 100_000, ERROR),
    (row("<a>" * 29 + "</a>" * 29), ROWS),
    (row("<a>" * 30 + "</a>" * 30), ERROR),
    (long("", "<a>", ""), ERROR),
    (long("<all><row><id>", "<a>", ""), ERROR),
    (long("<all><row><id>", "x", "</id></row></all>"), ERROR),
    (long("<all><row><id>", "&lt;", "</id></row></all>"), ERROR),
    (long("<all><row><id>", "<a/>", "</id></row></all>", 2), ERROR),
    (long("<all><row><id>", "<![CDATA[x]]>", "</id></row></all>"), ERROR),
    (long("<all><row><id><![CDATA[", "x", "]]></id></row></all>"), ERROR),
    (long("<all><row><id>", "<!-- x -->", "</id></row></all>"), ERROR),
    (long("<all><!-- ", "x", " --></all>"), ERROR),
    (long("<all><?x ", "x", " ?></all>"), ERROR),
    (long("<all><row a='", "x", "'><id/></row></all>"), ERROR),
    (long("<all><", "x", "/></all>"), ERROR),
    (long("<all>", "<row><name>x</name></row>", "</all>", 3), ERROR),
    (long("<all>", " ", "</all>"), ERROR),
    (long("<all><row ", "b='c' ", "/></all>"), ERROR),
    (long("<!DOCTYPE all [", "<!-- x -->", "]><all/>"), ERROR),
    (long("", "x", ""), ERROR),
    (long("", "\n", ""), ERROR),
]


def cases() -> list[Case]:
    """Return the whole corpus: format, body, outcome."""
    named = [("csv", CSV), ("json", JSON), ("xml", XML)]
    return [
        (format, body.encode() if isinstance(body, str) else body, outcome)
        for format, corpus in named
        for body, outcome in corpus
    ]


# --- what happens in the child


def memory_mb(what: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def readers() -> dict[str, Callable[[IO[bytes]], Any]]:
    from airflow_provider_telecom.calls import rows

    field_pattern = re.compile("id")
    return {
        "csv": rows.csv_rows,
        "json": rows.json_rows,
        "xml": lambda file: rows.xml_rows(file, field_pattern),
        "json facts": lambda file: rows.json_metadata(file).items(),
        "xml facts": lambda file: rows.xml_metadata(file).items(),
        "json commas": lambda file: rows.json_rows(file, stray_commas=True),
        "json pieces": lambda file: one_by_one(rows.json_pieces(file)),
        "xml pieces": lambda file: one_by_one(rows.xml_pieces(file, field_pattern)),
    }


def one_by_one(pieces: Iterable[Any]) -> Iterator[Any]:
    """Yield rows; {} for a record that was read with others."""
    for piece in pieces:
        yield from (
            [piece] if isinstance(piece, tuple) else ((piece.first + n, {}) for n in range(piece.count))
        )


def outcome_of(read: Callable[[IO[bytes]], Any], file: IO[bytes]) -> tuple[str, int, str]:
    """Return how reading ends, the number of records, and all reasons and messages."""
    from airflow_provider_telecom.calls.errors import TelecomAnswerError
    from airflow_provider_telecom.calls.rows import BadRow

    outcome, count, reasons = ROWS, 0, set()
    try:
        for _, found in read(file):
            count += 1
            if isinstance(found, BadRow):
                outcome = BAD
                reasons.add(found.reason)
                assert len(found.raw) <= 4096
    except TelecomAnswerError as error:
        outcome = ERROR
        reasons.add(str(error))
    return outcome, count, " | ".join(reasons)


def measure(read: Callable[[IO[bytes]], Any], chunks: Callable[[], Iterable[bytes]]) -> dict[str, Any]:
    """Read a file of these chunks, and return how it ended, and the time and memory it took."""
    size = sum(map(len, chunks()))
    with io.BufferedReader(Generated(chunks)) as file:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        idle, started = memory_mb("VmRSS"), time.process_time()
        outcome, count, messages = outcome_of(read, file)  # type: ignore[arg-type]
        seconds = time.process_time() - started
    return {
        "outcome": outcome,
        "count": count,
        "messages": messages,
        "seconds": seconds,
        "growth": memory_mb("VmHWM") - idle,
        "size": size,
    }


def read_corpus(*formats: str, small: bool = False) -> None:
    """Read the corpus (or its small bodies), and print how each case ended, one line each."""
    known = readers()
    rates = {name: rate_of(name, known[name]) for name in known if name.split()[0] in formats}
    rates |= {name: rates[name.split()[0]] for name in rates if name.endswith("pieces")}
    for number, (format, body, expected) in enumerate(cases()):
        if format not in formats or (small and not is_small(body)):
            continue
        for name in (format, f"{format} facts", f"{format} commas", f"{format} pieces"):
            if name in known:
                facts = measure(known[name], (lambda: [body]) if isinstance(body, bytes) else body)  # noqa: B023 - read at once
                ratio = facts["seconds"] / (rates[name] * (facts["size"] + 2 * MEGABYTE))
                case = {"case": f"{name} {number}", "name": name, "expected": expected, "ratio": ratio}
                print(json.dumps({**case, **facts}), flush=True)  # noqa: T201


def is_small(body: Body) -> bool:
    return isinstance(body, bytes) and len(body) < 100_000


def rate_of(name: str, read: Callable[[IO[bytes]], Any]) -> float:
    """Return the CPU seconds per byte of a valid file."""
    facts = measure(read, long_file(name, 2))
    assert facts["outcome"] == ROWS
    seconds: float = facts["seconds"] / facts["size"]
    return seconds


def child(program: str, **environ: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.calls.test_hostile_rows import *; gc.freeze(); {program}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environ},
        timeout=600,
    )
    assert done.returncode == 0, (done.stdout[-300:], done.stderr[-3000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_corpus(found: list[dict[str, Any]], wanted: list[Case], other: int = 0) -> None:
    """Check how the cases of a corpus ended; `other` are as many as may end otherwise than expected."""
    assert len({case["case"].split()[-1] for case in found}) == len(wanted) > 100
    assert [case for case in found if SECRET in case["messages"]] == []
    assert [case for case in found if case["growth"] > MAX_GROWTH_MB] == []
    of_records = [case for case in found if case["name"] in ("csv", "json", "xml")]
    unexpected = [case for case in of_records if case["outcome"] != case["expected"]]
    assert len(unexpected) == other, unexpected
    assert [case for case in found if case["ratio"] > MAX_CPU_RATIO] == []
    ends = {case["case"]: [case[key] for key in ("outcome", "count", "messages")] for case in found}
    at_once = [name for name in ends if " pieces " in name]
    assert [name for name in at_once if ends[name] != ends[name.replace(" pieces ", " ")]] == []


@pytest.mark.parametrize("formats", [("csv", "xml"), ("json",)], ids="-".join)
def test_hostile_files(formats: tuple[str, ...]) -> None:
    """JSON with the default backend of ijson: its parser in C, where there is one."""
    check_corpus(child(f"read_corpus(*{formats!r})"), [case for case in cases() if case[0] in formats])


@pytest.mark.parametrize("small", [True, pytest.param(False, marks=pytest.mark.long)])
def test_hostile_json_without_a_parser_in_c(small: bool) -> None:
    wanted = [case for case in cases() if case[0] == "json" and (not small or is_small(case[1]))]
    found = child(f"read_corpus('json', small={small})", IJSON_BACKEND="python")
    check_corpus(found, wanted, other=len(LAX))


# --- long files

CELLS = {
    "msisdn": SECRET,
    "started": "2026-10-01 10:00:00",
    "ended": "2026-10-01 10:00:13",
    "seconds": "14",
    "name": "Їжак",
}


def long_file(name: str, megabytes: int) -> Callable[[], Iterator[bytes]]:
    """Return a function that yields the chunks of a long valid file."""
    format = name.split()[0]
    record = json.dumps(CELLS, ensure_ascii=False)
    if name == "json commas":
        record = record.replace("}", ",}")
    xml = "".join(f"<{tag}>{text}</{tag}>" for tag, text in CELLS.items())
    head, middle, tail = {
        "csv": (",".join(CELLS) + "\n", ",".join(CELLS.values()) + "\n", ""),
        "json": ('{"rows": [\n' + record, ",\n" + record, '\n], "error": 0}'),
        "xml": ("<all>\n", f"<row><id>1</id>{xml}</row>\n", "<error>0</error></all>"),
    }[format]
    return long(head, middle, tail, megabytes)


def read_long_files(*names: str) -> None:
    for name in names:
        print(json.dumps({"name": name, **measure(readers()[name], long_file(name, RECORDS_MB))}))  # noqa: T201


def test_long_files_take_no_more_memory() -> None:
    names = ("csv", "json", "json commas", "json facts", "xml", "xml facts")
    for name, found in zip(names, child(f"read_long_files(*{names!r})"), strict=True):
        assert (found["name"], found["outcome"], found["messages"]) == (name, ROWS, "")
        assert found["size"] > 0.9 * RECORDS_MB * MEGABYTE
        assert found["count"] == 1 if name.endswith("facts") else found["count"] > 15_000
        assert found["growth"] < MAX_GROWTH_MB
