"""Call records of Kyivstar FMC in three formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_fmc.arguments import FORMATS
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord
from airflow_provider_telecom.vendors.kyivstar_fmc.responses import parse_records
from airflow_provider_telecom.vendors.kyivstar_fmc.schema import to_row

parse_json_records, parse_csv_records, parse_xml_records = (
    partial(parse_records, format=format) for format in FORMATS
)

SAMPLE = b"""{
  "calls": [
    {
      "end_timestamp": "2017-04-29 21:39:48",
      "start_timestamp": "2017-04-29 21:39:35",
      "calling_number": "0675376761",
      "duration": 14,
      "called_number": "0671234567",
    }
  ]
}"""
FACTS = {
    "end_timestamp": "2017-04-29 21:39:48",
    "start_timestamp": "2017-04-29 21:39:35",
    "calling_number": "0675376761",
    "duration": 14,
    "called_number": "0671234567",
}
HEADER = b"end_timestamp,start_timestamp,calling_number,duration,called_number\n"
ROW = b"2017-04-29 21:39:48,2017-04-29 21:39:35,0675376761,14,0671234567\n"
CELLS = "".join(f"<{name}>{value}</{name}>" for name, value in FACTS.items())


def record(start: str = "2017-04-29 21:39:35", end: str = "2017-04-29 21:39:48") -> CallRecord:
    return CallRecord.model_validate(FACTS | {"start_timestamp": start, "end_timestamp": end})


def test_row_27_the_documents_sample_is_read_with_its_trailing_comma() -> None:
    assert parse_json_records(SAMPLE) == [CallRecord.model_validate(FACTS)]


@pytest.mark.parametrize(
    "body", [SAMPLE.replace(b'",\n    }', b'"\n    }'), SAMPLE, SAMPLE.replace(b"}\n  ]", b"},\n  ],")]
)
def test_row_27_commas_before_brackets_make_no_difference(body: bytes) -> None:
    assert parse_json_records(body) == [CallRecord.model_validate(FACTS)]


def test_row_27_commas_within_texts_are_kept() -> None:
    body = SAMPLE.replace(b'"0671234567",', rb'"0671234567", "department": "a, }, \", ] b",')
    (found,) = parse_json_records(body)
    assert found.model_extra == {"department": 'a, }, ", ] b'}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"{}",
        b'{"error": "x"}',
        b'{"calls": {}}',
        b'{"calls": [{}]}',
        b'{"calls": [1]}',
        b'{"calls": [], "error": "no access"}',
        b'{"error": {"code": 5}, "calls": []}',
        SAMPLE.rstrip()[:-1] + b', "errors": ["not all are there"]}',
        SAMPLE[:-3],
        SAMPLE.replace(b"14", b"-1"),
        SAMPLE.replace(b"14", b"1" + b"0" * 30),
        SAMPLE.replace(b"14", b"true"),
        SAMPLE.replace(b"14", b'"soon"'),
        SAMPLE.replace(b'"duration": 14,', b'"duration": 14,,'),
        SAMPLE.replace(b'"duration": 14,', b'"duration": 14, "duration": 15,'),
    ],
)
def test_row_27_everything_else_stays_strict(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        parse_json_records(body)


def test_row_27_untidy_json_is_read_in_bounded_time() -> None:
    with pytest.raises(TelecomAnswerError):
        parse_json_records(b'{"calls": [' + b'"\\' * 500_000)
    with pytest.raises(TelecomAnswerError):
        parse_json_records(b"," + b" " * 1_000_000)


def test_row_28_the_duration_is_the_vendors_and_is_not_computed() -> None:
    (found,) = parse_json_records(SAMPLE)
    assert found.duration == 14
    assert found.end - found.start == timedelta(seconds=13)


def test_row_17_times_without_a_zone_mean_kyiv() -> None:
    summer = record()
    assert summer.start == datetime(2017, 4, 29, 18, 39, 35, tzinfo=UTC)
    assert summer.start_timestamp == "2017-04-29 21:39:35"
    winter = record("2026-12-01 00:00:00", "2026-12-01 00:00:13")
    assert winter.start == datetime(2026, 11, 30, 22, tzinfo=UTC)
    assert winter.end == datetime(2026, 11, 30, 22, 0, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [
        ("03:30:00", "03:59:59", 1800),  # fits both passes
        ("03:50:00", "04:10:00", 4800),  # fits the first one only
        ("03:50:00", "04:10:00", 1200),
        ("03:59:50", "03:00:20", 31),  # ends before it begins, on the wall
        ("03:59:50", "03:00:20", 7),  # and the duration does not count the ringing
        ("02:50:00", "03:10:00", 4800),
    ],
)
def test_row_17_a_record_of_the_hour_that_comes_twice_has_one_time_in_model_and_table(
    start: str, end: str, duration: int
) -> None:
    facts = FACTS | {
        "start_timestamp": f"2026-10-25 {start}",
        "end_timestamp": f"2026-10-25 {end}",
        "duration": duration,
    }
    found, row = CallRecord.model_validate(facts), to_row(facts)
    assert (found.start, found.end) == (row["start_utc"], row["end_utc"])
    assert found.times.ambiguous is row["time_ambiguous"]
    assert found.start <= found.end


def test_row_17_the_hour_that_comes_twice_means_its_second_pass() -> None:
    found = record("2026-10-25 03:30:00", "2026-10-25 03:59:59")
    assert found.start == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert found.end == datetime(2026, 10, 25, 1, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2027-03-28 03:30:00", "soon", "0001-01-01 00:00:00"])
def test_row_17_a_time_that_does_not_exist_is_refused_in_model_and_table(text: str) -> None:
    with pytest.raises(TelecomAnswerError, match=r"^start_timestamp: "):
        _ = record(start=text).start
    with pytest.raises(TelecomInputError, match=r"^start_timestamp: "):
        to_row(FACTS | {"start_timestamp": text})


def test_row_17_around_the_hour_that_comes_twice() -> None:
    found = record("2026-10-25 02:59:59", "2026-10-25 04:00:00")
    assert found.start == datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)
    assert found.end == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)


def test_three_formats_read_the_same() -> None:
    xml = f'<?xml version="1.0" encoding="UTF-8"?><calls><call>{CELLS}</call></calls>'.encode()
    expected = [CallRecord.model_validate(FACTS)]
    assert parse_json_records(SAMPLE) == parse_csv_records(HEADER + ROW) == parse_xml_records(xml) == expected
    assert parse_xml_records(f"<Calls><Call>{CELLS}</Call></Calls>".upper().encode()) == expected


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (parse_json_records, b'{"calls": []}'),
        (parse_csv_records, b""),
        (parse_csv_records, b"\xef\xbb\xbf \n"),
        (parse_csv_records, HEADER),
        (parse_xml_records, b"<calls/>"),
    ],
)
def test_no_calls(read: Callable[[bytes], list[CallRecord]], body: bytes) -> None:
    assert read(body) == []


def test_equal_records_are_two_calls() -> None:
    assert len(parse_csv_records(HEADER + ROW + ROW)) == 2
    assert len(parse_xml_records(f"<calls><call>{CELLS}</call><call>{CELLS}</call></calls>".encode())) == 2


@pytest.mark.parametrize(
    "body",
    [
        HEADER + ROW,
        b"\xef\xbb\xbf" + HEADER + ROW,
        (HEADER + ROW).replace(b",", b";"),
        (HEADER + ROW).replace(b"\n", b"\r\n"),
        (HEADER + ROW).replace(b"0671234567", b'"0671234567"'),
        (HEADER + ROW).rstrip(),
        (HEADER + ROW).replace(b",", b"\t"),
        HEADER.upper() + ROW,
        HEADER.title() + ROW,
    ],
)
def test_csv_in_its_spellings(body: bytes) -> None:
    assert parse_csv_records(body) == [CallRecord.model_validate(FACTS)]


def test_csv_texts_are_kept_as_they_are() -> None:
    body = HEADER.rstrip() + b",called_name\n" + ROW.rstrip() + ',"=1+1; ""Бо"",\nx"\n'.encode()
    (found,) = parse_csv_records(body)
    assert found.model_extra == {"called_name": '=1+1; "Бо",\nx'}


@pytest.mark.parametrize(
    "body",
    [
        HEADER + ROW.rstrip() + b",extra\n",
        HEADER + b"2017-04-29 21:39:48,2017-04-29 21:39:35\n",
        HEADER.replace(b"duration", b"length") + ROW,
        HEADER.rstrip() + b",Duration\n" + ROW.rstrip() + b",14\n",
        ROW + ROW,
        HEADER + ROW.replace(b",14,", b",x,"),
        b'{"error": "x"}\n1\n',
        b"<html><h1>Maintenance</h1></html>",
        b"\xff\xfe" + HEADER,
    ],
)
def test_csv_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        parse_csv_records(body)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not XML",
        f"<calls><call>{CELLS}</call>",
        "<html><body>Maintenance</body></html>",
        "<error>Maintenance</error>",
        f"<calls><error>not all are there</error><call>{CELLS}</call></calls>",
        f"<calls><call>{CELLS.replace('duration', 'length')}</call></calls>",
        f"{BOMB}<calls><call>{CELLS}<department>&b;</department></call></calls>",
        f"{OUTSIDE}<calls><call>{CELLS}<department>&a;</department></call></calls>",
        f"<!DOCTYPE calls><calls><call>{CELLS}</call></calls>",
    ],
)
def test_xml_that_makes_no_sense_or_harm(body: str) -> None:
    with pytest.raises(TelecomAnswerError):
        parse_xml_records(body.encode())


def test_xml_texts_and_empty_cells() -> None:
    cells = CELLS + "<called_name>A &amp; &lt;Б&gt;</called_name><department/>"
    (found,) = parse_xml_records(f"<calls><call>{cells}</call></calls>".encode())
    assert found.model_extra == {"called_name": "A & <Б>", "department": ""}


def test_a_number_without_quotes_is_a_number_all_the_same() -> None:
    body = SAMPLE.replace(b'"0675376761"', b"380675376761")
    assert parse_json_records(body)[0].calling_number == "380675376761"


@pytest.mark.parametrize("read", [parse_json_records, parse_csv_records, parse_xml_records])
def test_an_error_does_not_hold_what_it_could_not_read(read: Callable[[bytes], list[CallRecord]]) -> None:
    body = b'{"calls": [{"calling_number": "0670000201", "end": <"'
    with pytest.raises(TelecomAnswerError) as caught:
        read(body)
    assert not re.search("0670000201", str(caught.value))
    assert caught.value.length == len(body)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        record().duration = 1  # type: ignore[misc]
