"""The arrows between rooms, the rule that nobody mounts retries, and what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "airflow_provider_telecom"

ARROWS = {
    "calls": set(),
    "auth": {"calls"},
    "vendors": {"auth", "calls"},
    "transport": {"calls"},
    "hooks": {"vendors", "auth", "transport", "calls"},
    "journal": {"calls"},
    "webhooks": {"vendors", "calls"},
    "triggers": {"hooks", "vendors", "webhooks", "calls"},
    "links": {"vendors"},
    "operators": {"hooks", "journal", "triggers", "links", "vendors", "webhooks", "calls"},
    "sensors": {"operators", "triggers", "links", "vendors", "webhooks", "calls"},
    "transfers": {"operators", "hooks", "journal", "vendors", "calls"},
    "notifications": {"hooks", "journal", "vendors", "calls"},
    "simulator": set(),
    "provider_info": set(),
    "command": {"simulator", "webhooks", "calls"},
}
NEVER = {
    "calls": {"airflow", "requests", "aiohttp"},
    "auth": {"airflow", "requests", "aiohttp"},
    "vendors": {"airflow", "requests", "aiohttp"},
    "transport": {"airflow"},
    "simulator": {"airflow", "requests", "aiohttp"},
    "provider_info": {"airflow", "requests", "aiohttp", "pydantic"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide arrows"
            yield node.module or ""


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


def test_every_room_has_its_arrows_declared() -> None:
    assert {room_of(path) for path in FILES} == set(ARROWS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_run_one_way(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top not in NEVER.get(room, set()), f"{room} must not import {name}"
        if top == "airflow_provider_telecom" and rest:
            target = rest.split(".")[0]
            assert target in {room, *ARROWS[room]}, f"no arrow runs from {room} to {target}"


@pytest.mark.parametrize("room", ["vendors", "simulator"])
def test_vendors_do_not_know_one_another(room: str) -> None:
    folders = {
        path.name for path in (PACKAGE / room).iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    for path in (PACKAGE / room).rglob("*.py"):
        if path.parent.name in folders:
            for name in imports(path):
                other = set(name.split(".")) & (folders - {path.parent.name})
                assert not (other and name.startswith("airflow_provider_telecom")), f"{path} imports {name}"


@pytest.mark.parametrize(
    "forbidden", [r"max_retries=[^0]", r"\bRetry\(", r"allow_redirects=True", r"verify=False", r"TODO|FIXME"]
)
def test_nobody_does_what_the_house_forbids(forbidden: str) -> None:
    hits = [str(path) for path in FILES if re.search(forbidden, path.read_text())]
    assert hits == []


def test_no_test_compares_a_duration_with_a_number_of_seconds() -> None:
    clocks = r"(monotonic|perf_counter|process_time|thread_time)\(\)"
    duration = re.compile(rf"assert .*{clocks} - \w+ <=? [0-9.]+")
    tests = Path(__file__).parent.rglob("*.py")
    hits = [f"{path}: {found[0]}" for path in tests for found in duration.finditer(path.read_text())]
    assert hits == []


def test_provider_info_loads_nothing_heavy() -> None:
    program = (
        "import sys; from airflow_provider_telecom.provider_info import get_provider_info as info; info();"
        "print([m for m in ('requests', 'aiohttp', 'pydantic', 'airflow', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
