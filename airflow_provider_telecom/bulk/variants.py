"""Variants of a campaign (A/B tests with a holdout) and shards, by a hash of the number.

A number's variant depends on the salt, the shares and the number, not on the order of rows, the machine or
the process. Python (`Variants.of`) and DuckDB (`Variants.sql`) give the same: both compare the hexadecimal
digits of a SHA-256 with those of the limits between variants.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from airflow_provider_telecom.bulk.sql_text import plain_column, quoted_text
from airflow_provider_telecom.calls.checks import encodable, in_range, percent
from airflow_provider_telecom.calls.errors import TelecomInputError

HOLDOUT = "holdout"
"""The variant that gets no message."""
MAX_SHARDS = 1024

_SPACE = 2**256
_DIGITS = 64
_SHARD_DIGITS = 15  # 60 bits: the largest number of whole digits that a BIGINT holds
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,64}")


class Variants:
    """The variants of a campaign and their shares in percent: `Variants({"A": 90, "holdout": 10}, "spring")`.

    Another salt gives an independent assignment. The order of `shares` has no influence, and the holdout is
    the same for the same salt and share, whatever the other variants are. Raises TelecomInputError.
    """

    def __init__(self, shares: Mapping[str, int | Decimal | str], salt: str) -> None:
        self.shares = _check_shares(shares)
        if not isinstance(salt, str) or not salt.strip():
            raise TelecomInputError("salt", "must not be empty: another salt gives other variants")
        if "\0" in salt:
            raise TelecomInputError("salt", "contains a NUL character")
        self.salt = encodable("salt", salt)
        self._names = sorted(self.shares, key=lambda name: (name != HOLDOUT, name))
        total, self._limits = Fraction(0), list[str]()
        for name in self._names[:-1]:
            total += Fraction(self.shares[name])
            self._limits.append(_limit(total))

    @property
    def sent(self) -> Sequence[str]:
        """The names of the variants that somebody can get, sorted: without the holdout and shares of 0."""
        return tuple(name for name in self._names if name != HOLDOUT and self.shares[name])

    def of(self, msisdn: str) -> str:
        """Return the variant of a canonical number."""
        return self._names[bisect_right(self._limits, _sha256(f"{self._prefix}{msisdn}"))]

    def sql(self, column: str) -> str:
        """Return an expression for DuckDB with the same result for a column of canonical numbers."""
        hashed = f"sha256({quoted_text(self._prefix)} || CAST({plain_column(column)} AS VARCHAR))"
        names = ", ".join(map(quoted_text, self._names))
        # The number of limits that are not above the hash is the variant's place. DuckDB hashes once.
        passed = "".join(f" + CAST({hashed} >= {quoted_text(limit)} AS INTEGER)" for limit in self._limits)
        return f"([{names}])[1{passed}]"

    @property
    def _prefix(self) -> str:
        return f"variant:{self.salt}:"


def shard_of(msisdn: str, shards: int) -> int:
    """Return the shard of a canonical number, from 0 to `shards` - 1. It is independent of the variant."""
    return int(_sha256(f"shard:{msisdn}")[:_SHARD_DIGITS], 16) % check_shards(shards)


def shard_sql(column: str, shards: int) -> str:
    """Return an expression for DuckDB with the same result for a column of canonical numbers."""
    hashed = f"left(sha256('shard:' || CAST({plain_column(column)} AS VARCHAR)), {_SHARD_DIGITS})"
    return f"CAST(CAST('0x' || {hashed} AS BIGINT) % {check_shards(shards)} AS INTEGER)"


def check_shards(shards: int) -> int:
    """Return a number of shards. Raises TelecomInputError."""
    return in_range("shards", shards, 1, MAX_SHARDS)


def _check_shares(shares: Mapping[str, int | Decimal | str]) -> Mapping[str, Decimal]:
    if not isinstance(shares, Mapping) or not shares:
        raise TelecomInputError("variants", 'must be names with shares in percent, like {"A": 50, "B": 50}')
    checked = {_check_name(name): percent(f"variants[{name}]", share) for name, share in shares.items()}
    total = sum(map(Fraction, checked.values()), Fraction())  # exact, unlike a sum of Decimals
    if total != 100:
        rule = f"the shares add up to {float(total):.15g}; they must add up to exactly 100"
        raise TelecomInputError("variants", rule)
    if not any(share for name, share in checked.items() if name != HOLDOUT):
        raise TelecomInputError("variants", f"only {HOLDOUT} has a share, so nobody would get a message")
    return checked


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TelecomInputError("variants", "the name of a variant must be a text that is not blank")
    if name != name.strip() or not _NAME.fullmatch(name):
        rule = "a name has at most 64 characters, no control characters and no blanks at its ends"
        raise TelecomInputError("variants", rule, shown=repr(name[:64]))
    if name != HOLDOUT and re.sub(r"[\s_-]", "", name).casefold() == HOLDOUT:
        rule = f"the variant that gets no message is written {HOLDOUT}; this one would get one"
        raise TelecomInputError("variants", rule, shown=repr(name))
    return encodable("variants", name)


def _limit(total: Fraction) -> str:
    """Return the first hash that is not in the first `total` percent, as hexadecimal digits."""
    edge = -(-total * _SPACE // 100)
    return "g" if edge >= _SPACE else f"{edge:0{_DIGITS}x}"  # "g": above all hashes


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
