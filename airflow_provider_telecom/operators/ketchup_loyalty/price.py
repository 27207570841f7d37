"""The operator that asks KetchUp what something costs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Price


class KetchUpPriceOperator(KetchUpOperator):
    """Ask what messages would cost, or for the price list of a tariff. Nothing is sent, and it is free.

    With `msisdns` and `text` (SMS and Viber) the vendor rehearses the sending; returns

        {"kind", "messages", "duplicates", "price", "currency"}

    of all recipients, numbers that stand twice left out. The vendor reckons nothing for numbers that it would
    refuse. Without `msisdns` returns the list, which is all that there is for HLR look-ups:

        {"kind", "prices": [{"country", "country_name", "mcc", "price", "currency"}]}

    with a price for one SMS, Viber message or look-up in each country. Prices are strings.

    :param kind: `sms` (default), `viber` or `hlr`.
    :param msisdns: whom the messages would go to: one number or a list (or the text of a list).
    :param text: what they would say.
    :param originator: the sender of SMS, or the alpha name of Viber messages; the connection's without it.
    :param promotional: whether a Viber message is an advertisement.
    :param tariff: the tariff's number, 0 to 9; without it the connection's, or the document's default (0, for
        HLR price lists 9).
    :param country: leave only this country (two letters, like UA) in the list.
    :param chunk_size: recipients in one call.

    Raises TelecomInputError, TelecomRejectedError (6: no such tariff), TelecomNotFoundError (`country` has no
    price). Source: "Получение цены смс", "Получение цены Viber-сообщения" and the tables of prices of the
    vendor's document.
    """

    template_fields: Sequence[str] = (
        *KetchUpOperator.template_fields,
        "msisdns",
        "text",
        "originator",
        "country",
    )
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "text")

    def __init__(
        self,
        *,
        kind: Literal["sms", "viber", "hlr"] = "sms",
        msisdns: Sequence[str | int] | str | int | None = None,
        text: str | None = None,
        originator: str | None = None,
        promotional: bool = False,
        tariff: int | None = None,
        country: str | None = None,
        chunk_size: int = 500,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.kind, self.tariff = one_of("kind", kind, arguments.MESSAGE_TYPES), arguments.check_tariff(tariff)
        self.msisdns, self.text, self.originator, self.country = msisdns, text, originator, country
        self.promotional = promotional
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_CHUNK_SIZE)
        if (msisdns is None) != (text is None):
            raise TelecomInputError("text", "goes with msisdns; give both, or none for the price list")
        if kind == "hlr" and msisdns is not None:
            raise TelecomInputError("msisdns", "the vendor rehearses no HLR look-ups; use the price list")
        if country is not None and msisdns is not None:
            raise TelecomInputError("country", "is for the price list, without msisdns")
        check_if_literal(text, lambda literal: non_blank("text", literal))

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask."""
        if self.msisdns is None:
            return {"kind": self.kind, "prices": self._listed()}
        numbers = self._numbers("msisdns")
        once = list(dict.fromkeys(numbers))
        price, currency = self._summed(once, non_blank("text", self.reveal("text")))
        return {
            "kind": self.kind,
            "messages": len(once),
            "duplicates": len(numbers) - len(once),
            "price": str(price),
            "currency": currency,
        }

    def _summed(self, numbers: Sequence[str], text: str) -> tuple[Decimal, str]:
        chunks = range(0, len(numbers), self.chunk_size)
        prices = [self._price(numbers[start : start + self.chunk_size], text) for start in chunks]
        currencies = sorted({price.currency for price in prices})
        if len(currencies) > 1:
            raise TelecomInputError("msisdns", f"cost in several currencies: {', '.join(currencies)}")
        return sum((price.total_price for price in prices), Decimal(0)), currencies[0]

    def _price(self, numbers: Sequence[str], text: str) -> Price:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient, ViberRecipient

        named = [(number, f"price{place}") for place, number in enumerate(numbers)]
        if self.kind == "sms":
            people = [Recipient(*one) for one in named]
            return self.hook.price_sms_to_many(people, text, originator=self.originator, tariff=self.tariff)
        return self.hook.price_viber(
            [ViberRecipient(*one) for one in named],
            text,
            sender=self.originator,
            promotional=self.promotional,
            tariff=self.tariff,
        )

    def _listed(self) -> list[dict[str, Any]]:
        hook = self.hook
        ask = {"sms": hook.list_sms_prices, "viber": hook.list_viber_prices, "hlr": hook.list_hlr_prices}
        prices = [price.model_dump(mode="json", exclude={"type"}) for price in ask[self.kind](self.tariff)]
        if self.country is None:
            return prices
        wanted = non_blank("country", self.country).strip().upper()
        if not (found := [price for price in prices if price["country"].upper() == wanted]):
            raise TelecomNotFoundError(f"the price list has no country {wanted}")
        return found
