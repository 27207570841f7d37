"""The rows of a statistics file, and its three formats."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree as ET

from airflow_provider_telecom.simulator.ketchup_loyalty.filters import statistics_status
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import JsonObject
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Message, VendorState
from airflow_provider_telecom.simulator.ketchup_loyalty.status import hlr_details

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def row(state: VendorState, message: Message) -> JsonObject:
    """Return the row of a message with its present status."""
    draft, delivery = message.draft, message.delivery
    country = draft.country
    facts = {
        "message_ID": int(message.id),
        "message_type": draft.module,
        "msisdn": int(draft.msisdn),
        "Country_name": country.name,
        "brand_name": f"{country.brand} - {country.operator}",
        "mcc": int(country.mcc),
        "mnc": country.mnc,
        "originator": draft.originator,
        "price": f"{draft.price:.7f} {CURRENCY}",
        "Incoming date": state.local_text(message.created),
        "Sending date": state.local_text(delivery.start) if delivery.started else None,
        "DLR Date": state.local_text(delivery.finished),
        "Status": statistics_status(message),
        "body": _hlr_body(message) if draft.module == "hlr" else draft.text,
    }
    names = {"img": "img", "caption": "Caption", "action": "Action"}
    facts |= {names[name]: value for name, value in draft.options.items()}
    if state.switches.on("alternative_sms") and delivery.stage == "not-viber-user":
        facts["alternativeSMS"] = _alternative_sms(facts, message)
    return facts


def _alternative_sms(viber: JsonObject, message: Message) -> JsonObject:
    """Return the SMS that was sent in place of a Viber message, as the document nests it."""
    shared = {name: value for name, value in viber.items() if name not in ("img", "Caption", "Action")}
    return shared | {
        "message_ID": int(f"9{message.id}"),
        "message_type": "sms",
        "price": f"{message.draft.country.sms:.7f} {CURRENCY}",
        "Status": "Delivered",
        "body": f"SMS: {message.draft.text}",
    }


def _hlr_body(message: Message) -> JsonObject:
    """Return the result of a look-up, the body of its row."""
    country, status = message.draft.country, message.delivery.stage
    ported, roaming = hlr_details(message.draft, status)
    return {
        "Country_name": country.name,
        "Brand": country.brand,
        "Operator": country.operator,
        "MCC": int(country.mcc),
        "MNC": country.mnc,
        "Status": status.capitalize(),
        "IMSI": int(country.mcc + country.mnc + message.draft.msisdn[-9:]),
        "Ported": int(ported),
        "Roaming": int(roaming),
    }


def as_json(rows: list[JsonObject], typographic_quotes: bool, is_list: bool) -> str:
    """Return the rows as JSON, or as the document's sample, which no strict parser reads."""
    text = json.dumps({"error": 0, "message_data": rows}, ensure_ascii=False)
    if not typographic_quotes:
        return json.dumps(rows, ensure_ascii=False) if is_list else text
    return _STRING.sub(r"“\1”", text).replace(", “message_data”: ", "\n", 1)


def as_xml(rows: list[JsonObject]) -> str:
    """Return the rows as XML; blanks in names become underscores."""
    root = ET.Element("response")
    ET.SubElement(root, "error").text = "0"
    data = ET.SubElement(root, "message_data")
    for facts in rows:
        _fill(ET.SubElement(data, "message"), facts)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _fill(element: ET.Element, facts: JsonObject) -> None:
    for name, value in facts.items():
        child = ET.SubElement(element, name.replace(" ", "_"))
        if isinstance(value, dict):
            _fill(child, value)
        elif value is not None:
            child.text = str(value)


def as_csv(rows: list[JsonObject], delimiter: str) -> str:
    """Return the rows as CSV with a heading; what is nested is JSON in its cell."""
    target = io.StringIO()
    names = list(dict.fromkeys(name for facts in rows for name in facts))
    writer = csv.DictWriter(target, names, restval="", delimiter=delimiter)
    writer.writeheader()
    for facts in rows:
        writer.writerow({
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
            for name, value in facts.items()
        })
    return target.getvalue()
