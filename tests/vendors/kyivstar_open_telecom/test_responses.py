"""Reading answers: what they are read as, in which quirky forms, and which errors refusals become."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import NotSent, Request, Response, Unknown
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    MessageState,
    MessageStatus,
    Promo,
    PromoState,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import content, error_details
from tests.by_hand import drive
from tests.vendors.kyivstar_open_telecom.by_hand import NUMBER, PROMO_ID, answer, asked, describe

CHECKS: list[tuple[str, tuple[Any, ...]]] = [
    ("verify_sim", (NUMBER, 1)),
    ("check_sim_count", (NUMBER, 1)),
    ("check_lifetime", (NUMBER,)),
]


def refused(method: str, *args: Any, reply: Response) -> TelecomError:
    with pytest.raises(TelecomError) as caught:
        drive(describe(method, *args), [reply])
    return caught.value


# --- results ---


def test_the_sim_check_is_read_from_ones_and_zeros() -> None:
    _, found = asked("verify_sim", NUMBER, 48, replies={"simChanged": 1, "isActive": 0})
    assert (found.sim_changed, found.is_active) == (True, False)


@pytest.mark.parametrize(("count", "at_least"), [(1, False), (9, False), (10, True)])
def test_ten_sims_mean_ten_or_more(count: int, at_least: bool) -> None:
    _, found = asked("check_sim_count", NUMBER, 30, replies={"simCount": count})
    assert (found.sim_count, found.is_at_least) == (count, at_least)


@pytest.mark.parametrize(
    ("word", "matches"), [("COMPLETELY_MATCHED", True), ("completely_matched ", True), ("NOT_MATCHED", False)]
)
def test_only_a_complete_match_of_the_imei_is_a_match(word: str, matches: bool) -> None:
    _, found = asked("check_device", NUMBER, imei="490154203237518", replies={"imeiRes": word})
    assert found.matches is matches


def test_the_number_of_devices_may_come_as_a_float() -> None:
    _, found = asked("check_device", NUMBER, days_period=30, replies=answer(b'{"imeiCount": 2.0}'))
    assert (found.imei_count, found.matches) == (2, False)


@pytest.mark.parametrize("upper", [{"to": 3}, {"to": None}, {}])
def test_a_lifetime_may_have_no_upper_bound(upper: dict[str, Any]) -> None:
    reply = {"lifetimeDuration": {"from": 1, "timeUnit": "MONTHS", **upper}}
    _, found = asked("check_lifetime", NUMBER, replies=reply)
    lifetime = found.lifetime_duration
    assert (lifetime.at_least, lifetime.at_most, lifetime.time_unit) == (1, upper.get("to"), "MONTHS")


@pytest.mark.parametrize(
    ("method", "args", "reply"),
    [
        ("check_sim_count", (NUMBER, 30), {"simCount": True}),
        ("check_device", (NUMBER,), {"imeiCount": True}),
        ("check_lifetime", (NUMBER,), {"lifetimeDuration": {"from": True, "timeUnit": "MONTHS"}}),
        ("check_lifetime", (NUMBER,), {"lifetimeDuration": {"from": 1, "to": False, "timeUnit": "MONTHS"}}),
        ("get_score", (NUMBER,), {"score": True}),
        ("get_score", (NUMBER,), {"score": "NaN"}),
        ("get_score", (NUMBER,), {"score": "Infinity"}),
        ("get_promo_statistics", (PROMO_ID,), {"sentCount": True, "deliveriesCount": 1}),
        ("get_promo_statistics", (PROMO_ID,), {"sentCount": 1, "deliveriesCount": -1}),
        ("verify_sim", (NUMBER, 1), {"simChanged": 2, "isActive": 1}),
    ],
)
def test_true_is_no_number_and_a_score_is_finite(method: str, args: Any, reply: dict[str, Any]) -> None:
    kwargs: dict[str, Any] = {"days_period": 3} if method == "check_device" else {}
    with pytest.raises(TelecomAnswerError):
        drive(describe(method, *args, **kwargs), [answer(reply), None] * 4)


@pytest.mark.parametrize(
    "message_id",
    [True, False, {}, [], " ", 0, "0", -1, "two words", "a\nb", "\0", "\ud800", "ї", "x" * 129],
)
def test_an_sms_without_an_id_that_can_be_requested_is_unknown(message_id: Any) -> None:
    for method in ("send_sms", "send_viber_transaction"):
        reply = answer({"msgId": message_id})
        assert type(refused(method, NUMBER, "hi", reply=reply)) is TelecomUnknownError


@pytest.mark.parametrize("message_id", [7, "0a", "0000-1", "a-1", "x" * 128, "abc/d=="])
def test_ids_of_messages_are_opaque(message_id: Any) -> None:
    assert asked("send_sms", NUMBER, "hi", replies={"msgId": message_id})[1].message_id == str(message_id)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_only_status_200_is_the_documents_success(status: int) -> None:
    reply = answer({"reqId": "r", "msgId": "m1"}, status)
    assert type(refused("send_sms", NUMBER, "hi", reply=reply)) is TelecomUnknownError
    with pytest.raises(TelecomAnswerError):
        drive(describe("get_score", NUMBER), [answer({"score": 500}, status), None] * 2)


@pytest.mark.parametrize(
    ("method", "status", "done"),
    [
        ("start_promo", "WAITING", True),
        ("start_promo", "active", True),
        ("start_promo", "COMPLETED", True),
        ("start_promo", "DRAFT", False),
        ("start_promo", "SUSPENDED", False),
        ("start_promo", "QUEUED", False),
        ("suspend_promo", "SUSPENDED", True),
        ("suspend_promo", "COMPLETED", True),
        ("suspend_promo", "ACTIVE", False),
        ("suspend_promo", "WAITING", False),
    ],
)
def test_a_promo_is_started_or_stopped_only_if_the_answer_says_so(
    method: str, status: str, done: bool
) -> None:
    reply = answer({"id": PROMO_ID, "status": status})
    if done:
        assert asked(method, PROMO_ID, replies=reply)[1].status == status
    else:
        assert type(refused(method, PROMO_ID, reply=reply)) is TelecomUnknownError


@pytest.mark.parametrize(
    ("body", "score"), [(b'{"score": 500}', 500), (b'{"score": 0.73}', 0.73), (b'{"scoreBal": 412}', 412)]
)
def test_a_score_is_a_number(body: bytes, score: float) -> None:
    assert asked("get_score", NUMBER, replies=answer(body))[1] == score


def test_no_score_is_a_result_and_not_an_error() -> None:
    reply = answer({"reqId": "r", "errorCode": 1030, "errorMsg": "Скор бал недоступний"}, 404)
    assert asked("get_score", NUMBER, replies=reply)[1] is None


def test_a_wrong_score_model_is_an_error() -> None:
    assert isinstance(refused("get_score", NUMBER, reply=answer({}, 422)), TelecomRejectedError)


@pytest.mark.parametrize("id_name", ["msgId", "msgID", "mid"])
def test_the_message_id_has_several_spellings(id_name: str) -> None:
    reply = {"reqId": "r1", id_name: 22125, "reservedSmsSegments": "2"}
    _, found = asked("send_sms", NUMBER, "hi", replies=reply)
    assert (found.message_id, found.reserved_segments, found.request_id) == ("22125", 2, "r1")


@pytest.mark.parametrize(
    ("status", "state", "delivered"),
    [
        ("accepted", MessageState.ACCEPTED, False),
        ("delivered", MessageState.DELIVERED, True),
        (" Delivered ", MessageState.DELIVERED, True),
        ("SEEN", MessageState.SEEN, True),
        ("teleported", MessageState.UNKNOWN, False),
        ("unknown", MessageState.UNKNOWN, False),
        ("Expired", MessageState.EXPIRED, False),
    ],
)
def test_a_status_stays_an_open_word(status: str, state: MessageState, delivered: bool) -> None:
    _, found = asked("get_sms", "m1", replies={"msgId": "m1", "status": status})
    assert (found.status, found.state, found.is_delivered) == (status.strip(), state, delivered)


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2026-01-31T10:00:00.5Z", datetime(2026, 1, 31, 10, 0, 0, 500_000, UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T10:00:00", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_date_is_a_moment_if_it_is_what_was_promised(date: str | None, moment: datetime | None) -> None:
    status = MessageStatus.model_validate({"mid": "m1", "status": "seen", "date": date})
    assert (status.date, status.moment) == (date, moment)


def test_a_promo_is_read_with_all_that_it_says() -> None:
    reply = {
        "id": PROMO_ID,
        "authorUsername": "author",
        "status": "DRAFT",
        "startDate": "2026-01-31",
        "endDate": None,
        "textToSend": " Hello ${1} ",
        "nextAvailableStatuses": ["WAITING"],
        "messageContent": {"messageParamCount": 1, "smsContent": {"text": "Hello ${1}"}},
        "aNewField": [1],
    }
    _, promo = asked("get_promo", PROMO_ID, replies=reply)
    assert (promo.id, promo.state, promo.param_count) == (PROMO_ID, PromoState.DRAFT, 1)
    assert promo.text_to_send == " Hello ${1} "
    assert (promo.start_date, promo.end_date) == ("2026-01-31", None)
    assert promo.next_available_statuses == ["WAITING"]
    assert promo.model_extra == {"aNewField": [1]}


def test_a_promo_may_come_without_its_id_where_only_the_status_is_promised() -> None:
    _, promo = asked("start_promo", PROMO_ID, replies={"status": "WAITING", "nextAvailableStatuses": None})
    assert (promo.id, promo.status, promo.param_count) == (PROMO_ID, "WAITING", None)


def test_statistics_tell_missing_counts_from_zeros() -> None:
    reply = {"sentCount": 10, "deliveriesCount": "8", "undeliveredCount": 0, "wasNotSent": 2}
    _, counts = asked("get_promo_statistics", PROMO_ID, replies=reply)
    assert (counts.sent_count, counts.deliveries_count) == (10, 8)
    assert (counts.undelivered_count, counts.was_not_sent, counts.seen_count) == (0, 2, None)


def test_answers_are_values_and_pass_through_xcom() -> None:
    _, promo = asked("get_promo", PROMO_ID, replies={"id": PROMO_ID, "status": "ACTIVE"})
    assert Promo.model_validate(promo.model_dump(mode="json")) == promo
    with pytest.raises(ValueError, match="frozen"):
        promo.status = "DRAFT"


@pytest.mark.parametrize(
    ("method", "args", "reply"),
    [
        ("verify_sim", (NUMBER, 1), {"simChanged": 1, "isActive": 1}),
        ("check_sim_count", (NUMBER, 1), {"simCount": 3}),
        ("check_lifetime", (NUMBER,), {"lifetimeDuration": {"from": 0, "to": 1, "timeUnit": "MONTHS"}}),
        ("get_sms", ("m1",), {"msgId": "m1", "status": "accepted"}),
        ("send_sms", (NUMBER, "hi"), {"msgId": "m1"}),
        ("create_promo", ("hi",), {"id": PROMO_ID, "status": "DRAFT"}),
    ],
)
def test_a_wrapped_answer_reads_as_a_flat_one(method: str, args: Any, reply: dict[str, Any]) -> None:
    _, flat = asked(method, *args, replies={"reqId": "r", "cid": "c", **reply})
    _, wrapped = asked(method, *args, replies={"reqId": "r", "cid": "c", "resource": reply})
    assert wrapped == flat


def test_the_request_id_is_taken_from_the_header_if_need_be() -> None:
    reply = {"simChanged": 1, "isActive": 1}
    _, found = asked("verify_sim", NUMBER, 1, replies=answer(reply, x_request_id="r-9"))
    assert found.request_id == "r-9"
    _, found = asked("verify_sim", NUMBER, 1, replies=answer({"reqId": "r-1", **reply}, x_request_id="r-9"))
    assert found.request_id == "r-1"


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("get_sms", ("m1",)),
        ("get_promo", (PROMO_ID,)),
        ("get_promo_statistics", (PROMO_ID,)),
        ("list_promos", ()),
        ("verify_sim", (NUMBER, 1)),
        ("check_device", (NUMBER,)),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null", b'{"status": NaN}'], ids=repr)
def test_an_answer_to_a_read_that_makes_no_sense_is_named(method: str, args: Any, body: bytes) -> None:
    kwargs: dict[str, Any] = {"days_period": 3} if method == "check_device" else {}
    with pytest.raises(TelecomAnswerError) as caught:
        drive(describe(method, *args, **kwargs), [answer(body), None] * 4)
    assert caught.value.sha256


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"reqId": "r"}', b'{"msgId": ""}'])
@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("send_sms", (NUMBER, "hi")),
        ("send_viber_transaction", (NUMBER, "hi")),
        ("send_viber_promotion", (NUMBER, "hi")),
        ("add_promo_audience", (PROMO_ID, [NUMBER])),
    ],
)
def test_an_effect_that_is_not_clearly_confirmed_is_unknown(method: str, args: Any, body: bytes) -> None:
    assert isinstance(refused(method, *args, reply=answer(body)), TelecomUnknownError)


# --- errors ---


@pytest.mark.parametrize(
    ("body", "status", "code", "text"),
    [
        ({"error": {"message": "Invalid authentication credentials"}}, 401, None, "Invalid authentication"),
        ({"reqId": "r", "errorCode": 1020, "errorMsg": "no subscriber"}, 422, "1020", "no subscriber"),
        ({"reqId": "r", "errorCode": "1020", "errorMsg": "no subscriber"}, 422, "1020", "no subscriber"),
        (
            {"error": "invalid_client", "error_description": "Client authentication failed",
             "error_hint": "The OAuth2 client 'hush' does not exist", "error_verbose": "hush"},
            401, "invalid_client", "Client authentication failed",
        ),
        ({"errorCode": NUMBER, "errorMsg": None}, 422, "unreadable", "refused"),
        ([], 422, None, "refused"),
        (b"<html>Bad gateway</html>", 400, None, "refused"),
    ],
)  # fmt: skip
def test_row_25_one_reader_for_three_forms_of_errors(body: Any, status: int, code: str, text: str) -> None:
    error = refused("send_sms", NUMBER, "hi", reply=answer(body, status))
    assert (error.status, error.code) == (status, code)
    assert text in str(error)
    assert "hush" not in str(error)
    assert NUMBER not in str(error)


def test_row_25_what_may_echo_input_is_never_read() -> None:
    body = {"error": "invalid_client", "error_hint": "hint", "error_verbose": "verbose"}
    assert error_details(answer(body, 401)) == ("invalid_client", "")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, TelecomRejectedError),
        (401, TelecomAuthError),
        (403, TelecomAuthError),
        (404, TelecomNotFoundError),
        (413, TelecomRejectedError),
        (422, TelecomRejectedError),
        (500, TelecomUnknownError),
        (503, TelecomUnknownError),
        (504, TelecomUnknownError),
    ],
)
def test_row_24_statuses_beyond_the_documented_ones(status: int, kind: type[TelecomError]) -> None:
    body = {"reqId": "r", "errorCode": 7, "errorMsg": f"trouble with {NUMBER}"}
    error = refused("send_sms", NUMBER, "hi", reply=answer(body, status))
    assert type(error) is kind
    assert (error.status, error.code, error.call) == (status, "7", "POST /rest/v1beta/sms")
    assert NUMBER not in str(error)


def test_row_24_too_many_requests_are_repeated_after_the_wait() -> None:
    throttled = answer({}, 429, x_rate_limit_reset="2")
    steps, found = drive(describe("send_sms", NUMBER, "hi"), [throttled, None, None, answer({"msgId": "m1"})])
    assert sum(isinstance(step, Request) for step in steps) == 2
    assert found.message_id == "m1"


def test_row_24_a_long_wait_is_left_to_the_caller() -> None:
    error = refused("send_sms", NUMBER, "hi", reply=answer({}, 429, retry_after="301"))
    assert isinstance(error, TelecomThrottledError)
    assert error.retry_after == 301


def test_a_number_of_another_operator_is_not_found() -> None:
    body = {"reqId": "r", "errorCode": 1020, "errorMsg": "The number is not a Kyivstar subscriber's"}
    for method, args in CHECKS:
        assert type(refused(method, *args, reply=answer(body, 404))) is TelecomNotFoundError


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize("method", ["get_sms", "get_viber"])
def test_code_1040_means_unknown_or_on_its_way_whatever_the_status(method: str, status: int) -> None:
    body = {"reqId": "r", "errorCode": 1040, "errorMsg": "not found"}
    error = refused(method, "m1", reply=answer(body, status))
    assert type(error) is TelecomNotFoundError
    assert error.code == "1040"


@pytest.mark.parametrize("status", [404, 422])
def test_code_1040_for_a_check_means_not_a_subscriber_whatever_the_status(status: int) -> None:
    body = {"reqId": "r", "errorCode": "1040", "errorMsg": "not a subscriber"}
    for method, args in CHECKS:
        assert type(refused(method, *args, reply=answer(body, status))) is TelecomNotFoundError
    assert asked("get_score", NUMBER, replies=answer(body, status))[1] is None


@pytest.mark.parametrize(
    ("status", "kind"), [(401, TelecomAuthError), (403, TelecomAuthError), (429, TelecomThrottledError)]
)
def test_code_1040_does_not_hide_that_credentials_or_the_rate_are_refused(
    status: int, kind: type[TelecomError]
) -> None:
    body = {"reqId": "r", "errorCode": 1040, "errorMsg": "no"}
    reply = answer(body, status, retry_after="301")
    assert type(refused("get_sms", "m1", reply=reply)) is kind


NOT_THE_VENDORS = [
    b"",
    b"<html><h1>404 Not Found</h1></html>",
    b'{"detail": "Not Found"}',
    b'{"message": "no Route matched with those values"}',
    b'{"error": {"message": "no Route matched"}}',
    b'{"reqId": null, "errorCode": null}',
    b"[]",
]


@pytest.mark.parametrize("body", NOT_THE_VENDORS, ids=repr)
@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("verify_sim", (NUMBER, 1)),
        ("check_lifetime", (NUMBER,)),
        ("get_score", (NUMBER,)),
        ("get_sms", ("m1",)),
        ("get_viber", ("m1",)),
        ("get_promo", (PROMO_ID,)),
        ("get_promo_statistics", (PROMO_ID,)),
        ("start_promo", (PROMO_ID,)),
    ],
)
def test_a_404_that_is_not_the_vendors_says_nothing_about_what_was_requested(
    method: str, args: Any, body: bytes
) -> None:
    error = refused(method, *args, reply=answer(body, 404))
    assert type(error) is TelecomRejectedError
    assert error.status == 404
    assert "errorCode" in error.text
    assert "environment" in error.text


@pytest.mark.parametrize("body", [{"reqId": "r"}, {"errorCode": 1020}, {"errorCode": "NO_SCORE"}])
def test_a_404_is_the_vendors_by_its_error_code_or_request_id(body: dict[str, Any]) -> None:
    assert type(refused("get_promo", PROMO_ID, reply=answer(body, 404))) is TelecomNotFoundError
    assert asked("get_score", NUMBER, replies=answer(body, 404))[1] is None


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (1001003, "1001003"),
        ("1001003", "1001003"),
        (" 1001003 ", "1001003"),
        ("SMS-1001003", "SMS-1001003"),
        ("unsupported_alpha_name", "unsupported_alpha_name"),
        (671234567, "unreadable"),
        (NUMBER, "unreadable"),
        (f"TO_{NUMBER}", "unreadable"),
        ("Your code is 4711", "unreadable"),
    ],
)
def test_error_codes_of_more_digits_and_texts_are_kept_but_no_numbers(code: Any, shown: str) -> None:
    error = refused("send_sms", NUMBER, "hi", reply=answer({"reqId": "r", "errorCode": code}, 422))
    assert error.code == shown


@pytest.mark.parametrize(
    "body",
    [
        {"msgId": "m1", "errorCode": 1010, "errorMsg": "no"},
        {"msgId": "m1", "error": {"message": "quota"}},
        {"msgId": "m1", "error": "Internal Server Error"},
        {"msgId": "m1", "error": True},
        {"msgId": "m1", "errors": ["quota"]},
        {"msgId": "m1", "errorMsg": "no"},
        {"msgId": "m1", "success": False},
        {"resource": {"msgId": "m1", "errorCode": 1010}},
        {"errorCode": 1010, "resource": {"msgId": "m1"}},
        {"timestamp": 1, "status": 500, "error": "Internal Server Error", "path": "/sms"},
        {"error": {"message": "quota"}},
    ],
)
def test_an_effect_whose_answer_mentions_an_error_is_no_success_and_no_refusal_either(
    body: dict[str, Any],
) -> None:
    assert type(refused("send_sms", NUMBER, "hi", reply=answer(body))) is TelecomUnknownError


@pytest.mark.parametrize(
    "body", [{"reqId": "r", "resource": {"errorCode": 1010}}, {"errorCode": "1010", "resource": None}]
)
def test_a_wrapped_refusal_is_a_refusal(body: dict[str, Any]) -> None:
    error = refused("send_sms", NUMBER, "hi", reply=answer(body))
    assert (type(error), error.code) == (TelecomRejectedError, "1010")


@pytest.mark.parametrize(
    "fields",
    [
        *({"error": None}, {"error": ""}, {"error": 0}, {"errorCode": "0"}, {"errors": []}),
        {"errorCode": " 0 ", "errorMsg": "OK"},
        *({"defaultSender": "shop"}, {"isDefault": True}, {"success": True}),
    ],
)
def test_an_empty_error_is_none(fields: dict[str, Any]) -> None:
    assert asked("send_sms", NUMBER, "hi", replies={"msgId": "m1", **fields})[1].message_id == "m1"


def test_a_refusal_in_a_2xx_is_a_refusal() -> None:
    body = {"reqId": "r", "errorCode": 1010, "errorMsg": "from: wrong value"}
    error = refused("send_sms", NUMBER, "hi", reply=answer(body))
    assert type(error) is TelecomRejectedError
    assert error.code == "1010"


def test_error_code_zero_is_no_error() -> None:
    _, found = asked("send_sms", NUMBER, "hi", replies={"msgId": "m1", "errorCode": 0, "errorMsg": "OK"})
    assert found.message_id == "m1"


def test_a_billed_check_goes_out_twice_at_most() -> None:
    call = describe("verify_sim", NUMBER, 1)
    with pytest.raises(TelecomServerError):
        drive(call, [answer({}, 500), None, answer({}, 500)])


def test_an_sms_is_not_repeated_after_silence_but_is_when_it_was_not_sent() -> None:
    with pytest.raises(TelecomUnknownError):
        drive(describe("send_sms", NUMBER, "hi"), [Unknown("read timed out")])
    steps, found = drive(
        describe("send_sms", NUMBER, "hi"), [NotSent("refused"), None, answer({"msgId": "m1"})]
    )
    assert sum(isinstance(step, Request) for step in steps) == 2
    assert found.message_id == "m1"


# --- the verdict: a result, a refusal, or an answer that says neither ---


def verdict(body: Any, status: int = 200, **headers: str) -> Any:
    """Return the content of an answer, or its error."""
    try:
        return content(answer(body, status, **headers))
    except TelecomError as error:
        return error


NEITHER = "a success status with an error in the body"


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"msgId": "m1"}, 201, "a success status other than 200"),
        ([{"msgId": "m1"}], 200, "not a JSON object"),
        (None, 200, "not a JSON object"),
        ("m1", 200, "not a JSON object"),
        ({"msgId": "m1", "errorCode": 1010}, 200, NEITHER),
        ({"msgId": "m1", "fault": "x"}, 200, NEITHER),
        ({"msgId": "m1", "lastException": {"a": 1}}, 200, NEITHER),
        ({"msgId": "m1", "errorCode": 0, "errorText": "x"}, 200, NEITHER),
        ({"msgId": "m1", "errorCode": 0, "error": "x"}, 200, NEITHER),
        ({"msgId": "m1", "success": False}, 200, NEITHER),
        ({"reqId": "r", "success": False, "errorCode": 0}, 200, NEITHER),
        ({"resource": {"msgId": "m1", "errorMsg": "x"}}, 200, NEITHER),
    ],
)
def test_an_answer_that_says_neither_is_known_by_its_length_and_hash(
    body: Any, status: int, why: str
) -> None:
    error = verdict(body, status)
    raw = answer(body).body
    assert type(error) is TelecomAnswerError
    assert error.text.startswith(f"{why} (a body of {len(raw)} bytes, SHA-256 ")
    assert (error.length, error.sha256, error.status) == (len(raw), sha256(raw).hexdigest(), status)


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "text"),
    [
        ({"errorCode": 1040}, 200, TelecomNotFoundError, "1040", "not found"),
        ({"errorCode": 1040, "errorMsg": "no such SMS"}, 404, TelecomNotFoundError, "1040", "no such SMS"),
        ({"errorCode": 1010}, 200, TelecomRejectedError, "1010", "refused"),
        ({"errorCode": 1010, "errorMsg": "wrong sender"}, 200, TelecomRejectedError, "1010", "wrong sender"),
        ({"errorCode": 1010, "errorMsg": 5}, 200, TelecomRejectedError, "1010", "refused"),
        *(
            ({name: "x", "errorCode": 1010}, 200, TelecomRejectedError, "1010", "refused")
            for name in ("reqId", "cid", "resource")
        ),
        ({"msgId": None, "errorCode": 1010}, 200, TelecomRejectedError, "1010", "refused"),
        ({"resource": {"errorCode": 7, "errorMsg": "no"}}, 200, TelecomRejectedError, "7", "no"),
        ({"errorCode": 7, "errorMsg": "no"}, 422, TelecomRejectedError, "7", "no"),
        ({"error": {"message": "no"}}, 403, TelecomAuthError, None, "no"),
        ({"error": {"message": 5}}, 403, TelecomAuthError, None, "credentials refused"),
        ({"error": "no_money", "error_description": "empty"}, 400, TelecomRejectedError, "no_money", "empty"),
        ({"errorCode": True}, 422, TelecomRejectedError, "unreadable", "refused"),
        ({"errorCode": False}, 422, TelecomRejectedError, None, "refused"),
        ({"errorCode": "  "}, 422, TelecomRejectedError, None, "refused"),
        ({"errorCode": -5}, 422, TelecomRejectedError, "-5", "refused"),
        ({"errorCode": 12345678}, 422, TelecomRejectedError, "12345678", "refused"),
        ({"errorCode": 123456789}, 422, TelecomRejectedError, "unreadable", "refused"),
        ({"errorCode": "x" * 40}, 422, TelecomRejectedError, "x" * 40, "refused"),
        ({"errorCode": "x" * 41}, 422, TelecomRejectedError, "unreadable", "refused"),
    ],
)
def test_what_a_refusal_says(
    body: dict[str, Any], status: int, kind: type[TelecomError], code: str | None, text: str
) -> None:
    error = verdict(body, status)
    assert (type(error), error.status, error.code, error.text) == (kind, status, code, text)


@pytest.mark.parametrize(
    ("header", "units"),
    [
        *(("3", 3), (" 2 ", 2), ("0.5", 0.5), ("123456789", 123456789), ("1.123456", 1.123456)),
        *(("1234567890", None), ("1.1234567", None), ("1.", None), ("free", None), ("-1", None)),
    ],
)
def test_what_an_answer_costs_is_in_its_header(header: str, units: float | None) -> None:
    found = verdict({"msgId": "m1"}, x_reserved_tarification_units=header)
    assert found.get("x-reserved-tarification-units") == units
    assert type(found.get("x-reserved-tarification-units")) is type(units)


def test_the_content_is_that_of_the_wrapper_and_of_what_is_inside() -> None:
    body = {"reqId": "r", "cid": "c", "status": "outer", "resource": {"status": "inner", "msgId": "m1"}}
    assert verdict(body, x_request_id="h") == {"reqId": "r", "cid": "c", "status": "inner", "msgId": "m1"}
    assert verdict({"msgId": "m1"}, x_request_id="h") == {"reqId": "h", "msgId": "m1"}
    assert verdict({"msgId": "m1", "resource": None}) == {"reqId": None, "msgId": "m1"}
