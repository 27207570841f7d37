"""Airflow's database crashes, loses its connections, stays away and has no disk; the checks find faults."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.disturbed_postgres import KINDS, disturbed_postgres
from tests.chaos.journal_faults import run_disturbed
from tests.chaos.rate_faults import send_while_disturbed, violations
from tests.chaos.receiver_faults import receive
from tests.system.receiver_load import Found, Sent, find_problems, message_lives
from tests.system.test_rate_limit import Run

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]


def test_the_receiver_loses_nothing(tmp_path: Path) -> None:
    with disturbed_postgres() as postgres:
        problems, _ = receive(postgres, tmp_path, seed=1, posts=500)
        assert problems == []
        assert set(KINDS) <= set(postgres.done)


def test_the_journal_and_the_budget_lose_nothing(tmp_path: Path) -> None:
    with disturbed_postgres() as postgres:
        problems, figures = run_disturbed(postgres, tmp_path, seed=1, intents=60)
    assert problems == []
    assert figures["done"] > 0
    assert set(KINDS) <= set(postgres.done)


@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_the_rate_limit_holds(kind: str, telecom_simulator: Any) -> None:
    run, done = send_while_disturbed(telecom_simulator, kind, seed=1)
    assert violations(run) == []
    assert done >= 3


def test_a_rate_that_is_exceeded_is_found() -> None:
    turns = [[place / 1000 for place in range(100)]]
    run = Run(turns, [], [], 0.1, ["an error"], [place / 1000 for place in range(100)])
    assert violations(run)[0].startswith("faster than the rate")
    assert violations(run)[1] == "the processes [0] did not go on"


def test_a_full_disk_is_one() -> None:
    """A disturbance that disturbs nobody would prove nothing."""
    import psycopg2

    failed = []
    with disturbed_postgres() as postgres:
        address = postgres.server.new_database("full").replace("+psycopg2", "")
        filling = threading.Thread(target=postgres.disturb, args=("fill_disk", 5.0))
        filling.start()
        while filling.is_alive() and not failed:
            try:
                with psycopg2.connect(address) as connection, connection.cursor() as cursor:
                    cursor.execute("create table if not exists much (text text)")
                    cursor.execute(
                        "insert into much select repeat(md5(i::text), 200) from generate_series(1, 3000) i"
                    )
            except psycopg2.Error as error:
                failed.append(error)
        filling.join()
    assert failed


def test_a_lost_webhook_is_found() -> None:
    lives = list(message_lives(10))
    sent = [Sent(number, "accepted", 0.1, 1) for number in range(len(lives))]
    problems = find_problems(lives, sent, Found({"head": {"next": 0}}, []))
    assert any("the deduplication record says None" in problem for problem in problems)
