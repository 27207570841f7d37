"""Sensors of Kyivstar FMC, the virtual mobile PBX."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.intervals import parse_bound
from airflow_provider_telecom.links.consoles import KyivstarFmcConsoleLink
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import BaseOperatorLink

_MAX_SECONDS = 86_400


class KyivstarFmcCallHappenedSensor(TelecomSensor):
    """Wait until a call between two numbers is in the records; return its start and duration.

    The XCom is `{"started_at", "duration_seconds"}`, of the first such call. A record appears when the call
    has ended. A call that nobody answered may never have one, and only numbers with the "Convergent" package
    have records: the sensor then waits until `timeout`. The vendor rounds durations up, and does not say
    whether they include the ringing.

    :param called_number: the one number, in any common form, or a short number of the PBX.
    :param since: when the call must have begun at the earliest, at most 30 days ago: a date (the beginning of
        the day in Kyiv), an aware datetime, or the ISO 8601 text of either, such as
        `{{ dag_run.run_after.isoformat() }}`. Before that time nothing is requested.
    :param calling_number: the other number; by default the connection's.
    :param direction: `outgoing`: only a call from `calling_number` to `called_number`; `incoming`: only the
        other way round. By default either counts.
    :param min_duration_seconds: only a call of at least so many seconds (0 to 86400).

    Raises TelecomInputError (numbers, time), TelecomAuthError (bad token). Reads only: it costs nothing.
    Source: "Detailed call information" of the vendor's document.
    """

    vendor = VENDOR
    operator_extra_links: Sequence[BaseOperatorLink] = (KyivstarFmcConsoleLink(),)
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.kyivstar_fmc.status.call_record"
    check_arguments: ClassVar[Sequence[str]] = (
        *("called_number", "since", "calling_number", "direction", "min_duration_seconds"),
    )
    private_fields: ClassVar[Sequence[str]] = ("called_number", "calling_number")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *private_fields, "since")

    def __init__(
        self,
        *,
        called_number: str | int,
        since: date | datetime | str,
        calling_number: str | int | None = None,
        direction: Literal["outgoing", "incoming"] | None = None,
        min_duration_seconds: int = 0,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.called_number, self.calling_number = called_number, calling_number
        check_if_literal(since, partial(parse_bound, "since"))
        self.since = since.isoformat() if isinstance(since, date) else since
        self.direction = one_of("direction", direction, ("outgoing", "incoming", None))
        self.min_duration_seconds = in_range("min_duration_seconds", min_duration_seconds, 0, _MAX_SECONDS)
        self._prepare_start_from_trigger()
