"""The calls for bills. Source: "Счета" of the vendor's document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Request, Response, Save, Target
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.columns import decimal_text
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import ListPage
from airflow_provider_telecom.vendors.novaconnect.models import Bill
from airflow_provider_telecom.vendors.novaconnect.requests import PAGE_SIZE, NovaConnectCalls
from airflow_provider_telecom.vendors.novaconnect.responses import read_success
from airflow_provider_telecom.vendors.novaconnect.times import days_of_period

_PDF, _XLSX = b"%PDF-", b"PK\x03\x04"
_MAX_FILE_BYTES = 512 * MEGABYTE
_MAX_NAMED_PERIODS = 12


class BillCalls(NovaConnectCalls):
    """Lists bills and downloads their files."""

    @endpoint
    def list_bills(self, page: int = 0, size: int = PAGE_SIZE) -> Call[ListPage[Bill]]:
        """Return one page of bills, the first being 0.

        Raises TelecomAuthError, TelecomAnswerError. A read. Source: "Счета", "Список".
        """
        return self._list_page("bill/list", list[Bill], {}, page, size)

    @endpoint
    def all_bills(self, *, size: int = PAGE_SIZE) -> Call[list[Bill]]:
        """Return all bills, each once, read in pages of `size`.

        Also raises TelecomAnswerError if rows were missed between pages in two readings.
        """
        return self._read_list("bill/list", list[Bill], {}, size)

    @endpoint
    def download_bill(self, bill_id: int, target: Target) -> Call[int]:
        """Stream a bill (PDF) into `target` and return its size in bytes.

        The file appears only if it is complete and begins as a PDF does. Raises TelecomNotFoundError,
        TelecomAuthError, TelecomAnswerError. A read. Source: "Файлы счёта и расшифровки".
        """
        return self._download(bill_id, target, _PDF)

    @endpoint
    def download_bill_transcript(self, bill_id: int, target: Target) -> Call[int]:
        """Stream the transcript of a bill (XLSX) into `target` and return its size in bytes.

        Otherwise like `download_bill`. Source: "Файлы счёта и расшифровки", "Расшифровка счёта".
        """
        return self._download(bill_id, target, _XLSX, mode="transcript")

    def _download(self, bill_id: int, target: Target, magic: bytes, **query: str) -> Call[int]:
        request = Request(
            "GET",
            self._path("bill/download/{bill_id}"),
            Idempotency.READ,
            ids={"bill_id": arguments.valid_id("bill_id", bill_id)},
            query=self._query(**query),
            save=Save(target, lambda response: response.status == 200 and response.body.startswith(magic)),
            max_bytes=_MAX_FILE_BYTES,
        )
        return self._call(request, _saved_bytes)


def _saved_bytes(response: Response) -> int:
    if response.saved_bytes is None:
        read_success(response)
        raise unreadable_response("not the file that was asked for", response.body, response.status)
    return response.saved_bytes


def unpaid_bills(bills: Sequence[Bill]) -> list[Bill]:
    """Return the bills that have no time of payment, by their ids."""
    return sorted((bill for bill in bills if bill.paid_at is None), key=lambda bill: bill.id)


def cost_of(bills: Sequence[Bill]) -> str | None:
    """Return the sum of the costs in EUR as a text; None if the vendor names no cost for one of them."""
    costs = [bill.cost for bill in bills if bill.cost is not None]
    return decimal_text(sum(costs, Decimal(0))) if len(costs) == len(bills) else None


def day_added(bill: Bill) -> date:
    """Return the day, in UTC, on which a bill was added. Raises TelecomAnswerError."""
    if bill.added_at is None:
        raise TelecomAnswerError(f"bill {bill.id} does not say when it was added; choose it by id")
    return date(bill.added_at.year, bill.added_at.month, bill.added_at.day)


def bills_of_period(bills: Sequence[Bill], period: str) -> list[Bill]:
    """Return the bills of a period, given as the vendor writes it or in another format for the same days.

    Raises TelecomInputError if there is none.
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
            "period", f"there is no bill of it, but of {', '.join(others[-_MAX_NAMED_PERIODS:])}"
        )
    return found
