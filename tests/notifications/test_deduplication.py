"""Once and not too often, across everything that shares Variables; and what those Variables hold."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import MagicMock

import pytest
from airflow.sdk.exceptions import ErrorType
from pytest_mock import MockerFixture

from airflow_provider_telecom.notifications.deduplication import PREFIX, Deduplicator, RecipientRecord
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from tests.hooks.test_store import Supervisor
from tests.notifications.contexts import NUMBER, OTHER, in_worker, of_deadline, sent

pytestmark = pytest.mark.usefixtures("every_hook")


def forget_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on as another process would: with Variables, and no memory of its own."""
    from airflow_provider_telecom.hooks.store import InMemoryStore, VariableStore
    from airflow_provider_telecom.notifications import deduplication

    monkeypatch.setattr(deduplication, "_variables", VariableStore())
    monkeypatch.setattr(deduplication, "_memory", InMemoryStore())


def test_another_process_knows_what_was_sent(
    telecom_simulator: Any, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    KyivstarSmsNotifier(msisdn=[NUMBER, OTHER])(in_worker())
    forget_the_process(monkeypatch)
    KyivstarSmsNotifier(msisdn=[OTHER, "067 000 02 00"])(in_worker(try_number=2))
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 2
    assert len(supervisor.variables) == 2


def test_a_read_that_fails_forgets_nothing(
    telecom_simulator: Any,
    supervisor: Supervisor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Airflow returns no value then, as if there were no Variable."""
    from airflow.sdk.execution_time import comms

    class Failing(Supervisor):
        def send(self, message: Any) -> Any:
            if isinstance(message, comms.GetVariable):
                return comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR)
            return super().send(message)

    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker())
    forget_the_process(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "__class__", Failing)
        KyivstarSmsNotifier(msisdn=NUMBER)(in_worker(run_id="second"))
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "Variables cannot be read: alerts are recorded in this process only" in warning.getMessage()
    assert warning.name == "airflow_provider_telecom.notifications.deduplication"
    forget_the_process(monkeypatch)
    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker())
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 2, "the first one was not sent again"


def test_variables_hold_hashes_and_times_only(supervisor: Supervisor) -> None:
    KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=1)(in_worker())
    KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=1)(in_worker(run_id="second"))
    ((name, text),) = supervisor.variables.items()
    assert re.fullmatch(PREFIX + "[0-9a-f]{32}", name)
    found = json.loads(text)
    assert [len(found[part]) for part in ("told", "withheld")] == [1, 1]
    for part in found.values():
        assert all(re.fullmatch("[0-9a-f]{16}", key) and type(at) is int for key, at in part.items())


def test_connections_and_accounts_have_memories_of_their_own() -> None:
    names = {
        Deduplicator(conn_id, account, recipient)._name
        for conn_id in ("a", "b")
        for account in ("1", "2")
        for recipient in ("380670000200", "380670000201")
    }
    assert len(names) == 8


def test_a_hundred_failures_are_ten_messages(
    telecom_simulator: Any, supervisor: Supervisor, caplog: pytest.LogCaptureFixture, time_machine: Any
) -> None:
    time_machine.move_to("2026-11-21T08:00:00Z", tick=True)
    notifier = KyivstarSmsNotifier(msisdn=NUMBER)
    for number in range(100):
        notifier(in_worker(run_id=f"run{number}"))
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 10
    assert "10 sent in the last hour, 90 suppressed since" in caplog.text
    time_machine.move_to("2026-11-21T09:01:00Z", tick=True)
    for number in (100, 101):
        notifier(in_worker(run_id=f"run{number}"))
    *_, first, second = sent(telecom_simulator, "kyivstar_open_telecom")
    assert " +90 more https://airflow.example/dags/nightly/runs/run100/tasks/load" in first["text"]
    assert "more" not in second["text"]


def test_the_same_failure_is_suppressed_and_counted_once(telecom_simulator: Any, time_machine: Any) -> None:
    time_machine.move_to("2026-11-21T08:00:00Z", tick=True)
    notifier = KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=1)
    for run_id, attempt in (("a", 1), ("b", 1), ("b", 2), ("c", 1)):
        notifier(in_worker(run_id=run_id, try_number=attempt))
    time_machine.move_to("2026-11-21T09:01:00Z", tick=True)
    notifier(in_worker(run_id="b", try_number=3))  # it has not been sent yet
    assert " +1 more " in sent(telecom_simulator, "kyivstar_open_telecom")[-1]["text"]


def test_what_could_not_be_sent_takes_no_place_and_keeps_the_count(
    telecom_simulator: Any, time_machine: Any
) -> None:
    time_machine.move_to("2026-11-21T08:00:00Z", tick=True)
    notifier = KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=1)
    for run_id in ("a", "b"):
        notifier(in_worker(run_id=run_id))
    time_machine.move_to("2026-11-21T09:01:00Z", tick=True)
    with telecom_simulator.refusing():
        notifier(in_worker(run_id="c"))
    notifier(in_worker(run_id="d"))
    texts = [one["text"] for one in sent(telecom_simulator, "kyivstar_open_telecom")]
    assert len(texts) == 2
    assert " +1 more " in texts[1]


def test_calls_are_capped_too(telecom_simulator: Any) -> None:
    for number in range(5):
        KyivstarFmcCallNotifier(msisdn=NUMBER, max_per_hour=2)(in_worker(run_id=f"run{number}"))
    assert len(sent(telecom_simulator, "kyivstar_fmc", "call")) == 2


def test_while_variables_fail_this_process_remembers(
    telecom_simulator: Any,
    supervisor: Supervisor,
    mocker: MockerFixture,
    no_write: MagicMock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for attempt in (1, 2):
        KyivstarSmsNotifier(msisdn=NUMBER)(in_worker(try_number=attempt))
    assert supervisor.variables == {}
    assert "cannot be written: alerts are recorded in this process only" in caplog.text
    mocker.stop(no_write)
    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker(try_number=3))
    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker(run_id="another"))
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 2
    assert len(json.loads(next(iter(supervisor.variables.values())))["told"]) == 2


def test_a_callback_of_a_deadline_in_an_executor_writes_no_variable(
    telecom_simulator: Any, supervisor: Supervisor
) -> None:
    KyivstarSmsNotifier(msisdn=NUMBER)(of_deadline())
    assert supervisor.variables == {}
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 1


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "3", '{"told": 1}', '{"told": {"a": "b"}}', '{"told": {"a": null}}', "[" * 9999],
)
def test_a_variable_that_somebody_has_spoilt_is_taken_for_an_empty_one(text: str) -> None:
    assert RecipientRecord.parse(text) == RecipientRecord()


def test_a_record_may_have_one_part_only() -> None:
    assert RecipientRecord.parse('{"told": {"a": 5}}') == RecipientRecord({"a": 5}, {})
    assert RecipientRecord.parse('{"withheld": {"a": 5}}') == RecipientRecord({}, {"a": 5})


def test_a_record_is_stored_as_earlier_versions_have_it() -> None:
    now = 1_800_000_000
    week = now - 7 * 86_400
    record = RecipientRecord({"a": week + 1, "b": week}, {"c": now})
    text = f'{{"told":{{"a":{week + 1}}},"withheld":{{"c":{now}}}}}'
    assert record.to_text(now) == text
    assert RecipientRecord.parse(text) == RecipientRecord({"a": week + 1}, {"c": now})


def test_what_is_old_is_forgotten() -> None:
    record = RecipientRecord(
        {"old": 1, "new": 10_000_000}, {str(number): 10_000_000 for number in range(900)}
    )
    again = RecipientRecord.parse(record.to_text(10_000_001))
    assert again.sent == {"new": 10_000_000}
    assert len(again.suppressed) == 500


@pytest.mark.parametrize("wrong", ["file", "open"])
def test_where_no_lock_can_be_made_it_is_sent_without(
    telecom_simulator: Any, tmp_path: Any, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    import os

    folder = tmp_path / f"airflow-provider-telecom-{os.getuid()}"
    folder.write_text("") if wrong == "file" else folder.mkdir()
    if wrong == "open":
        folder.chmod(0o777)
    KyivstarSmsNotifier(msisdn=NUMBER)(in_worker())
    assert "no lock: another process may send" in caplog.text
    assert len(sent(telecom_simulator, "kyivstar_open_telecom")) == 1
