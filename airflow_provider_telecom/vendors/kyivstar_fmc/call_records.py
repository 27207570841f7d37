"""Call records (CDR)."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Request, Save, Target
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.kyivstar_fmc import responses
from airflow_provider_telecom.vendors.kyivstar_fmc.arguments import FORMATS, Format
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions
from airflow_provider_telecom.vendors.kyivstar_fmc.responses import reader
from airflow_provider_telecom.vendors.kyivstar_fmc.times import interval, period

_MAX_RESPONSE_BYTES = 64 * MEGABYTE
_MAX_DOWNLOAD_BYTES = 8192 * MEGABYTE


class CallRecordCalls(Api[KyivstarFmcOptions]):
    """Reading call records, into memory or into a file."""

    @endpoint
    def get_call_records(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        format: Format = "json",
        names: bool = False,
        departments: bool = False,
        ownership: bool = False,
    ) -> Call[list[CallRecord]]:
        """Return the calls between `start` and `end` (aware; without one of them: 7 days from the other).

        `names`, `departments` and `ownership` add columns from the PBX's address book. Only numbers with the
        "Convergent" package have records. The interval is at most 7 days long, and `start` at most 30 days
        ago. The document does not say whether the start or the end of a call must be in the interval, nor
        whether its ends are included. If the clocks are put back shortly after `start` or before `end`, the
        request covers the whole hour that happens twice.

        Raises TelecomInputError (interval), TelecomAuthError (403: bad token), TelecomAnswerError. A read.
        Source: "Detailed call information".
        """
        request = self._records_request(start, end, format, names, departments, ownership)
        read = reader(lambda response: responses.read_records(response, format))
        return (yield from self._call(request, read))

    @endpoint
    def download_call_records(
        self,
        target: Target,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        format: Format = "csv",
        names: bool = False,
        departments: bool = False,
        ownership: bool = False,
    ) -> Call[int]:
        """Stream the calls between `start` and `end` into `target` unchanged; return the size in bytes.

        The file appears under its name when it is complete, and only if it begins as a list of calls. The
        file name that the vendor offers contains colons and is ignored. For the rest see `get_call_records`.
        """
        request = self._records_request(start, end, format, names, departments, ownership, target)
        return (yield from self._call(request, reader(responses.saved_bytes)))

    def _records_request(
        self,
        start: datetime | None,
        end: datetime | None,
        format: Format,
        names: bool,
        departments: bool,
        ownership: bool,
        target: Target | None = None,
    ) -> Request:
        one_of("format", format, FORMATS)
        first, last = period(*interval(start, end))
        flags = {"names": names, "departments": departments, "ownership": ownership}
        save = None
        if target:
            save = Save(target, lambda answer: answer.status == 200 and responses.is_list(answer, format))
        return Request(
            "GET",
            f"/api/cdr/v1/callstat.{format}",
            Idempotency.READ,
            query={"from": first, "to": last, **{name: "on" for name, wanted in flags.items() if wanted}},
            save=save,
            max_bytes=_MAX_DOWNLOAD_BYTES if target else _MAX_RESPONSE_BYTES,
        )
