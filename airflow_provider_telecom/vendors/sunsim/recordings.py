"""Recordings of telephone calls."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import MEGABYTE, Request, Response, Save, Target
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.sunsim import arguments, recording_decoder
from airflow_provider_telecom.vendors.sunsim.models import CallRecording
from airflow_provider_telecom.vendors.sunsim.requests import SunSimRequests
from airflow_provider_telecom.vendors.sunsim.responses import envelope, facts_of


class RecordingCalls(SunSimRequests):
    """Reading recordings, into memory or into a file."""

    @endpoint
    def get_call_record_file(self, record_id: str) -> Call[CallRecording]:
        """Return the recording with the `record_id` of a row of `list_calls`: MP3, 200 MB at most.

        Raises TelecomInputError (id), TelecomRejectedError (no such recording), TelecomAnswerError (not an
        MP3 file). A read. Source: "GET /api/v1/request/getcallrecordfile"; this heading is missing in the
        document.
        """
        return (yield from self._call(self._record_file(record_id), read_recording))

    @endpoint
    def download_call_record_file(self, record_id: str, target: Target) -> Call[int]:
        """Stream the response that holds a recording into `target`, unchanged; return its size in bytes.

        It is JSON of at most about 270 MB. `recording_decoder.decode` extracts the MP3 file from it without
        holding it in memory, and finds an error beside the recording. If the vendor answers with an error,
        no file is created.

        Raises TelecomInputError (id), TelecomRejectedError (no such recording), TelecomAuthError,
        RecordingError (the vendor's response holds no recording), TelecomAnswerError (not the vendor's
        response). A read. Source: "GET /api/v1/request/getcallrecordfile".
        """
        request = replace(self._record_file(record_id), save=Save(target, _has_recording))
        return (yield from self._call(request, _saved_bytes))

    def _record_file(self, record_id: str) -> Request:
        query = {"recordFileId": arguments.record_id(record_id)}
        max_bytes = recording_decoder.MAX_RECORDING_BYTES * 4 // 3 + MEGABYTE
        return self._request("GET", "/request/getcallrecordfile", query=query, max_bytes=max_bytes)


def read_recording(response: Response) -> CallRecording:
    """Return a recording.

    Raises TelecomAnswerError unless the content is strict base64 (line breaks are allowed) of an MP3 file.
    """
    body = envelope(response)
    result = body["result"] if isinstance(body.get("result"), dict) else {}
    encoded = body.get("fileContent", result.get("fileContent"))
    try:
        text = encoded if isinstance(encoded, str) else ""
        content = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise unreadable_response("a recording that is not base64", response.body, response.status) from None
    if not recording_decoder.is_mp3(content):
        raise unreadable_response("a recording that is not MP3", response.body, response.status)
    if len(content) > recording_decoder.MAX_RECORDING_BYTES:
        raise unreadable_response("a recording larger than 200 MB", response.body, response.status)
    name = result.get("file_NAME")
    others = {key: value for key, value in result.items() if key != "fileContent"}
    file_name = name if isinstance(name, str) else None
    return CallRecording(result=others, content=content, file_name=file_name, **facts_of(body))


def _has_recording(response: Response) -> bool:
    return response.status == 200 and recording_decoder.CONTENT_START.search(response.body) is not None


def _saved_bytes(response: Response) -> int:
    if response.saved_bytes is None:
        envelope(response)
        raise recording_decoder.RecordingError("a response without a recording", status=response.status)
    return response.saved_bytes
