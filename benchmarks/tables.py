"""Writes the tables and plots of the docs from the figures in docs/figures, or checks that they agree.

    python benchmarks/tables.py           # writes
    python benchmarks/tables.py --check   # ends with 1 and names the files that differ

A page of the docs contains `<!-- table: polls -->`, then the table of docs/figures/polls.jsonl, then
`<!-- end -->`; `<!-- plot: polls -->` in the same way contains the picture of its comparisons, and
`<!-- scale: needs -->` a table of the model in scale.py.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import scale

DOCS = Path(__file__).resolve().parent.parent / "docs"
_BLOCK = re.compile(r"(<!-- (table|plot|scale): (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_NONE = "–"

Row = dict[str, Any]


def figures_of(docs: Path, name: str) -> list[Row]:
    """Return the figures in a file of docs/figures."""
    path = docs / "figures" / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def generated(docs: Path) -> dict[Path, str]:
    """Return what the pages and pictures that are made of figures should contain."""
    found: dict[Path, str] = {}

    def block(match: re.Match[str]) -> str:
        start, kind, name, end = match.groups()
        if kind == "scale":
            return f"{start}\n{scale.table(name, docs / 'figures')}\n\n{end}"
        figures = figures_of(docs, name)
        if not figures:
            return f"{start}\nNot measured yet.\n\n{end}"
        if kind == "table":
            return f"{start}\n{table(name, figures)}\n\n{end}"
        found[docs / "images" / f"figures-{name}.svg"] = plot(figures)
        return f"{start}\n![{name}: ours and the peers](images/figures-{name}.svg)\n\n{end}"

    for path in sorted(docs.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            found[path] = _BLOCK.sub(block, text)
    return found


def outdated(docs: Path = DOCS) -> list[Path]:
    """Return the pages and pictures that do not agree with the figures."""
    return [path for path, text in generated(docs).items() if not path.exists() or path.read_text() != text]


# Tables


def table(name: str, figures: list[Row]) -> str:
    """Return a table of figures in Markdown, with the machine below."""
    columns = TABLES.get(name, BENCHMARK)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in figures:
        cells = (str(cell(row)).replace("|", "\\|") for cell in columns.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *machines(figures)])


def machines(figures: list[Row]) -> list[str]:
    """Return a line about each machine and day."""
    loads: dict[str, list[float]] = {}
    cores = min((row["machine"]["cores"] for row in figures if row.get("machine")), default=1)
    for row in figures:
        if machine := row.get("machine"):
            memory = f", {machine['memory_gb']} GB" if "memory_gb" in machine else ""
            text = (
                f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores{memory}, "
                f"Python {machine['python']}, Airflow {machine['airflow']}"
            )
            loads.setdefault(text, []).append(machine.get("load", 0.0))
    return [
        f"Measured on {text}; load of the machine at the start {spread(found)}"
        + (" (busy with other work: preliminary)." if max(found) > cores else ".")
        for text, found in loads.items()
    ]


def spread(values: list[float]) -> str:
    """Return the lowest and the highest value."""
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def number(value: float | None) -> str:
    """Return a number with three significant digits."""
    if value is None:
        return _NONE
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def quantity(row: Row, side: str) -> str:
    """Return what one side took, with its unit and, for a peer, its name."""
    if row.get(side) is None:
        return _NONE
    name = f" ({row['peer_name']})" if side == "peer" else ""
    return f"{number(row[side])} {row['unit']}{name}"


def limit(row: Row) -> str:
    """Return the limit, and whether it is exceeded."""
    if row["limit"] is None:
        return _NONE
    what = "times" if row["limit_of"] == "ratio" else row["unit"]
    text = f"{'at least ' if row['more_is_better'] else ''}{number(row['limit'])} {what}"
    return text if row["passed"] else f"{text}: **missed**"


def plain(key: str) -> Callable[[Row], str]:
    """Return what shows a key of a row."""

    def show(row: Row) -> str:
        value = row.get(key)
        if isinstance(value, bool):
            return "yes" if value else "**no**"
        return number(value) if isinstance(value, (int, float)) else str(value or _NONE)

    return show


BENCHMARK: dict[str, Callable[[Row], str]] = {
    "what": plain("title"),
    "ours": lambda row: quantity(row, "ours"),
    "peer": lambda row: quantity(row, "peer"),
    "ratio": lambda row: number(row["ratio"]),
    "ratio of wall times": lambda row: number(row.get("wall", {}).get("ratio")),
    "limit": limit,
}
"""The columns of a benchmark's table."""

CHAOS = ("seed", "runs", "intents", "effects", "duplicates", "lost", "unknown", "seconds", "passed", "note")
MUTATION = ("mutants", "killed", "survived", "explained", "percent", "limit", "seconds", "passed")
TABLES: dict[str, dict[str, Callable[[Row], str]]] = {
    "chaos": {"scenario": plain("name"), **{key: plain(key) for key in CHAOS}},
    "mutation": {"module": plain("name"), **{key: plain(key) for key in MUTATION}},
    "mutation_survivors": {
        "line": lambda row: f"`{row['file'].removeprefix('airflow_provider_telecom/')}:{row['line']}`",
        "change": lambda row: f"`{row['change']}`",
        "reason": plain("reason"),
    },
}
"""The columns of the other tables."""


# Plots: text and lines are of a grey that is readable on light and on dark pages.

_WIDTH, _LABELS, _BARS, _BAR, _GAP = 760, 330, 310, 12, 14
_GREY, _OURS, _PEER, _LIMIT = "#808080", "#1f8a70", "#9aa0a6", "#d1495b"


def plot(figures: list[Row]) -> str:
    """Return an SVG picture: a pair of bars for each comparison, and a mark at the limit of ours."""
    compared = [row for row in figures if row.get("ratio") is not None]
    height, parts = 34, list[str]()
    for row in compared:
        for line in wrapped(row["title"].replace("`", "")):
            parts.append(text(0, height + 10, line))
            height += 15
        mark = marked(row)
        most = max(row["ours"], row["peer"], mark or 0)
        to_limit = None if mark is None else _BARS * mark / most
        top = height - 15
        for side, colour in (("ours", _OURS), ("peer", _PEER)):
            length = max(1.0, _BARS * row[side] / most)
            parts.append(
                f'<rect x="{_LABELS}" y="{top}" width="{length:.0f}" height="{_BAR}" fill="{colour}"/>'
            )
            name = "" if side == "ours" else f" {row['peer_name']}"
            value = f"{number(row[side])} {row['unit']}"
            is_crossed = to_limit is not None and length < to_limit < length + 8 * len(value)
            parts.append(text(_LABELS + (to_limit if is_crossed else length) + 6, top + 10, value))
            if name:
                parts.append(text(_LABELS, top + 24, name.strip(), size=11))
            top += _BAR + 1
        if to_limit is not None:
            x = _LABELS + to_limit
            parts.append(
                f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{height - 18}" y2="{height - 15 + 2 * _BAR + 4}" '
                f'stroke="{_LIMIT}" stroke-width="2"/>'
            )
        height = top + 12 + _GAP
    legend = [
        f'<rect x="0" y="6" width="{_BAR}" height="{_BAR}" fill="{_OURS}"/>',
        text(18, 16, "ours"),
        f'<rect x="70" y="6" width="{_BAR}" height="{_BAR}" fill="{_PEER}"/>',
        text(88, 16, "peer"),
        f'<line x1="146" x2="146" y1="4" y2="20" stroke="{_LIMIT}" stroke-width="2"/>',
        text(154, 16, "limit of ours"),
    ]
    style = 'font-family="system-ui, sans-serif"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {style}>'
    return "\n".join([head, *legend, *parts, "</svg>"]) + "\n"


def marked(row: Row) -> float | None:
    """Return the limit in the unit of ours."""
    if row["limit"] is None:
        return None
    return float(row["limit"] * row["peer"] if row["limit_of"] == "ratio" else row["limit"])


def text(x: float, y: float, words: str, size: int = 13) -> str:
    """Return a text of a picture."""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{_GREY}">{escape(words)}</text>'


def wrapped(title: str, length: int = 46) -> list[str]:
    """Return a title in lines."""
    lines = [""]
    for word in title.split():
        if len(lines[-1]) + len(word) > length:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def main() -> None:
    """Write the pages and pictures, or check them."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--check", action="store_true", help="write nothing; end with 1 if something differs"
    )
    chosen = arguments.parse_args()
    different = outdated()
    if chosen.check and different:
        names = ", ".join(str(path.relative_to(DOCS.parent)) for path in different)
        sys.exit(f"not as docs/figures say: {names}; run benchmarks/tables.py")
    for path, content in generated(DOCS).items():
        if path in different:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
