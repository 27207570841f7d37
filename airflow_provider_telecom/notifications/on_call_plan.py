"""The plan of who is on call, as YAML or JSON:

    timezone: Europe/Kyiv
    people:
      anna: "+380670000200"
      bohdan: "+380670000201"
    tags:
      billing: [bohdan, anna]
    owners:
      data-team:
        - anna: mon-fri 09:00-18:00
        - bohdan: [mon-fri 18:00-09:00, sat-sun]
    default: [anna]

An alert goes to the people of the first entry of `tags` that the Dag has, or else of the first of `owners`.
`default` takes its place if there is none, if it is wrong, and if nobody of it is on call now. Problems name
the line and the key, and never a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from airflow_provider_telecom.bulk.quiet_hours import QuietHours, zone_info
from airflow_provider_telecom.calls.errors import TelecomInputError

_SECTIONS = ("tags", "owners")
_KEYS = ("timezone", "people", *_SECTIONS, "default")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]*")
_MANY_DIGITS = re.compile(r"[0-9]{4}")
_MAX_DEPTH = 20
_LONGEST_SHOWN = 40

Check = Callable[[str], None]
"""Raises TelecomInputError for a recipient that the notifier refuses."""


@dataclass
class Found:
    """Recipients, and what a log must say about the plan."""

    recipients: list[str | int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Plan:
    """A plan. TelecomInputError is raised for a text that is no plan at all."""

    def __init__(self, text: str, check: Check = lambda _: None) -> None:
        self._check = check
        self._top = _fields(_parsed(text), "the plan")
        for name, (key, _) in self._top.items():
            if name not in _KEYS:
                raise _wrong(key, f"{_shown(name)}: is no key of a plan; the keys are {', '.join(_KEYS)}")

    def find(self, tags: Collection[str], owners: Collection[str], now: datetime) -> Found:
        """Return the recipients for a Dag's tags and owners at a time."""
        found = Found()
        for name, node in self._entries(tags, owners, found.problems):
            found.recipients = self._on_call(name, node, now, found.problems)
            if found.recipients:
                return found
        found.problems.append("the plan has nobody who is on call now")
        return found

    def problems(self) -> list[str]:
        """Return what is wrong with the plan, also with entries that no Dag uses yet."""
        problems: list[str] = []
        entries = {
            f"{section}.{_shown(name)}": node
            for section in _SECTIONS
            for name, (_, node) in self._section(section, problems).items()
        }
        if "default" in self._top:
            entries["default"] = self._top["default"][1]
        else:
            problems.append("line 1: default: is missing; it is for all other Dags")
        for name, node in entries.items():
            for entry in _items(node):
                with _collected(problems):
                    person, times = _person(name, entry)
                    self._recipient(name, person, problems)
                    if times is not None:
                        self._is_on(name, times, datetime.now(UTC))
        for name, (key, _) in self._section("people", problems).items():
            self._recipient(f"people.{_shown(name)}", key, problems)
        return list(dict.fromkeys(problems))

    def _entries(
        self, tags: Collection[str], owners: Collection[str], problems: list[str]
    ) -> Iterator[tuple[str, Any]]:
        """Yield the first entry of a tag or an owner, and then the default one."""
        for section, wanted in zip(_SECTIONS, (tags, owners), strict=True):
            entries = self._section(section, problems) if wanted else {}
            if first := next((name for name in entries if name in wanted), None):
                yield f"{section}.{_shown(first)}", entries[first][1]
                break
        if "default" in self._top:
            yield "default", self._top["default"][1]

    def _section(self, section: str, problems: list[str]) -> dict[str, tuple[Any, Any]]:
        """Return the keys and values of a section; nothing, if it is missing or wrong."""
        if section in self._top:
            with _collected(problems):
                return _fields(self._top[section][1], section)
        return {}

    def _on_call(self, name: str, node: Any, now: datetime, problems: list[str]) -> list[str | int]:
        """Return the recipients of an entry who are on call at a time, each once."""
        found: list[str | int] = []
        for entry in _items(node):
            with _collected(problems):
                person, times = _person(name, entry)
                if times is None or self._is_on(name, times, now):
                    found += self._recipient(name, person, problems)
        return list(dict.fromkeys(found))

    def _recipient(self, name: str, person: Any, problems: list[str]) -> list[str]:
        """Return the number of a person, or nothing and a problem."""
        people = self._section("people", problems)
        value = people[person.value][1] if person.value in people else person
        number = value.value.strip() if isinstance(value, yaml.ScalarNode) else ""
        with _collected(problems):
            if not _NUMBER.fullmatch(number):
                rule = "has no number" if person.value in people else "is nobody of people"
                raise _wrong(value, f"{name}: {_shown(person.value)} {rule}")
            try:
                self._check(number)
            except TelecomInputError as error:
                raise _wrong(value, f"{name}: {_shown(person.value)} {error.rule}") from None
            return [number]
        return []

    def _is_on(self, name: str, node: Any, now: datetime) -> bool:
        """Return whether one of the times of a person is now."""
        if "timezone" not in self._top:
            raise _wrong(node, f"{name}: times need timezone: with an IANA name such as Europe/Kyiv")
        zone = self._top["timezone"][1]
        try:
            local = now.astimezone(zone_info(str(zone.value)))
        except TelecomInputError as error:
            raise _wrong(zone, f"timezone: {error.rule}") from None
        are_now = [_is_within(name, text, local) for text in _items(node)]  # all, to find what is wrong
        return any(are_now)


def _is_within(name: str, node: Any, local: datetime) -> bool:
    """Return whether it is now `mon-fri 18:00-09:00`, for example: what begins on one of these days."""
    text = node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
    words = text.lower().split()
    times = words.pop() if words and words[-1][0].isdigit() else None
    days = _days(words.pop()) if words else set(_DAYS)
    try:
        hours = None if times is None else QuietHours.parse(times)
    except TelecomInputError:
        days = set()
    if words or not days or not text:
        rule = "times must be days, hours or both, such as mon-fri, 09:00-18:00 or sat,sun 18:00-09:00"
        raise _wrong(node, f"{name}: {rule}")
    today, yesterday = (_DAYS[(local - timedelta(days=ago)).weekday()] for ago in (0, 1))
    if hours is None:
        return today in days
    clock = local.time()
    if hours.start < hours.end:
        return today in days and hours.start <= clock < hours.end
    return (today in days and clock >= hours.start) or (yesterday in days and clock < hours.end)


def _days(text: str) -> set[str]:
    """Return the days of `mon-fri,sun`; none for anything else."""
    found: set[str] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return set()
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found.update(_DAYS[(start + step) % 7] for step in range((end - start) % 7 + 1))
    return found


def _items(node: Any) -> Sequence[Any]:
    return node.value if isinstance(node, yaml.SequenceNode) else [node]


def _person(name: str, node: Any) -> tuple[Any, Any]:
    """Return the node of a person, and that of their times or None."""
    if isinstance(node, yaml.ScalarNode):
        return node, None
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1:
        person, times = node.value[0]
        if isinstance(person, yaml.ScalarNode):
            return person, times
    raise _wrong(node, f"{name}: must be people such as [anna, bohdan], or lines such as - anna: mon-fri")


@contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    """Append an error to the problems, and go on behind the block."""
    try:
        yield
    except TelecomInputError as error:
        problems.append(error.rule)


def _parsed(text: str) -> Any:
    """Return the root node of YAML, or of JSON, in which tabs may be blanks."""
    try:
        _check_depth(text := text.replace("\t", " "))
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = error.problem or ""
        shown = "" if _MANY_DIGITS.search(problem) else f": {problem}"
        raise TelecomInputError("on_call", f"{where}is no YAML{shown}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TelecomInputError("on_call", f"is no YAML: {type(error).__name__}") from None


def _check_depth(text: str) -> None:
    """Raise an error for nesting that would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=event.start_mark)


def _fields(node: Any, what: str) -> dict[str, tuple[Any, Any]]:
    """Return the nodes of a mapping's keys and values, each key once."""
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(node, f"{what}: must be a mapping")
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name or name in found:
            rule = f"{_shown(name)} is given twice" if name else "has a key that is no name"
            raise _wrong(key, f"{what}: {rule}")
        found[name] = key, value
    return found


def _wrong(node: Any, rule: str) -> TelecomInputError:
    return TelecomInputError("on_call", f"line {node.start_mark.line + 1 if node else 1}: {rule}")


def _shown(name: str) -> str:
    """Return a name as a log may show it: not, if it may be a number."""
    return "***" if _MANY_DIGITS.search(name) else name[:_LONGEST_SHOWN]
