"""The webhook receiver over a PostgreSQL that fails in every way: what is acknowledged is never lost.

A real api-server with two processes receives the posts of simulated vendors, each several times. A vendor
posts again until it gets a 2xx.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.disturbed_postgres import DisturbedPostgres, disturb_until, disturbed_postgres
from tests.chaos.scenario import Round, Scenario
from tests.system.receiver_load import (
    Found,
    Sent,
    find_problems,
    message_lives,
    receiver_settings,
    running_api_server,
    shuffled_duplicates,
    vendor,
)

DUPLICATES, CONCURRENCY = 5, 16
POSTS_PER_ROUND = 2000


def receive(
    postgres: DisturbedPostgres, home: Path, seed: int, posts: int
) -> tuple[list[str], dict[str, Any]]:
    """Receive posts while the database fails; return what is wrong, and figures."""
    dice, lives = random.Random(seed), list(message_lives(posts // DUPLICATES))
    numbers = shuffled_duplicates(lives, posts, seed)
    database = postgres.server.new_database(f"receiver_{seed}")
    sent: list[Sent] = []
    with running_api_server(home, database) as server:
        settings = receiver_settings(server.url)

        def post() -> None:
            sent.extend(vendor(settings, lives, numbers, concurrency=CONCURRENCY))

        posting = threading.Thread(target=post)
        posting.start()
        disturb_until(postgres, lambda: not posting.is_alive(), dice)
        posting.join()
        problems = find_problems(lives, sent, Found.from_database(database))
        log = server.log()
    if len(sent) != posts:
        problems.append(f"{len(sent)} of {posts} posts were acknowledged")
    for secret in (settings.url(lives[0].address).rpartition("/")[2], "380670000200"):
        if secret in log:
            problems.append("the log of the api-server shows a signature or a number")
    return problems, {
        "posts": posts,
        "posted_again": sum(one.tries > 1 for one in sent),
        "longest_seconds": round(max(one.seconds for one in sent), 1),
        "verdicts": dict(Counter(one.verdict for one in sent)),
        **postgres.done,
    }


def play(round_: Round) -> dict[str, float]:
    """Receive posts over a new PostgreSQL, and return how often it was disturbed."""
    home = round_.folder
    home.mkdir(parents=True)
    with disturbed_postgres() as postgres:
        problems, figures = receive(postgres, home, round_.dice.randrange(1 << 30), POSTS_PER_ROUND)
    round_.expect(not problems, "\n".join(problems[:20]))
    return {name: value for name, value in figures.items() if isinstance(value, int)}


SCENARIOS = (Scenario("services.receiver", play, "posts", 8000, waits=True),)
