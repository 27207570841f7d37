"""Kyivstar's token ends again and again while a process sends SMS, which have no idempotency key.

It is revoked, or it expires at the vendor (whose clock moves) while the client believes it to be valid. The
bulk operator sends in threads; another form sends by a hook in one event loop, as triggers do. In a third
form several processes send at the same time, and a new token may invalidate the former one.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendBulkSmsOperator
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import TOKEN_SECONDS, VendorState
from tests.chaos.scenario import Round, Scenario
from tests.hooks.kyivstar_stress import send_at_once
from tests.running import Run

VENDOR = "kyivstar_open_telecom"
FIRST_NUMBER = 380670000000
MESSAGES_PER_ROUND, ENDS_PER_ROUND = 2500, 5
PROCESSES, MESSAGES_PER_PROCESS, TOKENS_PER_PROCESS = 4, 300, 6


@dataclass
class Batch:
    """What one process sent, and what the vendor did."""

    messages: int
    ends: int = 0
    """How often the token ended."""
    renewals: int = 0
    accepted: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)


@contextmanager
def ending_tokens(simulator: Any, batch: Batch, ends: int, dice: random.Random) -> Iterator[None]:
    """Within a `with` block, end the token when so many messages have been sent; then count what happened."""
    ledger, state = simulator.state.ledger, simulator.state.vendor_state(VENDOR, VendorState)
    began = len(ledger.effects)
    between = batch.messages / ends  # so far apart that no call meets two of them
    due = [round((place + dice.uniform(0.3, 0.7)) * between) for place in range(ends)]
    record, lock = simulator.state.record, threading.Lock()
    messages = 0

    def recorded(vendor: str, kind: str, **facts: Any) -> Any:
        """Record an effect; the token ends right after some of them, while others are under way."""
        nonlocal messages
        effect = record(vendor, kind, **facts)
        with lock:
            messages += kind == "sms"
            while due and messages >= due[0]:
                due.pop(0)
                batch.ends += 1
                if dice.random() < 0.5:
                    state.revoke_tokens()
                else:
                    simulator.state.clock.advance(TOKEN_SECONDS + 1)
        return effect

    simulator.state.record = recorded
    try:
        yield
    finally:
        simulator.state.record = record
        effects = ledger.effects[began:]
        batch.renewals = sum(effect.kind == "token" for effect in effects)
        batch.sent.update(effect.facts["msisdn"] for effect in effects if effect.kind == "sms")


def numbers(count: int) -> list[str]:
    """Return made-up numbers."""
    return [str(FIRST_NUMBER + place) for place in range(count)]


def send_in_threads(simulator: Any, messages: int, ends: int, seed: int, concurrency: int = 16) -> Batch:
    """Send by the bulk operator."""
    batch, dice = Batch(messages), random.Random(seed)
    operator = KyivstarSendBulkSmsOperator(
        task_id="send", recipients=numbers(messages), text="Hi", concurrency=concurrency
    )
    with ending_tokens(simulator, batch, ends, dice):
        try:
            batch.accepted = Run().execute(operator)["accepted"]
        except Exception as error:
            batch.errors[f"{type(error).__name__}: {error}"] += 1
    return batch


def send_in_one_loop(simulator: Any, messages: int, ends: int, seed: int, concurrency: int = 20) -> Batch:
    """Send by a hook, many calls at once in one event loop."""
    batch, dice = Batch(messages), random.Random(seed)

    async def send_all() -> None:
        async with KyivstarOpenTelecomHook().async_session() as hook:
            places = asyncio.Semaphore(concurrency)

            async def send(number: str) -> None:
                async with places:
                    try:
                        await hook.aio(hook.send_sms, number, "Hi")
                    except TelecomError as error:
                        batch.errors[f"{type(error).__name__}: {error}"] += 1
                    else:
                        batch.accepted += 1

            await asyncio.gather(*map(send, numbers(messages)))

    with ending_tokens(simulator, batch, ends, dice):
        asyncio.run(send_all())
    return batch


def violations(batch: Batch) -> list[str]:
    """Return what is wrong: failed or double messages, more than one renewal for each end of the token."""
    wrong = [f"{count} times {error}" for error, count in batch.errors.items()]
    if batch.accepted != batch.messages:
        wrong.append(f"{batch.accepted} of {batch.messages} were reported as sent")
    if doubled := [number for number, times in batch.sent.items() if times > 1]:
        wrong.append(f"{len(doubled)} messages were sent twice")
    if len(batch.sent) != batch.messages:
        wrong.append(f"{len(batch.sent)} of {batch.messages} were sent")
    if batch.renewals > batch.ends + 1:
        wrong.append(f"{batch.renewals} tokens for {batch.ends} ends of a token")
    return wrong


def play_processes(round_: Round) -> dict[str, float]:
    """Send in several processes at once, whose tokens may exclude each other, and return what happened."""
    simulator, exclude = round_.fresh(), round_.dice.random() < 0.75
    if exclude:
        simulator.state.vendor_state(VENDOR, VendorState).switches.turn_on("one_token")
    ways = round_.dice.choices(("threads", "loop"), k=PROCESSES)
    round_.folder.mkdir(parents=True, exist_ok=True)
    results, sent = send_at_once(simulator, round_.folder / "store", ways, MESSAGES_PER_PROCESS)
    tokens = sum(effect.kind == "token" for effect in simulator.state.ledger.effects)
    messages = PROCESSES * MESSAGES_PER_PROCESS
    round_.expect(results == {"ok": messages}, f"{ways}: {results}")
    round_.expect(len(sent) == sent.total() == messages, f"{len(sent)} numbers got {sent.total()} messages")
    most = PROCESSES * (TOKENS_PER_PROCESS if exclude else 1)
    round_.expect(tokens <= most, f"{tokens} tokens for {PROCESSES} processes")
    return {"messages": messages, "processes": PROCESSES, "renewals": tokens}


def play(round_: Round) -> dict[str, float]:
    """Send a batch in threads, in one event loop, or in several processes, and return what happened."""
    if round_.number % 3 == 2:
        return play_processes(round_)
    preset = round_.dice.choice(("default", "opposite"))
    simulator = round_.fresh(preset)
    os.environ.update(round_.environment())
    forget_clients()
    send = (send_in_threads, send_in_one_loop)[round_.number % 3]
    batch = send(simulator, MESSAGES_PER_ROUND, ENDS_PER_ROUND, round_.dice.randrange(1 << 30))
    round_.expect(not (wrong := violations(batch)), "\n".join(wrong))
    return {"messages": batch.messages, "ended_tokens": batch.ends, "renewals": batch.renewals}


SCENARIOS = (Scenario("tokens.kyivstar", play, "messages", 10_000, waits=True),)
