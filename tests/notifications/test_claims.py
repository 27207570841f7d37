"""Whether an alert may be sent now, and what is counted: one recipient's record, without notifiers."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.hooks.store import HostLock
from airflow_provider_telecom.notifications.deduplication import Claim, Deduplicator
from tests.hooks.test_store import Supervisor

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC).timestamp()
ALERTS = ("mine", "made-up-account", "380670000200")


def suppressed(reason: str) -> Claim:
    return Claim(False, reason, logging.WARNING)


def record(supervisor: Supervisor) -> dict[str, dict[str, int]]:
    (text,) = supervisor.variables.values()
    found: dict[str, dict[str, int]] = json.loads(text)
    return found


def test_an_alert_is_sent_once_and_the_hour_has_so_many(supervisor: Supervisor, time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    alerts = Deduplicator(*ALERTS)
    assert alerts.claim("a", 2, 1.0) == alerts.claim("b", 2, 1.0) == Claim(True)
    assert alerts.claim("a", 2, 1.0) == Claim(False, "sent before", logging.INFO)
    assert alerts.claim("c", 2, 1.0) == suppressed("2 sent in the last hour, 1 suppressed since")
    assert alerts.claim("c", 2, 1.0) == suppressed("2 sent in the last hour, 1 suppressed since")
    assert alerts.claim("d", 2, 1.0) == suppressed("2 sent in the last hour, 2 suppressed since")
    time_machine.move_to(NOW + 3599, tick=False)
    assert alerts.claim("e", 2, 1.0) == suppressed("2 sent in the last hour, 3 suppressed since")
    time_machine.move_to(NOW + 3600, tick=False)
    found = alerts.claim("c", 2, 1.0)
    assert (found.granted, found.reason) == (True, "")
    assert sorted(found.suppressed.values()) == [NOW, NOW + 3599], "c itself is sent now"
    assert alerts.claim("f", 2, 1.0) == Claim(True)
    assert {name: len(part) for name, part in record(supervisor).items()} == {"told": 4, "withheld": 0}


def test_what_is_held_back_is_counted_by_the_next_alert(supervisor: Supervisor) -> None:
    alerts = Deduplicator(*ALERTS)
    assert alerts.hold_back("a", "quiet until 07:00", 1.0) == suppressed(
        "quiet until 07:00, 1 suppressed since"
    )
    assert alerts.hold_back("b", "quiet until 07:00", 1.0) == suppressed(
        "quiet until 07:00, 2 suppressed since"
    )
    assert alerts.hold_back("b", "quiet until 07:00", 1.0) == suppressed(
        "quiet until 07:00, 2 suppressed since"
    )
    assert len(alerts.claim("c", 2, 1.0).suppressed) == 2
    assert alerts.hold_back("c", "quiet until 07:00", 1.0) == Claim(False, "sent before")


def test_what_was_not_sent_may_be_sent_and_counts_again(supervisor: Supervisor) -> None:
    alerts = Deduplicator(*ALERTS)
    alerts.hold_back("a", "quiet", 1.0)
    claim = alerts.claim("b", 1, 1.0)
    assert len(claim.suppressed) == 1
    alerts.release("b", claim, 1.0)
    assert record(supervisor) == {"told": {}, "withheld": claim.suppressed}
    assert alerts.claim("b", 1, 1.0) == claim
    Deduplicator(*ALERTS).release("unknown", Claim(True), 1.0)
    assert alerts.claim("c", 1, 1.0) == suppressed("1 sent in the last hour, 1 suppressed since")


def test_where_variables_cannot_be_written_nothing_is_held_back(
    supervisor: Supervisor, no_write: Any
) -> None:
    """No later alert of another process would count it."""
    assert Deduplicator(*ALERTS).hold_back("a", "quiet", 1.0) is None
    assert Deduplicator(*ALERTS, shared=False).hold_back("b", "quiet", 1.0) is None
    assert not supervisor.variables


def test_the_memory_of_this_process_ends_when_variables_can_be_written_again(
    supervisor: Supervisor, no_write: Any, mocker: MockerFixture
) -> None:
    """If not, an alert that was not sent would count as sent here for ever."""
    alerts = Deduplicator(*ALERTS)
    claim = alerts.claim("a", 9, 1.0)
    mocker.stop(no_write)
    assert alerts.claim("b", 9, 1.0).granted
    assert len(record(supervisor)["told"]) == 2
    alerts.release("a", claim, 1.0)
    assert alerts.claim("a", 9, 1.0).granted


def test_a_claim_that_is_not_shared_is_in_the_memory_of_this_process(supervisor: Supervisor) -> None:
    alerts = Deduplicator(*ALERTS, shared=False)
    assert alerts.claim("a", 1, 1.0) == Claim(True)
    assert alerts.claim("a", 1, 1.0) == Claim(False, "sent before")
    assert not supervisor.variables
    assert Deduplicator(*ALERTS).claim("a", 1, 1.0) == Claim(False, "sent before"), "it counts both"


def test_what_changes_nothing_is_not_written(supervisor: Supervisor) -> None:
    alerts = Deduplicator(*ALERTS)
    alerts.claim("a", 1, 1.0)
    ((name, text),) = supervisor.variables.items()
    supervisor.variables[name] = text.replace("{", "{ ")
    alerts.claim("a", 1, 1.0)
    assert supervisor.variables[name] == text.replace("{", "{ ")


def test_an_alert_waits_for_the_lock_of_the_recipient_and_no_longer(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    alerts = Deduplicator(*ALERTS)
    alerts.claim("a", 9, 1.0)
    (name,) = supervisor.variables
    assert name.startswith("__telecom_told__")  # stored: an upgrade must find it
    with HostLock(name)(1.0):
        for timeout in (0.0, -5.0):
            with pytest.raises(TelecomNotSentError, match="holds the lock"):
                alerts.claim("b", 9, timeout)
    assert alerts.claim("b", 9, 0.0) == Claim(True), "it was released"
