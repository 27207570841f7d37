"""What must be true of a release: `make release-check`, `make smoke`, `make newcomer`.

    check      builds wheel and sdist, checks their metadata and contents, and runs the smoke test with both
    smoke      runs the smoke test with the wheel, for each combination of Python and Airflow
    newcomer   runs the commands of docs/howto/first-sms.md with the wheel, as somebody new would

Each environment is fresh and made by uv. Results are JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from itertools import product
from pathlib import Path

from links import LINK

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
SITE = ROOT / "build" / "docs" / "html"
PAGE = ROOT / "docs" / "howto" / "first-sms.md"
FILE_BLOCK = re.compile(r"^`([\w./]+\.py)`[^\n]*:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONSOLE_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_WHEEL = ["airflow_provider_telecom/py.typed", "airflow_provider_telecom/provider_info.py"]
IN_WHEEL += [
    f"airflow_provider_telecom/webhooks/page/uplot/{name}" for name in ("uPlot.iife.min.js", "LICENSE")
]
IN_SDIST = ["README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "docs/tasks.md", "docs/conf.py"]
IN_SDIST += ["example_dags/example_ketchup_messaging.py", "scripts/readme.py", "scripts/links.py"]
TOOLS = str(Path(sys.executable).parent)


def main() -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("check").set_defaults(run=check)
    smoke = commands.add_parser("smoke")
    smoke.add_argument("--pythons", nargs="+", default=[sys.executable])
    smoke.add_argument("--airflows", nargs="+", default=["3.3.2"])
    smoke.set_defaults(run=run_matrix)
    newcomer = commands.add_parser("newcomer")
    newcomer.add_argument("--python", default=sys.executable)
    newcomer.set_defaults(run=run_newcomer)
    given = parser.parse_args()
    return int(given.run(given))


# Wheel and sdist


def build() -> tuple[Path, Path]:
    """Build wheel and sdist (the wheel from the sdist); return their paths."""
    shutil.rmtree(DIST, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--installer", "uv", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def check(given: argparse.Namespace) -> int:
    """Build and check both distributions, and run the smoke test with each."""
    wheel, sdist = build()
    run([tool("twine"), "check", "--strict", str(wheel), str(sdist)])
    run([tool("check-wheel-contents"), str(wheel)])
    problems = [*problems_of_wheel(wheel), *problems_of_sdist(sdist), *problems_of_version()]
    for problem in problems:
        print(problem)
    if problems:
        return 1
    return max(run_smoke(sys.executable, str(path)) for path in (wheel, sdist))


def problems_of_wheel(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel: files, metadata, and the links of its description."""
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        (path,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(file.read(path))
    problems = [f"the wheel lacks {name}" for name in IN_WHEEL if name not in names]
    problems += [
        f"the wheel has no {name}"
        for name in ("Requires-Python", "License-Expression")
        if name not in metadata
    ]
    description = str(metadata.get_payload())
    site = project()["urls"]["Documentation"]
    links = [link[1] for link in LINK.finditer(description) if link[1]]
    problems += [
        f"a relative link in the description: {link}" for link in links if not link.startswith("https://")
    ]
    if "example.com" in site:
        print(f"note: set Documentation in pyproject.toml before the first upload: {site} is a placeholder")
    if SITE.exists():
        pages = [link.removeprefix(f"{site}/") for link in links if link.startswith(site)]
        problems += [f"the site lacks {page}" for page in pages if not (SITE / page).is_file()]
    return problems


def problems_of_sdist(sdist: Path) -> list[str]:
    """Return the files that an sdist lacks, and those that it should not have."""
    with tarfile.open(sdist) as file:
        names = [name.partition("/")[2] for name in file.getnames()]
    problems = [f"the sdist lacks {name}" for name in IN_SDIST if name not in names]
    wrong = [
        name
        for name in names
        if re.search(r"__pycache__|\.venv|\.env$|(^|/)\.", name) and name != ".gitignore"
    ]
    return problems + [f"the sdist has {name}" for name in wrong]


def problems_of_version() -> list[str]:
    """Return how the version differs from the newest release in the changelog."""
    module = (ROOT / "airflow_provider_telecom" / "__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(.*)"$', module, re.MULTILINE)
    found = re.search(
        r"^## (\d\S*) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    if found is None or found[1] != version:
        return [f"CHANGELOG.md has no release {version} with its date at the top"]
    return []


def project() -> dict[str, dict[str, str]]:
    """Return the table [project] of pyproject.toml."""
    table: dict[str, dict[str, str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


# Fresh environments


def run_matrix(given: argparse.Namespace) -> int:
    """Run the smoke test for all combinations; return 1 if one fails."""
    wheel, _ = build()
    return max(
        run_smoke(python, str(wheel), f"apache-airflow=={airflow}")
        for python, airflow in product(given.pythons, given.airflows)
    )


def run_smoke(python: str, distribution: str, *requirements: str) -> int:
    """Run the smoke test in a fresh environment, and print its result."""
    with tempfile.TemporaryDirectory(prefix="telecom-release-") as folder:
        started = time.monotonic()
        place = Path(folder) / "venv"
        run([tool("uv"), "venv", "--quiet", "--python", python, str(place)])
        install = [tool("uv"), "pip", "install", "--quiet", "--python", str(place), distribution, "pytest"]
        run([*install, *requirements])
        installed = round(time.monotonic() - started, 1)
        script = shutil.copy(ROOT / "scripts" / "smoke.py", folder)
        environment = {
            name: value for name, value in os.environ.items() if not re.match("AIRFLOW|PYTHONPATH", name)
        }
        result = subprocess.run(
            [str(place / "bin" / "python"), script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
    if result.returncode:
        print(result.stdout[-3000:], result.stderr[-6000:], sep="\n")
        print(
            json.dumps({
                "distribution": Path(distribution).name,
                "python": python,
                "requirements": requirements,
                "failed": True,
            })
        )
        return 1
    facts = json.loads(result.stdout.splitlines()[-1])
    print(
        json.dumps({"distribution": Path(distribution).name, "install_seconds": installed, **facts}),
        flush=True,
    )
    return 0


def tool(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(TOOLS) / name)


def run(command: Sequence[str]) -> None:
    """Run a command, and end this program if it fails."""
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit(f"failed: {' '.join(command)}")


# The newcomer


def run_newcomer(given: argparse.Namespace) -> int:
    """Run the commands of the page in a new folder, one after the other, and print their number and times."""
    wheel, _ = build()
    page = PAGE.read_text(encoding="utf-8")
    commands = [
        line[2:] for block in CONSOLE_BLOCK.findall(page) for line in block.splitlines() if line[:2] == "$ "
    ]
    with tempfile.TemporaryDirectory(prefix="telecom-newcomer-") as folder:
        for name, content in FILE_BLOCK.findall(page):
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        script = "\n".join([
            "set -euo pipefail",
            *(shell(line, str(wheel), given.python) for line in commands),
        ])
        environment = {
            name: value
            for name, value in os.environ.items()
            if not re.match("AIRFLOW|PYTHONPATH|VIRTUAL_ENV", name)
        }
        started = time.monotonic()
        process = subprocess.run(["bash", "-c", script], cwd=folder, env=environment)
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"commands": len(commands), "seconds": seconds, "passed": process.returncode == 0}))
    return process.returncode


def shell(command: str, wheel: str, python: str) -> str:
    """Return a command of the page as this script runs it, with its time."""
    shown = f"echo; echo {shlex.quote('$ ' + command)}; started=$SECONDS"
    done = 'echo "($((SECONDS - started)) s)"'
    if command.startswith("telecom-simulator"):  # in a second terminal; its output is pasted into the first
        start = f'{command} > simulator.log & trap "kill $!" EXIT'
        wait = 'until [ "$(grep -c ^export simulator.log)" = 5 ]; do sleep 0.2; done'
        return "\n".join([shown, start, wait, "source <(grep ^export simulator.log)", done])
    command = command.replace("pip install airflow-provider-telecom", f"pip install --quiet {wheel}")
    command = re.sub(r"^python3 -m venv", f"{python} -m venv", command)
    return "\n".join([shown, command, done])


if __name__ == "__main__":
    sys.exit(main())
