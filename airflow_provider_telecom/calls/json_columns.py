"""JSON objects with the same names, kept as a column for each name: much quicker than a dict for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import chain, repeat, starmap
from typing import Any, overload

_COMPACT = (",", ":")
SIMPLE_TYPES = frozenset({str, int, bool, type(None), Decimal})
"""Types of what JSON has in a record that holds no list and no object."""
_CONSTANTS = ({str}, {int}, {type(None)})
"""Types of which equal values have the same JSON."""


class JsonColumns(Sequence[Mapping[str, object]]):
    """A list of JSON objects. `columns` has the values of each name, in the order of the objects."""

    __slots__ = ("columns",)

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, place: int) -> Mapping[str, object]: ...

    @overload
    def __getitem__(self, place: slice) -> JsonColumns: ...

    def __getitem__(self, place: int | slice) -> Mapping[str, object] | JsonColumns:
        if isinstance(place, slice):
            return JsonColumns({name: values[place] for name, values in self.columns.items()})
        return {name: values[place] for name, values in self.columns.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def json_body(value: object) -> bytes:
    """Return compact JSON in UTF-8. A field of an object may be a `JsonColumns`."""
    if isinstance(value, dict) and any(isinstance(inner, JsonColumns) for inner in value.values()):
        fields = [b"%b:%b" % (json_body(name), json_body(inner)) for name, inner in value.items()]
        return b"{%b}" % b",".join(fields)
    if isinstance(value, JsonColumns):
        return _array_of_texts(value.columns) or f"[{json_objects(value.columns, ',')[:-1]}]".encode()
    return _text(value, _COMPACT).encode()


def _array_of_texts(columns: Mapping[str, Sequence[Any]]) -> bytes | None:
    """Return the JSON of objects, as `json_body` returns it, if all values are texts and no subclasses."""
    if set(map(type, chain.from_iterable(columns.values()))) != {str}:
        return None
    import msgspec  # not when a Dag is parsed

    make = _type_of_objects(tuple(columns))
    return msgspec.json.encode(list(starmap(make, zip(*columns.values(), strict=True))))


@lru_cache(maxsize=8)
def _type_of_objects(names: tuple[str, ...]) -> Callable[..., object]:
    """Return a type of objects whose fields have these names in JSON, which must not need escapes."""
    import msgspec

    fields = {f"field{place}": name for place, name in enumerate(names)}
    return msgspec.defstruct("Object", fields, rename=fields, gc=False)


def json_objects(
    columns: Mapping[str, Sequence[Any]], end: str, separators: tuple[str, str] = _COMPACT
) -> str:
    """Return the JSON of objects, each followed by `end`: what `json.dumps` returns for each of them.

    The values must be texts, numbers, bools or None. Raises ValueError for columns of different lengths.
    """
    comma, colon = separators
    pieces: list[Iterable[str]] = []
    (count,), before = set(map(len, columns.values())), "{"
    if not count:
        return ""
    for name, values in columns.items():
        before += f"{_text(name, separators)}{colon}"
        first = values[0]
        if values.count(first) == count and set(map(type, values)) in _CONSTANTS:
            before += _text(first, separators)
        else:
            pieces += repeat(before, count), _texts(values)
            before = ""
        before += comma
    pieces.append(repeat(f"{before.removesuffix(comma)}}}{end}", count))
    return "".join(chain.from_iterable(zip(*pieces, strict=True)))


def each_json(objects: Sequence[dict[str, Any]], default: Callable[[Any], str]) -> list[str]:
    """Return the compact JSON of each object, as `json.dumps` returns it, with `default` for decimals.

    It is quick if all have the same names in the same order, and no lists, objects or floats.
    """
    if (columns := _simple_columns(objects, default)) is not None:
        return json_objects(columns, "\n").split("\n")[:-1]
    encoder = json.JSONEncoder(ensure_ascii=False, separators=_COMPACT, default=default)
    return [encoder.encode(one) for one in objects]


def _simple_columns(
    objects: Sequence[dict[str, Any]], text_of: Callable[[Decimal], str]
) -> dict[str, Sequence[Any]] | None:
    """Return the columns of objects, decimals as texts; None without columns, or for other types."""
    if (found := columns_of(objects)) is None:
        return None
    columns = dict(found)  # those of `JsonObjects` stay as they are
    for name, values in found.items():
        kinds = set(map(type, values))
        if not kinds <= SIMPLE_TYPES:
            return None
        if Decimal in kinds:
            columns[name] = [text_of(one) if type(one) is Decimal else one for one in values]
    return columns


class JsonObjects(list[dict[str, Any]]):
    """A list of JSON objects that is not changed; its columns are made once."""

    @cached_property
    def columns(self) -> dict[str, Sequence[Any]] | None:
        """What `columns_of` returns."""
        return columns_of([*self])


def columns_of(objects: Sequence[dict[str, Any]]) -> dict[str, Sequence[Any]] | None:
    """Return the values of each name; None if not all objects have the same names in the same order."""
    if isinstance(objects, JsonObjects):
        return objects.columns
    names = set(map(tuple, objects))
    if len(names) != 1 or names == {()}:
        return None
    values_of_each = zip(*map(dict.values, objects), strict=True)
    return dict(zip(*names, values_of_each, strict=True))


def _texts(values: Sequence[object]) -> Sequence[str]:
    """Return the JSON of each value. All are encoded at once: a line break never occurs in JSON's texts."""
    return _text(values, ("\n", ":"))[1:-1].split("\n")


def _text(value: object, separators: tuple[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=separators)
