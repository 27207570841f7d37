"""How KetchUp's webhooks are read."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.vendors.ketchup_loyalty import webhooks
from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageState

# By the document.
HLR = {
    "id": "34298934543",
    "reference": "1234567",
    "msisdn": "380932990000",
    "network": "25503",
    "status": "active",
    "details": {"ported": "1", "roaming": "0"},
    "createdDatetime": "2015-08-04T06:50:19+00:00",
    "statusDatetime": "2015-08-04T06:50:19+00:00",
}
VIBER = {
    "error": "0",
    "msisdn": "380972000000",
    "reference": "12erdgm9",
    "time_in": "2016-01-01 00:00:01",
    "time_sent": "2016-01-01 00:00:02",
    "time_dr": "2016-01-01 00:01:01",
    "status": "read",
    "price": "0.02",
    "currency": "EUR",
}


def hlr(nonce: str = "1234567", **more: Any) -> Any:
    return webhooks.hlr(nonce, {**HLR, **more}, b"its bytes")


def viber(nonce: str = "any", **more: Any) -> Any:
    return webhooks.viber(nonce, {**VIBER, **more}, b"its bytes")


def test_a_look_up() -> None:
    found = hlr()
    assert found.facts == {
        "hlr_id": "34298934543",
        "reference": "1234567",
        "status": "active",
        "network": "25503",
        "ported": True,
        "roaming": False,
    }
    assert (found.event, found.final, found.about) == ("hlr", True, "********0000")
    assert list(found.topics) == ["34298934543", "1234567"]
    assert "380932990000" not in str(found)


@pytest.mark.parametrize(
    ("status", "final", "event"),
    [
        ("sent", False, None),
        ("absent", True, "hlr"),
        ("unknown", False, "hlr"),
        ("failed", True, "hlr"),
        ("new word", False, None),
    ],
)
def test_which_look_ups_are_done(status: str, final: bool, event: str | None) -> None:
    found = hlr(status=status)
    assert (found.final, found.event) == (final, event)
    assert found.state == (status if status != "new word" else "other")


def test_a_result_may_follow_an_unknown_one() -> None:
    way = [hlr(status=status) for status in ("new word", "sent", "unknown", "active")]
    for one, other in pairwise(way):
        assert other.supersedes(one.sequence, one.final)
        assert not one.supersedes(other.sequence, other.final)


def test_an_address_for_one_look_up_takes_no_other() -> None:
    with pytest.raises(TelecomAnswerError, match="reference is not the one"):
        hlr("7654321")
    assert hlr("account").final  # the account's address takes all
    assert hlr("account", reference=None).subject == "34298934543"


@pytest.mark.parametrize("more", [{"id": "<b>"}, {"id": None}, {"reference": "a b"}, {"msisdn": None}])
def test_look_ups_that_make_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(TelecomAnswerError):
        hlr("account", **more)


@pytest.mark.parametrize("network", ["unknown", "<b>", "2550", "2550312"])
def test_a_network_that_is_none(network: str) -> None:
    assert hlr(network=network).facts["network"] is None


def test_a_viber_message() -> None:
    found = viber()
    assert found.facts == {"reference": "12erdgm9", "status": "read"}
    assert (found.event, found.final, found.about) == ("viber", True, "********0000")


def test_whose_message_it_is_about() -> None:
    assert viber(VIBER["reference"]).required_reference is None
    assert viber("an address for several").required_reference == VIBER["reference"]


@pytest.mark.parametrize(
    ("msisdn", "shown"),
    [("380972001234", "********1234"), ("+380 97 200 12 34", "********1234"), ("1234567", "*******")],
)
def test_the_page_shows_four_digits(msisdn: str, shown: str) -> None:
    assert viber(msisdn=msisdn).about == hlr(msisdn=msisdn).about == shown


def test_a_status_never_goes_back() -> None:
    way = [viber(status=status) for status in ("unknown", "accepted", "sent", "delivered", "read")]
    for one, other in pairwise(way):
        assert other.supersedes(one.sequence, one.final)
        assert not one.supersedes(other.sequence, other.final)
    for end in (
        state.value for state in MessageState if state.is_final and state.value not in ("delivered", "read")
    ):
        ended = viber(status=end)
        assert ended.final
        assert ended.supersedes(viber(status="sent").sequence, False)
        assert not ended.supersedes(viber(status="delivered").sequence, False)
        assert not viber(status="read").supersedes(ended.sequence, ended.final)


def test_every_state_has_its_place() -> None:
    for state in MessageState:
        found = viber(status=state.value)
        assert (found.event is not None) == state.is_final


@pytest.mark.parametrize("more", [{"reference": None}, {"reference": "a\u202eb"}, {"status": None}])
def test_messages_that_make_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(TelecomAnswerError):
        viber(**more)


ROW = {"message_ID": 1529112192, "msisdn": 380505142320, "Status": "Delivered", "body": "testing message"}
OTHER_ROW = {"Message id": "1529112193", "msisdn": 380505142321, "status ": "not-viber-user"}


def statistics(value: Any, nonce: str = "k1") -> Any:
    return webhooks.statistics(nonce, value, json.dumps(value).encode())


@pytest.mark.parametrize(
    "value",
    [
        {"error": 0, "message_data": [ROW, OTHER_ROW]},
        {"error": "0", " message_data": [ROW, OTHER_ROW]},
        {"result": [ROW, OTHER_ROW]},
    ],
)
def test_statistics(value: Any) -> None:
    found = statistics(value)
    assert found.facts == {
        "callback_key": "k1",
        "messages": 2,
        "statuses": {"delivered": 1, "not-viber-user": 1},
        "message_ids": ["1529112192", "1529112193"],
    }
    assert (found.event, found.final, found.about, found.topics) == (
        "statistics",
        True,
        "2 messages",
        ("k1",),
    )
    assert "38050514" not in str(found)
    assert "testing message" not in str(found)
    assert statistics(value).subject == found.subject != statistics({"message_data": [ROW]}).subject


def test_statistics_of_one_message_or_of_none() -> None:
    assert statistics(ROW).facts["message_ids"] == ["1529112192"]
    for empty in ({"error": 0, "message_data": []}, {"error": "93", "errorDescription": "File is empty"}):
        assert statistics(empty).facts["messages"] == 0
    assert statistics({"error": 0, "message_data": [ROW]}, "account").facts["callback_key"] is None


def test_statistics_of_many_messages_are_counted_only() -> None:
    many = statistics({
        "error": 0,
        "message_data": [{**ROW, "message_ID": number} for number in range(1, 102)],
    })
    assert (many.facts["messages"], many.facts["message_ids"]) == (101, None)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"message_data": "none"},
        {"message_data": [ROW], "more": [ROW]},
        {"message_data": [1]},
        {"message_data": [{**ROW, "message_ID": "a b"}]},
        {"message_data": [{"Status": "Delivered"}]},
    ],
)
def test_statistics_that_make_no_sense(value: Any) -> None:
    with pytest.raises(TelecomAnswerError):
        statistics(value)


def test_the_topics_of_a_subscription() -> None:
    subscription = webhooks.hlr_subscription("k", hlr_ids='["1", "2"]', references=["a"])
    assert subscription
    assert list(subscription.topics) == [
        "ketchup_loyalty/hlr/k/1",
        "ketchup_loyalty/hlr/k/2",
        "ketchup_loyalty/hlr/k/a",
    ]
    assert webhooks.viber_subscription("k", message_id="5") is None
    for key, topics in ((None, ["account"]), ("", ["account"]), ("k1", ["k1", "account"])):
        export = webhooks.statistics_subscription("k", callback_key=key, file_key="abc")
        assert export
        assert list(export.topics) == [f"ketchup_loyalty/statistics/k/{topic}" for topic in topics]
    found = webhooks.viber_messages_subscription("k", messages=[{"message_id": "1", "reference": "a"}])
    assert found
    assert list(found.topics) == ["ketchup_loyalty/viber/k/a"]
