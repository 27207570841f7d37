"""The time to read what the page "Telecom" shows, with a million rows in the inbox, on each database.

Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

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


def measured(count: int, environment: dict[str, str]) -> dict[str, Any]:
    """Return the times of `count` readings in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.format(count=count)],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    times, cpu, operations, webhooks, vendors = json.loads(done.stdout.strip().splitlines()[-1])
    times = sorted(1000 * one for one in times)
    return {
        "median_ms": round(statistics.median(times), 1),
        "fastest_ms": round(times[0], 1),
        "cpu_ms": round(1000 * cpu, 1),
        "slowest_ms": round(times[-1], 1),
        "shown": [operations, webhooks, vendors],
    }


def main() -> None:
    """Print the figures."""
    from tests.system.services import running_postgres

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--only", choices=("sqlite", "postgresql"))
    arguments.add_argument("--fill", action="store_true", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.fill:
        fill(chosen.rows)
        return
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="telecom-bench-"))
        addresses = {"sqlite": f"sqlite:///{home}/airflow.db"}
        if chosen.only != "sqlite":
            addresses["postgresql"] = stack.enter_context(running_postgres()).new_database("page")
        for database, address in addresses.items():
            if chosen.only not in (None, database):
                continue
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
                "PYTHONPATH": str(ROOT),
                "AIRFLOW_HOME": home,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address,
            }
            fill_it = [__file__, "--fill", "--rows", str(chosen.rows)]
            for command in (["-m", "airflow", "db", "migrate"], fill_it):
                subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True)
            what = {"bench": "page", "database": database, "rows": chosen.rows}
            print(json.dumps({**what, **measured(50, environment)}), flush=True)


if __name__ == "__main__":
    main()
