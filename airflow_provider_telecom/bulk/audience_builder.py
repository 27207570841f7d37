"""Builds an audience in DuckDB: who gets a message, and why the others don't.

All steps are operations on tables that DuckDB spills to disk. Only numbers that are not written in canonical
form pass through Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience_folder import (
    EXCLUDED_COLUMNS,
    MSISDN,
    REASONS,
    SHARD,
    TIMEZONE,
    VARIANT,
)
from airflow_provider_telecom.bulk.recipients import MAX_NAMED_BAD_ROWS
from airflow_provider_telecom.bulk.sources import ROWS, SOURCES, SourceColumns, SourceTable
from airflow_provider_telecom.bulk.sql_text import quoted_text
from airflow_provider_telecom.bulk.timezones import (
    OWN_ZONES,
    create_own_zones,
    create_plan_zones,
    zone_key_sql,
)
from airflow_provider_telecom.bulk.variants import Variants, shard_sql
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import CANONICAL, e164

if TYPE_CHECKING:
    import duckdb

PEOPLE = "people"
"""A view of the distinct valid numbers (`msisdn`) of all rows."""
_THREADS = 2
_BATCH = 20_000
_ROW_GROUP = 100_000
_WRITTEN = r"\+?(?:[0-9][ .-]?|\([0-9]{1,5}\)[ .-]?)*[0-9]"
_LONG_NUMBER = re.compile(r"\d(?:[ ()-]{0,2}\d){6,}")


@dataclass(frozen=True)
class AudienceRules:
    """What decides about a row by itself."""

    default_region: str = "UA"
    allow_prefixes: Sequence[str] = ()
    variants: Variants | None = None
    shards: int = 1
    timezone: str | None = None


@dataclass
class AudienceCounts:
    """What became of the rows."""

    rows: int
    recipients: int
    excluded: Mapping[str, int]
    variants: Mapping[str, int] = field(default_factory=dict)
    timezones: Mapping[str, int] = field(default_factory=dict)


@contextmanager
def private_database(memory_limit: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Open a DuckDB that spills to a private folder, which is removed at the end, and give both.

    DuckDB's errors can show values of a row, so they are raised without long numbers. Raises
    TelecomInputError if the memory or the disk is too small.
    """
    import duckdb

    with TemporaryDirectory(prefix="telecom-audience-") as name:
        folder = Path(name)
        (folder / "copies").mkdir()
        settings: dict[str, Any] = {
            "memory_limit": memory_limit,
            "threads": _THREADS,
            "temp_directory": str(folder / "spill"),
            "preserve_insertion_order": True,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        try:
            database = duckdb.connect(str(folder / "audience.duckdb"), config=settings)
        except duckdb.Error as error:
            raise TelecomInputError("memory_limit", _without_numbers(error)) from None
        try:
            yield database, folder / "copies"
        except duckdb.OutOfMemoryException as error:
            raise TelecomInputError("memory_limit", f"is too small: {_without_numbers(error)}") from None
        except duckdb.Error as error:
            raise RuntimeError(f"{type(error).__name__}: {_without_numbers(error)}") from None
        finally:
            database.close()


def _without_numbers(error: Exception) -> str:
    return _LONG_NUMBER.sub("***", str(error).partition("\n")[0])


class AudienceBuilder:
    """Applies the rules to all rows, in the order of the reasons, and writes the result."""

    def __init__(
        self, database: duckdb.DuckDBPyConnection, columns: SourceColumns, rules: AudienceRules
    ) -> None:
        self.database, self._columns, self._rules = database, columns, rules
        self._exclusions: list[tuple[str, str, bool]] = []
        self._values = [f"v{place}" for place in range(len(columns.names))]
        self.source = SourceTable(database, columns)

    @property
    def people(self) -> str:
        """The name of the view of the distinct valid numbers."""
        return PEOPLE

    @property
    def text_columns(self) -> Sequence[str]:
        """The names of the columns for texts."""
        return tuple(self._columns.values)

    def check_rows(self, on_bad_rows: str) -> None:
        """Read the numbers of all rows. Raises TelecomInputError if there are no rows, or bad ones."""
        if not self._number(f"SELECT count(*) FROM {ROWS}"):
            raise TelecomInputError("recipients", "are none: the sources have no rows")
        self._read_other_numbers()
        self._check_zones()
        values = "".join(f", {name}" for name in self._values)
        zone = self._values[-1] if self._columns.timezone is not None else "NULL"
        self.database.execute(
            "CREATE VIEW all_rows AS SELECT r.rowid AS id, r.source, r.line, r.number, "
            "coalesce(r.msisdn, o.msisdn) AS msisdn, CASE WHEN coalesce(r.msisdn, o.msisdn) IS NULL THEN "
            "coalesce(r.problem, o.problem, 'msisdn: is missing') END AS problem, "
            f"coalesce(r.value_problem, z.problem) AS value_problem{values} FROM {ROWS} AS r "
            "LEFT JOIN other_numbers AS o ON r.number = o.number "
            f"LEFT JOIN wrong_zones AS z ON {zone} = z.written"
        )
        self.database.execute(
            f"CREATE VIEW {PEOPLE} AS SELECT DISTINCT msisdn FROM all_rows WHERE msisdn IS NOT NULL"
        )
        if on_bad_rows == "fail":
            self._raise_if_bad()

    def exclude(self, reason: str, table: str) -> None:
        """Exclude the numbers of a table or view: `msisdn`, each once, and perhaps `detail`."""
        names = [row[0] for row in self.database.execute(f"DESCRIBE {table}").fetchall()]
        self._exclusions.append((reason, table, "detail" in names))

    def decide(self) -> AudienceCounts:
        """Apply all rules, and return how many recipients are left, which may be 0."""
        self.database.execute(
            "CREATE TABLE repeated AS SELECT msisdn, min(id) AS first FROM all_rows "
            "WHERE msisdn IS NOT NULL GROUP BY msisdn HAVING count(*) > 1"
        )
        self.database.execute(self._judged())
        self._find_zones()
        return self._counts()

    def write_audience(self, path: Path) -> None:
        """Write the recipients by shard, time zone and place in the sources."""
        import pyarrow

        rules, names = self._rules, self._columns.values
        cells = [("CAST(msisdn AS VARCHAR)", MSISDN, pyarrow.string())]
        cells += [(value, name, pyarrow.string()) for name, value in zip(names, self._values, strict=False)]
        if rules.variants:
            cells.append(("variant", VARIANT, pyarrow.string()))
        cells.append(("zone", TIMEZONE, pyarrow.string()))
        if rules.shards > 1:
            cells.append(("shard", SHARD, pyarrow.int32()))
        selected = ", ".join(cell for cell, _, _ in cells)
        schema = pyarrow.schema([pyarrow.field(name, kind, nullable=False) for _, name, kind in cells])
        order = ", ".join([*(["shard"] if rules.shards > 1 else []), "zone", "id"])
        self._write(f"SELECT {selected} FROM audience ORDER BY {order}", schema, path)

    def write_excluded(self, path: Path, *, full_numbers: bool) -> None:
        """Write the excluded rows in their order, each with its reason."""
        import pyarrow

        shown = "coalesce(CAST(j.msisdn AS VARCHAR), j.number)"
        if not full_numbers:
            shown = (
                f"CASE WHEN length({shown}) > 7 THEN left({shown}, 5) || repeat('*', length({shown}) - 7) "
                f"|| right({shown}, 2) ELSE repeat('*', length({shown})) END"
            )
        kinds = (pyarrow.string(), pyarrow.int64(), pyarrow.string(), pyarrow.string(), pyarrow.string())
        schema = pyarrow.schema([
            pyarrow.field(name, kind) for name, kind in zip(EXCLUDED_COLUMNS, kinds, strict=True)
        ])
        self._write(
            f"SELECT s.name, coalesce(j.line, j.id - s.shift), {shown}, j.reason, j.detail FROM judged AS j "
            f"JOIN {SOURCES} AS s ON j.source = s.source WHERE j.reason IS NOT NULL ORDER BY j.id",
            schema,
            path,
        )

    def _read_other_numbers(self) -> None:
        """Make the table of numbers that are not written in canonical form."""
        import pyarrow

        self.database.execute("CREATE TABLE other_numbers (number VARCHAR, msisdn BIGINT, problem VARCHAR)")
        plain = _plain_number(self._rules.default_region)
        self.database.execute(
            "INSERT INTO other_numbers SELECT number, CAST(msisdn AS BIGINT), NULL FROM "
            f"(SELECT number, {plain} AS msisdn FROM (SELECT DISTINCT number FROM {ROWS} "
            "WHERE number IS NOT NULL)) WHERE msisdn IS NOT NULL"
        )
        with self.database.cursor() as reading:
            reading.execute(
                f"SELECT DISTINCT number FROM {ROWS} WHERE number IS NOT NULL AND {plain} IS NULL"
            )
            while rows := reading.fetchmany(_BATCH):
                texts = [text for (text,) in rows]
                found = [_read_number(text, self._rules.default_region) for text in texts]
                msisdns, problems = zip(*found, strict=True)
                batch = pyarrow.table({
                    "number": pyarrow.array(texts, pyarrow.string()),
                    "msisdn": pyarrow.array(msisdns, pyarrow.int64()),
                    "problem": pyarrow.array(problems, pyarrow.string()),
                })
                self.database.register("batch", batch)
                self.database.execute("INSERT INTO other_numbers SELECT * FROM batch")
                self.database.unregister("batch")

    def _check_zones(self) -> None:
        """Make the table of texts in the column of time zones that are none."""
        import pyarrow

        wrong: Mapping[str, str] = {}
        if self._columns.timezone is not None:
            _, wrong = create_own_zones(self.database, ROWS, self._values[-1])
        texts = pyarrow.array(wrong.keys(), pyarrow.string()), pyarrow.array(wrong.values(), pyarrow.string())
        self.database.register("batch", pyarrow.table(texts, ["written", "problem"]))
        self.database.execute("CREATE TABLE wrong_zones AS SELECT * FROM batch")
        self.database.unregister("batch")

    def _raise_if_bad(self) -> None:
        is_bad = "problem IS NOT NULL OR value_problem IS NOT NULL"
        bad = self._number(f"SELECT count(*) FROM all_rows WHERE {is_bad}")
        if not bad:
            return
        several = self._number(f"SELECT count(*) FROM {SOURCES}") > 1
        examples = self.database.execute(
            "SELECT s.name, coalesce(a.line, a.id - s.shift), coalesce(a.problem, a.value_problem) "
            f"FROM all_rows AS a JOIN {SOURCES} AS s ON a.source = s.source WHERE {is_bad} "
            f"ORDER BY a.id LIMIT {MAX_NAMED_BAD_ROWS}"
        ).fetchall()
        named = [
            f"{f'{name} ' if several else ''}{'line' if '.' in name else 'row'} {line}: {problem}"
            for name, line, problem in examples
        ]
        unnamed = bad - len(named)
        texts = "; ".join(named) + (f"; and {unnamed} more" if unnamed else "")
        raise TelecomInputError(
            "recipients",
            f"{bad} bad rows, so no audience was written: {texts} (on_bad_rows='skip' excludes them and "
            "writes them to excluded.parquet)",
        )

    def _judged(self) -> str:
        """Return the statement that makes the table of all rows with their reasons."""
        rules, names = self._rules, self._columns.values
        joins = ["LEFT JOIN repeated AS d ON a.msisdn = d.msisdn AND d.first < a.id"]
        reasons = ["WHEN a.msisdn IS NULL THEN 'bad_number'", "WHEN d.msisdn IS NOT NULL THEN 'duplicate'"]
        details = ["WHEN 'bad_number' THEN problem"]
        for place, (reason, table, has_detail) in enumerate(self._exclusions):
            joins.append(f"LEFT JOIN {table} AS x{place} ON a.msisdn = x{place}.msisdn")
            reasons.append(f"WHEN x{place}.msisdn IS NOT NULL THEN {quoted_text(reason)}")
            if has_detail:
                details.append(f"WHEN {quoted_text(reason)} THEN x{place}.detail")
        if rules.allow_prefixes:
            pattern = quoted_text(f"({'|'.join(rules.allow_prefixes)}).*")
            reasons.append(
                f"WHEN NOT regexp_full_match(CAST(a.msisdn AS VARCHAR), {pattern}) THEN 'not_allowed_prefix'"
            )
        missing = "".join(
            f" WHEN {value} IS NULL OR trim({value}) = '' THEN {quoted_text(f'{name}: is missing')}"
            for name, value in zip(names, self._values, strict=False)
        )
        lacking = f"CASE WHEN value_problem IS NOT NULL THEN value_problem{missing} END"
        reasons.append(f"WHEN {lacking} IS NOT NULL THEN 'missing_value'")
        details.append(f"WHEN 'missing_value' THEN {lacking}")
        values = "".join(f", {value}" for value in self._values)
        inner = (
            f"SELECT a.id, a.source, a.line, a.msisdn, a.number{values}, "
            f"CASE {' '.join(reasons)} END AS reason, CASE reason {' '.join(details)} END AS detail "
            f"FROM all_rows AS a {' '.join(joins)}"
        )
        variant = rules.variants.sql("msisdn") if rules.variants else "CAST(NULL AS VARCHAR)"
        shard = shard_sql("msisdn", rules.shards) if rules.shards > 1 else "0"
        return (
            "CREATE TABLE judged AS SELECT * REPLACE (CASE WHEN variant = 'holdout' THEN 'holdout' ELSE "
            f"reason END AS reason), CASE WHEN reason IS NULL THEN {shard} END AS shard FROM "
            f"(SELECT *, CASE WHEN reason IS NULL THEN {variant} END AS variant FROM ({inner}))"
        )

    def _find_zones(self) -> None:
        """Make the view of the recipients, each with the text of its time zones."""
        joins, zones = [], []
        if self._columns.timezone is not None:
            joins.append(f"LEFT JOIN {OWN_ZONES} AS own ON j.{self._values[-1]} = own.written")
            zones.append("own.timezone")
        unknown = "".join(f" AND {zone} IS NULL" for zone in zones)
        self.database.execute(
            f"CREATE VIEW without_zone AS SELECT j.msisdn FROM judged AS j {' '.join(joins)} "
            f"WHERE reason IS NULL{unknown}"
        )
        plan = create_plan_zones(self.database, "without_zone", default=self._rules.timezone)
        joins.append(f"LEFT JOIN {plan} AS plan ON {zone_key_sql('j.msisdn')} = plan.zone_key")
        zones.append("plan.timezone")
        self.database.execute(
            f"CREATE TEMP VIEW audience AS SELECT j.*, coalesce({', '.join(zones)}) AS zone FROM judged AS j "
            f"{' '.join(joins)} WHERE reason IS NULL"
        )

    def _counts(self) -> AudienceCounts:
        found = dict.fromkeys(REASONS, 0)
        variants = dict.fromkeys(self._rules.variants.sent if self._rules.variants else (), 0)
        zones: dict[str, int] = {}
        recipients = 0
        excluded = "SELECT reason, count(*) FROM judged WHERE reason IS NOT NULL GROUP BY ALL"
        for reason, count in self.database.execute(excluded).fetchall():
            found[reason] = count
        sent = "SELECT variant, zone, count(*) FROM audience GROUP BY ALL"
        for variant, zone, count in self.database.execute(sent).fetchall():
            recipients += count
            zones[zone] = zones.get(zone, 0) + count
            if variant is not None:
                variants[variant] += count
        rows = sum(found.values()) + recipients
        return AudienceCounts(rows, recipients, found, variants, dict(sorted(zones.items())))

    def _number(self, statement: str) -> int:
        found = self.database.execute(statement).fetchone()
        return int(found[0]) if found else 0

    def _write(self, statement: str, schema: Any, path: Path) -> None:
        """Write the rows of a statement as Parquet."""
        import pyarrow

        batches = arrow_reader(self.database.sql(statement))
        tables = (pyarrow.Table.from_batches([batch]).rename_columns(schema.names) for batch in batches)
        write_rows(tables, schema, path)


def write_rows(tables: Iterable[Any], schema: Any, path: Path) -> None:
    """Write the rows of Arrow tables as Parquet; the same rows give the same bytes."""
    import pyarrow
    import pyarrow.parquet

    dictionaries = [
        name for name in (VARIANT, TIMEZONE, "source", "reason", "detail") if name in schema.names
    ]
    with pyarrow.parquet.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=dictionaries
    ) as writer:
        waiting: list[Any] = []
        count = 0
        for table in tables:
            waiting.append(table.cast(schema))
            count += table.num_rows
            while count >= _ROW_GROUP:
                joined = pyarrow.concat_tables(waiting)
                writer.write_table(joined.slice(0, _ROW_GROUP), row_group_size=_ROW_GROUP)
                waiting, count = [joined.slice(_ROW_GROUP)], count - _ROW_GROUP
        if count or not waiting:
            writer.write_table(pyarrow.concat_tables([schema.empty_table(), *waiting]))


def arrow_reader(relation: Any) -> Any:
    """Return a reader of the batches of a query; DuckDB 2 has renamed the method."""
    method = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    return method(_ROW_GROUP)


def _plain_number(region: str) -> str:
    """Return an expression for the digits of common forms: `+380 (67) 123-45-67`, `067 123 45 67` in Ukraine.

    It gives what `e164` does, without its time, or null.
    """
    digits = "regexp_replace(number, '[ ().-]', '', 'g')"
    forms = f"WHEN regexp_full_match({digits}, {quoted_text(CANONICAL.pattern)}) THEN ltrim({digits}, '+')"
    if region == "UA":
        national = quoted_text(CANONICAL.pattern.replace(r"\+?", "", 1))
        forms += f" WHEN regexp_full_match('38' || {digits}, {national}) AND number[1] IN ('0', '(') "
        forms += f"AND {digits}[1] = '0' THEN '38' || {digits}"
    return (
        f"CASE WHEN length(number) <= 32 AND regexp_full_match(number, {quoted_text(_WRITTEN)}) THEN "
        f"CASE {forms} END END"
    )


def _read_number(text: str, region: str) -> tuple[int | None, str | None]:
    """Return the canonical number of a text, or why it has none."""
    try:
        return int(e164(text, region)), None
    except TelecomInputError as error:
        return None, error.text
