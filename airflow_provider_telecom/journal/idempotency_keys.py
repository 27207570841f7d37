"""Idempotency keys: the same run, task and message always give the same key."""

from __future__ import annotations

import base64
import hashlib
import json


def fingerprint(content: object) -> str:
    """Return the SHA-256 of JSON content: equal for equal content, whatever the order of its fields."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class IdempotencyKeys:
    """Derives KetchUp's idempotency keys, at most 32 of a-z and 0-9, within one task of one run.

    A key depends neither on the try nor on the place in a mapped list: each retry would be a second message,
    or a message would get the key of another one when the order of the list changes. A key begins with a
    letter, so that it is never taken for one of the vendor's ids. To send the same text to the same number on
    purpose, give another `dedupe_key`.
    """

    def __init__(self, dag_id: str, run_id: str, task_id: str, dedupe_key: str = "") -> None:
        self._start = hashlib.sha256(_joined(dag_id, run_id, task_id, dedupe_key).encode())

    def __call__(self, msisdn: str, *content: str) -> str:
        """Return the key of a message to a number in E.164 digits, or of its lookup."""
        state = self._start.copy()
        state.update(_joined(msisdn, *content).encode())
        return "t" + base64.b32encode(state.digest())[:31].decode().lower()


def _joined(*parts: str) -> str:
    return "".join(f"{len(part)}:{part}" for part in parts)
