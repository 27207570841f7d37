"""What is made of the three contexts that Airflow gives."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_telecom.notifications.event import Event, event_from_context
from tests.notifications.contexts import BASE_URL, RUN_ID, a_dag, approval, in_worker, of_deadline


@pytest.mark.parametrize(
    ("context", "summary"),
    [
        (in_worker(), f"Airflow: nightly.load failed (try 1) in run {RUN_ID}"),
        (
            in_worker(state="up_for_retry", try_number=2),
            f"Airflow: nightly.load failed (try 2) in run {RUN_ID}",
        ),
        (
            in_worker(state="success", map_index=3),
            f"Airflow: nightly.load[3] succeeded (try 1) in run {RUN_ID}",
        ),
        (in_worker(state="skipped"), f"Airflow: nightly.load was skipped (try 1) in run {RUN_ID}"),
        (
            {**in_worker(), "reason": "task_failure"},
            f"Airflow: nightly failed (task_failure) in run {RUN_ID}",
        ),
        (
            {"dag": a_dag(), "run_id": RUN_ID, "reason": "timed_out"},
            f"Airflow: nightly failed (timed_out) in run {RUN_ID}",
        ),
        (
            {"dag": a_dag(), "run_id": RUN_ID, "reason": "success"},
            f"Airflow: nightly succeeded in run {RUN_ID}",
        ),
        (of_deadline(), f"Airflow: nightly missed its deadline in run {RUN_ID}"),
        (approval("Send\n the campaign?"), "Send the campaign?"),
        (approval(" ", map_index=2), f"Airflow: nightly.load[2] waits for an answer in run {RUN_ID}"),
        (approval(state="failed"), f"Airflow: nightly.load failed (try 1) in run {RUN_ID}"),
        ({}, "Airflow: a callback was called without a run"),
    ],
)
def test_summaries(context: dict[str, Any], summary: str) -> None:
    assert event_from_context(context).summary == summary


def test_links_of_tasks_and_runs() -> None:
    run = f"{BASE_URL}/dags/nightly/runs/{RUN_ID}"
    assert event_from_context(in_worker()).links(BASE_URL + "/") == [f"{run}/tasks/load", run]
    assert event_from_context(in_worker(map_index=3)).links(BASE_URL)[0] == f"{run}/tasks/load/mapped/3"
    assert event_from_context(of_deadline()).links(BASE_URL) == [run]


def test_links_of_approvals_lead_to_where_one_answers() -> None:
    run = f"{BASE_URL}/dags/nightly/runs/{RUN_ID}"
    every = [f"{run}/required_actions", f"{BASE_URL}/required_actions"]
    assert event_from_context(approval()).links(BASE_URL + "/") == [
        f"{run}/tasks/load/required_actions",
        *every,
    ]
    mapped = event_from_context(approval(map_index=3))
    assert mapped.links(BASE_URL) == [f"{run}/tasks/load/mapped/3/required_actions", *every]
    below_a_path = mapped.links(f"{BASE_URL}/airflow")
    assert all(link.startswith(f"{BASE_URL}/airflow/") for link in below_a_path)


def test_the_callback_when_an_approval_starts_is_none() -> None:
    context = approval()
    context["task"].hitl_summary_extra.clear()
    assert event_from_context(context).kind == "running"


def test_no_link_without_an_address_or_a_run() -> None:
    assert event_from_context(in_worker()).links(None) == []
    assert event_from_context(in_worker()).links("") == []
    assert event_from_context({}).links(BASE_URL) == []


def test_links_are_ascii() -> None:
    (link,) = Event("failed", "нічний", "a b/c").links(BASE_URL)
    assert link.isascii()
    assert link.endswith("/runs/a%20b%2Fc")


def test_what_makes_an_event_another_one() -> None:
    first = event_from_context(in_worker()).identity(each_try=False)
    assert event_from_context(in_worker(try_number=2)).identity(each_try=False) == first
    assert event_from_context(in_worker(try_number=2)).identity(each_try=True) != event_from_context(
        in_worker()
    ).identity(True)
    assert event_from_context(in_worker(map_index=1)).identity(each_try=False) != first
    assert event_from_context(in_worker(state="up_for_retry")).identity(each_try=False) != first
    assert event_from_context(of_deadline()).identity(False) != event_from_context(
        of_deadline(deadline_id="d2")
    ).identity(False)
    asked = event_from_context(approval()).identity(each_try=False)
    assert asked == event_from_context(approval("Another subject")).identity(each_try=False)
    assert event_from_context(approval(try_number=2)).identity(each_try=False) != asked
    assert event_from_context({}).identity(False) != event_from_context({}).identity(False)


@pytest.mark.parametrize(
    ("tries", "most", "kind"), [(1, 1, "up_for_retry"), (2, 1, "failed"), (1, None, "failed")]
)
def test_without_a_state_the_tries_tell_a_retry(tries: int, most: int | None, kind: str) -> None:
    assert event_from_context(in_worker(state=None, try_number=tries, max_tries=most)).kind == kind
