"""Status checks: whether an operation on SIMs is done, and what account notices would report.

No call returns the state of a queue, so an operation is checked in the list of SIMs or by the vendor's
webhook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.novaconnect.arguments import rendered_ids
from airflow_provider_telecom.vendors.novaconnect.bills import BillCalls
from airflow_provider_telecom.vendors.novaconnect.models import SimBlock
from airflow_provider_telecom.vendors.novaconnect.operations import OBSERVABLE, Operation, parse_operation
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.novaconnect.webhooks import NoticeType
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

GONE = "it is not in the list of SIMs"
FAILED = "the vendor reports that it failed"
MAX_POLLS_IN_OTHER_GROUPS = 10
"""After this many polls in which SIMs are in all wanted groups and in others, the vendor only adds groups."""


def sim_operation(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    desired_state: Mapping[str, Any] | None = None,
    queue_id: str | None = None,
    callback_key: str | None = None,
    done: int = 0,
    added: int = 0,
    stored_webhook: Mapping[str, Any] | None = None,
) -> Call[PollResult]:
    """Check whether an operation is done for all SIMs.

    `stored_webhook` is what the vendor's last webhook reported, if one was requested (`callback_key`). It
    counts only for operations whose result does not show in the list of SIMs.
    """
    webhook = dict(stored_webhook or {})
    if "identity" in webhook:  # all that is left of a webhook that was deleted
        webhook["queue_id"] = webhook["identity"]
    if queue_id and webhook.get("queue_id") not in (None, queue_id):
        raise TelecomInputError("callback_key", "is of another operation than queue_id")
    sims = rendered_ids("sim_ids", sim_ids)
    if operation not in OBSERVABLE and callback_key:
        return _from_webhook(operation, sims, queue_id, webhook)
    parsed = parse_operation(operation, desired_state)
    return (yield from _from_sims(api, parsed, sims, queue_id, done, added, webhook))


def _from_webhook(
    operation: str, sim_ids: Sequence[int], queue_id: str | None, webhook: Mapping[str, Any]
) -> PollResult:
    facts = {"operation": operation, "queue_id": webhook.get("queue_id", queue_id)}
    if sim_ids and not webhook.get("final"):
        return PollResult(Stage.WAITING, {**facts, "reached": webhook.get("process", 0)})
    if failed := webhook.get("failed"):
        return PollResult(Stage.FAILED, {**facts, "missed": {str(sim_id): FAILED for sim_id in failed}})
    return PollResult(Stage.SUCCEEDED, {**facts, "reached": webhook.get("process", len(sim_ids))})


def _from_sims(
    api: SimCalls,
    operation: Operation,
    sim_ids: Sequence[int],
    queue_id: str | None,
    done: int,
    added: int,
    webhook: Mapping[str, Any],
) -> Call[PollResult]:
    """Check by one reading of the list of SIMs.

    A SIM that has once reached the state counts as done (`done` is how many did in earlier polls), whatever
    somebody does to it later. The check fails as soon as a SIM is not in the list, is in a state that
    prevents the operation, or is reported as failed: the facts name these SIMs under `missed`. A locked
    tariff does not prevent it, since the change itself locks the tariff.

    A SIM that is in all desired groups, and also in others that it must not be in, may not have been
    processed yet. So that fails only if all remaining SIMs have been like that for some polls in a row
    (`added` is how many), or if the vendor reports that the operation is done.
    """
    found = {sim.id: sim for sim in (yield from call_of(api.all_sims))}
    left = [one for one in sim_ids if one not in found or not operation.is_reached(found[one])]
    is_final = bool(webhook.get("final"))
    failed = set(webhook.get("failed") or ()) if is_final else set()
    unreachable = {one: operation.unreachable_groups(found[one]) for one in left if one in found}
    is_running = bool(webhook) and not is_final
    added = added + 1 if unreachable and all(unreachable.values()) and not is_running else 0
    if not (is_final or added > MAX_POLLS_IN_OTHER_GROUPS):
        unreachable = {}
    missed: dict[str, str] = {}
    for one in left:
        obstacle = operation.obstacle(found[one]) if one in found else GONE
        if reason := obstacle or (FAILED if one in failed else unreachable.get(one)):
            missed[str(one)] = reason
    done += len(sim_ids) - len(left)
    facts = {"operation": operation.operation, "queue_id": queue_id, "reached": done}
    if missed:
        return PollResult(Stage.FAILED, {**facts, "missed": missed})
    if left:
        next_arguments = {"sim_ids": left, "done": done, **({"added": added} if added else {})}
        return PollResult(Stage.WAITING, {**facts, "waiting": len(left)}, next_arguments)
    return PollResult(Stage.SUCCEEDED, facts)


def blocked_sims(api: SimCalls) -> Call[PollResult]:
    """Return the SIMs that are blocked for MSU or because their package ran out, by the type of the notice.

    It never ends, like `bills`: both replace account notices in networks that the vendor cannot reach. Reads
    the blocked SIMs once. Source: "Список сим-карт", "Сим-карта".
    """
    blocked = yield from call_of(api.all_sims, blocked=True)
    blocks = {NoticeType.MSU_LOCK: SimBlock.MSU, NoticeType.PACKAGE_EMPTY: SimBlock.PACKAGE}
    facts = {kind.value: [sim.id for sim in blocked if sim.block == block] for kind, block in blocks.items()}
    return PollResult(Stage.WAITING, facts)


def bills(api: BillCalls) -> Call[PollResult]:
    """Return which bills exist. A read. Source: "Счета".

    Notices of unpaid bills (unpaid_bill_3, 5 and 6) cannot be replaced: they depend on the vendor's calendar.
    """
    found = yield from call_of(api.all_bills)
    return PollResult(Stage.WAITING, {NoticeType.GENERATE_BILL.value: [bill.id for bill in found]})
