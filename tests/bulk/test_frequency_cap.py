"""The frequency cap against a naive model, and what a history may be."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk import history
from airflow_provider_telecom.bulk.frequency_cap import FrequencyCap, create_capped
from airflow_provider_telecom.bulk.outcomes import COUNTED, Origin, write_parquet
from airflow_provider_telecom.bulk.receipts import FinalStates
from airflow_provider_telecom.calls.errors import TelecomInputError
from tests.bulk.histories import AS_OF, OWN_RUN, Line, outcomes, write_history

LINE = Origin("sms", "ketchup_loyalty_default", "spring/manual__6/send").line(
    "380670000200", "accepted", reference="r1", sent_at="2026-03-09T12:00:00Z"
)


def capped(folder: Path, cap: str = "1/7d", as_of: datetime = AS_OF, own_run: str | None = OWN_RUN) -> Any:
    """Return the numbers above the cap with their details."""
    copies = folder.parent / f"{folder.name}-copies"
    copies.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        table = create_capped(
            connection, str(folder), copies, FrequencyCap.parse(cap), as_of, own_run=own_run
        )
        return dict(connection.execute(f"SELECT msisdn, detail FROM {table}").fetchall())


def modelled(lines: Sequence[Line], count: int, own_run: str | None) -> dict[int, str]:
    """Return the same by the words of the documentation."""
    messages: dict[str, dict[object, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:
        if line["channel"] == "hlr" or line["state"] not in COUNTED:
            continue
        if own_run is not None and line["run"].startswith(own_run):
            continue
        if datetime.fromisoformat(line["sent_at"]) < AS_OF - timedelta(days=7):
            continue
        names = ("reference", "message_id")
        known = next(((name, line[name]) for name in names if line[name] is not None), None)
        identity = known or (line["run"], line["sent_at"])
        runs = messages[line["msisdn"]][line["channel"], line["conn_id"], identity]
        runs.update([line["run"]] if line["state"] != "known_before" else [])
    totals = {
        int(msisdn): sum(max(1, len(runs)) for runs in found.values()) for msisdn, found in messages.items()
    }
    return {msisdn: f"{total} in 7d" for msisdn, total in totals.items() if total >= count}


HISTORIES = st.lists(st.lists(outcomes(), max_size=6), max_size=6)


def check_against_the_model(
    folder: Path, files: list[list[Line]], copied: bool, count: int, own_run: str | None
) -> None:
    if copied and files:
        files = [*files, [{**line, "state": "delivered"} for line in files[0] if line["state"] in COUNTED]]
    write_history(folder, files, ["status"] if copied else [])
    lines = [line for one in files for line in one]
    assert capped(folder, f"{count}/7d", own_run=own_run) == modelled(lines, count, own_run)


ARGUMENTS = (HISTORIES, st.booleans(), st.integers(1, 3), st.sampled_from([None, OWN_RUN]))


@settings(max_examples=15)
@given(*ARGUMENTS)
def test_the_cap_is_that_of_a_naive_model(
    tmp_path_factory: pytest.TempPathFactory, files: Any, copied: bool, count: int, own_run: str | None
) -> None:
    check_against_the_model(tmp_path_factory.mktemp("history"), files, copied, count, own_run)


@pytest.mark.long
@settings(max_examples=2_000)
@given(*ARGUMENTS)
def test_the_cap_is_that_of_a_naive_model_in_2_000_examples(
    tmp_path_factory: pytest.TempPathFactory, files: Any, copied: bool, count: int, own_run: str | None
) -> None:
    check_against_the_model(tmp_path_factory.mktemp("history"), files, copied, count, own_run)


@pytest.mark.parametrize(
    ("text", "count", "period", "normal"),
    [
        ("2/7d", 2, timedelta(days=7), "2/7d"),
        (" 1/12h ", 1, timedelta(hours=12), "1/12h"),
        ("5 / 4w", 5, timedelta(weeks=4), "5/4w"),
        ("1/d", 1, timedelta(days=1), "1/1d"),
    ],
)
def test_a_cap_is_read(text: str, count: int, period: timedelta, normal: str) -> None:
    assert FrequencyCap.parse(text) == FrequencyCap(count, period, normal)


@pytest.mark.parametrize(
    "text", ["", "2", "2/7", "2/7m", "0/7d", "2/0d", "-1/7d", "2/7d/1d", "2/9999d", "²/7d", None]
)
def test_a_wrong_cap_is_refused(text: str) -> None:
    with pytest.raises(TelecomInputError, match=r"^frequency_cap: "):
        FrequencyCap.parse(text)


def test_the_window_begins_a_period_before_and_has_no_end(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    for sent_at, counts in [
        ("2026-03-03T11:59:59.999999Z", False),
        ("2026-03-03T12:00:00Z", True),
        ("2026-03-03T14:00:00+02:00", True),
        ("2026-03-11T12:00:00Z", True),
    ]:
        (folder / "a.jsonl").write_text(json.dumps({**LINE, "sent_at": sent_at}) + "\n")
        assert bool(capped(folder)) is counts, sent_at


@pytest.mark.parametrize(
    ("state", "run", "total"),
    [("delivered", LINE["run"], 1), ("known_before", "autumn/x/send", 1), ("accepted", "autumn/x/send", 2)],
)
def test_a_reference_of_two_runs_is_one_message_only_if_the_vendor_knew_it(
    tmp_path: Path, state: str, run: str, total: int
) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    lines = [LINE, {**LINE, "state": state, "run": run}]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert capped(folder) == {380670000200: f"{total} in 7d"}


def test_a_folder_without_files_is_an_empty_history(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    with pytest.raises(
        TelecomInputError, match=r"^history: there is no file .*; for a start, create the folder"
    ):
        capped(folder)
    folder.mkdir()
    assert capped(folder) == {}
    (folder / "_start").touch()
    (folder / "a.jsonl").touch()
    assert capped(folder) == {}


def test_the_copy_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    parts = tmp_path / "history" / "a.jsonl.parts"
    parts.mkdir(parents=True)
    (parts / "000000000000.jsonl").write_text(json.dumps(LINE) + "\n")
    (parts.parent / "a.jsonl.part").write_text('{"msisdn"')
    assert capped(parts.parent) == {380670000200: "1 in 7d"}


def test_parts_that_become_a_file_meanwhile_are_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "history" / "a.jsonl.parts"
    parts.mkdir(parents=True)
    (parts / "000000000000.jsonl").write_text(json.dumps(LINE) + "\n")
    complete_lines = history._complete_lines

    def finish(file: ObjectStoragePath, folder: Path) -> Path:
        (parts / "000000000000.jsonl").rename(parts.parent / "a.jsonl")
        parts.rmdir()
        return complete_lines(file, folder)

    monkeypatch.setattr(history, "_complete_lines", finish)
    assert capped(parts.parent) == {380670000200: "1 in 7d"}


OLD = {"msisdn": "380670000200", "reference": "r", "state": "accepted", "id": "1", "price": "0.5"}
WRONG_LINES = {
    "sent_at": (None, "2026-03-09 12:00", "2026-03-09T12:00:00", "yesterday", "2026-13-09T12:00:00Z"),
    "msisdn": (None, "+380670000200", "67000", "0670000200", ""),
    "channel": (None, "fax"),
    "state": (None, "lost"),
}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (json.dumps(OLD), "the column channel is missing; files of versions before 0.1.0 don't have it"),
        ('{"version": 1, "rows": 10}', "the column msisdn is missing$"),
        ("msisdn,reason\n380670000200,x", "its first line is not JSON"),
        ("[1]", "its first line is not JSON"),
        ("\xff\xfe", "its first line is not JSON"),
        (json.dumps(LINE) + '\n{"msisdn": "3806', "is not a complete file of outcomes"),
        (json.dumps(LINE) + "\nnot JSON\n" + json.dumps(LINE), "is not a complete file of outcomes"),
        *(
            (json.dumps(LINE) + "\n" + json.dumps({**LINE, name: value}), f"the column {name} ")
            for name, values in WRONG_LINES.items()
            for value in values
        ),
    ],
)
def test_what_is_no_file_of_outcomes_is_refused(tmp_path: Path, content: str, error: str) -> None:
    folder = tmp_path / "history"
    (folder / "2026").mkdir(parents=True)
    (folder / "good.jsonl").write_text(json.dumps(LINE) + "\n")
    (folder / "2026" / "wrong.json").write_text(content, encoding="latin-1")
    with pytest.raises(TelecomInputError, match=rf"^history: .*/2026/wrong\.json: .*{error}") as caught:
        capped(folder)
    assert "380670000200" not in str(caught.value)


def test_a_last_line_that_is_cut_off_is_always_found(tmp_path: Path) -> None:
    """DuckDB alone overlooks it in one of a hundred reads."""
    folder = tmp_path / "history"
    folder.mkdir()
    (folder / "good.jsonl").write_text(json.dumps(LINE))  # complete, without a newline
    assert capped(folder) == {380670000200: "1 in 7d"}
    (folder / "wrong.jsonl").write_text(json.dumps(LINE) + '\n{"msisdn": "3806')
    for _ in range(30):
        with pytest.raises(TelecomInputError, match=r"wrong\.jsonl: is not a complete file of outcomes"):
            capped(folder)


def test_wrong_parquet_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    path = folder / "wrong.parquet"
    with path.open("wb") as file:
        write_parquet(file, [LINE])
    assert capped(folder) == {380670000200: "1 in 7d"}
    whole, table = path.read_bytes(), pyarrow.parquet.read_table(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(TelecomInputError, match=r"wrong\.parquet: is not complete Parquet"):
        capped(folder)
    path.write_bytes(whole[:4] + b"\0" * 200 + whole[204:])
    with pytest.raises(TelecomInputError, match=r"wrong\.parquet: is not a complete file of outcomes"):
        capped(folder)
    naive = table["sent_at"].cast(pyarrow.timestamp("us"))
    place = table.schema.get_field_index("sent_at")
    pyarrow.parquet.write_table(table.set_column(place, "sent_at", naive), path)
    with pytest.raises(
        TelecomInputError, match=r"column sent_at is timestamp\[us\], not a timestamp with a time"
    ):
        capped(folder)
    pyarrow.parquet.write_table(table.drop_columns(["run"]), path)
    with pytest.raises(
        TelecomInputError, match=r"wrong\.parquet: is no file of outcomes: the column run is missing"
    ):
        capped(folder)
    nested = pyarrow.array([["r1"]])
    place = table.schema.get_field_index("reference")
    pyarrow.parquet.write_table(table.set_column(place, "reference", nested), path)
    with pytest.raises(TelecomInputError, match=r"the column reference is nested; it must be flat"):
        capped(folder)


def test_columns_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    with (folder / "a.parquet").open("wb") as file:
        write_parquet(file, [LINE])
    table = pyarrow.parquet.read_table(folder / "a.parquet")
    other = table.add_column(0, "State", pyarrow.array(["refused"]))
    pyarrow.parquet.write_table(other, folder / "a.parquet")
    with pytest.raises(TelecomInputError, match=r"a\.parquet: the column state occurs twice"):
        capped(folder)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_names_of_folders_are_no_columns(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "run=spring" / "state=refused" / "channel=hlr"
    folder.mkdir(parents=True)
    path = folder / f"a.{suffix}"
    if suffix == "jsonl":
        path.write_text(json.dumps(LINE) + "\n")
    else:
        with path.open("wb") as file:
            write_parquet(file, [LINE])
    assert capped(tmp_path / "run=spring") == {380670000200: "1 in 7d"}


def test_a_run_id_is_not_read_as_sql(tmp_path: Path) -> None:
    folder = tmp_path / "it's"
    folder.mkdir()
    own_run = "o'dag/x') OR true --/"
    lines = [LINE, {**LINE, "msisdn": "380670000201", "run": f"{own_run}send"}]
    (folder / "it's.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert capped(folder, own_run=own_run) == {380670000200: "1 in 7d"}
    assert len(capped(folder, own_run=None)) == 2


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_what_a_killed_receipts_task_has_left_behind_counts_once(tmp_path: Path, name: str) -> None:
    """A file with all rows beside the file that it was to replace: JSON or Parquet, under another name."""
    folder = tmp_path / "history"
    folder.mkdir()
    path = ObjectStoragePath(str(folder / name))
    if name.endswith(".parquet"):
        with path.open("wb") as file:
            write_parquet(file, [LINE])
    else:
        path.write_text(json.dumps(LINE) + "\n")
    states = FinalStates(path)
    states.begin(lambda line: True, lambda line: None)
    while states.next_group(10):
        states.record([{"state": "delivered"}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectStoragePath, "rename", _killed_at_the_last(ObjectStoragePath.rename))
        with pytest.raises(KeyboardInterrupt):
            states.finish()
    assert sorted(one.name for one in folder.iterdir()) == [name, f"{name}.states", f"{name}.states.parts"]
    assert capped(folder) == {380670000200: "1 in 7d"}


def _killed_at_the_last(rename: Any) -> Any:
    def renaming(self: Any, target: Any) -> Any:
        if self.name.endswith(".states"):
            raise KeyboardInterrupt
        return rename(self, target)

    return renaming
