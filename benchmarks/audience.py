"""An audience with a stop list of a tenth of its rows and 30 days of outcomes: memory and time.

The peer is one statement for DuckDB that makes the same audience, without reasons, checks of other formats
of numbers, time zones and files for a later try. The counts are compared with those of plain SQL over the
numbers that the files were made of, in sqlite.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

from measuring import (
    Figure,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    peer_package,
    require,
    run,
)

AS_OF = datetime(2026, 11, 28, 9, tzinfo=UTC)
SHARES, SALT = {"A": 45, "B": 45, "holdout": 10}, "bench"
LIMITS = {1_000_000: 10, 10_000_000: 90}
"""The seconds within which so many rows must be prepared."""
LIMIT_MB = 1024
_CODES = (50, 63, 66, 67, 68, 73, 93, 95, 96, 97, 98, 99)
_SPREAD, _SPACE = 7_368_787, 120_000_000
_DAYS_MINUTES = 30 * 24 * 60


def write_inputs(folder: Path, rows: int) -> None:
    """Write the files. Of 100 rows 2 are invalid, and 3 have the number of an earlier row."""
    import duckdb

    (folder / "outcomes").mkdir(parents=True)
    spread = f"(person * {_SPREAD} % {_SPACE})"
    number = (
        f"'380' || ([{', '.join(map(str, _CODES))}])[1 + {spread} // 10000000] || "
        f"lpad(CAST({spread} % 10000000 AS VARCHAR), 7, '0')"
    )
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            "COPY (SELECT CASE i % 100 WHEN 0 THEN '000' || i WHEN 50 THEN '38067x' || i "
            f"ELSE {number} END AS phone, "
            "'Name ' || i % 1000 AS first_name FROM (SELECT i, CASE WHEN i % 100 IN (52, 53, 54) THEN i - 50 "
            f"ELSE i END AS person FROM range({rows}) AS numbers(i))) TO '{folder}/people.csv' (HEADER)"
        )
        database.execute(
            f"COPY (SELECT {number} AS msisdn FROM (SELECT i * 20 + 7 AS person FROM "
            f"range({rows // 10}) AS n(i))) TO '{folder}/stop.csv' (HEADER)"
        )
        for part in range(30):
            database.execute(
                f"COPY (SELECT {number} AS msisdn, 'sms' AS channel, 'bench' AS conn_id, "
                "'r' || i AS reference, 'm' || i AS message_id, "
                "CAST(NULL AS VARCHAR) AS variant, CAST(NULL AS VARCHAR) AS code, "
                "CASE WHEN i % 10 = 0 THEN 'refused' ELSE 'delivered' END AS state, "
                "CAST(0.5 AS DECIMAL(38, 9)) AS price, 'UAH' AS currency, CAST(1 AS BIGINT) AS segments, "
                "'dag/run/task' AS run, CAST(epoch_ms(CAST(epoch_ms(TIMESTAMP '2026-11-28 09:00:00') - "
                f"(i * 7919 % {_DAYS_MINUTES}) * 60000 AS BIGINT)) AS TIMESTAMPTZ) AS sent_at, "
                "CAST(NULL AS TIMESTAMPTZ) AS final_at FROM (SELECT i, i // 3 * 7 AS person FROM "
                f"range({rows * 3 // 10 * part // 30}, {rows * 3 // 10 * (part + 1) // 30}) AS n(i))) "
                f"TO '{folder}/outcomes/{part:02d}.parquet'"
            )


def number_of(person: int) -> str:
    """Return the number of a person, as the files have it."""
    place = person * _SPREAD % _SPACE
    return f"380{_CODES[place // 10_000_000]}{place % 10_000_000:07d}"


def expected(rows: int) -> dict[str, int]:
    """Return the counts by reason and of the recipients: plain SQL over persons, in sqlite."""
    with sqlite3.connect(":memory:") as truth:
        truth.executescript(
            "CREATE TABLE source (person INTEGER, invalid INTEGER, repeated INTEGER);"
            "CREATE TABLE stopped (person INTEGER PRIMARY KEY);"
            "CREATE TABLE capped (person INTEGER PRIMARY KEY)"
        )
        people = (
            (row - 50, 0, 1) if row % 100 in (52, 53, 54) else (row, row % 50 == 0, 0) for row in range(rows)
        )
        truth.executemany("INSERT INTO source VALUES (?, ?, ?)", people)
        truth.executemany("INSERT INTO stopped VALUES (?)", ((i * 20 + 7,) for i in range(rows // 10)))
        recent = Counter(
            i // 3 * 7 for i in range(rows * 3 // 10) if i % 10 and i * 7919 % _DAYS_MINUTES < 7 * 24 * 60
        )
        truth.executemany(
            "INSERT INTO capped VALUES (?)", ((person,) for person, count in recent.items() if count >= 2)
        )
        limit = f"{-(-(2**256) // 10):064x}"
        truth.create_function(
            "holdout",
            1,
            lambda person: hashlib.sha256(f"variant:{SALT}:{number_of(person)}".encode()).hexdigest() < limit,
        )
        found = truth.execute(
            "SELECT CASE WHEN invalid THEN 'bad_number' WHEN repeated THEN 'duplicate' "
            "WHEN person IN (SELECT person FROM stopped) THEN 'suppressed' "
            "WHEN person IN (SELECT person FROM capped) THEN 'frequency_cap' "
            "WHEN holdout(person) THEN 'holdout' ELSE 'recipients' END AS reason, count(*) "
            "FROM source GROUP BY 1"
        )
        return dict(found.fetchall())


def prepare(folder: Path, output: str) -> dict[str, Any]:
    """Run the operator, and return its XCom."""
    from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
    from tests.running import Run

    operator = PrepareAudienceOperator(
        task_id="audience",
        output=f"{output}/audience",
        recipients=str(folder / "people.csv"),
        columns={"msisdn": "phone", "name": "first_name"},
        suppress=[str(folder / "stop.csv")],
        history=str(folder / "outcomes"),
        frequency_cap="2/7d",
        variants=SHARES,
        salt=SALT,
        on_bad_rows="skip",
    )
    found: dict[str, Any] = Run().execute(operator, dag_run=SimpleNamespace(run_after=AS_OF, run_id="bench"))
    return found


def counts_of(xcom: dict[str, Any]) -> dict[str, int]:
    """Return the counts by reason and of the recipients."""
    excluded = {reason: count for reason, count in xcom["excluded"].items() if count}
    return {**excluded, "recipients": xcom["recipients"]}


def one_statement(folder: Path) -> int:
    """Let DuckDB make the audience by one statement; return the number of recipients."""
    import duckdb

    limit = f"{-(-(2**256) // 10):064x}"
    statement = f"""
        COPY (
            WITH valid AS (
                SELECT phone AS msisdn, min_by(first_name, row) AS name
                FROM (
                    SELECT *, row_number() OVER () AS row
                    FROM read_csv('{folder}/people.csv', all_varchar = true)
                )
                WHERE regexp_full_match(phone, '380[0-9]{{9}}') GROUP BY 1
            ), capped AS (
                SELECT msisdn FROM '{folder}/outcomes/*.parquet'
                WHERE state <> 'refused' AND sent_at > TIMESTAMPTZ '{AS_OF.isoformat()}' - INTERVAL 7 DAY
                GROUP BY 1 HAVING count(*) >= 2
            )
            SELECT * FROM valid
            ANTI JOIN read_csv('{folder}/stop.csv', all_varchar = true) AS stopped USING (msisdn)
            ANTI JOIN capped USING (msisdn)
            WHERE sha256('variant:{SALT}:' || msisdn) >= '{limit}'
        ) TO '{folder}/peer.parquet'"""
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as database:
        database.execute("SET TimeZone = 'UTC'")
        return int(database.execute(statement).fetchall()[0][0])


def audience(rows: int, quick: bool) -> list[Figure]:
    """Prepare an audience by the operator and by one statement, in turn."""
    peer = f"{peer_package('duckdb', 'duckdb')}, one statement"
    limit_s = LIMITS[rows]
    with tempfile.TemporaryDirectory() as name:
        folder, small = Path(name) / "bench", Path(name) / "small"
        name, rows = f"audience.{rows}", 50_000 if quick else rows
        in_fork(partial(write_inputs, folder, rows))
        in_fork(partial(write_inputs, small, 1_000))
        recipients = in_fork(partial(one_statement, folder))
        truth = in_fork(partial(expected, rows)) if rows <= 1_000_000 else None
        require(truth is None or truth["recipients"] == recipients, f"DuckDB made {recipients} of {truth}")

        def of_ours() -> Sample:
            prepare(small, mkdtemp(dir=small))  # loads what any task loads
            idle, xcom, output = idle_megabytes(), dict[str, Any](), mkdtemp(dir=folder)
            cost = measured(lambda: xcom.update(prepare(folder, output)) or xcom["recipients"], recipients)
            peak = megabytes("VmHWM") - idle
            require(truth in (None, counts_of(xcom)), f"{counts_of(xcom)} instead of {truth}")
            return {**cost, "peak_mb": peak}

        def of_peer() -> Sample:
            one_statement(small)
            idle = idle_megabytes()
            cost = measured(partial(one_statement, folder), recipients)
            return {**cost, "peak_mb": megabytes("VmHWM") - idle}

        rounds = in_turn({"ours": lambda: in_fork(of_ours), peer: lambda: in_fork(of_peer)})
    title, facts = (
        f"An audience of {rows:,} rows",
        {"rows": rows, "recipients": recipients, "limit_of": "ours"},
    )
    return [
        figure(f"{name}.wall", title, "s", rounds, of="wall", peer=peer, limit=limit_s, **facts),
        figure(f"{name}.cpu", title, "s of CPU", rounds, peer=peer, **{**facts, "limit_of": "ratio"}),
        figure(
            f"{name}.memory",
            f"{title}: peak over idle",
            "MB",
            rounds,
            of="peak_mb",
            peer=peer,
            limit=LIMIT_MB,
            **facts,
        ),
    ]


CASES = {"million": partial(audience, 1_000_000), "ten_million": partial(audience, 10_000_000)}

if __name__ == "__main__":
    run(CASES, __doc__)
