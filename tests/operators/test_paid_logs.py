"""What the log of a paid send says: what became of it, what it cost, where the results are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.journal import checkpoint
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendSmsOperator
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectRepackageOperator,
    NovaConnectSendSmsOperator,
)
from tests.running import Run

Capture = pytest.CaptureFixture[str]
NUMBERS = ["380670000201", "380670000202", "4915123456789"]  # KetchUp refuses the last one


@pytest.fixture(autouse=True)
def _hooks(hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty", viber_sender="Shop")
    hook_for("kyivstar_open_telecom")
    hook_for("kyivstar_fmc")
    hook_for("novaconnect")


MANY: dict[str, tuple[type[Any], dict[str, Any], str, str]] = {
    "sms": (KetchUpSendBulkSmsOperator, {"text": "Hi"}, "code 21", "0.04 EUR"),
    "viber": (KetchUpSendViberOperator, {"text": "Hi"}, "code 41", "0.02 EUR"),
    "hlr": (KetchUpHlrLookupOperator, {}, "code 61", "0.004 EUR"),
}


@pytest.mark.parametrize("kind", MANY)
def test_a_bulk_send(telecom_simulator: Any, tmp_path: Path, capsys: Capture, kind: str) -> None:
    operator, arguments, code, price = MANY[kind]
    results = tmp_path / "results.jsonl"
    Run().execute(operator(task_id="send", recipients=NUMBERS, results_path=str(results), **arguments))
    said = capsys.readouterr().out
    assert f"requested 3, accepted 2, refused 1 ({code}: 1), known before 0;" in said
    assert f"{price}; results: {results}" in said
    assert not any(number in said for number in NUMBERS)


def test_a_long_send_logs_its_progress(
    telecom_simulator: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    numbers = [str(380670000200 + place) for place in range(6)]
    Run().execute(KetchUpSendBulkSmsOperator(task_id="send", recipients=numbers, text="Hi", chunk_size=2))
    said = caplog.text
    for done in (2, 4, 6):
        assert f"{done} of 6 recipients, " in said
    assert " a second, about " in said


def test_a_later_try_says_what_earlier_ones_did(telecom_simulator: Any, capsys: Capture) -> None:
    run, arguments = Run(), {"task_id": "send", "recipients": NUMBERS, "text": "Hi"}
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    capsys.readouterr()
    run.execute(KetchUpSendBulkSmsOperator(**arguments))
    said = capsys.readouterr().out
    assert "an earlier try has sent all" in said
    assert "requested 3, accepted 2" in said


ONE: dict[str, tuple[type[Any], dict[str, Any], str]] = {
    "ketchup": (
        KetchUpSendSmsOperator,
        {"msisdn": NUMBERS[0], "text": "Hi"},
        " (known_before: False, price: 0.02, currency: EUR)",
    ),
    "kyivstar": (
        KyivstarSendSmsOperator,
        {"msisdn": NUMBERS[0], "text": "Hi"},
        " (reserved_segments: 1)",
    ),
    "fmc": (
        KyivstarFmcOriginateCallOperator,
        {"called_number": NUMBERS[0], "calling_number": NUMBERS[1]},
        "",
    ),
    "novaconnect": (NovaConnectSendSmsOperator, {"sim_ids": [1001, 1002], "text": "Hi"}, " (changed: 2)"),
    "novaconnect_in_part": (
        NovaConnectRepackageOperator,
        {"sim_ids": [1001, 1009], "confirm": True},
        " (changed: 1, skipped: 1)",
    ),
}


@pytest.mark.parametrize("vendor", ONE)
def test_an_effect(telecom_simulator: Any, capsys: Capture, vendor: str) -> None:
    operator, arguments, details = ONE[vendor]
    run = Run()
    run.execute(operator(task_id="send", **arguments))
    said = capsys.readouterr().out
    assert re.search(rf"{re.escape(operator.vendor.label)} has accepted it{re.escape(details)} +\[", said)
    assert NUMBERS[0] not in said
    run.execute(operator(task_id="send", **arguments))
    assert "nothing is sent now" in capsys.readouterr().out


def test_an_effect_of_unknown_outcome(telecom_simulator: Any, capsys: Capture) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/sms")
    arguments: dict[str, Any] = {"task_id": "send", "msisdn": NUMBERS[0], "text": "Hi"}
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(KyivstarSendSmsOperator(**arguments))
    run.execute(KyivstarSendSmsOperator(**arguments, on_unknown="assume_sent"))
    assert "nobody can know whether" in capsys.readouterr().out
    assert json.loads(next(iter(run.stores["send"].texts.values())))["facts"] == {"assumed_sent": True}
