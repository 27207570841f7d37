"""Stop lists: every opt-out counts, in any format, and a row that is none is an error with its line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk import stop_lists
from airflow_provider_telecom.bulk.stop_lists import create_stop_list
from airflow_provider_telecom.calls.errors import TelecomInputError

Found = dict[int, str | None]


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Callable[..., Found]]:
    """Return a function that reads stop lists and returns the numbers with their details."""
    copies = tmp_path / "copies"
    copies.mkdir()
    with duckdb.connect() as connection:

        def read(*paths: object, **facts: str) -> Found:
            table = create_stop_list(connection, [str(path) for path in paths], copies, **facts)
            rows = connection.execute(f"SELECT msisdn, detail FROM {table}").fetchall()
            assert len(dict(rows)) == len(rows)
            return dict(rows)

        yield read


def parquet(path: Path, **columns: object) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


FORMS = ("380670000200", "+380670000201", "+380 (67) 000-02-02", "0670000203", "77010000000")
EXPECTED = {380670000200, 380670000201, 380670000202, 380670000203, 77010000000}


def test_numbers_in_any_form_and_file(stopped: Callable[..., Found], tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text("name;msisdn\n" + "".join(f"x;{form}\n" for form in FORMS))
    tsv = tmp_path / "a.tsv"
    tsv.write_text('msisdn\tname\r\n"' + '"\tx\r\n"'.join(FORMS) + '"\tx\r\n')
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(json.dumps({"msisdn": form}) for form in (*FORMS, 380670000200)))
    table = parquet(tmp_path / "a.parquet", msisdn=list(FORMS))
    whole = parquet(tmp_path / "b.parquet", msisdn=sorted(EXPECTED))
    for path in (csv, tsv, lines, table, whole):
        assert set(stopped(path)) == EXPECTED, path
    assert set(stopped(csv, tsv, lines, table, whole)) == EXPECTED


def test_globs_folders_and_another_column(stopped: Callable[..., Found], tmp_path: Path) -> None:
    (tmp_path / "stop" / "2026").mkdir(parents=True)
    (tmp_path / "stop" / "a.csv").write_text("phone\n380670000200\n")
    (tmp_path / "stop" / "2026" / "b.csv").write_text("phone\n380670000201")
    assert set(stopped(tmp_path / "stop", column="phone")) == {380670000200, 380670000201}
    assert set(stopped(tmp_path / "stop" / "*.csv", column="phone")) == {380670000200}
    assert stopped(column="phone") == {}


def test_reason_and_date_are_details_and_decide_nothing(
    stopped: Callable[..., Found], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "msisdn,reason,date\n"
        "380670000200,asked by SMS,2026-01-31\n"
        "380670000201,,2099-01-01\n"
        "380670000202,wrote from +380 67 000 02 09,\n"
        "380670000203,,\n"
        "380670000200,again,2026-02-01\n"
    )
    expected = {
        380670000200: "asked by SMS; 2026-01-31",
        380670000201: "2099-01-01",
        380670000202: "wrote from ***",
        380670000203: None,
    }
    assert stopped(path) == expected
    path.write_text(path.read_text().replace("380670000203", '"0670000203"'))  # read by Python
    assert stopped(path) == expected
    days = [date(2026, 1, 31), None]
    table = parquet(tmp_path / "a.parquet", msisdn=[380670000200, 380670000201], date=days)
    assert stopped(table) == {380670000200: "2026-01-31", 380670000201: None}


NUMBERS = st.integers(380670000000, 380670000030).map(str)
ODD = st.sampled_from(["0670000205", "+380670000206", " 380670000207", "380 67 000 02 08", "77010000000"])


@settings(max_examples=20)
@given(
    st.lists(st.tuples(NUMBERS | ODD, st.sampled_from(["", "asked", "it's"])), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_both_readers_find_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], quoted: bool, blank: bool
) -> None:
    folder = tmp_path_factory.mktemp("stop")
    path, quote = folder / "a.csv", '"' if quoted else ""
    lines = [f"{quote}{number}{quote},{reason}" for number, reason in rows]
    path.write_text("\n".join(["msisdn,reason", *lines]) + ("\n\n" if blank else "\n"))
    found = []
    for reader in (stop_lists._Reader._insert_by_duckdb, lambda *_: False):
        with duckdb.connect() as connection, pytest.MonkeyPatch.context() as patch:
            patch.setattr(stop_lists._Reader, "_insert_by_duckdb", reader)
            table = create_stop_list(connection, [str(path)], folder)
            found.append(connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall())
    assert found[0] == found[1]
    assert len(found[0]) == len({stop_lists.e164(number) for number, _ in rows})


def test_a_row_without_a_number_is_an_error_with_its_line(
    stopped: Callable[..., Found], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        'msisdn,note\n380670000200,"two\nlines"\n38067000,x\n,x\nperson@example.com,x\n380670000201\n'
    )
    with pytest.raises(TelecomInputError) as caught:
        stopped(path)
    text = str(caught.value)
    assert text.startswith("suppress: 4 rows have no readable number, so their opt-outs would be lost: ")
    assert f"{path}, line 4: msisdn: 38067*00: " in text
    assert f"{path}, line 5: msisdn: must not be empty" in text
    assert f"{path}, line 6: msisdn: " in text
    assert f"{path}, line 7: row: has 1 cell instead of 2" in text
    assert "38067000," not in text
    assert "person@example.com" not in text


def test_many_wrong_rows_are_counted(stopped: Callable[..., Found], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"msisdn": true}\nnot JSON\n{"phone": 1}\n' + '{"msisdn": null}\n' * 30)
    with pytest.raises(TelecomInputError, match=r"^suppress: 33 rows .*; and 13 more$") as caught:
        stopped(path)
    assert f"{path}, line 1: msisdn: must be a text or whole number" in str(caught.value)
    assert f"{path}, line 2: row: is not JSON" in str(caught.value)
    assert f"{path}, line 3: msisdn: is missing" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.csv", b"phone,reason\n380670000200,x\n", "the column msisdn is missing; there are phone, reason"),
        (
            "a.csv",
            b"380670000200\n380670000201\n",
            "the column msisdn is missing; the first line is not a header",
        ),
        ("a.csv", b"msisdn,msisdn\n380670000200,1\n", "the column msisdn occurs twice"),
        ("a.csv", b"msisdn|reason\n380670000200|x\n", r"is the delimiter \|\?"),
        ("a.csv", b"", "the column msisdn is missing"),
        ("a.csv", b"msisdn\n\xff\xfe\n", "is not UTF-8"),
        ("a.csv", b"\xff\xfem\0s\0", "is not UTF-8"),
        ("a.parquet", b"PAR1 no", "is not complete Parquet"),
        ("a.txt", b"380670000200\n", "a stop list must end in .csv"),
        ("a.csv.gz", b"380670000200\n", "a stop list must end in .csv"),
    ],
)
def test_what_is_no_stop_list_is_refused(
    stopped: Callable[..., Found], tmp_path: Path, name: str, content: bytes, error: str
) -> None:
    (tmp_path / "stop").mkdir()
    path = tmp_path / "stop" / name
    path.write_bytes(content)
    for given_path in (path, path.parent):
        with pytest.raises(TelecomInputError, match=f"^suppress: .*{name}.*{error}") as caught:
            stopped(given_path)
        assert "380670000200" not in str(caught.value)


def test_wrong_columns_of_parquet_are_refused(stopped: Callable[..., Found], tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", phone=["380670000200"], x=[1])
    with pytest.raises(
        TelecomInputError, match=r"a\.parquet: the column msisdn is missing; there are phone, x"
    ):
        stopped(path)
    path = parquet(tmp_path / "a.parquet", msisdn=[380670000200.0])
    with pytest.raises(TelecomInputError, match=r"the column msisdn is double, not a text or whole numbers"):
        stopped(path)
    path = parquet(tmp_path / "a.parquet", msisdn=[["380670000200"]])
    with pytest.raises(TelecomInputError, match=r"the column msisdn is list.*, not a text"):
        stopped(path)
    path = parquet(tmp_path / "a.parquet", msisdn=["380670000200", None])
    with pytest.raises(TelecomInputError, match=r"a\.parquet, row 2: msisdn: is missing"):
        stopped(path)


def test_columns_of_parquet_that_differ_only_in_case(stopped: Callable[..., Found], tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", MSISDN=["380670000200"], msisdn=["380670000201"], Reason=["x"])
    assert stopped(path) == {380670000201: None}
    assert stopped(path, column="MSISDN") == {380670000200: None}


def test_names_of_folders_are_no_columns(stopped: Callable[..., Found], tmp_path: Path) -> None:
    folder = tmp_path / "msisdn=380670000200" / "reason=x"
    folder.mkdir(parents=True)
    parquet(folder / "a.parquet", msisdn=["380670000201"])
    (folder / "b.csv").write_text("msisdn\n380670000202\n")
    (folder / "c.jsonl").write_text('{"msisdn": "380670000203"}\n')
    assert stopped(tmp_path / "msisdn=380670000200") == dict.fromkeys(range(380670000201, 380670000204))


def test_a_missing_file_is_an_error(stopped: Callable[..., Found], tmp_path: Path) -> None:
    with pytest.raises(TelecomInputError, match=r"^suppress: there is no file"):
        stopped(tmp_path / "*.csv")


def test_a_number_of_a_hostile_column_is_not_read_as_sql(
    stopped: Callable[..., Found], tmp_path: Path
) -> None:
    column = "it's \"the\" phone') --"
    path = tmp_path / "it's.jsonl"
    path.write_text(json.dumps({column: "380670000200"}) + "\n")
    assert set(stopped(path, column=column)) == {380670000200}
    table = parquet(tmp_path / "it's.parquet", **{column: ["380670000200"]})
    assert set(stopped(table, column=column)) == {380670000200}
