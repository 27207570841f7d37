"""How the results of sends and look-ups, and price lists, are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from operator import attrgetter, itemgetter
from typing import Literal

import msgspec

from airflow_provider_telecom.calls.errors import TelecomThrottledError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    AcceptedResults,
    BatchResult,
    CountryPrice,
    Price,
    SendResult,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import (
    read_batch,
    read_content,
    read_groups,
    single,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import (
    NOT_UNDERSTOOD,
    Item,
    error_class,
    error_code,
    error_text,
    is_duplicate,
    raise_error,
)

log = logging.getLogger(__name__)


class _Accepted(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What a response says about one accepted message, as a rule: no other fields, and texts only."""

    reference: str
    id: str
    error: Literal["0"]
    price: str
    currency: str


_FIELDS = _Accepted.__struct_fields__
_FIELDS_OF_ITEM = [itemgetter(name) for name in _FIELDS]
_FIELDS_OF_ACCEPTED = [attrgetter(name) for name in _FIELDS if name != "error"]
_ACCEPTED_BATCH = msgspec.json.Decoder(dict[str, str | list[_Accepted]])


def send_result_reader(reference: str) -> Callable[[Response], SendResult]:
    """Return a reader of the result of one message. A known key is success."""

    def read(response: Response) -> SendResult:
        _, (item,) = read_batch(response, 1)
        result = _result_of(item, response)
        if result.code and not result.duplicate:
            raise_error(item, result.code, response.status)
        (result,) = _in_order([reference], [result], response)
        _warn_of_duplicates([result])
        return result._replace(key_returned=True)  # a response about one message need not repeat its key

    return read


def batch_result_reader(keys: Sequence[str | None]) -> Callable[[Response], BatchResult]:
    """Return a reader of the results of many messages: one for each key, in the order of the request."""

    def read(response: Response) -> BatchResult:
        if (batch := _read_accepted(keys, response)) is not None:
            return batch
        whole, items = read_batch(response, len(keys))
        return _batch_of(keys, [whole], items, response)

    return read


def grouped_result_reader(keys: Sequence[Sequence[str | None]]) -> Callable[[Response], BatchResult]:
    """Return a reader of the results of Viber messages: one for each key of each message, in order.

    A new message may have another key than ours, if the vendor has ignored ours.
    """
    all_keys = [key for group in keys for key in group]

    def read(response: Response) -> BatchResult:
        wholes, items = read_groups(response, [len(group) for group in keys])
        return _batch_of(all_keys, wholes, items, response, may_rename=True)

    return read


def _batch_of(
    keys: Sequence[str | None],
    wholes: Sequence[Item],
    items: Sequence[Item],
    response: Response,
    may_rename: bool = False,
) -> BatchResult:
    task_id = _text(wholes[0].get("task_id"))
    results: Sequence[SendResult] | None = _all_accepted(keys, items, response, task_id)
    if results is None:
        unordered = [_result_of(item, response, task_id) for item in items]
        results = _in_order(keys, unordered, response, may_rename)
        if all(result.code in NOT_UNDERSTOOD for result in results):
            raise_error(items[0], str(results[0].code), response.status)
        _warn_of_duplicates(results)
    return _with_totals(results, wholes, response)


def _with_totals(results: Sequence[SendResult], wholes: Sequence[Item], response: Response) -> BatchResult:
    totals = [_money(whole.get("totalprice", whole.get("total_price")), response) for whole in wholes]
    prices = [total for total in totals if total is not None]
    currency = next((found for whole in wholes if (found := _text(whole.get("currency")))), None)
    return BatchResult(results, sum(prices, Decimal(0)) if prices else None, currency)


def read_price(response: Response) -> Price:
    """Return a price. That of several Viber messages may come as a price for each."""
    found = read_content(response)
    if not isinstance(found, list) or len(found) < 2:
        return single(Price)(response)
    for item in found:
        if isinstance(item, dict) and (code := error_code(item)):
            raise_error(item, code, response.status)
    prices = to_model(list[Price], found, response.body)
    if len({price.currency for price in prices}) > 1:
        raise unreadable_response("prices in several currencies", response.body, response.status)
    total = sum((price.total_price for price in prices), Decimal(0))
    return prices[0].model_copy(update={"total_price": total})


def join_results(first: BatchResult, second: BatchResult) -> BatchResult:
    """Return the result of a request that was sent in two parts."""
    prices = [batch.total_price for batch in (first, second) if batch.total_price is not None]
    return BatchResult(
        [*first.results, *second.results],
        sum(prices, Decimal(0)) if prices else None,
        first.currency or second.currency,
    )


def _read_accepted(keys: Sequence[str | None], response: Response) -> BatchResult | None:
    """Return what `read_batch` and `_batch_of` return, sooner; None if a response needs a closer look.

    It does not if all are accepted, its JSON has the usual fields, and each of them once: a JSON text without
    colons in its texts has as many of them as fields.
    """
    body = response.body
    if not (200 <= response.status < 300 and body.isascii()) or b"\\" in body or b" " in body:
        return None
    try:
        whole: Item = _ACCEPTED_BATCH.decode(body)
    except msgspec.MsgspecError:
        return None
    items = whole.get("result")
    if not isinstance(items, list) or error_code(whole):
        return None
    if body.count(b":") != len(whole) + len(_FIELDS) * len(items):
        return None
    columns = [list(map(field, items)) for field in _FIELDS_OF_ACCEPTED]
    results = _accepted_results(keys, columns, response, _text(whole.get("task_id")))
    return None if results is None else _with_totals(results, [whole], response)


def _all_accepted(
    keys: Sequence[str | None], items: Sequence[Item], response: Response, task_id: str | None
) -> AcceptedResults | None:
    """Return the results if each is accepted under its own id and has our key in our order, as most are.

    They are what `_result_of` and `_in_order` return. None if any of them needs a closer look.
    """
    try:
        columns = [list(map(field, items)) for field in _FIELDS_OF_ITEM]
        are_texts = all(set(map(type, set(column))) == {str} for column in columns)
    except (KeyError, TypeError):  # a field is missing, or is a list or an object
        return None
    references, ids, codes, prices, currencies = columns
    if not are_texts or set(codes) != {"0"}:  # no other value equals a text
        return None
    return _accepted_results(keys, [references, ids, prices, currencies], response, task_id)


def _accepted_results(
    keys: Sequence[str | None], columns: Sequence[list[str]], response: Response, task_id: str | None
) -> AcceptedResults | None:
    """Return the results if each has our key in our order, and an id of its own."""
    references, ids, prices, currencies = columns
    distinct_ids = set(ids)
    are_distinct = len(set(references)) == len(distinct_ids) == len(ids)
    if references != list(keys) or not are_distinct or "" in distinct_ids:
        return None
    amounts = {price: _money(price, response) for price in set(prices)}
    named = {currency: currency or None for currency in set(currencies)}
    return AcceptedResults(
        references,
        ids,
        list(map(amounts.__getitem__, prices)),
        list(map(named.__getitem__, currencies)),
        task_id,
    )


def _in_order(
    keys: Sequence[str | None], results: list[SendResult], response: Response, may_rename: bool = False
) -> list[SendResult]:
    """Return a result for each key. A result without our key belongs to the message at its position.

    If results have keys that are not ours, or one id for two messages, the response belongs to another
    request, or a message is lost.
    """
    given = [key for key in keys if key is not None]
    folded = str.casefold if len({key.casefold() for key in given}) == len(given) else str
    asked, by_key = set(map(folded, given)), {folded(result.reference or ""): result for result in results}
    ids = [result.id for result in results if result.is_new and result.id is not None]
    if len(set(ids)) < len(ids):
        raise unreadable_response("one id for several messages", response.body, response.status)
    found: list[SendResult] = []
    for key, result in zip(keys, results, strict=True):
        its_key = folded(result.reference or "")
        if key is not None and folded(key) in by_key:
            found.append(by_key[folded(key)]._replace(reference=key))
        elif its_key in asked or (its_key and not (may_rename and result.is_new)):
            raise unreadable_response(
                "results that do not match what was sent", response.body, response.status
            )
        else:
            # a duplicate proves that our key counts
            found.append(result._replace(reference=key, key_returned=result.duplicate))
    return found


def _result_of(item: Item, response: Response, task_id: str | None = None) -> SendResult:
    code, text = error_code(item), error_text(item)
    message_id = _text(item.get("id"))
    if code is None and message_id is None and "error" not in item:
        raise unreadable_response("a result without an id", response.body, response.status)
    duplicate = is_duplicate(code, text)
    return SendResult(
        reference=_text(item.get("reference")),
        id=message_id,
        price=_money(item.get("price"), response),
        currency=_text(item.get("currency")),
        code=code,
        duplicate=duplicate,
        throttled=code is not None and not duplicate and error_class(code, text) is TelecomThrottledError,
        task_id=task_id if code is None else None,
    )


def _warn_of_duplicates(results: Sequence[SendResult]) -> None:
    """Log that nothing was sent for keys that the vendor has had before.

    Retries rely on that; but it looks the same if two different messages were given one key.
    """
    if count := sum(result.duplicate for result in results):
        log.warning(
            "KetchUp already knows %d of %d keys and has sent nothing for them now. This is right if an "
            "earlier request of the same task sent them; if not, the same key was used for another message",
            count,
            len(results),
        )


def _text(value: object) -> str | None:
    is_text = isinstance(value, (str, int, Decimal)) and not isinstance(value, bool) and value != ""
    return str(value) if is_text else None


def _money(value: object, response: Response) -> Decimal | None:
    """Return an amount, which comes as a number or as a string. Never a float."""
    if value in (None, ""):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise unreadable_response("an amount that is not a number", response.body, response.status)
    return amount


def read_price_list(response: Response) -> list[CountryPrice]:
    """Return a price list."""
    found = read_content(response)
    prices = found.get("prices") if isinstance(found, dict) else found
    if not isinstance(prices, list):
        raise unreadable_response("a response without prices", response.body, response.status)
    return to_model(list[CountryPrice], prices, response.body)
