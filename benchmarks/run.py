"""`make bench`: runs all benchmarks, or those that are named, and keeps their figures in docs/figures.

    python benchmarks/run.py                   # all
    python benchmarks/run.py sends polls:cpu   # one benchmark, and one case of another
    python benchmarks/run.py --quick           # small sizes, to test the code: into build/figures

A benchmark's figures replace its former ones; if it cannot be measured, the former ones stay. The exit code
is 0 if everything was measured and is within its limits, 1 if a limit is exceeded, 2 if something was not
measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import LIMIT_EXCEEDED, NOT_MEASURED, ROOT

HERE = Path(__file__).resolve().parent
NO_BENCHMARKS = {"measuring", "run", "tables", "plots", "scale"}
"""Modules in this folder that measure nothing."""
KEYS = {"case", "name", "title", "unit", "ours", "peer", "ratio", "limit", "passed", "rounds", "machine"}


def benchmarks() -> list[str]:
    """Return the names of the benchmarks."""
    return sorted({path.stem for path in HERE.glob("*.py")} - NO_BENCHMARKS)


def collect(script: Path, cases: Sequence[str], folder: Path, *, quick: bool = False) -> int:
    """Run a benchmark, keep its figures in a file of the folder, and return its exit code."""
    command = [sys.executable, str(script), *cases, *(["--quick"] if quick else [])]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    try:
        figures = [json.loads(line) for line in done.stdout.splitlines()]
        incomplete = [one.get("name") for one in figures if KEYS - set(one)]
    except (ValueError, AttributeError) as error:
        print(f"{script.name}: its output is not JSON lines: {error}", file=sys.stderr)
        return NOT_MEASURED
    if incomplete:
        print(f"{script.name}: figures without all keys: {incomplete}", file=sys.stderr)
        return NOT_MEASURED
    if done.returncode not in (0, LIMIT_EXCEEDED, NOT_MEASURED):
        print(f"{script.name}: ended with {done.returncode}", file=sys.stderr)
        return NOT_MEASURED
    for one in figures:
        print(shown(one), flush=True)
    everything = done.returncode != NOT_MEASURED and not cases
    try:
        keep(folder / f"{script.stem}.jsonl", figures, everything=everything)
    except OSError as error:
        print(f"{script.name}: its figures cannot be kept: {error}", file=sys.stderr)
        return NOT_MEASURED
    if not figures and done.returncode == 0:
        print(f"{script.name}: no figures", file=sys.stderr)
        return NOT_MEASURED
    return done.returncode


def keep(path: Path, figures: list[dict[str, Any]], *, everything: bool) -> None:
    """Write figures to a file: all of them, or in place of those of the same cases."""
    cases = {one["case"] for one in figures}
    former = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = [] if everything else [one for one in former if one["case"] not in cases]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in [*kept, *figures]))
    new.replace(path)


def shown(figure: dict[str, Any]) -> str:
    """Return a figure as a line to read."""
    text = f"{figure['name']}: {figure['ours']} {figure['unit']}"
    if figure["peer"] is not None:
        text += f"; {figure['peer_name']} {figure['peer']}: {figure['ratio']} times"
    if figure["limit"] is not None:
        verdict = "within" if figure["passed"] else "NOT WITHIN"
        text += f" ({verdict} the limit of {figure['limit']})"
    return text


def main() -> None:
    """Run the benchmarks; the exit code is the worst of theirs."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("names", nargs="*", metavar="benchmark[:case]", help=", ".join(benchmarks()))
    arguments.add_argument("--quick", action="store_true", help="small sizes; limits are not enforced")
    arguments.add_argument("--figures", type=Path, help="folder for the figures")
    chosen = arguments.parse_args()
    wanted: dict[str, list[str]] = {}
    for word in chosen.names or benchmarks():
        name, _, case = word.partition(":")
        if name not in benchmarks():
            arguments.error(f"there is no benchmark {name}; there are {', '.join(benchmarks())}")
        wanted.setdefault(name, []).extend([case] if case else [])
    folder = chosen.figures or ROOT / ("build" if chosen.quick else "docs") / "figures"
    codes, began = {}, time.monotonic()
    for name, cases in wanted.items():
        start = time.monotonic()
        codes[name] = collect(HERE / f"{name}.py", cases, folder, quick=chosen.quick)
        print(f"{name}: {time.monotonic() - start:.0f} s\n", file=sys.stderr, flush=True)
    for code, problem in ((LIMIT_EXCEEDED, "limits exceeded"), (NOT_MEASURED, "not measured")):
        if names := [name for name, one in codes.items() if one == code]:
            print(f"{problem}: {', '.join(names)}", file=sys.stderr)
    print(f"{len(codes)} benchmarks in {time.monotonic() - began:.0f} s: {folder}", file=sys.stderr)
    sys.exit(max(codes.values()))


if __name__ == "__main__":
    main()
