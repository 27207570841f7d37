"""An audience of ten million rows, with a stop list of a million and 30 days of outcomes: memory and time.

The counts are compared with those of plain SQL over the numbers that the files were made of, in sqlite.
Prints a JSON line. `--rows` sets the number of rows; the stop list has a tenth of it, the outcomes three.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measuring import idle_megabytes, megabytes

AS_OF = datetime(2026, 11, 28, 9, tzinfo=UTC)
SHARES, SALT = {"A": 45, "B": 45, "holdout": 10}, "bench"
LIMITS = {1_000_000: 10, 10_000_000: 90}
"""The seconds within which so many rows must be prepared."""
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


def prepare(folder: Path) -> dict[str, Any]:
    """Run the operator, and return its XCom."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
    from tests.running import Run

    operator = PrepareAudienceOperator(
        task_id="audience",
        output=str(folder / "audience"),
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


def measured(folder: Path, rows: int) -> dict[str, Any]:
    """Return the figures of one audience."""
    small = folder / "small"
    write_inputs(small, 1_000)
    prepare(small)  # loads what any task loads
    idle, wall, cpu = idle_megabytes(), time.monotonic(), time.process_time()
    xcom = prepare(folder)
    seconds, cpu_seconds = time.monotonic() - wall, time.process_time() - cpu
    peak = megabytes("VmHWM")
    counts = {reason: count for reason, count in xcom["excluded"].items() if count}
    truth = expected(rows)
    return {
        "bench": "audience",
        "rows": rows,
        "counts_are_right": {**counts, "recipients": xcom["recipients"]} == truth,
        "recipients": xcom["recipients"],
        "excluded": counts,
        "wall_s": round(seconds, 1),
        "cpu_s": round(cpu_seconds, 1),
        "limit_s": LIMITS.get(rows),
        "s_per_million": round(seconds * 1_000_000 / rows, 2),
        "cpu_s_per_million": round(cpu_seconds * 1_000_000 / rows, 2),
        "peak_over_idle_mb": round(peak - idle, 1),
        "limit_mb": 1024,
    }


def main() -> None:
    """Print the figures of audiences of a million and of ten million rows, each in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int)
    chosen = arguments.parse_args()
    if chosen.rows is None:
        for rows in LIMITS:
            subprocess.run([sys.executable, __file__, "--rows", str(rows)], check=True)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bench"
        write = [sys.executable, "-c", _WRITE, str(Path(__file__).parent), str(folder), str(chosen.rows)]
        subprocess.run(write, check=True)
        print(json.dumps(measured(folder, chosen.rows)), flush=True)


_WRITE = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
    "from audience import write_inputs; write_inputs(Path(sys.argv[2]), int(sys.argv[3]))"
)

if __name__ == "__main__":
    main()
