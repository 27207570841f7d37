"""Escalations: what is sent by callbacks and by the Dag, and what ends an incident."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, AsyncCallback
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
    ErrorType,
)
from airflow.sdk.execution_time import comms
from airflow.triggers.callback import CallbackTrigger
from pytest_mock import MockerFixture

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.journal.open_alerts import AlertFacts, OpenAlert, OpenAlerts
from airflow_provider_telecom.notifications.escalation import EscalatingNotifier
from airflow_provider_telecom.notifications.escalation_dag import describe
from airflow_provider_telecom.notifications.event import EVENT_KEY, Event
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from airflow_provider_telecom.notifications.on_call import OnCall
from airflow_provider_telecom.triggers.incident import IncidentTrigger, OpenAlertsTrigger, Recovery
from airflow_provider_telecom.vendors.description import import_from
from tests.notifications.contexts import NUMBER, OTHER, RUN_ID, in_worker, of_deadline, sent
from tests.notifications.deployment import MINUTES, STARTED, Deployment, EscalationRun, on_call

pytestmark = pytest.mark.usefixtures("every_hook")
THIRD = "+380670000202"


@pytest.fixture
def airflow(mocker: MockerFixture, time_machine: Any) -> Deployment:
    from airflow.sdk.execution_time import task_runner

    made = Deployment()
    mocker.patch.object(task_runner, "SUPERVISOR_COMMS", made, create=True)
    time_machine.move_to(STARTED, tick=False)
    return made


def failed(airflow: Deployment, run_id: str = RUN_ID, task_id: str = "load", place: int = -1) -> Any:
    airflow.tasks["nightly", run_id, task_id, place] = "failed"
    return in_worker(run_id, task_id=task_id, map_index=place)


def texts(simulator: Any) -> list[str]:
    return [one["text"] for one in sent(simulator, "kyivstar_open_telecom")]


def calls(simulator: Any) -> int:
    return len(sent(simulator, "kyivstar_fmc", "call"))


def open_alerts(airflow: Deployment) -> int:
    return sum(".open." in key for key in airflow.variables)


class TestSteps:
    def test_the_first_message_at_once_and_a_call_after_ten_minutes(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        (first,) = texts(telecom_simulator)
        assert first.startswith("Airflow: nightly.load failed (try 1) in run")
        run = EscalationRun(notifier)
        run.go()
        (asked,) = airflow.asked.values()
        assert (asked.subject, asked.options) == ("1 task of 1 Dag failed", ["Acknowledge"])
        assert "nightly.load failed in run" in asked.body
        time_machine.move_to(STARTED + 9.9 * MINUTES, tick=False)
        assert run.go_on() is None
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        assert run.go_on() == "due"
        assert calls(telecom_simulator) == 1
        assert len(texts(telecom_simulator)) == 1, "there was no flood, so there is no summary"
        time_machine.move_to(STARTED + 69 * MINUTES, tick=False)
        assert run.go_on() is None
        time_machine.move_to(STARTED + 70 * MINUTES, tick=False)
        with pytest.raises(AirflowFailException, match="nobody has acknowledged"):
            run.go_on()
        assert open_alerts(airflow) == 0
        assert calls(telecom_simulator) == 1

    def test_a_step_says_how_long_nobody_answered_and_where_to(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call(then=[(10 * MINUTES, KyivstarSmsNotifier(msisdn=THIRD))])
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        text = texts(telecom_simulator)[1]
        assert text.startswith("Airflow: not acknowledged for 10 min: nightly.load failed in run")
        assert text.endswith(" https://airflow.example/dags/alerts/required_actions")

    def test_after_a_standstill_steps_keep_their_distance(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        call = KyivstarFmcCallNotifier(msisdn=OTHER)
        notifier = on_call(then=[(10 * MINUTES, KyivstarSmsNotifier(msisdn=THIRD)), (15 * MINUTES, call)])
        notifier(failed(airflow))
        time_machine.move_to(STARTED + 120 * MINUTES, tick=False)
        run = EscalationRun(notifier)
        run.go()
        assert (len(texts(telecom_simulator)), calls(telecom_simulator)) == (2, 0)
        time_machine.move_to(STARTED + 125 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1

    def test_a_step_that_was_not_sent_is_followed_by_the_next_at_once(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, caplog: Any
    ) -> None:
        caplog.set_level(logging.INFO)
        broken = KyivstarSmsNotifier(msisdn=THIRD, conn_id="there_is_none")
        notifier = on_call(
            then=[(10 * MINUTES, broken), (60 * MINUTES, KyivstarFmcCallNotifier(msisdn=OTHER))]
        )
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1
        assert "there_is_none" in caplog.text

    def test_the_last_step_is_tried_three_times(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        with telecom_simulator.refusing():
            for minute in (10, 15, 20, 25, 30):
                time_machine.move_to(STARTED + minute * MINUTES, tick=False)
                run.go_on()
                tries = run.store.get("telecom.step1")["facts"]["tries"]
                assert tries == min(3, (minute - 5) // 5)
        assert calls(telecom_simulator) == 0

    def test_a_vendor_that_fails_hides_nothing_and_the_alert_escalates(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, caplog: Any
    ) -> None:
        notifier = on_call()
        with telecom_simulator.refusing():
            notifier(failed(airflow))
        assert texts(telecom_simulator) == []
        assert not any(".sent." in key for key in airflow.variables), "its place is free again"
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1
        assert len(texts(telecom_simulator)) == 1, "and its people get it as the summary"
        assert "alert to recipient 1 not sent" in caplog.text


class TestOnce:
    def test_another_try_repeats_nothing(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 11 * MINUTES, tick=False)
        for _ in range(3):
            run.retried()
            run.go()
            run.go_on()
        assert calls(telecom_simulator) == 1

    def test_another_run_for_the_same_incident_repeats_nothing(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        """As after a run whose task has failed: the alerts are still open."""
        notifier = on_call()
        notifier(failed(airflow))
        for number in range(3):
            time_machine.move_to(STARTED + (11 + number) * MINUTES, tick=False)
            EscalationRun(notifier, f"asset_triggered__{number}").go()
        assert calls(telecom_simulator) == 1

    def test_what_was_being_sent_when_the_task_died_is_not_sent_again(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, mocker: Any, caplog: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        mocker.patch.object(KyivstarFmcCallNotifier, "deliver", side_effect=KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            run.go_on()
        mocker.stopall()
        from airflow.sdk.execution_time import task_runner

        mocker.patch.object(task_runner, "SUPERVISOR_COMMS", airflow, create=True)
        run.retried()
        run.go()
        run.go_on()
        assert calls(telecom_simulator) == 0
        assert "step1: an earlier try of this task ended while it sent the message" in caplog.text

    def test_a_run_that_has_ended_repeats_nothing_after_clear(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        airflow.tasks["nightly", RUN_ID, "load", -1] = "success"
        run.go_on()
        assert run.result == {"outcome": "recovered", "alerts": 1}
        time_machine.move_to(STARTED + MINUTES, tick=False)
        notifier(failed(airflow, "another"))
        run.retried()
        run.go()
        assert run.result == {"outcome": "recovered", "alerts": 1}
        assert open_alerts(airflow) == 1, "it belongs to the next run"

    def test_what_was_acknowledged_does_not_escalate_again_if_airflow_fails_while_it_ends(
        self, airflow: Deployment, telecom_simulator: Any, mocker: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        airflow.answered[run.ti_id] = STARTED + MINUTES
        fails = mocker.patch.object(OpenAlerts, "_delete", side_effect=TelecomNotSentError("not sent: 503"))
        with pytest.raises(TelecomNotSentError):
            run.go_on()
        mocker.stop(fails)
        run.retried()
        run.go()
        assert run.result == {"outcome": "acknowledged", "by": "olena", "alerts": 1}
        assert open_alerts(airflow) == 0, "another run would call although somebody has acknowledged"


class TestEnding:
    @pytest.mark.parametrize(
        "state",
        ["success", "skipped", "running", "queued", "scheduled", "deferred", "up_for_reschedule", None],
    )
    def test_it_ends_when_the_task_goes_on(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, state: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        airflow.tasks["nightly", RUN_ID, "load", -1] = state
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        assert run.go_on() == "recovered"
        assert run.result["outcome"] == "recovered"
        assert calls(telecom_simulator) == 0
        assert open_alerts(airflow) == 0

    def test_a_task_whose_callback_runs_has_not_recovered(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        """Airflow calls callbacks before it changes the state of the task."""
        key = ("nightly", RUN_ID, "load", -1)
        notifier = on_call()
        for minute in (0, 2):
            time_machine.move_to(STARTED + minute * MINUTES, tick=False)
            notifier(failed(airflow))
            airflow.tasks[key] = "running"
            run = EscalationRun(notifier, f"asset_triggered__{minute}")
            run.go()
            assert run.go_on() is None
            airflow.tasks[key] = "failed"
            assert run.go_on() is None
            airflow.tasks[key] = "running"  # somebody has cleared it
            assert run.go_on() == "recovered"
            assert run.result["outcome"] == "recovered"

    def test_a_failed_read_while_the_callback_runs_is_no_recovery(
        self, airflow: Deployment, telecom_simulator: Any, mocker: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        airflow.tasks["nightly", RUN_ID, "load", -1] = "running"
        fails = mocker.patch.object(OpenAlerts, "facts", return_value=None)
        run = EscalationRun(notifier)
        run.go()
        assert run.go_on() is None
        mocker.stop(fails)
        assert run.go_on() is None
        airflow.tasks["nightly", RUN_ID, "load", -1] = "failed"
        assert run.go_on() is None

    def test_a_task_that_fails_again_within_the_incident_has_not_recovered(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        notifier(failed(airflow, task_id="other"))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + MINUTES, tick=False)
        notifier(failed(airflow))
        airflow.tasks["nightly", RUN_ID, "load", -1] = "running"
        airflow.tasks["nightly", RUN_ID, "other", -1] = "success"
        assert run.go_on() is None
        airflow.tasks["nightly", RUN_ID, "load", -1] = "failed"
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1

    def test_what_runs_long_after_its_alert_runs_again(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        airflow.tasks["nightly", RUN_ID, "load", -1] = "running"
        time_machine.move_to(STARTED + 11 * MINUTES, tick=False)
        run = EscalationRun(notifier)
        run.go()
        assert run.result["outcome"] == "recovered"

    @pytest.mark.parametrize("state", ["failed", "upstream_failed", "up_for_retry", "removed", "deleted"])
    def test_it_goes_on_while_recovery_is_not_certain(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, state: str
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        airflow.tasks["nightly", RUN_ID, "load", -1] = state
        if state == "deleted":
            airflow.tasks.clear()
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1

    def test_all_must_recover(self, airflow: Deployment, telecom_simulator: Any) -> None:
        notifier = on_call()
        for place in range(3):
            notifier(failed(airflow, place=place))
        run = EscalationRun(notifier)
        run.go()
        for place in range(3):
            assert run.go_on() is None
            airflow.tasks["nightly", RUN_ID, "load", place] = "success"
        assert run.go_on() == "recovered"

    def test_a_person_ends_it(self, airflow: Deployment, telecom_simulator: Any, time_machine: Any) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        at = STARTED + 3 * MINUTES
        time_machine.move_to(at + MINUTES, tick=False)
        notifier(failed(airflow, "later"))
        run.go({
            "chosen_options": ["Acknowledge"],
            "responded_at": at,
            "responded_by_user": {"id": "7", "name": "olena"},
        })
        assert run.result == {"outcome": "acknowledged", "by": "olena", "alerts": 1}
        assert open_alerts(airflow) == 1, "the later one is another incident"
        assert calls(telecom_simulator) == 0

    def test_an_answer_that_came_while_a_worker_ran_is_found(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        airflow.answered[run.ti_id] = STARTED + MINUTES
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        assert run.go_on() == "answered"
        assert run.result["by"] == "olena"
        assert calls(telecom_simulator) == 0

    def test_an_answer_outlives_a_worker_that_dies(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, mocker: Any
    ) -> None:
        """The next try has another id, and Airflow does not tell it the answer."""
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        answer = {"chosen_options": ["Acknowledge"], "responded_at": STARTED, "responded_by_user": None}
        dies = mocker.patch.object(OpenAlerts, "list", side_effect=KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            run.go(answer)
        mocker.stop(dies)
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.retried()
        run.go()
        assert run.result["outcome"] == "acknowledged"
        assert calls(telecom_simulator) == 0

    def test_a_summary_that_quiet_hours_hold_back_keeps_no_incident_open(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        first = KyivstarSmsNotifier(msisdn=NUMBER, quiet_hours=("08:00", "20:00"), timezone="UTC")
        notifier = on_call(first=first)
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        time_machine.move_to(STARTED + 12 * MINUTES, tick=False)
        notifier(failed(airflow, "second"))
        with pytest.raises(AirflowFailException):
            run.go_on()
        assert open_alerts(airflow) == 1
        assert calls(telecom_simulator) == 1

    def test_a_new_alert_after_the_last_step_is_another_incident(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        time_machine.move_to(STARTED + 12 * MINUTES, tick=False)
        notifier(failed(airflow, "second"))
        with pytest.raises(AirflowFailException):
            run.go_on()
        assert open_alerts(airflow) == 1
        second = EscalationRun(notifier, "asset_triggered__2")
        second.go()
        time_machine.move_to(STARTED + 22 * MINUTES, tick=False)
        second.go_on()
        assert calls(telecom_simulator) == 2

    def test_without_an_open_alert_the_task_is_skipped(self, airflow: Deployment) -> None:
        with pytest.raises(AirflowSkipException):
            EscalationRun(on_call()).go()
        assert airflow.asked == {}

    def test_an_airflow_that_does_not_answer_is_no_recovery(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any, mocker: Any
    ) -> None:
        notifier = on_call()
        context: Any = {"dag": DAG("nightly", schedule=None), "run_id": RUN_ID, "reason": "timed_out"}
        notifier(context)
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1


class TestBadInput:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"then": ()}, r"^then: must be a list of at least one"),
            ({"then": "x"}, r"^then: must be a list of at least one"),
            ({"then": [10 * MINUTES]}, r"^then\[0\]: must be \(timedelta, notifier\)"),
            ({"then": [(600, "call")]}, r"^then\[0\]: its delay must be a timedelta, not int"),
            ({"then": [(0 * MINUTES, "call")]}, r"^then\[0\]: its delay, 0:00:00, must be positive"),
            (
                {"then": [(10 * MINUTES, "call"), (10 * MINUTES, "call")]},
                r"^then\[1\]: .* must be after the one before: delays are from the first alert",
            ),
            (
                {"then": [(timedelta(seconds=20), "call")]},
                r"^then\[0\]: it follows after 0:00:20, which is shorter than poll_interval, 0:00:30",
            ),
            (
                {"then": [(MINUTES, "call"), (timedelta(seconds=80), "call")]},
                r"^then\[1\]: it follows after 0:00:20, which is shorter than poll_interval",
            ),
            ({"then": [(timedelta(days=2), "call")]}, r"^then\[0\]: .* must be at most 1 day"),
            ({"then": [(MINUTES, print)]}, r"^then\[0\]: must be a notifier of this provider, not builtin"),
            ({"then": [(MINUTES, KyivstarSmsNotifier)]}, r"not KyivstarSmsNotifier$"),
            ({"then": [(MINUTES, "nested")]}, r"^then\[0\]: must not be an EscalatingNotifier"),
            ({"first": "nested"}, r"^first: must not be an EscalatingNotifier"),
            ({"first": "text"}, r"^first: must be a notifier of this provider, not str"),
            ({"first": "only one"}, r"^first: max_per_hour must be 2 or more"),
            ({"then": [(n * MINUTES, "call") for n in range(1, 12)]}, r"^then: has 11 steps; at most 10"),
            ({"dag_id": "a b"}, r"^dag_id: must be 1 to 250 letters"),
            ({"dag_id": ""}, r"^dag_id: must be"),
            ({"dag_id": "a" * 251}, r"^dag_id: must be"),
            ({"poll_interval": 1}, r"^poll_interval: must be 5 to 600 seconds"),
            ({"poll_interval": float("nan")}, r"^poll_interval: must be"),
            ({"poll_interval": True}, r"^poll_interval: must be"),
            ({"summary_after": timedelta(seconds=1)}, r"^summary_after: must be a timedelta of at least"),
            ({"keep_open": 3600}, r"^keep_open: must be a timedelta"),
        ],
    )
    def test_it_is_refused_with_field_and_rule(self, changed: dict[str, Any], message: str) -> None:
        call = KyivstarFmcCallNotifier(msisdn=OTHER)
        named = {
            "call": call,
            "nested": on_call(),
            "only one": KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=1),
        }
        arguments: dict[str, Any] = {"first": KyivstarSmsNotifier(msisdn=NUMBER), "then": [(MINUTES, call)]}
        arguments |= {
            name: named.get(value, value) if isinstance(value, str) else value
            for name, value in changed.items()
        }
        if isinstance(arguments["then"], list):
            arguments["then"] = [
                (step[0], named.get(step[1], step[1])) if isinstance(step, tuple) else step
                for step in arguments["then"]
            ]
        with pytest.raises(TelecomInputError, match=message):
            EscalatingNotifier(arguments.pop("first"), **arguments)

    @pytest.mark.parametrize("name", ["schedule", "max_active_runs", "catchup", "dag_id"])
    def test_what_the_escalation_sets_itself_is_refused(self, name: str) -> None:
        with pytest.raises(TelecomInputError, match=f"^{name}: is set by the escalation"):
            on_call().dag(**{name: 1})


class TestEvents:
    def test_success_does_not_escalate(self, airflow: Deployment, telecom_simulator: Any) -> None:
        on_call()(in_worker(state="success"))
        assert len(texts(telecom_simulator)) == 1
        assert open_alerts(airflow) == 0

    def test_its_own_dag_does_not_escalate(self, airflow: Deployment) -> None:
        on_call()(in_worker(dag_id="alerts"))
        assert open_alerts(airflow) == 0

    def test_without_variables_the_message_is_sent(
        self, telecom_simulator: Any, caplog: Any, no_write: Any, airflow: Deployment
    ) -> None:
        on_call()(failed(airflow))
        assert len(texts(telecom_simulator)) == 1
        assert "this alert does not escalate" in caplog.text

    def test_a_sync_callback_of_a_deadline_sends_and_says_that_it_does_not_escalate(
        self, airflow: Deployment, telecom_simulator: Any, caplog: Any
    ) -> None:
        on_call()(of_deadline())
        assert len(texts(telecom_simulator)) == 1
        assert airflow.variables == {}
        assert "use AsyncCallback" in caplog.text

    def test_a_deadline_in_the_triggerer_escalates_until_its_run_ends(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        """By a function of the user's module: Airflow stores only its path and JSON."""
        airflow.runs["nightly", RUN_ID] = "running"
        callback = AsyncCallback(f"{__name__}.missed")
        trigger = CallbackTrigger(callback.path, {**callback.kwargs, "context": of_deadline()})

        async def run() -> list[Any]:
            return [event.payload async for event in trigger.run()]

        assert asyncio.run(run())[-1] == {"state": "success", "body": None}
        assert "missed its deadline" in texts(telecom_simulator)[0]
        waiting = EscalationRun(on_call())
        waiting.go()
        (asked,) = airflow.asked.values()
        assert asked.subject == "1 deadline missed"
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        waiting.go_on()
        assert calls(telecom_simulator) == 1
        airflow.runs["nightly", RUN_ID] = "failed"
        assert waiting.go_on() == "recovered"

    @pytest.mark.parametrize("state", ["success", "running", "queued"])
    def test_a_run_that_failed_recovers(
        self, airflow: Deployment, telecom_simulator: Any, state: str
    ) -> None:
        context: Any = {"dag": DAG("nightly", schedule=None), "run_id": RUN_ID, "reason": "timed_out"}
        on_call()(context)
        airflow.runs["nightly", RUN_ID] = "failed"
        run = EscalationRun(on_call())
        run.go()
        assert run.go_on() is None
        airflow.runs["nightly", RUN_ID] = state
        assert run.go_on() == "recovered"

    def test_an_approval_escalates_until_it_is_answered(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        def asks(attempt: int) -> Any:
            event = Event("approval", "payouts", RUN_ID, "approve", try_number=attempt, subject="Pay 500?")
            return {EVENT_KEY: event}

        notifier = on_call(then=[(10 * MINUTES, KyivstarSmsNotifier(msisdn=THIRD))])
        airflow.tasks["payouts", RUN_ID, "approve", -1] = "awaiting_input"
        for attempt in (1, 1, 2):
            notifier(asks(attempt))
        assert [text.split(" https")[0] for text in texts(telecom_simulator)] == ["Pay 500?", "Pay 500?"]
        run = EscalationRun(notifier)
        run.go()
        (asked,) = airflow.asked.values()
        assert asked.subject == "2 approvals waiting"
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        last = texts(telecom_simulator)[-1]
        assert last.startswith("Airflow: not acknowledged for 10 min: 2 approvals waiting https://")
        assert run.go_on() is None
        airflow.tasks["payouts", RUN_ID, "approve", -1] = "success"
        assert run.go_on() == "recovered"

    def test_a_retried_task_and_its_end_are_two_messages_of_one_incident(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        notifier = on_call(first=KyivstarSmsNotifier(msisdn=NUMBER, each_try=True))
        airflow.tasks["nightly", RUN_ID, "load", -1] = "up_for_retry"
        notifier(in_worker(state="up_for_retry", max_tries=1))
        run = EscalationRun(notifier)
        run.go()
        airflow.tasks["nightly", RUN_ID, "load", -1] = "failed"
        notifier(in_worker(try_number=2, max_tries=1))
        assert len(texts(telecom_simulator)) == 2
        found = OpenAlerts("alerts").list()
        assert (len(found), describe(found)) == (2, "1 task of 1 Dag failed")
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert calls(telecom_simulator) == 1

    @pytest.mark.parametrize("choice", [{"each_try": True}, {"dedupe_key": "{{ ti.try_number }}"}], ids=str)
    def test_each_try_is_sent_if_the_first_notifier_sends_each(
        self, airflow: Deployment, telecom_simulator: Any, choice: dict[str, Any]
    ) -> None:
        notifier = on_call(first=KyivstarSmsNotifier(msisdn=NUMBER, **choice))
        for attempt in (1, 2, 2):
            notifier(in_worker(state="up_for_retry", try_number=attempt, max_tries=2))
        first, second = texts(telecom_simulator)
        assert ("(try 1)" in first, "(try 2)" in second) == (True, True)

    def test_the_same_failure_again_is_not_sent_again_but_escalates_again(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        """A task that was cleared and fails again: the first message is once per failure, as ever."""
        notifier = on_call()
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        airflow.tasks["nightly", RUN_ID, "load", -1] = "success"
        run.go()
        assert run.result["outcome"] == "recovered"
        time_machine.move_to(STARTED + 30 * MINUTES, tick=False)
        notifier(failed(airflow))
        assert len(texts(telecom_simulator)) == 1
        again = EscalationRun(notifier, "asset_triggered__2")
        again.go()
        time_machine.move_to(STARTED + 40 * MINUTES, tick=False)
        again.go_on()
        assert calls(telecom_simulator) == 1

    def test_the_recipients_on_call_are_those_of_the_failed_dags(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        plan = {
            "people": {"olena": THIRD, "ivan": OTHER},
            "tags": {"billing": ["olena"]},
            "default": ["ivan"],
        }
        airflow.variables["plan"] = json.dumps(plan)
        step = KyivstarSmsNotifier(msisdn=OnCall(variable="plan"))
        notifier = on_call(then=[(10 * MINUTES, step)])
        with DAG("nightly", schedule=None, tags=["billing"]) as dag:
            pass
        airflow.tasks["nightly", RUN_ID, "load", -1] = "failed"
        notifier(in_worker(dag=dag))
        run = EscalationRun(notifier)
        run.go()
        time_machine.move_to(STARTED + 10 * MINUTES, tick=False)
        run.go_on()
        assert sent(telecom_simulator, "kyivstar_open_telecom")[-1]["msisdn"] == THIRD.lstrip("+")

    def test_in_quiet_hours_the_summary_is_sent_when_they_end(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        first = KyivstarSmsNotifier(msisdn=NUMBER, quiet_hours=("08:00", "08:30"), timezone="UTC")
        notifier = on_call(first=first)
        notifier(failed(airflow))
        assert texts(telecom_simulator) == []
        run = EscalationRun(notifier)
        run.go()
        for minute in (10, 15, 20, 25):
            time_machine.move_to(STARTED + minute * MINUTES, tick=False)
            run.go_on()
        assert texts(telecom_simulator) == []
        assert calls(telecom_simulator) == 1
        time_machine.move_to(STARTED + 30 * MINUTES, tick=False)
        run.go_on()
        (text,) = texts(telecom_simulator)
        assert text.startswith("Airflow: nightly.load failed in run")

    def test_a_last_step_that_quiet_hours_hold_back_is_sent_when_they_end(
        self, airflow: Deployment, telecom_simulator: Any, time_machine: Any
    ) -> None:
        quiet: Any = {"quiet_hours": ("08:00", "11:00"), "timezone": "UTC"}
        notifier = on_call(
            first=KyivstarSmsNotifier(msisdn=NUMBER, **quiet),
            then=[(10 * MINUTES, KyivstarFmcCallNotifier(msisdn=OTHER, **quiet))],
        )
        notifier(failed(airflow))
        run = EscalationRun(notifier)
        run.go()
        for minute in range(10, 180, 10):
            time_machine.move_to(STARTED + minute * MINUTES, tick=False)
            run.go_on()
        assert (texts(telecom_simulator), calls(telecom_simulator)) == ([], 0)
        time_machine.move_to(STARTED + 180 * MINUTES, tick=False)
        run.go_on()
        assert (len(texts(telecom_simulator)), calls(telecom_simulator)) == (1, 1)
        time_machine.move_to(STARTED + 240 * MINUTES, tick=False)
        with pytest.raises(AirflowFailException, match="nobody has acknowledged"):
            run.go_on()


async def missed(context: Any) -> None:
    """What a user writes for the deadline of a Dag."""
    await on_call().async_notify(context)


class TestTriggers:
    def events(self, trigger: Any, most: int = 1) -> list[Any]:
        async def run() -> list[Any]:
            found = []
            async for event in trigger.run():
                found.append(event.payload)
                if len(found) == most:
                    break
            return found

        return asyncio.run(run())

    def test_an_open_alert_starts_the_dag(self, airflow: Deployment, time_machine: Any) -> None:
        dag = on_call().dag()
        (asset,) = dag.schedule
        (watcher,) = asset.watchers
        path, kwargs = watcher.trigger.serialize()
        trigger = import_from(path)(**kwargs)
        assert trigger._waiting() == frozenset()
        on_call()(failed(airflow))
        assert self.events(trigger) == [{"open": 1}]
        airflow.active_runs = 1
        assert trigger._waiting() == frozenset(), "a run handles it"
        assert dag.max_active_runs == 1

    def test_it_emits_once_for_the_same_alerts(self, airflow: Deployment, mocker: Any) -> None:
        on_call()(failed(airflow))
        trigger = OpenAlertsTrigger(dag_id="alerts", poll_interval=0)
        looked = 0

        def waiting() -> frozenset[str]:
            nonlocal looked
            looked += 1
            if looked == 3:
                raise AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR))
            return frozenset({"a"} if looked < 5 else {"a", "b"})

        mocker.patch.object(trigger, "_waiting", waiting)
        assert self.events(trigger, 2) == [{"open": 1}, {"open": 2}]
        assert looked == 5

    def test_while_no_alert_is_open_it_makes_one_request(self, airflow: Deployment) -> None:
        OpenAlertsTrigger(dag_id="alerts", poll_interval=5)._waiting()
        assert [type(request).__name__ for request in airflow.requests] == ["GetVariableKeys"]

    def test_a_step_is_due_even_if_airflow_does_not_answer(
        self, airflow: Deployment, time_machine: Any, mocker: Any, caplog: Any
    ) -> None:
        mocker.patch.object(Deployment, "send", side_effect=OSError)
        arguments = {"dag_id": "alerts", "ti_id": str(uuid.uuid4()), "summary_at": None, "new_after": None}
        due = time.time() - 1
        trigger = IncidentTrigger(**arguments, wake_at=due, poll_interval=5, first_poll_delay=0)
        assert self.events(trigger) == [{"reason": "due"}]
        assert "cannot be read" in caplog.text

    def test_a_wait_polls_with_few_requests(self, airflow: Deployment, time_machine: Any) -> None:
        notifier = on_call(first=KyivstarSmsNotifier(msisdn=NUMBER, max_per_hour=100))
        for place in range(60):
            notifier(failed(airflow, place=place))
        run = EscalationRun(notifier)
        run.go()
        recovery = Recovery(OpenAlerts("alerts"))
        alerts = recovery.alerts.list()
        assert not recovery.is_complete(alerts)
        airflow.requests.clear()
        assert not recovery.is_complete(alerts)
        assert len(airflow.requests) == 1
        for place in range(60):
            airflow.tasks["nightly", RUN_ID, "load", place] = "success"
        airflow.requests.clear()
        assert recovery.is_complete(alerts)
        assert len(airflow.requests) == 3, "all of a task at once"

    def test_a_flood_is_read_little_by_little(self, airflow: Deployment, time_machine: Any) -> None:
        alerts = OpenAlerts("alerts")
        for place in range(250):
            airflow.tasks["nightly", RUN_ID, "load", place] = "failed"
            alerts.open(AlertFacts("failed", "nightly", RUN_ID, "load", place))
        for read in (100, 100, 50):
            airflow.requests.clear()
            assert not Recovery(alerts).is_complete(alerts.list())
            assert sum(isinstance(one, comms.GetVariable) for one in airflow.requests) in (read, read + 1)
        for place in range(250):
            airflow.tasks["nightly", RUN_ID, "load", place] = "running"
        assert Recovery(alerts).is_complete(alerts.list())

    def test_old_messages_are_forgotten_where_no_incident_ends(self, airflow: Deployment) -> None:
        """As while the Dag of the escalation is missing: only callbacks run."""
        hours = 0.0
        alerts = OpenAlerts("alerts", clock=lambda: 3600 * hours)
        for number in range(200):
            hours = 2.0 * number
            assert alerts.claim(f"event{number}", 4, math.inf)
        assert len(alerts.sent_events()) == 13, "those of a day"


class TestWords:
    @pytest.mark.parametrize(
        ("sorts", "dags", "seconds", "text"),
        [
            ("t", 1, 0, "1 task of 1 Dag failed"),
            ("t" * 12, 3, 600, "12 tasks of 3 Dags failed in 10 minutes"),
            ("ttrr", 2, 61, "2 tasks and 2 runs of 2 Dags failed in 2 minutes"),
            ("tdda", 1, 0, "1 task of 1 Dag failed, 2 deadlines missed, 1 approval waiting"),
            ("aa", 1, 100, "2 approvals waiting"),
        ],
    )
    def test_what_is_open(self, sorts: str, dags: int, seconds: int, text: str) -> None:
        names = {"t": "task", "r": "run", "d": "deadline", "a": "approval"}
        alerts = [
            OpenAlert(
                "", seconds * place / max(1, len(sorts) - 1), names[sort], str(place % dags), str(place), 0.0
            )
            for place, sort in enumerate(sorts)
        ]
        assert describe(alerts) == text
