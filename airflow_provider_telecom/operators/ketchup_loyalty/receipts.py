"""The operator that collects the receipts of KetchUp's SMS and Viber messages."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomNotFoundError, TelecomRejectedError
from airflow_provider_telecom.journal.journal import Journal
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.operators.receipts import (
    CollectReceiptsOperator,
    NotReadyError,
    Progress,
    ReceiptsArguments,
)
from airflow_provider_telecom.tasks.base import with_inbox
from airflow_provider_telecom.vendors.topics import topic_prefix
from airflow_provider_telecom.webhooks.address import read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.receipt_index import ReceiptIndex
    from airflow_provider_telecom.bulk.receipts import Receipt, Totals
    from airflow_provider_telecom.operators.ketchup_loyalty.receipt_exports import (
        Filters,
        OpenMessages,
        ReceiptExports,
    )
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageStatus
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import MessageReceipt
    from airflow_provider_telecom.webhooks.keys import LogLine

Line = dict[str, Any]
OnFull = Literal["wait", "fail"]
_MAX_GETS = 1_000
_IN_WORKER = 10.0
"""Seconds that a deferrable task waits in its worker for an export."""
_ALTERNATIVE = "alternative_sms"
_VIBER = "viber"


class KetchUpCollectReceiptsOperator(CollectReceiptsOperator, KetchUpOperator):
    """Complete a file of outcomes with the final states of its SMS and Viber messages, and wait for them.

    Up to `max_gets` messages without a receipt are asked for one by one (`GET /sms/{id}`,
    `GET /viber/{id}`). More are looked up in one export of statistics: by their ids if there are at most 300,
    otherwise of the period in which they were sent. An export is requested, downloaded and deleted: four
    requests, and one more each time that its file is not ready. Records of other messages are ignored.
    Returns

        {"outcomes", "messages", "final", "delivered", "read", "undelivered", "expired", "refused", "unknown",
         "silent", "known_before", "accepted", "final_percent", "delay_p50", "delay_p95", "price", "currency",
         "delivered_at", "delays", "ignored", "rounds"}

    Final are Delivered, Read, Expired, Undelivered, Undeliverable, Failed, Rejected, not-viber-user; every
    other word is not, also one that the document does not have. If the state changes, the newest final one
    counts. Messages of unknown outcome are looked up once by their keys: those that KetchUp has are accepted.

    Give the connection `vendor_timezone`: without it KetchUp's times can't be read, `final_at` is when the
    receipt was read, and exports cover a day more.

    :param max_gets: up to so many messages are asked for one by one in a round; 0 to 1000.
    :param use_webhook: complete Viber messages by KetchUp's webhooks as well, if the receiver is open
        (docs/webhooks.md). What no webhook has reported as delivered is asked for.
    :param on_full: what to do if all five places for exports are taken: `wait` (default) or `fail`.

    Raises TelecomInputError before anything is asked (a message of another connection or channel),
    TelecomRejectedError, AirflowSensorTimeout (no export came within `wait_timeout` and an hour). Nothing is
    paid for. Source: "Получение статусов смс", "Детальная статистика сообщений" of the vendor's document.
    """

    channels = ("sms", "viber")
    group_size = 5_000
    asks_unknown = True

    def __init__(
        self,
        *,
        outcomes: str | Mapping[str, Any],
        max_gets: int = 30,
        use_webhook: bool = False,
        on_full: OnFull = "wait",
        **kwargs: Unpack[ReceiptsArguments],
    ) -> None:
        if use_webhook and read_receiver_settings() is not None:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(outcomes=outcomes, **kwargs)
        self.use_webhook = use_webhook
        self.max_gets = in_range("max_gets", max_gets, 0, _MAX_GETS)
        self.on_full: OnFull = one_of("on_full", on_full, get_args(OnFull))
        self._open: dict[str, OpenMessages] = {}
        self._index: ReceiptIndex | None = None
        self._exports: ReceiptExports | None = None
        self._gets_left = self._noted = 0
        self._places = count()
        self._step = 1
        self._others = 0
        self._open_by_key = 0
        """Messages without an id and without a final state: their GETs come before those of final ones."""

    def _begin_survey(self) -> None:
        self._open, self._noted, self._open_by_key = {}, 0, 0

    def _note(self, line: Line) -> None:
        self._noted += 1
        from airflow_provider_telecom.bulk.receipts import FINAL
        from airflow_provider_telecom.operators.ketchup_loyalty.receipt_exports import OpenMessages

        if line["message_id"] is None:
            self._open_by_key += line["state"] not in FINAL
        else:
            self._open.setdefault(line["channel"], OpenMessages()).add(line)

    def _complete_early(self, progress: Progress) -> bool:
        """Complete the Viber messages that webhooks have reported since the last round."""
        found = self._open.get(_VIBER)
        if not self.use_webhook or read_receiver_settings() is None or not found or not found.times.first:
            return False
        from airflow_provider_telecom.bulk.receipt_index import open_receipt_index
        from airflow_provider_telecom.webhooks.inbox_client import log_since

        with open_receipt_index() as index:
            try:
                lines, end = log_since(progress.webhooks, found.times.first)
                added = index.add(_receipts_in_log(lines, topic_prefix(self.vendor.id, _VIBER, self.conn_id)))
            except TelecomError as error:
                self.log.warning("webhooks are not read: %s", error)
                return False
            if added:
                self._final_states(progress).forget()  # of a round that was killed
                self._complete(
                    progress,
                    lambda line: line["channel"] == _VIBER and line["reference"] is not None,
                    partial(self._reported, index),
                )
                progress.is_written = True
        progress.webhooks = end
        self.log.info("webhooks have reported %s states", f"{added:,}")
        return bool(added)

    def _reported(self, index: ReceiptIndex, lines: Sequence[Line]) -> Sequence[Mapping[str, object]]:
        """Return what webhooks change: those of deliveries.

        Of a failure KetchUp is asked: a webhook may come 37 hours late, and says neither when the message
        failed nor that an SMS was sent in its place.
        """
        from airflow_provider_telecom.bulk.outcomes import time_text
        from airflow_provider_telecom.bulk.receipts import ARRIVED, receipt_update

        found, read_at = index.find([line["reference"] for line in lines]), time_text(type(self).now())
        arrived = {key: receipt for key, receipt in found.items() if receipt.state in ARRIVED}
        return [receipt_update(line, arrived.get(line["reference"]), read_at) for line in lines]

    @contextmanager
    def _asking(self, context: Context, progress: Progress, totals: Totals) -> Iterator[None]:
        """Read the exports of the round, if there are too many messages to ask for each."""
        from airflow_provider_telecom.bulk.receipt_index import open_receipt_index

        self._index, exports = None, self._new_exports(context)
        self._gets_left, self._others, self._ignored = self.max_gets, 0, 0
        self._step = 1
        if self._noted <= self.max_gets:
            yield
        else:
            with open_receipt_index() as self._index:
                for channel, found in self._open.items():
                    for filters in found.exports(channel, self.hook.options.vendor_timezone):
                        self._add(self._index, exports, filters, found.ids)
                exports.delete()
                self._begin_gets(self._index, progress, totals)
                yield
                self._ignored = self._index.unused
            self._index = None
        if self._others:
            self.log.warning("%s receipts are about another number than their message", f"{self._others:,}")
        self.log.info(
            "asked by %s requests for exports and %s for single messages",
            exports.requests,
            self.max_gets - self._gets_left,
        )

    def _begin_gets(self, index: ReceiptIndex, progress: Progress, totals: Totals) -> None:
        """Spread the single reads over the messages that no export lists.

        Each round asks for others, so that all have a turn; which are first is random for each task.
        """
        from airflow_provider_telecom.bulk.outcomes import UNKNOWN

        missing = float(self._open_by_key + totals.states[UNKNOWN])
        for found in self._open.values():
            listed = len(index.find(found.ids))
            missing += found.count * (len(found.ids) - listed) / len(found.ids)
        self._step = max(1, math.ceil(missing / max(1, self.max_gets)))
        self._places = count(random.Random(progress.ends_at).randrange(1 << 32) + progress.rounds)

    def on_kill(self) -> None:
        """Delete the export that the task has at the vendor."""
        if self._exports is not None:
            self._exports.delete_at_vendor()

    def _new_exports(self, context: Context) -> ReceiptExports:
        from airflow_provider_telecom.operators.ketchup_loyalty.receipt_exports import ReceiptExports

        waited = 0.0

        def wait(seconds: float) -> None:
            nonlocal waited
            waited += seconds
            if waited > (_IN_WORKER if self.deferrable else self.poll_interval):
                raise NotReadyError(seconds)
            self._sleep(seconds)

        self._exports = ReceiptExports(self.hook, Journal(context["task_state_store"]), self.on_full, wait)
        return self._exports

    def _add(
        self, index: ReceiptIndex, exports: ReceiptExports, filters: Filters, ids: Sequence[str]
    ) -> None:
        """Add the receipts of an export to the index."""
        from airflow_provider_telecom.operators.ketchup_loyalty.receipt_exports import is_wrong_period

        some = frozenset(ids)
        try:
            index.add((one.message_id, _receipt(one)) for one in exports.records(filters, some))
        except TelecomRejectedError as error:
            if not is_wrong_period(error) or "time_in_to" not in filters:
                raise
            now = type(self).now()  # perhaps a period may not end in the future
            end = filters["time_in_to"]
            clipped = {**filters, "time_in_to": min(end, now if end.tzinfo else now.replace(tzinfo=None))}
            if clipped == filters or clipped["time_in_to"] <= filters["time_in_from"]:
                raise
            index.add((one.message_id, _receipt(one)) for one in exports.records(clipped, some))

    def _is_asked(self, line: Line) -> bool:
        """Return whether a receipt may change a line: with an export also one that has a final state."""
        from airflow_provider_telecom.bulk.outcomes import REFUSED, UNKNOWN

        if line["state"] == UNKNOWN:
            return bool(line["reference"])
        if self._index is None:
            return super()._is_asked(line)
        return str(line["state"]) != REFUSED

    def _receipts(self, lines: Sequence[Line]) -> Sequence[Receipt | None]:
        found: Mapping[str, Receipt] = {}
        if self._index is not None:
            found = self._index.find([line["message_id"] for line in lines if line["message_id"] is not None])
        return [self._receipt_of(line, found.get(line["message_id"])) for line in lines]

    def _receipt_of(self, line: Line, listed: Receipt | None) -> Receipt | None:
        """Return the receipt in an export, or ask for the message if it is not listed, and there is time."""
        from airflow_provider_telecom.bulk.receipts import FINAL

        if listed is None:
            is_final = line["state"] in FINAL
            if is_final and (not self.recheck_final or self._gets_left <= self._open_by_key):
                return None
            if not is_final and line["message_id"] is None:
                self._open_by_key -= 1
            if not self._gets_left:
                return None
            if next(self._places) % self._step:
                return None
            self._gets_left -= 1
            listed = self._get(line)
        if listed is not None and _is_another_number(line["msisdn"], listed.msisdn):
            self._others += 1
            return None
        return listed

    def _get(self, line: Line) -> Receipt | None:
        """Return the receipt of one message; None if KetchUp does not know it."""
        is_viber, message_id = line["channel"] == "viber", line["message_id"]
        try:
            if message_id is not None:
                status = (self.hook.get_viber if is_viber else self.hook.get_sms)(message_id)
            else:
                by_key = self.hook.get_viber_by_reference if is_viber else self.hook.get_sms_by_reference
                status = by_key(str(line["reference"]))
        except TelecomNotFoundError:
            return None
        if line["reference"] is not None and status.reference == line["reference"]:
            return self._receipt_from(status, None)
        return self._receipt_from(status, status.msisdn)

    def _receipt_from(self, status: MessageStatus, msisdn: str | None) -> Receipt:
        from airflow_provider_telecom.bulk.outcomes import time_text
        from airflow_provider_telecom.bulk.receipts import Receipt

        at = status.delivered_at(self.hook.options.vendor_timezone)
        return Receipt(
            _final_state(status.status),
            status.status,
            None if at is None else time_text(at),
            status.price,
            status.currency,
            msisdn=msisdn,
            message_id=status.id,
        )


def _receipt(record: MessageReceipt) -> Receipt:
    """Return the receipt in a record of an export.

    A Viber message that did not arrive, and in whose place KetchUp has sent an SMS, has the state of that.
    """
    from airflow_provider_telecom.bulk.outcomes import DELIVERED, READ, time_text
    from airflow_provider_telecom.bulk.receipts import Receipt

    state, at, price, code = _final_state(record.status), record.at, record.price, None
    if (sms := record.alternative) is not None and state not in (DELIVERED, READ):
        state, at, code = _final_state(sms.status), sms.at, _ALTERNATIVE
        if price is not None and sms.price is not None and sms.currency == record.currency:
            price += sms.price
    time = None if at is None else time_text(at)
    return Receipt(state, record.status, time, price, record.currency, code, record.msisdn)


def _receipts_in_log(lines: Iterable[LogLine], scope: str) -> Iterator[tuple[str, Receipt]]:
    """Yield the receipts in the log of webhooks, by our keys. They came when they were posted."""
    from airflow_provider_telecom.bulk.outcomes import time_text
    from airflow_provider_telecom.bulk.receipts import Receipt

    for line in lines:
        for topic in line["topics"]:
            prefix, _, reference = topic.rpartition("/")
            if prefix == scope and line["state"] is not None:
                at = time_text(datetime.fromisoformat(line["at"]))
                yield reference, Receipt(_final_state(line["state"]), line["state"], at)


def _final_state(status: str) -> str | None:
    from airflow_provider_telecom.bulk.outcomes import SILENT
    from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import final_state

    state = final_state(status)
    return None if state == SILENT else state


def _is_another_number(ours: str, theirs: str | None) -> bool:
    """Return whether a receipt is about another number. One that is hidden or incomplete proves nothing."""
    if theirs is None:
        return False
    digits = theirs.strip().removeprefix("+")
    return digits.isdecimal() and 9 <= len(digits) <= 15 and digits != ours
