"""Numbers and texts are used and never shown: not by Airflow's pages, nor by its database, nor in logs."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.bulk.recipient_rows import SUFFIXES
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCreatePromoOperator,
    KyivstarSendSmsOperator,
)
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.private import Private, hide, hide_unless_path, reveal
from airflow_provider_telecom.vendors.sunsim import VENDOR
from tests.running import Run

NUMBER, TEXT = "380670000200", "Your code is 48151623"


class Sending(JournaledOperator):
    """An operator that returns what it was given."""

    vendor = VENDOR
    template_fields = (*JournaledOperator.template_fields, "msisdns", "text", "rows")
    private_fields: ClassVar[tuple[str, ...]] = ("msisdns", "text", "rows")

    def __init__(self, *, msisdns: Any = None, text: Any = None, rows: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.msisdns, self.text, self.rows = msisdns, text, rows

    def execute(self, context: Any) -> Any:
        return [self.reveal(name) for name in self.private_fields]


# The value itself.


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (TEXT, "*** (str of 21)"),
        ([NUMBER], "*** (list of 1)"),
        ({"msisdn": NUMBER}, "*** (dict of 1)"),
        (380670000200, "*** (int)"),
        ((NUMBER, TEXT), "*** (tuple of 2)"),
    ],
)
def test_what_is_shown_of_it(value: Any, shown: str) -> None:
    private = Private(value)
    forms = [str(private), repr(private), f"{private}", f"{private!r}", "%s" % private, f"{[private]}"]  # noqa: UP031
    assert {form.strip("[]") for form in forms} == {shown}
    assert private.serialize() == shown
    assert private.reveal() is value


def test_it_is_not_pickled_nor_looked_into() -> None:
    private = Private(TEXT)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(private, protocol)
    with pytest.raises(TypeError):
        json.dumps(private)
    with pytest.raises(TypeError):
        vars(private)


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_given_is_shown_as_it_is(value: Any) -> None:
    assert hide(value) is value


@pytest.mark.parametrize("value", [0, False, [], {}, " ", TEXT, [NUMBER]])
def test_what_is_hidden_can_be_revealed(value: Any) -> None:
    private = hide(value)
    assert isinstance(private, Private)
    assert reveal(private) is value
    assert hide(private) is private
    assert reveal(value) is value


# A task.

GIVEN: dict[str, Any] = {
    "msisdns": [NUMBER],
    "text": TEXT,
    "rows": [{"msisdn": NUMBER, "name": TEXT}, (NUMBER,)],
    "dedupe_key": NUMBER,
}


def shown(operator: Any) -> str:
    """Return all that Airflow would store or log of a rendered task."""
    fields = _serialize_rendered_fields(operator)
    assert set(fields) == set(operator.template_fields)
    return json.dumps(fields) + repr(operator) + str({name: getattr(operator, name) for name in fields})


def hides(text: str) -> bool:
    return not any(part in text for part in (NUMBER, NUMBER[3:], "48151623", "code"))


def rendered(operator: Any, **context: Any) -> Any:
    found = Run().execute(operator, **context)
    assert hides(shown(operator))
    return found


def test_a_task_uses_them_and_shows_nothing() -> None:
    assert rendered(Sending(task_id="send", **GIVEN)) == [GIVEN[name] for name in Sending.private_fields]


def test_templates_are_rendered_first() -> None:
    templates = {
        "msisdns": ["{{ params.to }}"],
        "text": "{{ params.text }}",
        "rows": {"a": "{{ params.to }}"},
    }
    operator = Sending(task_id="send", dedupe_key="{{ params.to }}", **templates)
    found = rendered(operator, params={"to": NUMBER, "text": TEXT})
    assert found == [[NUMBER], TEXT, {"a": NUMBER}]
    assert operator.reveal("dedupe_key") == NUMBER


def test_xcoms_are_rendered_first() -> None:
    class Resolving(Run):
        def context(self, operator: Any, **more: Any) -> dict[str, Any]:
            context = super().context(operator, **more)
            context["ti"].xcom_pull = lambda **_: [NUMBER]
            return context

    with DAG("dag", schedule=None):
        first = Sending(task_id="first")
        operator = Sending(task_id="send", msisdns=first.output)
    found = Resolving().execute(operator)
    assert found[0] == [NUMBER]
    assert hides(shown(operator))


def test_a_second_rendering_changes_nothing() -> None:
    operator = Sending(task_id="send", **GIVEN)
    assert rendered(operator) == rendered(operator)


def test_what_is_public_is_shown() -> None:
    operator = Sending(task_id="send", conn_id="{{ params.conn }}")
    rendered(operator, params={"conn": "mine"})
    fields = _serialize_rendered_fields(operator)
    assert fields["conn_id"] == "mine"
    assert fields["text"] is None
    assert fields["dedupe_key"] == ""


@pytest.mark.parametrize("expanded", ["msisdns", "text", "rows"])
def test_a_mapped_task_shows_nothing_either(expanded: str) -> None:
    constant = {name: value for name, value in GIVEN.items() if name != expanded}
    with DAG("dag", schedule=None):
        mapped = Sending.partial(task_id="send", **constant).expand(**{expanded: [GIVEN[expanded]]})
    operator = unmapped(mapped)
    assert isinstance(operator, Sending)
    assert operator.execute({}) == [GIVEN[name] for name in Sending.private_fields]
    assert hides(shown(operator))


def test_a_mapped_tasks_templates_are_rendered_first() -> None:
    with DAG("dag", schedule=None, params={"to": NUMBER, "text": TEXT}):
        mapped = Sending.partial(task_id="send", text="{{ params.text }}").expand_kwargs([
            {"msisdns": ["{{ params.to }}"]}
        ])
    operator = unmapped(mapped)
    assert operator.execute({}) == [[NUMBER], TEXT, None]
    assert hides(shown(operator))


def unmapped(mapped: Any) -> Any:
    """Render a mapped task as the task runner does: it makes an operator of its own, and keeps that."""
    context = Run().context(mapped, task=mapped, dag=mapped.dag, dag_run=SimpleNamespace(conf={}))
    context["ti"].map_index = 0
    context["ti"].get_template_context = lambda: context
    mapped.render_template_fields(context)
    return context["ti"].task


# Recipients: a path may be seen, but a string need not be one.


def rendered_recipients(operator: type[Any], value: Any) -> Any:
    """Return what Airflow stores of recipients that a template renders to `value`."""
    made = operator(task_id="send", recipients="{{ params.to }}", text="Hi", dry_run=True)
    with contextlib.suppress(TelecomInputError):
        Run().execute(made, params={"to": value})
    return _serialize_rendered_fields(made)["recipients"]


@pytest.mark.parametrize("operator", [KetchUpSendBulkSmsOperator, KyivstarCreatePromoOperator])
@pytest.mark.parametrize(
    "value",
    [
        [NUMBER],
        f"['{NUMBER}']",
        f"[{{'msisdn': '{NUMBER}', 'file': 'a.csv'}}]",
        NUMBER,
        f"{NUMBER},{NUMBER}.csv",
        f"{NUMBER}\na.csv",
        f"{NUMBER}.csv",
        "+380 67 000 02 00.csv",
        "Olena\tmine.jsonl",
        "https://files.example/a?sign=made-up-secret&name=a.csv",
        "/data/a.xlsx",
    ],
)
def test_recipients_that_render_to_a_string_are_not_shown(
    operator: type[Any], value: Any, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty"), hook_for("kyivstar_open_telecom")
    shown = str(rendered_recipients(operator, value))
    assert re.fullmatch(r"\*\*\* \((list|str) of \d+\)", shown)


@pytest.mark.parametrize(
    "path",
    [
        "/data/2026-10-18/people_1.csv",
        "s3://aws_default@bucket/people/20261018T101500.jsonl",
        "gs://bucket/a=b/c~d/+e.NDJSON",
        "people.tsv",
    ],
)
def test_the_path_of_a_file_of_recipients_is_shown(path: str) -> None:
    assert hide_unless_path(path, SUFFIXES) == path


@pytest.mark.parametrize("value", [[NUMBER], {"msisdn": NUMBER}, 380670000200, (NUMBER,)])
def test_what_is_no_path_is_not_shown(value: Any) -> None:
    private = hide_unless_path(value, SUFFIXES)
    assert isinstance(private, Private)
    assert private.reveal() is value


def test_a_path_object_is_shown_too() -> None:
    path = ObjectStoragePath("file:///data/people.csv")
    assert hide_unless_path(path, SUFFIXES) is path


def test_a_path_that_holds_a_password_is_not_shown() -> None:
    assert isinstance(hide_unless_path("s3://key:made-up-secret@bucket/a.csv", SUFFIXES), Private)


def test_a_task_shows_the_path_of_its_recipients(hook_for: Callable[..., Any], tmp_path: Path) -> None:
    hook_for("ketchup_loyalty")
    file = tmp_path / "people.csv"
    file.write_text(f"msisdn\n{NUMBER}\n")
    assert rendered_recipients(KetchUpSendBulkSmsOperator, str(file)) == str(file)


# What is stored elsewhere.


def test_a_copy_of_a_task_hides_as_well(hook_for: Callable[..., Any], telecom_simulator: Any) -> None:
    hook_for("kyivstar_open_telecom")
    operator = copy.deepcopy(KyivstarSendSmsOperator(task_id="send", msisdn=NUMBER, text=TEXT))
    rendered(operator)
    assert telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")[0].facts["text"] == TEXT
