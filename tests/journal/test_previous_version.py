"""What the version before the new names has stored is read correctly: journals, checkpoints, tokens, errors.

All stored values here are literal: that version wrote them. If one of them were read differently, a task
that is retried during an upgrade could send twice, or would refuse to go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import pytest

from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, secrets_in
from airflow_provider_telecom.calls.endpoint import LoadToken
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomInputError,
    TelecomThrottledError,
    TelecomUnknownError,
    from_dict,
)
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys, fingerprint
from airflow_provider_telecom.journal.journal import EffectIdentity, Journal, OutcomeUnknownError
from airflow_provider_telecom.triggers.polling import TelecomFailedError, facts_from_event, started_from_event
from tests.by_hand import drive
from tests.running import Run, Store

NUMBER = "380670000200"
BODY = "785f60b66e6044f4b234deb653c5827bc7a4b341f5bad2972088f7fc33d8ee1e"
KEY = "teewpetrnhm2bujboitvsgug46b3lugm"
IDENTITY = EffectIdentity("ketchup_default", NUMBER, KEY)
STORED_IDENTITY = {
    "key": "21052d7789a8453fdd6e63c2d091ca44d9b3a596eb2f35391a80344c1f7546df",
    "to": "839b",
}


def entry(state: str, facts: dict[str, Any] | None = None, order: dict[str, str] | None = None) -> Any:
    return {"state": state, "body": BODY, "facts": facts or {}, "order": order or {}}


def journal_with(**entries: Any) -> Journal:
    return Journal(store_with({f"telecom.{name}": value for name, value in entries.items()}))


def store_with(entries: dict[str, Any]) -> Store:
    store = Store()
    store.texts = {name: json.dumps(value) for name, value in entries.items()}
    return store


def sent() -> dict[str, Any]:
    return {"message_id": "m3"}


def never() -> NoReturn:
    raise AssertionError("it was sent")


def test_hashes_and_keys_are_the_same() -> None:
    assert fingerprint({"msisdn": NUMBER, "text": "Hi"}) == BODY
    assert IdempotencyKeys("dag", "run", "task")(NUMBER, "Hi") == KEY


def test_what_is_done_is_not_sent_again() -> None:
    done = journal_with(sent=entry("done", {"message_id": "m1"}))
    assert done.send_without_key("sent", BODY, never, "fail") == {"message_id": "m1"}
    with_key = journal_with(sent=entry("done", {"message_id": "m2"}, STORED_IDENTITY))
    assert with_key.send_with_key("sent", BODY, IDENTITY, never) == {"message_id": "m2"}


@pytest.mark.parametrize("state", ["intent", "unknown"])
def test_what_may_have_been_sent_is_in_doubt(state: str) -> None:
    with pytest.raises(OutcomeUnknownError):
        journal_with(sent=entry(state)).send_without_key("sent", BODY, never, "fail")
    assert journal_with(sent=entry(state)).send_without_key("sent", BODY, sent, "resend") == sent()
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        journal_with(sent=entry(state)).send_without_key("sent", "b" * 64, never, "resend")


def test_what_may_have_been_sent_under_a_key_is_sent_again_under_the_same_one() -> None:
    intent = entry("intent", order=STORED_IDENTITY)
    assert journal_with(sent=intent).send_with_key("sent", BODY, IDENTITY, sent) == sent()
    for other in (EffectIdentity("ketchup_2", NUMBER, KEY), EffectIdentity("ketchup_default", NUMBER, "t")):
        with pytest.raises(TelecomInputError, match="dedupe_key"):
            journal_with(sent=intent).send_with_key("sent", "b" * 64, other, never)


def test_what_was_refused_may_be_sent() -> None:
    refused = journal_with(sent=entry("rejected", {"code": "21"}))
    assert refused.send_without_key("sent", "b" * 64, sent, "fail") == sent()


def test_the_place_of_a_mapped_task_keeps_its_content() -> None:
    store = store_with({
        "telecom.sent.place": entry("planned"),
        "telecom.sent": entry("planned", {"code": None}),
    })
    journal = Journal(store, is_mapped=True)
    with pytest.raises(TelecomInputError, match="mapped list"):
        journal.send_without_key("sent", "b" * 64, never, "fail")
    assert journal.send_without_key("sent", BODY, sent, "fail") == sent()


CHECKPOINT = {
    "state": "intent",
    "body": "ffd58b10addd54a24bb28588f71104b12f53eefe0edb293a09bf7f5c8d13416c",
    "facts": {"rows": 1, "sent": 1, "ahead": 2},
    "order": {},
}
FINISHED = {
    "state": "done",
    "body": "e7f9bb7f8c9e13122885661f8770bef31ad77eed59009b8cc92fac831ee2d5b6",
    "facts": {"rows": 3, "ahead": 3},
    "order": {},
}


def test_a_long_send_goes_on_where_it_stopped() -> None:
    checkpoint = Checkpoint(journal_with(bulk=CHECKPOINT), "bulk", "account")
    assert checkpoint.resume(["one", "two", "another"], {"rows": 0}) == {"rows": 1, "sent": 1}
    assert not checkpoint.is_done
    for keys in (["one", "another", "three"], ["another", "two", "three"]):
        with pytest.raises(TelecomInputError, match="recipients"):
            Checkpoint(journal_with(bulk=CHECKPOINT), "bulk", "account").resume(keys, {"rows": 0})
    finished = Checkpoint(journal_with(bulk=FINISHED), "bulk", "account")
    assert finished.resume(["one", "two", "three"], {"rows": 0}) == {"rows": 3}
    assert finished.is_done
    planned = {"state": "planned", "body": "", "facts": {"rows": 0}, "order": {}}
    assert Checkpoint(journal_with(bulk=planned), "bulk", "account").resume(["x"], {"rows": 0}) == {"rows": 0}


TOKEN = (
    '{"access": "made-up-access", "expires": 1800000000.0, "minted": 1799913600.0, '
    '"refresh": "made-up-refresh", "young_deaths": [1799913500.0]}'
)


def test_a_stored_token_is_used() -> None:
    auth = RotatingJwt(lambda dead: never(), "k")
    steps, token = drive(auth.stored(), [TOKEN])
    assert steps == [LoadToken("k")]
    assert token == RotatingToken(
        Secret("made-up-access"), 1800000000.0, 1799913600.0, Secret("made-up-refresh")
    )
    assert secrets_in(TOKEN) == ["made-up-access", "made-up-refresh"]
    _, recent = drive(auth._early_revocations(None, 1799913600.0), [TOKEN])
    assert recent == [1799913500.0]


def test_the_lease_of_a_worker_of_the_previous_version_is_respected() -> None:
    lease = '{"me": "w1", "at": 1799913600.0}'
    ours, theirs = (RotatingJwt(lambda dead: never(), "k", worker_id=name) for name in ("w1", "w2"))
    assert ours.lease_key == "k_lease"
    assert drive(ours._other_workers_lease(), [lease])[1] is None
    assert drive(theirs._other_workers_lease(), [lease])[1] == lease


ERRORS: list[tuple[type[TelecomError], str, dict[str, Any]]] = [
    (
        TelecomInputError,
        "msisdn: 38067*****00: must be a number",
        {
            "kind": "TelecomInputError",
            "text": "msisdn: 38067*****00: must be a number",
            "call": None,
            "status": None,
            "code": None,
            "retry_after": None,
            "partial": False,
            "field": "msisdn",
            "rule": "must be a number",
        },
    ),
    (
        TelecomThrottledError,
        "GET /sms/{message_id}: too many requests (HTTP 429, retry after 30 s) [connection ketchup_default, "
        "host api.example: it was refused or not sent; try again after the wait, or set a lower rate_limit "
        "in ketchup_default]",
        {
            "kind": "TelecomThrottledError",
            "text": "too many requests",
            "call": "GET /sms/{message_id}",
            "status": 429,
            "code": None,
            "retry_after": 30.0,
            "partial": False,
            "conn_id": "ketchup_default",
            "host": "api.example",
        },
    ),
    (
        TelecomAnswerError,
        "POST /sms: not JSON (a body of 5 bytes, SHA-256 abababababababab) (HTTP 200)",
        {
            "kind": "TelecomAnswerError",
            "text": "not JSON (a body of 5 bytes, SHA-256 abababababababab)",
            "call": "POST /sms",
            "status": 200,
            "code": None,
            "retry_after": None,
            "partial": False,
            "length": 5,
            "sha256": "ab" * 32,
        },
    ),
    (
        TelecomUnknownError,
        "POST /sms: outcome unknown (vendor code 7)",
        {
            "kind": "TelecomUnknownError",
            "text": "outcome unknown",
            "call": "POST /sms",
            "status": None,
            "code": "7",
            "retry_after": None,
            "partial": True,
        },
    ),
]
STARTED = "eyJtZXNzYWdlX2lkIjogIm0ifQ=="


@pytest.mark.parametrize(("kind", "text", "stored"), ERRORS, ids=[kind.__name__ for kind, _, _ in ERRORS])
def test_an_error_in_the_database_keeps_its_class_and_text(
    kind: type[TelecomError], text: str, stored: dict[str, Any]
) -> None:
    error = from_dict(stored)
    assert type(error) is kind
    assert str(error) == text
    event = {"error": stored, "started": STARTED}
    assert started_from_event(event) == {"message_id": "m"}
    with pytest.raises(kind):
        facts_from_event(event)


def test_the_event_of_a_trigger_ends_its_task() -> None:
    assert facts_from_event({"facts": {"state": "x"}, "stage": "reached", "started": STARTED}) == {
        "state": "x"
    }
    with pytest.raises(TelecomFailedError, match="state: x"):
        facts_from_event({"facts": {"state": "x"}, "stage": "missed"})


# What each operator writes, and that it knows its own again.

RECIPIENTS = {"recipients": [NUMBER], "text": "Hi"}
SIMS = {"sim_ids": [1001]}
EFFECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "KyivstarSendSmsOperator": ("kyivstar_open_telecom", {"msisdn": NUMBER, "text": "Hi"}),
    "KyivstarSendViberOperator": (
        "kyivstar_open_telecom",
        {"msisdn": NUMBER, "text": "Hi", "kind": "promotion"},
    ),
    "KyivstarCreatePromoOperator": ("kyivstar_open_telecom", {**RECIPIENTS, "start": True}),
    "KetchUpSendSmsOperator": ("ketchup_loyalty", {"msisdn": NUMBER, "text": "Hi"}),
    "KetchUpSendBulkSmsOperator": ("ketchup_loyalty", RECIPIENTS),
    "KetchUpSendViberOperator": ("ketchup_loyalty", {**RECIPIENTS, "sender": "Shop"}),
    "KetchUpHlrLookupOperator": ("ketchup_loyalty", {"msisdns": [NUMBER]}),
    "KetchUpCreateStatExportOperator": (
        "ketchup_loyalty",
        {"time_in_from": "2026-10-25T00:00:00", "time_in_to": "2026-10-25T23:59:59"},
    ),
    "KyivstarFmcOriginateCallOperator": (
        "kyivstar_fmc",
        {"called_number": NUMBER, "calling_number": "380670000201"},
    ),
    "SunSimCreateCallbackOperator": ("sunsim", {"phone_to": "79000000001", "phone_from": "79000000000"}),
    "NovaConnectBlockSimsOperator": ("novaconnect", SIMS),
    "NovaConnectDisconnectSimsOperator": ("novaconnect", {**SIMS, "confirm": True}),
    "NovaConnectPingSimsOperator": ("novaconnect", SIMS),
    "NovaConnectSendSmsOperator": ("novaconnect", {**SIMS, "text": "Hi"}),
    "NovaConnectSetTariffOperator": (
        "novaconnect",
        {**SIMS, "package_kb": 15360, "auto_package": False, "confirm": True},
    ),
    "NovaConnectRepackageOperator": ("novaconnect", {**SIMS, "confirm": True}),
    "NovaConnectRenameSimOperator": ("novaconnect", {"sim_id": 1001, "name": "A"}),
    "NovaConnectSetGroupsOperator": ("novaconnect", {**SIMS, "new_group_names": ["New"]}),
}
WRITTEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "previous_version.json").read_text(encoding="utf-8")
)


WITHOUT_A_KEY = [
    "KyivstarSendSmsOperator",
    "KyivstarSendViberOperator",
    "KyivstarFmcOriginateCallOperator",
    "SunSimCreateCallbackOperator",
    "NovaConnectDisconnectSimsOperator",
    "NovaConnectPingSimsOperator",
    "NovaConnectSendSmsOperator",
    "NovaConnectSetTariffOperator",
    "NovaConnectRepackageOperator",
]


@pytest.fixture(params=EFFECTS)
def operator(request: pytest.FixtureRequest, hook_for: Callable[..., Any]) -> Any:
    vendor, arguments = EFFECTS[request.param]
    hook_for(vendor)
    kind = getattr(import_module(f"airflow_provider_telecom.operators.{vendor}"), request.param)
    return kind(task_id="task", **arguments)


def effects(simulator: Any) -> list[str]:
    return [effect.kind for effect in simulator.state.ledger.effects if effect.kind != "token"]


def test_an_operator_writes_the_same_as_before_and_knows_it_again(
    operator: Any, telecom_simulator: Any
) -> None:
    """The simulator gives the same ids in each run. The previous version did not read what a call costs."""
    telecom_simulator.state.set_switch("kyivstar_open_telecom.tarification_units", "off")
    run, before = Run(), WRITTEN[type(operator).__name__]
    run.execute(operator)
    written = {name: json.loads(text) for name, text in run.stores["task"].texts.items()}
    assert written.keys() == before.keys()
    for name, entry in written.items():
        facts, known = entry.pop("facts", {}), before[name].get("facts", {})
        assert {**facts, **known} == facts, "there may be more facts, and no others"
        assert {**entry, "facts": known} == {"facts": {}, **before[name]}
    happened = effects(telecom_simulator)
    run.stores["task"] = store_with(before)
    run.execute(operator)
    assert effects(telecom_simulator) == happened


@pytest.mark.parametrize("operator", WITHOUT_A_KEY, indirect=True)
def test_an_operator_knows_what_the_previous_version_may_have_done(
    operator: Any, telecom_simulator: Any
) -> None:
    [(name, stored)] = WRITTEN[type(operator).__name__].items()
    run = Run()
    run.stores["task"] = store_with({name: {**stored, "state": "intent", "facts": {}}})
    with pytest.raises(OutcomeUnknownError):
        run.execute(operator)
    assert not effects(telecom_simulator)
