"""The imports between packages, the rule that nobody mounts retries, and what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from airflow_provider_telecom.vendors.registry import vendors

PACKAGE = Path(__file__).parent.parent / "airflow_provider_telecom"

IMPORTS = {
    "calls": set(),
    "auth": {"calls"},
    "vendors": {"auth", "calls"},
    "transport": {"calls"},
    "hooks": {"vendors", "auth", "transport", "calls"},
    "journal": {"calls"},
    "webhooks": {"journal", "vendors", "calls"},
    "assets": {"webhooks"},
    "triggers": {"hooks", "journal", "vendors", "webhooks", "calls"},
    "links": {"vendors"},
    "tasks": {"hooks", "journal", "triggers", "vendors", "webhooks", "calls"},
    "bulk": {"tasks", "journal", "calls"},
    "operators": {
        "bulk",
        "tasks",
        "hooks",
        "journal",
        "links",
        "triggers",
        "vendors",
        "webhooks",
        "calls",
    },
    "campaigns": {"operators", "bulk", "tasks", "vendors", "calls"},
    "sensors": {"tasks", "links", "vendors", "calls"},
    "transfers": {"bulk", "tasks", "operators", "hooks", "journal", "triggers", "vendors", "calls"},
    "notifications": {"bulk", "tasks", "hooks", "journal", "triggers", "vendors", "calls"},
    "simulator": set(),
    "provider_info": {"vendors"},
    "command": {"bulk", "simulator", "vendors", "webhooks", "calls"},
}
"""The packages that a package may import, also by an import path in a string."""
NEVER = {
    "calls": {"airflow", "requests", "aiohttp"},
    "auth": {"airflow", "requests", "aiohttp"},
    "vendors": {"airflow", "requests", "aiohttp"},
    "transport": {"airflow"},
    "simulator": {"airflow", "requests", "aiohttp"},
    "provider_info": {"airflow", "requests", "aiohttp", "pydantic"},
}


IMPORT_PATH = re.compile(r"airflow_provider_telecom(\.\w+)+")


def imports(path: Path) -> Iterator[str]:
    """Return the modules that a file imports, or names as an import path in a string."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide what is imported"
            yield node.module or ""
        elif isinstance(node, ast.Constant) and IMPORT_PATH.fullmatch(str(node.value)):
            yield str(node.value)


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


def test_all_packages_are_in_the_table() -> None:
    assert {package_of(path) for path in FILES} == set(IMPORTS)


def test_imports_have_no_cycle() -> None:
    TopologicalSorter(IMPORTS).prepare()


def test_modules_of_the_simulator_have_no_import_cycle() -> None:
    """Imports for types count too: they show which module knows which."""
    names = {path: ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in FILES}
    modules = {name.removesuffix(".__init__"): path for path, name in names.items() if ".simulator." in name}
    graph = {
        module: {
            found if (found := f"{node.module}.{alias.name}") in modules else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for module, path in modules.items()
    }
    assert len(graph) > 40
    TopologicalSorter(graph).prepare()


def test_import_paths_in_strings_are_found() -> None:
    path = PACKAGE / "operators" / "sunsim" / "call.py"
    assert "airflow_provider_telecom.vendors.sunsim.status.callback" in set(imports(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top not in NEVER.get(package, set()), f"{package} must not import {name}"
        if top == "airflow_provider_telecom" and rest:
            target = rest.split(".")[0]
            assert target in {package, *IMPORTS[package]}, f"{package} must not import {target}"


@pytest.mark.parametrize("package", ["vendors", "simulator"])
def test_vendors_do_not_import_one_another(package: str) -> None:
    folders = {
        path.name for path in (PACKAGE / package).iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    for path in (PACKAGE / package).rglob("*.py"):
        if path.parent.name in folders:
            for name in imports(path):
                other = set(name.split(".")) & (folders - {path.parent.name})
                assert not (other and name.startswith("airflow_provider_telecom")), f"{path} imports {name}"


VENDOR_FREE = (
    "calls",
    "transport",
    "journal",
    "hooks/base.py",
    "hooks/settings.py",
    "hooks/store.py",
    "tasks",
    "bulk",
    "triggers",
    "webhooks",
    "provider_info.py",
    "command.py",
)
"""What knows no vendor and no payload: it reads the vendors' descriptions."""


def words_of(path: Path) -> Iterator[str]:
    """Return the names and strings of a file's code, without docstrings."""
    tree = ast.parse(path.read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value
        yield from (
            value
            for field in ("id", "attr", "name", "module", "arg")
            if isinstance(value := getattr(node, field, None), str)
        )


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if str(path.relative_to(PACKAGE)).startswith(VENDOR_FREE)],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_shared_code_knows_no_vendor(path: Path) -> None:
    names = {name for vendor in vendors() for name in (vendor.id, vendor.former_id, vendor.hook) if name}
    vendor = re.compile("|".join(map(re.escape, sorted(names))), re.IGNORECASE)
    assert [word for word in words_of(path) if vendor.search(word)] == []


def test_the_page_knows_no_vendor() -> None:
    names = "|".join(vendor.former_id or vendor.id for vendor in vendors())
    for path in (PACKAGE / "webhooks" / "page").iterdir():
        assert path.is_dir() or not re.search(names, path.read_text(), re.IGNORECASE)


@pytest.mark.parametrize(
    "forbidden", [r"max_retries=[^0]", r"\bRetry\(", r"allow_redirects=True", r"verify=False", r"TODO|FIXME"]
)
def test_forbidden_code_is_not_there(forbidden: str) -> None:
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
