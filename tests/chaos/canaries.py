"""Numbers, texts and credentials must not show where others can see them, whatever goes wrong.

Each operator, sensor, transfer and notifier of the family runs with made-up values that are looked for in
all that Airflow logs, stores or shows: logs at DEBUG, errors with their pickles and frames, XComs, rendered
fields, triggers and their events, the task state store, Variables, asset events.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from io import StringIO
from typing import Any
from urllib.parse import quote

from airflow.sdk import DAG
from airflow.sdk.exceptions import ErrorType, TaskDeferred
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, GetVariable, VariableResult
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields
from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization

from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.notifications.escalation import EscalatingNotifier
from airflow_provider_telecom.notifications.on_call import OnCall
from tests.bulk.variables import Variables
from tests.chaos.scenario import Round, Scenario
from tests.notifications.contexts import in_worker
from tests.running import Run, again, crossed
from tests.test_family import NOTIFIERS, TASKS, members
from tests.test_leaks import ECHO, TEXT, minted
from tests.visible import everything_said, variables

PHONE, RUSSIAN_PHONE = "380670000277", "79000000277"
FAILURES: dict[str, dict[str, Any]] = {
    "none": {},
    "refused with an echo": {"kind": "status", "status": 400, "body": ECHO},
    "answered with an echo": {"kind": "body", "body": ECHO},
    "throttled": {"kind": "status", "status": 429, "headers": {"Retry-After": "999"}, "body": ECHO},
    "server error": {"kind": "status", "status": 500, "body": ECHO},
    "lost": {"kind": "reset_after"},
    "garbage": {"kind": "garbage"},
    "half": {"kind": "half_body"},
    "unauthorized": {"kind": "status", "status": 401, "body": ECHO},
}
_READS, _OTHERS = "list|prices|company|get", "^(?!.*(oauth2|integrationapi))"
_SUBSTITUTES = {"380670000200": PHONE, "79000000001": RUSSIAN_PHONE, "Hi": TEXT}


def substituted(value: Any) -> Any:
    """Return arguments with the canaries in place of the example's number and text."""
    if isinstance(value, str):
        return _SUBSTITUTES.get(value, value)
    if isinstance(value, dict):
        return {key: substituted(each) for key, each in value.items()}
    return [substituted(each) for each in value] if isinstance(value, list) else value


FRAMES = "frames"
"""The variables of the frames of an error: a task's own frames hold whom it writes to, but no credentials."""


def forms(secrets: list[str], place: str = "") -> list[str]:
    """Return the canaries in all forms in which they could show at a place."""
    if place == FRAMES:
        return [*secrets, *map(quote, secrets)]
    numbers = [PHONE[3:], RUSSIAN_PHONE[1:], "67 000 02 77", "900 000 02 77"]
    texts = [TEXT, quote(TEXT), TEXT.encode("unicode_escape").decode(), json.dumps(TEXT)[1:-1]]
    return [*numbers, *texts, *secrets, *map(quote, secrets)]


def credentials(simulator: Any) -> list[str]:
    """Return the passwords of all connections, and the tokens that were minted."""
    return [*(simulator.connection(vendor)["password"] for vendor in _vendors()), *minted(simulator)]


def _vendors() -> list[str]:
    from airflow_provider_telecom.vendors.registry import vendors

    return [vendor.id for vendor in vendors()]


class SeenRun(Run):
    """A Dag run that notes all that Airflow would store or show of its tasks."""

    def __init__(self, **xcoms: Any) -> None:
        super().__init__(**xcoms)
        self.seen: dict[str, str] = {}

    def note(self, place: str, value: object) -> None:
        """Note what is shown at a place."""
        self.seen[place] = self.seen.get(place, "") + f"{value}\n"

    def play(self, operator: Any, **context: Any) -> None:
        """Run a try, and note what it leaves behind; its errors are noted, too."""
        try:
            self.note("xcom", json.dumps(BaseSerialization.serialize(self.execute(operator, **context))))
        except Exception as error:
            self.note("error", everything_said(error))
            self.note(FRAMES, variables(error))
        self.note("rendered fields", json.dumps(_serialize_rendered_fields(operator)))
        self.note("operator", f"{operator!r} {operator}")
        self.note("pushed", json.dumps(BaseSerialization.serialize(self.pushed)))
        self.note("state store", [store.texts for store in self.stores.values()])
        self.note("asset events", _events(self.outlet_events))

    def _resumed(self, operator: Any, context: dict[str, Any], deferred: TaskDeferred) -> Any:
        self.note("trigger", deferred.trigger.serialize())
        self.note("trigger", repr(deferred.trigger))
        self.note("deferral", (deferred.method_name, deferred.kwargs))
        event = asyncio.run(_first_event(deferred.trigger))
        self.note("trigger event", event)
        try:
            return operator.resume_execution(deferred.method_name, {"event": event}, context)
        except TaskDeferred as once_more:
            return self._resumed(operator, context, once_more)


async def _first_event(trigger: Any) -> Mapping[str, Any]:
    async for event in again(trigger).run():
        found: Mapping[str, Any] = crossed(event.payload)
        return found
    raise AssertionError("the trigger ended without an event")


def _events(accessors: Any) -> list[str]:
    return [f"{key} {event.extra} {event!r}" for key, event in accessors._dict.items()]


class ReadableVariables(Variables):
    """Variables that tasks read, too."""

    def send(self, message: Any) -> Any:
        """Answer a task."""
        if not isinstance(message, GetVariable):
            return super().send(message)
        if message.key not in self.values:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
        return VariableResult(key=message.key, value=self.values[message.key])


@contextmanager
def watched() -> Iterator[tuple[StringIO, Variables]]:
    """Log everything at DEBUG into a text, and answer what tasks ask for Variables, within a `with` block."""
    text, variables = StringIO(), ReadableVariables()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    before = root.level, logging.root.manager.disable
    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    loggers = [logging.getLogger(name) for name in _NOISY]
    disabled = [logger.disabled for logger in loggers]
    task_runner.SUPERVISOR_COMMS = variables  # type: ignore[assignment]
    try:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        logging.disable(logging.NOTSET)
        for logger in loggers:
            logger.disabled = False
        yield text, variables
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        logging.disable(before[1])
        for logger, was in zip(loggers, disabled, strict=True):
            logger.disabled = was
        if comms is None:
            del task_runner.SUPERVISOR_COMMS
        else:
            task_runner.SUPERVISOR_COMMS = comms


_NOISY = ("urllib3", "urllib3.connectionpool", "aiohttp", "asyncio", "airflow_provider_telecom")


def _plant(simulator: Any, module: str, arguments: Mapping[str, Any], failure: str) -> None:
    """Let the vendor of a module fail; it echoes what it was sent, and the password."""
    vendor = module.rpartition(".")[2].removesuffix("_to_object_storage")
    if fault := FAILURES[failure]:
        echo = fault.get("body", "").replace("%s", simulator.connection(vendor)["password"])
        other = echo if TEXT in repr(substituted(dict(arguments))) else echo.replace(TEXT, "")
        for path, body in ((_READS, echo.replace(TEXT, "")), (_OTHERS, other)):  # what was sent is echoed
            simulator.fault(**{**fault, "body": body}, vendor=vendor, path=path, times=9)


def play_notifier(
    simulator: Any,
    module: str,
    name: str,
    arguments: Mapping[str, Any],
    failure: str,
    output: Callable[[], str] = str,
) -> list[str]:
    """Alert the people on call about a failure, first by one notifier, then by an escalation that begins with
    it; return which canary shows where."""
    _plant(simulator, module, arguments, failure)
    seen: dict[str, str] = {}
    output()
    with watched() as (text, stored):
        try:
            notifier = getattr(import_module(module), name)(**substituted(dict(arguments)))
            if "msisdn" in arguments and failure != "none":
                notifier.msisdn = OnCall(variable="on_call", fallback=substituted(arguments["msisdn"]))
            escalating = EscalatingNotifier(
                notifier, then=[(timedelta(minutes=1), notifier)], dag_id="alerts"
            )
            for place, each in enumerate((notifier, escalating)):
                each(in_worker(f"manual__{place}"))
                seen["notifier"] = seen.get("notifier", "") + f"{each!r} {each}\n"
            escalation = escalating.dag()
            seen["escalation"] = json.dumps(DagSerialization.serialize_dag(escalation), default=str)
        except Exception as error:
            seen["error"] = everything_said(error)
    seen |= {"log": text.getvalue(), "output": output(), "variables": str(stored.values)}
    return shown(seen, credentials(simulator))


def play_task(
    simulator: Any,
    module: str,
    name: str,
    arguments: Mapping[str, Any],
    failure: str,
    output: Callable[[], str] = str,
) -> list[str]:
    """Run a task of the family under a failure; return which canary shows where."""
    _plant(simulator, module, arguments, failure)
    run = SeenRun()
    output()
    with watched() as (text, stored):
        try:
            operator = getattr(import_module(module), name)(task_id="task", **substituted(dict(arguments)))
            with DAG("dag", schedule=None) as dag:
                dag.add_task(operator)
            run.play(operator)
        except Exception as error:
            run.note("error when the Dag is parsed", everything_said(error))
    run.note("log", text.getvalue())
    run.note("output", output())
    run.note("variables", stored.values)
    return shown(run.seen, credentials(simulator))


def shown(seen: Mapping[str, str], secrets: list[str]) -> list[str]:
    """Return which canary shows where."""
    return [
        f"{place}: {canary}: {_around(text, canary)}"
        for place, text in seen.items()
        for canary in forms(secrets, place)
        if canary in text
    ]


def _around(text: str, canary: str) -> str:
    at = text.index(canary)
    return text[max(0, at - 100) : at + len(canary) + 60].replace("\n", " ")


_ACTS = [
    *((play_task, member.values) for member in TASKS),
    *((play_notifier, member.values) for member in members("notifications", NOTIFIERS)),
]
FAMILY = [(act, values, failure) for act, values in _ACTS for failure in FAILURES]
"""Each member of the family under each failure."""


@contextmanager
def _written() -> Iterator[Callable[[], str]]:
    """Give a function that returns what was written to standard output in the block, since its last call."""
    with tempfile.TemporaryFile("w+b") as file:
        before = os.dup(1)
        os.dup2(file.fileno(), 1)

        def read() -> str:
            sys.stdout.flush()
            file.seek(0)
            text = file.read().decode(errors="replace")
            file.truncate(0)
            return text

        try:
            yield read
        finally:
            sys.stdout.flush()
            os.dup2(before, 1)
            os.close(before)


def play(round_: Round) -> dict[str, float]:
    """Run one member of the family under one failure."""
    act, (module, name, arguments), failure = FAMILY[round_.number]
    simulator = round_.fresh(round_.dice.choice(("default", "opposite")))
    round_.folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(round_.environment())
    os.chdir(round_.folder)
    forget_clients()
    if ".sensors." in module:
        arguments = {**arguments, "timeout": 0.2, "poke_interval": 0.05}
    with _written() as written:
        found = act(simulator, module, name, arguments, failure, written)
    round_.expect(not found, f"{name}, {failure}: " + "\n".join(found))
    return {"runs": 1}


SCENARIOS = (Scenario("canaries", play, "runs", len(FAMILY), rounds_at_most=len(FAMILY), waits=True),)
