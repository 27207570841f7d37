"""Smoke test of an installed wheel or sdist: run it with the Python of the environment.

Imports all modules, lets Airflow read the provider, copies the example Dags, runs that of `make demo` against
the simulator, and runs a test that uses the fixture. Prints a JSON line.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pkgutil import walk_packages

HOME = Path(tempfile.mkdtemp(prefix="telecom-smoke-"))
DAGS = HOME / "dags"
os.environ.update({
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",
})
DAG_ID = "example_ketchup_messaging"
TEST = """
from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook


def test_an_sms(telecom_simulator):
    KyivstarOpenTelecomHook().send_sms("380670000200", "Hi")
    assert len(telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")) == 1
"""


def main() -> None:
    """Run the parts, and raise an exception if one of them fails."""
    started = time.monotonic()
    facts = {
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        "provider": version("airflow-provider-telecom"),
        "modules": import_all(),
        "connection_types": registered(),
        "sms_of_the_demo": run_demo(),
    }
    run_fixture()
    print(json.dumps({**facts, "fixture": "passed", "seconds": round(time.monotonic() - started, 1)}))


def import_all() -> int:
    """Import all modules, and return their number."""
    import airflow_provider_telecom

    root = Path(airflow_provider_telecom.__file__).parent
    assert "site-packages" in root.parts, f"{root} is not an installed package"
    names = [module.name for module in walk_packages([str(root)], f"{root.name}.")]
    for name in names:
        if not name.endswith("__main__"):
            import_module(name)
    return len(names)


def registered() -> int:
    """Return how many connection types Airflow knows of this provider."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    assert "airflow-provider-telecom" in manager.providers
    hooks = {name: hook for name, hook in manager.hooks.items() if hook is not None}
    return sum(hook.package_name == "airflow-provider-telecom" for hook in hooks.values())


def run_demo() -> int:
    """Run the Dag of `make demo`; return how many SMS the vendor has."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    from airflow_provider_telecom.simulator.server import Simulator

    command = [sys.executable, "-m", "airflow", "telecom", "examples", str(DAGS)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    initdb()
    simulator = Simulator()
    simulator.start()
    try:
        os.environ.update(simulator.environment())
        bag = DagBag(DAGS / f"{DAG_ID}.py")
        assert not bag.import_errors, bag.import_errors
        run = bag.dags[DAG_ID].test()
        assert run.state == "success", run.state
        return len(simulator.state.ledger.of("ketchup_loyalty", "sms"))
    finally:
        simulator.stop()


def run_fixture() -> None:
    """Run a test that uses the fixture `telecom_simulator`."""
    test = HOME / "test_smoke.py"
    test.write_text(TEST, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    subprocess.run(command, cwd=HOME, env=environment, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
