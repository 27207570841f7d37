"""Base class of SunSim's transfers: lists the calls of numbers in an interval, day by day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import end_of, parse_bound, start_of
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.sunsim import VENDOR
from airflow_provider_telecom.vendors.sunsim.arguments import CallFilters, Direction, filter_fields

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.sunsim import SunSimHook
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

    Parts = Mapping[date | None, Part]


class CallFilterArguments(RecordsArguments, total=False):
    """The parameters of `CallListOperator`, without the numbers and the interval."""

    direction: Direction | None
    duration_from_seconds: int | None
    duration_to_seconds: int | None
    is_read: bool | None


class CallListArguments(CallFilterArguments, total=False):
    """The parameters of `CallListOperator`."""

    numbers: Sequence[str] | None
    start: date | datetime | str | None
    end: date | datetime | str | None


class CallListOperator(RecordsOperator):
    """A transfer that lists the calls of numbers in an interval first."""

    template_fields: Sequence[str] = (*RecordsOperator.template_fields, "numbers", "start", "end")
    private_fields: ClassVar[Sequence[str]] = ("numbers",)
    vendor = VENDOR
    hook: SunSimHook

    def __init__(
        self,
        *,
        numbers: Sequence[str] | None = None,
        start: date | datetime | str | None = None,
        end: date | datetime | str | None = None,
        direction: Direction | None = None,
        duration_from_seconds: int | None = None,
        duration_to_seconds: int | None = None,
        is_read: bool | None = None,
        **kwargs: Unpack[RecordsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.numbers, self.start, self.end = numbers, start, end
        filters = {
            "direction": direction,
            "duration_from_seconds": duration_from_seconds,
            "duration_to_seconds": duration_to_seconds,
            "is_read": is_read,
        }
        self.filters = cast("CallFilters", {name: one for name, one in filters.items() if one is not None})
        filter_fields(self.filters)  # checks them
        check_if_literal(numbers, partial(non_empty, "numbers"))
        for field in ("start", "end"):
            check_if_literal(getattr(self, field), partial(parse_bound, field))

    @cached_property
    def _zone(self) -> tzinfo | None:
        """The vendor's time zone; None if the connection's extra does not name it."""
        import pendulum

        name = self.hook.options.vendor_timezone
        return None if name is None else pendulum.timezone(name)

    def _interval(self) -> tuple[datetime, datetime]:
        """Return both ends in the vendor's local time, naive, in whole seconds."""
        from airflow_provider_telecom.vendors.sunsim.times import format_period
        from airflow_provider_telecom.vendors.times import checked_local_period

        ends, zone = ("start", "end"), self.hook.options.vendor_timezone
        start = start_of("start", self.start, self._zone).replace(microsecond=0)
        end = end_of("end", self.end, self._zone).replace(microsecond=0)
        first, last = format_period(*checked_local_period(ends, start, end, zone), zone)
        return datetime.fromisoformat(first), datetime.fromisoformat(last)

    def _set_dataset_name(self, filters: CallFilters) -> None:
        """Use another name for filtered calls: they must not replace files with all calls."""
        self.dataset_name = type(self).dataset_name + (f"-{fingerprint(filters)[:8]}" if filters else "")

    def _number_hashes(self) -> list[str]:
        """Return 16 bits of a hash of each number, too few to identify it. Raises TelecomInputError."""
        from airflow_provider_telecom.calls.phone import e164

        region, given = self.hook.options.default_region, non_empty("numbers", self.reveal("numbers"))
        numbers = {e164(number, region, field="numbers") for number in given}
        return sorted(fingerprint(number)[:4] for number in numbers)

    def _list_calls(
        self,
        dataset: Dataset,
        parts: Parts,
        progress: ProgressLogger,
        add: Callable[[Any, dict[str, Any]], None],
        filters: CallFilters,
    ) -> None:
        """Pass each call and its day to `add`, with one request per day. Invalid rows become bad rows.

        Raises TelecomAnswerError.
        """
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.sunsim.schema import WindowDeduplicator, to_row

        deduplicator = WindowDeduplicator()
        for window, (day, part) in enumerate(parts.items(), 1):
            deduplicator.start_window()
            start, end = _bounds(part)
            rows = self.hook.list_call_rows(self.reveal("numbers"), start, end, filters)
            for number, record in enumerate(rows, 1):
                try:
                    row = to_row(record, self._zone, self.hook.options.default_region)
                    if deduplicator.accepts(record, start, end):
                        add(day, row)
                except TelecomInputError as error:
                    dataset.add_bad_row(f"window {window}, row {number}", error.text, json_text(record))
                progress.add(rows=1)
            dataset.check()
            progress.add(windows=1)


def run_name(start: datetime, end: datetime) -> str:
    """Return the name of the load of an interval."""
    return f"{start:%Y%m%dT%H%M%S}-{end:%Y%m%dT%H%M%S}"


def _bounds(part: Part) -> tuple[datetime, datetime]:
    if part.start is None or part.end is None:
        raise AssertionError("days have bounds")
    return part.start, part.end
