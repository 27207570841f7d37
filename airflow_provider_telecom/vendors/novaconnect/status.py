"""Status checks: whether an operation on SIMs is done, and what account notices would report.

No call returns the state of a queue, so an operation is checked in the list of SIMs or by the vendor's
webhook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import Any, TypedDict

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.endpoint import Call, shared
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.columns import decimal_text
from airflow_provider_telecom.vendors.novaconnect.arguments import (
    BALANCES,
    UNTIL,
    age_days,
    amount,
    rendered_ids,
    rendered_nonempty_ids,
    rendered_texts,
)
from airflow_provider_telecom.vendors.novaconnect.bills import BillCalls, cost_of
from airflow_provider_telecom.vendors.novaconnect.bills import unpaid_bills as without_payment
from airflow_provider_telecom.vendors.novaconnect.models import Company, SimBlock
from airflow_provider_telecom.vendors.novaconnect.operations import (
    OBSERVABLE,
    Operation,
    operation_of,
    parse_operation,
)
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.novaconnect.users import UserCalls
from airflow_provider_telecom.vendors.novaconnect.webhooks import NoticeType
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

GONE = "it is not in the list of SIMs"
FAILED = "the vendor reports that it failed"
MAX_POLLS_UNCHANGED = 10
"""After this many polls in which the vendor seems to leave SIMs as they are, it does: it adds groups only, or
does not block SIMs whose package ran out."""
QueueIds = str | Sequence[str | None] | None


class Amounts(TypedDict):
    """The amounts of a company."""

    balance: str | None
    balance_raw: str | None
    preliminary_balance: str | None
    preliminary_balance_raw: str | None
    overdraft: str | None
    overdraft_raw: str | None


def sim_operation(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    desired_state: Mapping[str, Any] | None = None,
    queue_id: QueueIds = None,
    callback_key: QueueIds = None,
    done: int = 0,
    added: int = 0,
    stored_webhook: Mapping[str, Any] | None = None,
    stored_webhooks: Sequence[Mapping[str, Any] | None] | None = None,
) -> Call[PollResult]:
    """Check whether an operation is done for all SIMs.

    `stored_webhook` is what the vendor's last webhook reported, if one was requested (`callback_key`), and
    `stored_webhooks` are those of several requests, whose `queue_id` and `callback_key` are lists. They count
    only for operations whose result does not show in the list of SIMs.
    """
    keys = rendered_texts(callback_key)
    given = [stored_webhook] if stored_webhooks is None else stored_webhooks
    webhooks = [_with_queue_id(webhook or {}) for webhook in given]
    queues = [queue for queue, key in zip_longest(rendered_texts(queue_id), keys) if key]
    for webhook, queue in zip(webhooks, queues, strict=False):
        if queue and webhook.get("queue_id") not in (None, queue):
            raise TelecomInputError("callback_key", "is of another operation than queue_id")
    merged, sims = _merge(webhooks), rendered_ids("sim_ids", sim_ids)
    if operation not in OBSERVABLE and any(keys):
        if not all(keys):
            raise TelecomInputError("callback_key", f"is missing for some of the {len(keys)} requests")
        return _from_webhook(operation, sims, queue_id, merged)
    parsed = parse_operation(operation, desired_state)
    return (yield from _from_sims(api, parsed, sims, queue_id, done, added, merged))


def _with_queue_id(webhook: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a webhook with its queue's id, also if its identity is all that is left of it."""
    return {**webhook, "queue_id": webhook["identity"]} if "identity" in webhook else webhook


def _merge(webhooks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the webhooks of all requests as one: it is final when all of them are."""
    if len(webhooks) == 1 or not any(webhooks):
        return webhooks[0] if webhooks else {}
    done = [webhook.get("process") for webhook in webhooks]
    merged: dict[str, Any] = {
        "final": all(webhook.get("final") for webhook in webhooks),
        "failed": [sim_id for webhook in webhooks for sim_id in webhook.get("failed") or ()],
        "failed_queues": [webhook.get("queue_id") for webhook in webhooks if webhook.get("failed")],
    }
    if not merged["final"] or None not in done:  # of a webhook that was used, only the end is known
        merged["process"] = sum(process or 0 for process in done)
    return merged


def _from_webhook(
    operation: str, sim_ids: Sequence[int], queue_id: QueueIds, webhook: Mapping[str, Any]
) -> PollResult:
    facts = {"operation": operation, "queue_id": webhook.get("queue_id", queue_id)}
    if sim_ids and not webhook.get("final"):
        return PollResult(Stage.WAITING, {**facts, "reached": webhook.get("process", 0)})
    if failed := webhook.get("failed"):
        missed = {"missed": {str(sim_id): FAILED for sim_id in failed}}
        queues = {name: webhook[name] for name in ("failed_queues",) if name in webhook}
        return PollResult(Stage.FAILED, {**facts, **queues, **missed})
    return PollResult(Stage.SUCCEEDED, {**facts, "reached": webhook.get("process", len(sim_ids))})


def _from_sims(
    api: SimCalls,
    operation: Operation,
    sim_ids: Sequence[int],
    queue_id: QueueIds,
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
    processed yet; nor may one to block whose package ran out. So that fails only if all remaining SIMs have
    been like that for some polls in a row (`added` is how many), or if the vendor reports that the operation
    is done.
    """
    found = {sim.id: sim for sim in (yield from shared(api.all_sims))}
    left = [one for one in sim_ids if one not in found or not operation.is_reached(found[one])]
    is_final = bool(webhook.get("final"))
    failed = set(webhook.get("failed") or ()) if is_final else set()
    unchanged = {one: operation.unchanged_reason(found[one]) for one in left if one in found}
    is_running = bool(webhook) and not is_final
    added = added + 1 if unchanged and all(unchanged.values()) and not is_running else 0
    if not (is_final or added > MAX_POLLS_UNCHANGED):
        unchanged = {}
    missed: dict[str, str] = {}
    for one in left:
        obstacle = operation.obstacle(found[one]) if one in found else GONE
        if reason := obstacle or (FAILED if one in failed else unchanged.get(one)):
            missed[str(one)] = reason
    done += len(sim_ids) - len(left)
    facts = {"operation": operation.operation, "queue_id": queue_id, "reached": done}
    if missed:
        return PollResult(Stage.FAILED, {**facts, "missed": missed})
    if left:
        next_arguments = {"sim_ids": left, "done": done, **({"added": added} if added else {})}
        return PollResult(Stage.WAITING, {**facts, "waiting": len(left)}, next_arguments)
    return PollResult(Stage.SUCCEEDED, facts)


def fleet_phase(
    api: SimCalls, phase: str, steps: Sequence[Mapping[str, Any]], done: int = 0, added: int = 0
) -> Call[PollResult]:
    """Check by one reading of the list of SIMs whether several operations are done for their SIMs.

    The rules are those of `sim_operation`. A step is `{"operation", "arguments", "sim_ids"}`.
    """
    found = {sim.id: sim for sim in (yield from shared(api.all_sims, size=500))}
    left: list[dict[str, Any]] = []
    missed: dict[str, str] = {}
    unchanged: dict[int, str | None] = {}
    for step in steps:
        operation = operation_of(step["operation"], step["arguments"])
        waiting = []
        for one in step["sim_ids"]:
            if one in found and operation.is_reached(found[one]):
                done += 1
            elif reason := operation.obstacle(found[one]) if one in found else GONE:
                missed[str(one)] = reason
            else:
                waiting.append(one)
                unchanged[one] = operation.unchanged_reason(found[one])
        if waiting:
            left.append({**step, "sim_ids": waiting})
    added = added + 1 if unchanged and all(unchanged.values()) else 0
    if added > MAX_POLLS_UNCHANGED:
        missed |= {str(one): reason for one, reason in unchanged.items() if reason}
    facts = {"phase": phase, "reached": done}
    if missed:
        return PollResult(Stage.FAILED, {**facts, "missed": missed})
    if left:
        next_arguments = {"steps": left, "done": done, **({"added": added} if added else {})}
        return PollResult(Stage.WAITING, {**facts, "waiting": len(unchanged)}, next_arguments)
    return PollResult(Stage.SUCCEEDED, facts)


def blocked_sims(api: SimCalls) -> Call[PollResult]:
    """Return the SIMs that are blocked for MSU or because their package ran out, by the type of the notice.

    It never ends, like `bills`: both replace account notices in networks that the vendor cannot reach. Reads
    the blocked SIMs once. Source: "Список сим-карт", "Сим-карта".
    """
    blocked = yield from shared(api.all_sims, blocked=True)
    blocks = {NoticeType.MSU_LOCK: SimBlock.MSU, NoticeType.PACKAGE_EMPTY: SimBlock.PACKAGE}
    facts = {kind.value: [sim.id for sim in blocked if sim.block == block] for kind, block in blocks.items()}
    return PollResult(Stage.WAITING, facts)


def amounts_of(company: Company) -> Amounts:
    """Return a company's amounts: Decimals as texts, and beside them the vendor's texts with the currency."""
    return {
        "balance": _amount_text(company.balance_amount),
        "balance_raw": company.balance,
        "preliminary_balance": _amount_text(company.preliminary_balance_amount),
        "preliminary_balance_raw": company.preliminary_balance,
        "overdraft": _amount_text(company.overdraft_amount),
        "overdraft_raw": company.overdraft,
    }


def _amount_text(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_text(amount)


def thresholds(below: object, above: object) -> tuple[Decimal | None, Decimal | None]:
    """Return the two thresholds, of which one must be given. Raises TelecomInputError."""
    if (below is None) == (above is None):
        raise TelecomInputError("below", "either below or above must be given, and not both")
    return (
        None if below is None else amount("below", below),
        None if above is None else amount("above", above),
    )


def company_balance(
    api: UserCalls, below: str | None = None, above: str | None = None, balance: str = "balance"
) -> Call[PollResult]:
    """Check whether the company's balance is below or above an amount. A read. Source: "Данные компании".

    Raises TelecomAnswerError if the vendor's text is no number, or an ambiguous one.
    """
    one_of("balance", balance, BALANCES)
    low, high = thresholds(below, above)
    company = yield from shared(api.get_company)
    facts = dict(amounts_of(company))
    found = company.balance_amount if balance == "balance" else company.preliminary_balance_amount
    if found is None:
        raise TelecomAnswerError(f"{balance} is missing, or no amount that can be read without doubt")
    is_reached = (low is not None and found < low) or (high is not None and found > high)
    return PollResult(Stage.SUCCEEDED if is_reached else Stage.WAITING, facts)


def unpaid_bills(
    api: BillCalls,
    until: str = "unpaid",
    bill_ids: Sequence[int] | str | None = None,
    older_than_days: int | str = 0,
) -> Call[PollResult]:
    """Check whether a bill is unpaid, or whether all are paid. A read. Source: "Счета".

    A bill without a time when it was added counts as old enough. It fails if there is no bill with one of the
    ids.
    """
    wanted = None if bill_ids is None else rendered_nonempty_ids("bill_ids", bill_ids)
    one_of("until", until, UNTIL)
    days = age_days(older_than_days)
    found = yield from shared(api.all_bills)
    if unknown := [one for one in wanted or () if one not in {bill.id for bill in found}]:
        return PollResult(Stage.FAILED, {"unknown_bill_ids": unknown})
    newest = datetime.now(UTC) - timedelta(days=days)
    unpaid = [
        bill
        for bill in without_payment(found)
        if (wanted is None or bill.id in wanted) and (bill.added_at is None or bill.added_at <= newest)
    ]
    facts = {"unpaid_bill_ids": [bill.id for bill in unpaid], "unpaid_cost_eur": cost_of(unpaid)}
    is_reached = bool(unpaid) == (until == "unpaid")
    return PollResult(Stage.SUCCEEDED if is_reached else Stage.WAITING, facts)


def bills(api: BillCalls) -> Call[PollResult]:
    """Return which bills exist. A read. Source: "Счета".

    Notices of unpaid bills (unpaid_bill_3, 5 and 6) cannot be replaced: they depend on the vendor's calendar.
    """
    found = yield from shared(api.all_bills)
    return PollResult(Stage.WAITING, {NoticeType.GENERATE_BILL.value: [bill.id for bill in found]})
