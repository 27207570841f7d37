"""The calls of SunSim. Source: the vendor's "Интеграционные API" (docs/vendors/sunsim.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from airflow_provider_telecom.calls.checks import in_range, matching, non_empty, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.phone import as_dialled_in_russia, without_country_code
from airflow_provider_telecom.calls.privacy import Secret, mask_number
from airflow_provider_telecom.calls.request import (
    MEGABYTE,
    Idempotency,
    Json,
    Request,
    Response,
    Save,
    Target,
)
from airflow_provider_telecom.vendors.api import Api, Credentials
from airflow_provider_telecom.vendors.sunsim.models import (
    MAX_RECORDING_BYTES,
    Answer,
    CallList,
    CallRecording,
    TokenPair,
    VatsSettings,
    read_call_rows,
    read_callback,
    read_calls,
    read_recording,
    read_set,
    read_settings,
)
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from airflow_provider_telecom.vendors.sunsim.recording_decoder import CONTENT_START, RecordingError
from airflow_provider_telecom.vendors.sunsim.responses import envelope
from airflow_provider_telecom.vendors.sunsim.schema import RECORD_ID
from airflow_provider_telecom.vendors.sunsim.times import period, written
from airflow_provider_telecom.vendors.sunsim.tokens import TokenClient
from airflow_provider_telecom.vendors.sunsim.vats_diff import (
    differences,
    missing_fields,
    restore_unedited,
    told,
)
from airflow_provider_telecom.vendors.sunsim.vats_schedule import Settings
from airflow_provider_telecom.vendors.sunsim.vats_settings import (
    check,
    copy_settings,
    format_redirect_numbers,
    numbers_of,
)

Direction = Literal["outgoing", "incoming"]

_DIRECTIONS: Mapping[str, int] = {"outgoing": 1, "incoming": 2}
_LONGEST_SECONDS = 2**31 - 1
_LARGEST_LIST = 64 * MEGABYTE


class SunSimApi(Api[SunSimOptions]):
    """Every documented call."""

    @property
    def credentials(self) -> Credentials:
        """The authorization token that pairs of tokens are created with."""
        raise self._nobody()

    @endpoint
    def create_tokens(self) -> Call[TokenPair]:
        """Return a new pair of tokens. The pair before it dies at once, for everybody.

        Calls make their own tokens; this is for other systems. A pair that another call makes later ends
        this one. Raises TelecomAuthError (wrong authorization token). Repeated after a lost answer: a
        copy makes one more pair, and costs nothing. Source: "GET auth/integrationapi/create".
        """
        return (yield from self._desk().create(self.credentials.secret))

    @endpoint
    def refresh_tokens(self, refresh_token: str | Secret) -> Call[TokenPair]:
        """Return a new pair for a live refresh token. The pair before it dies at once, for everybody.

        Raises TelecomAuthError (dead refresh token), TelecomUnknownError: a refresh token works once, so
        after a lost answer the new pair is lost as well, and `create_tokens` is the way out.
        Source: "GET auth/integrationapi/refresh".
        """
        token = refresh_token.reveal() if isinstance(refresh_token, Secret) else refresh_token
        rule = "must be the refresh token, without blanks"
        matching("refresh_token", token, r"[\x21-\x7e]{1,8192}", rule)
        return (yield from self._desk().refresh(Secret(token)))

    @endpoint
    def create_callback(self, phone_to: str, phone_from: str) -> Call[Answer]:
        """Ring `phone_from` (a number of the contract) and connect it with `phone_to`, any number.

        Charged as an incoming call on `phone_from`. The document does not show the answer. An empty one, the
        envelope of a success, and an object that holds only ids are taken for a success; any other answer
        that is not a refusal raises TelecomUnknownError. A second request rings two phones again, so the
        hook never repeats one whose outcome is unknown. `list_calls` may then prove that it happened, never
        that it did not.

        Raises TelecomInputError (numbers), TelecomAuthError, TelecomRejectedError, TelecomUnknownError.
        Source: "GET /api/v1/callback/create".
        """
        query = {
            "PhoneTo": as_dialled_in_russia(self._msisdn(phone_to, "phone_to")),
            "PhoneFrom": self._own_number(phone_from, "phone_from"),
        }
        request = self._request("GET", "/callback/create", Idempotency.NONE, query=query)
        return (yield from self._call(request, read_callback))

    @endpoint
    def list_calls(
        self,
        numbers: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        direction: Direction | None = None,
        duration_from_seconds: int | None = None,
        duration_to_seconds: int | None = None,
        only_recorded: bool = False,
        is_read: bool | None = None,
    ) -> Call[CallList]:
        """Return the calls of numbers of the contract between `start` and `end`.

        With `vendor_timezone` in the connection's extra the ends are aware; without it they are naive, in
        the vendor's own time. The period is one month at most and begins at most one month ago.
        `is_read` is about voice mail: True for what was listened to, False for what was not, None for all
        calls. A limit that is left out is none; a `duration_to_seconds` of 0 asks for calls of 0 seconds.

        Raises TelecomInputError, TelecomAuthError, TelecomRejectedError (a number that is not on the
        contract), TelecomAnswerError. A read. Source: "POST /api/v1/request/getcalllist".
        """
        request = self._call_list(
            numbers,
            period(start, end, self.options.vendor_timezone),
            direction=direction,
            duration_from_seconds=duration_from_seconds,
            duration_to_seconds=duration_to_seconds,
            only_recorded=only_recorded,
            is_read=is_read,
        )
        return (yield from self._call(request, read_calls))

    @endpoint
    def list_call_rows(
        self, numbers: Sequence[str], start: datetime, end: datetime, filters: Mapping[str, Any]
    ) -> Call[list[Any]]:
        """Return the rows of `list_calls` as they came, also what is no object: for who sets those aside.

        `start` and `end` are what the vendor's clocks show, without a zone even if it is known. `filters`
        are those of `list_calls`, by name. Raises the same. A read. Source: "POST
        /api/v1/request/getcalllist".
        """
        ends = written(start, end, self.options.vendor_timezone)
        return (yield from self._call(self._call_list(numbers, ends, **filters), read_call_rows))

    @endpoint
    def get_call_record_file(self, record_id: str) -> Call[CallRecording]:
        """Return the recording of a call by the `record_id` of its row in `list_calls`: MP3, 200 MB at most.

        Raises TelecomInputError (id), TelecomRejectedError (no such recording), TelecomAnswerError (not an
        MP3 file). A read. Source: "GET /api/v1/request/getcallrecordfile", whose heading the document lost.
        """
        return (yield from self._call(self._record_file(record_id), read_recording))

    @endpoint
    def download_call_record_file(self, record_id: str, target: Target) -> Call[int]:
        """Stream the answer that holds a recording into `target`, as it came, and return its bytes.

        It is JSON, some 270 MB at most. `vendors.sunsim.recordings.decode` takes the MP3 file out of it
        without holding it, and finds an error that stands beside the recording. Nothing stands under that
        name when the vendor answers with an error in place of one.

        Raises TelecomInputError (id), TelecomRejectedError (no such recording), TelecomAuthError,
        RecordingError (the vendor's answer holds none), TelecomAnswerError (not the vendor's answer). A read.
        Source: "GET /api/v1/request/getcallrecordfile".
        """
        request = replace(self._record_file(record_id), save=Save(target, _holds_a_recording))
        return (yield from self._call(request, _saved))

    @endpoint
    def get_vats_settings(self, numbers: Sequence[str]) -> Call[VatsSettings]:
        """Return the settings of the virtual PBX for numbers of the contract, to be edited and set.

        Raises TelecomInputError, TelecomAuthError, TelecomRejectedError (a number that is not on the
        contract), TelecomAnswerError. A read. Source: the request before "POST /api/v1/Vats/settings/set",
        whose heading the document lost.
        """
        return (yield from self._vats_settings(self._own_numbers(numbers)))

    @endpoint
    def set_vats_settings(
        self, settings: Sequence[Mapping[str, Any]], *, expected_hash: str | None = None
    ) -> Call[Answer]:
        """Set edited settings, as a whole, of the numbers they are about.

        `settings` is the `settings` of `get_vats_settings`, edited. They are read once more just before: what
        was not edited may stay as the vendor shows it, and profiles without an edit go back to the letter.
        The vendor keeps no version, so whoever writes last wins. With `expected_hash` (the `hash` of what was
        edited) settings that have changed since are refused; the moment between the read and the write stays
        open. Only with it nothing is sent when they are so already, a refusal names what was edited, and an
        unknown outcome is settled by reading, and the request repeated once if nothing has happened; without
        it TelecomUnknownError is raised.

        Raises TelecomInputError that names number, profile and day of an edit (times of a profile's blocks
        must cover each day from 0 to 86400 once; dialTime 0 to 90; dialModeCode 1, 2 or 21; isActive, isMlp,
        isUseCalendar 0 or 1; workdayDefDay set only with isUseCalendar = 1; redirect numbers Russian),
        TelecomAuthError, TelecomRejectedError, TelecomUnknownError. A copy sets the same state again; a
        late one can undo a newer change. Source: "POST /api/v1/Vats/settings/set".
        """
        wanted = copy_settings(settings)
        read = yield from self._vats_settings(numbers_of(wanted))
        if missing := missing_fields(wanted, read.settings):
            raise TelecomInputError("settings", f"must be whole; left out were {told(missing)}")
        if expected_hash is None:
            return (yield from self._set(self._fit(wanted, read), read))
        return (yield from self._set_edited(wanted, read, expected_hash))

    def _fit(self, wanted: list[Settings], read: VatsSettings) -> list[Settings]:
        """Return settings in the form in which they may be sent. Raises TelecomInputError."""
        check(wanted, read.settings, self.options.default_region)
        format_redirect_numbers(wanted, self.options.default_region)
        return restore_unedited(wanted, read.settings)

    def _set_edited(self, wanted: list[Settings], read: VatsSettings, expected_hash: str) -> Call[Answer]:
        if not (edits := differences(wanted, read.settings)):
            return Answer(result=read.result)
        if read.hash != expected_hash:
            raise TelecomRejectedError(
                "the settings have changed since they were read: read them again and repeat the edit"
            )
        fit = self._fit(wanted, read)
        try:
            return (yield from self._set(fit, read))
        except TelecomUnknownError:
            found = yield from self._vats_settings(numbers_of(wanted))
            if found.hash == expected_hash:
                return (yield from self._set(fit, read))
            if differences(fit, found.settings):
                raise
            return Answer(result=found.result)
        except TelecomRejectedError as error:
            error.text = f"{error.text}; edited were {told(edits)}"
            error.args = (error.text,)
            raise

    def _set(self, fit: list[Settings], read: VatsSettings) -> Call[Answer]:
        request = self._request("POST", "/Vats/settings/set", Idempotency.SET_STATE, body={read.key: fit})
        return self._call(request, read_set)

    def _vats_settings(self, nums: list[str]) -> Call[VatsSettings]:
        # The document lost this call's heading; its name is taken from that of its sister.
        request = self._request("POST", "/Vats/settings/get", body={"nums": nums})
        return self._call(request, partial(read_settings, numbers=len(nums)))

    def _call_list(
        self,
        numbers: Sequence[str],
        ends: tuple[str, str],
        *,
        direction: Direction | None = None,
        duration_from_seconds: int | None = None,
        duration_to_seconds: int | None = None,
        only_recorded: bool = False,
        is_read: bool | None = None,
    ) -> Request:
        # No limit is 0 where the document says "empty or 0", and null where it says "empty, use null".
        shortest = _seconds("duration_from_seconds", duration_from_seconds)
        longest = _seconds("duration_to_seconds", duration_to_seconds)
        if shortest is not None and longest is not None and shortest > longest:
            raise TelecomInputError("duration_to_seconds", "must not be less than duration_from_seconds")
        body = {
            "nums": self._own_numbers(numbers),
            "periodStart": ends[0],
            "periodEnd": ends[1],
            "direction": 0 if direction is None else _DIRECTIONS[one_of("direction", direction, _DIRECTIONS)],
            "durationFrom": shortest,
            "durationTo": longest,
            "isCallRecord": 1 if only_recorded else 0,
            "isRead": None if is_read is None else int(one_of("is_read", is_read, (True, False))),
        }
        return self._request("POST", "/request/getcalllist", body=body, max_bytes=_LARGEST_LIST)

    def _record_file(self, record_id: str) -> Request:
        rule = "must be 1 to 64 of the characters A-Z a-z 0-9 and -"
        query = {"recordFileId": matching("record_id", record_id, RECORD_ID, rule)}
        most = MAX_RECORDING_BYTES * 4 // 3 + MEGABYTE
        return self._request("GET", "/request/getcallrecordfile", query=query, max_bytes=most)

    def _request(
        self,
        method: str,
        path: str,
        idempotency: Idempotency = Idempotency.READ,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        max_bytes: int = 16 * MEGABYTE,
    ) -> Request:
        content = None if body is None else Json(body)
        address = f"{self.options.api_path}{path}"
        return Request(method, address, idempotency, query=query or {}, body=content, max_bytes=max_bytes)

    def _desk(self) -> TokenClient:
        account = self.account
        return TokenClient(self.options, account.limits, account.deadline)

    def _own_numbers(self, numbers: Sequence[str]) -> list[str]:
        return list(
            dict.fromkeys(self._own_number(number, "numbers") for number in non_empty("numbers", numbers))
        )

    def _own_number(self, number: str, field: str) -> str:
        msisdn = self._msisdn(number, field)
        if not (msisdn.startswith("7") and len(msisdn) == 11):
            raise TelecomInputError(
                field, "must be a Russian number of the contract", shown=mask_number(msisdn)
            )
        return without_country_code(msisdn)


def _seconds(field: str, value: int | None) -> int | None:
    return None if value is None else in_range(field, value, 0, _LONGEST_SECONDS)


def _holds_a_recording(answer: Response) -> bool:
    return answer.status == 200 and CONTENT_START.search(answer.body) is not None


def _saved(answer: Response) -> int:
    if answer.saved_bytes is None:
        envelope(answer)
        raise RecordingError("an answer without a recording", status=answer.status)
    return answer.saved_bytes
