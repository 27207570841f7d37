"""The calls of Kyivstar FMC by values: what is asked, and what is made of each answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pendulum
import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Request, Response, Unknown
from airflow_provider_telecom.vendors.api import Account, Credentials
from airflow_provider_telecom.vendors.kyivstar_fmc.api import KyivstarFmcApi, auth_for
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions
from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV
from tests.by_hand import drive

TOKEN = "sim_" + "0" * 60
A, B = "380670000201", "380670000202"
HEADER = b"end_timestamp,start_timestamp,calling_number,duration,called_number\r\n"
ROW = b"2017-04-29 21:39:48,2017-04-29 21:39:35,0675376761,14,0671234567\r\n"
ATTACHED = {"content-disposition": 'attachment; filename="callstat.csv"'}
NOTHING, NO_CALLS = Response(200, {}), Response(200, {}, b'{"calls": []}')


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Described(KyivstarFmcApi):
    """The calls, with an account but nobody who runs them."""

    def __init__(self, **extra: Any) -> None:
        self._extra = extra

    @property
    def account(self) -> Account:
        return Account(auth_for(Credentials("", Secret(TOKEN), "key")), AccountLimits(), 60)

    @property
    def options(self) -> KyivstarFmcOptions:
        return KyivstarFmcOptions(**self._extra)


def asked(
    method: str, answers: list[Any], *args: Any, extra: dict[str, Any] | None = None, **kwargs: Any
) -> tuple[list[Request], Any]:
    """Return the requests of a call and its result; None among the answers is for a pause."""
    describe: Any = getattr(KyivstarFmcApi, method).__wrapped__
    steps, result = drive(describe(Described(**(extra or {})), *args, **kwargs), answers)
    return [step for step in steps if isinstance(step, Request)], result


def wall_clock(moment: datetime) -> str:
    return moment.astimezone(KYIV).strftime("%Y-%m-%dT%H:%M:%S")


def query_of(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the query of a request for call records."""
    (request,), found = asked("get_call_records", [NO_CALLS], *args, **kwargs)
    assert found == []
    return dict(request.query)


@pytest.mark.parametrize("format", ["json", "csv", "xml"])
def test_records_are_requested_as_the_document_says(format: str) -> None:
    start, end = now() - timedelta(days=2), now() - timedelta(days=1)
    empty = Response(200, {}, {"json": b'{"calls": []}', "csv": HEADER, "xml": b"<calls/>"}[format])
    (request,), found = asked("get_call_records", [empty], start, end, format=format)
    assert found == []
    assert (request.method, request.path) == ("GET", f"/api/cdr/v1/callstat.{format}")
    assert request.idempotency is Idempotency.READ
    assert request.query == {"from": wall_clock(start), "to": wall_clock(end), "token": Secret(TOKEN)}


def test_flags_are_on_or_left_out() -> None:
    start = now() - timedelta(days=1)
    flags = {"names": True, "departments": False, "ownership": True}
    assert set(query_of(start, **flags)) == {"from", "to", "token", "names", "ownership"}
    assert query_of(start, departments=True)["departments"] == "on"


def test_row_27_both_bounds_are_always_sent() -> None:
    end = now() - timedelta(days=1)
    assert query_of(end=end)["from"] == wall_clock(end - timedelta(days=7))
    start = now() - timedelta(days=20)
    assert query_of(start)["to"] == wall_clock(start + timedelta(days=7))
    before = wall_clock(now())
    assert before <= query_of(now() - timedelta(days=1))["to"] <= wall_clock(now())


@pytest.mark.parametrize("zone", [UTC, KYIV, timezone(timedelta(hours=-5))])
def test_row_17_any_zone_is_sent_in_kyivs(zone: Any) -> None:
    start = now() - timedelta(days=2)
    assert query_of(start.astimezone(zone))["from"] == wall_clock(start)
    assert query_of(pendulum.instance(start).in_tz("Asia/Tokyo"))["from"] == wall_clock(start)


@pytest.mark.parametrize(
    ("start", "end", "field", "rule"),
    [
        (None, None, "start", "must be given, or end, or both"),
        (timedelta(days=1), timedelta(days=1), "end", "later than start"),
        (timedelta(days=1), timedelta(days=2), "end", "later than start"),
        (timedelta(days=9), timedelta(days=2, seconds=-1), "end", "at most 7 days"),
        (timedelta(days=30, seconds=5), timedelta(days=29), "start", "at most 30 days ago"),
        (None, timedelta(days=23, seconds=5), "start", "at most 30 days ago"),
        (timedelta(days=-1), None, "end", "later than start"),
    ],
)
def test_intervals_that_the_vendor_would_refuse(
    start: timedelta | None, end: timedelta | None, field: str, rule: str
) -> None:
    """Each bound is given as its age."""
    bounds = [now() - age if age is not None else None for age in (start, end)]
    with pytest.raises(TelecomInputError, match=rule) as caught:
        asked("get_call_records", [], *bounds)
    assert caught.value.field == field


def test_intervals_at_the_edge_are_sent() -> None:
    assert query_of(now() - timedelta(days=9), now() - timedelta(days=2))
    assert query_of(now() - timedelta(days=30, seconds=-30))


@pytest.mark.parametrize("bound", ["start", "end"])
def test_a_moment_without_a_zone_is_refused(bound: str) -> None:
    with pytest.raises(TelecomInputError, match=f"{bound}: must be a datetime with a time zone"):
        asked("get_call_records", [], **{bound: datetime(2026, 7, 1)})


@pytest.mark.parametrize("format", ["pdf", "JSON", ""])
def test_an_unknown_format_is_refused(format: str) -> None:
    for method, target in (("get_call_records", ()), ("download_call_records", (Path("calls"),))):
        with pytest.raises(TelecomInputError, match="format: must be one of json, csv, xml"):
            asked(method, [], *target, now() - timedelta(days=1), format=format)


@pytest.mark.parametrize(
    ("status", "error", "requests"),
    [
        (400, TelecomRejectedError, 1),
        (403, TelecomAuthError, 1),
        (401, TelecomAuthError, 1),
        (500, TelecomServerError, 4),
    ],
)
def test_what_each_status_means_for_a_read(status: int, error: type[TelecomError], requests: int) -> None:
    answers: list[Any] = [Response(status, {}, b'{"error": "x"}'), None] * (requests - 1)
    with pytest.raises(error) as caught:
        asked("get_call_records", [*answers, Response(status, {})], now() - timedelta(days=1))
    assert caught.value.status == status
    assert caught.value.call == "GET /api/cdr/v1/callstat.json"
    assert TOKEN not in str(caught.value)


def test_a_read_is_repeated() -> None:
    answers = [NotSent("refused"), None, Unknown("reset"), None, Response(502, {}), None, NO_CALLS]
    requests, found = asked("get_call_records", answers, now() - timedelta(days=1))
    assert found == []
    assert len(requests) == 4
    assert len({str(request.query) for request in requests}) == 1


def test_row_29_a_download_goes_to_its_target_and_nowhere_else(tmp_path: Path) -> None:
    offered = {"content-disposition": 'attachment; filename="../callstat_2017-04-29T14:25:00.csv"'}
    target = tmp_path / "mine.csv"
    answer = Response(200, offered, saved_bytes=123)
    (request,), size = asked("download_call_records", [answer], target, now() - timedelta(days=1))
    assert size == 123
    assert request.path == "/api/cdr/v1/callstat.csv"
    assert request.save is not None
    assert request.save.target == target
    assert request.save.is_file(Response(200, offered, HEADER))
    assert not request.save.is_file(Response(403, {}, HEADER))


RECORD = b'{"start_timestamp": "2017-04-29 21:39:35"}'
ELEMENT = b"<call><start_timestamp>2017-04-29 21:39:35</start_timestamp></call>"


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("csv", HEADER),
        ("csv", b"\xef\xbb\xbf" + HEADER.upper() + ROW),
        ("csv", (HEADER + ROW).replace(b",", b"\t")),
        ("json", b'{"calls": []}'),
        ("json", b'\xef\xbb\xbf {"calls": [' + RECORD + b"]}"),
        ("json", b'{"calls": [' + RECORD.upper() + b"]}"),
        ("json", b'{"calls": [' + RECORD + b", "),  # the first piece of a long file
        ("xml", b"<calls/>"),
        ("xml", b'\xef\xbb\xbf<?xml version="1.0"?>\n<calls></calls>'),
        ("xml", b"<calls>" + ELEMENT + b"</calls>"),
        ("xml", b"<calls>" + ELEMENT + b"<ca"),
    ],
)
def test_a_list_of_calls_is_saved(tmp_path: Path, format: str, body: bytes) -> None:
    answers = [Response(200, {}, saved_bytes=len(body))]
    (request,), _ = asked(
        "download_call_records", answers, tmp_path / "calls", now() - timedelta(days=1), format=format
    )
    assert request.save is not None
    assert request.save.is_file(Response(200, {}, body))


NO_LISTS = [
    ("csv", b"<!DOCTYPE html><html><h1>Maintenance, please come back</h1></html>"),
    ("csv", b'{"error": "start_timestamp"}'),
    ("csv", b"Service unavailable\n"),
    ("csv", ROW),
    ("csv", b""),
    ("csv", b"\xef\xbb\xbf\r\n"),
    ("json", b"<html><h1>Maintenance</h1></html>"),
    ("json", b'{"error": "\\"start_timestamp\\": wrong"}'),
    ("json", b'{"error": "no access", "calls": []}'),
    ("json", b'{"Errors": ["no access"], "calls": []}'),
    ("json", b"[]"),
    ("json", b""),
    ("xml", b"<html><body>Maintenance</body></html>"),
    ("xml", b"<error>no access</error>"),
    ("xml", b"<calls><error>no access</error></calls>"),
    ("xml", b"Service unavailable: start_timestamp"),
    ("xml", b""),
]


@pytest.mark.parametrize(("format", "body"), NO_LISTS)
def test_what_is_no_list_of_calls_is_neither_saved_nor_taken_for_none(
    tmp_path: Path, format: str, body: bytes
) -> None:
    answer, start = Response(200, {}, body), now() - timedelta(days=1)
    for method, target in (("download_call_records", (tmp_path / "calls",)), ("get_call_records", ())):
        with pytest.raises(TelecomAnswerError) as caught:
            asked(method, [answer, None] * 3 + [answer], *target, start, format=format)
        assert caught.value.sha256
    describe: Any = KyivstarFmcApi.download_call_records.__wrapped__  # type: ignore[attr-defined]
    request = next(describe(Described(), tmp_path / "calls", start, format=format))
    assert not request.save.is_file(answer)


def test_an_empty_file_of_csv_is_one_without_calls() -> None:
    """The document's answer is a file, offered under a name: that distinguishes it from an empty response."""
    answer, start = Response(200, ATTACHED), now() - timedelta(days=1)
    assert asked("get_call_records", [answer], start, format="csv")[1] == []
    describe: Any = KyivstarFmcApi.download_call_records.__wrapped__  # type: ignore[attr-defined]
    request = next(describe(Described(), Path("calls"), start))
    assert request.save.is_file(answer)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206])
def test_only_status_200_is_a_success(status: int) -> None:
    start = now() - timedelta(days=1)
    part = Response(status, ATTACHED, HEADER + ROW)
    for method, target in (("download_call_records", (Path("calls"),)), ("get_call_records", ())):
        with pytest.raises(TelecomAnswerError, match="status"):
            asked(method, [part, None] * 3 + [part], *target, start, format="csv")
    with pytest.raises(TelecomUnknownError):
        asked("originate_call", [Response(status, {})], B, A)


def test_originating_is_an_unkeyed_effect() -> None:
    (request,), result = asked("originate_call", [NOTHING], B, A)
    assert result is None
    assert (request.method, request.path) == ("GET", "/api/onebox/v1/originate")
    assert request.idempotency is Idempotency.NONE
    assert request.query == {"calling_number": f"+{A}", "called_number": f"+{B}", "token": Secret(TOKEN)}
    assert "called_number=%2B380670000202" in request.url("https://pbx.example")


@pytest.mark.parametrize(
    "written",
    ["0670000202", "380670000202", "+380670000202", "067 000-02-02", "+38 (067) 000 02 02", 380670000202],
)
def test_row_33_numbers_in_any_form_go_out_in_one(written: str | int) -> None:
    (request,), _ = asked("originate_call", [NOTHING], written, A)
    assert request.query["called_number"] == "+380670000202"
    (request,), _ = asked("originate_call", [NOTHING], B, written)
    assert request.query["calling_number"] == "+380670000202"


def test_row_33_the_connections_region_is_taken_for_short_numbers() -> None:
    (request,), _ = asked("originate_call", [NOTHING], "89000000000", A, extra={"default_region": "RU"})
    assert request.query["called_number"] == "+79000000000"


@pytest.mark.parametrize("number", ["", "12", "call me", "０670000202", "+380670000202,+380670000203"])
@pytest.mark.parametrize("field", ["called_number", "calling_number"])
def test_what_is_no_number_is_refused_by_name(field: str, number: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        asked("originate_call", [], **{"called_number": B, "calling_number": A, field: number})
    assert caught.value.field == field


def test_the_caller_may_stand_in_the_connection() -> None:
    extra = {"calling_number": "0670000203"}
    (request,), _ = asked("originate_call", [NOTHING], B, extra=extra)
    assert request.query["calling_number"] == "+380670000203"
    (request,), _ = asked("originate_call", [NOTHING], B, A, extra=extra)
    assert request.query["calling_number"] == f"+{A}"
    with pytest.raises(TelecomInputError, match="calling_number: must be given here or in the connection"):
        asked("originate_call", [], B)


@pytest.mark.parametrize(
    "answer",
    [
        Unknown("reset"),
        Response(500, {}),
        Response(503, {"retry-after": "1"}),
        Response(200, {}, b"<html><h1>Maintenance</h1></html>"),
        Response(200, {}, b'{"error": "0", ]'),
        Response(200, {}, b'{"error": "service not activated"}'),
        Response(200, {}, b'{"success": false}'),
        Response(200, {}, b'{"status": "ok"}'),
        Response(200, {}, b"{}"),
        Response(200, {}, b"null"),
        Response(200, {}, b"0"),
        Response(200, {}, b"OK"),
    ],
)
def test_an_unclear_answer_is_unknown_and_rings_nobody_again(answer: Any) -> None:
    with pytest.raises(TelecomUnknownError, match="it may or may not have happened") as caught:
        asked("originate_call", [answer], B, A)
    assert not [secret for secret in (TOKEN, A, B) if secret in str(caught.value)]


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf\n"])
def test_an_empty_answer_is_the_vendors_yes(body: bytes) -> None:
    assert asked("originate_call", [Response(200, {}, body)], B, A)[1] is None


def test_what_did_not_reach_the_vendor_is_sent_again() -> None:
    answers = [NotSent("refused"), None, Response(429, {"retry-after": "1"}), None, None, NOTHING]
    requests, _ = asked("originate_call", answers, B, A)
    assert len(requests) == 3


@pytest.mark.parametrize(("status", "error"), [(400, TelecomRejectedError), (403, TelecomAuthError)])
def test_a_refusal_is_final(status: int, error: type[TelecomError]) -> None:
    with pytest.raises(error):
        asked("originate_call", [Response(status, {}, b'{"error": "no"}')], B, A)


@pytest.mark.parametrize("token", ["", "0" * 63, "0" * 65, "0" * 63 + "&", "0" * 63 + "\n"])
def test_a_token_has_64_characters(token: str) -> None:
    with pytest.raises(TelecomInputError, match="password: the FMC token has 64 characters") as caught:
        auth_for(Credentials("", Secret(token), "key"))
    assert not token or token not in str(caught.value)


def test_records_that_cannot_be_read_are_an_error_without_their_content() -> None:
    broken = Response(200, {}, b'{"calls": [{"calling_number": "0670000201"}]}')
    with pytest.raises(TelecomAnswerError) as caught:
        asked("get_call_records", [broken, None] * 3 + [broken], now() - timedelta(days=1))
    assert "0670000201" not in str(caught.value)
