"""The receiver under load and under fire, in short: tests/system/test_receiver_load.py has the long forms."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.hostile import fuzz
from tests.system.receiver_load import Found, find_problems, message_lives, shuffled_duplicates, vendor
from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")

POSTS, COPIES, VENDORS = 400, 5, 2
SHOTS = 300


def test_each_report_is_kept_once_however_often_and_late_it_comes(served: Served) -> None:
    from airflow.configuration import conf

    posts = list(message_lives(POSTS // COPIES))
    numbers = shuffled_duplicates(posts, POSTS, seed=20)
    with ThreadPoolExecutor(VENDORS) as vendors:
        shares = [numbers[turn::VENDORS] for turn in range(VENDORS)]
        sent = [
            one
            for share in vendors.map(lambda share: vendor(served.settings, posts, share), shares)
            for one in share
        ]
    assert len(sent) == POSTS
    assert find_problems(posts, sent, Found.from_database(conf.get("database", "sql_alchemy_conn"))) == []
    verdicts = Counter(one.verdict for one in sent)
    assert set(verdicts) == {"accepted", "duplicate", "stale"}


@pytest.mark.parametrize("seed", [20])
def test_no_post_is_too_much(served: Served, seed: int) -> None:
    answers: Counter[int] = Counter()
    for shot in fuzz(SHOTS, seed):
        url = served.address(shot.kind, shot.nonce, vendor=shot.vendor, conn_id=shot.conn_id)
        status = served.post(url, content=shot.body, headers=shot.headers).status_code
        assert status in (200, 400, 409, 413, 415, 422), (seed, shot)
        answers[status] += 1
    assert min(answers[200], answers[400], answers[415], answers[422]) > 5, answers
    assert Counter(one["verdict"] == "refused" for one in served.log())[False] == answers[200]
