"""Variants and shards: the same for a number in Python and DuckDB, in any order, process and run."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.variants import Variants, shard_of, shard_sql
from airflow_provider_telecom.calls.errors import TelecomInputError

SPRING = Variants({"A": 45, "B": 45, "holdout": 10}, "spring-2026")
NUMBERS = [str(380670000000 + 7 * place) for place in range(2_000)]
IN_A_PROCESS = """
import hashlib, sys
from airflow_provider_telecom.bulk.variants import Variants, shard_of
variants = Variants({"holdout": 10, "B": 45, "A": 45}, "spring-2026")
numbers = [str(380670000000 + 7 * place) for place in range(2_000)]
print(hashlib.sha256(str([(variants.of(one), shard_of(one, 8)) for one in numbers]).encode()).hexdigest())
"""


def in_duckdb(expression: str, numbers: list[str]) -> list[object]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE people (place INTEGER, msisdn BIGINT)")
        rows = [(place, int(number)) for place, number in enumerate(numbers)]
        connection.executemany("INSERT INTO people VALUES (?, ?)", rows)
        found = connection.execute(f"SELECT {expression} FROM people ORDER BY place").fetchall()
    return [value for (value,) in found]


@st.composite
def shares(draw: st.DrawFn) -> dict[str, str]:
    """Shares of 1 to 6 variants with up to three decimals."""
    names = draw(
        st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8), unique=True)
    )
    names = [name for name in names if name.casefold() != "holdout"][:5] or ["A"]
    names = draw(st.permutations([*names, "holdout"] if draw(st.booleans()) else names))
    edges = sorted(draw(st.integers(0, 100_000)) for _ in names[1:])
    widths = [high - low for low, high in zip([0, *edges], [*edges, 100_000], strict=True)]
    return {name: str(Decimal(width) / 1000) for name, width in zip(names, widths, strict=True)}


@settings(max_examples=25)
@given(
    shares(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.lists(st.integers(1_000_000, 999_999_999_999_999), min_size=1, max_size=30),
    st.integers(1, 64),
)
def test_python_and_duckdb_agree(shares: dict[str, str], salt: str, numbers: list[int], count: int) -> None:
    if not salt.strip() or shares.get("holdout") in ("100", "100.000"):
        return
    texts = [str(number) for number in numbers]
    variants = Variants(shares, salt)
    assert in_duckdb(variants.sql("msisdn"), texts) == [variants.of(text) for text in texts]
    assert in_duckdb(shard_sql("msisdn", count), texts) == [shard_of(text, count) for text in texts]


def test_the_order_of_rows_and_of_shares_has_no_influence() -> None:
    expected = {number: (SPRING.of(number), shard_of(number, 8)) for number in NUMBERS}
    for seed in range(5):
        order = random.Random(seed).sample(NUMBERS, len(NUMBERS))
        names = random.Random(seed).sample(sorted(SPRING.shares), 3)
        again = Variants({name: str(SPRING.shares[name]) for name in names}, "spring-2026")
        found = zip(
            in_duckdb(again.sql("msisdn"), order), in_duckdb(shard_sql("msisdn", 8), order), strict=True
        )
        assert dict(zip(order, found, strict=True)) == expected


def test_three_processes_and_reruns_give_the_same() -> None:
    outputs = set()
    for seed in ("0", "1", "random"):
        ended = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        outputs.add(ended.stdout)
    # It never changes: a campaign may span versions of the provider.
    assert outputs == {"28efb0638223bedc3c6b07ef357388b16c7a931f17f1c7edf6ea15498b13a86d\n"}


def test_shares_are_met_within_half_a_percent_at_100_000() -> None:
    expression = f"{SPRING.sql('msisdn')}, {shard_sql('msisdn', 8)}"
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {expression} FROM (SELECT 380670000000 + 13 * range AS msisdn FROM range(100000))"
        ).fetchall()
    variants, shards = Counter(variant for variant, _ in found), Counter(shard for _, shard in found)
    for name, share in SPRING.shares.items():
        assert abs(variants[name] / 1000 - float(share)) < 0.5
    assert sorted(shards) == list(range(8))
    assert all(abs(count / 1000 - 12.5) < 0.5 for count in shards.values())
    for shard in range(8):  # independent: each shard has each variant in its share
        inside = Counter(variant for variant, its in found if its == shard)
        assert abs(100 * inside["A"] / inside.total() - 45) < 2


def test_the_holdout_stays_when_the_other_variants_change() -> None:
    others = Variants({"holdout": 10, "new": Decimal("89.5"), "0": "0.5"}, "spring-2026")
    assert [others.of(number) == "holdout" for number in NUMBERS] == [
        SPRING.of(number) == "holdout" for number in NUMBERS
    ]


def test_the_variants_that_somebody_can_get() -> None:
    variants = Variants({"B": 40, "holdout": 10, "none": "0.0", "A": 50}, "spring-2026")
    assert variants.sent == ("A", "B")
    assert {variants.of(number) for number in NUMBERS} == {"A", "B", "holdout"}


def test_the_numbers_of_the_how_to_are_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "howto" / "audience-policy.md").read_text()
    autumn = Variants({"A": 45, "B": 45, "holdout": 10}, "autumn-2026")
    rows = re.findall(r"^\| (380670000\d{3}) \| (\w+) \| (\w+) \|$", text, re.MULTILINE)
    assert rows == [(number, SPRING.of(number), autumn.of(number)) for number, _, _ in rows]
    many = [str(380670000000 + 13 * place) for place in range(100_000)]
    counts = Counter((SPRING.of(number), autumn.of(number) == "holdout") for number in many)
    found = {name: counts[name, True] + counts[name, False] for name in SPRING.shares}
    assert f"{found['A']:,} got A, {found['B']:,} B and {found['holdout']:,} nothing" in text
    assert f"{counts['holdout', True]} of the\n  100,000 are in both" in text


def test_another_salt_is_another_assignment() -> None:
    autumn = Variants(SPRING.shares, "autumn-2026")
    same = sum(autumn.of(number) == SPRING.of(number) for number in NUMBERS)
    assert 0.37 < same / len(NUMBERS) < 0.47  # 0.45**2 + 0.45**2 + 0.1**2 = 0.415


def test_names_and_salts_are_not_read_as_sql() -> None:
    variants = Variants({"it's": 50, "'); DROP TABLE people; --": 50}, "o'salt' || msisdn")
    assert in_duckdb(variants.sql("msisdn"), NUMBERS[:50]) == [variants.of(one) for one in NUMBERS[:50]]
    with pytest.raises(ValueError, match="plain name"):
        variants.sql("msisdn) FROM secrets --")


@pytest.mark.parametrize(
    ("shares", "error"),
    [
        ({"A": 50, "B": 45}, "variants: the shares add up to 95; they must add up to exactly 100"),
        ({"A": "33.3", "B": "33.3", "C": "33.3"}, "the shares add up to 99.9; they must"),
        ({"A": "99." + "9" * 40, "B": "0." + "0" * 40 + "1"}, "must add up to exactly 100"),
        ({"A": 50, "B": 50, "C": 50}, "the shares add up to 150"),
        ({"A": 150, "B": -50}, r"variants\[A\]: must be a number of 0 to 100"),
        ({"A": "half", "B": 50}, r"variants\[A\]: must be a number of 0 to 100"),
        ({"A": True, "B": 99}, r"variants\[A\]: must be a number of 0 to 100"),
        ({"A": "NaN", "B": 50}, r"variants\[A\]: must be a number of 0 to 100"),
        ({"holdout": 100}, "variants: only holdout has a share"),
        ({"holdout": 100, "A": 0}, "variants: only holdout has a share"),
        ({"Holdout": 10, "A": 90}, "'Holdout': the variant that gets no message is written holdout"),
        ({"hold-out": 10, "A": 90}, "the variant that gets no message is written holdout"),
        ({" ": 10, "A": 90}, "variants: the name of a variant must be a text that is not blank"),
        ({1: 10, "A": 90}, "variants: the name of a variant must be a text"),
        ({" A": 10, "A": 90}, "no blanks at its ends"),
        ({"A\n": 10, "B": 90}, "no blanks at its ends"),
        ({"A\x00b": 10, "B": 90}, "no control characters"),
        ({}, "variants: must be names with shares in percent"),
        (["A", "B"], "variants: must be names with shares in percent"),
    ],
)
def test_wrong_shares_are_refused(shares: dict[str, str], error: str) -> None:
    with pytest.raises(TelecomInputError, match=error):
        Variants(shares, "salt")


@pytest.mark.parametrize("salt", ["", "  ", None, 7, "a\0b", "\ud800"])
def test_wrong_salts_are_refused(salt: str) -> None:
    with pytest.raises(TelecomInputError, match=r"^salt: "):
        Variants({"A": 100}, salt)


@pytest.mark.parametrize("count", [0, -1, 1025, True, 2.0, "8"])
def test_wrong_numbers_of_shards_are_refused(count: int) -> None:
    with pytest.raises(TelecomInputError, match=r"^shards: "):
        shard_of("380670000200", count)
    with pytest.raises(TelecomInputError, match=r"^shards: "):
        shard_sql("msisdn", count)
