"""The operator that collects the receipts of Kyivstar's messages, and the counts of its promos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.receipts import CollectReceiptsOperator, Progress, ReceiptsArguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.receipts import Receipt, Totals
    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_counts import PromoCounts
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import MessageStatus

Line = dict[str, Any]
Found = dict[int, "MessageStatus"]
"""Statuses by the places of their lines."""
_MAX_CONCURRENCY = 64
_LONGEST_WORD = 40
_ONLY_V1 = {"multichannel": "multichannel messages", "rcs": "RCS messages"}


class KyivstarCollectReceiptsOperator(CollectReceiptsOperator, KyivstarOperator):
    """Complete a file of outcomes with the final states of its messages, and wait for them.

    SMS, Viber, multichannel and RCS messages without a receipt are asked for one by one, `concurrency` of
    them at the same time and within the connection's `rate_limit`; SMS of API v1 in batches of 1,000. Returns

        {"outcomes", "messages", "final", "delivered", "read", "undelivered", "expired", "refused", "unknown",
         "silent", "known_before", "accepted", "final_percent", "delay_p50", "delay_p95", "price", "currency",
         "delivered_at", "delays", "ignored", "rounds"}

    Final are delivered, seen (`read`) and expired; every other word is not, as the document names none. A
    message that the vendor does not know (404, code 1040) may be on its way: it is asked for again. Messages
    of unknown outcome have no id and can't be asked for. A row of a multichannel message also has
    `bearer_type`: the channel that has delivered it, such as `viber`. It is expired when its last channel is.

    **Of a promo the vendor has counts only.** Its rows stay `accepted`; the XCom has its deliveries in
    `delivered`, `read`, `undelivered`, `expired` and `refused` (not sent when the promo was completed), and
    as `promos` its statistics. The task waits until these cover all its rows.

    :param concurrency: how many requests are made at the same time, 1 to 64.

    Raises TelecomInputError before anything is asked (a message of another connection or channel; a
    connection without API v1 for messages of v1), TelecomRejectedError (the server has no such address).
    Nothing is paid for. Source: "/sms/{msgId}", "/viber/status/{mid}", "/promo/{promoUUID}/statistics"; v1:
    "/sms/status/batch", "/messaging/multichannel/{multiMsgId}", found in a public client.
    """

    channels = ("sms", "viber", "multichannel", "rcs")
    group_size = arguments.MAX_BATCH_SIZE

    def __init__(
        self,
        *,
        outcomes: str | Mapping[str, Any],
        concurrency: int = 8,
        **kwargs: Unpack[ReceiptsArguments],
    ) -> None:
        super().__init__(outcomes=outcomes, **kwargs)
        self.concurrency = in_range("concurrency", concurrency, 1, _MAX_CONCURRENCY)
        self._channels: set[str] = set()
        self._promo_counts: PromoCounts | None = None
        self._without_id = 0
        self._has_batches = True
        self._unknown_words: Counter[str] = Counter()
        self._refused: list[TelecomRejectedError] = []
        self._bearers: Mapping[int, str] = {}

    @property
    def _promos(self) -> PromoCounts:
        from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_counts import PromoCounts

        if self._promo_counts is None:
            self._promo_counts = PromoCounts()
        return self._promo_counts

    def _begin_survey(self) -> None:
        self._channels, self._without_id = set(), 0
        self._promos.forget_rows()

    def _note(self, line: Line) -> None:
        if _is_of_promo(line):
            self._promos.add(line)
        elif _has_id(line):
            self._channels.add(line["channel"])
        else:
            self._without_id += 1

    def _recount(self, totals: Totals, by_channel: Counter[str]) -> None:
        self._promos.move(totals.states, by_channel)

    def _is_asked(self, line: Line) -> bool:
        return super()._is_asked(line) and _has_id(line)

    def _becomes_silent(self, line: Line) -> bool:
        return super()._becomes_silent(line) and not _is_of_promo(line)

    @contextmanager
    def _asking(self, context: Context, progress: Progress, totals: Totals) -> Iterator[None]:
        """Read the counts of promos, and log in the end what could not be understood."""
        for channel in self._channels & set(_ONLY_V1):
            self.hook.require_v1(_ONLY_V1[channel])
        self._has_batches = self.hook.options.api_version == "v1"
        self._unknown_words, self._refused = Counter(), []
        self._promos.read(self.hook)
        yield
        for word, count in self._unknown_words.most_common(5):
            self.log.warning("%s messages have the status %r, which is not known: not final", count, word)
        if self._refused:
            self.log.warning(
                "the vendor refuses to say what became of %s messages: %s",
                *(f"{len(self._refused):,}", self._refused[0].summary),
            )
        if self._without_id:
            self.log.warning("%s messages have no id: they can't be asked for", f"{self._without_id:,}")

    def _finish(self, *args: Any) -> Line:
        facts, promos = super()._finish(*args), self._promos.facts()
        return {**facts, "promos": promos} if promos else facts

    def _receipts(self, lines: Sequence[Line]) -> Sequence[Receipt | None]:
        found = self._statuses(lines)
        return [
            self._receipt(found[place], line.get("last_channel")) if place in found else None
            for place, line in enumerate(lines)
        ]

    def _updates(self, lines: Sequence[Line]) -> Sequence[Mapping[str, object]]:
        updates = [dict(update) for update in super()._updates(lines)]
        for line, update in zip(lines, updates, strict=True):
            if line["channel"] == "multichannel":
                update["bearer_type"] = line.get("bearer_type")
        for place, bearer_type in self._bearers.items():
            updates[place]["bearer_type"] = bearer_type
        return updates

    def _statuses(self, lines: Sequence[Line]) -> Found:
        """Return the statuses that the vendor has. Raises what is not about one message alone."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import MultichannelStatus

        found: Found = {}
        single = list(range(len(lines)))
        if self._has_batches:
            in_batches = [place for place in single if lines[place]["channel"] == "sms"]
            found.update(self._batch(lines, in_batches))
            if self._has_batches:
                single = [place for place in single if lines[place]["channel"] != "sms"]
        refused_before = len(self._refused)
        found.update(_at_once(lambda place: self._status(lines[place]), single, self.concurrency))
        refused = self._refused[refused_before:]
        if single and len(refused) == len(single) and all(error.status == 404 for error in refused):
            raise refused[0]  # the server does not know the address, whatever the message
        self._bearers = {
            place: channel.casefold()
            for place, status in found.items()
            if isinstance(status, MultichannelStatus) and (channel := status.delivered_by) is not None
        }
        return found

    def _batch(self, lines: Sequence[Line], places: Sequence[int]) -> Found:
        """Return the statuses of SMS by the batch call. A server without it is not asked again."""
        from airflow_provider_telecom.bulk.chunks import in_halves

        if not places:
            return {}
        known: dict[str, MessageStatus | None] = {}
        ids = list(dict.fromkeys(lines[place]["message_id"] for place in places))
        try:
            for _, statuses in in_halves(ids, self.hook.get_sms_batch, lambda error: error.status == 413):
                known.update(statuses)
        except TelecomRejectedError as error:
            if error.status != 404:
                raise
            self.log.warning("the server has no statuses in batches; SMS are asked for one by one")
            self._has_batches = False
        pairs = ((place, known.get(lines[place]["message_id"])) for place in places)
        return {place: status for place, status in pairs if status is not None}

    def _status(self, line: Line) -> MessageStatus | None:
        """Return the status of a message; None if the vendor does not know it, or refuses to say it."""
        get = {
            "sms": self.hook.get_sms,
            "viber": self.hook.get_viber,
            "multichannel": self.hook.get_multichannel,
            "rcs": self.hook.get_rcs,
        }[line["channel"]]
        try:
            return get(line["message_id"])
        except TelecomNotFoundError:
            return None  # unknown, or on its way
        except TelecomRejectedError as error:
            self._refused.append(error)
            return None

    def _receipt(self, status: MessageStatus, last_channel: str | None) -> Receipt:
        from airflow_provider_telecom.bulk.outcomes import DELIVERED, EXPIRED, READ, time_text
        from airflow_provider_telecom.bulk.receipts import Receipt
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
            MessageState,
            MultichannelStatus,
        )

        states = {
            MessageState.DELIVERED: DELIVERED,
            MessageState.SEEN: READ,
            MessageState.EXPIRED: EXPIRED,
        }
        if status.state is MessageState.UNKNOWN:
            self._unknown_words[status.status[:_LONGEST_WORD]] += 1
        at, state = None if status.moment is None else time_text(status.moment), states.get(status.state)
        if (
            isinstance(status, MultichannelStatus)
            and state == EXPIRED
            and not status.has_expired(last_channel)
        ):
            state = None  # of the first channel: the vendor goes on to the next one
        return Receipt(state, status.status, at)


def _at_once(
    ask: Callable[[int], MessageStatus | None], places: Sequence[int], concurrency: int
) -> Mapping[int, MessageStatus]:
    """Ask for the messages at some places at the same time; return what was found.

    After the first error no more are asked for, and it is raised.
    """
    errors: list[BaseException] = []

    def one(place: int) -> MessageStatus | None:
        try:
            return None if errors else ask(place)
        except BaseException as error:
            errors.append(error)
            return None

    with ThreadPoolExecutor(concurrency, "telecom-receipts") as pool:
        statuses = list(pool.map(one, places))
    if errors:
        raise errors[0].with_traceback(None)  # its frames hold message ids
    pairs = zip(places, statuses, strict=True)
    return {place: status for place, status in pairs if status is not None}


def _is_of_promo(line: Line) -> bool:
    """Return whether a line is of a promo: it has the promo's id, and no id of a message."""
    return line["message_id"] is None and _is_valid(arguments.promo_uuid, line["reference"])


def _has_id(line: Line) -> bool:
    """Return whether a line has the id of a message."""
    return _is_valid(lambda id_: arguments.path_id("message_id", id_), line["message_id"])


def _is_valid(check: Callable[[str], object], value: object) -> bool:
    try:
        return isinstance(value, str) and bool(check(value))
    except TelecomInputError:
        return False
