"""Quiet hours: alerts are held back and counted, unless they are urgent or can't be counted."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from tests.hooks.test_store import Supervisor
from tests.notifications.contexts import NUMBER, OTHER, in_worker, of_deadline, sent

pytestmark = pytest.mark.usefixtures("every_hook")
NIGHT: dict[str, Any] = {"quiet_hours": ("22:00", "07:00"), "timezone": "Europe/Kyiv"}
AT_NIGHT, IN_THE_MORNING = "2026-11-21T02:00:00Z", "2026-11-21T05:00:00Z"


def texts(simulator: Any) -> list[str]:
    return [one["text"] for one in sent(simulator, "ketchup_loyalty")]


def test_the_next_alert_says_how_many_were_held_back(
    telecom_simulator: Any, supervisor: Supervisor, time_machine: Any, caplog: Any
) -> None:
    notifier = KetchUpSmsNotifier(msisdn=[NUMBER, OTHER], **NIGHT)
    time_machine.move_to(AT_NIGHT, tick=True)
    for run_id, attempt in (("a", 1), ("b", 1), ("b", 2)):
        notifier(in_worker(run_id=run_id, try_number=attempt))
    assert texts(telecom_simulator) == []
    assert "suppressed: quiet hours 22:00-07:00 in Europe/Kyiv, 2 suppressed since" in caplog.text
    time_machine.move_to(IN_THE_MORNING, tick=True)
    notifier(in_worker(run_id="c"))
    assert [" +2 more " in text for text in texts(telecom_simulator)] == [True, True]


def test_what_was_held_back_is_sent_if_it_happens_again_by_day(
    telecom_simulator: Any, supervisor: Supervisor, time_machine: Any
) -> None:
    notifier = KetchUpSmsNotifier(msisdn=NUMBER, **NIGHT)
    for now in (AT_NIGHT, IN_THE_MORNING):
        time_machine.move_to(now, tick=True)
        notifier(in_worker())
    assert len(texts(telecom_simulator)) == 1
    assert "more" not in texts(telecom_simulator)[0]


def test_what_was_sent_before_the_night_is_not_counted(
    telecom_simulator: Any, supervisor: Supervisor, time_machine: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    notifier = KetchUpSmsNotifier(msisdn=NUMBER, **NIGHT)
    for now in ("2026-11-20T19:59:00Z", AT_NIGHT):
        time_machine.move_to(now, tick=True)
        notifier(in_worker())
    assert "suppressed: sent before" in caplog.text
    assert len(texts(telecom_simulator)) == 1


@pytest.mark.parametrize(
    "given",
    [{"urgent": True}, {"quiet_hours": "07:00-22:00"}, {"timezone": "Asia/Tokyo"}, {"max_per_hour": 1}],
)
def test_urgent_alerts_and_those_by_day_are_sent(
    telecom_simulator: Any, time_machine: Any, given: dict[str, Any]
) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    KetchUpSmsNotifier(msisdn=NUMBER, **{**NIGHT, **given})(in_worker())
    assert len(texts(telecom_simulator)) == ("max_per_hour" not in given)


def test_calls_are_held_back_too(telecom_simulator: Any, time_machine: Any) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    KyivstarFmcCallNotifier(msisdn=NUMBER, **NIGHT)(in_worker())
    assert sent(telecom_simulator, "kyivstar_fmc", "call") == []


def test_templates(telecom_simulator: Any, time_machine: Any) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    context = {**in_worker(), "params": {"from": "22:00", "hours": "22:00-07:00", "zone": "Europe/Kyiv"}}
    for hours in (("{{ params.from }}", "07:00"), "{{ params.hours }}"):
        KetchUpSmsNotifier(msisdn=NUMBER, quiet_hours=hours, timezone="{{ params.zone }}")(context)
    assert texts(telecom_simulator) == []


@pytest.mark.parametrize(
    "wrong", [{"quiet_hours": "{{ 1 / 0 }}"}, {"quiet_hours": "{{ 22 }}"}, {"timezone": "{{ 'Kyiv' }}"}]
)
def test_a_mistake_that_shows_late_holds_nothing_back(
    telecom_simulator: Any, time_machine: Any, caplog: Any, wrong: dict[str, Any]
) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    KetchUpSmsNotifier(msisdn=NUMBER, **{**NIGHT, **wrong})(in_worker())
    assert len(texts(telecom_simulator)) == 1
    assert f"the alert is sent without quiet hours: {next(iter(wrong))}: " in caplog.text


def test_a_deadline_in_an_executor_cannot_count_and_is_sent(
    telecom_simulator: Any, supervisor: Supervisor, time_machine: Any
) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    KetchUpSmsNotifier(msisdn=NUMBER, **NIGHT)(of_deadline())
    assert len(texts(telecom_simulator)) == 1


def test_what_cannot_be_counted_for_all_processes_is_sent(
    telecom_simulator: Any, supervisor: Supervisor, no_write: Any, time_machine: Any, caplog: Any
) -> None:
    time_machine.move_to(AT_NIGHT, tick=True)
    KetchUpSmsNotifier(msisdn=NUMBER, **NIGHT)(in_worker())
    assert len(texts(telecom_simulator)) == 1
    assert "+1" not in texts(telecom_simulator)[0]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"quiet_hours": "22-7", "timezone": "Europe/Kyiv"}, "quiet_hours: must be two local times"),
        ({"quiet_hours": ("22:00", "22:00"), "timezone": "Europe/Kyiv"}, "quiet_hours: has two equal times"),
        ({"quiet_hours": ("22:00", "07:00"), "timezone": "Kyiv"}, "timezone: Kyiv: must be an IANA name"),
        ({"quiet_hours": ("22:00", "07:00")}, "timezone: is needed with quiet_hours"),
        ({"timezone": "Europe/Kyiv"}, "quiet_hours: is needed with timezone"),
        ({"urgent": "no"}, "urgent: must be True or False"),
    ],
)
def test_mistakes_are_refused_when_the_dag_is_parsed(wrong: dict[str, Any], error: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{error}"):
        KetchUpSmsNotifier(msisdn=NUMBER, **wrong)
