"""Detailed statistics as columns: a row a message. Source: "Получение запрошенной информации о сообщениях".

Keys have several spellings ("Incoming date", "Incoming_date"), so case, blanks and underscores are ignored.
Blanks around values are removed, except in message texts. Empty values become None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.phone import QUICK, e164
from airflow_provider_telecom.calls.responses import read_json
from airflow_provider_telecom.vendors.columns import (
    RAW,
    Column,
    ColumnType,
    Kind,
    Source,
    UsualRecords,
    json_text,
)
from airflow_provider_telecom.vendors.times import parse_local_time, to_utc

_CLOCK = "local time of the vendor"
_ZONE = "with vendor_timezone; empty without it. In an hour that occurs twice, the later"
_ALTERNATIVE = "of the SMS that was sent in place of a Viber message and is paid for besides it"
COLUMNS = (
    Column("message_id", ColumnType.TEXT, "the vendor's id"),
    Column("message_type", ColumnType.TEXT, "sms, hlr or viber"),
    Column(
        "msisdn",
        ColumnType.TEXT,
        "recipient, as E.164 without the plus; unknown formats as the vendor writes them",
    ),
    Column("country_name", ColumnType.TEXT, "country of the number"),
    Column("brand_name", ColumnType.TEXT, "its operator"),
    Column("mcc", ColumnType.TEXT, "its mobile country code"),
    Column("mnc", ColumnType.TEXT, "its mobile network code; a leading zero is kept if the vendor has one"),
    Column("originator", ColumnType.TEXT, "sender; HLR for look-ups"),
    Column("price", ColumnType.DECIMAL, "price, without an alternative SMS", "see currency"),
    Column("currency", ColumnType.TEXT, "currency of the price"),
    Column("incoming_utc", ColumnType.TIMESTAMP, f"when it came in, {_ZONE}", "UTC"),
    Column("sending_utc", ColumnType.TIMESTAMP, f"when it was sent, {_ZONE}", "UTC"),
    Column("dlr_utc", ColumnType.TIMESTAMP, f"when its final receipt came, {_ZONE}", "UTC"),
    Column("incoming_date", ColumnType.TEXT, "when it came in, as the vendor writes it", _CLOCK),
    Column("sending_date", ColumnType.TEXT, "when it was sent, as the vendor writes it", _CLOCK),
    Column("dlr_date", ColumnType.TEXT, "when its final receipt came, as the vendor writes it", _CLOCK),
    Column("status", ColumnType.TEXT, "as the vendor writes it"),
    Column("status_folded", ColumnType.TEXT, "the status in lower case, to compare with"),
    Column("body", ColumnType.TEXT, "message text; empty for look-ups"),
    Column("hlr", ColumnType.JSON, "result of a look-up"),
    Column("img", ColumnType.TEXT, "picture of a Viber message"),
    Column("caption", ColumnType.TEXT, "text of its button"),
    Column("action", ColumnType.TEXT, "link of its button"),
    Column("alternative_sms_id", ColumnType.TEXT, f"id {_ALTERNATIVE}"),
    Column(
        "alternative_sms_price", ColumnType.DECIMAL, f"price {_ALTERNATIVE}", "see alternative_sms_currency"
    ),
    Column("alternative_sms_currency", ColumnType.TEXT, f"currency of the price {_ALTERNATIVE}"),
    Column("alternative_sms_status", ColumnType.TEXT, f"status {_ALTERNATIVE}"),
    Column("alternative_sms", ColumnType.JSON, f"all fields {_ALTERNATIVE}"),
    RAW,
)
_WORDS = (
    *("message_type", "country_name", "brand_name", "mcc", "mnc", "originator", "img", "action"),
    "status",
)
_TIMES = ("incoming", "sending", "dlr")
_NAMES = {
    name.replace("_", ""): name
    for name in (
        *_WORDS,
        *("message_id", "msisdn", "price", "incoming_date", "sending_date", "dlr_date"),
        *("body", "caption", "alternative_sms"),
    )
}
_BLANKS = re.compile(r"[\s_]+")
_DIGITS = re.compile(r"[1-9][0-9]{6,14}")
_MONEY = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]{3})?")

Record = Mapping[str, Any]
"""A record of an export, or its fields under our names."""
Row = dict[str, object]


def to_row(record: Record, zone: tzinfo | None = None, region: str = "UA") -> Row:
    """Return a record as a row. Raises TelecomInputError, which contains nothing of the record.

    `zone` is that of the vendor's local times, if known; `region` is for numbers without a country code.
    """
    fields = _known_fields(record)
    row: Row = {name: _word(name, fields) for name in _WORDS}
    row |= {"message_id": _word("message_id", fields), "msisdn": _msisdn(_word("msisdn", fields), region)}
    if row["message_id"] is None:
        raise TelecomInputError("message_id", "is missing")
    row["price"], row["currency"] = _money(fields)
    for name in _TIMES:
        row[f"{name}_date"], row[f"{name}_utc"] = _time(f"{name}_date", fields, zone)
    row["status_folded"] = _folded(_text("status", fields) or "")
    row["hlr"] = _hlr(fields)
    row["body"] = None if row["hlr"] else _text("body", fields)
    row["caption"] = _text("caption", fields)
    return {**row, **_alternative_sms(fields), "raw": json_text(record)}


def usual_records(region: str) -> UsualRecords:
    """Return how `to_row` reads many records at once, but for look-ups and SMS inside Viber messages."""
    return UsualRecords(
        COLUMNS,
        {
            "message_id": Source(Kind.EACH, "message_id", True, _stripped, {"[!-~]+": ""}),
            **{name: Source(Kind.EACH, name, read=_stripped) for name in _WORDS},
            "status_folded": Source(Kind.EACH, "status", read=_folded),
            "msisdn": Source(
                Kind.EACH, "msisdn", read=lambda text: _msisdn(_stripped(text), region), quick=QUICK
            ),
            "price": Source(Kind.EACH, "price", read=lambda text: _money({"price": text})[0]),
            "currency": Source(Kind.EACH, "price", read=lambda text: _money({"price": text})[1]),
            **{f"{name}_date": Source(Kind.LOCAL_TEXT, f"{name}_date") for name in _TIMES},
            **{f"{name}_utc": Source(Kind.LOCAL_TIME, f"{name}_date") for name in _TIMES},
            "body": Source(Kind.TEXT, "body"),
            "caption": Source(Kind.TEXT, "caption"),
        },
        _name,
        {"message_type": lambda text: text.strip().casefold() == "hlr", "alternative_sms": bool},
    )


class MessageReceipt(NamedTuple):
    """What a record says of the state of its message. What can't be read of times and prices is None."""

    message_id: str
    msisdn: str | None
    status: str
    at: datetime | None
    price: Decimal | None
    currency: str | None
    alternative: MessageReceipt | None = None
    """The SMS that was sent in place of a Viber message."""


def to_receipt(record: Record, zone: tzinfo | None = None, region: str = "UA") -> MessageReceipt:
    """Return what a record says of the state of its message.

    Raises TelecomInputError if it has no id or status; the error contains nothing of the record.
    """
    found = _receipt(_known_fields(record), zone, region)
    value = _known_fields(record).get("alternative_sms")
    sms = _parse_object(value) if isinstance(value, str) else value
    if not isinstance(sms, Mapping) or not sms:
        return found
    return found._replace(alternative=_receipt(_known_fields(sms), zone, region))


def _receipt(fields: Record, zone: tzinfo | None, region: str) -> MessageReceipt:
    message_id, status = _word("message_id", fields), _word("status", fields)
    if message_id is None or status is None:
        raise TelecomInputError("message_id" if message_id is None else "status", "is missing")
    at, price, currency = None, None, None
    with suppress(TelecomInputError):
        _, at = _time("dlr_date", fields, zone)
    with suppress(TelecomInputError):
        price, currency = _money(fields)
    return MessageReceipt(message_id, _msisdn(_word("msisdn", fields), region), status, at, price, currency)


def _known_fields(record: Record) -> Record:
    """Return the known fields of a record, under our names."""
    fields: dict[str, Any] = {}
    for key, value in record.items():
        name = _name(key)
        if name in fields:
            raise TelecomInputError(name, "occurs twice")
        if name:
            fields[name] = None if value == "" else value
    return fields


@lru_cache(maxsize=1000)
def _name(key: str) -> str:
    return _NAMES.get(_BLANKS.sub("", key).casefold(), "")


def _word(name: str, fields: Record) -> str | None:
    text = _text(name, fields)
    return text and _stripped(text)


def _folded(text: str) -> str | None:
    found = _stripped(text)
    return found and found.casefold()


def _stripped(text: str) -> str | None:
    return text.strip() or None


def _text(name: str, fields: Record) -> str | None:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal, type(None))):
        raise TelecomInputError(name, "must be a text or a number")
    return value if value is None or isinstance(value, str) else f"{value}"


@lru_cache(maxsize=20_000)
def _msisdn(number: str | None, region: str) -> str | None:
    """Return a number in the canonical form, or as it is if its numbering plan is unknown to us."""
    if number is None:
        return None
    is_written_in_full = _DIGITS.fullmatch(number) is not None
    try:
        return e164(f"+{number}" if is_written_in_full else number, region)
    except TelecomInputError:
        return number


def _money(fields: Record) -> tuple[Decimal | None, str | None]:
    text = _word("price", fields)
    if text is None:
        return None, None
    found = _MONEY.fullmatch(text)
    if found is None:
        raise TelecomInputError("price", "must be an amount like 0.0000000 EUR")
    return Decimal(found[1]), found[2]


def _time(name: str, fields: Record, zone: tzinfo | None) -> tuple[str | None, datetime | None]:
    text = _word(name, fields)
    if text is None:
        return None, None
    local = parse_local_time(name, text)
    return text, None if zone is None else to_utc(name, local, zone)


def _hlr(fields: Record) -> str | None:
    """Return the result of a look-up as JSON: its body is an object, or the text of one."""
    body = fields.get("body")
    if isinstance(body, str) and (_word("message_type", fields) or "").casefold() == "hlr":
        body = _parse_object(body)
    return json_text(body) if isinstance(body, Mapping) else None


def _alternative_sms(fields: Record) -> Row:
    """Return the columns of the SMS inside a Viber message: an object, or the text of one."""
    value = fields.get("alternative_sms")
    sms = _parse_object(value) if isinstance(value, str) else value
    if value is not None and not isinstance(sms, Mapping):
        raise TelecomInputError("alternative_sms", "must be an object")
    inner = _known_fields(sms or {})
    price, currency = _money(inner)
    return {
        "alternative_sms_id": _word("message_id", inner),
        "alternative_sms_price": price,
        "alternative_sms_currency": currency,
        "alternative_sms_status": _word("status", inner),
        "alternative_sms": json_text(sms) if sms else None,
    }


def _parse_object(text: str) -> Record | None:
    """Return the object whose JSON a text is, or None."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found: Record = read_json(text.encode("utf-8", "surrogatepass"))
    except TelecomAnswerError:
        return None
    return found
