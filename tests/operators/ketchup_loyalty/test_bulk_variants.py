"""Viber and look-ups to many under other readings of KetchUp's document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from tests.operators.ketchup_loyalty.evidence import killed
from tests.operators.ketchup_loyalty.test_variants import (
    NUMBERS,
    PEOPLE,
    READINGS,
    WAIT,
    got,
    in_a_new_process,
    prepare,
)
from tests.running import Run

UNSERVED = "61491570006"
"""KetchUp does not send to its country."""
SAMPLE = [pytest.param(one, marks=[] if one[0] == "opposite" else pytest.mark.long) for one in READINGS]


@pytest.fixture(autouse=True, params=SAMPLE, ids=lambda reading: f"{reading[0]}-{reading[1]}")
def hook(
    request: pytest.FixtureRequest,
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    prepare(telecom_simulator, monkeypatch, *request.param)
    return hook_for("ketchup_loyalty", originator="Shop", viber_sender="Shop")


def viber(**arguments: Any) -> KetchUpSendViberOperator:
    given = {"task_id": "send", "recipients": PEOPLE, "text": "Hi {name}", "chunk_size": 7, **arguments}
    return KetchUpSendViberOperator(**given)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_viber_to_many(telecom_simulator: Any, tmp_path: Path) -> None:
    files = {
        "results_path": str(tmp_path / "results.jsonl"),
        "undelivered_path": str(tmp_path / "undelivered.jsonl"),
    }
    people, run = [*PEOPLE, {"msisdn": UNSERVED, "name": "X"}], Run()
    found = run.execute(viber(**files, **WAIT, recipients=people, max_cost="0.25"))
    assert (found["accepted"], sum(found["refused"].values()), found["price"]) == (25, 1, "0.25")
    assert (found["delivered"], found["undelivered"], found["unknown"]) == (23, 3, 0)
    others = [number for number in NUMBERS if number.endswith("9")]
    assert [line["msisdn"] for line in lines(tmp_path / "undelivered.jsonl")] == [*others, UNSERVED]
    assert run.execute(viber(**files, **WAIT, recipients=people))["delivered"] == 23
    assert got(telecom_simulator, "viber") == NUMBERS


@pytest.mark.parametrize("before", [0, 7])
def test_a_killed_viber_send_goes_out_once_or_says_so(telecom_simulator: Any, hook: Any, before: int) -> None:
    """Of the first chunk the new process may not know whether it had working keys."""
    run = Run()
    run.execute(viber())
    killed(run, "send", "bulk")
    texts = run.stores["send"].texts
    entry = json.loads(texts["telecom.bulk"])
    texts["telecom.bulk"] = json.dumps({**entry, "facts": {**entry["facts"], "rows": before}})
    in_a_new_process(hook)
    try:
        found = run.execute(viber())
    except OutcomeUnknownError:
        assert not before
    else:
        assert found["known_before"] == 25 - before
    assert got(telecom_simulator, "viber") == NUMBERS


def test_look_ups_of_many(telecom_simulator: Any, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    numbers, run = ["380670000201", UNSERVED, "380670000209", "380670000202"], Run()
    options = {"recipients": numbers, "results_path": str(results), "chunk_size": 3, "max_cost": "0.10"}
    found = run.execute(KetchUpHlrLookupOperator(task_id="look_up", **options, **WAIT))
    assert (found["accepted"], found["statuses"]) == (3, {"active": 2, "absent": 1})
    assert [line["status"] for line in lines(results)] == ["active", None, "absent", "active"]
    killed(run, "look_up", "bulk")
    assert run.execute(KetchUpHlrLookupOperator(task_id="look_up", **options))["accepted"] == 3
    assert got(telecom_simulator, "hlr") == Counter(number for number in numbers if number != UNSERVED)


def test_sms_with_senders_and_keys_of_their_own(telecom_simulator: Any) -> None:
    people = [{**one, "crm": f"crm{place}", "brand": f"B{place % 3}"} for place, one in enumerate(PEOPLE)]
    operator = KetchUpSendBulkSmsOperator(
        task_id="send",
        recipients=people,
        text="Hi",
        originator_column="brand",
        reference_column="crm",
        chunk_size=7,
    )
    assert Run().execute(operator)["accepted"] == 25
    ledger = telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    assert [(one.facts["originator"], one.facts["reference"]) for one in ledger] == [
        (person["brand"], person["crm"]) for person in people
    ]
