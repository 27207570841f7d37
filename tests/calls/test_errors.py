"""What an error says: about another try, about the outcome, and to the user who reads it."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from airflow_provider_telecom.calls import errors
from airflow_provider_telecom.calls.errors import TelecomError, from_dict, to_dict

# (temporary, outcome_unknown): False in the second column needs proof, so it is True where nothing is known.
TABLE = {
    errors.TelecomError: (False, True),
    errors.TelecomInputError: (False, False),
    errors.TelecomRejectedError: (False, False),
    errors.TelecomNotFoundError: (False, False),
    errors.TelecomFundsError: (False, False),
    errors.TelecomAuthError: (False, False),
    errors.TelecomRedirectError: (False, False),
    errors.TelecomThrottledError: (True, False),
    errors.TelecomServerError: (True, True),
    errors.TelecomAnswerError: (True, True),
    errors.TelecomNotSentError: (True, False),
    errors.TelecomRateLimitStoreError: (True, False),
    errors.TelecomNoAnswerError: (True, True),
    errors.TelecomUnknownError: (True, True),
}


def test_the_table_has_every_class() -> None:
    assert set(TABLE) == {kind for name, kind in vars(errors).items() if name.startswith("Telecom")}


def test_which_refusals_say_nothing_about_an_earlier_request() -> None:
    """After a top-up of the account an equal request passes: the first one may have passed as well."""
    refusals = [kind for kind in TABLE if issubclass(kind, errors.TelecomRejectedError)]
    applies = {kind: kind.applies_to_duplicates for kind in refusals}
    assert applies == {kind: kind is not errors.TelecomFundsError for kind in refusals}


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_what_an_error_class_says(kind: type[TelecomError]) -> None:
    assert (kind.temporary, kind.outcome_unknown) == TABLE[kind]


HASH = "0123456789abcdef" * 4
FULL: dict[str, Any] = {"call": "GET /x", "status": 422, "code": "7", "retry_after": 1.5, "partial": True}
EXAMPLES: list[tuple[TelecomError, str]] = [
    (TelecomError(), ""),
    (TelecomError("refused"), "refused"),
    (TelecomError("refused", call="GET /x"), "GET /x: refused"),
    (TelecomError("refused", status=422), "refused (HTTP 422)"),
    (TelecomError("refused", code="7", retry_after=0), "refused (vendor code 7, retry after 0 s)"),
    (TelecomError("refused", **FULL), "GET /x: refused (HTTP 422, vendor code 7, retry after 1.5 s)"),
    (TelecomError("wait", retry_after=1e9), "wait (retry after 86400 s)"),
    (TelecomError("wait", retry_after=-1), "wait (retry after 0 s)"),
    (TelecomError("wait", retry_after=float("nan")), "wait"),
    (errors.TelecomInputError("text", "is empty"), "text: is empty"),
    (errors.TelecomInputError("text", "is too long", shown="'Hi'"), "text: 'Hi': is too long"),
    (errors.TelecomAnswerError("not JSON"), "not JSON"),
    (
        errors.TelecomAnswerError("not JSON", length=5, sha256=HASH, **FULL),
        "GET /x: not JSON (a body of 5 bytes, SHA-256 0123456789abcdef) "
        "(HTTP 422, vendor code 7, retry after 1.5 s)",
    ),
]


def with_place(error: TelecomError, host: str | None = "api.example") -> TelecomError:
    """Return the error as a hook leaves it."""
    error.conn_id, error.host, error.reference = "mine", host, "ref-1"
    return error


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=[repr(text) for _, text in EXAMPLES])
def test_what_an_error_says(error: TelecomError, text: str) -> None:
    assert str(error) == error.summary == text


@pytest.mark.parametrize("kind", [each for each in TABLE if each is not errors.TelecomInputError])
@pytest.mark.parametrize("has_facts", [True, False])
def test_an_error_is_the_same_after_it_was_stored(kind: type[TelecomError], has_facts: bool) -> None:
    """Pickled by a process pool, or as JSON from the triggerer to the worker."""
    check_copies(with_place(kind("refused", **FULL)) if has_facts else kind("refused"))


def test_without_a_body_nothing_identifies_it() -> None:
    error = errors.TelecomAnswerError()
    assert (str(error), error.length, error.sha256) == ("", 0, "")


def test_our_own_errors_are_the_same_after_they_were_stored() -> None:
    check_copies(with_place(errors.TelecomInputError("text", "is too long", shown="'Hi'")))
    check_copies(errors.TelecomAnswerError("not JSON", length=5, sha256=HASH, **FULL))


def check_copies(error: TelecomError) -> None:
    for copy in (pickle.loads(pickle.dumps(error)), from_dict(json.loads(json.dumps(to_dict(error))))):
        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert (str(copy), copy.args) == (str(error), error.args)


def test_an_error_of_a_class_that_is_not_known_here_can_be_read() -> None:
    """A newer version has stored it, or a vendor's module that is not imported."""
    found = from_dict({"kind": "TelecomNewError", "text": "refused", "code": "7"})
    assert type(found) is TelecomError
    assert (found.text, found.code, found.args) == ("refused", "7", ("refused",))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TelecomError("refused"), "refused (vendor reference ref-1) [connection mine, host api.example]"),
        (
            errors.TelecomNotFoundError("refused"),
            "refused (vendor reference ref-1) [connection mine, host api.example: the vendor has no such "
            "thing; check the id or the number]",
        ),
        (
            errors.TelecomFundsError("refused"),
            "refused (vendor reference ref-1) [connection mine, host api.example: the vendor refused it; "
            "top up the account of mine]",
        ),
        (
            errors.TelecomFundsError("refused", partial=True),
            "refused (vendor reference ref-1) [connection mine, host api.example: a part of it was "
            "accepted; top up the account of mine]",
        ),
    ],
)
def test_an_error_of_a_hook_says_where_it_happened_and_what_to_do(error: TelecomError, text: str) -> None:
    assert str(with_place(error)) == text
    assert str(with_place(error, None)) == text.replace(", host api.example", "")
