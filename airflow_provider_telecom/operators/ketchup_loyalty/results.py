"""What became of the orders in a package, one by one, and when that is an error of the whole task."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomThrottledError,
)

if TYPE_CHECKING:
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult

T = TypeVar("T")

VENDOR_FAILED, NO_FUNDS, TOO_LARGE = "5", "8", "12"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_LOOK_AGAIN_LATER = 60.0


def looked_up(look: Callable[[], T], seconds: float = 60.0) -> T:
    """Return what `look` finds of something that the vendor says it has; it may take a while to show.

    Raises TelecomNotFoundError after `seconds`.
    """
    ends, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            return look()
        except TelecomNotFoundError:
            if time.monotonic() + pause > ends:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def summed(results: Sequence[SendResult]) -> dict[str, Any]:
    """Return `{"accepted", "known_before", "refused": {code: count}, "price", "currency"}`.

    `known_before` are those that the vendor recognised by their keys; it does not say their price again.
    """
    new = [result for result in results if result.accepted and not result.duplicate]
    return {
        "accepted": len(new),
        "known_before": sum(result.duplicate for result in results),
        "refused": dict(Counter(str(result.code) for result in results if not result.accepted)),
        "price": str(sum((result.price or Decimal(0) for result in new), Decimal(0))),
        "currency": next((result.currency for result in new if result.currency), None),
    }


def raise_what_passes(results: Sequence[SendResult], call: str) -> None:
    """Raise for orders that are refused only for now. For keyed ones: the next try sends all again."""
    partial = any(result.accepted for result in results)
    if any(result.code == NO_FUNDS for result in results):
        raise TelecomFundsError("the account is out of money", call=call, code=NO_FUNDS, partial=partial)
    if late := [result for result in results if result.throttled or result.code == VENDOR_FAILED]:
        text = f"{len(late)} of {len(results)} are refused for now"
        raise TelecomThrottledError(
            text, call=call, code=late[0].code, retry_after=_LOOK_AGAIN_LATER, partial=partial
        )


def judge(refused: Mapping[str, int], whole: int, most: int, call: str) -> None:
    """Raise TelecomRejectedError when more than `most` of `whole` were refused."""
    count = sum(refused.values())
    if count > most:
        codes = ", ".join(f"code {code}: {times}" for code, times in refused.items())
        first = next(iter(refused))
        raise TelecomRejectedError(f"{count} of {whole} were refused ({codes})", call=call, code=first)
