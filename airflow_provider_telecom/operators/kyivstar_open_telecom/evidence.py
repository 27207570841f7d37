"""The answers about one subscriber, kept in the journal so that a later try does not pay for them again.

Each question has an entry: its name is a hash of the check, the number, the connection and its server (live,
mock, sandbox). The entry is written before the request, as a lost answer, and again when the answer is there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.outcomes import time_text
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.kyivstar_open_telecom.answers import (
    MAX_ATTEMPTS,
    Outcome,
    lost_answer,
    request_check,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import SubscriberCheck

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evidence:
    """What became of a question, and when the vendor was asked.

    `lost` is how many of its requests in this run have lost their answers; each may be billed.
    """

    outcome: Outcome
    asked_at: datetime
    lost: int

    def is_younger_than(self, age: timedelta) -> bool:
        """Whether it is younger. A time in the future, by another worker's clock, counts as well."""
        return abs(datetime.now(UTC) - self.asked_at) < age

    def to_facts(self) -> dict[str, Any]:
        """Return it as JSON, for the journal."""
        return {"outcome": asdict(self.outcome), "asked_at": time_text(self.asked_at), "lost": self.lost}

    def to_dict(self, check: SubscriberCheck) -> dict[str, Any]:
        """Return it as JSON for an XCom or a file: no number."""
        outcome = self.outcome
        known = {"check": check.label, "question": check.question, "answer": outcome.answer}
        more = {"reason": outcome.reason, "code": outcome.code, "state": outcome.state}
        return {**known, **more, "asked_at": time_text(self.asked_at), "facts": dict(outcome.facts)}


class EvidenceJournal:
    """Answers questions about one number, from the journal or from the vendor."""

    def __init__(
        self,
        journal: Journal,
        hook: KyivstarOpenTelecomHook,
        msisdn: str,
        *,
        max_age: timedelta,
        repeats_lost: bool,
        dedupe_key: str,
    ) -> None:
        self._journal, self._hook, self._msisdn = journal, hook, msisdn
        self._max_age, self._dedupe_key = max_age, dedupe_key
        self._max_attempts = MAX_ATTEMPTS if repeats_lost else 1
        hook.repeats_lost_checks = False  # a repetition is written to the journal first
        self.requests = 0
        """How many requests this try has made."""

    def answer(self, check: SubscriberCheck, values: Sequence[Any]) -> Evidence:
        """Return the answer to a check, and ask the vendor only if there is none that is young enough.

        A check whose answer is lost is requested twice at most; then its answer is unknown. Raises the errors
        after which it is certainly not billed, and what other requests raise.
        """
        server = self._hook.options.prefix  # answers of the mock server mean nothing on the live one
        asked = {"conn_id": self._hook.conn_id, "server": server, "dedupe_key": self._dedupe_key}
        question = {**check.to_dict(), **asked}
        body = fingerprint([question, self._msisdn, *map(str, values)])
        name = f"check.{body[:16]}"
        found, attempt = self._read(name), 0
        lost = 0 if found is None else found.lost
        if found is not None and found.is_younger_than(self._max_age):
            attempt = found.outcome.attempt
            if self._is_settled(found):
                return found
        while True:  # an answer to this try's own request counts, however long the vendor took for it
            found = self._request(check, values, body, name, attempt + 1, lost)
            if self._is_settled(found):
                return found
            attempt, lost = found.outcome.attempt, found.lost

    def _read(self, name: str) -> Evidence | None:
        entry = self._journal.read(name)
        return None if entry is None or not entry.facts else _evidence(entry.facts)

    def _is_settled(self, found: Evidence) -> bool:
        return found.outcome.state != "unknown" or found.outcome.attempt >= self._max_attempts

    def _request(
        self,
        check: SubscriberCheck,
        values: Sequence[Any],
        body: str,
        name: str,
        attempt: int,
        lost: int,
    ) -> Evidence:
        """Make one request between two entries of the journal."""
        if attempt > 1:
            log.warning("The answer to %s is lost, and may be billed; it is requested once more", check.label)
        self._hook.wait_until_ready()
        before = self._journal.read(name)
        asked_at = datetime.now(UTC)
        in_doubt = Evidence(lost_answer(attempt), asked_at, lost + 1)
        self._journal.write_intent(name, Entry(State.INTENT, body, in_doubt.to_facts()))
        self.requests += 1
        try:
            outcome = request_check(check, self._hook, attempt, self._msisdn, *values)
        except TelecomError as error:
            if not error.outcome_unknown:  # not billed: as if it had not been requested
                self._journal.write(name, before or Entry(State.PLANNED, body))
            raise
        is_lost = outcome.state == "unknown"
        found = in_doubt if is_lost else Evidence(outcome, asked_at, lost)
        state = State.UNKNOWN if is_lost else State.DONE
        self._journal.write(name, Entry(state, body, found.to_facts()))
        return found


def _evidence(facts: Mapping[str, Any]) -> Evidence:
    asked_at = datetime.fromisoformat(facts["asked_at"])
    return Evidence(Outcome(**facts["outcome"]), asked_at, facts["lost"])
