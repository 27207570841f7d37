"""The bodies of a bulk send, byte for byte: as the first version built them, one message after another."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.transport import sync_transport
from tests.running import Run

NAMES = ["Ann", "Олена", "{0}", "%s", '"quoted"', "back\\slash", "a : b", "😀"]
ROWS = [(str(380670000200 + place), NAMES[place % len(NAMES)]) for place in range(45)]


def key_of(msisdn: str, text: str) -> str:
    parts = ("dag", "manual__1", "send", "", msisdn, "test", text)
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode()).digest()
    return "t" + base64.b32encode(digest)[:31].decode().lower()


def phone_of(msisdn: str, name: str) -> dict[str, str]:
    text = f"Hello {name}!"
    return {"msisdn": msisdn, "reference": key_of(msisdn, text), "originator": "test", "body": text}


def test_bodies_of_personal_sms(hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    hook_for("ketchup_loyalty")
    sent: list[bytes | None] = []
    encode = sync_transport.encode_request

    def recorded(*args: Any) -> Any:
        encoded = encode(*args)
        sent.append(encoded.content)
        return encoded

    monkeypatch.setattr(sync_transport, "encode_request", recorded)
    people = [{"msisdn": msisdn, "name": name} for msisdn, name in ROWS]
    people[7]["msisdn"] = f"+{people[7]['msisdn']}"  # its batch is checked one by one
    operator = KetchUpSendBulkSmsOperator(
        task_id="send", recipients=people, text="Hello {name}!", chunk_size=20
    )
    assert Run().execute(operator)["accepted"] == len(ROWS)
    phones = [phone_of(*row) for row in ROWS]
    assert sent == [
        json.dumps(
            {
                "validity": 72,
                "tariff": 0,
                "phones": phones[start : start + 20],
                "destination": "individual",
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        for start in (0, 20, 40)
    ]
