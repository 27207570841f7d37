"""A vendor's text shows nothing of our credentials, in no form, with any auth scheme."""

from __future__ import annotations

import html
import json
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.auth.api_key import ApiKey
from airflow_provider_telecom.auth.basic import Basic
from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.auth.query_token import QueryToken
from airflow_provider_telecom.calls.errors import TelecomRejectedError
from airflow_provider_telecom.calls.json_columns import JsonColumns
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.redaction import redact, redact_reference
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Request, Response
from airflow_provider_telecom.calls.retry import send_with_retry
from tests.by_hand import drive

TOKEN, CLIENT = "s3cr+t/k3y=&<5%>", "client~42"
SCHEMES: dict[str, Callable[[str], Any]] = {
    "api key": lambda token: ApiKey(Secret(token)),
    "bearer": lambda token: Bearer(Secret(token)),
    "basic": lambda token: Basic(CLIENT, Secret(token)),
    "query token": lambda token: QueryToken(Secret(token)),
}


def based(text: str) -> str:
    return b64encode(text.encode()).decode()


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def forms(text: str) -> dict[str, str]:
    """Return all forms in which a response may echo a credential."""
    return {
        "as it is": text,
        "after Bearer": f"Bearer {text}",
        "in capitals": text.upper(),
        "percent-encoded": quote(text, safe=""),
        "percent-encoded in lower case": quote(text, safe="").lower(),
        "percent-encoded but for slashes": quote(text),
        "as in a form": quote_plus(text),
        "as HTML": html.escape(text),
        "in base64": based(text),
        "in base64 without padding": based(text).rstrip("="),
        "in base64 for addresses": urlsafe_b64encode(text.encode()).decode(),
        "in base64, percent-encoded": quote(based(text), safe=""),
        "in base64 after a user": based(f"u:{text}"),
        "in base64 after a longer user": based(f"us:{text}"),
        "in base64 in the middle": based(f"x-y:{text}:z"),
        "cut off": text[:-3],
        "without its beginning": text[3:],
        "twice": text + text,
    }


def request_signed(scheme: Any, request: Request | None = None) -> Request:
    step = next(scheme.flow(request or Request("GET", "/x", Idempotency.READ)))
    assert isinstance(step, Request)
    return step


def parts_of(secret: str, text: str) -> list[str]:
    """Return all that stands in both, from 8 characters on."""
    lowered = text.lower()
    places = range(len(secret) - 7)
    return [secret[place : place + 8] for place in places if secret[place : place + 8].lower() in lowered]


@pytest.mark.parametrize("form", forms(""))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_form_of_a_credential_is_shown(scheme: str, form: str) -> None:
    request = request_signed(SCHEMES[scheme](TOKEN))
    said = forms(TOKEN)[form]
    found = redact(f"refused: ({said}) is wrong", request)
    assert "***" in found
    assert found.startswith("refused: (")
    assert found.endswith("is wrong")
    assert not parts_of(TOKEN, found)
    assert not parts_of(said.removeprefix("Bearer "), found)


@pytest.mark.parametrize("form", forms(""))
def test_no_form_of_a_basic_pair_is_shown(form: str) -> None:
    request = request_signed(SCHEMES["basic"](TOKEN))
    pair = f"{CLIENT}:{TOKEN}"
    found = redact(f"refused: ({forms(pair)[form]}) is wrong", request)
    assert not parts_of(pair, found)
    assert not parts_of(forms(pair)[form].removeprefix("Bearer "), found)


@pytest.mark.parametrize(
    "part",
    [*halves(TOKEN), CLIENT, *halves(based(f"{CLIENT}:{TOKEN}")), f"Basic {based(f'{CLIENT}:{TOKEN}')}"],
)
def test_no_half_of_a_basic_pair_is_shown(part: str) -> None:
    request = request_signed(SCHEMES["basic"](TOKEN))
    assert part.removeprefix("Basic ") not in redact(f"refused: ({part}) is wrong", request)


@pytest.mark.parametrize("token", ["a", "ab", "abW", "kurz", "1234567"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_short_credential_is_not_shown_either(scheme: str, token: str) -> None:
    request = request_signed(SCHEMES[scheme](token))
    found = redact(f"({token}) ({based(token)}) ({based(token).rstrip('=')}) ({quote(token)})", request)
    assert found.replace("=", "") == "(***) (***) (***) (***)"


def test_the_shortest_credential_that_is_found_within_the_base64_of_a_longer_value() -> None:
    """Eight characters of the base64 depend on seven bytes of the credential alone, and seven on six."""
    for token, is_shown in (("sEcReT7", False), ("sEcRe6", True)):
        pair = based(f"abc:{token}")
        assert (pair in redact(f"refused: ({pair})", request_signed(Bearer(Secret(token))))) is is_shown


@given(
    token=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60),
    around=st.tuples(st.text(max_size=30), st.text(max_size=30)),
    form=st.sampled_from(list(forms(""))),
    scheme=st.sampled_from(list(SCHEMES)),
)
def test_whatever_the_credential_and_the_text(
    token: str, around: tuple[str, str], form: str, scheme: str
) -> None:
    request = request_signed(SCHEMES[scheme](token))
    found = redact(around[0] + forms(token)[form] + around[1], request)
    assert not [part for part in parts_of(token, found) if "***" not in part]
    assert len(found) <= 200
    found.encode()


def test_a_refreshed_token_is_redacted_as_well_as_a_nested_one() -> None:
    first = request_signed(Bearer(Secret("first-token-1")))
    both = request_signed(Bearer(Secret("other-token-2")), first)
    assert redact("first-token-1 other-token-2", both) == "*** ***"


def test_texts_without_credentials_stay_as_they_are() -> None:
    request = request_signed(SCHEMES["basic"](TOKEN))
    assert redact("Bearer authentication is required for clients", request) == (
        "Bearer authentication is required for clients"
    )


def test_what_was_sent_is_redacted_wherever_it_is() -> None:
    body = Json({"to": ["olena"], "text": "made-up text"})
    request = Request(
        "POST", "/{id}", Idempotency.READ, ids={"id": "id-77"}, query={"name": "petro"}, body=body
    )
    assert redact("olena made-up text id-77 petro ok", request) == "*** *** *** *** ok"


@pytest.mark.parametrize("code_point", [0xD83D, 0xDE00, 0xDCFF])
def test_half_a_surrogate_pair_can_be_logged(code_point: int, tmp_path: Any) -> None:
    """A vendor truncates an emoji: `log.exception` must not raise in the handler that writes the log."""
    half = chr(code_point)
    read = refusing(f"bad {half} text", half)
    call = send_with_retry(
        Request("GET", "/x", Idempotency.READ), Bearer(Secret(TOKEN)), read, AccountLimits(), 60
    )
    with pytest.raises(TelecomRejectedError) as caught:
        drive(call, [Response(400, {})])
    file = tmp_path / "task.log"
    handler = logging.FileHandler(file, encoding="utf-8")
    failures: list[Any] = []
    handler.handleError = failures.append  # type: ignore[method-assign]
    handler.emit(logging.LogRecord("x", logging.ERROR, "x", 1, "failed", (), (None, caught.value, None)))
    handler.close()
    assert not failures
    assert "bad ? text" in file.read_text()
    json.dumps(caught.value.__dict__, ensure_ascii=False).encode()


def test_a_code_is_redacted_like_a_text() -> None:
    call = send_with_retry(
        Request("GET", "/x", Idempotency.READ),
        Bearer(Secret("letters_alone")),
        refusing("no", "letters_alone"),
        AccountLimits(),
        60,
    )
    with pytest.raises(TelecomRejectedError) as caught:
        drive(call, [Response(400, {}, request=request_signed(Bearer(Secret("letters_alone"))))])
    assert caught.value.code == "***"


def refusing(text: str, code: str) -> Callable[[Response], Any]:
    def read(answer: Response) -> Any:
        raise TelecomRejectedError(text, code=code, status=400)

    return read


def test_a_long_value_leaves_nothing_beside_a_short_one() -> None:
    """What is left of the longer one, without the shorter one, may say enough."""
    body = Json({
        "sender": "Anna",
        "text": "Anna owes Boris 5",
        "alpha": "zzzz",
        "beta": "Anna owes",
        "to": "Boris",
    })
    request = Request("POST", "/x", Idempotency.NONE, body=body)
    assert redact("refused: Anna owes Boris 5", request) == "refused: ***"
    assert redact("refused: Anna owes Anna zzzz zzz", request) == "refused: *** *** *** zzz"


@pytest.mark.parametrize("encode", [quote, quote_plus, lambda text: quote(text, safe=""), html.escape])
def test_a_credential_with_blanks_and_slashes_is_not_shown_either(encode: Callable[[str], str]) -> None:
    token = "a b/c d/e f/g h/i j&k l<m n&o p"
    request = request_signed(Bearer(Secret(token)))
    assert redact(f"refused: {encode(token)}", request) == "refused: ***"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("call 380670000201 now", "call *** now"),
        ("call +380 67 000 02 01 now", "call +*** now"),
        ("call (067) 000-02-01 now", "call (*** now"),
        ("call +38 (067) 000-02-01 now", "call +*** now"),
        ("1 - 2 - 3 - 4 - 5 - 6 - 7 - 8 - 9", "1 - 2 - 3 - 4 - 5 - 6 - 7 - 8 - 9"),
        ("12345678 of 9", "12345678 of 9"),
        ("see AbCdEfGhIjKlMnOpQrStUvWx now", "see *** now"),
        ("see AbCdEfGhIjKlMnOpQrStUvW now", "see AbCdEfGhIjKlMnOpQrStUvW now"),
        ("a" * 23 + " b" * 200, ("a" * 23 + " b" * 200)[:200]),
    ],
)
def test_what_is_left_of_a_text(said: str, shown: str) -> None:
    assert redact(said, Request("GET", "/x", Idempotency.READ)) == shown


def test_each_value_of_a_form_and_of_columns_is_redacted() -> None:
    columns = JsonColumns({"msisdn": ["olena", "petro"], "body": ["first text", "second text"]})
    for body in (Json({"phones": columns}), Form({"a": "olena", "b": "petro", "c": "second text"})):
        request = Request("POST", "/x", Idempotency.NONE, body=body)
        assert redact("olena, petro: second text", request) == "***, ***: ***"


def test_a_number_that_was_sent_as_a_number_is_redacted() -> None:
    request = Request("POST", "/x", Idempotency.NONE, body=Json({"tariff": 4815, "short": 162}))
    assert redact("no tariff 4815 for 162", request) == "no tariff *** for 162"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_reference_holds_no_part_of_a_credential(scheme: str) -> None:
    request = request_signed(SCHEMES[scheme]("mAdE-Up-CrEdEnTiAl"))
    for reference in ("mAdE-Up-CrEdEnTiAl", "ref-dE-Up-Cr-1", "ref-made-up-c", based("mAdE-Up-CrEdEnTiAl")):
        assert redact_reference(reference, request) is None
    assert redact_reference("ref-dE-Up-C-1", request) == "ref-dE-Up-C-1", "seven characters say too little"


@pytest.mark.parametrize(
    ("sent", "reference", "shown"),
    [
        ("380670000201", "ref-670000201-a", None),  # the number in its national form
        ("380670000201", "ref-67000020-abc", "ref-67000020-abc"),
        ("secret-order", "x-secret-order-y", None),
        ("order-670000201", "ref-670000201-a", "ref-670000201-a"),  # no number, and not all of it
        ("12345", "ref-12345-a", "ref-12345-a"),  # too short to tell
        ("123456", "ref-123456-a", None),
        ("other", "a" * 7, None),
        ("other", "a" * 8, "a" * 8),
        ("other", "a" * 128, "a" * 128),
        ("other", "a" * 129, None),
        ("other", "with space", None),
    ],
)
def test_a_reference_says_nothing_that_was_sent(sent: str, reference: str, shown: str | None) -> None:
    request = Request("POST", "/x", Idempotency.NONE, ids={"id": sent})
    assert redact_reference(reference, request) == shown
