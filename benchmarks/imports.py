"""The cost of parsing a Dag: CPU time and memory of importing each class that Dags import.

Measured in addition to airflow.sdk, each in a new fork of an interpreter, beside the operator of the http
provider or the notifier of the slack provider. The figure of a module is that of its most expensive class,
and another one that of all its classes. tests/test_family.py checks that nothing heavy is imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import partial

from measuring import (
    ROOT,
    ROUNDS,
    Figure,
    Rounds,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    peer_package,
    run,
)

PACKAGE = ROOT / "airflow_provider_telecom"
PLACES = ("operators", "sensors", "transfers", "notifications")
HTTP = ("apache-airflow-providers-http", "airflow.providers.http.operators.http")
SLACK = ("apache-airflow-providers-slack", "airflow.providers.slack.notifications.slack")
LIMIT_MS, LIMIT_MB = 15, 1


def modules() -> list[str]:
    """Return the modules of all vendors that Dags import from."""
    vendors = sorted(path.name for path in (PACKAGE / "vendors").iterdir() if (path / "api.py").exists())
    names = [
        f"{place}.{vendor}{end}"
        for place in PLACES
        for vendor in vendors
        for end in ("", "_to_object_storage")
    ]
    paths = {name: PACKAGE.joinpath(*name.split(".")) for name in names}
    there = [name for name, path in paths.items() if path.is_dir() or path.with_suffix(".py").exists()]
    return [f"{PACKAGE.name}.{name}" for name in there]


def classes(module: str) -> list[str]:
    """Return the names that Dags import from a module."""
    there = importlib.import_module(module)
    public = getattr(there, "__all__", None)
    return public or [name for name, kind in vars(there).items() if getattr(kind, "__module__", "") == module]


def cost_of(module: str, names: Sequence[str]) -> Sample:
    """Import names from a module; return the seconds and megabytes that it takes."""

    def act() -> list[str]:
        there = importlib.import_module(module)
        return [name for name in names if hasattr(there, name)]

    before = idle_megabytes()
    cost = measured(act, list(names))
    return {**cost, "memory": megabytes("VmRSS") - before}


def cheapest(module: str, names: Sequence[str]) -> Sample:
    """Return the least cost of three imports, each in a fork: other load can only add to it."""
    costs = [in_fork(partial(cost_of, module, names)) for _ in range(3)]
    return {of: min(cost[of] for cost in costs) for of in costs[0]}


def most_expensive(module: str, names: Sequence[str]) -> str:
    """Return the name whose import takes the most CPU time; each is imported alone, by compiled modules."""
    in_fork(partial(cost_of, module, names))  # compiles
    return max(names, key=lambda name: in_fork(partial(cost_of, module, [name]))["cpu"])


def imports(quick: bool) -> list[Figure]:
    """Import all classes and the peers' in turn."""
    import airflow.sdk

    airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator  # noqa: B018 - they are imported when asked for
    sys.dont_write_bytecode = False  # modules are compiled once
    http, slack = (f"{peer_package(*peer)}" for peer in (HTTP, SLACK))
    public = {name: in_fork(partial(classes, name)) for name in (modules()[::9] if quick else modules())}
    contenders = {http: partial(cheapest, HTTP[1], []), slack: partial(cheapest, SLACK[1], [])}
    for module, names in public.items():
        contenders[module] = partial(cheapest, module, [most_expensive(module, names)])
        contenders[f"{module}.*"] = partial(cheapest, module, names)
    for peer in (http, slack):
        contenders[peer]()  # compiles
    rounds = in_turn(contenders)
    found = [
        of_module(name, rounds, slack if ".notifications." in name else http)
        for name in contenders
        if name not in (http, slack)
    ]
    most: Rounds = {
        "ours": [{"memory": max(rounds[name][turn]["memory"] for name in public)} for turn in range(ROUNDS)],
        http: rounds[http],
    }
    title = "Memory of the largest class on top of `airflow.sdk`"
    memory = {"of": "memory", "peer": http, "limit": LIMIT_MB, "limit_of": "ours"}
    return [*found, figure("imports.memory", title, "MB", most, **memory)]


def of_module(name: str, rounds: Rounds, peer: str) -> Figure:
    """Return the figure of a module: of its most expensive class, or of all (`.*`), which has no limit."""
    short = name.removeprefix(f"{PACKAGE.name}.")
    is_whole = short.endswith(".*")
    return figure(
        f"imports.{short}",
        f"`{short.removesuffix('.*')}`" + (", all classes" if is_whole else ""),
        "ms of CPU",
        rounds,
        ours=name,
        peer=peer,
        limit=None if is_whole else LIMIT_MS,
        limit_of="ours",
        scale=1e3,
    )


CASES = {"imports": imports}

if __name__ == "__main__":
    run(CASES, __doc__)
