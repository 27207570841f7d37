"""The promos of one task, and their entries in the journal.

A promo has one text and one start. So recipients with another text, or with quiet hours in other time zones,
get a promo of their own. A task without these has one, with the entries of earlier versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import (
    may_have_started,
    start_promo,
)
from airflow_provider_telecom.operators.send_windows import WindowClosedError

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.audience import Entry as Recipient
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

_DRAFT, _PARTS = "promo", "promo_parts"
_STARTED = "mailing"
"""The name of a journal entry. Entries of earlier versions have it: do not change it."""


@dataclass(frozen=True, eq=False)
class PromoPart:
    """The recipients of one promo and their text.

    `body` is the hash of what the promo sends. `columns` is how many values of a recipient the vendor gets.
    `name` tells the promos of a task apart; it is "" if there is one.
    """

    text: str
    recipients: Audience | Group
    columns: int
    body: str
    zones: tuple[str, ...] = ()
    variant: str | None = None
    name: str = ""

    @property
    def count(self) -> int:
        """How many recipients there are."""
        return self.recipients.count

    def entries(self) -> Iterator[Recipient]:
        """Return the recipients, each with the values for the text."""
        return (entry[: 1 + self.columns] for entry in self.recipients.entries())

    def entry(self, kind: str) -> str:
        """Return the name of a journal's entry, without the task's `dedupe_key`."""
        return f"{kind}_{self.name}" if self.name else kind


def part_name(variant: str | None, zones: Sequence[str]) -> str:
    """Return the name of a promo among several."""
    return fingerprint([variant, *zones])[:16]


class PromoJournal:
    """What the journal says about the promos of a task. `entry_name` makes the full name of an entry."""

    def __init__(self, journal: Journal, entry_name: Callable[[str], str]) -> None:
        self._journal, self._entry_name = journal, entry_name

    def check(self, parts: Sequence[PromoPart]) -> None:
        """Raise TelecomInputError if an earlier try may have started other promos than these.

        Once one may have been started, its recipients, their order and the text must be the same.
        """
        names = [part.name for part in parts]
        entry = self._read(_PARTS)
        earlier: Sequence[str] = () if entry is None else entry.facts["parts"]
        others = [f"{_STARTED}_{name}" for name in earlier if name not in names]
        if len(parts) > 1:
            others.append(_STARTED)
            content = fingerprint([part.body for part in parts])
            self._journal.earlier_entry(self._entry_name("promo_content"), content)
        if any((found := self._read(name)) and found.state is State.INTENT for name in others):
            raise TelecomInputError(
                "quiet_hours",
                "an earlier try has started, or may have started, promos for other variants or groups of "
                "time zones. Nothing was sent now. Restore text, variants, quiet_hours, timezone and the "
                "recipients, or give another dedupe_key, which sends to all of them again",
            )
        for part in parts:
            self._earlier(part)

    def begin(self, parts: Sequence[PromoPart]) -> None:
        """Write which promos there are, if there are several."""
        if len(parts) > 1:
            entry = self._read(_PARTS)
            earlier = [] if entry is None else entry.facts["parts"]
            names = sorted({*earlier, *(part.name for part in parts)})
            if names != earlier:
                self._journal.write_intent(
                    self._entry_name(_PARTS), Entry(State.INTENT, fingerprint(names), {"parts": names})
                )

    def promo_id(self, part: PromoPart, build: Callable[[], str]) -> str:
        """Return the id of the complete draft: the one of an earlier try, or the one that `build` makes."""
        started = self._earlier(part)
        if started and started.state is State.INTENT:
            return str(started.facts["promo_id"])
        entry = self._read(part.entry(_DRAFT))
        if entry and entry.body == part.body:
            return str(entry.facts["promo_id"])
        promo_id = build()
        name = self._entry_name(part.entry(_DRAFT))
        self._journal.write(name, Entry(State.DONE, part.body, {"promo_id": promo_id}))
        return promo_id

    def started(self, part: PromoPart) -> str | None:
        """Return the id of the promo if this task has certainly started it, in any try."""
        entry = self._read(part.entry(_STARTED))
        if entry is None or entry.state is not State.INTENT:
            return None
        promo_id = str(entry.facts["promo_id"])
        start = self._journal.read(f"start.{promo_id}")
        return promo_id if start is not None and start.state is State.DONE else None

    def start(
        self,
        hook: KyivstarOpenTelecomHook,
        part: PromoPart,
        promo_id: str,
        now: datetime,
        window: Callable[[], AbstractContextManager[None]],
    ) -> bool:
        """Start the promo, and return whether this task started it, in any try.

        The journal first records which promo is started, in a separate entry: two tries that run at once may
        each have created a draft, and the draft's entry may be that of the other try.
        """
        from airflow_provider_telecom.bulk.outcomes import time_text

        name, earlier = self._entry_name(part.entry(_STARTED)), self._earlier(part)
        began = earlier.facts.get("started_at") if earlier and earlier.state is State.INTENT else None
        facts = {"promo_id": promo_id, "started_at": began or time_text(now)}
        self._journal.write_intent(name, Entry(State.INTENT, part.body, facts))
        try:
            return bool(start_promo(hook, self._journal, promo_id, window=window)["changed"])
        except (TelecomError, WindowClosedError):
            if not may_have_started(self._journal, promo_id):
                self._journal.write(name, Entry(State.PLANNED, part.body))
            raise

    def may_have_started(self, part: PromoPart) -> bool:
        """Return whether this task may have started the promo, in any try."""
        entry = self._read(part.entry(_STARTED))
        return entry is not None and entry.state is State.INTENT

    def started_at(self, part: PromoPart) -> str | None:
        """Return when this task has started the promo; None if a version of before has."""
        entry = self._read(part.entry(_STARTED))
        found: str | None = None if entry is None else entry.facts.get("started_at")
        return found

    def _earlier(self, part: PromoPart) -> Entry | None:
        return self._journal.earlier_entry(self._entry_name(part.entry(_STARTED)), part.body)

    def _read(self, name: str) -> Entry | None:
        return self._journal.read(self._entry_name(name))
