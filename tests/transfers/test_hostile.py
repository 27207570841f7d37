"""Hostile names, headers and bodies: nothing is written outside of the target, nothing is overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError, TelecomNoAnswerError
from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)
from tests.running import Run
from tests.transfers.hostile_names import NAMES

START = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=3)
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def load(hook_for: Callable[..., Any], tmp_path: Path) -> Load:
    hook_for("kyivstar_fmc")

    def run(**arguments: Any) -> dict[str, Any]:
        operator = KyivstarFmcCallsToObjectStorageOperator(
            task_id="load",
            path=str(tmp_path / "deep" / "inside" / "lake"),
            start=START - timedelta(hours=1),
            end=START + timedelta(hours=1),
            **arguments,
        )
        found: dict[str, Any] = Run().execute(operator)
        return found

    return run


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, bytes]]:
    """Return a function that reads all files around the target; every way out leads to one of them."""
    bait = [tmp_path, tmp_path / "deep", tmp_path / "deep" / "inside", tmp_path / "home"]
    for folder in bait:
        for name in ("passwd", "owned", "x.mp3", "recordings.jsonl", "CON", "~"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text("theirs")
    monkeypatch.chdir(tmp_path / "deep")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def read() -> dict[str, bytes]:
        target = tmp_path / "deep" / "inside" / "lake"
        found = (path for path in tmp_path.rglob("*") if path.is_file() and target not in path.parents)
        return {str(path): path.read_bytes() for path in found}

    return read


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
def test_no_header_becomes_a_path(
    telecom_simulator: Any,
    load: Load,
    surroundings: Callable[[], dict[str, bytes]],
    tmp_path: Path,
    step: int,
) -> None:
    head = "start_timestamp,end_timestamp,calling_number,duration,called_number\n"
    before, names = surroundings(), set()
    for name in NAMES[::step]:
        sent = quote(name, safe=PRINTABLE)
        disposition = f"attachment; filename=\"{sent}\"; filename*=UTF-8''{quote(name, safe='')}"
        telecom_simulator.fault(
            "status",
            "kyivstar_fmc",
            path="callstat",
            status=200,
            headers={"content-disposition": disposition, "content-location": sent, "x-file-name": sent},
            body=head,
        )
        summary = load(source_format="csv")
        names |= {Path(file["path"]).name for file in summary["files"]}
    assert surroundings() == before
    assert len(names) == 1
    left = {path.name for path in (tmp_path / "deep/inside/lake").rglob("*") if path.is_file()}
    assert left == names | {f"_{name}.json" for name in names}
    assert len(NAMES) >= 300


@pytest.mark.parametrize("output_format", ["csv", "jsonl", "parquet"])
def test_no_name_in_a_record_becomes_a_path_or_changes(
    telecom_simulator: Any,
    load: Load,
    surroundings: Callable[[], dict[str, bytes]],
    tmp_path: Path,
    output_format: str,
) -> None:
    vendor_state = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState)
    vendor_state.calls.clear()
    for name in NAMES:
        vendor_state.add_call(START, 5, "0670000001", "0670000002", calling_name=name, department=name)
    before = surroundings()
    summary = load(
        source_format="json",
        names=True,
        departments=True,
        output_format=output_format,
        on_bad_rows="quarantine",
    )
    assert surroundings() == before
    unfit = [name for name in NAMES if "\0" in name and output_format == "csv"]
    assert (summary["rows"], summary["bad_rows"]) == (len(NAMES) - len(unfit), len(unfit))
    (file,) = summary["files"]
    assert Path(file["path"]).parent.parent == tmp_path / "deep/inside/lake"
    if output_format == "jsonl":
        rows = [
            json.loads(line) for line in Path(file["path"]).read_text(encoding="utf-8").split("\n") if line
        ]
        assert {row["calling_name"] or "" for row in rows} == set(NAMES)


BOMB = (
    '<!DOCTYPE calls [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8))
    + "]><calls><call><start_timestamp>&i;</start_timestamp></call></calls>"
)
XXE = (
    '<!DOCTYPE calls [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<calls><call><start_timestamp>&x;</start_timestamp></call></calls>"
)
BODIES = [
    ("xml", BOMB),
    ("xml", XXE),
    ("xml", XXE.replace("SYSTEM", "PUBLIC 'x'")),
    ("xml", '<!DOCTYPE calls SYSTEM "http://127.0.0.1:1/x.dtd"><calls/>'),
    ("xml", f"<calls>{'<a>' * 10_000}{'</a>' * 10_000}</calls>"),
    ("xml", f"<calls><call><start_timestamp>{'9' * 3_000_000}</start_timestamp></call></calls>"),
    ("json", '{"calls": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    ("json", '{"calls": [{"duration": ' + "9" * 100_000 + "}]}"),
    ("json", '{"calls": [{"duration": 1e999999999}]}'),
    ("json", '{"calls": [{"start_timestamp": "' + "9" * 3_000_000 + '"}]}'),
    ("csv", "start_timestamp," + "x," * 100_000 + "y\n"),
    ("csv", 'start_timestamp,"' + "9" * 3_000_000),
]


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
@pytest.mark.parametrize(("source_format", "body"), BODIES, ids=range(len(BODIES)))
def test_a_hostile_body_leaves_no_file(
    telecom_simulator: Any,
    load: Load,
    surroundings: Callable[[], dict[str, bytes]],
    tmp_path: Path,
    source_format: str,
    body: str,
    on_bad_rows: str,
) -> None:
    before = surroundings()
    telecom_simulator.fault("body", "kyivstar_fmc", path="callstat", body=body, times=9)
    with pytest.raises((TelecomAnswerError, TelecomNoAnswerError)) as caught:
        load(source_format=source_format, on_bad_rows=on_bad_rows)
    assert "root:" not in str(caught.value)
    assert surroundings() == before
    assert not [path for path in (tmp_path / "deep/inside/lake").rglob("*") if path.is_file()]


def test_a_gzip_bomb_is_not_unpacked_to_disk(telecom_simulator: Any, load: Load, tmp_path: Path) -> None:
    telecom_simulator.fault("gzip_bomb", "kyivstar_fmc", path="callstat", times=10)
    with pytest.raises(TelecomError):
        load()
    assert not [path for path in (tmp_path / "deep/inside/lake").rglob("*") if path.is_file()]
