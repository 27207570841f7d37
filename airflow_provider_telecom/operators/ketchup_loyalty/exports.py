"""Operators that request and delete statistics exports of KetchUp."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
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
from airflow_provider_telecom.calls.intervals import (
    end_of,
    parse_bound,
    parse_optional_bound,
    start_of,
)
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.ketchup_loyalty.operator import (
    STATUS_CHECKS,
    WEBHOOKS,
    KetchUpOperator,
)
from airflow_provider_telecom.tasks.arguments import JournaledDeferrableArguments, OperatorArguments
from airflow_provider_telecom.tasks.base import with_inbox
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import JournaledOperator
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments
from airflow_provider_telecom.webhooks.address import read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

_SECOND = timedelta(seconds=1)
_ALL_TAKEN, _GONE = "92", "90"
_OWN_KEYS = "exports"
STAT_FILE = f"{STATUS_CHECKS}.stat_file"
_TIMES = ("time_in_from", "time_in_to", "time_sent_from", "time_sent_to")
_WORDS = {
    "source_type": arguments.SOURCE_TYPES,
    "message_type": arguments.MESSAGE_TYPES,
    "status": arguments.STATUSES,
}
_FROM_TEXT: Mapping[str, Callable[[str, Any], object]] = {
    **dict.fromkeys(("message_ids", "msisdns"), arguments.parse_list),
    "sl_clicks": arguments.optional_flag,
    "sl_clicks_count": arguments.optional_count,
}
"""The filters that a template may render as a text, and how it is read."""
_CLICKS = ("clicks", "sl_clicks", "sl_clicks_comp", "sl_clicks_count")


class ExportArguments(TypedDict, total=False):
    """The parameters of `KetchUpCreateStatExportOperator`."""

    message_ids: Sequence[str | int] | str | None
    time_in_from: date | datetime | str | None
    time_in_to: date | datetime | str | None
    msisdns: Sequence[str | int] | str | None
    originator: str | None
    source_type: str | None
    message_type: str | None
    time_sent_from: date | datetime | str | None
    time_sent_to: date | datetime | str | None
    country_name: str | None
    operator_id: str | int | None
    status: str | None
    clicks: tuple[Literal["<", ">", "="], int] | None
    sl_clicks: bool | None
    sl_clicks_comp: Literal["<", ">", "="] | None
    sl_clicks_count: int | None
    callback_url: str | None
    use_webhook: bool
    on_full: Literal["fail", "delete_own"]
    own_file_keys: Sequence[str] | str


class KetchUpCreateStatExportOperator(KetchUpOperator, JournaledOperator, DeferrableOperator):
    """Request an export of detailed statistics and return `{"file_key", "adopted", "callback_key"}`.

    With `use_webhook` KetchUp is given an address of this export at the receiver of webhooks, and its post
    there wakes a task that waits for the file with that `callback_key`. Otherwise it is None.

    A repeated request costs nothing but one of the five places that an account has for a month. After a lost
    response or a killed task the list of exports shows whether it was created: a single new one is taken for
    it (`adopted` is true). An export that somebody else requests for the same account in that moment could be
    taken for it. If several are new, nobody can tell, and one more is requested. With `wait_for_completion`
    the task waits until the file is ready, and returns `empty` as well.

    Give either `message_ids`, or `time_in_from` and `time_in_to` and any other filters.

    :param message_ids: 1 to 300 of the vendor's ids (or the text of a list).
    :param time_in_from: when messages came in: a date (the beginning of the day in the vendor's time), a
        datetime, or the ISO 8601 text of either, such as `{{ ds }}`. A datetime has a time zone if the
        connection has `vendor_timezone`, and none otherwise.
    :param time_in_to: the end of that period, included; a date includes its whole day.
    :param msisdns: only these numbers (a list, or the text of one).
    :param originator: only this sender.
    :param source_type: api, web, smpp, xml, http or json.
    :param message_type: sms, hlr or viber; required for a file in CSV.
    :param time_sent_from: when messages were sent.
    :param time_sent_to: the end of that period, included.
    :param country_name: only this country, like Ukraine.
    :param operator_id: only this operator of the country.
    :param status: as the vendor writes it, like Delivered.
    :param clicks: experimental, as are the next three: the document has them for accounts with short links
        only. A pair like `(">", 0)` that stands for all three.
    :param sl_clicks: whether clicks count.
    :param sl_clicks_comp: how clicks are compared with `sl_clicks_count`: `<`, `>` or `=`.
    :param sl_clicks_count: the number of clicks to compare with, 0 to 999999.
    :param callback_url: where KetchUp posts the rows. Experimental: "In Progress" in the document.
    :param use_webhook: let KetchUp post the rows to the receiver (docs/webhooks.md), if it is open; without a
        post the file is found by polling. Experimental as well, so it is off by default.
    :param on_full: what to do if all five places are taken: `fail` (default), or `delete_own`: delete one
        export that this task requested earlier in this run, or one of `own_file_keys`, and try again.
    :param own_file_keys: keys of exports that `delete_own` may delete, the oldest first.

    Raises TelecomInputError, TelecomRejectedError (80 to 86: a filter; 92: no place), TelecomUnknownError.
    Source: "Запрос на выгрузку статистики" of the vendor's document.
    """

    _filters: ClassVar[Sequence[str]] = (
        "message_ids",
        *_TIMES,
        "msisdns",
        "originator",
        *_WORDS,
        "country_name",
        "operator_id",
        *_CLICKS,
        "callback_url",
    )
    template_fields: Sequence[str] = (*JournaledOperator.template_fields, *_filters, "own_file_keys")
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "callback_url")

    def __init__(
        self,
        *,
        message_ids: Sequence[str | int] | str | None = None,
        time_in_from: date | datetime | str | None = None,
        time_in_to: date | datetime | str | None = None,
        msisdns: Sequence[str | int] | str | None = None,
        originator: str | None = None,
        source_type: str | None = None,
        message_type: str | None = None,
        time_sent_from: date | datetime | str | None = None,
        time_sent_to: date | datetime | str | None = None,
        country_name: str | None = None,
        operator_id: str | int | None = None,
        status: str | None = None,
        clicks: tuple[Literal["<", ">", "="], int] | None = None,
        sl_clicks: bool | None = None,
        sl_clicks_comp: Literal["<", ">", "="] | None = None,
        sl_clicks_count: int | None = None,
        callback_url: str | None = None,
        use_webhook: bool = False,
        on_full: Literal["fail", "delete_own"] = "fail",
        own_file_keys: Sequence[str] | str = (),
        **kwargs: Unpack[JournaledDeferrableArguments],
    ) -> None:
        if use_webhook and callback_url is not None:
            raise TelecomInputError("use_webhook", "has its own address; leave out callback_url")
        if use_webhook and read_receiver_settings() is not None:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(**kwargs)
        self.message_ids, self.msisdns, self.originator = message_ids, msisdns, originator
        self.time_in_from, self.time_in_to = time_in_from, time_in_to
        self.time_sent_from, self.time_sent_to = time_sent_from, time_sent_to
        self.source_type, self.message_type, self.status = source_type, message_type, status
        self.country_name, self.operator_id, self.clicks = country_name, operator_id, clicks
        self.sl_clicks, self.sl_clicks_comp, self.sl_clicks_count = sl_clicks, sl_clicks_comp, sl_clicks_count
        self.callback_url, self.use_webhook, self.own_file_keys = callback_url, use_webhook, own_file_keys
        self.on_full = one_of("on_full", on_full, ("fail", "delete_own"))
        for name, words in _WORDS.items():
            check_if_literal(getattr(self, name), partial(one_of, name, allowed=words))
        for name in _TIMES:
            check_if_literal(getattr(self, name), partial(parse_optional_bound, name))
        by_clicks = [getattr(self, name) for name in _CLICKS]
        if all(value is None or is_literal(value) for value in by_clicks):
            arguments.click_filters(*by_clicks)
        others = [name for name in self._filters[1:-1] if getattr(self, name) is not None]
        if self.message_ids is not None and others:
            rule = f"overrides other filters; leave out {', '.join(others)}"
            raise TelecomInputError("message_ids", rule)

    def execute(self, context: Context) -> dict[str, Any]:
        """Request the export once."""
        return self._wait_for_file(self._export(context))

    def _wait_for_file(self, export: Facts) -> dict[str, Any]:
        callback_key = export.get("callback_key")
        started = {**export, "callback_key": callback_key}
        awaited = {"file_key": export["file_key"], "callback_key": callback_key}
        has_address = callback_key is not None and read_receiver_settings() is not None
        topics = f"{WEBHOOKS}.statistics_subscription" if has_address else None
        return self._wait_if_requested(started, STAT_FILE, awaited, subscription=topics)

    def _export(self, context: Context) -> Facts:
        """Return this task's export of this run; it is requested unless an earlier try did that."""
        earlier = self._earlier_entry(context)
        if earlier and earlier.state is State.DONE:
            return earlier.facts
        callback_key = None
        if self.use_webhook and read_receiver_settings() is not None:
            callback_key = self._callback_key(context)
        return self._request(Journal(context["task_state_store"]), earlier, callback_key)

    def _callback_key(self, context: Context) -> str:
        """Return the nonce of this export's address: the same in each try."""
        ti, filters = context["ti"], self._given_filters()
        place = [ti.dag_id, ti.run_id, ti.task_id, ti.map_index, self._entry_name("export")]
        return fingerprint([*place, fingerprint(filters)])[:32]

    def _earlier_entry(self, context: Context) -> Entry | None:
        """Return the journal's entry of this export, if it has the same filters."""
        entry = Journal(context["task_state_store"]).read(self._entry_name("export"))
        return entry if entry and entry.body == fingerprint(self._given_filters()) else None

    def _forget_export(self, context: Context) -> None:
        """Let the next try request another one: this one does not exist any more."""
        entry = Entry(State.PLANNED, fingerprint(self._given_filters()))
        Journal(context["task_state_store"]).write(self._entry_name("export"), entry)

    def _given_filters(self) -> dict[str, Any]:
        """Return the filters that are given, as the hook requires them."""
        found = {name: self.reveal(name) for name in self._filters}
        given = {name: value for name, value in found.items() if value is not None}
        for name in given.keys() & set(_TIMES):
            given[name] = self._moment(name, given[name])
        for name, read in _FROM_TEXT.items():
            if name in given:
                given[name] = read(name, given[name])
        return given

    def _moment(self, name: str, value: object) -> datetime:
        """Return a bound of a period; a day as the end is its last second, since KetchUp includes ends."""
        bound = parse_bound(name, value)
        if isinstance(bound, datetime):
            return bound
        import pendulum

        zone_name = self.hook.options.vendor_timezone
        zone = None if zone_name is None else pendulum.timezone(zone_name)
        return end_of(name, bound, zone) - _SECOND if name.endswith("_to") else start_of(name, bound, zone)

    def _request(self, journal: Journal, earlier: Entry | None, callback_key: str | None) -> Facts:
        """Return the export that an earlier try may have requested, or request one."""
        filters, name = self._given_filters(), self._entry_name("export")
        body = fingerprint(filters)
        is_in_doubt = earlier is not None and earlier.state is State.INTENT
        key = self._find_new_key(earlier.facts["before"]) if earlier and is_in_doubt else None
        adopted = key is not None
        if key is None:
            url = None if callback_key is None else self._webhook_url("statistics", callback_key)
            sent = filters if url is None else {**filters, "callback_url": url}
            before = self._existing_keys()
            self.hook.wait_until_ready()
            journal.write(name, Entry(State.INTENT, body, {"before": before}))
            try:
                key, adopted = self._create(journal, before, sent)
            except TelecomUnknownError:
                raise
            except TelecomError:
                journal.write(name, Entry(State.PLANNED, body))
                raise
        facts: Facts = {"file_key": key, "adopted": adopted}
        if callback_key is not None:
            facts = {**facts, "callback_key": callback_key}
        journal.write(name, Entry(State.DONE, body, facts))
        journal.write(_OWN_KEYS, Entry(State.DONE, "", {"keys": [*_own_keys(journal), key]}))
        return facts

    def _create(self, journal: Journal, before: list[str], filters: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the key of a new export, and whether only the list has shown it."""
        try:
            return self._create_in_free_place(journal, before, filters), False
        except TelecomUnknownError:
            key = None
            with suppress(TelecomError):  # the unknown outcome is the error to raise
                key = self._find_new_key(before)
            if key is None:
                raise
            return key, True

    def _create_in_free_place(self, journal: Journal, before: list[str], filters: Mapping[str, Any]) -> str:
        create = partial(self.hook.create_statistics_export, **filters)
        try:
            return create()
        except TelecomRejectedError as error:
            if error.code != _ALL_TAKEN or self.on_full == "fail":
                raise
            keys = self.own_file_keys
            given = arguments.parse_distinct("own_file_keys", keys) if keys else []
            own = [key for key in dict.fromkeys([*given, *_own_keys(journal)]) if key in before]
            if not own:
                raise
        self.log.info("All places for exports are taken; one of this task's own exports is deleted")
        with suppress(TelecomNotFoundError):  # it was deleted in the meantime
            self.hook.delete_statistics_export(own[0])
        return create()

    def _existing_keys(self) -> list[str]:
        return [export.key for export in self.hook.list_statistics_exports()]

    def _find_new_key(self, before: Sequence[str]) -> str | None:
        """Return the only export that did not exist before; None if there is none, or several."""
        new = [key for key in self._existing_keys() if key not in before]
        if len(new) > 1:
            self.log.warning("%s exports are new; nobody can tell which one is this task's", len(new))
        return new[0] if len(new) == 1 else None


def _own_keys(journal: Journal) -> list[str]:
    """Return the keys of the exports that this task has requested in this run."""
    entry = journal.read(_OWN_KEYS)
    return list(entry.facts["keys"]) if entry else []


class KetchUpListStatExportsOperator(KetchUpOperator):
    """Return the statistics exports that KetchUp keeps for the account: `{"file_keys", "exports"}`.

    `file_keys` are their keys, in KetchUp's order. `exports` has `{"file_key", "raw"}` for each, with its
    item as JSON text: the document shows no response, so what else it says is not known. An account has five
    places, and KetchUp keeps an export for a month.

    Raises TelecomAnswerError for a response without keys. A read.
    Source: "Запрос списка существующих файлов" of the vendor's document.
    """

    def __init__(self, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the list."""
        from airflow_provider_telecom.vendors.columns import json_text

        exports = self.hook.list_statistics_exports()
        return {
            "file_keys": [export.key for export in exports],
            "exports": [{"file_key": export.key, "raw": json_text(export.raw)} for export in exports],
        }


class KetchUpDeleteStatExportOperator(KetchUpOperator):
    """Delete a statistics export and return `{"file_key", "deleted"}`.

    If the export is missing after a lost response or a killed task, an earlier try has deleted it, which is
    success.

    :param file_key: the export's key.
    :param missing_ok: succeed, with `deleted` false, if the export is missing in the first try too. By
        default that fails.

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
        """Delete the export."""
        journal, body = Journal(context["task_state_store"]), fingerprint(self.file_key)
        entry = journal.read("deleted")
        earlier = entry if entry and entry.body == body else None
        if earlier and earlier.state is State.DONE:
            return dict(earlier.facts)
        may_be_deleted = earlier is not None and earlier.state is State.INTENT
        self.hook.wait_until_ready()
        journal.write("deleted", Entry(State.INTENT, body))
        try:
            deleted = self._delete(may_be_deleted)
        except TelecomUnknownError:
            raise
        except TelecomError:
            if not may_be_deleted:
                journal.write("deleted", Entry(State.PLANNED, body))
            raise
        facts = {"file_key": self.file_key, "deleted": deleted}
        journal.write("deleted", Entry(State.DONE, body, facts))
        return facts

    def _delete(self, may_be_deleted: bool) -> bool:
        """Return whether this task has deleted the export, now or in an earlier try."""
        try:
            delete_export(self.hook, self.file_key)
        except TelecomNotFoundError as error:
            if error.code != _GONE or not (may_be_deleted or self.missing_ok):
                raise
            return may_be_deleted
        return True


def delete_export(hook: KetchUpHook, file_key: str) -> None:
    """Delete an export; after a lost response the list shows whether it was deleted.

    Raises TelecomNotFoundError (no such export), TelecomUnknownError (nobody can know).
    """
    try:
        hook.delete_statistics_export(file_key)
    except TelecomUnknownError:
        try:
            may_exist = any(export.key == file_key for export in hook.list_statistics_exports())
        except TelecomError:
            may_exist = True
        if may_exist:
            raise
