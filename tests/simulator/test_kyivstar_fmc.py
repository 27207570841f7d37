"""The simulated Kyivstar FMC, held against each rule of the vendor's document."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from defusedxml import ElementTree
from fastapi.testclient import TestClient
from httpx import Response

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState, routes
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.simulator.application import application

KYIV = ZoneInfo("Europe/Kyiv")
NOON = datetime(2026, 7, 15, 9, 0, tzinfo=UTC)  # 12:00 in Kyiv
FIELDS = ["end_timestamp", "start_timestamp", "calling_number", "duration", "called_number"]
A, B = "0670000201", "0670000202"


class Pbx:
    """The vendor with an empty state, at noon in Kyiv on a summer's day."""

    def __init__(self) -> None:
        self.state, app = application(routes)
        self.state.clock.set(NOON)
        self.http = TestClient(app)
        self.vendor_state: VendorState = self.state.vendor_state("kyivstar_fmc", VendorState)
        self.vendor_state.calls.clear()

    def get(self, path: str, **query: str) -> Response:
        given = {"token": credentials.FMC_TOKEN, **query}
        answer: Response = self.http.get(path, params={name: value for name, value in given.items() if value})
        return answer

    def stat(self, suffix: str = "json", **query: str) -> Response:
        """Ask for call records; `from_` stands for `from`."""
        named = {name.rstrip("_"): value for name, value in query.items()}
        return self.get(f"/api/cdr/v1/callstat.{suffix}", **named)

    def starts(self, **query: str) -> list[str]:
        answer = self.stat(**query)
        assert answer.status_code == 200, answer.text
        return [call["start_timestamp"] for call in answer.json()["calls"]]

    def originate(self, calling: str = A, called: str = B, **query: str) -> Response:
        numbers = {"calling_number": calling, "called_number": called}
        return self.get("/api/onebox/v1/originate", **{**numbers, **query})


@pytest.fixture
def pbx() -> Pbx:
    """Give the vendor."""
    return Pbx()


def kyiv(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=KYIV, fold=fold)  # type: ignore[arg-type,misc]


def refused(answer: Response, status: int) -> None:
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("suffix", "media_type"), [("csv", "text/csv"), ("json", "application/json"), ("xml", "application/xml")]
)
def test_an_answer_is_a_file_with_a_name(pbx: Pbx, suffix: str, media_type: str) -> None:
    answer = pbx.stat(suffix, from_="2026-07-14T14:25:00", to="2026-07-15T11:24:55")
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    name = f"callstat_2026-07-14T14:25:00_2026-07-15T11:24:55.{suffix}"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert "content-length" not in answer.headers


def test_the_documents_example_in_json(pbx: Pbx) -> None:
    pbx.vendor_state.add_call(kyiv(2026, 7, 14, 21, 39, 35), 13, "0670000761", "0670000567")
    assert pbx.stat(from_="2026-07-14T14:25:00").json() == {
        "calls": [
            {
                "end_timestamp": "2026-07-14 21:39:48",
                "start_timestamp": "2026-07-14 21:39:35",
                "calling_number": "0670000761",
                "duration": 14,
                "called_number": "0670000567",
            }
        ]
    }


def test_three_formats_tell_the_same(pbx: Pbx) -> None:
    names = {"calling_name": "Бухгалтерія; <1>", "called_name": 'O\'Neil, "Бо"', "department": "A & B"}
    pbx.vendor_state.add_call(NOON - timedelta(hours=1), 13, A, B, **names)
    pbx.vendor_state.add_call(NOON - timedelta(hours=1), 13, A, B, **names)
    query = {"from_": "2026-07-14T12:00:00", "names": "on", "departments": "on"}
    expected = [
        {name: str(value) for name, value in call.items()} for call in pbx.stat(**query).json()["calls"]
    ]
    assert list(csv.DictReader(io.StringIO(pbx.stat("csv", **query).text))) == expected
    root = ElementTree.fromstring(pbx.stat("xml", **query).content)
    assert [{cell.tag: cell.text for cell in call} for call in root] == expected
    assert len(expected) == 2


@pytest.mark.parametrize("suffix", ["csv", "json", "xml"])
def test_no_calls_are_an_answer_too(pbx: Pbx, suffix: str) -> None:
    text = pbx.stat(suffix, from_="2026-07-14T12:00:00").text
    empty = {"csv": ",".join(FIELDS), "json": '{"calls": []}', "xml": "<calls></calls>"}
    assert text.strip().endswith(empty[suffix])


def test_the_documents_trailing_comma_is_a_quirk(pbx: Pbx) -> None:
    pbx.vendor_state.add_call(NOON - timedelta(hours=1), 13, A, B)
    pbx.vendor_state.switches.turn_on("trailing_comma")
    text = pbx.stat(from_="2026-07-14T12:00:00").text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert len(json.loads(text.replace(",}", "}"))["calls"]) == 1


@pytest.mark.parametrize(
    ("flag", "fields"),
    [("names", ["calling_name", "called_name"]), ("departments", ["department"]), ("ownership", ["own"])],
)
def test_a_flag_adds_its_columns(pbx: Pbx, flag: str, fields: list[str]) -> None:
    pbx.vendor_state.add_call(NOON - timedelta(hours=1), 13, A, B)
    for value, added in (("on", fields), ("off", []), ("", [])):
        query = {"from_": "2026-07-14T12:00:00", flag: value}
        assert list(pbx.stat(**query).json()["calls"][0]) == FIELDS + added
        assert pbx.stat("csv", **query).text.splitlines()[0] == ",".join(FIELDS + added)


@pytest.mark.parametrize("flag", ["names", "departments", "ownership"])
@pytest.mark.parametrize("value", ["true", "1", "On", "on "])
def test_a_flag_is_on_or_off(pbx: Pbx, flag: str, value: str) -> None:
    refused(pbx.stat(from_="2026-07-14T12:00:00", **{flag: value}), 400)


def test_the_interval_has_both_its_ends(pbx: Pbx) -> None:
    for second in (59, 60, 3660, 3661):
        pbx.vendor_state.add_call(NOON - timedelta(hours=2) + timedelta(seconds=second), 5, A, B)
    found = pbx.starts(from_="2026-07-15T10:01:00", to="2026-07-15T11:01:00")
    assert found == ["2026-07-15 10:01:00", "2026-07-15 11:01:00"]


def ends_of(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    name = answer.headers["content-disposition"].partition("callstat_")[2]
    return name.removesuffix('.json"').split("_")


def test_from_left_out_is_seven_days_before_to(pbx: Pbx) -> None:
    ends = ends_of(pbx.stat(to="2026-07-15T11:00:00"))
    assert ends == ["2026-07-08T11:00:00", "2026-07-15T11:00:00"]


def test_to_left_out_is_seven_days_after_from(pbx: Pbx) -> None:
    ends = ends_of(pbx.stat(from_="2026-07-01T11:00:00"))
    assert ends == ["2026-07-01T11:00:00", "2026-07-08T11:00:00"]


def test_to_left_out_is_now_at_most(pbx: Pbx) -> None:
    first, last = ends_of(pbx.stat(from_="2026-07-14T11:00:00"))
    assert first == "2026-07-14T11:00:00"
    assert "2026-07-15T12:00:00" <= last < "2026-07-15T12:00:10"


def test_both_left_out_are_refused(pbx: Pbx) -> None:
    refused(pbx.stat(), 400)


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [
        ("2026-07-01T00:00:00", "2026-07-08T00:00:00", 200),
        ("2026-07-01T00:00:00", "2026-07-08T00:00:01", 400),
        ("2026-07-08T00:00:00", "2026-07-08T00:00:00", 200),
        ("2026-07-08T00:00:01", "2026-07-08T00:00:00", 400),
        ("2026-06-15T13:00:00", "2026-06-16T00:00:00", 200),
        ("2026-06-15T10:59:00", "2026-06-16T00:00:00", 400),
        ("2026-07-16T00:00:00", "", 400),
        ("", "2026-06-20T00:00:00", 400),
    ],
)
def test_seven_days_at_most_and_thirty_days_back(pbx: Pbx, first: str, last: str, status: int) -> None:
    assert pbx.stat(from_=first, to=last).status_code == status


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-14 12:00:00",
        "2026-07-14",
        "2026-7-14T12:00:00",
        "2026-07-14T12:00",
        "2026-07-14T12:00:00Z",
        "2026-07-14T12:00:00+03:00",
        "2026-07-14T12:00:00.5",
        "2026-07-32T12:00:00",
        "2026-07-14T24:00:00",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
        "yesterday",
    ],
)
@pytest.mark.parametrize("bound", ["from_", "to"])
def test_a_timestamp_has_one_form(pbx: Pbx, bound: str, text: str) -> None:
    refused(pbx.stat(**{bound: text}), 400)


@pytest.mark.parametrize("path", ["/api/cdr/v1/callstat.json", "/api/onebox/v1/originate"])
def test_the_token_is_required_and_checked(pbx: Pbx, path: str) -> None:
    good = {"from": "2026-07-14T12:00:00"} if "cdr" in path else {"calling_number": A, "called_number": B}
    assert pbx.get(path, **good).status_code == 200
    refused(pbx.get(path, token="", **good), 400)
    refused(pbx.get(path, token="868b26", **good), 403)
    refused(pbx.get(path, token=credentials.FMC_TOKEN.upper(), **good), 403)
    assert len(pbx.state.ledger.effects) == (0 if "cdr" in path else 1)


def test_the_token_is_not_taken_from_a_header(pbx: Pbx) -> None:
    headers = {"Authorization": f"Bearer {credentials.FMC_TOKEN}"}
    refused(pbx.http.get("/api/cdr/v1/callstat.json?from=2026-07-14T12:00:00", headers=headers), 400)


def test_unknown_formats_parameters_and_methods(pbx: Pbx) -> None:
    refused(pbx.stat("pdf", from_="2026-07-14T12:00:00"), 404)
    refused(pbx.stat(from_="2026-07-14T12:00:00", start="2026-07-14T12:00:00"), 400)
    refused(pbx.originate(caller=A), 400)
    assert pbx.http.post("/api/onebox/v1/originate").status_code == 405
    assert pbx.state.ledger.effects == []


@pytest.mark.parametrize("number", ["0670000202", "380670000202", "+380670000202"])
def test_originating_takes_the_documents_three_forms(pbx: Pbx, number: str) -> None:
    answer = pbx.originate(called=number)
    assert (answer.status_code, answer.content) == (200, b"")
    (effect,) = pbx.state.ledger.effects
    assert (effect.vendor, effect.kind, effect.facts) == ("kyivstar_fmc", "call", {"calling": A, "called": B})


@pytest.mark.parametrize(
    "number", ["", "670000202", "06700002020", "+0670000202", "38067000020", "067 000 02 02", "０670000202"]
)
@pytest.mark.parametrize("which", ["calling", "called"])
def test_other_numbers_are_refused_and_ring_nobody(pbx: Pbx, which: str, number: str) -> None:
    refused(pbx.originate(**{which: number}), 400)
    assert pbx.state.ledger.effects == []


def test_a_plus_that_is_not_encoded_is_a_blank(pbx: Pbx) -> None:
    query = f"token={credentials.FMC_TOKEN}&calling_number={A}&called_number=+380670000202"
    refused(pbx.http.get(f"/api/onebox/v1/originate?{query}"), 400)
    query = query.replace("+", "%2B")
    assert pbx.http.get(f"/api/onebox/v1/originate?{query}").status_code == 200


def test_a_service_that_is_not_activated_is_forbidden(pbx: Pbx) -> None:
    pbx.vendor_state.activated = False
    refused(pbx.originate(), 403)
    assert pbx.state.ledger.effects == []
    assert pbx.starts(from_="2026-07-14T12:00:00") == []


def test_an_originated_call_is_found_in_the_records(pbx: Pbx) -> None:
    pbx.originate(called="+380670000202")
    pbx.state.clock.advance(60)
    (call,) = pbx.stat(from_="2026-07-15T11:59:00").json()["calls"]
    assert (call["calling_number"], call["called_number"]) == (A, B)
    assert "2026-07-15 12:00:00" <= call["start_timestamp"] < "2026-07-15 12:00:10"


def test_the_hour_that_comes_twice_is_shown_in_local_time(pbx: Pbx) -> None:
    """On 2026-10-25 at 04:00 summer time Kyiv goes back to 03:00."""
    pbx.state.clock.set(datetime(2026, 10, 26, tzinfo=UTC))
    for hour, minute in ((0, 30), (0, 59), (1, 30), (2, 0)):
        pbx.vendor_state.add_call(datetime(2026, 10, 25, hour, minute, tzinfo=UTC), 120, A, B)
    query = {"from_": "2026-10-25T03:00:00", "to": "2026-10-25T03:59:59"}
    assert pbx.starts(**query) == ["2026-10-25 03:30:00", "2026-10-25 03:59:00", "2026-10-25 03:30:00"]
    calls = pbx.stat(**query).json()["calls"]
    assert calls[1]["end_timestamp"] == "2026-10-25 03:01:00"
    assert calls[1]["duration"] == 121


def test_the_hour_that_never_comes_holds_no_calls(pbx: Pbx) -> None:
    """On 2027-03-28 at 03:00 winter time Kyiv goes on to 04:00."""
    pbx.state.clock.set(datetime(2027, 3, 29, tzinfo=UTC))
    for hour, minute in ((0, 59), (1, 0)):
        pbx.vendor_state.add_call(datetime(2027, 3, 28, hour, minute, tzinfo=UTC), 120, A, B)
    assert pbx.starts(from_="2027-03-28T03:00:00", to="2027-03-28T03:59:59") == []
    found = pbx.starts(from_="2027-03-28T02:59:00", to="2027-03-28T04:00:00")
    assert found == ["2027-03-28 02:59:00", "2027-03-28 04:00:00"]


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [
        (datetime(2026, 10, 26, tzinfo=UTC), "2026-10-19T01:00:00", "2026-10-26T01:00:00"),
        (datetime(2027, 3, 29, tzinfo=UTC), "2027-03-22T01:00:00", "2027-03-29T01:00:00"),
    ],
)
def test_seven_days_are_counted_by_the_wall_clock(pbx: Pbx, now: datetime, first: str, last: str) -> None:
    pbx.state.clock.set(now)
    assert pbx.stat(from_=first, to=last).status_code == 200
    refused(pbx.stat(from_=first, to=last.replace("01:00:00", "01:00:01")), 400)


def test_new_books_hold_a_month_of_calls() -> None:
    state = SimulatorState(seed=3)
    vendor_state: Any = state.vendor_state("kyivstar_fmc", VendorState)
    starts = [call.start for call in vendor_state.calls]
    assert len(starts) == 300
    assert starts == sorted(starts)
    assert timedelta(0) < state.clock.now() - starts[-1]
    assert state.clock.now() - starts[0] < timedelta(days=30)
    assert all(call.calling.startswith("067000") and len(call.calling) == 10 for call in vendor_state.calls)
