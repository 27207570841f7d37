"""The provider's share of the CPU time to parse the example Dags, as a Dag processor parses them.

Each file is parsed in a fork in which airflow.sdk is loaded: its modules are imported, its Dags are made and
serialized. A timer interrupts that every millisecond of CPU time, and the innermost frame that is the
provider's or Airflow's own says whose time it was: what the provider imports counts as the provider's, the
making of any operator (airflow.sdk.bases) and serialization as Airflow's.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from types import FrameType

from measuring import ROOT, Figure, Sample, figure, in_fork, in_turn, measured, require, run

INTERVAL = 0.001
PROVIDER = str(ROOT / "airflow_provider_telecom")
EXAMPLES = ROOT / "example_dags"
LIMIT = 0.5


def owner(frame: FrameType | None) -> str:
    """Return whose time it is: `provider` or `airflow`."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PROVIDER):
            return "provider"
        if "/airflow/sdk/bases/" in name or "/airflow/serialization/" in name:
            return "airflow"
        frame = frame.f_back
    return "airflow"


def parse(path: Path) -> int:
    """Parse a file and serialize its Dags; return how many there are."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    found = DagBag(str(path))
    require(not found.import_errors, f"{path.name}: {found.import_errors}")
    for dag in found.dags.values():
        DagSerialization.to_dict(dag)
    return len(found.dags)


def sampled(path: Path) -> Sample:
    """Parse a file in this process; return the CPU seconds, in all and by owner."""
    ticks: Counter[str] = Counter()
    signal.signal(signal.SIGPROF, lambda _, frame: ticks.update([owner(frame)]))
    signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
    found = measured(lambda: parse(path) > 0, True)
    signal.setitimer(signal.ITIMER_PROF, 0)
    require(ticks.total() > 5, f"{path.name} was interrupted {ticks.total()} times")
    return {"cpu": found["cpu"], "share": ticks["provider"] / ticks.total()}


def all_files(paths: list[Path]) -> Sample:
    """Parse each file in a fork; return the CPU seconds of all, and the provider's share of them."""
    samples = [in_fork(partial(sampled, path)) for path in paths]
    seconds = sum(one["cpu"] for one in samples)
    provider = sum(one["cpu"] * one["share"] for one in samples)
    return {"cpu": seconds, "provider": provider, "share": provider / seconds}


def parsing(quick: bool) -> list[Figure]:
    """Parse all example Dags, three times."""
    import airflow.sdk

    airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator  # noqa: B018 - they are imported when asked for
    import airflow.dag_processing.dagbag
    import airflow.serialization.serialized_objects

    sys.dont_write_bytecode = False
    paths = sorted(EXAMPLES.glob("example_*.py"))[: 2 if quick else None]
    all_files(paths)  # compiles
    rounds = in_turn({"ours": partial(all_files, paths)})
    title, facts = f"parse {len(paths)} example Dags", {"files": len(paths)}
    return [
        figure("parsing.cpu", f"To {title}, each in a new process", "s of CPU", rounds, **facts),
        figure(
            "parsing.provider",
            f"The provider's part of it to {title}",
            "s of CPU",
            rounds,
            of="provider",
            **facts,
        ),
        figure(
            "parsing.share",
            f"The provider's share of the time to {title}",
            "of 1",
            rounds,
            of="share",
            limit=LIMIT,
            limit_of="ours",
            **facts,
        ),
    ]


CASES = {"parsing": parsing}

if __name__ == "__main__":
    run(CASES, __doc__)
