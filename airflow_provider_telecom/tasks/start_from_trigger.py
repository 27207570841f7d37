"""Arguments with which a task may start in the triggerer: Airflow 3.3 renders few templates there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}|\{[%#]", re.DOTALL)
_KNOWN = re.compile(
    r"(?:params|dag_run|var|conn|run_id|ds|ds_nodash|ts|ts_nodash|logical_date|data_interval_start|"
    r"data_interval_end|macros|dag)\b[^(){}]*(?:\.(?:get|isoformat|strftime)\([^(){}]*\)[^(){}]*)?"
)
_ONE_XCOM = re.compile(
    r"""(?:ti|task_instance)\.xcom_pull\(\s*(?:task_ids\s*=\s*)?(['"])[\w.-]+\1\s*,(?:\s*key\s*=\s*(['"])\w+\2\s*,)?"""
    r"""\s*map_indexes\s*=\s*-?\d+\s*\)(?:\[[\w'"]+\])*"""
)


def triggerer_value(value: object) -> Any:
    """Return the value, or a template that the triggerer renders as it; None if there is none.

    The triggerer resolves no references to XComs, and hangs on many templates, for example on `xcom_pull`
    without one `map_indexes`. So only templates that are known to work are accepted.
    """
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    if isinstance(value, PlainXComArg):
        return _template_of(value)
    if hasattr(value, "iter_references") or callable(value):  # other XComs, arguments of mapped groups
        return None
    if isinstance(value, str):
        return value if all(map(_is_known, _TEMPLATE.finditer(value))) else None
    if isinstance(value, (list, tuple, Mapping)):
        inner = value.values() if isinstance(value, Mapping) else value
        return value if all(triggerer_value(item) is item for item in inner) else None
    return value


def _is_known(template: re.Match[str]) -> bool:
    inside = (template.group(1) or "").strip()
    return bool(_KNOWN.fullmatch(inside) or _ONE_XCOM.fullmatch(inside))


def _template_of(value: PlainXComArg) -> str | None:
    if getattr(value.operator, "is_mapped", False) or _in_mapped_group(value.operator):
        return None
    pull = f"ti.xcom_pull(task_ids={value.operator.task_id!r}, key={value.key!r}, map_indexes=-1, default='')"
    return f"{{{{ {pull} }}}}"  # without a default, a missing XCom would be the id "None"


def _in_mapped_group(operator: Any) -> bool:
    return next(operator.iter_mapped_task_groups(), None) is not None
