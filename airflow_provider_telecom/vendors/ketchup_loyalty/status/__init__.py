"""Status checks of KetchUp: what can be waited for, and which states are final. Source: "Получение статусов".

A check asks only for what was not final in the check before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.calls.endpoint import Call, shared
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments, models
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import HlrCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError
from airflow_provider_telecom.vendors.ketchup_loyalty.sms import SmsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.statistics import StatisticsCalls
from airflow_provider_telecom.vendors.ketchup_loyalty.status.sms_tasks import TaskCounts, Threshold
from airflow_provider_telecom.vendors.ketchup_loyalty.viber import ViberCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

_SUCCEEDED = {
    "delivered": (models.MessageState.DELIVERED, models.MessageState.READ),
    "read": (models.MessageState.READ,),
}


def sms(api: SmsCalls, message_id: str | None = None, reference: str | None = None) -> Call[PollResult]:
    """Return whether an SMS, by the vendor's id or by our key, is delivered."""
    arguments.exactly_one(message_id=message_id, reference=reference)
    status = yield from _message_status(api.get_sms, api.get_sms_by_reference, message_id, reference)
    return _delivery(status, "delivered", message_id)


def viber(
    api: ViberCalls, message_id: str | None = None, reference: str | None = None, until: str = "delivered"
) -> Call[PollResult]:
    """Return whether a Viber message, by the vendor's id or by our key, is delivered, or `read`.

    It has failed when it ended otherwise, as it does for a number that is not at Viber. With `until="read"` a
    delivered message that nobody opens stays WAITING.
    """
    arguments.exactly_one(message_id=message_id, reference=reference)
    one_of("until", until, arguments.VIBER_END_STATES)
    status = yield from _message_status(api.get_viber, api.get_viber_by_reference, message_id, reference)
    return _delivery(status, until, message_id)


def viber_messages(
    api: ViberCalls,
    messages: Sequence[Mapping[str, str | None]],
    min_delivered_percent: str | None = None,
    counted: Mapping[str, int] | None = None,
) -> Call[PollResult]:
    """Return whether all of several Viber messages are final; each is `{"message_id", "reference"}`.

    It has failed when fewer than `min_delivered_percent` of them were delivered, or none without it.
    `counted` are the final states that earlier checks have seen.
    """
    least = arguments.optional_percent("min_delivered_percent", min_delivered_percent)
    ended, left = Counter(counted or {}), []
    for message in messages:
        status = yield from _message_status(
            api.get_viber, api.get_viber_by_reference, message["message_id"], message["reference"]
        )
        if status.state.is_final:
            ended[status.state.value] += 1
        else:
            left.append(dict(message))
    delivered = sum(ended[state.value] for state in _SUCCEEDED["delivered"])
    facts = {"delivered": delivered, "statuses": dict(ended)}
    if left:
        return PollResult(Stage.WAITING, facts, {"messages": left, "counted": dict(ended)})
    enough = delivered > 0 if least is None else delivered * 100 >= least * sum(ended.values())
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
    """Return whether the messages of one or many tasks have their final receipts.

    `expected` is how many messages the tasks have in all; a task does not say it. Without it a task counts
    as final when all that has gone out so far has its receipt, so a task that is still being sent may seem
    final.

    With `min_delivered_percent` and `expected` it succeeds as soon as so many are delivered, and fails as
    soon as so many no longer can be; without `expected` both are judged at the end. Messages of unknown
    state have no final receipt: with `min_final_percent` less than 100 it is judged when that share of the
    messages is final. `done` are the tasks that earlier checks have seen final, `counted` their counts.
    """
    names, known = (
        arguments.parse_distinct("task_ids", task_ids),
        arguments.optional_count("expected", expected),
    )
    least = arguments.optional_percent("min_delivered_percent", min_delivered_percent)
    threshold = Threshold(known, least, percent("min_final_percent", min_final_percent))
    if known and not names:
        raise TelecomInputError("task_ids", f"are none, and {known} messages are expected")
    seen = _Seen(list(done), TaskCounts(**(counted or {})))
    is_complete = yield from _count_tasks(api, names, seen)
    total, all_final = seen.final + seen.open, len(seen.done) == len(names)
    facts = {"tasks": len(names), **total.facts()}
    stage = threshold.stage(total, not seen.silent, all_final) if is_complete else Stage.WAITING
    if stage is not Stage.WAITING:
        return PollResult(stage, facts | threshold.facts() if stage is Stage.FAILED else facts)
    if all_final:  # more messages are expected: the tasks only seemed final
        return PollResult(stage, facts, {"done": [], "counted": None})
    return PollResult(stage, facts, {"done": seen.done, "counted": seen.final.stored()})


@dataclass
class _Seen:
    """The tasks that are final, and the counts of those and of the others."""

    done: list[str]
    final: TaskCounts
    open: TaskCounts = field(default_factory=TaskCounts)
    silent: int = 0
    """Tasks of which nothing has gone out yet."""


def _count_tasks(api: SmsCalls, names: Sequence[str], seen: _Seen) -> Call[bool]:
    """Read the tasks that are not done; return whether all were read.

    A temporary error ends the reading; it is raised if no task has become final before it.
    """
    done_before = set(seen.done)
    for name in (each for each in names if each not in done_before):
        try:
            counts = TaskCounts.of((yield from shared(api.get_sms_task, name)))
        except TelecomError as error:
            is_lost = error.temporary and error.outcome_unknown
            may_pass = is_lost or isinstance(error, TelecomNotFoundError)
            if not may_pass or len(seen.done) == len(done_before):
                raise
            return False
        if counts.is_final:
            seen.done.append(name)
            seen.final += counts
        else:
            seen.open += counts
            seen.silent += not counts.sent
    return True


def finished_sms_tasks(api: SmsCalls, sms_task_ids: object, **others: Any) -> Call[PollResult]:
    """Return the same as `sms_tasks`, with the ids under the sensor's name for them."""
    return sms_tasks(api, arguments.parse_distinct("sms_task_ids", sms_task_ids), **others)


def hlr(
    api: HlrCalls,
    hlr_ids: Sequence[str | int] | str | int | None = None,
    references: Sequence[str] | str | None = None,
    results: Mapping[str, Mapping[str, object]] | None = None,
    unknown_is_final: bool = False,
) -> Call[PollResult]:
    """Return whether one or many look-ups, by the vendor's ids or by our keys, have a result.

    Results are active, absent and failed, and with `unknown_is_final` also "unknown". An "unknown" with the
    time of the request, as in the document's sample, may belong to a look-up without a result yet: it counts
    only after some minutes. `results` are those of earlier checks.
    """
    arguments.exactly_one(hlr_ids=hlr_ids, references=references)
    read: Callable[[str], models.HlrStatus] = api.get_hlr if references is None else api.get_hlr_by_reference
    given = ("hlr_ids", hlr_ids) if references is None else ("references", references)
    names = arguments.parse_distinct(*given)
    found = dict(results or {})
    for name in (each for each in names if each not in found):
        status = yield from shared(read, name)
        if status.has_result(unknown_is_final):
            found[name] = _result(status)
    facts: dict[str, object] = {"statuses": dict(Counter(one["status"] for one in found.values()))}
    if len(found) < len(names):
        return PollResult(Stage.WAITING, {**facts, "waiting": len(names) - len(found)}, {"results": found})
    return PollResult(Stage.SUCCEEDED, {**facts, "results": [found[name] for name in names]})


def stat_file(api: StatisticsCalls, file_key: str, callback_key: str | None = None) -> Call[PollResult]:
    """Return whether the file of a statistics export can be downloaded, or the export is empty.

    Only the file's beginning is read. A missing export is an error. `callback_key` is for the webhook that
    wakes the poll.
    """
    try:
        has_rows = yield from shared(api.has_statistics_file, file_key)
    except KetchUpNotReadyError:
        return PollResult(Stage.WAITING, {"file_key": file_key, "empty": False})
    return PollResult(Stage.SUCCEEDED, {"file_key": file_key, "empty": not has_rows})


def _message_status(
    by_id: Callable[[str], models.MessageStatus],
    by_key: Callable[[str], models.MessageStatus],
    message_id: str | None,
    reference: str | None,
) -> Call[models.MessageStatus]:
    return shared(by_key, str(reference)) if message_id is None else shared(by_id, message_id)


def _delivery(status: models.MessageStatus, until: str, message_id: str | None) -> PollResult:
    """Return the result of a check. A status need not repeat the id of the request."""
    facts = {
        "message_id": status.id if message_id is None else str(message_id),
        "status": status.status,
        "price": None if status.price is None else str(status.price),
        "currency": status.currency,
    }
    state = status.state
    if state in _SUCCEEDED[until]:
        return PollResult(Stage.SUCCEEDED, facts)
    may_come = not state.is_final or state is models.MessageState.DELIVERED
    return PollResult(Stage.WAITING if may_come else Stage.FAILED, facts)


def _result(status: models.HlrStatus) -> dict[str, object]:
    return {
        "id": status.id,
        "status": status.state.value,
        "network": status.network,
        "ported": status.details.ported,
        "roaming": status.details.roaming,
    }
