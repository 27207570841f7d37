"""Detailed statistics as a table: a row a message. Source: "Получение запрошенной информации о сообщениях".

Keys are spelt in several ways ("Incoming date", "Incoming_date"), so case, blanks and underscores do not
count. Stray blanks are taken off all values but texts. What is empty, is nothing (None).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.calls.responses import read_json
from airflow_provider_telecom.vendors.columns import RAW, Column, ColumnType, json_text
from airflow_provider_telecom.vendors.times import parse_local_time, to_utc

_CLOCK = "wall clock of the vendor"
_ZONE = "as read with vendor_timezone; none without it. In an hour that happens twice, the later"
_INSTEAD = "of the SMS that went out in place of a Viber message, which is paid for besides it"
COLUMNS = (
    Column("message_id", ColumnType.TEXT, "the vendor's id"),
    Column("message_type", ColumnType.TEXT, "sms, hlr or viber"),
    Column(
        "msisdn", ColumnType.TEXT, "to whom, as E.164 without the plus; as the vendor writes it if of no plan"
    ),
    Column("country_name", ColumnType.TEXT, "the number's country"),
    Column("brand_name", ColumnType.TEXT, "its operator"),
    Column("mcc", ColumnType.TEXT, "its mobile country code"),
    Column("mnc", ColumnType.TEXT, "its mobile network code; a leading zero is kept if the vendor has one"),
    Column("originator", ColumnType.TEXT, "from whom; HLR for look-ups"),
    Column("price", ColumnType.DECIMAL, "what it costs, without an alternative SMS", "see currency"),
    Column("currency", ColumnType.TEXT, "currency of the price"),
    Column("incoming_utc", ColumnType.TIMESTAMP, f"when it came in, {_ZONE}", "UTC"),
    Column("sending_utc", ColumnType.TIMESTAMP, f"when it was sent, {_ZONE}", "UTC"),
    Column("dlr_utc", ColumnType.TIMESTAMP, f"when its final receipt came, {_ZONE}", "UTC"),
    Column("incoming_date", ColumnType.TEXT, "when it came in, the vendor's own words", _CLOCK),
    Column("sending_date", ColumnType.TEXT, "when it was sent, the vendor's own words", _CLOCK),
    Column("dlr_date", ColumnType.TEXT, "when its final receipt came, the vendor's own words", _CLOCK),
    Column("status", ColumnType.TEXT, "the vendor's word"),
    Column("status_folded", ColumnType.TEXT, "the same in lower case, to compare with"),
    Column("body", ColumnType.TEXT, "the text; none for look-ups"),
    Column("hlr", ColumnType.JSON, "what a look-up found"),
    Column("img", ColumnType.TEXT, "picture of a Viber message"),
    Column("caption", ColumnType.TEXT, "its button's text"),
    Column("action", ColumnType.TEXT, "its button's link"),
    Column("alternative_sms_id", ColumnType.TEXT, f"id {_INSTEAD}"),
    Column("alternative_sms_price", ColumnType.DECIMAL, f"price {_INSTEAD}", "see alternative_sms_currency"),
    Column("alternative_sms_currency", ColumnType.TEXT, f"currency of the price {_INSTEAD}"),
    Column("alternative_sms_status", ColumnType.TEXT, f"status {_INSTEAD}"),
    Column("alternative_sms", ColumnType.JSON, f"all that is told {_INSTEAD}"),
    RAW,
)
_WORDS = (
    *("message_type", "country_name", "brand_name", "mcc", "mnc", "originator", "img", "action"),
    "status",
)
_SPELT = {
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


def to_row(record: Mapping[str, Any], zone: tzinfo | None = None, region: str = "UA") -> dict[str, Any]:
    """Return a record as a row. Raises TelecomInputError, which holds nothing of it.

    `zone` is that of the vendor's clocks, if known; `region` is for numbers without a country code.
    """
    facts = _named(record)
    row: dict[str, Any] = {name: _word(name, facts) for name in _WORDS}
    row |= {"message_id": _word("message_id", facts), "msisdn": _msisdn(_word("msisdn", facts), region)}
    if row["message_id"] is None:
        raise TelecomInputError("message_id", "is missing")
    row["price"], row["currency"] = _money(facts)
    for name in ("incoming", "sending", "dlr"):
        row[f"{name}_date"], row[f"{name}_utc"] = _time(f"{name}_date", facts, zone)
    row["status_folded"] = row["status"] and row["status"].casefold()
    row["hlr"] = _network(facts)
    row["body"] = None if row["hlr"] else _text("body", facts)
    row["caption"] = _text("caption", facts)
    return {**row, **_alternative(facts), "raw": json_text(record)}


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that we know by our names."""
    facts: dict[str, Any] = {}
    for key, value in record.items():
        name = _name(key)
        if name in facts:
            raise TelecomInputError(name, "stands twice")
        if name:
            facts[name] = None if value == "" else value
    return facts


@lru_cache(maxsize=1000)
def _name(key: str) -> str:
    return _SPELT.get(_BLANKS.sub("", key).casefold(), "")


def _word(name: str, facts: Mapping[str, Any]) -> str | None:
    text = _text(name, facts)
    return text and (text.strip() or None)


def _text(name: str, facts: Mapping[str, Any]) -> str | None:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal, type(None))):
        raise TelecomInputError(name, "must be a text or a number")
    return value if value is None or isinstance(value, str) else f"{value}"


@lru_cache(maxsize=20_000)
def _msisdn(number: str | None, region: str) -> str | None:
    """Return a number in the canonical form. The vendor writes them so, but may know plans that we do not."""
    if number is None:
        return None
    is_written_in_full = _DIGITS.fullmatch(number) is not None
    try:
        return e164(f"+{number}" if is_written_in_full else number, region)
    except TelecomInputError:
        return number


def _money(facts: Mapping[str, Any]) -> tuple[Decimal | None, str | None]:
    text = _word("price", facts)
    if text is None:
        return None, None
    found = _MONEY.fullmatch(text)
    if found is None:
        raise TelecomInputError("price", "must be an amount like 0.0000000 EUR")
    return Decimal(found[1]), found[2]


def _time(
    name: str, facts: Mapping[str, Any], zone: tzinfo | None
) -> tuple[str, datetime | None] | tuple[None, None]:
    text = _word(name, facts)
    if text is None:
        return None, None
    local = parse_local_time(name, text)
    return text, None if zone is None else to_utc(name, local, zone)


def _network(facts: Mapping[str, Any]) -> str | None:
    """Return what a look-up found, as JSON: its body is an object, or the text of one."""
    body = facts.get("body")
    if isinstance(body, str) and (_word("message_type", facts) or "").casefold() == "hlr":
        body = _object(body)
    return json_text(body) if isinstance(body, Mapping) else None


def _alternative(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the SMS within a Viber message: an object, or the text of one."""
    value = facts.get("alternative_sms")
    sms = _object(value) if isinstance(value, str) else value
    if value is not None and not isinstance(sms, Mapping):
        raise TelecomInputError("alternative_sms", "must be an object")
    inner = _named(sms or {})
    price, currency = _money(inner)
    return {
        "alternative_sms_id": _word("message_id", inner),
        "alternative_sms_price": price,
        "alternative_sms_currency": currency,
        "alternative_sms_status": _word("status", inner),
        "alternative_sms": json_text(sms) if sms else None,
    }


def _object(text: str) -> Mapping[str, Any] | None:
    """Return the object whose JSON a text is."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found: Mapping[str, Any] = read_json(text.encode("utf-8", "surrogatepass"))
    except TelecomAnswerError:
        return None
    return found
