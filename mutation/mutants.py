"""The mutants of a file: copies of its source with one small fault each.

Most faults are those of mutmut (`mutmut.mutation.mutators`): other operators, numbers, constants, missing
arguments, `None` instead of a value. Here come those that matter where money is at stake: a statement, a
`raise` or an entry of a table is missing, a condition is the opposite, nothing is returned.

Not mutated is what decides nothing: types, docstrings, log messages, and texts for people (with a space).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

_LOGGING = ("debug", "info", "warning", "error", "exception")
_NOT_MUTATED_CALLS = ("cast", "super", "isinstance", "issubclass", "len", "TypeVar", "NewType")


@dataclass(frozen=True)
class Mutant:
    """One mutant of a file: the line and function of the change, the change, and the whole source."""

    line: int
    function: str
    change: str
    source: str


def mutants_of(source: str) -> list[Mutant]:
    """Return the mutants of a source, each different from the others, in the order of their lines."""
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = _Finder()
    wrapper.visit(finder)
    lines = source.splitlines(keepends=True)
    starts = list(accumulate(map(len, lines), initial=0))
    found: dict[str, Mutant] = {}
    for mutated, where, function in finder.found:
        start = starts[where.start.line - 1] + where.start.column
        end = starts[where.end.line - 1] + where.end.column
        code = source[:start] + wrapper.module.code_for_node(mutated) + source[end:]
        if code != source and code not in found:
            found[code] = Mutant(where.start.line, function, _change(lines, code.splitlines(True)), code)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def _change(before: Sequence[str], after: Sequence[str]) -> str:
    """Return the changed lines as one text: `old -> new`."""
    start = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after))
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    return f"{_joined(old)} -> {_joined(new)}"


def _joined(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


class _Finder(cst.CSTVisitor):
    """Collects (mutated node, position of the original, function)."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, CodeRange, str]] = []
        self._scope: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            self._scope.append(node.name.value)  # on_leave is called also if this returns False
        if _decides_nothing(node):
            return False
        for original, mutated in _mutations(node):
            where = self.get_metadata(PositionProvider, original)
            self.found.append((mutated, where, ".".join(self._scope)))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.FunctionDef, cst.ClassDef)):
            self._scope.pop()


def _decides_nothing(node: cst.CSTNode) -> bool:
    """Whether a node is only for readers, people or type checkers."""
    match node:
        case cst.Annotation() | cst.Import() | cst.ImportFrom() | cst.Decorator():
            return True
        case cst.If(test=cst.Name("TYPE_CHECKING")):
            return True
        case cst.ClassDef():
            return any(m.matches(base.value, m.Name("Protocol") | m.Name("TypedDict")) for base in node.bases)
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()):
            return True  # a docstring
        case cst.Call(func=cst.Attribute(attr=cst.Name(name))):
            return name in _LOGGING
        case cst.Call(func=cst.Name(name)):
            return name in _NOT_MUTATED_CALLS
        case cst.Subscript(value=cst.Name("Literal" | "Mapping" | "Callable" | "Sequence" | "dict" | "list")):
            return True
        case cst.BaseString():
            return _is_text(node)
        case _:
            return False


def _is_text(node: cst.CSTNode) -> bool:
    """Whether it is a text for people: one with a space."""
    match node:
        case cst.SimpleString():
            return " " in node.value
        case cst.FormattedStringText():
            return " " in node.value
        case cst.FormattedString():
            return any(_is_text(part) for part in node.parts)
        case cst.ConcatenatedString():
            return _is_text(node.left) or _is_text(node.right)
        case _:
            return False


def _mutations(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Yield pairs of a node, or a part of it, and what to write in its place."""
    yield from ((node, mutated) for mutated in _of_mutmut(node))
    yield from _of_statements(node)
    yield from _of_tables(node)


_OF_MUTMUT = [
    pair
    for pair in mutators.mutation_operators
    if pair[1]
    not in (
        mutators.operator_string,
        mutators.operator_arg_removal,
        mutators.operator_assignment,
        mutators.operator_match,
    )
]


def _of_mutmut(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in _OF_MUTMUT:
        if isinstance(node, kind):
            yield from operator(node)
    match node:
        case cst.SimpleString():
            yield from list(mutators.operator_string(node))[:1]  # not in another case as well
        case cst.Assign(targets=[cst.AssignTarget(cst.Name() | cst.Attribute())]) | cst.AnnAssign():
            if not _is_text(node.value) and not _decides_nothing(node.value):
                yield from mutators.operator_assignment(node)
        case cst.Call():
            yield from _without_an_argument(node)


def _without_an_argument(call: cst.Call) -> Iterator[cst.Call]:
    """Yield the call without each argument that has a name, and with None for each other one."""
    for number, argument in enumerate(call.args):
        if argument.star or _is_text(argument.value) or m.matches(argument.value, m.Name("None")):
            continue
        before, after = call.args[:number], call.args[number + 1 :]
        if argument.keyword:
            yield call.with_changes(args=[*before, *after])
        else:
            yield call.with_changes(args=[*before, argument.with_changes(value=cst.Name("None")), *after])


def _of_statements(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Leave out a call or a `raise`, return nothing, turn a condition into its opposite."""
    match node:
        case cst.Expr(value=value):
            if not _decides_nothing(value) and not isinstance(value, (cst.Yield, cst.Ellipsis)):
                yield node, cst.Pass()
        case cst.Raise():
            yield node, cst.Pass()
        case cst.Return(value=cst.BaseExpression() as value) if not m.matches(value, m.Name("None")):
            yield value, cst.Name("None")
        case cst.If(test=test) | cst.While(test=test):
            single = isinstance(test, cst.Comparison) and len(test.comparisons) == 1
            if not single and not isinstance(test, cst.UnaryOperation):  # other operators turn these around
                whole = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
                yield test, cst.UnaryOperation(operator=cst.Not(), expression=whole)


_TABLE = m.Tuple() | m.List() | m.Set() | m.Dict()


def _of_tables(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Leave out an entry of a table: of an assigned one, after `in`, of caught errors, of a `match`."""
    match node:
        case (
            cst.Assign(targets=[cst.AssignTarget(cst.Name())], value=table)
            | cst.AnnAssign(value=table)
            | cst.ComparisonTarget(operator=cst.In() | cst.NotIn(), comparator=table)
            | cst.ExceptHandler(type=table)
        ) if m.matches(table, _TABLE):
            yield from ((table, less) for less in _less(table))
        case cst.MatchOr(patterns=patterns):
            for number in range(len(patterns)):
                rest = [*patterns[:number], *patterns[number + 1 :]]
                yield node, node.with_changes(patterns=[*rest[:-1], rest[-1].with_changes(separator=None)])


def _less(table: cst.CSTNode) -> Iterator[cst.CSTNode]:
    elements = list(table.elements)  # type: ignore[attr-defined]
    for number in range(len(elements)):
        rest = [*elements[:number], *elements[number + 1 :]]
        if rest or isinstance(table, (cst.List, cst.Dict)):
            if isinstance(table, cst.Tuple) and len(rest) == 1:
                rest = [rest[0].with_changes(comma=cst.Comma())]
            yield table.with_changes(elements=rest)
