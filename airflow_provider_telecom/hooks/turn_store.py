"""The stores of `[telecom] rate_limit_url`: Redis or PostgreSQL gives turns to all workers (`calls.turns`).

Both use the clock of their server, so the clocks of workers do not matter. A call blocks for one round trip,
at most for a few seconds. Errors show neither the URL nor the libraries' texts, which may hold the password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow_provider_telecom.calls.endpoint import TakeTurn, Turn
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRateLimitStoreError
from airflow_provider_telecom.calls.limits import parse_rate_limit
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.turns import MAX_LATENESS, MICROSECONDS, Schedule, take_turn
from airflow_provider_telecom.transport.wire import TurnStore

FIELD = "[telecom] rate_limit_url"
_SECONDS = 5
"""How long to wait for a connection, and for an answer."""


def turn_store(rate_limit: str | None) -> TurnStore | None:
    """Return the store for a connection's `rate_limit`, or None if nothing is shared.

    Raises TelecomInputError for a URL that is not valid, a library that is not installed, and a rate that the
    store cannot keep.
    """
    from airflow.sdk.configuration import conf

    url = str(conf.get("telecom", "rate_limit_url", fallback="") or "").strip()
    if not url or rate_limit is None:
        return None
    store = _STORES.get(_scheme(url))
    if store is None:
        raise TelecomInputError(FIELD, "must begin with redis://, rediss:// or postgresql://")
    if find_spec(store.library) is None:
        raise TelecomInputError(
            FIELD, f"needs the library {store.library}: pip install 'airflow-provider-telecom[ratelimit]'"
        )
    if 1 / parse_rate_limit(rate_limit) > store.max_rate:
        raise TelecomInputError(
            "extra.rate_limit",
            f"must be at most {store.max_rate}/s with {store.name} in {FIELD}: each request takes a turn",
        )
    return store(Secret(url))


def _scheme(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise TelecomInputError(FIELD, "is not a valid URL") from None
    return parts.scheme.partition("+")[0]


@contextmanager
def _named_errors(store: str, kinds: tuple[type[Exception], ...]) -> Iterator[None]:
    """Raise errors of a library as TelecomRateLimitStoreError, without their texts."""
    try:
        yield
    except kinds as error:
        raise TelecomRateLimitStoreError(
            f"not sent: {store}, which keeps the rate limit, cannot be used ({type(error).__name__})"
        ) from None


# The same as `calls.turns.take_turn`. Redis runs a script as a whole, and its numbers are exact up to 2^53.
_SCRIPT = f"""
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. '/'
local time = redis.call('TIME')
local now = time[1] * {MICROSECONDS} + time[2]
local spacing, max_wait, reserve, held_at, held_era = ARGV[1] + 0, ARGV[2] + 0, ARGV[3], ARGV[4] + 0, ARGV[5]
local stored = redis.call('HMGET', KEYS[1], 'next_turn', 'seen', 'era')
local next_turn, seen, era = stored[1], stored[2], stored[3]
local function save()
    redis.call('HSET', KEYS[1], 'next_turn', string.format('%.0f', next_turn),
        'seen', string.format('%.0f', now), 'era', era)
end
if not (next_turn and seen and era) or string.sub(era, 1, #server) ~= server or now < seen + 0 then
    next_turn, era = now + spacing, server .. string.format('%.0f', now)
end
if held_era == era and now - held_at <= {MAX_LATENESS} then
    save()
    return {{math.max(0, held_at - now), held_at, era}}
end
local at = math.max(next_turn + 0, now)
if reserve == '0' or at - now > max_wait then
    save()
    return {{at - now, 0, ''}}
end
next_turn = at + spacing
save()
return {{at - now, at, era}}
"""


class RedisTurns:
    """Turns in Redis: one hash per account, `telecom:turns:<account>`, which never expires."""

    name: ClassVar[str] = "Redis"
    library: ClassVar[str] = "redis"
    max_rate: ClassVar[int] = 1000

    def __init__(self, url: Secret) -> None:
        from redis import Redis, RedisError

        self._errors = (RedisError, OSError, ValueError)
        with _named_errors(self.name, self._errors):
            self._client: Any = Redis.from_url(
                url.reveal(),
                socket_connect_timeout=_SECONDS,
                socket_timeout=_SECONDS,
                retry=None,  # none: `calls.retry` decides
                decode_responses=True,
            )
        self._script = self._client.register_script(_SCRIPT)

    def take(self, step: TakeTurn, /) -> Turn:
        """Return the account's next turn."""
        held = step.held or Turn(0.0)
        arguments: list[Any] = [
            round(step.spacing * MICROSECONDS),
            round(step.max_wait * MICROSECONDS),
            int(step.reserve),
            held.at,
            held.era,
        ]
        with _named_errors(self.name, self._errors):
            wait, at, era = self._script([f"telecom:turns:{step.account}"], arguments)
        return Turn(wait / MICROSECONDS, at, era)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


_TABLE = """
CREATE TABLE IF NOT EXISTS telecom_turns (
    account text PRIMARY KEY, next_turn bigint NOT NULL, seen bigint NOT NULL, era text NOT NULL
)
"""
_NEW_ROW = "INSERT INTO telecom_turns VALUES (%s, 0, 0, '') ON CONFLICT DO NOTHING"
# The time is read outside of the inner query, that is, after the row is locked. A worker that stops in the
# middle of its transaction must not keep the row.
_LOCK = """
SET LOCAL statement_timeout = '5s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
SELECT next_turn, seen, era, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text
FROM (SELECT * FROM telecom_turns WHERE account = %s FOR UPDATE) AS turns
"""
_SAVE = "UPDATE telecom_turns SET next_turn = %s, seen = %s, era = %s WHERE account = %s"


class PostgresTurns:
    """Turns in PostgreSQL: one row per account in the table `telecom_turns`, which is made if missing."""

    name: ClassVar[str] = "PostgreSQL"
    library: ClassVar[str] = "psycopg2"
    max_rate: ClassVar[int] = 100

    def __init__(self, url: Secret) -> None:
        import psycopg2

        self._library: Any = psycopg2
        self._url = Secret(re.sub(r"^postgresql\+\w+:", "postgresql:", url.reveal()))
        self._idle: list[Any] = []

    def take(self, step: TakeTurn, /) -> Turn:
        """Return the account's next turn."""
        with _named_errors(self.name, (self._library.Error, OSError, ValueError)):
            connection = self._connect()
            try:
                turn = self._take(connection, step)
            except BaseException:
                connection.close()
                self.close()  # the server may have restarted
                raise
            self._idle.append(connection)
            return turn

    def _connect(self) -> Any:
        with suppress(IndexError):
            return self._idle.pop()
        connection = self._library.connect(
            self._url.reveal(),
            connect_timeout=_SECONDS,
            tcp_user_timeout=_SECONDS * 1000,
            application_name="airflow-provider-telecom",
        )
        connection.set_session(isolation_level="READ COMMITTED")
        return connection

    def _take(self, connection: Any, step: TakeTurn) -> Turn:
        errors = self._library.errors
        try:
            return self._in_transaction(connection, step)
        except errors.UndefinedTable:
            # Another process may make the table at the same time.
            with suppress(errors.UniqueViolation, errors.DuplicateTable), connection as transaction:
                transaction.cursor().execute(_TABLE)
            return self._in_transaction(connection, step)

    @staticmethod
    def _in_transaction(connection: Any, step: TakeTurn) -> Turn:
        with connection, connection.cursor() as cursor:
            cursor.execute(_LOCK, [step.account])
            if (row := cursor.fetchone()) is None:
                cursor.execute(_NEW_ROW, [step.account])
                cursor.execute(_LOCK, [step.account])
                row = cursor.fetchone()
            next_turn, seen, era, now, server = row
            schedule, turn = take_turn(Schedule(next_turn, seen, era), step, now, server)
            cursor.execute(_SAVE, [*schedule, step.account])
            return turn

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()


_STORES: dict[str, type[RedisTurns | PostgresTurns]] = {
    "redis": RedisTurns,
    "rediss": RedisTurns,
    "postgresql": PostgresTurns,
}
