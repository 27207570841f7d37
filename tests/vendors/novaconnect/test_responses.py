"""What counts as a success, and which error anything else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import Sleep
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import NotSent, Response, Unknown
from airflow_provider_telecom.vendors.novaconnect.models import User
from airflow_provider_telecom.vendors.novaconnect.responses import item_of, read_effect, read_success
from tests.by_hand import drive
from tests.vendors.novaconnect.by_hand import QUEUED, USER, ScriptedApi, answer, ask, described, ok


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, TelecomAuthError),
        (403, TelecomAuthError),
        (404, TelecomNotFoundError),
        (429, TelecomThrottledError),
        (500, TelecomServerError),
        (503, TelecomServerError),
        (400, TelecomRejectedError),
        (422, TelecomRejectedError),
        (408, TelecomServerError),
        ("403", TelecomAuthError),
    ],
)
def test_row_37_http_200_with_another_code_is_an_error(code: Any, kind: type[TelecomError]) -> None:
    with pytest.raises(TelecomError) as caught:
        read_success(answer({"code": code, "message": "Нет доступа"}))
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status, caught.value.text) == (str(code), 200, "Нет доступа")


@pytest.mark.parametrize("code", [0, 1, -1, 201, 302, 600, 1001])
def test_row_37_what_another_code_means_nobody_knows(code: int) -> None:
    with pytest.raises(TelecomAnswerError, match=f"code {code}"):
        read_success(answer({"code": code, "message": "Нет доступа"}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, TelecomAnswerError),
        (404, TelecomAnswerError),
        (400, TelecomAnswerError),
        (429, TelecomAnswerError),
        (503, TelecomServerError),
        (302, TelecomRedirectError),
    ],
)
def test_row_37_code_200_with_another_http_status_is_an_error(status: int, kind: type[TelecomError]) -> None:
    with pytest.raises(TelecomError) as caught:
        read_success(answer({"code": 200, "message": "Success", **QUEUED}, status))
    assert type(caught.value) is kind


@pytest.mark.parametrize("code", [200, "200", " 200 "])
def test_row_37_code_200_is_a_success_as_number_or_text(code: Any) -> None:
    assert read_success(answer({"code": code, **QUEUED})).fields["result"] == QUEUED["result"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"null",
        b'{"code":true}',
        b'{"code":null}',
        b'{"code":"ok"}',
        b'{"code":200',
    ],
)
def test_an_answer_without_sense_is_named_and_not_shown(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError) as caught:
        read_success(Response(200, {}, body))
    assert caught.value.length == len(body)
    assert "html" not in str(caught.value)


def test_a_success_without_its_item_is_unreadable() -> None:
    with pytest.raises(TelecomAnswerError, match="without item"):
        ask(ScriptedApi().get_user, answers=unreadable_four_times(ok(result=[])))


def unreadable_four_times(response: Response) -> list[Any]:
    return [response, None, response, None, response, None, response]


def test_an_error_page_of_a_proxy_is_an_error_without_its_text() -> None:
    with pytest.raises(TelecomServerError, match=r"the vendor's server failed") as caught:
        read_success(Response(502, {}, b"<html>Bad Gateway</html>"))
    assert caught.value.code is None


def test_the_item_may_stand_outside_of_result() -> None:
    _, user = ask(ScriptedApi().get_user, answers=[ok(item=USER)])
    assert user.id == 101


def test_echoed_input_is_struck_out_of_errors() -> None:
    said = answer({"code": 400, "message": "email olga@example.kz is taken"})
    with pytest.raises(TelecomRejectedError, match=r"email \*\*\* is taken") as caught:
        ask(ScriptedApi().edit_user, email="olga@example.kz", answers=[said])
    assert caught.value.call == "POST /api/user/edit"


@pytest.mark.parametrize(
    "outcome",
    [
        answer({"code": 500, "message": "oops"}),
        answer({}, 503),
        Response(200, {}, b"<html>"),
        ok(result={"item": {}}),
        ok(result={"item": {"queue_id": ""}}),
        Unknown("reset"),
    ],
)
@pytest.mark.parametrize("method", ["repackage_sims", "block_sims"])
def test_an_effect_without_a_clear_answer_is_unknown_and_sent_once(method: str, outcome: Any) -> None:
    with pytest.raises(TelecomUnknownError) as caught:
        ask(getattr(ScriptedApi(), method), [1], answers=[outcome])
    assert caught.value.call == f"POST /api/sim/{method.removesuffix('_sims')}"


def test_an_effect_that_was_not_sent_is_sent_again() -> None:
    steps, queued = drive(described(ScriptedApi().ping_sims)([1]), [NotSent("refused"), None, ok(**QUEUED)])
    assert queued.queue_id == "q-1"
    assert [type(step).__name__ for step in steps] == ["Request", "Sleep", "Request"]


def test_a_throttled_effect_waits_for_retry_after() -> None:
    busy = Response(200, {"retry-after": "7"}, b'{"code":429,"message":"slow down"}')
    steps, queued = drive(described(ScriptedApi().ping_sims)([1]), [busy, None, None, ok(**QUEUED)])
    assert queued.queue_id == "q-1"
    pauses = [step for step in steps if isinstance(step, Sleep)]
    assert pauses[0].low == 7


def test_a_read_is_repeated_after_a_server_error() -> None:
    requests, user = ask(
        ScriptedApi().get_user, answers=[answer({"code": 500}), None, ok(result={"item": USER})]
    )
    assert (len(requests), user.id) == (2, 101)


def test_a_refused_token_is_final() -> None:
    with pytest.raises(TelecomAuthError):
        ask(ScriptedApi().get_user, answers=[answer({"code": 401, "message": "Authorization required"}, 401)])


def test_a_missing_bill_is_not_found_and_a_wrong_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(TelecomNotFoundError):
        ask(ScriptedApi().download_bill, 9, tmp_path / "b", answers=[answer({"code": 404, "message": "no"})])
    with pytest.raises(TelecomAnswerError, match="not the file"):
        ask(ScriptedApi().download_bill, 9, tmp_path / "b", answers=unreadable_four_times(ok()))


def caught_of(response: Response, read: Callable[[Response], Any] = read_success) -> TelecomError:
    with pytest.raises(TelecomError) as caught:
        read(response)
    return caught.value


BOTH, NO_CODE = "an answer that says both yes and no", "an answer without code"
HALF = ok(result={"item": {"id": "x"}})


@pytest.mark.parametrize(
    ("response", "read", "why", "status"),
    [
        (answer({"code": 200}, 400), read_success, BOTH, 400),
        (answer({"code": 200}, 404), read_success, BOTH, 404),
        (answer({"code": "200"}, 499), read_success, BOTH, 499),
        (answer({}), read_success, NO_CODE, None),
        (answer({"code": True}), read_success, NO_CODE, None),
        (answer({"code": "200.0"}), read_success, NO_CODE, None),
        (answer({"code": 1234567890}), read_success, NO_CODE, None),
        (answer([200]), read_success, NO_CODE, None),
        (answer({"code": 399}), read_success, "an answer with code 399", 200),
        (answer({"code": 600}), read_success, "an answer with code 600", 200),
        (answer({"code": -200}), read_success, "an answer with code -200", 200),
        (ok(result={"status": "failed"}), read_effect, BOTH, 200),
        (ok(error="no money"), read_effect, BOTH, 200),
        (ok(result={}), lambda response: read_success(response).item(User), "an answer without item", None),
        (ok(result=5), lambda response: read_success(response).items(list[User]), "an answer without", None),
        (HALF, lambda response: read_success(response).item(User), "unexpected answer, see ", None),
        (
            ok(items=[{"id": "x"}]),
            lambda response: read_success(response).items(list[User]),
            "unexpected answer, see ",
            None,
        ),
        (
            ok(items=[{"a": 1}, 5]),
            lambda response: read_success(response).items(list[dict[str, Any]]),
            "unexpected answer, see ",
            None,
        ),
        (
            ok(item=USER),
            lambda response: item_of(User, 102)(read_success(response)),
            "an answer about another id",
            None,
        ),
    ],
)
def test_an_answer_that_says_neither_is_known_by_its_length(
    response: Response, read: Callable[[Response], Any], why: str, status: int | None
) -> None:
    error = caught_of(response, read)
    assert type(error) is TelecomAnswerError
    assert error.text.startswith(why)
    assert (error.length, error.status) == (len(response.body), status)


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "text"),
    [
        ({"code": 400}, 200, TelecomRejectedError, "400", "refused"),
        ({"code": 400, "error": "no"}, 200, TelecomRejectedError, "400", "no"),
        ({"code": 400, "message": 5, "error": "no"}, 200, TelecomRejectedError, "400", "no"),
        ({"code": 400, "message": "first", "error": "second"}, 200, TelecomRejectedError, "400", "first"),
        ({"code": 599}, 200, TelecomServerError, "599", "refused"),
        ({"code": 404, "message": "no"}, 404, TelecomNotFoundError, "404", "no"),
        ({"message": "no such SIM"}, 404, TelecomNotFoundError, None, "no such SIM"),
        ({"code": " 7 "}, 404, TelecomNotFoundError, "7", "not found"),
        ({}, 404, TelecomRejectedError, None, "there is nothing at this address: check host and api_path"),
        ([], 404, TelecomRejectedError, None, "there is nothing at this address: check host and api_path"),
        ({}, 400, TelecomRejectedError, None, "refused"),
        ({"code": 200}, 500, TelecomServerError, "200", "the vendor's server failed"),
    ],
)
def test_what_a_refusal_says(
    body: Any, status: int, kind: type[TelecomError], code: str | None, text: str
) -> None:
    error = caught_of(answer(body, status))
    assert (type(error), error.status, error.code, error.text) == (kind, status, code, text)


@pytest.mark.parametrize(("code", "wait"), [(429, 7), (503, None), (400, None)])
def test_only_a_throttled_request_is_told_how_long_to_wait(code: int, wait: float | None) -> None:
    error = caught_of(Response(200, {"retry-after": "7"}, b'{"code": %d}' % code))
    assert error.retry_after == wait


def test_rows_and_their_number_are_read() -> None:
    rows = [{"a": 1}, {"a": "x"}]
    for response in (ok(items=rows), ok(result={"items": rows}), ok(result={"items": rows}, items=[])):
        assert read_success(response).items(list[dict[str, Any]]) == rows
    assert read_success(ok(items=[USER])).items(list[User])[0].id == 101
    counts = [(12, 12), ("12", 12), (" 12 ", 12), (True, None), ("many", None), (None, None)]
    assert [(said, read_success(ok(all_count=said)).total()) for said, _ in counts] == counts
    assert read_success(ok()).total() is None


@pytest.mark.parametrize("expected", [None, 101])
def test_an_object_is_the_one_that_was_requested(expected: int | None) -> None:
    assert item_of(User, expected)(read_success(ok(item=USER))).id == 101


def test_the_content_of_an_answer_is_not_shown() -> None:
    assert "38067" not in repr(read_success(ok(result={"phone": "380670000200"})))


def test_an_effect_that_mentions_no_failure_is_done() -> None:
    assert read_effect(ok(result={"status": "queued"})).fields["result"] == {"status": "queued"}
