"""Airflow's Variables as tasks see them, in memory: one deployment's, for tests without an api-server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.sdk.execution_time.comms import (
    DeleteVariable,
    GetVariableKeys,
    OKResponse,
    PutVariable,
    VariableKeysResult,
)


class Variables:
    """Answers what tasks ask their supervisor. `before` is called before each answer."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.values: dict[str, str] = {}
        self.before = before

    def send(self, message: Any) -> Any:
        """Answer a task."""
        self.before()
        if isinstance(message, PutVariable):
            assert len(message.key) <= 250
            self.values[message.key] = str(message.value)
        elif isinstance(message, DeleteVariable):
            self.values.pop(message.key, None)
        elif isinstance(message, GetVariableKeys):
            # the databases' LIKE ignores the case of letters
            prefix = str(message.prefix).casefold()
            found = sorted(key for key in self.values if key.casefold().startswith(prefix))
            keys = found[message.offset : message.offset + message.limit]
            return VariableKeysResult(keys=keys, total_entries=len(found))
        return OKResponse(ok=True)
