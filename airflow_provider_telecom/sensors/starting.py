"""What a task may start from the trigger with: Airflow 3.3 renders little there, and hangs on the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def startable(value: Any) -> Any:
    """Return a value, or the template that gives it in the triggerer; None if it cannot be had there.

    The triggerer resolves no XCom references, and it never answers `xcom_pull` without `map_indexes`.
    """
    from airflow.sdk.definitions.xcom_arg import PlainXComArg, XComArg

    if isinstance(value, PlainXComArg):
        return _template_of(value)
    if isinstance(value, XComArg) or callable(value):
        return None
    if isinstance(value, str):
        return None if "xcom" in value and "map_indexes" not in value else value
    if isinstance(value, (list, tuple, Mapping)):
        inner = value.values() if isinstance(value, Mapping) else value
        return value if all(startable(item) is item for item in inner) else None
    return value


def _template_of(value: Any) -> str | None:
    if getattr(value.operator, "is_mapped", False) or _in_mapped_group(value.operator):
        return None
    return f"{{{{ ti.xcom_pull(task_ids={value.operator.task_id!r}, key={value.key!r}, map_indexes=-1) }}}}"


def _in_mapped_group(operator: Any) -> bool:
    return next(operator.iter_mapped_task_groups(), None) is not None
