"""Reading what became of messages and look-ups, and price lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_telecom.calls.answers import as_model, read_json, refuse_by_status, unreadable
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.vendors.ketchup_loyalty.answers import (
    code_of,
    complaint,
    content,
    is_duplicate,
    items_of,
    refuse,
    text_of,
    tidy,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import BatchResult, CountryPrice, SendResult


def sent_one(reference: str) -> Callable[[Response], SendResult]:
    """Return a reader of what became of one message. That its key is known already is success."""

    def read(answer: Response) -> SendResult:
        found = _lenient(answer)
        items = [found] if not isinstance(found, dict) or "result" not in found else found["result"]
        while isinstance(items, list) and len(items) == 1:
            items = items[0]
        if not isinstance(items, dict):
            raise unreadable("an answer that is not one result", answer.body, answer.status)
        result = result_of(items, reference, answer)
        if not result.accepted and result.code:
            refuse(items, result.code, answer.status)
        return result

    return read


def sent_many(references: Sequence[str]) -> Callable[[Response], BatchResult]:
    """Return a reader of what became of many messages: one result for each key, in the order asked."""

    def read(answer: Response) -> BatchResult:
        found = content(answer)
        by_key: dict[str, SendResult] = {}
        for item in items_of(found, answer):
            result = result_of(item, None, answer)
            if result.reference is not None:
                by_key[result.reference] = result
        if set(by_key) != set(references):
            raise unreadable("results that do not match what was sent", answer.body, answer.status)
        top = found if isinstance(found, dict) else {}
        task_id = top.get("task_id")
        return BatchResult(
            [by_key[reference] for reference in references],
            money(top.get("totalprice", top.get("total_price")), answer),
            top.get("currency"),
            str(task_id) if task_id not in (None, "") else None,
        )

    return read


def _lenient(answer: Response) -> Any:
    """Return the content, also when all that its error says is that our key is known already."""
    refuse_by_status(answer, lambda: complaint(answer))
    found = tidy(read_json(answer.body))
    known = isinstance(found, dict) and is_duplicate(code_of(found), text_of(found))
    return found if known else content(answer)


def result_of(item: dict[str, Any], reference: str | None, answer: Response) -> SendResult:
    code, given = code_of(item), item.get("reference")
    identity = item.get("id")
    return SendResult(
        reference=str(given) if given not in (None, "") else reference,
        id=str(identity) if identity not in (None, "") else None,
        price=money(item.get("price"), answer),
        currency=item.get("currency"),
        code=code,
        duplicate=is_duplicate(code, text_of(item)),
    )


def money(value: Any, answer: Response) -> Decimal | None:
    """Return an amount, which comes as a number or as a string. Never a float."""
    if value in (None, ""):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise unreadable("an amount that is not a number", answer.body, answer.status) from None


def price_table(answer: Response) -> list[CountryPrice]:
    """Read a price list."""
    found = content(answer)
    prices = found.get("prices") if isinstance(found, dict) else found
    if not isinstance(prices, list):
        raise unreadable("an answer without prices", answer.body, answer.status)
    return as_model(list[CountryPrice], prices, answer.body)
