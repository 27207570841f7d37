"""Airflow's database crashes, loses its connections, stays away and has no disk; the checks find faults."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.chaos.disturbed_postgres import KINDS, disturbed_postgres
from tests.chaos.journal_faults import run_disturbed
from tests.chaos.receiver_faults import receive
from tests.system.receiver_load import Found, Sent, find_problems, message_lives

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
