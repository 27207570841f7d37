"""Every public class shows all its parameters: in its signature, in its docstring, and to type checkers."""

from __future__ import annotations

import copy
import inspect
import re
import sys
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

import airflow_provider_telecom
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsDeliveredSensor
from airflow_provider_telecom.tasks.arguments import TaskArguments
from airflow_provider_telecom.tasks.parameters import DeclaredParameters, parameter_names


def public_classes() -> list[type]:
    """Return the classes that users use: those with the vendor's document as their source."""
    for package in ("operators", "sensors", "transfers", "notifications"):
        folder = f"{airflow_provider_telecom.__path__[0]}/{package}"
        for module in walk_packages([folder], f"airflow_provider_telecom.{package}."):
            import_module(module.name)
    found, left = [], [DeclaredParameters]
    while left:
        cls = left.pop()
        left += cls.__subclasses__()
        if "Source:" in (vars(cls).get("__doc__") or "") and cls not in found:
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__name__)


each_class = pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)


def for_type_checkers(cls: type) -> dict[str, str]:
    """Return the parameters that `__init__` declares or unpacks, with their types."""
    init = inspect.signature(cls.__init__)  # type: ignore[misc]
    found = {
        name: parameter.annotation
        for name, parameter in init.parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    unpacked = re.fullmatch(r"Unpack\[(\w+)\]", init.parameters["kwargs"].annotation)
    assert unpacked, "**kwargs must be Unpack[...] of a TypedDict"
    group = getattr(sys.modules[cls.__init__.__module__], unpacked[1])  # type: ignore[misc]
    for name, hint in group.__annotations__.items():
        text = hint.__forward_arg__
        found[name] = re.sub(r"^Required\[(.*)\]$", r"\1", text)
    return found


def test_airflows_parameters_are_those_of_this_airflow() -> None:
    names = set(inspect.signature(BaseOperator.__init__).parameters) - {"self", "kwargs"}
    assert set(TaskArguments.__annotations__) == names


@each_class
def test_type_checkers_see_all_parameters(cls: type) -> None:
    typed = for_type_checkers(cls)
    assert set(typed) == parameter_names(cls)
    shown = inspect.signature(cls).parameters
    for name in set(typed) & set(shown):
        assert typed[name] == shown[name].annotation, name


@each_class
def test_the_docstring_names_all_parameters(cls: type) -> None:
    documented = re.findall(r"^ *:param (\w+):", cls.__doc__ or "", re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == set(inspect.signature(cls).parameters) - {"task_id", "kwargs"}


@each_class
def test_a_misspelt_parameter_is_refused(cls: Any) -> None:
    for name in inspect.signature(cls).parameters:
        with pytest.raises(TelecomInputError, match=rf"^{name}_: is not a parameter of {cls.__name__}"):
            cls(**{f"{name}_": 1})


ARGUMENTS: dict[str, Any] = {"task_id": "send", "recipients": ["380670000200"], "text": "Hi"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("poke_interval", "poll_interval"),
        ("timeout", "wait_timeout"),
        ("con_id", "conn_id"),
        ("retires", "retries"),
        ("schedule", "schedule_at"),
        ("sender", "originator"),
    ],
)
def test_operators_suggest_the_right_name(wrong: str, right: str) -> None:
    kind, hint = KetchUpSendBulkSmsOperator, rf"^{wrong}: .*; did you mean {right}\?$"
    with DAG("dag", schedule=None):
        with pytest.raises(TelecomInputError, match=hint):
            kind(**ARGUMENTS, **{wrong: 1})
        with pytest.raises(TelecomInputError, match=hint):
            kind.partial(**ARGUMENTS, **{wrong: 1})
        partial = kind.partial(**ARGUMENTS)
        with pytest.raises(TelecomInputError, match=hint):
            partial.expand(**{wrong: [1]})
        partial.expand(dedupe_key=["1"])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("poll_interval", "poke_interval"), ("wait_timeout", "timeout"), ("mesage_id", "message_id")],
)
def test_sensors_suggest_the_right_name(wrong: str, right: str) -> None:
    with pytest.raises(TelecomInputError, match=rf"did you mean {right}\?$"):
        KetchUpSmsDeliveredSensor(task_id="wait", **{wrong: 1})


def test_a_misspelt_required_parameter_is_suggested() -> None:
    with pytest.raises(TelecomInputError, match=r"^txt: .*; did you mean text\?$"):
        KetchUpSendBulkSmsOperator(task_id="send", recipients=["380670000200"], txt="Hi")  # type: ignore[call-arg]


def test_default_args_may_have_any_names() -> None:
    with DAG("dag", schedule=None, default_args={"poke_interval": 5, "poll_interval": 7}):
        assert KetchUpSendBulkSmsOperator(**ARGUMENTS).poll_interval == 7


def test_a_users_subclass_may_take_other_parameters() -> None:
    class Own(KetchUpSendBulkSmsOperator):
        def __init__(self, **kwargs: Any) -> None:
            self.extra = kwargs.pop("extra")
            super().__init__(**kwargs)

    class Declared(KetchUpSendBulkSmsOperator):
        def __init__(self, *, campaign: str = "", **kwargs: Any) -> None:
            super().__init__(**kwargs)

    assert Own(**ARGUMENTS, extra=1).extra == 1
    assert list(inspect.signature(Declared).parameters)[:2] == ["task_id", "campaign"]


def test_an_operator_can_be_copied() -> None:
    operator = KetchUpSendBulkSmsOperator(**ARGUMENTS)
    assert copy.deepcopy(operator).text == copy.copy(operator).text == "Hi"


def test_a_call_of_a_notifier_has_its_own_signature() -> None:
    """Airflow passes a context to callables whose signature has one."""
    notifier = KyivstarSmsNotifier(msisdn="+380670000200")
    assert inspect.signature(notifier) == inspect.signature(notifier.__call__)
