"""Operators of SunSim."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.operators.bulk_calls import BulkCallArguments, BulkCallOperator
from airflow_provider_telecom.operators.call_receipts import (
    CallReceiptsArguments,
    CallReceiptsOperator,
    Pair,
)
from airflow_provider_telecom.operators.recipients import object_path
from airflow_provider_telecom.tasks.arguments import CallArguments, OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.tasks.verification import CallOperator, CallXCom
from airflow_provider_telecom.vendors.sunsim import VENDOR

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.call_matching import ListedCall
    from airflow_provider_telecom.bulk.requests_without_keys import Result
    from airflow_provider_telecom.hooks.sunsim import SunSimHook
    from airflow_provider_telecom.vendors.sunsim.models import ResponseFacts, VatsSettings


POLL_DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds between reads of new settings: the document does not say that they are visible at once."""


class SunSimOperator(TelecomOperator):
    """Base class of the operators; uses a `sunsim` connection."""

    vendor = VENDOR
    hook: SunSimHook


class CallbackXCom(CallXCom):
    """What `SunSimCreateCallbackOperator` returns."""

    code: NotRequired[int | str]
    request_hash: NotRequired[str]


class SunSimCreateCallbackOperator(SunSimOperator, CallOperator):
    """Call a number of the contract and connect it with any other number.

    Charged as an incoming call on the first number. Returns `{"started": True}`, and `code` and
    `request_hash` if the response has them: it is not documented, and does not identify the call. The vendor
    cannot detect a duplicate, which calls two people again: `on_unknown` says what to do after a lost
    response. `verify_within_seconds` needs `vendor_timezone` in the connection's extra.

    :param phone_to: the number to connect with, in any common form.
    :param phone_from: the number of the contract that is called first.

    Raises TelecomInputError (numbers), TelecomAuthError, TelecomRejectedError, OutcomeUnknownError.
    Source: "GET /api/v1/callback/create" of the vendor's document.
    """

    template_fields: Sequence[str] = (*NonIdempotentOperator.template_fields, "phone_to", "phone_from")
    private_fields: ClassVar[Sequence[str]] = ("phone_to", "phone_from")
    status_check: ClassVar[str] = "airflow_provider_telecom.vendors.sunsim.status.callback"

    def __init__(
        self, *, phone_to: str | int, phone_from: str | int, **kwargs: Unpack[CallArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.phone_to, self.phone_from = phone_to, phone_from

    def execute(self, context: Context) -> CallbackXCom:
        """Order the callback once."""
        from airflow_provider_telecom.calls.phone import e164
        from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

        if self.verify_within_seconds and self.hook.options.vendor_timezone is None:
            raise TelecomInputError(
                "verify_within_seconds", "needs vendor_timezone in the connection's extra"
            )
        call = {"phone_to": self.reveal("phone_to"), "phone_from": self.reveal("phone_from")}
        region = self.hook.options.default_region
        e164(call["phone_to"], region, field="phone_to")  # before a token is fetched
        russian_number("phone_from", call["phone_from"], region)
        facts: ResponseFacts = {}

        def order() -> None:
            facts.update(self.hook.create_callback(**call).facts)

        def order_once() -> CallbackXCom:
            return {**self._call_or_verify(order, call), **facts}

        return self._send_once(context, call, order_once)


class SunSimBulkCallbackOperator(SunSimOperator, BulkCallOperator):
    """Call a number of the contract once for each recipient, and connect it with the recipient.

    The callbacks are ordered one after the other. A killed or retried task continues where it was. **The
    vendor cannot detect a duplicate:** the journal names each recipient before the request, and whoever may
    have been called is not called again. Each is charged as an incoming call on the first number. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown", "results",
         "rejects"}

    `accepted` says that the vendor has taken the order. Whether somebody has answered shows in the list of
    calls later: `SunSimCollectReceiptsOperator`.

    :param phone_from: the number of the contract that is called first.

    Raises TelecomInputError (numbers) before anything is sent, TelecomAuthError, TelecomRejectedError,
    OutcomeUnknownError. Source: "GET /api/v1/callback/create" of the vendor's document.
    """

    template_fields: Sequence[str] = (*BulkCallOperator.template_fields, "phone_from")
    private_fields: ClassVar[Sequence[str]] = ("phone_from",)
    call = "GET /callback/create"

    def __init__(self, *, phone_from: str | int, **kwargs: Unpack[BulkCallArguments]) -> None:
        super().__init__(**kwargs)
        self.phone_from = phone_from

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, then order their callbacks."""
        from airflow_provider_telecom.bulk.outcomes import ACCEPTED
        from airflow_provider_telecom.bulk.requests_without_keys import Result, now_text
        from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

        region = self.hook.options.default_region
        phone_from = russian_number("phone_from", self.reveal("phone_from"), region)

        def call(msisdn: str) -> Result:
            at = now_text()
            ordered = self.hook.create_callback(msisdn, phone_from)
            return Result(ACCEPTED, at, message_id=ordered.call_id)

        return self._call_all(context, phone_from, call, region)


class SunSimCollectReceiptsOperator(SunSimOperator, CallReceiptsOperator):
    """Complete a file of outcomes of `SunSimBulkCallbackOperator` with what the list of calls says.

    Each round lists all calls of the numbers that were called first, since the first open one, at most 27
    days. The document does not show the rows: a callback is recognized if a row has both numbers, a time and
    a duration in likely columns, or the id that the response to the order gave. It needs `vendor_timezone` in
    the connection's extra. Returns the totals: `{"outcomes", "messages", "final", "delivered", "undelivered",
    "silent", "accepted", "unknown", ...}`.

    :param either_direction: also take a row in which the recipient is the caller, if the vendor lists
        callbacks so. A recipient's own call in that time is mistaken for the callback.

    Raises TelecomInputError (`vendor_timezone`, a row of another connection or channel), TelecomAuthError,
    TelecomRejectedError. A read. Source: "POST /api/v1/request/getcalllist" of the vendor's document.
    """

    max_age = timedelta(days=27)

    def __init__(self, *, either_direction: bool = False, **kwargs: Unpack[CallReceiptsArguments]) -> None:
        super().__init__(**kwargs)
        self.either_direction = either_direction

    def execute(self, context: Context) -> dict[str, Any]:
        """Complete the file until there are enough results. May defer."""
        if self.hook.options.vendor_timezone is None:
            raise TelecomInputError("vendor_timezone", "must be in the connection's extra")
        return super().execute(context)

    def _pair(self, caller: str, msisdn: str) -> Pair:
        from airflow_provider_telecom.vendors.sunsim.models import last_ten_digits

        return last_ten_digits(caller), last_ten_digits(msisdn)

    def _listed(
        self, callers: Sequence[str], first: datetime, last: datetime
    ) -> Iterator[tuple[Pair, ListedCall]]:
        import pendulum

        from airflow_provider_telecom.bulk.call_matching import ListedCall
        from airflow_provider_telecom.vendors.sunsim.schema import possible_starts, to_row

        zone = pendulum.timezone(self.hook.options.vendor_timezone or "")
        for call in self.hook.list_calls(callers, first, last).calls:
            try:
                row: dict[str, Any] = to_row(call.row, zone, self.hook.options.default_region)
            except TelecomInputError:  # no time
                continue
            ends = (row["number_from"], row["number_to"])
            if None in ends:
                continue
            seconds = row["duration_seconds"]
            starts = possible_starts(call.row, zone)
            found = ListedCall(starts, self._is_answered(seconds), seconds or 0, row["call_id"])
            yield self._pair(*ends), found
            if self.either_direction:
                yield self._pair(*ends[::-1]), found


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
