"""What became of the recipients of a ladder of channels: who was reached by which, and what it cost.

Money is what the vendors have reported, whatever became of the message: a message that was not delivered may
be paid for as well. Messages of unknown outcome are counted apart: they may be paid for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience_builder import arrow_reader, private_database, write_rows
from airflow_provider_telecom.bulk.audience_folder import MSISDN, VARIANT, read_info
from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.bulk.fallback import insert_batch, local_audience
from airflow_provider_telecom.bulk.history import create_outcomes
from airflow_provider_telecom.bulk.outcomes import DELIVERED, PARQUET, READ, REFUSED, STATES, UNKNOWN
from airflow_provider_telecom.bulk.sql_text import quoted_text
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.storage import place

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from duckdb import DuckDBPyConnection

_PRICE = "DECIMAL(38, 9)"
_BATCH = 100_000
_ROWS, _MEMBERS, _STEPS = "telecom_report_rows", "telecom_report_members", "telecom_report_steps"
_PEOPLE, _LINES = "telecom_report_people", "telecom_report_lines"
_ARRIVED = f"state IN ({quoted_text(DELIVERED)}, {quoted_text(READ)})"
_COSTS = f"state NOT IN ({quoted_text(REFUSED)}, {quoted_text(NOT_SENT)}, {quoted_text(UNKNOWN)})"
_STATE = (
    f"CASE WHEN state = {quoted_text(REFUSED)} AND code = {quoted_text(NOT_SENT)} "
    f"THEN {quoted_text(NOT_SENT)} ELSE state END"
)
"""Whom a connection has handed over to another one counts as `not_sent`, not as refused."""
_SHOWN = (*STATES, NOT_SENT)


@dataclass(frozen=True)
class RungFiles:
    """A rung that was sent: its name, and where its audience and its outcomes are."""

    name: str
    audience: str
    sha256: str | None
    outcomes: Sequence[str]


@dataclass
class RungCounts:
    """What became of the messages of a rung."""

    name: str
    recipients: int
    states: Mapping[str, int]
    """Messages by state."""
    no_outcome: int
    """Recipients without a message in the outcomes."""
    delivered: int
    """Recipients who were reached by this rung."""
    prices: Mapping[str, Decimal]
    unpriced: int
    """Messages that cost something, and whose price is not known."""
    outside: int
    """Numbers with an outcome that are not in the audience."""


@dataclass
class LadderCounts:
    """What became of all recipients."""

    recipients: int
    delivered: int
    """Recipients with a delivered message."""
    delivered_twice: int
    """Recipients with more than one delivered message, as after a late receipt."""
    unknown: int
    """Recipients who are not known to be reached, and have a message of unknown outcome."""
    rungs: Sequence[RungCounts] = field(default_factory=list)

    @property
    def prices(self) -> dict[str, Decimal]:
        """The price of all messages by currency."""
        found: dict[str, Decimal] = {}
        for rung in self.rungs:
            for currency, price in rung.prices.items():
                found[currency] = found.get(currency, Decimal(0)) + price
        return dict(sorted(found.items()))

    @property
    def may_be_paid(self) -> int:
        """How many messages may be paid for: nobody knows whether they were sent."""
        return sum(rung.states.get(UNKNOWN, 0) for rung in self.rungs)

    @property
    def unpriced(self) -> int:
        """How many messages cost something that is not known."""
        return sum(rung.unpriced for rung in self.rungs)


def report(rungs: Sequence[RungFiles], path: ObjectStoragePath | None, memory_limit: str) -> LadderCounts:
    """Count what became of the recipients of the first rung, and write a line for each of them.

    The file is Parquet, JSON lines or CSV, by the end of its name. Raises TelecomInputError.
    """
    with private_database(memory_limit) as (database, copies):
        has_variants = _read_audiences(database, rungs, copies)
        _read_rows(database, rungs, copies)
        _join(database, rungs)
        counts = _counts(database, rungs)
        if path is not None:
            file = copies / f"report{Path(path.name).suffix.lower()}"
            _write(database, file, has_variants=has_variants)
            place(file, path)
    return counts


def _read_audiences(database: DuckDBPyConnection, rungs: Sequence[RungFiles], copies: Path) -> bool:
    """Make the tables of recipients: of the first rung in their order, and of each rung."""
    import pyarrow
    import pyarrow.parquet

    database.execute(f"CREATE TEMP TABLE {_PEOPLE} (id BIGINT, msisdn BIGINT, variant VARCHAR)")
    database.execute(f"CREATE TEMP TABLE {_MEMBERS} (rung INTEGER, msisdn BIGINT)")
    has_variants = False
    for number, rung in enumerate(rungs):
        file = local_audience(rung.audience, rung.sha256 or read_info(rung.audience).sha256, copies)
        source, places = pyarrow.parquet.ParquetFile(file), count()
        names = [MSISDN, VARIANT] if VARIANT in source.schema_arrow.names else [MSISDN]
        has_variants = has_variants or len(names) > 1
        for batch in source.iter_batches(_BATCH, columns=names):
            size = batch.num_rows
            table = pyarrow.table({
                "id": list(islice(places, size)),
                "rung": [number] * size,
                "msisdn": batch.column(0).cast(pyarrow.int64()),
                "variant": batch.column(1) if len(names) > 1 else pyarrow.nulls(size),
            })
            insert_batch(database, _MEMBERS, table)
            if not number:
                insert_batch(database, _PEOPLE, table)
    return has_variants


def _read_rows(database: DuckDBPyConnection, rungs: Sequence[RungFiles], copies: Path) -> None:
    """Make the table of all rows of outcomes, each with the place of its rung. Raises TelecomInputError."""
    database.execute(
        f"CREATE TEMP TABLE {_ROWS} (rung INTEGER, msisdn BIGINT, state VARCHAR, code VARCHAR, "
        f"price {_PRICE}, currency VARCHAR)"
    )
    for number, rung in enumerate(rungs):
        for path in rung.outcomes:
            table = f"{_ROWS}_of_file"
            create_outcomes(database, table, path, copies)
            bad = f"price IS NOT NULL AND TRY_CAST(price AS {_PRICE}) IS NULL"
            if _number(database, f"SELECT count(*) FROM {table} WHERE {bad}"):
                rule = f"{path}: the column price has a value that is no amount of money"
                raise TelecomInputError("outcomes", rule)
            database.execute(
                f"INSERT INTO {_ROWS} SELECT {number}, msisdn, {_STATE}, code, CAST(price AS {_PRICE}), "
                f"currency FROM {table}"
            )


def _join(database: DuckDBPyConnection, rungs: Sequence[RungFiles]) -> None:
    """Make the tables of steps (a recipient at a rung) and of lines (a recipient)."""
    names = " ".join(f"WHEN {number} THEN {quoted_text(rung.name)}" for number, rung in enumerate(rungs))
    name = f"CASE m.rung {names} END"
    database.execute(
        f"CREATE TEMP TABLE {_STEPS} AS WITH found AS (SELECT rung, msisdn, "
        f"coalesce(string_agg(DISTINCT state, '+' ORDER BY state) FILTER (WHERE state <> "
        f"{quoted_text(NOT_SENT)}), {quoted_text(NOT_SENT)}) AS states, "
        f"CAST(count(*) FILTER (WHERE {_ARRIVED}) AS INTEGER) AS deliveries, "
        f"CAST(count(*) FILTER (WHERE state = {quoted_text(UNKNOWN)}) AS INTEGER) AS unknown "
        f"FROM {_ROWS} GROUP BY rung, msisdn) "
        f"SELECT m.rung, m.msisdn, {name} AS name, f.msisdn IS NULL AS no_outcome, "
        "coalesce(f.states, 'no_outcome') AS states, coalesce(f.deliveries, 0) AS deliveries, "
        f"coalesce(f.unknown, 0) AS unknown FROM {_MEMBERS} AS m LEFT JOIN found AS f "
        "ON m.rung = f.rung AND m.msisdn = f.msisdn"
    )
    database.execute(
        f"CREATE TEMP TABLE {_LINES} AS WITH steps AS (SELECT msisdn, "
        "string_agg(name || ':' || states, ' > ' ORDER BY rung) AS path, "
        "min_by(name, rung) FILTER (WHERE deliveries > 0) AS reached_by, "
        "CAST(sum(deliveries) AS INTEGER) AS deliveries, CAST(sum(unknown) AS INTEGER) AS may_be_paid "
        f"FROM {_STEPS} GROUP BY msisdn), "
        f"paid AS (SELECT msisdn, coalesce(currency, '?') AS currency, sum(price) AS price FROM {_ROWS} "
        f"WHERE price IS NOT NULL AND {_COSTS} GROUP BY ALL), "
        "money AS (SELECT msisdn, CASE WHEN count(*) = 1 THEN min(price) END AS price, "
        "string_agg(currency, ',' ORDER BY currency) AS currency FROM paid GROUP BY msisdn) "
        "SELECT p.id, p.msisdn, p.variant, s.path, s.reached_by, m.price, m.currency, s.deliveries, "
        f"s.may_be_paid FROM {_PEOPLE} AS p JOIN steps AS s ON p.msisdn = s.msisdn "
        "LEFT JOIN money AS m ON p.msisdn = m.msisdn"
    )


def _counts(database: DuckDBPyConnection, rungs: Sequence[RungFiles]) -> LadderCounts:
    totals = database.execute(
        "SELECT count(*), count(*) FILTER (WHERE deliveries > 0), count(*) FILTER (WHERE deliveries > 1), "
        f"count(*) FILTER (WHERE deliveries = 0 AND may_be_paid > 0) FROM {_LINES}"
    ).fetchall()[0]
    states: dict[int, dict[str, int]] = {}
    for rung, state, messages in database.execute(
        f"SELECT rung, state, count(*) FROM {_ROWS} GROUP BY ALL"
    ).fetchall():
        states.setdefault(rung, {})[state] = messages
    prices: dict[int, dict[str, Decimal]] = {}
    for rung, currency, price in database.execute(
        f"SELECT rung, coalesce(currency, '?'), sum(price) FROM {_ROWS} WHERE price IS NOT NULL AND {_COSTS} "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        prices.setdefault(rung, {})[currency] = price
    found = LadderCounts(*totals)
    found.rungs = [
        RungCounts(
            name=rung.name,
            recipients=_number(database, f"SELECT count(*) FROM {_STEPS} WHERE rung = {number}"),
            states={state: states[number][state] for state in _SHOWN if state in states.get(number, {})},
            no_outcome=_number(
                database, f"SELECT count(*) FROM {_STEPS} WHERE rung = {number} AND no_outcome"
            ),
            delivered=_number(
                database, f"SELECT count(*) FROM {_STEPS} WHERE rung = {number} AND deliveries > 0"
            ),
            prices=prices.get(number, {}),
            unpriced=_number(
                database,
                f"SELECT count(*) FROM {_ROWS} WHERE rung = {number} AND price IS NULL AND {_COSTS}",
            ),
            outside=_number(
                database,
                f"SELECT count(DISTINCT r.msisdn) FROM {_ROWS} AS r ANTI JOIN {_MEMBERS} AS m "
                f"ON r.rung = m.rung AND r.msisdn = m.msisdn WHERE r.rung = {number}",
            ),
        )
        for number, rung in enumerate(rungs)
    ]
    return found


def _write(database: DuckDBPyConnection, file: Path, *, has_variants: bool) -> None:
    """Write a line for each recipient, in the order of the audience."""
    import pyarrow

    kinds: dict[str, Any] = {
        "msisdn": pyarrow.string(),
        "variant": pyarrow.string(),
        "path": pyarrow.string(),
        "reached_by": pyarrow.string(),
        "price": pyarrow.decimal128(38, 9),
        "currency": pyarrow.string(),
        "deliveries": pyarrow.int32(),
        "may_be_paid": pyarrow.int32(),
    }
    if not has_variants:
        del kinds["variant"]
    is_parquet = file.suffix == PARQUET
    cells = {name: name for name in kinds} | {"msisdn": "CAST(msisdn AS VARCHAR)"}
    if not is_parquet:
        cells["price"] = "rtrim(rtrim(CAST(price AS VARCHAR), '0'), '.')"
    selected = ", ".join(f"{cell} AS {name}" for name, cell in cells.items())
    statement = f"SELECT {selected} FROM {_LINES} ORDER BY id"
    if is_parquet:
        schema = pyarrow.schema([pyarrow.field(name, kind) for name, kind in kinds.items()])
        batches = arrow_reader(database.sql(statement))
        write_rows((pyarrow.Table.from_batches([batch]) for batch in batches), schema, file)
        return
    form = "FORMAT csv, HEADER" if file.suffix == ".csv" else "FORMAT json"
    database.execute(f"COPY ({statement}) TO {quoted_text(str(file))} ({form})")


def _number(database: DuckDBPyConnection, statement: str) -> int:
    return int(database.execute(statement).fetchall()[0][0])
