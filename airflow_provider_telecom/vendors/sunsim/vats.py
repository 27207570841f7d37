"""Settings of the virtual PBX (VATS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.sunsim import vats_diff, vats_settings
from airflow_provider_telecom.vendors.sunsim.models import Result, VatsSettings
from airflow_provider_telecom.vendors.sunsim.requests import SunSimRequests
from airflow_provider_telecom.vendors.sunsim.responses import (
    envelope,
    facts_of,
    plain,
    read_effect,
    require_result,
)
from airflow_provider_telecom.vendors.sunsim.vats_rules import Settings


class VatsCalls(SunSimRequests):
    """Reading and writing settings."""

    @endpoint
    def get_vats_settings(self, numbers: Sequence[str]) -> Call[VatsSettings]:
        """Return the settings of the virtual PBX for numbers of the contract, to be edited and set.

        Raises TelecomInputError, TelecomAuthError, TelecomRejectedError (a number that is not on the
        contract), TelecomAnswerError. A read. Source: the request before "POST /api/v1/Vats/settings/set",
        whose heading is missing in the document.
        """
        return (yield from self._get(self._contract_numbers(numbers)))

    @endpoint
    def set_vats_settings(
        self, settings: Sequence[Mapping[str, Any]], *, expected_hash: str | None = None
    ) -> Call[Result]:
        """Replace the settings of numbers. `settings` is the edited `settings` of `get_vats_settings`.

        The settings are read again first. A value that was not edited may break the rules below, and profiles
        without an edit are sent back exactly as they were read. The vendor keeps no version, so the last
        writer wins. With `expected_hash` (the `hash` of the edited settings):

        - settings that have changed since are refused (a change between read and write is not noticed);
        - nothing is sent if the settings already have the wanted state;
        - a refusal names the edits;
        - an unknown outcome is resolved by reading, and the request is repeated once if nothing has happened.
          Without `expected_hash` TelecomUnknownError is raised.

        Raises TelecomInputError that names number, profile and day of an edit (times of a profile's blocks
        must cover each day from 0 to 86400 once; dialTime 0 to 90; dialModeCode 1, 2 or 21; isActive, isMlp,
        isUseCalendar 0 or 1; workdayDefDay set only with isUseCalendar = 1; redirect numbers Russian),
        TelecomAuthError, TelecomRejectedError, TelecomUnknownError. A duplicate request sets the same state
        again; a late one can undo a newer change. Source: "POST /api/v1/Vats/settings/set".
        """
        wanted = vats_settings.copy_settings(settings)
        read = yield from self._get(vats_settings.numbers_of(wanted))
        if missing := vats_diff.missing_fields(wanted, read.settings):
            missing_places = vats_diff.summarize(missing)
            raise TelecomInputError("settings", f"must be complete; missing are {missing_places}")
        if expected_hash is None:
            return (yield from self._set(self._check(wanted, read), read))
        return (yield from self._set_edits(wanted, read, expected_hash))

    def _check(self, wanted: list[Settings], read: VatsSettings) -> list[Settings]:
        """Return settings in the form in which they can be sent. Raises TelecomInputError."""
        region = self.options.default_region
        vats_settings.check(wanted, read.settings, region)
        vats_settings.format_redirect_numbers(wanted, region)
        return vats_diff.restore_unedited(wanted, read.settings)

    def _set_edits(self, wanted: list[Settings], read: VatsSettings, expected_hash: str) -> Call[Result]:
        if not (edits := vats_diff.differences(wanted, read.settings)):
            return Result(result=read.result)
        if read.hash != expected_hash:
            raise TelecomRejectedError(
                "the settings have changed since they were read: read them again and repeat the edit"
            )
        checked = self._check(wanted, read)
        try:
            return (yield from self._set(checked, read))
        except TelecomUnknownError:
            found = yield from self._get(vats_settings.numbers_of(wanted))
            if found.hash == expected_hash:
                return (yield from self._set(checked, read))
            if vats_diff.differences(checked, found.settings):
                raise
            return Result(result=found.result)
        except TelecomRejectedError as error:
            error.text = f"{error.text}; edited were {vats_diff.summarize(edits)}"
            error.args = (error.text,)
            raise

    def _set(self, settings: list[Settings], read: VatsSettings) -> Call[Result]:
        body = {read.key: settings}
        request = self._request("POST", "/Vats/settings/set", Idempotency.SET_STATE, body=body)
        return self._call(request, partial(read_effect, documented=True))

    def _get(self, numbers: list[str]) -> Call[VatsSettings]:
        # The heading of this call is missing in the document. Its path is derived from that of `set`.
        request = self._request("POST", "/Vats/settings/get", body={"nums": numbers})
        return self._call(request, partial(read_settings, count=len(numbers)))


def read_settings(response: Response, count: int = 1) -> VatsSettings:
    """Return the settings of at least `count` numbers.

    The document writes `vatsSettings` in its samples and `vatssettings` in its text.
    """
    body = envelope(response)
    result = require_result(body, response)
    name = next((key for key in result if key.casefold() == "vatssettings"), "")
    found = result.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise unreadable_response("no list of settings", response.body, response.status)
    if len(found) < count:
        raise unreadable_response(
            f"settings of {len(found)} of {count} numbers", response.body, response.status
        )
    others = {key: value for key, value in result.items() if key != name}
    return VatsSettings(settings=plain(found), key=name, result=others, **facts_of(body))
