"""Keys of Viber messages: relied on when the vendor has shown that it recognises them, and not before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomUnknownError
from airflow_provider_telecom.calls.request import Unknown
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.state import FaultKind
from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

Make = Callable[..., Any]
A, B, C, UNSERVED = "380670000201", "380670000202", "380670000203", "61491570006"
LOST: list[FaultKind] = [
    "reset_after",
    "close_after",
    "half_body",
    "garbage",
    "status_after",
    "bad_status_line",
]
ONE, TWO = [ViberRecipient(A, "r1")], [ViberRecipient(A, "r1"), ViberRecipient(B, "r2")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)


@pytest.fixture
def hook(hook_for: Make) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


def requests(simulator: Simulator) -> list[str]:
    """Return the requests that the vendor has seen, in short: POST for a creation, GET for a look-up."""
    return [seen.method for seen in simulator.state.requests]


def received(simulator: Simulator) -> Counter[str]:
    return Counter(effect.facts["msisdn"] for effect in simulator.state.ledger.of("ketchup_loyalty", "viber"))


@pytest.mark.parametrize("people", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
@pytest.mark.parametrize("kind", LOST)
def test_a_lost_answer_is_looked_for_and_then_repeated_under_its_key(
    telecom_simulator: Simulator, hook: Any, call: Make, kind: FaultKind, duplicates: str, people: Any
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    telecom_simulator.fault(kind, "ketchup_loyalty")
    results = call(hook.send_viber, people, "Hi").results
    assert [(one.reference, one.accepted, one.duplicate, one.key_returned) for one in results] == [
        (person.external_id, True, True, True) for person in people
    ]
    halves = 2 if duplicates == "whole" and people is TWO else 0
    assert requests(telecom_simulator) == ["POST", "GET", *["POST"] * (1 + halves)]
    assert received(telecom_simulator) == Counter(person.msisdn for person in people)


@pytest.mark.parametrize(("kind", "sent"), [("close_before", 0), ("status", 0), ("close_after", 1)])
def test_what_is_not_found_may_or_may_not_have_happened(
    telecom_simulator: Simulator, hook: Any, call: Make, kind: FaultKind, sent: int
) -> None:
    """Not sent at all, or sent by a vendor that overlooks our key: nobody can tell one from the other."""
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_reference", "on")
    telecom_simulator.fault(kind, "ketchup_loyalty")
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, ONE, "Hi")
    assert requests(telecom_simulator) == ["POST", "GET", "GET", "GET"]
    assert sum(received(telecom_simulator).values()) == sent


def test_a_vendor_that_does_not_answer_leaves_it_unknown(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.fault("close_after", "ketchup_loyalty", times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, TWO, "Hi")
    assert Counter(requests(telecom_simulator))["POST"] == 1
    assert received(telecom_simulator) == Counter([A, B])


@pytest.mark.parametrize(
    "other", [{"msisdn": B, "reference": "r1"}, {"msisdn": A, "reference": "r9"}], ids=["number", "key"]
)
def test_another_message_that_is_found_shows_nothing(
    telecom_simulator: Simulator, hook: Any, call: Make, other: dict[str, str]
) -> None:
    import json

    body = json.dumps({"error": "0", "status": "delivered", **other})
    telecom_simulator.fault("close_after", "ketchup_loyalty", path="/create")
    telecom_simulator.fault("body", "ketchup_loyalty", path="/reference", body=body, times=9)
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, ONE, "Hi")
    assert Counter(requests(telecom_simulator))["POST"] == 1


def test_a_message_that_takes_a_while_to_show(telecom_simulator: Simulator, hook: Any, call: Make) -> None:
    telecom_simulator.fault("close_after", "ketchup_loyalty", path="/create")
    missing = '{"error": "40", "errorDescription": "Message not found"}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/reference", body=missing, times=2)
    assert call(hook.send_viber, ONE, "Hi").results[0].duplicate
    assert received(telecom_simulator) == Counter([A])


EVIDENCE: dict[str, Callable[[Any, Make], Any]] = {
    "a key that came back": lambda hook, call: call(hook.send_viber, [ViberRecipient(C, "r0")], "Hi"),
    "a known key": lambda hook, call: [
        call(hook.send_viber, [ViberRecipient(C, "r0")], "Hi") for _ in range(2)
    ],
    "a known key of two": lambda hook, call: [
        call(hook.send_viber, [ViberRecipient(C, "r0"), ViberRecipient(UNSERVED, "r9")], "Hi")
        for _ in range(2)
    ],
    "a message that is found": lambda hook, call: (
        call(hook.send_viber, [ViberRecipient(C, "r0")], "Hi"),
        call(hook.viber_keys_work, [ViberRecipient(C, "r0")]),
    ),
}


@pytest.mark.parametrize("duplicates", ["item", "whole_of_one", "whole"])
@pytest.mark.parametrize(
    ("evidence", "echo"),
    [
        (evidence, echo)
        for evidence in EVIDENCE
        for echo in ("all", "never", "first")
        if (evidence, echo) != ("a key that came back", "never")
    ],
)
def test_once_it_is_shown_a_lost_answer_is_repeated_at_once(
    telecom_simulator: Simulator, hook: Any, evidence: str, echo: str, duplicates: str
) -> None:
    def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", duplicates)
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", echo)
    EVIDENCE[evidence](hook, call)
    telecom_simulator.state.requests.clear()
    telecom_simulator.fault("close_after", "ketchup_loyalty")
    assert all(one.duplicate for one in hook.send_viber(TWO, "Hi").results)
    assert set(requests(telecom_simulator)) == {"POST"}
    assert received(telecom_simulator) == Counter([A, B, C])


@pytest.mark.parametrize("echo", ["never", "first"])
def test_a_key_that_does_not_come_back_shows_nothing(
    telecom_simulator: Simulator, hook: Any, call: Make, echo: str
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", echo)
    first = call(hook.send_viber, TWO, "Hi").results
    assert [one.key_returned for one in first] == [echo == "first", False]
    telecom_simulator.fault("close_before", "ketchup_loyalty")
    with pytest.raises(TelecomUnknownError):
        call(hook.send_viber, [ViberRecipient(C, "r3")], "Hi")
    assert received(telecom_simulator) == Counter([A, B])


def test_a_recipient_that_is_refused_shows_nothing(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    """Neither that keys work nor that they do not."""
    call(hook.send_viber, ONE, "Hi")
    refused = '[{"error": "0", "messages": [{"error": "41", "errorDescription": "Incorrect msisdn"}]}]'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/create", body=refused)
    assert not call(hook.send_viber, [ViberRecipient(B, "r2")], "Hi").results[0].accepted
    telecom_simulator.fault("close_after", "ketchup_loyalty")
    assert call(hook.send_viber, [ViberRecipient(C, "r3")], "Hi").results[0].duplicate


def test_row_14_a_key_that_did_not_come_back_goes_under_both_names_next(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_reference", "on")
    assert not call(hook.send_viber, ONE, "Hi").results[0].key_returned
    assert call(hook.send_viber, [ViberRecipient(B, "r2")], "Hi").results[0].key_returned
    telecom_simulator.fault("close_after", "ketchup_loyalty")
    assert call(hook.send_viber, [ViberRecipient(C, "r3")], "Hi").results[0].duplicate
    assert received(telecom_simulator) == Counter([A, B, C])


def test_a_known_key_beside_one_that_does_not_come_back(
    telecom_simulator: Simulator, hook: Any, call: Make
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", "never")
    call(hook.send_viber, ONE, "Hi")
    assert [one.key_returned for one in call(hook.send_viber, TWO, "Hi").results] == [True, False]
    telecom_simulator.fault("close_before", "ketchup_loyalty")
    assert call(hook.send_viber, [ViberRecipient(C, "r3")], "Hi").results[0].accepted
    assert received(telecom_simulator) == Counter([A, B, C])


def test_a_whole_package_that_is_refused_for_a_known_key_shows_that_keys_work(
    telecom_simulator: Simulator, hook: Any
) -> None:
    """So its halves are repeated under their keys at once, if their answers are lost."""
    telecom_simulator.state.set_switch("ketchup_loyalty.duplicates", "whole")
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_echo", "never")
    hook.send_viber(ONE, "Hi")
    answers = iter(["right", "lost", "right", "right"])
    send = hook._client().sync_transport._transport.send

    def losing(request: Any) -> Any:
        found = send(request)
        return Unknown("reset") if next(answers) == "lost" else found

    hook._client().sync_transport._transport.send = losing
    assert [one.accepted for one in hook.send_viber(TWO, "Hi").results] == [True, True]
    assert set(requests(telecom_simulator)) == {"POST"}
    assert received(telecom_simulator) == Counter([A, B])
