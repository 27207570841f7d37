"""Recipients: where they come from, which rows are bad, and that nothing is lost in silence."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk import recipients as module
from airflow_provider_telecom.bulk.recipient_rows import RecipientColumns
from airflow_provider_telecom.bulk.recipients import read_recipients
from airflow_provider_telecom.bulk.text_template import TextTemplate
from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError

WITH_NAME = RecipientColumns(values=("name",))


def entries(source: Any, layout: RecipientColumns = WITH_NAME, **options: Any) -> list[tuple[str, ...]]:
    with read_recipients(source, layout, **options) as audience:
        found = list(audience.entries())
        assert len(found) == audience.count
        return found


def written(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_text(text, encoding=encoding)
    return str(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "msisdn,name\n380670000001,Олена\n+380 67 000 00 02,\n"),
        ("a.CSV", "\ufeffname;msisdn;other\nОлена;380670000001;x\n;0670000002;y\n"),
        ("a.tsv", 'msisdn\tname\r\n380670000001\t"Олена"\r\n\r\n380670000002\t\r\n'),
        ("a.jsonl", '{"msisdn": 380670000001, "name": "Олена"}\n\n{"msisdn": "0670000002", "name": ""}\n'),
        ("a.ndjson", '{"name": "Олена", "msisdn": "380670000001"}\n{"name": "", "msisdn": "380670000002"}'),
    ],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    assert entries(written(tmp_path / name, text)) == [("380670000001", "Олена"), ("380670000002", "")]


def test_lists() -> None:
    rows = [{"msisdn": "380670000001", "name": "Олена"}, {"msisdn": 380670000002, "name": 5}]
    assert entries(rows) == [("380670000001", "Олена"), ("380670000002", "5")]
    assert entries(["380670000001", 380670000002], RecipientColumns()) == [
        ("380670000001",),
        ("380670000002",),
    ]
    assert entries([{"phone": "79000000000"}], RecipientColumns("phone", region="RU")) == [("79000000000",)]


def test_a_number_is_taken_once_and_later_rows_are_told_of(tmp_path: Path) -> None:
    rejects = ObjectStoragePath(str(tmp_path / "out" / "rejects.csv"))
    rows = ["380670000001", "0670000001", "380670000002", "+380670000001"]
    with read_recipients(rows, RecipientColumns(), rejects=rejects) as audience:
        assert (audience.count, audience.duplicates, audience.bad) == (2, 2, 0)
    with rejects.open("r", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["line", "2", "4"]


BAD = "msisdn,name\n380670000001,a\n12345,b\n380670000002\n380670000003,c,d\n,e\n38067000000x,f\n"


def test_bad_rows_stop_everything_and_are_named(tmp_path: Path) -> None:
    rejects = ObjectStoragePath(str(tmp_path / "rejects.csv"))
    with pytest.raises(TelecomInputError) as caught:
        read_recipients(written(tmp_path / "a.csv", BAD), WITH_NAME, rejects=rejects)
    text = str(caught.value)
    assert text.startswith("recipients: 5 bad rows, so nothing was sent: line 3: msisdn: *****: ")
    assert "line 4: row: has 1 cell instead of 2" in text
    assert "line 5: row: has 3 cells" in text
    assert "line 6: msisdn" in text
    assert "380670000" not in text
    with rejects.open("r", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows] == ["3", "4", "5", "6", "7"]
    assert json.loads(rows[0]["row"]) == ["12345", "b"]


def test_many_bad_rows_are_named_up_to_a_count() -> None:
    with pytest.raises(TelecomInputError, match=r"25 bad rows.*line 20: .*; and 5 more \(rejects_path="):
        read_recipients(["1"] * 25, RecipientColumns())


def test_bad_rows_can_be_skipped(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", BAD)
    assert entries(path, on_bad_rows="skip") == [("380670000001", "a")]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ([], "recipients: are none"),
        (["x"], "line 1: msisdn"),
        ([None], "line 1: msisdn: is missing"),
        ([True], "line 1: msisdn: must be"),
        ([{"msisdn": "380670000001"}], "line 1: name: is missing"),
        ([{"msisdn": "380670000001", "name": {}}], "line 1: name: must be"),
        ([{"msisdn": "380670000001", "name": "\ud83d"}], "line 1: name: holds half"),
        ([{"msisdn": "380670000001", "name": "a\nb"}], "line 1: name: contains a line break"),
        ("380670000001", "must be a list, or a path that ends in"),
        ("['380670000001']", "passed as `task.output`"),
        (5, "must be a list or a path, not int"),
        ("/nowhere/a.csv", "there is no file /nowhere/a.csv"),
        ("['380670000001', 'a.csv", "there is no file *** (str of"),
    ],
)
def test_what_is_no_list_of_recipients(source: Any, rule: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        read_recipients(source, WITH_NAME)
    assert rule in str(caught.value)
    assert "380670000001" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("phone,name\n1,2\n", "the column msisdn is missing; there are phone, name"),
        ("+380 67 000 00 01,Olena\n", "the column msisdn is missing; the first line is not a header"),
        ("msisdn,name,name\n1,2,3\n", "the column name occurs twice"),
        ("", "the column msisdn is missing; there are none"),
        (
            "msisdn|name\n1|2\n",
            "the header has one column `msisdn|name`: is the delimiter |? Use , ; or a tab",
        ),
        (
            "msisdn;name\n380670000001,Olena\n",
            "has 1 cell instead of 2: its delimiter is ,, the header's is ;",
        ),
        ("msisdn\tname\n38067\n", "line 2: row: has 1 cell instead of 2 ("),
        ("msisdn,name\n", "recipients: are none"),
        ('msisdn,name\n380670000001,"a"b\n', "line 2: row: is not CSV"),
    ],
)
def test_what_is_no_csv(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        read_recipients(written(tmp_path / "a.csv", text), WITH_NAME)
    assert rule in str(caught.value)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "msisdn,name\n380670000001,Олена\n", "cp1251")
    with pytest.raises(TelecomInputError, match="not UTF-8"):
        read_recipients(path, WITH_NAME)


def test_max_recipients() -> None:
    numbers = [380670000000 + place for place in range(11)]
    assert len(entries(numbers[:10], RecipientColumns(), max_recipients=10)) == 10
    with pytest.raises(TelecomInputError, match="more than max_recipients"):
        read_recipients(numbers, RecipientColumns(), max_recipients=10)


def test_the_same_recipients_have_the_same_name_whatever_the_file(tmp_path: Path) -> None:
    one = written(tmp_path / "a.csv", "msisdn\n380670000001\n0670000002\n")
    two = written(tmp_path / "b.jsonl", '"380670000001"\n380670000002\n')
    with (
        read_recipients(one, RecipientColumns()) as first,
        read_recipients(two, RecipientColumns()) as second,
        read_recipients([380670000001], RecipientColumns()) as third,
    ):
        assert first.sha256 == second.sha256 != third.sha256


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(380670000000, 380670000050),
            st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x1f\n"), max_size=20),
        ),
        min_size=1,
    )
)
def test_nobody_is_lost_and_nobody_is_taken_twice(rows: list[tuple[int, str]]) -> None:
    found = entries([{"msisdn": number, "name": name} for number, name in rows])
    first = {str(number): name for number, name in reversed(rows)}
    assert dict(found) == first  # type: ignore[arg-type]
    assert len(found) == len(first)


def test_personal_texts() -> None:
    text = TextTemplate("{name}, замовлення {order no}: {name}!")
    assert text.columns == ("name", "order no")
    assert text.fill(("Олена", "7")) == "Олена, замовлення 7: Олена!"
    assert text.fill_all([("380670000200", "380670000201"), ("Ann", "{0}"), ("7", "}")]) == [
        "Ann, замовлення 7: Ann!",
        "{0}, замовлення }: {0}!",
    ]
    assert TextTemplate("{{{a}}} {{b}} %s").fill_all([("1",), ("{",)]) == ["{{} {b} %s"]
    assert TextTemplate("Hi").fill_all([("1", "2")]) == ["Hi", "Hi"]
    assert TextTemplate("100% {}".replace("{}", "sure")).fill(()) == "100% sure"


@pytest.mark.parametrize(
    "text", ["{", "}", "{}", "{name!r}", "{name:>10}", "{name.__class__}", "{0[a]}", "{a{b}}"]
)
def test_personal_texts_compute_nothing(text: str) -> None:
    with pytest.raises(TelecomInputError, match=r"^text: "):
        TextTemplate(text)


def test_checks_of_columns_and_unique_values() -> None:
    """The check of a column decides whether it may be empty; a duplicate number takes no value."""

    def check(value: str) -> None:
        if value == "bad":
            raise TelecomInputError("name", "is bad")

    columns = RecipientColumns(values=("name",), checks={"name": check}, unique="name")
    rows = [("380670000001", "a"), ("380670000002", None), ("380670000001", "b"), ("380670000003", "b")]
    people = [{"msisdn": number, "name": name} for number, name in rows]
    assert entries(people, columns) == [
        ("380670000001", "a"),
        ("380670000002", ""),
        ("380670000003", "b"),
    ]
    for name, rule in (("bad", "is bad"), ("a", "occurs in an earlier row")):
        with pytest.raises(TelecomInputError, match=f"line 5: name: {rule}"):
            entries([*people, {"msisdn": "380670000004", "name": name}], columns)


def test_no_rows_may_be_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", "")
    assert entries(path, may_be_none=True) == []
    with pytest.raises(TelecomInputError, match="are none"):
        entries([{"msisdn": "1"}], RecipientColumns(), on_bad_rows="skip", may_be_none=True)


CELLS = st.sampled_from(["Ann", "Олена", "", " ", "a\x1fb", "a\nb", "\ud83d", "x" * 40, 5, None, True, ["a"]])
ROWS = st.lists(
    st.one_of(
        st.tuples(st.integers(380670000200, 380670000240).map(str), st.sampled_from(["Ann", "Олена"])),
        st.tuples(
            st.sampled_from(["+380670000201", "0670000202", 380670000203, "79000000000", "7", "", None]),
            CELLS,
        ),
        st.tuples(st.just("380670000200\n380670000201"), CELLS),
    ),
    max_size=12,
)


@given(ROWS, st.booleans(), st.booleans(), st.sampled_from([None, 1, 3]))
def test_rows_are_checked_at_once_as_they_are_one_by_one(
    rows: list[tuple[Any, Any]], must_fill: bool, unique: bool, most: int | None
) -> None:
    checks = {"name": lambda value: non_blank("name", value, 30)} if unique else {}
    columns = RecipientColumns("n", ("name",), "UA", int(must_fill), checks, "name" if unique else None)
    people = [{"n": number, "name": name} for number, name in rows]

    def read() -> Any:
        try:
            with read_recipients(people, columns, on_bad_rows="skip", max_recipients=most) as audience:
                return (
                    *(audience.count, audience.duplicates, audience.bad, audience.bad_examples),
                    *(audience.sha256, list(audience.entries()), list(audience.entries(2))),
                )
        except TelecomInputError as error:
            return error.text

    for size in (1, 3, 300):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_BATCH", size)
            at_once = read()
            patch.setattr(module, "_plain_content", lambda *_: None)
            assert at_once == read()
