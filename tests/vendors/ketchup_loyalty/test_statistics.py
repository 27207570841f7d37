"""Statistics exports: keys, lists, files, and what comes in a file's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import FORMATS, Format
from tests.vendors.ketchup_loyalty.by_hand import ScriptedApi, answer, asked, first_request, result_of

ROW = {"message_ID": 1529112192, "message_type": "sms", "body": " testing message ", "Status": "Delivered"}
FILE = json.dumps({"error": 0, "message_data": [ROW]})
XML = (
    "<?xml version='1.0'?><response><error>0</error><message_data><message>"
    "<message_ID>1529112192</message_ID><body>a</body></message></message_data></response>"
)
CSV = 'message_ID;message_type;body\n1529112192;sms;"a; b"\n'
GOOD = {"json": FILE, "xml": XML, "csv": CSV}
ORDER: Any = {"message_ids": [1]}


def error(code: Any, text: str = "") -> str:
    return json.dumps({"error": code, "errorDescription": text})


def rows(format: Format, body: str | bytes, status: int = 200) -> Any:
    said = answer(body, status)
    return result_of(ScriptedApi().get_statistics("abc", format), *[said, None] * 3, said)


def wanted(format: Format, body: str | bytes, status: int = 200) -> bool:
    save = first_request(ScriptedApi().download_statistics("abc", Path("x"), format)).save
    assert save is not None
    return save.is_file(answer(body, status))


@pytest.mark.parametrize(
    "key",
    ["abc", 17, {"file_key": "abc"}, {"key": "abc"}, {"id": 17}, {"name": "abc"}, {"name": "", "id": "abc"}],
)
def test_row_20_a_key_is_a_string_or_stands_in_an_object(key: Any) -> None:
    found = result_of(ScriptedApi().create_statistics_export(**ORDER), {"error": 0, "key": key})
    assert found in ("abc", "17")


@pytest.mark.parametrize("key", [{}, "", None, [], True, {"file": "abc"}])
def test_row_20_without_a_key_nobody_knows_what_happened(key: Any) -> None:
    with pytest.raises(TelecomUnknownError):
        result_of(ScriptedApi().create_statistics_export(**ORDER), {"error": 0, "key": key})


@pytest.mark.parametrize("code", ["80", "81", "82", "83", "84", "85", "86", "92"])
def test_an_order_is_refused(code: str) -> None:
    with pytest.raises(TelecomRejectedError) as caught:
        result_of(ScriptedApi().create_statistics_export(**ORDER), error(code))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ({"error": 0, "files": [{"file_key": "a", "status": "ready"}, {"file_key": "b"}]}, ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        ({"error": "0", "result": {"1": {"key": "a"}, "2": {"key": "b"}}}, ["a", "b"]),
        ({"error": 0}, []),
        ({"error": 0, "files": []}, []),
        ({"error": 0, "files": {}}, []),
        ([], []),
    ],
)
def test_exports_are_listed_whatever_the_lists_name(body: Any, keys: list[str]) -> None:
    found = result_of(ScriptedApi().list_statistics_exports(), body)
    assert [export.key for export in found] == keys
    assert not found or found[0].raw in ("a", {"file_key": "a", "status": "ready"}, {"key": "a"})


@pytest.mark.parametrize(
    "body", [{"message": "Maintenance"}, {"files": [{"size": 1}]}, [None], {"files": "a"}]
)
def test_a_list_without_keys_is_unreadable(body: Any) -> None:
    with pytest.raises(TelecomAnswerError):
        result_of(ScriptedApi().list_statistics_exports(), *[body, None] * 3, body)


@pytest.mark.parametrize("body", [{"error": 0}, {"error": "0"}, {}, "", "\n"])
def test_a_deletion_needs_no_words(body: Any) -> None:
    assert result_of(ScriptedApi().delete_statistics_export("abc"), answer(body)) is None


@pytest.mark.parametrize("status", [200, 404])
def test_a_deletion_of_nothing_is_not_found(status: int) -> None:
    requests = ScriptedApi().delete_statistics_export("abc")
    with pytest.raises(TelecomNotFoundError) as caught:
        asked(requests, answer(error(90, "file not found"), status))
    assert caught.value.code == "90"


def test_row_21_what_is_at_no_path_is_not_there() -> None:
    """A web server's 404 says nothing of the export: it may still be kept."""
    gone = Response(404, {}, b"")
    with pytest.raises(TelecomRejectedError, match="no such address") as caught:
        asked(ScriptedApi().delete_statistics_export("abc"), *[gone] * 4)
    assert type(caught.value) is TelecomRejectedError
    assert caught.value.call == "DELETE /rest/message/list/{file_key}"


@pytest.mark.parametrize("format", FORMATS)
def test_files_in_three_formats(format: Format) -> None:
    (row,) = rows(format, GOOD[format])
    assert str(row["message_ID"]) == "1529112192"
    assert wanted(format, GOOD[format])
    assert wanted(format, "\ufeff" + GOOD[format])


def test_a_bare_list_is_a_file() -> None:
    assert rows("json", json.dumps([ROW])) == [ROW]
    assert wanted("json", json.dumps([{"error": 5}]))


def test_row_11_texts_of_rows_keep_their_blanks() -> None:
    (row,) = rows("json", json.dumps({"error": 0, "d": [{**ROW, "Status ": " Read ", "Caption": " Go "}]}))
    assert (row["body"], row["Status"], row["Caption"]) == (" testing message ", "Read", " Go ")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "body", [error(93), error("93", "File is empty"), '{"errorDescription":"","error":93}']
)
def test_an_empty_export_is_no_error(format: Format, body: str) -> None:
    assert rows(format, body) == []
    assert not wanted(format, body)
    assert result_of(ScriptedApi().download_statistics("abc", Path("x"), format), body) == 0


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("code", "kind"),
    [("91", KetchUpNotReadyError), ("90", TelecomNotFoundError), ("7", TelecomRejectedError)],
)
@pytest.mark.parametrize("status", [200, 400])
def test_what_comes_in_a_files_place(
    format: Format, code: str, kind: type[TelecomError], status: int
) -> None:
    for body in (error(code, "no"), json.dumps({"errorDescription": "no", "error": int(code)})):
        assert not wanted(format, body, status)
        for call in (
            ScriptedApi().get_statistics("abc", format),
            ScriptedApi().download_statistics("abc", Path("x"), format),
        ):
            with pytest.raises(kind) as caught:
                asked(call, answer(body, status))
            assert type(caught.value) is kind
            assert caught.value.code == code


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("body", ["", " \n", "<html><h1>Maintenance</h1></html>", "<!DOCTYPE html>", "{"])
def test_pages_and_nothing_are_no_file(format: Format, body: str) -> None:
    assert not wanted(format, body) or (format, body) == ("json", "{")
    with pytest.raises(TelecomAnswerError):
        rows(format, body)


def test_a_saved_file_is_counted() -> None:
    saved = Response(200, {}, saved_bytes=4096)
    assert result_of(ScriptedApi().download_statistics("abc", Path("x")), saved) == 4096
    assert not wanted("csv", CSV, 206)
    assert not wanted("xml", "<response><error>91</error></response>")


SAMPLE = """{“error”: 0
[
{“message_ID”: 1529112192,
“message_type”: “sms”,
“mnc”: 01,
“Status”: “Delivered”
“body”: “testing message”
}
]"""


def test_row_06_a_typographic_export_fails_by_name_and_is_not_repaired() -> None:
    with pytest.raises(TelecomAnswerError, match=r"not JSON; use xml.*a body of") as caught:
        rows("json", SAMPLE)
    assert "testing" not in str(caught.value)
    assert wanted("json", SAMPLE)
    assert not wanted("json", "{“error”: 91,\n“errorDescription”: “file not ready”}")


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("json", '{"error": 0}'),
        ("json", '{"error": 0, "message_data": [1]}'),
        ("json", '[{"a": 1, "a": 2}]'),
        ("json", "[" * 700 + "]" * 700),
        ("csv", "message_ID;body\n1\n"),
        ("csv", "message_ID;body\n1;2;3\n"),
        ("csv", b"message_ID;body\n1;\xff\n"),
        ("csv", "message_ID;body\n1;" + "x" * 200_000 + "\n"),
        ("xml", "<a><b>"),
        ("xml", "<a><b><c/></b></a>"),
        ("xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        ("xml", "<a>" * 5000 + "</a>" * 5000),
    ],
)
def test_broken_files_are_errors_and_not_less_rows(format: Format, body: str | bytes) -> None:
    with pytest.raises(TelecomAnswerError):
        rows(format, body)


def test_the_sms_within_a_viber_message_is_no_row_of_its_own() -> None:
    sms = "<alternativeSMS><message_ID>2</message_ID><body>b</body></alternativeSMS>"
    viber = f"<message><message_ID>1</message_ID><body/>{sms}</message>"
    hlr = "<message><message_ID>3</message_ID><body><MCC>255</MCC></body></message>"
    (first, second) = rows("xml", f"<r><error>0</error><data>{viber}{hlr}</data></r>")
    assert first == {"message_ID": "1", "body": "", "alternativeSMS": {"message_ID": "2", "body": "b"}}
    assert second["body"] == {"MCC": "255"}


def test_an_xml_file_without_messages_is_empty() -> None:
    assert rows("xml", "<response><error>0</error><message_data/></response>") == []


def test_csv_with_either_separator() -> None:
    assert rows("csv", CSV)[0]["body"] == "a; b"
    assert rows("csv", CSV.replace(";", ","))[0]["body"] == "a, b"
    assert rows("csv", "message_ID;body\n") == []
