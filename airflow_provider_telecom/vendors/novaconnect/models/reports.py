"""The rows of the three reports. Source: "Отчёты" of the vendor's document."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from airflow_provider_telecom.vendors.novaconnect.models.answer import Answer
from airflow_provider_telecom.vendors.novaconnect.numbers import Id, OptionalDecimal, OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import from_unix


class ActionType(StrEnum):
    """What a row of the report on calls and SMS is about."""

    CALL = "call"
    INCOMING_SMS = "in_sms"
    OUTGOING_SMS = "out_sms"
    USSD = "ussd"


class ReportRow(Answer):
    """What the rows of all reports hold. `id` is the SIM's; `session_cost` is in EUR."""

    sid: int
    id: Id
    original_number: str | None = None
    iccid: str | None = None
    name: str | None = None
    session_cost: OptionalDecimal = None

    @property
    def key(self) -> tuple[int, ...]:
        """What tells this row from the others of its report."""
        return (self.sid,)


class SessionRow(ReportRow):
    """A data session. `value` is its traffic both ways, in a unit that the document does not name."""

    start: OptionalInt = None
    end: OptionalInt = None
    country_name: str | None = None
    operator_name: str | None = None
    operator_code: str | None = None
    value: OptionalInt = None

    @property
    def start_at(self) -> datetime | None:
        """When the session began."""
        return from_unix(self.start)

    @property
    def end_at(self) -> datetime | None:
        """When the session ended."""
        return from_unix(self.end)


class DayRow(ReportRow):
    """A session's traffic on one day. A session that passes midnight has a row for each day."""

    day: int
    value: OptionalInt = None

    @property
    def key(self) -> tuple[int, ...]:
        """The session and the day: `sid` alone stands on several days."""
        return (self.sid, self.day)

    @property
    def day_at(self) -> datetime | None:
        """The moment that stands for the day."""
        return from_unix(self.day)


class ActionRow(ReportRow):
    """A call, an SMS or a USSD request. `type` is an `ActionType`."""

    type: str
    date: OptionalInt = None
    to_number: str | None = None

    @property
    def date_at(self) -> datetime | None:
        """When it was sent or received."""
        return from_unix(self.date)
