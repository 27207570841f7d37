"""The documentation: links lead somewhere, Dags can be parsed, its tests pass, errors are explained."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from airflow_provider_telecom.calls import errors
from airflow_provider_telecom.calls.errors import TelecomError

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
HOWTOS = sorted(ROOT.glob("docs/howto/*.md"))
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
CONSOLE_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$")


def script(name: str) -> ModuleType:
    """Return a module of scripts/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


links = script("links")


def anchors(document: Path) -> set[str]:
    """Return the anchors that a host of Git repositories gives to the headings."""
    found = set()
    for line, is_text in links.text_lines(document.read_text()):
        if is_text and (heading := HEADING.match(line)):
            words = re.sub(r"[^\w\- ]", "", heading[1].lower())
            found.add("#" + words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_in_the_repository_lead_somewhere(document: Path) -> None:
    def check(path: str, anchor: str) -> str:
        target = ROOT / path
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}{anchor}"
        return ""

    text = document.read_text()
    links.rewrite(text, document.relative_to(ROOT).as_posix(), check)
    for line, is_text in links.text_lines(text):
        for link in links.LINK.finditer(line if is_text else ""):
            assert link[1] or link[2] in anchors(document), link[2]


def test_the_package_index_gets_absolute_links_to_pages_of_the_site() -> None:
    site = "https://docs.test"
    text = links.rewrite(
        (ROOT / "README.md").read_text(),
        "README.md",
        lambda path, anchor: f"{site}/{links.site_address(path)}{anchor}",
    )
    found = [
        link[1] for line, is_text in links.text_lines(text) if is_text for link in links.LINK.finditer(line)
    ]
    assert f"{site}/tasks.html" in found
    assert f"{site}/vendors/index.html" in found
    assert f"{site}/examples/example_ketchup_messaging.html" in found
    assert f"{site}/_images/campaign-page-light.png" in found
    assert not [link for link in found if link and not re.match(r"https?://", link)]


@pytest.mark.parametrize("page", HOWTOS, ids=lambda path: path.stem)
def test_dags_of_the_howtos_can_be_parsed(page: Path) -> None:
    for block in PYTHON_BLOCK.findall(page.read_text()):
        if "@dag" in block:
            exec(compile(block, page.name, "exec"), {})


def test_troubleshooting_explains_all_errors() -> None:
    page = (ROOT / "docs" / "howto" / "troubleshooting.md").read_text()
    names = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, TelecomError) and value is not TelecomError
    }
    assert names | {"TelecomFailedError"} == set(re.findall(r"^## (Telecom\w+)$", page, re.MULTILINE))


@pytest.mark.long
@pytest.mark.xdist_group("airflow")
def test_the_page_on_testing_works_as_written(tmp_path: Path) -> None:
    """The test of the page, with the README's first Dag, in a pytest of its own."""
    page = (ROOT / "docs" / "testing.md").read_text()
    first, *others = PYTHON_BLOCK.findall(page)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "thank_you.py").write_text(PYTHON_BLOCK.findall((ROOT / "README.md").read_text())[0])
    calls = "\n".join(
        f"    {name}(telecom_simulator)"
        for block in others
        for name in re.findall(r"^def (?!test_|vendors)(\w+)", block, re.MULTILINE)
    )
    after = (
        f"\n\ndef test_the_controls(telecom_simulator):\n{calls}\n\n\ndef test_presets(vendors):\n    pass\n"
    )
    (tmp_path / "test_dags.py").write_text("\n\n".join([first, *others]) + after)
    (console,) = CONSOLE_BLOCK.findall(page)
    commands = [line.removeprefix("$ ") for line in console.splitlines()]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(commands)],
        cwd=tmp_path,
        env={**environment, "PATH": path, "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
