"""The calls for bills. Source: "Счета" of the vendor's document."""

from __future__ import annotations

from airflow_provider_telecom.calls.answers import unreadable
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import MEGABYTE, Repeat, Request, Response, Save, Target
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.envelope import accepted
from airflow_provider_telecom.vendors.novaconnect.models import Bill
from airflow_provider_telecom.vendors.novaconnect.posting import PAGE_SIZE, Listing, Posting

_PDF, _XLSX = b"%PDF-", b"PK\x03\x04"
_LARGEST_FILE = 512 * MEGABYTE


class BillCalls(Posting):
    """Listing bills, and fetching their files."""

    @endpoint
    def list_bills(self, page: int = 0, size: int = PAGE_SIZE) -> Call[Listing[Bill]]:
        """Return one page of bills, the first being 0.

        Raises TelecomAuthError, TelecomAnswerError. A read. Source: "Счета", "Список".
        """
        return self._listed("bill/list", list[Bill], {}, page, size)

    @endpoint
    def all_bills(self, *, size: int = PAGE_SIZE) -> Call[list[Bill]]:
        """Return all bills, each once, in pages of `size`.

        Raises TelecomAnswerError as well when rows went missing between pages in two readings.
        """
        return self._whole_list("bill/list", list[Bill], {}, size)

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
            Repeat.READ,
            ids={"bill_id": arguments.one_id("bill_id", bill_id)},
            query=self._query(**query),
            save=Save(target, lambda answer: answer.status == 200 and answer.body.startswith(magic)),
            max_bytes=_LARGEST_FILE,
        )
        return self._call(request, _saved)


def _saved(answer: Response) -> int:
    if answer.saved_bytes is None:
        accepted(answer)
        raise unreadable("not the file that was asked for", answer.body, answer.status)
    return answer.saved_bytes
