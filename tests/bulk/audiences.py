"""Audience folders for tests of what sends from them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from airflow_provider_telecom.bulk.audience_folder import (
    AUDIENCE_FILE,
    MSISDN,
    RESERVED,
    SHARD,
    TIMEZONE,
    VARIANT,
    AudienceInfo,
    write_info,
)


def prepare_audience(
    folder: Path, rows: Sequence[Mapping[str, Any]], row_group_size: int | None = None
) -> dict[str, Any]:
    """Write an audience as it is; return what `PrepareAudienceOperator` would."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / AUDIENCE_FILE
    names = list(dict.fromkeys([*rows[0], TIMEZONE]))
    columns = {name: [row.get(name, "Europe/Kyiv") for row in rows] for name in names}
    table = pyarrow.table({
        name: pyarrow.array(values, pyarrow.int32() if name == SHARD else pyarrow.string())
        for name, values in columns.items()
    })
    pyarrow.parquet.write_table(table, file, row_group_size=row_group_size)
    info = AudienceInfo(
        rows=len(rows),
        recipients=len(rows),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        variants=dict(sorted(Counter(row[VARIANT] for row in rows if VARIANT in row).items())),
        timezones=dict(Counter(columns[TIMEZONE])),
        shards=1 + max(row.get(SHARD, 0) for row in rows),
        columns=[name for name in rows[0] if name not in RESERVED],
    )
    write_info(str(folder), info)
    assert MSISDN in names
    return {
        "path": str(folder),
        "sha256": info.sha256,
        "recipients": info.recipients,
        "rows": info.rows,
        "excluded": {},
        "variants": info.variants,
        "timezones": info.timezones,
        "shards": info.shards,
        "columns": info.columns,
    }
