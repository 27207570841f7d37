"""Eight processes compete for the last money of a budget, by Airflow's real Execution API and database.

`python -m tests.bulk.budget_race 1000` prints the result; Airflow's own settings choose the database.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections import Counter
from decimal import Decimal
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from airflow.sdk.api.client import Client
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.budget_store import Reservation, valid_claims
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.journal.journal import Journal
from tests.journal.execution_api import Deployment, answer, execution_api
from tests.running import Store

PROCESSES = 8
PRICES = ["3", "3", "3", "4", "4.5", "2", "7", "10"]
CAP = Decimal(10)
numbers = count(1)


class Supervisor:
    """What a worker's process has in place of its own connection to the database."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def send(self, message: Any) -> Any:
        """Answer the task."""
        return answer(self._client, message)


def compete(pipe: Connection, barrier: Barrier, place: int) -> None:
    """Ask for money in each round, and send back what was granted."""
    url, token, run_id, rounds = pipe.recv()
    client = Client(base_url=url, token=token, timeout=600)
    task_runner.SUPERVISOR_COMMS = Supervisor(client)  # type: ignore[assignment]
    journal = Journal(Store())  # it is the task's own: nobody competes for it
    granted: list[bool | str] = []
    for name in rounds:
        barrier.wait()
        try:
            reservation = Reservation(Budget(name, "EUR", per_day=CAP), journal, run_id)
            reservation.reserve(Decimal(0), Decimal(PRICES[place]))
            granted.append(True)
        except TelecomInputError:
            granted.append(False)
        except Exception as error:  # it is the test that fails, not a process that nobody sees
            granted.append(repr(error))
    pipe.send(granted)


def race(rounds: int) -> tuple[list[list[bool | str]], list[str]]:
    """Return, for each process, what was granted in each round, and the keys of all claims."""
    from airflow.models.variable import Variable
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from sqlalchemy import select

    initdb()
    forked = multiprocessing.get_context("fork")
    barrier = forked.Barrier(PROCESSES, timeout=600)
    pipes, processes = [], []
    for place in range(PROCESSES):  # before the server has threads
        mine, theirs = forked.Pipe()
        process = forked.Process(target=compete, args=(theirs, barrier, place), daemon=True)
        process.start()
        pipes.append(mine)
        processes.append(process)
    names = [f"race-{next(numbers)}" for _ in range(rounds)]
    try:
        with execution_api() as url:
            for place, pipe in enumerate(pipes):
                deployment = Deployment(url, f"race__{next(numbers)}_{place}")
                begun = deployment.begin()
                token = begun.client.auth.token  # of a task that runs
                begun.client.close()
                pipe.send((url, token, begun.run_id, names))
            granted = [pipe.recv() for pipe in pipes]
    finally:
        for process in processes:
            process.terminate()
            process.join(60)
    with create_session(scoped=False) as session:
        keys = list(session.scalars(select(Variable.key).where(Variable.key.startswith("telecom_budget."))))
    by_name = [key for key in keys if key.split(".")[1] in names]
    return granted, by_name


def check(rounds: int) -> dict[str, int]:
    """Check that no round spent more than the cap, and return how many rounds spent how much."""
    granted, keys = race(rounds)
    claims: dict[str, Decimal] = {}
    for claim in valid_claims(keys):
        claims[claim.name] = claims.get(claim.name, Decimal(0)) + claim.amount
    assert len(claims) == rounds
    spent = []
    for round_ in range(rounds):
        found = [each[round_] for each in granted]
        assert not [one for one in found if isinstance(one, str)], found
        passed = [Decimal(price) for price, one in zip(PRICES, found, strict=True) if one]
        spent.append(sum(passed, Decimal(0)))
        assert spent[-1] <= CAP
    assert sorted(spent) == sorted(claims.values())  # what was refused is claimed no more
    return {str(amount): number for amount, number in sorted(Counter(spent).items())}


if __name__ == "__main__":
    print(json.dumps(check(int(sys.argv[1]))))  # noqa: T201 - the command's output
