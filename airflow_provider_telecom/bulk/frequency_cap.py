"""The frequency cap: nobody gets more than so many messages in a period, over all campaigns.

A message counts if it was sent or may have been (`outcomes.COUNTED`), by any channel but look-ups. It counts
once, also if it is in a file of outcomes and in the copy that is completed with receipts, and also if the
vendor has refused to send it again under the same reference (`known_before`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.history import create_history
from airflow_provider_telecom.bulk.outcomes import COUNTED
from airflow_provider_telecom.bulk.sql_text import quoted_text
from airflow_provider_telecom.calls.checks import aware_datetime, in_range
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CAPPED = "telecom_capped"

_WRITTEN = re.compile(r"([0-9]{1,6})\s*/\s*([0-9]{0,6})([hdw])", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MAX_PERIOD = timedelta(days=3660)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class FrequencyCap:
    """At most `count` messages in a `period`."""

    count: int
    period: timedelta
    text: str

    @classmethod
    def parse(cls, text: str, field: str = "frequency_cap") -> FrequencyCap:
        """Return the cap of a text like `2/7d`: hours (h), days of 24 hours (d) or weeks (w)."""
        written = _WRITTEN.fullmatch(text.strip()) if isinstance(text, str) else None
        if written is None:
            raise TelecomInputError(field, "must be messages per period, like 2/7d, 1/12h or 5/4w")
        number, unit = written.group(2) or "1", written.group(3)
        count = in_range(field, int(written.group(1)), 1, 1000)
        period = int(number) * _UNITS[unit]
        if not timedelta() < period <= _MAX_PERIOD:
            raise TelecomInputError(field, f"the period must be 1 hour to {_MAX_PERIOD.days} days")
        return cls(count, period, f"{count}/{number}{unit}")


def create_capped(
    connection: DuckDBPyConnection,
    path: str,
    folder: Path,
    cap: FrequencyCap,
    as_of: datetime,
    *,
    own_run: str | None = None,
    field: str = "history",
) -> str:
    """Create the temporary table `telecom_capped (msisdn BIGINT, detail VARCHAR)` and return its name.

    It has the numbers that have got `cap.count` messages or more since `as_of - cap.period`, that moment
    included. Messages later than `as_of` count as well: a run that is cleared later must not forget them.
    Those of the run itself do not (`own_run`: `dag_id/run_id/`), so that a run which is repeated after its
    send has the same audience. `path` is a folder of outcomes; see `create_history` for what it raises.
    """
    start = (aware_datetime("as_of", as_of) - _EPOCH - cap.period) // _MICROSECOND
    counted = ", ".join(map(quoted_text, sorted(COUNTED)))
    keep = f"channel <> 'hlr' AND state IN ({counted}) AND sent >= {start}"
    if own_run:
        keep += f" AND NOT coalesce(starts_with(run, {quoted_text(own_run)}), false)"
    create_history(connection, "telecom_history", path, folder, field=field, keep=keep)
    # A message without reference and id is known by its run and the time.
    message = (
        "CASE WHEN reference IS NOT NULL THEN ['r', reference] "
        "WHEN message_id IS NOT NULL THEN ['m', message_id] ELSE ['s', run, CAST(sent AS VARCHAR)] END"
    )
    # A user's own reference can be that of messages of several runs. The vendor may have sent each of them,
    # except for those that it knew before.
    sent = "greatest(1, count(DISTINCT run) FILTER (WHERE state <> 'known_before'))"
    period = cap.text.partition("/")[2]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {CAPPED} AS SELECT msisdn, sum(sent) || ' in {period}' AS detail FROM "
        f"(SELECT msisdn, channel, conn_id, {message} AS message, {sent} AS sent FROM telecom_history "
        f"GROUP BY ALL) GROUP BY msisdn HAVING sum(sent) >= {cap.count}"
    )
    connection.execute("DROP TABLE telecom_history")
    return CAPPED
