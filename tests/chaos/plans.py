"""Random fault plans: each is an operation, a reading of the documents, some faults, and perhaps kills.

`plans.calls` calls endpoints of the hooks, all that there are, from the playing process (both transports) or
from a child that is killed. `plans.tasks` runs tasks until they end. Faults are those of the simulator, and
unusual answers of the answer fuzzer (`tests/fuzz`), which the vendor gives after it has acted.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pickle
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from airflow.sdk._shared.secrets_masker import reset_secrets_masker
from hypothesis.control import BuildContext
from hypothesis.errors import StopTest
from hypothesis.internal.conjecture.data import ConjectureData

from airflow_provider_telecom.auth.client_credentials import ClientCredentials
from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.registry import vendors
from tests.chaos.history import Guarantee, Outcome
from tests.chaos.kills import FAULTS, MOST_TRIES, POLICIES, Kills, numbers
from tests.chaos.processes import Ended, Kill
from tests.chaos.scenario import ChaosError, Figures, Round, Scenario
from tests.chaos.tries import prepare
from tests.endpoints import Row, rows
from tests.fuzz.answer import Answer
from tests.fuzz.mutations import unusual

PRESETS = ("default", "opposite", "random")
MAX_WAIT = 320.0
READ_SECONDS, IMPATIENT = 20.0, 0.5
GUARANTEES: dict[str, Guarantee] = {"X": "fail", "S": "fail", "D": "fail", "K": "key"}
"""By the class of an endpoint (`tests/endpoints.py`). A read may be repeated."""
SLOW = (
    {"kind": "drip", "seconds": 0.001},
    {"kind": "redirect", "headers": {"location": "http://127.0.0.1:1/"}},
)
REFUSALS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 401, "times": 9},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "9999"}},
)
"""A request that is refused before anything has happened; a vendor also has words of its own."""
OWN_REFUSALS: dict[str, dict[str, Any]] = {
    "kyivstar_open_telecom": {"kind": "status", "status": 400, "body": '{"errorCode": 1, "errorMsg": "no"}'},
    "ketchup_loyalty": {"kind": "body", "body": '{"error": "7", "errorDescription": "no"}'},
    "kyivstar_fmc": {"kind": "status", "status": 404},
    "sunsim": {"kind": "body", "body": '{"error": {"errorCode": 5, "errorMessage": "no"}, "code": 5}'},
    "novaconnect": {"kind": "status", "status": 400, "body": '{"error": "no"}'},
}
End = Literal["done", "refused", "unknown", "deceived"]
"""How a call ends. `deceived`: it was done, an answer said "refused", and the client believed it.

A call that is killed ends `unknown`, and so does a read that has no answer.
"""
KNOWN: tuple[End, ...] = ("done", "refused")
SAYS: dict[End, Outcome] = {"done": "ok", "refused": "fail", "unknown": "unknown", "deceived": "unknown"}
MANY_PLANS = 10_000
_END = "end"
_TOKENS = ("token", "jwt")
"""Effects that may come with any call, and cost nothing."""
_HOOKS = {vendor.id: vendor.hook_path for vendor in vendors()}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,40}")
_FRAMING = {"content-length", "transfer-encoding", "content-encoding", "connection", "upgrade", "trailer"}


def unusual_answer(dice: random.Random, good: Answer) -> dict[str, Any] | None:
    """Return a fault that answers in an unusual way after the vendor has acted; None if none can play it."""
    data = ConjectureData(random=random.Random(dice.random()))
    try:
        with BuildContext(data, wrapped_test=unusual_answer):
            drawn: Answer = data.draw(unusual(good))
    except StopTest:  # it would have become too long
        return None
    if not (drawn.status.isdigit() and 200 <= int(drawn.status) <= 599):
        return None
    headers = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in drawn.headers
        if _HEADER.fullmatch(name.decode("latin-1"))
        and name.decode("latin-1").lower() not in _FRAMING
        and value.isascii()
        and value.decode("latin-1").isprintable()
        and len(value) < 1000
    }
    body = drawn.body.decode("utf-8", "replace")
    return {"kind": "status_after", "status": int(drawn.status), "headers": headers, "body": body}


def says_no(fault: Mapping[str, Any]) -> bool:
    """Whether an unusual answer may say that it was refused, although the vendor has acted.

    Nobody can see through that: then only what the client says of a success counts.
    """
    if fault["kind"] != "status_after" or "headers" not in fault:
        return False
    words = re.search(
        "error|code|success|message|status|null|false|\\[\\]|\\{\\}", fault["body"], re.IGNORECASE
    )
    return fault["status"] // 100 not in (2, 5) or bool(words) or not fault["body"].strip()


@dataclass
class Drawn:
    """The faults of a plan that may tell the client something wrong, once they were played."""

    lies: list[Any] = field(default_factory=list)
    """They may say "refused" of what this request has done."""
    refusals: list[Any] = field(default_factory=list)
    """They refuse what the request says. The vendor contradicts itself if it has accepted the same before."""

    other_forms: list[Any] = field(default_factory=list)
    """They refuse a form of the request, so the client may try one that this vendor does not take.

    An unusual answer replaces that vendor's refusal, and may say that it was done.
    """

    @property
    def tried_other_forms(self) -> bool:
        """Whether one that refuses a form was played."""
        return any(fault.times == 0 for fault in self.other_forms)

    @property
    def lied(self) -> bool:
        """Whether one that may lie was played."""
        return any(fault.times == 0 for fault in self.lies)

    @property
    def refused(self) -> bool:
        """Whether a request was refused in the vendor's own words."""
        return any(fault.times == 0 for fault in self.refusals)


def drawn_faults(round_: Round, vendor: str, path: str, good: Answer | None) -> Drawn:
    """Add up to three faults to the simulator, and return those that may tell something wrong."""
    drawn = Drawn()
    for _ in range(round_.dice.choice((0, 1, 1, 1, 2, 2, 3))):
        fault: dict[str, Any] | None = None
        match round_.dice.randrange(10):
            case 0 | 1 | 2 | 3 if good is not None:
                fault = unusual_answer(round_.dice, good)
            case 4 if round_.dice.random() < 0.2:
                fault = dict(round_.dice.choice(SLOW))
            case 5 | 6:
                fault = dict(round_.dice.choice((*REFUSALS, OWN_REFUSALS[vendor])))
        fault = fault or dict(round_.dice.choice(FAULTS))
        if round_.dice.random() < 0.3:
            round_.simulator.fault("silence", vendor, path=path, times=round_.dice.randint(1, 3), seconds=0)
        round_.simulator.fault(vendor=vendor, path=path, **fault)  # type: ignore[arg-type]
        round_.history.disturbed(json.dumps(fault))
        added = round_.simulator.state.faults[-1]
        if says_no(fault):
            drawn.lies.append(added)
        if fault == {"kind": "status", "status": 400}:
            drawn.other_forms.append(added)
        if fault == OWN_REFUSALS[vendor]:
            drawn.refusals.append(added)
    return drawn


# Calls of hooks.


@dataclass(frozen=True)
class Recorded:
    """What a call does without faults: its good answer, and how many effects of each kind it has."""

    good: Answer
    effects: Counter[str]
    is_refused_first: bool
    """Whether the vendor refuses the first form of the request, and takes the second."""


_recorded: dict[tuple[str, str], Recorded | None] = {}


def hook_of(row: Row, simulator: Any, read_seconds: float = READ_SECONDS) -> Any:
    """Return a hook with its own client."""
    connection = simulator.connection(row.vendor)
    extra = {**connection["extra"], **row.extra, "timeout_read": read_seconds}
    os.environ[f"AIRFLOW_CONN_{row.vendor.upper()}_DEFAULT"] = json.dumps({**connection, "extra": extra})
    base.forget_clients()
    reset_secrets_masker()  # with each token, Airflow compiles the patterns of all that it has ever masked
    hook = import_from(_HOOKS[row.vendor])()
    Clock().rule(hook._client())
    return hook


def arguments_of(row: Row, hook: Any, folder: Path, simulator: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Prepare a call at the vendor, and return its arguments."""
    simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 3600)
    folder.mkdir(parents=True, exist_ok=True)
    return row.prepare(hook, folder)


def recorded(row: Row, simulator: Any, preset: Any, seed: int, folder: Path) -> Recorded | None:
    """Return what a call does under a reading of the documents; None if it cannot succeed under it."""
    key = str(row), f"{preset} {seed if preset == 'random' else ''}"
    if key not in _recorded:
        simulator.reset(seed=seed, preset=preset)
        hook = hook_of(row, simulator)
        try:
            args, kwargs = arguments_of(row, hook, folder, simulator)
            hook = hook_of(row, simulator)  # a new one, as in a child: it has not learned any form yet
            before, answers = len(simulator.state.ledger.effects), list[Any]()
            transport = hook._client().sync_transport._transport
            send = transport.send
            transport.send = lambda request: answers.append(send(request)) or answers[-1]
            getattr(hook, row.method)(*args, **kwargs)
            effects = simulator.state.ledger.effects[before:]
            kinds = Counter(one.kind for one in effects if one.kind not in _TOKENS)
            good = Answer(body=getattr(answers[-1], "body", b"") or b"")
            _recorded[key] = Recorded(good, kinds, len(answers) > 1)
        except TelecomError:
            _recorded[key] = None
    return _recorded[key]


class Intents:
    """The intents of a call: so many effects of each kind. The first of one more is the first again."""

    def __init__(self, expected: Counter[str]) -> None:
        self._expected, self._seen = expected, Counter[str]()
        self.names = [f"{kind} {place}" for kind, count in sorted(expected.items()) for place in range(count)]

    def of(self, effect: Any) -> list[str]:
        """Return the intent of an effect."""
        if effect.kind not in self._expected:
            return []
        place = self._seen[effect.kind] % self._expected[effect.kind]
        self._seen[effect.kind] += 1
        return [f"{effect.kind} {place}"]


def call(order: dict[str, Any]) -> None:
    """Make one call in a child."""
    prepare(order)
    row = next(row for row in rows() if str(row) == order["row"])
    args, kwargs = pickle.loads(base64.b64decode(order["arguments"]))
    getattr(import_from(_HOOKS[row.vendor])(), row.method)(*args, **kwargs)


@cache
def _rows() -> tuple[Row, ...]:
    """Return all endpoints; those that cost money are played more often."""
    weights = {"X": 4, "K": 2, "S": 2, "D": 2}
    return tuple(row for row in rows() for _ in range(weights.get(row.cls, 1)))


def calls(round_: Round) -> Figures:
    """Play one plan with a call of a hook."""
    dice, simulator = round_.dice, round_.simulator
    found = None
    while found is None:  # not every call can succeed under every reading
        row, preset, seed = dice.choice(_rows()), dice.choice(PRESETS), dice.randrange(5)
        found = recorded(row, simulator, preset, seed, round_.folder / "recorded")
    simulator.reset(seed=seed, preset=preset)
    is_impatient = dice.random() < 0.03
    hook = hook_of(row, simulator)
    args, kwargs = arguments_of(row, hook, round_.folder / "call", simulator)
    if is_impatient:
        hook = hook_of(row, simulator, IMPATIENT)
        simulator.fault("silence", row.vendor, path=row.pattern, seconds=2 * IMPATIENT)
        round_.history.disturbed("an answer after the time-out")
    round_.history.ledger_was_reset()
    round_.history.effects(simulator, lambda effect: [])  # of the preparation
    before = len(simulator.state.ledger.effects)
    is_download = any(isinstance(arg, Path) for arg in args)
    is_plain = not (is_download or found.is_refused_first)
    drawn = drawn_faults(round_, row.vendor, row.pattern, found.good if is_plain else None)
    intents = Intents(found.effects if row.cls in GUARANTEES else Counter())
    is_killed, stored = dice.random() < 0.25, _stored(args, kwargs)
    ended = None
    if is_unreachable := dice.random() < 0.05:
        simulator.refuse()
        round_.history.disturbed("connections are refused")
    if is_killed and stored is not None:
        environment = {name: text for name, text in os.environ.items() if name.startswith("AIRFLOW_CONN")}
        order = {"row": str(row), "arguments": stored, "environment": environment}
        ended = round_.run("tests.chaos.plans:call", order, Kill.drawn(dice, 8, 600, seconds=0.1))
        error: Any = ended.error
        kinds = set(error["kinds"]) if error else set()
        is_unknown = ended.killed or (error is not None and error["outcome_unknown"])
    else:
        error, waits = _in_this_process(hook, row, args, kwargs, is_async=dice.random() < 0.5)
        kinds = {kind.__name__ for kind in type(error).__mro__} if error else set()
        is_unknown = error is not None and (error.outcome_unknown or error.partial)
        round_.expect(all(0 <= wait <= MAX_WAIT for wait in waits), f"{row}: waits {waits}")
    if is_unreachable:
        simulator.accept()
    round_.expect(error is None or "TelecomError" in kinds, f"{row}: a raw exception: {error!r}")
    round_.expect("TelecomInputError" not in kinds, f"{row}: {error!r}")
    acted = any(one.kind in found.effects for one in simulator.state.ledger.effects[before:])
    if error is None:
        was_deceived = bool(found.effects) and drawn.tried_other_forms and not acted
    else:
        was_deceived = drawn.lied or (drawn.refused and acted)
    end: End = (
        "unknown" if is_unknown else "deceived" if was_deceived else "done" if error is None else "refused"
    )
    promise: Guarantee = "resend" if drawn.lied else GUARANTEES.get(row.cls, "resend")
    operation = round_.history.invoke(intents.names, promise)  # it is over, and its effects are not read yet
    round_.history.effects(simulator, intents.of)
    if ended is not None and ended.killed:
        round_.history.killed(operation)
        operation = round_.history.invoke(intents.names, promise)
    round_.history.complete(operation, SAYS[end], f"{row}: {error!r}")
    return {"plans": 1, f"{end}_calls": 1, f"{_END} {end} {row}": 1}


def conclude(total: Counter[str]) -> str:
    """Take the counts of each operation out of the figures, and return the shares of the ends.

    Raises ChaosError if there were many plans, and an operation never had a known or an unknown end.
    """
    ends: dict[str, set[str]] = {}
    for name in [name for name in total if name.startswith(_END)]:
        _, end, row = name.split(" ", 2)
        ends.setdefault(row, set()).add("known" if end in KNOWN else end)
        del total[name]
    total["operations"] = len(ends)
    total["operations_with_known_and_unknown_ends"] = sum(
        {"known", "unknown"} <= found for found in ends.values()
    )
    if total["plans"] >= MANY_PLANS and total["operations_with_known_and_unknown_ends"] < len(rows()):
        missing = [str(row) for row in rows() if not {"known", "unknown"} <= ends.get(str(row), set())]
        raise ChaosError(f"no known, or no unknown end of {', '.join(missing)}")
    shares = (f"{total[f'{end}_calls'] / total['plans']:.0%} {end}" for end in get_args(End))
    return ", ".join(shares)


def _stored(*arguments: Any) -> str | None:
    """Return arguments as text for a child; None if one is a secret, which leaves no process."""
    try:
        return base64.b64encode(pickle.dumps(arguments)).decode()
    except TypeError:
        return None


class Clock:
    """The clock of a client in this process, on which a wait takes no time. Keeps the waits."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        """Let the clock show a later time."""
        self.waits.append(seconds)

    async def asleep(self, seconds: float) -> None:
        """Let the clock show a later time."""
        self.sleep(seconds)

    def rule(self, client: Any) -> None:
        """Let a client wait by this clock: its transport, its limits, and its tokens."""
        account = client.account
        client.sync_transport._sleep = self.sleep
        account.limits.clock = self
        auth = account.auth
        if isinstance(auth, ClientCredentials):
            auth._clock, auth = self, auth._shared
        if isinstance(auth, RotatingJwt):
            auth.monotonic = self


def _in_this_process(
    hook: Any, row: Row, args: Any, kwargs: Any, is_async: bool
) -> tuple[TelecomError | None, list[float]]:
    """Make the call; return its error, and the waits that it asked for, which take no time."""
    method, client, clock = getattr(hook, row.method), hook._client(), Clock()
    clock.rule(client)

    async def run() -> None:
        client.async_transport()._sleep = clock.asleep
        try:
            await hook.aio(method, *args, **kwargs)
        finally:
            await hook.aclose()

    try:
        asyncio.run(run()) if is_async else method(*args, **kwargs)
    except TelecomError as error:
        return error, clock.waits
    finally:
        client.sync_transport.close()
    return None, clock.waits


# Tasks.


@dataclass(frozen=True)
class Task:
    """A task with an effect: `wanted` effects of a kind."""

    operator: str
    vendor: str
    kind: str
    arguments: dict[str, Any]
    guarantee: Guarantee | None = None
    """None: the task has `on_unknown`, which is drawn."""
    wanted: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
    may_repeat: bool = False
    """Whether a repetition sets the same state again."""


A, B = numbers(2)
_OPERATORS = "airflow_provider_telecom.operators"
_NOVA = f"{_OPERATORS}.novaconnect.NovaConnect"
_V1 = {"api_version": "v1"}
TASKS: dict[str, Task] = {
    "kyivstar sms": Task(
        f"{_OPERATORS}.kyivstar_open_telecom.KyivstarSendSmsOperator",
        "kyivstar_open_telecom",
        "sms",
        {"msisdn": A, "text": "Hi"},
    ),
    "kyivstar viber": Task(
        f"{_OPERATORS}.kyivstar_open_telecom.KyivstarSendViberOperator",
        "kyivstar_open_telecom",
        "viber_transaction",
        {"msisdn": A, "text": "Hi", "kind": "transaction"},
    ),
    "kyivstar batch": Task(
        f"{_OPERATORS}.kyivstar_open_telecom.KyivstarSendBulkSmsOperator",
        "kyivstar_open_telecom",
        "sms",
        {"recipients": [A, B], "text": "Hi"},
        wanted=2,
        extra=_V1,
    ),
    "kyivstar promo": Task(
        f"{_OPERATORS}.kyivstar_open_telecom.KyivstarCreatePromoOperator",
        "kyivstar_open_telecom",
        "promo_started",
        {"recipients": [A, B], "text": "Hi", "start": True},
        "key",
    ),
    "fmc call": Task(
        f"{_OPERATORS}.kyivstar_fmc.KyivstarFmcOriginateCallOperator",
        "kyivstar_fmc",
        "call",
        {"called_number": A, "calling_number": B},
    ),
    "sunsim callback": Task(
        f"{_OPERATORS}.sunsim.SunSimCreateCallbackOperator",
        "sunsim",
        "callback",
        {"phone_to": A, "phone_from": "79000000001"},
    ),
    "ketchup sms": Task(
        f"{_OPERATORS}.ketchup_loyalty.KetchUpSendSmsOperator",
        "ketchup_loyalty",
        "sms",
        {"msisdn": A, "text": "Hi"},
        "key",
    ),
    "ketchup hlr": Task(
        f"{_OPERATORS}.ketchup_loyalty.KetchUpHlrLookupOperator",
        "ketchup_loyalty",
        "hlr",
        {"msisdns": [A, B]},
        "key",
        wanted=2,
    ),
    "ketchup viber": Task(
        f"{_OPERATORS}.ketchup_loyalty.KetchUpSendViberOperator",
        "ketchup_loyalty",
        "viber",
        {"recipients": [A], "text": "Hi"},
        extra={"viber_sender": "Shop"},
    ),
    "ping": Task(f"{_NOVA}PingSimsOperator", "novaconnect", "ping", {"sim_ids": [1001, 1002]}, wanted=2),
    "tariff": Task(
        f"{_NOVA}SetTariffOperator",
        "novaconnect",
        "tariff",
        {"sim_ids": [1001], "package_kb": 20480, "auto_package": True, "confirm": True},
        "fail",
    ),
    "block": Task(
        f"{_NOVA}BlockSimsOperator", "novaconnect", "block", {"sim_ids": [1001]}, "key", may_repeat=True
    ),
    "group": Task(f"{_NOVA}CreateGroupOperator", "novaconnect", "group_created", {"name": "Vans"}, "fail"),
    "user": Task(
        f"{_NOVA}CreateUserOperator",
        "novaconnect",
        "user_created",
        {"first_name": "A", "last_name": "B", "email_address": "a@example.com", "phone": A, "send": True},
    ),
}


def tasks(round_: Round) -> Figures:
    """Play one plan with a task, until it has ended as Airflow would let it end."""
    dice = round_.dice
    name = dice.choice(sorted(TASKS))
    task = TASKS[name]
    simulator = round_.fresh(dice.choice(PRESETS))
    policy: Guarantee = task.guarantee or dice.choice(POLICIES[1:])
    arguments: dict[str, Any] = {"task_id": "send", **task.arguments}
    if task.guarantee is None:
        arguments["on_unknown"] = policy
    intents = Intents(Counter({task.kind: task.wanted}))
    drawn_faults(round_, task.vendor, "", None)
    kills = Kills(round_, 1, 40, 2500)
    order = {
        "operator": task.operator,
        "store": str(round_.folder / "store"),
        "environment": round_.environment(**{task.vendor: task.extra}),
    }
    promise: Guarantee = "resend" if task.may_repeat else policy
    tries_left = MOST_TRIES
    while tries_left:
        tries_left -= 1
        operation = round_.history.invoke(intents.names, promise)
        kill = kills.next() if dice.random() < 0.7 else Kill()
        ended = round_.run("tests.chaos.tries:operator", {**order, "arguments": arguments}, kill)
        round_.history.effects(simulator, intents.of)
        if ended.killed:
            round_.history.killed(operation, f"SIGKILL at {kill}")
        elif ended.error is None:
            round_.history.complete(operation, _said(ended.result), name)
            return {"plans": 1}
        elif ended.is_a("OutcomeUnknownError"):
            round_.history.complete(operation, "unknown", f"{name}: {ended.error['text']}")
            if "on_unknown" not in arguments or dice.random() < 0.5:
                return {"plans": 1, "reported": 1}
            there = len(simulator.state.ledger.of(task.vendor, task.kind))
            arguments = {**arguments, "on_unknown": "assume_sent" if there else "resend"}
            promise = "resend" if task.may_repeat else arguments["on_unknown"]  # it stays as it is set
            simulator.state.faults.clear()
        else:
            round_.expect(ended.is_a("TelecomError"), f"{name}: a raw exception: {ended.error}")
            round_.history.complete(operation, "again", f"{name}: {ended.error['text']}")
            if not ended.error["retries"]:
                simulator.state.faults.clear()
    raise AssertionError(f"{name}: {MOST_TRIES} tries, and it has not ended: {_error(ended)}")


def _said(result: Any) -> Outcome:
    """Return what an XCom says: done, or that nobody knows."""
    if isinstance(result, dict) and (result.get("assumed_sent") or result.get("unknown")):
        return "unknown"
    return "ok"


def _error(ended: Ended) -> str:
    return str(ended.error or ended.result)


Play = Callable[[Round], Figures]
SCENARIOS = (
    Scenario("plans.calls", calls, "plans", 35_000, conclude=conclude, waits=True),
    Scenario(
        "plans.tasks",
        tasks,
        "plans",
        15_000,
        mutants=("journal writes nothing", "unknown is stored as planned"),
    ),
)
