"""Status checks of Kyivstar Open Telecom, and which states are final.

The facts contain no message ids: facts are logged, and an id of the mock server contains the phone number.
"""

from __future__ import annotations

import logging
from collections import Counter
from decimal import Decimal

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.calls.endpoint import Call, call_of, shared
from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    MessageState,
    MessageStatus,
    Promo,
    PromoState,
    PromoStatistics,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.multichannel import MultichannelCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.promos import PromoCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.rcs import RcsCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.sms import SmsCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.viber import ViberCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

log = logging.getLogger(__name__)

_RUNNING = (PromoState.WAITING, PromoState.ACTIVE)


def sms(api: SmsCalls, message_id: str) -> Call[PollResult]:
    """Check whether an SMS is delivered. It has failed if it has expired."""
    return (yield from _message(shared(api.get_sms, message_id), "delivered"))


def viber(api: ViberCalls, message_id: str, until: str = "delivered") -> Call[PollResult]:
    """Check whether a Viber message is delivered, or `seen`. It has failed if it has expired."""
    one_of("until", until, ("delivered", "seen"))
    return (yield from _message(shared(api.get_viber, message_id), until))


def rcs(api: RcsCalls, message_id: str) -> Call[PollResult]:
    """Check whether an RCS message is delivered. It has failed if it has expired."""
    return (yield from _message(shared(api.get_rcs, message_id), "delivered"))


def multichannel(
    api: MultichannelCalls, message_id: str, last_channel: str | None = None
) -> Call[PollResult]:
    """Check whether a multichannel message is delivered, by any channel. It has failed if all have expired.

    A channel that has expired does not end the check, unless it is the `last_channel`: the vendor goes on to
    the next one. See `MultichannelStatus.has_expired`.
    """
    try:
        found = yield from shared(api.get_multichannel, message_id)
    except TelecomNotFoundError:
        return PollResult(Stage.WAITING, {"status": None, "date": None})
    reports = [
        {"bearer_type": report.bearer_type, "state": report.state, "date": report.date}
        for report in found.reports
    ]
    facts = {
        "status": found.status,
        "date": found.date,
        "bearer_type": found.bearer_type or found.delivered_by,
        "reports": reports,
    }
    if found.state is MessageState.EXPIRED:
        return PollResult(Stage.FAILED if found.has_expired(last_channel) else Stage.WAITING, facts)
    return PollResult(_stage(found, found.is_delivered), facts)


def _message(call: Call[MessageStatus], until: str) -> Call[PollResult]:
    """Check a message. Code 1040 means that it is on its way or unknown: these cannot be distinguished."""
    try:
        status = yield from call
    except TelecomNotFoundError:
        return PollResult(Stage.WAITING, {"status": None, "date": None})
    is_done = status.state is MessageState.SEEN if until == "seen" else status.is_delivered
    return PollResult(_stage(status, is_done), {"status": status.status, "date": status.date})


def _stage(status: MessageStatus, is_done: bool) -> Stage:
    if status.state is MessageState.EXPIRED:
        return Stage.FAILED
    return Stage.SUCCEEDED if is_done else Stage.WAITING


def promo(
    api: PromoCalls,
    promo_id: str,
    fail_on_suspended: bool = False,
    min_delivered_percent: str | float | None = None,
) -> Call[PollResult]:
    """Check whether a promo is COMPLETED; then its statistics are read.

    It has failed if less than `min_delivered_percent` of the sent messages are delivered. With
    `fail_on_suspended` it has also failed if it is SUSPENDED; otherwise somebody may start it again.
    """
    minimum = (
        None if min_delivered_percent is None else percent("min_delivered_percent", min_delivered_percent)
    )
    found = yield from shared(api.get_promo, promo_id)
    if found.state is PromoState.SUSPENDED:
        log.info("The promo is suspended%s", "" if fail_on_suspended else "; waiting until it continues")
        stage = Stage.FAILED if fail_on_suspended else Stage.WAITING
        return PollResult(stage, {"status": found.status, "note": "somebody has suspended it"})
    if found.state is not PromoState.COMPLETED:
        return PollResult(Stage.WAITING, {"status": found.status})
    statistics = yield from shared(api.get_promo_statistics, promo_id)
    facts = {"status": found.status, **counts(statistics)}
    if minimum is None or _is_enough(statistics, minimum):
        return PollResult(Stage.SUCCEEDED, facts)
    return PollResult(Stage.FAILED, {**facts, "min_delivered_percent": str(minimum)})


def promos(api: PromoCalls, promo_ids: list[str], stop_ids: list[str] | None = None) -> Call[PollResult]:
    """Check whether all promos are COMPLETED; then their statistics are read and added up.

    `stop_ids` are for `stop_promos`.
    """
    del stop_ids
    states = Counter[str]()
    for promo_id in promo_ids:
        found = yield from shared(api.get_promo, promo_id)
        states[found.status if found.state is not PromoState.COMPLETED else PromoState.COMPLETED.value] += 1
    facts: dict[str, object] = {"statuses": dict(states)}
    if states[PromoState.SUSPENDED.value]:
        log.info("A promo is suspended; waiting until it continues")
    if states[PromoState.COMPLETED.value] < len(promo_ids):
        return PollResult(Stage.WAITING, facts)
    whole = Counter[str]()
    for promo_id in promo_ids:
        whole.update(counts((yield from shared(api.get_promo_statistics, promo_id))))
    return PollResult(Stage.SUCCEEDED, {**facts, **whole})


def stop_promos(api: PromoCalls, stop_ids: list[str], **_: object) -> Call[None]:
    """Suspend those promos that are queued or running, when a task that waits for them is ended."""
    for promo_id in stop_ids:
        yield from stop_promo(api, promo_id)


def stop_promo(api: PromoCalls, promo_id: str, **_: object) -> Call[Promo]:
    """Suspend a promo that is queued or running, when a task that waits for it is ended."""
    found = yield from call_of(api.get_promo, promo_id)
    if found.state in _RUNNING:
        found = yield from call_of(api.suspend_promo, promo_id)
    return found


def counts(statistics: PromoStatistics) -> dict[str, int]:
    """Return the counts that the vendor has sent."""
    found = statistics.model_dump(include=set(PromoStatistics.model_fields) - {"request_id"})
    return {name: count for name, count in found.items() if count is not None}


def _is_enough(statistics: PromoStatistics, minimum: Decimal) -> bool:
    """Return whether enough of the sent messages are delivered. If none was sent, only 0 percent is met."""
    if statistics.sent_count <= 0:
        return minimum == 0
    return statistics.deliveries_count * 100 >= minimum * statistics.sent_count
