"""`python -m mutation [MODULE ...]`: mutates modules, runs their tests, prints one JSON line for each module.

    python -m mutation journal                      # all mutants of one module
    python -m mutation --sample 50 --seed 7         # 50 random mutants of each module
    python -m mutation journal --only claims.py     # one file

The figures of complete modules replace those in docs/figures. The exit code is 1 if a module misses its
limit, and 2 if there can be no figure.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from mutation.modules import LIMIT, MODULES, Module, reason_of
from mutation.mutants import Mutant, mutants_of
from mutation.server import Judgement, MutationError, Verdict, judge

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
sys.path.insert(0, str(ROOT / "benchmarks"))
from measuring import machine  # noqa: E402 - the benchmarks are scripts, not a package

Row = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    options = _options().parse_args(words)
    try:
        modules = [_named(name) for name in options.modules or MODULES]
        passed = [_run(module, options) for module in modules]
    except MutationError as error:
        print(f"mutation: {error}", file=sys.stderr)
        return 2
    return 0 if all(passed) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=str(__doc__).splitlines()[0])
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(MODULES)} (default: all)")
    parser.add_argument("--only", default="", help="files whose path ends so")
    parser.add_argument("--sample", type=_positive, help="only so many random mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="chooses the sample")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes that run tests")
    return parser


def _positive(word: str) -> int:
    if (number := int(word)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _named(name: str) -> Module:
    if name not in MODULES:
        raise MutationError(f"unknown module {name!r}; there are {', '.join(MODULES)}")
    return MODULES[name]


def _run(module: Module, options: argparse.Namespace) -> bool:
    """Mutate a module, print its figures, and return whether it reaches the limit."""
    began = time.monotonic()
    paths = [path for path in module.tests_of if path.endswith(options.only)]
    if not paths:
        raise MutationError(f"{module.name}: no file ends with {options.only!r}")
    for path in paths:
        missing = [each for each in (path, *module.tests_of[path]) if not (ROOT / each).is_file()]
        if missing:
            raise MutationError(f"{module.name}: missing: {', '.join(missing)}")
    mutants = {path: mutants_of((ROOT / path).read_text()) for path in module.tests_of}
    generated = sum(map(len, mutants.values()))
    chosen = [(path, mutant) for path in paths for mutant in mutants[path]]
    if options.sample and options.sample < len(chosen):
        numbers = random.Random(options.seed).sample(range(len(chosen)), options.sample)
        chosen = [chosen[number] for number in sorted(numbers)]
    results: list[Row] = []
    for path in paths:
        own = [mutant for of, mutant in chosen if of == path]
        for result in _judged(path, module.tests_of[path], own, options.jobs):
            results.append(result)
            _show(module.name, len(results), len(chosen), result)
    line = _figures(module, results, generated, options, time.monotonic() - began)
    print(json.dumps(line, ensure_ascii=False), flush=True)
    if len(results) == generated:
        _store(FIGURES, module, line, results)
    return bool(line["passed"])


def _show(name: str, number: int, of: int, result: Row) -> None:
    if result["verdict"] == Verdict.SURVIVED:
        place = f"{result['file']}:{result['line']}"
        print(f"survived: {place} {result['function']}: {result['change']}", file=sys.stderr, flush=True)
    elif number % 50 == 0 or number == of:
        print(f"{name}: {number} of {of}", file=sys.stderr, flush=True)


def _judged(path: str, tests: Sequence[str], mutants: Sequence[Mutant], jobs: int) -> Iterator[Row]:
    """Judge the mutants of a file in processes of their own. Raises MutationError."""
    jobs = min(jobs, len(mutants))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    servers = [
        context.Process(target=_serve, args=(path, tests, mutants[job::jobs], queue)) for job in range(jobs)
    ]
    for server in servers:
        server.start()
    try:
        for _ in mutants:
            yield _next(queue, servers)
    except BaseException:
        for server in servers:
            server.terminate()  # their forks end with them
        raise
    finally:
        for server in servers:
            server.join()


def _next(queue: Any, servers: Sequence[Any]) -> Row:
    """Return the next judgement. Raises MutationError if there can be none."""
    while True:
        with suppress(Empty):
            result: Row = queue.get(timeout=2)
            if "error" in result:
                raise MutationError(result["error"])
            return result
        if dead := [server for server in servers if server.exitcode]:
            raise MutationError(f"a process that runs tests ended with {dead[0].exitcode}")


def _serve(path: str, tests: Sequence[str], mutants: Sequence[Mutant], queue: Any) -> None:
    reported = itertools.count()

    def report(judgement: Judgement) -> None:
        next(reported)
        mutant = judgement.mutant
        queue.put({
            "file": path,
            "line": mutant.line,
            "function": mutant.function,
            "change": mutant.change,
            "verdict": judgement.verdict,
            "by": judgement.by,
        })

    try:
        judge(ROOT, path, tests, mutants, report)
        if (count := next(reported)) != len(mutants):
            queue.put({"error": f"{path}: {count} of {len(mutants)} mutants were judged"})
    except MutationError as error:
        queue.put({"error": str(error)})
    except BaseException as error:
        queue.put({"error": f"{path}: {type(error).__name__}: {error}"})
        raise


def _figures(
    module: Module, results: Sequence[Row], generated: int, options: argparse.Namespace, seconds: float
) -> Row:
    """Return the module's line."""
    survivors = [result for result in results if result["verdict"] == Verdict.SURVIVED]
    killed = len(results) - len(survivors)
    percent = round(100 * killed / len(results), 1)
    return {
        "name": module.name,
        "mutants": len(results),
        **({"of": generated, "seed": options.seed} if len(results) < generated else {}),
        "killed": killed,
        "of_them_by_limit": sum(result["verdict"] == Verdict.LIMIT for result in results),
        "survived": len(survivors),
        "explained": sum(bool(_reason(survivor)) for survivor in survivors),
        "percent": percent,
        "limit": LIMIT,
        "passed": percent >= LIMIT,
        "seconds": round(seconds),
        "machine": machine(),
    }


def _reason(survivor: Row) -> str:
    return reason_of(survivor["file"], survivor["function"], survivor["change"])


def _store(folder: Path, module: Module, line: Row, results: Sequence[Row]) -> None:
    """Replace a module's lines in mutation.jsonl and mutation_survivors.jsonl."""
    survivors = [
        {"name": module.name}
        | {key: result[key] for key in ("file", "line", "function", "change")}
        | {"reason": _reason(result)}
        for result in results
        if result["verdict"] == Verdict.SURVIVED
    ]
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "mutation.jsonl", module, [line])
    _replace(folder / "mutation_survivors.jsonl", module, survivors)


def _replace(path: Path, module: Module, lines: Sequence[Row]) -> None:
    """Replace the lines of a module in a file that keeps the order of the table."""
    rows = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    order = list(MODULES)
    kept = [row for row in rows if row["name"] != module.name and row["name"] in order] + list(lines)
    kept.sort(key=lambda row: order.index(row["name"]))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))


if __name__ == "__main__":
    sys.exit(main())
