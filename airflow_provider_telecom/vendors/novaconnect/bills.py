"""The calls for bills. Source: "Счета" of the vendor's document."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Request, Response, Save, Target
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.models import Bill
from airflow_provider_telecom.vendors.novaconnect.requests import PAGE_SIZE, ListPage, NovaConnectCalls
from airflow_provider_telecom.vendors.novaconnect.responses import read_success

_PDF, _XLSX = b"%PDF-", b"PK\x03\x04"
_LARGEST_FILE = 512 * MEGABYTE


class BillCalls(NovaConnectCalls):
    """Listing bills, and fetching their files."""

    @endpoint
    def list_bills(self, page: int = 0, size: int = PAGE_SIZE) -> Call[ListPage[Bill]]:
        """Return one page of bills, the first being 0.

        Raises TelecomAuthError, TelecomAnswerError. A read. Source: "Счета", "Список".
        """
        return self._list_page("bill/list", list[Bill], {}, page, size)

    @endpoint
    def all_bills(self, *, size: int = PAGE_SIZE) -> Call[list[Bill]]:
        """Return all bills, each once, in pages of `size`.

        Raises TelecomAnswerError as well when rows went missing between pages in two readings.
        """
        return self._read_list("bill/list", list[Bill], {}, size)

    @endpoint
    def download_bill(self, bill_id: int, target: Target) -> Call[int]:
        """Stream a bill (PDF) into `target` and return its bytes.

        Nothing stands under that name unless the whole file came and begins as a PDF does. Raises
        TelecomNotFoundError, TelecomAuthError, TelecomAnswerError. A read. Source: "Файлы счёта и
        расшифровки".
        """
        return self._download(bill_id, target, _PDF, {})

    @endpoint
    def download_bill_transcript(self, bill_id: int, target: Target) -> Call[int]:
        """Stream the transcript of a bill (XLSX) into `target` and return its bytes.

        Otherwise as `download_bill`. Source: "Файлы счёта и расшифровки", "Расшифровка счёта".
        """
        return self._download(bill_id, target, _XLSX, {"mode": "transcript"})

    def _download(self, bill_id: int, target: Target, magic: bytes, query: dict[str, str]) -> Call[int]:
        request = Request(
            "GET",
            self._path("bill/download/{bill_id}"),
            Idempotency.READ,
            ids={"bill_id": arguments.valid_id("bill_id", bill_id)},
            query=self._query(**query),
            save=Save(target, lambda answer: answer.status == 200 and answer.body.startswith(magic)),
            max_bytes=_LARGEST_FILE,
        )
        return self._call(request, _saved)


def _saved(answer: Response) -> int:
    if answer.saved_bytes is None:
        read_success(answer)
        raise unreadable_response("not the file that was asked for", answer.body, answer.status)
    return answer.saved_bytes


_MONTHS = (
    re.compile(r"(?P<month>\d{2})[-./](?P<year>\d{4})"),
    re.compile(r"(?P<year>\d{4})[-./](?P<month>\d{2})"),
)
_RANGE = re.compile(r"(\S{10})\s*(?:-|–|—|\.\.|to|по)\s*(\S{10})")
_NAMED_PERIODS = 12
_DAYS = ("%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y", "%Y-%m-%d")


def days_of_period(period: str | None) -> tuple[date, date] | None:
    """Return the first and last day of a bill's `period`, or None when its words cannot be read.

    The document does not say how it is written; read are months (05-2024, 2024-05) and two days.
    """
    text = (period or "").strip()
    for form in _MONTHS:
        if (found := form.fullmatch(text)) and 1 <= (month := int(found["month"])) <= 12:
            year = int(found["year"])
            return (date(year, month, 1), date(year, month, monthrange(year, month)[1])) if year else None
    if found := _RANGE.fullmatch(text):
        first, last = _day(found[1]), _day(found[2])
        return (first, last) if first and last and first <= last else None
    return None


def _day(text: str) -> date | None:
    for form in _DAYS:
        with suppress(ValueError):
            return datetime.strptime(text, form).date()
    return None


def day_added(bill: Bill) -> date:
    """Return the day, in UTC, on which a bill was added. Raises TelecomAnswerError."""
    if bill.added_at is None:
        raise TelecomAnswerError(f"bill {bill.id} does not say when it was added; choose it by id")
    return date(bill.added_at.year, bill.added_at.month, bill.added_at.day)


def bills_of_period(bills: Sequence[Bill], period: str) -> list[Bill]:
    """Return the bills of a period, given in the vendor's words or others for the same days.

    Raises TelecomInputError when there is none.
    """
    days = days_of_period(period)
    found = [
        bill
        for bill in bills
        if (bill.period or "").strip() == period.strip() or (days and days_of_period(bill.period) == days)
    ]
    if not found:
        others = sorted({repr((bill.period or "")[:40]) for bill in bills})
        raise TelecomInputError(
            "period", f"there is no bill of it, but of {', '.join(others[-_NAMED_PERIODS:])}"
        )
    return found
