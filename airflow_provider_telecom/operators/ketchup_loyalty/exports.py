"""Operators that order statistics exports of KetchUp, and clear them away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS, KetchUpOperator
from airflow_provider_telecom.tasks.arguments import JournaledDeferrableArguments, OperatorArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

_ALL_TAKEN, _GONE = "92", "90"
_OURS = "exports"
STAT_FILE = f"{STATUS_CHECKS}.stat_file"
_MOMENTS = ("time_in_from", "time_in_to", "time_sent_from", "time_sent_to")
_WORDS = {
    "source_type": arguments.SOURCE_TYPES,
    "message_type": arguments.MESSAGE_TYPES,
    "status": arguments.STATUSES,
}


class ExportArguments(TypedDict, total=False):
    """The parameters of `KetchUpCreateStatExportOperator`."""

    message_ids: Sequence[str | int] | str | None
    time_in_from: datetime | str | None
    time_in_to: datetime | str | None
    msisdns: Sequence[str | int] | str | None
    originator: str | None
    source_type: str | None
    message_type: str | None
    time_sent_from: datetime | str | None
    time_sent_to: datetime | str | None
    country_name: str | None
    operator_id: str | int | None
    status: str | None
    clicks: tuple[Literal["<", ">", "="], int] | None
    callback_url: str | None
    on_full: Literal["fail", "delete_own"]
    own_file_keys: Sequence[str] | str


class KetchUpCreateStatExportOperator(KetchUpOperator, JournaledOperator, DeferrableOperator):
    """Order an export of detailed statistics and return `{"file_key", "adopted"}`.

    A copy costs nothing but one of the five places that an account has for a month. After a lost answer or a
    killed task the list of exports shows whether it was ordered: a single new one is taken for it
    (`adopted` is true), and another export that somebody orders for the same account in that moment could be
    taken for it. Where several are new, nobody can tell, and one more is ordered. With `wait_for_completion`
    the task waits until the file is ready, and returns `empty` as well.

    Give either `message_ids`, or `time_in_from` and `time_in_to` and any other filters.

    :param message_ids: 1 to 300 of the vendor's ids (or the text of a list).
    :param time_in_from: when messages came in: a datetime, or its ISO 8601 text. It has a time zone if the
        connection names `vendor_timezone`, and none otherwise.
    :param time_in_to: the other end.
    :param msisdns: only these numbers (a list, or the text of one).
    :param originator: only this sender.
    :param source_type: api, web, smpp, xml, http or json.
    :param message_type: sms, hlr or viber; only then can the file be fetched as CSV.
    :param time_sent_from: when messages were sent.
    :param time_sent_to: the other end.
    :param country_name: only this country, like Ukraine.
    :param operator_id: only this operator of the country.
    :param status: the vendor's word, like Delivered.
    :param clicks: a pair like `(">", 0)`, for accounts with short links.
    :param callback_url: where the vendor posts rows to ("In Progress" in the document).
    :param on_full: what to do when all five places are taken: `fail` (default), or `delete_own`: delete one
        export that this task ordered earlier in this run, or one of `own_file_keys`, and order again.
    :param own_file_keys: keys of exports that may be deleted then, the oldest first.

    Raises TelecomInputError, TelecomRejectedError (80 to 86: a filter; 92: no place), TelecomUnknownError.
    Source: "Запрос на выгрузку статистики" of the vendor's document.
    """

    _filters: ClassVar[Sequence[str]] = (
        "message_ids",
        *_MOMENTS,
        "msisdns",
        "originator",
        *_WORDS,
        "country_name",
        "operator_id",
        "clicks",
        "callback_url",
    )
    template_fields: Sequence[str] = (*JournaledOperator.template_fields, *_filters, "own_file_keys")
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "callback_url")

    def __init__(
        self,
        *,
        message_ids: Sequence[str | int] | str | None = None,
        time_in_from: datetime | str | None = None,
        time_in_to: datetime | str | None = None,
        msisdns: Sequence[str | int] | str | None = None,
        originator: str | None = None,
        source_type: str | None = None,
        message_type: str | None = None,
        time_sent_from: datetime | str | None = None,
        time_sent_to: datetime | str | None = None,
        country_name: str | None = None,
        operator_id: str | int | None = None,
        status: str | None = None,
        clicks: tuple[Literal["<", ">", "="], int] | None = None,
        callback_url: str | None = None,
        on_full: Literal["fail", "delete_own"] = "fail",
        own_file_keys: Sequence[str] | str = (),
        **kwargs: Unpack[JournaledDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.message_ids, self.msisdns, self.originator = message_ids, msisdns, originator
        self.time_in_from, self.time_in_to = time_in_from, time_in_to
        self.time_sent_from, self.time_sent_to = time_sent_from, time_sent_to
        self.source_type, self.message_type, self.status = source_type, message_type, status
        self.country_name, self.operator_id, self.clicks = country_name, operator_id, clicks
        self.callback_url, self.own_file_keys = callback_url, own_file_keys
        self.on_full = one_of("on_full", on_full, ("fail", "delete_own"))
        self._check()

    def _check(self) -> None:
        for name, words in _WORDS.items():
            check_if_literal(getattr(self, name), partial(one_of, name, allowed=words))
        for name in _MOMENTS:
            check_if_literal(getattr(self, name), partial(arguments.optional_datetime, name))
        others = [name for name in self._filters[1:-1] if getattr(self, name) is not None]
        if self.message_ids is not None and others:
            rule = f"overrides other filters; leave out {', '.join(others)}"
            raise TelecomInputError("message_ids", rule)

    def execute(self, context: Context) -> dict[str, Any]:
        """Order it, once."""
        started = self._export(context)
        return self._wait_if_requested(started, STAT_FILE, {"file_key": started["file_key"]})

    def _export(self, context: Context) -> Facts:
        """Return this task's export of this run; it is ordered unless an earlier try did that."""
        mine = self._earlier(context)
        if mine and mine.state is State.DONE:
            return mine.facts
        chosen, journal = self._chosen(), Journal(context["task_state_store"])
        return self._ordered(journal, self._entry_name("export"), fingerprint(chosen), mine, chosen)

    def _earlier(self, context: Context) -> Entry | None:
        """Return how far earlier tries have come with this export."""
        entry = Journal(context["task_state_store"]).read(self._entry_name("export"))
        return entry if entry and entry.body == fingerprint(self._chosen()) else None

    def _forget_export(self, context: Context) -> None:
        """Let the next try order another one: this one is there no more."""
        entry = Entry(State.PLANNED, fingerprint(self._chosen()))
        Journal(context["task_state_store"]).write(self._entry_name("export"), entry)

    def _chosen(self) -> dict[str, Any]:
        """Return the filters that are given, as the hook wants them."""
        found = {name: self.reveal(name) for name in self._filters}
        chosen = {name: value for name, value in found.items() if value is not None}
        for name in {"message_ids", "msisdns"} & chosen.keys():
            chosen[name] = arguments.parse_list(name, chosen[name])
        for name in chosen.keys() & set(_MOMENTS):
            chosen[name] = arguments.optional_datetime(name, chosen[name])
        return chosen

    def _ordered(
        self, journal: Journal, name: str, body: str, earlier: Entry | None, chosen: dict[str, Any]
    ) -> Facts:
        in_doubt = earlier if earlier and earlier.state is State.INTENT else None
        key = self._new_since(in_doubt.facts["before"]) if in_doubt else None
        adopted = key is not None
        if key is None:
            before = self._kept()
            self.hook.wait_until_ready()
            journal.write(name, Entry(State.INTENT, body, {"before": before}))
            try:
                key, adopted = self._created(journal, before, chosen)
            except TelecomUnknownError:
                raise
            except TelecomError:
                journal.write(name, Entry(State.PLANNED, body))
                raise
        facts = {"file_key": key, "adopted": adopted}
        journal.write(name, Entry(State.DONE, body, facts))
        journal.write(_OURS, Entry(State.DONE, "", {"keys": [*self._own(journal), key]}))
        return facts

    def _created(self, journal: Journal, before: list[str], chosen: dict[str, Any]) -> tuple[str, bool]:
        """Return the key of a new export, and whether only the list has shown it."""

        def create() -> str:
            return self.hook.create_statistics_export(**chosen)

        try:
            return self._with_a_place(journal, before, create), False
        except TelecomUnknownError:
            key = None
            with suppress(TelecomError):  # the doubt weighs more than that nobody can look
                key = self._new_since(before)
            if key is None:
                raise
            return key, True

    def _with_a_place(self, journal: Journal, before: list[str], create: Callable[[], str]) -> str:
        try:
            return create()
        except TelecomRejectedError as error:
            if error.code != _ALL_TAKEN or self.on_full == "fail":
                raise
            given = (
                arguments.parse_distinct("own_file_keys", self.own_file_keys) if self.own_file_keys else []
            )
            own = [key for key in dict.fromkeys([*given, *self._own(journal)]) if key in before]
            if not own:
                raise
        self.log.info("All places for exports are taken; one of our own makes way")
        with suppress(TelecomNotFoundError):  # somebody else was faster
            self.hook.delete_statistics_export(own[0])
        return create()

    def _kept(self) -> list[str]:
        return [export.key for export in self.hook.list_statistics_exports()]

    def _new_since(self, before: Sequence[str]) -> str | None:
        """Return the one export that was not there before; None where there is none, or nobody can tell."""
        new = [key for key in self._kept() if key not in before]
        if len(new) > 1:
            self.log.warning("%s exports are new; nobody can tell which one is ours", len(new))
        return new[0] if len(new) == 1 else None

    def _own(self, journal: Journal) -> list[str]:
        entry = journal.read(_OURS)
        return list(entry.facts["keys"]) if entry else []


class KetchUpDeleteStatExportOperator(KetchUpOperator):
    """Delete a statistics export and return `{"file_key", "deleted"}`.

    After a lost answer or a killed task an export that is no longer there has been deleted by an earlier
    try, and that is success.

    :param file_key: the export's key.
    :param missing_ok: whether it is success, with `deleted` false, that there is no such export to begin
        with. By default that fails.

    Raises TelecomInputError, TelecomNotFoundError (90: no such export), TelecomUnknownError.
    Source: "Удаление предыдущих запрошенных файлов" of the vendor's document.
    """

    template_fields: Sequence[str] = (*KetchUpOperator.template_fields, "file_key")

    def __init__(
        self, *, file_key: str, missing_ok: bool = False, **kwargs: Unpack[OperatorArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.file_key, self.missing_ok = file_key, missing_ok
        check_if_literal(file_key, arguments.check_file_key)

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete it."""
        journal, body = Journal(context["task_state_store"]), fingerprint(self.file_key)
        entry = journal.read("deleted")
        mine = entry if entry and entry.body == body else None
        if mine and mine.state is State.DONE:
            return dict(mine.facts)
        tried = mine is not None and mine.state is State.INTENT
        self.hook.wait_until_ready()
        journal.write("deleted", Entry(State.INTENT, body))
        try:
            deleted = self._deleted(tried)
        except TelecomUnknownError:
            raise
        except TelecomError:
            if not tried:
                journal.write("deleted", Entry(State.PLANNED, body))
            raise
        facts = {"file_key": self.file_key, "deleted": deleted}
        journal.write("deleted", Entry(State.DONE, body, facts))
        return facts

    def _deleted(self, tried: bool) -> bool:
        """Return whether it was this task that deleted it."""
        try:
            cleared(self.hook, self.file_key)
        except TelecomNotFoundError as error:
            if error.code != _GONE or not (tried or self.missing_ok):
                raise
            return tried
        return True


def cleared(hook: KetchUpHook, file_key: str) -> None:
    """Delete an export; where no answer came, the list shows whether that was done.

    Raises TelecomNotFoundError (there was none), TelecomUnknownError (nobody can know).
    """
    try:
        hook.delete_statistics_export(file_key)
    except TelecomUnknownError:
        if _may_be_there(hook, file_key):
            raise


def _may_be_there(hook: KetchUpHook, file_key: str) -> bool:
    try:
        return any(export.key == file_key for export in hook.list_statistics_exports())
    except TelecomError:
        return True
