"""Who is on call: people by a Dag's tag or owner, from a file or a Variable that is read for each alert.

`on_call_plan` has the format of the plan. If it can't be read, no alert is lost silently: the log says in one
line what is wrong, without numbers, and `fallback` gets the alert.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.notifications.event import Event
from airflow_provider_telecom.notifications.on_call_plan import Check, Found, Plan
from airflow_provider_telecom.notifications.recipients import parse_recipients
from airflow_provider_telecom.tasks.literals import check_if_literal

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 1 << 20
READ_SECONDS = 10.0
"""How long a file or a Variable may take. The rest of a notifier's time is for sending."""
_LONGEST_NAME = 250
_PARAMETERS = {"path", "variable", "tags", "fallback"}

Render = Callable[[Any], Any]


class OnCall(dict[str, Any]):
    """The recipients of a notifier: the people who are on call for the alert's Dag.

    :param path: a YAML or JSON file (.yaml, .yml, .json): an absolute local path, or a URL such as
        `s3://ops/on-call.yaml`. Each process that sends alerts reads it.
    :param variable: instead of a file: the Airflow Variable with the plan as its text.
    :param tags: look for these tags, and not for the Dag's own tags and owners. The context of a deadline
        has neither.
    :param fallback: recipients in case that the plan can't be read or names nobody: a number or a list, or a
        template such as `{{ var.value.on_call }}`.

    All parameters are templates. It is a dict, so that Airflow can store it with a deadline.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        variable: str | None = None,
        tags: Sequence[str] | None = None,
        fallback: str | int | Sequence[str | int] | None = None,
    ) -> None:
        if (path is None) == (variable is None):
            raise TelecomInputError("on_call", "must have either a path or a variable")
        check_if_literal(path, _check_path)
        check_if_literal(variable, lambda name: non_blank("variable", name, _LONGEST_NAME))
        if isinstance(tags, str) or (tags is not None and not tags):
            raise TelecomInputError("tags", "must be a list of tags")
        if fallback is not None and not parse_recipients(fallback):
            raise TelecomInputError("fallback", "must have at least one recipient")
        given = {"path": path, "variable": variable, "tags": tags and list(tags), "fallback": fallback}
        super().__init__({name: value for name, value in given.items() if value is not None})

    def __repr__(self) -> str:
        """Return the parameters without the numbers."""
        shown = (f"{name}={'***' if name == 'fallback' else repr(value)}" for name, value in self.items())
        return f"OnCall({', '.join(shown)})"

    def recipients(self, event: Event, check: Check, render: Render) -> Found:
        """Return who gets an alert about an event, and what is wrong with the plan. Raises nothing.

        `check` raises TelecomInputError for a recipient that the notifier refuses; `render` renders a
        template.
        """
        found = Found()
        try:
            given = {name: render(self[name]) for name in ("path", "variable", "tags") if name in self}
            plan = Plan(_within(READ_SECONDS, partial(_plan_text, given)), check)
            tags, owners = (given["tags"], ()) if "tags" in given else (event.tags, event.owners)
            found = plan.find(tags, owners, datetime.now(UTC))
        except TelecomInputError as error:
            found.problems.append(error.rule if error.field == "on_call" else f"{error.field}: {error.rule}")
        except Exception as error:
            found.problems.append(f"the plan cannot be read: {type(error).__name__}")
        if not found.recipients and "fallback" in self:
            try:
                found.recipients = parse_recipients(render(self["fallback"]))
                found.problems.append("the fallback is used")
            except Exception as error:
                found.problems.append(f"fallback: its template failed with {type(error).__name__}")
        return found


def on_call_of(value: object) -> OnCall | None:
    """Return the people on call, if a recipients field has them; those of a deadline are a plain dict.

    Raises TelecomInputError for another dict.
    """
    if isinstance(value, OnCall) or not isinstance(value, Mapping):
        return value if isinstance(value, OnCall) else None
    if not set(value) <= _PARAMETERS:
        raise TelecomInputError("on_call", f"has only {', '.join(sorted(_PARAMETERS))}")
    return OnCall(**value)


def _check_path(path: str) -> None:
    if not str(path).lower().endswith(SUFFIXES):
        raise TelecomInputError("path", f"must end in {', '.join(SUFFIXES)}")
    if "://" not in str(path) and not Path(path).expanduser().is_absolute():
        raise TelecomInputError("path", "must be absolute: Airflow's processes have different folders")


def _plan_text(given: Mapping[str, Any]) -> str:
    """Return the text of the file or of the Variable."""
    if "path" in given:
        return _file_text(str(given["path"]))
    from airflow.sdk import Variable

    text = Variable.get(given["variable"], default=None)
    if not text:
        raise TelecomInputError("variable", "there is no such Variable, or it is empty")
    return str(text)


def _file_text(path: str) -> str:
    from airflow.sdk import ObjectStoragePath

    _check_path(path)
    place = ObjectStoragePath(path if "://" in path else str(Path(path).expanduser()))
    with place.open("rb") as file:  # type: ignore[no-untyped-call]  # of upath
        content = bytes(file.read(MAX_BYTES + 1))
    if len(content) > MAX_BYTES:
        raise TelecomInputError("path", f"the file must have at most {MAX_BYTES >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TelecomInputError("path", "the file must be UTF-8") from None


def _within(seconds: float, read: Callable[[], str]) -> str:
    """Return what a function returns. Raises TimeoutError: object storage may not answer."""
    done: Future[str] = Future()
    variables = contextvars.copy_context()

    def work() -> None:
        try:
            done.set_result(variables.run(read))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=work, name="telecom-on-call", daemon=True).start()
    return done.result(seconds)
