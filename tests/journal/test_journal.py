"""What stands in the journal, and what it says; `test_model` shows that it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from airflow.sdk import NEVER_EXPIRE
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import (
    Entry,
    Journal,
    OutcomeUnknownError,
    State,
    check_on_unknown,
)
from tests.tasks import Store

BODY, OTHER = "a" * 64, "b" * 64


class Retaining(Store):
    """A store that knows how long it is asked to keep things."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        super().set(key, value, retention=retention)
        self.retention = retention


@pytest.fixture
def store() -> Retaining:
    return Retaining()


def failing(error: TelecomError) -> Callable[[], NoReturn]:
    def send() -> NoReturn:
        raise error

    return send


def sent() -> dict[str, Any]:
    return {"message_id": "m1"}


def never() -> NoReturn:
    raise AssertionError("it was sent")


def test_it_is_kept_as_long_as_the_run(store: Retaining) -> None:
    Journal(store).unkeyed("sent", BODY, sent, "fail")
    assert store.retention is NEVER_EXPIRE
    assert list(store.texts) == ["telecom.sent"]
    assert store.writes == 2


def test_the_intent_stands_while_it_is_sent(store: Retaining) -> None:
    journal, seen = Journal(store), []

    def send() -> dict[str, Any]:
        seen.append(journal.read("sent"))
        return sent()

    journal.keyed("sent", BODY, "tabc", send)
    assert seen == [Entry(State.INTENT, BODY, {"reference": "tabc"})]
    assert journal.read("sent") == Entry(State.DONE, BODY, {"reference": "tabc", "message_id": "m1"})


_STATES = [
    (TelecomNotSentError, State.PLANNED),
    (TelecomThrottledError, State.PLANNED),
    (TelecomRejectedError, State.REJECTED),
    (TelecomFundsError, State.REJECTED),
    (TelecomNotFoundError, State.REJECTED),
    (TelecomAuthError, State.REJECTED),
    (TelecomRedirectError, State.REJECTED),
    (TelecomServerError, State.INTENT),
    (TelecomAnswerError, State.INTENT),
    (TelecomNoAnswerError, State.INTENT),
]


@pytest.mark.parametrize(("kind", "state"), [*_STATES, (TelecomUnknownError, State.INTENT)])
def test_what_an_error_leaves_of_a_keyed_effect(store: Retaining, kind: Any, state: State) -> None:
    journal = Journal(store)
    with pytest.raises(kind):
        journal.keyed("sent", BODY, "tabc", failing(kind("no", code="21")))
    entry = journal.read("sent")
    assert entry
    assert entry.state is state
    assert journal.keyed("sent", BODY, "tabc", sent)["message_id"] == "m1"


@pytest.mark.parametrize(("kind", "state"), [*_STATES, (TelecomUnknownError, State.UNKNOWN)])
def test_what_an_error_leaves_of_an_unkeyed_effect(store: Retaining, kind: Any, state: State) -> None:
    journal = Journal(store)
    with pytest.raises(OutcomeUnknownError if kind is TelecomUnknownError else kind):
        journal.unkeyed("sent", BODY, failing(kind("no")), "fail")
    entry = journal.read("sent")
    assert entry
    assert entry.state is state
    if state in (State.INTENT, State.UNKNOWN):
        with pytest.raises(OutcomeUnknownError):
            journal.unkeyed("sent", BODY, never, "fail")
    else:
        assert journal.unkeyed("sent", BODY, sent, "fail") == sent()


def test_input_that_is_wrong_leaves_nothing_open(store: Retaining) -> None:
    journal = Journal(store)
    with pytest.raises(TelecomInputError):
        journal.unkeyed("sent", BODY, failing(TelecomInputError("text", "is empty")), "fail")
    assert journal.unkeyed("sent", OTHER, sent, "fail") == sent()


def test_an_error_of_our_own_leaves_it_open(store: Retaining) -> None:
    """A time-out of the task, or a bug in reading the answer, says nothing of what happened."""

    def broken() -> NoReturn:
        raise KeyError("id")

    journal = Journal(store)
    with pytest.raises(KeyError):
        journal.unkeyed("sent", BODY, broken, "fail")
    with pytest.raises(OutcomeUnknownError):
        journal.unkeyed("sent", BODY, never, "fail")


def test_an_unknown_outcome_says_what_to_do(store: Retaining) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        Journal(store).unkeyed("sent", BODY, failing(TelecomUnknownError("no answer")), "fail")
    assert isinstance(caught.value, AirflowFailException)
    assert isinstance(caught.value, TelecomUnknownError)
    assert {"no answer", "assume_sent", "resend"} <= {
        word for word in ("no answer", "assume_sent", "resend") if word in str(caught.value)
    }


@pytest.mark.parametrize("policy", ["fail", "resend", "assume_sent"])
def test_another_text_is_not_taken_for_what_was_sent(store: Retaining, policy: Any) -> None:
    journal = Journal(store)
    journal.unkeyed("sent", BODY, sent, policy)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal.unkeyed("sent", OTHER, never, policy)


def test_a_keyed_effect_with_another_text_is_another_one(store: Retaining) -> None:
    journal = Journal(store)
    journal.keyed("sent", BODY, "tabc", sent)
    assert journal.keyed("sent", OTHER, "tdef", lambda: {"message_id": "m2"})["message_id"] == "m2"


def test_assumed_is_said_and_stays(store: Retaining) -> None:
    journal = Journal(store)
    for send in (failing(TelecomUnknownError("no answer")), never):
        assert journal.unkeyed("sent", BODY, send, "assume_sent") == {"assumed_sent": True}


@pytest.mark.parametrize("value", ["Fail", "", None, "retry", ["fail"]])
def test_a_policy_is_one_of_three(value: Any) -> None:
    with pytest.raises(TelecomInputError, match="on_unknown"):
        check_on_unknown(value)
