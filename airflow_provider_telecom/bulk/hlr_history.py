"""Numbers that earlier HLR look-ups have found inactive, from their files of outcomes.

The latest result of a number decides, if it is not older than `max_age`. A number without a result stays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.history import create_history
from airflow_provider_telecom.calls.checks import aware_datetime, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HLR_INACTIVE = "telecom_hlr_inactive"
KEEP, DROP = "keep", "drop"
"""What `hlr_unknown` may be: what becomes of numbers whose latest result is `unknown`."""

_ACTIVE, _UNKNOWN = "active", "unknown"
_INACTIVE = ("absent", "failed")
"""ASSUMPTION: the vendor's document names these states of a look-up without saying what they mean."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def create_hlr_inactive(
    connection: DuckDBPyConnection,
    path: str,
    folder: Path,
    as_of: datetime,
    max_age: timedelta | None = None,
    unknown: str = KEEP,
    *,
    people: str | None = None,
    field: str = "hlr",
) -> str:
    """Create the temporary table `telecom_hlr_inactive (msisdn BIGINT, detail VARCHAR)` and return its name.

    It has the numbers whose latest result is `absent` or `failed`, and with `unknown="drop"` those with
    `unknown`, and all numbers of the table or view `people` without a result. A result counts if it is
    not older than `max_age` at `as_of` (None: of any age); later ones count as well. Of results of the
    same moment, `active` counts before the others. Look-ups without a result (`sent`, no status) don't
    count, nor does the rest of a folder that holds the outcomes of messages too.
    Raises TelecomInputError; see `create_history`.
    """
    one_of("hlr_unknown", unknown, (KEEP, DROP))
    keep = "channel = 'hlr' AND lower(trim(status)) IN ('active', 'unknown', 'absent', 'failed')"
    keep += " AND coalesce(final, sent) IS NOT NULL"
    if max_age is not None:
        if not isinstance(max_age, timedelta) or max_age <= timedelta():
            raise TelecomInputError("hlr_max_age", "must be a timedelta of more than 0")
        start = (aware_datetime("as_of", as_of) - _EPOCH - max_age) // _MICROSECOND
        keep += f" AND coalesce(final, sent) >= {start}"
    create_history(connection, "telecom_lookups", path, folder, field=field, keep=keep)
    inactive = ", ".join(f"'{status}'" for status in (*_INACTIVE, *((_UNKNOWN,) if unknown == DROP else ())))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {HLR_INACTIVE} AS SELECT msisdn, latest[3] AS detail FROM ("
        "SELECT msisdn, max([lpad(CAST(coalesce(final, sent) AS VARCHAR), 20, '0'), "
        f"CASE lower(trim(status)) WHEN '{_ACTIVE}' THEN '1' ELSE '0' END, lower(trim(status))]) AS latest "
        f"FROM telecom_lookups GROUP BY msisdn) WHERE latest[3] IN ({inactive})"
    )
    if people is not None and unknown == DROP:
        connection.execute(
            f"INSERT INTO {HLR_INACTIVE} SELECT DISTINCT msisdn, 'no result' FROM {people} "
            "ANTI JOIN telecom_lookups USING (msisdn)"
        )
    connection.execute("DROP TABLE telecom_lookups")
    return HLR_INACTIVE
