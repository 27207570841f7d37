"""A user's own keys and senders: from a column, or for one message from a parameter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from tests.operators.ketchup_loyalty.evidence import killed, paid
from tests.running import Run

PEOPLE = [
    {"msisdn": str(380670000200 + place), "crm": f"crm_{place}", "brand": brand, "name": f"N{place}"}
    for place, brand in enumerate(("Books", "", "Toys"))
]
KEYS = [person["crm"] for person in PEOPLE]
FIRST = PEOPLE[0]["msisdn"]


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


OPERATORS: dict[str, Callable[..., Any]] = {
    "sms": lambda **more: KetchUpSendBulkSmsOperator(**{
        "task_id": "send",
        "recipients": PEOPLE,
        "text": "Hi",
        "reference_column": "crm",
        **more,
    }),
    "viber": lambda **more: KetchUpSendViberOperator(**{
        "task_id": "send",
        "recipients": PEOPLE,
        "text": "Hi",
        "reference_column": "crm",
        **more,
    }),
    "hlr": lambda **more: KetchUpHlrLookupOperator(
        task_id="send", recipients=PEOPLE, reference_column="crm", **more
    ),
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_keys_from_a_column(telecom_simulator: Any, kind: str, tmp_path: Path) -> None:
    results, run = tmp_path / "results.jsonl", Run()
    assert run.execute(OPERATORS[kind](results_path=str(results)))["accepted"] == 3
    assert [one["reference"] for one in paid(telecom_simulator, kind)] == KEYS
    found = [json.loads(line)["reference"] for line in results.read_text().splitlines()]
    assert found == KEYS
    killed(run, "send", "bulk")
    run.execute(OPERATORS[kind](results_path=str(results)))
    assert len(paid(telecom_simulator, kind)) == 3


@pytest.mark.parametrize("kind", OPERATORS)
def test_a_key_that_the_vendor_knows_is_no_new_message(
    telecom_simulator: Any, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another run has the same ids: KetchUp sends nothing, and the log and the XCom say so."""
    Run("1").execute(OPERATORS[kind]())
    found = Run("2").execute(OPERATORS[kind]())
    assert (found["accepted"], found["known_before"]) == (0, 3)
    assert "3 of 3" in (said := capsys.readouterr().out)
    assert "were NOT sent now" in said
    assert len(paid(telecom_simulator, kind)) == 3


@pytest.mark.parametrize("kind", ["sms", "viber"])
def test_another_text_under_the_same_key_is_refused(telecom_simulator: Any, kind: str) -> None:
    run = Run()
    run.execute(OPERATORS[kind]())
    with pytest.raises(TelecomInputError, match="first 3 recipients"):
        run.execute(OPERATORS[kind](text="Hello"))


def test_a_bad_or_missing_key_is_a_bad_row(telecom_simulator: Any) -> None:
    people = [{**PEOPLE[0], "crm": "a b"}, {**PEOPLE[1], "crm": None}, PEOPLE[2]]
    with pytest.raises(TelecomInputError, match=r"2 bad rows.* line 1: crm: must be .* line 2: crm: must be"):
        Run().execute(OPERATORS["sms"](recipients=people))
    with pytest.raises(TelecomInputError, match="line 2: crm: occurs in an earlier row"):
        Run().execute(OPERATORS["sms"](recipients=[PEOPLE[0], {**PEOPLE[1], "crm": "crm_0"}]))
    assert telecom_simulator.state.requests == []


def test_one_sms_under_an_own_key(telecom_simulator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def sms(**more: Any) -> KetchUpSendSmsOperator:
        given = {"task_id": "send", "msisdn": FIRST, "text": "Hi", "reference": "{{ params.id }}", **more}
        return KetchUpSendSmsOperator(**given)

    run, params = Run(), {"id": "crm_7"}
    found = run.execute(sms(), params=params)
    assert (found["reference"], found["known_before"]) == ("crm_7", False)
    assert run.execute(sms(), params=params) == found
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(text="Hello"), params=params)
    assert Run("2").execute(sms(text="Hello"), params=params)["known_before"] is True
    assert "was NOT sent now" in capsys.readouterr().out
    assert [one["reference"] for one in paid(telecom_simulator, "sms")] == ["crm_7"]
    with pytest.raises(TelecomInputError, match="reference: must be"):
        sms(reference="a b")


def test_one_viber_message_under_an_own_key(telecom_simulator: Any) -> None:
    def viber(**more: Any) -> KetchUpSendViberOperator:
        given = {"task_id": "send", "recipients": FIRST, "text": "Hi", "reference": "example_12", **more}
        return KetchUpSendViberOperator(**given)

    run = Run()
    assert run.execute(viber())["messages"][0]["reference"] == "example_12"
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(viber(text="Hello"))
    assert Run("2").execute(viber())["known_before"] == 1
    with pytest.raises(TelecomInputError, match="is for one recipient"):
        Run().execute(viber(recipients=[FIRST, "380670000209"]))
    assert len(paid(telecom_simulator, "viber")) == 1


@pytest.mark.parametrize("text", ["Hi", "Hi {name}"])
def test_a_sender_for_each_row(telecom_simulator: Any, text: str) -> None:
    operator = KetchUpSendBulkSmsOperator(
        task_id="send",
        recipients=PEOPLE,
        text=text,
        originator="Shop",
        originator_column="brand",
        max_cost="1",
        chunk_size=2,
    )
    assert Run().execute(operator)["accepted"] == 3
    assert [one["originator"] for one in paid(telecom_simulator, "sms")] == ["Books", "Shop", "Toys"]


def test_senders_of_rows_are_checked(telecom_simulator: Any) -> None:
    people = [PEOPLE[0], PEOPLE[1], {**PEOPLE[2], "brand": "a name that is too long"}]
    operator = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=people, text="Hi", originator_column="brand"
    )
    rule = r"2 bad rows.* line 2: brand: must not be empty; line 3: brand: has 23 characters"
    with pytest.raises(TelecomInputError, match=rule):
        Run().execute(operator)
    assert telecom_simulator.state.requests == []


def test_the_time_of_a_bulk_send_may_be_a_template(telecom_simulator: Any) -> None:
    operator = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=[FIRST], text="Hi", schedule_at="{{ params.at }}"
    )
    Run().execute(operator, params={"at": "2126-01-01T00:00:00+02:00"})
    assert paid(telecom_simulator, "sms")[0]["send_at"].year == 2126
    with pytest.raises(TelecomInputError, match="schedule_at: must be"):
        KetchUpSendBulkSmsOperator(task_id="send", recipients=[FIRST], text="Hi", schedule_at="soon")
