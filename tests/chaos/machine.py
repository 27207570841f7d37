"""A hypothesis state machine: sends, kills, retries and clears of tasks, and late and repeated webhooks.

Four tasks share a run: an SMS with an idempotency key, and one under each `on_unknown`. Between their tries
the vendor posts webhooks in any order and as often as it likes, and the receiver stores them in Airflow's
database. At the end every task is tried until it has ended. A step is a try in a child that is perhaps
killed, a fault, a clear, or a webhook; a failing run is shown in its smallest form.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.chaos.checker import check, figures
from tests.chaos.history import Guarantee, History
from tests.chaos.kills import FAULTS, KETCHUP, KYIVSTAR, MOST_TRIES, POLICIES, numbers
from tests.chaos.processes import Kill
from tests.chaos.scenario import ChaosError, Figures, Round, Scenario

EXAMPLES_PER_ROUND, STEPS = 10, 14
PATHS = {KETCHUP: "/sms/create", KYIVSTAR: "/sms$"}
RANKS = {"accepted": 1, "sent": 2, "delivered": 3, "undeliverable": 3, "read": 4}
"""The states of a message as webhooks have them; a later one has a higher rank, and a failure is final."""
KILLS = st.one_of(
    st.none(),
    st.integers(1, 24).map(lambda step: {"step": step}),
    st.integers(1, 1500).map(lambda line: {"line": line}),
)
TASKS = st.integers(0, len(POLICIES) - 1)


@cache
def prepare_database() -> None:
    """Make Airflow's tables, once in a process."""
    from airflow.utils.db import initdb

    initdb()


class Machine(RuleBasedStateMachine):
    """The world of one example; `round_` and `totals` are set by the round that plays it."""

    round_: Round
    totals: Any

    def __init__(self) -> None:
        super().__init__()
        type(self).totals["examples"] += 1
        self.number = type(self).totals["examples"]
        self.history = History()
        self.simulator = self.round_.fresh()
        self.policies: list[dict[str, str]] = [
            {} if name == "key" else {"on_unknown": name} for name in POLICIES
        ]
        self.is_done = [False] * len(POLICIES)
        self.accepted: list[list[tuple[int, str]]] = [[] for _ in POLICIES]
        """What the receiver has accepted about each message."""

    @rule(task=TASKS, kill=KILLS)
    def send(self, task: int, kill: dict[str, int] | None) -> None:
        """Run a try; after one that has not ended well, this is its retry."""
        if not self.is_done[task]:
            self.attempt(task, Kill(**(kill or {})))

    @rule(task=TASKS)
    def clear(self, task: int) -> None:
        """Clear a task, whatever has become of it."""
        self.is_done[task] = False

    @rule(fault=st.sampled_from(FAULTS), vendor=st.sampled_from(sorted(PATHS)))
    def fault(self, fault: dict[str, Any], vendor: str) -> None:
        """Let the next request to a vendor fail."""
        self.simulator.fault(**{"vendor": vendor, "path": PATHS[vendor], **fault})
        self.history.disturbed(str(fault))

    @rule(task=TASKS, state=st.sampled_from(sorted(RANKS)), times=st.integers(1, 2))
    def webhook(self, task: int, state: str, times: int) -> None:
        """The vendor posts a state, perhaps late, perhaps again."""
        for _ in range(times):
            verdict, wanted = self.post(task, state), self.wanted(task, state)
            assert verdict == wanted, f"{state} after {self.accepted[task]}: {verdict}, not {wanted}"
            if verdict == "accepted":
                self.accepted[task].append((RANKS[state], state))

    @precondition(lambda self: any(self.accepted))
    @rule(task=TASKS)
    def repeat(self, task: int) -> None:
        """The vendor posts all that it has posted about a message again, the last one first."""
        for place, (_, state) in enumerate(reversed(self.accepted[task])):
            verdict = self.post(task, state)
            assert verdict == ("stale" if place else "duplicate"), f"{state} again: {verdict}"

    def wanted(self, task: int, state: str) -> str:
        """Return what the receiver must do with a webhook."""
        before = self.accepted[task][-1:]
        if not before:
            return "accepted"
        ((rank, last),) = before
        if state == last:
            return "duplicate"
        is_final = last in ("undeliverable", "read")
        return "stale" if is_final or RANKS[state] <= rank else "accepted"

    def post(self, task: int, state: str) -> str:
        """Store a webhook as the receiver does, and return the verdict."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.webhooks import viber
        from airflow_provider_telecom.webhooks.address import WebhookAddress
        from airflow_provider_telecom.webhooks.inbox import ReceivedWebhook, store_webhooks

        reference = f"r-{self.round_.seed}-{self.number}-{task}"
        body = {"reference": reference, "msisdn": numbers(1)[0], "status": state, "time_dr": "2026-01-01"}
        event = viber(reference, body, json.dumps(body).encode())
        (verdict,) = store_webhooks([
            ReceivedWebhook(WebhookAddress(KETCHUP, "viber", "default", reference), event)
        ])
        if isinstance(verdict, Exception):
            raise verdict
        return verdict.value

    def attempt(self, task: int, kill: Kill) -> None:
        """Run one try, and record it."""
        policy: Guarantee = POLICIES[task]
        name, msisdn = f"{policy} sms", numbers(len(POLICIES))[task]
        vendor = "ketchup_loyalty.KetchUp" if policy == "key" else f"{KYIVSTAR}.Kyivstar"
        order = {
            "operator": f"airflow_provider_telecom.operators.{vendor}SendSmsOperator",
            "arguments": {"task_id": f"send_{task}", "msisdn": msisdn, "text": "Hi", **self.policies[task]},
            "store": str(self.round_.folder / str(self.number)),
            "environment": self.round_.environment(),
        }
        in_force: Any = self.policies[task].get("on_unknown", policy)  # it stays as a person has set it
        operation = self.history.invoke([name], in_force)
        ended = self.round_.run("tests.chaos.tries:operator", order, kill)
        self.history.effects(self.simulator, self.intent_of)
        if ended.killed:
            self.history.killed(operation, str(kill))
        elif ended.error is None:
            said = "unknown" if ended.result.get("assumed_sent") else "ok"
            self.history.complete(operation, said)  # type: ignore[arg-type]
            self.is_done[task] = True
        elif ended.is_a("OutcomeUnknownError"):
            self.history.complete(operation, "unknown", ended.error["text"])
            there = self.simulator.state.ledger.of(KYIVSTAR, "sms", msisdn=msisdn)
            self.policies[task] = {"on_unknown": "assume_sent" if there else "resend"}  # a person has asked
        else:
            assert ended.is_a("TelecomError"), f"a raw exception: {ended.error}"
            self.history.complete(operation, "again", ended.error["text"])

    def intent_of(self, effect: Any) -> list[str]:
        """Return which task an SMS belongs to."""
        if effect.kind != "sms":
            return []
        return [f"{POLICIES[numbers(len(POLICIES)).index(effect.facts['msisdn'])]} sms"]

    def teardown(self) -> None:
        """Let the vendor work again, try every task until it has ended, and check the history."""
        self.simulator.state.faults.clear()
        for task in range(len(POLICIES)):
            for _ in range(MOST_TRIES):
                if self.is_done[task]:
                    break
                self.attempt(task, Kill())
            else:
                raise AssertionError(f"{POLICIES[task]}: {MOST_TRIES} tries, and it has not ended")
        violations = check(self.history.events)
        type(self).totals.update(figures(self.history.events))
        self.round_.history = self.history
        assert not violations, "\n".join(map(str, violations))


def play(round_: Round) -> Figures:
    """Play some examples, and return the figures of all."""
    from collections import Counter

    prepare_database()
    totals: Counter[str] = Counter()
    played = type("Played", (Machine,), {"round_": round_, "totals": totals})
    chosen = settings(
        max_examples=EXAMPLES_PER_ROUND,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=[Phase.generate] if round_.mutant else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(seed(round_.dice.randrange(1 << 30))(played), settings=chosen)
    except AssertionError as error:
        steps = "\n".join(getattr(error, "__notes__", ()))
        raise ChaosError(f"{error}\n{steps}") from None
    round_.history = History()  # each example was checked with its own
    return totals


SCENARIOS = (
    Scenario(
        "machine", play, "examples", 5000, mutants=("journal writes nothing", "unknown is stored as planned")
    ),
)
