"""Numbers in common forms: DuckDB reads them as `e164` does."""

from __future__ import annotations

import random
import re

import duckdb
import pytest

from airflow_provider_telecom.bulk.audience_builder import _plain_number
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164

BEGINNINGS = ("+380", "380", "0", "38 0", "+38 0", "+79", "79", "8", "00380", "+0", "+48")
CODES = ("39", "50", "63", "67", "68", "73", "77", "91", "99", "44", "71")


def written(chance: random.Random) -> str:
    """Return a number with separators and brackets, mostly in a common form."""
    count = chance.choice((7, 7, 7, 7, 6, 8))
    base = chance.choice(BEGINNINGS) + chance.choice(CODES) + f"{chance.randrange(10**count):0{count}d}"
    often = chance.random() / 2
    text = "".join(char + (chance.choice(" .-") if chance.random() < often else "") for char in base)
    if chance.random() < 0.4:
        first = chance.randrange(len(text))
        last = first + chance.randrange(6)
        text = f"{text[:first]}({text[first:last]}){text[last:]}"
    return text


def expected(text: str, region: str) -> str | None:
    try:
        return e164(text, region)
    except TelecomInputError:
        return None


@pytest.mark.parametrize("region", ["UA", "RU", "PL"])
@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_duckdb_reads_common_forms_as_python_does(region: str, count: int) -> None:
    chance = random.Random(1)
    texts = [written(chance) for _ in range(count)]
    with duckdb.connect() as database:
        rows = database.execute(
            f"SELECT number, {_plain_number(region)} FROM (SELECT unnest(?::VARCHAR[]) AS number)", [texts]
        ).fetchall()
    found = [(text, plain) for text, plain in rows if plain is not None]
    assert [
        (text, plain, expected(text, region)) for text, plain in found if expected(text, region) != plain
    ] == []
    assert len(found) > count // 8
    assert sum(1 for text, _ in found if re.search("[ ().-]", text)) > count // 20


@pytest.mark.parametrize(
    "text", ["+380 67 000 00 01", "067 000 00 01", "(067) 000-00-01", "+380(67)000.00.01", "380-67-0000001"]
)
def test_common_forms_do_not_pass_through_python(text: str) -> None:
    with duckdb.connect() as database:
        (found,) = database.execute(
            f"SELECT {_plain_number('UA')} FROM (SELECT ? AS number)", [text]
        ).fetchall()
    assert found == ("380670000001",)
