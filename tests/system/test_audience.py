"""An audience from a million rows of a PostgreSQL, and one in a bucket of an S3 server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.bulk.audience_folder import open_audience
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from tests.running import Run
from tests.system.services import Postgres
from tests.transfers.conftest import BUCKET, s3

pytestmark = pytest.mark.system

ROWS = 1_000_000
MANY = 100_000
PEOPLE = (
    "CREATE TABLE people AS SELECT i AS id, CASE WHEN i % 50 = 0 THEN 'none' ELSE '38067' || "
    "lpad(i::text, 7, '0') END AS phone, 'Name ' || i % 1000 AS first_name, "
    f"CASE WHEN i % 2 = 0 THEN 'Europe/Warsaw' END AS tz FROM generate_series(0, {ROWS - 1}) AS i"
)
MEASURED = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from measuring import idle_megabytes, megabytes
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from tests.running import Run

def prepare(rows, output):
    return Run().execute(PrepareAudienceOperator(
        task_id="audience", output=output,
        sql=f"SELECT phone, first_name, tz FROM people WHERE id < {rows} ORDER BY id",
        sql_conn_id="warehouse", columns={"msisdn": "phone", "name": "first_name", "timezone": "tz"},
        on_bad_rows="skip",
    ))

prepare(1000, sys.argv[3] + "/small")
figures = {}
for rows in map(int, sys.argv[4:]):
    idle = idle_megabytes()
    xcom = prepare(rows, f"{sys.argv[3]}/{rows}")
    figures[rows] = {**xcom, "peak_over_idle_mb": round(megabytes("VmHWM") - idle)}
print(json.dumps(figures))
"""


@pytest.fixture(scope="module")
def warehouse(postgres: Postgres) -> str:
    """A database with a table of people: the URI of its connection."""
    import psycopg2

    address = postgres.new_database("warehouse").replace("+psycopg2", "")
    connection = psycopg2.connect(address)
    with connection, connection.cursor() as cursor:
        cursor.execute(PEOPLE)
    connection.close()
    return address


def test_a_million_rows_of_postgresql_are_streamed(
    tmp_path: Path, warehouse: str, tell: Callable[[str], None]
) -> None:
    pytest.importorskip("airflow.providers.postgres")
    root = Path(__file__).parent.parent.parent
    program = [sys.executable, "-c", MEASURED, str(root), str(root / "benchmarks"), str(tmp_path)]
    environment = {**os.environ, "AIRFLOW_CONN_WAREHOUSE": warehouse}
    done = subprocess.run(
        [*program, str(MANY), str(ROWS)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    peaks = {rows: found["peak_over_idle_mb"] for rows, found in figures.items()}
    tell(f"megabytes over idle by rows of a query: {peaks}")
    for rows, found in figures.items():
        assert found["rows"] == int(rows)
        assert found["excluded"]["bad_number"] == int(rows) // 50
        assert found["recipients"] == int(rows) - int(rows) // 50
        assert found["timezones"]["Europe/Warsaw"] == int(rows) // 2 - int(rows) // 50
    assert peaks[str(ROWS)] < 300  # the driver alone would keep more for all rows at once


class _Hook:
    def __init__(self, address: str) -> None:
        self.address = address

    def get_conn(self) -> Any:
        import psycopg2

        return psycopg2.connect(self.address)


def test_psycopg2_has_a_cursor_of_the_server(warehouse: str) -> None:
    from airflow_provider_telecom.bulk.sources import SourceColumns, sql_rows

    wanted = SourceColumns("phone", {}).wanted
    rows = sql_rows(_Hook(warehouse), "SELECT phone FROM people ORDER BY id", wanted)
    assert next(rows) == (1, ["none"])
    rows.close()
    with pytest.raises(TelecomInputError, match="two columns named phone"):
        next(sql_rows(_Hook(warehouse), "SELECT phone, phone FROM people", wanted))


__all__ = ["s3"]  # a fixture


def test_an_audience_in_a_bucket(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = request.getfixturevalue("s3")
    connection = {
        "conn_type": "aws",
        "login": "test_key_id",
        "password": "test_secret",
        "extra": {"endpoint_url": s3.meta.endpoint_url, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    root = f"s3://aws_default@{BUCKET}/{tmp_path.name}"
    for name, text in {
        "people/a.csv": "msisdn,name\n380670000001,A\n380670000002,B\n",
        "people/b.jsonl": '{"msisdn": "380670000003", "name": "C"}\n{"msisdn": 380670000001, "name": "D"}\n',
        "stop/list.csv": "msisdn,reason\n380670000002,asked\n",
    }.items():
        s3.put_object(Bucket=BUCKET, Key=f"{tmp_path.name}/{name}", Body=text.encode())

    def prepare(**arguments: Any) -> dict[str, Any]:
        found: dict[str, Any] = Run().execute(
            PrepareAudienceOperator(
                task_id="audience",
                recipients=f"{root}/people/*",
                columns={"msisdn": "msisdn", "name": "name"},
                suppress=[f"{root}/stop/*.csv"],
                output=f"{root}/out",
                **arguments,
            )
        )
        return found

    xcom = prepare()
    assert {reason: count for reason, count in xcom["excluded"].items() if count} == {
        "duplicate": 1,
        "suppressed": 1,
    }
    with open_audience(xcom["path"], columns=["name"], sha256=xcom["sha256"]) as audience:
        assert list(audience.entries()) == [("380670000001", "A"), ("380670000003", "C")]
    file = s3.get_object(Bucket=BUCKET, Key=f"{tmp_path.name}/out/audience.parquet")["Body"].read()
    assert hashlib.sha256(file).hexdigest() == xcom["sha256"]
    assert prepare() == xcom
    with pytest.raises(TelecomInputError, match="another policy"):
        prepare(allow_prefixes=["380"])
