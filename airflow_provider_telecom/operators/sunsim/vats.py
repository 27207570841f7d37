"""SunSim: the settings of the contract's numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.operators.recipients import object_path
from airflow_provider_telecom.operators.sunsim.operator import SunSimOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import check_if_literal

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.sunsim.models import VatsSettings


POLL_DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between reads of new settings: the document does not say that they are visible at once."""


class ReadSettingsXCom(TypedDict):
    """What `SunSimGetVatsSettingsOperator` returns."""

    hash: str
    numbers: int
    profiles: list[list[object]]
    path: str | None
    code: NotRequired[int | str]
    request_hash: NotRequired[str]
    settings: NotRequired[Sequence[Mapping[str, object]]]
    """With `return_settings`."""


class SetSettingsXCom(TypedDict):
    """What `SunSimSetVatsSettingsOperator` returns."""

    changed: bool
    hash: str
    numbers: int
    code: NotRequired[int | str]
    request_hash: NotRequired[str]
    """Of the response to the new settings, if something was sent."""


class SunSimGetVatsSettingsOperator(SunSimOperator):
    """Read the settings of the virtual PBX; return `{"hash", "numbers", "profiles", "path"}`.

    `hash` is for `SunSimSetVatsSettingsOperator`, `numbers` the count of numbers, `profiles` the ids of each
    number's profiles, in the vendor's order. If the response has them, `code` and `request_hash` are also
    returned. The settings contain telephone numbers: they are not written to Airflow's database unless
    `return_settings` is set.

    :param numbers: numbers of the contract, in any common form.
    :param path: the file, local or in object storage, to which the settings are written as a JSON list that
        can be edited and set. It contains telephone numbers.
    :param return_settings: also return `settings` in the XCom, with all telephone numbers.

    Raises TelecomInputError, TelecomAuthError, TelecomRejectedError (a number that is not on the contract),
    TelecomAnswerError. A read: a duplicate costs nothing. Source: the request before
    "POST /api/v1/Vats/settings/set" of the vendor's document, whose heading is missing.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "numbers", "path")
    private_fields: ClassVar[Sequence[str]] = ("numbers",)

    def __init__(
        self,
        *,
        numbers: Sequence[str | int],
        path: str | None = None,
        return_settings: bool = False,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.numbers, self.path, self.return_settings = numbers, path, return_settings

    def execute(self, context: Context) -> ReadSettingsXCom:
        """Read the settings, and write them to the file."""
        found = self.hook.get_vats_settings(self.reveal("numbers"))
        self._write(found)
        xcom: ReadSettingsXCom = {
            "hash": found.hash,
            "numbers": len(found.settings),
            "profiles": [[one.get("id") for one in entry.get("profiles") or []] for entry in found.settings],
            "path": self.path or None,
        }
        if self.return_settings:
            xcom["settings"] = found.settings
        return {**xcom, **found.facts}

    def _write(self, found: VatsSettings) -> None:
        if (path := object_path(self.path)) is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(found.settings, ensure_ascii=False, indent=2), encoding="utf-8")
        part.rename(path)


class SunSimSetVatsSettingsOperator(SunSimOperator):
    """Replace settings of the virtual PBX with edited ones; return `{"changed", "hash", "numbers"}`.

    Nothing is sent if the settings already have the wanted state, so a retried task changes nothing twice.
    After a lost response the outcome is read from the vendor. If something was sent, `code` and
    `request_hash` of the response are also returned. Afterwards the settings are read and compared.
    Profiles without an edit are sent exactly as they were read: the vendor refuses an edit of a VIP list's
    profile, and the error names number, profile and field.

        read = SunSimGetVatsSettingsOperator(task_id="read", numbers=[...], path="s3://bucket/vats.json")
        # edit the file, then
        SunSimSetVatsSettingsOperator(
            task_id="set", path="s3://bucket/vats.json",
            expected_hash="{{ ti.xcom_pull(task_ids='read')['hash'] }}",
        )

    :param settings: the edited settings, a list in the vendor's format: `task.output` of a task that returned
        it.
    :param path: or the file with that JSON list.
    :param expected_hash: the `hash` of the settings before the edit. If they have changed since, the task
        fails: somebody else's edit would be lost. Without it they are set in any case.

    Raises TelecomInputError that names number, profile and day (see `set_vats_settings` of the hook for
    the rules), TelecomRejectedError (changed since; refused; different from what was sent when read again),
    TelecomAuthError, TelecomUnknownError. Source: "POST /api/v1/Vats/settings/set" of the vendor's document.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "settings", "path", "expected_hash")
    private_fields: ClassVar[Sequence[str]] = ("settings",)

    def __init__(
        self,
        *,
        settings: Sequence[Mapping[str, Any]] | None = None,
        path: str | None = None,
        expected_hash: str | None = None,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        if settings is not None and path is not None:
            raise TelecomInputError("settings", "or path must be given, not both")
        check_if_literal(expected_hash, _check_hash)
        self.settings, self.path, self.expected_hash = settings, path, expected_hash

    def execute(self, context: Context) -> SetSettingsXCom:
        """Check the settings, set them, and compare what the vendor shows then."""
        from airflow_provider_telecom.vendors.sunsim.vats_diff import differences, summarize
        from airflow_provider_telecom.vendors.sunsim.vats_settings import copy_settings, numbers_of

        if self.expected_hash is not None:
            _check_hash(self.expected_hash)
        wanted = copy_settings(self._wanted())
        numbers = [f"7{number}" for number in numbers_of(wanted)]
        expected = self.expected_hash or self.hook.get_vats_settings(numbers).hash
        done = self.hook.set_vats_settings(wanted, expected_hash=expected)
        for delay in (0.0, *POLL_DELAYS):
            time.sleep(delay)
            found = self.hook.get_vats_settings(numbers)
            if not (others := differences(wanted, found.settings)):
                break
        else:
            raise TelecomRejectedError(
                f"the vendor has accepted the settings, but does not show what was sent: {summarize(others)}"
            )
        return {
            "changed": found.hash != expected,
            "hash": found.hash,
            "numbers": len(numbers),
            **done.facts,
        }

    def _wanted(self) -> Any:
        settings, path = self.reveal("settings"), object_path(self.path)
        if (settings is None) == (path is None):
            raise TelecomInputError("settings", "or path must be given, and one of them only")
        if path is None:
            return settings
        if not path.is_file():
            raise TelecomInputError("path", f"there is no file {path}")
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            raise TelecomInputError("path", f"{path} does not hold JSON") from None


def _check_hash(value: str) -> None:
    matching("expected_hash", value, r"[0-9a-f]{64}", "must be the hash of a read: 64 characters 0-9 and a-f")
