"""Who gets a message by the next channel: the recipients whose message is known to have failed.

The rows of outcomes decide. A recipient moves on only if there is at least one row, if each row is of the
channel and a connection that have sent, and if each of them is a known failure. All others stay, and are
counted by the reason.

The result is an audience folder inside the folder of the fallback, named by its hash: as long as nothing was
sent from it, a later selection may come to another result. `started.json` beside it says from which one a
task has begun to send; that one is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience_builder import arrow_reader, private_database, write_rows
from airflow_provider_telecom.bulk.audience_folder import (
    AUDIENCE_FILE,
    MSISDN,
    TIMEZONE,
    VARIANT,
    AudienceInfo,
    read_info,
    write_info,
)
from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.bulk.files import local_copy
from airflow_provider_telecom.bulk.history import create_outcomes
from airflow_provider_telecom.bulk.outcomes import (
    ACCEPTED,
    DELIVERED,
    EXPIRED,
    KNOWN_BEFORE,
    READ,
    REFUSED,
    SILENT,
    UNDELIVERED,
    UNKNOWN,
)
from airflow_provider_telecom.bulk.sql_text import quoted_text
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.storage import place, sha256_of

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from duckdb import DuckDBPyConnection

NO_OUTCOME, OTHER_SENDER = "no_outcome", "other_sender"
REASONS = (
    *(DELIVERED, READ, UNKNOWN, SILENT, ACCEPTED, KNOWN_BEFORE, REFUSED, UNDELIVERED, EXPIRED),
    *(OTHER_SENDER, NO_OUTCOME),
)
"""Why a recipient does not move on; of several rows the first reason counts."""
STARTED_FILE = "started.json"
MEMORY_LIMIT = "600MB"

_POLICY = "fallback"
_ROWS, _PEOPLE, _JUDGED = "telecom_fallback_rows", "telecom_fallback_people", "telecom_fallback_judged"
_CHOSEN = "telecom_fallback_chosen"
_BATCH = 100_000
_NAME_LENGTH = 16


@dataclass(frozen=True)
class Fallback:
    """The rule by which recipients of an audience move on."""

    audience: str
    """The folder of those who were sent to."""
    sha256: str
    outcomes: Sequence[str]
    """Files, globs or folders of what became of their messages."""
    channel: str
    conn_ids: Sequence[str]
    """The connections that have sent. Rows of others do not count as failures."""
    codes: Sequence[str] = ()
    """Codes of refusals which say that the channel does not reach the recipient. `not_sent` always does."""
    climb_on: Sequence[str] = ()
    """Of `silent` and `unknown`: their message may still arrive, or may have been sent."""
    only_not_sent: bool = False
    """Whether only those move on of whom it is certain that nothing has left."""
    run: str = ""
    """The task that selects, as in the column of outcomes."""


@dataclass
class Selection:
    """What became of the recipients."""

    rows: int
    recipients: int
    stayed: dict[str, int]
    """Those who do not move on, by reason."""
    refused: dict[str, int]
    """Those who do not move on because of a refusal, by its code."""
    outside: int
    """Numbers with an outcome that are not in the audience."""
    variants: Counter[str] = field(default_factory=Counter)
    timezones: Counter[str] = field(default_factory=Counter)


def select(rule: Fallback, folder: ObjectStoragePath, memory_limit: str) -> tuple[Selection, AudienceInfo]:
    """Write the audience of those who move on, and return its folder's description with all counts.

    No folder is written if nobody moves on; the description's hash is then empty. Raises TelecomInputError.
    """
    source = read_info(rule.audience)
    with private_database(memory_limit) as (database, copies):
        found, file = _judge(database, rule, source, copies)
        if not found.recipients:
            return found, AudienceInfo(rows=found.rows, recipients=0, sha256="")
        _write(database, file, copies / AUDIENCE_FILE, found)
        info = AudienceInfo(
            rows=found.rows,
            recipients=found.recipients,
            sha256=sha256_of(copies / AUDIENCE_FILE),
            excluded=found.stayed,
            variants={name: found.variants[name] for name in source.variants},
            timezones=dict(sorted(found.timezones.items())),
            shards=source.shards,
            columns=list(source.columns),
            policy={_POLICY: asdict(rule)},
            as_of=source.as_of,
        )
        place(copies / AUDIENCE_FILE, audience_path(folder, info) / AUDIENCE_FILE)
    write_info(audience_path(folder, info), info)
    return found, info


def audience_path(folder: ObjectStoragePath, info: AudienceInfo) -> ObjectStoragePath:
    """Return the folder of a selected audience."""
    return folder / info.sha256[:_NAME_LENGTH]


def started_audience(folder: ObjectStoragePath, run: str) -> AudienceInfo | None:
    """Return the audience from which a task has begun to send; None if there is none.

    Raises TelecomInputError if another task, or the same one of another Dag run, has selected it: `run` is
    this one, as in the column of outcomes.
    """
    if (sha256 := _started(folder)) is None:
        return None
    info = read_info(folder / sha256[:_NAME_LENGTH])
    stored = info.policy.get(_POLICY)
    other = stored.get("run") if isinstance(stored, Mapping) else None
    if other and other != run:
        raise TelecomInputError(
            "output",
            f"{folder}: a task has begun to send to those whom another task, {other}, has selected. Give "
            "each task a folder of its own, and each run, as with {{ run_id }}",
        )
    return info


def begin_sending(path: str, info: AudienceInfo, run: str) -> None:
    """Store that a task begins to send from an audience folder, right before its first message.

    `run` is the task, as in the column of outcomes. For an audience that is no fallback, nothing is stored.
    Raises TelecomInputError, and stores nothing, if a recipient would not move on any more, such as after a
    late receipt; if a task has begun to send from another selection; and if recipients of this very task have
    moved on already, because all its messages were refused.
    """
    from airflow.sdk import ObjectStoragePath

    folder = ObjectStoragePath(path).parent
    if any((audience / _moved_on(run)).exists() for audience in _same_rung(folder, info)):
        raise TelecomInputError(
            "recipients",
            f"{path}: another task has begun to send to those whose messages of this task have failed. "
            "Nothing was sent now: they could get two messages",
        )
    stored = info.policy.get(_POLICY)
    if not isinstance(stored, Mapping):
        return
    folder = folder.parent
    if (started := _started(folder)) is not None:
        if started != info.sha256:
            raise TelecomInputError(
                "recipients",
                f"{path}: sending has begun from another selection of the same fallback. Nothing was sent "
                "now. Clear the task that selects the recipients: it returns the one that counts",
            )
        return
    rule = Fallback(**stored)
    runs = _check_still_failed(rule, path, info)
    source = ObjectStoragePath(rule.audience)
    contents = {source / _moved_on(one): {"run": one, "to": str(folder)} for one in runs}
    contents[folder / STARTED_FILE] = {"sha256": info.sha256}  # the last one
    with TemporaryDirectory() as own:
        for target, content in contents.items():
            file = Path(own) / target.name
            file.write_text(json.dumps(content) + "\n")
            place(file, target)


def _same_rung(folder: ObjectStoragePath, info: AudienceInfo) -> Iterator[ObjectStoragePath]:
    """Yield the folder of an audience, and those of the connections before it, which have not sent to it.

    Who is not reached by all these connections moves on from the first of these folders.
    """
    from airflow.sdk import ObjectStoragePath

    yield folder
    stored = info.policy.get(_POLICY)
    while isinstance(stored, Mapping) and stored.get("only_not_sent"):
        folder = ObjectStoragePath(stored["audience"])
        yield folder
        stored = read_info(folder).policy.get(_POLICY)


def _moved_on(run: str) -> str:
    """Return the file in an audience folder which says that recipients of a task have moved on."""
    return f"moved_on/{hashlib.sha256(run.encode()).hexdigest()[:_NAME_LENGTH]}.json"


def _started(folder: ObjectStoragePath) -> str | None:
    file = folder / STARTED_FILE
    try:
        return str(json.loads(file.read_bytes())["sha256"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        rule = f"{file} is damaged: it says from which audience was sent. Nothing was sent now"
        raise TelecomInputError("recipients", rule) from None


def _check_still_failed(rule: Fallback, path: str, info: AudienceInfo) -> Sequence[str]:
    """Return the tasks that have sent to the recipients before.

    Raises TelecomInputError if a recipient of the audience would not be selected any more.
    """
    with private_database(MEMORY_LIMIT) as (database, copies):
        _judge(database, rule, read_info(rule.audience), copies)
        file = local_audience(path.rpartition("/")[0], info.sha256, copies)
        database.execute(f"CREATE TEMP TABLE {_CHOSEN} (msisdn BIGINT)")
        for batch in _numbers(file):
            insert_batch(database, _CHOSEN, batch)
        late = _number(
            database,
            f"SELECT count(*) FROM {_CHOSEN} AS c JOIN {_JUDGED} AS j ON c.msisdn = j.msisdn "
            "WHERE j.reason IS NOT NULL",
        )
        runs = database.execute(f"SELECT DISTINCT run FROM {_ROWS} WHERE run IS NOT NULL ORDER BY run")
        before = [str(run) for (run,) in runs.fetchall()]
    if late:
        raise TelecomInputError(
            "recipients",
            f"{path}: {late} of {info.recipients} recipients would not be selected any more: their outcomes "
            "have changed since, for example by a late receipt. Nothing was sent now. Clear the task that "
            "selects the recipients, and this one",
        )
    return before


def _judge(
    database: DuckDBPyConnection, rule: Fallback, source: AudienceInfo, copies: Path
) -> tuple[Selection, Path]:
    """Make the table of all recipients, each with the reason why it stays; null if it moves on."""
    file = local_audience(rule.audience, rule.sha256 or source.sha256, copies)
    _read_rows(database, rule, copies)
    database.execute(f"CREATE TEMP TABLE {_PEOPLE} (id BIGINT, msisdn BIGINT)")
    for batch in _numbers(file):
        insert_batch(database, _PEOPLE, batch)
    database.execute(_judging(rule))
    reasons = f"SELECT reason, count(*) FROM {_JUDGED} GROUP BY ALL"
    counts = dict(database.execute(reasons).fetchall())
    refused = f"SELECT code, count(*) FROM {_JUDGED} WHERE reason = 'refused' GROUP BY ALL ORDER BY ALL"
    outside = f"SELECT count(DISTINCT msisdn) FROM {_ROWS} WHERE msisdn NOT IN (SELECT msisdn FROM {_PEOPLE})"
    found = Selection(
        rows=_number(database, f"SELECT count(*) FROM {_PEOPLE}"),
        recipients=counts.get(None, 0),
        stayed={reason: counts[reason] for reason in REASONS if counts.get(reason)},
        refused=dict(database.execute(refused).fetchall()),
        outside=_number(database, outside),
    )
    _check_rows(database, rule)
    return found, file


def _judging(rule: Fallback) -> str:
    """Return the statement that makes the table of recipients with their reasons."""
    codes = _texts(sorted({NOT_SENT, *rule.codes}))
    failed = _texts([] if rule.only_not_sent else [UNDELIVERED, EXPIRED, *rule.climb_on]) or "NULL"
    is_own = f"channel = {quoted_text(rule.channel)} AND conn_id IN ({_texts(rule.conn_ids)})"
    is_failure = (
        f"coalesce(({is_own}) AND (state IN ({failed}) OR (state = {quoted_text(REFUSED)} "
        f"AND code IN ({codes}) AND final IS NOT NULL)), false)"
    )
    why = f"CASE WHEN coalesce({is_own}, false) THEN state ELSE {quoted_text(OTHER_SENDER)} END"
    ranks = " ".join(f"WHEN {quoted_text(reason)} THEN {rank}" for rank, reason in enumerate(REASONS))
    return (
        f"CREATE TEMP TABLE {_JUDGED} AS WITH found AS (SELECT msisdn, "
        f"min_by(why, CASE why {ranks} ELSE {len(REASONS)} END) FILTER (WHERE NOT is_failure) AS reason, "
        "bool_and(is_failure) AS has_failed, "
        "min(coalesce(code, '')) FILTER (WHERE NOT is_failure AND why = 'refused') AS code FROM "
        f"(SELECT msisdn, code, {is_failure} AS is_failure, {why} AS why FROM {_ROWS}) GROUP BY msisdn) "
        f"SELECT p.id, p.msisdn, CASE WHEN f.msisdn IS NULL THEN {quoted_text(NO_OUTCOME)} "
        f"WHEN NOT f.has_failed THEN coalesce(f.reason, {quoted_text(NO_OUTCOME)}) END "
        f"AS reason, f.code FROM {_PEOPLE} AS p LEFT JOIN found AS f ON p.msisdn = f.msisdn"
    )


def _read_rows(database: DuckDBPyConnection, rule: Fallback, copies: Path) -> None:
    """Make the view of all rows of outcomes."""
    tables = []
    for place_, path in enumerate(rule.outcomes):
        table = f"{_ROWS}_{place_}"
        create_outcomes(database, table, path, copies)
        tables.append(f"SELECT msisdn, channel, conn_id, state, code, run, final FROM {table}")
    database.execute(f"CREATE TEMP VIEW {_ROWS} AS {' UNION ALL '.join(tables)}")


def _check_rows(database: DuckDBPyConnection, rule: Fallback) -> None:
    """Raise TelecomInputError if no row is of the channel and the connections that have sent."""
    is_own = f"channel = {quoted_text(rule.channel)} AND conn_id IN ({_texts(rule.conn_ids)})"
    rows = _number(database, f"SELECT count(*) FROM {_ROWS}")
    if rows and not _number(database, f"SELECT count(*) FROM {_ROWS} WHERE {is_own}"):
        found = database.execute(f"SELECT channel, conn_id FROM {_ROWS} LIMIT 1").fetchone()
        channel, conn_id = found or (None, None)
        raise TelecomInputError(
            "outcomes",
            f"{', '.join(rule.outcomes)}: all rows are of others: the columns channel and conn_id have "
            f"{channel} and {conn_id}; {rule.channel} and {' or '.join(rule.conn_ids)} are expected",
        )


def local_audience(path: str, sha256: str, copies: Path) -> Path:
    """Return the recipients' file of an audience on local disk. Raises TelecomInputError for another one."""
    from airflow.sdk import ObjectStoragePath

    folder, info = ObjectStoragePath(path), read_info(path)
    try:
        file = local_copy(folder / AUDIENCE_FILE, copies)
        is_same = info.sha256 == sha256 == sha256_of(file)
    except FileNotFoundError:
        raise TelecomInputError("audience", f"{folder / AUDIENCE_FILE} is missing") from None
    if not is_same:
        raise TelecomInputError("audience", f"{folder}: the audience has changed: its sha256 is different")
    return file


def _numbers(file: Path) -> Iterator[Any]:
    """Yield tables of the recipients' places and numbers."""
    import pyarrow
    import pyarrow.parquet

    places = count()
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(_BATCH, columns=[MSISDN]):
        numbers = batch.column(0).cast(pyarrow.int64())
        yield pyarrow.table({"id": list(islice(places, len(numbers))), "msisdn": numbers})


def insert_batch(database: DuckDBPyConnection, table: str, batch: Any) -> None:
    """Insert the rows of an Arrow table that has the columns of a table of DuckDB, and perhaps others."""
    names = ", ".join(row[0] for row in database.execute(f"DESCRIBE {table}").fetchall())
    database.register("telecom_batch", batch)
    database.execute(f"INSERT INTO {table} SELECT {names} FROM telecom_batch")


def _write(database: DuckDBPyConnection, source: Path, target: Path, found: Selection) -> None:
    """Write the rows of those who move on, with all their columns, in the order of the source."""
    import pyarrow
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(source)
    schema = file.schema_arrow.remove_metadata()
    moves = f"SELECT reason IS NULL AS moves FROM {_JUDGED} ORDER BY id"

    def tables() -> Iterator[Any]:
        masks = pyarrow.Table.from_batches(arrow_reader(database.sql(moves))).column(0).combine_chunks()
        start = 0
        for batch in file.iter_batches(_BATCH):
            table = pyarrow.Table.from_batches([batch]).filter(masks.slice(start, batch.num_rows))
            start += batch.num_rows
            for name, counter in ((VARIANT, found.variants), (TIMEZONE, found.timezones)):
                if name in schema.names:
                    for one in table.column(name).value_counts().to_pylist():
                        counter[one["values"]] += one["counts"]
            yield table

    write_rows(tables(), schema, target)


def _number(database: DuckDBPyConnection, statement: str) -> int:
    return int(database.execute(statement).fetchall()[0][0])


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(quoted_text, values))
