"""What can be waited for at KetchUp, and which states are final. Source: "Получение статусов".

Each look asks only for what was not final in the one before, as far as one waiting makes many looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import (
    VIBER_ENDS,
    distinct,
    exactly_one,
    perhaps_count,
    perhaps_percent,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import HlrCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrState,
    HlrStatus,
    MessageState,
    MessageStatus,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import KetchUpNotReadyError
from airflow_provider_telecom.vendors.ketchup_loyalty.sms import SmsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.sms_tasks import Counts, Wanted
from airflow_provider_telecom.vendors.ketchup_loyalty.statistics import StatisticsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.viber import ViberCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

_ARRIVED = {
    "delivered": (MessageState.DELIVERED, MessageState.READ),
    "read": (MessageState.READ,),
}
_RESULT_COMES_WITHIN = timedelta(minutes=5)


def sms(api: SmsCalls, message_id: str | None = None, reference: str | None = None) -> Call[PollResult]:
    """Wait until an SMS, by the vendor's id or by our key, is delivered."""
    exactly_one(message_id=message_id, reference=reference)
    by_id, by_key = api.get_sms, api.get_sms_by_reference
    status = (
        yield from call_of(by_id, message_id) if message_id is not None else call_of(by_key, str(reference))
    )
    return _delivery(status, "delivered", message_id)


def viber(
    api: ViberCalls, message_id: str | None = None, reference: str | None = None, until: str = "delivered"
) -> Call[PollResult]:
    """Wait until a Viber message, by the vendor's id or by our key, is delivered, or `read`.

    It is missed when it ended otherwise, as it does for a number that is not at Viber. A delivered one
    that nobody opens is waited for without end, with `until="read"`.
    """
    exactly_one(message_id=message_id, reference=reference)
    one_of("until", until, VIBER_ENDS)
    return _delivery((yield from _viber_status(api, message_id, reference)), until, message_id)


def viber_messages(
    api: ViberCalls,
    messages: Sequence[Mapping[str, Any]],
    min_delivered_percent: str | None = None,
    counted: Mapping[str, int] | None = None,
) -> Call[PollResult]:
    """Wait until all of several Viber messages are final; each is `{"message_id", "reference"}`.

    It is missed when fewer than `min_delivered_percent` of them were delivered, or none without it.
    `counted` is how those ended that earlier looks saw final.
    """
    least = perhaps_percent("min_delivered_percent", min_delivered_percent)
    ended, left = Counter(counted or {}), []
    for message in messages:
        status = yield from _viber_status(api, message["message_id"], message["reference"])
        if status.state.is_final:
            ended[status.state.value] += 1
        else:
            left.append(dict(message))
    arrived = sum(ended[state.value] for state in _ARRIVED["delivered"])
    facts = {"delivered": arrived, "statuses": dict(ended)}
    if left:
        return PollResult(Stage.WAITING, facts, {"messages": left, "counted": dict(ended)})
    enough = arrived > 0 if least is None else arrived * 100 >= least * sum(ended.values())
    return PollResult(Stage.SUCCEEDED if enough else Stage.FAILED, facts)


def sms_tasks(
    api: SmsCalls,
    task_ids: Sequence[str | int] | str | int,
    expected: int | str | None = None,
    min_delivered_percent: str | None = None,
    min_final_percent: str | int = 100,
    done: Sequence[str] = (),
    counted: Mapping[str, Any] | None = None,
) -> Call[PollResult]:
    """Wait until the messages of one or many tasks have their final receipts.

    `expected` is how many messages the tasks have in all; a task does not say it. Without it a task counts
    as final when all that went out so far has its receipt, so one that is still going out may seem final.

    With `min_delivered_percent` and `expected` it is reached as soon as so many are delivered, and missed
    as soon as so many no longer can be; without `expected` both are judged at the end. Messages of unknown
    state have no final receipt: with `min_final_percent` less than 100 the waiting ends, and is judged,
    when that share of the messages is final. `done` are the tasks that earlier looks saw final, and
    `counted` what came of those.
    """
    names, known = distinct("task_ids", task_ids), perhaps_count("expected", expected)
    least = perhaps_percent("min_delivered_percent", min_delivered_percent)
    wanted = Wanted(known, least, percent("min_final_percent", min_final_percent))
    if known and not names:
        raise TelecomInputError("task_ids", f"are none, and {known} messages are expected")
    seen = yield from _counted(api, names, list(done), Counts(**(counted or {})))
    facts = {"tasks": len(names), **seen.total.facts()}
    stage = Stage.WAITING if seen.is_broken_off else wanted.stage(seen.total, seen.all_begun, seen.all_final)
    if stage is not Stage.WAITING:
        return PollResult(stage, facts | wanted.facts() if stage is Stage.FAILED else facts)
    if seen.all_final:  # more is expected: they seemed final, and are not
        return PollResult(stage, facts, {"done": [], "counted": None})
    return PollResult(stage, facts, {"done": seen.finished, "counted": asdict(seen.final)})


@dataclass
class _Seen:
    """What a look at tasks has shown: counts of those that are final, and of the others."""

    tasks: int
    finished: list[str]
    final: Counts
    open: Counts
    silent: int = 0
    """Tasks of which nothing went out yet."""
    is_broken_off: bool = False

    @property
    def total(self) -> Counts:
        return self.final + self.open

    @property
    def all_begun(self) -> bool:
        return not self.silent

    @property
    def all_final(self) -> bool:
        return len(self.finished) == self.tasks


def _counted(api: SmsCalls, names: Sequence[str], done: list[str], counted: Counts) -> Call[_Seen]:
    """Look at the tasks that are not `done`. An error breaks it off, or ends it if nothing was gained."""
    seen, still = _Seen(len(names), list(done), counted, Counts()), set(names).difference(done)
    for name in (one for one in names if one in still):
        try:
            counts = Counts.of((yield from call_of(api.get_sms_task, name)))
        except TelecomError as error:
            has_no_answer = error.temporary and error.outcome_unknown
            if not (has_no_answer or isinstance(error, TelecomNotFoundError)) or len(seen.finished) == len(
                done
            ):
                raise
            seen.is_broken_off = True
            break
        if counts.is_final:
            seen.finished.append(name)
            seen.final += counts
        else:
            seen.open += counts
            seen.silent += not counts.sent
    return seen


def finished_sms_tasks(api: SmsCalls, sms_task_ids: Any, **others: Any) -> Call[PollResult]:
    """As `sms_tasks`, with the ids under the name that the sensor has for them."""
    return sms_tasks(api, distinct("sms_task_ids", sms_task_ids), **others)


def hlr(
    api: HlrCalls,
    hlr_ids: Sequence[str | int] | str | int | None = None,
    references: Sequence[str] | str | None = None,
    results: Mapping[str, Mapping[str, Any]] | None = None,
) -> Call[PollResult]:
    """Wait until one or many look-ups, by the vendor's ids or by our keys, have a result.

    Each final state is one: active, absent, unknown, failed. An "unknown" of the time of the order, as in the
    document's sample, may be that of a look-up without a result yet: it counts as final only after some
    minutes. `results` are those of earlier looks.
    """
    exactly_one(hlr_ids=hlr_ids, references=references)
    look: Callable[[str], HlrStatus] = api.get_hlr if references is None else api.get_hlr_by_reference
    names = distinct("hlr_ids", hlr_ids) if references is None else distinct("references", references)
    found = dict(results or {})
    for name in names:
        if name in found:
            continue
        status = yield from call_of(look, name)
        if status.is_final and not _may_be_none_yet(status):
            found[name] = _result(status)
    facts: dict[str, Any] = {"statuses": dict(Counter(one["status"] for one in found.values()))}
    if len(found) < len(names):
        return PollResult(Stage.WAITING, {**facts, "waiting": len(names) - len(found)}, {"results": found})
    return PollResult(Stage.SUCCEEDED, {**facts, "results": [found[name] for name in names]})


def _may_be_none_yet(status: HlrStatus) -> bool:
    ordered = status.created_at
    if status.state is not HlrState.UNKNOWN or ordered is None or status.status_at != ordered:
        return False
    return datetime.now(UTC) - ordered < _RESULT_COMES_WITHIN


def stat_file(api: StatisticsCalls, file_key: str) -> Call[PollResult]:
    """Wait until the file of a statistics export can be fetched, or is known to be empty.

    A look reads no more than the file's beginning. That there is no such export is an error.
    """
    try:
        has_rows = yield from call_of(api.has_statistics_file, file_key)
    except KetchUpNotReadyError:
        return PollResult(Stage.WAITING, {"file_key": file_key, "empty": False})
    return PollResult(Stage.SUCCEEDED, {"file_key": file_key, "empty": not has_rows})


def _viber_status(api: ViberCalls, message_id: str | None, reference: str | None) -> Call[MessageStatus]:
    if message_id is not None:
        return call_of(api.get_viber, message_id)
    return call_of(api.get_viber_by_reference, str(reference))


def _delivery(status: MessageStatus, until: str, message_id: str | None) -> PollResult:
    """Judge a message. A status need not repeat the id that it was asked for by."""
    facts = {
        "message_id": status.id if message_id is None else str(message_id),
        "status": status.status,
        "price": None if status.price is None else str(status.price),
        "currency": status.currency,
    }
    if status.state in _ARRIVED[until]:
        return PollResult(Stage.SUCCEEDED, facts)
    may_come = not status.state.is_final or status.state is MessageState.DELIVERED
    return PollResult(Stage.WAITING if may_come else Stage.FAILED, facts)


def _result(status: HlrStatus) -> dict[str, Any]:
    return {
        "id": status.id,
        "status": status.state.value,
        "network": status.network,
        "ported": status.details.ported,
        "roaming": status.details.roaming,
    }
