"""What the journal stores and returns; `test_model` shows that it keeps its promise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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
from airflow_provider_telecom.journal.journal import EffectIdentity, Entry, Journal, State
from airflow_provider_telecom.journal.unknown import OutcomeUnknownError, check_on_unknown
from tests.running import Store

BODY, OTHER = "a" * 64, "b" * 64
IDENTITY = EffectIdentity("ketchup_loyalty", "380670000200", "tabc")
CORRECTED = EffectIdentity("ketchup_loyalty", "380670000200", "tdef")
SOMEBODY_ELSE = EffectIdentity("ketchup_loyalty", "380670000201", "txyz")
POLICIES = ("fail", "resend", "assume_sent")


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
    Journal(store).send_without_key("sent", BODY, sent, "fail")
    assert store.retention is NEVER_EXPIRE
    assert list(store.texts) == ["telecom.sent"]
    assert store.writes == 2


@pytest.mark.parametrize("is_mapped", [False, True])
def test_what_is_done_is_returned_and_not_sent_again(store: Retaining, is_mapped: bool) -> None:
    for send in (failing(TelecomNotSentError("no")), sent, never):
        journal = Journal(store, is_mapped=is_mapped)
        with suppress(TelecomNotSentError):
            assert journal.send_without_key("sent", BODY, send, "fail") == sent()
    assert journal.read("sent") == Entry(State.DONE, BODY, sent())
    names = ["telecom.sent", "telecom.sent.place"] if is_mapped else ["telecom.sent"]
    assert sorted(store.texts) == names


def test_the_intent_stands_while_it_is_sent(store: Retaining) -> None:
    journal, seen = Journal(store), []

    def send() -> dict[str, Any]:
        seen.append(journal.read("sent"))
        return sent()

    journal.send_with_key("sent", BODY, IDENTITY, send)
    assert seen == [Entry(State.INTENT, BODY, identity=IDENTITY.hashes)]
    assert journal.read("sent") == Entry(State.DONE, BODY, {"message_id": "m1"}, IDENTITY.hashes)
    assert "380670000200" not in "".join(store.texts.values())


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
    (TelecomError, State.INTENT),
]


@pytest.mark.parametrize(("kind", "state"), [*_STATES, (TelecomUnknownError, State.INTENT)])
def test_what_an_error_leaves_of_an_effect_with_a_key(store: Retaining, kind: Any, state: State) -> None:
    journal = Journal(store)
    with pytest.raises(kind):
        journal.send_with_key("sent", BODY, IDENTITY, failing(kind("no", code="21")))
    entry = journal.read("sent")
    assert entry
    assert entry.state is state
    assert journal.send_with_key("sent", BODY, IDENTITY, sent)["message_id"] == "m1"


@pytest.mark.parametrize("kind", [TelecomFundsError, TelecomRejectedError, TelecomNotSentError])
def test_an_error_settles_no_earlier_request_in_doubt(store: Retaining, kind: Any) -> None:
    journal = Journal(store)
    with pytest.raises(TelecomUnknownError):
        journal.send_with_key("sent", BODY, IDENTITY, failing(TelecomUnknownError("no answer")))
    with pytest.raises(kind):
        journal.send_with_key("sent", BODY, IDENTITY, failing(kind("no")))
    entry = journal.read("sent")
    assert entry
    assert entry.state is State.INTENT
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal.send_with_key("sent", OTHER, CORRECTED, never)


@pytest.mark.parametrize(("kind", "state"), [*_STATES, (TelecomUnknownError, State.UNKNOWN)])
def test_what_an_error_leaves_of_an_effect_without_a_key(store: Retaining, kind: Any, state: State) -> None:
    journal = Journal(store)
    with pytest.raises(OutcomeUnknownError if kind is TelecomUnknownError else kind):
        journal.send_without_key("sent", BODY, failing(kind("no")), "fail")
    entry = journal.read("sent")
    assert entry
    assert entry.state is state
    if state in (State.INTENT, State.UNKNOWN):
        with pytest.raises(OutcomeUnknownError):
            journal.send_without_key("sent", BODY, never, "fail")
    else:
        assert journal.send_without_key("sent", BODY, sent, "fail") == sent()


@pytest.mark.parametrize("kind", [TelecomFundsError, TelecomThrottledError, TelecomRejectedError])
def test_what_was_done_in_part_stays_open(store: Retaining, kind: Any) -> None:
    """One of two messages was accepted: another text would be the second one to that recipient."""
    journal = Journal(store)
    with pytest.raises(kind):
        journal.send_with_key("sent", BODY, IDENTITY, failing(kind("no", partial=True)))
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal.send_with_key("sent", OTHER, CORRECTED, never)
    assert journal.send_with_key("sent", BODY, IDENTITY, sent) == sent()


@pytest.mark.parametrize("kind", [TelecomFundsError, TelecomRejectedError, TelecomNotSentError])
def test_an_error_of_a_message_that_is_sent_again_says_nothing_about_the_first(
    store: Retaining, kind: Any
) -> None:
    """The first one may have been sent: another text would be the second one to that recipient."""
    journal = Journal(store)
    for error in (TelecomUnknownError("no answer"), kind("no")):
        with pytest.raises(type(error)):
            journal.send_without_key("sent", BODY, failing(error), "resend")
    with pytest.raises(OutcomeUnknownError):
        journal.send_without_key("sent", BODY, never, "fail")
    with pytest.raises(TelecomInputError, match="dedupe_key") as caught:
        journal.send_without_key("sent", OTHER, never, "resend")
    assert caught.value.field == "dedupe_key"


def test_input_that_is_wrong_leaves_nothing_open(store: Retaining) -> None:
    journal = Journal(store)
    with pytest.raises(TelecomInputError):
        journal.send_without_key("sent", BODY, failing(TelecomInputError("text", "is empty")), "fail")
    assert journal.send_without_key("sent", OTHER, sent, "fail") == sent()


def test_an_error_of_our_own_leaves_it_open(store: Retaining) -> None:
    """A time-out of the task, or a bug in reading the answer, says nothing of what happened."""

    def broken() -> NoReturn:
        raise KeyError("id")

    journal = Journal(store)
    with pytest.raises(KeyError):
        journal.send_without_key("sent", BODY, broken, "fail")
    with pytest.raises(OutcomeUnknownError):
        journal.send_without_key("sent", BODY, never, "fail")


def test_an_unknown_outcome_says_what_to_do(store: Retaining) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        Journal(store).send_without_key("sent", BODY, failing(TelecomUnknownError("no answer")), "fail")
    assert list(store.texts) == ["telecom.sent"]
    assert Journal(store).read("sent") == Entry(State.UNKNOWN, BODY)
    assert isinstance(caught.value, AirflowFailException)
    assert isinstance(caught.value, TelecomUnknownError)
    assert {"no answer", "assume_sent", "resend"} <= {
        word for word in ("no answer", "assume_sent", "resend") if word in str(caught.value)
    }


def test_what_an_earlier_version_has_stored_can_be_read(store: Retaining) -> None:
    """The texts of the states are stored, and old entries have no identity."""
    assert [*State] == ["planned", "intent", "done", "rejected", "unknown"]
    store.set("telecom.sent", {"state": "done", "body": BODY, "facts": {"message_id": "m0"}})
    assert Journal(store).read("sent") == Entry(State.DONE, BODY, {"message_id": "m0"})
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        Journal(store).send_with_key("sent", OTHER, IDENTITY, never)


def test_an_identity_holds_too_little_of_the_number_to_find_it() -> None:
    assert len(IDENTITY.hashes["to"]) == 4
    assert EffectIdentity("ketchup_loyalty") == EffectIdentity("ketchup_loyalty", "", "")


def test_an_intent_that_cannot_be_read_back_is_not_sent(store: Retaining) -> None:
    """Another try of this task has taken over."""

    class TakenOver(Retaining):
        def set(self, key: str, value: Any, *, retention: Any = None) -> None:
            super().set(key, {**value, "body": OTHER}, retention=retention)

    with pytest.raises(TelecomNotSentError, match="another try"):
        Journal(TakenOver()).send_without_key("sent", BODY, never, "fail")
    with pytest.raises(TelecomNotSentError, match="another try"):
        Journal(TakenOver()).send_with_key("sent", BODY, IDENTITY, never)


@pytest.mark.parametrize("is_mapped", [False, True])
def test_nothing_is_under_way_before_a_request_may_be_sent(store: Retaining, is_mapped: bool) -> None:
    journal = Journal(store, failing(TelecomThrottledError("the circuit breaker is open")), is_mapped)
    with pytest.raises(TelecomThrottledError, match="breaker"):
        journal.send_without_key("sent", BODY, never, "fail")
    with pytest.raises(TelecomThrottledError, match="breaker"):
        journal.send_with_key("sent.key", BODY, IDENTITY, never)
    assert journal.read("sent") is None
    assert journal.read("sent.key") is None
    if is_mapped:  # but a place of a list keeps what it had first
        with pytest.raises(TelecomInputError, match="this place of the mapped list"):
            journal.send_without_key("sent", OTHER, never, "fail")
        with pytest.raises(TelecomInputError, match="this place of the mapped list"):
            journal.send_with_key("sent.key", OTHER, SOMEBODY_ELSE, never)
    later = Journal(store, is_mapped=is_mapped)
    assert later.send_without_key("sent", BODY, sent, "fail") == sent()
    assert later.send_with_key("sent.key", BODY, IDENTITY, sent) == sent()


@pytest.mark.parametrize("left", [State.PLANNED, State.REJECTED, State.UNKNOWN, State.INTENT, State.DONE])
def test_what_is_in_doubt(store: Retaining, left: State) -> None:
    journal = Journal(store)
    assert not journal.is_in_doubt("sent")
    with suppress(TelecomError):
        journal.send_without_key("sent", BODY, _LEFT_BY[left], "resend")
    assert journal.is_in_doubt("sent") is (left in (State.UNKNOWN, State.INTENT))
    assert not journal.is_in_doubt("sent.2")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TelecomRejectedError("no", code="21", status=400), "21"),
        (TelecomRejectedError("no", status=400), 400),
        (TelecomRejectedError("no"), None),
    ],
)
def test_the_code_of_a_refusal_is_kept(store: Retaining, error: TelecomError, code: object) -> None:
    with pytest.raises(TelecomRejectedError):
        Journal(store).send_without_key("sent", BODY, failing(error), "fail")
    assert Journal(store).read("sent") == Entry(State.REJECTED, BODY, {"code": code})


def test_what_is_to_be_sent_again_can_be_retried(store: Retaining) -> None:
    """With `resend` the error is one that Airflow retries."""
    journal = Journal(store)
    with pytest.raises(TelecomUnknownError) as caught:
        journal.send_without_key("sent", BODY, failing(TelecomUnknownError("no answer")), "resend")
    assert not isinstance(caught.value, AirflowFailException)
    assert journal.send_without_key("sent", BODY, sent, "resend") == sent()


def test_a_killed_try_is_settled_by_the_next(store: Retaining) -> None:
    journal = Journal(store)
    for policy, state in (("fail", State.UNKNOWN), ("assume_sent", State.DONE)):
        journal.write("sent", Entry(State.INTENT, BODY))
        with suppress(OutcomeUnknownError):
            journal.send_without_key("sent", BODY, never, policy)  # type: ignore[arg-type]
        entry = journal.read("sent")
        assert entry
        assert (entry.state, entry.body) == (state, BODY)


# Other content than an earlier try had.

_LEFT_BY = {
    State.PLANNED: failing(TelecomNotSentError("no")),
    State.REJECTED: failing(TelecomRejectedError("no")),
    State.UNKNOWN: failing(TelecomUnknownError("no")),
    State.INTENT: failing(TelecomServerError("no")),
    State.DONE: sent,
}


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("left", _LEFT_BY)
def test_other_content_is_never_taken_for_the_earlier_one(
    store: Retaining, left: State, policy: Any, is_mapped: bool
) -> None:
    """Under no policy; and never in a mapped task: the earlier content may be at another place now."""
    journal = Journal(store, is_mapped=is_mapped)
    with suppress(TelecomError):
        journal.send_without_key("sent", BODY, _LEFT_BY[left], "resend")
    before = journal.read("sent")
    assert before
    assert before.state is left
    if left in (State.PLANNED, State.REJECTED) and not is_mapped:
        assert journal.send_without_key("sent", OTHER, sent, policy) == sent()
        return
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal.send_without_key("sent", OTHER, never, policy)
    assert journal.read("sent") == before
    assert journal.send_without_key("sent.2", OTHER, sent, policy) == sent()


_ALONE = {
    State.PLANNED: (CORRECTED, SOMEBODY_ELSE),
    State.REJECTED: (CORRECTED, SOMEBODY_ELSE),
    State.INTENT: (),
    State.DONE: (),
}
_MAPPED = {
    State.PLANNED: (CORRECTED,),
    State.REJECTED: (CORRECTED, SOMEBODY_ELSE),
    State.INTENT: (),
    State.DONE: (SOMEBODY_ELSE,),
}


@pytest.mark.parametrize(("is_mapped", "allowed"), [(False, _ALONE), (True, _MAPPED)])
@pytest.mark.parametrize("identity", [CORRECTED, SOMEBODY_ELSE], ids=["corrected", "somebody else"])
@pytest.mark.parametrize("left", _ALONE)
def test_what_may_follow_an_effect_with_a_key(
    store: Retaining, left: State, identity: EffectIdentity, is_mapped: bool, allowed: Any
) -> None:
    """A person gets one text; nobody whose message is in doubt, or not sent, is forgotten in silence."""
    journal = Journal(store, is_mapped=is_mapped)
    with suppress(TelecomError):
        journal.send_with_key("sent", BODY, IDENTITY, _LEFT_BY[left])
    if identity in allowed[left]:
        assert journal.send_with_key("sent", OTHER, identity, sent) == sent()
        return
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal.send_with_key("sent", OTHER, identity, never)


def test_what_is_done_under_a_key_is_not_sent_again_with_other_options(store: Retaining) -> None:
    """Another tariff, for example: the vendor may have forgotten the key meanwhile."""
    journal = Journal(store)
    assert journal.send_with_key("sent", BODY, IDENTITY, sent) == sent()
    assert journal.send_with_key("sent", OTHER, IDENTITY, never) == sent()


@pytest.mark.parametrize("key", ["", "tabc"])
def test_another_account_does_not_know_our_keys(store: Retaining, key: str) -> None:
    journal, ours = Journal(store), EffectIdentity("ketchup_loyalty", "380670000200", key)
    with pytest.raises(TelecomUnknownError):
        journal.send_with_key("sent", BODY, ours, failing(TelecomUnknownError("no answer")))
    with pytest.raises(TelecomInputError, match="the connection"):
        journal.send_with_key("sent", BODY, EffectIdentity("ketchup_2", "380670000200", key), never)
    assert journal.send_with_key("sent", BODY, ours, sent) == sent()
    assert (
        journal.send_with_key("sent", BODY, EffectIdentity("ketchup_2", "380670000200", key), never) == sent()
    )


def test_what_has_a_key_for_each_of_its_parts_may_change(store: Retaining) -> None:
    journal = Journal(store, is_mapped=True)
    for body in (BODY, OTHER):
        with pytest.raises(TelecomUnknownError):
            journal.send_with_key(
                "sent", body, EffectIdentity("ketchup_loyalty"), failing(TelecomUnknownError("no answer"))
            )
    assert journal.send_with_key("sent", OTHER, EffectIdentity("ketchup_loyalty"), sent) == sent()
    assert journal.send_with_key("sent", BODY, EffectIdentity("ketchup_loyalty"), lambda: {"ids": 2}) == {
        "ids": 2
    }


def test_assumed_is_said_and_stays(store: Retaining) -> None:
    journal = Journal(store)
    for send in (failing(TelecomUnknownError("no answer")), never):
        assert journal.send_without_key("sent", BODY, send, "assume_sent") == {"assumed_sent": True}
    assert journal.send_without_key("sent", BODY, never, "fail") == {"assumed_sent": True}


@pytest.mark.parametrize("value", ["Fail", "", None, "retry", ["fail"]])
def test_a_policy_is_one_of_three(value: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        check_on_unknown(value)
    assert caught.value.field == "on_unknown"


@pytest.mark.parametrize("value", POLICIES)
def test_each_policy_may_be_chosen(value: str) -> None:
    assert check_on_unknown(value) == value
