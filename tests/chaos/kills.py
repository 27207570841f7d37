"""Tasks whose processes are killed with SIGKILL: bulk SMS, promo, ladder and fleet.

Every second round goes through the steps of a try in order, without other faults. In the others, steps, lines
and times are drawn, several in a row, with refusals and lost responses, under any reading of the documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.history import Guarantee, Outcome
from tests.chaos.processes import Ended, Kill
from tests.chaos.scenario import Figures, Round, Scenario

MOST_TRIES = 40
KETCHUP, KYIVSTAR, NOVACONNECT = "ketchup_loyalty", "kyivstar_open_telecom", "novaconnect"
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "reset_after"},
    {"kind": "close_before"},
    {"kind": "close_after"},
    {"kind": "half_body"},
    {"kind": "garbage"},
    {"kind": "html"},
    {"kind": "bad_status_line"},
    {"kind": "two_lengths"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
    {"kind": "status", "status": 400},
    {"kind": "status", "status": 401},
    {"kind": "status_after", "status": 502},
    {"kind": "status_after", "status": 504},
)


def numbers(count: int) -> list[str]:
    """Return so many phone numbers."""
    return [str(380670000200 + place) for place in range(count)]


def disturb(round_: Round, vendor: str, path: str, most: int = 3) -> None:
    """Let some requests fail: at most `most`, of those whose path matches."""
    for fault in round_.dice.choices(FAULTS, k=round_.dice.randint(0, most)):
        skipped = round_.dice.randint(0, 2)
        if skipped:  # the requests before: a silence of no length changes nothing
            round_.simulator.fault("silence", vendor, path=path, times=skipped, seconds=0)
        round_.simulator.fault(**{"path": path, "vendor": vendor, **fault})
        round_.history.disturbed(f"{fault} at {path}")


class Kills:
    """The kills of one round: a step whose turn it is, or several by chance."""

    def __init__(self, round_: Round, number: int, most_steps: int, most_lines: int) -> None:
        self._dice, self._steps, self._lines = round_.dice, most_steps, most_lines
        self.step_in_order = number // 2 + 1
        self.is_in_order = number % 2 == 0 and self.step_in_order <= most_steps
        self._left = 1 if self.is_in_order else round_.dice.randint(1, 5)

    def next(self) -> Kill:
        """Return the kill of the next try."""
        if not self._left:
            return Kill()
        self._left -= 1
        if self.is_in_order:
            return Kill(step=self.step_in_order)
        return Kill.drawn(self._dice, self._steps, self._lines, seconds=0.2)


Settle = Callable[[Ended], dict[str, Any]]


def tries(
    round_: Round,
    order: dict[str, Any],
    kills: Kills,
    intents: Iterable[str],
    guarantee: Guarantee,
    intents_of: Callable[[Any], Iterable[str]],
    outcomes: Callable[[Any], Mapping[str, Outcome] | Outcome],
    settle: Settle = lambda ended: {},
    body: str = "tests.chaos.tries:operator",
) -> Any:
    """Run tries until one succeeds, and return its XCom.

    A task that Airflow does not retry is cleared by a person, with the arguments that `settle` returns. These
    are also those of the tries that follow: an `on_unknown` among them is the guarantee from then on.
    """
    intents = list(intents)
    for _ in range(MOST_TRIES):
        promise = order["arguments"].get("on_unknown", guarantee)
        operation, kill = round_.history.invoke(intents, promise), kills.next()
        ended = round_.run(body, order, kill)
        round_.history.effects(round_.simulator, intents_of)
        if ended.killed:
            round_.history.killed(operation, f"SIGKILL at {kill}")
        elif ended.error is None:
            round_.history.complete(operation, outcomes(ended.result))
            return ended.result
        else:
            round_.history.complete(operation, "again", f"{ended.error['kinds'][0]}: {ended.error['text']}")
            if not ended.error["retries"]:
                order = {**order, "arguments": {**order["arguments"], **settle(ended)}}
                round_.simulator.state.faults.clear()  # a person clears the task when the vendor works again
    raise AssertionError(f"{MOST_TRIES} tries, and it has not ended: {ended}")


# Bulk SMS.


_STATES: dict[str, Outcome] = {
    "accepted": "ok",
    "known_before": "ok",
    "refused": "fail",
    "unknown": "unknown",
}
POLICIES: tuple[Guarantee, ...] = ("key", "fail", "resend", "assume_sent")
BULK_STEPS, BULK_LINES = 70, 4000


def bulk_sms(round_: Round) -> Figures:
    """KetchUp's bulk SMS (with keys), and Kyivstar's batches (without) under each `on_unknown`."""
    policy = POLICIES[round_.number % 4]
    kills = Kills(round_, round_.number // 4, BULK_STEPS, BULK_LINES)
    vendor = KETCHUP if policy == "key" else KYIVSTAR
    round_.fresh("default" if kills.is_in_order else round_.dice.choice(["default", "opposite", "random"]))
    count = 6 if kills.is_in_order else round_.dice.randint(1, 12)
    if not kills.is_in_order:
        disturb(round_, vendor, "/sms/create" if policy == "key" else "/sms/batch$")
    results = round_.folder / "results.jsonl"
    arguments: dict[str, Any] = {
        "task_id": "send",
        "recipients": numbers(count),
        "text": "Hi",
        "chunk_size": 2 if kills.is_in_order else round_.dice.randint(1, 5),
        "results_path": str(results),
    }
    if policy != "key":
        arguments["on_unknown"] = policy
    name = "ketchup_loyalty.KetchUpSendBulkSms" if policy == "key" else f"{KYIVSTAR}.KyivstarSendBulkSms"
    order = {
        "operator": f"airflow_provider_telecom.operators.{name}Operator",
        "arguments": arguments,
        "store": str(round_.folder / "store"),
        "environment": round_.environment(**{KYIVSTAR: {"api_version": "v1"}}),
    }

    def sent(effect: Any) -> list[str]:
        return [effect.facts["msisdn"]] if effect.kind == "sms" else []

    def settle(ended: Ended) -> dict[str, Any]:
        """A person asks the vendor whether the SMS in doubt were sent, and clears the task."""
        if not ended.is_a("OutcomeUnknownError"):
            return {}
        assert ended.error
        found = re.search("after the first ([0-9]+)", ended.error["text"])
        round_.expect(found and policy == "fail", f"an unexpected error: {ended.error}")
        there = {effect.facts["msisdn"] for effect in round_.simulator.state.ledger.of(vendor, "sms")}
        is_there = arguments["recipients"][int(found[1])] in there  # type: ignore[index]
        return {"on_unknown": "assume_sent" if is_there else "resend"}

    facts = tries(
        round_,
        order,
        kills,
        arguments["recipients"],
        policy,
        sent,
        lambda _: outcomes_in(round_, results, arguments["recipients"]),
        settle,
    )
    states = [line["state"] for line in lines_of(results)]
    for state in ("accepted", "known_before", "unknown"):
        round_.expect(facts.get(state, 0) == states.count(state), f"{facts}, {states}")
    return {}


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of results."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def outcomes_in(round_: Round, path: Path, recipients: list[str]) -> dict[str, Outcome]:
    """Return what a file of results says of each recipient."""
    lines = lines_of(path)
    found = [line["msisdn"] for line in lines]
    round_.expect(found == recipients, f"the file of results has {found} instead of {recipients}")
    return {line["msisdn"]: _STATES[line["state"]] for line in lines}


# Promo.


def promo(round_: Round) -> Figures:
    """A Kyivstar campaign with its audience: everybody is in one started campaign, nobody in two."""
    kills = Kills(round_, round_.number, 60, 3000)
    round_.fresh("default" if kills.is_in_order else round_.dice.choice(["default", "opposite", "random"]))
    if not kills.is_in_order:
        disturb(round_, KYIVSTAR, "/promo")
    recipients = numbers(5 if kills.is_in_order else round_.dice.randint(1, 9))
    order = {
        "operator": f"airflow_provider_telecom.operators.{KYIVSTAR}.KyivstarCreatePromoOperator",
        "arguments": {
            "task_id": "send",
            "recipients": recipients,
            "text": "Hi",
            "chunk_size": 2,
            "start": True,
        },
        "store": str(round_.folder / "store"),
        "environment": round_.environment(),
    }
    from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import VendorState

    state: Any = round_.simulator.state.vendor_state(KYIVSTAR, VendorState)

    def started(effect: Any) -> list[str]:
        if effect.kind != "promo_started":
            return []
        return [msisdn for msisdn, _ in state.promos[effect.facts["id"]].audience]

    tries(round_, order, kills, recipients, "key", started, lambda _: "ok")
    return {"drafts": len(state.promos)}


# Fleet.


DESIRED: list[dict[str, Any]] = [
    {"id": 1001, "blocked": True, "name": "Spare"},
    {"id": 1002, "package_kb": 20480, "auto_package": True, "blocked": False, "groups": ["Trucks", "New"]},
    {"id": 1003, "package_kb": 20480, "auto_package": True},
    {"id": 1004, "package_kb": 25600, "auto_package": False},
    {"id": 1041, "limit_mb": 500, "blocked": False},
]
TARIFFS = (1002, 1003, 1004)
FLEET_OPERATOR = "airflow_provider_telecom.operators.novaconnect.NovaConnectFleetOperator"


class Fleet:
    """A fleet, whose plans are stored in folders of their own."""

    def __init__(self, round_: Round, chunk_size: int) -> None:
        from airflow_provider_telecom.simulator.novaconnect import VendorState

        self._round, self._chunk_size = round_, chunk_size
        self.state: Any = round_.simulator.state.vendor_state(NOVACONNECT, VendorState)
        for sim, block in ((1001, "n"), (1002, "u"), (1003, "n"), (1004, "n"), (1041, "u")):
            self.state.sims[sim].block = block

    def order(self, number: int, **arguments: Any) -> dict[str, Any]:
        """Return the order of a try with the plan of this number."""
        folder = self._round.folder / f"plan{number}"
        return {
            "operator": FLEET_OPERATOR,
            "arguments": {"task_id": arguments["mode"], "plan_path": str(folder / "plan.json"), **arguments},
            "store": str(folder / "store"),
            "environment": self._round.environment(),
        }

    def plan(self, number: int) -> dict[str, Any]:
        """Plan, and return the counts."""
        faults = self._round.simulator.state.faults
        kept, faults[:] = list(faults), []
        ended = self._round.run(
            "tests.chaos.tries:operator", self.order(number, mode="plan", desired=DESIRED)
        )
        faults[:] = kept
        self._round.expect(ended.error is None, f"the plan failed: {ended.error}")
        counts: dict[str, Any] = ended.result
        return counts

    def apply(self, number: int) -> dict[str, Any]:
        """Return the order that applies a plan."""
        return self.order(
            number,
            mode="apply",
            results_path=str(self.results(number)),
            chunk_size=self._chunk_size,
            max_changes=None,
            allow=["tariff", "disconnect"],
            poll_interval=0.01,
            wait_timeout=60,
            verify_within_seconds=0,
        )

    def results(self, number: int) -> Path:
        """Return the path of the results of applying a plan."""
        return self._round.folder / f"plan{number}" / "results.jsonl"

    def unknown(self, number: int) -> set[str]:
        """Return the SIMs whose tariff is reported as unknown."""
        rows = lines_of(self.results(number))
        return {f"tariff {row['sim_id']}" for row in rows if row["state"] == "unknown"}


def fleet(round_: Round) -> Figures:
    """A plan is applied, and planned again where an outcome is unknown: no tariff is paid for twice."""
    kills = Kills(round_, round_.number, 220, 15_000)
    simulator = round_.fresh("default" if kills.is_in_order else round_.dice.choice(["default", "opposite"]))
    simulator.state.set_switch("novaconnect.groups_added", round_.dice.choice(["on", "off"]))
    chunk_size = 1 if kills.is_in_order else round_.dice.randint(1, 3)
    if not kills.is_in_order:
        disturb(round_, NOVACONNECT, "tariff" if round_.dice.random() < 0.5 else "sim/")
    planned, intents = Fleet(round_, chunk_size), [f"tariff {sim}" for sim in TARIFFS]
    number = 0
    planned.plan(number)
    for _ in range(MOST_TRIES):
        operation, kill = round_.history.invoke(intents, "fail"), kills.next()
        ended = round_.run("tests.chaos.tries:operator", planned.apply(number), kill)
        round_.history.effects(
            simulator, lambda one: [f"tariff {one.facts['id']}"] if one.kind == "tariff" else []
        )
        if ended.killed:
            round_.history.killed(operation, f"SIGKILL at {kill}")
            continue
        if ended.error is None:
            round_.history.complete(operation, "ok")
            break
        unknown = planned.unknown(number) if ended.is_a("OutcomeUnknownError") else set()
        said: dict[str, Outcome] = {name: "unknown" if name in unknown else "again" for name in intents}
        round_.history.complete(operation, said, ended.error["text"])
        if not ended.error["retries"]:
            round_.expect(
                unknown or not ended.is_a("OutcomeUnknownError"), f"no tariff is unknown: {ended.error}"
            )
            simulator.state.faults.clear()
            number += 1
            planned.plan(number)
    else:
        raise AssertionError(f"{MOST_TRIES} tries, and the fleet is not as desired: {ended}")
    blocks = [planned.state.sims[sim].block for sim in (1001, 1002, 1041)]
    round_.expect(blocks == ["u", "n", "n"], f"blocks {blocks}")
    left = planned.plan(number + 1)
    round_.expect((left["changed"], left["skipped"]) == (0, 0), f"something is left: {left}")
    return {"plans": number + 1}


SCENARIOS = (
    Scenario(
        "kills.bulk_sms",
        bulk_sms,
        "kills",
        1000,
        mutants=(
            "journal writes nothing",
            "journal writes no intent",
            "checkpoint counts what is announced",
            "keys differ in each try",
        ),
    ),
    Scenario("kills.promo", promo, "kills", 1000, mutants=("journal writes nothing",)),
    Scenario("kills.fleet", fleet, "kills", 1000, mutants=("journal writes nothing",)),
)
