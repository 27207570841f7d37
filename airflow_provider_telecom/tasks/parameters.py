"""Complete signatures, docstrings and error messages for operators, sensors, transfers and notifiers.

A class declares only its own parameters and passes the others to its base classes as `**kwargs`. This
module merges these declarations into what `help()` and `inspect` show, and into the names that are accepted.
CONTRIBUTING.md, "Parameters of operators", says how to write such a class.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from functools import cache
from inspect import Parameter
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.mappedoperator import OperatorPartial

from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from typing import Self

    from airflow.sdk.definitions.mappedoperator import MappedOperator

_PACKAGE = __name__.partition(".")[0]
_PARAMETER_LINES = re.compile(r"^:param (\w+):.*(?:\n(?!:param |\n).+)*", re.MULTILINE)
_END_OF_PARAMETERS = re.compile(r"^(?:Raises |Source: )|\Z", re.MULTILINE)


class _MergedSignature:
    """The `__signature__` of a class, made when it is asked for."""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:  # an instance is called with other parameters, which Airflow inspects
            raise AttributeError("__signature__")
        return merged_signature(owner)


class DeclaredParameters:
    """Base class of all public classes: shows all parameters, and refuses unknown ones.

    An unknown parameter raises TelecomInputError, which suggests the right name.
    """

    fixed_parameters: ClassVar[tuple[str, ...]] = ()
    """Parameters of base classes that a class sets itself. Its users don't see them."""
    __signature__ = _MergedSignature()
    own_parameter_lines: ClassVar[dict[str, str]] = {}
    """The `:param` lines of a class's own docstring, by parameter."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        text = inspect.cleandoc(vars(cls).get("__doc__") or "")
        cls.own_parameter_lines = {found[1]: found[0] for found in _PARAMETER_LINES.finditer(text)}
        if text:
            cls.__doc__ = _with_inherited_lines(cls, text)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the names. `__init__` would be too late: Airflow checks for missing parameters before."""
        if cls.__init__.__module__.partition(".")[0] == _PACKAGE:  # a user's own __init__ may take any names
            check_names(cls, kwargs)
        return super().__new__(cls)


class CheckedPartial(OperatorPartial):
    """What `.partial()` returns; checks the names that `.expand()` is given."""

    __slots__ = ()

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Return the mapped task."""
        check_names(self.operator_class, mapped_kwargs)
        return super().expand(**mapped_kwargs)


def merged_signature(cls: type) -> inspect.Signature:
    """Return the signature with the parameters of a class and of its base classes, its own first.

    The parameters of `BaseOperator`, except `task_id`, are `**kwargs`.
    """
    is_task = issubclass(cls, BaseOperator)
    first = [Parameter("task_id", Parameter.KEYWORD_ONLY, annotation="str")] if is_task else []
    last = [Parameter("kwargs", Parameter.VAR_KEYWORD, annotation="Unpack[TaskArguments]")] if is_task else []
    merged: dict[str, Parameter] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not BaseOperator:
            for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
                if parameter.kind is Parameter.KEYWORD_ONLY and name not in _fixed_parameters(cls):
                    merged.setdefault(name, parameter)
    return inspect.Signature([*first, *merged.values(), *last])


def _with_inherited_lines(cls: type[DeclaredParameters], text: str) -> str:
    """Return a docstring with the `:param` lines of the base classes after its own, in the same order."""
    inherited: dict[str, str] = {}
    for base in cls.__mro__[1:]:
        for name, lines in vars(base).get("own_parameter_lines", {}).items():
            if name not in cls.own_parameter_lines and name not in cls.fixed_parameters:
                inherited.setdefault(name, lines)
    if not inherited:
        return text
    added = "\n".join(inherited.values())
    if cls.own_parameter_lines:
        end = max(found.end() for found in _PARAMETER_LINES.finditer(text))
        return f"{text[:end]}\n{added}{text[end:]}"
    place = _END_OF_PARAMETERS.search(text)
    end = place.start() if place else len(text)
    return f"{text[:end].rstrip()}\n\n{added}\n\n{text[end:]}".rstrip()


_SENDER = {"originator": "sender", "sender": "originator"}
"""The sender's name is a parameter of either name: each vendor's own word, even by channel."""


def check_names(cls: type, names: Iterable[str]) -> None:
    """Raise TelecomInputError for a name that is no parameter of a class, and suggest the right one."""
    known = parameter_names(cls)
    for name in names:
        if name not in known and not name.startswith("_airflow"):  # Airflow adds such names for mapped tasks
            from difflib import get_close_matches

            similar = [_SENDER[name]] if _SENDER.get(name) in known else get_close_matches(name, known, 1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            raise TelecomInputError(name, f"is not a parameter of {cls.__name__}{hint}")


@cache
def parameter_names(cls: type) -> frozenset[str]:
    """Return the names of all parameters, with those of `BaseOperator`."""
    airflow = inspect.signature(BaseOperator.__init__).parameters if issubclass(cls, BaseOperator) else {}
    names = {*merged_signature(cls).parameters, *airflow} - {"self", "kwargs"}
    return frozenset(names.difference(_fixed_parameters(cls)))


def _fixed_parameters(cls: type) -> tuple[str, ...]:
    fixed: tuple[str, ...] = getattr(cls, "fixed_parameters", ())
    return fixed
