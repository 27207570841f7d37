"""Every documented parameter: a hook's method passes it, a task takes it, or the list says why not."""

from __future__ import annotations

import inspect
import re
import typing
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomRejectedError
from airflow_provider_telecom.calls.privacy import Secret
from tests.endpoints import ROWS, Row
from tests.parameters import CONNECTIONS, OMITTED, Parameter, calls_of, content_of, parameters
from tests.tasks.test_parameters import public_classes
from tests.test_conformance import hook_class

PARAMETERS = parameters()
CLASSES = {cls.__name__: cls for cls in public_classes()}
DOCUMENTED = [row for of_vendor in ROWS.values() for row in of_vendor]
each_endpoint = pytest.mark.parametrize("row", DOCUMENTED, ids=str)


def of(row: Row) -> list[Parameter]:
    return [one for one in PARAMETERS if one.belongs_to(row)]


@each_endpoint
def test_each_parameter_is_in_the_request(
    row: Row, hook_for: Callable[..., Any], telecom_simulator: Any, tmp_path: Path
) -> None:
    telecom_simulator.state.record_content = True
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 3600)
    hook = hook_for(row.vendor, **CONNECTIONS.get(row.vendor, {}))
    sent: dict[str, set[str]] = defaultdict(set)
    given: dict[str, Any] = {}
    for call in calls_of(row):
        arguments = call(hook, tmp_path)
        given |= arguments
        before = len(telecom_simulator.state.requests)
        with suppress(TelecomRejectedError):  # the vendor has the request all the same
            getattr(hook, row.method)(**arguments)
        pattern = re.sub(r"/\d\$$", "/[0-9]$", row.pattern)  # of any tariff
        for request in telecom_simulator.state.requests[before:]:
            if re.search(pattern, request.path) and request.method in row.http.split("/"):
                for place, values in content_of(request).items():
                    sent[place] |= values
    expected = [*of(row), *(one for one in PARAMETERS if one.is_shared_by(row))]
    missing = [f"{one} = {one.value}" for one in expected if not _is_sent(one, sent, given)]
    assert not missing, "\n".join([
        *missing,
        "sent were",
        *(f"{name}: {sent[name]}" for name in sorted(sent)),
    ])


def _is_sent(parameter: Parameter, sent: Mapping[str, set[str]], given: Mapping[str, Any]) -> bool:
    if parameter.parameter == "none" or parameter.argument.startswith(OMITTED):
        return True
    kind, _, _ = parameter.parameter.partition(".")
    values = sent.get("path" if kind == "path" else parameter.parameter, set())
    if parameter.value == "=":
        argument = given[parameter.argument]
        wanted = argument if isinstance(argument, list) else [argument]
        return all(_matches(_text(one), kind, values) for one in wanted)
    return _matches(parameter.value, kind, values)


def _text(value: Any) -> str:
    return str(value.reveal() if isinstance(value, Secret) else value)


def _matches(wanted: str, kind: str, values: set[str]) -> bool:
    """Return whether one of the values is the wanted one. Headers and times have more than that."""
    pattern = f"*{wanted}*" if kind == "header" or re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", wanted) else wanted
    return any(value and fnmatchcase(value, pattern or "*") for value in values)


@each_endpoint
def test_each_argument_belongs_to_a_parameter(row: Row, tmp_path: Path) -> None:
    """Every argument of a method is in the list, and has its place in the document."""
    named = {re.split(r"[\[.]", one.argument)[0] for one in of(row)}
    assert of(row), "say `none` if the document has no parameters"
    unnamed = set(_arguments_of(row)) - named - OURS
    assert not unnamed, "an argument without a row"
    unknown = {
        name
        for name in named - set(_arguments_of(row))
        if name not in ("", "fixed", "connection") and not name.startswith(OMITTED)
    }
    assert not unknown, "a row names an argument that the method does not have"


OURS = {"target", "without_keys", "allow_short_validity", "expected_hash", "format", "groups"}
"""Arguments that are about this client, or about what a request does not contain."""


def _arguments_of(row: Row) -> dict[str, Any]:
    method = getattr(hook_class(row.vendor), row.method)
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if name == "self":
            continue
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            module = inspect.getmodule(method.__wrapped__)
            unpacked = re.fullmatch(r"Unpack\[([\w.]+)\]", str(parameter.annotation))
            assert unpacked
            group = eval(unpacked[1], vars(module))
            found |= typing.get_type_hints(group)
        else:
            found[name] = parameter.annotation
    return found


@pytest.mark.parametrize("parameter", [one for one in PARAMETERS if "[]." in one.argument], ids=str)
def test_fields_of_arguments_exist(parameter: Parameter) -> None:
    from airflow_provider_telecom.vendors.ketchup_loyalty import models

    argument, _, name = parameter.argument.partition("[].")
    row = next(row for row in DOCUMENTED if parameter.belongs_to(row))
    kind = re.search(r"models\.(\w+)", str(_arguments_of(row)[argument]))
    assert kind
    model = getattr(models, kind[1])
    assert name in inspect.signature(model).parameters


@pytest.mark.parametrize("vendor", ROWS)
def test_tasks_take_it_or_the_list_says_why_not(vendor: str) -> None:
    """Each row names tasks with such an argument, or a reason."""
    wrong = [
        f"{one}: {task}"
        for one in PARAMETERS
        if one.vendor == vendor and one.parameter != "none"
        for task in ([one.tasks] if one.tasks.startswith(OMITTED) else one.tasks.split(", "))
        if not _is_taken(task)
    ]
    assert not wrong, "\n".join(wrong)


def _is_taken(task: str) -> bool:
    if task in ("connection", "fixed"):
        return True
    if task.startswith(OMITTED):
        return len(task) > len(OMITTED) + 10
    name, _, argument = task.partition(".")
    return name in CLASSES and argument in inspect.signature(CLASSES[name]).parameters


def test_the_list_is_complete_and_has_no_row_twice() -> None:
    assert len(set(PARAMETERS)) == len(PARAMETERS)
    for row in DOCUMENTED:
        assert of(row), f"{row}: no row"
    others = [
        str(one) for one in PARAMETERS if one.endpoint[0] != "*" and not any(map(one.belongs_to, DOCUMENTED))
    ]
    assert not others, "rows of an endpoint that is not in tests/endpoints.py"
    for one in PARAMETERS:
        assert one.line == "FOUND" or one.line.isdecimal()
