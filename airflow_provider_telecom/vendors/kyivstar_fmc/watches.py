"""What can be waited for at Kyivstar FMC."""

from __future__ import annotations

import re
from datetime import datetime

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.vendors.kyivstar_fmc.api import KyivstarFmcApi
from airflow_provider_telecom.vendors.progress import Progress, Stage


def call_record(
    api: KyivstarFmcApi, calling_number: str | None, called_number: str, since: str
) -> Call[Progress]:
    """Wait for the record of a call of the two numbers that began at `since` (ISO, aware) or later.

    Records appear when a call has ended. A call that nobody answered may never have one.
    """
    start = datetime.fromisoformat(since)
    wanted = (_ending(calling_number or api.options.calling_number), _ending(called_number))
    records = yield from call_of(api.get_call_records, start)
    for record in records:
        if (
            _ending(record.calling_number),
            _ending(record.called_number),
        ) == wanted and record.start >= start:
            return Progress(Stage.REACHED, {"duration": record.duration})
    return Progress(Stage.WAITING, {})


def _ending(number: str | int | None) -> str:
    """Return the last nine digits: records write 067..., 380... and +380... alike."""
    return re.sub(r"\D", "", str(number))[-9:]
