"""The simulated SunSim's tokens, callbacks, call lists and recordings."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.sunsim import VendorState, responses
from tests.simulator.sunsim.vendor import NUMBER, Vendor, accepted, refused, unauthorized, written

FILE = "request/getcallrecordfile"


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.create()
    return vendor


def claims(token: str) -> dict[str, Any]:
    """Return what a JWT says, without looking at its signature."""
    part = token.split(".")[1]
    parsed: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return parsed


class TestTokens:
    def test_a_pair(self, vendor: Vendor) -> None:
        assert list(vendor.pair) == [
            "accessToken",
            "accessTokenExpiredIn",
            "refreshToken",
            "refreshTokenExpiredIn",
        ]
        access, refresh = claims(vendor.pair["accessToken"]), claims(vendor.pair["refreshToken"])
        assert {"token_id", "p_token_id", "roles", "sub", "contract", "exp"} <= set(access)
        assert access["token_id"] != refresh["token_id"]
        assert access["p_token_id"] == refresh["p_token_id"]
        assert refresh["exp"] - access["exp"] == 3600
        left = access["exp"] - vendor.state.clock.now().timestamp()
        assert abs(left - 24 * 3600) < 5
        (effect,) = vendor.effects("token")
        assert effect.facts == {"via": "create"}

    def test_ends_are_iso(self, vendor: Vendor) -> None:
        end = datetime.strptime(vendor.pair["accessTokenExpiredIn"], "%Y-%m-%dT%H:%M:%S.%fZ")
        exp = claims(vendor.pair["accessToken"])["exp"]
        assert int(end.replace(tzinfo=UTC).timestamp()) == exp

    def test_dotted_dates_and_opaque_tokens(self, vendor: Vendor) -> None:
        vendor.vendor_state.switches.set("token_dates", "dotted")
        vendor.vendor_state.switches.turn_on("opaque_tokens")
        vendor.vendor_state.zone = timezone(timedelta(hours=3))
        vendor.create()
        assert "." not in vendor.pair["accessToken"]
        end = datetime.strptime(vendor.pair["accessTokenExpiredIn"], "%d.%m.%Y %H:%M:%S")
        expected = vendor.state.clock.now() + timedelta(hours=24)
        assert abs(end.replace(tzinfo=vendor.vendor_state.zone) - expected) < timedelta(seconds=5)
        assert vendor.callback().status_code == 200

    @pytest.mark.parametrize("mint", ["create", "refresh"])
    def test_a_new_pair_kills_the_old_one(self, vendor: Vendor, mint: str) -> None:
        old = vendor.pair
        new = vendor.create().json() if mint == "create" else vendor.refresh().json()
        vendor.pair = old
        assert unauthorized(vendor.callback())
        assert unauthorized(vendor.refresh())
        vendor.pair = new
        assert vendor.callback().status_code == 200
        assert len(vendor.effects("callback")) == 1
        assert [effect.facts["via"] for effect in vendor.effects("token")] == ["create", mint]

    def test_lives(self, vendor: Vendor) -> None:
        vendor.state.clock.advance(24 * 3600 - 5)
        assert vendor.callback().status_code == 200
        vendor.state.clock.advance(10)
        assert unauthorized(vendor.callback())
        assert vendor.refresh().status_code == 200

    def test_the_refresh_token_ends_an_hour_later(self, vendor: Vendor) -> None:
        vendor.state.clock.advance(25 * 3600 + 5)
        assert unauthorized(vendor.refresh())
        assert vendor.create().status_code == 200
        assert len(vendor.effects("token")) == 2

    def test_killed_access(self, vendor: Vendor) -> None:
        vendor.vendor_state.revoke_access_tokens()
        assert unauthorized(vendor.callback())
        assert vendor.refresh().status_code == 200

    def test_portal_button(self, vendor: Vendor) -> None:
        old = vendor.vendor_state.authorization_token
        vendor.vendor_state.regenerate_authorization_token()
        assert unauthorized(vendor.callback())
        assert unauthorized(vendor.refresh())
        assert unauthorized(vendor.create(old))
        assert vendor.vendor_state.authorization_token.startswith("sim_")
        assert vendor.create(vendor.vendor_state.authorization_token).status_code == 200

    def test_each_token_has_its_use(self, vendor: Vendor) -> None:
        access, refresh = vendor.pair["accessToken"], vendor.pair["refreshToken"]
        assert unauthorized(vendor.create(access))
        assert unauthorized(vendor.create(refresh))
        assert unauthorized(vendor.refresh(access))
        assert unauthorized(vendor.refresh(vendor.vendor_state.authorization_token))
        assert unauthorized(vendor.ask("GET", "callback/create", refresh))
        assert unauthorized(vendor.ask("GET", "callback/create", vendor.vendor_state.authorization_token))
        assert len(vendor.effects("token")) == 1

    @pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}])
    @pytest.mark.parametrize(
        ("verb", "path"),
        [
            ("GET", "auth/integrationapi/create"),
            ("GET", "auth/integrationapi/refresh"),
            ("GET", "callback/create"),
            ("GET", "request/getcallrecordfile"),
            ("POST", "request/getcalllist"),
            ("POST", "Vats/settings/get"),
            ("POST", "Vats/settings/set"),
        ],
    )
    def test_no_token(self, vendor: Vendor, header: dict[str, str], verb: str, path: str) -> None:
        assert unauthorized(vendor.http.request(verb, f"/x/api/v1/{path}", headers=header))

    def test_a_parameter_too_many(self, vendor: Vendor) -> None:
        token = vendor.vendor_state.authorization_token
        answer = vendor.ask("GET", "auth/integrationapi/create", token, force="1")
        assert refused(answer) == responses.UNKNOWN_FIELD
        assert len(vendor.effects("token")) == 1


class TestCallback:
    def test_ordered(self, vendor: Vendor) -> None:
        accepted(vendor.callback(), "callback/create")
        (effect,) = vendor.effects("callback")
        assert (effect.facts["phone_from"], effect.facts["phone_to"]) == (NUMBER, "89000001234")

    def test_each_copy_rings(self, vendor: Vendor) -> None:
        vendor.callback()
        vendor.callback()
        assert len(vendor.effects("callback")) == 2

    def test_abroad(self, vendor: Vendor) -> None:
        accepted(vendor.callback(PhoneTo="810380670000200"), "callback/create")

    def test_listed_when_it_is_over(self, vendor: Vendor) -> None:
        vendor.state.set_transition("sunsim.callback", "after_seconds", 60)
        vendor.callback()
        (effect,) = vendor.effects("callback")
        assert effect.facts["id"] not in [row["callId"] for row in vendor.calls()]
        vendor.state.clock.advance(60)
        (row,) = [row for row in vendor.calls() if row["callId"] == effect.facts["id"]]
        assert (row["numFrom"], row["numTo"]) == (NUMBER, "89000001234")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"PhoneTo": "9000001234"}, responses.BAD_VALUE),
            ({"PhoneTo": "+79000001234"}, responses.BAD_VALUE),
            ({"PhoneTo": "380670000200"}, responses.BAD_VALUE),
            ({"PhoneFrom": "89000000000"}, responses.BAD_VALUE),
            ({"PhoneFrom": "9000000009"}, responses.NOT_YOUR_NUMBER),
            ({"phoneTo": "89000001234"}, responses.UNKNOWN_FIELD),
            ({"PhoneTo": ["89000001234", "89000001235"]}, responses.UNKNOWN_FIELD),
        ],
    )
    def test_wrong_parameters(self, vendor: Vendor, changes: dict[str, Any], code: int) -> None:
        assert refused(vendor.callback(**changes)) == code
        assert vendor.effects("callback") == []

    @pytest.mark.parametrize("missing", ["PhoneTo", "PhoneFrom"])
    def test_missing_parameters(self, vendor: Vendor, missing: str) -> None:
        query = {"PhoneTo": "89000001234", "PhoneFrom": NUMBER}
        del query[missing]
        assert refused(vendor.get("callback/create", **query)) == responses.MISSING_FIELD


class TestCallList:
    def test_rows(self, vendor: Vendor) -> None:
        rows = vendor.calls()
        assert len(rows) == 12
        assert set(rows[0]) == {
            "callId",
            "callDate",
            "numFrom",
            "numTo",
            "direction",
            "duration",
            "callRecordId",
            "isRead",
        }
        assert [row["callDate"] for row in rows] == sorted(row["callDate"] for row in rows)
        assert all(row["numFrom" if row["direction"] == 1 else "numTo"] == NUMBER for row in rows)

    def test_same_seed_same_calls(self, vendor: Vendor) -> None:
        durations = [call.duration for call in vendor.vendor_state.calls[NUMBER]]
        assert [call.duration for call in VendorState(SimulatorState()).calls[NUMBER]] == durations
        assert [call.duration for call in VendorState(SimulatorState(1)).calls[NUMBER]] != durations

    def test_two_numbers(self, vendor: Vendor) -> None:
        rows = vendor.calls(nums=[NUMBER, "9000000001", NUMBER])
        assert len({row["callId"] for row in rows}) == len(rows) == 24

    def test_period(self, vendor: Vendor) -> None:
        rows = vendor.calls()
        middle = rows[5]["callDate"]
        assert vendor.calls(periodStart=middle)[0] == rows[5]
        assert vendor.calls(periodEnd=middle)[-1] == rows[5]

    def test_zone(self, vendor: Vendor) -> None:
        utc = vendor.calls()
        vendor.vendor_state.zone = timezone(timedelta(hours=3))
        shift = timedelta(hours=3)
        end = vendor.state.clock.now() + shift + timedelta(minutes=1)
        local = vendor.calls(periodStart=written(end - timedelta(days=30)), periodEnd=written(end))
        assert [row["callDate"] for row in local] == [
            written(datetime.strptime(row["callDate"], "%Y-%m-%d %H:%M:%S") + shift) for row in utc
        ]

    @pytest.mark.parametrize("direction", [1, 2])
    def test_direction(self, vendor: Vendor, direction: int) -> None:
        chosen = vendor.calls(direction=direction)
        assert chosen == [row for row in vendor.calls() if row["direction"] == direction] != []

    @pytest.mark.parametrize("name", ["direction", "durationFrom", "durationTo", "isCallRecord", "isRead"])
    def test_null_is_no_limit(self, vendor: Vendor, name: str) -> None:
        assert vendor.calls(**{name: None}) == vendor.calls()

    def test_duration(self, vendor: Vendor) -> None:
        rows = vendor.calls()
        middle = sorted(row["duration"] for row in rows)[6]
        assert vendor.calls(durationFrom=middle) == [row for row in rows if row["duration"] >= middle]
        assert vendor.calls(durationTo=middle) == [row for row in rows if row["duration"] <= middle]
        assert vendor.calls(durationTo=0) == [row for row in rows if row["duration"] == 0]

    def test_recorded(self, vendor: Vendor) -> None:
        assert vendor.calls(isCallRecord=1) == [row for row in vendor.calls() if row["callRecordId"]] != []
        assert vendor.calls(isCallRecord=0) == vendor.calls()

    @pytest.mark.parametrize("read", [0, 1])
    def test_read(self, vendor: Vendor, read: int) -> None:
        assert vendor.calls(isRead=read) == [row for row in vendor.calls() if row["isRead"] == read] != []

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"nums": []}, responses.BAD_VALUE),
            ({"nums": NUMBER}, responses.BAD_VALUE),
            ({"nums": [9000000000]}, responses.BAD_VALUE),
            ({"nums": ["89000000000"]}, responses.BAD_VALUE),
            ({"nums": ["9000000009"]}, responses.NOT_YOUR_NUMBER),
            ({"periodStart": "2024-01-01T00:00:00"}, responses.BAD_VALUE),
            ({"periodStart": "2024-02-30 00:00:00"}, responses.BAD_VALUE),
            ({"periodEnd": None}, responses.BAD_VALUE),
            ({"direction": 3}, responses.BAD_VALUE),
            ({"direction": "1"}, responses.BAD_VALUE),
            ({"direction": True}, responses.BAD_VALUE),
            ({"durationFrom": -1}, responses.BAD_VALUE),
            ({"durationTo": "10"}, responses.BAD_VALUE),
            ({"isCallRecord": 2}, responses.BAD_VALUE),
            ({"isRead": False}, responses.BAD_VALUE),
            ({"page": 1}, responses.UNKNOWN_FIELD),
        ],
    )
    def test_wrong_body(self, vendor: Vendor, changes: dict[str, Any], code: int) -> None:
        assert refused(vendor.post("request/getcalllist", vendor.period() | changes)) == code

    @pytest.mark.parametrize("missing", ["nums", "periodStart", "periodEnd"])
    def test_missing_fields(self, vendor: Vendor, missing: str) -> None:
        body = vendor.period()
        del body[missing]
        assert refused(vendor.post("request/getcalllist", body)) == responses.MISSING_FIELD

    def test_one_month(self, vendor: Vendor) -> None:
        now = vendor.state.clock.now()
        periods = [
            (now - timedelta(days=33), now - timedelta(days=32)),
            (now - timedelta(days=20), now + timedelta(days=12)),
            (now, now - timedelta(seconds=1)),
        ]
        for start, end in periods:
            body = {"nums": [NUMBER], "periodStart": written(start), "periodEnd": written(end)}
            assert refused(vendor.post("request/getcalllist", body)) == responses.BAD_PERIOD

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff"])
    def test_no_json(self, vendor: Vendor, raw: bytes) -> None:
        answer = vendor.ask("POST", "request/getcalllist", body=raw)
        assert refused(answer) == responses.NOT_JSON


class TestRecording:
    def recorded(self, vendor: Vendor) -> str:
        record_id: str = vendor.calls(isCallRecord=1)[0]["callRecordId"]
        return record_id

    def test_file(self, vendor: Vendor) -> None:
        record_id = self.recorded(vendor)
        answer = vendor.get(FILE, recordFileId=record_id)
        assert accepted(answer, FILE)["file_NAME"] == f"{record_id}.mp3"
        content = base64.b64decode(answer.json()["fileContent"], validate=True)
        assert content == vendor.vendor_state.recordings[record_id]
        assert content.startswith(b"ID3")

    def test_of_our_own(self, vendor: Vendor) -> None:
        vendor.vendor_state.recordings["big"] = b"ID3" + bytes(5_000_000)
        answer = vendor.get(FILE, recordFileId="big")
        assert len(base64.b64decode(answer.json()["fileContent"])) == 5_000_003

    def test_hostile_name(self, vendor: Vendor) -> None:
        vendor.vendor_state.switches.turn_on("hostile_file_name")
        answer = vendor.get(FILE, recordFileId=self.recorded(vendor))
        assert accepted(answer, FILE)["file_NAME"].startswith("../")

    def test_wrong_requests(self, vendor: Vendor) -> None:
        assert refused(vendor.get(FILE, recordFileId="none")) == responses.NOT_FOUND
        assert refused(vendor.get(FILE)) == responses.MISSING_FIELD
        assert refused(vendor.get(FILE, recordFileId="none", id="none")) == responses.UNKNOWN_FIELD


class TestReadings:
    """What the switches make of tokens, calls and recordings."""

    @pytest.mark.parametrize(
        ("form", "pattern"),
        [
            ("iso", r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
            ("local", r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"),
            ("epoch", r"\d{10}"),
            ("epoch_ms", r"\d{13}"),
            ("seconds", r"86400|90000|86399|89999"),
            ("dotted", r"\d\d\.\d\d\.20\d\d \d\d:\d\d:\d\d"),
        ],
    )
    def test_token_dates(self, vendor: Vendor, form: str, pattern: str) -> None:
        vendor.state.set_switch("sunsim.token_dates", form)
        pair = vendor.create().json()
        for name in ("accessTokenExpiredIn", "refreshTokenExpiredIn"):
            assert re.fullmatch(pattern, str(pair[name]))

    def test_a_pair_that_lives_on_after_create_and_not_after_refresh(self, vendor: Vendor) -> None:
        vendor.state.set_switch("sunsim.create_keeps", "on")
        first = vendor.pair["accessToken"]
        second = vendor.create().json()["accessToken"]
        assert vendor.ask("GET", "callback/create", first).json()["error"]["errorCode"] != 401
        vendor.refresh()
        assert unauthorized(vendor.ask("GET", "callback/create", second))
        vendor.vendor_state.revoke_access_tokens()
        assert unauthorized(vendor.ask("GET", "callback/create", first))

    @pytest.mark.parametrize(
        ("form", "statuses"),
        [("200_but_401", (401, 200, 200)), ("always_200", (200, 200, 200)), ("4xx", (401, 404, 400))],
    )
    def test_error_status(self, vendor: Vendor, form: str, statuses: tuple[int, ...]) -> None:
        vendor.state.set_switch("sunsim.error_status", form)
        refusals = (
            vendor.ask("GET", FILE, "dead", recordFileId="x"),
            vendor.get(FILE, recordFileId="x"),
            vendor.callback(PhoneFrom="9000000009"),
        )
        assert tuple(one.status_code for one in refusals) == statuses
        assert [one.json()["error"]["errorCode"] for one in refusals] == [401, 7, 5]

    @pytest.mark.parametrize(
        ("form", "error"),
        [("text", {"errorMessage": "OK", "errorCode": 0}), ("null", None)],
    )
    def test_success_error(self, vendor: Vendor, form: str, error: Any) -> None:
        vendor.state.set_switch("sunsim.success_error", form)
        assert vendor.callback().json()["error"] == error

    def test_callback_answer(self, vendor: Vendor) -> None:
        vendor.state.set_switch("sunsim.callback_answer", "empty")
        assert (vendor.callback().status_code, vendor.callback().content) == (200, b"")
        vendor.state.set_switch("sunsim.callback_answer", "id")
        assert vendor.callback().json() == {"callId": vendor.vendor_state.calls[NUMBER][-1].id}
        assert len(vendor.effects("callback")) == 3

    def test_strict_filters(self, vendor: Vendor) -> None:
        vendor.state.set_switch("sunsim.strict_filters", "on")
        for name in ("direction", "isCallRecord"):
            assert (
                refused(vendor.post("request/getcalllist", vendor.period() | {name: None}))
                == responses.BAD_VALUE
            )
        assert len(vendor.calls(direction=0, isCallRecord=0, durationFrom=None, isRead=None)) == 12

    @pytest.mark.parametrize(
        ("limit", "long", "deep"), [("both", False, False), ("length", False, True), ("depth", True, False)]
    )
    def test_what_a_month_limits(self, vendor: Vendor, limit: str, long: bool, deep: bool) -> None:
        vendor.state.set_switch("sunsim.period_limit", limit)
        now = vendor.state.clock.now()

        def taken(start: timedelta, end: timedelta) -> bool:
            ends = {"periodStart": written(now - start), "periodEnd": written(now - end)}
            answer = vendor.post("request/getcalllist", {"nums": [NUMBER], **ends}).json()
            return bool(answer["error"]["errorCode"] == 0)

        assert taken(timedelta(days=30), timedelta(days=-5)) is long
        assert taken(timedelta(days=60), timedelta(days=59)) is deep

    @pytest.mark.parametrize(("month", "longest"), [("31_days", 31), ("30_days", 30), ("calendar", 28)])
    def test_how_long_a_month_is(self, vendor: Vendor, month: str, longest: int) -> None:
        vendor.state.set_switch("sunsim.month", month)
        vendor.state.set_switch("sunsim.period_limit", "length")
        for days in (longest, longest + 1):
            end = datetime(2026, 3, 3, tzinfo=UTC)
            ends = {"periodStart": written(end - timedelta(days=days)), "periodEnd": written(end)}
            answer = vendor.post("request/getcalllist", {"nums": [NUMBER], **ends})
            assert (answer.json()["error"]["errorCode"] == 0) is (days == longest)

    def test_no_calls(self, vendor: Vendor) -> None:
        vendor.state.set_switch("sunsim.no_calls_null", "on")
        vendor.vendor_state.calls[NUMBER].clear()
        result = accepted(vendor.post("request/getcalllist", vendor.period()), "request/getcalllist")
        assert (result["calls"], result["totalCount"]) == (None, 0)

    def test_where_and_how_a_recording_stands(self, vendor: Vendor) -> None:
        record_id, content = next(iter(vendor.vendor_state.recordings.items()))
        vendor.vendor_state.switches.turn_on("content_in_result", "wrapped_base64")
        body = vendor.get(FILE, recordFileId=record_id).json()
        assert "fileContent" not in body
        assert "\n" in body["result"]["fileContent"]
        assert base64.b64decode(body["result"]["fileContent"]) == content
