"""What SunSim's transfers share: the calls of numbers in an interval, asked for day by day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_empty, one_of, parse_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.sunsim import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.sunsim import SunSimHook
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

    Parts = Mapping[date | None, Part]

_DIRECTIONS = ("outgoing", "incoming")
_LONGEST_SECONDS = 2**31 - 1


class CallFilterArguments(RecordsArguments, total=False):
    """The parameters of `CallListOperator`, without the numbers and the interval."""

    direction: str | None
    duration_from_seconds: int | None
    duration_to_seconds: int | None
    is_read: bool | None


class CallListArguments(CallFilterArguments, total=False):
    """The parameters of `CallListOperator`."""

    numbers: Sequence[str] | None
    start: datetime | str | None
    end: datetime | str | None


class CallListOperator(RecordsOperator):
    """A transfer that begins with the calls of numbers in an interval."""

    template_fields: Sequence[str] = (*RecordsOperator.template_fields, "numbers", "start", "end")
    private_fields: ClassVar[Sequence[str]] = ("numbers",)
    vendor = VENDOR
    hook: SunSimHook

    def __init__(
        self,
        *,
        numbers: Sequence[str] | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        direction: str | None = None,
        duration_from_seconds: int | None = None,
        duration_to_seconds: int | None = None,
        is_read: bool | None = None,
        **kwargs: Unpack[RecordsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.numbers, self.start, self.end = numbers, start, end
        self.filters = {
            "direction": one_of("direction", direction, (None, *_DIRECTIONS)),
            "duration_from_seconds": _seconds("duration_from_seconds", duration_from_seconds),
            "duration_to_seconds": _seconds("duration_to_seconds", duration_to_seconds),
            "is_read": one_of("is_read", is_read, (None, True, False)),
        }
        shortest, longest = duration_from_seconds, duration_to_seconds
        if shortest is not None and longest is not None and shortest > longest:
            raise TelecomInputError("duration_to_seconds", "must not be less than duration_from_seconds")
        check_if_literal(numbers, partial(non_empty, "numbers"))
        for field in ("start", "end"):
            check_if_literal(getattr(self, field), partial(parse_datetime, field))

    @cached_property
    def _zone(self) -> Any:
        """The zone of the vendor's clocks, None if nobody has told it."""
        import pendulum

        name = self.hook.options.vendor_timezone
        return None if name is None else pendulum.timezone(name)

    def _interval(self) -> tuple[datetime, datetime]:
        """Return both ends as the vendor's clocks show them, to the second, without a zone."""
        from airflow_provider_telecom.vendors.sunsim.times import format_period
        from airflow_provider_telecom.vendors.times import checked_local_period

        ends, zone = ("start", "end"), self.hook.options.vendor_timezone
        start, end = (parse_datetime(name, getattr(self, name)).replace(microsecond=0) for name in ends)
        first, last = format_period(*checked_local_period(ends, start, end, zone), zone)
        return datetime.fromisoformat(first), datetime.fromisoformat(last)

    def _chosen(self) -> dict[str, Any]:
        """Return the filters that leave calls out."""
        return {name: value for name, value in self.filters.items() if value is not None}

    def _name_data_set(self, filters: Mapping[str, Any]) -> None:
        """Give some of the calls another name than all of them have."""
        self.dataset_name = type(self).dataset_name + (f"-{fingerprint(filters)[:8]}" if filters else "")

    def _marks(self) -> list[str]:
        """Return 16 bits of a hash of each number, too few to find one by. Raises TelecomInputError."""
        from airflow_provider_telecom.calls.phone import e164

        region, given = self.hook.options.default_region, non_empty("numbers", self.reveal("numbers"))
        numbers = {e164(number, region, field="numbers") for number in given}
        return sorted(fingerprint(number)[:4] for number in numbers)

    def _list(
        self,
        dataset: Dataset,
        parts: Parts,
        progress: ProgressLogger,
        take: Callable[[Any, dict[str, Any]], None],
        **filters: Any,
    ) -> None:
        """Have each call taken, with its day, a window a day, and set aside what is no call of it.

        Raises TelecomAnswerError.
        """
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.sunsim.schema import WindowDeduplicator, to_row

        neighbours = WindowDeduplicator()
        for window, (day, part) in enumerate(parts.items(), 1):
            neighbours.start_window()
            start, end = _bounds(part)
            rows = self.hook.list_call_rows(self.reveal("numbers"), start, end, filters)
            for number, record in enumerate(rows, 1):
                try:
                    row = to_row(record, self._zone, self.hook.options.default_region)
                    if neighbours.accepts(record, start, end):
                        take(day, row)
                except TelecomInputError as error:
                    dataset.add_bad_row(f"window {window}, row {number}", error.text, json_text(record))
                progress.add(rows=1)
            dataset.check()
            progress.add(windows=1)


def run_of(start: datetime, end: datetime) -> str:
    """Return what names the load of an interval."""
    return f"{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}"


def _bounds(part: Part) -> tuple[datetime, datetime]:
    if part.start is None or part.end is None:
        raise AssertionError("days have bounds")
    return part.start, part.end


def _seconds(field: str, value: int | None) -> int | None:
    return None if value is None else in_range(field, value, 0, _LONGEST_SECONDS)
