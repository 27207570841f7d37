"""Transcripts of bills (XLSX): the cost of each SIM, and its comparison with the usage reports.

The document does not show a transcript. So the headings of its columns are an assumption (`COLUMNS`), and
anything unexpected is an error. A workbook is untrusted: it is read in read-only mode with limits on its
size; links and macros in it are never followed or run, and entities in its XML are refused.
"""

from __future__ import annotations

import math
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import IO, Any

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import MEGABYTE
from airflow_provider_telecom.vendors.novaconnect.numbers import amount_in

COLUMNS = {"sim": "ICCID", "cost": "Cost, EUR"}
"""The headings of the columns with a SIM's ICCID or number, and its cost in EUR (assumed)."""
MAX_FILE_BYTES, MAX_UNPACKED_BYTES, MAX_MEMBER_BYTES = 64 * MEGABYTE, 200 * MEGABYTE, 8 * MEGABYTE
MAX_ROWS = 1_000_000
_MAX_MEMBERS, _MAX_COLUMNS, _HEADER_ROWS = 1_000, 256, 20
_STREAMED = re.compile(r"/?xl/(worksheets/[^/]+|sharedStrings)\.xml")
_SIM = re.compile(r"\+?([0-9]{5,22})[Ff]?")
_MAX_EXACT = 10**15
_MAX_NAMED = 20
_Row = tuple[object, ...]


@dataclass
class Transcript:
    """The costs in EUR by ICCID or number, and the sum of rows without a SIM, such as totals."""

    costs: dict[str, Decimal] = field(default_factory=dict)
    other_rows: int = 0
    other_cost: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """The cost of all SIMs."""
        return sum(self.costs.values(), Decimal(0))


def check_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the headings of `sim` and `cost`, and perhaps `sheet`. Raises TelecomInputError."""
    if not isinstance(columns, Mapping):
        raise TelecomInputError("transcript_columns", "must be headings by name: sim, cost")
    for name, heading in columns.items():
        one_of("transcript_columns", name, ("sim", "cost", "sheet"))
        non_blank(f"transcript_columns.{name}", heading)
    return {**COLUMNS, **columns}


def read_transcript(file: IO[bytes], columns: Mapping[str, str]) -> Transcript:
    """Return the content of a transcript.

    Raises TelecomInputError if the headings are not found, and names those that are there. Raises
    TelecomAnswerError for a file that is no workbook or too large, and for a cost or SIM that cannot be read
    exactly.
    """
    _check_size(file)
    transcript = Transcript()
    for number, sim, cost in _data_rows(file, columns):
        try:
            _add_row(transcript, sim, cost)
        except TelecomInputError as error:
            raise TelecomAnswerError(f"transcript, row {number}: {error.text}") from None
    return transcript


def _check_size(file: IO[bytes]) -> None:
    """Refuse a file that is too large before it is unpacked: zipfile unpacks no more than members declare."""
    if file.seek(0, 2) > MAX_FILE_BYTES:
        raise TelecomAnswerError(f"the transcript is larger than {MAX_FILE_BYTES} bytes")
    file.seek(0)
    try:
        members = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise TelecomAnswerError("the transcript is no workbook") from None
    largest = max((one.file_size for one in members if not _STREAMED.fullmatch(one.filename)), default=0)
    unpacked = sum(one.file_size for one in members)
    if unpacked > MAX_UNPACKED_BYTES or largest > MAX_MEMBER_BYTES or len(members) > _MAX_MEMBERS:
        raise TelecomAnswerError(
            f"the transcript unpacks to more than {MAX_UNPACKED_BYTES} bytes, or has parts other than tables "
            f"of more than {MAX_MEMBER_BYTES}, or more than {_MAX_MEMBERS} parts"
        )


def _data_rows(file: IO[bytes], columns: Mapping[str, str]) -> Iterator[tuple[int, object, object]]:
    """Yield the number, SIM and cost of each row below the headings."""
    with closing(_open_workbook(file)) as book:
        sheets = [sheet for sheet in book.worksheets if columns.get("sheet") in (None, sheet.title)]
        heads = [[row for _, row in islice(_rows(sheet), _HEADER_ROWS)] for sheet in sheets]
        places = [_find_headings(head, columns) for head in heads]
        found = [(sheet, place) for sheet, place in zip(sheets, places, strict=True) if place]
        if len(found) != 1:
            raise _headings_error(heads, columns, several=bool(found))
        [(sheet, (head, sim, cost))] = found
        for number, row in _rows(sheet):
            if number > head:
                yield number, row[sim], row[cost]


def _headings_error(
    heads: Sequence[list[_Row]], columns: Mapping[str, str], several: bool
) -> TelecomInputError:
    if several:
        return TelecomInputError("transcript_columns", "are in several sheets: name one as `sheet`")
    headings = dict.fromkeys(text for head in heads for text in _possible_headings(head))
    return TelecomInputError(
        "transcript_columns",
        f"{columns['sim']!r} and {columns['cost']!r} are not in one of the first {_HEADER_ROWS} rows, "
        f"once each; found: {', '.join(list(headings)[:_MAX_NAMED]) or 'nothing'}",
    )


def _open_workbook(file: IO[bytes]) -> Any:
    import openpyxl

    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles, which are not used
            return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception:  # openpyxl raises anything for a broken workbook
        raise TelecomAnswerError("the transcript is no workbook") from None


def _rows(sheet: Any) -> Iterator[tuple[int, _Row]]:
    """Yield the rows with their numbers from 1, in equal width, whatever size the sheet declares."""
    sheet.reset_dimensions()
    rows = enumerate(sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True), 1)
    number = 0
    while True:
        try:
            number, row = next(rows, (0, ()))
        except Exception:
            raise TelecomAnswerError(f"transcript, after row {number}: cannot be read") from None
        if not number:
            return
        if number > MAX_ROWS:
            raise TelecomAnswerError(f"the transcript has more than {MAX_ROWS} rows")
        yield number, row


def _find_headings(head: Sequence[_Row], columns: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Return the number of the row with both headings, and their positions in it."""
    wanted = [_heading(columns[name]) for name in ("sim", "cost")]
    for number, row in enumerate(head, 1):
        headings = [_heading(cell) for cell in row]
        if all(headings.count(one) == 1 for one in wanted):
            return number, headings.index(wanted[0]), headings.index(wanted[1])
    return None


def _heading(cell: object) -> str:
    return " ".join(cell.split()).casefold() if isinstance(cell, str) else ""


def _possible_headings(head: Iterable[_Row]) -> Iterator[str]:
    """Yield possible headings. A text with many digits may be a phone number, so it is not shown."""
    for cell in (cell for row in head for cell in row):
        if isinstance(cell, str) and cell.strip() and sum(map(str.isdigit, cell)) < 5:
            yield repr(cell.strip()[:40])


def _add_row(transcript: Transcript, sim: object, cost: object) -> None:
    """Add a row. Rows without a SIM are counted separately: a total would count costs twice."""
    if (key := _sim(sim)) is not None:
        transcript.costs[key] = transcript.costs.get(key, Decimal(0)) + _cost(cost)
    elif cost not in (None, ""):
        transcript.other_rows += 1
        with suppress(TelecomInputError):  # texts, such as repeated headings
            transcript.other_cost += _cost(cost)


def _sim(cell: object) -> str | None:
    """Return an ICCID or number, or None for anything else."""
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        if not (abs(cell) < _MAX_EXACT and cell == int(cell)):
            raise TelecomInputError(
                "sim", "is a number with more digits than a workbook stores exactly; it should be a text"
            )
        cell = str(int(cell))
    return sim_key(cell) if isinstance(cell, str) else None


def sim_key(text: str | None) -> str | None:
    """Return the digits of an ICCID or number, without plus and filler; or None."""
    found = _SIM.fullmatch("".join((text or "").split()))
    return found[1] if found else None


def _cost(cell: object) -> Decimal:
    if isinstance(cell, (int, float)) and not isinstance(cell, bool) and math.isfinite(cell):
        return Decimal(f"{cell:.15g}")  # the digits that a workbook stores exactly
    found = amount_in(cell) if isinstance(cell, str) else None
    if found is None:
        raise TelecomInputError("cost", "must be a number")
    return found


def compare_costs(
    transcript: Mapping[str, Decimal],
    usage: Mapping[int, Decimal],
    sims: Mapping[int, Sequence[str | None]],
    tolerance: Decimal,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each SIM of the transcript or the usage: both costs, and whether they differ.

    `sims` has the identifiers of each SIM: its ICCID, then its numbers. An identifier of several SIMs, or of
    none, is a row of its own.
    """
    owners: dict[str, set[int]] = {}
    for sim_id, names in sims.items():
        for key in filter(None, map(sim_key, names)):
            owners.setdefault(key, set()).add(sim_id)
    billed: dict[int | str, Decimal] = {}
    for key, cost in transcript.items():
        owner: int | str = min(owners[key]) if len(owners.get(key, ())) == 1 else key
        billed[owner] = billed.get(owner, Decimal(0)) + cost
    for one in sorted({*billed, *usage}, key=lambda one: (isinstance(one, str), str(one))):
        number = one if isinstance(one, int) else None
        used = None if number is None else usage.get(number)
        difference = billed.get(one, Decimal(0)) - (used or Decimal(0))
        yield {
            "sim_id": number,
            "sim": one if number is None else next(filter(None, sims[number]), None),
            "transcript_cost": billed.get(one),
            "usage_cost": used,
            "difference": difference,
            "differs": abs(difference) > tolerance,
        }
