"""Keeping a budget in step with a bulk send: reserved at KetchUp's price, settled with what it charged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.budget_store import settle_and_log

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.budget_store import Reservation
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
    from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts

    Quotes = Sequence[tuple[int, Decimal]]
    """How many of the messages a price is for, and the price, in their order."""


def send_within_budget(
    reservation: Reservation,
    counts: Callable[[], SendCounts],
    price: Callable[[SendCounts], tuple[Decimal, str | None]],
    send: Callable[[], None],
    release: Callable[[Exception], None] = lambda error: None,
) -> None:
    """Reserve what the messages cost that are still to be sent, send them, and settle.

    `price` returns what all would cost, with what they have cost already. Raises TelecomInputError before
    the first message if the budget does not allow it. After an error the reservation stays for the next try,
    but for what `release` gives back.
    """
    before = counts()
    total, currency = price(before)
    reservation.budget.check_currency(currency)
    spent = Decimal(before.price)
    reservation.reserve(spent, total - spent, not before.unpriced)
    try:
        send()
    except Exception as error:
        release(error)
        raise
    settle(reservation, counts())


def release(reservation: Reservation, sender: BulkSender, progress: BulkProgress, first: int) -> None:
    """Settle after the last try has failed. What certainly was not sent is released.

    `first` is the number of recipients that earlier tries had sent to.
    """
    counts, sent = progress.counts, progress.counts.rows - first
    in_doubt = max(sender.possibly_sent, progress.in_doubt)
    not_sent = _price_after(sender.quotes, sent + in_doubt)
    doubt = _price_after(sender.quotes, sent, starts_early=True) - not_sent if in_doubt else Decimal(0)
    spent = Decimal(counts.price)
    if not _is_priced(reservation, counts):
        settle_and_log(reservation, max(spent, reservation.held - not_sent), doubt)
    else:
        settle_and_log(reservation, spent + doubt, doubt)


def settle(reservation: Reservation, counts: SendCounts) -> None:
    """Replace what was reserved by what was charged, and log what is left.

    If the vendor did not give the price of some messages, or gave it in another currency, all that was
    reserved counts as spent.
    """
    spent = Decimal(counts.price)
    is_priced = _is_priced(reservation, counts)
    settle_and_log(reservation, spent if is_priced else max(spent, reservation.held))


def _is_priced(reservation: Reservation, counts: SendCounts) -> bool:
    """Return whether the vendor gave the price of all messages, in the budget's currency."""
    currency = reservation.budget.currency
    return not counts.unpriced and all(each.upper() == currency for each in counts.currencies)


def _price_after(quotes: Quotes, place: int, starts_early: bool = False) -> Decimal:
    """Return the price of the messages after a place.

    Prices are of whole chunks: the one with this place is left out, or counted with `starts_early`.
    """
    total, start = Decimal(0), 0
    for size, price in quotes:
        if start >= place or (starts_early and start + size > place):
            total += price
        start += size
    return total
