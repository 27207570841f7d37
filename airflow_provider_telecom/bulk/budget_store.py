"""What tasks have reserved and spent, kept in Airflow's Variables, which all workers share.

Airflow's Execution API has no compare-and-set, but it lists the keys of Variables by prefix. So an amount is
part of a key, and a key is written once and never changed: a task writes what it wants to spend, then lists
what all tasks want to spend, and takes its own back if that is too much. Of two tasks that do this at once
at least one reads the other's, so both may be refused, but never do both pass. See docs/decisions/0009, and
`journal/claims.py` for the keys.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from secrets import token_hex

from airflow_provider_telecom.bulk.budget import Budget, shown
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.journal.claims import PREFIX, Claim, key_head
from airflow_provider_telecom.journal.claims import read_claim as read_claim
from airflow_provider_telecom.journal.claims import valid_claims as valid_claims
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State

log = logging.getLogger(__name__)

KEPT_DAYS = 90
_DESCRIPTION = "Kept by airflow-provider-telecom; whoever deletes it allows tasks to spend more."
_MAX_ROUNDS = 8
_PAUSE = 0.2
_MAX_DELETED = 50
_LONG_NUMBER = re.compile(r"\d{9,}")


@dataclass(frozen=True)
class _Record:
    """A reservation as the task's own journal knows it."""

    id: str
    at: int
    amount: str
    purpose: str
    """The hash of the `dedupe_key`: with another one a task sends once more."""
    is_confirmed: bool = False


class Reservation:
    """What one task has reserved of a budget, in all its tries.

    `purpose` is the `dedupe_key`; `run` names the task in the table of `airflow telecom budget`. Every method
    raises TelecomNotSentError if Airflow does not answer, or if another try of the task has taken over.
    """

    def __init__(
        self,
        budget: Budget,
        journal: Journal,
        run: str,
        purpose: str = "",
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.budget, self._journal, self._clock, self._pause = budget, journal, clock, pause
        self._purpose, self._task = fingerprint(purpose)[:16], fingerprint(run)[:8]
        caps = {"per_task": budget.task_cap, "per_day": budget.day_cap}
        facts = {name: None if cap is None else shown(cap) for name, cap in caps.items()}
        self._terms = {"timezone": budget.timezone, **facts}
        run = _LONG_NUMBER.sub("***", run)  # a run's id may hold a phone number
        self._value = json.dumps({"run": run, **self._terms})
        self._entry_name = f"budget.{fingerprint([budget.name, budget.currency])[:16]}"
        entry = journal.read(self._entry_name)
        facts_read: Mapping[str, object] = entry.facts if entry else {}
        self._try = int(str(facts_read.get("try", 0)))
        stored: Sequence[Mapping[str, object]] = facts_read.get("records", [])  # type: ignore[assignment]
        self._records = [_Record(**record) for record in stored]  # type: ignore[arg-type]
        opened: Mapping[str, str] = facts_read.get("doubt", {})  # type: ignore[assignment]
        self._doubt = dict(opened)
        """By purpose, if settled: what of the amount is for messages that the next try may send."""
        self._number = 0

    @property
    def held(self) -> Decimal:
        """What this task has reserved or spent for this purpose."""
        return sum((Decimal(record.amount) for record in self._mine if record.is_confirmed), Decimal(0))

    @property
    def is_open(self) -> bool:
        """Whether the reservation still has to be settled."""
        return bool(self._mine) and self._purpose not in self._doubt

    def reserve(self, spent: Decimal, rest: Decimal, is_complete: bool = True) -> None:
        """Reserve what the messages cost that are still to be sent.

        `spent` is what earlier tries were charged, `rest` the vendor's price for the others, and
        `is_complete=False` says that `spent` lacks the price of some messages: what was reserved for these is
        kept. Raises TelecomInputError if a cap does not allow it.
        """
        held = self.held
        if not self.is_open:
            need = max(spent, held - Decimal(self._doubt.get(self._purpose, "0"))) + rest
        else:
            need = spent + rest if is_complete else max(spent + rest, held)
        others = sum(Decimal(each.amount) for each in self._records if each.purpose != self._purpose)
        cap = self.budget.task_cap
        if cap is not None and others + need > cap:
            raise self._refused("per_task", cap, cap - others - (need - rest), rest)
        dropped = [record for record in self._mine if not record.is_confirmed]
        extra = max(need - held, Decimal(0))
        asked = None
        if extra:
            asked = _Record(token_hex(6), int(self._clock()), str(extra), self._purpose)
            self._records.append(asked)
        self._doubt.pop(self._purpose, None)
        self._try += 1
        self._save()
        for record in dropped:
            self._write(record, "s", Decimal(0))
        if dropped:  # they are forgotten only now: what could not be taken back is left to the next try
            self._records = [record for record in self._records if record not in dropped]
            self._save()
        for record in self._mine:
            if record.is_confirmed:  # a late write of an earlier try must not make it less
                self._write(record, "c", Decimal(record.amount))
        if asked is not None:
            self._ask(asked)

    def settle(self, spent: Decimal, doubt: Decimal = Decimal(0)) -> None:
        """Replace what was reserved by what was spent.

        `doubt` is what of it is for messages of unknown outcome that a later try sends again.
        """
        if not self._number:
            self._try += 1
        rest, mine = spent, self._mine
        if spent and not mine:  # the vendor's price was 0, so nothing was reserved
            mine = [_Record(token_hex(6), int(self._clock()), "0", self._purpose)]
        settled = []
        for place, record in enumerate(mine):
            is_last = place == len(mine) - 1
            part = rest if is_last else min(rest, Decimal(record.amount))
            rest -= part
            settled.append(replace(record, amount=str(part), is_confirmed=True))
        if spent > self.held:
            log.warning(
                "budget %s: the vendor has charged %s %s, more than its own price, %s",
                *(self.budget.name, shown(spent), self.budget.currency, shown(self.held)),
            )
        others = [record for record in self._records if record.purpose != self._purpose]
        self._records, self._doubt[self._purpose] = [*others, *settled], str(doubt)
        self._save()
        for record in settled:
            self._write(record, "s", Decimal(record.amount))

    def table(self) -> str:
        """Return what was spent of the budget today, for the task's log."""
        day = self.budget.day_of(self._clock())
        claims = claims_of(self.budget, day)
        open_ = sum((each.amount for each in claims if each.state != "s"), Decimal(0))
        total = sum((each.amount for each in claims), Decimal(0))
        lines = [
            ("spent by this task", self.held),
            ("spent by all tasks", total - open_),
            ("reserved", open_),
        ]
        if (cap := self.budget.day_cap) is not None:
            lines += [("left", cap - total), ("cap of the day", cap)]
        if (cap := self.budget.task_cap) is not None:
            lines.append(("cap of this task", cap))
        title = f"budget {self.budget.name}, {day} ({self.budget.timezone}), {self.budget.currency}"
        return "\n".join([title, *(f"  {label:<20}{shown(value):>16}" for label, value in lines)])

    def forget_old(self) -> None:
        """Delete some of the Variables of the month that is older than `KEPT_DAYS`."""
        from airflow.sdk import Variable

        old = datetime.fromtimestamp(self._clock(), UTC).date() - timedelta(days=KEPT_DAYS + 31)
        head = f"{PREFIX}{self.budget.name}.{self.budget.currency}.{old:%Y-%m}-"
        with _StoreErrors():
            for key in list(Variable.keys(prefix=head))[:_MAX_DELETED]:
                if key.startswith(head):
                    Variable.delete(key)

    @property
    def _mine(self) -> Sequence[_Record]:
        return [record for record in self._records if record.purpose == self._purpose]

    def _ask(self, record: _Record) -> None:
        """Claim an amount and check the cap of the day. Raises TelecomInputError, and claims nothing then.

        If it is refused only because others ask at the same moment, it asks again a little later.
        """
        budget, extra = self.budget, Decimal(record.amount)
        cap, day = budget.day_cap, budget.day_of(record.at)
        for round_ in range(_MAX_ROUNDS):
            self._write(record, "a", extra)
            claims = claims_of(budget, day)
            if not any(each.reservation == record.id and each.amount == extra for each in claims):
                raise TelecomNotSentError("not sent: what was reserved of the budget cannot be read back")
            total = sum((each.amount for each in claims), Decimal(0))
            if cap is None or total <= cap:
                self._confirm(record)
                return
            self._write(record, "s", Decimal(0))
            asking = [each for each in claims if each.state == "a"]
            firm = total - sum((each.amount for each in asking), Decimal(0))
            if firm + extra > cap or round_ == _MAX_ROUNDS - 1:
                self._records = [each for each in self._records if each.id != record.id]
                self._save()
                when = f" on {day} ({self.budget.timezone})"
                raise self._refused("per_day", cap, cap - (total - extra), extra, when)
            # one after the other: the order does not matter, only that they do not meet again
            place = sorted(each.reservation for each in asking).index(record.id)
            self._pause(_PAUSE * (place + random.random()))

    def _confirm(self, record: _Record) -> None:
        confirmed = replace(record, is_confirmed=True)
        self._records = [confirmed if each.id == record.id else each for each in self._records]
        self._save()
        self._write(confirmed, "c", Decimal(record.amount))

    def _refused(
        self, field: str, cap: Decimal, left: Decimal, rest: Decimal, when: str = ""
    ) -> TelecomInputError:
        budget, currency = self.budget, self.budget.currency
        return TelecomInputError(
            "budget",
            f"{budget.name} has {shown(max(left, Decimal(0)))} {currency} left of {field} "
            f"{shown(cap)} {currency}{when}, and this needs {shown(rest)} {currency}; nothing was sent now. "
            "Amounts that other tasks have reserved count as spent until they are settled",
        )

    def _save(self) -> None:
        """Write the task's own journal. Raises TelecomNotSentError if another try has taken over."""
        facts = {
            "try": self._try,
            "records": [asdict(record) for record in self._records],
            "doubt": self._doubt,
            "currency": self.budget.currency,
            **self._terms,
        }
        with _StoreErrors():
            self._journal.write_intent(self._entry_name, Entry(State.INTENT, self.budget.name, facts))

    def _write(self, record: _Record, state: str, value: Decimal) -> None:
        """Write what a reservation is now. The number grows with each try, and within it."""
        from airflow.sdk import Variable

        self._number += 1
        number = self._try * 10_000 + self._number
        budget = self.budget
        claim = Claim(*(budget.name, budget.currency, record.at, self._task, record.id, number, state, value))
        with _StoreErrors():
            Variable.set(claim.key, self._value, description=_DESCRIPTION)


def claims_of(budget: Budget, day: date) -> list[Claim]:
    """Return the claims of all tasks for a day of a budget. Raises TelecomNotSentError."""
    from airflow.sdk import Variable

    keys: list[str] = []
    with _StoreErrors():
        for utc_date in budget.utc_dates(day):
            head = key_head(budget.name, budget.currency, utc_date)
            keys += [key for key in Variable.keys(prefix=head) if key.startswith(head)]
    return [claim for claim in valid_claims(keys) if budget.day_of(claim.at) == day]


def budget_facts(budget: Budget, at: float) -> dict[str, str | None]:
    """Return a budget's caps and what all tasks have left of it on the day of an instant.

    `left` is None without a cap of the day. What is reserved counts as spent. Raises TelecomNotSentError.
    """
    day, cap = budget.day_of(at), budget.day_cap
    left = None
    if cap is not None:
        taken = sum((claim.amount for claim in claims_of(budget, day)), Decimal(0))
        left = shown(max(cap - taken, Decimal(0)))
    caps = {"per_day": cap, "per_task": budget.task_cap}
    facts = {name: None if value is None else shown(value) for name, value in caps.items()}
    about = {"name": budget.name, "currency": budget.currency, "timezone": budget.timezone}
    return {**about, "day": day.isoformat(), "left": left, **facts}


def settle_and_log(reservation: Reservation, spent: Decimal, doubt: Decimal = Decimal(0)) -> None:
    """Settle after a send, and log what is left. An error is only logged: what was sent was sent."""
    try:
        reservation.settle(spent, doubt)
        log.info(reservation.table())
        reservation.forget_old()
    except TelecomNotSentError as error:
        log.warning("The budget could not be settled: what was reserved counts as spent (%s)", error)


class _StoreErrors:
    """Turns the errors of Airflow's API into TelecomNotSentError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        from airflow.sdk.exceptions import AirflowRuntimeError

        if isinstance(error, (AirflowRuntimeError, ImportError, OSError)):
            raise TelecomNotSentError(
                "not sent: Airflow's Variables or state store, which hold what was spent of the budget, "
                f"cannot be read or written ({type(error).__name__})"
            ) from None
