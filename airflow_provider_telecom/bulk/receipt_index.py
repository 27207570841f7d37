"""Receipts by message id on local disk, so that millions of them take no memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from airflow_provider_telecom.bulk.receipts import Receipt

_ROWS_AT_ONCE = 5_000
_KEYS_AT_ONCE = 500
"""SQLite limits the parameters of a statement."""
_COLUMNS = "id, state, status, at, price, currency, code, msisdn"
_TABLE = (
    "CREATE TABLE receipts (id TEXT PRIMARY KEY, state TEXT, status TEXT, at TEXT, price TEXT, "
    "currency TEXT, code TEXT, msisdn TEXT, used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
)
_INSERT = (
    f"INSERT INTO receipts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, status = excluded.status, at = excluded.at, "
    "price = coalesce(excluded.price, price), currency = coalesce(excluded.currency, currency), "
    "code = excluded.code, msisdn = excluded.msisdn "
    "WHERE (excluded.state IS NOT NULL OR receipts.state IS NULL) "
    "AND coalesce(excluded.at, '9') >= coalesce(receipts.at, '')"
)


class ReceiptIndex:
    """The receipts of one round. Of several about one message the newest final one counts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, receipts: Iterable[tuple[str, Receipt]]) -> int:
        """Add receipts by the ids of their messages; return how many."""
        count, following = 0, iter(receipts)
        while some := list(islice(following, _ROWS_AT_ONCE)):
            self._connection.execute("BEGIN")
            self._connection.executemany(_INSERT, (_row(key, receipt) for key, receipt in some))
            self._connection.execute("COMMIT")
            count += len(some)
        return count

    def find(self, keys: Sequence[str]) -> Mapping[str, Receipt]:
        """Return the receipts of some messages, by their ids."""
        found: dict[str, Receipt] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            places = ", ".join("?" * len(some))
            wanted = f"FROM receipts WHERE id IN ({places})"
            query = f"SELECT id, state, status, at, price, currency, code, msisdn {wanted}"
            found |= {row[0]: Receipt(*row[1:]) for row in self._connection.execute(query, some)}
            self._connection.execute(f"UPDATE receipts SET used = 1 WHERE id IN ({places})", some)
        return found

    @property
    def unused(self) -> int:
        """How many receipts nobody has looked for: those of other messages."""
        (count,) = self._connection.execute("SELECT count(*) FROM receipts WHERE used = 0").fetchone()
        return int(count)


@contextmanager
def open_receipt_index() -> Iterator[ReceiptIndex]:
    """Open an empty index in a private folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="telecom-receipts-") as folder:
        connection = sqlite3.connect(Path(folder) / "index", isolation_level=None)
        try:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -8000"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(_TABLE)
            yield ReceiptIndex(connection)
        finally:
            connection.close()


def _row(key: str, receipt: Receipt) -> tuple[str | None, ...]:
    price = None if receipt.price is None else str(receipt.price)
    about = (receipt.code, receipt.msisdn)
    return key, receipt.state, receipt.status, receipt.at, price, receipt.currency, *about
