"""The operator that asks KetchUp for prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypedDict, Unpack

from airflow_provider_telecom.bulk.chunks import in_chunks
from airflow_provider_telecom.calls.checks import in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import is_too_large
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import SmsTerms, ViberTerms
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Price

_VIBER_EXTRAS = ("image_url", "caption", "action_url", "callback_url")
_ONLY = {"sms": ("validity_hours",), "viber": (*_VIBER_EXTRAS, "validity_seconds")}
"""The parameters of a message that only one kind has."""


class _Message(NamedTuple):
    """A message to price. All with one text have the same `text` and `originator`."""

    msisdn: str
    text: str
    originator: str | None


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

    With `msisdns` and `text`, or with `messages` (SMS and Viber), the vendor calculates the price of the
    messages. The request has the same content as that of a send: give the operator what the sending one gets.
    Returns

        {"kind", "messages", "duplicates", "price", "currency"}

    of all recipients, without duplicates. The vendor adds nothing for numbers that it would refuse. Without
    recipients returns the price list, which is all that exists for HLR look-ups:

        {"kind", "prices": [{"country", "country_name", "mcc", "price", "currency"}]}

    with a price for one SMS, Viber message or look-up in each country. Prices are strings.

    :param kind: `sms` (default), `viber` or `hlr`.
    :param msisdns: the recipients of one text: one number or a list (or the text of a list).
    :param text: the message to `msisdns`.
    :param messages: individual texts, in place of `msisdns` and `text`: a list (or the text of one) of
        `{"msisdn", "text"}`, each with its own `originator` if it needs one.
    :param originator: the sender of SMS, or the alpha name of Viber messages; by default the connection's.
    :param validity_hours: of SMS: how long KetchUp tries to deliver each, 1 to 72.
    :param promotional: whether a Viber message is an advertisement.
    :param image_url: the picture of a Viber message.
    :param caption: the text of its button.
    :param action_url: the link of its button.
    :param callback_url: where KetchUp would post the delivery reports of Viber messages.
    :param validity_seconds: of Viber messages: how long KetchUp tries to deliver each, 15 to 86400.
    :param allow_short_validity: permit less than 60 seconds, which are probably meant as hours.
    :param schedule_at: when they would be sent: a datetime with a time zone, or its ISO 8601 text.
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
        "messages",
        "originator",
        *_VIBER_EXTRAS,
        "schedule_at",
        "country",
    )
    private_fields: ClassVar[Sequence[str]] = ("msisdns", "text", "messages", *_VIBER_EXTRAS)

    def __init__(
        self,
        *,
        kind: Literal["sms", "viber", "hlr"] = "sms",
        msisdns: Sequence[str | int] | str | int | None = None,
        text: str | None = None,
        messages: Sequence[Mapping[str, str | int]] | str | None = None,
        originator: str | None = None,
        validity_hours: int | None = None,
        promotional: bool = False,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        callback_url: str | None = None,
        validity_seconds: int | None = None,
        allow_short_validity: bool = False,
        schedule_at: datetime | str | None = None,
        tariff: int | None = None,
        country: str | None = None,
        chunk_size: int = 500,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.kind, self.tariff = one_of("kind", kind, arguments.MESSAGE_TYPES), arguments.check_tariff(tariff)
        self.msisdns, self.text, self.messages = msisdns, text, messages
        self.originator, self.country, self.schedule_at = originator, country, schedule_at
        self.promotional, self.allow_short_validity = promotional, allow_short_validity
        self.image_url, self.caption, self.action_url = image_url, caption, action_url
        self.callback_url = callback_url
        self.validity_hours, self.validity_seconds = validity_hours, validity_seconds
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_CHUNK_SIZE)
        self._check_what_is_priced()
        if validity_hours is not None:
            in_range("validity_hours", validity_hours, 1, arguments.MAX_VALIDITY_HOURS)
        if validity_seconds is not None:
            arguments.check_viber_validity(validity_seconds, allow_short_validity)
        check_if_literal(text, partial(non_blank, "text"))
        check_if_literal(messages, partial(arguments.parse_messages, "messages"))
        check_if_literal(schedule_at, partial(arguments.optional_datetime, "schedule_at"))
        if all(value is None or is_literal(value) for value in (caption, action_url)):
            arguments.check_button(caption, action_url)

    def _check_what_is_priced(self) -> None:
        """Check that the parameters go together."""
        if (self.msisdns is None) != (self.text is None):
            raise TelecomInputError("text", "goes with msisdns; give both, or none for the price list")
        if self.messages is not None and self.msisdns is not None:
            raise TelecomInputError(
                "messages", "have their own numbers and texts; leave out msisdns and text"
            )
        field = "msisdns" if self.messages is None else "messages"
        if self.kind == "hlr" and self._has_recipients:
            raise TelecomInputError(
                field, "the vendor calculates no price for HLR look-ups; use the price list"
            )
        if self.country is not None and self._has_recipients:
            raise TelecomInputError("country", f"is for the price list, without {field}")
        for kind, names in _ONLY.items():
            for name in (*names, "schedule_at"):
                if getattr(self, name) is None:
                    continue
                if not self._has_recipients:
                    raise TelecomInputError(name, "goes with msisdns and text, or messages")
                if kind != self.kind and name in names:
                    raise TelecomInputError(name, f"is only for kind={kind!r}")

    @property
    def _has_recipients(self) -> bool:
        return self.msisdns is not None or self.messages is not None

    def execute(self, context: Context) -> PriceXCom | PriceListXCom:
        """Return the price or the price list."""
        if not self._has_recipients:
            return {"kind": self.kind, "prices": self._price_list()}
        messages = self._messages()
        once = list(dict.fromkeys(messages))
        arguments.reject_duplicates([message.msisdn for message in once], ())
        ask = self._price_sms if self.kind == "sms" else self._price_viber
        prices = list(in_chunks(once, self.chunk_size, ask, is_too_large))
        currencies = sorted({price.currency for price in prices})
        if len(currencies) > 1:
            raise TelecomInputError("msisdns", f"cost in several currencies: {', '.join(currencies)}")
        return {
            "kind": self.kind,
            "messages": len(once),
            "duplicates": len(messages) - len(once),
            "price": str(sum((price.total_price for price in prices), Decimal(0))),
            "currency": currencies[0],
        }

    def _messages(self) -> list[_Message]:
        from airflow_provider_telecom.calls.phone import e164

        sender = self.originator
        if self.messages is None:
            text = non_blank("text", self.reveal("text"))
            return [_Message(number, text, sender) for number in self._numbers("msisdns")]
        region = self.hook.options.default_region
        return [
            _Message(e164(one["msisdn"], region), str(one["text"]), one.get("originator") or sender)
            for one in arguments.parse_messages("messages", self.reveal("messages"))
        ]

    def _price_sms(self, messages: Sequence[_Message]) -> Price:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import IndividualSms, Recipient

        at = arguments.optional_datetime("schedule_at", self.schedule_at)
        terms: SmsTerms = {"tariff": self.tariff, "schedule_at": at}
        if self.validity_hours is not None:
            terms["validity_hours"] = self.validity_hours
        keyed = [(f"price{place}", message) for place, message in enumerate(messages)]
        if self.messages is None:
            people = [Recipient(message.msisdn, key) for key, message in keyed]
            text, sender = messages[0].text, messages[0].originator
            return self.hook.price_sms_to_many(people, text, originator=sender, **terms)
        own = [IndividualSms(one.msisdn, one.text, key, one.originator) for key, one in keyed]
        return self.hook.price_individual_sms(own, **terms)

    def _price_viber(self, messages: Sequence[_Message]) -> Price:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberMessage, ViberRecipient

        terms: ViberTerms = {"tariff": self.tariff, "allow_short_validity": self.allow_short_validity}
        if self.validity_seconds is not None:
            terms["validity_seconds"] = self.validity_seconds
        content = {
            "promotional": self.promotional,
            **{name: self.reveal(name) for name in _VIBER_EXTRAS},
            "schedule_at": arguments.optional_datetime("schedule_at", self.schedule_at),
        }
        people = [ViberRecipient(one.msisdn, f"price{place}") for place, one in enumerate(messages)]
        if self.messages is None:
            asked = [ViberMessage(people, messages[0].text, messages[0].originator, **content)]
        else:
            pairs = zip(people, messages, strict=True)
            asked = [ViberMessage([to], one.text, one.originator, **content) for to, one in pairs]
        return self.hook.price_viber_messages(asked, **terms)

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
