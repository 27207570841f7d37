"""The cost of parsing a Dag: CPU time and memory of importing each module that Dags import from.

Measured in addition to airflow.sdk, each in a new fork of an interpreter, beside the operator of the http
provider or the notifier of the slack provider. tests/test_family.py checks that nothing heavy is imported.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial

from measuring import (
    ROOT,
    ROUNDS,
    Figure,
    Rounds,
    figure,
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


def cost_of(module: str) -> dict[str, float]:
    """Import a module; return the seconds and megabytes that it takes."""
    before = megabytes("VmRSS")
    cost = measured(lambda: importlib.import_module(module).__name__, module)
    return {**cost, "memory": megabytes("VmRSS") - before}


def cheapest(module: str) -> dict[str, float]:
    """Return the cheapest of three imports, each in a fork: other load can only add to them."""
    return min((in_fork(partial(cost_of, module)) for _ in range(3)), key=lambda cost: cost["cpu"])


def imports(quick: bool) -> list[Figure]:
    """Import all modules and the peers' in turn."""
    import airflow.sdk

    airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator  # noqa: B018 - they are imported when asked for
    sys.dont_write_bytecode = False  # modules are compiled once
    http, slack = (f"{peer_package(*peer)}" for peer in (HTTP, SLACK))
    names = modules()[::9] if quick else modules()
    contenders = {name: partial(cheapest, name) for name in names}
    contenders |= {http: partial(cheapest, HTTP[1]), slack: partial(cheapest, SLACK[1])}
    for act in contenders.values():
        act()  # compiles
    rounds = in_turn(contenders)
    found = [of_module(name, rounds, slack if ".notifications." in name else http) for name in names]
    most: Rounds = {
        "ours": [{"memory": max(rounds[name][turn]["memory"] for name in names)} for turn in range(ROUNDS)],
        http: rounds[http],
    }
    title = "Memory of the largest module on top of `airflow.sdk`"
    memory = {"of": "memory", "peer": http, "limit": LIMIT_MB, "limit_of": "ours"}
    return [*found, figure("imports.memory", title, "MB", most, **memory)]


def of_module(name: str, rounds: Rounds, peer: str) -> Figure:
    """Return the figure of a module."""
    short = name.removeprefix(f"{PACKAGE.name}.")
    return figure(
        f"imports.{short}",
        f"`{short}`",
        "ms of CPU",
        rounds,
        ours=name,
        peer=peer,
        limit=LIMIT_MS,
        limit_of="ours",
        scale=1e3,
    )


CASES = {"imports": imports}

if __name__ == "__main__":
    run(CASES, __doc__)
