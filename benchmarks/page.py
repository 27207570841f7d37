"""The time to read what the page "Telecom" shows, with a million rows in the inbox."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from measuring import ROOT, Figure, Sample, figure, in_turn, require, run

ROWS, READINGS = 1_000_000, 20
ENTRIES, LINES = 2_000, 200
_LINE = {
    "at": "2026-01-01T00:00:00+00:00",
    "vendor": "ketchup_loyalty",
    "kind": "hlr",
    "connection": "ketchup_loyalty_default",
    "verdict": "accepted",
    "state": "active",
    "about": "********0200",
    "why": None,
    "topics": ["ketchup_loyalty/hlr/ketchup_loyalty_default/34298934543"],
}
_ENTRY = {"queue_id": "q-1", "operation": "block", "process": 1, "count": 4, "failed": [], "final": False}
_RECORD = {"state": "active", "rank": 2, "final": True, "identity": ""}
_MEASURE = (
    "import json, time; from airflow_provider_telecom.webhooks.page.overview import overview\n"
    "overview(); times, cpu = [], time.process_time()\n"
    "for _ in range({count}):\n"
    "    began = time.perf_counter(); found = overview(); times.append(time.perf_counter() - began)\n"
    "cpu = (time.process_time() - cpu) / {count}\n"
    "print(json.dumps([times, cpu, len(found['operations']), len(found['webhooks']), len(found['vendors'])]))"
)


def fill(rows: int) -> None:
    """Fill the configured database: deduplication records, two weeks of log and counts, and unused queues."""
    from airflow.models.asset import AssetModel
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import insert, text

    from airflow_provider_telecom.webhooks.assets import INBOX
    from airflow_provider_telecom.webhooks.keys import DAY, ENTRY, HEAD, deduplication_key, log_page_key

    pages = rows // LINES
    now = datetime.now(UTC)
    states = {f"ketchup_loyalty/hlr/{state}": 100 for state in ("active", "absent", "failed")}
    day = {
        "verdicts": {"ketchup_loyalty": {"accepted": rows // 14}},
        "hours": {f"{hour:02}": states for hour in range(24)},
    }
    with create_session(scoped=False) as session:
        asset = AssetModel(name=INBOX.name, uri=INBOX.uri, group=INBOX.group, extra={})
        session.add(asset)
        session.flush()
        asset_id = asset.id

        def write(values: Any) -> None:
            batch: list[dict[str, Any]] = []
            for key, value in values:
                batch.append({"asset_id": asset_id, "key": key, "value": value, "updated_at": now})
                if len(batch) == 10_000:
                    session.execute(insert(AssetStateStoreModel), batch)
                    batch.clear()
            if batch:
                session.execute(insert(AssetStateStoreModel), batch)

        page, record, entry = json.dumps([_LINE] * LINES), json.dumps(_RECORD), json.dumps(_ENTRY)
        write((log_page_key(number * LINES), page) for number in range(pages))
        write([(HEAD, json.dumps({"next": pages * LINES}))])
        write((f"{DAY}{now - timedelta(days=back):%Y-%m-%d}", json.dumps(day)) for back in range(14))
        write((f"{ENTRY}novaconnect/queue/fleet/{number}", entry) for number in range(ENTRIES))
        left = rows - pages - ENTRIES - 15
        write(
            (deduplication_key("ketchup_loyalty/hlr/ketchup_loyalty_default", str(number)), record)
            for number in range(left)
        )
        session.commit()
        if session.get_bind().dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            session.execute(text("vacuum analyze asset_state_store"))


def reading(environment: dict[str, str]) -> Sample:
    """Return the median time of a reading in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(count=READINGS)],
        env=environment,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    require(done.returncode == 0, f"the page cannot be read: {done.stderr[-2000:]}")
    times, cpu, operations, webhooks, vendors = json.loads(done.stdout.strip().splitlines()[-1])
    require(operations and webhooks and vendors, "the page shows nothing")
    return {"wall": statistics.median(times), "cpu": cpu, "slowest": max(times)}


def page(database: str, quick: bool) -> list[Figure]:
    """Fill a database, and read the page."""
    from tests.system.services import running_postgres

    rows = 20_000 if quick else ROWS
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="telecom-bench-"))
        address = f"sqlite:///{home}/airflow.db"
        if database == "postgresql":
            address = stack.enter_context(running_postgres()).new_database("page")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
        }
        for command in (["-m", "airflow", "db", "migrate"], [__file__, "--fill", str(rows)]):
            done = subprocess.run(
                [sys.executable, *command], env=environment, check=False, capture_output=True, text=True
            )
            require(done.returncode == 0, done.stderr[-2000:])
        rounds = in_turn({"ours": partial(reading, environment)})
    title = f"The page, {rows:,} rows in {database}"
    return [
        figure(
            f"page.{database}",
            title,
            "ms",
            rounds,
            of="wall",
            scale=1e3,
            limit=20,
            limit_of="ours",
            rows=rows,
        )
    ]


CASES = {database: partial(page, database) for database in ("sqlite", "postgresql")}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--fill"]:
        fill(int(sys.argv[2]))
    else:
        run(CASES, __doc__)
