"""Rows of exports beside an error."""

from __future__ import annotations

import io
import json

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import EMPTY
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import iter_pieces, iter_records

ROWS = [{"message_id": f"{number}", "status": "DELIVERED"} for number in range(40)]


@pytest.mark.parametrize("read", [iter_records, iter_pieces])
def test_an_error_beside_rows_is_raised_and_no_row_is_dropped(read: object) -> None:
    def pieces(body: object) -> int:
        return len(list(read(io.BytesIO(json.dumps(body).encode()), "json")))  # type: ignore[operator]

    assert pieces({"rows": ROWS, "error": 0})
    assert pieces({"error": int(EMPTY)}) == pieces({"error": int(EMPTY), "rows": []}) == 0
    with pytest.raises(TelecomAnswerError, match="rows, and an error that says that there are none"):
        pieces({"rows": ROWS, "error": int(EMPTY)})
    for body in ({"rows": ROWS, "error": 8}, {"error": 8, "rows": []}, {"error": 8}):
        with pytest.raises(TelecomError):
            pieces(body)
