"""Call records as Kyivstar FMC tells them, in three formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.vendors.kyivstar_fmc.models import (
    KYIV,
    READERS,
    CallRecord,
    records_of_csv,
    records_of_json,
    records_of_xml,
    wall_clock,
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
    assert records_of_json(SAMPLE) == [CallRecord.model_validate(FACTS)]


@pytest.mark.parametrize(
    "body", [SAMPLE.replace(b'",\n    }', b'"\n    }'), SAMPLE, SAMPLE.replace(b"}\n  ]", b"},\n  ],")]
)
def test_row_27_commas_before_brackets_make_no_difference(body: bytes) -> None:
    assert records_of_json(body) == [CallRecord.model_validate(FACTS)]


def test_row_27_commas_within_texts_are_kept() -> None:
    body = SAMPLE.replace(b'"0671234567",', rb'"0671234567", "department": "a, }, \", ] b",')
    (found,) = records_of_json(body)
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
        SAMPLE[:-3],
        SAMPLE.replace(b"14", b"-1"),
        SAMPLE.replace(b"14", b'"soon"'),
        SAMPLE.replace(b'"duration": 14,', b'"duration": 14,,'),
        SAMPLE.replace(b'"duration": 14,', b'"duration": 14, "duration": 15,'),
    ],
)
def test_row_27_everything_else_stays_strict(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        records_of_json(body)


def test_row_27_untidy_json_is_read_in_bounded_time() -> None:
    with pytest.raises(TelecomAnswerError):
        records_of_json(b'{"calls": [' + b'"\\' * 500_000)
    with pytest.raises(TelecomAnswerError):
        records_of_json(b"," + b" " * 1_000_000)


def test_row_28_the_duration_is_the_vendors_and_is_not_computed() -> None:
    (found,) = records_of_json(SAMPLE)
    assert found.duration == 14
    assert found.end - found.start == timedelta(seconds=13)


def test_row_17_times_without_a_zone_mean_kyiv() -> None:
    summer = record()
    assert summer.start == datetime(2017, 4, 29, 18, 39, 35, tzinfo=timezone.utc)
    assert summer.start_timestamp == "2017-04-29 21:39:35"
    winter = record("2026-12-01 00:00:00", "2026-12-01 00:00:13")
    assert winter.start == datetime(2026, 11, 30, 22, tzinfo=timezone.utc)
    assert winter.end == datetime(2026, 11, 30, 22, 0, 13, tzinfo=timezone.utc)


def test_row_17_the_hour_that_comes_twice_means_its_first_pass() -> None:
    found = record("2026-10-25 03:30:00", "2026-10-25 03:59:59")
    assert found.start.astimezone(timezone.utc).isoformat() == "2026-10-25T00:30:00+00:00"
    assert found.end.astimezone(timezone.utc).isoformat() == "2026-10-25T00:59:59+00:00"


def test_row_17_around_the_hour_that_comes_twice() -> None:
    found = record("2026-10-25 02:59:59", "2026-10-25 04:00:00")
    assert found.start == datetime(2026, 10, 24, 23, 59, 59, tzinfo=timezone.utc)
    assert found.end == datetime(2026, 10, 25, 2, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2017, 4, 29, 11, 25, tzinfo=timezone.utc), "2017-04-29T14:25:00"),
        (datetime(2026, 12, 1, 12, 0, 59, 999999, tzinfo=timezone.utc), "2026-12-01T14:00:59"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc), "2026-10-25T03:30:00"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc), "2026-10-25T03:30:00"),
        (datetime(2027, 3, 28, 0, 59, 59, tzinfo=timezone.utc), "2027-03-28T02:59:59"),
        (datetime(2027, 3, 28, 1, 0, tzinfo=timezone.utc), "2027-03-28T04:00:00"),
        (datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=-5))), "2026-07-01T20:00:00"),
    ],
)
def test_row_17_moments_are_told_by_the_wall_clock_of_kyiv(moment: datetime, told: str) -> None:
    assert wall_clock(moment) == told


@example(datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc))
@example(datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc))
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(timezone.utc)))
def test_row_17_a_moment_comes_back_to_the_second_or_an_hour_earlier(moment: datetime) -> None:
    """An hour earlier only in the second pass of the hour that comes twice, which is told like the first."""
    told = wall_clock(moment).replace("T", " ")
    off = moment.replace(microsecond=0) - record(told, told).start
    again = moment.astimezone(KYIV).replace(fold=0).utcoffset() != moment.astimezone(KYIV).utcoffset()
    assert off == timedelta(hours=1 if again else 0)


def test_three_formats_read_the_same() -> None:
    xml = f'<?xml version="1.0" encoding="UTF-8"?><calls><call>{CELLS}</call></calls>'.encode()
    expected = [CallRecord.model_validate(FACTS)]
    assert records_of_json(SAMPLE) == records_of_csv(HEADER + ROW) == records_of_xml(xml) == expected
    assert list(READERS) == ["json", "csv", "xml"]


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (records_of_json, b'{"calls": []}'),
        (records_of_csv, b""),
        (records_of_csv, b"\xef\xbb\xbf \n"),
        (records_of_csv, HEADER),
        (records_of_xml, b"<calls/>"),
    ],
)
def test_no_calls(read: Callable[[bytes], list[CallRecord]], body: bytes) -> None:
    assert read(body) == []


def test_equal_records_are_two_calls() -> None:
    assert len(records_of_csv(HEADER + ROW + ROW)) == 2
    assert len(records_of_xml(f"<calls><call>{CELLS}</call><call>{CELLS}</call></calls>".encode())) == 2


@pytest.mark.parametrize(
    "body",
    [
        HEADER + ROW,
        b"\xef\xbb\xbf" + HEADER + ROW,
        (HEADER + ROW).replace(b",", b";"),
        (HEADER + ROW).replace(b"\n", b"\r\n"),
        (HEADER + ROW).replace(b"0671234567", b'"0671234567"'),
        (HEADER + ROW).rstrip(),
    ],
)
def test_csv_in_its_spellings(body: bytes) -> None:
    assert records_of_csv(body) == [CallRecord.model_validate(FACTS)]


def test_csv_texts_are_kept_as_they_are() -> None:
    body = HEADER.rstrip() + b",called_name\n" + ROW.rstrip() + ',"=1+1; ""Бо"",\nx"\n'.encode()
    (found,) = records_of_csv(body)
    assert found.model_extra == {"called_name": '=1+1; "Бо",\nx'}


@pytest.mark.parametrize(
    "body",
    [
        HEADER + ROW.rstrip() + b",extra\n",
        HEADER + b"2017-04-29 21:39:48,2017-04-29 21:39:35\n",
        HEADER.replace(b"duration", b"length") + ROW,
        ROW + ROW,
        HEADER + ROW.replace(b",14,", b",x,"),
        b'{"error": "x"}\n1\n',
        b"<html><h1>Maintenance</h1></html>",
        b"\xff\xfe" + HEADER,
    ],
)
def test_csv_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        records_of_csv(body)


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
        f"<calls><call>{CELLS.replace('duration', 'length')}</call></calls>",
        f"{BOMB}<calls><call>{CELLS}<department>&b;</department></call></calls>",
        f"{OUTSIDE}<calls><call>{CELLS}<department>&a;</department></call></calls>",
        f"<!DOCTYPE calls><calls><call>{CELLS}</call></calls>",
    ],
)
def test_xml_that_makes_no_sense_or_harm(body: str) -> None:
    with pytest.raises(TelecomAnswerError):
        records_of_xml(body.encode())


def test_xml_texts_and_empty_cells() -> None:
    cells = CELLS + "<called_name>A &amp; &lt;Б&gt;</called_name><department/>"
    (found,) = records_of_xml(f"<calls><call>{cells}</call></calls>".encode())
    assert found.model_extra == {"called_name": "A & <Б>", "department": ""}


def test_a_number_without_quotes_is_a_number_all_the_same() -> None:
    body = SAMPLE.replace(b'"0675376761"', b"380675376761")
    assert records_of_json(body)[0].calling_number == "380675376761"


@pytest.mark.parametrize("read", list(READERS.values()))
def test_an_error_does_not_hold_what_it_could_not_read(read: Callable[[bytes], list[CallRecord]]) -> None:
    body = b'{"calls": [{"calling_number": "0670000201", "end": <"'
    with pytest.raises(TelecomAnswerError) as caught:
        read(body)
    assert not re.search("0670000201", str(caught.value))
    assert caught.value.length == len(body)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        record().duration = 1  # type: ignore[misc]
