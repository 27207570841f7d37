"""Sensors of SunSim."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.intervals import parse_bound
from airflow_provider_telecom.tasks.arguments import SensorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.sensor import TelecomSensor
from airflow_provider_telecom.vendors.sunsim import VENDOR
from airflow_provider_telecom.vendors.sunsim.arguments import Direction, russian_number

_MAX_SECONDS = 86_400


class SunSimCallHappenedSensor(TelecomSensor):
    """Wait until a call between two numbers is in the list of calls; return what the list says of it.

    The XCom is `{"started_at", "duration_seconds", "direction", "record_id"}`, of the first such call; what
    the list does not say is None. `record_id` is for `SunSimRecordingsToObjectStorageOperator`. `started_at`
    is in UTC with `vendor_timezone` in the connection's extra, and otherwise the vendor's time. The document
    does not describe the rows of the list: a row that contains `phone_to`, among the calls of `phone_from`,
    is a call between the two. A call is listed when it has ended.

    :param phone_to: the one number, in any common form.
    :param phone_from: the number of the contract.
    :param since: when the call must have begun at the earliest, at most one month ago: a date (the beginning
        of the day in the vendor's time), a datetime, or the ISO 8601 text of either. A datetime is aware with
        `vendor_timezone` in the connection's extra, and otherwise naive, in the vendor's time. Before that
        time nothing is requested.
    :param direction: only `outgoing` or only `incoming` calls of `phone_from`. By default either counts; an
        ordered callback is charged as an incoming call.
    :param min_duration_seconds: only a call of at least so many seconds (0 to 86400).

    Raises TelecomInputError (numbers, time), TelecomAuthError, TelecomRejectedError (a number that is not on
    the contract). Reads only: it costs nothing. Source: "POST /api/v1/request/getcalllist" of the vendor's
    document.
    """

    vendor = VENDOR
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.sunsim.status.callback"
    check_arguments: ClassVar[Sequence[str]] = (
        *("phone_to", "phone_from", "since", "direction", "min_duration_seconds"),
    )
    private_fields: ClassVar[Sequence[str]] = ("phone_to", "phone_from")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *private_fields, "since")

    def __init__(
        self,
        *,
        phone_to: str | int,
        phone_from: str | int,
        since: date | datetime | str,
        direction: Direction | None = None,
        min_duration_seconds: int = 0,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.phone_to, self.phone_from = phone_to, phone_from
        check_if_literal(phone_from, partial(russian_number, "phone_from", region=VENDOR.region))
        check_if_literal(since, partial(parse_bound, "since"))
        self.since = since.isoformat() if isinstance(since, date) else since
        self.direction = one_of("direction", direction, ("outgoing", "incoming", None))
        self.min_duration_seconds = in_range("min_duration_seconds", min_duration_seconds, 0, _MAX_SECONDS)
        self._prepare_start_from_trigger()
