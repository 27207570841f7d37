"""KetchUp's Viber operator: it repeats requests only where the vendor returns our keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.operators.ketchup_loyalty.evidence import killed, paid, shown
from tests.running import Run

A, B, AWAY = "380670000201", "380670000202", "380670000209"
PICTURE, SHOP = "https://example.com/cat.png", "https://example.com/shop"


def viber(**arguments: Any) -> KetchUpSendViberOperator:
    given = {"task_id": "send", "recipients": [A, B], "text": "Your code is 1234", **arguments}
    return KetchUpSendViberOperator(**given)


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_telecom.vendors.ketchup_loyalty.viber._PAUSES", (0.01, 0.01))
    monkeypatch.setattr("airflow_provider_telecom.calls.retry._FIRST_BACK_OFF", 0.01)


@pytest.fixture
def no_keys(telecom_simulator: Any) -> None:
    """A vendor that overlooks `external_id`, as it wants `reference`: there are no keys."""
    vendor_state: VendorState = telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState)
    vendor_state.switches.turn_on("viber_reference")


def in_a_new_process() -> None:
    """Forget what was learned of the account, as a task does that starts in a process of its own."""
    from airflow_provider_telecom.hooks import base

    for client in base._clients.values():
        client.account.learned.clear()


def creations(simulator: Any) -> int:
    return sum(seen.path.endswith("/viber/create") for seen in simulator.state.requests)


def test_each_recipient_has_a_key(telecom_simulator: Any) -> None:
    found = Run().execute(viber(recipients=["+380 67 000 02 01", B, A]))
    messages = paid(telecom_simulator, "viber")
    assert [message["msisdn"] for message in messages] == [A, B]
    assert found == {
        "recipients": 2,
        "duplicates": 1,
        "accepted": 2,
        "known_before": 0,
        "refused": {},
        "price": "0.02",
        "currency": "EUR",
        "keyed": True,
        "messages": [
            {"message_id": message["id"], "reference": message["reference"], "code": None}
            for message in messages
        ],
    }
    assert len({message["reference"] for message in messages}) == 2


def test_an_advertisement_with_all_its_parts(telecom_simulator: Any) -> None:
    parts = {"image_url": "{{ params.at }}", "caption": "Go", "action_url": SHOP}
    operator = viber(
        recipients="{{ params.whom }}",
        promotional=True,
        sender="Other",
        tariff=2,
        validity_seconds=30,
        allow_short_validity=True,
        schedule_at="2126-01-01T00:00:00Z",
        **parts,
    )
    Run().execute(operator, params={"at": PICTURE, "whom": [A]})
    (message,) = paid(telecom_simulator, "viber")
    assert message["options"] == {"img": PICTURE, "caption": "Go", "action": SHOP}
    assert (message["originator"], message["promotional"], message["tariff"]) == ("Other", True, 2)
    assert message["validity_seconds"] == 30
    assert message["send_at"].year == 2126


def test_nothing_goes_out_twice(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(viber())
    assert run.execute(viber()) == first
    killed(run, "send")
    found = run.execute(viber())
    assert (found["accepted"], found["known_before"], found["keyed"]) == (0, 2, True)
    assert [one["reference"] for one in found["messages"]] == [one["reference"] for one in first["messages"]]
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(text="Another"))
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create", times=4)
    another = Run()
    with pytest.raises(TelecomUnknownError):
        another.execute(viber(text="Another"))
    assert another.execute(viber(text="Another"))["known_before"] == 2
    assert len(paid(telecom_simulator, "viber")) == 4


def test_another_picture_is_another_message(telecom_simulator: Any) -> None:
    run = Run()
    run.execute(viber(image_url=PICTURE))
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(image_url=SHOP))
    Run().execute(viber(image_url=SHOP))
    assert len(paid(telecom_simulator, "viber")) == 4


def test_some_may_be_refused(telecom_simulator: Any) -> None:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

    abroad = "4915123456789"  # no country of the simulator
    run = Run()
    found = run.execute(viber(recipients=[A, abroad]))
    assert (found["accepted"], found["refused"]) == (1, {"41": 1})
    assert [one["code"] for one in found["messages"]] == [None, "41"]
    for _ in range(2):
        with pytest.raises(TelecomRejectedError, match=r"1 of 2 messages were refused \(code 41: 1\)"):
            run.execute(viber(recipients=[A, abroad], max_rejected=0, dedupe_key="2"))
    with pytest.raises(TelecomRejectedError, match="1 of 1 messages were refused"):
        Run().execute(viber(recipients=[abroad], max_rejected=5))
    assert len(paid(telecom_simulator, "viber")) == 2
    assert ViberRecipient(abroad).external_id is None


@pytest.mark.parametrize(
    ("code", "error"), [(5, TelecomThrottledError), (11, TelecomThrottledError), (8, TelecomFundsError)]
)
def test_what_is_refused_for_now_goes_out_with_the_next_try(
    telecom_simulator: Any, code: int, error: type[Exception]
) -> None:
    Run("0").execute(viber(recipients=[B]))  # shows that keys work
    body = f'[{{"error": 0, "messages": [{{"error": {code}}}]}}]'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
    run = Run()
    with pytest.raises(error):
        run.execute(viber(recipients=[A]))
    assert run.execute(viber(recipients=[A]))["accepted"] == 1
    assert [message["msisdn"] for message in paid(telecom_simulator, "viber")] == [B, A]


@pytest.mark.parametrize("use_keys", [True, False])
def test_an_unknown_error_of_one_message_is_no_refusal(telecom_simulator: Any, use_keys: bool) -> None:
    """Code 5 does not show whether it was sent, and KetchUp may not recognise a duplicate."""
    telecom_simulator.fault(
        "body", "ketchup_loyalty", path="/viber/create", body='[{"error": 0, "messages": [{"error": 5}]}]'
    )
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber(recipients=[A], use_keys=use_keys))
    assert paid(telecom_simulator, "viber") == []
    assert run.execute(viber(recipients=[A], use_keys=use_keys, on_unknown="resend"))["accepted"] == 1


@pytest.mark.parametrize("code", ["5", "8", "11"])
def test_a_text_that_some_have_got_is_not_followed_by_another(telecom_simulator: Any, code: str) -> None:
    """One of two was accepted, the other one is refused for now: the next try sends to that one only."""
    keys = [
        IdempotencyKeys("dag", "manual__1", "send")(number, "Shop", "Your code is 1234") for number in (A, B)
    ]
    accepted, refused = {"reference": keys[0], "id": "1"}, {"reference": keys[1], "error": code}
    body = json.dumps([{"error": 0, "messages": [accepted, refused]}])
    telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
    run = Run()
    with pytest.raises((TelecomFundsError, TelecomThrottledError)):
        run.execute(viber())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(text="Another text"))
    assert run.execute(viber())["accepted"] == 2
    assert {message["text"] for message in paid(telecom_simulator, "viber")} == {"Your code is 1234"}


@pytest.mark.usefixtures("no_keys")
def test_keys_that_do_not_come_back_are_told_of(
    telecom_simulator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run()
    found = run.execute(viber())
    assert found["keyed"] is False
    assert "did not return the keys" in capsys.readouterr().out
    assert run.execute(viber()) == found
    assert len(paid(telecom_simulator, "viber")) == 2


def test_keys_that_do_not_come_back_go_under_both_names_from_then_on(telecom_simulator: Any) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_reference", "on")
    run = Run()
    assert run.execute(viber(dedupe_key="1"))["keyed"] is False
    assert run.execute(viber(dedupe_key="2"))["keyed"] is True


def test_a_lost_answer_is_looked_for_and_found(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create")
    found = Run().execute(viber())
    assert (found["accepted"], found["known_before"], found["keyed"]) == (0, 2, True)
    assert len(paid(telecom_simulator, "viber")) == 2


@pytest.mark.parametrize(
    ("fault", "switch", "sent"),
    [("reset_before", "off", 0), ("reset_after", "on", 2)],
    ids=["lost", "no keys"],
)
def test_what_is_not_found_is_in_doubt_and_is_not_repeated(
    telecom_simulator: Any, fault: Any, switch: str, sent: int
) -> None:
    telecom_simulator.state.set_switch("ketchup_loyalty.viber_reference", switch)
    telecom_simulator.fault(fault, "ketchup_loyalty", path="/viber/create")
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber())
        in_a_new_process()
    assert creations(telecom_simulator) == 1
    assert len(paid(telecom_simulator, "viber")) == sent
    assert run.execute(viber(on_unknown="assume_sent", wait_for_completion=True)) == {"assumed_sent": True}


def test_a_killed_try_is_looked_for_by_the_next_one(telecom_simulator: Any) -> None:
    run = Run()
    run.execute(viber())
    killed(run, "send")
    in_a_new_process()
    assert run.execute(viber())["known_before"] == 2
    assert len(paid(telecom_simulator, "viber")) == 2


def test_a_killed_try_that_sent_nothing_is_in_doubt(telecom_simulator: Any) -> None:
    run = Run()
    telecom_simulator.fault("reset_before", "ketchup_loyalty", path="/viber/create")
    with pytest.raises(OutcomeUnknownError):
        run.execute(viber())
    killed(run, "send")
    in_a_new_process()
    with pytest.raises(OutcomeUnknownError):
        run.execute(viber())
    assert run.execute(viber(on_unknown="resend"))["accepted"] == 2


def test_a_vendor_that_is_away_when_a_killed_try_is_looked_for_is_asked_again_later(
    telecom_simulator: Any,
) -> None:
    from airflow_provider_telecom.calls.errors import TelecomNoAnswerError

    run = Run()
    run.execute(viber())
    killed(run, "send")
    in_a_new_process()
    telecom_simulator.fault("reset_before", "ketchup_loyalty", path="/viber/reference", times=4)
    with pytest.raises(TelecomNoAnswerError):
        run.execute(viber())
    assert run.execute(viber())["known_before"] == 2


def test_part_that_is_refused_for_now_goes_out_with_the_next_try(telecom_simulator: Any) -> None:
    """Some of a package are accepted, and others came too fast: the next try sends those alone."""
    run = Run()
    run.execute(viber(recipients=[A], dedupe_key="first"))  # the keys work
    (first,) = run.execute(viber(recipients=[A]))["messages"]
    run.stores["send"].texts.pop("telecom.sent")
    item = {"id": first["message_id"], "reference": first["reference"]}
    body = json.dumps([{"error": 0, "messages": [item, {"error": 11, "errorDescription": "Too many"}]}])
    telecom_simulator.fault("body", "ketchup_loyalty", path="/viber/create", body=body)
    with pytest.raises(TelecomThrottledError):
        run.execute(viber())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(text="Another"))
    in_a_new_process()
    found = run.execute(viber())
    assert (found["accepted"], found["known_before"]) == (1, 1)
    assert [message["msisdn"] for message in paid(telecom_simulator, "viber")] == [A, A, B]


@pytest.mark.parametrize("policy", ["fail", "assume_sent"])
def test_keys_that_are_not_to_be_relied_on_are_not(telecom_simulator: Any, policy: Any) -> None:
    run, again = Run(), {"use_keys": False, "on_unknown": policy}
    run.execute(viber(dedupe_key="first"))
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create", times=9)
    before = creations(telecom_simulator)
    if policy == "fail":
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber(**again))
    else:
        assert run.execute(viber(**again)) == {"assumed_sent": True}
    assert creations(telecom_simulator) == before + 1


@pytest.mark.usefixtures("no_keys")
def test_resend_sends_again(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/viber/create")
    run, again = Run(), {"use_keys": False, "on_unknown": "resend", "recipients": [A]}
    with pytest.raises(TelecomUnknownError):
        run.execute(viber(**again))
    assert run.execute(viber(**again))["accepted"] == 1
    assert len(paid(telecom_simulator, "viber")) == 2


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("text", {"text": ""}),
        ("sender", {"sender": " "}),
        ("action_url", {"caption": "Join us!"}),
        ("caption", {"action_url": "https://a.example"}),
        ("validity_seconds", {"validity_seconds": 24}),
        ("validity_seconds", {"validity_seconds": 86_401}),
        ("tariff", {"tariff": -1}),
        ("schedule_at", {"schedule_at": "soon"}),
        ("max_rejected", {"max_rejected": -1}),
        ("on_unknown", {"on_unknown": "hope"}),
        ("min_delivered_percent", {"min_delivered_percent": 101}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        viber(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("recipients", {"recipients": []}),
        ("recipients", {"recipients": [A, "12"]}),
        ("recipients", {"recipients": "{{ params.none }}"}),
        ("text", {"text": "{{ params.none }}"}),
        ("image_url", {"image_url": "cat.png"}),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    telecom_simulator: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(viber(**arguments), params={"none": ""})
    assert caught.value.field == field
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_until_all_are_final(telecom_simulator: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.viber", "after_polls", 1)
    wait = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 0.01}
    found = Run().execute(viber(**wait, recipients=[A, B, AWAY], min_delivered_percent=66))
    assert found["delivered"] == 2
    assert found["statuses"] == {"delivered": 2, "not-viber-user": 1}
    with pytest.raises(TelecomFailedError, match="not-viber-user"):
        Run().execute(viber(**wait, recipients=AWAY))


def test_airflow_stores_neither_number_nor_content(telecom_simulator: Any) -> None:
    operator, run = viber(image_url=PICTURE, caption="Push", action_url=SHOP, callback_url=SHOP), Run()
    found = run.execute(operator)
    for private in ("0000201", "1234", "cat.png", "shop", "Push"):
        assert private not in shown(operator, run, found)
