"""Reading what became of messages and look-ups, and price lists."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomThrottledError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.ketchup_loyalty.models import BatchResult, CountryPrice, SendResult
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import (
    code_of,
    content,
    is_duplicate,
    kind_of,
    package,
    refuse,
    text_of,
)

log = logging.getLogger(__name__)


def sent_one(reference: str) -> Callable[[Response], SendResult]:
    """Return a reader of what became of one message. That its key is known already is success."""

    def read(answer: Response) -> SendResult:
        _, (item,) = package(answer, 1)
        result = _result_of(item, answer)
        if result.code and not result.duplicate:
            refuse(item, result.code, answer.status)
        (result,) = _in_order([reference], [result], answer)
        _warn_of_duplicates([result])
        return replace(result, keyed=True)  # an answer about one need not repeat its key

    return read


def sent_many(keys: Sequence[str | None], may_rename: bool = False) -> Callable[[Response], BatchResult]:
    """Return a reader of what became of many messages: one result for each key, in the order asked.

    `may_rename`: a new message may have another key than ours, if the vendor has overlooked ours.
    """

    def read(answer: Response) -> BatchResult:
        whole, items = package(answer, len(keys))
        total = whole.get("totalprice", whole.get("total_price"))
        task_id = _text(whole.get("task_id"))
        given = [_result_of(item, answer, task_id) for item in items]
        results = _in_order(keys, given, answer, may_rename)
        _warn_of_duplicates(results)
        return BatchResult(results, _money(total, answer), _text(whole.get("currency")))

    return read


def joined(first: BatchResult, second: BatchResult) -> BatchResult:
    """Return the result of orders that were sent in two parts."""
    prices = [batch.total_price for batch in (first, second) if batch.total_price is not None]
    return BatchResult(
        [*first.results, *second.results],
        sum(prices, Decimal(0)) if prices else None,
        first.currency or second.currency,
    )


def _in_order(
    keys: Sequence[str | None], results: list[SendResult], answer: Response, may_rename: bool = False
) -> list[SendResult]:
    """Return a result for each key. Those that do not give our key back stand where their message stood.

    Where results have keys that are not ours, or one id for two messages, it is the answer to another
    request, or a message is lost.
    """
    given = [key for key in keys if key is not None]
    folded = str.casefold if len({key.casefold() for key in given}) == len(given) else str
    asked, named = set(map(folded, given)), {folded(result.reference or ""): result for result in results}
    ids = [result.id for result in results if result.is_new and result.id is not None]
    if len(set(ids)) < len(ids):
        raise unreadable_response("one id for several messages", answer.body, answer.status)
    found: list[SendResult] = []
    for key, result in zip(keys, results, strict=True):
        its_own = folded(result.reference or "")
        if key is not None and folded(key) in named:
            its_result = named[folded(key)]
            found.append(its_result if its_result.reference == key else replace(its_result, reference=key))
        elif its_own in asked or (its_own and not (may_rename and result.is_new)):
            raise unreadable_response("results that do not match what was sent", answer.body, answer.status)
        else:
            found.append(replace(result, reference=key, keyed=result.duplicate))  # known: so it is a key
    return found


def _result_of(item: dict[str, Any], answer: Response, task_id: str | None = None) -> SendResult:
    code, text = code_of(item), text_of(item)
    message_id = _text(item.get("id"))
    if code is None and message_id is None and "error" not in item:
        raise unreadable_response("a result without an id", answer.body, answer.status)
    duplicate = is_duplicate(code, text)
    return SendResult(
        reference=_text(item.get("reference")),
        id=message_id,
        price=_money(item.get("price"), answer),
        currency=_text(item.get("currency")),
        code=code,
        duplicate=duplicate,
        throttled=code is not None and not duplicate and kind_of(code, text) is TelecomThrottledError,
        task_id=task_id if code is None else None,
    )


def _warn_of_duplicates(results: Sequence[SendResult]) -> None:
    """Log that nothing was sent under keys that the vendor had before.

    It is what makes retries safe, and looks the same when two different messages were given one key.
    """
    if count := sum(result.duplicate for result in results):
        log.warning(
            "KetchUp has had %d of %d keys before and has sent nothing for them now. This is right if an "
            "earlier request of the same task sent them; if not, the same key was used for another message",
            count,
            len(results),
        )


def _text(value: object) -> str | None:
    is_text = isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) and value != ""
    return str(value) if is_text else None


def _money(value: object, answer: Response) -> Decimal | None:
    """Return an amount, which comes as a number or as a string. Never a float."""
    if value in (None, ""):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise unreadable_response("an amount that is not a number", answer.body, answer.status)
    return amount


def price_table(answer: Response) -> list[CountryPrice]:
    """Read a price list."""
    found = content(answer)
    prices = found.get("prices") if isinstance(found, dict) else found
    if not isinstance(prices, list):
        raise unreadable_response("an answer without prices", answer.body, answer.status)
    return to_model(list[CountryPrice], prices, answer.body)
