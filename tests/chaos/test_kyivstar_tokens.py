"""Kyivstar's token ends in the middle of a batch: nothing fails, nothing is sent twice; faults are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.auth.client_credentials import ClientCredentials
from tests.chaos.kyivstar_tokens import VENDOR, Batch, send_in_one_loop, send_in_threads, violations

LONG = pytest.mark.long
WAYS = [send_in_threads, send_in_one_loop]


@pytest.mark.parametrize("send", WAYS)
@pytest.mark.parametrize(
    ("messages", "ends", "preset"),
    [
        (200, 2, "default"),
        pytest.param(200, 2, "opposite", marks=LONG),
        pytest.param(10_000, 20, "default", marks=LONG),
    ],
)
def test_a_token_ends_in_the_middle_of_a_batch(
    send: Callable[..., Batch], messages: int, ends: int, preset: Any, telecom_simulator: Any
) -> None:
    telecom_simulator.reset(preset=preset)
    batch = send(telecom_simulator, messages, ends, seed=1)
    assert batch.ends == ends
    assert violations(batch) == []


def test_a_client_that_fetches_a_token_for_each_401_is_found(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClientCredentials, "_valid_token", lambda self: None)
    found = violations(send_in_threads(telecom_simulator, 20, 1, seed=1))
    assert "tokens for 1 ends of a token" in "\n".join(found)


def test_a_lost_answer_is_found(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", VENDOR, method="POST", path="/sms$")
    found = violations(send_in_one_loop(telecom_simulator, 20, 1, seed=1))
    assert found[0].startswith("1 times TelecomUnknownError")
    assert found[1:] == ["19 of 20 were reported as sent"]


def test_messages_that_are_sent_twice_or_not_at_all_are_found() -> None:
    batch = Batch(2, accepted=2)
    batch.sent.update({"380670000000": 2})
    assert violations(batch) == [
        "1 messages were sent twice",
        "1 of 2 were sent",
    ]
