"""`python -m tests.chaos`: plays scenarios, and prints a JSON line with the figures of each.

Exit status: 0 if no rule was broken; 1 if one was (standard error has the seed, the history and how to
replay it); 2 for wrong arguments; 3 if this machine cannot play, for example because its disk is full: there
are no figures then.
"""

from __future__ import annotations

from tests.airflow_home import HOME

assert HOME.is_dir(), "it is set before Airflow is imported"

import argparse  # noqa: E402 - after Airflow's environment is set
import errno  # noqa: E402 - the same
import gc  # noqa: E402 - the same
import itertools  # noqa: E402 - the same
import json  # noqa: E402 - the same
import logging  # noqa: E402 - the same
import math  # noqa: E402 - the same
import os  # noqa: E402 - the same
import random  # noqa: E402 - the same
import selectors  # noqa: E402 - the same
import shutil  # noqa: E402 - the same
import signal  # noqa: E402 - the same
import subprocess  # noqa: E402 - the same
import sys  # noqa: E402 - the same
import tempfile  # noqa: E402 - the same
from collections import Counter  # noqa: E402 - the same
from collections.abc import Iterable, Iterator, Sequence  # noqa: E402 - the same
from pathlib import Path  # noqa: E402 - the same
from typing import Any, NoReturn  # noqa: E402 - the same

from airflow_provider_telecom.simulator.server import Simulator  # noqa: E402 - the same
from benchmarks.measuring import machine  # noqa: E402 - the same
from tests.chaos.processes import DiskFullError, HungError, KillingProcess  # noqa: E402 - the same
from tests.chaos.scenario import (  # noqa: E402 - the same
    ChaosError,
    Scenario,
    Seed,
    SeedError,
    SimulatorError,
    World,
    play,
)
from tests.chaos.scenarios import SCENARIOS  # noqa: E402 - the same
from tests.system.services import MissingServiceError  # noqa: E402 - the same

BROKEN, WRONG_ARGUMENTS, NO_FIGURES = 1, 2, 3


def main(arguments: Sequence[str]) -> int:
    """Play what was asked for, and return the exit status."""
    given = _parsed(arguments)
    chosen = [SCENARIOS[name] for name in given.only or SCENARIOS]
    folder = Path(tempfile.mkdtemp(prefix="telecom-chaos-", dir=given.folder))
    kept = False
    try:
        if given.part is not None:
            _play_part(chosen, given, folder)
        else:
            _play_all(chosen, given)
        sys.stdout.flush()
    except ChaosError as error:
        kept = True
        return _failed(BROKEN, str(error))
    except SeedError as error:
        return _failed(WRONG_ARGUMENTS, str(error))
    except (DiskFullError, HungError, MissingServiceError, SimulatorError) as error:
        return _failed(NO_FIGURES, f"{error}\nNo figures: this run proves nothing.")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        sys.stdout = None  # what could not be written is written no more at the end
        return _failed(NO_FIGURES, f"{error}: the disk is full. No figures: this run proves nothing.")
    except subprocess.CalledProcessError as error:
        if error.returncode > 0:  # it has said why
            return int(error.returncode)
        return _failed(
            NO_FIGURES, f"A process ended with {error.returncode}. No figures: this run proves nothing."
        )
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _failed(status: int, text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return status


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", help="a number, or the seed of one round as a failing run prints it: 7.17")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this scenario; may be repeated")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 plays a tenth of the long form")
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="processes (default: the cores), and as many beside them for scenarios that mostly wait",
    )
    parser.add_argument("--output", type=Path, help="a file that gets the figures when all has passed")
    parser.add_argument("--folder", type=Path, help="where temporary files are")
    parser.add_argument("--list", action="store_true", help="name the scenarios, and end")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.list:
        for each in SCENARIOS.values():
            print(f"{each.name}: {each.long} {each.counts}")
        sys.exit(0)
    if unknown := [name for name in given.only or () if name not in SCENARIOS]:
        parser.error(f"--only: there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if not (0 < given.scale <= 1000 and math.isfinite(given.scale)):
        parser.error("--scale: must be more than 0, and at most 1000")
    if given.jobs < 1:
        parser.error("--jobs: must be at least 1")
    for name, folder in (("--output", given.output and given.output.parent), ("--folder", given.folder)):
        if folder and not (folder.is_dir() and os.access(folder, os.W_OK)):
            parser.error(f"{name}: {folder} is not a folder in which this process may write")
    if given.output and given.output.is_dir():
        parser.error(f"--output: {given.output} is a folder")
    try:
        given.seed = Seed.parse(given.seed) if given.seed else Seed(random.randrange(1_000_000))
        if given.seed.round is not None and len(given.only or ()) != 1:
            raise SeedError(f"--seed: {given.seed} is a round of one scenario: name it by --only")
        for name in given.only or ():
            next(SCENARIOS[name].rounds(given.seed))
    except SeedError as error:
        parser.error(str(error))
    if given.seed.round is not None:
        given.jobs = 1
    return given


def _wanted(scenario: Scenario, scale: float, parts: int) -> int:
    return max(1, math.ceil(scenario.long * scale / parts))


def _play_part(chosen: Sequence[Scenario], given: argparse.Namespace, folder: Path) -> None:
    """Play this process's share of the rounds, and print the figures of each scenario."""
    part, parts = map(int, given.part.split("/"))
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # Airflow's warnings go to standard output
    simulator = Simulator()
    simulator.start()
    gc.freeze()  # to look at all that was imported takes 0.2 s each time
    try:
        with KillingProcess(folder / "tries.log") as processes:
            world = World(simulator, folder, processes)
            for each in chosen:
                figures = play(each, given.seed, world, _wanted(each, given.scale, parts), part, parts)
                print(json.dumps({"scenario": each.name, **figures}), flush=True, file=answers)
    finally:
        simulator.stop()


def _play_all(chosen: Sequence[Scenario], given: argparse.Namespace) -> None:
    """Let `jobs` processes play, and print the sums of their figures.

    Scenarios that wait most of the time are played by as many processes beside the others.
    """
    machine()  # before the run has a load of its own
    began = f"seed {given.seed}, scale {given.scale:g}, {given.jobs} processes"
    print(began, file=sys.stderr, flush=True)
    groups = [[each for each in chosen if each.waits == waits] for waits in (False, True)]
    started = [_started(group, given) for group in groups if group]
    lines: dict[str, str] = {}
    try:
        left = {each.name: Counter[str]() for each in chosen}
        missing = Counter({each.name: given.jobs for each in chosen})
        for found in _figures(itertools.chain.from_iterable(started)):
            name = str(found.pop("scenario"))
            left[name].update(found)
            missing[name] -= 1
            if not missing[name]:
                lines[name] = _line(SCENARIOS[name], given, left[name])
                print(lines[name], flush=True)
    finally:
        for process in itertools.chain.from_iterable(started):
            process.send_signal(signal.SIGTERM)
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
    if given.output:
        beside = given.output.with_suffix(".new")
        try:
            beside.write_text("".join(f"{lines[each.name]}\n" for each in chosen))
            beside.replace(given.output)
        finally:
            beside.unlink(missing_ok=True)


def _started(chosen: Sequence[Scenario], given: argparse.Namespace) -> list[subprocess.Popen[bytes]]:
    """Start the processes that play some scenarios."""
    options = ["--seed", str(given.seed), "--scale", str(given.scale)]
    for each in chosen:
        options += ["--only", each.name]
    if given.folder:
        options += ["--folder", str(given.folder)]
    command = [sys.executable, "-m", "tests.chaos", *options]
    return [
        subprocess.Popen([*command, "--part", f"{part}/{given.jobs}"], stdout=subprocess.PIPE)
        for part in range(given.jobs)
    ]


def _figures(processes: Iterable[subprocess.Popen[bytes]]) -> Iterator[dict[str, Any]]:
    """Yield the figures of all processes as they come. Raises CalledProcessError if one has failed."""
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ, process)
        while selector.get_map():
            for key, _ in selector.select():
                if text := key.fileobj.readline():  # type: ignore[union-attr]
                    yield json.loads(text)
                    continue
                selector.unregister(key.fileobj)
                if status := key.data.wait():
                    raise subprocess.CalledProcessError(status, key.data.args)


def _line(scenario: Scenario, given: argparse.Namespace, total: Counter[str]) -> str:
    """Return the line of a scenario, as `benchmarks/tables.py` reads it. No rule was broken.

    Raises ChaosError if the sums of all rounds are wrong.
    """
    remarks = [scenario.conclude(total)]
    rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in total.items()}
    proved = {"duplicates": 0, "lost": 0} if total["intents"] else {}
    if twice := total["done_twice"]:
        remarks.append(f"{twice} happened twice, as `resend` allows")
    note = "; ".join(filter(None, remarks))
    return json.dumps({
        "name": scenario.name,
        "seed": str(given.seed),
        "scale": given.scale,
        **rounded,
        "runs": f"{total[scenario.counts]:,} {scenario.counts}",
        **proved,
        "seconds": round(total["seconds"] / given.jobs, 1),
        "passed": True,
        **({"note": note} if note else {}),
        "machine": machine(),
    })


def _stop(*_: object) -> NoReturn:
    sys.exit(NO_FIGURES)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main(sys.argv[1:]))
