"""The calls of Kyivstar FMC. Source: "API for integrating user systems" (docs/vendors/kyivstar_fmc.md)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import pendulum

from airflow_provider_telecom.auth.query_token import QueryToken
from airflow_provider_telecom.calls.checks import aware_datetime, matching, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import with_plus
from airflow_provider_telecom.calls.request import Idempotency, Request, Response, Save, Target
from airflow_provider_telecom.calls.responses import ErrorDetails, raise_for_status, unreadable_response
from airflow_provider_telecom.vendors.api import Api, Credentials
from airflow_provider_telecom.vendors.kyivstar_fmc.models import READERS, CallRecord, is_list, read_records
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions
from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV, MAX_AGE, MAX_PERIOD, period
from airflow_provider_telecom.vendors.times import utc

T = TypeVar("T")
Format = Literal["json", "csv", "xml"]


def auth_for(credentials: Credentials) -> QueryToken:
    """Return how requests are signed. Raises TelecomInputError for a token that is not 64 characters long."""
    matching("password", credentials.secret.reveal(), r"[A-Za-z0-9_]{64}", "the FMC token has 64 characters")
    return QueryToken(credentials.secret)


class KyivstarFmcApi(Api[KyivstarFmcOptions]):
    """Every documented call of the virtual PBX."""

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
        """Return the calls between `start` and `end` (aware; one may be left out: 7 days from the other).

        `names`, `departments` and `ownership` add columns from the PBX's address book. Only numbers with
        the "Convergent" package have records. At most 7 days, and `start` at most 30 days ago. The document
        does not say whether calls that began or that ended in between are meant, nor whether the ends are
        included. Where the clocks are put back shortly after `start` or before `end`, calls of the whole hour
        that happens twice are among those asked for.

        Raises TelecomInputError (interval), TelecomAuthError (403: bad token), TelecomAnswerError. A read.
        Source: "Detailed call information".
        """
        one_of("format", format, READERS)
        request = self._call_records(start, end, format, names, departments, ownership)
        return (yield from self._call(request, _read(lambda answer: read_records(answer, format))))

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
        """Stream the calls between `start` and `end` into `target` as the vendor sends them; return bytes.

        The file appears under its name when it is whole, and only if it begins as a list of calls does. The
        file name that the vendor offers holds colons and is ignored. Otherwise as `get_call_records`.
        """
        one_of("format", format, READERS)
        request = self._call_records(start, end, format, names, departments, ownership, target)
        return (yield from self._call(request, _read(_saved)))

    def _call_records(
        self,
        start: datetime | None,
        end: datetime | None,
        format: Format,
        names: bool,
        departments: bool,
        ownership: bool,
        target: Target | None = None,
    ) -> Request:
        first, last = period(*_interval(start, end))
        flags = {"names": names, "departments": departments, "ownership": ownership}
        return Request(
            "GET",
            f"/api/cdr/v1/callstat.{format}",
            Idempotency.READ,
            query={
                "from": first,
                "to": last,
                **{name: "on" for name, wanted in flags.items() if wanted},
            },
            save=Save(target, lambda answer: answer.status == 200 and is_list(answer, format))
            if target
            else None,
            max_bytes=_LARGEST_DOWNLOAD if target else _LARGEST_ANSWER,
        )

    @endpoint
    def originate_call(self, called_number: str, calling_number: str | None = None) -> Call[None]:
        """Ring `calling_number` (a subscriber of the PBX) and, once it answers, connect `called_number`.

        Without `calling_number` the connection's is taken. The vendor answers nothing that names the call:
        status 200 without a body is the success that the document shows. Any other answer with a good status
        leaves the outcome unknown, also one that speaks of an error: refusals have statuses of their own.
        A copy rings two phones again: after an unknown outcome the hook raises TelecomUnknownError and
        does not repeat.

        Raises TelecomInputError (numbers), TelecomAuthError (403: bad token, or the service is not
        activated for the number), TelecomUnknownError. Source: "Phone call initiation".
        """
        caller = calling_number or self.options.calling_number
        if not caller:
            raise TelecomInputError("calling_number", "must be given here or in the connection's extra")
        request = Request(
            "GET",
            "/api/onebox/v1/originate",
            Idempotency.NONE,
            query={
                "calling_number": with_plus(self._msisdn(caller, "calling_number")),
                "called_number": with_plus(self._msisdn(called_number, "called_number")),
            },
        )
        return (yield from self._call(request, _read(_nothing)))


_LARGEST_ANSWER = 64 << 20
_LARGEST_DOWNLOAD = 8 << 30


def _interval(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return both ends, which are always sent: the document says both that one may be missing and not."""
    now = utc(pendulum.now("UTC"))
    if start is None and end is None:
        raise TelecomInputError("start", "must be given, or end, or both")
    first = (
        utc(aware_datetime("start", start))
        if start
        else _moved(utc(aware_datetime("end", end or now)), -MAX_PERIOD)
    )
    last = utc(aware_datetime("end", end)) if end else min(_moved(first, MAX_PERIOD), now)
    if now - first > MAX_AGE:
        raise TelecomInputError("start", "must be at most 30 days ago")
    return first, last


def _moved(moment: datetime, by: timedelta) -> datetime:
    """Return the moment a time away, or one by the clocks of Kyiv if that is nearer."""
    shown = moment.astimezone(KYIV).replace(tzinfo=None) + by
    return min(moment + by, utc(shown.replace(tzinfo=KYIV)), key=lambda one: abs(one - moment))


def _nothing(answer: Response) -> None:
    """Take no body for a success. What else a body says, the document does not call it one."""
    if answer.body.strip(b"\xef\xbb\xbf \t\r\n"):
        raise unreadable_response("a body where the document has none", answer.body, answer.status)


def _saved(answer: Response) -> int:
    if answer.saved_bytes is None:
        raise unreadable_response("no list of calls", answer.body, answer.status)
    return answer.saved_bytes


def _read(make: Callable[[Response], T]) -> Callable[[Response], T]:
    def read(answer: Response) -> T:
        raise_for_status(answer, ErrorDetails)
        if answer.status != 200:
            raise unreadable_response(
                "a good status that is not the document's 200", answer.body, answer.status
            )
        return make(answer)

    return read
