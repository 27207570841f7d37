"""The operator that asks KetchUp for prices."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.operators.campaigns.chunks import in_chunks
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import is_too_large
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import ViberOptions
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Price


class PriceXCom(TypedDict):
    """What `KetchUpPriceOperator` returns for numbers."""

    kind: str
    messages: int
    duplicates: int
    price: str
    currency: str


class PriceListXCom(TypedDict):
    """What `KetchUpPriceOperator` returns without numbers."""

    kind: str
    prices: list[dict[str, Any]]


class KetchUpPriceOperator(KetchUpOperator):
    """Return what messages would cost, or the price list of a tariff. Nothing is sent, and it is free.

    With `msisdns` and `text` (SMS and Viber) the vendor calculates the price of the messages; returns

        {"kind", "messages", "duplicates", "price", "currency"}

    of all recipients, without duplicates. The vendor adds nothing for numbers that it would refuse. Without
    `msisdns` returns the price list, which is all that exists for HLR look-ups:

        {"kind", "prices": [{"country", "country_name", "mcc", "price", "currency"}]}

    with a price for one SMS, Viber message or look-up in each country. Prices are strings.

    :param kind: `sms` (default), `viber` or `hlr`.
    :param msisdns: the recipients: one number or a list (or the text of a list).
    :param text: the message.
    :param originator: the sender of SMS, or the alpha name of Viber messages; by default the connection's.
    :param promotional: whether a Viber message is an advertisement.
    :param tariff: the tariff's number, 0 to 9; by default the connection's, or the document's (0, for HLR
        price lists 9).
    :param country: show only this country (two letters, like UA) of the price list.
    :param chunk_size: recipients in one call; halved automatically if the vendor refuses it as too large.

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
            raise TelecomInputError(
                "msisdns", "the vendor calculates no price for HLR look-ups; use the price list"
            )
        if country is not None and msisdns is not None:
            raise TelecomInputError("country", "is for the price list, without msisdns")
        check_if_literal(text, partial(non_blank, "text"))

    def execute(self, context: Context) -> PriceXCom | PriceListXCom:
        """Return the price or the price list."""
        if self.msisdns is None:
            return {"kind": self.kind, "prices": self._price_list()}
        numbers = self._numbers("msisdns")
        once = list(dict.fromkeys(numbers))
        text = non_blank("text", self.reveal("text"))
        prices = list(in_chunks(once, self.chunk_size, partial(self._price, text=text), is_too_large))
        currencies = sorted({price.currency for price in prices})
        if len(currencies) > 1:
            raise TelecomInputError("msisdns", f"cost in several currencies: {', '.join(currencies)}")
        return {
            "kind": self.kind,
            "messages": len(once),
            "duplicates": len(numbers) - len(once),
            "price": str(sum((price.total_price for price in prices), Decimal(0))),
            "currency": currencies[0],
        }

    def _price(self, numbers: Sequence[str], text: str) -> Price:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient, ViberRecipient

        with_keys = [(number, f"price{place}") for place, number in enumerate(numbers)]
        sender, tariff = self.originator, self.tariff
        if self.kind == "sms":
            people = [Recipient(*one) for one in with_keys]
            return self.hook.price_sms_to_many(people, text, originator=sender, tariff=tariff)
        options: ViberOptions = {"sender": sender, "promotional": self.promotional, "tariff": tariff}
        return self.hook.price_viber([ViberRecipient(*one) for one in with_keys], text, **options)

    def _price_list(self) -> list[dict[str, Any]]:
        hook = self.hook
        read = {"sms": hook.list_sms_prices, "viber": hook.list_viber_prices, "hlr": hook.list_hlr_prices}
        prices = [price.model_dump(mode="json", exclude={"type"}) for price in read[self.kind](self.tariff)]
        if self.country is None:
            return prices
        country = non_blank("country", self.country).strip().upper()
        if not (found := [price for price in prices if price["country"].upper() == country]):
            raise TelecomNotFoundError(f"the price list has no country {country}")
        return found
