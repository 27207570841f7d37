"""Text of SQL statements for DuckDB: names and values that can't be passed as parameters."""

from __future__ import annotations

import re

_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


def plain_column(name: str) -> str:
    """Return the name of a column of our own tables, `msisdn` or `a.msisdn`. Raises ValueError for others."""
    if not _COLUMN.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain name of a column")
    return name


def quoted_name(name: str) -> str:
    """Return any name of a table or column in double quotes, as users and files give it."""
    if "\0" in name:
        raise ValueError("a name has a NUL character")
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def parquet_rows(path: str) -> str:
    """Return the table of a Parquet file, or of a list of them, that is given as SQL.

    The names of its folders are no columns: DuckDB would take `msisdn=1/people.parquet` for one.
    """
    return f"read_parquet({path}, hive_partitioning = false)"


def quoted_text(text: str) -> str:
    """Return a text as a literal in single quotes."""
    if "\0" in text:
        raise ValueError("a text has a NUL character")
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
