"""Kyivstar's SMS and Viber operators: what is refused, what goes out once, what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarSendSmsOperator,
    KyivstarSendViberOperator,
)
from tests.running import Run

NUMBER, TEXT, TEMPLATE = "+380 67 000 02 00", "Your code is 1234", "Your code is {digits}"
PICTURE, SHOP = "https://example.com/cat.png", "https://example.com/shop"


def sms(**arguments: Any) -> KyivstarSendSmsOperator:
    return KyivstarSendSmsOperator(**{"task_id": "tell", "msisdn": NUMBER, "text": TEXT, **arguments})


def viber(**arguments: Any) -> KyivstarSendViberOperator:
    given = {"task_id": "tell", "msisdn": NUMBER, "kind": "transaction", "text": TEXT, **arguments}
    return KyivstarSendViberOperator(**given)


@pytest.fixture(autouse=True)
def _hook(hook_for: Callable[..., Any]) -> None:
    hook_for("kyivstar_open_telecom")


def sent(simulator: Any, kind: str) -> list[dict[str, Any]]:
    return [effect.facts for effect in simulator.state.ledger.of("kyivstar_open_telecom", kind)]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("max_segments", {"max_segments": 7}),
        ("max_segments", {"max_segments": "2"}),
        ("ttl_seconds", {"ttl_seconds": 86_401}),
        ("text", {"text": "x" * 161, "max_segments": 1}),
        ("text", {"text": " "}),
        ("sender", {"sender": ""}),
        ("on_unknown", {"on_unknown": "hope"}),
    ],
)
def test_a_wrong_sms_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        sms(**arguments)
    assert caught.value.field == field


def test_a_rendered_text_is_checked_before_anything_is_sent(telecom_simulator: Any) -> None:
    operator = sms(text="{{ params.what }}", max_segments=1)
    with pytest.raises(TelecomInputError, match="takes 2 SMS"):
        Run().execute(operator, params={"what": "x" * 161})
    assert sent(telecom_simulator, "sms") == []


def test_an_sms_takes_all_arguments(telecom_simulator: Any) -> None:
    operator = sms(text="x" * 161, max_segments=2, ttl_seconds=0, sender="other")
    assert Run().execute(operator)["reserved_segments"] == 2
    assert sent(telecom_simulator, "sms")[0]["sender"] == "other"


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("kind", {"kind": "newsletter"}),
        ("text", {"text": None}),
        ("text", {"text": ""}),
        ("text", {"template": "Your PIN is {digits}"}),
        ("template", {"template": "Your code is {number}"}),
        ("template", {"template": "Your code is {digits}}"}),
        ("template", {"template": " "}),
        ("template", {"kind": "promotion", "template": TEMPLATE}),
        ("image_url", {"image_url": PICTURE}),
        ("caption", {"caption": "Go"}),
        ("ttl_seconds", {"ttl_seconds": 29}),
        ("text", {"kind": "promotion", "text": None}),
        ("caption", {"kind": "promotion", "caption": "Go"}),
        (
            "text",
            {"kind": "promotion", "text": None, "image_url": PICTURE, "caption": "Go", "action_url": SHOP},
        ),
        ("image_url", {"kind": "promotion", "image_url": "ftp://example.com/cat.png"}),
        ("image_url", {"kind": "promotion", "caption": "Go", "action_url": SHOP}),
        (
            "action_url",
            {"kind": "promotion", "image_url": PICTURE, "caption": "Go", "action_url": "shop"},
        ),
        ("sender", {"sender": " "}),
    ],
)
def test_a_wrong_viber_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        viber(**arguments)
    assert caught.value.field == field


def test_a_rendered_text_that_misses_its_template_is_not_sent(telecom_simulator: Any) -> None:
    operator = viber(text="{% if true %}{{ params.what }}{% endif %}", template=TEMPLATE)
    with pytest.raises(TelecomInputError, match="charged as advertising"):
        Run().execute(operator, params={"what": "Your code is 1234!"})
    assert [seen.path for seen in telecom_simulator.state.requests] == ["/idp/oauth2/token"]


def test_a_text_that_fits_its_template_is_charged_as_a_transaction(telecom_simulator: Any) -> None:
    operator = viber(text="Your code is {{ params.code }}", template=TEMPLATE, ttl_seconds=30)
    found = Run().execute(operator, params={"code": 1234})
    (message,) = sent(telecom_simulator, "viber_transaction")
    assert found == {"message_id": message["id"], "reserved_units": 1}
    assert message["charged"] == "transaction"


def test_a_promotion_with_all_its_parts(telecom_simulator: Any) -> None:
    operator = viber(kind="promotion", image_url="{{ params.at }}", caption="Go", action_url=SHOP)
    Run().execute(operator, params={"at": PICTURE})
    (message,) = sent(telecom_simulator, "viber_promotion")
    assert message["content_extended"] == {"img": PICTURE, "caption": "Go", "action": SHOP}


def test_a_picture_alone(telecom_simulator: Any) -> None:
    assert Run().execute(viber(kind="promotion", text=None, image_url=PICTURE))["message_id"]
    assert sent(telecom_simulator, "viber_promotion")[0]["text"] is None


def test_a_row_that_misses_the_template_moves_nobody_to_a_second_message(telecom_simulator: Any) -> None:
    """The first row of a mapped list is refused and taken out, so that the second is the first now."""
    run, what = Run(), "{{ params.what }}"
    with pytest.raises(TelecomInputError, match="template"):
        run.execute(viber(text=what, template=TEMPLATE), map_index=0, params={"what": "Hello"})
    for place in (1, 0):
        operator = viber(msisdn="380670000201", text=what, template=TEMPLATE)
        if place == 0:
            with pytest.raises(TelecomInputError, match="dedupe_key"):
                run.execute(operator, map_index=place, params={"what": TEXT})
        else:
            run.execute(operator, map_index=place, params={"what": TEXT})
    assert len(sent(telecom_simulator, "viber_transaction")) == 1


def test_a_viber_message_goes_out_once(telecom_simulator: Any) -> None:
    run = Run()
    assert run.execute(viber()) == run.execute(viber())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(kind="promotion"))
    assert len(sent(telecom_simulator, "viber_transaction")) == 1
    assert sent(telecom_simulator, "viber_promotion") == []


def test_an_unknown_outcome_of_viber(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/viber", times=3)
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            run.execute(viber())
    assert len(sent(telecom_simulator, "viber_transaction")) == 1
    assert Run("2").execute(viber(on_unknown="assume_sent", wait_for_completion=True)) == {
        "assumed_sent": True
    }
    run = Run("3")
    with pytest.raises(TelecomUnknownError):
        run.execute(viber(on_unknown="resend"))
    assert run.execute(viber(on_unknown="resend"))["message_id"]
    assert len(sent(telecom_simulator, "viber_transaction")) == 4


def test_a_refusal_is_final_and_leaves_no_doubt(telecom_simulator: Any) -> None:
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(viber(sender="forbidden"))
    assert run.execute(viber())["message_id"]
    assert len(sent(telecom_simulator, "viber_transaction")) == 1


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("make", [sms, viber])
def test_waiting_for_delivery(telecom_simulator: Any, make: Callable[..., Any], deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom", "after_polls", 1)
    run = Run()
    found = run.execute(make(wait_for_completion=True, deferrable=deferrable, poll_interval=0.01))
    assert found["message_id"]
    assert found["status"] == "delivered"
    assert found["message_id"] not in str(run.events)  # events are logged


def test_airflow_stores_neither_number_nor_content(telecom_simulator: Any) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = viber(kind="promotion", image_url=PICTURE, caption="Go", action_url=SHOP), Run()
    found = run.execute(operator)
    shown = str(_serialize_rendered_fields(operator)) + str(run.stores["tell"].texts) + str(found)
    for private in ("0000200", "1234", "cat.png", "shop"):
        assert private not in shown


def test_the_link_leads_to_the_vendors_cabinet() -> None:
    for operator in (sms(), viber()):
        (link,) = operator.operator_extra_links
        assert link.name == "Kyivstar Open Telecom"
        assert link.get_link(operator, ti_key=None) == "https://api-market.kyivstar.ua"
