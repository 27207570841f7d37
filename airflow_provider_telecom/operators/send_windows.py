"""Quiet hours of sending operators: who may be written to now, and waiting until the next window opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypedDict, TypeVar

from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import check_if_literal

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience, Entry, Group
    from airflow_provider_telecom.bulk.quiet_hours import QuietHours
    from airflow_provider_telecom.hooks.base import AnyHook

MARGIN = timedelta(seconds=60)
"""The last request before a window closes begins at least so long before: as long as a call takes."""
_MAX_SLEEP = 60.0
_MAX_SHOWN = 3


class Zoned(Protocol):
    """Recipients with the same time zones."""

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of the time zones."""


ZonedT = TypeVar("ZonedT", bound=Zoned)


class SendWindowArguments(TypedDict, total=False):
    """The parameters of `SendWindowOperator`."""

    quiet_hours: tuple[str, str] | str | None
    timezone: str | None
    timezone_column: str | None


class WindowClosedError(Exception):
    """Nothing more may be sent to these recipients now. The operator catches it and waits."""

    not_sent: ClassVar[bool] = True
    """It is raised before a request, or after one that was certainly not sent."""


class SendWindow(NamedTuple):
    """When recipients of the same time zones may be written to. `now` returns the time.

    The last request begins at least `margin` before the window closes.
    """

    quiet_hours: QuietHours
    zones: Sequence[str]
    now: Callable[[], datetime]
    margin: timedelta = MARGIN

    @property
    def opens_at(self) -> datetime:
        """The first instant from now on at which there is time for a call. Raises TelecomInputError."""
        return self.quiet_hours.opens_at(self.zones, self.now(), self.margin)

    @property
    def is_open(self) -> bool:
        """Whether there is time for a call now."""
        return self.closes_at - self.now() > self.margin

    @contextmanager
    def call(self, hook: AnyHook) -> Iterator[None]:
        """Make a call in this context: no request of it leaves after the window has closed.

        Raises WindowClosedError if there is no time for it, and if it had to wait until there was none.
        """
        with hook.calls_end_in(self.seconds_left()):
            try:
                yield
            except TelecomNotSentError as error:
                if not error.partial:
                    self.seconds_left()
                raise

    @property
    def closes_at(self) -> datetime:
        """The first instant from now on at which it is closed."""
        return self.quiet_hours.closes_at(self.zones, self.now())

    def seconds_left(self) -> float:
        """Return how long it stays open. Raises WindowClosedError if there is no time for another call."""
        left = self.closes_at - self.now()
        if left <= self.margin:
            raise WindowClosedError
        return left.total_seconds()


class SendWindowOperator(TelecomOperator):
    """A task that sends only while the windows of its recipients are open, and waits in between.

    :param quiet_hours: local times of the recipients during which nothing is sent, such as
        `("21:00", "09:00")`. The task sends to those whose window is open, and waits for the others: with
        `deferrable` without a worker slot.
    :param timezone: with `quiet_hours`: the IANA time zone of recipients whose number does not say it.
        Without a column of time zones, +380 is Kyiv, for example; a number of a country with several zones
        has them all, and the window must be open in each.
    :param timezone_column: with `quiet_hours`: the column of the recipients' IANA time zones, of a list or a
        file. A recipient without one has that of the number. An audience folder has its own column.
    """

    template_fields: Sequence[str] = ("quiet_hours", "timezone")
    deferrable: bool
    now: ClassVar[Callable[[], datetime]] = staticmethod(partial(datetime.now, UTC))
    """The time. Tests replace it."""

    def __init__(
        self,
        *,
        quiet_hours: tuple[str, str] | str | None = None,
        timezone: str | None = None,
        timezone_column: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.quiet_hours, self.timezone, self.timezone_column = quiet_hours, timezone, timezone_column
        if quiet_hours is None:
            for name in ("timezone", "timezone_column"):
                if getattr(self, name) is not None:
                    raise TelecomInputError(name, "is for quiet_hours, which is not given")
        if timezone_column is not None:
            non_blank("timezone_column", timezone_column)
        check_if_literal(quiet_hours, _parsed)
        check_if_literal(timezone, _zones)

    def _check_no_schedule(self, schedule_at: object) -> None:
        """Raise TelecomInputError if the vendor sends later: these quiet hours would not count then."""
        if schedule_at is not None and self.quiet_hours is not None:
            raise TelecomInputError(
                "schedule_at", "goes without quiet_hours, of which the vendor knows nothing"
            )

    def _windows(self) -> Callable[[Sequence[str]], SendWindow] | None:
        """Return the function that makes the window of time zones; None without quiet hours."""
        if self.quiet_hours is None:
            return None
        quiet_hours, now = _parsed(self.quiet_hours), type(self).now
        margin = self._margin
        return lambda zones: SendWindow(quiet_hours, zones, now, margin)

    @property
    def _margin(self) -> timedelta:
        """How long before a window closes the last request begins."""
        return MARGIN

    @property
    def _zone_checks(self) -> Mapping[str, Callable[[str], object]]:
        """The check of the column of time zones. It may be empty."""
        if self.timezone_column is None:
            return {}
        return {self.timezone_column: lambda value: value.strip() and _zones(value, self.timezone_column)}

    def _groups(self, audience: Audience, columns: Sequence[str]) -> Sequence[Group]:
        """Return the recipients by time zones. `columns` are those of an entry, without the number."""
        from airflow_provider_telecom.bulk.audience_folder import TIMEZONE, FolderAudience

        column, default = self.timezone_column, self.timezone or None
        if isinstance(audience, FolderAudience) and column not in (None, TIMEZONE):
            rule = f"is for lists and files: an audience has the column {TIMEZONE}, which decides"
            raise TelecomInputError("timezone_column", rule)
        place = None if column is None else 1 + list(columns).index(column)
        known: dict[str, str] = {}

        def zone_of(entry: Entry) -> str:
            from airflow_provider_telecom.bulk.timezones import zone_text, zones_of

            own = "" if place is None else entry[place].strip()
            if not own:
                return zone_text(zones_of(entry[0], default))
            if own not in known:
                known[own] = zone_text(_zones(own))
            return known[own]

        groups = audience.groups(zone_of)
        if unknown := sum(group.count for group in groups if not group.zones):
            raise TelecomInputError("timezone", f"{unknown} recipients of the audience have no time zone")
        return groups

    def _wait_until_open(self, opens: Mapping[ZonedT, datetime], counts: Mapping[ZonedT, int]) -> None:
        """Log who waits until when, and wait until the first window opens. May raise TaskDeferred."""
        moment = min(opens.values())
        if moment > type(self).now():
            self._log_waiting(opens, counts)
            self._wait_until(moment)

    def _wait_until(self, moment: datetime) -> None:
        """Wait until a moment: in the triggerer, which resumes the task, or here. May raise TaskDeferred."""
        if self.deferrable:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            from airflow_provider_telecom.triggers.polling import earliest_resume_delay

            earliest = type(self).now() + timedelta(seconds=earliest_resume_delay())
            self.defer(trigger=DateTimeTrigger(moment=max(moment, earliest)), method_name="continue_sending")
        self.log.info("the task keeps its worker slot while it waits; deferrable=True frees the slot")
        while (left := (moment - type(self).now()).total_seconds()) > 0:
            self._sleep(min(left, _MAX_SLEEP))  # in slices: the machine's clock may be set meanwhile

    def continue_sending(self, context: Context, event: object) -> Any:
        """Continue after a window has opened: read everything again, and send what is not sent yet."""
        return self.execute(context)

    def _log_waiting(self, opens: Mapping[ZonedT, datetime], counts: Mapping[ZonedT, int]) -> None:
        """Log how many recipients wait until when; those that are written to now do not wait."""
        from airflow_provider_telecom.bulk.quiet_hours import zone_info

        now = type(self).now()
        for group, moment in sorted(opens.items(), key=lambda pair: pair[1]):
            if moment > now:
                zones = group.zones if len(group.zones) <= _MAX_SHOWN else ()
                local = ", ".join(f"{moment.astimezone(zone_info(zone)):%H:%M} in {zone}" for zone in zones)
                self.log.info(
                    "quiet hours: %s recipients wait until %s UTC (%s)",
                    f"{counts[group]:,}",
                    f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}",
                    local or f"when it is open in all of {len(group.zones)} time zones",
                )

    @staticmethod
    def _sleep(seconds: float) -> None:
        time.sleep(seconds)


def _parsed(value: object) -> QuietHours:
    from airflow_provider_telecom.bulk.quiet_hours import QuietHours

    return QuietHours.parse(value)


def _zones(value: str, field: str | None = None) -> tuple[str, ...]:
    from airflow_provider_telecom.bulk.timezones import parse_zones

    return parse_zones(value, field or "timezone")
