"""The folder of an audience: what is read from it, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_telecom.bulk.audience_folder import (
    AUDIENCE_FILE,
    AudienceInfo,
    open_audience,
    read_info,
    write_info,
)
from airflow_provider_telecom.calls.errors import TelecomInputError
from tests.bulk.audiences import prepare_audience

KYIV, ALMATY = "Europe/Kyiv", "Asia/Almaty,Asia/Qyzylorda"
ROWS = [
    {
        "msisdn": str(380670000100 + place),
        "name": f"n{place}",
        "variant": "AB"[place % 2],
        "timezone": (KYIV, ALMATY)[place % 3 == 0],
        "shard": place * 3 // 30,
    }
    for place in range(30)
]
ROWS.sort(key=lambda row: (row["shard"], row["timezone"]))


def numbers(rows: Sequence[Mapping[str, Any]], **wanted: object) -> list[str]:
    return [str(row["msisdn"]) for row in rows if all(row[name] == value for name, value in wanted.items())]


@pytest.fixture(params=["pyarrow", "duckdb"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    prepare_audience(tmp_path, ROWS, row_group_size=7)
    if request.param == "duckdb":
        file = tmp_path / AUDIENCE_FILE
        duckdb.sql(f"CREATE TABLE t AS FROM '{file}'")
        duckdb.sql(f"COPY t TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
        duckdb.sql("DROP TABLE t")
        write_info(str(tmp_path), replace(read_info(str(tmp_path)), sha256=sha256_of(file)))
    return tmp_path


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_all_recipients_are_read_in_their_order_after_any_number_of_them(folder: Path) -> None:
    with open_audience(str(folder), columns=["name", "variant"]) as audience:
        expected = [(row["msisdn"], row["name"], row["variant"]) for row in ROWS]
        assert audience.count == len(ROWS)
        assert audience.sha256 == sha256_of(folder / AUDIENCE_FILE)
        for skip in (0, 1, 6, 7, 8, 14, 29, 30, 31):
            assert list(audience.entries(skip)) == expected[skip:]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ({"variants": "A"}, {"variant": "A"}),
        ({"shard": 1}, {"shard": 1}),
        ({"variants": ["B"], "shard": 2}, {"variant": "B", "shard": 2}),
    ],
)
def test_a_selection_is_read_after_any_number_of_recipients(
    folder: Path, selection: dict[str, Any], wanted: dict[str, object]
) -> None:
    with open_audience(str(folder), **selection) as audience:
        expected = numbers(ROWS, **wanted)
        assert audience.count == len(expected)
        for skip in range(len(expected) + 1):
            assert [entry[0] for entry in audience.entries(skip)] == expected[skip:]


def test_the_hash_says_which_selection_it_is(folder: Path) -> None:
    selections: list[dict[str, Any]] = [
        {},
        {"variants": "A"},
        {"variants": ["B", "A"]},
        {"shard": 0},
        {"shard": 1},
    ]
    hashes = []
    for selection in selections:
        with open_audience(str(folder), **selection) as audience:
            hashes.append(audience.sha256)
    assert len(set(hashes)) == len(selections)
    with open_audience(str(folder), variants=["A", "B"]) as audience:
        assert audience.sha256 == hashes[2]


def test_groups_have_the_recipients_of_a_time_zone(folder: Path) -> None:
    with open_audience(str(folder)) as audience:
        groups = audience.groups()
        assert [(group.name, group.zones) for group in groups] == [
            (ALMATY, ("Asia/Almaty", "Asia/Qyzylorda")),
            (KYIV, (KYIV,)),
        ]
        for group in groups:
            expected = numbers(ROWS, timezone=group.name)
            assert group.count == len(expected)
            for skip in (0, 1, 5, len(expected)):
                assert [entry[0] for entry in group.entries(skip)] == expected[skip:]
        assert groups[0].sha256 != groups[1].sha256


@pytest.mark.parametrize(
    ("selection", "rule"),
    [
        ({"variants": "C"}, "variants: the audience has the variants A, B, not C"),
        ({"variants": []}, "variants: must name at least one"),
        ({"shard": 3}, "shard: 3: must be 0 to 2"),
        ({"sha256": "0" * 64}, "its sha256 is different"),
        (
            {"columns": ["city"]},
            "the column city is missing; there are msisdn, name, variant, timezone, shard",
        ),
        ({"columns": ["shard"]}, "the column shard is int32, not a text"),
    ],
)
def test_what_the_audience_does_not_have_is_refused(
    tmp_path: Path, selection: dict[str, Any], rule: str
) -> None:
    prepare_audience(tmp_path, ROWS)
    with pytest.raises(TelecomInputError, match=rule):
        open_audience(str(tmp_path), **selection)


def test_a_changed_file_and_an_incomplete_folder_are_refused(tmp_path: Path) -> None:
    file = tmp_path / AUDIENCE_FILE
    with pytest.raises(TelecomInputError, match=r"audience\.json: is missing"):
        open_audience(str(tmp_path))
    prepare_audience(tmp_path, ROWS)
    info = read_info(str(tmp_path))
    file.write_bytes(file.read_bytes() + b"0")
    with pytest.raises(TelecomInputError, match=r"audience\.parquet: the file has changed since"):
        open_audience(str(tmp_path))
    write_info(str(tmp_path), replace(info, sha256=sha256_of(file)))
    with pytest.raises(TelecomInputError, match="is not Parquet"):
        open_audience(str(tmp_path))
    file.unlink()
    with pytest.raises(TelecomInputError, match=r"audience\.parquet: is missing"):
        open_audience(str(tmp_path))


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("name", pyarrow.array([["a"], ["b"]]), "the column name is list"),
        ("name", pyarrow.array([{"a": "b"}, {"a": "c"}]), "the column name is struct"),
        ("name", pyarrow.array(["a", None]), "a row has no value in the column name"),
        ("msisdn", pyarrow.array(["380670000100", "+380670000101"]), "is no number in E.164 digits"),
        ("msisdn", pyarrow.array([380670000100, 380670000101]), "the column msisdn is int64"),
    ],
)
def test_a_file_that_no_audience_has_is_refused(tmp_path: Path, column: str, values: Any, rule: str) -> None:
    table = pyarrow.table({
        "msisdn": ["380670000100", "380670000101"],
        "name": ["a", "b"],
        "timezone": [KYIV, KYIV],
    })
    table = table.set_column(table.schema.names.index(column), column, values)
    pyarrow.parquet.write_table(table, tmp_path / AUDIENCE_FILE)
    write_info(str(tmp_path), AudienceInfo(2, 2, sha256_of(tmp_path / AUDIENCE_FILE)))
    with pytest.raises(TelecomInputError, match=rule):
        open_audience(str(tmp_path), columns=["name"])


def test_the_counts_are_those_of_the_file(tmp_path: Path) -> None:
    prepare_audience(tmp_path, ROWS)
    write_info(str(tmp_path), replace(read_info(str(tmp_path)), recipients=29))
    with pytest.raises(TelecomInputError, match="has not the 29 recipients"):
        open_audience(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("{", "is not JSON"),
        ("[]", "is not an audience of version 1"),
        ('{"version": 2}', "is not an audience of version 1"),
        ('{"version": 1, "rows": "3"}', "has no `rows` that is right"),
    ],
)
def test_other_facts_are_refused(tmp_path: Path, content: str, rule: str) -> None:
    (tmp_path / "audience.json").write_text(content)
    with pytest.raises(TelecomInputError, match=rule):
        read_info(str(tmp_path))


def test_the_same_facts_have_the_same_bytes(tmp_path: Path) -> None:
    info = AudienceInfo(
        3, 2, "ab", excluded={"bad_number": 1}, columns=["name"], as_of="2026-03-01T00:00:00Z"
    )
    write_info(str(tmp_path), info)
    first = (tmp_path / "audience.json").read_bytes()
    write_info(str(tmp_path), read_info(str(tmp_path)))
    assert (tmp_path / "audience.json").read_bytes() == first
    assert json.loads(first)["version"] == 1
