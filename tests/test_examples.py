"""`airflow telecom examples`: the example Dags for users of the wheel."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import pytest

from airflow_provider_telecom import command

ROOT = Path(__file__).parent.parent


def given(*words: str) -> argparse.Namespace:
    (group,) = command.get_telecom_commands()
    examples = next(each for each in group.subcommands if each.name == "examples")  # type: ignore[union-attr]
    parser = argparse.ArgumentParser()
    for arg in examples.args:
        arg.add_to_parser(parser)
    return parser.parse_args(words)


def test_it_copies_the_dags_and_what_they_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "dags"
    command.copy_examples(given(str(folder)))
    wanted = {path.relative_to(ROOT / "example_dags") for path in (ROOT / "example_dags").rglob("*.*")}
    wanted = {path for path in wanted if "__pycache__" not in path.parts}
    assert {path.relative_to(folder) for path in folder.rglob("*.*")} == wanted
    assert {Path(line).relative_to(folder) for line in capsys.readouterr().out.splitlines()} == wanted


def test_it_overwrites_only_when_it_is_told_to(tmp_path: Path) -> None:
    mine = tmp_path / "example_kyivstar_sms.py"
    mine.write_text("mine")
    with pytest.raises(SystemExit, match=r"Nothing was copied: .* has example_kyivstar_sms.py"):
        command.copy_examples(given(str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    command.copy_examples(given(str(tmp_path), "--overwrite"))
    assert "@dag" in mine.read_text()


def test_the_folder_of_a_wheel_is_found_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel the examples are inside of the package; `make release-check` looks into a real one."""
    assert command.example_dags() == ROOT / "example_dags"
    (tmp_path / "example_dags").mkdir()
    monkeypatch.setattr(command, "_PACKAGE", tmp_path)
    assert command.example_dags() == tmp_path / "example_dags"
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"example_dags": "airflow_provider_telecom/example_dags"}
