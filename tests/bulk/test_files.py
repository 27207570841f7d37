"""Files in object storage: which ones a path, a glob or a folder stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_telecom.bulk.files import find_files, local_copy
from airflow_provider_telecom.calls.errors import TelecomInputError

NAMES = ("a.csv", "b.CSV", "sub/c.csv", ".part.csv", "_temporary.csv", "notes.txt")


def found(folder: Path, path: str) -> list[str]:
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    files = find_files("recipients", f"{folder}/{path}", (".csv",))
    return [str(Path(file.path).relative_to(folder)) for file in files]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a.csv", ["a.csv"]),
        ("_temporary.csv", ["_temporary.csv"]),
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "sub/c.csv"]),
        ("", ["a.csv", "b.CSV", "sub/c.csv"]),
    ],
)
def test_paths_globs_and_folders(tmp_path: Path, path: str, names: list[str]) -> None:
    assert found(tmp_path, path) == names


@pytest.mark.parametrize(
    ("path", "rule"),
    [("none*.csv", r"there is no file .*/none\*\.csv"), ("*", r"notes\.txt must end in \.csv")],
)
def test_what_is_no_file(tmp_path: Path, path: str, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rf"^recipients: .*{rule}"):
        found(tmp_path, path)


def test_a_number_in_place_of_a_path_is_not_shown() -> None:
    with pytest.raises(TelecomInputError) as caught:
        find_files("recipients", "380670000001", (".csv",))
    assert "380670000001" not in str(caught.value)


def test_local_copies_have_no_name_that_is_a_glob(tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    for name in ("a.csv", "b[1].csv"):
        (tmp_path / name).write_text(name)
        (file,) = find_files("recipients", str(tmp_path / name), (".csv",))
        copy = local_copy(file, tmp_path / "copies")
        assert copy.read_text() == name
        assert "[" not in str(copy)
