"""What can be waited for at Kyivstar Open Telecom, and which states are final.

Facts hold no message ids: those of the mock server hold the phone number, and facts are logged.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from airflow_provider_telecom.calls.checks import one_of, percent
from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.messages import MessageCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    MessageState,
    MessageStatus,
    Promo,
    PromoState,
    PromoStatistics,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.promos import PromoCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

log = logging.getLogger(__name__)

_RUNNING = (PromoState.WAITING, PromoState.ACTIVE)


def sms(api: MessageCalls, message_id: str) -> Call[PollResult]:
    """Wait until an SMS is delivered. It is missed when it has expired."""
    return (yield from _message(call_of(api.get_sms, message_id), "delivered"))


def viber(api: MessageCalls, message_id: str, until: str = "delivered") -> Call[PollResult]:
    """Wait until a Viber message is delivered, or `seen`. It is missed when it has expired."""
    one_of("until", until, ("delivered", "seen"))
    return (yield from _message(call_of(api.get_viber, message_id), until))


def _message(look: Call[MessageStatus], until: str) -> Call[PollResult]:
    """Look at a message. Code 1040 means that it is on its way, or unknown: nobody can tell."""
    try:
        status = yield from look
    except TelecomNotFoundError:
        return PollResult(Stage.WAITING, {"status": None, "date": None})
    reached = status.state is MessageState.SEEN if until == "seen" else status.is_delivered
    facts = {"status": status.status, "date": status.date}
    if status.state is MessageState.EXPIRED:
        return PollResult(Stage.FAILED, facts)
    return PollResult(Stage.SUCCEEDED if reached else Stage.WAITING, facts)


def promo(
    api: PromoCalls,
    promo_id: str,
    fail_on_suspended: bool = False,
    min_delivered_percent: str | float | None = None,
) -> Call[PollResult]:
    """Wait until a mailing is COMPLETED; its statistics are read then.

    It is missed when less than `min_delivered_percent` of the messages that were sent are delivered, and
    with `fail_on_suspended` when it is SUSPENDED: without it, somebody may start it again.
    """
    least = None if min_delivered_percent is None else percent("min_delivered_percent", min_delivered_percent)
    found = yield from call_of(api.get_promo, promo_id)
    facts: dict[str, Any] = {"status": found.status}
    if found.state is PromoState.SUSPENDED:
        log.info("The mailing is suspended%s", "" if fail_on_suspended else "; waiting until it goes on")
        facts["note"] = "somebody has suspended it"
        return PollResult(Stage.FAILED if fail_on_suspended else Stage.WAITING, facts)
    if found.state is not PromoState.COMPLETED:
        return PollResult(Stage.WAITING, facts)
    statistics = yield from call_of(api.get_promo_statistics, promo_id)
    facts |= counts(statistics)
    if least is None or _enough(statistics, least):
        return PollResult(Stage.SUCCEEDED, facts)
    return PollResult(Stage.FAILED, {**facts, "min_delivered_percent": str(least)})


def stop_promo(api: PromoCalls, promo_id: str, **_: Any) -> Call[Promo]:
    """Suspend a mailing that is queued or running: the stop that belongs to the watch `promo`."""
    found = yield from call_of(api.get_promo, promo_id)
    if found.state in _RUNNING:
        found = yield from call_of(api.suspend_promo, promo_id)
    return found


def counts(statistics: PromoStatistics) -> dict[str, int]:
    """Return the counts that the vendor gave."""
    found = statistics.model_dump(include=set(PromoStatistics.model_fields) - {"request_id"})
    return {name: count for name, count in found.items() if count is not None}


def _enough(statistics: PromoStatistics, least: Decimal) -> bool:
    """Whether enough is delivered of what was sent. Of nothing, only nothing is enough."""
    if statistics.sent_count <= 0:
        return least == 0
    return statistics.deliveries_count * 100 >= least * statistics.sent_count
