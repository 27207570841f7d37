"""A ladder of Viber and SMS whose tasks are killed with SIGKILL, cleared in any order, and get late receipts.

Whatever happens, nobody is charged twice by a rung, and nobody gets an SMS whose Viber message was not known
to have failed when the SMS were begun. The file of outcomes, the report and the vendor's ledger agree.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_telecom.bulk import fallback
from tests.campaigns.dag_runs import FAILED as TASK_FAILED
from tests.campaigns.dag_runs import SUCCESS, DagRun
from tests.campaigns.world import FAILED, World, ladder_audience, ladder_dag, numbers, outcomes
from tests.chaos.history import Outcome
from tests.chaos.kills import KETCHUP, Kills, disturb
from tests.chaos.processes import Ended, FileStores, Kill
from tests.chaos.scenario import Figures, Round, Scenario
from tests.chaos.tries import prepare, use_the_clock_of_the_simulator

PEOPLE, MOST_TRIES = 30, 200
SMS_AUDIENCE, SENDS = "spring.sms.audience", {"spring.viber.send": "viber", "spring.sms.send": "sms"}
_OUTCOMES: dict[str, Outcome] = {"unknown": "unknown", "refused": "fail"}
"""All other states of a line say that the message was accepted."""


# In the child.


class _StoredDagRun(FileStores, DagRun):
    """One task of a run; what other tasks have returned is given."""

    def __init__(self, dag: DAG, order: dict[str, Any]) -> None:
        super().__init__(dag, order["run_id"])
        self.folder, self.xcoms = Path(order["store"]), order["xcoms"]


def one_task(order: dict[str, Any]) -> Any:
    """Run one try of a task of the ladder, and return its XCom."""
    prepare(order)
    use_the_clock_of_the_simulator(order["control"])
    dag = ladder_dag(Path(order["folder"]), PEOPLE, audience=order["audience"])
    task: Any = dag.get_task(order["task_id"])
    return _StoredDagRun(dag, order).execute(task.prepare_for_execution())


# In the process that plays.


class _KilledError(BaseException):
    """The try was killed."""


class TryError(Exception):
    """A try failed."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(str(ended.error))
        self.ended = ended


class ForkedDagRun(DagRun):
    """A Dag run whose tries are children of the killing process."""

    def __init__(self, dag: DAG, round_: Round, order: dict[str, Any], kills: LadderKills) -> None:
        super().__init__(dag, order["run_id"])
        self._round, self._order, self._kills = round_, order, kills

    def execute(self, operator: Any, **more: Any) -> Any:
        """Run one try in a child, and record what it did."""
        history, channel = self._round.history, SENDS.get(operator.task_id)
        intents = [f"{channel} {number}" for number in numbers(PEOPLE)] if channel else []
        operation = history.invoke(intents, "assume_sent")
        order = {**self._order, "task_id": operator.task_id, "xcoms": self.xcoms}
        ended = self._round.run("tests.chaos.ladder:one_task", order, self._kills.next(operator.task_id))
        history.effects(self._round.simulator, intents_of)
        if ended.killed:
            history.killed(operation)
            raise _KilledError
        history.complete(operation, "again")
        if ended.is_a("AirflowSkipException"):
            raise AirflowSkipException
        if ended.error is not None:
            raise TryError(ended)
        return ended.result


class LadderKills:
    """Each task is killed once, at the step whose turn it is; or some tries are killed by chance."""

    MOST_STEPS, MOST_LINES = 90, 6000

    def __init__(self, round_: Round) -> None:
        self._kills = Kills(round_, round_.number, self.MOST_STEPS, self.MOST_LINES)
        self._dice, self._killed = round_.dice, set[str]()

    @property
    def is_in_order(self) -> bool:
        """Whether this round goes through the steps in order."""
        return self._kills.is_in_order

    def next(self, task_id: str) -> Kill:
        """Return the kill of the next try of a task."""
        if not self.is_in_order:
            return self._kills.next() if self._dice.random() < 0.5 else Kill()
        if task_id in self._killed:
            return Kill()
        self._killed.add(task_id)
        return Kill(step=self._kills.step_in_order)


def intents_of(effect: Any) -> list[str]:
    """Return who was charged for what."""
    return [f"{effect.kind} {effect.facts['msisdn']}"] if effect.kind in ("viber", "sms") else []


def ladder(round_: Round) -> Figures:
    """Play a run of a ladder to its end."""
    with pytest.MonkeyPatch.context() as patched:
        world = World(round_.fresh(), patched)
        audience = ladder_audience(round_.folder, PEOPLE)
        dag = ladder_dag(round_.folder, PEOPLE, audience=audience)
        kills = LadderKills(round_)
        if not kills.is_in_order:
            for path in ("/viber/create", "/sms/create"):
                disturb(round_, KETCHUP, path, most=2)
        order = {
            "run_id": f"manual__{round_.number}",
            "folder": str(round_.folder),
            "audience": audience,
            "store": str(round_.folder / "store"),
            "environment": round_.environment(
                ketchup_loyalty={"originator": "Shop", "viber_sender": "Shop", "vendor_timezone": "UTC"}
            ),
            "control": f"{round_.simulator.url}/_control/clock",
        }
        run = ForkedDagRun(dag, round_, order, kills)
        begun = _play(round_, run, world)
        _check(round_, run, world, begun)
    return {"tries": sum(1 for _ in round_.history.events if _.kind == "invoke") // PEOPLE}


def _play(round_: Round, run: ForkedDagRun, world: World) -> dict[str, str] | None:
    """Run, kill and clear tasks until all are done; return the states of Viber when the SMS were begun."""
    dice, clears, begun, reported = round_.dice, 3, None, False
    own = round_.folder / "audience" / "fallback" / "dag" / run.run_id
    marks = own / "spring-sms" / fallback.STARTED_FILE
    names = [task.task_id for task in run.dag.topological_sort()]
    late = dice.randrange(12)
    for step in range(MOST_TRIES):
        if step == late:
            world.late_receipts()
        done = [name for name in names if name in run.states]
        if done and clears and dice.random() < 0.2:
            clears -= 1
            run.clear([dice.choice(done)], downstream=dice.random() < 0.5)
        task_id = next((name for name in names if name not in run.states), None)
        if task_id is None:
            if run.states["spring.report"] != SUCCESS or reported:
                return begun
            run.clear(["spring.report"])  # tasks may have been cleared alone, without the report
            task_id, reported, clears = "spring.report", True, 0
        try:
            run.run(task_id)
        except _KilledError:
            continue
        finally:
            if begun is None and marks.exists():
                begun = {row["msisdn"]: row["state"] for row in outcomes(round_.folder, "viber")}
        if run.states.get(task_id) == TASK_FAILED:
            _after_a_failure(round_, run, task_id)
    raise AssertionError("it does not come to an end")


def _after_a_failure(round_: Round, run: ForkedDagRun, task_id: str) -> None:
    """Try again as Airflow does, or clear the task as a person does."""
    error = run.errors.pop(task_id)
    assert isinstance(error, TryError), repr(error)
    ended = error.ended
    assert ended.error
    run.clear([task_id])
    if ended.is_a("TelecomInputError"):
        round_.expect(task_id == "spring.sms.send", f"{task_id}: {ended.error}")
        round_.expect("selects the recipients" in ended.error["text"], f"{task_id}: {ended.error}")
        run.clear([SMS_AUDIENCE])
    elif not ended.error["retries"]:
        round_.simulator.state.faults.clear()  # a person clears it when the vendor works again


def _check(round_: Round, run: DagRun, world: World, begun: dict[str, str] | None) -> None:
    viber_rows, sms_rows = outcomes(round_.folder, "viber"), outcomes(round_.folder, "sms")
    expect, everybody = round_.expect, numbers(PEOPLE)
    expect([row["msisdn"] for row in viber_rows] == everybody, "the file of the first rung is not complete")
    selected = [row["msisdn"] for row in sms_rows]
    expect(len(set(selected)) == len(selected), f"twice in the file of SMS: {selected}")
    failed = set() if begun is None else {number for number, state in begun.items() if state in FAILED}
    expect(
        set(selected) <= failed, f"an SMS for {set(selected) - failed}, who may have got the first message"
    )
    said: dict[str, Outcome] = {f"sms {number}": "fail" for number in everybody}
    for channel, rows in (("viber", viber_rows), ("sms", sms_rows)):
        said |= {f"{channel} {row['msisdn']}": _OUTCOMES.get(row["state"], "ok") for row in rows}
    round_.history.complete(round_.history.invoke(said, "assume_sent"), said, "the files of outcomes")
    found = run.xcoms["spring.report"]
    unknown = {name for name, outcome in said.items() if outcome == "unknown"}
    paid = world.paid(lambda channel, number: f"{channel} {number}" in unknown)
    expect(Decimal(found["prices"].get("EUR", 0)) == paid, f"reported {found['prices']}, paid {paid}")
    expect(found["unpriced"] == 0, f"unpriced: {found['unpriced']}")
    expect(found["may_be_paid"] == len(unknown), f"may be paid: {found['may_be_paid']}, {len(unknown)}")


SCENARIOS = (
    Scenario(
        "kills.ladder", ladder, "kills", 1000, mutants=("journal writes nothing", "intent counts as done")
    ),
)
