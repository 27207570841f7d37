"""What bulk SMS, bulk Viber messages and bulk look-ups differ in: their content, keys, calls and prices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

from airflow_provider_telecom.bulk.text_template import Text, blank_check
from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.segments import segments_of_all, sms_segments
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Columns, Entry
    from airflow_provider_telecom.bulk.outcomes import Origin
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    from airflow_provider_telecom.journal.checkpoint import AudienceIdentity
    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import SmsTerms, ViberTerms
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
        Price,
        Recipient,
        SendResult,
        SmsColumns,
        ViberMessage,
        ViberRecipient,
    )

    Check = Callable[[str], object]


class Message(NamedTuple):
    """A message to one recipient, or a look-up of a number."""

    msisdn: str
    reference: str
    text: str
    sender: str


@dataclass(frozen=True, slots=True)
class Messages(Sequence[Message]):
    """Messages by columns: so a send makes no object for each. `rows` are the recipients' columns."""

    rows: Columns
    references: Sequence[str]
    texts: Sequence[str]
    senders: Sequence[str]

    @property
    def numbers(self) -> Sequence[str]:
        """The recipients' numbers."""
        return self.rows[0]

    def __len__(self) -> int:
        return len(self.references)

    @overload
    def __getitem__(self, place: int) -> Message: ...

    @overload
    def __getitem__(self, place: slice) -> Messages: ...

    def __getitem__(self, place: int | slice) -> Message | Messages:
        if isinstance(place, slice):
            rows = [column[place] for column in self.rows]
            return Messages(rows, self.references[place], self.texts[place], self.senders[place])
        return Message(self.numbers[place], self.references[place], self.texts[place], self.senders[place])

    def at(self, places: Sequence[int]) -> Messages:
        """Return the messages at some places."""

        def chosen(column: Sequence[str]) -> Sequence[str]:
            return [column[place] for place in places]

        rows = [chosen(column) for column in self.rows]
        return Messages(rows, chosen(self.references), chosen(self.texts), chosen(self.senders))


@dataclass(frozen=True)
class RowColumns:
    """The columns of a recipient's row: in the text, of the sender, of the user's own key, for results, of
    the variant in an audience, of the time zone.
    """

    text: Sequence[str] = ()
    sender: str | None = None
    reference: str | None = None
    results: Sequence[str] = ()
    timezone: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import COLUMNS

        if wrong := COLUMNS.intersection(self.results):
            rule = f"{', '.join(sorted(wrong))}: the file of results has such a field of its own"
            raise TelecomInputError("result_columns", rule)

    @cached_property
    def names(self) -> Sequence[str]:
        """All columns, each once; those in the text come first."""
        single = [name for name in (self.sender, self.reference, self.variant) if name is not None]
        last = [] if self.timezone is None else [self.timezone]
        return tuple(dict.fromkeys([*self.text, *single, *self.results, *last]))

    def place(self, name: str) -> int:
        """Return the place of a column in a row, which begins with the number."""
        return 1 + self.names.index(name)


class MessageKind(ABC):
    """Base class of the kinds of messages.

    A message has a key: the user's own, from a column, or one that is derived from its number and content.
    """

    call: ClassVar[str]
    """The label of the vendor's call."""
    channel: ClassVar[str]
    """The column of the same name in a file of outcomes."""
    noun: ClassVar[str] = "messages"
    must_prove_keys: ClassVar[bool] = False
    """Whether the vendor may not recognise keys."""
    has_states: ClassVar[bool] = True
    """Whether a task that waits completes the file of results with the state of each message."""
    is_sms: ClassVar[bool] = False
    """Whether a text is sent in segments."""
    check_key: ClassVar[Callable[..., str]]
    text_values: int = 0
    """As in `RecipientColumns`."""
    is_blank: Callable[[Entry], bool] | None = None
    """Whether the text for a recipient is empty, if `text_values` does not say it."""
    content: object = None
    """The text, or the texts of the variants."""
    origin: Origin
    """What the lines of all messages in the file of outcomes have in common."""
    audience: AudienceIdentity | None = None
    """The audience that must be the same in each try."""

    def __init__(self, hook: KetchUpHook, keys: IdempotencyKeys, columns: RowColumns) -> None:
        self.hook, self.columns, self._keys = hook, columns, keys
        self._reference_place = None if columns.reference is None else columns.place(columns.reference)
        self._result_places = [(name, columns.place(name)) for name in columns.results]
        self.variant_place = None if columns.variant is None else columns.place(columns.variant)

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks of columns, before anything is sent."""
        if (name := self.columns.reference) is None:
            return {}
        return {name: partial(type(self).check_key, field=name)}

    def messages(self, rows: Columns) -> Messages:
        """Return the messages to some recipients, in their order."""
        texts, senders = self._contents(rows)
        if (place := self._reference_place) is None:
            keys = self._derived_keys(rows[0], texts, senders)
        else:
            keys = rows[place]
        return Messages(rows, keys, texts, senders)

    def text(self, values: Sequence[str]) -> str:
        """Return the text for the values of a recipient; "" for what has none."""
        return ""

    @abstractmethod
    def _contents(self, rows: Columns) -> tuple[Sequence[str], Sequence[str]]:
        """Return the texts and the senders of the messages to some recipients."""

    @abstractmethod
    def send(self, messages: Messages) -> Sequence[SendResult]:
        """Send messages by one call, and return a result for each."""

    @abstractmethod
    def price(self, messages: Messages) -> Price:
        """Return the price of messages."""

    def identities(self, messages: Messages) -> Sequence[str]:
        """Return what must be the same in each try. A user's own key does not say what the content is."""
        if self._reference_place is None:
            return messages.references
        derived = self._derived_keys(messages.numbers, messages.texts, messages.senders)
        return [f"{own} {key}" for own, key in zip(messages.references, derived, strict=True)]

    def result_columns(self, messages: Messages) -> Mapping[str, Sequence[str]]:
        """Return the recipients' columns that are copied to the file of results."""
        return {name: messages.rows[place] for name, place in self._result_places}

    def variants(self, messages: Messages) -> Sequence[str | None]:
        """Return the variants of recipients of an audience."""
        return [None] * len(messages) if self.variant_place is None else messages.rows[self.variant_place]

    def segments(self, messages: Messages) -> Sequence[int | None]:
        """Return how many segments each message has; None for those that are no SMS."""
        return [None] * len(messages)

    @property
    def is_keyed(self) -> bool:
        """Whether the vendor is known to recognise keys, from the responses so far."""
        return True

    def keys_work(self, messages: Messages) -> bool:
        """Return the same; if it is not known, after looking the first three messages up by their keys."""
        return True

    def _derived_keys(
        self, numbers: Sequence[str], texts: Sequence[str], senders: Sequence[str]
    ) -> Sequence[str]:
        return self._keys.of_all(zip(numbers, senders, texts, strict=True))


class SmsKind(MessageKind):
    """SMS: one text for all, or individual ones. An SMS with a sender of its own is an individual one."""

    call = "POST /sms/create"
    channel = "sms"
    has_states = False
    is_sms = True
    check_key = staticmethod(arguments.check_reference)

    def __init__(
        self,
        hook: KetchUpHook,
        keys: IdempotencyKeys,
        columns: RowColumns,
        text: Text,
        originator: str | None,
        terms: SmsTerms,
    ) -> None:
        super().__init__(hook, keys, columns)
        self._text, self._originator, self._terms = text, originator, terms
        self._sender_place = None if columns.sender is None else columns.place(columns.sender)
        self._common_text = None if text.columns else text.fill(())
        self.text_values, self.is_blank = text.text_values, blank_check(text)
        self.content = text.source
        self._common_segments = None if self._common_text is None else sms_segments(self._common_text)

    def segments(self, messages: Messages) -> Sequence[int]:
        """Return how many segments each SMS has."""
        if self._common_segments is None:
            return segments_of_all(messages.texts)
        return [self._common_segments] * len(messages)

    @property
    def checks(self) -> Mapping[str, Check]:
        """The checks of columns: also of each row's sender."""
        if (name := self.columns.sender) is None:
            return super().checks
        return {**super().checks, name: partial(_check_sender, name, self._originator)}

    def text(self, values: Sequence[str]) -> str:
        """Return the text for the values of a recipient."""
        return self._text.fill(values)

    def _contents(self, rows: Columns) -> tuple[Sequence[str], Sequence[str]]:
        default = self._originator or ""
        if (place := self._sender_place) is None:
            return self._text.fill_all(rows), [default] * len(rows[0])
        return self._text.fill_all(rows), [own or default for own in rows[place]]

    def send(self, messages: Messages) -> Sequence[SendResult]:
        """Send SMS by one call."""
        if self._is_individual:
            return self.hook.send_individual_sms(self._individual(messages), **self._terms).results
        people, text = self._people(messages), str(self._common_text)
        return self.hook.send_sms_to_many(people, text, originator=self._originator, **self._terms).results

    def price(self, messages: Messages) -> Price:
        """Return the price of SMS, asked for under other keys: the vendor knows those that were sent."""
        asked = _under_other_keys(messages)
        if self._is_individual:
            return self.hook.price_individual_sms(self._individual(asked), **self._terms)
        people, text = self._people(asked), str(self._common_text)
        return self.hook.price_sms_to_many(people, text, originator=self._originator, **self._terms)

    @property
    def _is_individual(self) -> bool:
        return self._common_text is None or self._sender_place is not None

    def _people(self, messages: Messages) -> Sequence[Recipient]:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient

        return list(map(Recipient, messages.numbers, messages.references))

    def _individual(self, messages: Messages) -> SmsColumns:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import SmsColumns

        return SmsColumns(messages.numbers, messages.texts, messages.references, messages.senders)


class ViberKind(MessageKind):
    """Viber messages: one text for all, or a message object for each recipient.

    Keys are relied on once the vendor has shown that it recognises them, and never with `use_keys=False`.
    `content` are the other fields of a message; `callback_url` returns the address for reports about messages
    with these keys.
    """

    call = "POST /viber/create"
    channel = "viber"
    must_prove_keys = True
    check_key = staticmethod(arguments.check_any_key)

    def __init__(
        self,
        hook: KetchUpHook,
        keys: IdempotencyKeys,
        columns: RowColumns,
        text: Text,
        sender: str,
        content: Mapping[str, Any],
        terms: ViberTerms,
        use_keys: bool,
        callback_url: Callable[[Sequence[str]], str | None],
    ) -> None:
        super().__init__(hook, keys, columns)
        self._text, self._sender, self._content, self._terms = text, sender, content, terms
        self._use_keys, self._callback_url = use_keys, callback_url
        self._extras = key_extras(content)
        self._is_keyed = False
        self._common_text = None if text.columns else text.fill(())
        self.text_values, self.is_blank = text.text_values, blank_check(text)
        self.content = text.source

    def text(self, values: Sequence[str]) -> str:
        """Return the text for the values of a recipient."""
        return self._text.fill(values)

    def _contents(self, rows: Columns) -> tuple[Sequence[str], Sequence[str]]:
        return self._text.fill_all(rows), [self._sender] * len(rows[0])

    def send(self, messages: Messages) -> Sequence[SendResult]:
        """Send messages by one call, and learn whether the vendor returns their keys."""
        url = self._callback_url(messages.references)
        results = self.hook.send_viber_messages(
            self._objects(messages, url), without_keys=not self._use_keys, **self._terms
        ).results
        if accepted := [one for one in results if one.accepted]:
            self._is_keyed = self._use_keys and all(one.key_returned for one in accepted)
        return results

    def price(self, messages: Messages) -> Price:
        """Return the price of messages, asked for under other keys."""
        return self.hook.price_viber_messages(self._objects(_under_other_keys(messages), None), **self._terms)

    @property
    def is_keyed(self) -> bool:
        """Whether the vendor has returned the keys of the last messages, or found one by its key."""
        return self._is_keyed

    def keys_work(self, messages: Messages) -> bool:
        """Return whether the vendor is known to recognise keys; looks up to three messages up."""
        if not self._is_keyed and self._use_keys:
            self._is_keyed = self.hook.viber_keys_work(self._people(messages[:3]))
        return self._is_keyed

    def _derived_keys(
        self, numbers: Sequence[str], texts: Sequence[str], senders: Sequence[str]
    ) -> Sequence[str]:
        contents = zip(numbers, senders, texts, strict=True)
        return self._keys.of_all([(*content, *self._extras) for content in contents])

    def _people(self, messages: Messages) -> Sequence[ViberRecipient]:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

        return list(map(ViberRecipient, messages.numbers, messages.references))

    def _objects(self, messages: Messages, url: str | None) -> Sequence[ViberMessage]:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberMessage

        people = self._people(messages)
        common = {**self._content, "sender": self._sender, "callback_url": url}
        if self._common_text is not None:
            return [ViberMessage(people, self._common_text, **common)]
        return [
            ViberMessage([person], text, **common)
            for person, text in zip(people, messages.texts, strict=True)
        ]


class HlrKind(MessageKind):
    """Look-ups. `callback_url` returns the address for the result of the look-up with a key."""

    call = "POST /hlr/create"
    channel = "hlr"
    noun = "look-ups"
    check_key = staticmethod(arguments.check_any_key)

    def __init__(
        self,
        hook: KetchUpHook,
        keys: IdempotencyKeys,
        columns: RowColumns,
        tariff: int | None,
        callback_url: Callable[[str], str | None],
    ) -> None:
        super().__init__(hook, keys, columns)
        self._tariff, self._callback_url = tariff, callback_url

    def _contents(self, rows: Columns) -> tuple[Sequence[str], Sequence[str]]:
        return [""] * len(rows[0]), [""] * len(rows[0])

    def send(self, messages: Messages) -> Sequence[SendResult]:
        """Create look-ups by one call."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import HlrQuery

        queries = [
            HlrQuery(msisdn, key, self._tariff, self._callback_url(key))
            for msisdn, key in zip(messages.numbers, messages.references, strict=True)
        ]
        return self.hook.create_hlrs(queries).results

    def price(self, messages: Messages) -> Price:
        """Return the price of look-ups by the price list, since there is no call for it.

        A number whose country is not in the list counts with the highest price: it is never too little.
        """
        from airflow_provider_telecom.calls.phone import country_of
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import Price

        prices, currency = self._price_list
        highest = max(prices.values())
        countries = Counter(map(country_of, messages.numbers))
        total = sum(
            (prices.get(country, highest) * count for country, count in countries.items()), Decimal(0)
        )
        return Price.model_validate({"totalprice": total, "currency": currency})

    @cached_property
    def _price_list(self) -> tuple[Mapping[str | None, Decimal], str]:
        """The highest price of each country, and the currency."""
        default = self.hook.options.tariff
        tariff = next((one for one in (self._tariff, default) if one is not None), 0)
        prices: dict[str | None, Decimal] = {}
        found = self.hook.list_hlr_prices(tariff)
        for each in found:
            country = each.country.upper()
            prices[country] = max(each.price, prices.get(country, each.price))
        currencies = sorted({each.currency for each in found})
        if len(currencies) != 1:
            rule = f"can't be checked: the price list has {', '.join(currencies) or 'no prices'}"
            raise TelecomInputError("max_cost", rule)
        return prices, currencies[0]

    def _derived_keys(
        self, numbers: Sequence[str], texts: Sequence[str], senders: Sequence[str]
    ) -> Sequence[str]:
        return self._keys.of_all([(number,) for number in numbers])


def key_extras(content: Mapping[str, Any]) -> Sequence[str]:
    """Return what the key of a Viber message depends on beside number, sender and text."""
    return [f"{name}={content[name]}" for name in ("image_url", "caption", "action_url") if content[name]]


def _under_other_keys(messages: Messages) -> Messages:
    return replace(messages, references=[f"p{place}" for place in range(len(messages))])


def _check_sender(column: str, default: str | None, value: str) -> None:
    """Check the sender of a row. It may be empty if the task has one for such rows."""
    if value or default is None:
        non_blank(column, value, arguments.MAX_ORIGINATOR_LENGTH)
