"""Rows of exports beside an error."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import EMPTY
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import iter_pieces, iter_records

ROWS = [{"message_id": f"{number}", "status": "DELIVERED"} for number in range(40)]
ERRORS = (
    *({"rows": ROWS, "error": 8}, {"error": 8, "rows": ROWS}),
    *({"error": 8, "rows": []}, {"error": 8}, {"error": 8, "rows": [{"other": "1"}]}),
)


def as_xml(body: dict[str, Any]) -> str:
    texts = {
        name: "".join(f"<row>{as_xml(row)}</row>" for row in value) if isinstance(value, list) else value
        for name, value in body.items()
    }
    return "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


@pytest.mark.parametrize("format", ["json", "xml"])
@pytest.mark.parametrize("read", [iter_records, iter_pieces])
def test_an_error_beside_rows_is_raised_and_no_row_is_dropped(read: Any, format: str) -> None:
    def pieces(body: dict[str, Any]) -> int:
        text = json.dumps(body) if format == "json" else f"<response>{as_xml(body)}</response>"
        return len(list(read(io.BytesIO(text.encode()), format)))

    assert pieces({"rows": ROWS, "error": 0})
    assert pieces({"error": int(EMPTY)}) == pieces({"error": int(EMPTY), "rows": []}) == 0
    with pytest.raises(TelecomAnswerError, match="rows, and an error that says that there are none"):
        pieces({"rows": ROWS, "error": int(EMPTY)})
    for body in ERRORS:
        with pytest.raises(TelecomError) as caught:
            pieces(body)
        assert caught.value.code == "8"
