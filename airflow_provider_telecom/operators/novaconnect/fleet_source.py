"""Reads the desired state of a fleet: YAML (a file or a text), a CSV file, or a list of mappings."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.novaconnect.arguments import valid_id
from airflow_provider_telecom.vendors.novaconnect.fleet import SELECTORS, SETTINGS, Given, Rule, parse_rule

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

SUFFIXES = (".yaml", ".yml", ".csv")
VERSION = 1
_KEYS = ("version", "company_id", "sims")
_MAX_DEPTH = 20
_MAX_BYTES = 256 << 20
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_AS_WRITTEN = ("iccid", "number")
"""Fields of which YAML must not make numbers: it would read 0123 as octal."""
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class DesiredState:
    """The rules; and the company that they are for, if the file names it."""

    rules: Sequence[Rule]
    company_id: int | None = None


def is_path(desired: object) -> bool:
    """Whether a desired state is the path of a file, and not YAML."""
    return isinstance(desired, str) and "\n" not in desired and desired.lower().endswith(SUFFIXES)


def read_desired(desired: object) -> DesiredState:
    """Return the desired state. Raises TelecomInputError, which names line and column, or the row."""
    if isinstance(desired, str) and is_path(desired):
        text = read_file("desired", desired)
        return _from_csv(text) if desired.lower().endswith(".csv") else _from_yaml(text)
    if isinstance(desired, str):
        return _from_yaml(desired)
    if isinstance(desired, (list, tuple)):
        return _state(_parsed(_mappings(desired)))
    raise TelecomInputError(
        "desired", "must be a list of mappings, YAML, or the path of a file that ends in .yaml, .yml or .csv"
    )


def object_path(path: str) -> ObjectStoragePath:
    """Return a path in object storage or on disk."""
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path if "://" in path else str(Path(path).expanduser().absolute()))


def read_file(field: str, path: str) -> str:
    """Return the text of a file in object storage or on disk. Raises TelecomInputError."""
    try:
        with object_path(path).open("rb") as file:  # type: ignore[no-untyped-call]  # of upath
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise TelecomInputError(field, f"the file cannot be read: {type(error).__name__}") from None
    if len(content) > _MAX_BYTES:
        raise TelecomInputError(field, f"the file must have at most {_MAX_BYTES >> 20} MiB")
    try:
        return bytes(content).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TelecomInputError(field, "the file must be UTF-8") from None


def _state(rules: Sequence[Rule], company_id: int | None = None) -> DesiredState:
    if not rules:
        raise TelecomInputError("desired", "must have at least one SIM")
    return DesiredState(rules, company_id)


def _parsed(found: Iterator[tuple[Mapping[str, Given], str]]) -> list[Rule]:
    return [parse_rule(given, place) for given, place in found]


def _mappings(desired: Sequence[object]) -> Iterator[tuple[Mapping[str, Given], str]]:
    for place, one in enumerate(desired):
        where = f"[{place}]"
        if not isinstance(one, Mapping):
            raise TelecomInputError("desired", f"{where}: must be a mapping of fields")
        yield {str(name): Given(value, where) for name, value in one.items()}, where


def _from_yaml(text: str) -> DesiredState:
    loader = _LOADER(text)
    try:
        _check_depth(text)
        root = loader.get_single_node()
        top = _fields(loader, root, "the desired state")
        for name, (key, _) in top.items():
            if name not in _KEYS:
                raise _refused(
                    key, f"{name[:40]}: is no key of a desired state; the keys are {', '.join(_KEYS)}"
                )
        version = top.get("version")
        if version is None or _value(loader, version[1]) != VERSION:
            raise _refused(version[1] if version else root, f"version: must be {VERSION}")
        company_id = None
        if "company_id" in top:
            node = top["company_id"][1]
            with suppress(TelecomInputError):
                company_id = valid_id("company_id", _value(loader, node))
            if company_id is None:
                raise _refused(node, "company_id: must be the id of the company, a whole number")
        if "sims" not in top or not isinstance(top["sims"][1], yaml.SequenceNode):
            raise _refused(top["sims"][1] if "sims" in top else root, "sims: must be a list of SIMs")
        sims = [(_given(loader, node), _place(node)) for node in top["sims"][1].value]
        if not sims:
            raise _refused(top["sims"][1], "sims: must have at least one SIM")
        return _state(_parsed(iter(sims)), company_id)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise TelecomInputError("desired", f"{where}is no YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, TelecomInputError):
            raise
        raise TelecomInputError("desired", f"is no YAML: {type(error).__name__}") from None
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Raise TelecomInputError for nesting that would exhaust the stack of the YAML library."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _refused(event, "is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _place(node: Any) -> str:
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"


def _refused(node: Any, rule: str) -> TelecomInputError:
    where = "" if node is None else f"{_place(node)}: "
    return TelecomInputError("desired", f"{where}{rule}")


def _fields(loader: Any, node: Any, what: str) -> dict[str, tuple[Any, Any]]:
    """Return the nodes of a mapping's keys and values by the names of the keys, each of them once."""
    if not isinstance(node, yaml.MappingNode):
        raise _refused(node, f"{what} must be a mapping")
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name:
            raise _refused(key, "must be the name of a field")
        if name in found:
            raise _refused(key, f"{name[:40]}: is given twice")
        found[name] = key, value
    return found


def _given(loader: Any, node: Any) -> dict[str, Given]:
    fields = _fields(loader, node, "a SIM")
    found = {}
    for name, (key, value) in fields.items():
        is_known = name in SELECTORS or name in SETTINGS
        as_written = name in _AS_WRITTEN and isinstance(value, yaml.ScalarNode)
        content = value.value if as_written else _value(loader, value) if is_known else None
        found[name] = Given(content, _place(value if is_known else key))
    return found


def _value(loader: Any, node: Any) -> Any:
    """Return a scalar, or a list of scalars. Raises TelecomInputError for anything else."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(loader, node)
    if isinstance(node, yaml.SequenceNode):
        if all(isinstance(one, yaml.ScalarNode) for one in node.value):
            return [_scalar(loader, one) for one in node.value]
        raise _refused(node, "must be a list of plain values")
    raise _refused(node, "must be a plain value or a list")


def _scalar(loader: Any, node: Any) -> Any:
    try:
        value = loader.construct_object(node)
    except ValueError:  # of a date that does not exist
        raise _refused(node, "is no value of YAML; put a text in quotes") from None
    if type(value) is int and not _WHOLE_NUMBER.fullmatch(node.value):  # YAML reads 0500 as 320, 1:30 as 90
        raise _refused(node, "must be a whole number in plain digits, without a leading zero")
    return value


def _from_csv(text: str) -> DesiredState:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _state(_parsed(_rows(lines)))
    except csv.Error as error:
        raise TelecomInputError("desired", f"line {lines.line_num}: is no CSV: {error}") from None


def _rows(lines: Any) -> Iterator[tuple[Mapping[str, Given], str]]:
    header = [name.strip() for name in next(lines, [])]
    for name in header:
        if name not in (*SELECTORS, *SETTINGS) or header.count(name) > 1:
            known = ", ".join((*SELECTORS, *SETTINGS))
            raise TelecomInputError("desired", f"line 1: each column must be one of {known}, and only once")
    for row in lines:
        place = f"line {lines.line_num}"
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise TelecomInputError("desired", f"{place}: must have {len(header)} cells; it has {len(row)}")
        cells = zip(header, row, strict=True)
        yield (
            {
                name: Given(_from_cell(name, cell.strip()), f"{place}, column {number}")
                for number, (name, cell) in enumerate(cells, 1)
                if cell.strip()
            },
            place,
        )


def _from_cell(name: str, cell: str) -> Any:
    """Return the value of a cell: true and false, whole numbers, groups separated by semicolons."""
    if name in ("blocked", "auto_package", "all_world", "exact_groups"):
        return {"true": True, "false": False}.get(cell.lower(), cell)
    if name in ("limit_mb", "package_kb"):
        return int(cell) if cell.isascii() and cell.isdecimal() else cell
    if name == "groups":
        return [] if cell == "[]" else [one.strip() for one in cell.split(";")]
    return cell
