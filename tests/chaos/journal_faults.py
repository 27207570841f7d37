"""Sends through Airflow's real Execution API whose PostgreSQL fails: the journal and the budget lose nothing.

`python -m tests.chaos.journal_faults SEED INTENTS` is the deployment: an Execution API, tasks in threads, and
the simulated vendors. Airflow's own variables name the database. It writes "begun" when the tasks begin, and
last a JSON object: what is wrong, and figures. Whoever started it disturbs the database in between.

A task has as many tries as it needs. Its effects are an SMS with an idempotency key, a call without one
(`on_unknown="fail"`), or three SMS of a budget that is too small for all of them.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse

from airflow_provider_telecom.bulk.budget_store import valid_claims
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
)
from airflow_provider_telecom.operators.kyivstar_fmc import (
    KyivstarFmcOriginateCallOperator,
)
from airflow_provider_telecom.simulator.server import Simulator
from tests.chaos.checker import check, figures
from tests.chaos.disturbed_postgres import DisturbedPostgres, disturb_until, disturbed_postgres
from tests.chaos.history import History
from tests.chaos.scenario import Round, Scenario
from tests.journal import execution_api
from tests.journal.execution_api import TASK_ID, Deployment, Try, answer

THREADS, MAX_TRIES, TASKS_PER_ROUND = 6, 200, 250
KINDS = ("sms", "call", "bulk")
BULK_SIZE, PRICE = 3, Decimal("0.02")
T = TypeVar("T")


class Supervisor:
    """Answers the tasks of all threads. What it cannot ask for is an error, as with Airflow's supervisor."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def serve(self, begun: Try) -> None:
        """Answer this thread's task by the client of its try."""
        self._thread.client = begun.client

    def send(self, message: Any) -> Any:
        """Answer a task."""
        try:
            return answer(self._thread.client, message)
        except AirflowRuntimeError:
            raise
        except Exception as error:
            detail = {"error": type(error).__name__}
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR, detail=detail)) from None


def persistent(act: Callable[[], T]) -> T:
    """Do what the scheduler and the worker do until they succeed."""
    for _ in range(MAX_TRIES):
        try:
            return act()
        except Exception:
            time.sleep(0.2)
    return act()


class World:
    """The deployment, its tasks and what they did."""

    def __init__(self, seed: int, intents: int, url: str, simulator: Simulator) -> None:
        self._url, self._simulator, self._seed = url, simulator, seed
        self.history, self._supervisor = History(), Supervisor()
        self._numbers = iter(range(380670000000, 380670900000))
        self._one_at_a_time = threading.Lock()
        bulks = sum(place % len(KINDS) == KINDS.index("bulk") for place in range(intents))
        self.cap = PRICE * BULK_SIZE * (bulks // 2)
        self.budget = Budget(f"chaos{seed}", "EUR", per_day=str(self.cap))
        self.intents = intents
        self.tries = 0
        self.errors: Counter[str] = Counter()
        task_runner.SUPERVISOR_COMMS = self._supervisor  # type: ignore[assignment]

    def run(self) -> None:
        """Let all tasks run to their end."""
        self.history.disturbed("the database is disturbed from the beginning")
        with ThreadPoolExecutor(THREADS) as threads:
            for done in [threads.submit(self._task, place) for place in range(self.intents)]:
                done.result()
        self.history.effects(self._simulator, _called)

    def _task(self, place: int) -> None:
        kind = KINDS[place % len(KINDS)]
        with self._one_at_a_time:
            numbers = [str(next(self._numbers)) for _ in range(BULK_SIZE if kind == "bulk" else 1)]
        deployment = persistent(
            lambda: Deployment(self._url, f"chaos__{self._seed}_{place}_{time.time_ns()}")
        )
        previous: Try | None = None
        for _ in range(MAX_TRIES):
            if previous is not None:
                persistent(partial(_give_up, deployment, previous))
            previous = persistent(deployment.begin)
            self._supervisor.serve(previous)
            if self._try(kind, numbers, previous):
                return

    def _try(self, kind: str, numbers: list[str], begun: Try) -> bool:
        """Run one try, and return whether the task has ended."""
        operation = self.history.invoke(numbers, "fail" if kind == "call" else "key")
        outcome: Any = "again"
        self.tries += 1
        try:
            with self._one_at_a_time:  # the Dag that is being made is the process's
                operator = self._operator(kind, numbers)
                with DAG(execution_api.DAG_ID, schedule=None) as dag:
                    dag.add_task(operator)
            context = begun.context
            context["ti"].try_number, context["ti"].max_tries = begun.number, MAX_TRIES
            operator.render_template_fields(context)
            operator.execute(context)
            outcome = "ok"
        except OutcomeUnknownError:
            outcome = "unknown"
        except TelecomInputError as error:
            outcome = "fail"
            self.errors[f"{type(error).__name__} {error.field}"] += 1
        except (AirflowRuntimeError, TelecomError) as error:
            self.errors[type(error).__name__] += 1
        except Exception as error:
            self.errors["".join(traceback.format_exception(error))[-1500:]] += 1
        finally:
            begun.client.close()
        self.history.effects(self._simulator, _called)
        self.history.complete(operation, outcome)
        return bool(outcome != "again")

    def _operator(self, kind: str, numbers: list[str]) -> Any:
        if kind == "sms":
            return KetchUpSendSmsOperator(task_id=TASK_ID, msisdn=numbers[0], text="Hi", originator="Shop")
        if kind == "call":
            return KyivstarFmcOriginateCallOperator(
                task_id=TASK_ID, called_number=numbers[0], calling_number="380671000000"
            )
        return KetchUpSendBulkSmsOperator(
            task_id=TASK_ID, recipients=numbers, text="Hi", originator="Shop", budget=self.budget
        )

    def budget_problems(self) -> list[str]:
        """Return what is wrong with the budget: more spent than the cap, or than what the claims say."""
        from airflow.models.variable import Variable
        from airflow.utils.session import create_session
        from sqlalchemy import select

        head = f"telecom_budget.{self.budget.name}."
        with create_session(scoped=False) as session:
            keys = list(session.scalars(select(Variable.key).where(Variable.key.startswith(head))))
        claimed = sum((claim.amount for claim in valid_claims(keys)), Decimal(0))
        messages, bulk = self._simulator.state.ledger.of("ketchup_loyalty", "sms"), self._bulk_numbers()
        spent = PRICE * sum(effect.facts["msisdn"] in bulk for effect in messages)
        problems = []
        if spent > self.cap:
            problems.append(f"{spent} EUR were spent of a cap of {self.cap}")
        if claimed < spent:
            problems.append(f"{spent} EUR were spent, and only {claimed} EUR are claimed")
        if claimed > self.cap:
            problems.append(f"{claimed} EUR are claimed of a cap of {self.cap}")
        if not spent:
            problems.append("nothing was spent of the budget")
        return problems

    def _bulk_numbers(self) -> set[str]:
        by_operation: dict[int, set[str]] = {}
        for event in self.history.events:
            if event.kind == "invoke":
                by_operation.setdefault(event.operation, set()).add(event.intent)
        return set().union(*(names for names in by_operation.values() if len(names) == BULK_SIZE))


def _give_up(deployment: Deployment, old: Try) -> None:
    """Let the scheduler take a try for dead; do nothing if that was written before."""
    with deployment.task_instance() as ti:
        is_current = ti.id == old.ti_id
    if is_current:
        deployment.given_up_by_the_scheduler(old)


def _called(effect: Any) -> list[str]:
    if effect.kind == "call":
        return [f"38{effect.facts['called']}"]
    return [effect.facts["msisdn"]] if effect.kind == "sms" else []


def run_disturbed(
    postgres: DisturbedPostgres, home: Path, seed: int, intents: int
) -> tuple[list[str], dict[str, Any]]:
    """Run a deployment while its database fails; return what is wrong, and figures."""
    errors = (home / "journal.err").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.journal_faults", str(seed), str(intents)],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.server.new_database(f"journal_{seed}"),
            "AIRFLOW__API_AUTH__JWT_SECRET": "made-up-" * 8,
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "2",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN": "0.1",
            "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "0.3",
        },
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    errors.close()
    assert process.stdout is not None
    lines: list[str] = []
    try:
        begun = process.stdout.readline()
        if begun.strip() != "begun":
            raise RuntimeError(f"it did not begin: {(home / 'journal.err').read_text()[-3000:]}")
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reader.start()
        disturb_until(postgres, lambda: bool(lines) or process.poll() is not None, random.Random(seed))
        reader.join()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if not lines:
        raise RuntimeError(f"it ended early: {(home / 'journal.err').read_text()[-3000:]}")
    found = json.loads(lines[-1])
    return found["problems"], {**found["figures"], **postgres.done}


def play(round_: Round) -> dict[str, float]:
    """Run tasks over a new PostgreSQL, and return what they did."""
    home = round_.folder
    home.mkdir(parents=True)
    with disturbed_postgres() as postgres:
        problems, found = run_disturbed(postgres, home, round_.dice.randrange(1 << 30), TASKS_PER_ROUND)
    round_.expect(not problems, "\n".join(problems[:20]))
    return {name: value for name, value in found.items() if isinstance(value, int)}


SCENARIOS = (Scenario("services.journal", play, "tasks", 1000, waits=True),)


def main(seed: int, intents: int) -> None:
    """Run the deployment."""
    from airflow.utils.db import initdb

    logging.disable(logging.CRITICAL)
    random.seed(seed)
    initdb()
    simulator = Simulator()
    simulator.start()
    os.environ.update(simulator.environment())
    execution_api.RETRIES = MAX_TRIES
    # In a process of its own: there, Airflow must not take itself for a task that has a supervisor.
    context = multiprocessing.get_context("spawn")
    urls = context.SimpleQueue()
    api = context.Process(target=_serve, args=(urls,), daemon=True)
    api.start()
    try:
        world = World(seed, intents, urls.get(), simulator)
        _write("begun")
        world.run()
        problems = [str(violation) for violation in check(world.history.events)]
        problems += persistent(world.budget_problems)
    finally:
        api.kill()
    numbers = {
        **figures(world.history.events),
        "tasks": intents,
        "tries": world.tries,
        "errors": dict(world.errors),
    }
    simulator.stop()
    _write(json.dumps({"problems": problems, "figures": numbers}))


def _serve(urls: Any) -> None:
    with execution_api.execution_api() as url:
        urls.put(url)
        threading.Event().wait()


def _write(line: str) -> None:
    _answers.write(f"{line}\n")
    _answers.flush()


if __name__ == "__main__":
    _answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow logs to it
    main(*map(int, sys.argv[1:]))
