"""What a campaign would send, before it does: recipients, texts, segments, prices and time windows.

Nothing here has a recipient's number or value: sample texts have made-up values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_telecom.bulk.budget import shown
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import mask_number
from airflow_provider_telecom.calls.segments import (
    UCS_2,
    Encoded,
    OtherCharacter,
    characters_outside_gsm_7,
    encode_sms,
)
from airflow_provider_telecom.tasks.literals import is_literal

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Entry, Group

COLUMN_FIELD = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""A column in a text, or a doubled brace, which stands for one."""
MAX_NAMED_CHARACTERS = 10
MAX_NAMED_ROWS = 20

_MADE_UP = {
    "name": "Oksana",
    "link": "https://example.com/a1b2",
    "url": "https://example.com/a1b2",
    "date": "31.12",
    "code": "1234",
}
_LONG_NUMBER = re.compile(r"\d(?:[ ()-]{0,2}\d){8,}")


class Recipients(Protocol):
    """What a preview needs of an audience."""

    @property
    def count(self) -> int: ...

    @property
    def duplicates(self) -> int: ...

    @property
    def bad(self) -> int: ...

    def entries(self, skip: int = 0) -> Iterator[Entry]: ...


@dataclass
class TextPreview:
    """A text, and how it would be sent to its recipients."""

    variant: str | None
    sample: str
    """The text with made-up values. Long numbers are hidden."""
    outside_gsm_7: Sequence[OtherCharacter]
    """The characters of the text itself, not of values, that force UCS-2."""
    counts: Counter[Encoded | None] = field(default_factory=Counter)
    """How many recipients get it in which form; None for what is no SMS."""
    price: Decimal | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the preview as an XCom has it."""
        encodings, sizes = Counter[str](), Counter[int]()
        for encoded, count in self.counts.items():
            if encoded is not None:
                encodings[encoded.encoding] += count
                sizes[encoded.segments] += count
        return {
            "variant": self.variant,
            "recipients": self.counts.total(),
            "encodings": dict(encodings),
            "segments": sum(size * count for size, count in sizes.items()) if sizes else None,
            "recipients_by_segments": {str(size): sizes[size] for size in sorted(sizes)},
            "outside_gsm_7": [one._asdict() for one in self.outside_gsm_7[:MAX_NAMED_CHARACTERS]],
            "more_outside_gsm_7": max(0, len(self.outside_gsm_7) - MAX_NAMED_CHARACTERS),
            "price": None if self.price is None else str(self.price),
            "sample": self.sample,
        }


@dataclass(frozen=True)
class CampaignText:
    """A text, or one per variant, as a sending operator has it.

    `fill` returns the text for the values of an entry. `variant_place` is the variant's place in an entry.
    `fields` finds the places of values in a text, and `column_of` the column of what it has found.
    """

    text: str | Mapping[str, str]
    fill: Callable[[Sequence[str]], str]
    variant_place: int | None = None
    is_sms: bool = True
    fields: re.Pattern[str] = COLUMN_FIELD
    column_of: Callable[[str], str] = str

    @property
    def is_one(self) -> bool:
        """Whether all recipients get the same text, or one that has no segments."""
        return self.variant_place is None and not (self.is_sms and self._has_values(None))

    def previews(self, audience: Recipients) -> list[TextPreview]:
        """Return a preview for each variant, or one for all. A text without values is encoded once."""
        place = self.variant_place
        if self.is_one:
            preview = self._preview(None)
            preview.counts[self._encoded(()) if self.is_sms else None] = audience.count
            return [preview]
        found: dict[str | None, TextPreview] = {}
        same: dict[str | None, Encoded | None] = {}
        for _, *values in audience.entries():
            variant = None if place is None else values[place - 1]
            if variant not in found:
                found[variant] = self._preview(variant)
                if not self._has_values(variant):
                    same[variant] = self._encoded(values)
            encoded = same[variant] if variant in same else self._encoded(values)
            found[variant].counts[encoded] += 1
        return [found[variant] for variant in sorted(found, key=str)]

    def check_segments(
        self, audience: Recipients, max_segments: int, lines_of: Callable[[Sequence[str]], Mapping[str, int]]
    ) -> list[TextPreview]:
        """Return the previews, once no recipient's text takes more SMS than allowed.

        `lines_of` returns the lines of numbers in the source. Raises TelecomInputError before anything is
        sent, and names the first lines, or the text if it has no values.
        """
        if self.is_one:
            check_text_segments(self.fill(()), max_segments)
        previews = self.previews(audience)
        count = sum(
            count
            for preview in previews
            for encoded, count in preview.counts.items()
            if encoded is not None and encoded.segments > max_segments
        )
        if count:
            raise self._too_long(audience, count, max_segments, lines_of)
        return previews

    def _too_long(
        self,
        audience: Recipients,
        count: int,
        max_segments: int,
        lines_of: Callable[[Sequence[str]], Mapping[str, int]],
    ) -> TelecomInputError:
        sizes = (
            (place, number, encode_sms(self.fill(values)).segments)
            for place, (number, *values) in enumerate(audience.entries(), 1)
        )
        wrong = list(islice((one for one in sizes if one[2] > max_segments), MAX_NAMED_ROWS))
        lines = lines_of([number for _, number, _ in wrong])
        named = "; ".join(
            f"{f'line {lines[number]}' if number in lines else f'recipient {place}'} "
            f"({mask_number(number)}): {needed} SMS"
            for place, number, needed in wrong
        )
        more = f"; and {count - len(wrong)} more" if count > len(wrong) else ""
        texts = [self.text] if isinstance(self.text, str) else list(self.text.values())
        outside = [one for text in texts for one in outside_gsm_7(text, self.fields)]
        because = f" (sent as UCS-2, because of {_named(outside[:3], len(outside) - 3)})" if outside else ""
        return TelecomInputError(
            "max_segments",
            f"allows {max_segments} SMS, and the texts of {count} recipients take more{because}, "
            f"so nothing was sent: {named}{more}",
        )

    def _has_values(self, variant: str | None) -> bool:
        return any(found[1] for found in self.fields.finditer(self._text_of(variant)))

    def _text_of(self, variant: str | None) -> str:
        return self.text if isinstance(self.text, str) else self.text[str(variant)]

    def _preview(self, variant: str | None) -> TextPreview:
        text = self._text_of(variant)
        outside = outside_gsm_7(text, self.fields) if self.is_sms else ()
        return TextPreview(variant, sample_text(text, self.fields, self.column_of), outside)

    def _encoded(self, values: Sequence[str]) -> Encoded | None:
        return encode_sms(self.fill(values)) if self.is_sms else None


def texts_facts(previews: Sequence[TextPreview]) -> dict[str, Any]:
    """Return `{"segments", "texts"}`: how many segments there are in all, and each text."""
    texts = [preview.to_dict() for preview in previews]
    counts = [text["segments"] for text in texts if text["segments"] is not None]
    return {"segments": sum(counts) if counts else None, "texts": texts}


def sample_text(
    text: str, fields: re.Pattern[str] = COLUMN_FIELD, column_of: Callable[[str], str] = str
) -> str:
    """Return a text with made-up values in place of its columns. Long numbers are hidden."""

    def value(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0][:1]
        column = column_of(found[1])
        return next((value for part, value in _MADE_UP.items() if part in column.lower()), f"<{column}>")

    return _LONG_NUMBER.sub("***", fields.sub(value, text))


def outside_gsm_7(text: str, fields: re.Pattern[str] = COLUMN_FIELD) -> list[OtherCharacter]:
    """Return the characters of a text that force UCS-2, at their positions in it. Columns do not count."""
    return characters_outside_gsm_7(fields.sub(lambda found: "_" * len(found[0]), text))


def check_text_segments(text: str, max_segments: int, field: str = "text") -> str:
    """Return a text that takes so many SMS at most. Raises TelecomInputError, and says what forces UCS-2."""
    encoded = encode_sms(text)
    if encoded.segments > max_segments:
        outside = characters_outside_gsm_7(text)
        because = f" as UCS-2, because of {_named(outside[:3], len(outside) - 3)}" if outside else ""
        rule = f"takes {encoded.segments} SMS{because}; max_segments allows {max_segments}"
        raise TelecomInputError(field, rule)
    return text


def check_literal_segments(text: object, max_segments: int) -> None:
    """Check the texts without values that are known when the Dag is parsed. Raises TelecomInputError."""
    for one in text.values() if isinstance(text, Mapping) else [text]:
        if isinstance(one, str) and is_literal(one) and not COLUMN_FIELD.search(one):
            check_text_segments(one, max_segments)


def _named(characters: Sequence[OtherCharacter], more: int) -> str:
    named = ", ".join(f"{_shown(one.character)} ({one.name}, position {one.position})" for one in characters)
    return f"{named} and {more} more" if more > 0 else named


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def excluded(audience: Recipients) -> dict[str, int]:
    """Return how many rows are left out, by reason: by the audience's policy, or of a list or a file."""
    from airflow_provider_telecom.bulk.audience_folder import FolderAudience

    if isinstance(audience, FolderAudience):
        return {reason: count for reason, count in audience.info.excluded.items() if count}
    found = {"bad_row": audience.bad, "duplicate": audience.duplicates}
    return {reason: count for reason, count in found.items() if count}


def windows(opens: Mapping[Group, datetime], now: datetime) -> list[dict[str, Any]]:
    """Return the time zones with their recipients, and when their window opens; None if it is open."""
    return [
        {
            "timezone": group.name,
            "recipients": group.count,
            "opens_at": None if at <= now else at.astimezone(UTC).isoformat(),
        }
        for group, at in opens.items()
    ]


def preview_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of the table of a dry run, from its XCom."""
    yield f"recipients: {summary['recipients']:,}"
    if left_out := summary.get("excluded"):
        yield "excluded: " + ", ".join(f"{reason} {count:,}" for reason, count in left_out.items())
    texts = summary.get("texts", ())
    yield from _table([
        ("variant", "recipients", "segments", "encoding", "price"),
        *(_cells(one, summary.get("currency")) for one in texts),
    ])
    for one in texts:
        yield from _text_lines(one)
    for window in summary.get("windows", ()):
        when = "can be sent to now"
        if window["opens_at"] is not None:
            when = f"wait until {datetime.fromisoformat(window['opens_at']):%Y-%m-%d %H:%M} UTC"
        yield f"{window['timezone'] or 'no time zone'}: {window['recipients']:,} recipients {when}"
    if summary.get("price") is not None:
        yield f"price in all: {summary['price']} {summary['currency'] or ''}".rstrip()
    if (budget := summary.get("budget")) is not None:
        yield from _budget_lines(budget, summary.get("price"))


def _budget_lines(budget: Mapping[str, Any], price: str | None) -> Iterator[str]:
    name, currency = f"budget {budget['name']}", budget["currency"]
    day = f"on {budget['day']} ({budget['timezone']})"
    if budget["left"] is not None:
        yield f"{name}: {budget['left']} {currency} left of {budget['per_day']} {currency} {day}"
    if budget["per_task"] is not None:
        yield f"{name}: a task may spend {budget['per_task']} {currency}"
    limits = [Decimal(budget[cap]) for cap in ("left", "per_task") if budget[cap] is not None]
    if price is not None and Decimal(price) > min(limits):
        yield f"{name}: a send now would be refused, it costs more than {shown(min(limits))} {currency}"


def segment_lines(previews: Sequence[TextPreview]) -> Iterator[str]:
    """Return how the texts of a send are sent, for its log."""
    for one in previews:
        text = one.to_dict()
        name = f" of {one.variant}" if one.variant else ""
        _, recipients, segments, encoding, _ = _cells(text, None)
        yield f"the text{name} goes to {recipients} recipients in {segments} segments, {encoding}"
        yield from _encoding_lines(text)


def _cells(text: Mapping[str, Any], currency: str | None) -> tuple[str, ...]:
    sizes = text["recipients_by_segments"]
    segments = f"{text['segments']:,}" if sizes else "-"
    if len(sizes) > 1:
        segments += f" ({', '.join(f'{count:,} x {size}' for size, count in sizes.items())})"
    encodings = text["encodings"]
    encoding = next(iter(encodings), "-")
    if len(encodings) > 1:
        encoding = ", ".join(f"{name} {count:,}" for name, count in encodings.items())
    price = "-" if text["price"] is None else f"{text['price']} {currency or ''}".rstrip()
    return text["variant"] or "-", f"{text['recipients']:,}", segments, encoding, price


def _text_lines(text: Mapping[str, Any]) -> Iterator[str]:
    name = f" of {text['variant']}" if text["variant"] else ""
    if text["sample"]:
        yield f"sample{name}: {' '.join(text['sample'].split())}"
    yield from _encoding_lines(text)


def _encoding_lines(text: Mapping[str, Any]) -> Iterator[str]:
    name = f" of {text['variant']}" if text["variant"] else ""
    if text["outside_gsm_7"]:
        characters = [OtherCharacter(**one) for one in text["outside_gsm_7"]]
        named = _named(characters, text["more_outside_gsm_7"])
        yield f"the text{name} is sent as UCS-2, because of {named}"
    elif by_values := text["encodings"].get(UCS_2):
        yield f"the values of {by_values:,} recipients{name} force UCS-2; the text itself does not"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
