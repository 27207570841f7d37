"""Callbacks, call lists and recordings: what is sent, what is refused, how answers are read."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pendulum
import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, Response, Unknown
from airflow_provider_telecom.vendors.sunsim import recording_decoder
from airflow_provider_telecom.vendors.sunsim.calls import read_calls
from airflow_provider_telecom.vendors.sunsim.models import CallRecord
from airflow_provider_telecom.vendors.sunsim.recordings import read_recording
from airflow_provider_telecom.vendors.sunsim.vats import read_settings
from tests.vendors.sunsim.by_hand import (
    ABOUT,
    BASE,
    FINE,
    ScriptedApi,
    answer,
    asked,
    enveloped,
    first_request,
    sent,
)

NUMBERS = ["9000000000"]


def ago(**span: float) -> datetime:
    return datetime.now() - timedelta(**span)


class TestCallback:
    @pytest.mark.parametrize(
        ("phone_to", "wire"),
        [
            ("8 900 000-12-34", "89000001234"),
            ("+7 900 000 12 34", "89000001234"),
            ("9000001234", "89000001234"),
            ("+380670000200", "810380670000200"),
            ("810380670000200", "810380670000200"),
        ],
    )
    @pytest.mark.parametrize("phone_from", ["9000000000", "89000000000", "+79000000000", "79000000000"])
    def test_row_33_each_number_has_the_form_that_the_endpoint_wants(
        self, phone_to: str, wire: str, phone_from: str
    ) -> None:
        request = first_request(ScriptedApi().create_callback(phone_to, phone_from))
        assert request.query == {"PhoneTo": wire, "PhoneFrom": "9000000000"}
        assert (request.method, request.path) == ("GET", "/api/v1/callback/create")
        assert request.idempotency is Idempotency.NONE

    @pytest.mark.parametrize(
        ("phone_to", "phone_from", "field"),
        [
            ("9000001234", "+380670000200", "phone_from"),
            ("9000001234", "123", "phone_from"),
            ("nobody", "9000000000", "phone_to"),
            ("", "9000000000", "phone_to"),
            ("９000001234", "9000000000", "phone_to"),
        ],
    )
    def test_wrong_numbers_are_refused_by_name(self, phone_to: str, phone_from: str, field: str) -> None:
        with pytest.raises(TelecomInputError, match=f"^{field}"):
            next(ScriptedApi().create_callback(phone_to, phone_from))

    @pytest.mark.parametrize("body", [b"", b" ", b"{}", b'{"error": null}', b'{"error": {"errorCode": "0"}}'])
    def test_its_answer_is_not_documented_so_nothing_is_a_success_too(self, body: bytes) -> None:
        assert asked(ScriptedApi().create_callback("9000001234", "9000000000"), answer(body))[1].result == {}

    def test_what_it_says_is_kept(self) -> None:
        done = asked(ScriptedApi().create_callback("9000001234", "9000000000"), enveloped(callId="7"))[1]
        assert done.result == {**ABOUT, "callId": "7"}

    @pytest.mark.parametrize(
        "lost",
        [
            Unknown("reset"),
            Response(500, {}),
            Response(101, {}),
            Response(103, {}),
            answer(b"<html>"),
            answer([]),
        ],
    )
    def test_it_is_never_repeated_when_nobody_knows(self, lost: Any) -> None:
        call = ScriptedApi().create_callback("9000001234", "9000000000")
        next(call)
        with pytest.raises(TelecomUnknownError):
            call.send(lost)


class TestErrors:
    """A refusal can come as HTTP 200 with another errorCode than 0."""

    def refused(self, body: Any, status: int = 200) -> Any:
        call = ScriptedApi().get_vats_settings(NUMBERS)
        next(call)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the callers look at it
            call.send(answer(body, status))
        return caught.value

    @pytest.mark.parametrize("code", [5, "5", " 5 "])
    def test_a_code_that_is_not_0_is_a_refusal(self, code: Any) -> None:
        error = self.refused({
            "error": {"errorMessage": "no", "errorCode": code},
            "result": {"vatsSettings": []},
        })
        assert (type(error), error.code, error.text) == (TelecomRejectedError, "5", "no")

    @pytest.mark.parametrize(
        "error",
        [
            {"errorCode": 401},
            {"errorCode": "403"},
            {"errorCode": 9, "errorMessage": "Unauthorized"},
            {"errorCode": 9, "errorMessage": "Invalid token"},
            {"errorCode": 9, "errorMessage": "Пользователь не авторизован"},
            {"errorCode": 9, "errorMessage": "Неверный токен"},
        ],
    )
    def test_what_looks_like_auth_is_auth(self, error: dict[str, Any]) -> None:
        assert type(self.refused({"error": error})) is TelecomAuthError

    @pytest.mark.parametrize("body", [b"<html>404</html>", b"", b"{}", {"detail": "Not Found"}])
    def test_a_404_that_is_not_the_vendors_is_not_its_not_found(self, body: Any) -> None:
        error = self.refused(body, 404)
        assert (type(error), "check host and api_path" in error.text) == (TelecomRejectedError, True)
        assert type(self.refused({"error": {"errorCode": 7}}, 404)) is TelecomNotFoundError

    def test_a_status_comes_first(self) -> None:
        error = self.refused({"error": {"errorMessage": "expired", "errorCode": 17}}, 401)
        assert (type(error), error.status, error.code, error.text) == (TelecomAuthError, 401, "17", "expired")
        assert type(self.refused(b"<html>", 403)) is TelecomAuthError

    def test_numbers_and_odd_codes_stay_out_of_the_error(self) -> None:
        body = {"error": {"errorMessage": "number 79000000000 of 9000000000", "errorCode": "79000000000 x"}}
        error = self.refused(body)
        assert "9000000000" not in str(error)
        assert error.code == "unreadable"

    @pytest.mark.parametrize(
        "body",
        [
            [],
            "x",
            {},
            {"error": FINE},
            {"error": FINE, "result": []},
            {"error": {"errorMessage": "no"}},
            {"error": "no"},
        ],
    )
    def test_what_is_neither_a_result_nor_an_error_is_unreadable(self, body: Any) -> None:
        with pytest.raises(TelecomAnswerError):
            read_settings(answer(body))


class TestCallList:
    def test_what_is_sent(self) -> None:
        start = ago(days=3).replace(microsecond=0)
        request = first_request(
            ScriptedApi().list_calls(
                ["+79000000000", 89000000001],
                start,
                start + timedelta(hours=5),
                direction="incoming",
                duration_from_seconds=1,
                duration_to_seconds=60,
                only_recorded=True,
                is_read=False,
            )
        )
        assert (request.method, request.url(BASE)) == ("POST", f"{BASE}/api/v1/request/getcalllist")
        assert request.idempotency is Idempotency.READ
        assert sent(request) == {
            "nums": ["9000000000", "9000000001"],
            "periodStart": f"{start:%Y-%m-%d %H:%M:%S}",
            "periodEnd": f"{start + timedelta(hours=5):%Y-%m-%d %H:%M:%S}",
            "direction": 2,
            "durationFrom": 1,
            "durationTo": 60,
            "isCallRecord": 1,
            "isRead": 0,
        }

    def test_row_34_no_limit_is_written_as_the_document_says_for_each_field(self) -> None:
        """ "Empty or 0" for two of them, "null" for the others: there 0 would be a limit."""
        body = sent(first_request(ScriptedApi().list_calls(NUMBERS, ago(days=1), ago())))
        assert [body[name] for name in ("direction", "isCallRecord")] == [0, 0]
        assert [body[name] for name in ("durationFrom", "durationTo", "isRead")] == [None] * 3

    def test_row_34_a_0_that_is_given_is_sent(self) -> None:
        call = ScriptedApi().list_calls(NUMBERS, ago(days=1), ago(), duration_to_seconds=0, is_read=True)
        body = sent(first_request(call))
        assert (body["durationTo"], body["isRead"]) == (0, 1)

    def test_a_number_is_sent_once(self) -> None:
        call = ScriptedApi().list_calls(["+79000000000", "9000000001", "89000000000"], ago(days=1), ago())
        assert sent(first_request(call))["nums"] == ["9000000000", "9000000001"]

    def test_outgoing(self) -> None:
        call = ScriptedApi().list_calls(NUMBERS, ago(days=1), ago(), direction="outgoing")
        assert sent(first_request(call))["direction"] == 1

    def test_row_17_aware_times_are_sent_in_the_vendors_zone(self) -> None:
        end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        call = ScriptedApi(vendor_timezone="Europe/Moscow").list_calls(NUMBERS, end - timedelta(days=1), end)
        assert sent(first_request(call))["periodEnd"] == f"{end + timedelta(hours=3):%Y-%m-%d %H:%M:%S}"

    def test_row_17_without_the_zone_only_naive_times_and_with_it_only_aware_ones(self) -> None:
        with pytest.raises(TelecomInputError, match=r"start: must be a datetime without .* vendor_timezone"):
            next(ScriptedApi().list_calls(NUMBERS, pendulum.now("UTC").subtract(days=1), ago()))
        aware = pendulum.now("UTC").subtract(days=1)
        with pytest.raises(TelecomInputError, match="end: must be a datetime with a time zone"):
            next(ScriptedApi(vendor_timezone="Asia/Omsk").list_calls(NUMBERS, aware, ago()))
        with pytest.raises(TelecomInputError, match="start"):
            next(ScriptedApi().list_calls(NUMBERS, "2026-01-01 00:00:00", ago()))  # type: ignore[arg-type]

    @pytest.mark.parametrize("zone", [None, "Europe/Moscow"])
    def test_one_month_long_and_one_month_deep(self, zone: str | None) -> None:
        now = pendulum.now("UTC") if zone else pendulum.now("UTC").naive()
        month_ago, soon = now.subtract(months=1), now.add(minutes=5)
        api = ScriptedApi(vendor_timezone=zone)
        next(api.list_calls(NUMBERS, month_ago.add(minutes=1), soon.subtract(minutes=10)))
        for start, end, field in [
            (month_ago.subtract(minutes=1), month_ago, "start: must be at most one month ago"),
            (month_ago.add(minutes=1), soon, "end: must be at most one month after"),
            (now, now, "end: must be later"),
        ]:
            with pytest.raises(TelecomInputError, match=field):
                next(api.list_calls(NUMBERS, start, end))

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"numbers": []}, "numbers"),
            ({"numbers": "9000000000"}, "numbers"),
            ({"numbers": ["380670000200"]}, "numbers"),
            ({"direction": "both"}, "direction"),
            ({"direction": 1}, "direction"),
            ({"duration_from_seconds": -1}, "duration_from_seconds"),
            ({"duration_to_seconds": 1.5}, "duration_to_seconds"),
            ({"duration_from_seconds": 9, "duration_to_seconds": 8}, "duration_to_seconds"),
            ({"is_read": "no"}, "is_read"),
        ],
    )
    def test_wrong_arguments_are_refused_by_name(self, changes: dict[str, Any], field: str) -> None:
        given = {"numbers": NUMBERS, "start": ago(days=1), "end": ago(), **changes}
        with pytest.raises(TelecomInputError, match=f"^{field}"):
            next(ScriptedApi().list_calls(**given))


class TestCallRows:
    ROW: ClassVar[Any] = {"callRecordId": " bec3e80f-2197 ", "numFrom": "89000000000", "duration": 5}

    def read(self, **result: Any) -> Any:
        return asked(ScriptedApi().list_calls(NUMBERS, ago(days=1), ago()), enveloped(**result))[1]

    @pytest.mark.parametrize("name", ["calls", "callList", "anything"])
    def test_row_32_rows_are_kept_raw_whatever_their_list_is_called(self, name: str) -> None:
        found = self.read(**{name: [self.ROW, {}]}, total=2)
        assert [record.row for record in found.calls] == [self.ROW, {}]
        assert [record.record_id for record in found.calls] == ["bec3e80f-2197", None]
        assert found.result == {**ABOUT, "total": 2}

    @pytest.mark.parametrize(
        "result", [{}, {"calls": []}, {"calls": None}, {"calls": None, "totalCount": 0}, {"count": 0}]
    )
    def test_no_calls(self, result: dict[str, Any]) -> None:
        assert self.read(**result).calls == []

    @pytest.mark.parametrize("empty", [None, "", " "])
    def test_no_recording(self, empty: Any) -> None:
        assert self.read(calls=[{"callRecordId": empty}]).calls[0].record_id is None

    @pytest.mark.parametrize(
        "result",
        [
            {"a": [], "b": []},
            {"calls": {"0": {}}},
            {"calls": [1]},
            {"calls": "none"},
            {"calls": [{}], "totalCount": 2},
            {"calls": None, "count": "1"},
        ],
    )
    def test_calls_that_might_be_lost_are_unreadable(self, result: dict[str, Any]) -> None:
        with pytest.raises(TelecomAnswerError):
            read_calls(enveloped(**result))

    @pytest.mark.parametrize("written", ["9000000000", "89000000000", "+7 (900) 000-00-00", 79000000000])
    def test_a_row_mentions_a_number_in_any_form(self, written: Any) -> None:
        record = CallRecord(row={"a": 1, "b": None, "c": written})
        assert record.mentions("+79000000000")
        assert not record.mentions("+79000000001")


class TestRecording:
    MP3 = b"ID3\x04\x00rest"

    def read(self, content: Any, **result: Any) -> Any:
        return read_recording(
            answer({"error": FINE, "result": {**ABOUT, **result}, "code": 0, "fileContent": content})
        )

    @staticmethod
    def packed(content: bytes) -> str:
        return base64.b64encode(content).decode()

    @pytest.mark.parametrize("record_id", ["bec3e80f-2197-4f2e87d8-44ae05g60eb8", "a", "9" * 64])
    def test_row_32_ids_are_opaque(self, record_id: str) -> None:
        """The document's own sample lacks a dash and has a `g` in it."""
        request = first_request(ScriptedApi().get_call_record_file(record_id))
        assert request.url(BASE) == f"{BASE}/api/v1/request/getcallrecordfile?recordFileId={record_id}"
        assert request.idempotency is Idempotency.READ
        assert request.max_bytes > recording_decoder.MAX_RECORDING_BYTES * 4 / 3

    @pytest.mark.parametrize("bad", ["", "a" * 65, "a/b", "a&b", "../x", "a b", None])
    def test_wrong_ids_are_refused(self, bad: Any) -> None:
        with pytest.raises(TelecomInputError, match="record_id"):
            next(ScriptedApi().get_call_record_file(bad))

    @pytest.mark.parametrize("start", [b"ID3", b"\xff\xe0", b"\xff\xfb", b"\xff\xff"])
    def test_mp3(self, start: bytes) -> None:
        found = self.read(self.packed(start + b"rest"), file_NAME="../../x.mp3")
        assert (found.content, found.file_name) == (start + b"rest", "../../x.mp3")
        assert "rest" not in repr(found)

    def test_content_inside_the_result_is_found_too(self) -> None:
        body = {"error": FINE, "result": {"fileContent": self.packed(self.MP3)}}
        found = read_recording(answer(body))
        assert (found.content, found.result, found.file_name) == (self.MP3, {}, None)

    @pytest.mark.parametrize(
        "content", [None, 5, "", "string", "SUQz ", "SUQz!", "SUQ", "PGh0bWw+", "/3//", "/w=="]
    )
    def test_what_is_no_strict_base64_of_an_mp3_is_unreadable(self, content: Any) -> None:
        with pytest.raises(TelecomAnswerError, match="a recording that is not"):
            self.read(content)

    def test_the_largest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recording_decoder, "MAX_RECORDING_BYTES", 10)
        assert len(self.read(self.packed(b"ID3" + bytes(7))).content) == 10
        with pytest.raises(TelecomAnswerError, match="larger than"):
            self.read(self.packed(b"ID3" + bytes(8)))
